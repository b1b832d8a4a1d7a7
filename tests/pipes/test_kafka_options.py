#!/usr/bin/env python3
"""What the options of Kafka's components make of records and events, with a cluster without Java. The
same with real brokers, and much more, is in tests/peers/kafka."""
import collections
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import harness
import kafka_mock

Record = collections.namedtuple("Record", "topic partition key headers time value")
NOON = 1709210096000


def avro(text):
    return bytes([2 * len(text)]) + text


class Case(harness.Case):
    def setUp(self):
        super().setUp()
        self.cluster = kafka_mock.Cluster(3)
        self.addCleanup(self.cluster.close)
        self.place = ["--bootstrap-server", self.cluster.address]

    def records(self, topic="t"):
        done = subprocess.run(["kcat", "-b", self.cluster.address, "-C", "-t", topic, "-e", "-q", "-f",
                               "%t|%p|%k|%h|%T|%s\n"], capture_output=True, check=True,
                              timeout=harness.HANG)
        return sorted(Record(*row.split("|")) for row in done.stdout.decode().splitlines())

    def produce(self, value, *options):
        subprocess.run(["kcat", "-b", self.cluster.address, "-P", "-t", "t", *options], input=value,
                       check=True, timeout=harness.HANG)

    def events(self, *events):
        rows = (json.dumps({"headers": headers, "body": body}) for body, headers in events)
        path = self.write("events", "".join(row + "\n" for row in rows))
        return ["fl-source", "stdin", "--format", "json", path]

    def read(self, *words, statuses=(0, 0)):
        """[(body, headers)] of a stage that takes everything from the topic."""
        pipeline = self.pipeline([*words, "--once"] if words[0] != "sh" else list(words),
                                 "fl-sink stdout --stream --format json")
        self.check(pipeline, *statuses)
        self.said = pipeline.errors(0)
        rows = map(json.loads, pipeline.output().splitlines())
        return [(row["body"], row["headers"]) for row in rows]


class Sink(Case):
    def put(self, events, *options, status=0):
        pipeline = self.pipeline(self.events(*events),
                                 ["fl-sink", "kafka", "t", *self.place, "--stream", *options])
        statuses = pipeline.wait()
        self.assertEqual(statuses[1], status, pipeline.report())
        return pipeline.errors(1)

    def test_keys_and_headers(self):
        event = ("x", {"id": "7", "host": "web1"})
        for options, key, headers in (
                (["--key-header", "id"], "7", ""), ([], "", ""),
                (["--headers", "all"], "", "host=web1,id=7"),
                (["--header", "host=from"], "", "from=web1")):
            with self.subTest(options):
                before = len(self.records())
                self.put([event], *options)
                found = self.records()
                self.assertEqual(len(found), before + 1)
                self.assertIn((key, headers), [(each.key, ",".join(sorted(each.headers.split(","))))
                                               for each in found])

    def test_partitions(self):
        self.put([("one", {"p": "2"}), ("two", {})], "--partition-id-header", "p",
                 "--default-partition-id", "1")
        self.assertEqual([(each.partition, each.value) for each in self.records()],
                         [("1", "two"), ("2", "one")])

    def test_times(self):
        self.put([("x", {"at": str(NOON)})], "--timestamp-header", "at")
        self.assertEqual([each.time for each in self.records()], [str(NOON)])

    def test_topics_of_events(self):
        event = ("x", {"to": "other"})
        self.put([event], "--topic-header", "to")
        self.assertEqual(len(self.records()), 1)
        self.produce(b"", "-t", "other")  # which makes the topic
        self.put([event], "--topic-header", "to", "--allow-topic-override")
        self.assertEqual((len(self.records()), len(self.records("other"))), (1, 1))

    def test_events_of_flume(self):
        self.put([("body", {"h": "v"})], "--use-flume-event-format")
        self.assertEqual(self.records()[0].value.encode(),
                         b"\x02" + avro(b"h") + avro(b"v") + b"\0" + avro(b"body"))
        found = self.read("fl-source", "kafka", "t", *self.place, "--use-flume-event-format")
        self.assertEqual([(body, headers["h"]) for body, headers in found], [("body", "v")])

    def test_properties_of_the_producer(self):
        said = self.put([("x" * 5000, {})], "--producer", "max.request.size=1000", status=65)
        self.assertIn("reject", said)
        self.put([("x" * 5000, {})])

    def test_names_of_flume_1_6(self):
        self.write("p", f"topic = t\nbrokerList = {self.cluster.address}\n")
        self.check(self.pipeline("printf x\\n", ["sh", "-c", "exec fl-sink kafka --properties 3 3< p"]),
                   0, 0)
        self.assertEqual([each.value for each in self.records()], ["x"])


class Source(Case):
    def source(self, *options, **more):
        return self.read("fl-source", "kafka", "t", *self.place, *options, **more)

    def test_headers(self):
        self.produce(b"x\n", "-H", "host=web1", "-k", "K")
        for options, has, lacks in (
                ([], {"host": "web1", "topic": "t"}, "h"),
                (["--record-headers", "mapped"], {"topic": "t"}, "host"),
                (["--header", "h=host"], {"h": "web1"}, "host"),
                (["--topic-header", "from"], {"from": "t"}, "topic"),
                (["--set-topic-header=false"], {"host": "web1"}, "topic")):
            with self.subTest(options):
                [(_, headers)] = self.source(*options)
                self.assertLessEqual(has.items(), headers.items())
                self.assertNotIn(lacks, headers)

    def test_records_without_a_value(self):
        self.produce(b"a:1\na:\n", "-K", ":", "-Z")
        self.assertEqual(sorted(body for body, _ in self.source()), ["", "1"])
        self.assertEqual([body for body, _ in self.source("--tombstones", "skip")], ["1"])

    def test_records_that_are_no_events(self):
        self.produce(b"plain\n")
        self.assertEqual(self.source("--use-flume-event-format", "--undecodable", "skip"), [])
        self.source("--use-flume-event-format", statuses=(65, 65))
        self.assertIn("is not an AvroFlumeEvent", self.said)

    def test_prefixes_of_a_schema_registry(self):
        self.write("value", b"\0\0\0\1\2body")
        self.produce(None, self.path("value"))
        [(body, headers)] = self.source("--registry-prefix", "strip")
        self.assertEqual((body, headers["schema.id"]), ("body", "258"))

    def test_names_of_flume_1_6(self):
        self.produce(b"x\n")
        self.write("p", f"topic = t\ngroupId = old\nkafka.bootstrap.servers = {self.cluster.address}\n"
                        "from = earliest\n")
        found = self.read("sh", "-c", "exec fl-source kafka --once --properties 3 3< p")
        self.assertEqual([body for body, _ in found], ["x"])
        self.assertEqual(self.cluster.committed("old"), [b"x"])


class Channel(Case):
    def put(self, *options):
        self.check(self.pipeline(self.events(("one", {"p": "2", "id": "7"}), ("two", {})),
                                 ["fl-channel", "kafka", "t", *self.place, "--put", *options]), 0, 0)

    def test_keys_partitions_and_groups(self):
        self.put("--key-header", "id", "--partition-id-header", "p", "--default-partition-id", "1")
        self.assertEqual([(each.partition, each.key) for each in self.records()],
                         [("1", ""), ("2", "7")])
        take = ["fl-channel", "kafka", "t", *self.place, "--take"]
        for group in ("a", "b"):
            self.assertEqual(sorted(body for body, _ in self.read(*take, "--group", group)),
                             ["one", "two"])
            self.assertEqual(len(self.cluster.committed(group)), 2)

    def test_records_that_are_no_events(self):
        self.put()
        self.produce(b"plain\n")
        take = ["fl-channel", "kafka", "t", *self.place, "--take", "--undecodable", "skip"]
        self.assertEqual(sorted(body for body, _ in self.read(*take)), ["one", "two"])
        self.read(*take[:-2], "--group", "other", statuses=(65, 65))

    def test_names_of_flume_1_6(self):
        self.write("p", f"topic = t\nbrokerList = {self.cluster.address}\ngroupId = old\n")
        self.check(self.pipeline(self.events(("x", {})), [
            "sh", "-c", "exec fl-channel kafka --put --properties 3 3< p"]), 0, 0)
        found = self.read("sh", "-c", "exec fl-channel kafka --take --once --properties 3 3< p")
        self.assertEqual([body for body, _ in found], ["x"])
        self.assertEqual(len(self.cluster.committed("old")), 1)


if __name__ == "__main__":
    harness.main()
