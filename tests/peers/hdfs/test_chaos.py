#!/usr/bin/env python3
"""Flows into HDFS while its servers die, freeze and refuse, by a seeded script (storm.py).

Started by ./run; FL_TEST_LONG=1: a million lines in each form, and longer outages. FL_TEST_SEED
changes the order of what happens.
"""
import os

import storm
from storm import clusters, harness

STEPS = [("datanode_killed",), ("namenode_killed",), ("namenode_frozen",), ("safe_mode",),
         ("quota",)]
MIXED = [("datanode_killed", "namenode_killed"), ("safe_mode", "datanode_killed"),
         ("quota", "namenode_frozen"), ("datanode_killed", "namenode_frozen"),
         ("safe_mode", "namenode_killed"), ("quota", "datanode_killed")]



class Chaos(harness.Case):
    @classmethod
    def setUpClass(cls):
        cls.content = storm.make_log(storm.LINES)

    def storm_over(self, cluster, name, singles, mixed=()):
        """These steps in an order of the seed's choice. A long run: all of STEPS and MIXED too."""
        env = self.env(HADOOP_CONF_DIR=str(cluster.conf), HADOOP_USER_NAME="root")
        steps = [*singles, *mixed]
        if storm.LONG:
            steps = [*STEPS, *MIXED, *(step for step in steps if step not in STEPS + MIXED)]
        storm.random.Random(f"{harness.SEED}/{name}").shuffle(steps)
        made = storm.Storm(self, cluster, self.content, env, name, steps)
        made.shell("-mkdir", "-p", *[f"{made.base}/{form}" for form in storm.FORMS])
        made.watch()
        return made


class OneNameNode(Chaos):
    def test_storm(self):
        cluster = clusters.Cluster(os.environ["HDFS_DIR"]).load()
        made = self.storm_over(cluster, "single", [("namenode_killed",)],
                               [storm.random.Random(harness.SEED).choice(MIXED)])
        for form, files in (("text", 3), ("gzip", 8)):
            made.add(form, files)
        made.rage()
        made.expect_hits()


class PairOfNameNodes(Chaos):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cluster = storm.start_cluster(cls, "--ha", "--httpfs")

    def test_storm(self):
        made = self.storm_over(self.cluster, "pair", STEPS)
        for form, files in (("text", 8), ("gzip", 3), ("sequence", 3), ("avro", 8)):
            made.add(form, files)
        made.rage()
        made.expect_hits()

    def test_through_httpfs(self):
        made = self.storm_over(self.cluster, "gateway",
                               [("gateway_killed",), ("gateway_frozen",)])
        # In safe mode or over quota no file gets from the gateway to a DataNode that could die.
        made.steps = [sorted(step, key=lambda name: name != "datanode_killed")
                      for step in made.steps]
        gateway = self.cluster.url("httpfs").replace("http://", "webhdfs://") + made.base
        for form, files in (("text", 8), ("sequence", 3)):
            made.add(form, files, target=gateway)
        made.rage()
        made.expect_hits()


if __name__ == "__main__":
    harness.main()
