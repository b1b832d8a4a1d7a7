#!/usr/bin/env python3
"""fl-source spooldir: files that are not read, or not renamed, and what the next run makes of them."""
import gzip
import os
import shutil
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import harness
from packing import formats

NOBODY = 65534


class Files(harness.Case):
    def once(self, *options, out="out"):
        """One run over spool/; the pipeline after its end."""
        pipeline = self.pipeline(["fl-source", "spooldir", "spool", "--once", *options],
                                 f"fl-sink hdfs --stream file://{self.path(out)}")
        pipeline.wait()
        return pipeline

    def lines(self, out="out"):
        return harness.committed_lines(self.path(out)) if os.path.exists(self.path(out)) else []

    def refused(self, pipeline, status: int, *words, name="spool/"):
        """The source ended with `status`, the sink with an error; one line names one file."""
        statuses = [process.returncode for process in pipeline.processes]
        self.assertEqual(statuses[0], status, pipeline.report())
        self.assertNotEqual(statuses[1], 0, pipeline.report())
        for word in words:
            self.assertIn(word, pipeline.errors(0))
        rows = [row for row in pipeline.errors(0).splitlines() if f"/{name}" in row]
        self.assertEqual(len(rows), 1, pipeline.report())

    def as_nobody(self, *options):
        """One run over spool/ by another user than the one who made it."""
        os.makedirs(self.path("out"), exist_ok=True)
        os.chmod(self.path("out"), 0o777)
        user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        pipeline = self.pipeline(
            [*user, harness.BIN + "/fl-source", "spooldir", "spool", "--once", *options],
            [*user, harness.BIN + "/fl-sink", "hdfs", "--stream", f"file://{self.out}"])
        pipeline.wait()
        return pipeline

    def names(self):
        return sorted(name for name in os.listdir(self.path("spool")) if not name.startswith("."))

    def test_a_name_without_room_for_the_suffix_is_not_read(self):
        name = "n" * 246
        self.write("spool/" + name, "1\n")
        self.write("spool/a", "2\n")
        for _ in range(2):
            self.refused(self.once(), 74, "255")
        self.assertEqual(self.lines(), [b"2"])
        self.assertIn(name, self.names())

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to be somebody else")
    def test_another_users_file_in_a_sticky_directory_is_not_read(self):
        self.write("spool/theirs", "1\n")
        os.chmod(self.path("spool"), 0o1777)
        os.chmod(self.path("spool", "theirs"), 0o644)
        own = self.write("spool/ours", "2\n")
        os.chown(own, NOBODY, NOBODY)
        for _ in range(2):
            # Another user's program cannot ask for writers: without --min-age it would wait.
            self.refused(self.as_nobody("--min-age", "0"), 77, "not permitted")
        self.assertEqual(self.lines(), [b"2"])
        self.assertEqual(self.names(), ["ours.COMPLETED", "theirs"])

    def test_a_name_that_is_taken_after_delivery_delivers_once(self):
        self.write("spool/a", "line\nline\n")
        pipeline = self.pipeline("fl-source spooldir spool --once",
                                 [harness.ACK_READER, "2", "2", "spool/a.COMPLETED"])
        self.assertEqual(pipeline.wait()[0], 74, pipeline.report())
        self.assertIn("exists", pipeline.errors(0))
        for _ in range(2):
            self.refused(self.once(), 74, "'a.COMPLETED' exists")
            self.assertEqual(self.lines(), [])
        os.remove(self.path("spool", "a.COMPLETED"))
        pipeline = self.check(self.once(), 0, 0)
        self.assertIn("1 file, 0 events, 0 left", pipeline.errors(0))
        self.assertEqual(self.names(), ["a.COMPLETED"])
        self.assertEqual(self.lines(), [])

    def test_a_writer_keeps_its_file_and_the_summary_counts_it(self):
        path = self.write("spool/growing", "1\n")
        self.write("spool/whole", "2\n")
        with open(path, "a") as file:
            pipeline = self.check(self.once(), 0, 0)
            self.assertIn("1 file still being written", pipeline.errors(0))
            self.assertEqual(self.lines(), [b"2"])
            file.write("3\n")
        pipeline = self.check(self.once(), 0, 0)
        self.assertNotIn("being written", pipeline.errors(0))
        self.assertEqual(sorted(self.lines()), [b"1", b"2", b"3"])

    def test_a_writer_is_never_made_to_wait_or_killed(self):
        """The probe takes a lease; a program that opens the file meanwhile gets it at once."""
        path = self.write("spool/a", "x\n" * 1000)
        with self.pipeline("fl-source spooldir spool --poll-delay 1ms",
                           f"fl-sink hdfs --stream --roll-interval 1s file://{self.out}") as pipeline:
            for i in range(300):
                with open(self.path("spool", f"f{i}"), "w") as file:
                    file.write("1\n")
                try:
                    open(self.path("spool", f"f{i}"), "a").close()
                except FileNotFoundError:
                    pass  # delivered and renamed
            harness.poll(lambda: not [n for n in self.names() if not n.endswith(".COMPLETED")]
                         or pipeline.processes[0].poll() is not None, "all are delivered")
            pipeline.processes[0].send_signal(15)
            self.check(pipeline, 0, 0)
        self.assertTrue(os.path.exists(path + ".COMPLETED"))

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to be somebody else")
    def test_where_nothing_tells_the_age_decides(self):
        path = self.write("spool/theirs", "1\n")
        os.chmod(self.path("spool"), 0o777)
        os.chmod(path, 0o644)
        pipeline = self.check(self.as_nobody(), 0, 0)
        self.assertIn("1 file still being written", pipeline.errors(0))
        os.utime(path, (1_000_000_000, 1_000_000_000))
        self.check(self.as_nobody(), 0, 0)
        self.assertEqual(self.lines(), [b"1"])

    def test_a_delivered_file_that_grows_is_reported_by_the_next_run(self):
        self.write("spool/a", "1\n")
        self.check(self.once(), 0, 0)
        with open(self.path("spool", "a.COMPLETED"), "a") as file:
            file.write("2\n")
        self.write("spool/b", "3\n")
        self.refused(self.once(), 65, "grew after it was delivered", "after byte 2")
        self.assertEqual(sorted(self.lines()), [b"1", b"3"])
        self.check(self.once(), 0, 0)

    def test_another_file_under_a_delivered_name_is_reported(self):
        """In place, a name is delivered once; else the next file of this name cannot be renamed."""
        for policy, statuses, message in (("tracker_dir", (65, 65), "is another file than the one"),
                                          ("rename", (74, 74), "a.COMPLETED")):
            with self.subTest(policy):
                self.write("spool/a", "1\n")
                self.check(self.once("--tracking-policy", policy), 0, 0)
                os.rename(self.write("new", "2\n"), self.path("spool", "a"))
                again = self.check(self.once("--tracking-policy", policy), *statuses)
                self.assertIn(message, again.errors(0))
                self.assertEqual(self.lines(), [b"1"])
                shutil.rmtree(self.path("spool"))
                shutil.rmtree(self.out)

    def test_files_that_are_no_text_stay(self):
        text = b"one\ntwo\n"
        binaries = {name: compress(text) for name, (_, compress, _) in formats().items()}
        binaries["UTF-16"] = text.decode().encode("utf-16")
        binaries["UTF-32"] = text.decode().encode("utf-32")
        binaries["control characters"] = b"a\0b\n"
        print("    kinds:", ", ".join(binaries), flush=True)
        for name, data in binaries.items():
            with self.subTest(name):
                shutil.rmtree(self.path("spool"), ignore_errors=True)
                shutil.rmtree(self.path("out"), ignore_errors=True)
                self.write("spool/a", data)
                self.write("spool/b", b"three\n")
                pipeline = self.once()
                self.refused(pipeline, 65, name)
                said = pipeline.errors(0)
                self.assertIn("--input-charset" if name.startswith("UTF") else "--decompress", said)
                self.assertNotIn("--text", said)
                self.assertEqual(self.lines(), [b"three"])
                self.assertEqual(self.names(), ["a", "b.COMPLETED"])

    def test_each_format_is_decompressed(self):
        text = b"".join(b"line %d\n" % i for i in range(50_000))
        print("    formats:", ", ".join(formats()), flush=True)
        for name, (suffix, compress, _) in formats().items():
            for option in ("auto", name):
                with self.subTest(name, option=option):
                    shutil.rmtree(self.path("spool"), ignore_errors=True)
                    shutil.rmtree(self.path("out"), ignore_errors=True)
                    half = text.index(b"\n", len(text) // 2) + 1
                    self.write("spool/a" + suffix, compress(text[:half]) + compress(text[half:]))
                    self.check(self.once("--decompress", option), 0, 0)
                    self.assertEqual(b"\n".join(self.lines()) + b"\n", text)
                    data = compress(text)
                    for cut in (data[:-1], data[:len(data) // 2], data[:20]):
                        self.write("spool/b" + suffix, cut)
                        cut_run = self.once("--decompress", option, out="cut")
                        self.refused(cut_run, 65)
                        self.assertNotIn("events so far", cut_run.errors(0))
                        self.assertEqual(self.lines("cut"), [])
                        self.assertIn("b" + suffix, self.names())

    def test_a_bomb_takes_no_memory(self):
        self.write("spool/a.gz", gzip.compress(b"0" * (100 << 20), 9))
        source = self.pipeline(
            ["/usr/bin/time", "-f", "%M", harness.BIN + "/fl-source", "spooldir", "spool", "--once",
             "--decompress", "auto", "--log-level", "error", "--long-line", "truncate"],
            "fl-sink null --stream")
        self.check(source, 0, 0)
        kilobytes = int(source.errors(0).split()[-1])
        print(f"    {kilobytes} KiB for a line of 100 MiB", flush=True)
        self.assertLess(kilobytes, 64 << 10)

    def test_empty_strings_are_named(self):
        self.write("a", "1\n")
        for options, word in ((["", "--once"], "DIR"),
                              ([".", "--once", "--tracker-dir", ""], "--tracker-dir"),
                              ([".", "--once", "--file-suffix", ""], "--file-suffix")):
            with self.subTest(options=options):
                pipeline = self.pipeline(["fl-source", "spooldir", *options],
                                         "fl-sink null --stream")
                self.assertEqual(pipeline.wait()[0], 64, pipeline.report())
                self.assertIn(word, pipeline.errors(0))
        self.assertTrue(os.path.exists(self.path("a")))


if __name__ == "__main__":
    harness.main()
