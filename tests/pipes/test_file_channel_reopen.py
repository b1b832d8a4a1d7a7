#!/usr/bin/env python3
"""A log that is opened again after its writer was killed, small and large: what that takes, and what
is there when the writer was killed between the sync and the publication.

FL_TEST_LONG=1: 100 MiB against 5 GiB, instead of 80 against 160 MiB.
"""
import contextlib
import json
import os
import re
import signal
import subprocess
import sys

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools")]
import harness
from harness import poll
from test_file_channel import FileChannel, numbers

MIB = 1 << 20
# Both are larger than a segment: one that is in use is looked at again before it is read.
SIZES = (100, 5120) if os.environ.get("FL_TEST_LONG") == "1" else (80, 160)     # MiB
MOST_KIB = 16 << 10
LINES = (b"x" * 1023 + b"\n") * 1024     # 1 MiB
LIMIT = 20 * harness.HANG


class Sizes(FileChannel):
    """In segments of the usual size, with a group that has taken nothing: no segment is freed."""

    def ask(self, command: str) -> dict:
        done = subprocess.run(["fl-channel", command, self.log, "--format", "json"], env=self.env(),
                              capture_output=True, timeout=harness.HANG, check=False)
        return json.loads(done.stdout) if done.stdout else {}

    def calls(self, *words: str) -> list:
        """The calls of `fl-channel file` on the log, by name, up to its end."""
        done = subprocess.run(["strace", "-f", "-y", "-o", self.path("calls"), "-e",
                               "trace=%file,%desc", "fl-channel", "file", self.log, *words],
                              stdin=subprocess.DEVNULL, env=self.env(), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=LIMIT, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.on_log(self.rows())

    def rows(self) -> list:
        with contextlib.suppress(FileNotFoundError), open(self.path("calls")) as file:
            return file.read().splitlines()
        return []

    def on_log(self, rows: list) -> list:
        """By name, sorted: threads make them in any order. A taker on a slow machine looks at the
        head (8 KiB) once more."""
        return sorted(row.split()[1].partition("(")[0] for row in rows if self.log in row and
                      " resumed>" not in row and not re.search(r" pread64\(\d+<[^>]*/head>", row))

    def first_calls(self) -> list:
        """Those of a taker of the group that lags, up to the first block that it hands out."""
        taker = self.pipeline(["strace", "-f", "-y", "-o", self.path("calls"), "-e",
                               "trace=%file,%desc", "fl-channel", "file", self.log, "--take",
                               "--group", "lagging", "--once", "--ack=off"],
                              ["sh", "-c", "exec sleep 1000"])
        # The header of the stream, and then as much of the first block as a pipe holds.
        # As its reader has it: strace soon gives itself other descriptors.
        pipe = re.escape(os.readlink(f"/proc/{taker.processes[1].pid}/fd/0"))
        written = re.compile(rf" (write|writev|sendmsg|vmsplice)\(\d+<{pipe}>")
        poll(lambda: len([row for row in self.rows() if written.search(row)]) > 1, "a block")
        taker.kill()
        rows = self.rows()
        return self.on_log(rows[:[i for i, row in enumerate(rows) if written.search(row)][1]])

    def test_opening_takes_as_many_calls_at_any_size_and_little_memory(self):
        found, said = [], []
        for mib in SIZES:
            self.log = self.path(f"log{mib}")
            self.put(b"")
            self.take("--group", "lagging")
            put, file = self.feed()
            for _ in range(mib):
                file.write(LINES)
            poll(lambda: self.ask("ls")["next"] == mib << 10, "all of it is durable", LIMIT)
            put.processes[0].kill()
            put.wait()
            size = sum(map(os.path.getsize, self.segments()))
            self.assertGreaterEqual(size, mib * MIB)
            self.assertEqual(len(self.segments()), size // (64 * MIB) + 1)
            first = self.first_calls()
            opened = self.calls("--put", "--text")
            found.append([opened, first])
            put, file = self.feed()
            file.write(b"more\n")
            poll(lambda: self.ask("ls")["next"] == (mib << 10) + 1, "the writer is open")
            writer = harness.peak_kib(put.processes[0].pid)
            put.processes[0].kill()
            taker = self.pipeline(["fl-channel", "file", self.log, "--take", "--group", "lagging"],
                                  "fl-sink null --stream")
            poll(lambda: self.ask("groups")["lag"] == 0, "all of it is taken", LIMIT)
            memory = harness.peak_kib(taker.processes[0].pid)
            taker.send(signal.SIGTERM)
            self.check(taker, 0, 0)
            said.append(f"{mib} MiB: {len(opened)} calls to open, {len(first)} to the first block, "
                        f"writer {writer} KiB, taker {memory} KiB")
            print(said[-1], flush=True)
            if not harness.is_sanitized():
                self.assertLessEqual(max(writer, memory), MOST_KIB)
            subprocess.run(["rm", "-r", self.log], check=True)
        for each in found[0]:
            self.assertGreater(len(each), 10)
        self.maxDiff = None
        self.assertEqual(found[0], found[1], said)


class Unpublished(FileChannel):
    def test_a_writer_that_is_killed_between_the_sync_and_the_publication(self):
        put, file = self.feed()
        taker = self.following()
        file.write(numbers(0, 10))
        poll(lambda: taker.output() == numbers(0, 10), "what is published")
        pid, head = put.processes[0].pid, os.path.join(self.log, "head")
        with open(head, "rb") as content:
            before = content.read()
        # The thread that syncs is killed as it begins to write the head, and its process with it.
        worker, = set(os.listdir(f"/proc/{pid}/task")) - {str(pid)}
        calls = self.path("calls")
        tracer = self.pipeline(["strace", "-y", "-p", worker, "-o", calls, "-e",
                                "trace=pwritev,pwrite64,fdatasync", "-e",
                                "inject=pwritev,pwrite64:signal=KILL:when=1"])
        poll(lambda: "attached" in tracer.errors(0), "the tracer")
        file.write(numbers(10, 20))
        self.assertEqual(put.wait(), [-signal.SIGKILL])
        tracer.wait()
        with open(calls) as text:
            rows = text.read().splitlines()
        self.assertRegex(rows[0], r"^fdatasync\(\d+<[^>]*\.seg>\) += 0$")
        self.assertRegex(rows[1], r"^pwrite(64|v)\(\d+<[^>]*/head>")
        with open(head, "rb") as content:
            self.assertEqual(content.read(), before)
        # The record is whole on the disk, and nobody gets it.
        with open(self.segments()[0], "rb") as content:
            self.assertIn(b"19", content.read())
        self.assertEqual(self.take("--group", "other"), numbers(0, 10))
        self.assertEqual(self.cat(), numbers(0, 10))
        self.assertEqual(taker.output(), numbers(0, 10))
        # It may have been acknowledged, so the next writer keeps it.
        put, file = self.feed()
        file.write(numbers(20, 30))
        poll(lambda: taker.output().endswith(b"\n29\n"), "the rest")
        self.assertEqual(taker.output(), numbers(0, 30))
        self.assertEqual(self.take("--group", "other"), numbers(10, 30))
        file.close()
        self.check(put, 0)
        taker.send(signal.SIGTERM)
        self.check(taker, 0, 0)


if __name__ == "__main__":
    harness.main()
