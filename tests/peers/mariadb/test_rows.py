#!/usr/bin/env python3
"""fl-source sql against a real server: values, forms, limits, errors, logins, TLS. Started by ./run.

FL_TEST_LONG=1: 1,000,000 rows instead of 100,000.
"""
import base64
import json
import os
import signal
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tools"))
sys.path.insert(0, HERE)
import harness
import mariadb_server
from certificates import Authority
from cut_proxy import CutProxy

LIMIT = 120
MANY = 1_000_000 if os.environ.get("FL_TEST_LONG") else 100_000
STDOUT = ["fl-sink", "stdout", "--stream"]
POINT = b"\x00\x00\x00\x00\x01\x01\x00\x00\x00" + b"\x00" * 6 + b"\xf0?" + b"\x00" * 7 + b"@"


def b64(data):
    return base64.b64encode(data).decode()


# (type, SQL value, JSON value, text value)
VALUES = [
    ("TINYINT", "-128", -128, "-128"),
    ("TINYINT UNSIGNED", "255", 255, "255"),
    ("SMALLINT", "-32768", -32768, "-32768"),
    ("MEDIUMINT", "8388607", 8388607, "8388607"),
    ("INT", "-2147483648", -2147483648, "-2147483648"),
    ("INT(6) ZEROFILL", "42", 42, "000042"),
    ("INT(6) ZEROFILL", "0", 0, "000000"),
    ("BIGINT", "-9223372036854775808", -2**63, "-9223372036854775808"),
    ("BIGINT UNSIGNED", "18446744073709551615", 2**64 - 1, "18446744073709551615"),
    ("BOOLEAN", "TRUE", 1, "1"),
    ("YEAR", "'0000'", 0, "0000"),
    ("YEAR", "2026", 2026, "2026"),
    ("DECIMAL(65,30)", "12345678901234567890123456789012345.123456789012345678901234567890",
     "12345678901234567890123456789012345.123456789012345678901234567890",
     "12345678901234567890123456789012345.123456789012345678901234567890"),
    ("DECIMAL(5,2)", "-0.10", "-0.10", "-0.10"),
    ("FLOAT", "0.1", 0.1, "0.1"),
    ("FLOAT", "16777217", 16777216, "16777216"),
    ("FLOAT", "3.4028235e38", 3.4028235e38, "3.4028235e+38"),
    ("FLOAT", "1.17549435e-38", 1.1754944e-38, "1.1754944e-38"),
    ("DOUBLE", "0.1", 0.1, "0.1"),
    ("DOUBLE", "1.7976931348623157e308", 1.7976931348623157e308, "1.7976931348623157e308"),
    ("DOUBLE", "5e-324", 5e-324, "5e-324"),
    ("DOUBLE", "123456789.12345679", 123456789.12345679, "123456789.12345679"),
    ("DOUBLE(8,2) ZEROFILL", "1.5", 1.5, "00001.50"),
    ("BIT(1)", "b'1'", 1, "1"),
    ("BIT(64)", "18446744073709551615", 2**64 - 1, "18446744073709551615"),
    ("DATE", "'2026-02-28'", "2026-02-28", "2026-02-28"),
    ("DATE", "'0000-00-00'", "0000-00-00", "0000-00-00"),
    ("DATE", "'2026-00-00'", "2026-00-00", "2026-00-00"),
    ("TIME(6)", "'-838:59:59.999999'", "-838:59:59.999999", "-838:59:59.999999"),
    ("DATETIME", "'9999-12-31 23:59:59'", "9999-12-31 23:59:59", "9999-12-31 23:59:59"),
    ("DATETIME(6)", "'1000-01-01 00:00:00.000001'", "1000-01-01 00:00:00.000001",
     "1000-01-01 00:00:00.000001"),
    ("DATETIME", "'0000-00-00 00:00:00'", "0000-00-00 00:00:00", "0000-00-00 00:00:00"),
    ("TIMESTAMP(3) NULL", "FROM_UNIXTIME(0.001)", "1970-01-01 00:00:00.001",
     "1970-01-01 00:00:00.001"),
    ("CHAR(10)", "'pad  '", "pad", "pad"),
    ("VARCHAR(100)", "'quote\" back\\\\ tab\\t nl\\n cr\\r nul\\0 \\u0001'",
     "quote\" back\\ tab\t nl\n cr\r nul\0 u0001",
     "quote\" back\\\\ tab\\t nl\\n cr\\r nul\\0 u0001"),
    ("VARCHAR(100)", "X'01021f7f'", "\x01\x02\x1f\x7f", "\x01\x02\x1f\x7f"),
    ("VARCHAR(100)", "'\\\\N'", "\\N", "\\\\N"),
    ("VARCHAR(100)", "''", "", ""),
    ("VARCHAR(100)", "NULL", None, "\\N"),
    ("VARCHAR(100) CHARACTER SET latin1", "'äöü€'", "äöü€", "äöü€"),
    ("VARCHAR(100) CHARACTER SET utf16", "'𝄞'", "𝄞", "𝄞"),
    ("VARCHAR(100) CHARACTER SET sjis", "'日本'", "日本", "日本"),
    ("TINYTEXT", "'😀'", "😀", "😀"),
    ("TEXT", "REPEAT('ä', 30000)", "ä" * 30000, "ä" * 30000),
    ("MEDIUMTEXT", "REPEAT('x', 300000)", "x" * 300000, "x" * 300000),
    ("LONGTEXT", "'long'", "long", "long"),
    ("BINARY(4)", "X'00ff'", b64(b"\0\xff\0\0"), b64(b"\0\xff\0\0")),
    ("VARBINARY(20)", "X'fffe00'", b64(b"\xff\xfe\0"), b64(b"\xff\xfe\0")),
    ("TINYBLOB", "X''", "", ""),
    ("LONGBLOB", "REPEAT(X'80', 100000)", b64(b"\x80" * 100000), b64(b"\x80" * 100000)),
    ("ENUM('a','','ß')", "'ß'", "ß", "ß"),
    ("SET('x','y','z')", "'x,z'", "x,z", "x,z"),
    ("JSON", "'{\"a\": [1,  2.50]}'", '{"a": [1,  2.50]}', '{"a": [1,  2.50]}'),
    ("UUID", "'123e4567-e89b-12d3-a456-426655440000'", "123e4567-e89b-12d3-a456-426655440000",
     "123e4567-e89b-12d3-a456-426655440000"),
    ("INET6", "'::ffff:1.2.3.4'", "::ffff:1.2.3.4", "::ffff:1.2.3.4"),
    ("GEOMETRY", "ST_GeomFromText('POINT(1 2)')", b64(POINT), b64(POINT)),
]


class Rows(harness.Case):
    def setUp(self):
        super().setUp()
        self.server = mariadb_server.shared()
        self.password = self.write("password", "fl-pw\n")
        self.table = self.id().rsplit(".", 1)[-1].replace("test_", "")[:40]

    def words(self, url, *options):
        return ["fl-source", "sql", url, "--password-file", self.password, *options]

    def read(self, *options, url=None, statuses=(0, 0), sink=None, limit=LIMIT):
        pipeline = self.pipeline(self.words(url or self.server.url(self.table), *options),
                                 sink or STDOUT)
        self.check(pipeline, *statuses, limit=limit)
        return pipeline

    def bodies(self, *options, **more):
        return self.read(*options, **more).output().decode().split("\n")[:-1]

    # ------------------------------------------------------------- values

    def test_every_type(self):  # Property: sql.url
        columns = ", ".join(f"c{i} {kind}" for i, (kind, *_) in enumerate(VALUES))
        values = ", ".join(value for _, value, *_ in VALUES)
        self.server.run(f"SET sql_mode=''; SET time_zone='+05:00'; CREATE TABLE {self.table} (id INT "
                        f"PRIMARY KEY, {columns}); INSERT INTO {self.table} VALUES (1, {values}); "
                        f"INSERT INTO {self.table} (id) VALUES (2)")
        big = ["--max-event", "4M"]
        for options in ([], ["--since", "id", "--position", self.path("p1")],
                        ["--split", "2", "--position", self.path("p2")]):
            rows = [json.loads(row) for row in self.bodies(*big, *options)]
            self.assertEqual(len(rows), 2)
            for i, (kind, value, wanted, _) in enumerate(VALUES):
                with self.subTest(f"{kind} {value[:50]} {options}"):
                    self.assertEqual(rows[0][f"c{i}"], wanted)
                    self.assertIs(type(rows[0][f"c{i}"]), type(wanted))
                    if "TIMESTAMP" not in kind:
                        self.assertIsNone(rows[1][f"c{i}"])
        fields = self.bodies(*big, "--format", "text")[0].split("\t")
        for i, (kind, value, _, wanted) in enumerate(VALUES):
            with self.subTest(f"text: {kind} {value[:50]}"):
                self.assertEqual(fields[i + 1], wanted)

    def test_many_rows_are_those_of_the_client(self):  # Property: sql.format
        self.fill(MANY)
        mine = self.read("--format", "text").output()
        theirs = self.server.run(f"SELECT * FROM {self.table}")
        self.assertEqual(mine.count(b"\n"), MANY)
        self.assertEqual(sorted(mine.splitlines()), sorted(theirs.splitlines()))

    def fill(self, count):
        self.server.run(f"CREATE TABLE {self.table} (id INT PRIMARY KEY, n BIGINT, d DECIMAL(12,3), "
                        "t DATETIME(3), s VARCHAR(60)); "
                        f"INSERT INTO {self.table} SELECT seq, seq*7919, seq/8, "
                        "'2026-01-01'+INTERVAL seq SECOND, CONCAT('Zeile\\t', SHA1(seq), 'ü') "
                        f"FROM seq_1_to_{count}")

    def test_separators(self):  # Property: sql.separator
        self.server.run(f"CREATE TABLE {self.table} (id INT PRIMARY KEY, s VARCHAR(20)); "
                        f"INSERT INTO {self.table} VALUES (1, 'a,b\\tc\\\\'), (2, X'01')")
        text = ["--format", "text"]
        self.assertEqual(self.bodies(*text), ["1\ta,b\\tc\\\\", "2\t\x01"])
        self.assertEqual(self.bodies(*text, "--separator", ","), ["1,a\\,b\\tc\\\\", "2,\x01"])
        self.assertEqual(self.bodies(*text, "--separator", "\\001"),
                         ["1\x01a,b\\tc\\\\", "2\x01\\\x01"])
        for bad in ("n", "ab", "\\", "\\012", "\\999", "7"):
            with self.subTest(bad):
                self.read(*text, "--separator", bad, statuses=(64, 64))

    def test_queries(self):  # Property: sql.query
        self.fill(10)
        url = self.server.url()

        def read(query, *options, statuses=(0, 0)):
            return self.bodies("--query", query, *options, url=url, statuses=statuses)
        self.assertEqual(read(f"SELECT id, id/4 AS `q\"` FROM {self.table} ORDER BY id DESC LIMIT 1;"),
                         ['{"id":10,"q\\"":"2.5000"}'])
        self.assertEqual(read("SELECT 1 WHERE 1 = 0"), [])
        keyed = ["--since", "id", "--key", "id", "--position", self.path("p")]
        query = f"SELECT id, CAST(id/10 AS FLOAT) AS f FROM {self.table} -- all"
        self.assertEqual(read(query, *keyed)[0], '{"id":1,"f":0.1}')
        self.assertEqual(read(query, *keyed), [])
        for bad, status in ((f"DELETE FROM {self.table}", 77), ("SELECT nonsense FROM dual", 78),
                            ("SELEC", 78), ("SELECT 1; SELECT 2", 78), ("DO 1", 78),
                            ("SET @x = 1", 78)):
            with self.subTest(bad):
                read(bad, statuses=(status, status))
        self.assertEqual(self.server.rows(f"SELECT COUNT(*) FROM {self.table}"), [["10"]])

    def test_a_query_never_writes(self):
        self.fill(10)
        self.server.run("CREATE OR REPLACE FUNCTION emptied() RETURNS INT BEGIN DELETE FROM "
                        f"{self.table}; RETURN 1; END".join(["DELIMITER //\n", "//\nDELIMITER ;\n"]) +
                        "GRANT EXECUTE ON FUNCTION emptied TO fl@'127.0.0.1'")
        pipeline = self.read("--query", "SELECT emptied()", url=self.server.url(),
                             statuses=(78, 78))
        self.assertIn("READ ONLY", pipeline.errors(0))
        self.assertEqual(self.server.rows(f"SELECT COUNT(*) FROM {self.table}"), [["10"]])

    # ------------------------------------------------------------- limits

    def test_rows_that_are_too_large(self):
        self.server.run(f"CREATE TABLE {self.table} (id INT PRIMARY KEY, t LONGTEXT, b LONGBLOB); "
                        f"INSERT INTO {self.table} VALUES (1, 'a', 'b'), "
                        "(2, REPEAT('x', 30000000), 'short'), (3, REPEAT('\\n', 900000), NULL), "
                        "(4, REPEAT('x', 600000), REPEAT('y', 600000)), (5, 'c', NULL)")
        pipeline = self.read(statuses=(65, 65))
        self.assertIn("larger than --max-event (1MiB)", pipeline.errors(0))
        for options, where in (([], ""), (["--since", "id", "--position", self.path("p")],
                                          ", where id = 2")):
            with self.subTest(options):
                reject = self.path(f"reject{len(options)}.avro")
                pipeline = self.read(*options, "--reject", reject)
                self.assertEqual(pipeline.output().decode().splitlines(),
                                 ['{"id":1,"t":"a","b":"Yg=="}', '{"id":5,"t":"c","b":null}'])
                shown = self.pipeline(["fl-sink", "stdout", "--stream", "--in", reject, "--format",
                                       "json"])
                self.check(shown, 0)
                kept = [json.loads(row) for row in shown.output().splitlines()]
                self.assertEqual([json.loads(row["body"])["id"] for row in kept], [2, 3, 4])
                self.assertIn(f"a row of test.{self.table}{where} is larger", json.dumps(kept[0]))
        # The position has passed the rejected rows, too.
        self.assertEqual(self.bodies("--since", "id", "--position", self.path("p"), "--reject",
                                     self.path("again.avro")), [])
        pipeline = self.read("--query", f"SELECT * FROM {self.table}", url=self.server.url(),
                             statuses=(65, 65))
        self.assertIn("--max-event", pipeline.errors(0))

    def test_rows_that_grow_in_utf8(self):
        """What counts is the size as it is sent. The next run is beyond them."""
        self.server.run(f"CREATE TABLE {self.table} (id INT PRIMARY KEY, t LONGTEXT CHARACTER SET latin1, k LONGTEXT "
                        f"CHARACTER SET sjis); INSERT INTO {self.table} VALUES (1, 'a', 'b'), "
                        "(2, REPEAT('ü', 30000000), NULL), (3, NULL, REPEAT('ｱ', 20000000)), (4, 'ü', 'ｱ'), "
                        "(5, REPEAT('x', 10000000), NULL)")
        options = ["--since", "id", "--position", self.path("p"), "--max-event", "32MiB", "--reject",
                   self.path("reject.avro")]
        sink = [*STDOUT, "--max-event", "32MiB"]
        rows = self.bodies(*options, sink=sink)
        self.assertEqual([json.loads(row)["id"] for row in rows], [1, 4, 5])
        self.assertEqual(self.bodies(*options, sink=sink), [])

    def test_memory_does_not_grow(self):
        self.server.run(f"CREATE TABLE {self.table} (id INT PRIMARY KEY, t LONGTEXT); "
                        f"INSERT INTO {self.table} SELECT seq, REPEAT('x', IF(seq % 10, 500000, "
                        "20000000)) FROM seq_1_to_100")
        pipeline = self.pipeline(
            ["sh", "-c", 'exec /usr/bin/time -f %M -o "$0" "$@"', self.path("kib"),
             *self.words(self.server.url(self.table)), "--reject", self.path("reject.avro")],
            ["fl-sink", "null", "--stream"])
        self.check(pipeline, 0, 0, limit=LIMIT)
        with open(self.path("kib")) as file:
            kib = int(file.read().split()[-1])
        if not harness.is_sanitized():
            self.assertLess(kib, 40 << 10)

    # ------------------------------------------------------------- errors

    def test_what_is_not_there(self):
        self.fill(1)
        base = self.server.url()
        for url, options, status, words in (
                (base + "/nope", [], 78, "test.nope"),
                (base.replace("/test", "/nowhere") + "/t", [], 77, "nowhere"),
                (self.server.url(self.table), ["--since", "x", "--position", self.path("p")], 78,
                 "'x'"),
                (base, [], 64, "no table"), (base + "/t", ["--query", "SELECT 1"], 64, "--query"),
                ("postgres://h/d/t", [], 64, "mysql://"), ("mysql://h:0/d/t", [], 64, "port"),
                ("mysql://h", [], 64, "database"), (base + "/t/x", [], 64, "more than"),
                (base + "/t?ssl=1", [], 64, "'?'"),
                (self.server.url(self.table), ["--poll", "1s"], 64, "--since"),
                (self.server.url(self.table), ["--since", "id", "--split", "2"], 64, "--split"),
                (self.server.url(self.table), ["--position", self.path("p")], 64, "--since"),
                (self.server.url(self.table), ["--since", "id", "--poll", "1s", "--once"], 64,
                 "--once")):  # Property: sql.once
            with self.subTest(url=url, options=options):
                pipeline = self.read(*options, url=url, statuses=(status, status))
                self.assertIn(words, pipeline.errors(0))

    def test_a_server_that_is_away(self):  # Property: sql.connectTimeout
        pipeline = self.read("--give-up-after", "500ms", "--connect-timeout", "1s",
                             url="mysql://fl@127.0.0.1:1/test/t", statuses=(69, 69))
        self.assertIn("cannot connect to 127.0.0.1:1", pipeline.errors(0))

    def test_a_connection_that_dies_without_a_position(self):
        self.fill(20_000)
        proxy = CutProxy(self.server.port)
        self.addCleanup(proxy.close)
        proxy.after(300_000)
        pipeline = self.read(url=f"mysql://fl@127.0.0.1:{proxy.port}/test/{self.table}",
                             statuses=(75, 75))
        self.assertIn("in the middle of the result", pipeline.errors(0))
        self.assertGreater(pipeline.output().count(b"\n"), 0)
        # Before the first row nothing is lost: it tries again.
        proxy.after(100)
        self.assertEqual(
            len(self.bodies(url=f"mysql://fl@127.0.0.1:{proxy.port}/test/{self.table}")), 20_000)

    def test_a_signal_in_the_middle(self):
        """Nothing remembers the rest, so that the last stage must not end with 0, either."""
        self.fill(20_000)
        proxy = CutProxy(self.server.port)
        self.addCleanup(proxy.close)
        reached, stopped = threading.Event(), threading.Event()

        def hold():
            reached.set()
            stopped.wait(LIMIT)
        self.addCleanup(stopped.set)
        proxy.after(300_000, hold)
        pipeline = self.pipeline(self.words(f"mysql://fl@127.0.0.1:{proxy.port}/test/{self.table}"), STDOUT)
        harness.poll(lambda: reached.is_set() and pipeline.output().count(b"\n") > 0, "some rows")
        pipeline.send(signal.SIGTERM)
        self.check(pipeline, 75, 75, limit=LIMIT)
        self.assertRegex(pipeline.errors(0), rf"stopped after \d+ rows of test.{self.table}, before the last one")
        self.assertIn("begins anew", pipeline.errors(0))

    # ------------------------------------------------------------- logins

    def test_passwords(self):  # Property: sql.password, sql.user, sql.socket, sql.optionFile
        self.fill(3)
        plain = f"mysql://127.0.0.1:{self.server.port}/test/{self.table}"
        own = self.write("my.cnf", "[client]\nuser=fl\npassword=fl-pw\n")
        local = self.write("local.cnf", f"[client]\nuser=fl\npassword=fl-pw\nsocket={self.server.socket}")
        self.write("home/.my.cnf", "[client]\npassword=fl-pw\n")
        cases = [
            (self.server.url(self.table), ["--password-file", self.password], 0),
            (self.server.url(self.table), ["--password-env", "SECRET"], 0),
            (plain, ["--user", "fl", "--password-env", "SECRET"], 0),
            (plain, ["--option-file", own], 0),
            (f"mysql:///test/{self.table}", ["--option-file", local], 0),
            (f"mysql://fl@localhost/test/{self.table}",
             ["--socket", self.server.socket, "--password-env", "SECRET"], 0),
            (self.server.url(self.table), [], 77),
            (self.server.url(self.table), ["--password-file", self.write("bad", "geheim-7")], 77),
            (plain, ["--option-file", self.path("missing.cnf")], 78),
            (self.server.url(self.table), ["--password-file", self.path("missing")], 78),
            (self.server.url(self.table).replace("fl@", "fl:geheim-7@"), [], 64),
        ]
        for url, options, status in cases:
            with self.subTest(url=url, options=options):
                pipeline = self.pipeline(["fl-source", "sql", url, *options], STDOUT,
                                         env=self.env(SECRET="fl-pw"))
                self.check(pipeline, status, status)
                for i in range(2):
                    self.assertNotIn("geheim", pipeline.errors(i))
                    self.assertNotIn("fl-pw", pipeline.errors(i))

    def test_no_password_in_the_command_line(self):
        self.fill(3)
        pipeline = self.pipeline(self.words(self.server.url(self.table), "--since", "id", "--position",
                                            self.path("p"), "--poll", "1h"), STDOUT)
        harness.poll(lambda: pipeline.output().count(b"\n") == 3, "the rows")
        for process in pipeline.processes:
            with open(f"/proc/{process.pid}/cmdline", "rb") as file:
                self.assertNotIn(b"fl-pw", file.read())
        pipeline.send(signal.SIGTERM)
        self.check(pipeline, 0, 0)

    def test_dry_run(self):
        """It finds what a run would end with at its start, with the same status and message."""
        self.fill(3)
        here, base = self.server.url(self.table), self.server.url()
        since = ["--since", "id"]
        login = ["--password-file", self.password]

        def same(status, words, url, *options):
            said = []
            for more in ([], ["--dry-run"]):
                pipeline = self.pipeline(["fl-source", "sql", url, *options, *more],
                                         *([] if more else [STDOUT]))
                self.assertEqual(pipeline.wait(LIMIT)[0], status, pipeline.report())
                said.append(pipeline.errors(0))
            for each in said:
                self.assertIn(words, each)
            self.assertEqual(said[0].splitlines()[0], said[1].splitlines()[0])
        for options in ([], since, ["--split", "3"], ["--query", "SELECT 1"]):
            url = base if "--query" in options else here
            self.check(self.pipeline(["fl-source", "sql", url, *login, *options, "--dry-run"]), 0)
        self.assertFalse(os.path.exists(self.path("home", ".local")))
        same(78, "test.nope", self.server.url("nope"), *login, *since)
        same(78, "no column 'ID'", here, *login, "--since", "ID")
        same(78, "no column 'x'", here, *login, *since, "--key", "x")
        same(78, "SELEC", base, *login, "--query", "SELEC")
        same(77, "nowhere", base.replace("/test", "/nowhere") + "/t", *login)
        same(77, "Access denied", here, *since)
        same(77, "does not offer TLS", here, *login, "--tls", "--trust-all-certs")
        dead = here.replace(str(self.server.port), "1")
        self.check(self.pipeline(["fl-source", "sql", dead, *login, "--dry-run"]), 69)

    def test_dry_run_looks_at_the_position(self):
        self.fill(3)
        place = self.path("p")

        def found(*options, status):
            """A run and a dry run report it."""
            for more in (["--dry-run"], []):
                pipeline = self.pipeline(self.words(self.server.url(self.table), "--position", place, *options,
                                                    *more), *([] if more else [STDOUT]))
                self.assertEqual(pipeline.wait(LIMIT)[0], status, pipeline.report())
            return pipeline.errors(0)
        found("--since", "id", status=0)
        with open(place, "rb") as file:
            before = file.read()
        self.assertIn("not of", found("--since", "n", "--key", "id", status=78))
        with open(place, "rb") as file:
            self.assertEqual(file.read(), before)
        # The table has another primary key by now.
        self.server.run(f"ALTER TABLE {self.table} DROP PRIMARY KEY, ADD PRIMARY KEY (n)")
        self.assertIn("is id, n now, and the position is one of id", found("--since", "id", status=78))
        self.write("p", "{}")
        self.assertIn("not a position", found("--since", "id", status=78))
        os.unlink(place)
        os.mkdir(place)
        found("--since", "id", status=64)
        self.assertEqual(os.listdir(place), [])


class Tls(harness.Case):
    def packed(self, *options):
        """A file of PKCS #12, as Java and Flume use them."""
        path = self.path("packed.p12")
        subprocess.run(["openssl", "pkcs12", "-export", *options, "-out", path, "-passout", "pass:p12-pw"],
                       check=True, capture_output=True, timeout=60)
        return path

    # Property: sql.ssl, sql.truststore, sql.keystore, sql.keystoreKey, sql.trust-all-certs
    def test_certificates(self):
        ca = Authority(self.path("ca"))
        other = Authority(self.path("other"))
        own, client = ca.issue("server"), ca.issue("client")
        away = ca.issue("away", names="DNS:elsewhere.example")
        password = self.write("password", "fl-pw\n")

        def server(pair):
            made = mariadb_server.Server(options=[
                f"--ssl-cert={pair.certificate}", f"--ssl-key={pair.key}", f"--ssl-ca={ca.certificate}"])
            self.addCleanup(made.close)
            made.run("CREATE TABLE t (id INT); INSERT INTO t VALUES (1)")
            made.run("CREATE USER x509@'127.0.0.1' IDENTIFIED BY 'fl-pw' REQUIRE X509; "
                     "GRANT SELECT ON test.* TO x509@'127.0.0.1'")
            return made

        def status(made, *options, user="fl"):
            pipeline = self.pipeline(["fl-source", "sql", made.url("t", user), "--password-file",
                                      password, *options], STDOUT)
            pipeline.wait(LIMIT)
            return pipeline.processes[1].returncode, pipeline.errors(0)
        made = server(own)
        trust = ["--tls", "--truststore", ca.certificate]
        self.assertEqual(status(made, *trust)[0], 0)
        # A user that must connect encrypted does, by both names of the option.
        made.run("CREATE USER secret@'127.0.0.1' IDENTIFIED BY 'fl-pw' REQUIRE SSL; "
                 "GRANT SELECT ON test.* TO secret@'127.0.0.1'")
        self.assertEqual(status(made, *trust, user="secret")[0], 0)
        self.assertEqual(status(made, "--ssl", *trust[1:], user="secret")[0], 0)
        self.assertEqual(status(made, user="secret")[0], 77)
        self.assertEqual(status(made, "--tls", "--truststore", other.certificate)[0], 77)
        self.assertEqual(status(made, "--tls")[0], 77)
        self.assertEqual(status(made, "--tls", "--trust-all-certs")[0], 0)
        self.assertEqual(status(made, *trust, "--truststore", self.path("missing"))[0], 78)
        self.assertEqual(status(made, *trust, user="x509")[0], 77)
        both = ["--keystore", client.certificate, "--keystore-key", client.key]
        self.assertEqual(status(made, *trust, *both, user="x509")[0], 0)
        self.assertEqual(status(made, *trust, "--keystore", client.joined(), user="x509")[0], 0)
        self.assertEqual(status(made, *trust, "--keystore-key", client.key)[0], 78)
        locked = self.path("locked.key")  # Property: sql.keystore-password
        subprocess.run(["openssl", "rsa", "-aes256", "-in", client.key, "-out", locked, "-passout",
                        "pass:key-pw"], check=True, capture_output=True, timeout=60)
        locks = ["--keystore", client.certificate, "--keystore-key", locked, "--keystore-password-file"]
        self.assertEqual(status(made, *trust, *locks, self.write("k1", "key-pw"), user="x509")[0], 0)
        self.assertEqual(status(made, *trust, *locks, self.write("k2", "wrong"), user="x509")[0], 77)
        for options in (["--truststore", self.packed("-nokeys", "-in", ca.certificate)],
                        [*trust[1:], "--keystore", self.packed("-in", client.certificate, "-inkey", client.key)]):
            found, said = status(made, "--tls", *options)
            self.assertEqual(found, 77, said)
            self.assertIn("these files are in PEM", said)
        self.assertIn("no effect without --tls", status(made, "--truststore", ca.certificate)[1])
        made.close()
        self.assertEqual(status(server(away), *trust)[0], 77)


if __name__ == "__main__":
    harness.main()
