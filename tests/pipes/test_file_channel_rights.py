#!/usr/bin/env python3
"""A log of two users, one that may only be read, and a taker without inotify."""
import json
import os
import re
import signal
import subprocess
import sys
import unittest

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools")]
import harness
from harness import poll
from test_file_channel import FileChannel, numbers

PUTTER, TAKER, STRANGER = (64_101, 64_100), (64_102, 64_100), (64_103, 64_103)   # user, group


def as_user(who: tuple, *words: str, umask: str = "007") -> list:
    """The program as another user, whose group may do what he may."""
    return ["setpriv", f"--reuid={who[0]}", f"--regid={who[1]}", "--clear-groups",
            "sh", "-c", f'umask {umask}; exec "$@"', "sh", *words]


@unittest.skipUnless(os.geteuid() == 0, "needs root")
class Users(FileChannel):
    def setUp(self):
        super().setUp()
        os.mkdir(self.path("var"))
        os.chown(self.path("var"), *PUTTER)
        self.log = self.path("var", "log")

    def put_by(self, who: tuple, first: int, end: int, *more: str):
        lines = self.write("lines", numbers(first, end))
        return self.pipeline(["fl-source", "stdin", lines],
                             as_user(who, "fl-channel", "file", self.log, "--put", *more))

    def take_by(self, who: tuple, *more: str):
        return self.pipeline(as_user(who, "fl-channel", "file", self.log, "--take", *more),
                             as_user(who, "fl-sink", "stdout", "--stream"))

    def test_one_puts_and_another_one_takes(self):
        mode = ("--mode", "0770", "--segment-size", "64K")
        self.check(self.put_by(PUTTER, 0, 60_000, *mode), 0, 0)
        self.assertEqual(os.stat(self.log).st_uid, PUTTER[0])
        self.assertEqual(os.stat(self.log).st_mode & 0o777, 0o770)
        count = len(self.segments())
        taker = self.take_by(TAKER, "--mode", "0770")
        poll(lambda: taker.output() == numbers(0, 60_000), "what was put before")
        group = os.stat(self.log + "/groups/default")
        self.assertEqual((group.st_uid, group.st_mode & 0o777), (TAKER[0], 0o660))
        # The putter reads and syncs the position of a group of the other user, and frees segments.
        reader, writer = os.pipe()
        put = self.pipeline(as_user(PUTTER, "fl-channel", "file", self.log, "--put", "--text", *mode),
                            stdin=reader)
        os.close(reader)
        with os.fdopen(writer, "wb", buffering=0) as file:
            file.write(numbers(60_000, 62_000))
            poll(lambda: taker.output() == numbers(0, 62_000), "what is put meanwhile")
            poll(lambda: len(self.segments()) == 1 < count, "segments go")
        self.check(put, 0)
        taker.send(signal.SIGTERM)
        self.check(taker, 0, 0)
        # And the other way round: whoever is of the group may put and take.
        self.check(self.put_by(TAKER, 62_000, 63_000, "--mode", "0770"), 0, 0)
        taker = self.check(self.take_by(PUTTER, "--once"), 0, 0)
        self.assertEqual(taker.output(), numbers(62_000, 63_000))

    def test_without_the_rights_it_is_a_clear_error(self):
        self.check(self.put_by(PUTTER, 0, 10, "--mode", "0750"), 0, 0)
        for who in (TAKER, STRANGER):       # one may read, the other one nothing
            taker = self.take_by(who, "--once")
            self.assertEqual(taker.wait()[0], 77, taker.report())
            self.assertEqual(taker.output(), b"")
            self.assertRegex(taker.errors(0), rf"cannot .*'{self.log}[^']*': Permission denied")
            put = self.put_by(who, 10, 20)
            self.assertEqual(put.wait()[1], 77, put.report())
            self.assertRegex(put.errors(1), rf"cannot .*'{self.log}[^']*': Permission denied")
        self.assertEqual(self.cat(), numbers(0, 10))
        self.assertEqual(os.listdir(self.log + "/groups"), [".lock"])

    def test_a_taker_needs_no_mode(self):
        """What it makes has the mode of DIR, also where its umask would close it."""
        os.mkdir(self.log)
        os.chown(self.log, *PUTTER)
        os.chmod(self.log, 0o2770)
        mode = ("--mode", "0770", "--segment-size", "64K")
        self.check(self.put_by(PUTTER, 0, 60_000, *mode), 0, 0)
        os.unlink(self.log + "/groups/.lock")       # as in a log of an older version
        taker = self.pipeline(
            as_user(TAKER, "fl-channel", "file", self.log, "--take", "--once", umask="077"),
            as_user(TAKER, "fl-sink", "null", "--stream"))
        self.check(taker, 0, 0)
        for name in (".lock", "default"):
            found = os.stat(f"{self.log}/groups/{name}")
            self.assertEqual((found.st_uid, found.st_mode & 0o777), (TAKER[0], 0o660), name)
        self.assertGreater(len(self.segments()), 1)
        reader, writer = os.pipe()
        put = self.pipeline(as_user(PUTTER, "fl-channel", "file", self.log, "--put", "--text", *mode),
                            stdin=reader)
        os.close(reader)
        poll(lambda: len(self.segments()) == 1, "segments go")
        os.close(writer)
        self.check(put, 0)
        moved = subprocess.run(as_user(PUTTER, "fl-channel", "groups", self.log, "--group", "default",
                                       "--to", "newest"), env=self.env(), check=False,
                               timeout=harness.HANG, capture_output=True)
        self.assertEqual(moved.returncode, 0, moved.stderr)

    def test_a_log_whose_groups_are_closed_to_the_putter_is_refused(self):
        self.check(self.put_by(PUTTER, 0, 10, "--mode", "0770"), 0, 0)
        lock = self.log + "/groups/.lock"
        os.chown(lock, *TAKER)
        os.chmod(lock, 0o640)
        put = self.put_by(PUTTER, 0, 10, "--mode", "0770")
        self.assertEqual(put.wait()[1], 77, put.report())
        self.assertIn(f"cannot open '{lock}': Permission denied", put.errors(1))
        self.assertIn("--mode 0770", put.errors(1))
        moved = subprocess.run(as_user(PUTTER, "fl-channel", "groups", self.log, "--group", "default",
                                       "--to", "oldest"), env=self.env(), check=False,
                               timeout=harness.HANG, capture_output=True)
        self.assertEqual(moved.returncode, 77)
        self.assertIn(b"--mode 0770", moved.stderr)

    def test_a_group_that_the_putter_cannot_read_is_reported(self):
        self.check(self.put_by(PUTTER, 0, 10, "--mode", "0770"), 0, 0)
        self.check(self.take_by(TAKER, "--once"), 0, 0)
        os.chmod(self.log + "/groups/default", 0o600)
        reader, writer = os.pipe()
        put = self.pipeline(as_user(PUTTER, "fl-channel", "file", self.log, "--put", "--text"),
                            stdin=reader)
        os.close(reader)
        poll(lambda: "groups/default': Permission denied; no space is freed" in put.errors(0), "a word")
        self.assertIn("chmod -R g+rwX", put.errors(0))
        os.close(writer)
        self.check(put, 0)


class ReadOnly(FileChannel):
    """fl-channel ls, cat, verify and groups write nothing, so they need no right to."""

    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("needs root")
        self.put(numbers(0, 60_000), "--segment-size", "64K", "--mode", "0755")
        self.take("--mode", "0755")
        self.before = self.content()

    def content(self) -> dict:
        found = {}
        for folder, _, names in os.walk(self.log):
            for path in (os.path.join(folder, name) for name in names):
                with open(path, "rb") as file:
                    found[path] = file.read()
        return found

    def look(self, who=None) -> None:
        def ask(command: str, *more: str, status: int = 0) -> bytes:
            words = ["fl-channel", command, self.log, *more]
            done = subprocess.run(as_user(who, *words) if who else words, env=self.env(),
                                  capture_output=True, timeout=harness.HANG, check=False)
            self.assertEqual((done.returncode, done.stderr), (status, b""), command)
            return done.stdout

        self.assertEqual(len(ask("ls").splitlines()), len(self.segments()) + 2)
        self.assertEqual(json.loads(ask("ls", "--format", "json"))["next"], 60_000)
        self.assertEqual(ask("cat"), numbers(0, 60_000))
        self.assertEqual(ask("cat", "--from", "59990"), numbers(59_990, 60_000))
        self.assertRegex(ask("verify"), rb"^60000 events in \d+ records?, \d+ bytes, 0 missing\n$")
        self.assertEqual(json.loads(ask("groups", "--format", "json"))["lag"], 0)
        self.assertEqual(self.content(), self.before)

    def test_by_somebody_who_may_only_read(self):
        self.look(STRANGER)

    def test_where_nobody_may_write(self):
        made = subprocess.run(["mount", "--bind", self.log, self.log], capture_output=True, check=False)
        if made.returncode != 0:
            self.skipTest("cannot mount: " + made.stderr.decode().strip())
        self.addCleanup(subprocess.run, ["umount", self.log], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", self.log], check=True)
        with self.assertRaises(OSError):
            os.mkdir(self.log + "/probe")
        self.look()
        # A taker has to write its position.
        taker = self.pipeline(["fl-channel", "file", self.log, "--take", "--once"], "fl-sink null --stream")
        self.assertNotEqual(taker.wait()[0], 0)
        self.assertIn("Read-only file system", taker.errors(0))


class Polls(FileChannel):
    def test_a_taker_without_inotify_polls(self):
        # In a user namespace that allows no instance of inotify.
        alone = ["unshare", "--user", "--map-root-user", "sh", "-c",
                 'echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"', "sh"]
        made = subprocess.run([*alone, "true"], capture_output=True, check=False)
        if made.returncode != 0:
            self.skipTest("no user namespace: " + made.stderr.decode().strip())
        put, file = self.feed()
        file.write(numbers(0, 1))
        watcher, poller = self.following("--group", "a"), self.pipeline(
            [*alone, "fl-channel", "file", self.log, "--take", "--group", "b"], "fl-sink stdout --stream")
        for i in range(1, 20):
            poll(lambda: watcher.output() == numbers(0, i), f"line {i - 1} by inotify")
            poll(lambda: poller.output() == numbers(0, i), f"line {i - 1} by polling")
            file.write(numbers(i, i + 1))
        for taker in (watcher, poller):
            poll(lambda: taker.output() == numbers(0, 20), "the last line")
        folders = [f"/proc/{taker.processes[0].pid}/fd" for taker in (watcher, poller)]
        opened = [" ".join(os.readlink(os.path.join(folder, fd)) for fd in os.listdir(folder))
                  for folder in folders]
        self.assertEqual([bool(re.search("inotify", names)) for names in opened], [True, False])
        file.close()
        self.check(put, 0)
        for taker in (watcher, poller):
            taker.send(signal.SIGTERM)
            self.check(taker, 0, 0)


if __name__ == "__main__":
    harness.main()
