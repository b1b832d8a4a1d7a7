#!/usr/bin/env python3
"""What a real gateway answers to requests that are bad, spoiled on their way or come when the table has
just gone or the region server is away (region_away.py); fl-sink hbase makes the same of it as of the
double's answers (tools/hbase_gateway.py)."""
import concurrent.futures
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools"))
import harness
import hbase_gateway
import hbase_server
from cells import PROTOBUF, cell_set, row
from region_away import RegionAway

LIMIT = 240  # JVMs on a busy machine
NOW = 2 ** 63 - 1   # to HBase
REFUSED = b"IllegalArgumentException"
EVENTS = [({"id": str(n), "timestamp": "7"}, f"v{n}") for n in range(3)]


def is_of_rows(request):
    return request.method == "POST" and not request.path.endswith("?check=put")


# A gateway that soon says 503, also while its region server does not answer.
SHORT = {**hbase_server.SOON, "hbase.client.operation.timeout": 3000, "hbase.rpc.timeout": 1000,
         "hbase.client.meta.operation.timeout": 3000}


class Answers(RegionAway, harness.Case):
    @classmethod
    def setUpClass(cls):
        cls.hbase = hbase_server.Server(region_apart=True)
        cls.addClassCleanup(cls.hbase.close)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            short = pool.submit(cls.hbase.gateway, client=SHORT)
            cls.rest = cls.hbase.gateway(client={})     # as it comes
            cls.short = short.result()

    def setUp(self):
        super().setUp()
        self.table = self.id().rsplit(".", 1)[-1].removeprefix("test_")
        self.rest.create(self.table)

    def double(self):
        """A double with the same table."""
        double = hbase_gateway.Gateway({self.table: ["f"]}).start()
        self.addCleanup(double.close)
        return double

    def stored(self, gateway):
        """{key: [value]} of a gateway, or of a double."""
        if isinstance(gateway, hbase_gateway.Gateway):
            return {key: [value for versions in columns.values() for value in versions.values()]
                    for (_, key), columns in gateway.rows.items()}
        return {key: [value for cells in columns.values() for _, value in cells]
                for key, columns in gateway.rows(self.table).items()}

    def command(self, *urls, options=()):
        return ["fl-sink", "hbase", self.table, "--column-family", "f",
                *[word for url in urls for word in ("--rest", url)], *options]

    def run_sink(self, url, *options, events=EVENTS):
        """The sink's status and messages; the header id is the row key."""
        lines = "".join(json.dumps({"headers": headers, "body": body}) + "\n" for headers, body in events)
        pipeline = self.pipeline(["fl-source", "stdin", "--format", "json"],
                                 self.command(url, options=("--stream", "--row-key-header", "id", *options)),
                                 stdin=subprocess.PIPE)
        with pipeline.processes[0].stdin as stdin:
            stdin.write(lines.encode())
        return pipeline.wait(LIMIT)[1], pipeline.errors(1)

    def rejected(self):
        """[(body, reason)]"""
        done = subprocess.run(["fl-sink", "stdout", "--format", "json", "--in", self.path("rejects")],
                              capture_output=True, check=True, env=self.env(), timeout=LIMIT)
        os.remove(self.path("rejects"))
        return [(each["body"], str(each["headers"])) for each in map(json.loads, done.stdout.splitlines())]

    def both_with(self, change):
        """Real gateway and double, each behind a relay that changes requests by change()."""
        for gateway in (self.rest, self.double()):
            relay = hbase_server.Relay(gateway.port, change()).start()
            self.addCleanup(relay.close)
            yield gateway, relay

    def test_plain_requests(self):
        """Whatever the sink never sends, too: the double answers as the gateway does, and where it leaves
        the rules of a row to .bad, so does the gateway."""
        good, table = cell_set([row(b"good")]), self.table
        middle = cell_set([row(b"first"), row(b"bad", b"g:a"), row(b"last")])
        double = self.double()
        for name, path, kind, body, status, words, keys in (
                ("good", f"/{table}/row", PROTOBUF, good, 200, b"", {b"good"}),
                ("other type", f"/{table}/row", "text/csv", good, 415, b"", set()),
                ("XML", f"/{table}/row", "application/xml", b"<CellSet/>", 415, b"", set()),
                ("nothing", f"/{table}/row", PROTOBUF, b"", 200, b"", set()),
                ("broken", f"/{table}/row", PROTOBUF, b"\x0a\xff\xff", 500, b"", set()),
                ("cut", f"/{table}/row", PROTOBUF, good + good[:-2], 500, b"", set()),
                ("no table", "/none/row", PROTOBUF, good, 404, b"TableNotFoundException", set()),
                ("no space", "/no%3Anone/row", PROTOBUF, good, 404, b"TableNotFoundException", set())):
            with self.subTest(name):
                for gateway in (self.rest, double):
                    asked = self.ask(gateway, path, kind, body)
                    self.assertEqual(asked[0], status, asked)
                    self.assertIn(words, asked[1])
                    self.assertEqual(set(self.stored(gateway)), keys | {b"good"})
                if status in (200, 500):
                    self.assertEqual(asked[1], b"")
        with self.subTest("no family"):
            # Only the gateway stores the neighbours; a sink that counts on that would be wrong with it.
            for gateway in (self.rest, double):
                status, text = self.ask(gateway, f"/{table}/row", PROTOBUF, middle)
                self.assertEqual(status, 404)
                self.assertIn(b"NoSuchColumnFamilyException", text)
            self.assertEqual(set(self.stored(self.rest)), {b"good", b"first", b"last"})
        double.bad = {b"bad"}
        for name, bad in (("no cells", (b"bad", [])), ("empty key", row(b"")),
                          ("long key", row(b"k" * 32768)), ("before 1970", row(b"bad", time=-1)),
                          ("large", row(b"bad", data=b"x" * (10 << 20)))):
            with self.subTest(name):
                asked = [self.ask(gateway, f"/{table}/row", PROTOBUF, cell_set([row(b"beside"), each]))
                         for gateway, each in ((self.rest, bad), (double, row(b"bad")))]
                for status, text in asked:
                    self.assertEqual((status, text.splitlines()[0]), (400, b"Bad request"))
                    self.assertIn(REFUSED, text)
                self.assertNotIn(b"beside", self.stored(self.rest))
        self.assertEqual(self.ask(self.rest, f"/{table}/row", PROTOBUF, cell_set([row(b"bad", b"a")]))[0], 400)
        for path in (f"/{table}/", f"/{table}"):
            for accept, text in (("*/*", rb"<html>(?s:.)*Not Found"), (PROTOBUF, rb"^$")):
                status, said = self.ask(self.rest, path, PROTOBUF, good, accept)
                self.assertEqual(status, 404)
                self.assertRegex(said, text)
                self.assertNotIn(b"Exception", said)

    @staticmethod
    def ask(gateway, path, kind, body, accept="*/*"):
        return hbase_server.Gateway.ask(gateway, "POST", path, body, LIMIT,
                                        **{"Content-Type": kind, "Accept": accept})

    def test_times(self):
        """Negative and largest time: the sink sends neither, since the gateway refuses or changes them."""
        self.ask(self.rest, f"/{self.table}/row", PROTOBUF, cell_set([row(b"now", time=NOW)]))
        [(time, value)] = self.rest.rows(self.table)[b"now"][b"f:a"]
        self.assertTrue(1_700_000_000_000 < time < NOW and value == b"v", time)
        times = {"early": "-1", "largest": str(NOW), "soon": "soon", "first": "0", "last": str(NOW - 1)}
        events = [({"id": name, "timestamp": each}, name) for name, each in times.items()]
        status, said = self.run_sink(self.rest.url, "--reject", "rejects", events=events)
        self.assertEqual(status, 0, said)
        found = self.rejected()
        self.assertEqual([body for body, _ in found], ["early", "largest", "soon"])
        for (_, reason), part in zip(found, ("before 1970", "'now'", "not a number")):
            self.assertIn(part, reason)
        self.assertEqual({key: columns[b"f:pCol"] for key, columns in self.rest.rows(self.table).items()
                          if key != b"now"}, {b"first": [(0, b"first")], b"last": [(NOW - 1, b"last")]})

    def test_another_type(self):
        def change():
            return lambda request: request._replace(
                headers={**request.headers, "content-type": "text/csv"}) if is_of_rows(request) else request
        for gateway, relay in self.both_with(change):
            status, said = self.run_sink(relay.url)
            self.assertEqual(status, 78, said)
            self.assertIn("answers 415", said)
            self.assertEqual(self.stored(gateway), {})

    def test_another_path(self):
        """404 with a page or without a text: there is no place for rows; no table is missing."""
        for accept in ("*/*", PROTOBUF):
            def change(request, accept=accept):
                return request._replace(path=f"/{self.table}/", headers={**request.headers, "accept": accept}) \
                    if is_of_rows(request) else request
            relay = hbase_server.Relay(self.rest.port, change).start()
            self.addCleanup(relay.close)
            status, said = self.run_sink(relay.url)
            self.assertEqual(status, 78, said)
            self.assertIn("answers 404", said)
            self.assertIn("is it the REST gateway of HBase", said)
            self.assertNotIn("has no table", said)
        self.assertEqual(self.stored(self.rest), {})

    def test_cut_off(self):
        """500: what came twice is sent again, and the third one in a row is a defect."""
        def cut(times):
            left = [True] * times

            def change(request):
                return request._replace(body=request.body[:-2]) if is_of_rows(request) and left and left.pop() \
                    else request
            return lambda: change
        for times, expected in ((3, 70), (2, 0)):
            for gateway, relay in self.both_with(lambda times=times: cut(times)()):
                status, said = self.run_sink(relay.url, "--grace", "10m")
                self.assertEqual(status, expected, said)
                self.assertIn("answers 500", said)
                self.assertEqual(self.stored(gateway),
                                 {} if expected else {b"%d" % n: [b"v%d" % n] for n in range(3)})

    def spoiled_row(self, spoil, *options):
        """The row 1 of three goes through spoil() on its way to the real gateway."""
        def change(request):
            if not is_of_rows(request):
                return request
            rows = [spoil(each) if each[0] == b"1" else each for each in hbase_gateway.rows_of(request.body)]
            return request._replace(body=cell_set(rows))
        relay = hbase_server.Relay(self.rest.port, change).start()
        self.addCleanup(relay.close)
        return self.run_sink(relay.url, *options)

    def test_a_refused_row(self):
        """It goes to --reject with the gateway's reason, and its neighbours are stored."""
        for spoil in (lambda each: (each[0], []), lambda each: row(each[0], time=-1),
                      lambda each: row(b"k" * 32768), lambda each: row(b"")):
            status, said = self.spoiled_row(spoil, "--reject", "rejects")
            self.assertEqual(status, 0, said)
            [(body, reason)] = self.rejected()
            self.assertEqual(body, "v1")
            self.assertIn("answers 400: Bad request", reason)
            self.assertIn(REFUSED.decode(), reason)
        self.assertEqual(self.stored(self.rest), {b"0": [b"v0"], b"2": [b"v2"]})
        status, said = self.spoiled_row(lambda each: (each[0], []))
        self.assertEqual(status, 65, said)
        self.assertIn("answers 400: Bad request", said)

    def test_an_unknown_family_of_one_row(self):
        """It ends the sink: --column-family is that of all rows. HBase has the neighbours."""
        status, said = self.spoiled_row(lambda each: row(each[0], b"g:a"), "--reject", "rejects")
        self.assertEqual(status, 78, said)
        self.assertIn("has no column family 'f'", said)
        self.assertEqual(self.stored(self.rest), {b"0": [b"v0"], b"2": [b"v2"]})
        self.assertEqual(self.rejected(), [])

    def sink_with_a_row(self, gateway, *options):
        """One that has stored a row and waits for another."""
        sink = self.pipeline(self.command(gateway.url, options=(
            "--text", "--row-prefix", gateway.name, "--grace", "10m", *options)), stdin=subprocess.PIPE)
        sink.processes[0].stdin.write(b"before\n")
        sink.processes[0].stdin.flush()
        harness.poll(lambda: any(key.startswith(gateway.name.encode()) for key in self.stored(self.rest)) or
                     sink.processes[0].poll() is not None, "the first row", LIMIT)
        return sink

    def goes_meanwhile(self, go, words, *sinks):
        """go() changes the table, and the next row ends the sinks."""
        go()
        for sink in sinks:
            sink.processes[0].stdin.write(b"after\n")
            sink.processes[0].stdin.close()
        for sink in sinks:
            self.check(sink, 78, limit=LIMIT)
            self.assertIn(words, sink.errors(0))

    def test_a_family_that_goes(self):
        # The same request on a table that exists replaces its families.
        self.goes_meanwhile(lambda: self.rest.create(self.table, ["g"]), "has no column family 'f'",
                            self.sink_with_a_row(self.rest))
        self.assertEqual(self.stored(self.rest), {})

    def test_a_table_that_goes(self):
        self.goes_meanwhile(lambda: self.rest.ask("DELETE", f"/{self.table}/schema"),
                            f"has no table '{self.table}'", self.sink_with_a_row(self.rest))

    def test_a_table_that_is_disabled(self):
        """Puts hang with a gateway as it comes; whether the table is disabled is known at once."""
        self.goes_meanwhile(lambda: self.hbase.disable(self.table), f"table '{self.table}' is disabled",
                            self.sink_with_a_row(self.short),
                            self.sink_with_a_row(self.rest, "--request-timeout", "1s"))

    def test_a_put_that_hangs(self):
        """The next gateway takes it; when the first one goes on, nothing is there twice."""
        sink = self.pipeline(self.command(self.short.url, self.rest.url, options=(
            "--text", "--row-prefix", "r", "--request-timeout", "1s", "--metrics", "figures")), stdin=subprocess.PIPE)
        stdin = sink.processes[0].stdin
        stdin.write(b"before\n")
        stdin.flush()
        harness.poll(lambda: len(self.stored(self.rest)) == 1, "the first row", LIMIT)
        self.short.freeze()
        self.addCleanup(self.short.thaw)
        stdin.write(b"after\n")
        stdin.close()
        self.check(sink, 0, limit=LIMIT)
        self.short.thaw()
        harness.poll(self.short.is_ready, "the gateway", LIMIT)
        self.assertEqual(sorted(self.stored(self.rest).values()), [[b"after"], [b"before"]])
        with open(self.path("figures"), encoding="utf-8") as file:
            self.assertRegex(file.read(), r"_failures_total(\{.*\})? [1-9]")


if __name__ == "__main__":
    harness.main()
