#!/usr/bin/env python3
"""Spark reads what fl writes: files of every form and topics, in a batch and as a stream, while sinks
are killed. The queries are those of fl-spark(7). One session for all; started by ./run."""
import collections
import os
import re
import shutil
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in (os.path.join("..", "kafka"), os.path.join("..", "..", "tools"), "."):
    sys.path.insert(0, os.path.join(HERE, folder))
import brokers
import harness
import spark

LIMIT = 180
COUNT = 1_000_000 if os.environ.get("FL_TEST_LONG") else 20_000
PAGE = open(os.path.join(harness.ROOT, "man", "fl-spark.7.scd")).read()
QUERIES = re.findall(r"^```\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[1:]  # the first is a command


class Spark(harness.Case):
    @classmethod
    def setUpClass(cls):
        cls.kafka = brokers.shared(1)
        cls.home = harness.make_directory()
        cls.addClassCleanup(shutil.rmtree, cls.home, ignore_errors=True)
        cls.spark = spark.session(cls.home)
        cls.addClassCleanup(cls.spark.stop)
        cls.used = set()

    def run_query(self, has, **places):
        """What the query of the page makes that has these words: its variables."""
        found = [i for i, text in enumerate(QUERIES) if has in text]
        self.assertEqual(len(found), 1, f"queries with '{has}'")
        self.used.add(found[0])
        text = QUERIES[found[0]]
        for old, new in places.items():
            self.assertIn(f'"{old}"', text)
            text = text.replace(f'"{old}"', f'"{new}"')
        variables = {"spark": self.spark}
        exec(compile(text, has, "exec"), variables)
        return variables

    def seq(self, *sink, count=COUNT):
        return self.pipeline(["fl-source", "seq", "--count", str(count)],
                             ["fl-intercept", "timestamp"], list(sink))

    def exactly(self, bodies, count=COUNT):
        found = collections.Counter(map(int, bodies))
        wanted = set(range(count))
        self.assertEqual({"lost": len(wanted - found.keys()), "foreign": len(found.keys() - wanted),
                          "doubled": sum(found.values()) - len(found)},
                         {"lost": 0, "foreign": 0, "doubled": 0})

    # ------------------------------------------------------------- files

    def write(self, name, *options):
        where = f"file://{self.out}/{name}"
        self.check(self.seq("fl-sink", "hdfs", where, "--roll-count", "3000", *options), 0, 0, 0,
                   limit=LIMIT)
        return where

    def test_files_of_every_form(self):
        column = lambda frame: [row[0] for row in frame.collect()]
        for name, options in (("text", []), ("packed", ["--code-c", "gzip"])):
            where = self.write(name, *options)
            self.exactly(column(self.run_query("/logs/text", **{"/logs/text": where})["lines"]))
        where = self.write("json", "--serializer", "json")
        events = self.run_query('spark.read.schema(', **{"/logs/json": where})["events"]
        self.exactly(column(events.select("body")))
        self.assertEqual(events.where("headers['timestamp'] IS NULL").count(), 0)
        where = self.write("avro", "--serializer", "avro_event", "--file-suffix", ".avro")
        events = self.run_query('format("avro")', **{"/logs/avro": where})["events"]
        self.exactly(column(events.select("body")))
        self.assertEqual(events.where("headers['timestamp'] IS NULL").count(), 0)
        where = self.write("sequence", "--file-type", "SequenceFile")
        bodies = self.run_query("sequenceFile", **{"/logs/sequence": where})["bodies"]
        self.exactly(bodies.collect())

    def roll(self, *options):
        """A folder of files that file_roll has written."""
        self.rolled += 1
        where = self.path(f"rolled-{self.rolled}")
        os.mkdir(where)
        self.check(self.seq("fl-sink", "file_roll", where, "--roll-interval", "50ms", *options),
                   0, 0, 0, limit=LIMIT)
        return f"file://{where}"

    def test_files_of_file_roll(self):
        """Each serializer, and Avro with each codec."""
        self.rolled = 0
        column = lambda frame: [row[0] for row in frame.collect()]
        where = self.roll()
        self.exactly(column(self.run_query("/logs/text", **{"/logs/text": where})["lines"]))
        where = self.roll("--serializer", "header_and_text")
        lines = column(self.run_query("/logs/text", **{"/logs/text": where})["lines"])
        found = [re.fullmatch(r"\{timestamp=\d{13}\} (\d+)", line) for line in lines]
        self.assertNotIn(None, found)
        self.exactly(match[1] for match in found)
        where = self.roll("--serializer", "json", "--extension", "json")
        events = self.run_query('spark.read.schema(', **{"/logs/json": where})["events"]
        self.exactly(column(events.select("body")))
        self.assertEqual(events.where("headers['timestamp'] IS NULL").count(), 0)
        for codec in ("null", "deflate", "snappy", "bzip2", "xz", "zstandard"):
            with self.subTest(codec):
                where = self.roll("--serializer", "avro_event", "--compression-codec", codec)
                events = self.run_query('format("avro")', **{"/logs/avro": where})["events"]
                self.exactly(column(events.select("body")))
                self.assertEqual(events.where("headers['timestamp'] IS NULL").count(), 0)

    def per_minute(self, query, table, count):
        """Waits until the stream has counted so many; the query must live."""
        def counted():
            self.assertIsNone(query.exception())
            query.processAllAvailable()
            return self.spark.sql(f"SELECT SUM(count) FROM {table}").first()[0] or 0
        harness.poll(lambda: counted() >= count, f"{count} events", LIMIT)
        self.assertEqual(counted(), count)

    def test_counts_per_minute_over_a_growing_directory(self):
        """Sinks are killed after a log; Spark has counted what is in the files, each file once."""
        os.mkdir(self.out)
        query = self.run_query('.json("/logs/json"))\nminute', **{
            "/logs/json": f"file://{self.out}", "/checkpoints/files": self.path("check")})["query"]
        self.addCleanup(query.stop)
        log = self.path("log")
        share = COUNT // 4

        def put(part):
            with open(self.path("numbers"), "w") as file:
                file.writelines(f"{i}\n" for i in range(part * share, (part + 1) * share))
            self.check(self.pipeline(["fl-source", "stdin", self.path("numbers")],
                                     ["fl-intercept", "timestamp"],
                                     ["fl-channel", "file", log, "--put"]), 0, 0, 0, limit=LIMIT)
        take = ["fl-channel", "file", log, "--take"]
        # The last file of a part is not full: whenever a sink is killed, something is open.
        sink = ["fl-sink", "hdfs", "--stream", "--serializer", "json", "--roll-count", "499",
                "--min-commit", "1ms", f"file://{self.out}/%Y-%m-%d"]
        for kill in range(3):
            put(kill)
            files = len(harness.committed_files(self.out))
            pipeline = self.pipeline(take, sink)
            harness.poll(lambda: len(harness.committed_files(self.out)) > files + 2 or
                         pipeline.processes[1].poll() is not None, "files", LIMIT)
            pipeline.processes[1].kill()
            self.assertEqual(pipeline.wait(LIMIT)[1], -signal.SIGKILL, pipeline.report())
            query.processAllAvailable()
        put(3)
        take.append("--once")
        self.check(self.pipeline(take, sink), 0, 0, limit=LIMIT)
        ledger = collections.Counter(harness.committed_lines(self.out))
        print(f"{sum(ledger.values())} events in {len(harness.committed_files(self.out))} files")
        self.per_minute(query, "per_minute", sum(ledger.values()))
        events = self.run_query('spark.read.schema(', **{
            "/logs/json": f"file://{self.out}/*"})["events"]
        self.exactly(row[0] for row in events.select("body").distinct().collect())

    # ------------------------------------------------------------- topics

    def test_counts_per_minute_over_a_topic(self):
        """A sink is killed and its lines are sent again: the count is the ends of the topic."""
        topic = "spark-trades"
        self.kafka.admin.create(topic, partitions=3)
        server = {"b1:9092": self.kafka.bootstrap, "trades": topic}
        query = self.run_query("readStream.format", **server, **{
            "/checkpoints/topic": self.path("check")})["query"]
        self.addCleanup(query.stop)
        sink = ["fl-sink", "kafka", topic, "--bootstrap-server", self.kafka.bootstrap]
        ends = lambda: sum(self.kafka.admin.offsets(topic).values())
        pipeline = self.seq(*sink, count=COUNT * 100)
        harness.poll(lambda: ends() > COUNT // 10, "records", LIMIT)
        pipeline.processes[2].kill()
        self.assertEqual(pipeline.wait(LIMIT)[2], -signal.SIGKILL, pipeline.report())
        self.check(self.seq(*sink), 0, 0, 0, limit=LIMIT)
        self.per_minute(query, "topic_per_minute", ends())
        records = self.run_query("CAST(value AS STRING)", **server)["records"]
        self.assertEqual(records.count(), ends())
        once = records.select("body").distinct().where(f"CAST(body AS INT) < {COUNT}")
        self.exactly(row[0] for row in once.collect())

    def test_events_in_avro_in_a_topic(self):
        topic = "spark-hop"
        self.kafka.admin.create(topic, partitions=3)
        self.check(self.seq("fl-channel", "kafka", topic, "--bootstrap-server",
                            self.kafka.bootstrap, "--put"), 0, 0, 0, limit=LIMIT)
        events = self.run_query("from_avro", **{"b1:9092": self.kafka.bootstrap,
                                                "hop": topic})["events"]
        self.exactly(row[0] for row in events.select("body").collect())
        self.assertEqual(events.where("headers['timestamp'] IS NULL").count(), 0)

    @classmethod
    def tearDownClass(cls):
        unused = set(range(len(QUERIES))) - cls.used
        if unused and len(sys.argv) == 1:
            raise AssertionError(f"queries of fl-spark(7) that no test runs: {unused}")


if __name__ == "__main__":
    harness.main()
