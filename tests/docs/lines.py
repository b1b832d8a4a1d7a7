"""The indented lines of README that name another host, a cluster or a user's files: each is run as it
stands, with servers of tests/tools in the places of those that it names. A line without a test, or a
test without its line, is a failure."""
import functools
import inspect
import os
import re
import shutil
import signal
import subprocess

import certificates
import fake_metastore
import harness
import hbase_gateway
import kafka_mock
import mariadb_server
import metastore
import pages
import recipes
from fake_hdfs import FakeHdfs
from ports import free_port

COUNT = 10  # lines; tail -F begins with the last ten
SITE = "<configuration>{}</configuration>"
PROPERTY = "<property><name>{}</name><value>{}</value></property>"


def rows() -> list:
    """Pipelines outside of the fenced blocks, without the prompt of a host."""
    text = re.sub(r"^```.*?^```$", "", pages.read("README.md"), flags=re.M | re.S)
    found = re.findall(r"^    (?:\w+\$ )?(.*\bfl-(?:source|intercept|channel|sink) \w.*)$", text, re.M)
    return [re.sub(r" +#.*", "", row) for row in found]


def shows(*parts):
    """The test runs the lines of README that hold these parts; it gets them as arguments."""
    def decorate(test):
        @functools.wraps(test)
        def run(self):
            test(self, *(self.row(part) for part in parts))
        run.shows = parts
        return run
    return decorate


class Lines(harness.Case):
    def setUp(self):
        super().setUp()
        self.lines = [b"10.0.0.%d GET /%d" % (i, i) for i in range(COUNT)]
        self.write("access.log", b"".join(line + b"\n" for line in self.lines))
        self.hdfs = FakeHdfs()
        self.hdfs.__enter__()
        self.addCleanup(self.hdfs.__exit__)
        # Two NameNodes, the first of which does not answer.
        sites = {"core": {"fs.defaultFS": "hdfs://prod"},
                 "hdfs": {"dfs.nameservices": "prod", "dfs.ha.namenodes.prod": "one,two",
                          "dfs.namenode.http-address.prod.one": "127.0.0.1:1",
                          "dfs.namenode.http-address.prod.two": self.hdfs.host}}
        for name, values in sites.items():
            self.write(f"conf/{name}-site.xml",
                       SITE.format("".join(PROPERTY.format(*each) for each in values.items())))

    def env(self, **more):
        return super().env(HADOOP_CONF_DIR=self.path("conf"), HADOOP_USER_NAME="fl", **more)

    def row(self, part):
        found = [row for row in rows() if part in row]
        self.assertEqual(len(found), 1, f"lines of README with {part!r}")
        return found[0]

    def put(self, text, places):
        for old, new in places.items():
            self.assertIn(old, text)
            text = text.replace(old, new)
        return text

    def start(self, text):
        """The statuses of its stages are in the file `told` when it has ended."""
        self.told = getattr(self, "told", 0) + 1
        # The shell hears Ctrl-C, too; it is to tell the statuses.
        running = self.pipeline(["bash", "-c", f"trap : INT; {text}\n"
                                 f'echo "${{PIPESTATUS[@]}}" > told{self.told}'], env=self.env())
        running.told = self.path(f"told{self.told}")
        return running

    def statuses(self, running):
        running.wait()
        with open(running.told) as file:
            return [int(word) for word in file.read().split()]

    @staticmethod
    def sinks(running):
        """The processes of fl-sink below its shell."""
        for pid in harness.children_of(running.processes[0].pid):
            try:
                with open(f"/proc/{pid}/comm") as file:
                    if file.read().startswith("fl-sink"):
                        yield pid
            except OSError:
                pass

    def await_events(self, running, count=COUNT):
        """The last stage says, for USR1, that it has so many."""
        sink = rf"^fl-sink \S+: {count} events?\b"

        def says():
            self.assertIsNone(running.processes[0].poll(), running.report())
            for pid in self.sinks(running):
                if harness.catches(pid, signal.SIGUSR1):
                    os.kill(pid, signal.SIGUSR1)
            return re.search(sink, running.errors(0), re.M)
        harness.poll(says, f"{count} events at the sink")

    def interrupt(self, running):
        """Ctrl-C. The statuses of our stages are 0."""
        running.send(signal.SIGINT)
        told = self.statuses(running)
        if "tail" in running.commands[0][2]:
            told[0] = 0  # it dies of the signal
        self.assertEqual(told, [0] * len(told), running.report())

    def in_hdfs(self, directory, hdfs=None):
        hdfs = hdfs or self.hdfs
        finals = hdfs.finals()
        self.assertTrue(finals)
        for path in finals:
            self.assertRegex(path, rf"^{directory}/[^/]+$")
        return b"".join(hdfs.files[path] for path in finals).splitlines()

    def spool(self, name="spool"):
        os.mkdir(self.path(name))
        shutil.copy(self.path("access.log"), self.path(name, "log"))
        return self.path(name)

    DAY = r"\d{4}-\d\d-\d\d"

    def test_every_line_has_a_test(self):
        shown = [part for _, test in inspect.getmembers(type(self)) for part in
                 getattr(test, "shows", ())]
        for row in rows():
            self.assertEqual(len([part for part in shown if part in row]), 1, row)
        print(f"{len(rows())} lines of README with other hosts are run")

    @shows("tail -F access.log | fl-intercept ts | fl-sink hdfs")
    def test_a_growing_log(self, row):
        running = self.start(row)
        self.await_events(running)
        self.interrupt(running)
        self.assertEqual(self.in_hdfs(f"/logs/{self.DAY}"), self.lines)

    @shows("fl-source spooldir /var/spool/upload")
    def test_a_spool_directory(self, row):
        running = self.start(self.put(row, {"/var/spool/upload": self.spool()}))
        self.await_events(running)
        self.interrupt(running)
        self.assertEqual(self.in_hdfs(f"/logs/{self.DAY}"), self.lines)
        self.assertIn("log.COMPLETED", os.listdir(self.path("spool")))

    @shows("--kerberos-keytab /etc/security/fl.keytab")
    def test_a_keytab(self, row):
        """As far as without a KDC: the key table is missing."""
        running = self.start(self.put(row, {"/etc/security/fl.keytab": self.path("fl.keytab")}))
        self.assertEqual(self.statuses(running), [77], running.report())
        self.assertIn(self.path("fl.keytab"), running.errors(0))

    @shows("--httpfs http://gw1.example.com")
    def test_gateways(self, row):
        with FakeHdfs(httpfs=True) as gateway:
            text = self.put(row, {"gw1.example.com:14000": "127.0.0.1:1",
                                  "gw2.example.com:14000": gateway.host})
            self.assertEqual(self.statuses(self.start(text + " < access.log")), [0])
            self.assertEqual(self.in_hdfs("/logs", gateway), self.lines)

    @shows("webhdfs://namenode.example.com:9870")
    def test_a_dry_run(self, row):
        running = self.start(self.put(row, {"namenode.example.com:9870": self.hdfs.host}))
        self.assertEqual(self.statuses(running), [0], running.report())
        self.assertEqual({request.query["user.name"] for request in self.hdfs.requests}, {"etl"})
        self.assertEqual(self.hdfs.files, {})

    def two_hosts(self, host, collector):
        """Runs both sides, and what the second one has stored is all."""
        second = self.start(collector)
        harness.poll(lambda: "listening on" in second.errors(0), "the collector listens")
        first = self.start(host)
        if "spooldir" in host:
            self.await_events(first)
            self.interrupt(first)
        else:
            self.assertEqual(self.statuses(first), [0, 0], first.report())
        self.await_events(second)
        self.interrupt(second)
        self.assertEqual(self.in_hdfs(f"/logs/{self.DAY}"), self.lines)

    def sides(self, host, collector):
        """The lines of the two hosts with what is here in the places of their names."""
        port = str(free_port())
        return (self.put(host, {"collector:4141": f"localhost:{port}"}),
                self.put(collector, {"0.0.0.0": "127.0.0.1", "4141": port}))

    @shows("spooldir /var/spool/app |", "--port 4141 | fl-channel file")
    def test_two_hosts(self, host, collector):
        host, collector = self.sides(host, collector)
        self.two_hosts(self.put(host, {"/var/spool/app": self.spool(),
                                       "/var/lib/fl/app": self.path("log1")}),
                       self.put(collector, {"/var/lib/fl/in": self.path("log2")}))

    @shows("--keystore app1.pem", "--keystore collector.pem")
    def test_two_hosts_with_certificates(self, host, collector):
        host, collector = self.sides(host, collector)
        authority = certificates.Authority(self.path("ca"))
        shutil.copy(authority.certificate, self.path("ca.pem"))
        for name in ("app1", "collector"):
            shutil.copy(authority.issue(name).joined(), self.path(name + ".pem"))
        self.assertTrue(collector.endswith("| ...") and host.startswith("... |"))
        self.two_hosts(host.replace("...", "fl-intercept ts < access.log"), collector.replace(
            "...", f"fl-channel file --stream {self.path('log')} | "
            "fl-sink hdfs --stream '/logs/%Y-%m-%d'"))

    @shows("| fl-sink kafka trades", "fl-source kafka trades")
    def test_a_topic(self, writer, reader):
        os.rename(self.path("access.log"), self.path("trades.log"))
        with kafka_mock.Cluster() as cluster:
            places = {"b1:9092": cluster.address, "b2:9092": "127.0.0.1:1"}
            running = self.start(self.put(writer, places))
            self.await_events(running)
            self.interrupt(running)
            running = self.start(self.put(reader, places))
            self.await_events(running)
            self.interrupt(running)
        self.assertEqual(sorted(self.in_hdfs(f"/trades/{self.DAY}")), self.lines)

    @shows("fl-source sql mysql://etl@db1/shop/orders")
    def test_a_table(self, row):
        if lacking := recipes.missing():
            self.skipTest(lacking)
        database = mariadb_server.shared()
        database.run("CREATE DATABASE shop; CREATE USER etl@'127.0.0.1' IDENTIFIED BY 'secret'; GRANT "
                     "SELECT ON shop.* TO etl@'127.0.0.1'; CREATE TABLE shop.orders (id INT PRIMARY "
                     "KEY, item VARCHAR(9)); INSERT INTO shop.orders VALUES (1, 'pen'), (2, 'ink')")
        self.write("password", "secret\n")
        os.chmod(self.path("password"), 0o600)
        text = self.put(row, {"@db1/": f"@127.0.0.1:{database.port}/",
                              "/etc/fl/etl.password": self.path("password")})
        running = self.start(text)
        self.assertEqual(self.statuses(running), [0, 0], running.report())
        # As cron runs it again: only what is new.
        database.run("INSERT INTO shop.orders VALUES (3, 'cap')")
        running = self.start(text)
        self.assertEqual(self.statuses(running), [0, 0], running.report())
        self.assertEqual(self.in_hdfs("/import/orders"),
                         [b'{"id":1,"item":"pen"}', b'{"id":2,"item":"ink"}', b'{"id":3,"item":"cap"}'])

    @shows("fl-sink hive sales.orders")
    def test_a_partition(self, row):
        table = metastore.table("sales", "orders", f"file://{self.path('table')}",
                                [("line", "string")], [("day", "string")])
        store = fake_metastore.FakeMetastore(tables=[table])
        self.addCleanup(store.close)
        running = self.start(self.put(row, {"/var/spool/sales": self.spool(),
                                            "thrift://ms:9083": store.url}))
        self.assertEqual(self.statuses(running), [0, 0, 0], running.report())
        self.assertEqual(harness.committed_lines(self.path("table")), self.lines)
        [day] = os.listdir(self.path("table"))
        self.assertRegex(day, f"^day={self.DAY}$")
        self.assertEqual(len(store.parts), 1)

    @shows("fl-sink hbase web:log")
    def test_rows(self, row):
        with hbase_gateway.Gateway({"web:log": ["f"]}) as gateway:
            running = self.start(self.put(row, {"http://gateway:8080": gateway.url}))
            harness.poll(lambda: len(gateway.rows) == COUNT or running.processes[0].poll() is not None,
                         "the rows")
            self.interrupt(running)
            keys = sorted(key for _, key in gateway.rows)
        self.assertEqual(len(keys), COUNT)
        for i, key in enumerate(keys):
            self.assertRegex(key.decode(), rf"^10\.0\.0\.{i}-\d{{13}}-[0-9a-f-]{{36}}$")

    @shows("fl-source http --port 5140")
    def test_an_application(self, row):
        [client] = re.findall(r"^    (curl .*)$", pages.read("README.md"), re.M)
        port = str(free_port())
        running = self.start(self.put(row, {"5140": port, "/var/lib/fl/in": self.path("log")}))
        harness.poll(lambda: "listening on" in running.errors(0), "the source listens")
        subprocess.run(["sh", "-c", self.put(client, {"5140": port, "curl ": "curl -fsS "})],
                       check=True, timeout=harness.HANG)
        self.await_events(running, 1)
        self.interrupt(running)
        self.assertEqual(self.in_hdfs("/events/shop"), [b"sold"])

    @shows("| ssh edge.example.com")
    def test_another_host_by_ssh(self, row):
        """A shell is the other host."""
        ssh = '#!/bin/sh\n[ "$1" = edge.example.com ] && shift && exec sh -c "$*"\n'
        os.chmod(self.write("bin/ssh", ssh), 0o755)
        self.assertIn("    set -o pipefail\n    " + row, pages.read("README.md"))
        running = self.start(f"PATH={self.path('bin')}:$PATH; set -o pipefail; {row}")
        self.assertEqual(self.statuses(running), [0, 0], running.report())
        self.assertEqual(self.in_hdfs("/logs"), self.lines)
