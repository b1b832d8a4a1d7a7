#!/usr/bin/env python3
"""Avro RPC with a real Flume 1.11 in both directions, plain and deflate: its avro-client and avro
sink send to fl-source avro, fl-sink avro sends to its avro source. test_avro_kills.py kills both.

FL_TEST_LONG=1: a million events (compressed: 200,000).
"""
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in (os.path.join("..", "..", "tools"), "."):
    sys.path.insert(0, os.path.join(HERE, folder))
import agent
import harness
import receivers

LONG = bool(os.environ.get("FL_TEST_LONG"))
PLAIN = 1_000_000 if LONG else 50_000
PACKED = 200_000 if LONG else 20_000
LIMIT = 600 if LONG else 120
CHANNEL = """
a1.channels.{0}.type = memory
a1.channels.{0}.capacity = 20000
a1.channels.{0}.transactionCapacity = 1000
"""


class Avro(receivers.Case):
    maxDiff = 2000

    def numbers(self, count):
        self.write("lines", b"".join(b"%d\n" % i for i in range(count)))
        return self.path("lines")

    def same(self, got, count, what=""):
        """All, in order, without doubles."""
        self.assertEqual(len(got), count, what)
        self.assertTrue(all(int(line) == i for i, line in enumerate(got)), what)

    def test_avro_client(self):
        """Flume's command for a file, with headers of its own."""
        port, = agent.free_ports(1)
        lines = self.numbers(5000)
        pipeline = self.receiver("fl-sink stdout --stream --format json", port=port)
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
        listeners = []
        for i, name in enumerate(names):
            packed = "--compression-type deflate" if name == "packed" else ""
            listeners.append(self.receiver("fl-sink stdout --stream --format json",
                                           port=ports[2 + i], options=packed))
        with agent.Agent(self.dir, "\n".join(rows) + "\n") as flume:
            flume.wait_for(r"Avro source \w+ started", count=2)
            for i, (name, count) in enumerate(zip(names, (PLAIN, PACKED))):
                packed = "--compression-type deflate" if name == "packed" else ""
                self.check(self.pipeline(
                    f"fl-intercept static --key k --value {name}-ü --in {self.numbers(count)}",
                    f"fl-sink avro --stream --batch-size 1000 {packed} 127.0.0.1:{ports[i]}"), 0, 0,
                    limit=LIMIT)
                out = listeners[i]
                flume.poll(lambda: out.output().count(b"\n") >= count, "all have come back", LIMIT)
        for name, count, out in zip(names, (PLAIN, PACKED), listeners):
            self.end(out)
            rows = out.output().decode().splitlines()
            parts = [re.fullmatch(rf'\{{"headers":\{{"k":"{name}-ü"\}},"body":"(\d+)"\}}', row)
                     for row in rows]
            self.assertNotIn(None, parts)
            self.same([part[1] for part in parts], count, name)


if __name__ == "__main__":
    harness.main()
