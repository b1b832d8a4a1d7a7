#!/usr/bin/env python3
"""fl-channel ls, cat, verify and groups: a log is read like a file, even while it is in use."""
import json
import os
import shutil
import signal
import subprocess
import sys
import time

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools")]
import harness
from harness import poll


class LogCommands(harness.Case):
    def setUp(self):
        super().setUp()
        self.log = self.path("log")

    def put(self, count: int, *more: str) -> None:
        self.check(self.pipeline(["fl-source", "seq", "--count", str(count)],
                                 ["fl-channel", "file", self.log, "--put", *more]), 0, 0)

    def take(self, *more: str) -> bytes:
        pipeline = self.pipeline(["fl-channel", "file", self.log, "--take", "--once", *more],
                                 "fl-sink stdout --stream")
        self.check(pipeline, 0, 0)
        return pipeline.output()

    def ask(self, command: str, *more: str, status: int = 0):
        result = subprocess.run(["fl-channel", command, self.log, *more], env=self.env(),
                                capture_output=True, timeout=harness.HANG, check=False)
        self.assertEqual(result.returncode, status, result.stderr.decode())
        self.said = result.stderr.decode()
        return result.stdout.decode()

    def groups(self) -> dict:
        rows = [json.loads(row) for row in self.ask("groups", "--format", "json").splitlines()]
        return {row["group"]: (row["next"], row["lag"]) for row in rows}

    def test_ls(self):
        self.put(60_000, "--segment-size", "64K")
        rows = self.ask("ls").splitlines()
        segments = sorted(name for name in os.listdir(self.log) if name.endswith(".seg"))
        self.assertEqual(len(rows), len(segments) + 2)
        for row, name in zip(rows[1:], segments):
            words = row.split()
            self.assertEqual(int(words[0]), int(name[:20]))
            self.assertEqual(int(words[2]), os.path.getsize(os.path.join(self.log, name)))
        self.assertRegex(rows[-1], r"^log [0-9a-f]{32}: 60000 events, next event 60000, \d+ bytes$")
        found = json.loads(self.ask("ls", "--format", "json"))
        self.assertEqual((found["first"], found["next"]), (0, 60_000))
        self.assertEqual(sum(segment["events"] for segment in found["segments"]), 60_000)
        self.assertEqual(found["bytes"], sum(segment["bytes"] for segment in found["segments"]))

    def test_cat(self):
        self.put(1000)
        self.assertEqual(self.ask("cat"), "".join(f"{i}\n" for i in range(1000)))
        self.assertEqual(self.ask("cat", "--from", "997"), "997\n998\n999\n")
        self.assertEqual(self.ask("cat", "--from", "10", "--count", "2"), "10\n11\n")
        self.assertEqual(self.ask("cat", "--from", "newest"), "")
        row = json.loads(self.ask("cat", "--format", "json", "--from", "7", "--count", "1"))
        self.assertEqual((row["number"], row["headers"], row["body"]), (7, {}, "7"))
        self.assertGreater(row["time_ms"], 1_700_000_000_000)
        self.assertEqual(list(row), ["number", "time_ms", "headers", "body"])
        self.assertEqual(self.take(), "".join(f"{i}\n" for i in range(1000)).encode())

    def test_cat_prints_events_as_other_programs_print_them(self):
        line = ["fl-channel", "file", "--put", self.log]
        self.check(self.pipeline(["printf", "\\377\\n\\303\\244\\n"], "fl-source stdin",
                                 "fl-intercept static k v", line), 0, 0, 0, 0)
        rows = self.ask("cat", "--format", "json").splitlines()
        printed = self.pipeline(["fl-channel", "file", "--take", "--once", self.log],
                                "fl-sink stdout --format json")
        self.check(printed, 0, 0)
        for row, event in zip(rows, printed.output().decode().splitlines(), strict=True):
            found = json.loads(row)
            del found["number"], found["time_ms"]
            self.assertEqual(found, json.loads(event))
        self.assertIn('"body64":"/w=="', rows[0])

    def test_cat_ends_as_cat_when_its_reader_has_enough(self):
        self.put(100_000)
        pipeline = self.pipeline(["fl-channel", "cat", self.log], "head -n 1")
        self.check(pipeline, -signal.SIGPIPE, 0)  # as cat(1)
        self.assertEqual(pipeline.output(), b"0\n")
        self.assertEqual(pipeline.errors(0), "")

    def test_verify_names_what_is_damaged(self):
        self.put(5000)
        self.take()
        self.assertRegex(self.ask("verify"), r"^5000 events in \d+ records?, \d+ bytes, 0 missing\n$")
        segment = os.path.join(self.log, "0" * 20 + ".seg")
        with open(segment, "r+b") as file:
            content = file.read()
            file.seek(content.index(b"2500"))
            file.write(b"x")
        out = self.ask("verify", status=65)
        self.assertRegex(out, r"events \d+ to \d+ are missing: \d+ bytes at \d+ of 0{20}.seg")
        found = json.loads(self.ask("verify", "--format", "json", status=65))
        self.assertEqual(found["events"] + found["missing"], 5000)
        self.assertEqual(len(found["problems"]), 2)
        self.assertEqual(os.listdir(os.path.join(self.log, "quarantine")), [])
        self.ask("cat", status=65)
        with open(segment, "wb") as file:
            file.write(content)
        with open(os.path.join(self.log, "groups", "default"), "wb") as file:
            file.write(b"x" * 512)
        self.assertIn("the position of group 'default' is damaged", self.ask("verify", status=65))

    def test_groups_are_listed_moved_and_removed(self):
        self.put(100)
        self.take("--group", "a")
        self.take("--group", "b", "--from", "newest")
        self.put(10)
        self.assertEqual(self.groups(), {"a": (100, 10), "b": (100, 10)})
        self.assertRegex(self.ask("groups"), r"(?m)^a +100 +10 +\d+s  20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        for to, expected in (("oldest", 0), ("newest", 110), ("42", 42), ("2001-01-01", 0),
                             ("@99999999999", 110), ("105", 105)):
            before = self.groups()["a"][0]
            said = self.ask("groups", "--group", "a", "--to", to)
            self.assertEqual(said, f"group 'a': next event {expected}" + (
                f", {before - expected} events again\n" if before > expected else
                f", {expected - before} events skipped: {before} to {expected - 1}\n"
                if expected > before else "\n"))
            self.assertEqual(self.groups()["a"], (expected, 110 - expected), to)
        self.assertEqual(self.take("--group", "a"), b"5\n6\n7\n8\n9\n")
        self.assertEqual(self.ask("groups", "--group", "b", "--skip", "1"),
                         "group 'b': next event 101, 1 event skipped: 100\n")
        self.assertEqual(self.take("--group", "b"), b"1\n2\n3\n4\n5\n6\n7\n8\n9\n")
        said = json.loads(self.ask("groups", "--group", "b", "--skip", "9", "--format", "json"))
        self.assertEqual(said, {"group": "b", "from": 110, "next": 110, "skipped": 0, "again": 0})
        self.assertEqual(self.groups()["b"], (110, 0))
        self.assertEqual(self.ask("groups", "--group", "b", "--remove"), "group 'b' removed\n")
        self.assertEqual(self.groups(), {"a": (110, 0)})
        for change in (["--remove"], ["--to", "oldest"], []):
            self.assertEqual(self.ask("groups", "--group", "b", *change, status=78), "")
            self.assertIn(f"'{self.log}' has no group 'b'\n", self.said)
            self.assertIn("its groups: 'a'", self.said)
        self.ask("groups", "--to", "oldest", status=64)
        self.ask("groups", "--group", "a", "--to", "noon", status=64)
        self.ask("groups", "--group", "a", "--to", "oldest", "--remove", status=64)

    def test_the_age_is_that_of_the_oldest_event_to_take(self):
        self.put(10)
        self.take("--group", "done")
        self.take("--group", "late")
        self.ask("groups", "--group", "late", "--to", "4")
        put_ms = json.loads(self.ask("cat", "--format", "json", "--from", "4", "--count", "1"))
        rows = [json.loads(row) for row in self.ask("groups", "--format", "json").splitlines()]
        now_ms = time.time() * 1000
        ages = {row["group"]: row["age_ms"] for row in rows}
        self.assertEqual(ages["done"], 0)
        self.assertGreater(ages["late"], 0)
        self.assertLessEqual(ages["late"], now_ms - put_ms["time_ms"] + 1)

    def test_a_log_in_use_is_looked_at_and_its_groups_stay(self):
        reader, writer = os.pipe()
        put = self.pipeline(["fl-channel", "file", self.log, "--put", "--text"], stdin=reader)
        os.close(reader)
        taker = self.pipeline(["fl-channel", "file", self.log, "--take"], "fl-sink stdout --stream")
        os.write(writer, b"0\n1\n2\n")
        poll(lambda: taker.output() == b"0\n1\n2\n", "lines")
        self.assertEqual(self.ask("cat"), "0\n1\n2\n")
        self.assertIn("3 events", self.ask("verify"))
        poll(lambda: self.groups() == {"default": (3, 0)}, "the acknowledgement")
        self.ask("groups", "--group", "default", "--to", "oldest", status=75)
        self.assertIn(f"is taken by process {taker.processes[0].pid} on ", self.said)
        self.ask("groups", "--group", "default", "--remove", status=75)
        os.close(writer)
        self.check(put, 0)
        taker.send(signal.SIGTERM)
        self.check(taker, 0, 0)

    def test_a_position_of_another_log_is_reported(self):
        self.put(100)
        self.take()
        position = self.path("position")
        shutil.copyfile(self.log + "/groups/default", position)
        shutil.rmtree(self.log)
        self.put(200)
        shutil.copyfile(position, self.log + "/groups/default")
        words = "the position of group 'default' belongs to another log"
        self.assertIn(words, self.ask("verify", status=65))
        self.ask("groups")
        self.assertIn(words, self.said)
        self.assertEqual(self.take().count(b"\n"), 200)
        self.ask("verify")

    def test_a_removed_group_no_longer_keeps_segments(self):
        self.put(60_000, "--segment-size", "64K")
        self.take("--group", "a")
        self.take("--group", "b", "--from", "newest")
        twin = shutil.copytree(self.log, self.path("twin"))
        self.ask("groups", "--group", "a", "--to", "oldest")
        count = self.segments(self.log)
        puts = []
        for log in (self.log, twin):
            reader, writer = os.pipe()
            puts.append((self.pipeline(["fl-channel", "file", log, "--put", "--text"], stdin=reader),
                         writer))
            os.close(reader)
            os.write(writer, b"one more\n")
        poll(lambda: self.ask("cat").endswith("one more\n"), "it is at work")
        poll(lambda: self.segments(twin) == 1, "old segments go where no group keeps them")
        self.assertEqual(self.segments(self.log), count)
        self.ask("groups", "--group", "a", "--remove")
        poll(lambda: self.segments(self.log) == 1, "old segments go")
        for put, writer in puts:
            os.close(writer)
            self.check(put, 0)

    @staticmethod
    def segments(log: str) -> int:
        return sum(name.endswith(".seg") for name in os.listdir(log))

    def test_no_log_is_an_error(self):
        os.mkdir(self.log)
        for command in ("ls", "cat", "verify", "groups"):
            self.assertEqual(self.ask(command, status=65), "")
            self.assertIn("holds no log", self.said)
        self.assertEqual(os.listdir(self.log), [])


if __name__ == "__main__":
    harness.main()
