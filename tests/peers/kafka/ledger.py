"""What tests of faults in fl-source kafka share: a topic whose records say where they are, members of a
group that write them into files, and a ledger of all of them.

A value is "PARTITION NUMBER", and the number is the record's offset.
"""
import collections
import concurrent.futures
import os
import re

import brokers
import harness

LIMIT = 180
PARTITIONS = 4
ROLL = 500  # events of a file
LONG = bool(os.environ.get("FL_TEST_LONG"))
EVENTS = 1_000_000 if LONG else 200_000
PORTION = 10_000  # events that are fed at once
IN_FLIGHT = 2 * PORTION
AGAIN = re.compile(r"(\d+) records? not acknowledged")
QUICK = ["--consumer", "heartbeat.interval.ms=200", "--commit-interval", "50ms"]


def repeatable(pipeline):
    """Records that the source said will be delivered again, but no more than can have been in flight each
    time, if they were fed in portions."""
    said = AGAIN.findall(pipeline.errors(0))
    return min(sum(map(int, said)), IN_FLIGHT * len(said))


class Notes:
    """What a group had committed at some moments, and what a pipeline had written to its output by then:
    lines "PARTITION NUMBER". What is committed never comes again."""

    def __init__(self, pipeline):
        self.pipeline = pipeline
        self.taken = []  # (size of the output, {partition: offset})

    def add(self, committed):
        """`committed` was read before this is called."""
        self.taken.append((len(self.pipeline.output()), committed))

    def judge(self, case):
        """Of all lines that come again, their offset was not committed yet."""
        at, taken, committed = 0, iter(self.taken), {}
        following = next(taken, None)
        for line in self.pipeline.output().splitlines(keepends=True):
            while following and following[0] <= at:
                committed, following = following[1], next(taken, None)
            partition, number = map(int, line.split())
            if number < committed.get(partition, 0):
                case.fail(f"{line} comes after {committed} was committed")
            at += len(line)


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
        """So many more records, spread evenly, to all partitions at the same time."""
        share = count // PARTITIONS

        def write(partition):
            first = self.numbers[partition]
            self.kafka.produce(self.topic, b"".join(
                b"%d %d\n" % (partition, number) for number in range(first, first + share)),
                partition=partition)
        with concurrent.futures.ThreadPoolExecutor(PARTITIONS) as pool:
            list(pool.map(write, range(PARTITIONS)))
        for partition in range(PARTITIONS):
            self.numbers[partition] += share

    def feed(self, count, pipeline, notes=None):
        """So many more while the pipeline reads, each portion when the one before it is mostly committed: so
        no more than IN_FLIGHT can come again at a time, however slow the machine is."""
        for _ in range(count // PORTION):
            self.reaches(sum(self.numbers.values()) - PORTION, pipeline, notes)
            self.produce(PORTION)

    def member(self, *options, sink=None, slowly=False):
        """`slowly`: through a pipe that passes some 50,000 records a second."""
        return self.pipeline(
            ["fl-source", "kafka", self.topic, "--bootstrap-server", self.kafka.bootstrap,
             "--group", self.topic, "--consumer", f"session.timeout.ms={self.session_ms}", *QUICK,
             *options],
            *([["pv", "-qL", "500k"]] if slowly else []),
            sink or ["fl-sink", "hdfs", "--stream", "--roll-count", str(ROLL), "--min-commit", "1ms",
                     f"file://{self.out}"])

    def committed(self):
        return sum(self.admin.committed(self.topic, self.topic).values())

    def reaches(self, count, pipeline, notes=None):
        def is_there():
            self.assertIsNone(pipeline.processes[0].poll(), pipeline.report())
            committed = self.admin.committed(self.topic, self.topic)
            if notes:
                notes.add(committed)
            return sum(committed.values()) >= count
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
        return sum(map(int, AGAIN.findall(pipeline.errors(0))))
