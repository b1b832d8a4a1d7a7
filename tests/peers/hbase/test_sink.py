#!/usr/bin/env python3
"""fl-sink hbase against a real HBase and its REST gateways: what is stored, what is refused, and what
is there after kills."""
import contextlib
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools"))
import harness
import hbase_server
from table_recipe import TableRecipe

LIMIT = 240  # JVMs on a busy machine
COUNT = 1_000_000 if os.environ.get("FL_TEST_LONG") else 100_000
FAULTS = 20 if os.environ.get("FL_TEST_LONG") else 5


class ClosingGate:
    """Before a gateway: takes the first request of each connection only. Later ones close it, as a gateway
    that ends an idle connection just then; `requests` counts what it has passed on."""

    def __init__(self, port):
        self.target = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.requests = self.closed = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target), LIMIT)
            threading.Thread(target=self.answers, args=(server, client), daemon=True).start()
            threading.Thread(target=self.first_request, args=(client, server), daemon=True).start()

    @staticmethod
    def answers(server, client):
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)

    def first_request(self, client, server):
        """A request, of which a head without a length is all; and then the beginning of another one."""
        with client, server, contextlib.suppress(OSError):
            data = b""
            while b"\r\n\r\n" not in data:
                more = client.recv(65536)
                if not more:
                    return
                data += more
            head = data[:data.index(b"\r\n\r\n") + 4]
            length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            left = len(head) + (int(length[1]) if length else 0) - len(data)
            server.sendall(data)
            while left > 0:
                more = client.recv(65536)
                if not more:
                    return
                server.sendall(more)
                left -= len(more)
            self.requests += 1
            self.closed += bool(client.recv(1))
            client.shutdown(socket.SHUT_RDWR)
            server.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.listener.close()


def state_of_connection(pid, port):
    """"ESTABLISHED", "CLOSE_WAIT" (the other end has closed it) or None, as the kernel sees it."""
    inodes = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            inodes.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
    with open("/proc/net/tcp", encoding="ascii") as file:
        for line in list(file)[1:]:
            words = line.split()
            if f"socket:[{words[9]}]" in inodes and int(words[2].split(":")[1], 16) == port:
                return {"01": "ESTABLISHED", "08": "CLOSE_WAIT"}.get(words[3])
    return None


class Sink(TableRecipe, harness.Case):
    @classmethod
    def setUpClass(cls):
        cls.hbase = hbase_server.Server()
        cls.addClassCleanup(cls.hbase.close)
        cls.rest = cls.hbase.gateway()
        # An idle connection is closed after 30 s; the other tests need some of that time.
        cls.idle_dir = harness.make_directory()
        cls.addClassCleanup(shutil.rmtree, cls.idle_dir)
        cls.rest.create("idle")
        cls.idle = harness.Pipeline(cls.idle_dir, cls.line_sink("idle", cls.rest.url, cls.idle_dir + "/figures"),
                                    stdin=subprocess.PIPE)
        cls.addClassCleanup(cls.idle.kill)
        cls.send(cls.idle, b"first\n")

    @staticmethod
    def line_sink(table, url, figures):
        """The row key is the line."""
        return ["fl-sink", "hbase", table, "--column-family", "f", "--text", "--serializer", "regex", "--regex",
                "((.*))", "--col-names", "v,ROW_KEY", "--row-key-index", "1", "--rest", url, "--metrics", figures]

    @staticmethod
    def send(pipeline, lines):
        pipeline.processes[0].stdin.write(lines)
        pipeline.processes[0].stdin.flush()

    def check_smooth(self, sink, figures, table, keys):
        """At its end: nothing failed, nothing was reported, and there was one request for the schema and for
        each row."""
        sink.processes[0].stdin.close()
        self.check(sink, 0, limit=LIMIT)
        self.assertEqual(sink.errors(0), "")
        with open(figures, encoding="utf-8") as file:
            found = dict(re.findall(r"_(requests|stored|failures)_total(?:\{.*\})? (\d+)\n", file.read()))
        self.assertEqual(found, {"requests": str(len(keys) + 1), "stored": str(len(keys)), "failures": "0"})
        self.assertEqual({key: [value for _, value in row[b"f:v"]] for key, row in self.rest.rows(table).items()},
                         {key: [key] for key in keys})

    def test_idle_for_longer_than_the_gateway_waits(self):
        pid = self.idle.processes[0].pid
        harness.poll(lambda: state_of_connection(pid, self.rest.port) in ("CLOSE_WAIT", None),
                     "the gateway closes the idle connection", LIMIT)
        self.assertEqual(list(self.rest.rows("idle")), [b"first"])
        self.send(self.idle, b"second\n")
        harness.poll(lambda: len(self.rest.rows("idle")) == 2, "the second row", LIMIT)
        self.check_smooth(self.idle, self.idle_dir + "/figures", "idle", [b"first", b"second"])

    def test_idle_and_closed_just_then(self):
        """The connection is closed while the next request is in flight, each time."""
        self.rest.create("closed")
        gate = ClosingGate(self.rest.port)
        self.addCleanup(gate.close)
        sink = self.pipeline(self.line_sink("closed", gate.url, self.path("figures")), stdin=subprocess.PIPE)
        keys = [b"%d" % i for i in range(6)]
        for i, key in enumerate(keys):
            self.send(sink, key + b"\n")
            harness.poll(lambda: len(self.rest.rows("closed")) == i + 1, "the next row", LIMIT)
        self.check_smooth(sink, self.path("figures"), "closed", keys)
        self.assertEqual(gate.requests, len(keys) + 1)
        # A put has no use for the connection of the schema.
        self.assertEqual(gate.closed, len(keys) - 1)

    def store(self, table, *options, data, family="f", gateways=None):
        """The status and messages of a sink that stores lines."""
        urls = [word for each in gateways or [self.rest] for word in ("--rest", each.url)]
        done = subprocess.run(["fl-sink", "hbase", table, "--column-family", family, *urls,
                               *options], input=data, capture_output=True, env=self.env(),
                              cwd=self.dir, timeout=LIMIT, check=False)
        return done.returncode, done.stderr.decode()

    def test_every_byte(self):
        """Keys and values of any bytes, in a namespace, packed and not."""
        keys = [bytes([i]) + b"key" for i in range(256) if i != 10]
        for table, options in (("bytes", ()), ("space:bytes", ("--gzip",))):
            self.rest.create(table)
            status, said = self.store(
                table, "--text", "--serializer", "regex", "--regex", "(.{4})(.*)", "--col-names",
                "ROW_KEY,v:w", "--row-key-index", "0", *options,
                data=b"".join(key + key[::-1] * 3 + b"\n" for key in keys))
            self.assertEqual(status, 0, said)
            found = self.rest.rows(table)
            self.assertEqual({key: [value for _, value in row[b"f:v:w"]]
                              for key, row in found.items()},
                             {key: [key[::-1] * 3] for key in keys})

    def test_increments_and_the_first_one_wins(self):
        self.rest.create("counted")
        status, said = self.store("counted", "--increment-column", "n", "--increment-row", "sum",
                                  data=b"x\n" * 1234)
        self.assertEqual(status, 0, said)
        rows = self.rest.rows("counted")
        self.assertEqual(len(rows), 1235)
        self.assertEqual(rows[b"sum"][b"f:n"][0][1], (1234).to_bytes(8, "big"))
        self.rest.create("first")
        for data in (b"a,1\nb,2\na,3\n", b"b,4\nc,5\n"):
            status, said = self.store(
                "first", "--serializer", "regex", "--regex", "(.*),(.*)", "--col-names",
                "ROW_KEY,v", "--row-key-index", "0", "--put-if-absent", data=data)
            self.assertEqual(status, 0, said)
        self.assertEqual({key: [value for _, value in row[b"f:v"]]
                          for key, row in self.rest.rows("first").items()},
                         {b"a": [b"1"], b"b": [b"2"], b"c": [b"5"]})

    def test_rejected_with_neighbours_stored(self):
        """What we look for before, and what only HBase knows: with --max-cell 0 it refuses."""
        self.rest.create("refused")
        large = b"L" * (10 << 20)
        lines = [b"1,one", b",no key", b"2,two", b"K" * 33000 + b",long key", b"3," + large,
                 b"4,four"]
        for limit in ("10M", "0"):
            status, said = self.store(
                "refused", "--serializer", "regex", "--regex", "([^,]*),(.*)", "--col-names",
                "ROW_KEY,v", "--row-key-index", "0", "--max-event", "16M", "--max-line", "16M",
                "--max-cell", limit, "--reject", self.path("rejects" + limit),
                data=b"\n".join(lines) + b"\n")
            self.assertEqual(status, 0, said)
            done = subprocess.run(["fl-sink", "stdout", "--max-event", "16M", "--in",
                                   self.path("rejects" + limit)], capture_output=True, check=True,
                                  env=self.env(), timeout=LIMIT)
            self.assertEqual(sorted(done.stdout.splitlines()), sorted([lines[1], lines[3], lines[4]]))
        self.assertEqual({key: row[b"f:v"][0][1] for key, row in self.rest.rows("refused").items()},
                         {b"1": b"one", b"2": b"two", b"4": b"four"})

    def test_what_is_not_there(self):
        self.rest.create("there", ["f", "g"])
        for table, family, words in (("none", "f", "has no table 'none'"),
                                     ("nospace:there", "f", "has no table 'nospace:there'"),
                                     ("there", "h", "no column family 'h'; it has f, g")):
            for dry in ((), ("--dry-run",)):
                status, said = self.store(table, *dry, family=family, data=b"x\n")
                self.assertEqual(status, 78, said)
                self.assertIn(words, said)
        status, said = self.store("there", "--dry-run", family="g", data=b"x\n")
        self.assertEqual(status, 0, said)
        self.assertEqual(self.rest.rows("there"), {})

    def test_a_gateway_that_only_reads(self):
        self.rest.create("readonly")
        gateway = self.hbase.gateway("-ro")
        self.addCleanup(gateway.kill)
        for dry in ((), ("--dry-run",)):
            status, said = self.store("readonly", *dry, gateways=[gateway], data=b"x\n")
            self.assertEqual(status, 77, said)
            self.assertIn("answers 403", said)

    def test_a_disabled_table(self):
        """The sink says so, and stores when it is enabled; asking has stored nothing."""
        self.rest.create("disabled")
        self.hbase.disable("disabled")
        for options in ((), ("--put-if-absent",), ("--dry-run",)):
            status, said = self.store("disabled", "--grace", "10m", *options, data=b"x\n")
            self.assertEqual(status, 78, said)
            self.assertIn("enable 'disabled'", said)

    def test_killed_and_frozen(self):
        """HBase and the gateways are killed and frozen: no row is lost, and none has two versions."""
        self.rest.create("ledger")
        second = self.hbase.gateway()
        self.addCleanup(second.kill)
        pipeline = self.pipeline(
            ["fl-sink", "hbase", "ledger", "--column-family", "f", "--serializer", "regex", "--regex",
             "((.*))", "--col-names", "v,ROW_KEY", "--row-key-index", "1", "--batch-size", "100",
             "--request-timeout", "4s", "--grace", "10m", "--rest", self.rest.url, "--rest",
             second.url, "--metrics", self.path("figures")], stdin=subprocess.PIPE)
        stdin = pipeline.processes[0].stdin
        dice = random.Random(int(os.environ.get("FL_TEST_SEED", "20240229")))
        servers = (self.hbase, self.rest, second)
        faults = [("kill", self.rest), ("kill", self.hbase), ("freeze", second),
                  *[(dice.choice(("kill", "freeze")), dice.choice(servers))
                    for _ in range(FAULTS - 3)]]
        each = COUNT // len(faults)

        def write(i):
            end = COUNT if i == len(faults) - 1 else (i + 1) * each
            stdin.write(b"".join(b"%d\n" % n for n in range(i * each, end)))

        def start(server):
            """A gateway is not waited for: it answers when HBase is there."""
            if server is self.hbase:
                server.start()
            else:
                server.run()

        aborts = [self.hbase.count_in_log("ABORTING region server")]

        def keep_running():
            """As an init system does: HBase ends itself when its ZooKeeper was slow, or only its
            region server does."""
            found = self.hbase.count_in_log("ABORTING region server")
            if found > aborts[0]:
                self.hbase.kill()
            aborts[0] = found
            for server in servers:
                if server.process.poll() is not None:
                    start(server)
        for i, (what, who) in enumerate(faults):
            writer = threading.Thread(target=write, args=(i,))
            writer.start()
            keep_running()
            threading.Event().wait(dice.random() / 3)     # somewhere in it
            if what == "kill":
                who.kill()
                start(who)
            else:
                who.freeze()
                # Longer than a request may take; but after 10 s HBase ends itself.
                threading.Event().wait(6)
                who.thaw()
            end = time.monotonic() + LIMIT
            while writer.is_alive() and time.monotonic() < end:
                keep_running()
                writer.join(1)
            self.assertFalse(writer.is_alive(), pipeline.report() + self.hbase.log())
        stdin.close()
        self.check(pipeline, 0, limit=LIMIT)
        with open(self.path("figures"), encoding="utf-8") as file:
            failures = re.search(r"_failures_total(?:\{.*\})? (\d+)\n", file.read())
        self.assertGreater(int(failures[1]), 0)
        # The sink may have used the other gateway alone.
        harness.poll(lambda: keep_running() or self.rest.is_ready(), "the gateway", LIMIT)
        rows = self.rest.rows("ledger")
        self.assertEqual(len(rows), COUNT)
        self.assertEqual({int(key) for key in rows}, set(range(COUNT)))
        for key, row in rows.items():
            self.assertEqual([value for _, value in row[b"f:v"]], [key])


if __name__ == "__main__":
    harness.main()
