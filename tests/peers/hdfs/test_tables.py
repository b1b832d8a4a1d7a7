#!/usr/bin/env python3
"""Tables of a real MariaDB in the HDFS of ./run, which starts this: fl-tables(7), "A TABLE OF MYSQL INTO
HDFS, BY CRON", its commands; and every value of every type, on its way through and back.

FL_TEST_LONG=1: 1,000,000 rows with every type instead of 50,000.
"""
import glob
import json
import os
import shutil
import subprocess
import sys
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in (os.path.join("..", "..", "interop"), os.path.join("..", "mariadb"),
               os.path.join("..", "..", "tools"), "."):
    sys.path.insert(0, os.path.join(HERE, folder))
import harness
import mariadb_server
import peers
import recipes
import typed_rows
from test_flow import USER, finals

LONG = bool(os.environ.get("FL_TEST_LONG"))
LIMIT = 3000 if LONG else 300
MANY = 1_000_000 if LONG else 50_000
ROWS = 3000
TARGET = "/tables/orders"


class Cron(harness.Case):
    def setUp(self):
        if recipes.missing():
            self.skipTest(recipes.missing())
        super().setUp()
        self.recipe = recipes.Recipe("A TABLE OF MYSQL INTO HDFS, BY CRON")
        self.server = mariadb_server.shared()
        self.server.run("CREATE DATABASE shop; CREATE TABLE shop.orders (id INT AUTO_INCREMENT PRIMARY KEY, "
                        "customer VARCHAR(40), amount DECIMAL(10,2), placed DATETIME)")
        self.addCleanup(self.server.run, "DROP DATABASE shop; DROP USER IF EXISTS etl")
        self.server.run(self.recipe.text("GRANT SELECT"))
        self.places = {
            "mysql://etl@db1/": f"mysql://etl@127.0.0.1:{self.server.port}/",
            "/etc/fl/etl.password": self.write("password", "a password\n")}
        settings, self.command = self.recipe.crontab("MAILTO", {
            **self.places, "/usr/local/bin:": harness.BIN + ":",
            "/etc/hadoop/conf": os.environ["HADOOP_CONF_DIR"], "/import/orders": TARGET})
        self.environment = self.env(**settings)
        # What `hdfs dfs` runs.
        self.write("bin/hdfs", f'#!/bin/sh\nshift\nexec {sys.executable} {os.environ["HDFS_CLUSTER"]} '
                               f'shell {os.environ["HDFS_DIR"]} "$@"\n')
        os.chmod(self.path("bin", "hdfs"), 0o755)

    def insert(self, count):
        self.server.run("INSERT INTO shop.orders (customer, amount, placed) SELECT CONCAT('Zoë ', seq), "
                        f"seq / 4, '2026-03-01' + INTERVAL seq SECOND FROM seq_1_to_{count}")

    def run_command(self, command):
        """Its status, and what cron would mail."""
        done = subprocess.run(["/bin/sh", "-c", command], cwd=self.dir, env=self.environment,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT,
                              check=False)
        return done.returncode, done.stdout + done.stderr

    def cron(self, status=0):
        found, said = self.run_command(self.command)
        self.assertEqual(found, status, said)
        return said

    def shell(self, words, places=None):
        """What a block of the page prints."""
        done = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", self.recipe.text(words, places)],
                              cwd=self.dir, env=self.env(PATH=f"{self.path('bin')}:{harness.BIN}:"
                                                              f"{os.environ['PATH']}"),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def place_files(self):
        return glob.glob(self.path("home", ".local", "state", "fl", "sql", "*.json"))

    def lines(self):
        return int(self.shell("*' | wc -l", {"/import/orders": TARGET}))

    def test_only_what_is_new(self):
        self.insert(ROWS)
        self.shell("--dry-run", self.places)
        self.assertEqual(glob.glob(self.path("home", ".local", "*")), [])

        self.assertEqual(self.cron(), "")
        [place] = self.place_files()
        self.assertEqual(json.loads(self.shell("cat ~"))["values"], [str(ROWS)])
        with open(place, "rb") as file:
            before = file.read()

        # Nothing is new, then some rows.
        self.assertEqual(self.cron(), "")
        self.insert(500)
        self.assertEqual(self.cron(), "")
        self.assertEqual(self.lines(), ROWS + 500)

        # A run that was killed before the place was saved.
        with open(place, "wb") as file:
            file.write(before)
        self.assertEqual(self.cron(), "")
        self.assertEqual(self.lines(), ROWS + 1000)
        self.assertEqual(int(self.shell("sort -u", {"/import/orders": TARGET})), ROWS + 500)

        # From the beginning.
        os.unlink(place)
        self.assertEqual(self.cron(), "")
        self.assertEqual(self.lines(), 2 * ROWS + 1500)
        self.assertEqual(self.recipe.unused(), [])

    def test_two_runs_and_a_server_that_is_away(self):
        self.insert(10)
        first = self.command.replace("--once", "--poll 1h").replace(TARGET, TARGET + "-two")
        pipeline = self.pipeline(["/bin/sh", "-c", first], env=self.environment)
        harness.poll(self.place_files, "the first run has its place", LIMIT)
        self.assertIn("fl-source sql", self.cron(75))
        pipeline.kill()

        self.server.kill()
        self.addCleanup(self.server.start)
        # On a busy machine the sink may not be there yet when the source gives up.
        for limit in ("1s", "10s", "60s"):
            status, said = self.run_command(self.command.replace("5m", limit))
            if status != 75:
                break
        self.assertEqual(status, 69, said)
        self.assertIn("cannot connect", said)


class EveryType(harness.Case):
    """What the client of the server shows of each row is what the files in HDFS hold."""

    @classmethod
    def setUpClass(cls):
        cls.server = mariadb_server.Server()
        cls.addClassCleanup(cls.server.close)
        cls.server.run(typed_rows.create("typed"))
        for first in range(1, MANY + 1, 10_000):
            cls.server.run(typed_rows.fill("typed", first, first + 9_999))
        cls.wanted = typed_rows.Digests(cls.by_the_client)

    @classmethod
    def by_the_client(cls):
        client = subprocess.Popen(
            cls.server.client("--batch", "--quick", "--skip-column-names", "--execute",
                              typed_rows.ask("typed")),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=dict(os.environ, MYSQL_PWD="root-pw"))
        with client.stdout as rows:
            yield from map(typed_rows.from_client, rows)
        if client.wait(LIMIT):
            raise RuntimeError(f"mariadb ends with {client.returncode}")

    def store(self, target, source=(), sink=()):
        """The table as several files; their paths in HDFS."""
        env = self.env(HADOOP_CONF_DIR=os.environ["HADOOP_CONF_DIR"], HADOOP_USER_NAME=USER)
        password = self.write("password", "fl-pw\n")
        self.check(self.pipeline(
            ["fl-source", "sql", self.server.url("typed"), "--password-file", password, *source],
            ["fl-sink", "hdfs", "--stream", "--roll-count", str(MANY // 4), *sink, target], env=env),
            0, 0, limit=LIMIT)
        files = finals(target)
        self.assertGreaterEqual(len(files), 4)
        return files

    @staticmethod
    def opened(path):
        return urllib.request.urlopen(
            f"{os.environ['HDFS_HTTP']}/webhdfs/v1{path}?op=OPEN&user.name={USER}", timeout=60)

    def test_json(self):
        def rows():
            for path in files:
                with self.opened(path) as file:
                    yield from map(typed_rows.from_json, file)
        files = self.store("/tables/typed-json")
        self.assertEqual(self.wanted.differences(rows()), "")

    def test_avro(self):
        def rows():
            for path in files:
                with self.opened(path) as file, open(self.path("copy"), "wb") as copy:
                    shutil.copyfileobj(file, copy)
                reader = subprocess.Popen([python, typed_rows.__file__, self.path("copy")],
                                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
                with reader.stdout as lines:
                    yield from map(json.loads, lines)
                self.assertEqual(reader.wait(LIMIT), 0)
        python = peers.fastavro_python()
        os.mkdir(self.path("schemas"))
        schemas = ["--schema-dir", self.path("schemas")]  # such a schema is too long for a header
        files = self.store(
            "/tables/typed-avro",
            ["--format", "avro", *schemas, "--split", "3", "--position", self.path("position")],
            ["--serializer", "avro_schema", "--file-suffix", ".avro", *schemas])
        self.assertEqual(self.wanted.differences(rows()), "")


if __name__ == "__main__":
    harness.main()
