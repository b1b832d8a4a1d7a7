#!/usr/bin/env python3
"""fl-source spooldir: its lock, files that change, its tracker file."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import harness


def holds_lock(pid: int) -> bool:
    with open("/proc/locks") as file:
        return any(row.split()[1] == "FLOCK" and row.split()[4] == str(pid) for row in file)


def has_open(pid: int, path: str) -> bool:
    folder = f"/proc/{pid}/fd"
    try:
        return any(os.readlink(os.path.join(folder, fd)) == path for fd in os.listdir(folder))
    except OSError:
        return False


class Spooldir(harness.Case):
    def test_a_line_is_safe_when_all_is_that_a_filter_made_of_it(self):
        lines = [f"line {i}" for i in range(10)]
        for acked in (1, 2, 3, 8, 19):
            self.write(f"spool{acked}/a", "".join(line + "\n" for line in lines))
            source = f"fl-source spooldir spool{acked} --once"
            # Each event has a header of its own, so the filter runs for each one.
            filtered = "fl-intercept uuid --stream + exec --lines any -- sed p"
            first = self.pipeline(source, filtered, [harness.ACK_READER, "20", str(acked)])
            self.check(first, 75, 75, 0)
            out = f"{self.out}{acked}"
            self.check(self.pipeline(source, f"fl-sink hdfs --stream file://{out}"), 0, 0)
            self.assertEqual(harness.committed_lines(out),
                             [line.encode() for line in lines[acked // 2:]])

    def test_two_at_the_same_time_one_is_locked(self):
        for tracker in (".flumespool", self.path("elsewhere")):
            with self.subTest(tracker=tracker):
                self.write("spool/a", "".join(f"{i}\n" for i in range(1000)))
                reader, writer = os.pipe()  # nobody reads: the first one waits for its reader
                first = self.pipeline("fl-source spooldir spool --once", stdout=writer)
                os.close(writer)
                pid = first.processes[0].pid
                harness.poll(lambda: holds_lock(pid), "the first one's lock")
                out = self.path("out", os.path.basename(tracker))
                second = self.pipeline(f"fl-source spooldir spool --once --tracker-dir {tracker}",
                                       f"fl-sink hdfs --stream file://{out}")
                self.check(second, 75, 75)
                self.assertRegex(second.errors(0),
                                 rf"^[^\n]*'spool' is locked by {pid}, since 20\d\d-[^\n]*\n$")
                sink = self.pipeline(f"fl-sink hdfs --stream file://{out}", stdin=reader)
                os.close(reader)
                self.check(first, 0)
                self.check(sink, 0)
                self.assertEqual(len(harness.committed_lines(out)), 1000)
                self.assertEqual(harness.committed_files(self.path("spool")),
                                 [self.path("spool", "a.COMPLETED")])
                os.remove(self.path("spool", "a.COMPLETED"))

    def test_a_file_that_changes_while_it_is_read_stays_and_is_65(self):
        for attempt in range(10):  # the file may be read to its end before we can change it
            path = self.write(f"spool{attempt}/a", b"x" * 300 + b"\n")
            with open(path, "wb") as file:
                file.write(b"".join(b"%0300d\n" % i for i in range(200_000)))
            with self.pipeline(f"fl-source spooldir spool{attempt} --once",
                               f"fl-sink hdfs --stream file://{self.out}") as pipeline:
                source = pipeline.processes[0]
                harness.poll(lambda: has_open(source.pid, path) or source.poll() is not None,
                             "the file is open")
                try:
                    with open(path, "r+b") as file:
                        file.seek(0, os.SEEK_END)
                        file.write(b"more\n")
                except FileNotFoundError:
                    continue
                statuses = pipeline.wait(60)
            if statuses == [0, 0] and os.path.exists(path + ".COMPLETED"):
                with open(path + ".COMPLETED", "rb") as file:
                    if not file.read().endswith(b"more\n"):
                        continue
                self.fail("a changed file was completed\n" + pipeline.report())
            self.assertEqual(statuses[0], 65, pipeline.report())
            self.assertNotEqual(statuses[1], 0, pipeline.report())
            self.assertTrue(os.path.exists(path))
            self.assertIn("changed", pipeline.errors(0))
            return
        self.fail("no run in which the file could be changed in time")

    def test_a_target_name_that_exists_is_an_error_and_nothing_is_overwritten(self):
        self.write("spool/a", "1\n")
        self.write("spool/a.COMPLETED", "precious\n")
        pipeline = self.pipeline("fl-source spooldir spool --once",
                                 f"fl-sink hdfs --stream file://{self.out}")
        self.assertEqual(pipeline.wait()[0], 74, pipeline.report())
        with open(self.path("spool", "a.COMPLETED")) as file:
            self.assertEqual(file.read(), "precious\n")
        self.assertTrue(os.path.exists(self.path("spool", "a")))
        self.assertEqual(harness.committed_files(self.out), [])

    def test_one_summary_line(self):
        self.write("spool/a", "1\n2\n")
        self.write("spool/b", "3\n")
        pipeline = self.check(self.pipeline("fl-source spooldir spool --once",
                                            f"fl-sink hdfs --stream file://{self.out}"), 0, 0)
        self.assertRegex(pipeline.errors(0), r"2 files.*3 events|3 events.*2 files")
        self.assertEqual(len(pipeline.errors(0).splitlines()), 1, pipeline.errors(0))


if __name__ == "__main__":
    harness.main()
