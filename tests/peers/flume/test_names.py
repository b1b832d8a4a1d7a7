#!/usr/bin/env python3
"""fl-sink avro asks for the address of its server's name again: after --reset-connection-interval, after
a connection is lost, and while none can be made.

The sink has an /etc/hosts of its own, in a mount namespace, and the test changes the address there.
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

NAME = "collector.fl.test"
OLD, NEW = "127.0.0.2", "127.0.0.3"
LINES = 20  # are sent at a time


class Names(receivers.Case):
    def setUp(self):
        super().setUp()
        self.hosts = self.path("hosts")
        self.inside = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"]), "sh",
                       "-c", f"mount --bind {self.hosts} /etc/hosts && exec \"$@\"", "sh"]
        self.name_is(OLD)
        probe = subprocess.run([*self.inside, "getent", "ahostsv4", NAME], capture_output=True,
                               text=True, timeout=harness.HANG, check=False)
        if probe.returncode != 0 and not probe.stdout:
            why = f"no /etc/hosts of its own: {probe.stderr.strip()}"
            if os.environ.get("CI") == "true":
                self.fail(why)
            self.skipTest(why)
        self.assertTrue(probe.stdout.startswith(OLD), probe.stdout)
        self.port, = agent.free_ports(1, OLD)
        self.count = 0

    def name_is(self, address):
        """In place, since the file is mounted, and in one write."""
        file = os.open(self.hosts, os.O_WRONLY | os.O_CREAT, 0o644)
        os.pwrite(file, f"{address} {NAME}\n".encode(), 0)
        os.close(file)

    def server(self, address):
        return self.receiver("fl-sink stdout --stream", port=self.port, options=f"--bind {address}")

    def start_sink(self, options=""):
        reader, self.lines = os.pipe()
        self.addCleanup(os.close, self.lines)
        sink = self.pipeline([*self.inside, "fl-sink", "avro", "--text", *options.split(),
                              f"{NAME}:{self.port}"], stdin=reader)
        os.close(reader)
        return sink

    def send(self):
        """More lines, each of which is a number."""
        lines = b"".join(b"%d\n" % i for i in range(self.count, self.count + LINES))
        self.count += LINES
        os.write(self.lines, lines)

    @staticmethod
    def got(server):
        return [int(line) for line in server.output().split()]

    def finish(self, sink, *servers):
        """The input ends, then everything else. Returns what each server has got."""
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, self.lines)
        os.close(null)
        self.check(sink, 0)
        for server in servers:
            self.end(server)
        return [self.got(server) for server in servers]

    def test_after_the_interval(self):
        """Both servers work all the time. Nothing is lost or comes twice."""
        old, new = self.server(OLD), self.server(NEW)
        sink = self.start_sink("--reset-connection-interval 200ms")
        self.send()
        harness.poll(lambda: len(self.got(old)) == self.count, "the old address gets it")
        self.name_is(NEW)

        def is_used():
            self.send()
            sent = self.count
            harness.poll(lambda: len(self.got(old)) + len(self.got(new)) == sent, "it has arrived")
            return self.got(new)
        harness.poll(is_used, "the new address is used")
        self.send()
        before, after = self.finish(sink, old, new)
        self.assertEqual(before + after, list(range(self.count)))
        self.assertGreaterEqual(len(after), 2 * LINES, "it stays there")

    def test_after_a_lost_connection(self):
        """And not before."""
        old, new = self.server(OLD), self.server(NEW)
        sink = self.start_sink()
        self.send()
        harness.poll(lambda: len(self.got(old)) == self.count, "the old address gets it")
        self.name_is(NEW)
        self.send()
        harness.poll(lambda: len(self.got(old)) == self.count, "it keeps its connection")
        self.end(old)
        self.send()
        harness.poll(lambda: self.got(new), "the new address is used")
        after, = self.finish(sink, new)
        self.assertEqual(self.got(old) + after, list(range(self.count)))

    def test_while_it_cannot_connect(self):
        """Nobody listens at the old address."""
        new = self.server(NEW)
        sink = self.start_sink()
        self.send()
        harness.poll(lambda: re.search(rf"cannot connect to {NAME}:{self.port}", sink.errors(0)),
                     "the old address refuses")
        self.name_is(NEW)
        harness.poll(lambda: len(self.got(new)) == self.count, "the new address gets it")
        self.assertEqual(self.finish(sink, new), [list(range(self.count))])


if __name__ == "__main__":
    harness.main()
