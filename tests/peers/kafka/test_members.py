#!/usr/bin/env python3
"""fl-source kafka: members of a group join, leave and are killed under load: a ledger of every record.

Started by ./run. Nothing is lost. A record comes again only if a member had handed it on and could not
commit it any more: it was killed, or the group has taken the partition from it, which it says with
their number.

The latter is common with librdkafka before 2.10: a commit that a rebalance overtakes is refused, and
the library then gives up all partitions of the member.
"""
import collections
import os
import signal
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tools"))
sys.path.insert(0, HERE)
import harness
from ledger import LIMIT, LONG, ROLL, Ledger


class Member:
    """A pipeline that is a member of the group, and the files that are its own."""

    def __init__(self, case, number, *options):
        self.case = case
        self.name = f"member-{number}-"
        self.out = case.path(self.name)
        self.pipeline = case.member(
            "-X", f"client.id={self.name}", *options,
            sink=["fl-sink", "hdfs", "--stream", "--roll-count", str(ROLL), "--min-commit", "1ms",
                  f"file://{self.out}"])
        self.committed = None  # by the group, before this ended without its last commits

    def known(self):
        """What the group has committed, read while this is a member: nobody else continues from a
        smaller offset in what this has delivered."""
        def read():
            committed = self.case.admin.committed(self.case.topic, self.case.topic)
            members = self.case.admin.group(self.case.topic)[1]
            return any(name.startswith(self.name) for name in members) and (committed,)
        return harness.poll(read, f"{self.name} in the group", LIMIT)[0]

    def kill(self):
        self.committed = self.known()
        self.pipeline.processes[0].kill()
        self.case.assertEqual(self.pipeline.wait(LIMIT)[1], 75, self.pipeline.report())

    def stop(self):
        self.before_stop = self.known()
        self.pipeline.send(signal.SIGTERM, 0)

    def leaves(self):
        """With 0; or it says that a group that changes just then did not take its last offsets."""
        statuses = self.pipeline.wait(LIMIT)
        if "last offsets" in self.pipeline.errors(0):
            self.case.assertEqual(statuses, [75, 75], self.pipeline.report())
            self.committed = self.before_stop
        else:
            self.case.assertEqual(statuses, [0, 0], self.pipeline.report())

    def lines(self):
        return harness.committed_lines(self.out)

    def repeatable(self):
        """Of its records those that may come again."""
        if self.committed is None:
            return
        for line in self.lines():
            partition, number = map(int, line.split())
            if number >= self.committed.get(partition, 0):
                yield line


class Members(Ledger):
    session_ms = 2000  # librdkafka may be half a second late with a heartbeat

    def setUp(self):
        super().setUp()
        self.all_members = []

    def joins(self, *options):
        self.all_members.append(Member(self, len(self.all_members), *options))
        return self.all_members[-1]

    def judge_members(self):
        """What comes twice had been delivered by a member that was killed before it could commit it,
        or by one that had to give its partition up earlier and has reported that."""
        self.joins("--once")
        self.check(self.all_members[-1].pipeline, 0, 0, limit=LIMIT)
        lines = [line for member in self.all_members for line in member.lines()]
        doubled = collections.Counter(lines)
        doubled.subtract(doubled.keys())
        repeatable = collections.Counter(
            line for member in self.all_members for line in member.repeatable())
        unexplained = sum((doubled - repeatable).values())
        told = sum(self.told(member.pipeline) for member in self.all_members)
        print(f"{self.topic}: {doubled.total()} doubled, {repeatable.total()} were not committed at "
              f"kills; {unexplained} others, {told} announced", flush=True)
        self.judge(lines, repeatable.total() + told)
        self.assertLessEqual(unexplained, told)

    def test_members_come_and_go(self):
        self.come_and_go(70 if LONG else 20)

    def test_members_of_an_eager_group_come_and_go(self):
        """All partitions go and come at each change, and librdkafka loses none of them."""
        self.come_and_go(30 if LONG else 10, "--consumer", "partition.assignment.strategy=range")

    def come_and_go(self, rounds, *options):
        """Three places for members; each step one of them joins, leaves in order or is killed."""
        members = {}
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
                    members[place] = self.joins(*options)
                    action = "joins"
                elif self.random.random() < 0.5:
                    action = "leaves"
                    member = members.pop(place)
                    member.stop()
                    member.leaves()
                else:
                    action = "is killed"
                    members.pop(place).kill()
                print(f"step {step}: {place} {action}", flush=True)
                # The group has seen it, and continues.
                harness.poll(lambda: self.is_settled(len(members)), "a settled group", LIMIT)
                if members:
                    before = self.committed()
                    harness.poll(lambda: self.committed() > before, "progress", LIMIT)
        finally:
            is_over.set()
            feeder.join()
        self.assertEqual(failure, [])
        for member in members.values():
            member.stop()
        for member in members.values():
            member.leaves()
        self.judge_members()

    def test_members_with_round_robin(self):
        """Each partition goes and comes at each change, as in groups of older clients."""
        eager = ["--consumer", "partition.assignment.strategy=roundrobin"]

        def settle(members, at_least):
            harness.poll(lambda: self.is_settled(members), f"{members} members", LIMIT)
            self.produce(20_000)
            harness.poll(lambda: self.committed() >= at_least, "progress", LIMIT)

        one = self.joins(*eager)
        settle(1, 15_000)
        two = self.joins(*eager)
        settle(2, 30_000)
        one.stop()
        one.leaves()
        three = self.joins(*eager)
        settle(2, 50_000)
        two.kill()
        settle(1, 70_000)
        three.stop()
        three.leaves()
        self.judge_members()


if __name__ == "__main__":
    harness.main()
