#!/usr/bin/env python3
"""The hdfs sink against a real HDFS in trouble: what waits, what is reported, what is there after.

Started by ./run as test_flow.py is. Every stage here reads a pipe that stays open, as in a service.
"""
import os
import re
import signal
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
import storm
from storm import clusters
from test_flow import LIMIT, USER, cluster, finals, hdfs, listing, webhdfs

BIG = 8 << 20


class Outage(harness.Case):
    def setUp(self):
        super().setUp()
        self.target = f"/outage/{self._testMethodName}-{os.getpid()}"
        webhdfs("PUT", self.target, op="MKDIRS")

    def sink(self, *options, user=USER):
        reader, writer = os.pipe()
        env = self.env(HADOOP_CONF_DIR=os.environ["HADOOP_CONF_DIR"], HADOOP_USER_NAME=user)
        pipeline = self.pipeline(["fl-sink", "hdfs", "--text", "--grace", "1s", *options,
                                  self.target], stdin=reader, env=env)
        os.close(reader)
        lines = os.fdopen(writer, "wb", buffering=0)
        self.addCleanup(lines.close)
        return pipeline, lines

    def says(self, pipeline, pattern):
        def found():
            self.assertIsNone(pipeline.processes[0].poll(), pipeline.report())
            return re.search(pattern, pipeline.errors(0), re.IGNORECASE)
        harness.poll(found, pattern, LIMIT)

    def status_says(self, pipeline, pattern):
        def asked():
            self.assertIsNone(pipeline.processes[0].poll(), pipeline.report())
            pipeline.send(signal.SIGUSR1, 0)
            return re.search(pattern, pipeline.errors(0), re.IGNORECASE)
        harness.poll(asked, pattern, LIMIT)

    def ends(self, pipeline, lines, content):
        lines.close()
        self.check(pipeline, 0, limit=LIMIT)
        self.assertEqual(hdfs("-cat", *finals(self.target)), content)
        left = [e["pathSuffix"] for e in listing(self.target)
                if not harness.is_final(e["pathSuffix"])]
        self.assertEqual(left, [])

    def test_safe_mode_longer_than_grace(self):
        pipeline, lines = self.sink("--roll-count", "1")
        lines.write(b"1\n")
        harness.poll(lambda: finals(self.target), "the first file", LIMIT)
        cluster("admin", "-safemode", "enter")
        try:
            lines.write(b"2\n3\n")
            self.says(pipeline, "safe mode")
            self.status_says(pipeline, "2 files with 2 events waiting for [2-9]s: .*safe mode")
        finally:
            cluster("admin", "-safemode", "leave")
        self.says(pipeline, "writing continues")
        self.ends(pipeline, lines, b"1\n2\n3\n")

    def test_a_quota_is_raised(self):
        cluster("admin", "-setSpaceQuota", "1m", self.target)  # one block
        pipeline, lines = self.sink("--roll-count", "2", "--retry-interval", "1s")
        body = b"x" * 700_000 + b"\n"
        lines.write(2 * body)
        self.says(pipeline, "quota")
        self.status_says(pipeline, "1 file with 2 events waiting for .*quota")
        self.assertEqual(finals(self.target), [])
        cluster("admin", "-clrSpaceQuota", self.target)
        self.says(pipeline, "writing continues")
        self.ends(pipeline, lines, 2 * body)

    def test_a_permission_is_given(self):
        webhdfs("PUT", self.target, op="SETPERMISSION", permission="755")
        pipeline, lines = self.sink("--roll-count", "1", "--retry-interval", "1s", user="stranger")
        lines.write(b"1\n")
        self.says(pipeline, "permission denied")
        webhdfs("PUT", self.target, op="SETPERMISSION", permission="777")
        self.says(pipeline, "writing continues")
        self.ends(pipeline, lines, b"1\n")

    def test_the_name_node_is_killed_and_comes_back(self):
        pipeline, lines = self.sink("--roll-count", "1")
        lines.write(b"1\n")
        harness.poll(lambda: finals(self.target), "the first file", LIMIT)
        cluster("kill", "nn")
        try:
            lines.write(b"2\n")
            self.says(pipeline, "trying again until it works")
        finally:
            cluster("restart", "nn")
        self.says(pipeline, "writing continues")
        self.ends(pipeline, lines, b"1\n2\n")

    def test_term_and_usr1_while_the_name_node_is_frozen(self):
        cluster("freeze", "nn")
        try:
            pipeline, _ = self.sink("--grace", "300s")
            pipeline.processes[0].poll()
            harness.poll(lambda: harness.catches(pipeline.processes[0].pid, signal.SIGUSR1),
                         "its signal handlers")
            self.status_says(pipeline, "waiting for hdfs at")
            pipeline.send(signal.SIGTERM, 0)
            self.check(pipeline, 75, limit=harness.HANG)
        finally:
            cluster("thaw", "nn")

    def test_a_data_node_dies_in_mid_upload(self):
        made = storm.Uploads(clusters.Cluster(os.environ["HDFS_DIR"]).load())
        self.addCleanup(made.repair)
        pipeline, lines = self.sink("--roll-size", str(BIG))
        made.add(lambda: pipeline.processes[0].pid)
        content = b"".join(b"%015d\n" % i for i in range(2 * BIG // 16))
        feeder = threading.Thread(target=lines.write, args=(content,), daemon=True)
        victim = made.kill_in_upload(made.datanode_places(), feeder.start)
        self.says(pipeline, "waiting, trying again")
        self.says(pipeline, "writing continues")
        cluster("restart", victim)
        feeder.join()
        self.ends(pipeline, lines, content)

    def test_stale_temporaries_are_swept(self):  # Property: hdfs.staleTemp
        stale = f"{self.target}/_FlumeData.1.0123456789abcdef.tmp"
        young = f"{self.target}/_FlumeData.2.0123456789abcdef.tmp"
        hdfs("-touchz", stale, young)
        webhdfs("PUT", stale, op="SETTIMES", modificationtime=1)
        pipeline, lines = self.sink()
        lines.write(b"1\n")
        harness.poll(lambda: len(listing(self.target)) == 1 and finals(self.target) == [],
                     "the sweep", LIMIT)
        lines.close()
        self.check(pipeline, 0, limit=LIMIT)
        self.assertEqual([e["pathSuffix"] for e in listing(self.target)
                          if e["pathSuffix"].startswith("_")], [os.path.basename(young)])


if __name__ == "__main__":
    if not os.environ.get("HDFS_DIR"):
        print("test_outage.py: started by ./run, which starts a cluster", file=sys.stderr)
        sys.exit(64)
    harness.main()
