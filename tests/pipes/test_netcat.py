#!/usr/bin/env python3
"""fl-source netcat: what it answers, what comes out, and what many or odd clients can do to it."""
import codecs
import fcntl
import os
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import certificates
import harness
import tls_case

# States in /proc/net/tcp.
ESTABLISHED, CLOSED, CLOSE_WAIT, LISTENING = 1, 7, 8, 10
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


def wake_ups(pid: int) -> int:
    """How often the process has gone to sleep and was woken."""
    with open(f"/proc/{pid}/status") as file:
        return int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", file.read(), re.M)[1])


def cpu_ticks(pid: int) -> int:
    """Hundredths of a second of CPU time."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def state_of(pid: int) -> str:
    """S: it sleeps, T: it is stopped."""
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0]


def tcp_rows(port: int) -> list:
    """The server's sockets on this port: (state, bytes that wait to be read)."""
    rows = []
    with open("/proc/net/tcp") as file:
        for row in file.read().splitlines()[1:]:
            fields = row.split()
            if int(fields[1].rpartition(":")[2], 16) == port:
                rows.append((int(fields[3], 16), int(fields[4].partition(":")[2], 16)))
    return rows


def unread_bytes(port: int) -> int:
    return sum(unread for state, unread in tcp_rows(port) if state != LISTENING)


def unsent_bytes(connection: socket.socket) -> int:
    """What the other side has not received yet (SIOCOUTQ)."""
    return struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, b"\0" * 4))[0]


def sockets_of(port: int) -> int:
    """Established connections of the server and those whose end it has not closed."""
    return sum(state in (ESTABLISHED, CLOSE_WAIT, CLOSED) for state, _ in tcp_rows(port))


def sockets_in(pid: int) -> int:
    """The sockets that a process has open."""
    count = 0
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            count += os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:")
        except FileNotFoundError:
            pass
    return count


def is_listening(port: int) -> bool:
    return any(state == LISTENING for state, _ in tcp_rows(port))


def read_exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            break
        data += piece
    return data


class Netcat(harness.Case):
    def start(self, *stages: str, options: str = "", wrapper: str = "", **more) -> harness.Pipeline:
        """fl-source netcat on a free port, which is self.port, and the stages after it."""
        words = f"fl-source netcat --port 0 {options}"
        first = ["sh", "-c", wrapper + words] if wrapper else words
        pipeline = self.pipeline(first, *stages, **more)
        self.port = self.address(pipeline)[1]
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
        pipeline.send(signal.SIGTERM, 0)
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

    def test_a_client_that_closes_without_reading_its_answers_loses_no_line(self):
        pipeline = self.start("fl-sink stdout")
        expected = 0
        for count in (3500, 1, 3500, 100, 3500):
            self.send_and_close(count)
            expected += count
            harness.poll(lambda: pipeline.output().count(b"\n") >= expected or
                         pipeline.processes[0].poll() is not None, f"{expected} lines")
        self.stop(pipeline)
        self.assertEqual(pipeline.output().count(b"\n"), expected)
        self.assertRegex(pipeline.errors(0), r"\d+ answers not read by clients")

    def send_and_close(self, count: int) -> None:
        subprocess.run(["bash", "-c", f"seq {count} > /dev/tcp/127.0.0.1/{self.port}"],
                       check=True, timeout=harness.HANG)

    def test_lines_that_a_closing_client_did_not_get_out_are_reported(self):
        # The client's kernel drops what it has not sent when answers are unread: nobody gets that.
        pipeline = self.start("fl-sink stdout")
        self.send_and_close(300_000)
        harness.poll(lambda: sockets_of(self.port) == 0, "the connection is over")
        # Left are those that listen, and the one of the next stage.
        harness.poll(lambda: sockets_in(pipeline.processes[0].pid) == 3, "all of it is read")
        self.stop(pipeline)
        lines = pipeline.output().split(b"\n")[:-1]
        self.assertEqual(lines, [b"%d" % i for i in range(1, len(lines) + 1)])
        self.assertGreater(len(lines), 3500)
        if len(lines) < 300_000:
            self.assertIn("has reset its connection: what it sent last may be lost",
                          pipeline.errors(0))
            self.assertIn("1 connection reset by clients", pipeline.errors(0))

    def test_what_a_reset_may_have_lost_is_reported_at_a_bounded_rate(self):
        pipeline = self.start("fl-sink stdout")
        for i in range(50):
            connection = self.connect()
            connection.sendall(b"whole %d\n" % i)
            self.assertEqual(connection.recv(10), OK)
            # Closing with this sends a reset at once.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        self.assertEqual(self.talk(b"last\n"), OK)  # served after the others
        self.stop(pipeline)
        self.assertEqual(pipeline.output().count(b"\n"), 51)
        self.assertEqual(pipeline.errors(0).count("has reset its connection"), 1)
        self.assertIn("50 connections reset by clients", pipeline.errors(0))

    def test_the_rest_of_a_line_that_a_reset_cut_is_reported(self):
        pipeline = self.start("fl-sink stdout")
        connection = self.connect()
        connection.sendall(b"whole\nhalf a line")
        self.assertEqual(connection.recv(10), OK)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        harness.poll(lambda: "11 bytes of an unfinished line dropped" in pipeline.errors(0),
                     "the loss is reported")
        self.stop(pipeline)
        self.assertEqual(pipeline.output(), b"whole\n")

    def test_without_descriptors_it_waits_without_cpu_and_names_the_remedy(self):
        pipeline = self.start("fl-sink stdout", options="--ack-at sink",
                              wrapper="ulimit -n 16; exec ")
        self.assertEqual(self.talk(b"99\n"), OK)  # the sink's own connection has its descriptor
        clients = [self.connect() for _ in range(30)]
        pid = pipeline.processes[0].pid
        harness.poll(lambda: "cannot accept a client" in pipeline.errors(0), "EMFILE is reported")
        woken, used = wake_ups(pid), cpu_ticks(pid)
        # It tries again every second. A loop that spins is never woken.
        harness.poll(lambda: wake_ups(pid) >= woken + 2, "it sleeps and tries again")
        self.assertLess(cpu_ticks(pid) - used, 30)
        self.assertEqual(pipeline.errors(0).count("cannot accept a client"), 1)
        self.assertIn("'ulimit -n' allows 16 open files", pipeline.errors(0))
        for i, client in enumerate(clients):  # those that leave make room for the others
            client.sendall(b"%d\n" % i)
            self.assertEqual(client.recv(10), OK)
            client.close()
        self.stop(pipeline)
        self.assertEqual(sorted(map(int, pipeline.output().split())),
                         [*range(30), 99])

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
        harness.poll(lambda: "2 clients connected (--max-connections): 1 more must wait"
                     in pipeline.errors(0), "the limit is reported")
        first.close()
        self.assertEqual(third.recv(10), OK)
        self.stop(pipeline)
        self.assertEqual(pipeline.output(), b"in\nin\nwaits\n")

    def test_idle_clients_make_room_and_those_that_wait_for_us_are_none(self):
        pipeline = self.start("fl-sink stdout",
                              options="--max-connections 3 --idle-timeout 300ms --ack-at sink")
        self.assertEqual(self.talk(b"first\n"), OK)
        waits = self.connect()
        pipeline.send(signal.SIGSTOP, 1)
        waits.sendall(b"late answer\n")
        idle = [self.connect() for _ in range(2)]
        idle[0].sendall(b"half a line")
        good = self.connect()
        good.sendall(b"served\n")
        for client in idle:
            self.assertEqual(client.recv(10), b"")
        pipeline.send(signal.SIGCONT, 1)
        for client in (waits, good):
            self.assertEqual(client.recv(10), OK)
        self.stop(pipeline)
        self.assertEqual(pipeline.output(), b"first\nlate answer\nserved\n")
        self.assertIn("has sent no line for 300ms (--idle-timeout)", pipeline.errors(0))
        self.assertIn("2 idle connections closed", pipeline.errors(0))

    def test_the_longest_line_is_an_option(self):
        pipeline = self.start("fl-sink stdout", options="--max-line-length 4")
        self.assertEqual(self.talk(b"abc\nabcd\n"), OK + TOO_LONG.replace(b"512", b"4"))
        self.stop(pipeline)
        self.assertEqual(pipeline.output(), b"abc\n")

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

    def test_wide_encodings_and_their_spellings(self):
        text = "abc\n\u0a0a\u010a\u4100\n\n\U0001d11e last"
        lines = (text + "\n").encode()
        for name, codec in (("UTF-16LE", "utf-16-le"), ("utf_16be", "utf-16-be"),
                            ("UTF-32LE", "utf-32-le"), ("UTF32BE", "utf-32-be")):
            with self.subTest(name=name):
                pipeline = self.start("fl-sink stdout", options=f"--encoding {name}")
                self.assertEqual(self.talk(text.encode(codec)).decode(codec), "OK\n" * 4)
                self.assertEqual(self.talk(("y" * 512).encode(codec)).decode(codec),
                                 TOO_LONG.decode())
                self.assertEqual(self.talk(("y" * 511 + "\n").encode(codec)).decode(codec), "OK\n")
                self.stop(pipeline)
                self.assertEqual(pipeline.output(), lines + b"y" * 511 + b"\n")
        pipeline = self.start("fl-sink stdout", options="--encoding UTF-16")
        for sent in (codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
                     codecs.BOM_UTF16_BE + text.encode("utf-16-be"), text.encode("utf-16-be")):
            self.assertEqual(self.talk(sent).decode("utf-16"), "OK\n" * 4)
        self.stop(pipeline)
        self.assertEqual(pipeline.output(), lines * 3)

    def test_an_ok_at_ack_means_that_it_is_stored(self):
        pipeline = self.start(f"fl-sink hdfs --stream file://{self.out} --min-commit 1ms",
                              options="--ack-at sink")
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

    def test_1000_clients_whose_answers_wait_for_acks(self):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        pipeline = self.start("fl-sink stdout", options="--ack-at sink")
        source, sink = pipeline.processes
        first = self.connect()
        first.sendall(b"first\n")
        self.assertEqual(first.recv(10), OK)  # the sink acknowledges
        before = harness.resident_kib(source.pid)
        os.kill(sink.pid, signal.SIGSTOP)
        self.addCleanup(lambda: sink.poll() is None and os.kill(sink.pid, signal.SIGCONT))
        clients = [self.connect() for _ in range(999)]
        for i, client in enumerate(clients):
            client.sendall(b"%d a\n%d b\n" % (i, i))
        # They are read: nothing of them waits in the server's sockets, and it sleeps.
        harness.poll(lambda: unread_bytes(self.port) == 0, "all lines are read")
        harness.poll(lambda: state_of(source.pid) == "S", "it sleeps")
        woken, used = wake_ups(source.pid), cpu_ticks(source.pid)
        # That nothing wakes it can only be observed for a while.
        time.sleep(1)
        self.assertLessEqual(wake_ups(source.pid) - woken, 1)
        self.assertLess(cpu_ticks(source.pid) - used, 10)
        self.assertLess(harness.resident_kib(source.pid) - before, 16 << 10)
        for client in clients[::50]:
            client.setblocking(False)
            self.assertRaises(BlockingIOError, client.recv, 10)
            client.settimeout(harness.HANG)
        os.kill(sink.pid, signal.SIGCONT)
        for client in clients:
            self.assertEqual(read_exactly(client, 6), OK * 2)
        for client in clients:
            client.close()
        self.stop(pipeline)
        rows = pipeline.output().split(b"\n")
        self.assertEqual(len(rows), 1 + 2 * 999 + 1)
        self.assertEqual(set(rows), {b"first", b""} | {b"%d %c" % (i, c) for i in range(999)
                                                       for c in b"ab"})

    def test_a_stop_answers_what_was_read_when_it_is_acknowledged(self):
        pipeline = self.start("fl-sink stdout", options="--ack-at sink")
        source, sink = pipeline.processes
        clients = [self.connect() for _ in range(20)]
        clients[0].sendall(b"first\n")
        self.assertEqual(clients[0].recv(10), OK)
        os.kill(sink.pid, signal.SIGSTOP)
        self.addCleanup(lambda: sink.poll() is None and os.kill(sink.pid, signal.SIGCONT))
        for i, client in enumerate(clients):
            client.sendall(b"%d\n" % i)
        harness.poll(lambda: unread_bytes(self.port) == 0, "all lines are read")
        harness.poll(lambda: state_of(source.pid) == "S", "it sleeps")
        source.send_signal(signal.SIGTERM)
        harness.poll(lambda: not is_listening(self.port), "it has heard the signal")
        os.kill(sink.pid, signal.SIGCONT)
        for client in clients:
            self.assertEqual(read_all(client), OK)
        self.check(pipeline, 0, 0)
        self.assertEqual(pipeline.output().count(b"\n"), 21)

    def test_a_stop_tells_what_was_not_read_any_more(self):
        for options in ("", "--ack-at sink", "--ack-every-event=false"):
            with self.subTest(options=options):
                pipeline = self.start("fl-sink null", options=options)
                source = pipeline.processes[0]
                clients = [self.connect() for _ in range(3)]
                for client in clients:  # accepted, since it is read
                    client.sendall(b"early\n")
                harness.poll(lambda: unread_bytes(self.port) == 0, "the first lines are read")
                harness.poll(lambda: state_of(source.pid) == "S", "it sleeps")
                os.kill(source.pid, signal.SIGSTOP)
                harness.poll(lambda: state_of(source.pid) == "T", "it is stopped")
                for client in clients:
                    client.sendall(b"late\n")
                harness.poll(lambda: unread_bytes(self.port) == 15, "the lines are there")
                source.send_signal(signal.SIGTERM)
                os.kill(source.pid, signal.SIGCONT)
                pipeline.wait()
                self.assertEqual(source.returncode, 75, pipeline.report())
                self.assertIn("stopped with 15 bytes received but not passed on",
                              pipeline.errors(0))
                answer = b"" if "false" in options else OK
                for client in clients:
                    self.assertEqual(read_all(client), answer)

    def test_a_stop_does_not_wait_for_a_client_that_reads_nothing(self):
        pipeline = self.start("fl-sink null")
        connection = self.connect()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(40):
            connection.sendall(b"\n" * 100_000)
        harness.poll(lambda: unsent_bytes(connection) == 0 and unread_bytes(self.port) == 0,
                     "all lines are read")
        self.stop(pipeline)
        self.assertRegex(pipeline.errors(0), r"4000000 events, \d+ answers not read by clients")

    def test_ipv6(self):
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            self.skipTest("this host has no ::1")
        for host in ("::1", "[::1]"):
            pipeline = self.start("fl-sink stdout", options=f"--bind {host}")
            with socket.create_connection(("::1", self.port), harness.HANG) as connection:
                connection.sendall(b"six\n")
                self.assertEqual(connection.recv(10), OK)
            self.stop(pipeline)
            self.assertEqual(pipeline.output(), b"six\n")

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
                              69, 69)
        self.assertIn("Address already in use", pipeline.errors(0))
        for options in ("--bind 192.0.2.1 --port 0", "--port 0 --encoding IBM037",
                        "--port 0 --encoding none", "--port 0 --max-line-length 1"):
            with self.subTest(options=options):
                self.check(self.pipeline(f"fl-source netcat {options}", "fl-sink null"), 78, 78)

    def test_an_address_that_others_reach_is_warned_of(self):
        pipeline = self.pipeline("fl-source netcat --bind 0.0.0.0 --port 0", "fl-sink null")
        harness.poll(lambda: "no authentication" in pipeline.errors(0), "the warning")
        self.stop(pipeline)


class Certificates(tls_case.Case):
    def test_certificates_are_read_again_on_hup(self):
        os.mkdir(self.path("live"))
        live = certificates.Pair(self.path("live", "c.pem"), self.path("live", "k.pem"), None)

        def put(pair):
            shutil.copy(pair.certificate, live.certificate)
            shutil.copy(pair.key, live.key)

        def send(link, line):
            link.sendall(line + b"\n")
            self.assertEqual(read_exactly(link, len(OK)), OK)

        def served(line):
            with self.secure() as link:
                send(link, line)
                return dict(field[0] for field in link.getpeercert()["subject"])["commonName"]

        def hup(pattern):
            pipeline.processes[0].send_signal(signal.SIGHUP)
            self.says(pipeline, pattern)
        put(self.shelf.server)
        pipeline = self.listen("fl-sink stdout --stream", source="netcat",
                               options=self.server_options(live))
        old = self.secure()
        send(old, b"1")
        put(self.shelf.next)
        self.assertEqual(served(b"2"), "server")
        hup("certificates were read again")
        self.assertEqual(served(b"3"), "next")
        send(old, b"4")  # the connection stays
        self.write("live/c.pem", "nothing")
        hup("the certificates from before stay in use: .*c.pem' is neither PEM nor PKCS12")
        self.assertEqual(served(b"5"), "next")
        send(old, b"6")
        self.stop(pipeline)
        self.assertEqual(pipeline.output(), b"1\n2\n3\n4\n5\n6\n")


if __name__ == "__main__":
    harness.main()
