#!/usr/bin/env python3
"""Kafka's components with a cluster without Java: groups, commits that are refused, properties. Real
brokers are in tests/peers/kafka."""
import os
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import harness
import kafka_mock

GROUP_IS_REFUSED = 30
PASSES = -1  # an unknown error of a broker, which the library does not try again by itself
# No stage makes so many attempts within a test, but one that makes no pause does within a second.
MANY = 500


class Case(harness.Case):
    PARTITIONS = 1
    BROKERS = 1

    def setUp(self):
        super().setUp()
        self.cluster = kafka_mock.Cluster(self.PARTITIONS, self.BROKERS)
        self.addCleanup(self.cluster.close)
        self.place = ["--bootstrap-server", self.cluster.address]

    def fill(self, count):
        self.rows = [b"%d" % i for i in range(count)]
        self.write("rows", b"".join(row + b"\n" for row in self.rows))
        self.cluster.fill(self.path("rows"))

    def refused(self, status, words, *said):
        """A stage with mistakes: they are found before a broker is asked."""
        done = subprocess.run(words, env=self.env(), cwd=self.dir, stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False,
                              timeout=harness.HANG)
        errors = done.stderr.decode()
        self.assertEqual(done.returncode, status, errors)
        for text in said:
            self.assertIn(text, errors, words)


class Groups(Case):
    """The group has three names: --group, the consumer's property, and the library's."""

    def test_each_name_joins_it(self):
        self.fill(20)
        self.write("p", f"kafka.topics = t\nkafka.bootstrap.servers = {self.cluster.address}\n"
                        "kafka.consumer.group.id = of-file\nfrom = earliest\n")
        self.write("word", "of-secret\n")
        topic = ["kafka", "t", *self.place]
        for group, words in (("option", [*topic, "--group", "option"]),
                             ("library", [*topic, "-X", "group.id=library"]),
                             ("java", [*topic, "--consumer", "group.id=java"]),
                             ("of-secret", [*topic, "--consumer-file", "group.id=word"]),
                             ("twice", [*topic, "--group", "twice", "-X", "group.id=twice"]),
                             ("wins", [*topic, "--consumer", "group.id=x", "-X", "group.id=wins"]),
                             ("of-file", ["kafka", "--properties", "0"])):
            with self.subTest(group), open(self.path("p"), "rb") as file:
                pipeline = self.pipeline(["fl-source", *words, "--once"],
                                         ["fl-sink", "stdout", "--stream"], stdin=file.fileno())
                self.check(pipeline, 0, 0)
                self.assertEqual(sorted(pipeline.output().split()), sorted(self.rows))
                self.assertEqual(sorted(self.cluster.committed(group)), sorted(self.rows))

    def test_a_pattern_needs_any_of_them(self):
        self.fill(1)
        pipeline = self.pipeline(["fl-source", "kafka", "--topics-regex", "t", "-X", "group.id=g",
                                  *self.place, "--once"], ["fl-sink", "stdout", "--stream"])
        self.check(pipeline, 0, 0)
        self.assertEqual(self.cluster.committed("g"), [b"0"])

    def test_names_of_two_groups_are_refused(self):
        for name in ("-X", "--consumer"):
            self.refused(64, ["fl-source", "kafka", "t", *self.place, "--group", "a", name,
                              "group.id=b"], "--group", "'a'", name + " group.id", "'b'")
            self.refused(64, ["fl-source", "kafka", "t", *self.place, name, "group.id="],
                         name + " group.id is empty")
            self.refused(64, ["fl-source", "kafka", "t", *self.place, name, "group.id=g",
                              "--partition", "0"], "--group")

    def test_a_channel_takes_as_that_group(self):
        self.fill(20)
        words = ["fl-channel", "kafka", "t", *self.place, "--take", "--once",
                 "--parse-as-flume-event=false"]
        for name in ("-X", "--consumer"):
            pipeline = self.pipeline([*words, name, "group.id=taker" + name],
                                     ["fl-sink", "stdout", "--stream"])
            self.check(pipeline, 0, 0)
            self.assertEqual(sorted(pipeline.output().split()), sorted(self.rows))
            self.assertEqual(sorted(self.cluster.committed("taker" + name)), sorted(self.rows))
        self.refused(64, [*words, "--group", "a", "-X", "group.id=b"], "'a'", "'b'")


class Commits(Case):
    """What brokers answer to commits."""
    PARTITIONS = 2

    def source(self, *more, group="g"):
        # The cluster waits for a session to be over before it divides the partitions anew.
        return self.pipeline(["fl-source", "kafka", "t", *self.place, "--group", group,
                              "--consumer", "session.timeout.ms=3000", *more],
                             ["fl-sink", "stdout", "--stream"])

    def read(self, pipeline, count):
        harness.poll(lambda: pipeline.output().count(b"\n") >= count, "all records")

    def test_an_error_that_lasts_is_met_with_pauses_at_the_end(self):
        self.fill(20)
        self.cluster.refuse(kafka_mock.OFFSET_COMMIT, PASSES, MANY)
        pipeline = self.source()
        self.read(pipeline, 20)
        pipeline.send(signal.SIGTERM, 0)
        self.check(pipeline, 75, 75)
        self.assertIn("could not be committed: Unknown broker error", pipeline.errors(0))

    def test_an_error_that_passes_is_outlasted_at_the_end(self):
        self.fill(20)
        self.cluster.refuse(kafka_mock.OFFSET_COMMIT, PASSES, 3)
        pipeline = self.source("--once", "--commit-interval", "1h")
        self.check(pipeline, 0, 0)
        self.assertEqual(len(self.cluster.committed("g")), 20)

    def test_a_missing_permission_ends_it(self):
        self.fill(20)
        self.cluster.refuse(kafka_mock.OFFSET_COMMIT, GROUP_IS_REFUSED, MANY)
        for group, more in (("end", ["--once"]), ("run", [])):
            pipeline = self.source(*more, group=group)
            self.assertEqual(pipeline.wait()[0], 77, pipeline.report())
            self.assertIn(f"the group '{group}' could not be committed: Broker: Group authorization "
                          "failed", pipeline.errors(0))
            self.assertIn("kafka-acls.sh", pipeline.errors(0))

    def test_an_error_that_lasts_is_met_with_pauses_at_a_loss(self):
        self.fill(20)
        self.cluster.refuse(kafka_mock.OFFSET_COMMIT, PASSES, MANY)
        first = self.source()
        self.read(first, 20)
        self.source()
        harness.poll(lambda: "the group has taken" in first.errors(0), "the loss is over")


class Threads(Case):
    """The library starts one for each broker that it learns of, when the stage runs already."""
    PARTITIONS = 2
    BROKERS = 2

    def test_each_limit_is_enough_or_named(self):
        if os.geteuid() != 0 or not shutil.which("setpriv") or not shutil.which("prlimit"):
            self.skipTest("needs root, setpriv and prlimit")
        self.fill(20)
        nobody = 100_000 + os.getpid()  # a user without other processes
        first = self.cluster.address.split(",")[0]
        for limit in range(2, 30):
            pipeline = self.pipeline(
                ["prlimit", f"--nproc={limit}:{limit}", "setpriv", f"--reuid={nobody}",
                 "--clear-groups", "fl-source", "kafka", "t", "--bootstrap-server", first,
                 "--group", f"g{limit}", "--once"], ["fl-sink", "stdout", "--stream"])
            status = pipeline.wait()[0]
            if status == 0:
                break
            self.assertEqual(status, 69, pipeline.report())
            self.assertIn("ulimit -u", pipeline.errors(0))
        self.assertEqual(sorted(pipeline.output().split()), sorted(self.rows))


class Properties(Case):
    def test_a_number_that_is_none(self):
        for value in ("abc", "", "9" * 23):
            for name in ("-X", "--consumer"):
                self.refused(78, ["fl-source", "kafka", "t", *self.place, "--group", "g", name,
                                  "max.poll.interval.ms=" + value], "max.poll.interval.ms")

    def test_a_codec_without_a_stream_is_refused(self):
        self.refused(64, ["fl-channel", "kafka", "t", *self.place, "--put", "--codec", "zstd"], "--codec")

    def test_transactions_are_refused(self):
        for stage in (["fl-sink", "kafka"], ["fl-channel", "kafka", "--put"]):
            for name in ("-X", "--producer"):
                self.refused(78, [*stage, "t", *self.place, name, "transactional.id=x"],
                             "transactional.id: transactions are not supported")


if __name__ == "__main__":
    harness.main()
