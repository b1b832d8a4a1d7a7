#!/usr/bin/env python3
"""scripts/demo --kafka: a person sees the break of a consumer, and every trade in a file once."""
import os
import re
import shutil
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", *folder) for folder in
                (["tools"], ["peers", "kafka"], ["peers", "spark"])]
sys.dont_write_bytecode = True
import brokers
import harness
import spark

LIMIT = 400


class DemoKafka(harness.Case):
    def setUp(self):
        super().setUp()
        try:
            brokers.java()
            brokers.fetch_jars()
        except SystemExit as why:
            if why.code == brokers.SKIPPED:
                raise unittest.SkipTest("no Kafka to show") from why
            raise
        if not shutil.which("kcat"):
            raise unittest.SkipTest("no kcat")

    def test_a_consumer_takes_a_break(self):
        self.show("--kafka")

    def test_spark_counts_the_same(self):
        try:
            spark.fetch()
        except SystemExit as why:
            if why.code == spark.SKIPPED:
                raise unittest.SkipTest("no Spark") from why
            raise
        rows = re.findall(r"UTC +(\d+) in files +(\d+) in the topic", self.show("--spark"))
        self.assertEqual([sum(map(int, column)) for column in zip(*rows)], [8000, 8000])

    def show(self, option):
        done = subprocess.run([os.path.join(harness.ROOT, "scripts", "demo"), option],
                              env=self.env(FL_DEMO_LINES="8000", TMPDIR=self.dir), cwd=self.dir,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=LIMIT, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("8000 trades in files, 8000 published", done.stdout)
        self.assertEqual(len(re.findall("consumer (one|two) has ended with 0", done.stdout)), 3)
        self.assertRegex(done.stdout, r"one has all 4 partitions; \d+ trades wait")
        self.assertEqual(done.stdout.splitlines()[-1], "== Every trade is in a file, once. Done.")
        left = [name for name in os.listdir(self.dir) if name.startswith("fl-demo")]
        self.assertEqual(left, [], "what it made in TMPDIR")
        return done.stdout


if __name__ == "__main__":
    harness.main()
