#!/usr/bin/env python3
"""fl-source kafka while it, its sink or brokers are killed or frozen: a ledger of every record.

Started by ./run. A value is "PARTITION NUMBER". Nothing may be lost; what comes twice is no more than
what was not committed when the fault came.
"""
import collections
import os
import re
import signal
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tools"))
sys.path.insert(0, HERE)
import brokers
import harness

LIMIT = 180
PARTITIONS = 4
ROLL = 500  # events of a file
LONG = bool(os.environ.get("FL_TEST_LONG"))
EVENTS = 1_000_000 if LONG else 200_000
QUICK = ["--consumer", "session.timeout.ms=1000", "--consumer", "heartbeat.interval.ms=200",
         "--commit-interval", "50ms"]


class Faults(harness.Case):
    brokers = 1

    def setUp(self):
        super().setUp()
        self.kafka = brokers.shared(self.brokers)
        self.addCleanup(self.kafka.repair)
        self.admin = self.kafka.admin
        self.topic = self.id().rsplit(".", 1)[-1].replace("test_", "")
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
             "--group", self.topic, *QUICK, *options],
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

    def test_the_source_is_killed(self):
        self.produce(EVENTS)
        allowed, delivered, before = 0, 0, 0
        for kill in range(5):
            pipeline = self.member()
            self.reaches(before + 5000, pipeline)
            pipeline.processes[0].kill()
            self.assertEqual(pipeline.wait(LIMIT)[1], 75)
            now, lines = self.committed(), len(harness.committed_lines(self.out))
            allowed += (lines - delivered) - (now - before)
            delivered, before = lines, now
            self.assertLess(now, EVENTS, "it was killed too late")
        self.drain()
        self.judge(harness.committed_lines(self.out), allowed)
        self.assertEqual(self.committed(), EVENTS)

    def test_the_source_is_frozen(self):
        self.produce(EVENTS)
        pipeline = self.member()
        self.reaches(5000, pipeline)
        pipeline.processes[0].send_signal(signal.SIGSTOP)
        # Until the group has given its partitions up.
        harness.poll(lambda: not self.admin.group(self.topic)[1], "an empty group", LIMIT)
        time.sleep(4)  # the fault itself
        pipeline.processes[0].send_signal(signal.SIGCONT)
        self.reaches(EVENTS - ROLL, pipeline)  # the last file is not full
        pipeline.send(signal.SIGTERM)
        self.check(pipeline, 0, 0, limit=LIMIT)
        self.judge(harness.committed_lines(self.out), self.told(pipeline))

    def test_a_source_that_is_stopped_while_the_broker_is_frozen(self):
        self.produce(EVENTS // 10)
        pipeline = self.member(sink=["fl-sink", "stdout", "--stream"])
        self.reaches(1000, pipeline)
        self.kafka.freeze(1)
        pipeline.send(signal.SIGTERM)
        statuses = pipeline.wait(LIMIT)
        self.kafka.thaw(1)
        self.assertIn(statuses[0], (0, 75), pipeline.report())
        self.drain()

    def broker_fault(self, fault, mend):
        self.produce(EVENTS)
        pipeline = self.member(sink=["fl-sink", "stdout", "--stream"])
        self.reaches(1000, pipeline)
        fault()
        self.produce_later = threading.Thread(target=mend)
        self.produce_later.start()
        self.produce_later.join()
        self.produce(EVENTS // 10)
        self.reaches(EVENTS + EVENTS // 10, pipeline)
        pipeline.send(signal.SIGTERM)
        self.check(pipeline, 0, 0, limit=LIMIT)
        lines = pipeline.output().splitlines()
        self.judge(lines, self.told(pipeline))
        self.ordered(lines)

    def test_the_broker_is_killed(self):
        self.broker_fault(lambda: self.kafka.kill(1), lambda: self.kafka.restart(1))

    def test_the_broker_is_frozen(self):
        def thaw():
            time.sleep(4)  # the fault itself
            self.kafka.thaw(1)
        self.broker_fault(lambda: self.kafka.freeze(1), thaw)

    def test_members_come_and_go(self):
        """Three places for members; each step one of them joins, leaves in order or is killed."""
        rounds = 100 if LONG else 10
        members, all_members = {}, []
        is_over = threading.Event()
        failure = []

        def feed():
            try:
                while not is_over.is_set():
                    # Always something to read, however long it takes; and never much.
                    if sum(self.numbers.values()) - self.committed() < 50_000:
                        self.produce(2000)
                    else:
                        is_over.wait(0.05)
            except Exception as error:  # noqa: BLE001
                failure.append(error)
        feeder = threading.Thread(target=feed)
        feeder.start()
        try:
            for step in range(rounds):
                place = self.random.randrange(3)
                if place not in members:
                    members[place] = self.member()
                    all_members.append(members[place])
                    action = "joins"
                elif self.random.random() < 0.5:
                    action = "leaves"
                    pipeline = members.pop(place)
                    pipeline.processes[0].send_signal(signal.SIGTERM)
                    self.leaves(pipeline)
                else:
                    action = "is killed"
                    pipeline = members.pop(place)
                    pipeline.processes[0].kill()
                    self.assertEqual(pipeline.wait(LIMIT)[1], 75, pipeline.report())
                print(f"step {step}: {place} {action}", flush=True)
                # The group has seen it, and goes on.
                harness.poll(lambda: self.is_settled(len(members)), "a settled group", LIMIT)
                if members:
                    before = self.committed()
                    harness.poll(lambda: self.committed() > before, "progress", LIMIT)
        finally:
            is_over.set()
            feeder.join()
        self.assertEqual(failure, [])
        for pipeline in members.values():
            pipeline.processes[0].send_signal(signal.SIGTERM)
        for pipeline in members.values():
            self.leaves(pipeline)
        self.drain()
        lines = harness.committed_lines(self.out)
        self.judge(lines, len(lines) // 2)

    def leaves(self, pipeline):
        """With 0; or it says that a group that changes just then did not take its last offsets."""
        statuses = pipeline.wait(LIMIT)
        if "last offsets" in pipeline.errors(0):
            self.assertEqual(statuses, [75, 75], pipeline.report())
        else:
            self.assertEqual(statuses, [0, 0], pipeline.report())

    def test_members_with_eager_assignors(self):
        """All partitions go and come at each change, as in groups of older clients."""
        for strategy in ("range", "roundrobin"):
            with self.subTest(strategy):
                self.topic = f"eager-{strategy}"
                self.admin.create(self.topic, partitions=PARTITIONS)
                self.numbers.clear()
                self.out = self.path(strategy)
                eager = ["--consumer", f"partition.assignment.strategy={strategy}"]

                def settle(members, at_least):
                    harness.poll(lambda: self.is_settled(members), f"{members} members", LIMIT)
                    self.produce(20_000)
                    harness.poll(lambda: self.committed() >= at_least, "progress", LIMIT)

                one = self.member(*eager)
                settle(1, 15_000)
                two = self.member(*eager)
                settle(2, 30_000)
                one.processes[0].send_signal(signal.SIGTERM)
                self.check(one, 0, 0, limit=LIMIT)
                three = self.member(*eager)
                settle(2, 50_000)
                two.processes[0].kill()
                self.assertEqual(two.wait(LIMIT)[1], 75, two.report())
                settle(1, 70_000)
                three.processes[0].send_signal(signal.SIGTERM)
                self.check(three, 0, 0, limit=LIMIT)
                self.drain()
                lines = harness.committed_lines(self.out)
                self.judge(lines, len(lines) // 2)


class FaultsOfThree(Faults):
    brokers = 3
    test_the_source_is_killed = test_the_source_is_frozen = None
    test_the_broker_is_killed = test_the_broker_is_frozen = test_members_come_and_go = None
    test_members_with_eager_assignors = None

    def test_the_leader_is_killed(self):
        leader = self.admin.leader(self.topic)
        self.broker_fault(lambda: self.kafka.kill(leader), lambda: self.kafka.restart(leader))

    def test_the_leader_is_frozen(self):
        leader = self.admin.leader(self.topic)

        def thaw():
            time.sleep(4)  # the fault itself
            self.kafka.thaw(leader)
        self.broker_fault(lambda: self.kafka.freeze(leader), thaw)


if __name__ == "__main__":
    harness.main()
