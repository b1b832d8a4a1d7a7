#!/usr/bin/env python3
"""A thousand slow clients of fl-source avro and fl-source http: in the head of a request, in its body, and
with their answers unread. A good client goes on (its p99 is printed), the slow ones are disconnected,
and memory stays within its limit."""
import os
import re
import resource
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import harness
from avro_rpc import Client, Link, array, call, frame, handshake

SLOW = 1000
ASKS = 300  # of the good client, at least
BODY = 2000
UNREAD = 50  # one of so many clients reads no answer
MEMORY = 64 + 32  # MiB: what requests may hold, and the program


def avro_request(events):
    return frame(1, handshake() + call(b"appendBatch", array(events)))


def http_request(body):
    return b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


class Slow(harness.Case):
    def setUp(self):
        super().setUp()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 3 * SLOW), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))

    def connect(self):
        link = socket.create_connection(("127.0.0.1", self.port), harness.HANG)
        self.addCleanup(link.close)
        return link

    def outlast(self, source, options, begins, request, ask):
        """`begins`: what slow clients send, one after the other; then nothing. A few of them send whole
        requests without reading an answer. `ask(link)`: a request of the good client."""
        pipeline = self.pipeline(f"fl-source {source} --port 0 --max-connections {SLOW + 10} {options}",
                                 "fl-sink null --stream")
        self.port = int(harness.poll(
            lambda: re.search(r"listening on \S+:(\d+)", pipeline.errors(0)), "it listens")[1])
        times = []
        are_gone = threading.Event()

        def good():
            link = self.connect()
            while not are_gone.is_set() or len(times) < ASKS:
                begin = time.monotonic()
                ask(link)
                times.append(time.monotonic() - begin)
        worker = threading.Thread(target=good)
        worker.start()
        slow = []
        for i in range(SLOW):
            link = self.connect()
            if i % UNREAD == 0:
                link.setblocking(False)
                try:
                    for _ in range(20):
                        link.sendall(request * 100)
                except OSError:
                    pass
            else:
                link.sendall(begins[i % len(begins)])
            slow.append(link)
        most = 0

        def left():
            nonlocal most
            most = max(most, harness.resident_kib(pipeline.processes[0].pid))
            pipeline.processes[0].send_signal(signal.SIGUSR1)
            found = re.findall(r"(\d+) connected", pipeline.errors(0))
            return found and int(found[-1]) <= 1
        harness.poll(left, "the slow ones are gone", 4 * harness.HANG)
        are_gone.set()
        worker.join()
        self.assertGreaterEqual(len(times), ASKS, pipeline.report())
        times.sort()
        print(f"{source}: {SLOW} slow clients; {len(times)} requests of a good one, "
              f"p99 {times[len(times) * 99 // 100] * 1000:.1f} ms, most {times[-1] * 1000:.0f} ms; "
              f"{most / 1024:.0f} MiB")
        if not harness.is_sanitized():
            self.assertLess(most, MEMORY << 10)
        for link in slow:
            link.close()
        pipeline.processes[0].send_signal(signal.SIGTERM)
        self.check(pipeline, 0, 0)

    def test_http(self):
        request = http_request(b"x" * BODY)
        head = len(request) - BODY

        def ask(link):
            link.sendall(request)
            answer = b""
            while not answer.endswith(b"\r\n\r\n"):
                piece = link.recv(4096)
                self.assertNotEqual(piece, b"", answer)
                answer += piece
            self.assertTrue(answer.startswith(b"HTTP/1.1 200 OK"), answer)
        self.outlast("http", "--handler blob --head-timeout 2s --body-timeout 2s --idle-timeout 3s",
                     [b"", request[:10], request[:head], request[:-1]], http_request(b"x"), ask)

    def test_avro(self):
        request = avro_request([({"k": "v"}, b"x" * BODY)])
        clients = []

        def ask(link):
            if not clients:
                clients.append(Client.of(Link(link)))
            self.assertEqual(clients[0].append_batch([({"k": "v"}, b"x" * BODY)]), "OK")
        self.outlast("avro", "--request-timeout 2s --idle-timeout 3s",
                     [b"", request[:3], request[:20], request[:-1]], avro_request([({}, b"x")]), ask)


if __name__ == "__main__":
    harness.main()
