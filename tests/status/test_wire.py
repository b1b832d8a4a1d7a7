#!/usr/bin/env python3
"""How a failure is passed on: what a failing stage writes, and what a reader makes of whatever a
writer reports (fl-ack(7)). The stages are those that the programs declare."""
import os
import re
import socket
import stat
import subprocess
import sys
import threading

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)),
                os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools")]
import container
import harness
from matrix import STAGES, TOOLS, Cause, Cell, declared
from servers import Servers

DECLARED, _ = declared()
SHAPE = re.compile(r"fl-[0-9a-f]{32}\.ack")


def mistakes():
    """(kind, name, words): command lines that fail at once, for every stage that writes a stream."""
    for kind, name in sorted(DECLARED):
        if kind == "sink":
            continue
        run = STAGES[kind][name]["run"]
        rest = run.partition(" ")[2]
        yield kind, name, f"{name} --no-such-option {rest}"
        yield kind, name, f"{run} --grace nonsense" if " -- " not in run else \
            f"--grace nonsense {run}"
        if kind != "source":
            yield kind, name, f"--in /nonexistent/input {run}"


class Case(harness.Case):
    def setUp(self):
        super().setUp()
        self.write("lines", "".join(f"{i:06d}.\n" for i in range(10)))
        os.mkdir(self.path("spool"))
        os.mkdir(self.path("dest"))
        servers = Servers()
        self.addCleanup(servers.close)
        self.values = {"LINES": self.path("lines"), "COUNT": "10", "PORT": "0",
                       "SPOOL": self.path("spool"), "DIR": self.dir, "DEST": self.path("dest"),
                       **servers.values}

    def words(self, kind, text):
        import shlex
        import string
        return shlex.split(f"{TOOLS[kind]} " + string.Template(text).safe_substitute(self.values))

    def outputs(self, kind, name):
        """--out is where a channel with several outputs writes."""
        return STAGES[kind][name].get("outputs", 0)


class Writer(Case):
    """What a stage that fails before its stream began leaves on its output."""

    def check_header(self, data, status, errors, what):
        self.assertTrue(data, f"{what}: nothing was written ({status}: {errors})")
        metadata, _, end = container.parse(data)
        self.assertEqual(len(data), end, f"{what}: more than a header")
        self.assertIn("fl.failed", metadata, what)
        number, _, message = metadata["fl.failed"].decode().partition(" ")
        self.assertEqual(int(number), status, what)
        self.assertIn(message[:100], errors, what)
        self.assertTrue(message, what)
        self.assertRegex(metadata["fl.stream"].decode(), r"^[0-9a-f]{32}$", what)
        path = metadata["fl.ack"].decode()
        self.assertRegex(os.path.basename(path), SHAPE, what)
        # So that an older reader ends with 75.
        self.assertTrue(stat.S_ISSOCK(os.lstat(path).st_mode), what)
        with socket.socket(socket.AF_UNIX) as link:
            with self.assertRaises(ConnectionRefusedError, msg=what):
                link.connect(path)

    def test_a_pipe_or_socket_gets_a_header_that_says_why(self):
        for i, (kind, name, text) in enumerate(mistakes()):
            if self.outputs(kind, name):
                continue
            what = f"{TOOLS[kind]} {text}"
            with self.subTest(what):
                if i % 2:
                    done = subprocess.run(self.words(kind, text), capture_output=True, check=False,
                                          env=self.env(), stdin=subprocess.DEVNULL, cwd=self.dir,
                                          timeout=harness.HANG)
                    data, errors, status = done.stdout, done.stderr.decode(), done.returncode
                else:
                    ours, theirs = socket.socketpair()
                    with ours:
                        with theirs:
                            process = subprocess.Popen(
                                self.words(kind, text), stdout=theirs, stderr=subprocess.PIPE,
                                env=self.env(), stdin=subprocess.DEVNULL, cwd=self.dir)
                        ours.settimeout(harness.HANG)
                        data = b""
                        while chunk := ours.recv(65536):
                            data += chunk
                    errors = process.communicate(timeout=harness.HANG)[1].decode()
                    status = process.returncode
                self.check_header(data, status, errors, what)

    def test_every_named_output_gets_one(self):
        for kind, name, text in mistakes():
            if not self.outputs(kind, name) or text.startswith("--in"):
                continue  # an input is opened once the outputs have their headers
            what = f"{TOOLS[kind]} --out F1 --out F2 {text}"
            with self.subTest(what):
                fifos = [self.path(f"f{i}") for i in range(self.outputs(kind, name))]
                readers = []
                for fifo in fifos:
                    os.mkfifo(fifo)
                    readers.append(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK))
                words = self.words(kind, text)
                words[1:1] = [word for fifo in fifos for word in ("--out", fifo)]
                done = subprocess.run(words, stderr=subprocess.PIPE, env=self.env(), cwd=self.dir,
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                      timeout=harness.HANG, check=False)
                try:
                    for fifo, reader in zip(fifos, readers):
                        self.check_header(os.read(reader, 65536), done.returncode,
                                          done.stderr.decode(), f"{what}: {fifo}")
                finally:
                    for fifo, reader in zip(fifos, readers):
                        os.close(reader)
                        os.unlink(fifo)

    def test_a_regular_file_gets_none(self):
        for kind, name, text in mistakes():
            with self.subTest(text):
                with open(self.path("file"), "wb") as file:
                    subprocess.run(self.words(kind, text), stdout=file, stderr=subprocess.DEVNULL,
                                   env=self.env(), stdin=subprocess.DEVNULL, cwd=self.dir,
                                   timeout=harness.HANG, check=False)
                self.assertEqual(os.path.getsize(self.path("file")), 0)

    def test_a_reader_that_never_reads_does_not_hold_it(self):
        """A failing stage waits at most --ack-wait for a reader that is not there."""
        reader, writer = os.pipe()
        try:
            process = subprocess.Popen(
                self.words("source", "seq --no-such-option"), stdout=writer, env=self.env(),
                stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.dir)
            self.assertEqual(process.wait(harness.HANG), 64)
        finally:
            os.close(reader)
            os.close(writer)


class Answers(Case):
    """Where no stream belongs, there is none."""

    def is_text(self, data, what):
        self.assertNotIn(b"Obj\x01", data, what)
        self.assertFalse([byte for byte in data if byte < 32 and byte not in b"\t\n\r"], what)

    def capture(self, words, **more):
        return subprocess.run(words, stdin=subprocess.DEVNULL, env=self.env(), cwd=self.dir,
                              timeout=harness.HANG, check=False, **more)

    def test_questions_are_answered_with_text(self):
        for tool in TOOLS.values():
            for text in ("--help", "list", "--version", "list --no-such-option", "list nonsense",
                         "--version --no-such-option", "--help nosuchtype", "nosuchtype --help",
                         "--generate nosuchthing"):
                with self.subTest(f"{tool} {text}"):
                    done = self.capture([tool] + text.split(), stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL)
                    self.is_text(done.stdout, text)
        for kind, name in sorted(DECLARED):
            run = STAGES[kind][name]["run"]
            outs = "".join(f"--out out{i} " for i in range(self.outputs(kind, name)))
            for text in (f"{name} --help", f"--help {name}", f"--dry-run {outs}{run}"):
                with self.subTest(f"{TOOLS[kind]} {text}"):
                    done = self.capture(self.words(kind, text), stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
                    self.is_text(done.stdout, text)
                    self.assertEqual(done.returncode, 0, done.stderr.decode())

    def test_a_dry_run_that_fails_writes_no_stream(self):
        for kind, name in sorted(DECLARED):
            for words, _ in STAGES[kind][name]["fails"]:
                with self.subTest(words):
                    done = self.capture(self.words(kind, f"--dry-run {words}"),
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
                    self.is_text(done.stdout, words)

    def test_sinks_write_no_stream(self):
        for kind, name in sorted(DECLARED):
            if kind != "sink":
                continue
            run = STAGES[kind][name]["run"]
            rest = run.partition(" ")[2]
            texts = [words for words, _ in STAGES[kind][name]["fails"]]
            texts += [f"{name} --no-such-option {rest}", f"--grace nonsense {run}", "nosuchtype",
                      f"--in /nonexistent/x {run}", f"--metrics /nonexistent/x {run}"]
            for text in texts:
                with self.subTest(text):
                    done = self.capture(self.words(kind, text), stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL)
                    self.assertEqual(done.stdout, b"")

    def test_stdout_that_is_stderr_gets_plain_text(self):
        for kind, name, text in list(mistakes()) + [("source", "seq", "nosuchtype")]:
            what = f"{TOOLS[kind]} {text} 2>&1"
            with self.subTest(what):
                done = self.capture(self.words(kind, text), stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT)
                self.is_text(done.stdout, what)
                self.assertIn(b"fl-", done.stdout)
                self.assertNotEqual(done.returncode, 0)

    def test_a_terminal_gets_plain_text(self):
        import pty
        for kind, name, text in mistakes():
            with self.subTest(text):
                ours, theirs = pty.openpty()
                try:
                    self.capture(self.words(kind, text), stdout=theirs, stderr=theirs)
                    os.close(theirs)
                    theirs = -1
                    data = b""
                    try:
                        while chunk := os.read(ours, 65536):
                            data += chunk
                    except OSError:
                        pass  # the end of a terminal
                    self.is_text(data, text)
                finally:
                    os.close(ours)
                    if theirs >= 0:
                        os.close(theirs)


class Fake:
    """A foreign writer: it may send anything."""

    def __init__(self, case, lines=(), failed=None, bodies=(), listens=True, keep_open=True):
        self.case, self.lines, self.bodies, self.keep_open = case, lines, bodies, keep_open
        self.metadata = container.new_stream(case.path("run"), case.schema())
        if failed is not None:
            self.metadata["fl.failed"] = failed
        self.door = socket.socket(socket.AF_UNIX)
        self.door.bind(self.metadata["fl.ack"])
        os.chmod(self.metadata["fl.ack"], 0o666)
        if listens:
            self.door.listen()
            self.door.settimeout(harness.HANG)
        self.thread = threading.Thread(target=self.answer, daemon=True)
        self.listens = listens
        self.heard = b""

    def run(self, *commands):
        """Statuses of the commands that read it."""
        reader, self.pipe = os.pipe()
        made = self.case.pipeline(*commands, stdin=reader)
        os.close(reader)
        try:
            os.write(self.pipe, container.header(self.metadata) +
                     (container.events(self.bodies) if self.bodies else b""))
            if self.listens:
                self.thread.start()
            else:
                os.close(self.pipe)
            statuses = made.wait()
            if self.listens:
                self.thread.join(harness.HANG)
            return statuses, made
        finally:
            self.door.close()

    def answer(self):
        try:
            link, _ = self.door.accept()
            with link:
                link.settimeout(harness.HANG)
                while not self.heard.endswith(b"\n"):
                    self.heard += link.recv(4096) or b"\n"
                for line in self.lines:
                    link.sendall(line)
                if not self.keep_open:
                    link.shutdown(socket.SHUT_WR)
                os.close(self.pipe)
                while chunk := link.recv(4096):
                    self.heard += chunk
        except OSError:
            pass


class Reader(Case):
    """What a reader makes of what a writer reports about its failure."""

    def schema(self):
        if not hasattr(self, "_schema"):
            path = self.path("schema.avro")
            subprocess.run(["fl-source", "seq", "--count", "1", "--out", path], env=self.env(),
                           check=True, capture_output=True, timeout=harness.HANG)
            with open(path, "rb") as file:
                self._schema = container.parse(file.read())[0]["avro.schema"]
        return self._schema

    # what is sent -> the status of the stage that gets it (or: one of these)
    SAID = [(b"78 cannot open '/x'", 78), (b"64 unknown option '--bad'", 64), (b"70 a bug", 70),
            (b"77 no permission", 77), (b"65 rejected", 65), (b"71 x", (71, 75)), (b"63 x", 75),
            (b"79 x", 75), (b"0 all is well", 75), (b"1 x", 75), (b"75 again", 75),
            (b"78", (75, 78)), (b"", 75), (b"x", 75), (b"-64 x", 75), (b"+64 x", 75), (b"064 x", (64, 75)),
            (b"18446744073709551680 x", 75), (b"4294967360 x", 75), (b"256 x", 75),
            (b"78\tx", 75), (b" 78 x", 75), (b"78  x", (75, 78)), (b"78 \xff\xfe", (65, 75, 78)),
            (b"78 " + b"m" * 400, 78)]

    def chains(self):
        for kind, name in sorted(DECLARED):
            spec = STAGES[kind][name]
            if kind == "source" or spec.get("outputs"):
                continue
            stage = self.words(kind, spec["run"])
            yield name, [stage] if kind == "sink" else \
                [stage, ["fl-channel", "memory"], ["fl-sink", "null"]]

    def verdict(self, said, expected, statuses, made, what):
        expected = expected if isinstance(expected, tuple) else (expected,)
        for status in statuses:
            self.assertIn(status, expected, f"{what} {said[:60]!r}\n{made.report()}")
        for i in range(len(statuses)):
            errors = made.errors(i)
            for row in errors.splitlines():
                self.assertLess(len(row), 700, what)
            self.assertFalse([c for c in errors if ord(c) < 32 and c != "\n"], what)
        message = said.partition(b" ")[2].decode(errors="replace")
        if expected == (78,) and message.isprintable():
            errors = made.errors(len(statuses) - 1)
            self.assertIn(message[:300], errors, what)
            self.assertEqual(sum(message[:300] in row for row in errors.splitlines()), 1, errors)

    def test_statuses_in_a_header(self):
        for said, expected in self.SAID:
            for command in (["fl-sink null"], ["fl-intercept ts", "fl-sink null --stream"]):
                with self.subTest(said=said[:30]):
                    statuses, made = Fake(self, failed=said, listens=False).run(*command)
                    self.verdict(said, expected, statuses, made, "header")

    def test_statuses_on_the_side_connection(self):
        for said, expected in self.SAID:
            for bodies in ((), (b"one", b"two")):
                for command in (["fl-sink null"], ["fl-intercept ts", "fl-sink null --stream"]):
                    with self.subTest(said=said[:30], bodies=bodies):
                        statuses, made = Fake(self, [b"fail " + said + b"\n"],
                                              bodies=bodies).run(*command)
                        self.verdict(said, expected, statuses, made, "fail")

    def test_every_stage_passes_it_on(self):
        said = b"77 cannot open '/x/y': Permission denied"
        for name, commands in self.chains():
            for fake in (Fake(self, failed=said, listens=False),
                         Fake(self, [b"fail " + said + b"\n"], bodies=(b"0.x",))):
                with self.subTest(name):
                    statuses, made = fake.run(*commands)
                    self.assertEqual(statuses, [77] * len(commands), f"{name}\n{made.report()}")
                    self.assertIn("Permission denied", made.errors(len(commands) - 1))

    def test_a_message_is_untrusted(self):
        for message in (b"\x1b[2J\x1b]0;title\x07", b"a\rb", b"a\x00b", b"\xc2\x9b31m", b"a\nfl-sink: b",
                        b"%s%n%d {} {0}", b"m" * 100_000, b"\xe2\x80\xaeabc"):
            for command in (["fl-sink null"], ["fl-intercept ts", "fl-sink null --stream"]):
                with self.subTest(message[:20]):
                    statuses, made = Fake(self, failed=b"78 " + message, listens=False).run(*command)
                    self.assertNotIn(0, statuses)
                    for i in range(len(statuses)):
                        errors = made.errors(i)
                        self.assertFalse([c for c in errors if (ord(c) < 32 and c != "\n") or
                                          0x7F <= ord(c) < 0xA0 or c == "\u202e"], errors)
                        self.assertFalse([row for row in errors.splitlines()
                                          if row.startswith("fl-sink: b")], errors)
                        self.assertLess(len(errors), 4000, errors[:200])

    def test_after_fail_nothing_makes_it_good(self):
        """end after fail, fail after end, two of them: never 0, and the first failure counts."""
        for lines, expected in (([b"fail 78 a failure\n", b"end 2\n"], 78),
                                ([b"end 2\n", b"fail 78 a failure\n"], (0, 78)),
                                ([b"fail 78 a failure\n", b"fail 64 another\n"], 78),
                                ([b"fail 78 a failure\nfail 64 another\nend 2\n"], 78),
                                ([b"fai", b"l 78 a failure\n"], 78)):
            with self.subTest(lines):
                statuses, made = Fake(self, lines, bodies=(b"1", b"2")).run("fl-sink null")
                self.verdict(b"", expected, statuses, made, str(lines))

    def test_a_line_that_is_cut_is_no_line(self):
        statuses, made = Fake(self, [b"fail 78 a fail"], bodies=(b"1",), keep_open=False).run(
            "fl-sink null")
        self.assertEqual(statuses, [75], made.report())

    def test_it_is_not_given_to_the_children_of_a_group(self):
        """Their supervisor judges them by their own status; the group reports it once."""
        said = b"77 cannot open '/x/y': Permission denied"
        for group in ("failover -- null + null", "balance -- null + null"):
            with self.subTest(group):
                statuses, made = Fake(self, failed=said, listens=False).run(f"fl-sink {group}")
                self.assertEqual(statuses, [77], made.report())
                rows = [row for row in made.errors(0).splitlines() if "Permission denied" in row]
                self.assertEqual(len(rows), 1, made.report())

    def test_its_events_are_delivered_first(self):
        """What came before the failure is stored, whatever the status."""
        statuses, made = Fake(self, [b"fail 65 rejected\n"], bodies=(b"one", b"two")).run(
            f"fl-sink hdfs file://{self.out}")
        self.assertEqual(statuses, [65], made.report())
        self.assertEqual(harness.committed_lines(self.out), [b"one", b"two"])


if __name__ == "__main__":
    harness.main()
