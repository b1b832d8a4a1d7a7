#!/usr/bin/env python3
"""fl-sink kafka and fl-source kafka over connections that are reset at random bytes under load, to one
broker and to three. Started by ./run.

Every connection goes over a link that the test cuts (brokers.Links). Nothing is lost. The sink doubles
nothing; the source no more than it says itself, of what was not committed.
"""
import collections
import os
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tools"))
sys.path.insert(0, HERE)
import brokers
import harness
from ledger import PORTION, Notes, repeatable

COUNT = 1_000_000 if os.environ.get("FL_TEST_LONG") else 200_000
CUTS = COUNT // 10_000
LIMIT = 300
PARTITIONS = 6
# A client comes back at once, so that there are many cuts in a short time.
QUICK = ["-X", "reconnect.backoff.ms=10", "-X", "reconnect.backoff.max.ms=100"]


class Cuts(harness.Case):
    def links(self, kafka, size):
        """Links that are cut CUTS times in all, while about `size` bytes pass."""
        links = kafka.links()
        self.enterContext(links)
        share = CUTS // len(links)
        for link in links:
            link.cut_after(self.random.randrange(1, size // CUTS) for _ in range(share))
        return links

    def topic(self, kafka):
        name = f"cuts-{self._testMethodName}-{os.getpid()}"
        kafka.admin.create(name, partitions=PARTITIONS, replicas=len(kafka.numbers()))
        return name

    def enough(self, links):
        print(f"{self._testMethodName}: {links.cuts} cuts", flush=True)
        self.assertGreater(links.cuts, CUTS // 2, "the links were cut too seldom")

    def sink(self, kafka):
        links, topic = self.links(kafka, 15 * COUNT), self.topic(kafka)
        pipeline = self.pipeline(
            ["fl-source", "seq", "--count", str(COUNT)],
            ["fl-intercept", "regex_extractor", "(.)$", "key"],
            ["fl-sink", "kafka", topic, "--bootstrap-server", links.bootstrap, *QUICK, "-X",
             "retry.backoff.ms=10", "-X", "batch.num.messages=200", "--grace", "90s"])
        self.check(pipeline, 0, 0, 0, limit=LIMIT)
        self.enough(links)
        found = kafka.records(topic)
        values = collections.Counter(record.value for record in found)
        self.assertEqual({"lost": COUNT - len(values), "doubled": len(found) - len(values)},
                         {"lost": 0, "doubled": 0})
        last = {}
        for record in found:
            self.assertLess(last.get(record.key, -1), int(record.value))
            last[record.key] = int(record.value)
        self.assertEqual(len(last), 10)

    def source(self, kafka):
        topic = self.topic(kafka)
        links = self.links(kafka, 20 * COUNT)
        pipeline = self.pipeline(
            ["fl-source", "kafka", topic, "--bootstrap-server", links.bootstrap, "--group", topic,
             "--commit-interval", "10ms", *QUICK, "-X", "fetch.message.max.bytes=2000",
             "-X", "fetch.error.backoff.ms=10"], ["fl-sink", "stdout", "--stream"])
        notes = Notes(pipeline)

        def reaches(count):
            def is_read():
                self.assertIsNone(pipeline.processes[0].poll(), pipeline.report())
                committed = kafka.admin.committed(topic, topic)
                notes.add(committed)
                return sum(committed.values()) >= count
            harness.poll(is_read, f"{count} committed", LIMIT)
        # In portions, each when the one before it is mostly committed (IN_FLIGHT).
        share, portion = COUNT // PARTITIONS, PORTION // PARTITIONS
        for first in range(0, share, portion):
            reaches((first - portion) * PARTITIONS)
            for partition in range(PARTITIONS):
                kafka.produce(topic, b"".join(b"%d %d\n" % (partition, i) for i in
                                              range(first, min(first + portion, share))), "-X",
                              "batch.num.messages=100", partition=partition)
        reaches(share * PARTITIONS)
        pipeline.send(signal.SIGTERM)
        self.check(pipeline, 0, 0, limit=LIMIT)
        self.enough(links)
        lines = pipeline.output().splitlines()
        last, doubled = dict.fromkeys(range(PARTITIONS), -1), 0
        for line in lines:
            partition, number = map(int, line.split())
            doubled += number <= last[partition]
            self.assertLessEqual(number, last[partition] + 1, f"partition {partition}: lost")
            last[partition] = max(number, last[partition])
        self.assertEqual(set(last.values()), {share - 1})
        print(f"{len(lines)} events, doubled {doubled}, allowed {repeatable(pipeline)}")
        self.assertLessEqual(doubled, repeatable(pipeline))
        notes.judge(self)

    def test_sink_and_one_broker(self):
        self.sink(brokers.shared(1))

    def test_sink_and_three_brokers(self):
        self.sink(brokers.shared(3))

    def test_source_and_one_broker(self):
        self.source(brokers.shared(1))

    def test_source_and_three_brokers(self):
        self.source(brokers.shared(3))


if __name__ == "__main__":
    harness.main()
