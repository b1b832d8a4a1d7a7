#!/usr/bin/env python3
"""fl-sink hdfs on a local directory: where it writes, what is synced, full disks, frozen clocks."""
import os
import pty
import re
import select
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import harness


def run_on_terminal(words, env, cwd, text):
    """Runs words with stderr on a terminal and text as stdin: (status, what the terminal got)."""
    master, slave = pty.openpty()
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                               stderr=slave, env=env, cwd=cwd, start_new_session=True)
    os.close(slave)
    process.stdin.write(text)
    process.stdin.close()
    seen = b""
    end = time.monotonic() + harness.HANG
    try:
        while time.monotonic() < end:
            if select.select([master], [], [], 0.1)[0]:
                try:
                    data = os.read(master, 65536)
                except OSError:
                    break
                if not data:
                    break
                seen += data
        return process.wait(max(0.1, end - time.monotonic())), seen.decode(errors="replace")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(master)


class Where(harness.Case):
    def test_without_configuration_and_terminal_78_names_the_places(self):
        if os.path.exists("/etc/hadoop/conf"):
            self.skipTest("this machine has a Hadoop configuration")
        pipeline = self.check(self.pipeline("printf a\\n", "fl-sink hdfs"), 0, 78)
        said = pipeline.errors(1)
        for place in ("HADOOP_CONF_DIR", "/etc/hadoop/conf", "file:///"):
            self.assertIn(place, said)
        self.assertFalse(os.path.exists(self.path("fl-data")))

    def test_without_configuration_on_a_terminal_it_is_fl_data(self):
        if os.path.exists("/etc/hadoop/conf"):
            self.skipTest("this machine has a Hadoop configuration")
        status, seen = run_on_terminal(["fl-sink", "hdfs"], self.env(), self.dir, b"a\nb\n")
        self.assertEqual(status, 0, seen)
        self.assertIn("fl-data", seen)
        self.assertEqual(harness.committed_lines(self.path("fl-data")), [b"a", b"b"])

    def test_same_names_and_content_by_path_and_url(self):
        self.write("conf/core-site.xml", "<configuration><property><name>fs.defaultFS</name>"
                                         "<value>file:///</value></property></configuration>")
        found = []
        for scheme, root in (("", self.path("path")), ("file://", self.path("url"))):
            pipeline = self.pipeline(
                "printf a\\nb\\n", "fl-intercept static --key timestamp --value 1700000000000",
                ["fl-sink", "hdfs", "--stream", "--time-zone", "UTC", f"{scheme}{root}/2024-%m/x"],
                env=self.env(HADOOP_CONF_DIR=self.path("conf")))
            self.check(pipeline, 0, 0, 0)
            self.assertEqual(harness.committed_lines(root), [b"a", b"b"])
            found.append([os.path.relpath(path, root) for path in harness.committed_files(root)])
        for names in found:
            self.assertEqual(len(names), 1, found)
            self.assertRegex(names[0], r"^2024-11/x/FlumeData\.[0-9]+$")

    def test_dry_run_shows_names_and_writes_nothing(self):
        pipeline = self.pipeline("printf a\\n",
                                 ["fl-sink", "hdfs", "--dry-run", f"file://{self.out}"])
        statuses = pipeline.wait()
        self.assertEqual(statuses[1], 0, pipeline.report())
        self.assertIn(self.out, pipeline.errors(1) + pipeline.output().decode())
        self.assertFalse(harness.committed_files(self.out))

    def test_an_existing_final_name_is_never_overwritten(self):
        env = self.env(FAKETIME_DONT_FAKE_MONOTONIC="1")
        for _ in range(3):
            self.check(self.pipeline(
                "printf a\\n",
                ["faketime", "-f", "2026-01-01 00:00:00", "fl-sink", "hdfs", f"file://{self.out}"],
                env=env), 0, 0)
        self.assertEqual(harness.committed_lines(self.out), [b"a"] * 3)
        self.assertEqual(len(harness.committed_files(self.out)), 3)


class Durability(harness.Case):
    def test_file_and_directory_are_synced_before_the_ack(self):
        trace = self.path("trace")
        probe = subprocess.run(["strace", "-o", "/dev/null", "true"], check=False,
                               stderr=subprocess.DEVNULL)
        if probe.returncode != 0:
            self.skipTest("strace may not trace here")
        calls = "fsync,fdatasync,rename,renameat,renameat2,write,writev,send,sendto,sendmsg"
        self.check(self.pipeline(
            "fl-source seq --count 1000",
            ["strace", "-f", "-y", "-s", "200", "-o", trace, "-e", f"trace={calls}",
             "fl-sink", "hdfs", "--stream", f"file://{self.out}"]), 0, 0)
        with open(trace) as file:
            rows = file.readlines()

        def first(pattern, what):
            for i, row in enumerate(rows):
                if re.search(pattern, row):
                    return i
            self.fail(f"no {what} in the trace:\n" + "".join(rows[-40:]))

        renamed = first(r"rename\w*\(.*FlumeData", "rename")
        acked = first(r"(write|writev|sendto|sendmsg)\(.*ack 1000", "ack")
        written = max(i for i, row in enumerate(rows)
                      if re.search(r"write\w*\(\d+<" + re.escape(self.out) + r"/\S", row))
        synced = [i for i, row in enumerate(rows)
                  if re.search(r"f(data)?sync\(\d+<" + re.escape(self.out) + r"/\S", row)]
        folder = [i for i, row in enumerate(rows)
                  if re.search(r"f(data)?sync\(\d+<" + re.escape(self.out) + r"/?>", row)]
        parent = [i for i, row in enumerate(rows)
                  if re.search(r"f(data)?sync\(\d+<" + re.escape(self.dir) + r"/?>", row)]
        self.assertTrue(any(written < i < renamed for i in synced), "file synced before rename")
        self.assertTrue(any(renamed < i < acked for i in folder), "directory synced before ack")
        self.assertTrue(any(i < acked for i in parent), "the new directory's parent synced")

    def test_twenty_sinks_with_a_frozen_clock_add_up(self):
        env = self.env(FAKETIME_DONT_FAKE_MONOTONIC="1")
        pipelines = [
            self.pipeline(f"fl-source seq --count {1000 + i}",
                          ["faketime", "-f", "2026-01-01 00:00:00",
                           "fl-sink", "hdfs", "--stream", "--roll-count", "250",
                           f"file://{self.out}"], env=env)
            for i in range(20)]
        for pipeline in pipelines:
            self.check(pipeline, 0, 0, limit=120)
        self.assertEqual(len(harness.committed_lines(self.out)), sum(1000 + i for i in range(20)))

    def test_watcher_sees_no_half_file(self):
        watcher = subprocess.Popen([os.path.join(harness.ROOT, "tests/tools/watch_dir"), self.out],
                                   stdout=subprocess.PIPE, text=True)
        try:
            watcher.stdout.readline()
            self.check(self.pipeline(
                "fl-source seq --count 1500000",
                # Parts that need many writes: a file that grows under its final name is seen.
                f"fl-sink hdfs --stream --roll-count 100000 file://{self.out}"), 0, 0, limit=60)
        finally:
            watcher.terminate()
            said, _ = watcher.communicate(timeout=harness.HANG)
        self.assertEqual(watcher.returncode, 0, said)
        self.assertEqual(len(harness.committed_files(self.out)), 15)


class DiskFull(harness.Case):
    def test_blocks_says_so_and_resumes(self):
        mount = self.path("small")
        os.mkdir(mount)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", mount],
                              check=False, stderr=subprocess.DEVNULL)
        if done.returncode != 0:
            self.skipTest("cannot mount a tmpfs here")
        # Before the directory itself is removed: cleanups run in reverse order.
        self.addCleanup(subprocess.run, ["umount", "-l", mount], check=False)
        pipeline = self.pipeline(
            "fl-source seq --count 1000000", "fl-intercept ts --stream",
            ["fl-sink", "hdfs", "--stream", "--grace", "300s", f"file://{mount}/out"])
        said = harness.poll(
            lambda: re.search("full|no space|No space", pipeline.errors(2)) or
            pipeline.processes[2].poll() is not None, "a word about the disk")
        self.assertIsNone(pipeline.processes[2].poll(), pipeline.report())
        self.assertTrue(said)
        # Blocked, not failed: nothing moves and everybody lives.
        self.assertEqual([p.poll() for p in pipeline.processes], [None] * 3, pipeline.report())
        subprocess.run(["mount", "-o", "remount,size=64m", mount], check=True)
        self.check(pipeline, 0, 0, 0, limit=60)
        self.assertEqual(harness.committed_lines(mount + "/out"),
                         [b"%d" % i for i in range(1_000_000)])


if __name__ == "__main__":
    harness.main()
