#!/usr/bin/env python3
"""--in and --out unix:PATH: who listens, who is let in, how each side ends, and what it says.

Kills and their ledger are in tests/crash/test_reconnect.py, stages that wait in
tests/status/test_idle.py.
"""
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import harness


class Unix(harness.Case):
    def setUp(self):
        super().setUp()
        self.socket = self.path("x.sock")

    def listening(self, words="fl-sink stdout --stream", more=""):
        """A reader that listens."""
        reader = self.pipeline(f"{words} --in unix:x.sock {more}")
        harness.poll(lambda: self.is_listening() or reader.processes[0].poll() is not None,
                     "a socket")
        return reader

    def is_listening(self):
        """Its file is there a moment before it listens."""
        with open("/proc/net/unix", encoding="ascii", errors="replace") as table:
            # Flags 00010000: it accepts connections.
            return any(row.split()[3] == "00010000" and row.rstrip().endswith(("/x.sock", " x.sock"))
                       for row in table) and os.path.exists(self.socket)

    def produced(self, pipeline, said):
        """Waits until its status line says so."""
        process = pipeline.processes[0]
        harness.poll(lambda: harness.catches(process.pid, signal.SIGUSR1), "handlers")

        def asked():
            process.send_signal(signal.SIGUSR1)
            return said in pipeline.errors(0)
        harness.poll(asked, said)

    def stop(self, pipeline, *expected):
        process = pipeline.processes[0]
        harness.poll(lambda: harness.catches(process.pid, signal.SIGTERM), "handlers")
        process.terminate()
        return self.check(pipeline, *(expected or (0,)))

    def rejected(self, words, status, text):
        with self.subTest(words):
            pipeline = self.check(self.pipeline(words), status)
            self.assertIn(text, pipeline.errors(0))

    def test_two_ends_meet_and_end(self):
        reader = self.listening(more="--until-end")
        self.check(self.pipeline("fl-source seq --count 3 --out unix:x.sock"), 0)
        self.check(reader, 0)
        self.assertEqual(reader.output(), b"0\n1\n2\n")
        self.assertFalse(os.path.exists(self.socket))

    def test_an_event_that_the_reader_refuses_ends_it(self):
        self.write("lines", "x" * 200_000 + "\n")
        reader = self.listening("fl-sink logger --max-event 1K --max-line 1K --stream")
        writer = self.pipeline("fl-source stdin lines --out unix:x.sock")
        self.check(reader, 65)
        self.assertIn("exceeds --max-event", reader.errors(0))
        self.check(self.listening("fl-sink null --stream", "--until-end"), 0)  # nothing is lost
        self.check(writer, 0)

    def test_the_writer_may_come_first(self):
        writer = self.pipeline("fl-source seq --count 3 --out unix:x.sock")
        harness.poll(lambda: "waits for a reader of 'unix:x.sock'" in writer.errors(0), "a word")
        reader = self.listening(more="--until-end")
        self.check(writer, 0)
        self.check(reader, 0)
        self.assertEqual(reader.output(), b"0\n1\n2\n")
        self.assertIn("has a reader", writer.errors(0))

    def test_an_empty_stream_ends_too(self):
        reader = self.listening(more="--until-end")
        self.check(self.pipeline("fl-source seq --count 0 --out unix:x.sock"), 0)
        self.check(reader, 0)

    def test_only_its_user_may_connect(self):
        self.listening("fl-sink null")
        self.assertEqual(stat.S_IMODE(os.stat(self.socket).st_mode), 0o600)

    def test_another_user_is_sent_away(self):
        if os.geteuid() != 0 or not shutil.which("setpriv"):
            self.skipTest("needs root and setpriv")
        nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups"
        os.chmod(self.dir, 0o777)
        reader = self.listening("fl-sink null --stream")
        os.chmod(self.socket, 0o666)  # as if somebody had made it accessible
        writer = self.pipeline(f"{nobody} fl-source seq --count 3 --out unix:x.sock --grace 1s")
        harness.poll(lambda: "another user (65534)" in reader.errors(0), "a word")
        # It does not trust a reader of root less than root itself: it waits for one that takes it.
        self.assertIsNone(writer.processes[0].poll())
        self.produced(writer, "3 events")
        self.stop(writer, 75)
        self.stop(reader)
        # And a writer sends nothing to another user's reader.
        reader = self.pipeline(f"{nobody} fl-sink null --stream --in unix:x.sock")
        harness.poll(lambda: os.path.exists(self.socket), "a socket")
        writer = self.pipeline("fl-source seq --count 3 --out unix:x.sock --grace 1s")
        harness.poll(lambda: "another user (65534)" in writer.errors(0), "a word")
        self.stop(writer, 75)
        self.stop(reader)

    def test_a_dead_readers_socket_is_taken(self):
        reader = self.listening("fl-sink null")
        reader.kill()
        self.assertTrue(os.path.exists(self.socket))
        self.stop(self.listening("fl-sink null"))
        self.assertFalse(os.path.exists(self.socket))

    def test_a_living_readers_socket_is_left_alone(self):
        reader = self.listening(more="--until-end")
        self.rejected("fl-sink null --in unix:x.sock", 73,
                      f"'x.sock' is in use by process {reader.processes[0].pid}")
        self.check(self.pipeline("fl-source seq --count 1 --out unix:x.sock"), 0)
        self.check(reader, 0)
        self.assertEqual(reader.output(), b"0\n")

    def test_somebody_elses_file_is_left_alone(self):
        self.write("x.sock", "mine")
        self.rejected("fl-sink null --in unix:x.sock", 73, "it is not a socket")
        with open(self.socket) as file:
            self.assertEqual(file.read(), "mine")

    def test_a_socket_that_was_replaced_is_not_removed(self):
        reader = self.listening("fl-sink null")
        os.unlink(self.socket)
        self.write("x.sock", "mine")
        self.stop(reader)
        self.assertTrue(os.path.exists(self.socket))

    def test_names_that_are_none(self):
        for words in ("fl-sink null --in", "fl-intercept ts --text --out", "fl-source seq --out",
                      "fl-channel replicate --out other --out", "fl-sink null --dry-run --in"):
            self.rejected(f"{words} unix:", 64, "names no socket")
            self.rejected(f"{words} unix:{'x' * 108}", 64, "longer than the address of a socket")
        self.rejected("fl-channel replicate --text --out unix:a --out unix:./a", 64, "are the same")
        self.rejected("fl-intercept ts --in unix:a --out unix:a", 64, "also an input")

    def test_the_longest_name(self):
        name = "x" * 107
        reader = self.pipeline(f"fl-sink stdout --stream --until-end --in unix:{name}")
        self.check(self.pipeline(f"fl-source seq --count 1 --out unix:{name}"), 0)
        self.check(reader, 0)

    def test_whoever_only_looks_disturbs_nobody(self):
        reader = self.listening(more="--until-end")
        for _ in range(3):
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(self.socket)
        self.check(self.pipeline("fl-source seq --count 1 --out unix:x.sock"), 0)
        self.check(reader, 0)
        self.assertEqual(reader.errors(0), "")

    def test_damage_ends_a_connection_and_not_the_stage(self):
        reader = self.listening(more="--until-end")
        with socket.socket(socket.AF_UNIX) as other:
            other.connect(self.socket)
            other.sendall(b"Obj\1" + b"\xff" * 100)
            other.shutdown(socket.SHUT_WR)
            self.assertEqual(other.recv(1), b"")  # it has hung up
        # The writer that was damaged comes back, and sends it properly.
        self.check(self.pipeline("fl-source seq --count 1 --out unix:x.sock"), 0)
        self.check(reader, 0)
        self.assertEqual(reader.output(), b"0\n")

    def test_a_writer_that_fails_is_not_the_readers_failure(self):
        reader = self.listening()
        writer = self.pipeline("fl-source exec --out unix:x.sock -- sh", stdin=subprocess.DEVNULL)
        self.check(writer, 0)
        self.write("fails", "echo one; exit 3")
        self.check(self.pipeline("fl-source exec --out unix:x.sock -- sh fails"), 69)
        harness.poll(lambda: reader.output() == b"one\n", "what it had said")
        harness.poll(lambda: "stopped before finishing" in reader.errors(0), "a word")
        self.stop(reader)

    def test_a_writer_that_nobody_reads_says_what_is_left(self):
        writer = self.pipeline("fl-source seq --count 3 --grace 100ms --out unix:x.sock")
        self.produced(writer, "3 events")
        self.stop(writer, 75)
        self.assertIn("not finished within --grace", writer.errors(0))
        writer = self.pipeline("fl-source seq --count 0 --grace 100s --out unix:x.sock")
        self.stop(writer, 0)  # nothing is left

    def test_a_reader_that_wants_no_more_is_followed_by_another(self):
        writer = self.pipeline("fl-source seq --count 30000 --out unix:x.sock")
        reader = self.pipeline("fl-sink stdout --stream --in unix:x.sock", "head -1")
        self.check(reader, 0, 0)
        reader = self.pipeline("fl-sink stdout --stream --until-end --in unix:x.sock")
        self.check(writer, 0)
        self.check(reader, 0)
        self.assertTrue(reader.output().endswith(b"\n29999\n"))

    def test_a_full_writer_asks_its_reader(self):
        """The sink would hold all of it for an hour; without the requests nobody would move."""
        reader = self.listening(f"fl-sink hdfs file://{self.out} --stream --roll-count 0 --roll-size "
                                "0 --roll-interval 1h --idle-timeout 1h --min-commit 10ms",
                                more="--until-end")
        self.check(self.pipeline("fl-source seq --count 200000 --keep 64K --out unix:x.sock"), 0)
        self.check(reader, 0)
        lines = harness.committed_lines(self.out)
        self.assertEqual(lines, [b"%d" % i for i in range(200_000)])
        self.assertGreater(len(harness.committed_files(self.out)), 1)

    def test_text_comes_in_too(self):
        reader = self.listening("fl-sink stdout", more="--until-end")
        with socket.socket(socket.AF_UNIX) as client:
            # The name is there before anybody listens.
            harness.poll(lambda: client.connect_ex(self.socket) == 0, "a reader")
            client.sendall(b"one\ntwo\n")
        self.check(reader, 0)
        self.assertEqual(reader.output(), b"one\ntwo\n")

    def test_a_reader_that_never_acknowledges_needs_ack_off(self):
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(self.socket)
            server.listen()
            writer = self.pipeline("fl-source seq --count 3 --ack-wait 10ms --out unix:x.sock")
            for _ in range(2):
                connection, _ = server.accept()
                with connection:
                    harness.poll(lambda: "does not acknowledge so far" in writer.errors(0), "a word")
                    # What it takes counts for nothing: the next one gets it, too.
                    taken = b""
                    while b"\x00\x022" not in taken:  # the last event, "2"
                        taken += connection.recv(4096)
                    self.assertIsNone(writer.processes[0].poll())
            writer.kill()
            writer = self.pipeline("fl-source seq --count 3 --ack off --out unix:x.sock")
            connection, _ = server.accept()
            with connection:
                while connection.recv(4096):
                    pass
            self.check(writer, 0)

    def test_a_codec_goes_over_it(self):
        reader = self.listening(more="--until-end")
        self.check(self.pipeline("fl-source seq --count 1000 --codec deflate --out unix:x.sock"), 0)
        self.check(reader, 0)
        self.assertEqual(reader.output(), b"".join(b"%d\n" % i for i in range(1000)))


if __name__ == "__main__":
    harness.main()
