#!/usr/bin/env python3
"""fl-source kafka while it, its sink or brokers are killed or frozen: a ledger of every record.

Started by ./run. Nothing may be lost; what comes twice is no more than what was not committed when the
fault came.
"""
import os
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tools"))
sys.path.insert(0, HERE)
import harness
from ledger import EVENTS, LIMIT, ROLL, Ledger, Notes, repeatable


class Faults(Ledger):
    def test_the_source_is_killed(self):
        self.produce(EVENTS)
        allowed, delivered, before = 0, 0, 0
        for kill in range(5):
            pipeline = self.member(slowly=True)
            self.reaches(before + 5000, pipeline)
            pipeline.processes[0].kill()
            self.assertEqual(pipeline.wait(LIMIT)[-1], 75)
            now, lines = self.committed(), len(harness.committed_lines(self.out))
            allowed += (lines - delivered) - (now - before)
            delivered, before = lines, now
            self.assertLess(now, EVENTS, "it was killed too late")
        self.drain()
        self.judge(harness.committed_lines(self.out), allowed)
        self.assertEqual(self.committed(), EVENTS)

    def test_the_source_is_frozen(self):
        pipeline = self.member()
        self.feed(EVENTS // 2, pipeline)
        pipeline.processes[0].send_signal(signal.SIGSTOP)
        # Until the group has given its partitions up.
        harness.poll(lambda: not self.admin.group(self.topic)[1], "an empty group", LIMIT)
        time.sleep(4)  # the fault itself
        pipeline.processes[0].send_signal(signal.SIGCONT)
        self.feed(EVENTS // 2, pipeline)
        self.reaches(EVENTS - ROLL, pipeline)  # the last file is not full
        pipeline.send(signal.SIGTERM)
        self.check(pipeline, 0, 0, limit=LIMIT)
        self.judge(harness.committed_lines(self.out), repeatable(pipeline))

    def test_a_source_that_is_stopped_while_the_broker_is_frozen(self):
        """What was not committed comes again; with 0 it has said how much that is."""
        self.produce(EVENTS // 10)
        pipeline = self.member(sink=["fl-sink", "stdout", "--stream"])
        self.reaches(1000, pipeline)
        self.kafka.freeze(1)
        pipeline.send(signal.SIGTERM)
        statuses = pipeline.wait(LIMIT)
        self.kafka.thaw(1)
        self.assertIn(statuses[0], (0, 75), pipeline.report())
        # The group takes no late commit of this member any more.
        harness.poll(lambda: self.is_settled(0), "an empty group", LIMIT)
        committed, lines = self.committed(), pipeline.output().splitlines()
        if statuses[0] == 0:
            self.assertLessEqual(len(lines) - committed, self.told(pipeline), pipeline.report())
        self.drain()
        self.judge(lines + harness.committed_lines(self.out), len(lines) - committed)
        self.assertEqual(self.committed(), EVENTS // 10)

    def broker_fault(self, fault, mend):
        pipeline = self.member(sink=["fl-sink", "stdout", "--stream"])
        notes = Notes(pipeline)
        self.feed(EVENTS // 2, pipeline, notes)
        fault()
        mend()
        self.feed(EVENTS // 2, pipeline, notes)
        self.reaches(EVENTS, pipeline, notes)
        pipeline.send(signal.SIGTERM)
        self.check(pipeline, 0, 0, limit=LIMIT)
        lines = pipeline.output().splitlines()
        self.judge(lines, repeatable(pipeline))
        notes.judge(self)
        self.ordered(lines)

    def test_the_broker_is_killed(self):
        self.broker_fault(lambda: self.kafka.kill(1), lambda: self.kafka.restart(1))

    def test_the_broker_is_frozen(self):
        def thaw():
            time.sleep(4)  # the fault itself
            self.kafka.thaw(1)
        self.broker_fault(lambda: self.kafka.freeze(1), thaw)


class FaultsOfThree(Faults):
    brokers = 3
    test_the_source_is_killed = test_the_source_is_frozen = None
    test_the_broker_is_killed = test_the_broker_is_frozen = None

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
