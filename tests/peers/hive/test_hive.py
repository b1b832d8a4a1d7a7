#!/usr/bin/env python3
"""fl-sink hive and real servers: HiveServer2 reads through the metastore of Hive 4, Spark through that of
Hive 2.3. Every test runs against both. Started by ./run."""
import json
import os
import pathlib
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in (os.path.join("..", "spark"), os.path.join("..", "..", "tools"), "."):
    sys.path.insert(0, os.path.join(HERE, folder))
import answer_proxy
import harness
import hive_server
import metastore
import spark
from spark_session import SparkSession
from table_recipes import TableRecipes
from thrift_wire import Struct, text

LIMIT = 180
VALUES = ["plain", "a b", "a/b", "50%", "k=v", "Zürich", "äöü ß", "a:b", "it's", '"q"', "[x]", "..", "_x",
          "a\\b", "#*?^{}"]
DEFAULT = "__HIVE_DEFAULT_PARTITION__"


def quoted(value):
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


class Reader:
    """Reads the tables of a metastore by SQL."""

    def __init__(self, name, store, rows):
        self.name, self.store, self.rows = name, store, rows


class Hive(TableRecipes, harness.Case):
    spark_of_hive = None

    @classmethod
    def setUpClass(cls):
        cls.home = harness.make_directory()
        cls.addClassCleanup(shutil.rmtree, cls.home, ignore_errors=True)
        home = pathlib.Path(cls.home)
        warehouse = home / "old"
        warehouse.mkdir()
        jars = next(spark.PLACE.glob("py/lib/python3*/site-packages/pyspark/jars"))
        cls.hive = hive_server.Hive(home / "hive").start()
        cls.addClassCleanup(cls.hive.close)
        cls.old = hive_server.OldMetastore(home / "old-metastore", warehouse, jars).start()
        cls.addClassCleanup(cls.old.kill)
        cls.hive.wait()
        cls.old.wait()
        cls.spark = spark.session(cls.home, **{
            "sql.catalogImplementation": "hive", "hadoop.hive.metastore.uris": cls.old.url,
            "hadoop.hive.metastore.connect.retries": "15"})
        cls.addClassCleanup(cls.spark.stop)
        for store, place in ((cls.hive.metastore, cls.hive.warehouse), (cls.old, warehouse)):
            store.client.create_database("sales", f"file://{place}/sales.db")
        cls.readers = [Reader("HiveServer2", cls.hive.metastore, cls.hive.rows),
                       Reader("Spark", cls.old, cls.by_spark)]

    @classmethod
    def by_spark_of_hive(cls, sql):
        """Spark SQL at the metastore of Hive 4, in a session that begins with the first query."""
        if cls.spark_of_hive is None:
            cls.spark_of_hive = SparkSession(os.path.join(cls.home, "spark-of-hive"), cls.hive.metastore.url)
            cls.addClassCleanup(cls.spark_of_hive.close)
        return cls.spark_of_hive.rows(sql)

    @classmethod
    def by_spark(cls, sql):
        return [[None if each is None else str(each) for each in row]
                for row in cls.spark.sql(sql).collect()]

    def table(self, reader, name, fields=(("id", "int"), ("note", "string")), keys=(("dt", "string"),),
              **more):
        """A fresh table; its directory."""
        place = self.path(reader.name, name)
        reader.store.client.create_table("sales", name, f"file://{place}", list(fields), list(keys), **more)
        self.addCleanup(reader.store.client.drop_table, "sales", name)
        return place

    @staticmethod
    def kind_and_place(store, name):
        found = store.client.call("get_table_req", Struct({1: Struct({1: "sales", 2: name})}))[1]
        return text(found[12]), text(found[7][2]).removeprefix("file:")

    def events(self, *events):
        text = "".join(json.dumps({"headers": headers, "body": body}) + "\n" for body, headers in events)
        return ["fl-source", "stdin", self.write("events", text), "--format", "json"]

    def sink(self, reader, name, *options, server=None):
        return ["fl-sink", "hive", f"sales.{name}", "--stream", "--metastore", server or reader.store.url,
                "--min-commit", "10ms", "--time-zone", "UTC", "--grace", f"{LIMIT}s", *options]

    def exactly(self, reader, name, count):
        """The ids 0 to count - 1, each once."""
        self.assertEqual(reader.rows(f"SELECT count(*), count(DISTINCT id), min(id), max(id) "
                                     f"FROM sales.{name}"),
                         [[str(count), str(count), "0", str(count - 1)]])

    def test_values_of_partitions(self):
        for reader in self.readers:
            self.table(reader, "places")
            events = [(f"{i},{v}", {"v": v}) for i, v in enumerate([*VALUES, ""])]
            self.check(self.pipeline(self.events(*events),
                                     self.sink(reader, "places", "--partition", "%{v}")), 0, 0, limit=LIMIT)
            rows = {int(i): (note, dt) for i, note, dt in reader.rows("SELECT id, note, dt FROM sales.places")}
            for i, value in enumerate(VALUES):
                self.assertEqual(rows[i], (value, value))
            self.assertIn(rows[len(VALUES)][1], (DEFAULT, None))
            for i, value in enumerate(VALUES):
                self.assertEqual(reader.rows(f"SELECT id FROM sales.places WHERE dt = {quoted(value)}"),
                                 [[str(i)]], value)

    def test_one_table_for_both(self):
        """A managed table of Hive 4, made by HiveServer2; HiveServer2 and Spark SQL have read it before and
        find the same rows in the same partitions, also by values that need care."""
        self.hive.rows("CREATE TABLE sales.pair (id INT, note STRING) PARTITIONED BY (dt STRING, hr INT) "
                       "ROW FORMAT DELIMITED FIELDS TERMINATED BY ','")
        # Hive 4 makes it an external one whose files go with it; before Hive 3 it was this.
        self.hive.rows("ALTER TABLE sales.pair SET TBLPROPERTIES ('EXTERNAL'='FALSE')")
        kind, place = self.kind_and_place(self.hive.metastore, "pair")
        self.assertEqual(kind, "MANAGED_TABLE")
        readers = (self.hive.rows, self.by_spark_of_hive)

        def seen(statement, wanted):
            for rows in readers:
                self.assertEqual(sorted(rows(statement)), sorted(wanted), f"{statement} by {rows.__name__}")
        seen("SELECT id FROM sales.pair", [])
        events = []
        for turn in range(2):
            # The second turn finds the partitions of the first one, and makes others.
            keys = [(value, hour) for hour in range(turn + 1) for value in VALUES]
            more = [(f"{len(events) + i},{value}", {"v": value, "hr": str(hour)})
                    for i, (value, hour) in enumerate(keys)]
            self.check(self.pipeline(self.events(*more), self.sink(
                self.readers[0], "pair", "--partition", "dt=%{v}/hr=%{hr}", "--roll-count", "1")), 0, 0,
                limit=LIMIT)
            events += more
            seen("SELECT dt, hr, count(*) FROM sales.pair GROUP BY dt, hr", [
                [value, str(hour), str(turn + 1 - hour)] for value in VALUES for hour in range(turn + 1)])
        count = str(len(events))
        seen("SELECT count(*), count(DISTINCT id) FROM sales.pair", [[count, count]])
        shown = [rows("SHOW PARTITIONS sales.pair") for rows in readers]
        self.assertEqual(sorted(shown[0]), sorted(shown[1]))
        self.assertEqual(len(shown[0]), 2 * len(VALUES))
        # Each value is looked for by itself; one query for all takes less time than one for each.
        any_of = " OR ".join(f"dt = {quoted(value)}" for value in VALUES)
        seen(f"SELECT id, note FROM sales.pair WHERE hr = 1 AND ({any_of})",
             [body.split(",", 1) for body, headers in events if headers["hr"] == "1"])
        # They are the table's own.
        self.assertEqual(len(harness.committed_files(place)), len(events))
        self.hive.rows("DROP TABLE sales.pair")
        self.assertFalse(os.path.exists(place))

    def test_a_plain_table_of_each(self):
        """What CREATE TABLE makes there."""
        for reader, wanted in zip(self.readers, ("EXTERNAL_TABLE", "MANAGED_TABLE")):
            reader.rows("CREATE TABLE sales.plain (id INT, note STRING) PARTITIONED BY (dt STRING) ROW FORMAT "
                        "DELIMITED FIELDS TERMINATED BY ',' STORED AS TEXTFILE")
            kind, place = self.kind_and_place(reader.store, "plain")
            self.assertEqual(kind, wanted)
            self.check(self.pipeline(self.events(*((f"{i},x", {"p": str(i % 3)}) for i in range(30))), self.sink(
                reader, "plain", "--partition", "%{p}")), 0, 0, limit=LIMIT)
            self.exactly(reader, "plain", 30)
            self.assertEqual(sorted(reader.rows("SELECT dt, count(*) FROM sales.plain GROUP BY dt")),
                             [["0", "10"], ["1", "10"], ["2", "10"]])
            reader.rows("DROP TABLE sales.plain")
            self.assertFalse(os.path.exists(place))

    def test_days_and_hours(self):
        for reader in self.readers:
            self.table(reader, "hours", keys=[("dt", "date"), ("hr", "int")])
            events = [(f"{i},x", {"timestamp": str(1709164800000 + i * 1_800_000), "n": str(i)})
                      for i in range(50)] + [("50,x", {"timestamp": "1709164800000", "n": "x"})]
            self.check(self.pipeline(self.events(*events), self.sink(
                reader, "hours", "--partition", "dt=%Y-%m-%d/hr=%H")), 0, 0, limit=LIMIT)
            self.assertEqual(len(reader.store.client.partitions("sales", "hours")), 25)
            self.assertEqual(reader.rows("SELECT count(*) FROM sales.hours WHERE hr = 7 AND "
                                         "dt = '2024-02-29'"), [["2"]])
            # Such a value would end every query with an error.
            self.check(self.pipeline(self.events(*events[-1:]), self.sink(
                reader, "hours", "--partition", "%Y-%m-%d,%{n}", "--reject", self.path("bad"))), 0, 0,
                limit=LIMIT)
            self.exactly(reader, "hours", 51)

    def test_two_sinks_on_one_partition(self):
        for reader in self.readers:
            self.table(reader, "shared")
            made = []
            for half in range(2):
                self.write(f"half{half}", "".join(f"{i},x\n" for i in range(half, 400, 2)))
                made.append(self.pipeline(["fl-source", "stdin", self.path(f"half{half}")], self.sink(
                    reader, "shared", "--partition", "day", "--roll-count", "10")))
            for each in made:
                self.check(each, 0, 0, limit=LIMIT)
            self.assertEqual(reader.store.client.partitions("sales", "shared"), ["dt=day"])
            self.exactly(reader, "shared", 400)

    def test_a_metastore_that_is_killed_in_mid_commit(self):
        for reader in self.readers:
            place = self.table(reader, "killed")
            proxy = answer_proxy.Proxy(reader.store.port, b"add_partitions_req")
            self.addCleanup(proxy.close)
            events = [(f"{i},x", {"p": str(i // 10)}) for i in range(60)]
            pipeline = self.pipeline(self.events(*events), self.sink(
                reader, "killed", "--partition", "%{p}", "--roll-count", "10", server=proxy.url))
            # The file is there and the partition is added, but the sink has no answer.
            self.assertTrue(proxy.held.wait(LIMIT), pipeline.report())
            self.assertTrue(harness.committed_files(place))
            reader.store.kill()
            proxy.drop()
            harness.poll(lambda: "writing" in pipeline.errors(1) or "trying" in pipeline.errors(1)
                         or "waiting" in pipeline.errors(1), "the sink says that the metastore is away", LIMIT)
            reader.store.start().wait()
            self.check(pipeline, 0, 0, limit=LIMIT)
            self.assertEqual(sorted(reader.store.client.partitions("sales", "killed")),
                             [f"dt={i}" for i in range(6)])
            self.exactly(reader, "killed", 60)

    def test_rows_with_everything_in_them(self):
        bodies = ["plain", "a,b", "back\\slash", "\\n", "line\nline", "cr\rlf\r\n.", "tab\t", "ß日本", ""]
        for reader in self.readers:
            self.table(reader, "escaped", serde={"field.delim": ",", "serialization.format": ",",
                                                 "escape.delim": "\\"})
            events = [(f"{i}|{body}", {}) for i, body in enumerate(bodies)] + [("99|\\N", {}), ("98", {})]
            self.check(self.pipeline(self.events(*events), self.sink(
                reader, "escaped", "--partition", "day", "--field-delimiter", "|")), 0, 0, limit=LIMIT)
            rows = {int(i): note for i, note in reader.rows("SELECT id, note FROM sales.escaped")}
            self.assertEqual(rows, {**dict(enumerate(bodies)), 98: None, 99: None})

    def test_avro(self):
        schema = {"type": "record", "name": "Event", "fields": [
            {"name": "headers", "type": {"type": "map", "values": "string"}},
            {"name": "body", "type": "bytes"}]}
        for reader in self.readers:
            self.table(reader, "avro", [("headers", "map<string,string>"), ("body", "binary")],
                       form=metastore.AVRO, serde={"serialization.format": "1"},
                       parameters={"avro.schema.literal": json.dumps(schema)})
            self.check(self.pipeline(self.events(("some body", {"host": "web1"})), self.sink(
                reader, "avro", "--partition", "day", "--compression-codec", "deflate")), 0, 0, limit=LIMIT)
            self.assertEqual(reader.rows("SELECT headers['host'], decode(body, 'UTF-8') FROM sales.avro"),
                             [["web1", "some body"]])

    def test_json(self):
        reader = self.readers[0]
        self.table(reader, "json", form=metastore.JSON, serde={"serialization.format": "1"})
        self.check(self.pipeline(self.events(('{"id": 7,\n "note": "x"}', {}), ("no json", {})), self.sink(
            reader, "json", "--partition", "day", "--reject", self.path("bad"))), 0, 0, limit=LIMIT)
        self.assertEqual(reader.rows("SELECT id, note, dt FROM sales.json"), [["7", "x", "day"]])

    def test_a_table_of_spark(self):
        reader = self.readers[1]
        reader.rows(f"CREATE TABLE sales.own (id INT, note STRING, dt STRING) USING json PARTITIONED BY (dt) "
                    f"LOCATION 'file://{self.path('own')}'")
        self.addCleanup(reader.store.client.drop_table, "sales", "own")
        self.check(self.pipeline(self.events(('{"id": 7, "note": "x"}', {})), self.sink(
            reader, "own", "--partition", "a b")), 0, 0, limit=LIMIT)
        self.assertEqual(reader.rows("SELECT id, note, dt FROM sales.own"), [["7", "x", "a b"]])

    def test_tables_that_are_refused(self):
        for reader in self.readers:
            self.table(reader, "orc", form=metastore.ORC, serde={})
            said = self.refused(reader, "orc", "--partition", "day")
            self.assertIn("OrcSerde", said)
            self.assertIn("no table sales.none", self.refused(reader, "none"))
            self.table(reader, "text", keys=())
            self.assertIn("','", self.refused(reader, "text", "--serde-separator", "|"))
        reader = self.readers[1]
        # It cannot be dropped: this metastore has no tables for transactions.
        reader.store.client.create_table("sales", "acid", f"file://{self.path('acid')}", [("id", "int")],
                                         kind="MANAGED_TABLE", form=metastore.ORC, serde={},
                                         buckets=["id"], parameters={"transactional": "true"})
        self.assertIn("transactional", self.refused(reader, "acid"))

    def refused(self, reader, name, *options):
        pipeline = self.pipeline(self.events(("1,x", {})), self.sink(reader, name, *options))
        statuses = pipeline.wait(LIMIT)
        self.assertEqual(statuses[1], 78, pipeline.report())
        return pipeline.errors(1)

    def test_http(self):
        store = hive_server.Metastore(os.path.join(self.home, "http"), self.path("warehouse"), http=True)
        store.start()
        self.addCleanup(store.kill)
        store.wait()
        store.client.create_database("sales", f"file://{self.path('sales.db')}")
        reader = Reader("http", store, None)
        place = self.table(reader, "web")
        self.check(self.pipeline(self.events(("1,x", {}), ("2,y", {})), self.sink(
            reader, "web", "--partition", "a b")), 0, 0, limit=LIMIT)
        self.assertEqual(store.client.partitions("sales", "web"), ["dt=a b"])
        self.assertEqual(store.client.location("sales", "web", "dt=a b"), f"file:{place}/dt=a b")
        self.assertEqual(harness.committed_lines(place), [b"1,x", b"2,y"])
        self.assertIn("no table sales.none", self.refused(reader, "none"))


if __name__ == "__main__":
    harness.main()
