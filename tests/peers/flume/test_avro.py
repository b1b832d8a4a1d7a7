#!/usr/bin/env python3
"""Avro RPC with a real Flume 1.11 in both directions, plain and deflate: its avro-client and avro
sink send to fl-source avro, fl-sink avro sends to its avro source; either side is killed.

FL_TEST_LONG=1: a million events (compressed: 200,000).
"""
import collections
import os
import re
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in (os.path.join("..", "..", "tools"), "."):
    sys.path.insert(0, os.path.join(HERE, folder))
import agent
import harness

LONG = bool(os.environ.get("FL_TEST_LONG"))
PLAIN = 1_000_000 if LONG else 50_000
PACKED = 200_000 if LONG else 20_000
LIMIT = 600 if LONG else 120
CHANNEL = """
a1.channels.{0}.type = memory
a1.channels.{0}.capacity = 20000
a1.channels.{0}.transactionCapacity = 1000
"""


class Avro(harness.Case):
    maxDiff = 2000

    def numbers(self, count):
        self.write("lines", b"".join(b"%d\n" % i for i in range(count)))
        return self.path("lines")

    def receiver(self, port, *stages, options=""):
        """fl-source avro and what is behind it, once it listens."""
        pipeline = self.pipeline(f"fl-source avro --port {port} {options}", *stages)
        harness.poll(lambda: "listening on" in pipeline.errors(0) or
                     pipeline.processes[0].poll() is not None, "it listens")
        return pipeline

    def end(self, pipeline):
        pipeline.processes[0].send_signal(signal.SIGTERM)
        return self.check(pipeline, *[0] * len(pipeline.processes))

    def same(self, got, count, what=""):
        """All, in order, without doubles."""
        self.assertEqual(len(got), count, what)
        self.assertTrue(all(int(line) == i for i, line in enumerate(got)), what)

    def test_avro_client(self):
        """Flume's command for a file, with headers of its own."""
        port, = agent.free_ports(1)
        lines = self.numbers(5000)
        pipeline = self.receiver(port, "fl-sink stdout --stream --format json")
        headers = self.write("headers", "k1 = v1\nk2=v2\n")
        folder = os.path.join(self.dir, "conf")
        os.mkdir(folder)
        self.write("conf/log4j2.xml", agent.LOG)
        done = subprocess.run(
            [agent.java(), *agent.JVM, "-cp", f"{folder}:{agent.fetch_jars()}/*",
             "org.apache.flume.client.avro.AvroCLIClient", "-H", "127.0.0.1", "-p", str(port),
             "-F", lines, "-R", headers], capture_output=True, timeout=LIMIT, check=False)
        self.assertEqual(done.returncode, 0, done.stderr.decode()[-3000:])
        self.end(pipeline)
        rows = pipeline.output().decode().splitlines()
        self.assertEqual(len(rows), 5000)
        for i, row in enumerate(rows):
            self.assertRegex(row, rf'"k1": ?"v1".*"body": ?"{i}"')

    def test_through_flume_and_back(self):
        """fl-sink avro -> avro source, channel, avro sink of Flume -> fl-source avro."""
        names = ("plain", "packed")
        ports = agent.free_ports(4)
        rows = ["a1.sources = plain packed", "a1.channels = plain packed", "a1.sinks = plain packed"]
        for i, name in enumerate(names):
            packed = "deflate" if name == "packed" else "none"
            rows += [f"a1.sources.{name}.type = avro", f"a1.sources.{name}.bind = 127.0.0.1",
                     f"a1.sources.{name}.port = {ports[i]}", f"a1.sources.{name}.channels = {name}",
                     f"a1.sources.{name}.compression-type = {packed}",
                     CHANNEL.format(name),
                     f"a1.sinks.{name}.type = avro", f"a1.sinks.{name}.hostname = 127.0.0.1",
                     f"a1.sinks.{name}.port = {ports[2 + i]}", f"a1.sinks.{name}.channel = {name}",
                     f"a1.sinks.{name}.batch-size = 1000",
                     f"a1.sinks.{name}.compression-type = {packed}"]
        receivers = []
        for i, name in enumerate(names):
            packed = "--compression-type deflate" if name == "packed" else ""
            receivers.append(self.receiver(ports[2 + i], "fl-sink stdout --stream --format json",
                                           options=packed))
        with agent.Agent(self.dir, "\n".join(rows) + "\n") as flume:
            flume.wait_for(r"Avro source \w+ started", count=2)
            for i, (name, count) in enumerate(zip(names, (PLAIN, PACKED))):
                packed = "--compression-type deflate" if name == "packed" else ""
                self.check(self.pipeline(
                    f"fl-intercept static --key k --value {name}-ü --in {self.numbers(count)}",
                    f"fl-sink avro --stream --batch-size 1000 {packed} 127.0.0.1:{ports[i]}"), 0, 0,
                    limit=LIMIT)
                out = receivers[i]
                flume.poll(lambda: out.output().count(b"\n") >= count, "all have come back", LIMIT)
        for name, count, out in zip(names, (PLAIN, PACKED), receivers):
            self.end(out)
            rows = out.output().decode().splitlines()
            parts = [re.fullmatch(rf'\{{"headers":\{{"k":"{name}-ü"\}},"body":"(\d+)"\}}', row)
                     for row in rows]
            self.assertNotIn(None, parts)
            self.same([part[1] for part in parts], count, name)

    def test_nothing_is_lost_when_our_source_is_killed(self):
        """Flume's avro sink sends; whoever receives is killed and started again."""
        in_port, out_port = agent.free_ports(2)
        rows = f"""
a1.sources = r
a1.channels = c
a1.sinks = k
a1.sources.r.type = avro
a1.sources.r.bind = 127.0.0.1
a1.sources.r.port = {in_port}
a1.sources.r.channels = c
{CHANNEL.format("c").replace("20000", "100000")}
a1.sinks.k.type = avro
a1.sinks.k.hostname = 127.0.0.1
a1.sinks.k.port = {out_port}
a1.sinks.k.channel = c
a1.sinks.k.batch-size = 50
"""
        count, kills = 40_000, 4
        log = self.path("log")
        command = f"fl-channel file --stream {log} --put"

        def stored():
            done = subprocess.run(["fl-channel", "cat", log], capture_output=True, env=self.env(),
                                  timeout=harness.HANG, check=False)
            return [int(line) for line in done.stdout.split()]
        with agent.Agent(self.dir, rows) as flume:
            flume.wait_for(r"Avro source \w+ started")
            self.check(self.pipeline(
                f"fl-source stdin {self.numbers(count)}",
                f"fl-sink avro --stream --batch-size 1000 127.0.0.1:{in_port}"), 0, 0, limit=LIMIT)
            seen = 0
            for i in range(kills):
                receiver = self.receiver(out_port, command)
                flume.poll(lambda: len(stored()) > seen, "more events", LIMIT)
                receiver.processes[i % 2].kill()  # the source, or the log behind it
                receiver.kill()
                seen = len(stored())
            receiver = self.receiver(out_port, command)
            flume.poll(lambda: len(set(stored())) == count, "all events", LIMIT)
            self.end(receiver)
        got = stored()
        self.assertEqual(set(got), set(range(count)))
        doubled = len(got) - count
        print(f"{doubled} of {count} came twice in {kills} kills")
        self.assertLessEqual(doubled, kills * 50)

    def test_nothing_is_lost_when_flume_is_killed(self):
        """fl-sink avro sends to an agent with a file channel, which is killed and started again."""
        port, = agent.free_ports(1)
        directory = self.path("rolled")
        os.mkdir(directory)
        rows = f"""
a1.sources = r
a1.channels = c
a1.sinks = k
a1.sources.r.type = avro
a1.sources.r.bind = 127.0.0.1
a1.sources.r.port = {port}
a1.sources.r.channels = c
a1.channels.c.type = file
a1.channels.c.checkpointDir = {self.path("checkpoint")}
a1.channels.c.dataDirs = {self.path("data")}
a1.channels.c.transactionCapacity = 1000
a1.sinks.k.type = file_roll
a1.sinks.k.channel = c
a1.sinks.k.sink.directory = {directory}
a1.sinks.k.sink.rollInterval = 0
"""
        count, kills = 30_000, 2
        sender = None
        for i in range(kills + 1):
            with agent.Agent(self.dir, rows) as flume:
                flume.wait_for(r"Avro source \w+ started")
                if sender is None:
                    sender = self.pipeline(
                        f"fl-source stdin {self.numbers(count)}",
                        f"fl-sink avro --stream --grace 100s --connect-timeout 5s 127.0.0.1:{port}")
                if i < kills:
                    flume.poll(lambda: len(self.rolled(directory)) > i * 5000, "some events", LIMIT)
                    continue
                self.check(sender, 0, 0, limit=LIMIT)
                flume.poll(lambda: len(set(self.rolled(directory))) >= count, "all events", LIMIT)
        got = collections.Counter(self.rolled(directory))
        self.assertEqual(set(got), {b"%d" % i for i in range(count)})

    def rolled(self, directory):
        lines = []
        for name in os.listdir(directory):
            with open(os.path.join(directory, name), "rb") as file:
                # The last line of a file may be cut by a kill.
                lines += file.read().split(b"\n")[:-1]
        return lines


if __name__ == "__main__":
    harness.main()
