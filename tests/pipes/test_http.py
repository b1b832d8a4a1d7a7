#!/usr/bin/env python3
"""fl-source http: what is answered and when, and what bad clients can do."""
import base64
import gzip
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import harness
import http_cases

JSON = "application/json"


class Client:
    """One connection."""

    def __init__(self, port, timeout=harness.HANG):
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)

    def ask(self, body=b"", method="POST", path="/", **headers):
        """(status, text) of the answer. headers: Content_Type=..."""
        self.send(body, method, path, **headers)
        return self.answer()

    def send(self, body=b"", method="POST", path="/", **headers):
        self.http.request(method, path, body,
                          {name.replace("_", "-"): value for name, value in headers.items()})

    def answer(self):
        self.response = self.http.getresponse()
        return self.response.status, self.response.read().decode()

    def events(self, *bodies):
        return self.ask(json.dumps([{"body": body} for body in bodies]).encode())[0]

    def close(self):
        self.http.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class HttpCase(harness.Case):
    def start(self, *stages, options="", **more):
        """fl-source http on a free port, which is self.port, and the stages after it."""
        command = ["fl-source", "http", "--port", "0", *options.split()]
        pipeline = self.pipeline(command, *stages, **more)
        self.port = self.address(pipeline)[1]
        return pipeline

    def client(self):
        client = Client(self.port)
        self.addCleanup(client.close)
        return client

    def stop(self, pipeline, *expected):
        pipeline.send(signal.SIGTERM, 0)
        return self.check(pipeline, *expected)

    def raw(self, data=b""):
        link = socket.create_connection(("127.0.0.1", self.port), harness.HANG)
        self.addCleanup(link.close)
        if data:
            link.sendall(data)
        return link

    def lines(self, pipeline):
        return pipeline.output().decode().splitlines()

    def events(self, pipeline):
        """What fl-sink stdout --format json has printed, as (headers, body)."""
        found = []
        for line in pipeline.output().decode().splitlines():
            event = json.loads(line)
            body = base64.b64decode(event["body64"]) if "body64" in event \
                else event["body"].encode()
            found.append((event["headers"], body))
        return found

    def passed(self, pipeline, events):
        """Waits until the source has passed on so many events."""
        def reported():
            pipeline.send(signal.SIGUSR1, 0)
            return re.search(rf"\b{events} events?\b", pipeline.errors(0))
        harness.poll(reported, f"{events} events")


PRINT = "fl-sink stdout --stream --format json"


class Handlers(HttpCase):
    maxDiff = 2000

    def test_the_same_as_flume(self):
        """What Flume 1.11 was seen to answer; tests/peers/flume/test_http.py asks it again."""
        for handler in ("json", "blob", "body"):
            pipeline = self.start(PRINT, options=http_cases.OPTIONS[handler] +
                                  f" --handler {handler}")
            expected = []
            cases = [case for case in http_cases.all_cases() if case.handler == handler]
            self.assertGreater(len(cases), 8)
            for case in cases:
                with self.subTest(case), Client(self.port) as client:
                    headers = {"Content_Type": case.content_type} if case.content_type else {}
                    self.assertEqual(client.ask(case.body, case.method, case.path, **headers)[0],
                                     case.status)
                    expected += case.events
                    self.assertEqual(self.events(pipeline), expected)
            self.stop(pipeline, 0, 0)

    def test_text_that_is_not_utf8_is_latin1_where_no_charset_is_named(self):
        pipeline = self.start(PRINT)
        client = self.client()
        text = b'[{"headers": {"h": "x\xff"}, "body": "caf\xe9"}]'
        for content_type in ("text/plain", "text/plain; charset=UTF-8", "Application/JSON"):
            self.assertEqual(client.ask(text, Content_Type=content_type)[0], 200)
        self.assertEqual(client.ask(text.decode("latin-1").encode())[0], 200)
        self.stop(pipeline, 0, 0)
        as_meant = ({"h": "x\u00ff"}, "caf\u00e9".encode())
        damaged = ({"h": "x\ufffd"}, "caf\ufffd".encode())
        self.assertEqual(self.events(pipeline), [as_meant, damaged, damaged, as_meant])

    def test_curl(self):
        """As a person calls it."""
        pipeline = self.start(PRINT)
        url = f"http://127.0.0.1:{self.port}"
        self.write("events", '[{"headers":{"app":"shop"},"body":"from a file"}]')
        for words in (["-d", '[{"headers":{"a":"b"},"body":"x"}]', url],
                      ["-H", "Expect: 100-continue", "-d", '[{"body":"expected"}]', url],
                      ["-H", "Transfer-Encoding: chunked", "-d", '[{"body":"in chunks"}]', url],
                      ["--http1.0", "-d", '[{"body":"1.0"}]', url],
                      ["--json", "@" + self.path("events"), url + "/any/path"],
                      ["-d", "[]", url, url + "/two/in/one/connection"],
                      [url + "/health"]):
            done = subprocess.run(["curl", "-sS", "--fail", "-m", "30", *words],
                                  capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.stop(pipeline, 0, 0)
        self.assertEqual(self.events(pipeline),
                         [({"a": "b"}, b"x"), ({}, b"expected"), ({}, b"in chunks"), ({}, b"1.0"),
                          ({"app": "shop"}, b"from a file")])

    def test_ndjson(self):
        pipeline = self.start(PRINT, options="--handler ndjson")
        client = self.client()
        lines = b'{"headers":{"a":"b"},"body":"x"}\n\n{"body64":"/w=="}\r\n{"body":"last"}'
        self.assertEqual(client.ask(lines), (200, ""))
        self.assertEqual(client.ask(b""), (200, ""))
        status, text = client.ask(b'{"body":"good"}\n{"body":1}\n')
        self.assertEqual((status, text), (400, 'line 2: "body" is not a string\n'))
        status, text = client.ask(b'{"body":"' + b"x" * (1 << 20) + b'y"}')
        self.assertEqual(status, 413, text)
        self.assertEqual(self.events(pipeline),
                         [({"a": "b"}, b"x"), ({}, b"\xff"), ({}, b"last")])
        self.stop(pipeline, 0, 0)

    def test_lines(self):
        pipeline = self.start(PRINT, options="--handler lines --crlf strip")
        client = self.client()
        self.assertEqual(client.ask(b"one\r\n\ntwo\xff\nlast"), (200, ""))
        self.assertEqual(client.ask(b"a\n" + b"x" * (1 << 20) + b"y")[0], 413)
        self.assertEqual(self.events(pipeline),
                         [({}, b"one"), ({}, b""), ({}, b"two\xff"), ({}, b"last")])
        self.stop(pipeline, 0, 0)

    def test_what_was_printed_comes_back_as_ndjson(self):
        pipeline = self.start(PRINT, options="--handler ndjson")
        printed = subprocess.run(
            ["sh", "-c", "printf 'a\\377\\n\"q\"\\n' | fl-intercept static k=v | "
             "fl-sink stdout --stream --format json"], env=self.env(), capture_output=True,
            check=True).stdout
        self.assertEqual(self.client().ask(printed), (200, ""))
        self.stop(pipeline, 0, 0)
        self.assertEqual(pipeline.output(), printed)

    def test_gzip(self):
        pipeline = self.start(PRINT, options="--max-body 64K")
        client = self.client()
        packed = gzip.compress(b'[{"body":"packed"}]')
        self.assertEqual(client.ask(packed, Content_Encoding="gzip"), (200, ""))
        self.assertEqual(client.ask(packed, Content_Encoding="GZIP"), (200, ""))
        self.assertEqual(client.ask(packed[:-5], Content_Encoding="gzip"),
                         (400, "the gzip data ends too early\n"))
        status, text = client.ask(packed[:9] + b"damage", Content_Encoding="gzip")
        self.assertEqual(status, 400, text)
        self.assertEqual(client.ask(b"x", Content_Encoding="br")[0], 415)
        bomb = gzip.compress(bytes(60 << 20), 9)
        self.assertLess(len(bomb), 64 << 10)
        status, text = client.ask(bomb, Content_Encoding="gzip")
        self.assertEqual((status, text), (413, "the body is larger than --max-body 64KiB\n"))
        if not harness.is_sanitized():
            self.assertLess(harness.peak_kib(pipeline.processes[0].pid), 40 << 10)
        self.assertEqual(client.events("after"), 200)
        self.stop(pipeline, 0, 0)
        self.assertEqual([body for _, body in self.events(pipeline)],
                         [b"packed", b"packed", b"after"])


class Acknowledgements(HttpCase):
    def test_nothing_is_answered_while_the_sink_is_frozen(self):
        pipeline = self.start("fl-sink stdout --stream")
        client = self.client()
        self.assertEqual(client.events("a"), 200)
        pipeline.processes[1].send_signal(signal.SIGSTOP)
        client.send(b'[{"body":"b"},{"body":"c"}]')
        self.passed(pipeline, 3)
        client.http.sock.setblocking(False)
        with self.assertRaises(BlockingIOError):
            client.http.sock.recv(1)
        client.http.sock.settimeout(harness.HANG)
        # Others are served meanwhile: what needs no events at once.
        with Client(self.port) as other:
            self.assertEqual(other.ask(method="GET", path="/health"), (200, "ok\n"))
            self.assertEqual(other.ask(b"{")[0], 400)
        pipeline.processes[1].send_signal(signal.SIGCONT)
        self.assertEqual(client.answer(), (200, ""))
        self.stop(pipeline, 0, 0)
        self.assertEqual(self.lines(pipeline), ["a", "b", "c"])

    def test_a_blocked_pipeline_answers_503_and_passes_nothing_on(self):
        pipeline = self.start("fl-sink stdout --stream",
                              options="--busy-after 300ms --window 1K --handler lines")
        client = self.client()
        # The two have shaken hands.
        harness.poll(lambda: client.ask(b"before")[0] == 200, "an answer")
        pipeline.processes[1].send_signal(signal.SIGSTOP)
        first = self.client()
        first.send(b"x" * 2000)
        self.passed(pipeline, 2)
        status, text = client.ask(b"refused")
        self.assertEqual((status, text),
                         (503, "the next stage has taken nothing for 300ms\n"))
        self.assertEqual(client.response.headers["Retry-After"], "5")
        pipeline.processes[1].send_signal(signal.SIGCONT)
        self.assertEqual(first.answer(), (200, ""))
        self.assertEqual(client.ask(b"taken"), (200, ""))
        self.stop(pipeline, 0, 0)
        self.assertEqual(self.lines(pipeline), ["before", "x" * 2000, "taken"])

    def test_a_gathering_sink_needs_a_durable_hop(self):
        for options, status in (("", 78), ("--ack-at put", 0), ("--ack-at sink", 0)):
            with self.subTest(options=options):
                pipeline = self.start(f"fl-sink hdfs --stream file://{self.path('out')}",
                                      options=options)
                if status == 0:
                    self.assertEqual(self.client().events("x"), 200)
                    self.stop(pipeline, 0, 0)
                else:
                    self.assertEqual(pipeline.wait(), [78, 78])
                    self.assertIn("fl-channel file", pipeline.errors(0))
                    self.assertIn("--ack-at put", pipeline.errors(0))
        pipeline = self.start(f"fl-channel file --stream {self.path('log')}",
                              f"fl-sink hdfs --stream file://{self.path('out2')}")
        client = self.client()
        for i in range(20):
            self.assertEqual(client.events(str(i)), 200)
        self.stop(pipeline, 0, 0, 0)
        self.assertEqual(harness.committed_lines(self.path("out2")), [b"%d" % i for i in range(20)])

    def test_term_answers_what_is_acknowledged_and_503_else(self):
        pipeline = self.start("fl-sink stdout --stream", options="--window 1K --handler lines")
        client, waiting, late = self.client(), self.client(), self.client()
        self.assertEqual(client.ask(b"a"), (200, ""))
        self.assertEqual(late.ask(b"b"), (200, ""))
        pipeline.processes[1].send_signal(signal.SIGSTOP)
        client.send(b"c" * 2000)
        self.passed(pipeline, 3)
        waiting.send(b"never passed on")
        # It is read when a later request on another connection is answered.
        self.assertEqual(late.ask(method="OPTIONS")[0], 403)
        pipeline.send(signal.SIGTERM, 0)
        self.assertEqual(waiting.answer(), (503, "the source is stopping\n"))
        with self.assertRaises(OSError):
            self.raw()
        self.assertEqual(late.ask(b"x"), (503, "the source is stopping\n"))
        pipeline.processes[1].send_signal(signal.SIGCONT)
        self.assertEqual(client.answer(), (200, ""))
        self.check(pipeline, 0, 0)
        self.assertEqual(self.lines(pipeline), ["a", "b", "c" * 2000])

    def test_nothing_answered_is_lost_when_somebody_is_killed(self):
        log = self.path("log")
        answered = set()
        lock = threading.Lock()
        sent = iter(range(1_000_000))
        for kill in range(4):
            pipeline = self.start(f"fl-channel file --stream {log} --put")
            count = [0]

            def send():
                try:
                    with Client(self.port) as client:
                        while True:
                            with lock:
                                some = [str(next(sent)) for _ in range(20)]
                            if client.events(*some) != 200:
                                return
                            with lock:
                                answered.update(map(int, some))
                                count[0] += 1
                except (OSError, http.client.HTTPException):
                    pass  # it was killed: what was answered counts
            threads = [threading.Thread(target=send) for _ in range(8)]
            for thread in threads:
                thread.start()
            harness.poll(lambda: count[0] >= 100, "some answers")
            pipeline.processes[kill % 2].kill()
            pipeline.kill()
            for thread in threads:
                thread.join(harness.HANG)
        done = subprocess.run(["fl-channel", "cat", log], capture_output=True, env=self.env(),
                              timeout=harness.HANG, check=False)
        stored = [int(line) for line in done.stdout.split()]
        self.assertGreaterEqual(len(answered), 8000)
        self.assertLessEqual(answered, set(stored))
        self.assertEqual(len(stored), len(set(stored)))  # nobody sent anything twice


class Hostile(HttpCase):
    def test_cut_at_each_byte(self):
        pipeline = self.start("fl-sink stdout --stream")
        body = b'[{"body":"never"}]'
        plain = (b"POST /p?a=b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)) + body
        chunked = (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                   b"5\r\n" + body[:5] + b"\r\n%x\r\n" % (len(body) - 5) + body[5:] +
                   b"\r\n0\r\n\r\n")
        for whole in (plain, chunked):
            for i in range(len(whole)):
                with self.raw(whole[:i]):
                    pass
            with self.raw() as link:
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for i in range(len(whole)):
                    link.sendall(whole[i:i + 1])
                self.assertIn(b" 200 ", link.recv(1000))
        # Two in one piece are answered one after the other.
        with self.raw(plain + plain) as link:
            got = b""
            while got.count(b" 200 ") < 2:
                got += link.recv(1000)
        self.assertEqual(self.client().events("last"), 200)
        self.stop(pipeline, 0, 0)
        self.assertEqual(self.lines(pipeline), ["never"] * 4 + ["last"])

    def test_bad_heads_end_their_own_connection_only(self):
        pipeline = self.start("fl-sink stdout --stream", options="--head-timeout 1s")
        good = self.client()
        self.assertEqual(good.events("first"), 200)
        body = b'[{"body":"bad"}]'
        n = len(body)
        bad = {
            "two lengths": b"Content-Length: %d\r\nContent-Length: %d\r\n" % (n, n),
            "length and chunks": b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n" % n,
            "another coding": b"Transfer-Encoding: gzip, chunked\r\n",
            "a negative length": b"Content-Length: -1\r\n",
            "a huge length": b"Content-Length: 99999999999999999999999\r\n",
            "too large": b"Content-Length: 99999999\r\n",
            "many headers": b"".join(b"H%d: x\r\n" % i for i in range(200)) +
                            b"Content-Length: %d\r\n" % n,
            "a long header": b"H: " + b"x" * 100_000 + b"\r\nContent-Length: %d\r\n" % n,
        }
        for name, head in bad.items():
            with self.subTest(name):
                link = self.raw()
                got = b""
                try:
                    link.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n" + body)
                    while more := link.recv(1000):
                        got += more
                except ConnectionError:
                    pass
                if got:
                    self.assertRegex(got, rb"^HTTP/1\.[01] (4|501)")
        for name, data in {"TLS": b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + bytes(range(200)),
                           "no HTTP": b"hello\r\n\r\n", "NUL": bytes(1000),
                           "no host": b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"}.items():
            with self.subTest(name):
                link = self.raw(data)
                link.shutdown(socket.SHUT_WR)
                got = b""
                try:
                    while more := link.recv(1000):
                        got += more
                except ConnectionError:
                    pass
                self.assertNotIn(b" 200 ", got)
        self.assertEqual(good.events("last"), 200)
        self.stop(pipeline, 0, 0)
        self.assertEqual(self.lines(pipeline), ["first", "last"])

    def test_slow_clients_are_ended_and_a_good_one_goes_on(self):
        pipeline = self.start(
            "fl-sink stdout --stream",
            options="--head-timeout 500ms --body-timeout 500ms --idle-timeout 1m "
            "--max-connections 500")
        good = self.client()
        self.assertEqual(good.events("0"), 200)
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"
        slow = []
        for i in range(360):
            slow.append(self.raw((b"", head[:i % len(head)], head + b"[" + b" " * i)[i % 3]))
        ended = threading.Event()

        def drip():
            """They keep sending a byte now and then."""
            while not ended.wait(0.1):
                for link in slow[::2]:
                    try:
                        link.send(b" ", socket.MSG_DONTWAIT)
                    except OSError:
                        pass
        thread = threading.Thread(target=drip)
        thread.start()
        count = 1
        times = []
        try:
            for link in slow:
                link.setblocking(False)
            left = set(slow)

            def gone():
                nonlocal count
                begin = time.monotonic()
                self.assertEqual(good.events(str(count)), 200)
                times.append(time.monotonic() - begin)
                count += 1
                for link in list(left):
                    try:
                        if link.recv(1000) == b"":
                            left.discard(link)
                    except BlockingIOError:
                        pass
                    except ConnectionError:
                        left.discard(link)
                return not left
            harness.poll(gone, "the slow ones are gone")
            times.sort()
            print(f"{len(slow)} slow clients; {len(times)} answers for the good one, p99 "
                  f"{times[len(times) * 99 // 100] * 1000:.1f} ms")
        finally:
            ended.set()
            thread.join()
        self.stop(pipeline, 0, 0)
        self.assertEqual(self.lines(pipeline), [str(i) for i in range(count)])
        self.assertIn("; the connection is closed", pipeline.errors(0))

    def test_a_client_that_does_not_read_its_answers(self):
        """It is disconnected after 20 s, which no option changes."""
        pipeline = self.start("fl-sink stdout --stream", options="--max-connections 3")
        link = socket.socket()
        self.addCleanup(link.close)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.connect(("127.0.0.1", self.port))
        name = "%s:%d" % link.getsockname()
        link.setblocking(False)
        rest = b""

        def is_closed():
            nonlocal rest
            try:
                while True:
                    rest = rest or b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 1000
                    rest = rest[link.send(rest):]
            except BlockingIOError:
                return False  # nothing more is taken
            except ConnectionError:
                return True
        is_closed()
        client = self.client()
        self.assertEqual(client.events("good"), 200)
        harness.poll(is_closed, "its end", 4 * harness.HANG)
        self.assertIn(f"{name} does not read its answer; the connection is closed",
                      pipeline.errors(0))
        self.assertEqual(client.events("after"), 200)
        if not harness.is_sanitized():
            self.assertLess(harness.peak_kib(pipeline.processes[0].pid), 60 << 10)
        self.stop(pipeline, 0, 0)
        self.assertEqual(self.lines(pipeline), ["good", "after"])

    def test_idle_clients_are_ended_later(self):
        pipeline = self.start("fl-sink stdout --stream", options="--idle-timeout 200ms")
        with Client(self.port) as client:
            self.assertEqual(client.events("x"), 200)
            self.assertEqual(client.http.sock.recv(1), b"")
        self.stop(pipeline, 0, 0)
        self.assertNotIn("closed", pipeline.errors(0))

    def test_a_client_that_ends_its_side_is_answered(self):
        pipeline = self.start("fl-sink stdout --stream", options="--idle-timeout 5m")
        body = b'[{"body":"x"}]'
        for request in (b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n",
                        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) +
                        body):
            for count in (1, 2):
                # Both are there when it reads.
                pipeline.processes[0].send_signal(signal.SIGSTOP)
                with self.raw(request * count) as link:
                    link.shutdown(socket.SHUT_WR)
                    pipeline.processes[0].send_signal(signal.SIGCONT)
                    got = b""
                    while more := link.recv(1000):
                        got += more
                    self.assertEqual(got.count(b" 200 "), count)
        self.stop(pipeline, 0, 0)
        self.assertEqual(self.lines(pipeline), ["x"] * 3)

    def test_memory_is_bounded_however_many_send_large_requests(self):
        pipeline = self.start("fl-sink stdout --stream",
                              options="--body-timeout 200ms --max-connections 100")
        pid = pipeline.processes[0].pid
        size = 12 << 20
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n[" % size

        def send(link):
            try:
                link.sendall(head)
                for _ in range(size // (1 << 16) - 1):  # all but the end
                    link.sendall(b" " * (1 << 16))
                link.recv(1)
            except OSError:
                pass
        threads = [threading.Thread(target=send, args=(self.raw(),)) for _ in range(20)]
        for thread in threads:
            thread.start()
        most = 0

        def gone():
            nonlocal most
            most = max(most, harness.resident_kib(pid))
            return not any(thread.is_alive() for thread in threads)
        harness.poll(gone, "all slow clients are ended", 100)
        # 240 MiB were offered. A string that grows takes up to twice its bytes.
        if not harness.is_sanitized():
            self.assertLess(most, 200 << 10)
        self.assertEqual(self.client().events("y"), 200)
        self.stop(pipeline, 0, 0)

    def test_limits_of_json(self):
        pipeline = self.start("fl-sink stdout --stream", options="--max-event 64K --max-line 64K")
        client = self.client()
        self.assertEqual(client.ask(b'[{"body":"a"},{"body":"' + b"x" * 65537 + b'"}]'),
                         (413, "event 2: its body exceeds --max-event\n"))
        deep = b'[{"x":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}]"
        self.assertEqual(client.ask(deep)[0], 400)
        many = b'[{"headers":{' + b",".join(b'"%d":1' % i for i in range(100_000)) + b"}}]"
        self.assertEqual(client.ask(many)[0], 400)
        self.assertEqual(client.events("b"), 200)
        self.stop(pipeline, 0, 0)
        self.assertEqual(self.lines(pipeline), ["b"])


class Options(HttpCase):
    def test_authorization(self):
        self.write("password", "s3cret/ü\n")
        self.write("token", "t0ken\n")
        right = "Basic " + base64.b64encode("fl:s3cret/ü".encode()).decode()
        for options, good in ((f"--user fl --password-file {self.path('password')}", [right]),
                              ("--token-env FL_TEST_TOKEN", ["Bearer t0ken", "bearer  t0ken"]),
                              (f"--user fl --password-file {self.path('password')} "
                               f"--token-file {self.path('token')}", [right, "Bearer t0ken"])):
            with self.subTest(options):
                pipeline = self.start("fl-sink stdout --stream", options=options,
                                      env=self.env(FL_TEST_TOKEN="t0ken"))
                client = self.client()
                for header in good:
                    self.assertEqual(client.ask(b"[]", Authorization=header), (200, ""))
                for header in ("", "Basic", "Basic x", right + "x", right[:-1], "Bearer ",
                               "Bearer t0kem", "Bearer t0kent0ken", "Bearer t", "Digest x"):
                    self.assertEqual(client.ask(b"[]", Authorization=header),
                                     (401, "not authorized\n"), header)
                self.assertEqual(client.ask(b"[]")[0], 401)
                self.assertIn("realm", client.response.headers["WWW-Authenticate"])
                self.assertEqual(client.ask(method="GET", path="/health")[0], 200)
                # Nobody has to send a large body to learn that.
                with self.raw(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n"
                              b"Expect: 100-continue\r\n\r\n") as link:
                    self.assertIn(b" 401 ", link.recv(1000))
                self.stop(pipeline, 0, 0)
                self.assertNotIn("s3cret", pipeline.errors(0))

    def test_ipv6_and_health(self):
        command = ["fl-source", "http", "--port", "0", "--bind", "::1", "--health-path", "/up"]
        pipeline = self.pipeline(command, "fl-sink stdout --stream")
        host, port = self.address(pipeline)
        self.assertEqual(host, "[::1]")
        link = http.client.HTTPConnection("::1", port, timeout=harness.HANG)
        self.addCleanup(link.close)
        for path, status in (("/up", 200), ("/health", 500)):
            link.request("GET", path)
            response = link.getresponse()
            response.read()
            self.assertEqual(response.status, status)
        self.stop(pipeline, 0, 0)

    def test_further_clients_wait(self):
        pipeline = self.start("fl-sink stdout --stream", options="--max-connections 2")
        first, second = self.client(), self.client()
        for client in (first, second):
            self.assertEqual(client.events("a"), 200)
        third = self.client()
        third.send(b'[{"body":"b"}]')
        harness.poll(lambda: "1 more must wait" in pipeline.errors(0), "a warning")
        first.close()
        self.assertEqual(third.answer(), (200, ""))
        self.stop(pipeline, 0, 0)

    def test_wrong_options(self):
        for words, text in (("--max-connections 0", "no client"), ("--max-body 1", "1K"),
                            ("--user fl", "password"), ("--handler xml", "json"),
                            ("--handler blob --max-blob-length 0", "greater than 0"),
                            ("--head-timeout 0", "--head-timeout"),
                            ("--bind no.such.host.invalid", "no.such.host.invalid")):
            with self.subTest(words):
                pipeline = self.pipeline(f"fl-source http --port 0 {words}", "fl-sink null")
                self.assertIn(pipeline.wait()[0], (64, 78))
                self.assertIn(text, pipeline.errors(0))

    def test_flume_properties(self):
        properties = (
            "bind = 127.0.0.1\nport = 0\n"
            "handler = org.apache.flume.sink.solr.morphline.BlobHandler\n"
            "handler.maxBlobLength = 1000\nhandler.mandatoryParameters = a,b\n"
            "QueuedThreadPool.maxThreads = 5\nackAt = put\nmaxConnections = 3\n"
            "maxBody = 1000000\nheadTimeout = 5\nbodyTimeout = 5\nidleTimeout = 60\n"
            "busyAfter = 3\nhealthPath = /up\n")
        done = subprocess.run(
            ["sh", "-c", "exec fl-source http --properties 3 --dry-run 3< " +
             self.write("p", properties)], env=self.env(), cwd=self.dir, capture_output=True,
            text=True, timeout=harness.HANG, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("'QueuedThreadPool.maxThreads' has no effect", done.stderr)
        for handler in ("org.apache.flume.source.http.JSONHandler",
                        "org.apache.flume.source.http.BLOBHandler"):
            done = subprocess.run(
                ["sh", "-c", "exec fl-source http --properties 3 --dry-run 3< " +
                 self.write("p", f"port = 0\nhandler = {handler}\nbind = localhost\n")],
                env=self.env(), capture_output=True, text=True, timeout=harness.HANG, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    harness.main()
