#!/usr/bin/env python3
"""Which server fl-source sql means, what it tells that one, and how long it waits for it. Started by ./run.
"""
import getpass
import json
import os
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tools"))
sys.path.insert(0, HERE)
import harness
import mariadb_server
from fake_server import FakeServer, SlowServer
from ports import free_port

LIMIT = 120
STDOUT = ["fl-sink", "stdout", "--stream"]
SINCE = ["--since", "id", "--format", "text"]


class Servers(harness.Case):
    def setUp(self):
        super().setUp()
        self.password = self.write("password", "fl-pw\n")

    def source(self, url, *options, **more):
        return self.pipeline(["fl-source", "sql", url, "--password-file", self.password, *options], STDOUT, **more)

    def read(self, url, *options, statuses=(0, 0), **more):
        return self.check(self.source(url, *options, **more), *statuses, limit=LIMIT)

    def rows(self, url, *options, **more):
        return self.read(url, *options, **more).output().decode().splitlines()

    # ------------------------------------------------------------- which one

    def test_each_server_has_a_position_of_its_own(self):
        """By --socket, or by socket, host and port of an option file: the other server is read, too."""
        first, second = mariadb_server.shared(), mariadb_server.Server()
        self.addCleanup(second.close)
        for name, server in (("first", first), ("second", second)):
            server.run(f"CREATE TABLE own (id INT PRIMARY KEY, s VARCHAR(9)); INSERT INTO own VALUES (1, '{name}')")

        def cnf(name, text):
            return ["--option-file", self.write(name, "[client]\n" + text)]
        local = "mysql://fl@localhost/test/own"
        for kind, url, options in (
                ("socket", local, lambda server: ["--socket", server.socket]),
                ("short path", local, lambda server: ["--socket", os.path.relpath(server.socket, self.dir)]),
                ("socket of a file", "mysql:///test/own",
                 lambda server: cnf(f"s{server.port}", f"user=fl\nsocket={server.socket}\n")),
                ("host of a file", "mysql:///test/own",
                 lambda server: cnf(f"h{server.port}", f"user=fl\nhost=127.0.0.1\nport={server.port}\n")),
                ("port of a file", "mysql://fl@127.0.0.1/test/own",
                 lambda server: cnf(f"p{server.port}", f"port={server.port}\n")),
                ("--socket and a host of a file", local, lambda server: [
                    "--socket", server.socket, *cnf(f"b{server.port}", "host=127.0.0.1\nport=1\nprotocol=tcp\n")])):
            with self.subTest(kind):
                home = self.env(HOME=self.path("home " + kind))
                for name, server in (("first", first), ("second", second)):
                    self.assertEqual(self.rows(url, *SINCE, *options(server), env=home), [f"1\t{name}"])
                for server in (first, second):
                    self.assertEqual(self.rows(url, *SINCE, *options(server), env=home), [])
                # A file that is named belongs to one of them, too.
                place = ["--position", self.path("place " + kind)]
                self.rows(url, *SINCE, *options(first), *place)
                pipeline = self.read(url, *SINCE, *options(second), *place, statuses=(78, 78))
                self.assertIn("is the position of", pipeline.errors(0))
        # By the environment.
        for name, server in (("first", first), ("second", second)):
            self.assertEqual(self.rows(local, *SINCE, env=self.env(MYSQL_UNIX_PORT=server.socket)), [f"1\t{name}"])

    def test_files_of_before_are_found(self):
        """Of a host and a port by the same name; a file that does not say which server it is of counts."""
        server = mariadb_server.shared()
        server.run("CREATE TABLE old (id INT PRIMARY KEY); INSERT INTO old VALUES (1), (2), (3)")
        old = json.dumps({"of": "test.old since id", "id": "8a", "rows": 2, "key": ["id"], "values": ["2"]})
        usual = self.write(f"home/.local/state/fl/sql/127.0.0.1%3a{server.port}%20test.old%20since%20id.json", old)
        self.assertEqual(self.rows(server.url("old"), *SINCE), ["3"])
        with open(usual) as file:
            self.assertEqual(json.load(file)["of"], "test.old since id")
        named = self.write("named", old)
        options = ["--socket", server.socket, "--position", named]
        self.assertEqual(self.rows("mysql://fl@localhost/test/old", *SINCE, *options), ["3"])
        with open(named) as file:
            self.assertEqual(json.load(file)["of"], f"test.old since id at {server.socket}")
        self.assertEqual(self.rows("mysql://fl@localhost/test/old", *SINCE, *options), [])

    def test_messages_name_the_server_in_effect(self):
        port = free_port()
        own = self.write("own.cnf", f"[client]\nhost=127.0.0.1\nport={port}\nuser=fl\n")
        away = self.path("no-socket")
        for options, words in ((["--option-file", own], f"cannot connect to 127.0.0.1:{port}"),
                               (["--socket", away], f"cannot connect to {away}")):
            with self.subTest(words):
                pipeline = self.read("mysql:///test/t", *options, "--give-up-after", "300ms", statuses=(69, 69))
                self.assertIn(words, pipeline.errors(0))

    def test_nothing_that_is_given_is_left_out(self):
        for url, options, words in (
                ("mysql://[::1]/test/t", ["--socket", "/s"], ("'/s'", "::1")),
                ("mysql://localhost:3306/test/t", ["--socket", "/s"], ("'/s'", "localhost:3306")),
                ("mysql://127.0.0.1/test/t", ["--socket", "/s"], ("'/s'", "127.0.0.1")),
                ("mysql://fl@127.0.0.1:1/test/t", ["--user", "etl"], ("'fl'", "'etl'"))):
            for more in ([], ["--dry-run"]):
                with self.subTest(url=url, options=options, more=more):
                    pipeline = self.source(url, *options, *more)
                    self.assertEqual(pipeline.wait(LIMIT)[0], 64, pipeline.report())
                    for word in words:
                        self.assertIn(word, pipeline.errors(0))

    def test_option_files_that_are_none(self):
        server = mariadb_server.shared()
        server.run("CREATE TABLE IF NOT EXISTS few (id INT PRIMARY KEY)")
        for content, words in ((self.random.randbytes(3000), "is not an option file"),
                               ("user=fl\npassword=fl-pw\n", "line 1 belongs to no group"),
                               ("# mine\n\n[client\nuser=fl\n", "line 3 begins a group"),
                               ("[mysqldump]\nuser=fl\n", "no group [client]"), ("", "no group [client]")):
            for more in ([], ["--dry-run"]):
                with self.subTest(words=words, more=more):
                    file = self.write("bad.cnf", content)
                    pipeline = self.source(server.url("few"), "--option-file", file, *more)
                    self.assertEqual(pipeline.wait(LIMIT)[0], 78, pipeline.report())
                    self.assertIn(words, pipeline.errors(0))
                    self.assertIn(file, pipeline.errors(0))
                    self.assertNotIn("fl-pw", pipeline.errors(0))
        good = self.write("good.cnf", "# mine\r\n  ; too\r\n\r\n[mysqld]\r\nx\r\n[client-mariadb]\r\n"
                          "connect-timeout = 9\r\n")
        self.read(server.url("few"), "--option-file", good)
        self.read(server.url("few"), "--option-file", self.write("all.cnf", f"!include {good}\n"))

    # ------------------------------------------------------------- the password

    def test_the_password_is_never_sent_in_the_clear(self):
        """Not to a socket, and not because an option file names the server or allows it."""
        path = self.path("s")
        server = FakeServer("127.0.0.1", 0)
        self.addCleanup(server.close)
        local = FakeServer(path)
        self.addCleanup(local.close)
        host = f"[client]\nuser=fl\nhost=127.0.0.1\nport={server.port}\n"
        for fake, url, options in (
                (server, f"mysql://fl@127.0.0.1:{server.port}/test/t", []),
                (local, "mysql://fl@localhost/test/t", ["--socket", path]),
                (local, "mysql:///test/t",
                 ["--option-file", self.write("s.cnf", f"[client]\nuser=fl\nsocket={path}\n")]),
                (server, "mysql:///test/t", ["--option-file", self.write("h.cnf", host)]),
                (server, f"mysql://fl@127.0.0.1:{server.port}/test/t",
                 ["--option-file", self.write("r.cnf", host + "restricted-auth=mysql_clear_password\n")])):
            with self.subTest(url=url, options=options):
                count = len(fake.logins)
                pipeline = self.read(url, *options, statuses=(77, 77))
                self.assertGreater(len(fake.logins), count)
                self.assertNotIn(b"fl-pw", b"".join(part for login in fake.logins for part in login))
                self.assertIn("in the clear", pipeline.errors(0))

    def test_a_login_by_the_user_of_the_system(self):
        own = mariadb_server.Server()
        self.addCleanup(own.close)
        name = getpass.getuser()
        own.run(f"CREATE TABLE t (id INT); INSERT INTO t VALUES (7); CREATE OR REPLACE USER {name}@localhost "
                f"IDENTIFIED VIA unix_socket; GRANT ALL ON *.* TO {name}@localhost")
        pipeline = self.pipeline(["fl-source", "sql", f"mysql://{name}@localhost/test/t", "--socket", own.socket],
                                 STDOUT)
        self.check(pipeline, 0, 0, limit=LIMIT)
        self.assertEqual(pipeline.output(), b'{"id":7}\n')

    # ------------------------------------------------------------- time

    def slow(self, kind):
        server = SlowServer(kind)
        self.addCleanup(server.close)
        return server, f"mysql://fl@127.0.0.1:{server.port}/test/t"

    def test_a_signal_ends_a_connect(self):
        for kind in (SlowServer.SILENT, SlowServer.DRIBBLE):
            with self.subTest(kind):
                server, url = self.slow(kind)
                pipeline = self.source(url, *SINCE, "--connect-timeout", "1h")
                harness.poll(server.connected.is_set, "a connection")
                pipeline.send(signal.SIGTERM)
                self.check(pipeline, 0, 0)  # nothing was read, and the position says so

    def test_a_connect_ends_in_time(self):
        """A try has one limit, however often the server says a little, and --give-up-after counts in it."""
        for kind in (SlowServer.SILENT, SlowServer.DRIBBLE):
            with self.subTest(kind):
                server, url = self.slow(kind)
                dry = self.pipeline(["fl-source", "sql", url, "--connect-timeout", "1s", "--dry-run"])
                self.check(dry, 69)
                self.assertIn("no answer within 1s", dry.errors(0))
                pipeline = self.read(url, "--connect-timeout", "1h", "--give-up-after", "1s", statuses=(69, 69))
                self.assertIn(f"no answer yet from 127.0.0.1:{server.port}", pipeline.errors(0))


if __name__ == "__main__":
    harness.main()
