#!/usr/bin/env python3
"""A metastore of a test, on a port of loopback: tables that the test gives it, and partitions.

    with fake_metastore.FakeMetastore() as store:
        store.add(metastore.table("test", "lines", "file:///w", [("line", "string")]))
        store.url                     # "thrift://127.0.0.1:PORT"
        store.http()                  # "http://127.0.0.1:PORT/metastore", of the same tables; who asked
                                      #  is in store.actors
        store.parts["test.lines"]     # {("2026-11-29",): LOCATION}
        store.before = lambda name, arguments: None     # called before each answer: a Struct or bytes
                                      #  of it are the answer, an OSError ends the connection
        store.after = lambda name, arguments: "cut"     # ends the connection instead of answering

    shared()                          # one for this process, with the tables test.lines (line; partition
                                      #  column dt) and test.plain (line), which are nowhere

usage: fake_metastore.py PORT DIRECTORY    as a process until TERM: test.lines (line string; dt
                                           string) in DIRECTORY, and test.plain without partitions
"""
import atexit
import http.server
import os
import signal
import socket
import socketserver
import sys
import threading
import urllib.parse

import metastore
import thrift_wire as wire
from thrift_wire import List, Map, Struct, text



def refusal(number, why):
    return Struct({number: Struct({1: why})})


class Handler(socketserver.StreamRequestHandler):
    def take(self, n):
        data = self.rfile.read(n)
        if len(data) != n:
            raise EOFError
        return data

    def handle(self):
        store = self.server.store
        with store.lock:
            store.connections.add(self.connection)
        try:
            while True:
                name, _, sequence, arguments = wire.read_message(self.take)
                answer = store.before(name, arguments) if store.before else None
                if answer is None:
                    with store.lock:
                        store.calls.append(name)
                        answer = store.answer(name, arguments)
                if answer is False:
                    answer, kind = Struct({1: f"Invalid method name: '{name}'", 2: 1}), wire.EXCEPTION
                else:
                    kind = wire.REPLY
                if store.after and store.after(name, arguments) == "cut":
                    return
                data = answer if isinstance(answer, bytes) else wire.message(name, answer, sequence, kind)
                self.wfile.write(data)
        except (EOFError, OSError, ValueError):
            pass
        finally:
            with store.lock:
                store.connections.discard(self.connection)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


class Web(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        store = self.server.store
        data = self.rfile.read(int(self.headers["Content-Length"]))
        actor = self.headers.get("x-actor-username")
        status, answer = (200, b"") if self.path == "/metastore" else (405, b"wrong path")
        if actor is None:
            status, answer = 401, b"no user"
        if status == 200:
            name, _, sequence, arguments = wire.read_message(wire.taker(data))
            with store.lock:
                store.actors.add(actor)
                answer = wire.message(name, store.answer(name, arguments), sequence, wire.REPLY)
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


class FakeMetastore:
    def __init__(self, port=0, tables=()):
        self.tables, self.parts, self.calls = {}, {}, []
        self.before = self.after = None
        self.lock = threading.RLock()
        self.connections = set()
        self.server = self.web = None
        self.actors = set()
        self.port = port
        for table in tables:
            self.add(table)
        self.start()

    def start(self):
        self.server = Server(("127.0.0.1", self.port), Handler)
        self.server.store = self
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        """No connection is left, and none is taken."""
        self.server.shutdown()
        self.server.server_close()
        with self.lock:
            for each in list(self.connections):
                each.shutdown(socket.SHUT_RDWR)

    def http(self):
        self.web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
        self.web.daemon_threads = True
        self.web.store = self
        threading.Thread(target=self.web.serve_forever, args=(0.02,), daemon=True).start()
        return f"http://127.0.0.1:{self.web.server_address[1]}/metastore"

    def close(self):
        self.stop()
        if self.web:
            self.web.shutdown()
            self.web.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def url(self):
        return f"thrift://127.0.0.1:{self.port}"

    def add(self, table):
        key = f"{table[2]}.{table[1]}"
        self.tables[key] = table
        self.parts[key] = {}

    def answer(self, name, arguments):
        if name == "set_ugi":
            return Struct({0: List(wire.STRING, [text(arguments[1])])})
        if name == "get_table_req":
            key = f"{text(arguments[1][1])}.{text(arguments[1][2])}"
            if key not in self.tables:
                return refusal(2, f"{key} table not found")
            return Struct({0: Struct({1: self.tables[key]})})
        if name == "get_partition_by_name":
            key = f"{text(arguments[1])}.{text(arguments[2])}"
            values = tuple(urllib.parse.unquote(part.split("=", 1)[1])
                           for part in text(arguments[3]).split("/"))
            if values not in self.parts[key]:
                return refusal(2, f"partition values={list(values)}")
            return Struct({0: Struct({1: List(wire.STRING, values),
                                      6: Struct({2: self.parts[key][values]}), 7: Map()})})
        if name == "add_partitions_req":
            key = f"{text(arguments[1][1])}.{text(arguments[1][2])}"
            if key not in self.tables:
                return refusal(1, f"{key} does not exist")
            for part in arguments[1][3]:
                values = tuple(map(text, part[1]))
                assert arguments[1][4] is True
                self.parts[key].setdefault(values, text(part[6][2]))
            return Struct({0: Struct()})
        return False


def lines_tables(place):
    return [metastore.table("test", name, place, [("line", "string")], keys)
            for name, keys in (("lines", [("dt", "string")]), ("plain", []))]


_shared = []


def shared():
    if not _shared:
        _shared.append(FakeMetastore(tables=lines_tables("file:///nowhere")))
        atexit.register(_shared[0].close)
    return _shared[0]


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    directory = os.path.abspath(sys.argv[2])
    FakeMetastore(int(sys.argv[1]), lines_tables(f"file:{directory}"))
    signal.pause()


if __name__ == "__main__":
    main()
