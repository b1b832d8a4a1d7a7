#!/usr/bin/env python3
"""A topic is transformed into another: fl-source kafka | fl-intercept | fl-sink kafka, with real brokers,
while the pipeline is killed. Started by ./run.

A header says which run has stored a record, so that each is accounted for: what a run had stored and the
group had not committed comes again, and nothing else.
"""
import collections
import os
import re
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tools"))
sys.path.insert(0, HERE)
import harness
from ledger import LIMIT, LONG, PARTITIONS, QUICK, Ledger

COUNT = 400_000 if LONG else 40_000
KEYS = 10  # of a partition
KILLS = 10 if LONG else 2


class Transform(Ledger):
    def setUp(self):
        super().setUp()
        self.clean = self.topic + "-clean"
        self.admin.create(self.clean, partitions=3)
        self.wanted = {}  # value: (partition, offset)
        self.runs = 0
        self.commits = []  # of the group after each run that was killed

    def fill(self, count=COUNT):
        """So many more. A record of three has lower case, and is to be dropped. Each says where it is."""
        for partition in range(PARTITIONS):
            lines = []
            first = self.numbers[partition]
            for offset in range(first, first + count // PARTITIONS):
                value = b"%s,%d %d" % (b"sell" if offset % 3 == 0 else b"BUY", partition, offset)
                if value.startswith(b"BUY"):
                    self.wanted[value] = (partition, offset)
                lines.append(b"%d-%d:%s\n" % (partition, offset * 7 % KEYS, value))
            self.kafka.produce(self.topic, b"".join(lines), "-K", ":", partition=partition)
            self.numbers[partition] += len(lines)

    def key_of(self, value):
        partition, offset = self.wanted[value]
        return b"%d-%d" % (partition, offset * 7 % KEYS)

    def transform(self, *options):
        self.runs += 1
        place = ["--bootstrap-server", self.kafka.bootstrap]
        return self.pipeline(
            ["fl-source", "kafka", self.topic, *place, "--group", self.topic, "--consumer",
             f"session.timeout.ms={self.session_ms}", *QUICK, *options],
            ["fl-intercept", "regex_filter", "--regex", "^[A-Z]+,", "+", "static", "run", str(self.runs)],
            ["fl-sink", "kafka", self.clean, *place, "--header", "run=run"])

    def stores(self, count, pipeline):
        def is_there():
            self.assertEqual([process.poll() for process in pipeline.processes], [None] * 3,
                             pipeline.report())
            return sum(self.admin.offsets(self.clean).values()) >= count
        harness.poll(is_there, f"{count} in {self.clean}", LIMIT)

    def kill(self, pipeline):
        for process in pipeline.processes:
            if process.poll() is None:
                process.kill()
        pipeline.wait(LIMIT)
        # The group takes no late commit of this member any more.
        harness.poll(lambda: self.is_settled(0), "an empty group", LIMIT)
        self.commits.append(self.admin.committed(self.topic, self.topic))

    def account(self):
        """Every record of the clean topic: what is wanted and nothing else, each where its key belongs and in
        order; and as often as runs have stored it without its offset being committed."""
        self.check(self.transform("--once"), 0, 0, 0, limit=LIMIT)
        self.assertEqual(self.admin.committed(self.topic, self.topic), self.admin.offsets(self.topic))
        copies, places, last, runs_of = collections.Counter(), {}, {}, collections.defaultdict(list)
        for record in self.kafka.records(self.clean):
            [(name, run)] = record.headers
            self.assertEqual(name, "run")
            self.assertIn(record.value, self.wanted)
            self.assertEqual(record.key, self.key_of(record.value))
            self.assertEqual(places.setdefault(record.key, record.partition), record.partition)
            copies[record.value] += 1
            runs_of[record.value].append(int(run))
            offset = self.wanted[record.value][1]
            self.assertLess(last.get((record.key, run), -1), offset, "order of a key")
            last[record.key, run] = offset
        self.assertEqual(len(self.wanted.keys() - copies.keys()), 0, "lost")
        allowed = 0
        for value, (partition, offset) in self.wanted.items():
            runs = runs_of[value]
            self.assertEqual(len(set(runs)), len(runs), f"{value} comes twice in a run")
            is_committed = [commit.get(partition, 0) > offset for commit in self.commits]
            first = is_committed.index(True) + 1 if True in is_committed else self.runs
            # Only what was acknowledged is committed, and then never comes again.
            self.assertIn(first, runs)
            self.assertLessEqual(max(runs), first)
            allowed += sum(run < first for run in runs)
        doubled = copies.total() - len(copies)
        print(f"{self.topic}: {len(copies)} of {sum(self.numbers.values())} records, lost 0, doubled "
              f"{doubled}, not committed at kills {allowed}", flush=True)
        self.assertEqual(doubled, allowed)
        return doubled

    def test_a_topic_is_transformed_into_another(self):
        self.fill()
        self.assertEqual(self.account(), 0)

    def test_the_pipeline_is_killed(self):
        self.fill(COUNT // 2)
        # Nothing is committed before the end: all that this run has stored comes again.
        pipeline = self.transform("--commit-interval", "1h")
        self.stores(COUNT // 20, pipeline)
        self.kill(pipeline)
        self.assertEqual(sum(self.commits[-1].values()), 0)
        for _ in range(KILLS):
            pipeline = self.transform()
            self.reaches(self.committed() + 1, pipeline)
            self.fill(COUNT // 2 // KILLS)
            self.reaches(self.random.randrange(COUNT // 10, sum(self.numbers.values())), pipeline)
            self.kill(pipeline)
        self.assertGreaterEqual(self.account(), COUNT // 20)

    def test_a_source_ends_while_the_sink_is_frozen(self):
        """Its last commit is no further than what the sink has acknowledged."""
        self.fill(COUNT // 2)
        metrics = self.path("metrics")
        pipeline = self.transform("--grace", "1s", "--metrics", metrics, "--metrics-interval", "100ms")
        self.reaches(COUNT // 2, pipeline)
        pipeline.processes[2].send_signal(signal.SIGSTOP)
        self.fill(COUNT // 2)

        def has_sent_more():
            with open(metrics) as file:
                sent = re.search(r"^fl_events_sent_total.* (\d+)$", file.read(), re.M)
            return int(sent[1]) > COUNT // 2
        harness.poll(has_sent_more, "more records on their way", LIMIT)
        pipeline.send(signal.SIGTERM, 0)
        self.assertIn(pipeline.processes[0].wait(LIMIT), (69, 75), pipeline.report())
        self.kill(pipeline)
        self.assertEqual(self.committed(), COUNT // 2)
        self.account()


if __name__ == "__main__":
    harness.main()
