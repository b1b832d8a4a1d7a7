#!/usr/bin/env python3
"""fl-sink http and the names of servers: an address that does not answer, a name server that does
not. The sink sees files of this test as /etc/hosts and /etc/resolv.conf; where that is not allowed,
the tests are skipped."""
import os
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import harness
from http_server import Server


def silent_listener(host, port):
    """A socket whose queue is full: what connects to it hears nothing. And what fills the queue."""
    listener = socket.create_server((host, port), backlog=0)
    clients = []
    for _ in range(4):
        clients.append(socket.socket())
        clients[-1].setblocking(False)
        clients[-1].connect_ex((host, port))
    return [listener, *clients]


class Names(harness.Case):
    def inside(self, text, path, *words):
        """The command, which sees `text` as the file at `path`."""
        self.write("names", text.encode())
        alone = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"]), "sh", "-c",
                 f'mount --bind "$1" {path} && shift && exec "$@"', "sh", self.path("names")]
        if subprocess.run([*alone, "true"], stdin=subprocess.DEVNULL, capture_output=True,
                          check=False, timeout=harness.HANG).returncode != 0:
            self.skipTest("no mount namespace of its own")
        return [*alone, *words]

    def test_the_next_address_of_a_name_is_tried(self):
        self.write("lines", b"one\ntwo\n")
        with Server(host="127.0.0.3") as server:
            sockets = silent_listener("127.0.0.2", server.port)
            for each in sockets:
                self.addCleanup(each.close)
            sink = self.inside("127.0.0.2 many.test\n127.0.0.3 many.test\n", "/etc/hosts",
                               "fl-sink", "http", "--text", "--in", self.path("lines"),
                               "--format", "lines", "--connect-timeout", "2s", "--grace", "100ms",
                               f"http://many.test:{server.port}/")
            self.check(self.pipeline(sink), 0)
            self.assertEqual([request.body for request in server.taken], [b"one\ntwo\n"])

    def test_a_name_server_that_does_not_answer(self):
        silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(silent.close)
        try:
            silent.bind(("127.0.0.53", 53))
        except OSError as error:
            self.skipTest(f"port 53: {error}")
        for options, is_terminated, status in ((["--give-up-after", "300ms"], False, 69),
                                               (["--grace", "100ms"], True, 75)):
            with self.subTest(options):
                sink = self.inside("nameserver 127.0.0.53\noptions timeout:30 attempts:5\n",
                                   "/etc/resolv.conf", "fl-sink", "http", "--text",
                                   "--connect-timeout", "200ms", *options,
                                   "http://nowhere.test:5140/")
                read, write = os.pipe()
                with open(read, "rb") as given:
                    pipeline = self.pipeline(sink, stdin=given)
                os.write(write, b"one\n")
                if is_terminated:
                    harness.poll(lambda: "trying again" in pipeline.errors(0), "a first try")
                    pipeline.send(signal.SIGTERM, 0)
                self.check(pipeline, status)
                os.close(write)
                self.assertIn("nowhere.test", pipeline.errors(0))


if __name__ == "__main__":
    harness.main()
