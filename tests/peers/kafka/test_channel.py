#!/usr/bin/env python3
"""fl-channel kafka against a real broker: its halves together and apart, forms, kills of everybody."""
import collections
import json
import os
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tools"))
sys.path.insert(0, HERE)
import brokers
import harness
from ledger import AGAIN

LIMIT = 180
COUNT = 1_000_000 if os.environ.get("FL_TEST_LONG") else 100_000
PARTITIONS = 4
QUICK = ["--consumer", "session.timeout.ms=1000", "--consumer", "heartbeat.interval.ms=200",
         "--commit-interval", "50ms"]


class Channel(harness.Case):
    def setUp(self):
        super().setUp()
        self.kafka = brokers.shared(1)
        self.addCleanup(self.kafka.repair)
        self.admin = self.kafka.admin
        self.topic = "channel-" + self.id().rsplit(".", 1)[-1].replace("test_", "")

    def channel(self, *options, topic=None):
        """In a group of its own: a member that was killed is missed by nobody else."""
        return ["fl-channel", "kafka", topic or self.topic, "--bootstrap-server",
                self.kafka.bootstrap, *(options if "--group" in options else
                                        ("--group", self.topic, *options))]

    def put(self, *options, events=None, lines=None):
        """Puts events, or lines, and ends."""
        rows = events if lines is None else [{"headers": {}, "body": line} for line in lines]
        path = self.write("events", "".join(json.dumps(row) + "\n" for row in rows))
        return self.check(
            self.pipeline(["fl-source", "stdin", "--format", "json", path],
                          self.channel("--put", *options)), 0, 0, limit=LIMIT)

    def take(self, *options, statuses=(0, 0)):
        """The events that the topic holds for a group: (headers, body), and the pipeline."""
        pipeline = self.pipeline(self.channel("--take", "--once", *options),
                                 ["fl-sink", "stdout", "--stream", "--format", "json"])
        self.check(pipeline, *statuses, limit=LIMIT)
        rows = [json.loads(row) for row in pipeline.output().splitlines()]
        return [(row["headers"], row["body"]) for row in rows], pipeline

    def committed(self, group=None):
        return sum(self.admin.committed(group or self.topic, self.topic).values())

    def files(self, *options):
        """The sink of a pipeline, and where its files are."""
        return ["fl-sink", "hdfs", "--stream", "--roll-count", "500", "--min-commit", "1ms", *options,
                f"file://{self.out}"]

    def judge(self, count, most_doubled):
        seen = collections.Counter(harness.committed_lines(self.out))
        wanted = {b"%d" % i for i in range(count)}
        self.assertEqual(len(wanted - set(seen)), 0, "lost")
        self.assertEqual(set(seen) - wanted, set())
        doubled = sum(seen.values()) - count
        print(f"{self.topic}: {count} events, lost 0, doubled {doubled}, allowed {most_doubled}")
        self.assertLessEqual(doubled, most_doubled)

    # ------------------------------------------------------------- one process

    def test_both_halves_in_one_process(self):
        self.admin.create(self.topic, partitions=PARTITIONS)
        pipeline = self.pipeline(["fl-source", "seq", "--count", str(COUNT)], self.channel(),
                                 self.files())
        self.check(pipeline, 0, 0, 0, limit=LIMIT)
        self.judge(COUNT, 0)
        self.assertEqual(self.committed(), COUNT)
        self.assertEqual(sum(self.admin.offsets(self.topic).values()), COUNT)

    def test_what_was_left_in_the_topic_is_taken_too(self):
        self.admin.create(self.topic)
        self.put(lines=["left"])
        pipeline = self.pipeline(["sh", "-c", "echo new"], self.channel(),
                                 ["fl-sink", "stdout", "--stream"])
        self.check(pipeline, 0, 0, 0, limit=LIMIT)
        self.assertEqual(pipeline.output(), b"left\nnew\n")

    # ------------------------------------------------------------- halves apart

    def test_halves_apart_and_groups(self):
        self.admin.create(self.topic, partitions=PARTITIONS)
        self.put(lines=["a", "b", "c"])
        bodies = lambda *options: sorted(body for _, body in self.take(*options)[0])
        self.assertEqual(bodies(), ["a", "b", "c"])
        self.assertEqual(bodies(), [])
        self.put(lines=["d"])
        self.assertEqual(bodies(), ["d"])
        self.assertEqual(bodies("--group", "audit"), ["a", "b", "c", "d"])
        self.assertEqual(bodies("--group", "late", "--from", "latest"), [])
        self.assertEqual(self.committed("audit"), 4)

    def test_a_taker_waits_for_more_until_a_signal(self):
        self.admin.create(self.topic)
        pipeline = self.pipeline(self.channel("--take"), ["fl-sink", "stdout", "--stream"])
        for body in ("one", "two"):
            self.put(lines=[body])
            harness.poll(lambda: body.encode() in pipeline.output(), body, LIMIT)
        pipeline.send(signal.SIGTERM)
        self.check(pipeline, 0, 0, limit=LIMIT)
        self.assertEqual(pipeline.output(), b"one\ntwo\n")
        self.assertEqual(self.committed(), 2)

    # ------------------------------------------------------------- forms

    def test_events_come_out_as_they_went_in(self):
        self.admin.create(self.topic, partitions=3)
        events = [{"headers": {"key": "k", "p": "2", "topic": "mine", "timestamp": "7"}, "body": "x"},
                  {"headers": {}, "body": ""}, {"headers": {"h": "v"}, "body": "y"}]
        self.put("--partition-id-header", "p", "--default-partition-id", "1", events=events)
        found, _ = self.take()
        order = lambda pair: pair[1]
        self.assertEqual(sorted(found, key=order),
                         sorted([(e["headers"], e["body"]) for e in events], key=order))
        records = self.kafka.records(self.topic)
        self.assertEqual([(r.partition, r.key, r.headers) for r in records],
                         [(1, None, []), (1, None, []), (2, b"k", [])])
        self.assertEqual(records[1].value.hex(), "020268027600" "0279")

    def test_bodies_alone(self):
        self.admin.create(self.topic)
        raw = "--parse-as-flume-event=false"
        events = [{"headers": {"id": "k", "h": "v"}, "body": "x"}]
        self.put(raw, "--key-header", "id", events=events)
        self.put(raw, "--headers", "all", events=events)
        one, two = self.kafka.records(self.topic)
        self.assertEqual((one.key, one.value, one.headers), (b"k", b"x", []))
        self.assertEqual((two.key, sorted(two.headers)), (None, [("h", "v"), ("id", "k")]))
        self.assertEqual(self.take(raw, "--key-header", "id")[0], [({"id": "k"}, "x"), ({}, "x")])
        self.assertEqual(self.take(raw, "--headers", "all", "--group", "g")[0],
                         [({"key": "k"}, "x"), ({"id": "k", "h": "v"}, "x")])

    def test_records_that_are_no_events(self):
        self.admin.create(self.topic)
        self.put(lines=["good"])
        self.kafka.produce(self.topic, b"bad\n")
        self.kafka.produce(self.topic, b"k:\n", "-K", ":", "-Z")  # a tombstone
        self.put(lines=["last"])
        bad = self.path("bad.avro")
        _, pipeline = self.take("--group", "a", statuses=(65, 65))
        self.assertIn("not an AvroFlumeEvent", pipeline.errors(0))
        self.assertIn("--parse-as-flume-event=false takes values as they are", pipeline.errors(0))
        wanted = [({}, "good"), ({"key": "k", "tombstone": "true"}, ""), ({}, "last")]
        self.assertEqual(self.take("--group", "b", "--reject", bad)[0], wanted)
        self.assertEqual(self.take("--group", "c", "--undecodable", "skip", "--tombstones",
                                   "skip")[0], [wanted[0], wanted[2]])
        self.assertIn(b"bad", self.dead(bad))

    def dead(self, path):
        return subprocess.run([os.path.join(harness.BIN, "fl-sink"), "stdout", "--in", path],
                              stdout=subprocess.PIPE, check=True, timeout=harness.HANG).stdout

    def test_properties_of_flume_and_their_old_names(self):
        # Properties: kafka.librdkafka, kafka.topic, kafka.groupId, kafka.parseAsFlumeEvent
        self.admin.create(self.topic)
        new = self.write("new", f"kafka.topic = {self.topic}\nkafka.bootstrap.servers = "
                                f"{self.kafka.bootstrap}\nkafka.consumer.group.id = g1\n"
                                "parseAsFlumeEvent = true\nkafka.pollTimeout = 100\n"
                                "migrateZookeeperOffsets = false\ndefaultPartitionId = 0\n"
                                "partitionIdHeader = p\nkeyHeader = key\nundecodable = reject\n"
                                "kafka.consumer.auto.offset.reset = earliest\n"
                                "kafka.producer.acks = all\nlibrdkafka.client.id = c\n"
                                "kafka.producer.no.such.thing = 1\n")
        old = self.write("old", f"topic = {self.topic}\nbrokerList = {self.kafka.bootstrap}\n"
                                "groupId = g2\n")
        for path, wanted in ((new, b"1\n"), (old, b"1\n1\n")):
            done = self.pipeline(
                ["sh", "-c", "echo 1"], ["sh", "-c", f"exec fl-channel kafka --properties 3 3< {path}"],
                ["fl-sink", "stdout", "--stream"])
            self.check(done, 0, 0, 0, limit=LIMIT)
            self.assertEqual(done.output(), wanted)
            if path == new:
                for says in ("pollTimeout' has no effect", "migrateZookeeperOffsets' has no effect",
                             "kafka.producer.no.such.thing has no effect"):
                    self.assertIn(says, done.errors(1))
        self.assertEqual((self.committed("g1"), self.committed("g2")), (1, 2))

    def test_topics_that_are_none(self):
        for topic, status in (("no-such-topic", 78), ("a/b", 64), ("%{h}", 64)):
            for half, statuses in (("--put", (status,)), ("--take", (status, status))):
                with self.subTest(topic=topic, half=half):
                    words = [self.channel(half, topic=topic)]
                    words += [["fl-sink", "null", "--stream"]] if half == "--take" else []
                    with open(self.write("line", "a\n")) as line:
                        done = self.pipeline(*words, stdin=line)
                        self.check(done, *statuses, limit=LIMIT)
                    self.assertIn(f"'{topic}'" if half == "--put" else topic, done.errors(0))

    # ------------------------------------------------------------- faults

    def test_the_broker_is_killed_and_frozen(self):
        """What comes twice was in flight at a fault: the input comes in portions, each when the one before
        it is mostly committed."""
        self.admin.create(self.topic, partitions=PARTITIONS)
        reader, writer = os.pipe()
        with open(reader, "rb") as stdin:
            pipeline = self.pipeline(
                self.channel(*QUICK, "-X", "socket.timeout.ms=1500", "--grace", "90s", "--text"),
                self.files(), stdin=stdin)
        portion, faults = COUNT // 20, {COUNT // 10: "kill", COUNT // 2: "freeze"}
        committed = {}  # offsets at a fault: by the files that there were
        with open(writer, "wb", buffering=0) as stdin:
            for first in range(0, COUNT, portion):
                self.reaches(first - portion, pipeline)
                stdin.write(b"".join(b"%d\n" % i for i in range(first, first + portion)))
                if first not in faults:
                    continue
                self.reaches(first, pipeline)
                before = self.admin.committed(self.topic, self.topic)
                committed[frozenset(harness.committed_files(self.out))] = before
                if faults[first] == "kill":
                    self.kafka.restart(1)
                    continue
                self.kafka.freeze(1)
                harness.poll(lambda: "waiting" in pipeline.errors(0) or "does not answer" in
                             pipeline.errors(0), "its word", LIMIT)
                self.kafka.thaw(1)
        self.check(pipeline, 0, 0, limit=LIMIT)
        # What is put comes once into the topic; members may have lost their partitions meanwhile.
        self.assertEqual(sum(self.admin.offsets(self.topic).values()), COUNT)
        said = AGAIN.findall(pipeline.errors(0))
        self.judge(COUNT, min(sum(map(int, said)), 2 * portion * len(said)))
        # The body is the end of an event in Avro, after its length.
        places = {record.value.split(b"\0", 1)[1][1:]: record for record in
                  self.kafka.records(self.topic)}
        for files, offsets in committed.items():
            for path in set(harness.committed_files(self.out)) - files:
                with open(path, "rb") as file:
                    for line in file.read().splitlines():
                        record = places[line]
                        self.assertGreaterEqual(record.offset, offsets.get(record.partition, 0), path)

    def reaches(self, count, pipeline):
        def is_there():
            self.assertTrue(all(each.poll() is None for each in pipeline.processes[-2:]),
                            pipeline.report())
            return self.committed() >= count
        harness.poll(is_there, f"{count} committed", LIMIT)

    def test_takers_and_sinks_are_killed(self):
        self.admin.create(self.topic, partitions=PARTITIONS)
        rounds = 3
        each = COUNT // (rounds + 1)

        def put(first, end):
            path = self.write("part", b"".join(b"%d\n" % i for i in range(first, end)))
            self.check(self.pipeline(["fl-source", "stdin", path], self.channel("--put")), 0, 0,
                       limit=LIMIT)
        allowed, delivered, before = 0, 0, 0
        for i in range(rounds):
            put(i * each, (i + 1) * each)  # a fast machine takes all that there is before it is hit
            pipeline = self.pipeline(self.channel("--take", *QUICK), self.files())
            self.reaches(before + COUNT // 20, pipeline)
            # What is in flight to a frozen sink belongs to nobody.
            pipeline.processes[1].send_signal(signal.SIGSTOP)
            for process in pipeline.processes:
                process.kill()
                process.wait(LIMIT)
            now, lines = self.committed(), len(harness.committed_lines(self.out))
            allowed += (lines - delivered) - (now - before)
            delivered, before = lines, now
        put(rounds * each, COUNT)
        self.check(self.pipeline(self.channel("--take", "--once", *QUICK), self.files()), 0, 0,
                   limit=LIMIT)
        self.judge(COUNT, allowed)

    def test_a_putter_is_killed(self):
        """What was acknowledged to the source is in the topic."""
        self.admin.create(self.topic, partitions=PARTITIONS)
        metrics = self.path("put.prom")
        pipeline = self.pipeline(
            ["fl-source", "seq", "--count", str(COUNT * 100)],
            self.channel("--put", "--metrics", metrics, "--metrics-interval", "100ms", "--producer",
                         "buffer.memory=100000"))
        acknowledged = lambda: sum(
            int(line.split()[-1]) for line in open(metrics)
            if line.startswith("fl_events_acknowledged_total")) if os.path.exists(metrics) else 0
        harness.poll(lambda: acknowledged() > 5000 or pipeline.processes[1].poll() is not None,
                     "acknowledged events", LIMIT)
        self.assertIsNone(pipeline.processes[1].poll(), pipeline.report())
        pipeline.processes[1].kill()
        pipeline.wait(LIMIT)
        sure = acknowledged()
        taken = self.pipeline(self.channel("--take", "--once"), ["fl-sink", "stdout", "--stream"])
        self.check(taken, 0, 0, limit=LIMIT)
        self.assertLessEqual({b"%d" % i for i in range(sure)}, set(taken.output().splitlines()))

    def test_a_frozen_sink_evicts_nobody(self):
        self.admin.create(self.topic, partitions=PARTITIONS)
        pipeline = self.pipeline(
            ["fl-source", "seq", "--count", str(COUNT)],
            self.channel(*QUICK, "--consumer", "max.poll.interval.ms=2000"), self.files())
        self.reaches(COUNT // 20, pipeline)
        pipeline.processes[2].send_signal(signal.SIGSTOP)
        state, members = self.admin.group(self.topic)
        # The broker has evicted another member, which beats no more, in the same time.
        idle = self.pipeline(self.channel("--take", "--group", "other", *QUICK),
                             ["fl-sink", "null", "--stream"])
        harness.poll(lambda: len(self.admin.group("other")[1]) == 1, "another member", LIMIT)
        for _ in range(2):
            idle.send(signal.SIGSTOP)
            harness.poll(lambda: not self.admin.group("other")[1], "its eviction", LIMIT)
            idle.send(signal.SIGCONT)
            harness.poll(lambda: len(self.admin.group("other")[1]) == 1, "its return", LIMIT)
        self.assertEqual(self.admin.group(self.topic), (state, members))
        idle.send(signal.SIGTERM)
        idle.wait(LIMIT)
        pipeline.processes[2].send_signal(signal.SIGCONT)
        self.check(pipeline, 0, 0, 0, limit=LIMIT)
        self.judge(COUNT, 0)


if __name__ == "__main__":
    harness.main()
