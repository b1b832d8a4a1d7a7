#!/usr/bin/env python3
"""Keys by which fl-source sql could lose rows: long ones, NULL, and places that are damaged. Started by ./run.
"""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tools"))
sys.path.insert(0, HERE)
import harness
import mariadb_server

LIMIT = 120
STDOUT = ["fl-sink", "stdout", "--stream"]
TEXT = ["--format", "text"]
# (type of the key, SQL of the long beginning that all rows have)
LONG = [
    ("VARCHAR(2000) CHARACTER SET latin1", "REPEAT('x', 1500)"),
    ("VARCHAR(2000) COLLATE utf8mb4_general_ci", "REPEAT('x', 1500)"),
    ("VARCHAR(4000) COLLATE utf8mb4_general_ci", "REPEAT('ä', 3900)"),
    ("VARCHAR(4000) COLLATE utf8mb4_bin", "REPEAT('😀', 3900)"),
    ("VARCHAR(4000) COLLATE utf8mb4_unicode_ci", "REPEAT('a', 3900)"),
    ("VARCHAR(4000) COLLATE utf8mb4_unicode_ci", "REPEAT('ﷺ', 3900)"),  # 18 weights in one character
    ("VARCHAR(4000) COLLATE uca1400_ai_ci", "REPEAT('ﷺ', 3900)"),
    ("VARCHAR(4000) CHARACTER SET utf16", "REPEAT('ä', 3900)"),
    ("VARBINARY(2000)", "REPEAT(X'ff', 1020)"),
    ("VARBINARY(16000)", "REPEAT(X'00', 15900)"),
    ("TINYTEXT", "REPEAT('ß', 120)"),
]


class Keys(harness.Case):
    def setUp(self):
        super().setUp()
        self.server = mariadb_server.shared()
        self.password = self.write("password", "fl-pw\n")
        self.table = self.id().rsplit(".", 1)[-1].replace("test_", "")[:40]
        self.place = self.path("position")

    def source(self, *options, url=None, server=None):
        server = server or self.server
        return self.pipeline(["fl-source", "sql", url or server.url(self.table), "--password-file", self.password,
                              "--position", self.place, *options], STDOUT)

    def read(self, *options, statuses=(0, 0), **more):
        return self.check(self.source(*options, **more), *statuses, limit=LIMIT)

    def rows(self, *options, **more):
        return self.read(*TEXT, "--max-event", "4M", *options, **more).output().decode().split("\n")[:-1]

    # ------------------------------------------------------------- long ones

    def fill(self, kind, beginning, server=None):
        """50 rows whose keys differ at the end only, in another order than that of id."""
        (server or self.server).run(
            f"CREATE OR REPLACE TABLE {self.table} (id INT NOT NULL, s {kind} NOT NULL) ROW_FORMAT=DYNAMIC; INSERT "
            f"INTO {self.table} SELECT seq, CONCAT({beginning}, LPAD(seq * 7 % 50, 4, '0')) FROM seq_1_to_50")

    def ids(self, *options, **more):
        return [int(row.split("\t")[0]) for row in self.rows(*options, **more)]

    def test_long_keys_that_differ_at_the_end(self):
        order = sorted(range(1, 51), key=lambda n: n * 7 % 50)
        for kind, beginning in LONG:
            with self.subTest(kind=kind, beginning=beginning):
                self.fill(kind, beginning)
                if kind == "TINYTEXT":
                    # The server orders by it wrongly with a LIMIT.
                    pipeline = self.read("--split", "10", "--key", "s", statuses=(78, 78))
                    self.assertIn("CAST(COLUMN AS CHAR(255))", pipeline.errors(0))
                    os.unlink(self.place)
                    query = f"SELECT id, CAST(s AS CHAR(255)) AS s FROM {self.table}"
                    self.assertEqual(self.ids("--query", query, "--split", "10", "--key", "s",
                                              url=self.server.url()), order)
                else:
                    self.assertEqual(self.ids("--split", "10", "--key", "s"), order)
                self.assertFalse(os.path.exists(self.place))
                self.assertEqual(self.ids("--since", "s", "--key", "s"), order)
                self.assertEqual(self.ids("--since", "s", "--key", "s"), [])
                os.unlink(self.place)

    def test_a_server_that_cannot_sort_them_says_so(self):
        """With little memory to sort: an error with what to do, and no row is lost."""
        small = mariadb_server.Server(options=["--sort-buffer-size=4096"])
        self.addCleanup(small.close)
        self.fill("VARCHAR(4000) COLLATE utf8mb4_unicode_ci", "REPEAT('a', 3900)", small)
        pipeline = self.read("--split", "10", "--key", "s", statuses=(78, 78), server=small)
        self.assertIn("sort_buffer_size", pipeline.errors(0))
        self.assertEqual(pipeline.output(), b"")

    # ------------------------------------------------------------- NULL

    def test_null_in_a_key(self):
        self.server.run(f"CREATE TABLE {self.table} (id INT PRIMARY KEY, v INT, k INT NULL, UNIQUE (k)); "
                        f"INSERT INTO {self.table} VALUES (1, 5, 1), (2, 5, NULL), (3, 6, 2), (4, NULL, NULL)")
        for options in (["--since", "v", "--key", "k"], ["--split", "2", "--key", "k"],
                        ["--split", "2", "--key", "v", "--key", "k"]):
            with self.subTest(options):
                for more in ([], ["--dry-run"]):
                    pipeline = self.source(*TEXT, *options, *more)
                    self.assertEqual(pipeline.wait(LIMIT)[0], 78, pipeline.report())
                    self.assertIn("NULL in its key", pipeline.errors(0))
                    self.assertIn("--key", pipeline.errors(0))
                    self.assertEqual(pipeline.output(), b"")
                if os.path.exists(self.place):
                    os.unlink(self.place)
        # The remedy; and a column that could be NULL, and is not.
        query = f"SELECT * FROM {self.table} WHERE k IS NOT NULL"
        keyed = ["--query", query, "--since", "v", "--key", "k"]
        self.assertEqual(self.rows(*keyed, url=self.server.url()), ["1\t5\t1", "3\t6\t2"])
        self.assertEqual(self.rows(*keyed, url=self.server.url()), [])
        os.unlink(self.place)
        # Where --since has no value the row is not read, so its key does not matter.
        self.server.run(f"UPDATE {self.table} SET k = 9 WHERE id = 2")
        options = ["--since", "v", "--key", "k"]
        self.assertEqual(self.rows(*options), ["1\t5\t1", "2\t5\t9", "3\t6\t2"])
        self.server.run(f"INSERT INTO {self.table} VALUES (5, 6, NULL), (6, 7, 3)")
        self.assertIn("NULL in its key", self.read(*TEXT, *options, statuses=(78, 78)).errors(0))
        self.server.run(f"UPDATE {self.table} SET k = 10 WHERE id = 5")
        self.assertEqual(self.rows(*options), ["5\t6\t10", "6\t7\t3"])

    # ------------------------------------------------------------- places

    def test_a_place_that_is_damaged(self):
        self.server.run(f"CREATE TABLE {self.table} (id INT PRIMARY KEY, t DATETIME NOT NULL); "
                        f"INSERT INTO {self.table} VALUES (1, '2026-01-31')")
        for since, key, values in (("id", ["id"], ["--"]), ("id", ["id"], ["1-1"]), ("id", ["id"], [""]),
                                   ("t", ["t", "id"], ["--", "1"]), ("t", ["t", "id"], ["2026-01-31", ""])):
            for more in ([], ["--dry-run"]):
                with self.subTest(values=values, more=more):
                    self.write("position", json.dumps({"of": f"test.{self.table} since {since}", "id": "8a",
                                                       "rows": 1, "key": key, "values": values}))
                    pipeline = self.source("--since", since, *more)
                    self.assertEqual(pipeline.wait(LIMIT)[0], 78, pipeline.report())
                    self.assertIn(f"'{self.place}' holds no position", pipeline.errors(0))


if __name__ == "__main__":
    harness.main()
