#!/usr/bin/env python3
"""fl-source kafka against a real broker: places, forms, policies, groups, logins. Started by ./run."""
import collections
import json
import os
import re
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tools"))
sys.path.insert(0, HERE)
import brokers
import harness
from avro_rpc import sized

LIMIT = 120
Event = collections.namedtuple("Event", "headers body")


class Source(harness.Case):
    def setUp(self):
        super().setUp()
        self.kafka = brokers.shared(1)
        self.admin = self.kafka.admin
        self.topic = self.id().rsplit(".", 1)[-1].replace("test_", "")
        self.group = f"group-{self.topic}"

    def words(self, *options, server=None):
        return ["fl-source", "kafka", "--bootstrap-server", server or self.kafka.bootstrap,
                *options]

    def source(self, *options, sink=("fl-sink", "stdout", "--stream", "--format", "json"), **more):
        return self.pipeline(self.words(*options), list(sink), **more)

    def read(self, *options, statuses=(0, 0), **more):
        """The events of a run with --once, and the pipeline."""
        pipeline = self.source(*options, "--once", **more)
        self.check(pipeline, *statuses, limit=LIMIT)
        return self.events(pipeline), pipeline

    @staticmethod
    def events(pipeline):
        rows = [json.loads(row) for row in pipeline.output().splitlines()]
        return [Event(row["headers"], row.get("body")) for row in rows]

    def bodies(self, *options, **more):
        return [event.body for event in self.read(*options, **more)[0]]

    def fill(self, count=10, **configs):
        self.admin.create(self.topic, **configs)
        self.kafka.produce(self.topic, b"".join(b"%d\n" % i for i in range(count)), partition=0)

    # ------------------------------------------------------------- places

    def test_places(self):  # Property: kafka.topics
        self.fill()
        when = self.kafka.records(self.topic)[-1].timestamp
        harness.poll(lambda: time.time() * 1000 > when + 2, "the clock to go on")
        between = int(time.time() * 1000)
        harness.poll(lambda: time.time() * 1000 > between + 2, "the clock to go on")
        self.kafka.produce(self.topic, b"10\n11\n")
        all_of_it = [str(i) for i in range(12)]
        for options, first in (
                ([], 0), (["--from", "earliest"], 0), (["--from", "latest"], 12),
                (["--from", "-3"], 9), (["--from", "-30"], 0), (["--from", str(between)], 10),
                (["--from", "2001-01-01"], 0), (["--from", "2101-01-01"], 12),
                (["--partition", "0", "--offset", "4"], 4),
                (["--partition", "0", "--offset", "12"], 12)):
            with self.subTest(options):
                self.assertEqual(self.bodies(self.topic, *options), all_of_it[first:])
        for options, status in ((["--partition", "0", "--offset", "13"], 78),
                                (["--partition", "1"], 78), (["--from", "tomorrow"], 64),
                                (["--offset", "1"], 64),
                                (["--group", "g", "--partition", "0"], 64)):
            with self.subTest(options):
                self.read(self.topic, *options, statuses=(status, status))

    def test_a_group_goes_on_where_it_was(self):
        self.fill(partitions=3)
        options = [self.topic, "--group", self.group]
        self.assertEqual(len(self.bodies(*options)), 10)
        self.assertEqual(self.admin.committed(self.group, self.topic), {0: 10, 1: 0, 2: 0})
        self.assertEqual(self.bodies(*options), [])
        self.kafka.produce(self.topic, b"later\n", partition=2)
        self.assertEqual(self.bodies(*options), ["later"])
        self.assertEqual(self.admin.group(self.group)[0], "Empty")

    def test_latest_is_a_place_of_the_group_at_once(self):
        self.fill()
        options = [self.topic, "--group", self.group, "--from", "latest"]
        self.assertEqual(self.bodies(*options), [])
        self.kafka.produce(self.topic, b"meanwhile\n")
        self.assertEqual(self.bodies(*options), ["meanwhile"])

    def test_topics_that_are_not_there(self):
        for options, status in ((["no-such-topic"], 78), (["no-such-topic", "--group", "g"], 78),
                                (["bad/name"], 64)):
            with self.subTest(options):
                _, pipeline = self.read(*options, statuses=(status, status))
                self.assertIn(options[0], pipeline.errors(0))

    def test_a_pattern_finds_topics_that_are_made_later(self):
        self.admin.create("pattern-a")
        self.admin.create("a-pattern-a")
        self.kafka.produce("pattern-a", b"first\n")
        self.kafka.produce("a-pattern-a", b"other\n")
        pipeline = self.source("--topics-regex", "pattern-[ab]", "--group", self.group, "-X",
                               "topic.metadata.refresh.interval.ms=200")
        harness.poll(lambda: pipeline.output().count(b"\n") == 1, "the first record", LIMIT)
        self.admin.create("pattern-b")
        self.kafka.produce("pattern-b", b"second\n")
        harness.poll(lambda: pipeline.output().count(b"\n") == 2, "the second record", LIMIT)
        pipeline.send(signal.SIGTERM)
        self.check(pipeline, 0, 0)
        self.assertEqual([(event.headers["topic"], event.body) for event in self.events(pipeline)],
                         [("pattern-a", "first"), ("pattern-b", "second")])

    def test_a_pattern_that_matches_nothing(self):
        """There is nothing to drain; without --once a topic may come."""
        done = self.source("--topics-regex", "no-such-[0-9]", "--group", self.group, "--once")
        self.check(done, 0, 0, limit=LIMIT)
        self.assertIn("no topic matches --topics-regex 'no-such-[0-9]'\n", done.errors(0))
        pipeline = self.source("--topics-regex", "later-[ab]", "--group", self.group, "-X",
                               "topic.metadata.refresh.interval.ms=200")
        harness.poll(lambda: "'later-[ab]'; waiting for one" in pipeline.errors(0), "its word", LIMIT)
        self.admin.create("later-a")
        self.kafka.produce("later-a", b"first\n")
        harness.poll(lambda: pipeline.output().count(b"\n") == 1, "the record", LIMIT)
        pipeline.send(signal.SIGTERM)
        self.check(pipeline, 0, 0)

    def test_what_has_expired_is_reported(self):
        self.fill()
        options = [self.topic, "--group", self.group]
        self.bodies(*options)
        self.kafka.produce(self.topic, b"".join(b"%d\n" % i for i in range(10, 20)))
        self.admin.delete_records(self.topic, {0: 15})
        events, pipeline = self.read(*options)
        self.assertEqual([event.body for event in events], [str(i) for i in range(15, 20)])
        self.assertIn("offsets 10 to 14 have expired", pipeline.errors(0))
        self.assertIn("5 expired unread", pipeline.errors(0))

    def test_what_expires_while_it_waits_is_reported(self):
        self.admin.create(self.topic)
        reader, writer = os.pipe()  # nobody reads it
        self.addCleanup(os.close, reader)
        lines = b"".join(b"%05d%s\n" % (i, b"x" * 1000) for i in range(20_000))
        self.kafka.produce(self.topic, lines)
        pipeline = self.pipeline(
            self.words(self.topic, "--group", self.group, "--ack=off", "-X",
                       "queued.max.messages.kbytes=100", "-X", "fetch.message.max.bytes=100000"),
            stdout=writer)
        os.close(writer)
        # It fills the pipe and its queue, and is far from the end.
        harness.poll(lambda: self.admin.committed(self.group, self.topic), "its place", LIMIT)
        self.admin.delete_records(self.topic, {0: 19_990})
        os.set_blocking(reader, False)

        def end():
            try:
                while os.read(reader, 1 << 20):
                    pass
            except BlockingIOError:
                pass
            return self.admin.committed(self.group, self.topic) == {0: 20_000}
        harness.poll(end, "all that is left", LIMIT)
        self.assertRegex(pipeline.errors(0), r"offsets \d+ to 19989 have expired")
        pipeline.kill()

    # ------------------------------------------------------------- --once

    def test_once_over_empty_partitions_and_an_aborted_end(self):
        self.admin.create(self.topic, partitions=4)
        self.kafka.produce(self.topic, b"kept\n", partition=1)
        reader, writer = os.pipe()
        words = ["kcat", "-b", self.kafka.bootstrap, "-P", "-t", self.topic, "-p", "1", "-X",
                 "transactional.id=aborted"]
        killed = self.pipeline(words, stdin=reader)
        os.close(reader)
        os.write(writer, b"gone\n" * 12_000)
        harness.poll(lambda: self.admin.offsets(self.topic)[1] > 1, "records of a transaction",
                     LIMIT)
        killed.kill()
        os.close(writer)
        # The transaction is still open: nothing from its first record on may be read.
        self.assertEqual(self.bodies(self.topic, "--group", "during"), ["kept"])
        self.check(self.pipeline(words), 0, limit=LIMIT)  # the same producer: it is aborted
        self.assertEqual(self.bodies(self.topic), ["kept"])
        self.assertEqual(self.bodies(self.topic, "--group", self.group), ["kept"])
        ends = self.admin.offsets(self.topic)
        self.assertGreater(ends[1], 100)
        self.assertEqual(self.admin.committed(self.group, self.topic), ends)

    def test_once_with_a_compacted_end(self):
        self.admin.create(self.topic, cleanup_policy="compact", segment_ms=100,
                          min_cleanable_dirty_ratio=0.01, max_compaction_lag_ms=200,
                          delete_retention_ms=100)
        for i in range(5):
            self.kafka.produce(self.topic, b"k:%d\n" % i, "-K", ":")
        self.kafka.produce(self.topic, b"other:last\n", "-K", ":")
        events, _ = self.read(self.topic, "--group", self.group)
        self.assertEqual(events[-1].body, "last")
        self.assertEqual(self.admin.committed(self.group, self.topic),
                         self.admin.offsets(self.topic))

    # ------------------------------------------------------------- forms

    def test_headers(self):
        self.admin.create(self.topic, partitions=2)
        self.kafka.produce(self.topic, b"one\n", partition=1, key="K",
                           headers=[("host", "web1"), ("topic", "no"), ("key", "no")])
        record = self.kafka.records(self.topic)[0]
        where = {"timestamp": str(record.timestamp), "topic": self.topic, "partition": "1",
                 "offset": "0", "key": "K"}
        for options, headers in (
                ([], {"host": "web1", **where}),
                (["--record-headers", "mapped"], where),
                (["--record-headers", "mapped", "--header", "h=host"], {"h": "web1", **where}),
                (["--header", "h=host"], {"h": "web1", **where}),
                (["--topic-header", "from"],
                 {"host": "web1", **where, "from": self.topic, "topic": "no"}),
                (["--set-topic-header=false"], {"host": "web1", **where, "topic": "no"})):
            with self.subTest(options):
                self.assertEqual(self.read(self.topic, *options)[0], [Event(headers, "one")])

    def test_a_timestamp_among_the_headers_stays(self):
        self.admin.create(self.topic)
        self.kafka.produce(self.topic, b"one\n", headers=[("timestamp", "17")])
        self.assertEqual(self.read(self.topic)[0][0].headers["timestamp"], "17")

    def test_bytes_that_are_no_text(self):
        self.admin.create(self.topic)
        self.kafka.produce_value(self.topic, b"\xff\0\n", "-k", "\udcfek".encode(
            errors="surrogateescape"))
        pipeline = self.pipeline(self.words(self.topic, "--once"),
                                 ["fl-sink", "stdout", "--stream"])
        self.check(pipeline, 0, 0, limit=LIMIT)
        self.assertEqual(pipeline.output(), b"\xff\0\n\n")
        self.assertEqual(self.read(self.topic)[0][0].headers["key"], "%FEk")

    def test_tombstones(self):
        self.admin.create(self.topic)
        self.kafka.produce(self.topic, b"a:1\na:\nb:2\n", "-K", ":", "-Z")
        events, pipeline = self.read(self.topic)
        self.assertEqual([(event.headers["key"], event.body, event.headers.get("tombstone"))
                          for event in events],
                         [("a", "1", None), ("a", "", "true"), ("b", "2", None)])
        self.assertIn("1 tombstone", pipeline.errors(0))
        group = ["--group", self.group]
        self.assertEqual(self.bodies(self.topic, *group, "--tombstones", "skip"), ["1", "2"])
        self.assertEqual(self.admin.committed(self.group, self.topic), {0: 3})
        _, pipeline = self.read(self.topic, "--tombstones", "reject", statuses=(65, 65))
        self.assertIn(f"record 1 of {self.topic} [0] has no value", pipeline.errors(0))
        self.assertEqual(self.bodies(self.topic, "--tombstones", "reject", "--reject", "dead"),
                         ["1", "2"])

    def test_flume_events(self):
        self.admin.create(self.topic)
        good = (b"\x04" + sized(b"h") + sized(b"v") + sized(b"offset")
                + sized(b"7") + b"\0" + sized(b"body"))
        for value in (good, b"\0" + sized(b"bare"), good[:-1], good + b"x", b""):
            self.kafka.produce_value(self.topic, value, "-k", "K")
        options = [self.topic, "--use-flume-event-format"]
        events, _ = self.read(*options, "--undecodable", "skip", "--group", self.group)
        self.assertEqual([(e.body, e.headers.get("h"), e.headers["offset"], e.headers["key"],
                           e.headers["topic"]) for e in events],
                         [("body", "v", "7", "K", self.topic), ("bare", None, "1", "K", self.topic)])
        self.assertEqual(self.admin.committed(self.group, self.topic), self.admin.offsets(self.topic))
        _, pipeline = self.read(*options, statuses=(65, 65))
        self.assertIn(f"record 2 of {self.topic} [0] is not an AvroFlumeEvent", pipeline.errors(0))
        self.read(*options, "--reject", "dead")
        dead = self.pipeline(["fl-sink", "stdout", "--in", "dead", "--format", "json"])
        self.check(dead, 0)
        offsets = [json.loads(row)["headers"]["offset"] for row in dead.output().splitlines()]
        self.assertEqual(offsets[:2], ["2", "3"])

    def test_prefixes_of_a_schema_registry(self):
        self.admin.create(self.topic)
        self.kafka.produce_value(self.topic, b"\0\0\0\1\2body")
        self.kafka.produce_value(self.topic, b"plain")
        _, pipeline = self.read(self.topic)
        self.assertIn("the id of a schema", pipeline.errors(0))
        events, _ = self.read(self.topic, "--registry-prefix", "strip", "--undecodable", "skip")
        self.assertEqual([(e.headers["schema.id"], e.body) for e in events], [("258", "body")])
        self.assertEqual(self.bodies(self.topic, "--registry-prefix", "reject", "--undecodable",
                                     "skip"), ["plain"])

    def test_records_beyond_the_limits(self):
        self.admin.create(self.topic)
        self.kafka.produce_value(self.topic, b"x" * 5000)
        self.kafka.produce(self.topic, b"small\n")
        limits = ["--max-event", "4K", "--max-line", "4K"]
        self.assertEqual(self.bodies(self.topic, *limits, "--reject", "dead"), ["small"])
        _, pipeline = self.read(self.topic, *limits, statuses=(65, 65))
        self.assertIn("exceed --max-event", pipeline.errors(0))

    # ------------------------------------------------------------- groups

    def member(self, *options, sink, **more):
        return self.source(self.topic, "--group", self.group, "--consumer",
                           "session.timeout.ms=1000", *options, sink=sink, **more)

    def test_a_frozen_sink_evicts_nobody(self):
        """The sink stands still for longer than max.poll.interval.ms."""
        self.admin.create(self.topic, partitions=2)
        self.kafka.produce(self.topic, b"".join(b"%06d%s\n" % (i, b"x" * 200) for i in range(50_000)))
        metrics = self.path("metrics.prom")
        pipeline = self.member("-X", "max.poll.interval.ms=1500", "--metrics", metrics,
                               "--metrics-interval", "100ms",
                               sink=["fl-sink", "hdfs", "--stream", "--roll-count", "1000",
                                     f"file://{self.path('out')}"])
        harness.poll(lambda: self.admin.committed(self.group, self.topic), "a commit", LIMIT)
        sink = pipeline.processes[1]
        sink.send_signal(signal.SIGSTOP)
        before = self.admin.group(self.group)[1]
        end = time.monotonic() + 5

        def is_over():
            self.assertEqual(self.admin.group(self.group), ("Stable", before))
            return time.monotonic() > end
        harness.poll(is_over, "five seconds", LIMIT)
        sink.send_signal(signal.SIGCONT)
        harness.poll(lambda: sum(self.admin.committed(self.group, self.topic).values()) == 50_000,
                     "all of it", LIMIT)
        with open(metrics) as file:
            text = file.read()
        self.assertRegex(text, r"fl_source_kafka_rebalances_total\{[^}]*\} 1\n")
        pipeline.send(signal.SIGTERM)
        self.check(pipeline, 0, 0, limit=LIMIT)
        lines = harness.committed_lines(self.path("out"))
        self.assertEqual(len(lines), 50_000)
        self.assertEqual(len(set(lines)), 50_000)

    def test_memory_is_bounded_while_nobody_takes(self):
        self.admin.create(self.topic, partitions=12)
        line = b"x" * 1000
        for partition in range(12):
            self.kafka.produce(self.topic, b"".join(b"%06d%s\n" % (i, line) for i in range(12_000)),
                               partition=partition)
        pipeline = self.member(sink=["fl-sink", "null", "--stream"])
        sink = pipeline.processes[1]
        harness.poll(lambda: self.admin.committed(self.group, self.topic), "a commit", LIMIT)
        sink.send_signal(signal.SIGSTOP)
        self.kafka.produce(self.topic, b"".join(b"%06d%s\n" % (i, line) for i in range(60_000)))

        def memory():
            with open(f"/proc/{pipeline.processes[0].pid}/status") as file:
                return int(re.search(r"VmRSS:\s*(\d+)", file.read()).group(1)) >> 10
        seen = [memory()]

        def is_steady():
            seen.append(memory())
            return len(seen) > 200 and max(seen[-100:]) == min(seen[-100:])
        harness.poll(is_steady, "a steady size", LIMIT)
        self.assertLess(max(seen), 80)
        sink.send_signal(signal.SIGCONT)
        pipeline.kill()

    def test_a_queue_is_filled_again_as_soon_as_it_is_emptied(self):
        # librdkafka before 2.2 checks a full queue once a second: 32 MiB would take over LIMIT.
        self.admin.create(self.topic)
        line = b"x" * 1023
        self.kafka.produce(self.topic, b"\n".join([line] * (32 << 10)), "-X", "batch.num.messages=16")
        for options in ([], ["--group", self.group]):
            with self.subTest(options):
                pipeline = self.source(self.topic, *options, "--once", "-X",
                                       "queued.max.messages.kbytes=32", "-X",
                                       "fetch.message.max.bytes=65536",
                                       sink=["fl-sink", "stdout", "--stream"])
                self.check(pipeline, 0, 0, limit=LIMIT)
                self.assertEqual(pipeline.output(), (line + b"\n") * (32 << 10))

    def test_nothing_acknowledged_nothing_forgotten(self):
        """The sink has all and has stored nothing when both are killed."""
        self.fill(1000)
        pipeline = self.member("--commit-interval", "1ms", "--consumer", "session.timeout.ms=6000",
                               sink=["fl-sink", "hdfs", "--stream", f"file://{self.path('out')}"])

        def received(count):
            harness.poll(lambda: re.search(rf"\b{count} events", self.asked(pipeline, 1)),
                         f"{count} events at the sink", LIMIT)
        received(1000)
        # What would commit them has had many turns when these have come.
        for count in range(1001, 1011):
            self.kafka.produce(self.topic, b"%d\n" % (count - 1))
            received(count)
        pipeline.processes[0].kill()
        pipeline.processes[1].kill()
        pipeline.wait()
        self.assertEqual(sum(self.admin.committed(self.group, self.topic).values()), 0)
        self.assertEqual(sorted(self.bodies(self.topic, "--group", self.group), key=int),
                         [str(i) for i in range(1010)])

    def test_a_static_member_has_its_partitions_at_once(self):
        """The group would wait for the killed member for longer than this test."""
        self.fill()
        options = ["--consumer", "group.instance.id=one", "--consumer",
                   "session.timeout.ms=600000", "-X", "max.poll.interval.ms=600000"]
        first = self.source(self.topic, "--group", self.group, *options)
        harness.poll(lambda: first.output().count(b"\n") == 10, "ten records", LIMIT)
        harness.poll(lambda: self.admin.committed(self.group, self.topic) == {0: 10}, "a commit")
        first.processes[0].kill()
        first.wait()
        self.kafka.produce(self.topic, b"next\n")
        self.assertEqual(self.bodies(self.topic, "--group", self.group, *options), ["next"])

    def test_lag(self):
        self.fill()
        metrics = self.path("metrics.prom")
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        pipeline = self.pipeline(self.words(self.topic, "--group", self.group, "--metrics", metrics,
                                            "--metrics-interval", "100ms"), stdout=writer)
        os.close(writer)

        def lag():
            if not os.path.exists(metrics):
                return None
            with open(metrics) as file:
                return re.search(r'fl_source_kafka_lag_records\{[^}]*partition="lag/0"[^}]*\} 10\n',
                                 file.read())
        harness.poll(lag, "the lag of the partition", LIMIT)
        pipeline.kill()

    def test_into_files_and_done(self):
        self.fill(3000, partitions=2)
        done = self.source(self.topic, "--group", self.group, "--once",
                           sink=["fl-sink", "hdfs", "--stream", f"file://{self.path('out')}/%{{topic}}",
                                 "--roll-count", "1000"])
        self.check(done, 0, 0, limit=LIMIT)
        self.assertEqual(harness.committed_lines(self.path("out")),
                         [b"%d" % i for i in range(3000)])
        self.assertEqual(self.admin.committed(self.group, self.topic), {0: 3000, 1: 0})

    def test_a_trickle_makes_no_small_files(self):
        """Nobody waits for an acknowledgement: a sink that gathers is not asked for one."""
        self.admin.create(self.topic)
        pipeline = self.source(self.topic, "--group", self.group,
                               sink=["fl-sink", "hdfs", "--stream", "--min-commit", "1ms",
                                     f"file://{self.path('out')}"])
        for i in range(5):
            self.kafka.produce(self.topic, b"%d\n" % i)
            harness.poll(lambda: re.search(rf"\b{i + 1} events?\b", self.asked(pipeline, 1)),
                         "the event at the sink", LIMIT)
        self.assertEqual(harness.committed_files(self.path("out")), [])
        pipeline.send(signal.SIGTERM)
        self.check(pipeline, 0, 0, limit=LIMIT)
        self.assertEqual(len(harness.committed_files(self.path("out"))), 1)
        self.assertEqual(self.admin.committed(self.group, self.topic), {0: 5})

    @staticmethod
    def asked(pipeline, i):
        process = pipeline.processes[i]
        if harness.catches(process.pid, signal.SIGUSR1):  # not before the program has begun
            process.send_signal(signal.SIGUSR1)
        return "\n".join(pipeline.errors(i).splitlines()[-1:])

    # ------------------------------------------------------------- logins

    def test_logins(self):  # Property: kafka.librdkafka
        self.fill(1)
        tls = str(self.kafka.dir / "tls")
        secret = self.write("password", "bob-secret\n")
        wrong = self.write("wrong", "not-it\n")
        plain = ["--consumer", "security.protocol=SASL_PLAINTEXT", "--consumer",
                 "sasl.mechanism=PLAIN", "-X", "sasl.username=bob"]
        authority = ["-X", f"ssl.ca.location={tls}/ca.pem"]
        client = ["-X", f"ssl.certificate.location={tls}/client.pem", "-X",
                  f"ssl.key.location={tls}/client.key"]
        for server, options in (
                (self.kafka.sasl, [*plain, "--librdkafka-file", f"sasl.password={secret}"]),
                (self.kafka.tls, ["-X", "security.protocol=ssl", *authority, *client])):
            for group in ([], ["--group", self.group]):
                with self.subTest(options=options, group=group):
                    self.assertEqual(self.bodies_at(server, self.topic, *options, *group), ["0"])
                    self.group += "x"
        for server, options, words in (
                (self.kafka.sasl, [*plain, "--librdkafka-file", f"sasl.password={wrong}"], "password"),
                (self.kafka.sasl, ["-X", "security.protocol=sasl_plaintext", "-X",
                                   "sasl.mechanism=SCRAM-SHA-512", "-X", "sasl.username=alice",
                                   "--librdkafka-file", f"sasl.password={wrong}"], "SCRAM"),
                (self.kafka.tls, ["-X", "security.protocol=ssl", "-X",
                                  f"ssl.ca.location={tls}/other-ca.pem", *client], "ertificate")):
            for group in ([], ["--group", "nobody"]):
                with self.subTest(options=options, group=group):
                    pipeline = self.pipeline(self.words(self.topic, *options, *group, "--once",
                                                        server=server),
                                             ["fl-sink", "null", "--stream"])
                    self.check(pipeline, 77, 77, limit=LIMIT)
                    self.assertIn(words, pipeline.errors(0))

    def test_certificates_that_have_expired(self):
        """Ours, which the broker refuses, and a broker's, which we refuse."""
        tls = str(self.kafka.dir / "tls")
        with brokers.expired_server(tls) as expired:
            for server, certificate in ((self.kafka.tls, "expired"), (expired, "client")):
                for group in ([], ["--group", "nobody"]):
                    with self.subTest(certificate=certificate, group=group):
                        pipeline = self.pipeline(
                            self.words("t", *group, "--once", "-X", "security.protocol=ssl", "-X",
                                       f"ssl.ca.location={tls}/ca.pem", "-X",
                                       f"ssl.certificate.location={tls}/{certificate}.pem", "-X",
                                       f"ssl.key.location={tls}/client.key", server=server),
                            ["fl-sink", "null", "--stream"])
                        self.check(pipeline, 77, 77, limit=LIMIT)
                        self.assertIn("certificate", pipeline.errors(0))

    def bodies_at(self, server, *options):
        pipeline = self.pipeline(self.words(*options, "--once", server=server),
                                 ["fl-sink", "stdout", "--stream"])
        self.check(pipeline, 0, 0, limit=LIMIT)
        return pipeline.output().decode().split()

    def test_a_topic_of_somebody_else(self):
        self.fill(1)
        self.admin.allow_only("alice", self.topic)
        options = ["-X", "security.protocol=sasl_plaintext", "-X", "sasl.mechanism=PLAIN", "-X",
                   "sasl.username=bob", "--librdkafka-file",
                   "sasl.password=" + self.write("password", "bob-secret")]
        for group in ([], ["--group", self.group]):
            with self.subTest(group):
                pipeline = self.pipeline(self.words(self.topic, *options, *group,
                                                    server=self.kafka.sasl),
                                         ["fl-sink", "null", "--stream"])
                self.check(pipeline, 77, 77, limit=LIMIT)

    def test_nobody_answers(self):
        for group in ([], ["--group", "g"]):
            with self.subTest(group):
                pipeline = self.pipeline(self.words("t", *group, "--give-up-after", "500ms",
                                                    server="127.0.0.1:1"),
                                         ["fl-sink", "null", "--stream"])
                self.check(pipeline, 69, 69, limit=LIMIT)
                self.assertIn("does not answer", pipeline.errors(0))
                self.assertIn("no progress for 500ms", pipeline.errors(0))


if __name__ == "__main__":
    harness.main()
