#!/usr/bin/env python3
"""The REST gateway of HBase as fl-sink hbase sees it, for tests: what a real one was seen to answer,
and whatever a test makes of it.

    with Gateway({"t": ["f"]}) as gateway:
        gateway.url, gateway.rows           # {(table, key): {column: {timestamp: value}}}
        gateway.counters                    # {(table, key, column): n}
        gateway.answer = lambda request: 503    # instead of its own answer; None: its own
        gateway.bad = {b"key"}              # 400 to every request with such a row
        gateway.disabled = {"t"}            # tables
    gateway.after = lambda request: None    # what is answered after a request was done
        gateway.store_in(path)              # the values of rows go to the end of this file, too

usage: hbase_gateway.py PORT FILE       as a process: a table t with the family f; the values of rows
                                        go to the end of FILE, a line each
"""
import gzip
import json
import signal
import sys
import urllib.parse

import http_server

# As a real one says it.
NO_TABLE = b"Not found\r\norg.apache.hadoop.hbase.TableNotFoundException: none\n\tat org.apache"
NO_FAMILY = (b"Not found\r\norg.apache.hadoop.hbase.client.RetriesExhaustedWithDetailsException: Failed 1 "
             b"action: org.apache.hadoop.hbase.regionserver.NoSuchColumnFamilyException: Column family g\n"
             b"\tat org.apache")
MOVING = (b"Unavailable\r\norg.apache.hadoop.hbase.NotServingRegionException: t,,1.a. is not online on h\n"
          b"\tat org.apache")
DISABLED = (b"Unavailable\r\norg.apache.hadoop.hbase.TableNotEnabledException: t is disabled.\n"
            b"\tat org.apache")
OWN = object()


def number(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def fields(data):
    """(number, value) of a protobuf message."""
    at, found = 0, []
    while at < len(data):
        tag, at = number(data, at)
        value, at = number(data, at)
        if tag & 7 == 2:
            if at + value > len(data):
                raise ValueError("cut")
            value, at = data[at:at + value], at + value
        elif tag & 7 != 0:
            raise ValueError("wire type")
        found.append((tag >> 3, value))
    return found


def rows_of(body):
    """[(key, [(column, timestamp, data)])] of a CellSet."""
    found = []
    for _, row in fields(body):
        parts = fields(row)
        cells = [dict(fields(value)) for each, value in parts if each == 2]
        found.append((dict(parts).get(1, b""),
                      [(cell[2], cell.get(3), cell[4]) for cell in cells]))
    return found


class Gateway(http_server.Server):
    def __init__(self, tables, port=0):
        self.tables = tables
        self.rows = {}
        self.counters = {}
        self.order = []
        self.bad = set()
        self.disabled = set()
        self.answer = lambda request: OWN
        self.after = lambda request: OWN
        super().__init__(self.decide, port)
        self.url = f"http://127.0.0.1:{self.port}"

    def decide(self, request):
        said = self.answer(request)
        if said is not OWN:
            return said
        own = self.do(request)
        said = self.after(request)
        return own if said is OWN else said

    def do(self, request):
        path, _, query = request.path.partition("?")
        table, _, rest = path.lstrip("/").partition("/")
        table = urllib.parse.unquote(table)
        if table not in self.tables:
            return 404, {}, NO_TABLE
        families = self.tables[table]
        if request.method == "GET" and rest == "schema":
            return 200, {}, json.dumps({"name": table, "ColumnSchema": [
                {"name": each} for each in families]}).encode()
        body = request.body
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        if request.headers.get("content-type") != "application/x-protobuf":
            return 415
        try:
            rows = rows_of(body)
        except (ValueError, IndexError, KeyError):
            return 500, {}, b""
        if any(not key or key in self.bad for key, _ in rows):
            return 400, {}, b"Bad request\r\njava.lang.IllegalArgumentException: no\n\tat org.apache"
        if any(column.split(b":")[0].decode() not in families
               for _, cells in rows for column, _, _ in cells):
            return 404, {}, NO_FAMILY
        if table in self.disabled:
            return 503, {}, DISABLED if query.startswith("check=") else MOVING
        if query == "check=increment":
            for key, cells in rows:
                for column, _, data in cells:
                    place = (table, key, column)
                    self.counters[place] = self.counters.get(place, 0) + int(data)
            return 200
        if query == "check=put":
            (key, (*cells, check)), = rows
            if check[0] not in [cell[0] for cell in cells]:
                return 400
            there = self.rows.get((table, key), {}).get(check[0], {})
            if there.get(max(there, default=0), b"") != check[2]:
                return 304, {}, b""
            rows = [(key, cells)]
        for key, cells in rows:
            for column, timestamp, data in cells:
                columns = self.rows.setdefault((table, key), {})
                columns.setdefault(column, {})[timestamp] = data
                self.order.append(data)
        return 200

    def store_in(self, path):
        def store(_):
            with open(path, "ab", buffering=0) as file:
                file.write(b"".join(value + b"\n" for value in self.order))
            self.order.clear()
            return OWN
        self.after = store


def main():
    gateway = Gateway({"t": ["f"]}, int(sys.argv[1]))
    gateway.store_in(sys.argv[2])
    with gateway:
        signal.pause()


if __name__ == "__main__":
    main()
