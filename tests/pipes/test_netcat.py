#!/usr/bin/env python3
"""fl-source netcat: what it answers, what comes out, and what many or odd clients can do to it."""
import os
import re
import signal
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import harness

OK = b"OK\n"
TOO_LONG = b"FAILED: Event exceeds the maximum length (512 chars, including newline)\n"

# What a client sends on a connection of its own, what it is answered, the lines of the logger.
# As Flume 1.11.0 does, unless a row says otherwise.
TALKS = [
    (b"Hello world!\n", OK,
     ["48 65 6C 6C 6F 20 77 6F 72 6C 64 21             Hello world!"]),
    (b"Hello world!\r\n", OK,
     ["48 65 6C 6C 6F 20 77 6F 72 6C 64 21 0D          Hello world!."]),
    (b"a\tb\x01\x1b\x7f\0z\n", OK,
     ["61 09 62 01 1B 7F 00 7A                         a.b....z"]),
    (b"exactly16bytes!!\n", OK,
     ["65 78 61 63 74 6C 79 31 36 62 79 74 65 73 21 21 exactly16bytes!!"]),
    (b"seventeen bytes!!\n", OK,
     ["73 65 76 65 6E 74 65 65 6E 20 62 79 74 65 73 21 seventeen bytes!"]),
    (b"\n", OK, [""]),
    ("Grüße €\U0001d11e\n".encode(), OK,
     ["47 72 C3 BC C3 9F 65 20 E2 82 AC F0 9D 84 9E    Gr....e ......."]),
    (b"two\nlines\n", OK + OK,
     ["74 77 6F                                        two",
      "6C 69 6E 65 73                                  lines"]),
    (b"x" * 511 + b"\n", OK,
     ["78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 xxxxxxxxxxxxxxxx"]),
    ("é".encode() * 511 + b"\n", OK,
     ["C3 A9 C3 A9 C3 A9 C3 A9 C3 A9 C3 A9 C3 A9 C3 A9 ................"]),
    ("\U0001d11e".encode() * 255 + b"\n", OK,
     ["F0 9D 84 9E F0 9D 84 9E F0 9D 84 9E F0 9D 84 9E ................"]),
    ("\U0001d11e".encode() * 256 + b"\n", TOO_LONG, []),
    (b"y" * 512 + b"\n", TOO_LONG, []),
    (b"y" * 512, TOO_LONG, []),
    (b"before\n" + b"y" * 512 + b"\nbehind\n", OK + TOO_LONG,
     ["62 65 66 6F 72 65                               before"]),
    # Flume drops a last line without newline.
    (b"tail", OK, ["74 61 69 6C                                     tail"]),
    # Flume closes the connection without a word and loses all three lines.
    (b"good1\nbad\xff\ngood2\n", OK * 3,
     ["67 6F 6F 64 31                                  good1",
      "62 61 64 FF                                     bad.",
      "67 6F 6F 64 32                                  good2"]),
    (b"\xed\xa0\x80\n\xc0\x80\n", OK * 2,
     ["ED A0 80                                        ...",
      "C0 80                                           .."]),
    (b"", b"", []),
]


def logged(dump: str) -> str:
    return f"Event: {{ headers:{{}} body:{' ' + dump if dump else ''} }}"


def read_all(connection: socket.socket) -> bytes:
    data = b""
    while True:
        piece = connection.recv(1 << 16)
        if not piece:
            return data
        data += piece


class Netcat(harness.Case):
    def start(self, *stages: str, options: str = "", **more) -> harness.Pipeline:
        """fl-source netcat on a free port, which is self.port, and the stages behind it."""
        pipeline = self.pipeline(f"fl-source netcat --port 0 {options}", *stages, **more)

        def listening():
            if pipeline.processes[0].poll() is not None:
                self.fail(pipeline.report())
            return re.search(r"listening on 127\.0\.0\.1:(\d+)\n", pipeline.errors(0))

        self.port = int(harness.poll(listening, "it listens")[1])
        return pipeline

    def connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), harness.HANG)
        self.addCleanup(connection.close)
        return connection

    def talk(self, data: bytes) -> bytes:
        connection = self.connect()
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        answer = read_all(connection)
        connection.close()
        return answer

    def stop(self, pipeline: harness.Pipeline) -> harness.Pipeline:
        pipeline.processes[0].send_signal(signal.SIGTERM)
        return self.check(pipeline, *[0] * len(pipeline.processes))

    def test_the_classic_agent_answers_and_prints_as_flume_does(self):
        pipeline = self.start("fl-channel memory", "fl-sink logger")
        expected = []
        for sent, answer, dumps in TALKS:
            with self.subTest(sent=sent[:40]):
                self.assertEqual(self.talk(sent), answer)
            expected += [logged(dump) for dump in dumps]
        self.stop(pipeline)
        self.assertEqual(pipeline.output().decode().splitlines(), expected)

    def test_a_line_that_comes_byte_by_byte(self):
        pipeline = self.start("fl-sink stdout")
        connection = self.connect()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"slow \xc3\xa9\n":
            connection.sendall(bytes([byte]))
        self.assertEqual(connection.recv(10), OK)
        self.stop(pipeline)
        self.assertEqual(pipeline.output(), b"slow \xc3\xa9\n")

    def test_many_clients_at_a_time(self):
        pipeline = self.start("fl-sink stdout")
        clients = [self.connect() for _ in range(200)]
        for round_ in range(20):
            for i, client in enumerate(clients):
                client.sendall(b"%d %d\n" % (i, round_))
        for client in clients:
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(read_all(client), OK * 20)
        self.stop(pipeline)
        rows = [tuple(map(int, row.split())) for row in pipeline.output().splitlines()]
        self.assertEqual(sorted(rows), [(i, r) for i in range(200) for r in range(20)])
        for i in range(0, 200, 37):
            self.assertEqual([r for client, r in rows if client == i], list(range(20)))
        self.assertIn("200 connections, 4000 events", pipeline.errors(0))

    def test_a_client_that_reads_no_replies_before_it_has_sent_everything(self):
        pipeline = self.start("fl-sink stdout")
        connection = self.connect()
        lines = b"".join(b"%d\n" % i for i in range(500_000))
        connection.sendall(lines)
        connection.shutdown(socket.SHUT_WR)
        self.assertEqual(len(read_all(connection)), 3 * 500_000)
        self.stop(pipeline)
        self.assertEqual(pipeline.output(), lines)

    def test_the_reply_failed_arrives_though_the_client_goes_on_sending(self):
        pipeline = self.start("fl-sink null")
        connection = self.connect()
        connection.sendall(b"y" * 600_000)
        connection.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(connection), TOO_LONG)
        self.stop(pipeline)
        self.assertIn("exceeds --max-line-length", pipeline.errors(0))

    def test_more_clients_than_max_connections_wait_for_their_turn(self):
        pipeline = self.start("fl-sink stdout", options="--max-connections 2")
        first, second = self.connect(), self.connect()
        for client in (first, second):
            client.sendall(b"in\n")
            self.assertEqual(client.recv(10), OK)
        third = self.connect()
        third.sendall(b"waits\n")
        harness.poll(lambda: "others wait" in pipeline.errors(0), "the limit is said")
        first.close()
        self.assertEqual(third.recv(10), OK)
        self.stop(pipeline)
        self.assertEqual(pipeline.output(), b"in\nin\nwaits\n")

    def test_without_acks_only_a_failure_is_answered(self):
        pipeline = self.start("fl-sink stdout", options="--ack-every-event=false")
        self.assertEqual(self.talk(b"a\nb\n"), b"")
        self.assertEqual(self.talk(b"y" * 600 + b"\n"), TOO_LONG)
        self.stop(pipeline)
        self.assertEqual(pipeline.output(), b"a\nb\n")

    def test_other_encodings_become_utf8(self):
        pipeline = self.start("fl-sink stdout", options="--encoding ISO8859_1")
        self.assertEqual(self.talk(b"caf\xe9\n"), OK)
        self.assertEqual(self.talk(b"\xe9" * 511 + b"\n"), OK)
        self.assertEqual(self.talk(b"\xe9" * 512 + b"\n"), TOO_LONG)
        self.stop(pipeline)
        self.assertEqual(pipeline.output(), "café\n".encode() + "é".encode() * 511 + b"\n")
        pipeline = self.start("fl-sink stdout", options="--encoding windows-1252")
        self.assertEqual(self.talk(b"\x80 \x81\n"), OK)  # 81 is nothing there
        self.stop(pipeline)
        self.assertEqual(pipeline.output(), "\u20ac \ufffd\n".encode())
        self.assertIn("1 malformed byte", pipeline.errors(0))

    def test_an_ok_at_ack_means_that_it_is_stored(self):
        pipeline = self.start(f"fl-sink hdfs --stream file://{self.out} --min-commit 1ms",
                              options="--ok-at ack")
        connection = self.connect()
        for i in range(5):
            connection.sendall(b"%d\n" % i)
            self.assertEqual(connection.recv(10), OK)
            self.assertIn(b"%d" % i, harness.committed_lines(self.out))
        self.stop(pipeline)

    def test_lines_with_an_ok_at_ack_survive_a_killed_sink(self):
        pipeline = self.start(f"fl-sink hdfs --stream file://{self.out} --min-commit 1ms",
                              options="--ok-at ack")
        connection = self.connect()
        answers = []

        def listen():
            try:
                while piece := connection.recv(1 << 16):
                    answers.append(piece)
            except OSError:
                pass

        listener = threading.Thread(target=listen)
        listener.start()
        try:
            for i in range(1_000_000):
                connection.sendall(b"%d\n" % i)
                if i == 50_000:
                    harness.poll(lambda: answers, "the first OK")
                    pipeline.processes[1].kill()
                    break
        except OSError:
            pass
        self.check(pipeline, 75, -signal.SIGKILL)
        listener.join(harness.HANG)
        stored = set(harness.committed_lines(self.out))
        promised = b"".join(answers).count(OK)
        self.assertGreater(promised, 0)
        self.assertEqual([i for i in range(promised) if b"%d" % i not in stored], [])

    def test_ok_at_ack_refuses_a_reader_that_does_not_acknowledge(self):
        pipeline = self.start("cat", options="--ok-at ack --ack-wait 100ms")
        pipeline.wait()
        self.assertEqual(pipeline.processes[0].returncode, 69, pipeline.report())

    def test_a_reader_that_dies_ends_it_with_75(self):
        pipeline = self.start("fl-sink null")
        connection = self.connect()
        connection.sendall(b"a\n")
        self.assertEqual(connection.recv(10), OK)
        pipeline.processes[1].kill()
        self.check(pipeline, 75, -signal.SIGKILL)

    def test_a_stop_ends_the_connections_behind_their_replies(self):
        pipeline = self.start("fl-sink stdout")
        connection = self.connect()
        connection.sendall(b"a\nb\n")
        harness.poll(lambda: pipeline.output() == b"a\nb\n", "both are printed")
        self.stop(pipeline)
        self.assertEqual(read_all(connection), OK * 2)

    def test_a_port_that_is_taken_is_69_and_a_foreign_address_78(self):
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        port = taken.getsockname()[1]
        pipeline = self.check(self.pipeline(f"fl-source netcat --port {port}", "fl-sink null"),
                              69, 75)
        self.assertIn("Address already in use", pipeline.errors(0))
        for options in ("--bind 192.0.2.1 --port 0", "--port 0 --encoding UTF-16",
                        "--port 0 --encoding none", "--port 0 --max-line-length 1"):
            with self.subTest(options=options):
                self.check(self.pipeline(f"fl-source netcat {options}", "fl-sink null"), 78, 75)

    def test_an_address_that_others_reach_is_warned_of(self):
        pipeline = self.pipeline("fl-source netcat --bind 0.0.0.0 --port 0", "fl-sink null")
        harness.poll(lambda: "no authentication" in pipeline.errors(0), "the warning")
        self.stop(pipeline)


if __name__ == "__main__":
    harness.main()
