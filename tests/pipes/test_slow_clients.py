#!/usr/bin/env python3
"""A thousand slow clients of fl-source avro and fl-source http, in the head of a request and in its body,
and clients that leave their answers unread. A good client goes on (its p99 is printed), the slow ones are
disconnected, and memory stays within its limit."""
import contextlib
import io
import os
import re
import resource
import signal
import socket
import sys
import threading
import time
import types

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import harness
from avro_rpc import Client, Link, array, call, encoded, frame, handshake

SLOW = 1000
ASKS = 300  # of the good client, at least
PAUSE = 0.005  # between its further ones
BODY = 2000
UNREAD = 1000 if os.environ.get("FL_TEST_LONG") else 100  # clients that read no answer
SLOWLY, A_LITTLE = 1.0, 8192  # seconds after which another one reads so many bytes of them
AT_ONCE = 500  # requests that are sent in one turn: the others have theirs, too
MEMORY = 64 + 32  # MiB: what requests may hold, and the program
HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


def avro_request(events):
    return frame(1, handshake() + call(b"appendBatch", array(events)))


def http_request(body):
    return b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


class Good:
    """A client that asks, by ask(link), until it is left."""

    def __init__(self, link, ask):
        self.link, self.ask, self.times, self.error = link, ask, [], None
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        try:
            while not self.is_over.wait(PAUSE if len(self.times) >= ASKS else 0) or \
                    len(self.times) < ASKS:
                begin = time.monotonic()
                self.ask(self.link)
                self.times.append(time.monotonic() - begin)
        except Exception as error:  # of its thread: raised where it is left
            self.error = error

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()
        if self.error:
            raise self.error

    def __str__(self):
        times = sorted(self.times)
        return (f"{len(times)} requests of a good one, p99 {times[len(times) * 99 // 100] * 1000:.1f} "
                f"ms, most {times[-1] * 1000:.0f} ms")


class Flood:
    """A client that sends request(1), request(2) and so on as far as they are taken. Its buffers are
    small, and so are those that the server's kernel gives it."""

    def __init__(self, port, request):
        self.request, self.count, self.rest, self.answers = request, 0, b"", b""
        self.link = socket.socket()
        for level, option, value in ((socket.SOL_SOCKET, socket.SO_RCVBUF, 4096),
                                     (socket.SOL_SOCKET, socket.SO_SNDBUF, 4096),
                                     (socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)):
            self.link.setsockopt(level, option, value)
        self.link.settimeout(harness.HANG)
        self.link.connect(("127.0.0.1", port))
        self.port = self.link.getsockname()[1]
        self.link.setblocking(False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.link.close()

    def send(self, begins_more=True):
        """False: the server has closed the connection."""
        end = self.count + AT_ONCE
        try:
            while self.rest or (begins_more and self.count < end):
                if not self.rest:
                    self.count += 1
                    self.rest = self.request(self.count)
                self.rest = self.rest[self.link.send(self.rest):]
        except BlockingIOError:
            pass
        except ConnectionError:
            return False
        return True

    def read(self, size):
        """Up to `size` bytes. False: the server has ended its side."""
        end = len(self.answers) + size
        try:
            while len(self.answers) < end:
                piece = self.link.recv(end - len(self.answers))
                if not piece:
                    return False
                self.answers += piece
        except BlockingIOError:
            pass
        return True

    def finish(self):
        """Ends the last request. What yields the answers to all of them, as a socket does."""
        harness.poll(lambda: self.send(False) and self.read(A_LITTLE) and not self.rest,
                     "the last request is taken")
        self.link.settimeout(harness.HANG)
        early = io.BytesIO(self.answers)
        return types.SimpleNamespace(recv=lambda size: early.read(size) or self.link.recv(size))


class Avro:
    source = "avro"
    unread = "does not read its replies"

    def __init__(self):
        self.client = None

    def ask(self, link):
        self.client = self.client or Client.of(Link(link))
        answer = self.client.append_batch([({"k": "v"}, b"x" * BODY)])
        if answer != "OK":
            raise AssertionError(answer)

    @staticmethod
    def request(i):
        return frame(i, (handshake() if i == 1 else b"") + call(b"append", encoded(({}, b"x"))))

    @staticmethod
    def are_good(answers, count):
        """Whether those to the first requests are."""
        client = Client.of(Link(answers))
        return all(client.reply() == (i, "OK") for i in range(1, count + 1))


class Http:
    source = "http"
    unread = "does not read its answer"

    @staticmethod
    def ask(link):
        link.sendall(http_request(b"x" * BODY))
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            piece = link.recv(4096)
            if not piece:
                raise AssertionError(answer)
            answer += piece
        if not answer.startswith(b"HTTP/1.1 200 OK"):
            raise AssertionError(answer)

    @staticmethod
    def request(i):
        return HEALTH if i % 2 else http_request(b"x")

    @staticmethod
    def are_good(answers, count):
        text = b""
        while text.count(b"HTTP/") < count and (piece := answers.recv(1 << 20)):
            text += piece
        return text.count(b"HTTP/1.1 200 OK\r\n") == count


class Slow(harness.Case):
    def setUp(self):
        super().setUp()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 3 * SLOW), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))

    def start(self, kind, options=""):
        """The source and a sink, and its port."""
        pipeline = self.pipeline(f"fl-source {kind.source} --port 0 {options}", "fl-sink null --stream")
        return pipeline, self.address(pipeline)[1]

    def connect(self, port):
        link = socket.create_connection(("127.0.0.1", port), harness.HANG)
        self.addCleanup(link.close)
        return link

    def connected(self, pipeline):
        """As many as it says now and then; None: it has not said it yet."""
        pipeline.send(signal.SIGUSR1, 0)
        found = re.findall(r"(\d+) connected", pipeline.errors(0))
        return int(found[-1]) if found else None

    def check_memory(self, most):
        if not harness.is_sanitized():
            self.assertLess(most, MEMORY << 10)

    def outlast(self, kind, options, begins):
        """`begins`: what slow clients send, one after the other; then nothing."""
        pipeline, port = self.start(kind, f"--max-connections {SLOW + 10} {options}")
        most = 0
        with Good(self.connect(port), kind.ask) as good:
            for i in range(SLOW):
                self.connect(port).sendall(begins[i % len(begins)])

            def are_gone():
                nonlocal most
                most = max(most, harness.resident_kib(pipeline.processes[0].pid))
                return self.connected(pipeline) == 1
            harness.poll(are_gone, "the slow ones are gone", 4 * harness.HANG)
        print(f"{kind.source}: {SLOW} slow clients; {good}; {most / 1024:.0f} MiB")
        self.check_memory(most)
        pipeline.send(signal.SIGTERM, 0)
        self.check(pipeline, 0, 0)

    def test_http(self):
        request = http_request(b"x" * BODY)
        head = len(request) - BODY
        self.outlast(Http(), "--handler blob --head-timeout 2s --body-timeout 2s --idle-timeout 3s",
                     [b"", request[:10], request[:head], request[:-1]])

    def test_avro(self):
        request = avro_request([({"k": "v"}, b"x" * BODY)])
        self.outlast(Avro(), "--request-timeout 2s --idle-timeout 3s",
                     [b"", request[:3], request[:20], request[:-1]])

    def test_answers_that_are_not_read(self):
        """Many send one good request after the other and read nothing: they are disconnected after
        20 s, which no option changes, and the reason is said. One that reads slowly stays, also beyond
        the time that a request may take."""
        with contextlib.ExitStack() as stack:
            trials = []
            for kind, options in ((Avro(), "--request-timeout 3s"), (Http(), "--handler blob")):
                pipeline, port = self.start(kind, options)
                good = stack.enter_context(Good(self.connect(port), kind.ask))
                slow, *unread = (stack.enter_context(Flood(port, kind.request))
                                 for _ in range(1 + UNREAD))
                trials.append(types.SimpleNamespace(kind=kind, pipeline=pipeline, good=good, slow=slow,
                                                    left=list(unread), unread=unread, most=0))
            read_at = time.monotonic()

            def are_gone():
                nonlocal read_at
                is_time = time.monotonic() - read_at > SLOWLY
                if is_time:
                    read_at = time.monotonic()
                for each in trials:
                    self.assertTrue(each.slow.send() and (not is_time or each.slow.read(A_LITTLE)),
                                    each.pipeline.report())
                    each.left = [client for client in each.left if client.send()]
                    each.most = max(each.most,
                                    harness.resident_kib(each.pipeline.processes[0].pid))
                return not any(each.left for each in trials)
            harness.poll(are_gone, "those that read nothing are gone", 4 * harness.HANG)
            for each in trials:
                harness.poll(lambda: self.connected(each.pipeline) == 2, "the others are there")
                self.assertTrue(each.kind.are_good(each.slow.finish(), each.slow.count),
                                each.pipeline.report())
        for each in trials:
            print(f"{each.kind.source}: {UNREAD} clients that read nothing; {each.good}; "
                  f"{each.slow.count} answers read slowly; {each.most / 1024:.0f} MiB")
            self.check_memory(each.most)
            each.pipeline.send(signal.SIGTERM, 0)
            self.check(each.pipeline, 0, 0)
            said = re.findall(r"127\.0\.0\.1:(\d+)( .*)?; the connection is closed",
                              each.pipeline.errors(0))
            ports = {client.port for client in each.unread}
            self.assertTrue(said, each.pipeline.report())
            for port, why in said:
                self.assertIn(int(port), ports)
                self.assertEqual(why, " " + each.kind.unread)


if __name__ == "__main__":
    harness.main()
