#!/usr/bin/env python3
"""How fl-source sql remembers its place: --since, --split, --poll, with servers and stages that are
killed at random moments. Started by ./run.

FL_TEST_LONG=1: 1,000,000 rows and more kills.
"""
import json
import os
import random
import signal
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tools"))
sys.path.insert(0, HERE)
import harness
import mariadb_server
from cut_proxy import CutProxy

LONG = bool(os.environ.get("FL_TEST_LONG"))
LIMIT = 900 if LONG else 120  # each start of a killed server takes some seconds
ROWS = 1_000_000 if LONG else 100_000
SERVER_KILLS = 20
STAGE_KILLS = 60 if LONG else 15
STDOUT = ["fl-sink", "stdout", "--stream"]


class Positions(harness.Case):
    def setUp(self):
        super().setUp()
        self.server = mariadb_server.shared()
        self.password = self.write("password", "fl-pw\n")
        self.table = self.id().rsplit(".", 1)[-1].replace("test_", "")[:40]
        self.random = random.Random(harness.SEED)
        self.place = self.path("position")

    def words(self, *options, port=None):
        url = self.server.url(self.table).replace(str(self.server.port),
                                                  str(port or self.server.port))
        return ["fl-source", "sql", url, "--password-file", self.password, "--position", self.place,
                *options]

    def bodies(self, *options, statuses=(0, 0)):
        pipeline = self.pipeline(self.words(*options), STDOUT)
        self.check(pipeline, *statuses, limit=LIMIT)
        return pipeline.output().decode().split("\n")[:-1]

    def into_log(self, *options, port=None):
        return self.pipeline(self.words(*options, port=port),
                             ["fl-channel", "file", "--stream", self.path("log"), "--put"])

    def log(self):
        pipeline = self.pipeline(["fl-channel", "cat", self.path("log")])
        self.check(pipeline, 0, limit=LIMIT)
        return pipeline.output().decode().split("\n")[:-1]

    def fill(self, count, ties=1):
        """Rows of (id, v, s); `ties` of them have the same v."""
        self.server.run(
            f"CREATE TABLE {self.table} (id INT AUTO_INCREMENT PRIMARY KEY, v INT NOT NULL, s "
            f"VARCHAR(100), KEY (v)); INSERT INTO {self.table} "
            f"SELECT seq, seq DIV {ties}, CONCAT(SHA1(seq), SHA1(-seq)) FROM seq_1_to_{count}")

    def check_whole(self, found, where="TRUE"):
        """Each row of the table once, and nothing else."""
        wanted = self.server.run(f"SELECT * FROM {self.table} WHERE {where}").decode().splitlines()
        self.assertEqual(len(found), len(wanted))
        self.assertEqual(sorted(found), sorted(wanted))

    # ------------------------------------------------------------- what is new

    def test_only_what_is_new(self):  # Property: sql.since, sql.position
        self.fill(10, ties=5)
        text = ["--format", "text", "--since", "v"]
        first = self.bodies(*text)
        self.assertEqual(len(first), 10)
        self.assertEqual(self.bodies(*text), [])
        # The same value as the last row, and a key after it; then a larger value with a smaller key.
        self.server.run(f"INSERT INTO {self.table} VALUES (100, 2, 'a'), (-5, 3, 'b'), (101, 2, 'c')")
        self.assertEqual(self.bodies(*text), ["100\t2\ta", "101\t2\tc", "-5\t3\tb"])
        self.assertEqual(self.bodies(*text), [])
        with open(self.place) as file:
            saved = json.load(file)
        self.assertEqual((saved["key"], saved["values"], saved["rows"]), (["v", "id"], ["3", "-5"], 13))
        # Of another column; without the file everything comes again.
        self.bodies("--format", "text", "--since", "id", statuses=(78, 78))
        os.unlink(self.place)
        self.assertEqual(len(self.bodies(*text)), 13)

    def test_keys_of_all_kinds(self):
        for kind, values in (
                ("BIGINT UNSIGNED", ["0", "9223372036854775807", "18446744073709551615"]),
                ("DECIMAL(30,10)", ["-1.5", "0", "12345678901234567890.0000000001"]),
                ("DATE", ["'0000-00-00'", "'2026-01-31'", "'9999-12-31'"]),
                ("DATETIME(6)", ["'0000-00-00'", "'2026-01-31 00:00:00.000001'",
                                 "'2026-01-31 00:00:00.000002'"]),
                ("TIMESTAMP(6)", ["'2026-10-25 00:30:00.5'", "'2026-10-25 01:30:00'",
                                  "'2026-10-25 02:30:00'"]),
                ("TIME(3)", ["'-838:59:59'", "'-00:00:01'", "'838:59:59'"]),
                ("VARCHAR(50) CHARACTER SET latin1", ["''", "'a\\'\\\\ä'", "'z'"]),
                ("VARCHAR(50) COLLATE utf8mb4_unicode_ci", ["'😀'", "'a'", "'Ä\\n'", "'zz'"]),
                ("VARBINARY(50)", ["''", "X'00'", "X'00ff27'", "X'ff'"]),
                ("UUID", ["'00000000-0000-0000-0000-000000000001'",
                          "'123e4567-e89b-12d3-a456-426655440000'"])):
            with self.subTest(kind):
                self.server.run(f"DROP TABLE IF EXISTS {self.table}; CREATE TABLE {self.table} (id INT "
                                f"PRIMARY KEY, k {kind} NOT NULL, KEY (k))")
                if os.path.exists(self.place):
                    os.unlink(self.place)
                found = []
                # Each value in two runs: the second has to find a row at the boundary.
                for i, value in enumerate(2 * [each] for each in self.ordered(kind, values)):
                    for j, one in enumerate(value):
                        self.server.run("SET sql_mode=''; SET time_zone='+00:00'; INSERT INTO "
                                        f"{self.table} VALUES ({2 * i + j}, {one})")
                        found += self.bodies("--format", "text", "--since", "k")
                self.assertEqual([int(row.split("\t")[0]) for row in found],
                                 list(range(2 * len(values))))

    def ordered(self, kind, values):
        union = " UNION ALL ".join(f"SELECT {i}, {value}" for i, value in enumerate(values))
        rows = self.server.rows(f"SET sql_mode=''; SET time_zone='+00:00'; CREATE TEMPORARY TABLE o "
                                f"(i INT, k {kind}); INSERT INTO o {union}; "
                                "SELECT i FROM o ORDER BY k")
        return [values[int(row[0])] for row in rows]

    def test_keys_that_do_not_do(self):
        self.server.run(f"CREATE TABLE {self.table} (id INT PRIMARY KEY, f FLOAT, b BIT, e ENUM('a'), "
                        f"y YEAR, n INT NULL); INSERT INTO {self.table} VALUES (1, 1, 1, 'a', 2000, "
                        "NULL), (2, 2, 0, 'a', 2001, 5)")
        for column in "fbey":
            with self.subTest(column):
                self.bodies("--since", column, statuses=(78, 78))
                os.unlink(self.place)
        # Rows without a value are not read until they have one.
        self.assertEqual([json.loads(row)["id"] for row in self.bodies("--since", "n")], [2])
        self.server.run(f"UPDATE {self.table} SET n = 9 WHERE id = 1")
        self.assertEqual([json.loads(row)["id"] for row in self.bodies("--since", "n")], [1])
        self.server.run(f"CREATE OR REPLACE VIEW {self.table}_v AS SELECT * FROM {self.table}")
        for options, status in ((["--since", "id"], 78), (["--since", "id", "--key", "id"], 0)):
            view = self.pipeline(["fl-source", "sql", self.server.url(self.table + "_v"),
                                  "--password-file", self.password, "--position",
                                  self.path(f"view{status}"), *options], STDOUT)
            self.check(view, status, status)

    def test_a_second_run_at_once(self):
        self.fill(10)
        with self.pipeline(self.words("--since", "v", "--poll", "1h"), STDOUT) as first:
            harness.poll(lambda: first.output().count(b"\n") == 10, "the rows")
            second = self.pipeline(self.words("--since", "v"), STDOUT)
            self.check(second, 75, 75)
            self.assertIn(f"is locked by {first.processes[0].pid}", second.errors(0))
            first.send(signal.SIGTERM)
            self.check(first, 0, 0)

    def test_polling(self):  # Property: sql.poll
        self.fill(5)
        pipeline = self.pipeline(self.words("--format", "text", "--since", "id", "--poll", "20ms"),
                                 STDOUT)
        for count in range(5, 9):
            harness.poll(lambda: pipeline.output().count(b"\n") == count, f"{count} rows")
            self.server.run(f"INSERT INTO {self.table} VALUES ({count + 1}, 1, 'later')")
        harness.poll(lambda: pipeline.output().count(b"\n") == 9, "the last row")
        pipeline.send(signal.SIGTERM)
        self.check(pipeline, 0, 0)
        self.check_whole(pipeline.output().decode().splitlines())

    def test_polling_a_table_that_is_changed(self):
        """Each look takes it as it is then: more columns, other types, another table of that name."""
        self.server.run(f"CREATE TABLE {self.table} (id INT PRIMARY KEY, v VARCHAR(20)); "
                        f"INSERT INTO {self.table} VALUES (1, 'one')")
        for form in ("json", "avro"):
            with self.subTest(form):
                self.place = self.path("position" + form)
                pipeline = self.pipeline(self.words("--format", form, "--since", "id", "--poll", "20ms"),
                                         ["fl-sink", "stdout", "--stream", "--format", "json"])
                self.addCleanup(pipeline.kill)

                def events(count):
                    harness.poll(lambda: pipeline.output().count(b"\n") == count, f"{count} rows")
                    return [json.loads(row) for row in pipeline.output().splitlines()]

                def body(event):
                    return json.loads(event["body"]) if form == "json" else json.loads(
                        event["headers"]["flume.avro.schema.literal"])["fields"]
                events(1)
                self.server.run(f"ALTER TABLE {self.table} ADD n INT; INSERT INTO {self.table} VALUES (2, 'two', 7)")
                second = body(events(2)[1])
                self.server.run(f"ALTER TABLE {self.table} MODIFY v BLOB; "
                                f"INSERT INTO {self.table} VALUES (3, X'ff00', 8)")
                third = body(events(3)[2])
                self.server.run(f"CREATE TABLE {self.table}_new (id INT PRIMARY KEY, other INT); INSERT INTO "
                                f"{self.table}_new VALUES (4, 9); RENAME TABLE {self.table} TO {self.table}_old, "
                                f"{self.table}_new TO {self.table}")
                fourth = body(events(4)[3])
                if form == "json":
                    self.assertEqual([second, third, fourth], [
                        {"id": 2, "v": "two", "n": 7}, {"id": 3, "v": "/wA=", "n": 8}, {"id": 4, "other": 9}])
                else:
                    self.assertEqual([[field["name"] for field in each] for each in (second, third, fourth)],
                                     [["id", "v", "n"], ["id", "v", "n"], ["id", "other"]])
                    self.assertIn("bytes", str(third))
                # Another key: the position is none of it.
                self.server.run(f"ALTER TABLE {self.table} DROP PRIMARY KEY, ADD PRIMARY KEY (other)")
                self.check(pipeline, 78, 78, limit=LIMIT)
                self.assertIn("the key of", pipeline.errors(0))
                self.server.run(f"DROP TABLE {self.table}; DROP TABLE {self.table}_old; CREATE TABLE {self.table} (id "
                                f"INT PRIMARY KEY, v VARCHAR(20)); INSERT INTO {self.table} VALUES (1, 'one')")

    # ------------------------------------------------------------- faults

    def test_a_server_that_is_killed(self):
        """At random rows, while others insert. Started again, it continues by itself."""
        own = self.server = mariadb_server.Server()
        self.addCleanup(own.close)
        self.fill(ROWS, ties=7)
        size = ROWS * 95
        proxy = CutProxy(own.port)
        self.addCleanup(proxy.close)
        kills = 0
        proxy.after(self.random.randrange(size // SERVER_KILLS), own.kill)
        pipeline = self.into_log("--format", "text", "--since", "v", port=proxy.port)
        end = time.monotonic() + LIMIT
        while pipeline.processes[1].poll() is None and time.monotonic() < end:
            if proxy.cuts > kills:
                kills += 1
                own.start()
                own.run(f"INSERT INTO {self.table} (v, s) VALUES ({ROWS}, 'new')")
                if kills < SERVER_KILLS:
                    proxy.after(self.random.randrange(size // SERVER_KILLS), own.kill)
            time.sleep(0.005)
        self.check(pipeline, 0, 0, limit=LIMIT)
        self.assertEqual(kills, SERVER_KILLS)
        # What was inserted after the last snapshot is for the next run.
        self.check(self.into_log("--format", "text", "--since", "v"), 0, 0, limit=LIMIT)
        self.check_whole(self.log())

    def test_a_source_that_is_killed_or_stopped(self):
        """With a next stage that keeps positions each row comes once, whoever is killed and when."""
        for options in (["--since", "v"], ["--split", "4"]):
            with self.subTest(options):
                self.place = self.path(f"position{options[0]}")
                self.table = "killed" + options[0].replace("-", "_")
                self.fill(100_000, ties=100)
                self.run_with_kills("--format", "text", *options)
                self.check_whole(self.log(), "TRUE")
                self.assertEqual(os.path.exists(self.place), options[0] == "--since")
                os.rename(self.path("log"), self.path("log" + options[0]))

    def test_the_next_stage_knows_better_than_an_old_file(self):
        """As after a kill before the file was replaced: the log has the rows, and its word counts."""
        self.fill(1000, ties=10)
        text = ["--format", "text", "--since", "v"]
        self.check(self.into_log(*text), 0, 0)
        with open(self.place) as file:
            saved = json.load(file)
        self.write("position", json.dumps(saved | {"rows": 0, "key": [], "values": []}))
        self.server.run(f"INSERT INTO {self.table} (v, s) VALUES (5000, 'new')")
        self.check(self.into_log(*text), 0, 0)
        self.check_whole(self.log())
        # A file that was removed is the wish to read everything again.
        os.unlink(self.place)
        self.check(self.into_log(*text), 0, 0)
        self.assertEqual(len(self.log()), 2002)

    def stored(self):
        """What `fl-channel ls` says of the log."""
        pipeline = self.pipeline(["fl-channel", "ls", self.path("log")])
        pipeline.wait(LIMIT)
        return pipeline.output()

    def run_with_kills(self, *options):
        proxy = CutProxy(self.server.port)
        self.addCleanup(proxy.close)
        size = 100_000 * 95
        for turn in range(STAGE_KILLS + 1):
            pipeline = self.into_log(*options, port=proxy.port)
            number = self.random.choice([signal.SIGKILL, signal.SIGTERM])
            who = self.random.choice([0, 0, 1])
            if turn < STAGE_KILLS:
                reached, killed = threading.Event(), threading.Event()
                before = self.stored()

                def hold():
                    reached.set()
                    killed.wait(LIMIT)
                proxy.after(size // 16 + self.random.randrange(size // 16), hold)

                def is_ended():
                    return pipeline.processes[1].poll() is not None
                harness.poll(lambda: reached.is_set() or is_ended(), "some rows", LIMIT)
                if turn % 2:
                    # More is stored by now than the position file says.
                    harness.poll(lambda: self.stored() != before or is_ended(), "stored rows", LIMIT)
                if pipeline.processes[who].poll() is None:
                    pipeline.processes[who].send_signal(number)
                killed.set()
            statuses = pipeline.wait(LIMIT)
            if statuses == [0, 0] and (turn >= STAGE_KILLS or not os.path.exists(self.place)):
                return
            self.assertLess(turn, STAGE_KILLS, pipeline.report())
            self.assertIn(statuses[1], (0, 69, 75, -number), pipeline.report())

    def test_a_sink_that_is_killed_loses_nothing(self):
        """Files of the hdfs sink appear whole; with a sink that keeps no positions a kill may repeat
        rows, and loses none."""
        self.fill(20_000, ties=50)
        proxy = CutProxy(self.server.port)
        self.addCleanup(proxy.close)
        out = self.path("out")
        for turn in range(8):
            pipeline = self.pipeline(
                self.words("--format", "text", "--since", "v", port=proxy.port),
                ["fl-sink", "hdfs", "--stream", "--roll-count", "777", f"file://{out}"])
            if turn < 7:
                reached = threading.Event()
                proxy.after(self.random.randrange(300_000), reached.set)
                harness.poll(lambda: reached.is_set() or pipeline.processes[1].poll() is not None,
                             "some rows", LIMIT)
                if pipeline.processes[turn % 2].poll() is None:
                    pipeline.processes[turn % 2].kill()
            pipeline.wait(LIMIT)
        self.assertEqual(pipeline.wait(), [0, 0], pipeline.report())
        found = [row.decode() for row in harness.committed_lines(out)]
        self.check_whole(sorted(set(found)))

    def test_split_into_more_and_fewer_parts_than_rows(self):  # Property: sql.split
        """Each run reads all rows and leaves no place behind. (test_a_source_that_is_killed_or_stopped
        interrupts it.)"""
        self.fill(1000)
        text = ["--format", "text"]
        for parts in ("1", "3", "1000", "5000"):
            self.check_whole(self.bodies(*text, "--split", parts))
        self.assertFalse(os.path.exists(self.place))
        self.bodies(*text, "--split", "0", "--position", self.path("p"), statuses=(64, 64))

    # ------------------------------------------------------------- recipe

    def test_the_recipe_for_cron(self):
        """What the page shows, with the server's address."""
        self.fill(100)
        with open(os.path.join(harness.ROOT, "tools", "fl-source", "sql", "sql.cpp")) as file:
            source = file.read().replace('"\n       "', "").replace('\\"', '"')
        begin = source.index("fl-source sql mysql://etl@127.0.0.1:1/shop/orders --since")
        recipe = source[begin:source.index(" || test", begin)]
        recipe = recipe.replace("mysql://etl@127.0.0.1:1/shop/orders",
                                f"{self.server.url(self.table)} --password-env SECRET --format text")
        recipe = recipe.replace("after 1s", "after 20s")
        for extra in (0, 7):
            self.server.run(f"INSERT INTO {self.table} (v, s) SELECT 1, 'x' FROM seq_1_to_{extra or 1}")
            done = self.pipeline(["bash", "-c", f"cd '{self.dir}'; {recipe}"],
                                 env=self.env(SECRET="fl-pw"))
            self.check(done, 0, limit=LIMIT)
            self.check_whole([row.decode() for row in
                              harness.committed_lines(self.path("orders"))])


if __name__ == "__main__":
    harness.main()
