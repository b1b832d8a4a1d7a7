#!/usr/bin/env python3
"""--give-up-after: a stage whose events nobody takes ends with a true status, whichever it is.

The stages are those that the programs declare. A stage before another one gets a reader that never
reads; a sink gets a destination that takes nothing (`stuck` in stages.py). That a stage without
events gives nothing up is shown by test_idle.py.
"""
import os
import shlex
import shutil
import signal
import socket
import string
import subprocess
import sys
import threading

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)),
                os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools")]
import avro_rpc
import harness
from fake_hdfs import FakeHdfs, remote
from graph import Graph
from matrix import SENDERS, STAGES, TOOLS, declared
from ports import free_port
from servers import Servers

DECLARED, _ = declared()
OPTIONS = "--give-up-after 300ms --ack-wait 200ms"
SAFE_MODE = (403, remote("SafeModeException", "Name node is in safe mode"))
STOPPED = 'kill -STOP $$; exec "$@"'  # before it reads


class GiveUp(harness.Case):
    def setUp(self):
        super().setUp()
        for name in ("spool", "dest"):
            os.mkdir(self.path(name))
        lines = b"".join(b"%06d.%s\n" % (i, b"x" * 90) for i in range(30_000))
        for name in ("lines", os.path.join("spool", "file")):
            self.write(name, lines)
        self.port = free_port()
        servers = Servers()
        self.addCleanup(servers.close)
        servers.kafka.fill(self.path("lines"))
        servers.mariadb.fill(self.path("lines"))
        self.values = {"LINES": self.path("lines"), "COUNT": "300000", "PORT": str(self.port),
                       "SPOOL": self.path("spool"), "DIR": self.dir, "DEST": self.path("dest"),
                       **servers.values}

    def words(self, kind, name, run):
        text = string.Template(run).safe_substitute(self.values)
        return f"{TOOLS[kind]} {OPTIONS} {text}"

    def feed(self, own):
        """Sends lines over TCP until nobody takes them any more."""
        def connect():
            try:
                return socket.create_connection(("127.0.0.1", self.port))
            except OSError:
                return own.status is not None
        connection = harness.poll(connect, "a listening source")
        if connection is True:
            return

        lines = (b"x" * 99 + b"\n") * 100
        call = avro_rpc.call(b"appendBatch", avro_rpc.array([({}, b"x" * 99)] * 100))
        first, more = {
            "lines": (b"", lines),
            "avro": (avro_rpc.frame(1, avro_rpc.handshake() + call), avro_rpc.frame(2, call)),
            "http": (b"", b"POST / HTTP/1.1\r\nHost: localhost\r\n"
                          b"Content-Length: %d\r\n\r\n%s" % (len(lines), lines)),
        }[STAGES["source"][self.name]["client"]]

        def send():
            with connection:
                try:
                    connection.sendall(first)
                    while True:  # what the kernel has taken is dropped if we close
                        connection.sendall(more)
                except OSError:
                    pass
        thread = threading.Thread(target=send)
        thread.start()
        self.addCleanup(thread.join, harness.HANG)

    def run_it(self, graph, own):
        self.addCleanup(graph.kill)
        graph.start()
        client = STAGES["source"].get(self.name, {}).get("client")
        if client in SENDERS and own is graph.stages[0]:
            self.feed(own)
        harness.poll(lambda: own.status is not None, f"an end: {graph.report()}")
        # The hdfs sink has a clock of its own for each file.
        self.assertRegex(own.errors, "no progress for 300ms|tried for", graph.report())
        return own.status

    def test_every_stage_whose_reader_does_not_read(self):
        tried = []
        for i, (kind, name) in enumerate(sorted(DECLARED)):
            spec = STAGES[kind][name]
            if kind == "sink":
                continue
            with self.subTest(f"{kind} {name}"):
                self.name = name if kind == "source" else ""
                graph = Graph(self.dir, name=f"g{i}-")
                own = graph.stage(self.words(kind, name, spec["run"]), stdin=self.path("lines"))
                for k in range(spec.get("outputs", 1)):
                    last = graph.stage(f"fl-sink hdfs --stream file://{self.out}{i}-{k}",
                                       wrap=STOPPED)
                    graph.join(own, last, "psub" if spec.get("outputs") else "pipe")
                self.assertEqual(self.run_it(graph, own), 75, graph.report())
                for last in graph.lasts():
                    last.send(signal.SIGCONT)
                self.assertNotIn(0, graph.wait(), graph.report())
                tried.append(f"{kind} {name}")
        print(f"{len(tried)} stages with a reader that does not read: {', '.join(tried)}")

    def test_every_sink_whose_destination_takes_nothing(self):
        tried = []
        with FakeHdfs() as hdfs:
            hdfs.refuse = lambda request: SAFE_MODE if request.op == "CREATE" else None
            self.values["STUCK"] = f"webhdfs://{hdfs.host}/x"
            for i, (kind, name) in enumerate(sorted(DECLARED)):
                if kind != "sink" or not STAGES[kind][name]["stuck"]:
                    continue
                with self.subTest(f"{kind} {name}"):
                    self.name = ""
                    graph = Graph(self.dir, name=f"s{i}-")
                    # Its input stays open: the end of it would bound the wait by --grace.
                    first = graph.stage(
                        ["fl-source", "exec", "--", "sh", "-c",
                         f"cat {shlex.quote(self.path('lines'))}; exec sleep 1000"])
                    own = graph.stage(self.words(kind, name, STAGES[kind][name]["stuck"]))
                    graph.join(first, own)
                    if STAGES[kind][name].get("prints"):
                        graph.join(own, graph.stage("sleep 1000"))
                    self.assertEqual(self.run_it(graph, own), 69, graph.report())
                    harness.poll(lambda: first.status is not None, f"an end: {graph.report()}")
                    self.assertNotEqual(first.status, 0, graph.report())
                    graph.kill()
                    tried.append(name)
        print(f"{len(tried)} sinks that are stuck: {', '.join(tried)}")

    def test_every_stage_that_stores_on_a_full_disk(self):
        full = self.path("full")
        os.mkdir(full)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", full],
                          check=False, stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("cannot mount a tmpfs here")
        self.addCleanup(subprocess.run, ["umount", "-l", full], check=False)
        tried = []
        for i, (kind, name) in enumerate(sorted(DECLARED)):
            spec = STAGES[kind][name]
            here = spec["run"].replace("$DEST", full).replace("$DIR/log", f"{full}/log")
            if full not in here or " -- " in here:
                continue
            with self.subTest(f"{kind} {name}"):
                self.name = ""
                graph = Graph(self.dir, name=f"d{i}-")
                if kind == "channel":
                    here += " --reserve 0"
                own = graph.stage(self.words(kind, name, here), stdin=self.path("lines"))
                if kind == "channel":
                    graph.join(own, graph.stage("fl-sink null --stream", wrap=STOPPED))
                self.assertEqual(self.run_it(graph, own), 74, graph.report())
                self.assertIn("No space left on device", own.errors)
                for last in graph.lasts():
                    last.send(signal.SIGCONT)
                graph.kill()
                for entry in os.listdir(full):
                    path = os.path.join(full, entry)
                    shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
                tried.append(f"{kind} {name}")
        self.assertGreater(len(tried), 2)
        print(f"{len(tried)} stages on a full disk: {', '.join(tried)}")

    def test_groups_with_room_left_and_a_text_that_goes_on(self):
        """Nothing asks for the events, and the group could take more: its members wait in vain."""
        tried = []
        with FakeHdfs() as hdfs:
            hdfs.refuse = lambda request: SAFE_MODE if request.op == "CREATE" else None
            for i, (kind, name) in enumerate(sorted(DECLARED)):
                if " -- " not in STAGES[kind][name].get("stuck", ""):
                    continue
                with self.subTest(name):
                    member = f"hdfs --roll-count 10 webhdfs://{hdfs.host}"
                    graph = Graph(self.dir, name=f"r{i}-")
                    first = graph.stage(["sh", "-c", f"head -n 100 {shlex.quote(self.path('lines'))}; "
                                                     "exec sleep 1000"])
                    own = graph.stage(f"{TOOLS[kind]} {OPTIONS} --text {name} -- {member}/1 + {member}/2")
                    graph.join(first, own)
                    self.name = ""
                    self.assertEqual(self.run_it(graph, own), 69, graph.report())
                    graph.kill()
                    tried.append(name)
        self.assertGreater(len(tried), 1)
        print(f"{len(tried)} groups with room left: {', '.join(tried)}")

    def test_a_cluster_that_is_away_at_the_start(self):
        for words in ("hdfs webhdfs://localhost:1/x",
                      "failover -- hdfs webhdfs://localhost:1/x + hdfs webhdfs://localhost:1/y"):
            with self.subTest(words):
                graph = Graph(self.dir, name=words[:4])
                own = graph.stage(f"fl-sink --grace 10m {OPTIONS} --text {words}", stdin=self.path("lines"))
                self.addCleanup(graph.kill)
                graph.start()
                self.assertEqual(harness.poll(lambda own=own: own.status, "an end"), 69, graph.report())


if __name__ == "__main__":
    harness.main()
