#!/usr/bin/env python3
"""fl-channel file as its users see it: one process or two, killed, stopped, full, damaged.

Properties: file.dataDirs, file.capacity, file.minimumRequiredSpace, file.maxFileSize
"""
import contextlib
import glob
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import unittest

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, "tools"), os.path.join(TESTS, "log")]
import harness
import written_log
from harness import poll


BLOCK = 64 << 10    # bytes of small records that a taker hands out as one block, at most


def numbers(first: int, end: int) -> bytes:
    return b"".join(b"%d\n" % i for i in range(first, end))


class FileChannel(harness.Case):
    def setUp(self):
        super().setUp()
        self.log = self.path("log")

    def put(self, content: bytes, *more: str) -> None:
        lines = self.write("lines", content)
        self.check(self.pipeline(["fl-source", "stdin", lines],
                                 ["fl-channel", "file", self.log, "--put", *more]), 0, 0)

    def take(self, *more: str, status: int = 0) -> bytes:
        pipeline = self.pipeline(["fl-channel", "file", self.log, "--take", "--once", *more],
                                 ["fl-sink", "stdout", "--stream"])
        self.check(pipeline, status, status)
        self.said = pipeline.errors(0)
        return pipeline.output()

    def following(self, *more: str):
        """A taker that goes on; its lines are in .output()."""
        return self.pipeline(["fl-channel", "file", self.log, "--take", *more],
                             ["fl-sink", "stdout", "--stream"])

    def feed(self, *more: str):
        """A put half that is fed by .write()."""
        reader, writer = os.pipe()
        put = self.pipeline(["fl-channel", "file", self.log, "--put", "--text", *more], stdin=reader)
        os.close(reader)
        file = os.fdopen(writer, "wb", buffering=0)
        self.addCleanup(file.close)
        return put, file

    def arrives(self, pipeline, count: int) -> None:
        """Waits until its last stage has so many events."""
        process = pipeline.processes[-1]
        poll(lambda: harness.catches(process.pid, signal.SIGUSR1), "handlers")

        def asked():
            process.send_signal(signal.SIGUSR1)
            return f" {count} event" in pipeline.errors(len(pipeline.processes) - 1)
        poll(asked, f"{count} events")

    def cat(self) -> bytes:
        return subprocess.run(["fl-channel", "cat", self.log], env=self.env(), check=True,
                              capture_output=True).stdout

    def ls(self) -> dict:
        done = subprocess.run(["fl-channel", "ls", self.log, "--format", "json"], env=self.env(), check=False,
                              capture_output=True)
        return json.loads(done.stdout) if done.stdout else {}

    def segments(self) -> list:
        return sorted(glob.glob(self.log + "/*.seg"))


class OneProcess(FileChannel):
    def test_everything_is_handed_on_and_acknowledged(self):
        pipeline = self.pipeline("fl-source seq --count 5000", ["fl-channel", "file", self.log],
                                 "fl-sink stdout --stream")
        self.check(pipeline, 0, 0, 0)
        self.assertEqual(pipeline.output(), numbers(0, 5000))
        self.assertEqual(self.take(), b"")

    def test_the_source_hears_what_an_acknowledgement_means(self):
        pipeline = self.pipeline("fl-source seq --count 5 --explain",
                                 ["fl-channel", "file", self.log], "fl-sink null --stream")
        self.check(pipeline, 0, 0, 0)
        self.assertIn("log synced", pipeline.errors(0))

    def test_the_source_is_free_while_the_sink_is_stuck(self):
        lines = self.write("lines", numbers(0, 5000))
        pipeline = self.pipeline(["fl-source", "stdin", lines], ["fl-channel", "file", self.log],
                                 ["sh", "-c", "read x; exec sleep 1000"])
        self.assertEqual(pipeline.processes[0].wait(harness.HANG), 0)
        pipeline.kill()
        self.assertEqual(self.take(), numbers(0, 5000))

    def test_a_backlog_goes_out_before_anything_comes_in(self):
        self.put(numbers(0, 100))
        reader, writer = os.pipe()
        pipeline = self.pipeline(["fl-channel", "file", self.log], "fl-sink stdout --stream",
                                 stdin=reader)
        os.close(reader)
        poll(lambda: pipeline.output() == numbers(0, 100), "the backlog")
        os.close(writer)
        self.check(pipeline, 0, 0)

    def test_a_trickle_makes_no_small_files(self):
        reader, writer = os.pipe()
        pipeline = self.pipeline(["fl-channel", "file", self.log, "--text"],
                                 ["fl-sink", "hdfs", "--stream", "--min-commit", "1ms",
                                  "file://" + self.out], stdin=reader)
        os.close(reader)
        for i in range(10):
            os.write(writer, b"%d\n" % i)
            self.arrives(pipeline, i + 1)
        os.close(writer)
        self.check(pipeline, 0, 0)
        self.assertEqual(harness.committed_lines(self.out), [b"%d" % i for i in range(10)])
        self.assertEqual(len(harness.committed_files(self.out)), 1)

    def test_term_syncs_what_was_read_and_says_what_remains(self):
        reader, writer = os.pipe()
        pipeline = self.pipeline(["fl-channel", "file", self.log, "--text"],
                                 ["fl-sink", "hdfs", "--stream", "file://" + self.out], stdin=reader)
        os.close(reader)
        os.write(writer, numbers(0, 100))
        poll(lambda: self.segments() and os.path.getsize(self.segments()[0]) > 4096 + 100, "a record")
        self.arrives(pipeline, 100)
        pipeline.send(signal.SIGTERM)
        self.assertEqual(pipeline.wait()[0], 0, pipeline.report())
        os.close(writer)
        rest = self.take()
        self.assertEqual(b"".join(line + b"\n" for line in harness.committed_lines(self.out)) + rest,
                         numbers(0, 100))

    def test_a_killed_channel_loses_nothing(self):
        os.mkdir(self.path("spool"))
        self.write("spool/a", numbers(0, 60_000))
        kills = 0
        with open(self.path("got"), "wb") as got:
            for delivered in (1, 20_000, 50_000):
                pipeline = self.pipeline(
                    "fl-source spooldir spool --once --window 64K",
                    ["fl-channel", "file", self.log, "--segment-size", "64K"],
                    "fl-sink stdout --stream", stdout=got)
                poll(lambda: pipeline.processes[1].poll() is not None or
                     self.line_count("got") >= delivered, "some lines")
                if pipeline.processes[1].poll() is None:
                    pipeline.processes[1].kill()
                kills += pipeline.wait()[1] == -signal.SIGKILL
            self.check(self.pipeline("fl-source spooldir spool --once",
                                     ["fl-channel", "file", self.log],
                                     "fl-sink stdout --stream", stdout=got), 0, 0, 0)
        self.assertGreater(kills, 0)
        self.assert_first_seen_in_order("got", 60_000)

    def line_count(self, name: str) -> int:
        with open(self.path(name), "rb") as file:
            return file.read().count(b"\n")

    def assert_first_seen_in_order(self, name: str, count: int) -> None:
        seen = dict.fromkeys(open(self.path(name), "rb").read().split(b"\n"))
        # A killed writer may have left a part of a line.
        order = [int(line) for line in seen if line]
        order = [n for i, n in enumerate(order) if i == 0 or n > max(order[:i][-1:])]
        self.assertEqual(order, list(range(count)))


class TwoProcesses(FileChannel):
    def test_put_then_take(self):
        self.put(numbers(0, 5000))
        self.assertEqual(self.take(), numbers(0, 5000))
        self.put(numbers(5000, 6000))
        self.assertEqual(self.take(), numbers(5000, 6000))
        self.assertEqual(self.take(), b"")

    def test_take_may_start_before_the_log_exists(self):
        taker = self.following()
        poll(lambda: "waiting for it" in taker.errors(0), "the taker waits")
        self.put(numbers(0, 100))
        poll(lambda: taker.output() == numbers(0, 100), "all lines")
        taker.send(signal.SIGTERM)
        self.check(taker, 0, 0)

    def test_lines_arrive_while_both_run(self):
        put, file = self.feed()
        taker = self.following()
        for i in range(50):
            file.write(numbers(i, i + 1))
            poll(lambda: taker.output() == numbers(0, i + 1), f"line {i}")
        file.close()
        self.check(put, 0)
        taker.send(signal.SIGTERM)
        self.check(taker, 0, 0)

    def test_a_stopped_put_does_not_disturb_take(self):
        put, file = self.feed()
        file.write(numbers(0, 100))
        taker = self.following()
        poll(lambda: taker.output() == numbers(0, 100), "lines")
        put.send(signal.SIGSTOP)
        taker.send(signal.SIGTERM)
        self.check(taker, 0, 0)
        taker = self.following()
        file.write(numbers(100, 200))
        put.send(signal.SIGCONT)
        poll(lambda: taker.output() == numbers(100, 200), "lines of the woken put")

    def test_a_killed_put_is_taken_up_by_the_next_one(self):
        os.mkdir(self.path("spool"))
        self.write("spool/a", numbers(0, 60_000))
        taker, kills = self.following(), 0
        for i in range(4):
            put = self.pipeline("fl-source spooldir spool --once --window 8K",
                                ["fl-channel", "file", self.log, "--put", "--segment-size", "64K"])
            before = self.head()
            poll(lambda: self.head() != before or put.processes[1].poll() is not None, "a sync")
            if put.processes[1].poll() is None:
                put.processes[1].kill()
            kills += put.wait()[1] == -signal.SIGKILL
        self.check(self.pipeline("fl-source spooldir spool --once",
                                 ["fl-channel", "file", self.log, "--put"]), 0, 0)
        self.assertGreater(kills, 0)
        poll(lambda: taker.output().endswith(b"\n59999\n"), "the last line")
        lines = [int(line) for line in taker.output().split()]
        self.assertEqual(list(dict.fromkeys(lines)), list(range(60_000)))
        # What the source had not heard of may come again: its window, to which blocks are cut.
        again = sum(2 + len(str(line)) for line in lines) - sum(2 + len(str(i)) for i in range(60_000))
        self.assertLessEqual(again, kills * (8 << 10))

    def head(self) -> bytes:
        try:
            with open(self.log + "/head", "rb") as file:
                return file.read()
        except FileNotFoundError:
            return b""

    def test_a_killed_take_goes_on_after_what_was_acknowledged(self):
        self.put(numbers(0, 200_000))
        got, window = [], 4 << 10
        for round_ in range(200):
            reader, writer = os.pipe()
            taker = self.pipeline(["fl-channel", "file", self.log, "--take", "--window", str(window)],
                                  ["fl-sink", "stdout", "--stream"], stdout=writer)
            os.close(writer)
            # As little is read as a pipe and a window hold, so the kill comes before the end.
            with open(reader, "rb") as output:
                data = output.read(self.random.randrange(1, 200_000))
                taker.processes[0].kill()
                lines = [int(line) for line in (data + output.read()).split()]
            self.assertEqual(taker.wait()[0], -signal.SIGKILL)
            self.assertEqual(lines, list(range(lines[0], lines[-1] + 1)))
            # What comes again was handed out and not acknowledged: the window, in whole blocks.
            self.assertLessEqual(lines[0], len(got))
            again = sum(2 + len(str(line)) for line in got[lines[0]:])
            self.assertLessEqual(again, window + BLOCK)
            got[lines[0]:] = lines
            if len(got) > 100_000:
                break
        self.assertGreater(round_, 0)
        rest = [int(line) for line in self.take().split()]
        self.assertLessEqual(rest[0], len(got))
        self.assertEqual(got[:rest[0]] + rest, list(range(200_000)))

    def test_a_second_putter_and_a_second_taker_hear_who_the_first_is(self):
        put, file = self.feed()
        file.write(numbers(0, 1))
        taker = self.following()
        poll(taker.output, "a line")
        for first, half, words in ((put, "--put", f"'{self.log}' is written by process"),
                                   (taker, "--take", f"group 'default' of '{self.log}' is taken by "
                                                     "process")):
            second = self.pipeline(["fl-channel", "file", self.log, half])
            self.check(second, 75)
            self.assertIn(f"{words} {first.processes[0].pid} on ", second.errors(0))
        self.assertEqual(self.take("--group", "other"), numbers(0, 1))

    def test_each_group_gets_everything_and_begins_where_it_is_told(self):
        self.put(numbers(0, 1000))
        self.assertEqual(self.take("--group", "a"), numbers(0, 1000))
        self.assertEqual(self.take("--group", "b", "--from", "990"), numbers(990, 1000))
        self.assertEqual(self.take("--group", "c", "--from", "newest"), b"")
        self.assertEqual(self.take("--group", "d", "--from", "2001-01-01"), numbers(0, 1000))
        self.assertEqual(self.take("--group", "e", "--from", "@99999999999"), b"")
        self.put(numbers(1000, 1001))
        for group in "abce":
            self.assertEqual(self.take("--group", group), numbers(1000, 1001))
        self.check(self.pipeline(["fl-channel", "file", self.log, "--take", "--from", "noon"]), 64)

    def test_term_on_a_putter_whose_writer_is_silent(self):
        put, file = self.feed()
        file.write(numbers(0, 10))
        poll(lambda: self.segments() and os.path.getsize(self.segments()[0]) > 4096, "a record")
        put.send(signal.SIGTERM)
        self.check(put, 0)
        self.assertEqual(self.take(), numbers(0, 10))

    def test_what_is_left_is_said(self):
        self.put(numbers(0, 1000))
        taker = self.pipeline(["fl-channel", "file", self.log, "--take", "--window", "100"],
                              ["sh", "-c", "exec sleep 1000"])
        poll(lambda: os.path.exists(self.log + "/groups/default"), "the group")
        taker.send(signal.SIGTERM, 0)
        taker.processes[0].wait(harness.HANG)
        self.assertIn(f"1000 events remain in '{self.log}' for group 'default'", taker.errors(0))


class Space(FileChannel):
    def test_segments_go_when_every_group_has_passed_them(self):
        self.put(numbers(0, 60_000), "--segment-size", "64K")
        before = len(self.segments())
        self.assertGreater(before, 5)
        self.take("--group", "a")
        self.put(b"")
        put, file = self.feed()
        poll(lambda: len(self.segments()) == 1, "only the last segment is left")
        file.close()
        self.check(put, 0)
        first = int(os.path.basename(self.segments()[0])[:20])
        self.assertEqual(self.take("--group", "b"), numbers(first, 60_000))

    def test_a_group_that_lags_keeps_its_segments(self):
        self.put(numbers(0, 60_000), "--segment-size", "64K")
        self.take("--group", "fast")
        self.take("--group", "slow", "--from", "30000")
        self.put(numbers(60_000, 120_000), "--segment-size", "64K")
        self.take("--group", "fast")
        put, file = self.feed()
        poll(lambda: int(os.path.basename(self.segments()[0])[:20]) > 50_000, "old segments go")
        file.close()
        self.check(put, 0)
        self.assertEqual(self.take("--group", "slow"), numbers(60_000, 120_000))

    def test_retained_segments_stay(self):
        for retain in ("1h", "1G"):
            with self.subTest(retain=retain):
                self.log = self.path("log" + retain)
                self.put(numbers(0, 60_000), "--segment-size", "64K")
                count = len(self.segments())
                self.take()
                twin = shutil.copytree(self.log, self.path("twin" + retain))
                put, file = self.feed("--retain", retain)
                file.write(numbers(0, 1))
                poll(lambda: self.cat().endswith(b"59999\n0\n"), "it is at work")
                self.log, kept = twin, self.log
                other, other_file = self.feed()
                poll(lambda: len(self.segments()) == 1, "those of a log that retains nothing go")
                self.log = kept
                for each, pipeline in ((file, put), (other_file, other)):
                    each.close()
                    self.check(pipeline, 0)
                self.assertEqual(len(self.segments()), count)
                self.assertEqual(self.take("--group", "late"), numbers(0, 60_000) + b"0\n")

    def freed(self, retain: str, count: int) -> None:
        """A put half with --retain leaves `count` segments, and their events."""
        put, file = self.feed("--retain", retain)
        poll(lambda: len(self.segments()) <= count, "older ones go")
        file.close()
        self.check(put, 0)
        # At its end it has looked again, and freed no more.
        self.assertEqual(len(self.segments()), count)
        first = int(os.path.basename(self.segments()[0])[:20])
        self.assertGreater(first, 0)
        self.assertEqual(self.take("--group", "late"), numbers(first, 120_000))

    def test_what_is_more_than_the_retained_size_goes(self):
        self.put(numbers(0, 120_000), "--segment-size", "64K")
        self.take()
        sizes = list(map(os.path.getsize, self.segments()))
        # All but the last one count.
        kept = next(i for i in range(len(sizes)) if sum(sizes[i:-1]) <= 200 << 10)
        self.assertGreater(kept, 2)
        self.assertGreater(len(sizes) - kept, 3)
        self.freed("200K", len(sizes) - kept)

    def test_what_is_older_than_the_retained_time_goes(self):
        self.put(numbers(0, 120_000), "--segment-size", "64K")
        self.take()
        segments = self.segments()
        # The time of an event is not asked: a segment is as old as the one after it.
        for path in segments[:5]:
            with open(path, "r+b") as file:
                head = bytearray(file.read(64))
                head[48:56] = (int.from_bytes(head[48:56], "little") - 7_200_000).to_bytes(8, "little")
                head[12:16] = written_log.masked(bytes(head[:12] + head[16:]))
                file.seek(0)
                file.write(head)
        self.check(self.pipeline(["fl-channel", "verify", self.log]), 0)
        self.freed("1h", len(segments) - 4)

    def test_a_full_log_waits_and_names_the_group(self):
        self.put(numbers(0, 10))
        self.assertEqual(self.take("--group", "lagging"), numbers(0, 10))
        put, file = self.feed("--capacity", "900")
        file.write(numbers(0, 1000))
        poll(lambda: "it holds 1000 events, --capacity is 900; group 'lagging' has 1000 events left to "
             "take" in put.errors(0), "a report")
        file.write(numbers(1000, 1500))
        self.assertEqual(self.take("--group", "lagging"), numbers(0, 1000))
        poll(lambda: "has room again" in put.errors(0), "room")
        file.close()
        self.check(put, 0)
        self.assertEqual(self.take("--group", "lagging"), numbers(1000, 1500))

    def test_dropping_the_oldest_is_reported_and_not_a_success(self):
        self.put(numbers(0, 10))
        self.assertEqual(self.take(), numbers(0, 10))
        lines = self.write("lines", numbers(10, 120_000))
        put = self.pipeline(["fl-source", "stdin", lines],
                            ["fl-channel", "file", self.log, "--put", "--byte-capacity", "512K",
                             "--when-full", "drop-oldest"])
        self.check(put, 0, 65)
        self.assertRegex(put.errors(1), r"[0-9]+ events removed that group 'default' had not ackn")
        rest = self.take(status=65)
        self.assertRegex(self.said, r"events 10 to [0-9]+ are missing: their segments were removed")
        self.assertTrue(rest.endswith(b"\n119999\n"))
        self.assertEqual(rest, numbers(int(rest.split()[0]), 120_000))
        missing = sum(int(n) for n in re.findall(r"([0-9]+) events removed that group",
                                                 put.errors(1)))
        self.assertEqual(missing, int(rest.split()[0]) - 10)
        self.assertEqual(self.take(), b"")


    def test_dropping_the_oldest_keeps_the_newest(self):
        for capacity, count in ((5000, 20_000), (100_000, 300_000), (1000, 20_000)):
            with self.subTest(capacity=capacity):
                shutil.rmtree(self.log, ignore_errors=True)
                put = self.pipeline(f"fl-source seq --count {count}",
                                    ["fl-channel", "file", self.log, "--put", "--capacity",
                                     str(capacity), "--when-full", "drop-oldest"])
                self.check(put, 0, 65)
                self.assertRegex(put.errors(1), r"[0-9]+ events removed that nobody had acknowledged")
                left = self.cat()
                first = int(left.split()[0])
                self.assertEqual(left, numbers(first, count))
                self.assertGreaterEqual(count - first, capacity // 2)
                self.assertLessEqual(count - first, capacity)
                self.assertIn(f"{first} events removed that were not acknowledged", put.errors(1))

    def test_dropping_keeps_the_newest_block_whatever_its_size(self):
        """Blocks that are much smaller than the limit, about as large, or larger."""
        kib = 1 << 10
        for size, limit in ((100, 8 * kib), (40 * kib, 64 * kib), (60 * kib, 64 * kib), (200 * kib, 64 * kib),
                            (1024 * kib, 900 * kib)):
            with self.subTest(size=size, limit=limit):
                shutil.rmtree(self.log, ignore_errors=True)
                put, file = self.feed("--byte-capacity", f"{limit}", "--when-full", "drop-oldest",
                                      "--max-event", "4M", "--max-line", "4M")
                lines = [b"%04d" % i + b"." * size + b"\n" for i in range(8)]
                for i, line in enumerate(lines):    # each is a block of its own
                    file.write(line)
                    poll(lambda: self.ls().get("next") == i + 1, "the block is durable")
                    self.assertLessEqual(self.ls()["bytes"], limit + 2 * (size + 8 * kib))
                    self.assertTrue(self.cat().endswith(line))
                file.close()
                self.check(put, 65)
                left = self.cat().splitlines(keepends=True)
                first = len(lines) - len(left)
                self.assertEqual(left, lines[first:])
                self.assertIn(f"{first} events removed that were not acknowledged", put.errors(0))
                # What is left fits, or is the newest block alone; no more was dropped than had to be.
                used = [os.path.getsize(path) for path in self.segments()]
                self.assertTrue(sum(used) < limit or len(left) == 1, used)
                self.assertGreater(sum(used) + 2 * (size + 8 * kib), limit)
                self.put(b"more\n")

    def test_a_limit_of_almost_nothing_lets_one_block_in_at_a_time(self):
        for words in (["--byte-capacity", "8KiB"], ["--capacity", "1"],
                      ["--byte-capacity", "128KiB", "--retain", "1GiB"],
                      ["--byte-capacity", "8KiB", "--when-full", "drop-oldest"]):
            with self.subTest(words):
                shutil.rmtree(self.log, ignore_errors=True)
                pipeline = self.pipeline("fl-source seq --count 30000",
                                         ["fl-channel", "file", self.log, *words],
                                         "fl-sink null --stream")
                statuses = pipeline.wait()
                self.assertIn(statuses, ([0, 0, 0], [0, 65, 65]) if "drop-oldest" in words
                              else ([0, 0, 0],), pipeline.report())

    def test_positions_that_fill_the_log_leave_room_for_events(self):
        """They begin each segment, also one that has no event that could be freed."""
        for i in range(25):
            spool = f"{i:03}" + "n" * 200
            os.mkdir(self.path(spool))
            self.write(spool + "/a", b"%d\n" % i)
            self.check(self.pipeline(["fl-source", "spooldir", spool, "--once"],
                                     ["fl-channel", "file", self.log, "--put"]), 0, 0)
        pipeline = self.pipeline("fl-source seq --count 5",
                                 ["fl-channel", "file", self.log, "--byte-capacity", "8KiB"],
                                 "fl-sink stdout --stream")
        self.check(pipeline, 0, 0, 0)
        self.assertEqual(pipeline.output(), numbers(0, 25) + numbers(0, 5))
        self.assertEqual(len(self.segments()), 1)
        self.assertGreater(os.path.getsize(self.segments()[0]), 8 << 10)

    def test_what_can_never_have_room_is_refused(self):
        for words, status, said in (
                ("--byte-capacity 1KiB", 64, "--byte-capacity is less than 8KiB"),
                ("--byte-capacity 4KiB --when-full drop-oldest", 64, "--byte-capacity is less"),
                ("--reserve 1000000TiB", 78, "not more than --reserve (1000000TiB)")):
            for more in ([], ["--put"]):
                put = self.pipeline(["fl-channel", "file", self.log, *words.split(), *more])
                self.check(put, status)
                self.assertIn(said, put.errors(0))


class Sync(FileChannel):
    def test_a_failed_sync_ends_the_log_and_is_not_tried_again(self):
        segment = os.path.join(self.log, f"{0:020}.seg")
        lines = self.write("input", numbers(0, 1_000))
        for error in ("ENOSPC", "EDQUOT", "EIO"):
            with self.subTest(error):
                shutil.rmtree(self.log, ignore_errors=True)
                put = self.pipeline(
                    ["fl-source", "stdin", lines],
                    ["strace", "-f", "-o", self.path("calls"), "-P", segment, "-e",
                     f"inject=fdatasync:error={error}:when=1", "fl-channel", "file", self.log,
                     "--put"])
                self.assertEqual(put.wait()[1], 74, put.report())
                self.assertIn(f"cannot sync '{segment}'", put.errors(1))
                with open(self.path("calls")) as file:
                    self.assertEqual(file.read().count("fdatasync("), 1)
                # What is in the cache is good here: it is copied and synced, and nothing is doubled.
                self.put(b"")
                self.assertEqual(self.take(), numbers(0, 1_000))

    def test_all_of_a_flow_is_synced_while_the_input_stays_open(self):
        put, file = self.feed()
        for i in range(3):
            file.write(numbers(i * 200_000, (i + 1) * 200_000))
            taker = self.following("--group", f"g{i}", "--from", str(i * 200_000))
            poll(lambda: taker.output().endswith(b"\n%d\n" % ((i + 1) * 200_000 - 1)), "all of it")
            taker.send(signal.SIGTERM)
            self.check(taker, 0, 0)
        file.close()
        self.check(put, 0)


class Packed(FileChannel):
    def test_a_packed_log_is_read_by_all(self):
        self.put(numbers(0, 50_000), "--log-codec", "zstd")
        packed = sum(map(os.path.getsize, self.segments()))
        self.put(numbers(50_000, 60_000))  # records of both kinds
        plain = sum(map(os.path.getsize, self.segments())) - packed
        self.assertLess(packed, 3 * plain)
        self.assertEqual(self.take(), numbers(0, 60_000))
        cat = self.check(self.pipeline(["fl-channel", "cat", self.log]), 0)
        self.assertEqual(cat.output(), numbers(0, 60_000))
        self.check(self.pipeline(["fl-channel", "verify", self.log]), 0)
        reader = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "man",
                              "examples", "read_log.py")
        rows = subprocess.run([sys.executable, reader, self.log], capture_output=True, check=True,
                              timeout=harness.HANG).stdout.splitlines()
        self.assertEqual(len(rows), 60_000)
        self.assertTrue(rows[123].endswith(b"b'123'"), rows[123])


class Disk(FileChannel):
    """On a small file system of its own."""

    def setUp(self):
        super().setUp()
        os.mkdir(self.path("disk"))
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2M", "none", self.path("disk")],
                              capture_output=True, check=False)
        if made.returncode != 0:
            self.skipTest("cannot mount: " + made.stderr.decode().strip())
        self.addCleanup(subprocess.run, ["umount", self.path("disk")], check=True)
        self.log = self.path("disk", "log")

    def test_a_full_disk_is_waited_for(self):
        for reserve, words in (("0", "no space on the file system of"),
                               ("256K", "less than --reserve (256KiB) is free")):
            with self.subTest(reserve=reserve):
                self.log = self.path("disk", "log" + reserve)
                self.put(b"", "--reserve", reserve)
                self.take()  # a new group takes space, an old one does not
                lines = self.write("lines", numbers(0, 400_000))
                put = self.pipeline(["fl-source", "stdin", lines],
                                    ["fl-channel", "file", self.log, "--put", "--segment-size",
                                     "128K", "--reserve", reserve])
                poll(lambda: words in put.errors(1), "a report")
                taker = self.following()
                self.check(put, 0, 0)
                self.assertIn("has room again", put.errors(1))
                poll(lambda: taker.output().endswith(b"\n399999\n"), "the last line")
                self.assertEqual(taker.output(), numbers(0, 400_000))
                taker.send(signal.SIGTERM)
                self.check(taker, 0, 0)
                shutil.rmtree(self.log)

    def test_in_one_process(self):
        lines = self.write("lines", numbers(0, 400_000))
        pipeline = self.pipeline(["fl-source", "stdin", lines],
                                 ["fl-channel", "file", self.log, "--segment-size", "128K",
                                  "--reserve", "0"],
                                 "fl-sink stdout --stream")
        self.check(pipeline, 0, 0, 0)
        self.assertEqual(pipeline.output(), numbers(0, 400_000))

    def test_a_log_on_a_full_disk_is_opened_and_taken_from(self):
        self.put(numbers(0, 20_000), "--segment-size", "64K", "--reserve", "0")
        self.assertEqual(self.take(), numbers(0, 20_000))
        put, file = self.feed("--reserve", "0")
        file.write(numbers(20_000, 21_000))
        poll(lambda: self.take("--group", "look").endswith(b"20999\n"), "it is in the log")
        put.processes[0].kill()
        put.wait()
        self.check(self.pipeline(["fl-channel", "groups", self.log, "--group", "look", "--to", "oldest"]), 0)
        self.fill()
        # With a tail that has to be copied, for which there is no room.
        with open(self.segments()[-1], "ab") as last:
            last.write(b"x" * 10)
        pipeline = self.pipeline(["fl-source", "seq", "--count", "5"],
                                 ["fl-channel", "file", self.log, "--reserve", "0"],
                                 "fl-sink stdout --stream")
        poll(lambda: pipeline.output().endswith(b"20999\n"), "taking goes on")
        os.unlink(self.path("disk", "filler"))
        self.check(pipeline, 0, 0, 0)
        self.assertEqual(pipeline.output(), numbers(20_000, 21_000) + numbers(0, 5))

    def test_what_no_group_needs_makes_room_for_opening(self):
        small = ("--segment-size", "64K", "--reserve", "0")
        self.put(numbers(0, 60_000), *small)
        self.assertEqual(self.take(), numbers(0, 60_000))
        with open(self.segments()[-1], "ab") as last:   # a tail that has to be copied
            last.write(b"x" * 10)
        oldest = self.segments()[0]
        filler = self.fill()
        self.put(numbers(60_000, 60_010), *small)
        os.unlink(filler)
        self.assertNotIn(oldest, self.segments())
        self.assertEqual(self.take(), numbers(60_000, 60_010))

    def fill(self) -> str:
        """A file that takes all that is left of the disk."""
        path = self.path("disk", "filler")
        with open(path, "wb", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(bytes(4096))
        return path

    def test_retained_events_make_room_on_a_full_disk(self):
        pipeline = self.pipeline("fl-source seq --count 400000",
                                 ["fl-channel", "file", self.log, "--reserve", "0", "--segment-size",
                                  "64K", "--retain", "1d"], "fl-sink null --stream")
        self.check(pipeline, 0, 0, 0)

    def test_a_log_is_made_as_soon_as_there_is_room(self):
        limits = [f"size={kib}k" for kib in range(4, 40, 4)] + [f"nr_inodes={n}" for n in range(3, 9)]
        for limit in limits:
            with self.subTest(limit):
                os.mkdir(self.log)
                self.remount(limit)
                pipeline = self.pipeline("fl-source seq --count 5",
                                         ["fl-channel", "file", self.log, "--reserve", "0"],
                                         "fl-sink stdout --stream")
                poll(lambda: pipeline.output() == numbers(0, 5) or "no space" in pipeline.errors(1) or
                     pipeline.processes[1].poll() is not None, "a word")
                self.remount("size=2M,nr_inodes=1000")
                self.check(pipeline, 0, 0, 0)
                self.assertEqual(pipeline.output(), numbers(0, 5))
                shutil.rmtree(self.log)

    def remount(self, limit: str) -> None:
        subprocess.run(["mount", "-o", "remount," + limit, self.path("disk")], check=True)

    def test_a_new_group_waits_for_space_and_keeps_its_place(self):
        self.put(numbers(0, 100), "--reserve", "0")
        self.take("--group", "look")
        self.fill()
        new = self.following("--group", "new", "--from", "newest")
        old = self.following("--group", "old", "--from", "@99999999999")
        once = self.following("--group", "once", "--once")
        for taker, name in ((new, "new"), (old, "old"), (once, "once")):
            poll(lambda: f"no space for the new group '{name}', waiting for it" in taker.errors(0),
                 "a word")
        put, file = self.feed("--reserve", "0")
        file.write(b"more\n")  # goes into the segment that is there
        poll(lambda: b"more" in self.cat(), "it is in the log")
        self.assertEqual(os.listdir(self.path("disk", "log", "groups")).count("new"), 0)
        os.unlink(self.path("disk", "filler"))
        poll(lambda: new.output() == b"more\n", "it comes")
        self.assertIn("group 'new' of '", new.errors(0))
        self.check(once, 0, 0)
        self.assertTrue(once.output().startswith(numbers(0, 100)))
        file.close()
        self.check(put, 0)
        for taker in (new, old):
            taker.send(signal.SIGTERM)
            self.check(taker, 0, 0)


class SeveralOutputs(FileChannel):
    """--out A --out B: each block goes to the output that is free, and stays until acknowledged."""

    READER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools",
                          "ack_reader.py")

    def outputs(self, *names: str) -> list:
        words = []
        for name in names:
            if not os.path.exists(self.path(name)):
                os.mkfifo(self.path(name))
            words += ["--out", self.path(name)]
        return words

    def sink(self, name: str):
        return self.pipeline(["fl-sink", "stdout", "--stream", "--in", self.path(name)])

    def gated(self, name: str):
        """A sink that begins when the file `go` is there."""
        return self.pipeline(["sh", "-c", f'exec < "{self.path(name)}"; until [ -e go ]; do '
                                          "sleep 0.01; done; exec fl-sink stdout --stream"])

    def channel(self, *more: str):
        return self.pipeline(["fl-channel", "file", self.log, "--take", *self.outputs("a", "b"),
                              *more])

    @staticmethod
    def ended(sink, path: str) -> bool:
        """Whether it has ended; one that waits for a writer of its named pipe finds one."""
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            pass  # it does not wait, or not yet
        return sink.processes[0].poll() is not None

    @staticmethod
    def open_in(pipeline) -> set:
        folder = f"/proc/{pipeline.processes[0].pid}/fd"
        found = set()
        for fd in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):  # closed since
                found.add(os.readlink(os.path.join(folder, fd)))
        return found

    def lag(self) -> int:
        result = subprocess.run(["fl-channel", "groups", self.log, "--format", "json"],
                                env=self.env(), capture_output=True, check=True)
        return json.loads(result.stdout)["lag"] if result.stdout else -1

    def test_each_event_goes_to_one_of_them(self):
        half = 300_000  # more than a pipe holds
        channel = self.channel()
        sinks = [self.sink("a"), self.sink("b")]
        poll(lambda: {self.path("a"), self.path("b")} <= self.open_in(channel), "both open")
        for i, (busy, other) in enumerate((sinks, sinks[::-1])):  # what one cannot take, the other does
            other.send(signal.SIGCONT)
            busy.send(signal.SIGSTOP)
            self.put(numbers(i * half, (i + 1) * half))
            poll(other.output, "something from the other one")
        sinks[1].send(signal.SIGCONT)
        poll(lambda: self.lag() == 0, "all acknowledged")
        channel.send(signal.SIGTERM)
        self.check(channel, 0)
        for sink in sinks:
            self.check(sink, 0)
        lines = [sink.output().splitlines() for sink in sinks]
        self.assertTrue(lines[0] and lines[1])
        for own in lines:
            self.assertEqual(own, sorted(own, key=int))
        self.assertEqual(sorted(lines[0] + lines[1], key=int), numbers(0, 2 * half).splitlines())
        self.assertEqual(self.lag(), 0)

    def test_in_one_process_with_put(self):
        lines = self.write("lines", numbers(0, 20_000))
        pipeline = self.pipeline(["fl-source", "stdin", lines],
                                 ["fl-channel", "file", self.log, *self.outputs("a", "b")])
        sinks = [self.sink("a"), self.sink("b")]
        self.check(pipeline, 0, 0)
        found = b"".join(sink.output() for sink in sinks).splitlines()
        self.assertEqual(sorted(found, key=int), numbers(0, 20_000).splitlines())

    def with_one_stuck(self, count: int):
        """Of 400,000 lines `a` acknowledges less than `count` and holds more; `b` goes on."""
        self.put(b"line\n" * 400_000)
        channel = self.channel()
        stuck = self.pipeline(["sh", "-c",
                               f'exec python3 {self.READER} {count} 0 held < "{self.path("a")}"'])
        sink = self.gated("b")
        poll(lambda: os.path.exists(self.path("held")), "a block")
        self.write("go", "")
        poll(lambda: len(sink.output()) > 5000, "what is left")
        return channel, stuck, sink

    def test_what_a_dead_output_held_goes_to_the_other(self):
        channel, stuck, sink = self.with_one_stuck(1000)
        self.assertGreater(self.lag(), 0)
        stuck.kill()
        poll(lambda: sink.output() == b"line\n" * 400_000, "what the other one held")
        poll(lambda: self.lag() == 0, "the cursor")
        self.assertRegex(channel.errors(0), r"[0-9]+ events that it has not acknowledged go to another")
        channel.send(signal.SIGTERM)
        self.check(channel, 0)
        self.check(sink, 0)

    def test_the_cursor_never_passes_what_one_of_them_holds(self):
        channel, stuck, sink = self.with_one_stuck(1)
        channel.processes[0].kill()
        channel.wait()
        stuck.kill()
        self.check(sink, 75)
        self.assertEqual(self.lag(), 400_000)  # the first block was the one that is held
        self.assertEqual(self.take(), b"line\n" * 400_000)

    def test_killed_again_and_again_it_loses_nothing(self):
        count, seen = 100_000, set()
        self.put(numbers(0, count))
        for round_ in range(6):
            channel = self.channel("--window", "256K")
            sinks = [self.sink("a"), self.sink("b")]
            poll(lambda: any(sink.output() for sink in sinks) or self.lag() == 0, "something")
            victims = [channel, sinks[round_ % 2]]
            for victim in victims[round_ % 3 == 0:]:
                victim.processes[0].kill()
            if round_ % 3 == 0:
                poll(lambda: channel.processes[0].poll() is not None or self.lag() == 0, "an end")
                channel.processes[0].kill()
            channel.wait()
            for name, sink in zip("ab", sinks, strict=True):
                poll(lambda: self.ended(sink, self.path(name)), "the end of a sink")
                sink.wait()
            for sink in sinks:
                seen.update(sink.output().split(b"\n")[:-1])
        channel = self.channel("--once")
        sinks = [self.sink("a"), self.sink("b")]
        self.check(channel, 0)
        for sink in sinks:
            self.check(sink, 0)
            seen.update(sink.output().splitlines())
        self.assertEqual(seen, set(numbers(0, count).splitlines()))

    def test_one_that_does_not_acknowledge_gets_nothing(self):
        self.put(numbers(0, 1000))
        channel = self.channel("--once", "--ack-wait", "200ms")
        foreign = self.pipeline(["sh", "-c", f'exec cat "{self.path("a")}"'])
        sink = self.sink("b")
        self.check(channel, 0)
        self.check(sink, 0)
        self.check(foreign, 0)
        self.assertEqual(sink.output(), numbers(0, 1000))
        self.assertEqual(self.events_in(foreign), b"")
        self.assertIn("does not acknowledge", channel.errors(0))
        channel = self.channel("--once", "--ack-wait", "200ms", "--group", "none")
        foreigners = [self.pipeline(["sh", "-c", f'exec cat "{self.path(name)}"'])
                      for name in ("a", "b")]
        self.check(channel, 69)
        for each in foreigners:
            each.wait()
            self.assertEqual(self.events_in(each), b"")
        self.assertEqual(self.take("--group", "none"), numbers(0, 1000))

    def events_in(self, foreign) -> bytes:
        """The events of the stream that it has got, which may have no end."""
        self.write("got", foreign.output())
        shown = self.pipeline("fl-sink stdout --stream --in got")
        shown.wait()
        return shown.output()

    def test_when_none_is_left_it_ends(self):
        self.put(b"")
        channel = self.channel()
        sinks = [self.sink("a"), self.sink("b")]
        poll(lambda: os.path.exists(self.log + "/groups/default"), "the group")
        for sink in sinks:
            sink.kill()
        self.check(channel, 75)

    def test_term_leaves_what_is_not_taken(self):
        self.put(numbers(0, 100))
        channel = self.channel()
        sinks = [self.sink("a"), self.sink("b")]
        poll(lambda: sum(sink.output().count(b"\n") for sink in sinks) == 100, "all lines")
        channel.send(signal.SIGTERM)
        self.check(channel, 0)
        for sink in sinks:
            self.check(sink, 0)
        self.assertEqual(self.take(), b"")


class Figures(FileChannel):
    def test_each_group_has_its_lag_and_age(self):
        self.put(numbers(0, 100))
        self.take("--group", "done")
        self.take("--group", "late", "--from", "40")
        subprocess.run(["fl-channel", "groups", self.log, "--group", "late", "--to", "40"],
                       env=self.env(), check=True, capture_output=True)
        page = self.path("put.prom")
        put, file = self.feed("--metrics", page, "--metrics-interval", "100ms")
        file.write(b"100\n")

        def value(name: str, group: str) -> str:
            with open(page) as text:
                found = re.search(rf'(?m)^fl_channel_file_{name}{{.*group="{group}"}} (\d+)$',
                                  text.read())
            return found[1] if found else ""

        poll(lambda: os.path.exists(page) and value("group_lag_events", "late") == "61", "a page")
        poll(lambda: value("group_lag_events", "done") == "1", "the other group")
        self.assertTrue(value("group_age_seconds", "late"))
        put.send(signal.SIGUSR1)
        poll(lambda: "61 to take for 'late'" in put.errors(0), "the status line")
        file.close()
        self.check(put, 0)
        with open(page) as text:
            self.assertEqual(text.read().count("# TYPE fl_channel_file_group_lag_events gauge"), 1)
        taken = self.path("take.prom")
        self.take("--group", "late", "--metrics", taken)
        with open(taken) as text:
            self.assertRegex(text.read(), r'fl_channel_file_group_lag_events{.*group="late"} 0\n')


class Damage(FileChannel):
    def test_a_damaged_record_is_reported_kept_and_not_a_success(self):
        put, file = self.feed()
        taker = self.following("--group", "look")
        for i in range(3):
            file.write(numbers(10 * i, 10 * (i + 1)))
            poll(lambda: taker.output() == numbers(0, 10 * (i + 1)), "lines")
        file.close()
        self.check(put, 0)
        with open(self.segments()[0], "r+b") as segment:
            content = segment.read()
            at = content.index(b"15")
            segment.seek(at)
            segment.write(b"x")
        self.assertEqual(self.take(status=65), numbers(0, 10) + numbers(20, 30))
        self.assertIn("events 10 to 19 are missing", self.said)
        self.assertIn(f"10 events of '{self.log}' are missing, see above", self.said)
        kept = glob.glob(self.log + "/quarantine/*")
        self.assertEqual(len(kept), 1)
        with open(kept[0], "rb") as file:
            self.assertIn(b"x5", file.read())
        self.assertEqual(self.take(), b"")

    # ---- positions

    def test_a_damaged_position_of_a_group_passes_over_nothing(self):
        self.put(numbers(0, 100))
        self.assertEqual(self.take(), numbers(0, 100))
        self.put(numbers(100, 200))
        path = self.log + "/groups/default"
        with open(path, "rb") as file:
            whole = file.read()
        newer = max((0, 64), key=lambda at: struct.unpack_from("<Q", whole, at + 8)[0])
        one, all_of_it = "one of its two positions is damaged", "its position is damaged"
        for places, first, words in (((newer,), 0, one), ((64 - newer,), 100, one), ((0, 64), 0, all_of_it)):
            with self.subTest(places), open(path, "r+b") as file:
                file.write(whole)
                file.flush()
                for at in places:
                    self.flip(path, at + 33)
                self.assertRegex(self.verify(65), "(two positions|the position) of group 'default'.* damaged")
                groups = self.check(self.pipeline(["fl-channel", "groups", self.log]), 0)
                self.assertIn("damaged", groups.errors(0) + groups.output().decode())
                # A new group would begin at the newest event.
                self.assertEqual(self.take("--from", "newest"), numbers(first, 200))
                self.assertEqual(self.said.count(f"{words}"), 1, self.said)
                self.assertIn(f"starting at event {first}\n", self.said)
                self.assertEqual(self.take(), b"")
                self.assertNotIn("damaged", self.said)
                self.verify()

    def flip(self, path: str, at: int) -> None:
        with open(path, "r+b") as file:
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ 1]))

    def slots(self) -> list:
        """(durable number, first number of its segment, offset of the positions in it, where the slot
        is), that of the newest last."""
        with open(self.log + "/head", "rb") as file:
            head = file.read()
        slots = [(struct.unpack_from("<Q", head, at + 8)[0], at) for at in (0, 4096)]
        return [(*struct.unpack_from("<QQ", head, at + 32), *struct.unpack_from("<Q", head, at + 56), at)
                for _, at in sorted(slots)]

    def put_spool(self, kill=False) -> str:
        """Puts the directory `spool`; what the put half said. kill: the source before it renames."""
        source = ["fl-source", "spooldir", "spool", "--once"]
        if kill:
            source = ["strace", "-f", "-o", "/dev/null", "-e",
                      "inject=rename,renameat,renameat2,link,linkat:signal=KILL", *source]
        pipeline = self.pipeline(source, ["fl-channel", "file", self.log, "--put"])
        if kill:
            pipeline.wait()
        else:
            self.check(pipeline, 0, 0)
        return pipeline.errors(1)

    def verify(self, status: int = 0) -> str:
        verify = self.check(self.pipeline(["fl-channel", "verify", self.log]), status)
        return verify.output().decode()

    def test_damaged_positions_are_reported_and_older_ones_are_used(self):
        os.mkdir(self.path("spool"))
        for i, name in enumerate("abc"):
            self.write("spool/" + name, numbers(100 * i, 100 * (i + 1)))
            self.put_spool(kill=name == "c")
        self.assertTrue(os.path.exists(self.path("spool/c")))
        self.assertEqual(self.cat(), numbers(0, 300))
        _, first, offset, _ = self.slots()[-1]
        segment = f"{first:020}.seg"
        self.flip(os.path.join(self.log, segment), offset + 45)
        self.assertIn(f"positions of the sources at {offset} of {segment} are damaged", self.verify(65))
        said = self.put_spool()
        self.assertIn(f"positions of the sources at {offset} of {segment} are damaged", said)
        self.assertIn("sources may send events again", said)
        self.assertEqual(len(glob.glob(self.log + "/quarantine/*")), 1)
        self.assertEqual(self.cat(), numbers(0, 300) + numbers(200, 300))
        self.write("spool/d", numbers(300, 301))
        self.assertNotIn("damaged", self.put_spool())

    # ---- head and segments

    def test_a_damaged_slot_of_the_head_is_reported(self):
        self.put(numbers(0, 100))
        self.put(numbers(100, 200))
        self.assertEqual(self.verify(), "200 events in 2 records, 890 bytes, 0 missing\n")
        self.assertEqual([slot[0] for slot in self.slots()], [100, 200])
        self.flip(self.log + "/head", self.slots()[-1][-1] + 33)
        words = f"'{self.log}/head' has a damaged slot"
        self.assertIn(words, self.verify(65))
        self.assertEqual(self.take(status=65), numbers(0, 100))
        self.assertEqual(self.said.count(words), 1, self.said)
        self.assertIn(f"fl-channel file '{self.log}' --put < /dev/null", self.said)
        for command in ("ls", "cat"):
            looked = self.check(self.pipeline(["fl-channel", command, self.log]), 0)
            self.assertEqual(looked.errors(0).count(words), 1, looked.errors(0))
        put = self.check(self.pipeline(["fl-channel", "file", self.log, "--put"], stdin=subprocess.DEVNULL), 0)
        self.assertEqual(put.errors(0).count(words), 1, put.errors(0))
        self.assertEqual(self.take(), numbers(100, 200))
        self.assertIn("200 events", self.verify())

    def test_a_taker_that_goes_on_reports_a_damaged_slot_once(self):
        self.put(numbers(0, 100))
        self.put(numbers(100, 200))
        self.flip(self.log + "/head", self.slots()[-1][-1] + 33)
        taker = self.following()
        poll(lambda: taker.output() == numbers(0, 100), "what is known")
        self.put(numbers(200, 300))
        poll(lambda: taker.output() == numbers(0, 300), "all of it")
        taker.send(signal.SIGTERM)
        self.check(taker, 0, 0)
        self.assertEqual(taker.errors(0).count("has a damaged slot"), 1, taker.errors(0))

    def test_a_slot_that_was_never_written_is_no_damage(self):
        put, file = self.feed()
        poll(lambda: os.path.exists(self.log + "/head"), "a head")
        put.processes[0].kill()
        put.wait()
        self.assertNotIn("damaged", self.verify())
        with open(self.log + "/head", "r+b") as head:   # as a power loss may leave it
            head.seek(4096)
            head.write(bytes(4096))
        self.assertNotIn("damaged", self.verify())
        self.assertEqual(self.take(), b"")

    def test_without_a_head_the_segments_can_be_looked_into(self):
        lines = numbers(0, 30_000)
        self.put(lines, "--segment-size", "64K")
        with open(self.log + "/head", "rb") as file:
            whole = file.read()
        self.assertGreater(len(self.segments()), 2)
        for content, word in ((b"x" * 8192, "damaged"), (whole[:10], "damaged"), (None, "missing")):
            with self.subTest(word):
                os.unlink(self.log + "/head")
                if content is not None:
                    self.write("log/head", content)
                for command in ("ls", "cat", "verify"):
                    looked = self.pipeline(["fl-channel", command, self.log])
                    self.check(looked, 65 if command == "verify" else 0)
                    said = looked.errors(0) + looked.output().decode() * (command == "verify")
                    self.assertEqual(said.count(f"'{self.log}/head' is {word}"), 1, said)
                    self.assertEqual(said.count(f"fl-channel file '{self.log}' --put < /dev/null"), 1, said)
                    if command == "cat":
                        self.assertEqual(looked.output(), lines)
                    else:
                        self.assertIn("30000 events", looked.output().decode())
                later = self.pipeline(["fl-channel", "cat", self.log, "--from", "@99999999999"])
                self.assertEqual(self.check(later, 0).output(), b"")
                self.take(status=65)
                self.assertIn(f"fl-channel file '{self.log}' --put < /dev/null", self.said)
                taker = self.following()
                poll(lambda: "waiting for a writer" in taker.errors(0), "a word")
                taker.send(signal.SIGTERM)
                taker.wait()
                self.assertIn(f"'{self.log}/head' is {word}", taker.errors(0))
                groups = self.check(self.pipeline(["fl-channel", "groups", self.log]), 65)
                self.assertIn("--put < /dev/null", groups.errors(0))
        self.put(b"")
        self.assertIn("30000 events", self.verify())
        self.assertEqual(self.take(), lines)

    def test_a_destroyed_header_of_a_segment_is_reported(self):
        self.put(numbers(0, 30_000), "--segment-size", "64K")
        segments = self.segments()
        for path in (segments[1], segments[-1]):
            with open(path, "r+b") as file:
                file.write(b"\x5a" * 100)
        verify = self.verify(65)
        for path in (segments[1], segments[-1]):
            self.assertEqual(verify.count(f"'{path}' has a damaged header"), 1, verify)
        self.assertIn("30000 events", verify)
        self.assertIn(" 0 missing", verify)
        self.assertEqual(self.cat(), numbers(0, 30_000))
        put = self.check(self.pipeline(["fl-channel", "file", self.log, "--put"], stdin=subprocess.DEVNULL), 0)
        self.assertEqual(put.errors(0).count(f"'{segments[-1]}' has a damaged header"), 1, put.errors(0))
        self.assertEqual(self.take(), numbers(0, 30_000))
        self.assertEqual(self.said.count(f"'{segments[1]}' has a damaged header"), 1, self.said)

    def test_segments_that_are_gone_are_reported(self):
        self.put(numbers(0, 30_000), "--segment-size", "64K")
        segments = self.segments()
        starts = [int(os.path.basename(path)[:20]) for path in segments] + [30_000]
        whole = self.path("whole")
        shutil.copytree(self.log, whole)
        for gone in (0, 2, len(segments) - 1):
            with self.subTest(gone):
                shutil.rmtree(self.log)
                shutil.copytree(whole, self.log)
                if gone == 0:
                    self.take("--group", "a")
                    self.check(self.pipeline(["fl-channel", "groups", self.log, "--group", "a", "--to", "10"]), 0)
                    self.assertNotIn("missing", self.verify().rsplit(" 0 ", 1)[0])
                os.unlink(segments[gone])
                verify = self.verify(65)
                listed = self.check(self.pipeline(["fl-channel", "ls", self.log]), 65)
                ls = listed.errors(0)
                if gone == len(segments) - 1:
                    for said in (verify, ls):
                        self.assertIn(f"'{segments[gone]}' is missing", said)
                start = 10 if gone == 0 else starts[gone]
                self.assertIn(f"events {start} to {starts[gone + 1] - 1} are missing", verify)
                self.assertIn(f"events {start} to {starts[gone + 1] - 1} are missing", ls)
                if gone > 0:
                    count = starts[gone + 1] - start
                    self.assertRegex(listed.output().decode(), rf"(?m)^ *{start} +{count} +-  missing$")
                    self.assertIn(f": {30_000 - count} events, next event 30000, ", listed.output().decode())
                    self.assertTrue(listed.output().endswith(b" bytes, %d missing\n" % count))

    def test_ls_names_what_a_segment_lacks_at_its_end(self):
        self.put(numbers(0, 30_000), "--segment-size", "64K")
        segments = self.segments()
        starts = [int(os.path.basename(path)[:20]) for path in segments] + [30_000]
        for damaged in (1, len(segments) - 1):
            with open(segments[damaged], "r+b") as file:    # the last record
                file.seek(-16, os.SEEK_END)
                file.write(b"\x5a" * 16)
        verify = json.loads(self.check(self.pipeline(["fl-channel", "verify", self.log, "--format", "json"]),
                                       65).output())
        listed = self.check(self.pipeline(["fl-channel", "ls", self.log, "--format", "json"]), 65)
        for problem in verify["problems"]:
            self.assertEqual(listed.errors(0).count(problem), 1, listed.errors(0))
        found = json.loads(listed.output())
        self.assertEqual(found["missing"], verify["missing"])
        self.assertEqual([gap["first"] + gap["events"] for gap in found["gaps"]],
                         [starts[damaged + 1] for damaged in (1, len(segments) - 1)])
        self.assertEqual(sum(gap["events"] for gap in found["gaps"]), found["missing"])
        self.assertEqual(sum(segment["events"] for segment in found["segments"]), verify["events"])

    def test_a_log_whose_only_segment_is_gone_is_not_empty(self):
        self.put(numbers(0, 10))
        self.assertEqual(self.take(), numbers(0, 10))
        path = self.segments()[0]
        os.unlink(path)
        self.assertIn(f"'{path}' is missing", self.verify(65))

    def test_no_log_for_what_is_not_a_directory(self):
        self.write("log", "text")
        self.assertNotEqual(self.pipeline(["fl-channel", "file", self.log, "--put"]).wait(), [0])
        for directory in (self.log, self.log + "/below"):
            for more in ([], ["--once"], ["--once", "--dry-run"]):
                taker = self.pipeline(["fl-channel", "file", directory, "--take", *more])
                self.check(taker, 78)
                self.assertIn(f"'{directory}': Not a directory", taker.errors(0))

    def test_without_a_log_there_is_nothing_to_take_or_a_mistake(self):
        self.take(status=78)
        self.assertIn(f"there is no directory '{self.log}'", self.said)
        os.mkdir(self.log)
        for make in (lambda: None, lambda: os.mkdir(self.log + "/groups")):
            make()
            self.assertEqual(self.take(), b"")
            self.assertIn(f"'{self.log}' holds no log yet; there is nothing to take", self.said)
        self.write("log/app.txt", "text")
        self.take(status=78)
        self.assertIn(f"'{self.log}' holds no log, but 'app.txt'", self.said)

    def test_a_log_without_its_head_is_not_taken_for_empty(self):
        self.put(numbers(0, 10))
        head = self.write("log/head", "x" * 8192)
        self.take(status=65)
        self.assertIn(f"'{self.log}/head' is damaged", self.said)
        os.unlink(head)
        self.take(status=65)
        self.assertIn(f"'{self.log}/head' is missing", self.said)
        self.put(b"")
        self.assertEqual(self.take(), numbers(0, 10))

    def test_bad_options_are_refused(self):
        for words in ("--group a/b --take", "--retain 5", "--mode 9", "--mode 0050",
                      "--segment-size 1K", "--when-full never"):
            self.check(self.pipeline(["fl-channel", "file", self.log, *words.split()]), 64)
        self.assertFalse(os.path.exists(self.log))

    def test_an_option_of_the_other_half_is_refused(self):
        for half, words in (("--put", ("--group a", "--group default", "--from newest", "--once")),
                            ("--take", ("--capacity 5", "--byte-capacity 1M", "--when-full block",
                                        "--retain 1d", "--log-codec zstd", "--reserve 0",
                                        "--segment-size 1M")),
                            ("", ("--once",)), ("--put --take", ("--once",))):
            for option in words:
                channel = self.pipeline(["fl-channel", "file", self.log, *half.split(),
                                         *option.split()])
                self.check(channel, 64)
                other = "put" if half == "--take" else "take"
                self.assertIn(f"{option.split()[0]} has no effect without --{other}",
                              channel.errors(0))
        channel = self.check(self.pipeline(["fl-channel", "file", self.log, "--put", "--codec", "zstd"]), 64)
        self.assertIn("--codec compresses a stream, and --put alone writes none", channel.errors(0))
        self.assertIn("--log-codec", channel.errors(0))
        self.assertFalse(os.path.exists(self.log))

    def test_properties_may_be_given_to_either_half(self):
        self.write("p", f"dataDirs = {self.log}\ncapacity = 5000\nminimumRequiredSpace = 1000000\n")
        put = self.pipeline("fl-source seq --count 10",
                            ["sh", "-c", "exec fl-channel file --put --properties 3 3< p"])
        self.check(put, 0, 0)
        take = "fl-channel file --take --once --properties 3"
        taker = self.pipeline(["sh", "-c", f"exec {take} 3< p"], "fl-sink stdout --stream")
        self.check(taker, 0, 0)
        self.assertEqual(taker.output(), numbers(0, 10))
        # The command line that is made of them runs, too.
        printed = self.pipeline(["sh", "-c", f"exec {take} --print-command 3< p"])
        self.check(printed, 0)
        command = printed.output().decode().strip().replace("--once", "--once --group other")
        taker = self.pipeline(["sh", "-c", "exec " + command], "fl-sink stdout --stream")
        self.check(taker, 0, 0)
        self.assertEqual(taker.output(), numbers(0, 10))
        for half in ("--put --once", "--put --from newest", "--take --retain 1d"):
            refused = self.pipeline(
                ["sh", "-c", f"exec fl-channel file {half} --properties 3 3< p"])
            self.check(refused, 64)
            self.assertIn("has no effect without", refused.errors(0))

    def test_of_several_directories_of_flume_the_first_has_the_log(self):
        self.write("p", f"dataDirs = {self.log}, /nonexistent/data\ncheckpointDir = /nonexistent/c\n"
                        "maxFileSize = 70000\nminimumRequiredSpace = 1000000\ncapacity = abc\n"
                        "encryption.activeKey = key\n"
                        "encryption.keyProvider.keys.key.passwordFile = secret\n")
        pipeline = self.pipeline("fl-source seq --count 60000",
                                 ["sh", "-c", "exec fl-channel file --properties 3 3< p"],
                                 "fl-sink null --stream")
        self.check(pipeline, 0, 0, 0)
        for words in ("'checkpointDir' has no effect", "'encryption.activeKey' has no effect",
                      "'encryption.keyProvider.keys.key.passwordFile' has no effect"):
            self.assertIn(words, pipeline.errors(1))
        self.assertGreater(int(os.path.basename(self.segments()[-1])[:20]), 40_000)

    def test_modes(self):
        for more, mode in ([], 0o750), (["--mode", "0770"], 0o770):
            with self.subTest(more):
                self.log = self.path(f"log{mode}")
                put = self.pipeline("fl-source seq --count 1",
                                    ["sh", "-c", 'umask 007; exec "$@"', "sh", "fl-channel", "file",
                                     self.log, "--put", *more])
                self.check(put, 0, 0)
                self.assertEqual(os.stat(self.log).st_mode & 0o777, mode)
                self.assertEqual(os.stat(self.segments()[0]).st_mode & 0o777, mode & 0o666)


if __name__ == "__main__":
    harness.main()
