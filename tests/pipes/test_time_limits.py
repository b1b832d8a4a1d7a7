#!/usr/bin/env python3
"""Limits of time are those that were given. Each trial has a twin with a limit of an hour, which began
before it: when the trial is over, the twin still waits. A limit that has no effect ends both."""
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import fake_metastore
import harness
import tls_case
from avro_rpc import call, encoded, frame, handshake
from graph import transferred

REQUEST = frame(1, handshake() + call(b"append", encoded(({}, b"x"))))
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
# Of sources that listen: an option, what a client sends before it is silent, and the end of the answer.
CLIENTS = {
    "avro": (("--request-timeout", REQUEST[:20], b""), ("--idle-timeout", b"", b"")),
    "http": (("--head-timeout", POST[:20], b""), ("--body-timeout", POST + b"half", b""),
             ("--idle-timeout", HEALTH, b"ok\n")),
    "netcat": (("--idle-timeout", b"half a line", b""),),
}


class Sources(tls_case.Case):
    def client(self, source, options, begin, end):
        """A client that is silent after it has sent this and has got an answer that ends so."""
        pipeline = self.listen("fl-sink null --stream", source=source, options=options)
        link = socket.create_connection(("127.0.0.1", self.port), harness.HANG)
        self.addCleanup(link.close)
        link.sendall(begin)
        answer = b""
        while not answer.endswith(end):
            answer += link.recv(1)
        return pipeline, link

    def compare(self, source, option, begin, end=b"", more=""):
        patient, kept = self.client(source, f"{option} 1h {more}", begin, end)
        brief, left = self.client(source, f"{option} 200ms {more}", begin, end)
        self.assertEqual(left.recv(1), b"")
        kept.setblocking(False)
        with self.assertRaises(BlockingIOError):
            kept.recv(1)
        for pipeline in (brief, patient):
            pipeline.kill()

    def test_silent_clients(self):
        for source, limits in CLIENTS.items():
            for option, begin, end in limits:
                with self.subTest(source=source, option=option):
                    self.compare(source, option, begin, end)

    def test_silent_clients_in_a_handshake(self):
        for source in CLIENTS:
            with self.subTest(source):
                self.compare(source, "--handshake-timeout", b"\x16\x03\x01",
                             more=self.server_options())


# Of sinks: the words, and the limits of a request and of a connection.
SINKS = {
    "avro": ("avro --batch-size 1 {limit} 127.0.0.1:{port}", "--request-timeout", "--connect-timeout"),
    "http": ("http {limit} http://127.0.0.1:{port}/", "--request-timeout", "--connect-timeout"),
    "hbase": ("hbase t --column-family f {limit} --rest http://127.0.0.1:{port}", "--request-timeout",
              "--connect-timeout"),
    "hdfs": ("hdfs --roll-count 1 {limit} webhdfs://127.0.0.1:{port}/x", "--call-timeout", ""),
    "hive": ("hive s.t {limit} --metastore thrift://127.0.0.1:{port}", "--call-timeout", ""),
}


class Sinks(harness.Case):
    def sink(self, words, option, limit, port):
        return self.pipeline(["sh", "-c", "echo 1; exec sleep 1000"],
                             "fl-sink " + words.format(limit=f"--text {option} {limit}", port=port))

    def sinks(self):
        for name, limits in SINKS.items():
            if os.path.exists(os.path.join(harness.BIN, f"fl-sink-{name}")) or name == "http":
                yield name, *limits

    def compare(self, words, option, port, begun):
        """`begun` returns when the patient one has begun to wait."""
        patient = self.sink(words, option, "1h", port)
        begun()
        brief = self.sink(words, option, "200ms", port)
        harness.poll(lambda: "trying again" in brief.errors(1), f"its warning: {brief.report()}")
        self.assertNotIn("trying again", patient.errors(1))
        for pipeline in (brief, patient):
            pipeline.kill()

    def test_servers_that_say_nothing(self):
        for name, words, option, _ in self.sinks():
            with self.subTest(name), socket.create_server(("127.0.0.1", 0)) as silent:
                silent.settimeout(harness.HANG)

                def begun(silent=silent):
                    link, _ = silent.accept()
                    self.addCleanup(link.close)
                    self.assertTrue(link.recv(1))
                self.compare(words, option, silent.getsockname()[1], begun)

    def test_servers_that_take_no_connection(self):
        for name, words, _, option in self.sinks():
            if not option:
                continue
            with self.subTest(name), contextlib.ExitStack() as stack:
                silent = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
                port = silent.getsockname()[1]
                for _ in range(4):  # its queue is full then, and what comes is not answered
                    link = stack.enter_context(socket.socket())
                    link.setblocking(False)
                    link.connect_ex(("127.0.0.1", port))
                self.compare(words, option, port, lambda port=port: harness.poll(
                    lambda: self.is_connecting(port) > 4, "an attempt"))

    @staticmethod
    def is_connecting(port):
        """How many clients are connected or try to be."""
        with open("/proc/net/tcp") as rows:
            return sum(int(row.split()[2].rpartition(":")[2], 16) == port
                       for row in list(rows)[1:])


SINKS_OF_FILES = {"file_roll": "file_roll {place}", "hdfs": "hdfs file://{place}",
                  "hive": "hive test.plain --metastore {metastore} --location file://{place}"}


class Rolls(harness.Case):
    """How long a file gets events."""

    def sink(self, kind, name, options, limit):
        os.makedirs(self.path(name), exist_ok=True)
        words = SINKS_OF_FILES[kind].format(place=self.path(name), metastore=fake_metastore.shared().url)
        return self.pipeline(["sh", "-c", "echo 1; exec sleep 1000"],
                             f"fl-sink {words} --text {options} {limit}")

    def has_taken(self, pipeline):
        pipeline.send(signal.SIGUSR1, 1)
        return re.search(r"\b1 event\b", pipeline.errors(1))

    def is_complete(self, pipeline, name):
        """It has a file under its final name, and none open."""
        folder = f"/proc/{pipeline.processes[1].pid}/fd"
        names = []
        for each in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):
                names.append(os.readlink(os.path.join(folder, each)))
        return bool(harness.committed_files(self.path(name))) and \
            not any(each.startswith(self.path(name) + "/") for each in names)

    def test_rolls(self):
        kinds = [kind for kind in ("hdfs", "hive")
                 if os.path.exists(os.path.join(harness.BIN, f"fl-sink-{kind}"))]
        for i, (kind, options) in enumerate([("file_roll", "--roll-interval"), *(
                (kind, more) for kind in kinds for more in ("--idle-timeout 0 --roll-interval",
                                                            "--roll-interval 0 --idle-timeout"))]):
            with self.subTest(kind, options=options):
                patient = self.sink(kind, f"patient{i}", options, "1h")
                harness.poll(lambda: self.has_taken(patient), "its event")
                brief = self.sink(kind, f"brief{i}", options, "200ms")
                harness.poll(lambda: self.is_complete(brief, f"brief{i}"), "a complete file")
                self.assertFalse(self.is_complete(patient, f"patient{i}"))


class Outputs(harness.Case):
    """How long an output that nobody reads delays the others."""

    def channel(self, name, words):
        os.mkfifo(self.path(name))
        self.addCleanup(os.close, os.open(self.path(name), os.O_RDWR))  # holds it open, reads nothing
        return self.pipeline("fl-source seq --count 400000", f"fl-channel {words} --stream --optional 1 "
                             f"--out {name} --out {name}.avro")

    def test_keep_alive(self):
        patient = self.channel("patient", "replicate --keep-alive 1h")
        brief = self.channel("brief", "replicate --keep-alive 50ms")
        self.check(brief, 0, 0)
        self.assertIn("is too slow", brief.errors(1))
        self.assertIsNone(patient.processes[1].poll(), patient.report())
        self.assertNotIn("is too slow", patient.errors(1))


class Polls(harness.Case):
    def source(self, name, limit):
        """fl-source spooldir where the system reports no new files, after it has delivered one."""
        alone = ["unshare", "-U", "-r", "sh", "-c",
                 'echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"', "sh"]
        if subprocess.run([*alone, "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
            self.skipTest("no user namespaces")
        self.write(f"{name}/first", "1\n")
        pipeline = self.pipeline([*alone, harness.BIN + "/fl-source", "spooldir", self.path(name),
                                  "--poll-delay", limit], "fl-sink null --stream")
        harness.poll(lambda: os.path.exists(self.path(name, "first.COMPLETED")), "the first file")
        return pipeline

    def test_new_files(self):
        patient = self.source("patient", "1h")
        # It has looked once more, and waits.
        seen = []
        harness.poll(lambda: seen.append(transferred(patient.processes[0].pid)) or
                     len(seen) > 100 and seen[-1] == seen[-100], "it reads nothing")
        self.source("brief", "20ms")
        for name in ("patient", "brief"):
            os.rename(self.write("second", "2\n"), self.path(name, "second"))
        harness.poll(lambda: os.path.exists(self.path("brief", "second.COMPLETED")), "a second file")
        self.assertTrue(os.path.exists(self.path("patient", "second")))


if __name__ == "__main__":
    harness.main()
