#!/usr/bin/env python3
"""The recipes of fl-fleet(7), exactly as written, with a real Flume: collector first, host first."""
import os
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("../../tools", "../../docs", "."):
    sys.path.insert(0, os.path.join(HERE, folder))
import agent
import harness
import pages

PAGE = "man/fl-fleet.7.scd"
PART = 300
LIMIT = 120
FILE_CHANNEL = """
a1.channels = c1
a1.channels.c1.type = file
a1.channels.c1.dataDirs = {dir}/var/lib/flume/data
a1.channels.c1.checkpointDir = {dir}/var/lib/flume/checkpoint
a1.channels.c1.capacity = 20000
a1.channels.c1.minimumRequiredSpace = 1048576
"""
MEMORY_CHANNEL = """
a1.channels = c1
a1.channels.c1.type = memory
a1.channels.c1.capacity = 20000
a1.channels.c1.transactionCapacity = 1000
"""
SOURCE = """
a1.sources = r1
a1.sources.r1.type = avro
a1.sources.r1.bind = 127.0.0.1
a1.sources.r1.port = {port}
a1.sources.r1.channels = c1
"""
AVRO_SINK = """
a1.sinks = k1
a1.sinks.k1.type = avro
a1.sinks.k1.channel = c1
a1.sinks.k1.hostname = 127.0.0.1
a1.sinks.k1.port = {port}
"""
FILES_SINK = """
a1.sinks = k1
a1.sinks.k1.type = file_roll
a1.sinks.k1.channel = c1
a1.sinks.k1.sink.directory = {dir}/arrived
a1.sinks.k1.sink.rollInterval = 0
"""


class Fleet(harness.Case):
    def setUp(self):
        super().setUp()
        self.host_port, self.port = agent.free_ports(2)
        for folder in ("var/lib/fl", "var/lib/flume", "var/spool/app", "arrived"):
            os.makedirs(self.path(folder))

    def command(self, part):
        """A command of the page, on this machine."""
        text = pages.block_with(PAGE, part).strip()
        for word, ours in (("collector:4141", f"127.0.0.1:{self.port}"),
                           ("--bind 0.0.0.0 --port 4141", f"--bind 127.0.0.1 --port {self.port}"),
                           ("/var/", self.path("var") + "/"),
                           (" /logs", f" file://{self.path('arrived')} --roll-interval 1s")):
            text = text.replace(word, ours)
        self.assertNotIn("collector:", text)
        return text

    def run_to_its_end(self, part):
        done = subprocess.run(["bash", "-c", self.command(part)], env=self.env(), text=True,
                              capture_output=True, timeout=LIMIT, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    def start(self, part):
        command = self.command(part)
        shell = subprocess.Popen(["bash", "-c", command], env=self.env(), stderr=subprocess.DEVNULL)
        self.addCleanup(self.end, shell)
        harness.poll(lambda: sum(map(harness.is_stage, harness.children_of(shell.pid))) ==
                     1 + command.count("|"), "all stages have begun", LIMIT)
        return shell

    def end(self, shell, number=signal.SIGKILL):
        """A signal to its stages; the status of the last one is the shell's."""
        stages = harness.children_of(shell.pid) if shell.poll() is None else []
        if number == signal.SIGTERM:
            harness.wait_for_handlers(stages, number)
        for pid in stages:
            os.kill(pid, number)
        return shell.wait(LIMIT)

    def agent(self, name, *parts):
        one = agent.Agent(self.path(name), "".join(parts))
        self.addCleanup(one.kill)
        one.wait_for("Component type: SOURCE, name: r1 started")
        return one

    def send(self, first):
        self.assertEqual(agent.send(self.host_port, [({}, b"%d" % i)
                                                     for i in range(first, first + PART)]), "OK")

    def arrived(self):
        rows = []
        for name in os.listdir(self.path("arrived")):
            if harness.is_final(name):
                with open(self.path("arrived", name), "rb") as file:
                    rows += file.read().split()
        return sorted(map(int, rows))

    def all_there(self, parts):
        harness.poll(lambda: self.arrived() == list(range(parts * PART)), "each event once", LIMIT)

    def test_collector_first(self):
        collector = self.agent("collector", FILE_CHANNEL.format(dir=self.dir),
                               SOURCE.format(port=self.port))
        host = self.agent("host", MEMORY_CHANNEL, SOURCE.format(port=self.host_port),
                          AVRO_SINK.format(port=self.port))
        self.send(0)
        harness.poll(lambda: b"%d" % (PART - 1) in self.bytes_below("var/lib/flume/data"),
                     "the collector has the events", LIMIT)
        collector.stop()
        self.send(PART)  # the host continues
        self.run_to_its_end("/var/lib/fl/in --stream --put")
        shell = self.start("--port 4141")
        self.send(2 * PART)
        self.all_there(3)
        host.stop()
        self.assertEqual(self.end(shell, signal.SIGTERM), 0)
        self.all_there(3)

    def bytes_below(self, folder):
        data = b""
        for name in os.listdir(self.path(folder)):
            if os.path.isfile(self.path(folder, name)):
                with open(self.path(folder, name), "rb") as file:
                    data += file.read()
        return data

    def test_host_first(self):
        collector = self.agent("collector", MEMORY_CHANNEL, SOURCE.format(port=self.port),
                               FILES_SINK.format(dir=self.dir))
        host = self.agent("host", FILE_CHANNEL.format(dir=self.dir),
                          SOURCE.format(port=self.host_port))
        self.send(0)
        host.stop()
        self.run_to_its_end("/var/lib/fl/app --stream --put")
        self.write("var/spool/app/file", b"".join(b"%d\n" % i for i in range(PART, 2 * PART)))
        shell = self.start("spooldir /var/spool/app")
        harness.poll(lambda: os.path.exists(self.path("var/spool/app/file.COMPLETED")), "it is read",
                     LIMIT)
        self.assertEqual(self.end(shell, signal.SIGTERM), 0)
        collector.poll(lambda: self.arrived() == list(range(2 * PART)), "each event once", LIMIT)


if __name__ == "__main__":
    harness.main()
