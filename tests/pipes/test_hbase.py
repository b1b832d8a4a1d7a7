#!/usr/bin/env python3
"""fl-sink hbase: what it sends to the REST gateway, and what it makes of each answer. A real HBase
answers in tests/peers/hbase."""
import json
import os
import signal
import socket
import ssl
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import certificates
import harness
import tls_case
from hbase_gateway import MOVING, NO_FAMILY, NO_TABLE, OWN, Gateway
from ports import free_port


def put(request):
    return request.method == "POST"


def asks_state(request):
    """Whether the table is disabled is asked by a put whose condition never holds."""
    return request.path.endswith("/row?check=put") and b"fl-" in request.body


def has_rows(request):
    return put(request) and not asks_state(request)


class HBaseCase(harness.Case):
    def gateway(self, tables=None, port=0):
        gateway = Gateway(tables or {"t": ["f"]}, port).start()
        self.addCleanup(gateway.close)
        return gateway

    def run_sink(self, gateways, *options, events=(), data=None, table="t"):
        """The sink's (status, messages). events: (headers, body) each; or data as lines."""
        urls = [word for each in gateways for word in ("--rest", each if isinstance(each, str)
                                                       else each.url)]
        command = ["fl-sink", "hbase", table, "--column-family", "f", *urls, *options]
        if data is None:
            lines = "".join(json.dumps({"headers": headers, "body": body}) + "\n"
                            for headers, body in events)
            feed = subprocess.Popen(["fl-source", "stdin", "--format", "json"],
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self.env(),
                                    cwd=self.dir, stderr=subprocess.DEVNULL)
            sink = subprocess.Popen([*command, "--stream"], stdin=feed.stdout,
                                    stderr=subprocess.PIPE, env=self.env(), cwd=self.dir)
            feed.stdout.close()
            feed.stdin.write(lines.encode())
            feed.stdin.close()
            said = sink.communicate(timeout=harness.HANG)[1]
            feed.wait(harness.HANG)
            return sink.returncode, said.decode()
        done = subprocess.run(command, input=data, capture_output=True, env=self.env(),
                              cwd=self.dir, timeout=harness.HANG, check=False)
        return done.returncode, done.stderr.decode()

    def rejected(self, name="rejects"):
        """[(body, reason)]"""
        done = subprocess.run(["fl-sink", "stdout", "--format", "json", "--in", self.path(name)],
                              capture_output=True, check=True, env=self.env(), cwd=self.dir,
                              timeout=harness.HANG)
        return [(each["body"], str(each["headers"]))
                for each in map(json.loads, done.stdout.splitlines())]


class Rows(HBaseCase):
    def test_simple(self):
        gateway = self.gateway()
        status, said = self.run_sink([gateway], "--row-prefix", "p-", "--payload-column", "body",
                                     events=[({"timestamp": "1700000000123"}, "one"), ({}, "two")])
        self.assertEqual(status, 0, said)
        rows = sorted(gateway.rows.items(), key=lambda each: str(each[1]))
        self.assertEqual(len(rows), 2)
        for (_, key), _ in rows:
            self.assertRegex(key, rb"^p-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-"
                                  rb"[0-9a-f]{12}$")
        self.assertIn({b"f:body": {1700000000123: b"one"}}, gateway.rows.values())

    def test_suffixes(self):
        for suffix, form in (("timestamp", rb"default1[0-9]{12}"), ("nano", rb"default[0-9]+"),
                             ("random", rb"default-?[0-9]+")):
            gateway = self.gateway()
            status, said = self.run_sink([gateway], "--suffix", suffix, data=b"x\n")
            self.assertEqual(status, 0, said)
            (_, key), = gateway.rows
            self.assertRegex(key, rb"^" + form + rb"$")

    def test_row_keys(self):
        gateway = self.gateway()
        status, said = self.run_sink([gateway], "--row-key", "%{host}-%{n}-%Y",
                                     events=[({"host": "web1", "n": "7",
                                               "timestamp": "1700000000000"}, "x")])
        self.assertEqual(status, 0, said)
        status, said = self.run_sink([gateway], "--row-key-header", "id",
                                     events=[({"id": "a/ü:%"}, "y")])
        self.assertEqual(status, 0, said)
        self.assertEqual({key for _, key in gateway.rows},
                         {b"web1-7-2023", "a/ü:%".encode()})

    def test_regex(self):
        gateway = self.gateway()
        status, said = self.run_sink(
            [gateway], "--serializer", "regex", "--regex", "(\\w+),(\\w+)?,(.*)", "--col-names",
            "a,ROW_KEY,b", "--row-key-index", "1", "--deposit-headers", "--reject",
            self.path("rejects"),
            events=[({"timestamp": "5", "host": "h"}, "A,key,rest\nof it"), ({}, "no match"),
                    ({}, "A,,no key")])
        self.assertEqual(status, 0, said)
        self.assertEqual(gateway.rows, {("t", b"key"): {
            b"f:a": {5: b"A"}, b"f:b": {5: b"rest\nof it"}, b"f:timestamp": {5: b"5"},
            b"f:host": {5: b"h"}}})
        self.assertEqual([body for body, _ in self.rejected()], ["no match", "A,,no key"])
        self.assertIn("does not match --regex", self.rejected()[0][1])

    def test_the_charset_that_there_is(self):
        gateway = self.gateway()
        status, said = self.run_sink([gateway], "--serializer", "regex", "--charset", "UTF-8",
                                     data="ü\n".encode())
        self.assertEqual(status, 0, said)
        self.assertEqual(gateway.order, ["ü".encode()])

    def test_any_bytes(self):
        gateway = self.gateway()
        status, said = self.run_sink([gateway], "--serializer", "regex", "--regex", "(a.)(.*)",
                                     "--regex-ignore-case", "--col-names", "ROW_KEY,b",
                                     "--row-key-index", "0", data=b"AB\n")
        self.assertEqual(status, 0, said)
        self.assertEqual(list(gateway.rows), [("t", b"AB")])
        gateway.rows.clear()
        body = bytes(set(range(256)) - {10})
        status, said = self.run_sink([gateway], "--serializer", "regex", "--regex", "(.{3})(.*)",
                                     "--col-names", "ROW_KEY,b", "--row-key-index", "0",
                                     "--text", data=body + b"\n")
        self.assertEqual(status, 0, said)
        self.assertEqual([(key, list(columns[b"f:b"].values()))
                          for (_, key), columns in gateway.rows.items()], [(body[:3], [body[3:]])])

    def test_gzip(self):
        gateway = self.gateway({"web:log": ["f"]})
        status, said = self.run_sink([gateway], "--gzip", table="web:log",
                                     data=b"".join(b"line %d\n" % i for i in range(3000)))
        self.assertEqual(status, 0, said)
        self.assertEqual(gateway.order, [b"line %d" % i for i in range(3000)])
        posts = [each for each in gateway.requests if put(each)]
        self.assertEqual({each.headers.get("content-encoding") for each in posts}, {"gzip"})
        self.assertEqual({each.path for each in posts}, {"/web%3Alog/row"})

    def test_increments(self):
        gateway = self.gateway()
        status, said = self.run_sink([gateway], "--increment-column", "n", "--increment-row", "sum",
                                     data=b"x\n" * 2500)
        self.assertEqual(status, 0, said)
        self.assertEqual(gateway.counters, {("t", b"sum", b"f:n"): 2500})
        self.assertEqual(len(gateway.rows), 2500)

    def test_put_if_absent(self):
        gateway = self.gateway()
        events = [({"id": "1"}, "first"), ({"id": "2"}, "other"), ({"id": "1"}, "second")]
        status, said = self.run_sink([gateway], "--row-key-header", "id", "--put-if-absent",
                                     "--metrics", self.path("figures.prom"), events=events)
        self.assertEqual(status, 0, said)
        self.assertEqual(gateway.order, [b"first", b"other"])
        with open(self.path("figures.prom"), encoding="utf-8") as file:
            figures = file.read()
        for name, count in (("stored", 2), ("existed", 1)):
            self.assertRegex(figures, rf"\w+_{name}_total(\{{.*\}})? {count}\n")


class Rejects(HBaseCase):
    def test_rows_that_hbase_does_not_take(self):
        gateway = self.gateway()
        status, said = self.run_sink(
            [gateway], "--row-key-header", "id", "--max-cell", "1000", "--max-event", "64K",
            "--reject", self.path("rejects"),
            events=[({"id": "1"}, "good"), ({"id": ""}, "empty"), ({}, "none"),
                    ({"id": "2", "timestamp": "-1"}, "early"), ({"id": "3"}, "x" * 1000),
                    ({"id": "4", "timestamp": str(2 ** 63 - 1)}, "now"),
                    ({"id": "5", "timestamp": "soon"}, "soon"), ({"id": "6"}, "good too")])
        self.assertEqual(status, 0, said)
        self.assertEqual(gateway.order, [b"good", b"good too"])
        found = self.rejected()
        self.assertEqual([body for body, _ in found],
                         ["empty", "none", "early", "x" * 1000, "now", "soon"])
        for (_, reason), part in zip(found, ("row key is empty", "no header 'id'", "before 1970",
                                             "--max-cell is 1000", "'now'", "not a number")):
            self.assertIn(part, reason)

    def test_without_a_file_for_them(self):
        gateway = self.gateway()
        status, said = self.run_sink([gateway], "--row-key-header", "id", events=[({}, "none")])
        self.assertEqual(status, 65, said)
        self.assertIn("no header 'id'", said)

    def test_a_key_of_the_largest_size(self):
        gateway = self.gateway()
        for size in (32767, 32768):
            status, said = self.run_sink([gateway], "--serializer", "regex", "--regex", "(.*)",
                                         "--col-names", "ROW_KEY", "--row-key-index", "0",
                                         data=b"k" * size + b"\n")
            self.assertEqual(status, 65, said)      # a key alone has no cell
        status, said = self.run_sink([gateway], "--serializer", "regex", "--regex", "(.*)(.)",
                                     "--col-names", "ROW_KEY,c", "--row-key-index", "0",
                                     data=b"k" * 32768 + b"\n")
        self.assertEqual(status, 0, said)
        status, said = self.run_sink([gateway], "--serializer", "regex", "--regex", "(.*)(.)",
                                     "--col-names", "ROW_KEY,c", "--row-key-index", "0",
                                     data=b"k" * 32769 + b"\n")
        self.assertEqual(status, 65, said)
        self.assertIn("32768 bytes", said)

    def test_the_gateway_refuses_rows(self):
        """A 400 stores nothing of the request: the bad rows are found, all others stored."""
        gateway = self.gateway()
        gateway.bad = {b"7", b"400", b"999"}
        gateway_events = [({"id": str(i)}, f"v{i}") for i in range(1000)]
        status, said = self.run_sink([gateway], "--row-key-header", "id", "--reject",
                                     self.path("rejects"), events=gateway_events)
        self.assertEqual(status, 0, said)
        self.assertEqual({key for _, key in gateway.rows},
                         {str(i).encode() for i in range(1000)} - gateway.bad)
        self.assertEqual(gateway.order,
                         [b"v%d" % i for i in range(1000) if i not in (7, 400, 999)])
        self.assertEqual([body for body, _ in self.rejected()], ["v7", "v400", "v999"])
        self.assertIn("answers 400: Bad request", self.rejected()[0][1])


class Schema(HBaseCase):
    def test_no_table(self):
        gateway = self.gateway()
        status, said = self.run_sink([gateway], table="none", data=b"x\n")
        self.assertEqual(status, 78, said)
        self.assertIn("has no table 'none'", said)
        self.assertIn("create 'none', 'f'", said)
        self.assertFalse([each for each in gateway.requests if put(each)])

    def test_no_family(self):
        gateway = self.gateway({"t": ["g", "h"]})
        status, said = self.run_sink([gateway], data=b"x\n")
        self.assertEqual(status, 78, said)
        self.assertIn("has no column family 'f'; it has g, h", said)

    def test_no_gateway_of_hbase(self):
        gateway = self.gateway()
        for answer in ((200, {}, b"<html>"), (200, {}, b"{}"), (404, {}, b"")):
            gateway.answer = lambda request, answer=answer: answer
            status, said = self.run_sink([gateway], data=b"x\n")
            self.assertEqual(status, 78, said)

    def test_they_go_meanwhile(self):
        for text, words in ((NO_TABLE, "has no table 't'"), (NO_FAMILY, "no column family 'f'")):
            gateway = self.gateway()
            gateway.answer = lambda request, text=text: (404, {}, text) if put(request) else OWN
            status, said = self.run_sink([gateway], data=b"x\n")
            self.assertEqual(status, 78, said)
            self.assertIn(words, said)


class DryRun(HBaseCase):
    """--dry-run says what a run would say at its start or after the first row, with the same status."""

    def dry(self, gateways, *options, **more):
        return self.run_sink(gateways, "--dry-run", *options, data=b"x\n", **more)

    def same(self, gateway, wanted, words, *options, **more):
        """A run and a dry run end alike."""
        for each in ((), ("--dry-run",)):
            status, said = self.run_sink([gateway], *each, *options, data=b"x\n", **more)
            self.assertEqual(status, wanted, f"{each}: {said}")
            self.assertIn(words, said)

    def test_all_is_there(self):
        for table in ("t", "space:t"):
            gateway = self.gateway({table: ["g", "f"]})
            for options in ((), ("--put-if-absent",), ("--gzip",), ("--increment-column", "n")):
                status, said = self.dry([gateway], *options, table=table)
                self.assertEqual(status, 0, said)
                self.assertIn("the options are valid", said)
            self.assertEqual((gateway.rows, gateway.counters), ({}, {}))
            # One look at the schema, and one put whose condition does not hold.
            self.assertEqual([(each.method, asks_state(each)) for each in gateway.requests],
                             4 * [("GET", False), ("POST", True)])

    def test_what_is_missing(self):
        self.same(self.gateway({"t": ["g", "h"]}), 78, "has no column family 'f'; it has g, h")
        self.same(self.gateway(), 78, "has no table 'none'", table="none")
        gateway = self.gateway()
        gateway.answer = lambda request: (200, {}, b"<html>")
        self.same(gateway, 78, "does not answer with a schema")

    def test_a_table_that_is_disabled(self):
        gateway = self.gateway()
        gateway.disabled = {"t"}
        self.same(gateway, 78, "enable 't'", "--grace", "10m")

    def test_who_may_not(self):
        """By the schema, or only by a put: a gateway that is read-only shows schemas."""
        for is_refused in (lambda request: True, put):
            for answer, status in ((401, 77), (403, 77), (415, 78)):
                gateway = self.gateway()
                gateway.answer = lambda request, answer=answer, is_refused=is_refused: \
                    answer if is_refused(request) else OWN
                self.same(gateway, status, f"answers {answer}")

    def test_what_the_gateway_refuses(self):
        """A put without rows of ours: no event is at fault."""
        gateway = self.gateway()
        gateway.answer = lambda request: 400 if put(request) else OWN
        status, said = self.dry([gateway])
        self.assertEqual(status, 78, said)
        self.assertNotIn("--reject", said)

    def test_a_gateway_that_is_away(self):
        port = free_port()
        self.same(f"http://127.0.0.1:{port}", 69, "cannot connect", "--grace", "100ms")
        for answer, status in ((503, 69), (502, 69), (500, 70), (302, 69), (None, 69)):
            gateway = self.gateway()
            gateway.answer = lambda request, answer=answer: answer if put(request) else OWN
            self.same(gateway, status, "" if answer is None else f"answers {answer}", "--grace", "100ms")

    def test_troubles_that_pass(self):
        """It tries again, and another gateway, as a run does."""
        away = f"http://127.0.0.1:{free_port()}"
        gateway = self.gateway()
        faults = [503, 500, None, 502, 500, 503]
        gateway.answer = lambda request: faults.pop() if faults else OWN
        status, said = self.dry([away, gateway], "--grace", "10m")
        self.assertEqual((status, faults), (0, []), said)
        self.assertIn("this dry run waiting, trying again for 10m", said)

    def test_ctrl_c(self):
        gateway = self.gateway()
        pipeline = self.pipeline(["fl-sink", "hbase", "t", "--column-family", "f", "--rest",
                                  gateway.url, "--grace", "10m", "--dry-run"], stdin=subprocess.DEVNULL)
        gateway.answer = lambda request: 503
        harness.poll(lambda: "this dry run waiting" in pipeline.errors(0) or
                     pipeline.processes[0].poll() is not None, "the trouble")
        if pipeline.processes[0].poll() is None:
            pipeline.send(signal.SIGINT)
        self.check(pipeline, 75)
        self.assertIn("stopped while waiting for", pipeline.errors(0))


class Disabled(HBaseCase):
    def test_it_is_told_apart(self):
        """Puts are answered as while a region moves; only those with a condition say it."""
        for options in ((), ("--put-if-absent",), ("--increment-column", "n"), ("--gzip",)):
            gateway = self.gateway()
            gateway.disabled = {"t"}
            status, said = self.run_sink([gateway, gateway], "--grace", "10m", *options, data=b"x\n")
            self.assertEqual(status, 78, said)
            self.assertIn("table 't' is disabled", said)
            self.assertIn("enable 't'", said)

    def test_while_a_region_moves(self):
        """The question stores nothing, whatever its answer."""
        for answer in (OWN, 304, 400, 403, 404, 500, 503, 502, None):
            gateway = self.gateway()
            moves = [True] * 3

            def decide(request, answer=answer, moves=moves):
                if asks_state(request):
                    return answer
                return (503, {}, MOVING) if put(request) and moves and moves.pop() else OWN
            gateway.answer = decide
            status, said = self.run_sink([gateway], "--row-key", "%{n}", "--grace", "10m",
                                         events=[({"n": str(n)}, "v") for n in range(9)])
            self.assertEqual(status, 0, said)
            self.assertEqual({key for _, key in gateway.rows}, {b"%d" % n for n in range(9)})
            self.assertEqual(len([each for each in gateway.requests if asks_state(each)]), 3)

    def test_a_counter_of_a_table_that_is_disabled_meanwhile(self):
        gateway = self.gateway()

        def after(request):
            gateway.disabled.add("t")
            return OWN
        gateway.after = lambda request: after(request) if put(request) else OWN
        status, said = self.run_sink([gateway], "--increment-column", "n", "--grace", "10m",
                                     data=b"x\n")
        self.assertEqual(status, 78, said)
        self.assertEqual((len(gateway.rows), gateway.counters), (1, {}))


class Answers(HBaseCase):
    def test_those_that_end_it(self):
        for answer, expected in ((401, 77), (403, 77), (415, 78), (500, 70)):
            gateway = self.gateway()
            gateway.answer = lambda request, answer=answer: answer if has_rows(request) else OWN
            status, said = self.run_sink([gateway], data=b"x\n")
            self.assertEqual(status, expected, said)
            self.assertIn(f"answers {answer}", said)
            self.assertEqual(len([each for each in gateway.requests if has_rows(each)]),
                             3 if answer == 500 else 1)

    def test_a_page_of_a_proxy_is_not_an_answer_to_rows(self):
        gateway = self.gateway()
        page = 200, {"Content-Type": "text/html"}, b"<html><title>Please log in</title></html>"
        gateway.answer = lambda request: page if has_rows(request) else OWN
        status, said = self.run_sink([gateway], "--give-up-after", "300ms", data=b"x\n")
        self.assertEqual(status, 69, said)
        self.assertIn("answers rows with 200 and a text", said)

    def test_a_request_that_was_cut_off_on_its_way(self):
        """The gateway says 500 to it, as to one that nobody can read; sent again it is whole."""
        gateway = self.gateway()
        answers = [500, 500, OWN, 500, 500, OWN, OWN]
        gateway.answer = lambda request: answers.pop(0) if has_rows(request) else OWN
        status, said = self.run_sink([gateway], "--row-key", "%{n}", "--batch-size", "1",
                                     "--grace", "10m",
                                     events=[({"n": str(n)}, "v") for n in range(3)])
        self.assertEqual(status, 0, said)
        self.assertEqual(answers, [])
        self.assertEqual({key for _, key in gateway.rows}, {b"0", b"1", b"2"})

    def test_a_gateway_that_reads_nothing_while_hbase_starts(self):
        """It says 500 to everything then, and our requests are not to blame."""
        gateway = self.gateway()
        answers = {False: [500] * 5, True: [500] * 5}

        def answer(request):
            left = answers[asks_state(request)] if put(request) else []
            return left.pop() if left else OWN
        gateway.answer = answer
        status, said = self.run_sink([gateway, gateway], "--grace", "10m", data=b"x\n")
        self.assertEqual(status, 0, said)
        self.assertEqual(answers, {False: [], True: []})
        self.assertEqual(len(gateway.rows), 1)

    def test_those_that_pass(self):
        """Whatever is sent again is the same cells, also after an answer that was lost."""
        gateway = self.gateway()
        faults = [503, 502, 504, 429, None]
        lost = [None, 503]

        def answer(request):
            return faults.pop() if put(request) and faults else OWN

        def after(request):
            return lost.pop() if put(request) and lost else OWN
        gateway.answer, gateway.after = answer, after
        status, said = self.run_sink([gateway, gateway], "--give-up-after", "10m", "--grace", "10m",
                                     data=b"".join(b"%d\n" % i for i in range(100)))
        self.assertEqual(status, 0, said)
        self.assertEqual((faults, lost), ([], []))
        self.assertEqual(len(gateway.rows), 100)
        self.assertEqual({len(times) for columns in gateway.rows.values()
                          for times in columns.values()}, {1})

    def test_a_request_that_hangs(self):
        gateway = self.gateway()
        with socket.create_server(("127.0.0.1", 0)) as silent:
            status, said = self.run_sink([f"http://127.0.0.1:{silent.getsockname()[1]}", gateway],
                                         "--request-timeout", "300ms", "--connect-timeout", "100ms",
                                         data=b"x\n")
        self.assertEqual(status, 0, said)
        self.assertEqual(gateway.order, [b"x"])

    def test_gateways_in_turn(self):
        """The first one dies with a request, and the second one goes on."""
        first, second = self.gateway(), self.gateway()

        def answer(request):
            return None if put(request) and len(first.order) >= 1000 else OWN
        first.answer = answer
        status, said = self.run_sink([first, second], "--batch-size", "100",
                                     data=b"".join(b"%d\n" % i for i in range(5000)))
        self.assertEqual(status, 0, said)
        self.assertGreaterEqual(len(first.order), 1000)
        self.assertEqual(sorted({int(each) for each in first.order + second.order}),
                         list(range(5000)))
        self.assertEqual(len(first.order + second.order), 5000)

    def test_none_is_there(self):
        port = free_port()
        status, said = self.run_sink([f"http://127.0.0.1:{port}"], "--grace", "100ms", data=b"x\n")
        self.assertEqual(status, 69, said)
        self.assertIn("cannot connect", said)

    def test_it_comes_later(self):
        """Events wait, and the alarm ends."""
        port = free_port()
        pipeline = self.pipeline(["fl-source", "exec", "--", "sh", "-c", "echo x; exec cat"],
                                 ["fl-sink", "hbase", "t", "--stream", "--column-family", "f",
                                  "--rest", f"http://127.0.0.1:{port}"], stdin=subprocess.DEVNULL)
        harness.poll(lambda: "cannot connect" in pipeline.errors(1), "the alarm")
        gateway = self.gateway(port=port)
        harness.poll(lambda: gateway.order == [b"x"], "the event")
        self.check(pipeline, 0, 0)
        self.assertIn("sending continues", pipeline.errors(1))


class Tls(HBaseCase, tls_case.Case):
    """Properties: hbase.truststore, hbase.truststore-password, hbase.trust-all-certs
    Properties: hbase.keystore, hbase.keystoreKey, hbase.keystore-password
    Properties: hbase.include-protocols, hbase.exclude-protocols
    Properties: hbase.include-cipher-suites, hbase.exclude-cipher-suites"""

    def secure_gateway(self, pair, ciphers="", **more):
        gateway = Gateway({"t": ["f"]})
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        if ciphers:
            context.set_ciphers(ciphers)
        for name, value in more.items():
            setattr(context, name, value)
        if "verify_mode" in more:
            context.load_verify_locations(self.shelf.ca.certificate)
        gateway.server.socket = context.wrap_socket(gateway.server.socket, server_side=True)
        gateway.start()
        self.addCleanup(gateway.close)
        gateway.url = f"https://localhost:{gateway.port}/"
        return gateway

    def test_rows_arrive(self):
        shelf, word = self.shelf, tls_case.PASSWORD
        trust = self.path("trust.p12")
        certificates.openssl("pkcs12", "-export", "-nokeys", "-in", shelf.ca.certificate, "-out",
                             trust, "-passout", "pass:" + word)
        self.write("word", word)
        ours = ("--truststore", shelf.ca.certificate)
        for pair, more, options in (
                (shelf.server, {}, ours),
                (shelf.server, {}, ("--truststore", trust, "--truststore-password-file", "word")),
                (shelf.self_signed, {}, ("--trust-all-certs",)),
                (shelf.server, {"verify_mode": ssl.CERT_REQUIRED},
                 (*ours, "--keystore", shelf.client.certificate, "--keystore-key",
                  shelf.client.locked_key(word), "--keystore-password-file", "word")),
                (shelf.server, {"minimum_version": ssl.TLSVersion.TLSv1_3},
                 (*ours, "--include-protocols", "TLSv1.3")),
                (shelf.server, {"maximum_version": ssl.TLSVersion.TLSv1_2},
                 (*ours, "--include-cipher-suites", "ECDHE-RSA-AES256-GCM-SHA384",
                  "--include-cipher-suites", "ECDHE-RSA-AES128-GCM-SHA256",
                  "--exclude-cipher-suites", "ECDHE-RSA-AES256-GCM-SHA384"))):
            gateway = self.secure_gateway(pair, **more)
            status, said = self.run_sink([gateway], *options, data=b"x\n")
            self.assertEqual((status, gateway.order), (0, [b"x"]), said)
            self.assertNotIn(word, said)

    def test_nothing_is_sent_to_a_stranger(self):
        shelf = self.shelf
        ours = ("--truststore", shelf.ca.certificate)
        only = {"maximum_version": ssl.TLSVersion.TLSv1_2, "ciphers": "ECDHE-RSA-AES256-GCM-SHA384"}
        for pair, more, options in (
                (shelf.server, only, (*ours, "--exclude-cipher-suites", only["ciphers"])),
                (shelf.server, only, (*ours, "--include-cipher-suites",
                                      "ECDHE-RSA-AES128-GCM-SHA256")),
                (shelf.stranger, {}, ours),
                (shelf.expired, {}, ours),
                (shelf.wrong_name, {}, ours),
                (shelf.server, {"minimum_version": ssl.TLSVersion.TLSv1_3},
                 (*ours, "--exclude-protocols", "TLSv1.3")),
                (shelf.server, {"maximum_version": ssl.TLSVersion.TLSv1_2},
                 (*ours, "--include-protocols", "TLSv1.3"))):
            gateway = self.secure_gateway(pair, **more)
            status, said = self.run_sink([gateway], "--grace", "10ms", *options, data=b"x\n")
            self.assertEqual(status, 69, said)
            self.assertEqual(gateway.requests, [])


class Options(HBaseCase):
    """Property: hbase.table"""

    def test_mistakes(self):
        gateway = self.gateway()
        for options, status, words in (
                (("--row-key", "fixed"), 64, "the same for all events"),
                (("--row-key", "%{a}", "--row-key-header", "a"), 64, "not both"),
                (("--batch-size", "0"), 64, "would send nothing"),
                (("--serializer", "regex", "--col-names", "a,b"), 78, "1 groups"),
                (("--serializer", "regex", "--row-key-index", "0"), 78, "ROW_KEY"),
                (("--serializer", "regex", "--charset", "latin1"), 78, "only UTF-8"),
                (("--request-timeout", "0"), 64, "above 0"),
                (("--regex", "(.*)"), 64, "--regex has no effect with --serializer simple"),
                (("--serializer", "regex", "--row-prefix", "default"), 64,
                 "--row-prefix has no effect with --serializer regex"),
                (("--increment-row", "incRow"), 64, "no effect without --increment-column")):
            found, said = self.run_sink([gateway], *options, data=b"")
            self.assertEqual(found, status, f"{options}: {said}")
            self.assertIn(words, said)
        for table in ("", ":t", "n:", "a b", "-t", "n:m:t"):
            found, said = self.run_sink([gateway], table=table, data=b"")
            self.assertEqual(found, 64, f"{table}: {said}")
        self.assertEqual(gateway.requests, [])

    def test_nothing_is_counted(self):
        """The default of Flume's simple serializer touches neither regex nor --put-if-absent."""
        for more in ("serializer = org.apache.flume.sink.hbase2.RegexHBase2EventSerializer",
                     "putIfAbsent = true"):
            gateway = self.gateway()
            self.write("p", f"table = t\ncolumnFamily = f\nrest = {gateway.url}\n{more}\n")
            done = subprocess.run(["sh", "-c", "exec fl-sink hbase --text --properties 3 3< p"],
                                  input=b"x\n", capture_output=True, env=self.env(), cwd=self.dir,
                                  timeout=harness.HANG, check=False)
            self.assertEqual(done.returncode, 0, done.stderr.decode())
            self.assertEqual((gateway.order, gateway.counters), ([b"x"], {}))

    def test_properties(self):
        """Flume's names, class names and defaults."""
        gateway = self.gateway()
        self.write("p", f"""table = t
columnFamily = f
rest = {gateway.url}
zookeeperQuorum = zk1:2181,zk2:2181
coalesceIncrements = true
serializer = org.apache.flume.sink.hbase2.SimpleHBase2EventSerializer
serializer.rowPrefix = r
serializer.payloadColumn = p
""")
        done = subprocess.run(["sh", "-c", "exec fl-sink hbase --text --properties 3 3< p"],
                              input=b"x\ny\n", capture_output=True, env=self.env(), cwd=self.dir,
                              timeout=harness.HANG, check=False)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.assertEqual(gateway.order, [b"x", b"y"])
        self.assertEqual(gateway.counters, {("t", b"incRow", b"f:iCol"): 2})


if __name__ == "__main__":
    harness.main()
