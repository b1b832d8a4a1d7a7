"""What tests of faults in fl-source kafka share: a topic whose records say where they are, members of a
group that write them into files, and a ledger of all of them.

A value is "PARTITION NUMBER", and the number is the record's offset.
"""
import collections
import os
import re

import brokers
import harness

LIMIT = 180
PARTITIONS = 4
ROLL = 500  # events of a file
LONG = bool(os.environ.get("FL_TEST_LONG"))
EVENTS = 1_000_000 if LONG else 200_000
QUICK = ["--consumer", "heartbeat.interval.ms=200", "--commit-interval", "50ms"]


class Ledger(harness.Case):
    brokers = 1
    session_ms = 1000

    def setUp(self):
        super().setUp()
        self.kafka = brokers.shared(self.brokers)
        self.addCleanup(self.kafka.repair)
        self.admin = self.kafka.admin
        # A test that is repeated begins anew.
        self.topic = f"{self._testMethodName.removeprefix('test_')}-{os.getpid()}"
        self.admin.create(self.topic, partitions=PARTITIONS, replicas=self.brokers)
        self.numbers = collections.Counter()

    def produce(self, count):
        """So many more records, spread evenly."""
        for partition in range(PARTITIONS):
            first, share = self.numbers[partition], count // PARTITIONS
            self.kafka.produce(self.topic, b"".join(
                b"%d %d\n" % (partition, number) for number in range(first, first + share)),
                partition=partition)
            self.numbers[partition] += share

    def member(self, *options, sink=None):
        return self.pipeline(
            ["fl-source", "kafka", self.topic, "--bootstrap-server", self.kafka.bootstrap,
             "--group", self.topic, "--consumer", f"session.timeout.ms={self.session_ms}", *QUICK,
             *options],
            sink or ["fl-sink", "hdfs", "--stream", "--roll-count", str(ROLL), "--min-commit", "1ms",
                     f"file://{self.out}"])

    def committed(self):
        return sum(self.admin.committed(self.topic, self.topic).values())

    def reaches(self, count, pipeline):
        def is_there():
            self.assertIsNone(pipeline.processes[0].poll(), pipeline.report())
            return self.committed() >= count
        harness.poll(is_there, f"{count} committed", LIMIT)

    def is_settled(self, members):
        state, found = self.admin.group(self.topic)
        return len(found) == members and state == ("Stable" if members else "Empty")

    def drain(self):
        """Reads the rest. Its statuses are 0."""
        self.check(self.member("--once"), 0, 0, limit=LIMIT)

    def judge(self, lines, most):
        """All records are there, and at most so many twice."""
        seen = collections.Counter(lines)
        wanted = {b"%d %d" % (partition, number) for partition, count in self.numbers.items()
                  for number in range(count)}
        self.assertEqual(len(wanted - set(seen)), 0, "lost")
        self.assertEqual(set(seen) - wanted, set())
        doubled = sum(seen.values()) - len(wanted)
        print(f"{self.topic}: {len(wanted)} records, lost 0, doubled {doubled}, allowed {most}")
        self.assertLessEqual(doubled, most)

    def ordered(self, lines):
        """In each partition a number that is new is larger than all before it."""
        last = collections.defaultdict(lambda: -1)
        for line in lines:
            partition, number = map(int, line.split())
            if number > last[partition]:
                self.assertEqual(number, last[partition] + 1, f"partition {partition}")
                last[partition] = number

    @staticmethod
    def told(pipeline):
        """Records that it said will be delivered again."""
        return sum(map(int, re.findall(r"(\d+) records? not acknowledged",
                                       pipeline.errors(0))))
