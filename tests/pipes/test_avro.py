#!/usr/bin/env python3
"""fl-source avro and fl-sink avro: when a request is answered, what bad clients and servers can do,
and what arrives when either side is killed."""
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import chain
import harness
from avro_rpc import Client, Server, array, call, encoded, frame, handshake
from ports import free_port


def events_of(first: int, count: int) -> list:
    return [({"n": str(i)} if i % 3 else {}, b"%d" % i) for i in range(first, first + count)]


class AvroSource(harness.Case):
    def start(self, *stages, options="", **more):
        """fl-source avro on a free port, which is self.port, and the stages after it."""
        pipeline = self.pipeline(f"fl-source avro --port 0 {options}", *stages, **more)
        self.port = self.address(pipeline)[1]
        return pipeline

    def lines_of(self, pipeline):
        return [line for line in pipeline.output().decode().splitlines()]

    def stop(self, pipeline, *expected):
        pipeline.send(signal.SIGTERM, 0)
        return self.check(pipeline, *expected)

    def raw(self):
        link = socket.create_connection(("127.0.0.1", self.port), harness.HANG)
        self.addCleanup(link.close)
        return link

    def test_each_batch_is_answered_when_its_events_are_stored(self):
        for deflate in (False, True):
            with self.subTest(deflate=deflate):
                kind = "--compression-type deflate" if deflate else ""
                pipeline = self.start("fl-sink stdout --stream --format json", options=kind)
                with Client(self.port, deflate) as client:
                    self.assertEqual(client.append(({"h": "v"}, b"one")), "OK")
                    self.assertEqual(client.append_batch([({}, b"two"), ({"k": "ü"}, b"three")]),
                                     "OK")
                    self.assertEqual(client.append_batch([]), "OK")
                    self.assertEqual(client.append_batch([({}, b"%d" % i) for i in range(5000)]),
                                     "OK")
                    lines = self.lines_of(pipeline)  # what is answered is written
                    self.assertEqual(len(lines), 5003)
                    self.assertEqual(lines[:3], ['{"headers":{"h":"v"},"body":"one"}',
                                                 '{"body":"two"}' if '"headers"' not in lines[1]
                                                 else '{"headers":{},"body":"two"}',
                                                 '{"headers":{"k":"ü"},"body":"three"}'])
                self.stop(pipeline, 0, 0)

    def test_nothing_is_answered_while_the_sink_is_frozen(self):
        pipeline = self.start("fl-sink stdout --stream")
        with Client(self.port) as client:
            self.assertEqual(client.append_batch(events_of(0, 10)), "OK")
            pipeline.processes[1].send_signal(signal.SIGSTOP)
            client.send(b"appendBatch", array(events_of(10, 10)))
            # The source has passed it on: it asks for acknowledgement of all 20.
            def passed():
                pipeline.send(signal.SIGUSR1, 0)
                return re.search(r"\b20 events", pipeline.errors(0))
            harness.poll(passed, "20 events")
            client.link.connection.setblocking(False)
            with self.assertRaises(BlockingIOError):
                client.link.connection.recv(1)
            client.link.connection.setblocking(True)
            pipeline.processes[1].send_signal(signal.SIGCONT)
            self.assertEqual(client.reply()[1], "OK")
        self.stop(pipeline, 0, 0)

    def test_pipelined_requests_are_answered_in_order(self):
        pipeline = self.start("fl-sink stdout --stream")
        with Client(self.port) as client:
            def send():
                for i in range(1000):
                    client.send(b"appendBatch", array(events_of(i * 3, i % 4)))
            sender = threading.Thread(target=send)
            sender.start()
            self.assertEqual([client.reply() for _ in range(1000)],
                             [(i + 1, "OK") for i in range(1000)])
            sender.join()
        self.stop(pipeline, 0, 0)
        bodies = [int(line) for line in self.lines_of(pipeline)]
        self.assertEqual(bodies, [i * 3 + k for i in range(1000) for k in range(i % 4)])

    def test_a_gathering_sink_needs_a_durable_hop(self):
        for options, status in (("", 78), ("--ack-at put", 0), ("--ack-at sink", 0)):
            with self.subTest(options=options):
                pipeline = self.start(f"fl-sink hdfs --stream file://{self.path('out')}",
                                      options=options)
                if status == 0:
                    with Client(self.port) as client:
                        self.assertEqual(client.append(({}, b"x")), "OK")
                    self.stop(pipeline, 0, 0)
                else:
                    self.assertEqual(pipeline.wait(), [78, 78])
                    self.assertIn("fl-channel file", pipeline.errors(0))
                    self.assertIn("--ack-at put", pipeline.errors(0))
        pipeline = self.start(f"fl-channel file --stream {self.path('log')}",
                              f"fl-sink hdfs --stream file://{self.path('out2')}")
        with Client(self.port) as client:
            for i in range(20):
                self.assertEqual(client.append(({}, b"%d" % i)), "OK")
        self.stop(pipeline, 0, 0, 0)
        self.assertEqual(harness.committed_lines(self.path("out2")), [b"%d" % i for i in range(20)])

    def test_bad_requests_end_their_own_connection_only(self):
        pipeline = self.start("fl-sink stdout --stream", options="--max-request 64K")
        good = Client(self.port)
        self.addCleanup(good.link.connection.close)
        self.assertEqual(good.append(({}, b"first")), "OK")
        first = handshake() + call(b"appendBatch", array(events_of(0, 3)))
        whole = frame(1, first, cut=50)
        bad = {
            "text": b"GET / HTTP/1.1\r\n\r\n",
            "TLS": b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + bytes(range(200)),
            "many buffers": struct.pack(">II", 1, 0xffffffff),
            "a long buffer": struct.pack(">III", 1, 1, 0x7fffffff),
            "a negative length": struct.pack(">III", 1, 1, 0xffffffff),
            "a long message": struct.pack(">II", 1, 100) + (struct.pack(">I", 1000) + bytes(1000)) * 70,
            "deflate": b"\x78\x9c" + bytes(range(100)),
            "a cut handshake": frame(1, first[:30]),
            "an empty message": frame(1, b""),
            "a map without end": frame(1, handshake()[:-2] + b"\2\xfe\xff\xff\xff\x0f"),
        }
        for name, data in bad.items():
            with self.subTest(name), self.raw() as link:
                link.sendall(data)
                self.assertEqual(link.recv(1 << 16), b"")
        # Damage inside a request: an error that says what, and nothing of it is taken.
        for damage in (array(events_of(0, 3))[:-2], array(events_of(0, 3)) + b"x",
                       b"\x04" + encoded(({}, b"x")), b"\xff\xff\xff\xff\x0f", b""):
            good.send(b"appendBatch", damage)
            self.assertEqual(good.reply()[1][0], "error")
        good.send(b"nosuch", b"")
        self.assertIn("No such remote message: nosuch", good.reply()[1][1])
        # Each byte a piece.
        with self.raw() as link:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for i in range(len(whole)):
                link.sendall(whole[i:i + 1])
            self.assertTrue(link.recv(100))
        self.assertEqual(good.append(({}, b"last")), "OK")
        self.stop(pipeline, 0, 0)
        self.assertEqual(self.lines_of(pipeline), ["first", "0", "1", "2", "last"])

    def test_a_request_that_is_cut_anywhere_is_taken_as_a_whole_or_not_at_all(self):
        """After each byte: of both messages, with the handshake and after another one, plain and
        compressed."""
        messages = {b"append": lambda n: encoded(({"h": "v"}, b"%d" % n)),
                    b"appendBatch": lambda n: array([({}, b"%d" % (n + i)) for i in range(3)])}
        for deflate in (False, True):
            pipeline = self.start("fl-sink stdout --stream",
                                  options="--compression-type deflate" if deflate else "")
            count = 0  # of the numbers that are to come out
            for name, parameters in messages.items():
                for is_later in (False, True):
                    with self.subTest(name, is_later=is_later, deflate=deflate):
                        count = self.cut(deflate, name, parameters, count, is_later)
            self.stop(pipeline, 0, 0)
            self.assertEqual(self.lines_of(pipeline), [str(i) for i in range(count)])

    def cut(self, deflate, name, parameters, count, is_later):
        """Requests with the numbers from `count` on, each ended one byte later than the one before.
        Which number is the next one to come out."""
        size, length = 0, 1
        while size <= length:
            with Client(self.port, deflate) as client:
                connection, unpacker = client.link.connection, zlib.decompressobj()

                def packed(data):
                    packer = client.link.packer
                    return packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH) if packer else data

                def unpacked(data):
                    return unpacker.decompress(data) if deflate else data
                serial, start = 1, handshake()
                if is_later:
                    first = packed(frame(serial, start + call(b"append", encoded(({}, b"%d" % count)))))
                    connection.sendall(first)
                    unpacked(first)
                    self.assertEqual(client.reply(), (serial, "OK"))
                    count += 1
                    serial, start = 2, b""
                whole = frame(serial, start + call(name, parameters(count)))
                sent = packed(whole)
                length = len(sent)
                connection.sendall(sent[:size])
                connection.shutdown(socket.SHUT_WR)
                # The last bytes of what is compressed only end a piece of it.
                if unpacked(sent[:size]) == whole:
                    self.assertEqual(client.reply(), (serial, "OK"), size)
                    count += 3 if name == b"appendBatch" else 1
                self.assertEqual(connection.recv(1), b"", size)
            size += 1
        self.assertGreater(length, 10)  # there is something to cut
        return count

    def test_too_large_an_event_refuses_its_batch(self):
        pipeline = self.start("fl-sink stdout --stream")
        with Client(self.port) as client:
            kind, text = client.append_batch([({}, b"a"), ({}, b"x" * ((1 << 20) + 1)), ({}, b"b")])
            self.assertEqual(kind, "error")
            self.assertIn("event 2: its body exceeds --max-event", text)
            self.assertEqual(client.append(({}, b"c")), "OK")
        self.stop(pipeline, 0, 0)
        self.assertEqual(self.lines_of(pipeline), ["c"])
        self.assertIn("exceeds --max-event", pipeline.errors(0))

    def test_slow_clients_are_ended_and_idle_ones_stay(self):
        pipeline = self.start("fl-sink stdout --stream", options="--request-timeout 300ms")
        idle, used = Client(self.port), Client(self.port)
        self.assertEqual(used.append(({}, b"x")), "OK")
        slow = [self.raw() for _ in range(50)]
        for i, link in enumerate(slow):
            link.sendall(frame(1, handshake())[:i + 1])
        for link in slow:
            self.assertEqual(link.recv(1), b"")
        for client in (idle, used):
            with client:
                self.assertEqual(client.append(({}, b"y")), "OK")
        self.stop(pipeline, 0, 0)
        self.assertIn("has not sent the rest of its request", pipeline.errors(0))

    def test_further_clients_wait(self):
        pipeline = self.start("fl-sink stdout --stream", options="--max-connections 2")
        first, second, third = (Client(self.port) for _ in range(3))
        for client in (first, second):
            self.addCleanup(client.link.connection.close)
            self.assertEqual(client.append(({}, b"a")), "OK")
        self.addCleanup(third.link.connection.close)
        third.send(b"append", encoded(({}, b"b")))
        harness.poll(lambda: "1 more must wait" in pipeline.errors(0), "a warning")
        first.link.connection.close()
        self.assertEqual(third.reply()[1], "OK")
        self.stop(pipeline, 0, 0)

    def test_idle_timeout(self):
        pipeline = self.start("fl-sink stdout --stream", options="--idle-timeout 200ms")
        with self.raw() as link:
            self.assertEqual(link.recv(1), b"")
        self.stop(pipeline, 0, 0)

    def test_memory_is_bounded_however_many_send_large_requests(self):
        pipeline = self.start("fl-sink stdout --stream",
                              options="--request-timeout 500ms --max-connections 100")
        pid = pipeline.processes[0].pid
        piece = b"x" * (1 << 16)
        links = [self.raw() for _ in range(20)]

        def send(link):
            try:
                link.sendall(struct.pack(">III", 1, 1, 12 << 20))
                for _ in range((12 << 20) // len(piece) - 1):  # all but the end
                    link.sendall(piece)
                link.recv(1)
            except OSError:
                pass
        threads = [threading.Thread(target=send, args=(link,)) for link in links]
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
        with Client(self.port) as client:
            self.assertEqual(client.append(({}, b"y")), "OK")
        self.stop(pipeline, 0, 0)

    def test_a_bomb_takes_no_memory(self):
        pipeline = self.start("fl-sink stdout --stream",
                              options="--compression-type deflate --max-request 1M")
        bomb = zlib.compress(struct.pack(">III", 1, 1, 1 << 20) + bytes(100 << 20), 9)
        with self.raw() as link:
            try:
                link.sendall(bomb)
                while link.recv(1 << 16):
                    pass
            except ConnectionError:
                pass  # closed while it was sent
        if not harness.is_sanitized():
            self.assertLess(harness.peak_kib(pipeline.processes[0].pid), 60 << 10)
        with Client(self.port, deflate=True) as client:
            self.assertEqual(client.append(({}, b"y")), "OK")
        self.stop(pipeline, 0, 0)

    def test_term_answers_what_was_passed_on(self):
        pipeline = self.start("fl-sink stdout --stream")
        with Client(self.port) as client:
            self.assertEqual(client.append(({}, b"a")), "OK")
            pipeline.processes[1].send_signal(signal.SIGSTOP)
            client.send(b"append", encoded(({}, b"b")))
            def passed():
                pipeline.send(signal.SIGUSR1, 0)
                return re.search(r"\b2 events", pipeline.errors(0))
            harness.poll(passed, "2 events")
            pipeline.send(signal.SIGTERM, 0)
            harness.poll(lambda: not harness.is_pending(pipeline.processes[0].pid, signal.SIGTERM),
                         "it has heard")
            pipeline.processes[1].send_signal(signal.SIGCONT)
            self.assertEqual(client.reply()[1], "OK")
            self.assertEqual(client.link.connection.recv(1), b"")
        self.check(pipeline, 0, 0)

    def test_flume_properties(self):
        done = subprocess.run(
            ["sh", "-c", "exec fl-source avro --properties 3 --dry-run 3< " + self.write("p", (
                "bind = 127.0.0.1\nport = 0\nthreads = 5\ncompression-type = deflate\n"
                "ackAt = put\nmaxConnections = 3\nmaxRequest = 1000000\nrequestTimeout = 5\n"
                "idleTimeout = 60\n"))], env=self.env(), cwd=self.dir,
            capture_output=True, text=True, timeout=harness.HANG, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)


class AvroSink(harness.Case):
    def sink(self, port, *options, lines=None, source=None):
        if lines is not None:
            self.write("lines", b"".join(b"%d\n" % i for i in range(lines)))
            source = f"fl-source stdin {self.path('lines')}"
        return self.pipeline(source, ["fl-sink", "avro", "--stream", f"127.0.0.1:{port}", *options])

    def bodies(self, server):
        return [int(body) for _, body in server.events]

    def test_sends_batches_one_after_the_other(self):
        for deflate in (False, True):
            with self.subTest(deflate=deflate), Server(deflate=deflate) as server:
                options = ["--compression-type", "deflate", "--compression-level", "9"] \
                    if deflate else []
                self.check(self.sink(server.port, "--batch-size", "70", *options, lines=10_000),
                           0, 0)
                self.assertEqual(self.bodies(server), list(range(10_000)))
                self.assertEqual(server.damage, [])
                self.assertEqual(max(server.batches), 70)
                self.assertEqual(server.connections, 1)

    def test_headers_and_bytes_arrive_as_they_are(self):
        with Server() as server:
            self.write("in", b"a\xff\0b\n\n")
            self.check(self.pipeline(f"fl-intercept static --key k --value ü --text --in {self.path('in')}",
                                     f"fl-sink avro --hostname 127.0.0.1 --port {server.port}"),
                       0, 0)
            self.assertEqual(server.events, [({"k": "ü"}, b"a\xff\0b"), ({"k": "ü"}, b"")])

    def test_what_is_not_answered_ok_is_sent_again(self):
        seen = []

        def decide(events):
            seen.append(len(events))
            return ("FAILED", "no room", None, "OK")[len(seen) % 4] if len(seen) < 12 else "OK"
        with Server(decide) as server:
            pipeline = self.check(self.sink(server.port, "--grace", "60s", lines=500), 0, 0, limit=60)
            self.assertEqual(self.bodies(server), list(range(500)))
            self.assertIn("FAILED", pipeline.errors(1))
            self.assertIn("no room", pipeline.errors(1))

    def test_a_server_that_does_not_reply_or_is_none(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            pipeline = self.sink(silent.getsockname()[1], "--request-timeout", "200ms",
                                 "--give-up-after", "1s", lines=10)
            self.check(pipeline, 75, 69)
            self.assertIn("no reply within --request-timeout 200ms", pipeline.errors(1))
        with Server() as server:  # which does not compress
            pipeline = self.sink(server.port, "--compression-type", "deflate",
                                 "--request-timeout", "200ms", "--give-up-after",
                                 "1s", lines=10)
            self.check(pipeline, 75, 69)
        pipeline = self.sink(1, "--give-up-after", "300ms", "--connect-timeout", "5s", lines=10)
        self.check(pipeline, 75, 69)
        self.assertIn("cannot connect to 127.0.0.1:1: Connection refused", pipeline.errors(1))

    def test_a_server_that_comes_later(self):
        port = free_port()
        pipeline = self.sink(port, "--grace", "60s", lines=1000)
        harness.poll(lambda: "trying again" in pipeline.errors(1), "a warning")
        with Server(port=port) as server:
            self.check(pipeline, 0, 0)
            self.assertEqual(self.bodies(server), list(range(1000)))
            self.assertIn("sending continues after", pipeline.errors(1))

    def test_names_are_resolved(self):
        with Server() as server:
            self.check(self.pipeline("fl-source seq --count 3",
                                     f"fl-sink avro --stream localhost:{server.port}"), 0, 0)
            self.assertEqual(self.bodies(server), [0, 1, 2])
        pipeline = self.pipeline("fl-source seq --count 3",
                                 "fl-sink avro --stream no.such.host.invalid:4141 --give-up-after 1s")
        self.check(pipeline, 75, 69)
        self.assertIn("cannot connect to no.such.host.invalid:4141: ", pipeline.errors(1))

    def test_connects_anew_at_intervals(self):
        with Server() as server:
            pipeline = self.pipeline("fl-source stdin", f"fl-sink avro --stream 127.0.0.1:{server.port} "
                                     "--reset-connection-interval 50ms", stdin=subprocess.PIPE)
            stdin = pipeline.processes[0].stdin
            for i in range(5):
                stdin.write(b"%d\n" % i)
                stdin.flush()
                harness.poll(lambda: len(self.bodies(server)) > i, "the event")
                threading.Event().wait(0.06)  # longer than the interval
            stdin.close()
            self.check(pipeline, 0, 0)
            self.assertEqual(self.bodies(server), list(range(5)))
            self.assertEqual(server.connections, 5)

    def test_the_source_forgets_only_what_was_answered(self):
        os.mkdir(self.path("spool"))
        for i in range(4):
            self.write(f"spool/{i}", b"".join(b"%d\n" % (i * 1000 + k) for k in range(1000)))
        left = []

        def decide(events):
            left.append(len(events))
            return "OK" if len(left) < 15 else None
        with Server(decide) as server:
            pipeline = self.sink(server.port, "--give-up-after", "300ms",
                                 source=f"fl-source spooldir {self.path('spool')} --once")
            self.assertNotIn(0, pipeline.wait())
            kept = {line for name in os.listdir(self.path("spool")) if name.endswith("COMPLETED")
                    for line in open(self.path("spool", name), "rb").read().split()}
            self.assertLessEqual({int(line) for line in kept}, set(self.bodies(server)))
        with Server() as again:
            self.check(self.sink(again.port,
                                 source=f"fl-source spooldir {self.path('spool')} --once"), 0, 0)
            got = self.bodies(server) + self.bodies(again)
            self.assertEqual(set(got), set(range(4000)))

    def test_wrong_options(self):
        for words, text in (("avro", "HOST:PORT"), ("avro nowhere", "not HOST:PORT"),
                            ("avro h:0", "not HOST:PORT"), ("avro h:1 --batch-size 0", "batch-size"),
                            ("avro h:1 --compression-type deflate --compression-level 10",
                             "between 0 and 9")):
            with self.subTest(words):
                pipeline = self.pipeline(f"fl-sink {words} --text", stdin=subprocess.DEVNULL)
                self.assertEqual(pipeline.wait(), [64])
                self.assertIn(text, pipeline.errors(0))

    def test_flume_properties(self):
        done = subprocess.run(
            ["sh", "-c", "exec fl-sink avro --properties 3 --dry-run 3< " + self.write("p", (
                "hostname = 127.0.0.1\nport = 4141\nbatch-size = 10\nconnect-timeout = 5000\n"
                "request-timeout = 5000\nreset-connection-interval = 60\ncompression-type = deflate\n"
                "compression-level = 1\nmaxIoWorkers = 4\n"))], env=self.env(),
            cwd=self.dir, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=harness.HANG, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)


class Chain(chain.Chain):
    def test_nothing_is_lost_when_either_side_is_killed(self):
        self.kill_either_side("fl-source avro --port {port}",
                              "fl-sink avro --stream --batch-size 100 127.0.0.1:{port}")


if __name__ == "__main__":
    harness.main()
