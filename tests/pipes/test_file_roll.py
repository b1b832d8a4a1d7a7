#!/usr/bin/env python3
"""fl-sink file_roll: names, rolling, what an ack means, full disks."""
import os
import re
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import harness

ALL = b"".join(b"%d\n" % i for i in range(500_000))


class FileRoll(harness.Case):
    def setUp(self):
        super().setUp()
        os.mkdir(self.out)

    def files(self) -> list:
        def number(name):
            return [int(part) for part in re.findall(r"\d+", name)]
        return [os.path.join(self.out, name) for name in sorted(os.listdir(self.out), key=number)]

    def content(self) -> bytes:
        data = b""
        for path in self.files():
            with open(path, "rb") as file:
                data += file.read()
        return data

    def fed(self, options: str):
        """A sink that reads text from the returned pipe."""
        reader, writer = os.pipe()
        sink = self.pipeline(f"fl-sink file_roll --text {self.out} {options}", stdin=reader)
        os.close(reader)
        return sink, os.fdopen(writer, "wb", buffering=0)

    def test_an_unknown_zone_is_refused_where_names_have_local_times(self):
        os.mkdir(self.path("dir"))
        for zone, manager, status in (("No/Where", "rolltime", 78), ("No/Where", "default", 0),
                                      ("Europe/Berlin", "rolltime", 0), ("UTC-3", "rolltime", 0)):
            pipeline = self.pipeline(f"fl-sink file_roll dir --dry-run --path-manager {manager}",
                                     env=self.env(TZ=zone))
            self.check(pipeline, status)
            if status:
                self.assertIn("in $TZ", pipeline.errors(0))

    def test_one_file_with_every_event(self):
        before = int(time.time() * 1000)
        self.check(self.pipeline("fl-source seq --count 200000", f"fl-sink file_roll {self.out}"),
                   0, 0)
        [path] = self.files()
        name = re.fullmatch(r"(\d+)-1", os.path.basename(path))
        self.assertTrue(before <= int(name[1]) <= int(time.time() * 1000))
        self.assertEqual(self.content(), b"".join(b"%d\n" % i for i in range(200_000)))

    def test_names_of_both_path_managers(self):
        for options, shape in (("--prefix a- --extension log", r"a-\d{13}-1\.log"),
                               ("--path-manager rolltime --prefix b", r"b20\d{12}-1")):
            with self.subTest(options=options):
                self.check(self.pipeline("fl-source seq --count 1",
                                         f"fl-sink file_roll {self.out} {options}"), 0, 0)
                [path] = self.files()
                self.assertRegex(os.path.basename(path), f"^{shape}$")
                os.unlink(path)

    def test_no_events_no_file_unless_asked_for(self):
        self.check(self.pipeline("fl-source seq --count 0", f"fl-sink file_roll {self.out}"), 0, 0)
        self.assertEqual(self.files(), [])
        sink, feed = self.fed("--empty-files --roll-interval 20ms")
        harness.poll(lambda: len(self.files()) >= 4, "empty files")
        feed.write(b"x\n")
        harness.poll(lambda: self.content() == b"x\n", "the event")
        feed.close()
        self.check(sink, 0)
        self.assertEqual([os.path.basename(path).split("-")[1] for path in self.files()],
                         [str(i + 1) for i in range(len(self.files()))])

    def test_files_roll_by_time(self):
        sink, feed = self.fed("--roll-interval 20ms")
        for i in range(3):
            feed.write(b"%d\n" % i)
            harness.poll(lambda: len(self.files()) == i + 1 and not self.has_open(sink, self.out),
                         f"file {i} is complete")
        feed.close()
        self.check(sink, 0)
        self.assertEqual(len(self.files()), 3)
        self.assertEqual(self.content(), b"0\n1\n2\n")

    @staticmethod
    def has_open(pipeline: harness.Pipeline, path: str) -> bool:
        """A file at or below `path` is open in its last process."""
        folder = f"/proc/{pipeline.processes[-1].pid}/fd"
        for fd in os.listdir(folder):
            try:
                if (os.readlink(os.path.join(folder, fd)) + "/").startswith(path + "/") and \
                        os.path.isfile(os.path.join(folder, fd)):
                    return True
            except OSError:
                continue
        return False

    def test_interval_0_is_one_file_and_hup_ends_it(self):
        sink, feed = self.fed("--roll-interval 0")
        feed.write(b"a\n")
        harness.poll(lambda: self.content() == b"a\n", "the event is visible at once")
        os.rename(self.files()[0], self.path("moved"))
        sink.processes[0].send_signal(signal.SIGHUP)
        harness.poll(lambda: not self.has_open(sink, self.path("moved")), "it is closed")
        feed.write(b"b\n")
        harness.poll(lambda: self.content() == b"b\n", "a new file")
        feed.close()
        self.check(sink, 0)
        with open(self.path("moved")) as file:
            self.assertEqual(file.read(), "a\n")

    def test_existing_files_are_never_touched(self):
        # ROLLTIME's names can be foretold.
        now = int(time.time())
        taken = [self.write(time.strftime("out/%Y%m%d%H%M%S-1", time.localtime(now + i)), "precious")
                 for i in range(60)]
        self.check(self.pipeline("fl-source seq --count 1",
                                 f"fl-sink file_roll --path-manager rolltime {self.out}"), 0, 0)
        for path in taken:
            with open(path) as file:
                self.assertEqual(file.read(), "precious")
        [made] = set(self.files()) - set(taken)
        self.assertTrue(made.endswith("-2"), made)

    def test_what_is_acknowledged_is_there_after_a_kill(self):
        spool, kills = self.path("spool"), 0
        for round_ in range(8):
            shutil.rmtree(spool, ignore_errors=True)
            shutil.rmtree(self.out)
            os.mkdir(self.out)
            lines = [f"{i}\n" for i in range(30_000)]
            self.write("spool/a", "".join(lines))
            pipeline = self.pipeline("fl-source spooldir spool --once --window 64K",
                                     f"fl-sink file_roll --stream {self.out}")
            size = self.random.randrange(1, 160_000)
            harness.poll(lambda: len(self.content()) >= size or
                         pipeline.processes[1].poll() is not None, f"{size} bytes")
            pipeline.processes[1].kill()
            kills += pipeline.wait()[1] == -signal.SIGKILL
            # The next run sends what was not acknowledged, and together they hold everything.
            self.check(self.pipeline("fl-source spooldir spool --once",
                                     f"fl-sink file_roll --stream {self.out}"), 0, 0)
            stored = set()
            for path in self.files():
                with open(path) as file:  # the killed one's may end in a part of a line
                    stored |= {line for line in file if line.endswith("\n")}
            self.assertEqual(stored, set(lines))
            self.assertEqual(os.listdir(spool).count("a.COMPLETED"), 1, f"round {round_}")
        self.assertGreater(kills, 0, "all too late")

    def test_an_ack_follows_the_sync(self):
        if not shutil.which("strace"):
            self.skipTest("no strace")
        self.write("spool/a", "1\n2\n")
        log = self.path("trace")
        pipeline = self.pipeline(
            "fl-source spooldir spool --once",
            ["strace", "-f", "-o", log, "-e", "trace=openat,write,fdatasync,fsync,sendto",
             "fl-sink", "file_roll", "--stream", self.out])
        self.check(pipeline, 0, 0)
        with open(log) as file:
            calls = file.read()
        order = [calls.index('"1\\n2\\n"'), calls.index("fdatasync("), calls.index("fsync("),
                 calls.index("ack 2")]
        self.assertEqual(order, sorted(order), calls)

    def test_a_failed_sync_is_never_acknowledged(self):
        if not shutil.which("strace"):
            self.skipTest("no strace")
        self.write("spool/a", "1\n2\n")
        pipeline = self.pipeline(
            "fl-source spooldir spool --once",
            ["strace", "-f", "-o", self.path("trace"), "-e", "inject=fdatasync:error=EIO:when=1",
             "fl-sink", "file_roll", "--stream", self.out])
        self.check(pipeline, 75, 74)
        self.assertEqual(os.listdir(self.path("spool")).count("a"), 1)

    def test_a_directory_that_is_missing_or_a_name_with_a_slash_is_78(self):
        for words in ("nowhere", f"{self.out} --prefix ../x", f"{self.out} --extension a/b"):
            with self.subTest(words=words):
                self.check(self.pipeline("fl-source seq --count 3", f"fl-sink file_roll {words}"),
                           75, 78)

    def small_disk(self) -> str:
        """A file system of 1 MiB, at self.out."""
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", self.out],
                              check=False, stderr=subprocess.DEVNULL)
        if done.returncode != 0:
            self.skipTest("cannot mount a tmpfs here")
        self.addCleanup(subprocess.run, ["umount", "-l", self.out], check=False)
        return self.out

    def enlarge(self):
        subprocess.run(["mount", "-o", "remount,size=64m", self.out], check=True)

    def fill(self, options: str = "") -> harness.Pipeline:
        """500,000 numbers into the small disk; returns when it is full."""
        pipeline = self.pipeline("fl-source seq --count 500000",
                                 f"fl-sink file_roll --stream {self.out} {options}")
        harness.poll(lambda: "No space" in pipeline.errors(1), "a word about the disk")
        self.assertEqual([p.poll() for p in pipeline.processes], [None] * 2, pipeline.report())
        return pipeline

    def test_a_full_disk_blocks_and_goes_on(self):
        self.small_disk()
        pipeline = self.fill("--roll-interval 100ms")
        self.enlarge()
        self.check(pipeline, 0, 0, limit=60)
        self.assertEqual(self.content(), ALL)
        self.assertIn("room again", pipeline.errors(1))

    def test_a_file_that_is_removed_from_a_full_disk_gives_its_room_back(self):
        self.small_disk()
        pipeline = self.fill()
        [path] = self.files()
        with open(path, "rb") as file:
            saved = file.read()
        os.unlink(path)
        harness.poll(lambda: len(self.files()) == 1 and os.path.getsize(self.files()[0]) > 0,
                     "room for another file")
        self.enlarge()
        self.check(pipeline, 0, 0, limit=60)
        self.assertIn("was removed", pipeline.errors(1))
        # What the removed file had synced is gone with it; everything after that is here.
        rest = self.content()
        self.assertTrue(ALL.endswith(rest), rest[:100])
        self.assertGreaterEqual(saved.rindex(b"\n") + 1 + len(rest), len(ALL))

    def test_hup_ends_a_file_on_a_full_disk(self):
        self.small_disk()
        for serializer in ("text", "avro_event"):
            with self.subTest(serializer=serializer):
                subprocess.run(["mount", "-o", "remount,size=1m", self.out], check=True)
                pipeline = self.fill(f"--serializer {serializer}")
                [path] = self.files()
                moved = os.path.join(self.out, "0")
                os.rename(path, moved)
                pipeline.processes[1].send_signal(signal.SIGHUP)
                harness.poll(lambda: not self.has_open(pipeline, moved), "it is closed")
                self.enlarge()
                self.check(pipeline, 0, 0, limit=60)
                self.assertGreater(os.path.getsize(moved), 500_000)
                lines = b""
                for each in self.files():
                    with open(each, "rb") as file:
                        done = subprocess.run(["fl-sink", "stdout"], stdin=file, check=True,
                                              env=self.env(), stdout=subprocess.PIPE)
                    lines += done.stdout
                    os.unlink(each)
                self.assertEqual(lines, ALL)

    def test_events_behind_a_removed_file_go_to_another_one(self):
        sink, feed = self.fed("--roll-interval 0")
        feed.write(b"a\n")
        harness.poll(lambda: self.content() == b"a\n", "the event is visible at once")
        os.unlink(self.files()[0])
        feed.write(b"b\n")
        harness.poll(lambda: self.content().endswith(b"b\n"), "a new file")
        feed.write(b"c\n")
        harness.poll(lambda: self.content().endswith(b"b\nc\n"), "which takes events")
        self.assertEqual(sink.errors(0).count("was removed"), 1)
        feed.close()
        self.check(sink, 0)

    def test_half_an_event_does_not_stay_when_it_gives_up_on_a_full_disk(self):
        self.small_disk()
        pipeline = self.fill("--grace 100ms")
        pipeline.send(signal.SIGTERM)
        statuses = pipeline.wait()
        self.assertEqual(statuses[1], 75, pipeline.report())
        [path] = self.files()
        with open(path, "rb") as file:
            lines = file.read()
        self.assertTrue(lines.endswith(b"\n"))
        self.assertTrue(ALL.startswith(lines))


if __name__ == "__main__":
    harness.main()
