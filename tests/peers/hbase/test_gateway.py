#!/usr/bin/env python3
"""What a real gateway answers to requests that test_answers.py and test_sink.py do not make. fl-sink hbase
relies on some of it; the rest is why it does not send such requests."""
import base64
import concurrent.futures
import gzip
import json
import os
import socket
import subprocess
import sys
import time
from http.client import HTTPConnection

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools"))
import harness
import hbase_server
from cells import PROTOBUF, as_json, as_xml, cell_set, row
from hbase_gateway import rows_of

LIMIT = 240  # JVMs on a busy machine
JSON, XML, BYTES = "application/json", "text/xml", "application/octet-stream"
# With the status for a body that is cut off.
FORMS = ((PROTOBUF, cell_set, 500), ("application/protobuf", cell_set, 500), (JSON, as_json, 500), (XML, as_xml, 400))
SEVEN = "\0" * 7
BEFORE = "f:a=1 f:b=2 f:c=3"
COUNTED = f"{BEFORE} f:m={SEVEN}\1 f:n={SEVEN}\3"
PAGE = rb"^<html>(?s:.)*HTTP ERROR"    # from Jetty, which sends none after a PUT
TWO = "Number of rows specified is not 1."

# For each check, requests in a row: cells as COLUMN=DATA, rows separated by |; status; a part of the text;
# the newest cells of the row afterwards.
CHECKS = {
    # The last cell must match what is stored.
    "put": (
        ("f:a=1 f:a=", 200, "", "f:a=1"),
        ("f:a=2 f:a=", 304, "", "f:a=1"),
        ("f:a=2 f:b=3 f:a=1", 200, "", "f:a=2 f:b=3"),
        ("f:a=2 f:b=3 f:a=1", 304, "", "f:a=2 f:b=3"),
        ("f:b=4 f:a=2", 400, "The column to put and check do not match", "f:a=2 f:b=3"),
        ("f:a=4", 400, "no data found for columns specified", "f:a=2 f:b=3"),
        ("f:a=4 f:a=2|f:a=1 f:a=", 400, TWO, "f:a=2 f:b=3")),
    # The last cell must match; the ones before it are deleted, or it alone.
    "delete": (
        ("f:a=0", 304, "", BEFORE),
        ("f:b=2", 200, "", "f:a=1 f:c=3"),
        ("f:c= f:a=0", 304, "", "f:a=1 f:c=3"),
        ("f:c= f:a=1", 200, "", "f:a=1"),
        ("f:a=1|f:a=", 400, TWO, "f:a=1")),
    "append": (
        ("f:a=x f:d=y", 200, "", "f:a=1x f:b=2 f:c=3 f:d=y"),
        ("f:a=x|f:a=x", 400, TWO, "f:a=1x f:b=2 f:c=3 f:d=y")),
    "increment": (
        ("f:n=5", 200, "", f"{BEFORE} f:n={SEVEN}\5"),
        ("f:n=-2 f:m=1", 200, "", COUNTED),
        (f"f:n={SEVEN}\5", 400, "NumberFormatException", COUNTED),
        ("f:n=5|f:n=5", 400, TWO, COUNTED),
        # 503, although a later try is answered the same.
        ("f:a=5", 503, "DoNotRetryIOException: Field is not a long, it's 1 bytes wide", COUNTED)),
    "x": (("f:a=2", 400, "Invalid check value 'x'", BEFORE),)}


def cells_of(text):
    """[(column, None, data)] of COLUMN=DATA..."""
    return [(column, None, data) for column, data in
            (each.split(b"=", 1) for each in text.encode().split(b" "))]


class Gateway(harness.Case):
    @classmethod
    def setUpClass(cls):
        cls.hbase = hbase_server.Server()
        cls.addClassCleanup(cls.hbase.close)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            second = pool.submit(cls.hbase.gateway, "-ro")
            cls.rest = cls.hbase.gateway()
            cls.second = second.result()
        cls.rest.create("t", ["f", "g"])

    def setUp(self):
        super().setUp()
        self.link = HTTPConnection("127.0.0.1", self.rest.port, timeout=LIMIT)
        self.addCleanup(self.link.close)

    def ask(self, method, path, body=None, kind=PROTOBUF, accept="*/*", **headers):
        """(status, headers, text)"""
        self.link.request(method, path, body, {"Content-Type": kind, "Accept": accept, **headers})
        return self.answer()

    def answer(self):
        answer = self.link.getresponse()
        return answer.status, answer.headers, answer.read()

    def stores(self, *rows, path="/t/row"):
        status, _, text = self.ask("POST", path, cell_set(rows))
        self.assertEqual((status, text), (200, b""))

    def rows(self, path, **headers):
        """{key: {column: [(timestamp, data)]}}, the newest first."""
        status, _, text = self.ask("GET", path, accept=JSON, **headers)
        if status == 404:
            return {}
        self.assertEqual(status, 200, text)
        found = {}
        for each in json.loads(text)["Row"]:
            columns = found.setdefault(base64.b64decode(each["key"]), {})
            for cell in each["Cell"]:
                columns.setdefault(base64.b64decode(cell["column"]), []).append(
                    (cell["timestamp"], base64.b64decode(cell["$"])))
        return found

    def cells(self, key, table="t"):
        return self.rows(f"/{table}/{base64.urlsafe_b64encode(key).decode()}?e=b64&v=9").get(key, {})

    def test_rows_in_each_form(self):
        """The key in the body counts, not the one in the path."""
        for kind, form, cut in FORMS:
            for method in ("PUT", "POST"):
                with self.subTest(kind=kind, method=method):
                    key = f"{method} {kind}".encode()
                    rows = [row(key), row(key + b" 2", b"g:", 0, bytes(range(256)))]
                    status, headers, text = self.ask(method, "/t/false-row-key", form(rows), kind)
                    self.assertEqual((status, headers["Content-Length"], text), (200, "0", b""))
                    self.assertEqual(self.cells(key), {b"f:a": [(5, b"v")]})
                    # An empty qualifier is valid.
                    self.assertEqual(self.cells(key + b" 2"), {b"g:": [(0, bytes(range(256)))]})
                    status, _, text = self.ask(method, "/t/row", form([]), kind)
                    self.assertEqual((status, text), (200, b""))
                    status, headers, text = self.ask(method, "/t/row", form([row(b"good"), row(b"cut")])[:-2], kind)
                    self.assertEqual((status, headers["Connection"]), (cut, "close" if cut == 500 else None))
                    self.assertRegex(text, PAGE if method == "POST" else b"^$")
                    status, _, text = self.ask(method, "/t/row", form([row(b"good"), row(b"bad", b"a")]), kind)
                    self.assertEqual((status, text), (400, b"Bad request\r\n"))
        self.assertEqual(self.cells(b"false-row-key") | self.cells(b"good"), {})

    def test_one_value(self):
        data = bytes(range(256))
        for method in ("PUT", "POST"):
            for headers in ({"X-Timestamp": "123"}, {}):
                path = f"/t/one{method}{len(headers)}/f:a"
                begin = int(time.time() * 1000)
                status, _, text = self.ask(method, path, data, BYTES, **headers)
                self.assertEqual((status, text), (200, b""))
                status, found, text = self.ask("GET", path, accept=BYTES)
                self.assertEqual((status, text), (200, data))
                stored = int(found["X-Timestamp"])
                self.assertTrue(stored == 123 if headers else begin <= stored <= time.time() * 1000, stored)
        self.assertEqual(self.ask("PUT", "/t/one/h:a", data, BYTES)[0], 404)

    def test_same_timestamp(self):
        """The last value wins, and is the only version: of requests, of rows and of cells in one request."""
        values = (b"1", b"2", b"2", b"1")
        for value in values:
            self.stores(row(b"requests", data=value))
        self.stores(*[row(b"rows", data=value) for value in values],
                    (b"cells", [(b"f:a", 5, value) for value in values]))
        for key in (b"requests", b"rows", b"cells"):
            self.assertEqual(self.cells(key), {b"f:a": [(5, b"1")]})

    def test_checks(self):
        for check, steps in CHECKS.items():
            key = check.encode()
            if check != "put":
                self.stores((key, cells_of(BEFORE)))
            for rows, status, words, then in steps:
                with self.subTest(check=check, rows=rows):
                    body = cell_set([(key + b"2" * n, cells_of(each)) for n, each in enumerate(rows.split("|"))])
                    found, _, text = self.ask("POST", f"/t/row?check={check}", body)
                    self.assertEqual(found, status, text)
                    if words:
                        self.assertIn(words.encode(), text)
                    else:
                        self.assertEqual(text, b"")
                    self.assertEqual([(column, None, cells[0][1]) for column, cells in
                                      sorted(self.cells(key).items())], cells_of(then))
            self.assertEqual(self.cells(key + b"2"), {})

    def test_a_counter_of_two_bytes(self):
        """The gateway answers 503, as if it passed by itself. The rows are stored."""
        self.rest.create("counter")
        self.stores(row(b"sum", b"f:n", data=b"12"), path="/counter/row")
        done = subprocess.run(["fl-sink", "hbase", "counter", "--column-family", "f", "--rest", self.rest.url,
                               "--text", "--increment-column", "n", "--increment-row", "sum", "--grace", "10m"],
                              input=b"x\n", capture_output=True, env=self.env(), timeout=LIMIT, check=False)
        said = done.stderr.decode()
        self.assertEqual(done.returncode, 78, said)
        self.assertRegex(said, "answers 503: .* Field is not a long, it's 2 bytes wide")
        self.assertIn("does --increment-column hold 8 bytes?", said)
        self.assertEqual(sorted(cells[0][1] for columns in self.rows("/counter/*").values()
                                for cells in columns.values()), [b"12", b"x"])

    def test_transfer(self):
        with self.subTest("gzip"):
            packed = gzip.compress(cell_set([row(b"gzip")]))
            status, _, text = self.ask("POST", "/t/row", packed, **{"Content-Encoding": "gzip"})
            self.assertEqual((status, text), (200, b""))
            status, headers, text = self.ask("GET", "/t/gzip", accept=PROTOBUF, **{"Accept-Encoding": "gzip"})
            self.assertEqual((status, headers["Content-Encoding"]), (200, "gzip"))
            self.assertEqual(rows_of(gzip.decompress(text)), [row(b"gzip")])
        with self.subTest("chunked"):
            body = cell_set([row(b"chunked")])
            status, _, text = self.ask("POST", "/t/row", iter([body[:7], body[7:]]))
            self.assertEqual((status, text), (200, b""))
        with self.subTest("100"):
            body = cell_set([row(b"expected")])
            self.begin(body, Expect="100-continue")
            self.assertEqual(self.link.sock.recv(1000), b"HTTP/1.1 100 Continue\r\n\r\n")
            self.link.send(body)
            status, _, text = self.answer()
            self.assertEqual((status, text), (200, b""))
        with self.subTest("cut"):
            body = cell_set([row(b"cut"), row(b"rest")])
            self.begin(body)
            self.link.send(body[:len(body) // 2])
            self.link.sock.shutdown(socket.SHUT_WR)
            status, headers, text = self.answer()
            self.assertEqual((status, headers["Connection"]), (500, "close"))
            self.assertRegex(text, PAGE)
        with self.subTest("60 MB"):
            data = os.urandom(1 << 20)
            self.stores(*[row(b"large %d" % n, data=data) for n in range(60)])
            for key in (b"large 0", b"large 59"):
                self.assertEqual(self.cells(key), {b"f:a": [(5, data)]})
        for key, columns in ((b"chunked", {b"f:a": [(5, b"v")]}), (b"expected", {b"f:a": [(5, b"v")]}), (b"cut", {})):
            self.assertEqual(self.cells(key), columns)

    def begin(self, body, **headers):
        """Sends the header of a request."""
        self.link.putrequest("POST", "/t/row")
        for name, value in {"Content-Type": PROTOBUF, "Content-Length": str(len(body)), **headers}.items():
            self.link.putheader(name, value)
        self.link.endheaders()

    def families(self, table):
        status, _, text = self.ask("GET", f"/{table}/schema", accept=JSON)
        self.assertEqual(status, 200)
        return [each["name"] for each in json.loads(text)["ColumnSchema"]]

    def test_schemas(self):
        status, _, text = self.ask("GET", "/none/schema", accept=JSON)
        self.assertEqual(status, 404)
        self.assertIn(b"TableNotFoundException", text)

        def as_json_of(*families):
            return json.dumps({"name": "x", "ColumnSchema": [{"name": each, "VERSIONS": "3"} for each in families]})
        for table, kind, schema in (
                ("json", JSON, as_json_of("f", "g")),
                ("xml", XML, '<TableSchema name="x"><ColumnSchema name="f"/><ColumnSchema name="g"/></TableSchema>')):
            self.assertEqual(self.ask("GET", f"/{table}/exists")[0], 404)
            status, headers, text = self.ask("PUT", f"/{table}/schema", schema, kind)
            self.assertEqual((status, text), (201, b""))
            self.assertEqual(headers["Location"], f"{self.rest.url}/{table}/schema")
            self.assertEqual(self.ask("GET", f"/{table}/exists")[0], 200)
            self.assertEqual(self.families(table), ["f", "g"])
        self.stores(row(b"k", b"f:a"), row(b"k", b"g:a"), path="/json/row")
        # POST adds families. PUT replaces them: a family that it does not name loses its data.
        for method, names, status, families, columns in (
                ("POST", "h", 200, "fgh", {b"f:a", b"g:a"}), ("PUT", "fh", 201, "fh", {b"f:a"}),
                ("POST", "g", 200, "fgh", {b"f:a"})):
            found, _, text = self.ask(method, "/json/schema", as_json_of(*names), JSON)
            self.assertEqual((found, text), (status, b""))
            self.assertEqual(self.families("json"), list(families))
            self.assertEqual(set(self.cells(b"k", "json")), columns)

    def test_names_of_tables(self):
        self.assertEqual(self.ask("POST", "/namespaces/web", kind=JSON)[0], 201)
        self.rest.create("web:log")
        for name in ("web:log", "web%3Alog"):
            self.stores(row(name.encode()), path=f"/{name}/row")
            self.assertEqual(self.cells(name.encode(), name), {b"f:a": [(5, b"v")]})
        for path in ("/", "/t/regions", "/version", "/version/cluster", "/status/cluster"):
            with self.subTest(path):
                self.assertEqual(self.ask("GET", path, accept=JSON)[0], 200)

    def test_reading_back(self):
        """What tests may ask for."""
        self.rest.create("read", ["f", "g"])
        keys = [b"a1", b"a2", b"a/3", b"b\xff", b"\xff\x00"]
        self.stores(*[(key, [(b"f:a", n, b"v"), (b"g:b", n + 10, b"w")]) for n, key in enumerate(keys)],
                    row(b"long", data=b"x" * 140_000), path="/read/row")
        for path, found in (
                ("a*", keys[:3]), ("*", [*keys, b"long"]), ("*?limit=2", [b"a/3", b"a1"]),
                ("*?startrow=a1&endrow=b", keys[:2]), ("*?column=g:b", keys), ("*?starttime=1&endtime=3", keys[1:3]),
                ("multiget?row=a1&row=a2&row=none", keys[:2]), ("a%2F3", keys[2:3]), ("%FF", []), ("none", []),
                ("_wA?e=b64", keys[4:]), ("_wA=?e=b64", keys[4:]), ("_wA%3D?e=b64", keys[4:])):
            with self.subTest(path):
                self.assertEqual(sorted(self.rows("/read/" + path)), sorted(found))
        self.assertEqual(list(self.rows("/read/_wA", Encoding="b64")), keys[4:])
        self.assertEqual(self.ask("GET", "/read/%00", accept=JSON)[0], 400)
        status, _, text = self.ask("GET", "/read/a1")
        self.assertEqual(status, 400)
        self.assertIn(b"only works if there is exactly 1 column", text)
        # A scan as protobuf begins with its length in two bytes, which overflow.
        expected = [row(b"long", data=b"x" * 140_000)]
        for path, before in (("long", 0), ("long*", 2)):
            status, _, text = self.ask("GET", "/read/" + path, accept=PROTOBUF)
            self.assertEqual((status, rows_of(text[before:])), (200, expected))
            self.assertEqual(text[:before], ((len(text) - before) & 0xFFFF).to_bytes(2, "big")[:before])

    def test_a_disabled_table(self):
        """Its rows are reported as missing."""
        self.rest.create("disabled")
        self.stores(row(b"k"), path="/disabled/row")
        self.hbase.disable("disabled")
        for path in ("/disabled/k", "/disabled/k/f:a"):
            self.assertEqual(self.ask("GET", path, accept=JSON)[0], 404)

    def test_a_gateway_that_only_reads(self):
        """And one that has been killed."""
        self.stores(row(b"only"))
        for method, path, body, status, words in (
                ("GET", "/t/only/f:a", None, 200, b"v"),
                ("POST", "/t/row", cell_set([row(b"only", data=b"w")]), 403, b"Forbidden"),
                ("POST", "/t/row?check=put", cell_set([row(b"only", data=b"w")]), 403, b"Forbidden"),
                ("PUT", "/t/only/f:a", b"w", 403, b"Forbidden"), ("DELETE", "/t/only", None, 403, b"Forbidden")):
            with self.subTest(method=method, path=path):
                kind = BYTES if method == "PUT" else PROTOBUF
                found, text = self.second.ask(method, path, body, **{"Content-Type": kind, "Accept": "*/*"})
                self.assertEqual((found, text.strip()), (status, words))
        self.second.kill()
        with self.assertRaises(ConnectionRefusedError):
            self.second.ask("GET", "/")


if __name__ == "__main__":
    harness.main()
