#!/usr/bin/env python3
"""fl-sink kafka against three real brokers, of which leaders are killed (-9) and frozen under load:
nothing is lost, nothing comes twice, and the events of a key keep their order."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tools"))
sys.path.insert(0, HERE)
import brokers
import harness

COUNT = 1_000_000 if os.environ.get("FL_TEST_LONG") else 200_000
LIMIT = 300


class Leaders(harness.Case):
    def test_leaders_that_are_killed_and_frozen(self):
        kafka = brokers.shared(3)
        topic = f"leaders-{os.getpid()}"
        kafka.admin.create(topic, partitions=6, replicas=3)
        metrics = self.path("sink.prom")
        pipeline = self.pipeline(
            ["fl-source", "seq", "--count", str(COUNT)],
            ["fl-intercept", "regex_extractor", "(.)$", "key"],
            ["fl-sink", "kafka", topic, "--bootstrap-server", kafka.bootstrap, "--metrics", metrics,
             "--metrics-interval", "100ms", "-X", "socket.timeout.ms=1500", "--producer",
             "buffer.memory=2000000", "--producer", "linger.ms=20", "--grace", "90s"])
        for share, fault in ((0.1, "kill"), (0.4, "freeze"), (0.7, "kill")):
            harness.poll(lambda: self.acknowledged(metrics) > share * COUNT or
                         pipeline.processes[-1].poll() is not None, "progress", LIMIT)
            first = kafka.admin.leader(topic)
            getattr(kafka, fault)(first)
            harness.poll(lambda: kafka.admin.leader(topic) not in (first, -1), "another leader",
                         LIMIT)
            if fault == "kill":
                kafka.restart(first)
            else:
                kafka.thaw(first)
        self.check(pipeline, 0, 0, 0, limit=LIMIT)
        found = kafka.records(topic)
        self.assertEqual(len(found), COUNT)
        self.assertEqual(len({record.value for record in found}), COUNT)
        last = {}
        for record in found:
            self.assertLess(last.get(record.key, -1), int(record.value))
            last[record.key] = int(record.value)
        self.assertEqual(len(last), 10)

    @staticmethod
    def acknowledged(path):
        try:
            with open(path) as file:
                return max((int(line.split()[-1]) for line in file
                            if line.startswith("fl_events_acknowledged_total")), default=0)
        except OSError:
            return 0


if __name__ == "__main__":
    harness.main()
