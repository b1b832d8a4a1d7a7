#!/usr/bin/env python3
"""fl-source sql --format avro against a real server: containers of fl-sink hdfs, which fastavro and
python3-avro read. Started by ./run.
"""
import base64
import datetime
import hashlib
import json
import os
import re
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in (os.path.join(HERE, "..", "..", "interop"), os.path.join(HERE, "..", "..", "tools"), HERE):
    sys.path.insert(0, folder)
import harness
import mariadb_server
import peers
from test_rows import LIMIT, STDOUT, VALUES

WIDE = {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 0}
# The Avro type of a column, by the beginning of its SQL type; the first that fits counts.
TYPES = [
    ("BIGINT UNSIGNED", WIDE), ("BIT(64)", WIDE), ("BIT", "long"), ("BIGINT", "long"),
    ("INT(6) ZEROFILL", "long"), ("INT UNSIGNED", "long"), ("INET", "string"),
    ("TINYINT", "int"), ("SMALLINT", "int"), ("MEDIUMINT", "int"), ("INT", "int"),
    ("BOOLEAN", "int"), ("YEAR", "int"), ("FLOAT", "float"), ("DOUBLE", "double"),
    ("DATETIME", {"type": "long", "logicalType": "local-timestamp-micros"}),
    ("DATE", {"type": "int", "logicalType": "date"}),
    ("TIMESTAMP", {"type": "long", "logicalType": "timestamp-micros"}),
    ("BINARY", "bytes"), ("VARBINARY", "bytes"), ("TINYBLOB", "bytes"), ("LONGBLOB", "bytes"),
    ("GEOMETRY", "bytes"),
]
# Values at which Avro's types change, which JSON does not care about.
MORE = [
    ("TINYINT UNSIGNED", "0", 0, "0"),
    ("MEDIUMINT UNSIGNED", "16777215", 2**24 - 1, "16777215"),
    ("INT UNSIGNED", "4294967295", 2**32 - 1, "4294967295"),
    ("BIGINT", "9223372036854775807", 2**63 - 1, "9223372036854775807"),
    ("BIGINT UNSIGNED", "0", 0, "0"),
    ("BIT(63)", "9223372036854775807", 2**63 - 1, "9223372036854775807"),
    ("DECIMAL(65,0)", "-" + "9" * 65, "-" + "9" * 65, "-" + "9" * 65),
    ("DECIMAL(5,2) UNSIGNED ZEROFILL", "1.5", "001.50", "001.50"),
    ("DECIMAL(2,2)", "-0.01", "-0.01", "-0.01"),
    ("DECIMAL(10)", "128", "128", "128"),
    ("DATE", "'1969-12-31'", "1969-12-31", "1969-12-31"),
    ("DATE", "'2000-02-29'", "2000-02-29", "2000-02-29"),
    ("TIMESTAMP(6)", "'2038-01-19 03:14:07.999999'", "2038-01-18 22:14:07.999999",
     "2038-01-18 22:14:07.999999"),
    ("TIME", "'838:59:59'", "838:59:59", "838:59:59"),
]
GOOD = [value for value in VALUES if "00-00" not in value[1]] + MORE


def type_of(kind):
    match = re.match(r"DECIMAL\((\d+)(?:,(\d+))?\)", kind)
    if match:
        return {"type": "bytes", "logicalType": "decimal", "precision": int(match[1]),
                "scale": int(match[2] or 0)}
    return next((found for begin, found in TYPES if kind.startswith(begin)), "string")


def value_of(kind, wanted, library):
    """What a library should read, from the value as JSON; see avro_rows.py."""
    avro = type_of(kind)
    if wanted is None:
        return None
    if avro == "bytes":
        return {"bytes": wanted}
    if avro == "float":
        return struct.unpack("f", struct.pack("f", wanted))[0]
    if isinstance(avro, str):
        return wanted
    if avro["logicalType"] == "decimal":
        return {"decimal": re.sub(r"^(-?)0+(?=\d)", r"\1", str(wanted))}
    if avro["logicalType"] == "date":
        return {"date": wanted}
    time = datetime.datetime.fromisoformat(wanted)
    if avro["logicalType"] == "timestamp-micros":
        return {"time": time.replace(tzinfo=datetime.timezone.utc).isoformat()}
    if library == "avro":
        return (time - datetime.datetime(1970, 1, 1)) // datetime.timedelta(microseconds=1)
    return {"time": time.isoformat()}


class Avro(harness.Case):
    def setUp(self):
        super().setUp()
        self.server = mariadb_server.shared()
        self.password = self.write("password", "fl-pw\n")
        self.table = self.id().rsplit(".", 1)[-1].replace("test_", "")[:40]
        self.runs = 0

    def words(self, *options, url=None):
        return ["fl-source", "sql", url or self.server.url(self.table), "--password-file",
                self.password, "--format", "avro", *options]

    def stored(self, *options, url=None, sink=(), statuses=(0, 0)):
        """Containers that fl-sink hdfs has written, and the source's messages."""
        self.runs += 1
        directory = self.path(f"out{self.runs}")
        pipeline = self.pipeline(
            self.words(*options, url=url),
            ["fl-sink", "hdfs", "--stream", f"file://{directory}", "--serializer", "avro_schema",
             "--file-suffix", ".avro", "--max-event", "4M", *sink])
        self.check(pipeline, *statuses, limit=LIMIT)
        files = [os.path.join(directory, name) for name in sorted(os.listdir(directory))] \
            if os.path.isdir(directory) else []
        return files, pipeline.errors(0)

    def read(self, files, library="fastavro"):
        """(schemas, rows)"""
        python = peers.fastavro_python() if library == "fastavro" else peers.avro_python()
        done = subprocess.run([python, os.path.join(HERE, "avro_rows.py"), library, *files],
                              capture_output=True, check=False, timeout=LIMIT)
        self.assertEqual(done.returncode, 0, done.stderr.decode()[-2000:])
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        return ([line["schema"] for line in lines if "schema" in line],
                [line for line in lines if "schema" not in line])

    def refused(self, *options, url=None, status=78):
        """No row comes out, and --dry-run finds it, too; the message."""
        words = self.words(*options, url=url)
        pipeline = self.pipeline(words, STDOUT)
        self.check(pipeline, status, status, limit=LIMIT)
        self.assertEqual(pipeline.output(), b"")
        trial = self.check(self.pipeline([*words, "--dry-run"]), status, limit=LIMIT)
        self.assertTrue(pipeline.errors(0).startswith(trial.errors(0)), pipeline.errors(0))
        return pipeline.errors(0)

    def make(self, values, suffix=""):
        columns = ", ".join(f"c{i} {kind}{suffix}" for i, (kind, *_) in enumerate(values))
        self.server.run(f"SET sql_mode=''; SET time_zone='+05:00'; DROP TABLE IF EXISTS {self.table}; "
                        f"CREATE TABLE {self.table} (id INT PRIMARY KEY, {columns}); "
                        f"INSERT INTO {self.table} VALUES "
                        f"(1, {', '.join(value for _, value, *_ in values)})")

    def same(self, values, files, is_nullable):
        for library in ("fastavro", "avro"):
            schemas, rows = self.read(files, library)
            fields = {field["name"]: field for field in schemas[0]["fields"]}
            self.assertEqual((schemas[0]["namespace"], schemas[0]["name"]), ("test", self.table))
            self.assertEqual(fields["id"], {"name": "id", "type": "int"})
            for i, (kind, value, wanted, _) in enumerate(values):
                with self.subTest(f"{library}: {kind} {value[:50]}"):
                    avro, name = type_of(kind), f"c{i}"
                    self.assertEqual(fields[name], {"name": name, "type": ["null", avro],
                                                    "default": None} if is_nullable
                                     else {"name": name, "type": avro})
                    self.assertEqual(rows[0][name], value_of(kind, wanted, library))
                    for row in rows[1:]:
                        self.assertIsNone(row[name])
            yield rows

    # ------------------------------------------------------------- values

    def test_every_type_that_may_be_null(self):  # Property: sql.schemaDir
        values = [(kind if "NULL" in kind else kind + " NULL", *rest) for kind, *rest in GOOD]
        self.make(values)
        self.server.run(f"INSERT INTO {self.table} (id) VALUES (2)")
        schemas = self.path("schemas")
        os.mkdir(schemas)
        options = ["--schema-dir", schemas, "--max-event", "4M"]
        for more in ([], ["--since", "id", "--position", self.path("p1")],
                     ["--split", "2", "--position", self.path("p2")]):
            files, _ = self.stored(*options, *more, sink=["--schema-dir", schemas])
            for rows in self.same(values, files, True):
                self.assertEqual([row["id"] for row in rows], [1, 2])
        self.assertEqual(len(os.listdir(schemas)), 1)

    def test_every_type_that_is_never_null(self):
        values = [(kind.replace(" NULL", ""), *rest) for kind, *rest in GOOD if rest[0] != "NULL"]
        for begin in range(0, len(values), 20):
            some = values[begin:begin + 20]
            self.make(some, " NOT NULL")
            files, _ = self.stored("--max-event", "4M")
            for rows in self.same(some, files, False):
                self.assertEqual(len(rows), 1)

    def test_a_container_holds_what_the_client_shows(self):
        self.server.run(f"CREATE TABLE {self.table} (id BIGINT UNSIGNED PRIMARY KEY, n BIGINT, "
                        "d DECIMAL(40,5), t DATETIME(6), day DATE, s VARCHAR(60)); "
                        f"INSERT INTO {self.table} SELECT 18446744073709551615 - seq, "
                        "IF(seq % 7, CAST(seq AS SIGNED) * 7919 - 1000000, NULL), "
                        "CAST(seq AS SIGNED) * -1234567890123456789.0 / 8, "
                        "'1960-01-01' + INTERVAL seq * 1000000007 MICROSECOND, "
                        "'1900-01-01' + INTERVAL seq DAY, CONCAT(SHA1(seq), 'ü') "
                        "FROM seq_1_to_20000")
        files, _ = self.stored(sink=["--roll-count", "7000"])
        self.assertEqual(len(files), 3)
        schemas, rows = self.read(files)
        self.assertEqual(schemas, [schemas[0]] * 3)
        mine = []
        for row in rows:
            time = datetime.datetime.fromisoformat(row["t"]["time"])
            mine.append("\t".join([
                row["id"]["decimal"], "NULL" if row["n"] is None else str(row["n"]),
                row["d"]["decimal"], time.strftime("%Y-%m-%d %H:%M:%S.%f"), row["day"]["date"],
                row["s"]]))
        theirs = self.server.run(f"SELECT * FROM {self.table}").decode().splitlines()
        self.assertEqual(len(mine), 20_000)

        def checksum(lines):
            return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
        if checksum(mine) != checksum(theirs):
            self.assertEqual(sorted(mine), sorted(theirs))

    def test_the_types_of_a_query(self):
        self.server.run(f"CREATE TABLE {self.table} (id INT PRIMARY KEY, u INT UNSIGNED NOT NULL, "
                        f"f FLOAT); INSERT INTO {self.table} VALUES (1, 4294967295, 0.1), (2, 3, NULL)")
        query = ("SELECT COUNT(*) AS n, SUM(u) AS `sum`, MAX(id)/4 AS quarter, MIN(f) AS f, "
                 "NULL AS nothing, TIMESTAMP'2026-02-28 12:00:00.5' AS at, CURRENT_DATE AS today, "
                 "18446744073709551615 AS big, 1.5 AS plain, 2.5e0 AS wide, X'00ff' AS bytes, "
                 "IFNULL(MAX(f), 0) AS never, AVG(u) AS mean, ROUND(1.25, 1) AS tenth "
                 f"FROM {self.table}")
        files, _ = self.stored("--query", query, url=self.server.url())
        schemas, rows = self.read(files)
        self.assertEqual((schemas[0]["namespace"], schemas[0]["name"]), ("test", "row"))
        [row] = rows
        today = row.pop("today")["date"]
        self.assertLess(abs(datetime.date.fromisoformat(today) -
                            datetime.datetime.now(datetime.timezone.utc).date()),
                        datetime.timedelta(days=2))
        single = struct.unpack("f", struct.pack("f", 0.1))[0]
        self.assertEqual(row, {
            "n": 2, "sum": {"decimal": "4294967298"}, "quarter": {"decimal": "0.5000"}, "f": single,
            "nothing": None, "at": {"time": "2026-02-28T12:00:00.500000"},
            "big": {"decimal": "18446744073709551615"}, "plain": {"decimal": "1.5"}, "wide": 2.5,
            "bytes": {"bytes": base64.b64encode(b"\0\xff").decode()}, "never": row["never"],
            "mean": {"decimal": "2147483649.0000"}, "tenth": {"decimal": "1.3"}})
        self.assertAlmostEqual(row["never"], 0.1, 6)
        fields = {field["name"]: field["type"] for field in schemas[0]["fields"]}
        self.assertEqual(fields["n"], "long")
        self.assertEqual(fields["f"], ["null", "float"])
        # Keyed: floats have all their digits.
        files, _ = self.stored("--query", f"SELECT id, f FROM {self.table}", "--since", "id", "--key",
                               "id", "--position", self.path("p"), url=self.server.url())
        self.assertEqual(self.read(files)[1], [{"id": 1, "f": single}, {"id": 2, "f": None}])

    # ------------------------------------------------------------- what cannot be

    def test_dates_that_are_not_in_the_calendar(self):
        self.server.run("SET sql_mode='ALLOW_INVALID_DATES'; "
                        f"CREATE TABLE {self.table} (id INT PRIMARY KEY, d DATE, t DATETIME, "
                        f"s LONGTEXT); INSERT INTO {self.table} VALUES (1, '2026-01-01', NULL, 'a'), "
                        "(2, '0000-00-00', NULL, 'b'), (3, '2024-00-10', NULL, 'c'), "
                        "(4, NULL, '0000-00-00 00:00:00', REPEAT('x', 5000)), "
                        "(5, '2026-02-31', NULL, REPEAT('\\n', 600000)), "
                        "(6, '2026-01-02', '2026-01-02', 'f')")
        pipeline = self.pipeline(self.words("--since", "id", "--position", self.path("p0")), STDOUT)
        self.check(pipeline, 65, 65)
        for words in (f"a row of test.{self.table}, where id = 2", "'0000-00-00' in 'd'",
                      "--format json", "CAST(d AS CHAR) in --query", "--reject FILE"):
            self.assertIn(words, pipeline.errors(0))
        for more in ([], ["--since", "id", "--position", self.path("p")]):
            reject = self.path(f"reject{len(more)}.avro")
            files, errors = self.stored("--reject", reject, *more)
            self.assertEqual([row["id"] for row in self.read(files)[1]], [1, 6])
            self.assertIn("4 rejected", errors)
            shown = self.pipeline(["fl-sink", "stdout", "--stream", "--in", reject, "--format", "json"])
            self.check(shown, 0)
            kept = [json.loads(row) for row in shown.output().splitlines()]
            bodies = [json.loads(row["body"]) for row in kept]
            self.assertEqual(bodies, [
                {"id": 2, "d": "0000-00-00", "t": None, "s": "b"},
                {"id": 3, "d": "2024-00-10", "t": None, "s": "c"},
                {"id": 4, "d": None, "t": "0000-00-00 00:00:00", "s": "x" * 5000},
                # As JSON the row would be too large: without its long values.
                {"id": 5, "d": "2026-02-31", "t": None}])
            for row, value in zip(kept, ("'0000-00-00' in 'd'", "'2024-00-10' in 'd'",
                                         "'0000-00-00 00:00:00' in 't'", "'2026-02-31' in 'd'")):
                self.assertIn(value, json.dumps(row))
        # The position has passed the rejected rows, too.
        self.assertEqual(self.stored("--reject", self.path("again.avro"), *more)[0], [])
        # The remedy of the message.
        files, _ = self.stored("--query", f"SELECT id, CAST(d AS CHAR) AS d FROM {self.table}",
                               url=self.server.url())
        self.assertEqual([row["d"] for row in self.read(files)[1]][1:3], ["0000-00-00", "2024-00-10"])

    def test_rows_that_are_too_large(self):
        self.server.run(f"CREATE TABLE {self.table} (id INT PRIMARY KEY, t LONGTEXT, b LONGBLOB); "
                        f"INSERT INTO {self.table} VALUES (1, 'a', 'b'), (2, REPEAT('x', 3000000), 's'), "
                        "(3, REPEAT('x', 600000), REPEAT('y', 600000)), (4, REPEAT('\\n', 900000), 'c')")
        self.assertIn("larger than --max-event (1MiB)", self.stored(statuses=(65, 65))[1])
        files, _ = self.stored("--reject", self.path("reject.avro"))
        # As JSON row 4 would be too large.
        self.assertEqual([row["id"] for row in self.read(files)[1]], [1, 4])

    def test_a_schema_that_is_too_long_for_a_header(self):
        columns = [f"a_column_with_a_name_{i}" for i in range(200)]
        self.server.run(f"CREATE TABLE {self.table} (id INT PRIMARY KEY, "
                        f"{', '.join(name + ' INT' for name in columns)}); "
                        f"INSERT INTO {self.table} (id, {columns[7]}) VALUES (1, 7)")
        errors = self.refused()
        self.assertIn(f"the Avro schema of test.{self.table} has", errors)
        self.assertIn("--schema-dir DIR, or name fewer columns with --query", errors)
        # Both are remedies. A relative directory is that of the working directory.
        files, _ = self.stored("--query", f"SELECT id, {columns[7]} FROM {self.table}",
                               url=self.server.url())
        self.assertEqual(self.read(files)[1], [{"id": 1, columns[7]: 7}])
        schemas = self.path("schemas")
        os.mkdir(schemas)
        self.check(self.pipeline(self.words("--schema-dir", schemas, "--dry-run")), 0)
        self.assertEqual(os.listdir(schemas), [])
        for names in (schemas, schemas + "/", "schemas", "./schemas/"):
            files, _ = self.stored("--schema-dir", names, sink=["--schema-dir", names])
            [row] = self.read(files)[1]
            self.assertEqual((row["id"], row[columns[7]], len(row)), (1, 7, 201))
            self.assertEqual(len(os.listdir(schemas)), 1)
        # Another version of the table has another file, and the first one stays.
        self.server.run(f"ALTER TABLE {self.table} DROP COLUMN {columns[0]}")
        files, _ = self.stored("--schema-dir", schemas, sink=["--schema-dir", schemas])
        self.assertEqual(len(self.read(files)[1][0]), 200)
        self.assertEqual(len(os.listdir(schemas)), 2)
        for name in os.listdir(schemas):
            self.assertRegex(name, rf"^test\.{self.table}-[0-9a-f]{{16}}\.avsc$")

    def test_names(self):
        self.server.run("CREATE TABLE `2 wörter` (id INT PRIMARY KEY, `a b` INT, `größe` INT); "
                        "INSERT INTO `2 wörter` VALUES (1, 2, 3)")
        files, _ = self.stored(url=self.server.url("2%20w%C3%B6rter"))
        for library in ("fastavro", "avro"):
            schemas, rows = self.read(files, library)
            self.assertEqual(schemas[0]["name"], "_2_w_rter")
            self.assertEqual([field.get("columnName") for field in schemas[0]["fields"]],
                             [None, "a b", "größe"])
            self.assertEqual(rows, [{"id": 1, "a_b": 2, "gr__e": 3}])
        for query, words in (("SELECT 1 AS a, 2 AS a", "two columns are called 'a'"),
                             ("SELECT 1 AS `a b`, 2 AS `a-b`",
                              "'a b' and 'a-b' are both called 'a_b'")):
            self.assertIn(words, self.refused("--query", query, url=self.server.url()))

    def test_options(self):
        self.server.run(f"CREATE TABLE {self.table} (id INT PRIMARY KEY)")
        self.assertIn("--format text", self.refused("--separator", ",", status=64))
        self.assertIn("--format avro", self.refused("--schema-dir", self.dir, "--format", "json",
                                                    status=64))
        self.refused("--schema-dir", self.path("missing"))


if __name__ == "__main__":
    harness.main()
