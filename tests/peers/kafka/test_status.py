#!/usr/bin/env python3
"""What stages for Kafka report about themselves, and that they end: lag in the status line and
--metrics, --dry-run, and a broker that is frozen at the moment of the end. Started by ./run."""
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

LIMIT = 120
ROUNDS = 15 if os.environ.get("FL_TEST_LONG") else 2


class Status(harness.Case):
    def setUp(self):
        super().setUp()
        self.kafka = brokers.shared(1)
        self.addCleanup(self.kafka.repair)
        self.admin = self.kafka.admin
        self.topic = self.id().rsplit(".", 1)[-1].replace("test_", "")
        self.place = ["--bootstrap-server", self.kafka.bootstrap]

    def numbers(self, count):
        return b"".join(b"%d\n" % i for i in range(count))

    # ------------------------------------------------------------- lag

    def says(self, pipeline, wanted):
        """The newest status line of the first stage matches, sooner or later."""
        first = pipeline.processes[0]
        harness.poll(lambda: first.poll() is not None or harness.catches(first.pid, signal.SIGUSR1),
                     "the stage to listen", LIMIT)

        def is_said():
            self.assertIsNone(first.poll(), pipeline.report())
            first.send_signal(signal.SIGUSR1)
            lines = [line for line in pipeline.errors(0).splitlines() if "records behind" in line]
            return bool(lines) and re.search(wanted, lines[-1])
        try:
            harness.poll(is_said, wanted, LIMIT)
        except AssertionError:
            self.fail(f"the status line never says {wanted!r}\n{pipeline.report()}")

    def lag_is_said(self, *stage):
        self.admin.create(self.topic, partitions=10)
        for partition in range(10):
            self.kafka.produce(self.topic, self.numbers(10 * partition + 1), partition=partition)
        metrics = self.path("metrics")
        pipeline = self.pipeline(
            [*stage, *self.place, "--group", self.topic, "--metrics", metrics, "--metrics-interval",
             "100ms"],
            ["fl-sink", "hdfs", "--stream", "--roll-interval", "1h", "--idle-timeout", "0",
             "--roll-size", "0", f"file://{self.out}"])
        # What is in an open file is not acknowledged.
        rows = [f"{self.topic} [{p}] {10 * p + 1}" for p in range(9, 1, -1)]
        self.says(pipeline, "10 partitions, 460 records behind.*, most behind: " +
                  re.escape(", ".join(rows)) + " and 2 more$")
        self.kafka.produce(self.topic, self.numbers(100), partition=0)
        self.says(pipeline, "560 records behind.*, most behind: " +
                  re.escape(f"{self.topic} [0] 101, {self.topic} [9] 91, "))

        def figures():
            with open(metrics) as file:
                return dict(re.findall(r'lag_records\{.*?partition="(.*?)".*?\} (\d+)', file.read()))
        wanted = {f"{self.topic}/{p}": str(101 if p == 0 else 10 * p + 1) for p in range(10)}
        harness.poll(lambda: figures() == wanted, f"metrics that say {wanted}", LIMIT)
        pipeline.send(signal.SIGTERM)
        self.check(pipeline, 0, 0, limit=LIMIT)
        # Everything is acknowledged: nothing lags, and no partition is named.
        after = self.pipeline([*stage, *self.place, "--group", self.topic],
                              ["fl-sink", "null", "--stream"])
        self.says(after, "10 partitions, 0 records behind$")
        after.send(signal.SIGTERM)
        self.check(after, 0, 0, limit=LIMIT)

    def test_lag_of_the_source(self):
        self.lag_is_said("fl-source", "kafka", self.topic)

    def test_lag_of_the_channel(self):
        self.lag_is_said("fl-channel", "kafka", self.topic, "--take",
                         "--parse-as-flume-event=false")

    def test_lag_grows_while_nothing_is_taken(self):
        """The library fetches nothing then, so it hears of no new record."""
        self.admin.create(self.topic)
        self.kafka.produce(self.topic, b"x" * 999 + b"\n" + (b"y" * 999 + b"\n") * 19_999)
        reader, writer = os.pipe()  # nobody reads it
        self.addCleanup(os.close, reader)
        metrics = self.path("metrics")
        pipeline = self.pipeline(
            ["fl-source", "kafka", self.topic, *self.place, "--group", self.topic, "--ack=off",
             "--metrics", metrics, "--metrics-interval", "100ms",
             "-X", "queued.max.messages.kbytes=100", "-X", "fetch.message.max.bytes=100000"],
            stdout=writer)
        os.close(writer)

        def lag():
            if not os.path.exists(metrics):
                return 0
            with open(metrics) as file:
                return int((re.findall(r"^fl_source_kafka_lag\{.*?\} (\d+)", file.read(), re.M)
                            or [0])[0])
        harness.poll(lambda: 10_000 < lag() <= 20_000, "its lag", LIMIT)
        self.kafka.produce(self.topic, (b"z" * 999 + b"\n") * 10_000)
        harness.poll(lambda: 20_000 < lag() <= 30_000, "the lag with new records", LIMIT)
        # The question for it does not keep the source from seeing that brokers are back.
        self.kafka.kill(1)
        harness.poll(lambda: "does not answer" in pipeline.errors(0), "its word", LIMIT)
        self.kafka.restart(1)
        harness.poll(lambda: "answers again" in pipeline.errors(0), "its word", LIMIT)
        pipeline.kill()

    # ------------------------------------------------------------- dry run

    def dry(self, *words, status, says=""):
        done = self.check(self.pipeline([*words, "--dry-run"]), status, limit=LIMIT)
        self.assertIn(says, done.errors(0))

    def test_dry_run_finds_what_a_run_would(self):
        self.admin.create(self.topic, partitions=2)
        user = ["--producer", "security.protocol=SASL_PLAINTEXT", "--producer",
                "sasl.mechanism=PLAIN", "-X", "sasl.username=bob", "--bootstrap-server",
                self.kafka.sasl]
        right = [*user, "--librdkafka-file", "sasl.password=" + self.write("right", "bob-secret")]
        wrong = [*user, "--librdkafka-file", "sasl.password=" + self.write("wrong", "no-secret")]
        hidden = self.topic + "-hidden"
        self.admin.create(hidden)
        self.admin.allow_only("alice", hidden)
        here = self.place
        for topic, options, status, says in (
                (self.topic, here, 0, "2 partitions"),
                (self.topic, right, 0, "2 partitions"),
                (self.topic, [*here, "--default-partition-id", "1"], 0, ""),
                (self.topic, [*here, "--default-partition-id", "2"], 78, "no partition 2"),
                ("%{host}", here, 0, ""),
                ("no-such-topic", here, 78, "no-such-topic"),
                (self.topic, wrong, 77, "check user, password and mechanism"),
                ("%{host}", wrong, 77, "check user, password and mechanism"),
                (hidden, right, 77, hidden),
                (self.topic, ["--bootstrap-server", "127.0.0.1:1"], 69, "127.0.0.1:1"),
                ("%{host}", ["--bootstrap-server", "127.0.0.1:1"], 69, "127.0.0.1:1")):
            with self.subTest(topic=topic, options=options):
                self.dry("fl-sink", "kafka", topic, *options, status=status, says=says)
        self.dry("fl-channel", "kafka", self.topic, *here, "--put", status=0, says="2 partitions")
        self.dry("fl-channel", "kafka", "no-such-topic", *here, "--put", status=78,
                 says="no-such-topic")
        self.dry("fl-channel", "kafka", self.topic, "--bootstrap-server", "127.0.0.1:1", "--put",
                 status=69, says="127.0.0.1:1")
        self.dry("fl-source", "kafka", "--topics-regex", "a.*", "--group", "g",
                 "--bootstrap-server", "127.0.0.1:1", status=69, says="127.0.0.1:1")

    def test_dry_run_makes_no_topic(self):
        """Where brokers make topics, a question of a producer would do it."""
        own = brokers.Cluster(self.path("own")).start(1, ["auto.create.topics.enable=true"])
        self.addCleanup(own.stop)
        self.dry("fl-sink", "kafka", "not-yet", "--bootstrap-server", own.bootstrap, status=0,
                 says="topic 'not-yet' does not exist: the brokers will create it")
        self.assertNotIn("not-yet", own.admin.metadata()[1])
        with open(self.write("line", "a\n")) as line:
            self.check(self.pipeline(["fl-sink", "kafka", "not-yet", "--text", "--bootstrap-server",
                                      own.bootstrap], stdin=line), 0, limit=LIMIT)
        self.assertEqual([record.value for record in own.records("not-yet")], [b"a"])

    # ------------------------------------------------------------- the end

    def members(self, *options):
        """Sources of each sort, which have handed on everything."""
        found = []
        for name, words in (("group", ["--group"]), ("static", ["--consumer", "group.instance.id=a",
                                                                "--group"]),
                            ("range", ["--consumer", "partition.assignment.strategy=range",
                                       "--group"]), ("alone", [])):
            group = f"{self.topic}-{name}-{self._count}"
            words = [*words, group] if words else []
            pipeline = self.pipeline(
                ["fl-source", "kafka", self.topic, *self.place, *words, *options],
                ["fl-sink", "stdout", "--stream"])
            found.append((pipeline, group if words else None))
        for pipeline, _ in found:
            harness.poll(lambda: pipeline.output().count(b"\n") == 300, "all records", LIMIT)
        return found

    def freeze_and_end(self, members):
        """In one order or the other, close to each other."""
        steps = [lambda: self.kafka.freeze(1)]
        steps += [lambda pipeline=pipeline: pipeline.send(signal.SIGTERM) for pipeline, _ in members]
        self.random.shuffle(steps)
        for step in steps:
            step()

    def test_a_broker_is_frozen_when_sources_end(self):
        """Everything is committed: 0, though nobody answers any more."""
        self.admin.create(self.topic, partitions=3)
        for partition in range(3):
            self.kafka.produce(self.topic, self.numbers(100), partition=partition)
        for _ in range(ROUNDS):
            members = self.members("--commit-interval", "50ms")
            for _, group in members:
                harness.poll(lambda: group is None or sum(
                    max(offset, 0) for offset in self.admin.committed(group, self.topic).values())
                    == 300, "commits", LIMIT)
            self.freeze_and_end(members)
            for pipeline, _ in members:
                self.check(pipeline, 0, 0, limit=LIMIT)
            self.kafka.thaw(1)

    def test_a_broker_is_frozen_before_the_last_commit(self):
        """The status is true: 75 and what could not be committed, or 0 and it is."""
        self.admin.create(self.topic, partitions=3)
        for partition in range(3):
            self.kafka.produce(self.topic, self.numbers(100), partition=partition)
        for _ in range(ROUNDS):
            members = [(pipeline, group) for pipeline, group in
                       self.members("--commit-interval", "1h") if group]
            self.freeze_and_end(members)
            ended = [pipeline.wait(LIMIT)[0] for pipeline, _ in members]
            self.kafka.thaw(1)
            for (pipeline, group), status in zip(members, ended):
                if status != 0:
                    self.assertEqual(status, 75, pipeline.report())
                    self.assertIn("could not be committed", pipeline.errors(0))
                    continue
                self.assertEqual(sum(self.admin.committed(group, self.topic).values()), 300,
                                 pipeline.report())

    def test_a_broker_is_away_at_the_end_of_a_job(self):
        """Without a signal the last commit has time: 0, and it is there."""
        self.admin.create(self.topic)
        self.kafka.produce(self.topic, self.numbers(100))
        os.mkfifo(self.path("go"))
        pipeline = self.pipeline(
            ["fl-source", "kafka", self.topic, *self.place, "--group", self.topic, "--once",
             "--commit-interval", "1h"],
            ["fl-intercept", "exec", "--", "sh", "-c", f"cat; read -r line < {self.path('go')}"],
            ["fl-sink", "stdout", "--stream"])
        source = pipeline.processes[0]
        self.says(pipeline, ": 100 events.* 100 unacknowledged")
        self.kafka.freeze(1)
        with open(self.path("go"), "w") as go:  # only now is anything acknowledged
            go.write("\n")
        end = time.monotonic() + 7  # more than it has after a signal
        harness.poll(lambda: source.poll() is not None or time.monotonic() > end, "7 s", LIMIT)
        self.kafka.thaw(1)
        self.check(pipeline, 0, 0, 0, limit=LIMIT)
        self.assertEqual(self.admin.committed(self.topic, self.topic), {0: 100})

    def test_a_group_that_is_lost_before_the_end(self):
        """The status is true: 75 while nobody has taken over, 0 when the source is a member again."""
        self.admin.create(self.topic)
        self.kafka.produce(self.topic, self.numbers(100))
        for is_frozen, group in ((True, "frozen"), (False, "thawed")):
            pipeline = self.pipeline(
                ["fl-source", "kafka", self.topic, *self.place, "--group", group, "--consumer",
                 "session.timeout.ms=1000", "--commit-interval", "1h"],
                ["fl-sink", "stdout", "--stream"])
            harness.poll(lambda: pipeline.output().count(b"\n") == 100, "all records", LIMIT)
            self.kafka.freeze(1)
            harness.poll(lambda: "the group has taken" in pipeline.errors(0), "its word", LIMIT)
            if not is_frozen:
                self.kafka.thaw(1)
                harness.poll(lambda: pipeline.output().count(b"\n") == 200, "all again", LIMIT)
            pipeline.send(signal.SIGTERM)
            self.check(pipeline, *((75, 75) if is_frozen else (0, 0)), limit=LIMIT)
            self.kafka.thaw(1)
            if is_frozen:
                self.assertIn("of 1 partition could not be committed", pipeline.errors(0))
            self.assertEqual(sum(self.admin.committed(group, self.topic).values()),
                             0 if is_frozen else 100)

    def test_a_broker_is_frozen_when_a_sink_ends(self):
        self.admin.create(self.topic)
        metrics = self.path("metrics")

        def is_stored():
            self.assertIsNone(pipeline.processes[0].poll(), pipeline.report())
            if not os.path.exists(metrics):
                return False
            with open(metrics) as file:
                return re.search(r"^fl_sink_kafka_messages_total.* 100$", file.read(), re.M)
        for _ in range(2 * ROUNDS):
            reader, writer = os.pipe()
            try:
                pipeline = self.pipeline(["fl-sink", "kafka", self.topic, *self.place, "--text",
                                          "--metrics", metrics, "--metrics-interval", "100ms"],
                                         stdin=reader)
            finally:
                os.close(reader)
            with open(writer, "wb", buffering=0) as lines:
                lines.write(self.numbers(100))
                harness.poll(is_stored, "all messages", LIMIT)
                self.kafka.freeze(1)
            self.check(pipeline, 0, limit=LIMIT)
            self.kafka.thaw(1)
            os.remove(metrics)


if __name__ == "__main__":
    harness.main()
