#!/usr/bin/env python3
"""fl-sink http: what it sends, what bad servers can do, and what arrives when either side of a link
over HTTP is killed."""
import json
import os
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import chain
import harness
from http_server import Server
from ports import free_port


class ReplyCutter:
    """A web server that keeps all requests and answers each with `reply`: the first one whose turn
    it is with no byte of it, the next one with one, and so on, and then it closes the connection. A
    request that comes again is answered in full."""

    def __init__(self, reply):
        self.reply = reply
        self.bodies = []  # of all requests
        self.cuts = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            with link, link.makefile("rb") as file:
                while self.serve(link, file):
                    pass

    def serve(self, link, file):
        """One request. False: the connection ends."""
        length = 0
        while (row := file.readline()) not in (b"\r\n", b""):
            if row.lower().startswith(b"content-length:"):
                length = int(row.split(b":")[1])
        body = file.read(length)
        if not body:
            return False
        is_new = body not in self.bodies
        self.bodies.append(body)
        if is_new and self.cuts < len(self.reply):
            link.sendall(self.reply[:self.cuts])
            self.cuts += 1
            return False
        link.sendall(self.reply)
        return True

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


class Sink(harness.Case):
    def sink(self, port, *options, lines=None, source=None):
        if lines is not None:
            self.write("lines", b"".join(b"%d\n" % i for i in range(lines)))
            source = f"fl-source stdin {self.path('lines')}"
        return self.pipeline(source, ["fl-sink", "http", "--stream", *options,
                                      f"http://127.0.0.1:{port}/in"])

    def taken(self, server):
        return [request.body.decode() for request in server.taken]

    def test_formats(self):
        self.write("in", b"a\xff\0b\n\nplain\n")
        source = f"fl-intercept static --key k --value ü --text --in {self.path('in')}"
        lines = ['{"headers":{"k":"ü"},"body64":"Yf8AYg=="}', '{"headers":{"k":"ü"},"body":""}',
                 '{"headers":{"k":"ü"},"body":"plain"}']
        for name, content_type, expected in (
                ("body", "text/plain", [b"a\xff\0b", b"", b"plain"]),
                ("lines", "text/plain", [b"a\xff\0b\n\nplain\n"]),
                ("ndjson", "application/x-ndjson",
                 ["".join(line + "\n" for line in lines).encode()]),
                ("json", "application/json; charset=utf-8",
                 [("[" + ",\n".join(lines[1:]) + "]").encode()])):
            with self.subTest(name), Server() as server:
                pipeline = self.sink(server.port, "--format", name, "--reject", self.path("bad"),
                                     source=source)
                self.check(pipeline, 0, 0)
                self.assertEqual([request.body for request in server.taken], expected)
                for request in server.taken:
                    self.assertEqual((request.method, request.path), ("POST", "/in"))
                    self.assertEqual(request.headers["content-type"], content_type)
                    self.assertEqual(request.headers["accept"], "text/plain")
                self.assertEqual(server.connections, 1)
        # What JSON cannot carry is in the file, with its headers.
        with Server() as server:
            self.check(self.sink(server.port, "--content-type-header", "a/b", "--accept-header",
                                 "*/*", lines=1), 0, 0)
            self.assertEqual(server.taken[0].headers["content-type"], "a/b")
            self.assertEqual(server.taken[0].headers["accept"], "*/*")
        with Server() as server:
            self.check(self.pipeline(["fl-sink", "http", "--format", "ndjson", "--in",
                                      self.path("bad"), f"http://127.0.0.1:{server.port}/in"]), 0)
            self.assertIn('"body64":"Yf8AYg=="', self.taken(server)[0])
            self.assertIn("it is not UTF-8", self.taken(server)[0])

    def test_batches_come_in_order_over_one_connection(self):
        with Server() as server:
            self.check(self.sink(server.port, "--format", "lines", "--batch-size", "70",
                                 lines=10_000), 0, 0)
            self.assertEqual([int(line) for body in self.taken(server) for line in body.split()],
                             list(range(10_000)))
            self.assertEqual(max(body.count("\n") for body in self.taken(server)), 70)
            self.assertEqual(server.connections, 1)

    def test_what_is_not_taken_is_sent_again(self):
        seen = []

        def decide(request):
            seen.append(request)
            return (503, None, 500, 429, 200)[len(seen) % 5] if len(seen) < 20 else 200
        with Server(decide) as server:
            pipeline = self.check(self.sink(server.port, "--format", "lines", "--grace", "60s",
                                            lines=500), 0, 0, limit=60)
            self.assertEqual([int(line) for body in self.taken(server) for line in body.split()],
                             list(range(500)))
            self.assertIn("answers 503: said the server", pipeline.errors(1))
            self.assertIn("sending continues after", pipeline.errors(1))

    def test_an_answer_that_is_cut_anywhere_doubles_at_most_its_batch(self):
        """After each byte of status line, headers and body: the sink sends this one batch again, or
        has understood the answer, and ends with 0."""
        servers = [ReplyCutter(b"HTTP/1.1 200 OK\r\n" + rest) for rest in (
            b"Content-Type: text/plain\r\nContent-Length: 4\r\n\r\nyes\n",
            b"Transfer-Encoding: chunked\r\n\r\n4\r\nyes\n\r\n0\r\n\r\n")]
        pipelines = []
        for server in servers:
            self.addCleanup(server.close)
            count = 5 * (len(server.reply) + 2)
            pipelines.append((server, count, self.sink(
                server.port, "--format", "lines", "--batch-size", "5", "--grace", "2m",
                source=f"fl-source seq --count {count}")))
        for server, count, pipeline in pipelines:
            with self.subTest(server.reply):
                self.check(pipeline, 0, 0, limit=4 * harness.HANG)
                self.assertEqual(server.cuts, len(server.reply))
                batches = list(dict.fromkeys(server.bodies))
                self.assertEqual([int(line) for body in batches for line in body.split()],
                                 list(range(count)))
                times = [server.bodies.count(body) for body in batches]
                self.assertEqual(server.bodies, [body for body, n in zip(batches, times)
                                                 for _ in range(n)])  # in order
                self.assertEqual(set(times), {1, 2})
                self.assertEqual(set(times[len(server.reply):]), {1})
                # A whole status line is an answer, even if the rest of the head does not come.
                status, head = (server.reply.index(end) + len(end) for end in (b"\r\n", b"\r\n\r\n"))
                text = server.reply.index(b"yes")
                self.assertEqual(set(times[:status] + times[head:text + 3]), {2})
                print(f"cut after each of {len(server.reply)} bytes")

    def test_an_event_that_is_refused_is_found_and_rejected(self):
        def decide(request):
            return 400 if b"bad" in request.body else 200
        self.write("in", "".join("bad\n" if i in (3, 50, 51) else f"{i}\n" for i in range(100)))
        source = f"fl-source stdin {self.path('in')}"
        with Server(decide) as server:
            pipeline = self.sink(server.port, "--format", "lines", "--reject",
                                 self.path("rejected"), source=source)
            self.check(pipeline, 0, 0)
            self.assertEqual([int(line) for body in self.taken(server) for line in body.split()],
                             [i for i in range(100) if i not in (3, 50, 51)])
        done = subprocess.run(["fl-sink", "stdout", "--format", "json", "--in",
                               self.path("rejected")], env=self.env(), capture_output=True,
                              text=True, check=True, timeout=harness.HANG)
        self.assertEqual(done.stdout.count('"body":"bad"'), 3)
        self.assertIn("answers 400: said the server", done.stdout)
        for status in (400, 413, 415, 422):
            with self.subTest(status), Server(lambda request, s=status: s) as server:
                pipeline = self.sink(server.port, source=source)
                self.assertEqual(pipeline.wait()[-1], 65)
                self.assertIn(f"answers {status}: said the server", pipeline.errors(1))
                self.assertIn("--reject", pipeline.errors(1))

    def test_what_somebody_has_to_look_at_is_said_and_tried_again(self):
        for status in (301, 401, 403, 404, 405):
            with self.subTest(status), Server(lambda request, s=status: s) as server:
                pipeline = self.sink(server.port, "--give-up-after", "300ms", lines=3)
                statuses = pipeline.wait()
                self.assertEqual(statuses[1], 77 if status in (401, 403) else 69)
                self.assertIn(f"answers {status}: said the server", pipeline.errors(1))
                self.assertEqual(server.taken, [])

    def test_a_server_that_does_not_answer_or_is_none(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            pipeline = self.sink(silent.getsockname()[1], "--request-timeout", "100ms",
                                 "--connect-timeout", "100ms", "--give-up-after", "1s", lines=3)
            self.check(pipeline, 75, 69)
            self.assertIn("no answer within 100ms", pipeline.errors(1))
        pipeline = self.sink(1, "--give-up-after", "300ms", lines=3)
        self.check(pipeline, 75, 69)
        self.assertIn("Connection refused", pipeline.errors(1))
        pipeline = self.pipeline("fl-source seq --count 3", "fl-sink http --stream "
                                 "http://no.such.host.invalid/ --give-up-after 300ms")
        self.assertEqual(pipeline.wait()[1], 69)  # seq may have ended before the sink failed
        self.assertIn("no.such.host.invalid", pipeline.errors(1))

    def test_the_time_of_a_request_does_not_include_that_of_the_connection(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            silent.settimeout(harness.HANG)
            pipeline = self.sink(silent.getsockname()[1], "--request-timeout", "100ms",
                                 "--connect-timeout", "10m", "--grace", "10m", lines=3)
            clients = [silent.accept()[0] for _ in range(2)]
            self.assertIn("no answer within 100ms", pipeline.errors(1))
            pipeline.kill()
            for client in clients:
                client.close()

    def test_a_server_that_comes_later(self):
        port = free_port()
        pipeline = self.sink(port, "--format", "lines", "--grace", "60s", lines=1000)
        harness.poll(lambda: "trying again" in pipeline.errors(1), "a warning")
        with Server(port=port) as server:
            self.check(pipeline, 0, 0)
            self.assertEqual([int(line) for body in self.taken(server) for line in body.split()],
                             list(range(1000)))

    def test_retry_after_is_kept(self):
        seen = []

        def decide(request):
            seen.append(time.monotonic())
            return (503, {"Retry-After": "1"}) if len(seen) == 1 else 200
        with Server(decide) as server:
            self.check(self.sink(server.port, lines=1), 0, 0)
            self.assertGreaterEqual(seen[1] - seen[0], 1)

    def test_retry_after_does_not_prolong_the_grace(self):
        requests = []

        def decide(request):
            requests.append(request)
            return 503, {"Retry-After": "99999999999"}
        with Server(decide) as server:
            pipeline = self.sink(server.port, "--grace", "1s", lines=3)
            self.check(pipeline, 75, 69)
            self.assertRegex(pipeline.errors(1), r"tried for \d{1,2}s|tried for \d{3}ms")
            self.assertNotIn("tried for 60s", pipeline.errors(1))
            self.assertEqual(len(requests), 2)  # the last one when the grace is over

    def test_rules_of_flume(self):
        """Properties: http.rollback, http.backoff, http.incrementMetrics"""
        for options, answers, taken in (
                # status after status, and what becomes of events 0, 1, 2
                ("--rollback 404=false --backoff 404=false", (404, 200, 200), ["1", "2"]),
                ("--rollback 4XX=false --rollback 404=true --backoff 4XX=false",
                 (404, 200, 403, 200), ["0", "2"]),
                ("--default-rollback false --default-backoff=false", (500, 200, 200), ["1", "2"]),
                ("--rollback 200=true --backoff 200=false", (200, 201, 201, 201), ["0", "0", "1",
                                                                                   "2"]),
                ("--default-rollback true", (400, 200, 200, 200), ["0", "1", "2"])):
            with self.subTest(options):
                left = list(answers)
                with Server(lambda request: left.pop(0)) as server:
                    pipeline = self.sink(server.port, *options.split(), lines=3)
                    self.check(pipeline, 0, 0)
                    self.assertEqual(self.taken(server), taken)
                    self.assertEqual(left, [])
                    if "dropped" in pipeline.errors(1):
                        self.assertIn("1 event dropped", pipeline.errors(1))

    def test_counting(self):
        for options, status, count in (
                ("", 200, 3), ("--increment-metrics 2XX=false", 200, 0),
                ("--default-rollback false --default-backoff=false", 500, 0),
                ("--default-rollback false --default-backoff=false --default-increment-metrics",
                 500, 3)):
            with self.subTest(options), Server(lambda request, s=status: s) as server:
                self.check(self.sink(server.port, "--metrics", self.path("metrics"),
                                     *options.split(), lines=3), 0, 0)
                with open(self.path("metrics")) as file:
                    self.assertRegex(file.read(), rf"counted_total\{{[^}}]*\}} {count}\n")

    def test_authorization(self):
        self.write("secret", "s3cret\n")
        for options, expected in (
                (f"--user me --password-file {self.path('secret')}", "Basic bWU6czNjcmV0"),
                (f"--token-file {self.path('secret')}", "Bearer s3cret"), ("", None)):
            with self.subTest(options), Server() as server:
                pipeline = self.check(self.sink(server.port, *options.split(), lines=1), 0, 0)
                self.assertEqual(server.taken[0].headers.get("authorization"), expected)
                self.assertNotIn("s3cret", pipeline.errors(1))

    def test_wrong_options(self):
        for words, text in (("http ftp://x/", "not a URL of http"), ("http x", "not a URL"),
                            ("http http://u:p@x/", "user or password"),
                            ("http http://x/ --batch-size 0", "batch-size"),
                            ("http http://x/ --connect-timeout 0", "above 0"),
                            ("http http://x/ --rollback 6XX=true", "6XX"),
                            ("http http://x/ --backoff 200=yes", "200=yes"),
                            ("http http://x/ --user me", "password"),
                            ("http http://x/ --accept-header a\nb", "control")):
            with self.subTest(words):
                pipeline = self.pipeline(["fl-sink", *words.split(" "), "--text"],
                                         stdin=subprocess.DEVNULL)
                self.assertEqual(pipeline.wait(), [64])
                self.assertIn(text, pipeline.errors(0))

    def test_flume_properties(self):
        done = subprocess.run(
            ["sh", "-c", "exec fl-sink http --properties 3 --dry-run 3< " + self.write("p", (
                "endpoint = http://127.0.0.1:1/x\nconnectTimeout = 5000\nrequestTimeout = 5000\n"
                "contentTypeHeader = text/plain\nacceptHeader = text/plain\n"
                "defaultBackoff = true\ndefaultRollback = true\n"
                "defaultIncrementMetrics = false\nbackoff.200 = false\nrollback.200 = false\n"
                "incrementMetrics.200 = true\nrollback.4XX = false\n"
                "format = body\nbatchSize = 1\n"))], env=self.env(), cwd=self.dir,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=harness.HANG,
            check=False)
        self.assertEqual(done.returncode, 0, done.stderr)


class Chain(chain.Chain):
    def test_nothing_is_lost_when_either_side_is_killed(self):
        self.kill_either_side("fl-source http --handler ndjson --port {port}",
                              "fl-sink http --stream --format ndjson --batch-size 100 --grace 60s "
                              "http://127.0.0.1:{port}/")


if __name__ == "__main__":
    harness.main()
