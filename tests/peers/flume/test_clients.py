#!/usr/bin/env python3
"""Programs with Flume's own client library (Clients.java) send to fl-source avro: one event at a time,
in batches, to several hosts in turn and in order of preference, and by log4j's appender."""
import glob
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in (os.path.join("..", "..", "tools"), "."):
    sys.path.insert(0, os.path.join(HERE, folder))
import agent
import harness
import receivers

COUNT = 2050    # the last batch is half full
LIMIT = 120     # seconds, for hangs


class Clients(receivers.Case):
    def stdout_receiver(self):
        return self.free_receiver("fl-sink stdout --stream")

    def send(self, mode, *ports):
        places = [f"127.0.0.1:{port}" for port in ports]
        jars = agent.fetch_jars()
        path = ":".join([self.conf, *glob.glob(f"{jars}/reload4j-*.jar"), f"{jars}/*"])
        done = subprocess.run(
            [agent.java(), *agent.JVM, "-cp", path, os.path.join(HERE, "Clients.java"), mode,
             str(COUNT), *places], capture_output=True, timeout=LIMIT, check=False)
        self.assertEqual(done.returncode, 0, done.stderr.decode()[-3000:])

    def lines_of(self, pipeline):
        """The lines that came, once it has ended."""
        return self.end(pipeline).output().decode().splitlines()

    def setUp(self):
        super().setUp()
        self.conf = self.path("conf")
        os.mkdir(self.conf)
        self.write("conf/log4j2.xml", agent.LOG)

    @staticmethod
    def lines(mode):
        return [f"{mode} {i}" for i in range(COUNT)]

    def test_one_host(self):
        pipeline, port = self.stdout_receiver()
        for mode in ("single", "batch", "log4j"):
            self.send(mode, port)
        self.assertEqual(self.lines_of(pipeline),
                         self.lines("single") + self.lines("batch") + self.lines("log4j"))

    def test_several_hosts(self):
        """In turn: each gets every second batch. In order: the second one, as nobody is at the first."""
        one, port = self.stdout_receiver()
        two, other = self.stdout_receiver()
        nobody, = agent.free_ports(1)
        self.send("balance", port, other)
        self.send("failover", nobody, other)
        first, second = self.lines_of(one), self.lines_of(two)
        failed_over = [line for line in second if line.startswith("failover")]
        balanced = [line for line in second if line.startswith("balance")]
        self.assertEqual(failed_over, self.lines("failover"))
        self.assertEqual(sorted(first + balanced), sorted(self.lines("balance")))
        self.assertLessEqual(abs(len(first) - len(balanced)), 100)


if __name__ == "__main__":
    harness.main()
