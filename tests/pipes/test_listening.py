#!/usr/bin/env python3
"""Where fl-source avro, http and netcat listen: IPv6, and sockets that systemd passes (LISTEN_FDS)."""
import http.client
import os
import re
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import harness
from avro_rpc import Client

SOURCES = {"avro": "", "http": "--handler lines", "netcat": ""}
PRINT = "fl-sink stdout --stream"


class Listening(harness.Case):
    def send(self, source, host, port):
        if source == "http":
            client = http.client.HTTPConnection(host, port, timeout=harness.HANG)
            client.request("POST", "/", b"event\n")
            self.assertEqual(client.getresponse().status, 200)
            client.close()
        elif source == "netcat":
            with socket.create_connection((host, port), harness.HANG) as link:
                link.sendall(b"event\n")
                self.assertEqual(link.recv(10), b"OK\n")
        elif host == "127.0.0.1":
            with Client(port) as client:
                self.assertEqual(client.append(({}, b"event")), "OK")
        else:
            subprocess.run(["fl-sink", "avro", f"[{host}]:{port}"], input=b"event\n", check=True,
                           env=self.env(), timeout=harness.HANG, stderr=subprocess.DEVNULL)

    def end(self, pipeline, events):
        pipeline.send(signal.SIGTERM, 0)
        self.check(pipeline, *[0] * len(pipeline.processes))
        self.assertEqual(pipeline.output(), b"event\n" * events)

    def test_ipv6(self):
        for source, options in SOURCES.items():
            for bind in ("::1", "[::1]"):
                with self.subTest(source=source, bind=bind):
                    pipeline = self.pipeline(
                        f"fl-source {source} --bind {bind} --port 0 {options}", PRINT)
                    host, port = self.address(pipeline)
                    self.assertEqual(host, "[::1]")
                    self.send(source, "::1", port)
                    self.end(pipeline, 1)

    def test_every_address(self):
        for source, options in SOURCES.items():
            with self.subTest(source):
                pipeline = self.pipeline(f"fl-source {source} --bind :: --port 0 {options}", PRINT)
                host, port = self.address(pipeline)
                self.assertEqual(host, "[::]")
                self.send(source, "::1", port)
                self.send(source, "127.0.0.1", port)
                self.assertIn("everybody who can reach", pipeline.errors(0))
                self.end(pipeline, 2)

    def test_the_http_sink_by_ipv6(self):
        pipeline = self.pipeline("fl-source http --handler lines --bind ::1 --port 0", PRINT)
        port = self.address(pipeline)[1]
        subprocess.run(["fl-sink", "http", "--format", "lines", f"http://[::1]:{port}/"], check=True,
                       input=b"event\n", env=self.env(), timeout=harness.HANG,
                       stderr=subprocess.DEVNULL)
        self.end(pipeline, 1)

    # ---------------------------------------------------------------- systemd

    def activated(self, script, sockets, **variables):
        """A shell that systemd has started, with these sockets from descriptor 3 on."""
        env = self.env(LISTEN_FDS=str(len(sockets)), **variables)
        # The descriptors must be 3 and following in the child, and nothing else may be there.
        moves = " ".join(f"{3 + i}<&{100 + i} {100 + i}<&-" for i in range(len(sockets)))
        for i, one in enumerate(sockets):
            os.dup2(one.fileno(), 100 + i, inheritable=True)
        try:
            out = open(self.path("out"), "wb")
            errors = open(self.path("errors"), "wb")
            shell = subprocess.Popen(
                ["bash", "-c", f"export LISTEN_PID=${{LISTEN_PID:-$$}}; exec {moves}; {script}"],
                env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=errors, close_fds=False)
            out.close()
            errors.close()
        finally:
            for i in range(len(sockets)):
                os.close(100 + i)
        self.addCleanup(shell.wait)
        self.addCleanup(self.kill_below, shell)
        return shell

    @staticmethod
    def kill_below(shell):
        for pid in [*harness.children_of(shell.pid), shell.pid] if shell.poll() is None else []:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    @staticmethod
    def program_of(pid):
        """The name of the program; a shell about to become a stage still has its own."""
        try:
            with open(f"/proc/{pid}/cmdline") as file:
                return file.read().partition("\0")[0]
        except (FileNotFoundError, ProcessLookupError):
            return ""  # it has ended

    def errors(self):
        with open(self.path("errors")) as file:
            return file.read()

    def listening(self):
        return harness.poll(lambda: re.search(r"listening on (\S+):(\d+)\n", self.errors()),
                            "it listens")

    def test_a_socket_of_systemd(self):
        """The second of two; what came before the stage was there is answered, too. It is the shell's,
        or the stage's own."""
        for source, options in SOURCES.items():
            for how in ("", "exec "):
                with self.subTest(source=source, how=how), socket.socket() as other, \
                        socket.create_server(("127.0.0.1", 0)) as ours:
                    other.bind(("127.0.0.1", 0))
                    port = ours.getsockname()[1]
                    waiting = socket.create_connection(("127.0.0.1", port), harness.HANG)
                    self.addCleanup(waiting.close)
                    sink = f"| {PRINT}" if not how else f"> >(exec {PRINT})"
                    shell = self.activated(
                        f"{how}fl-source {source} --port {port} --bind 127.0.0.9 {options} {sink}",
                        [other, ours])
                    found = self.listening()
                    self.assertEqual(found.groups(), ("127.0.0.1", str(port)))
                    self.send(source, "127.0.0.1", port)
                    pids = [shell.pid] if how else harness.children_of(shell.pid)
                    for pid in pids:
                        if "fl-source" in self.program_of(pid):
                            os.kill(pid, signal.SIGTERM)
                    self.assertEqual(shell.wait(harness.HANG), 0, self.errors())

                    def arrived():
                        with open(self.path("out"), "rb") as file:
                            return file.read() == b"event\n"
                    harness.poll(arrived, "the event")
                    # It is systemd's: the next stage gets it again.
                    socket.create_connection(("127.0.0.1", port), harness.HANG).close()

    def test_a_socket_that_is_not_meant(self):
        """Another port, a socket that does not listen, another process: it listens itself."""
        with socket.create_server(("127.0.0.1", 0)) as one, socket.socket() as dumb:
            dumb.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            quiet = dumb.getsockname()[1]
            self.activated(f"fl-source netcat --port 0 | {PRINT}", [one])
            self.assertNotEqual(int(self.listening()[2]), port)
            for sockets, wanted, variables in (([dumb], quiet, {}),
                                               ([one], port, {"LISTEN_PID": "1"}),
                                               ([one], port, {"LISTEN_PID": "x"})):
                shell = self.activated(f"fl-source netcat --port {wanted} > /dev/null", sockets,
                                       **variables)
                self.assertEqual(shell.wait(harness.HANG), 69, self.errors())
                self.assertIn("Address already in use", self.errors())
            for count in ("", "-1", "99999999999999999999", "2147483647"):
                shell = self.activated(f"LISTEN_FDS={count} fl-source netcat --port 0 --dry-run",
                                       [one])
                self.assertEqual(shell.wait(harness.HANG), 0, self.errors())


if __name__ == "__main__":
    harness.main()
