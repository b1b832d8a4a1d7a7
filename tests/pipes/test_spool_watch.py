#!/usr/bin/env python3
"""fl-source spooldir without --once: left running while files come, also under kills."""
import os
import select
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import harness

LONG = os.environ.get("FL_TEST_LONG") == "1"


def cpu(pid: int) -> int:
    """Ticks of the clock that the process has used."""
    with open(f"/proc/{pid}/stat") as file:
        words = file.read().rsplit(")", 1)[1].split()
    return int(words[11]) + int(words[12])


def switches(pid: int) -> int:
    """How often the process has waited."""
    with open(f"/proc/{pid}/status") as file:
        return sum(int(row.split()[1]) for row in file if "ctxt_switches" in row)


def was_read(pid: int) -> int:
    """Bytes that the process has read, from whatever."""
    with open(f"/proc/{pid}/io") as file:
        return int(next(row for row in file if row.startswith("rchar:")).split()[1])


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def memory_kib(pid: int) -> int:
    """Its own memory: what it shares with others depends on how many of them run."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return int(next(row for row in file if row.startswith("Pss_Anon:")).split()[1])


class Watch(harness.Case):
    def start(self, *options):
        return self.pipeline(["fl-source", "spooldir", "spool", *options],
                             f"fl-sink hdfs --stream --roll-interval 1s file://{self.out}")

    def put(self, name: str, content: str) -> None:
        """As a good neighbour does: written elsewhere, moved in."""
        path = self.write("incoming/" + os.path.basename(name), content)
        os.makedirs(os.path.dirname(self.path("spool", name)), exist_ok=True)
        os.rename(path, self.path("spool", name))

    def left(self):
        return [name for _, folders, names in os.walk(self.path("spool")) for name in names
                if not name.startswith(".") and not name.endswith(".COMPLETED")]

    def test_idle_costs_nothing_and_term_ends_with_0(self):
        self.put("a", "1\n")
        with self.start() as pipeline:
            source = pipeline.processes[0]
            harness.poll(lambda: not self.left(), "the first file is delivered")
            # Once it sleeps, it sleeps: the counter of its waits stands still.
            before = harness.poll(lambda: self.stands_still(source.pid), "it sleeps")
            end = time.monotonic() + 1
            harness.poll(lambda: time.monotonic() > end, "a second")
            self.assertLessEqual(switches(source.pid) - before, 1)
            self.put("b", "2\n")
            harness.poll(lambda: not self.left(), "the second file is delivered")
            source.send_signal(signal.SIGTERM)
            self.check(pipeline, 0, 0)
        self.assertEqual(sorted(harness.committed_lines(self.out)), [b"1", b"2"])
        self.assertIn("2 files, 2 events, 0 left", pipeline.errors(0))

    def stands_still(self, pid: int):
        count = switches(pid)
        end = time.monotonic() + 0.3
        harness.poll(lambda: time.monotonic() > end, "0.3 s")
        return count if switches(pid) == count else 0

    def test_small_files_are_gathered_into_one(self):
        os.makedirs(self.path("spool"))
        with self.pipeline("fl-source spooldir spool",
                           f"fl-sink hdfs --stream --min-commit 1ms --roll-interval 0 --roll-size 0 "
                           f"--roll-count 3 file://{self.out}") as pipeline:
            for i in range(3):
                self.put(f"f{i}", f"{i}\n")
                for process in pipeline.processes:
                    harness.poll(lambda: self.stands_still(process.pid), "all sleep")
            harness.poll(lambda: not self.left(), "all are delivered")
            pipeline.send(signal.SIGTERM, 0)
            self.check(pipeline, 0, 0)
        self.assertEqual(harness.committed_lines(self.out), [b"0", b"1", b"2"])
        self.assertEqual(len(harness.committed_files(self.out)), 1)

    def test_files_that_are_written_in_place_are_read_when_closed(self):
        os.makedirs(self.path("spool"))
        with self.start() as pipeline:
            files = [open(self.path("spool", f"f{i}"), "w") for i in range(5)]
            for i, file in enumerate(files):
                file.write(f"{i}-first\n")
                file.flush()
            self.put("marker", "marker\n")
            harness.poll(lambda: os.path.exists(self.path("spool", "marker.COMPLETED")),
                         "the source has seen them all")
            for i, file in enumerate(files):
                file.write(f"{i}-second\n")
                file.close()
            harness.poll(lambda: not self.left(), "all are delivered")
            pipeline.send(signal.SIGTERM, 0)
            self.check(pipeline, 0, 0)
        self.assertEqual(sorted(harness.committed_lines(self.out)),
                         [b"%d-%s" % (i, part) for i in range(5) for part in (b"first", b"second")]
                         + [b"marker"])

    def test_without_inotify_it_polls(self):
        os.makedirs(self.path("spool/sub"))
        probe = ["unshare", "-U", "-r", "sh", "-c",
                 "echo 0 > /proc/sys/user/max_inotify_$0 && exec \"$@\""]
        if subprocess.run([*probe, "watches", "true"], stderr=subprocess.DEVNULL,
                          check=False).returncode != 0:
            self.skipTest("no user namespaces")
        for limit in ("instances", "watches"):
            with self.subTest(limit):
                out = self.path("out", limit)
                with self.pipeline(
                        [*probe, limit, harness.BIN + "/fl-source", "spooldir", "spool",
                         "--recursive-directory-search", "--poll-delay", "20ms"],
                        [*probe, limit, harness.BIN + "/fl-sink", "hdfs", "--stream",
                         "--roll-interval", "1s", f"file://{out}"]) as pipeline:
                    for name in ("a", "sub/b", "c"):
                        self.put(f"{name}-{limit}", name + "\n")
                        harness.poll(lambda: not self.left(), "it is delivered")
                    pipeline.send(signal.SIGTERM, 0)
                    self.check(pipeline, 0, 0)
                self.assertEqual(sorted(harness.committed_lines(out)), [b"a", b"c", b"sub/b"])
                self.assertEqual(pipeline.errors(0).count("inotify"), 1, pipeline.report())

    def test_a_day_of_files_under_kills(self):
        """In the first half source and sink are killed in turn; in the second nothing grows."""
        total = 10_000 if LONG else 1_000
        kills = 60 if LONG else 8
        window = 64 << 10
        at_kills = sorted(self.random.sample(range(1, total // 2), kills))
        measured = []    # of the last run: (memory, descriptors) of source and sink
        options = ("--recursive-directory-search", "--window", "64K")
        os.makedirs(self.path("spool"))
        run = self.start(*options)
        try:
            for i in range(total):
                name = f"{'sub%d/' % (i % 3) if i % 10 == 0 else ''}f{i:05}"
                content = "".join(f"{i}.{n}\n" for n in range(1 + i % 7))
                if i % 4 == 0:  # not so good a neighbour
                    self.write("spool/" + name, content)
                else:
                    self.put(name, content)
                if i % 50 == 49:
                    # Nothing piles up, so that each moment is a moment of reading.
                    harness.poll(lambda: len(self.left()) < 200 or run.processes[0].poll() is not
                                 None, "the source keeps up")
                    if i > total // 2:
                        measured.append([(memory_kib(each.pid), descriptors(each.pid))
                                         for each in run.processes])
                if at_kills and i == at_kills[0]:
                    at_kills.pop(0)
                    victim = len(at_kills) % 2
                    run.processes[victim].kill()
                    statuses = run.wait()
                    self.assertEqual(statuses[victim], -9)
                    # 65: the source was killed before its stream began.
                    self.assertIn(statuses[1 - victim], (65, 75), run.report())
                    run = self.start(*options)
            harness.poll(lambda: not self.left() or run.processes[0].poll() is not None,
                         "all files are delivered")
            run.send(signal.SIGTERM, 0)
            self.check(run, 0, 0)
        finally:
            run.kill()
        lines = harness.committed_lines(self.out)
        expected = {b"%d.%d" % (i, n) for i in range(total) for n in range(1 + i % 7)}
        self.assertEqual(set(lines), expected)
        doubled = sum(len(line) + 1 for line in lines) - sum(len(line) + 1 for line in expected)
        part = len(measured) // 3
        grown = []
        for stage in (0, 1):
            early, late = ([row[stage] for row in rows] for rows in (measured[:part], measured[-part:]))
            grown.append([max(late, key=lambda row: row[i])[i] - max(early, key=lambda row: row[i])[i]
                          for i in (0, 1)])
        print(f"    {total} files, {kills} kills, {len(lines)} lines, {doubled} bytes doubled; memory "
              f"{measured[-1][0][0]} and {measured[-1][1][0]} KiB, {measured[-1][0][1]} and "
              f"{measured[-1][1][1]} descriptors; grown over {total // 2} files: {grown}", flush=True)
        self.assertLessEqual(doubled, kills * window)
        for memory, table in grown:
            self.assertLess(memory, 1024)
            self.assertLess(table, 4)
        self.assertLess(max(row[1] for rows in measured for row in rows), 24)

    def await_full(self, reader: int) -> None:
        """The pipe takes nothing more."""
        def is_full():
            writer = os.open(f"/proc/self/fd/{reader}", os.O_WRONLY)
            try:
                return not select.select([], [writer], [], 0)[1]
            finally:
                os.close(writer)

        harness.poll(is_full, "the pipe is full")

    def start_and_hold(self, *options):
        """(source, sink, the end of the pipe that the sink reads). The sink is stopped after it has
        stored one file, of the line "first"."""
        self.put("first", "first\n")
        reader, writer = os.pipe()
        source = self.pipeline(["fl-source", "spooldir", "spool", *options], stdout=writer)
        os.close(writer)
        sink = self.pipeline(f"fl-sink hdfs --stream --roll-interval 1s file://{self.out}",
                             stdin=reader)
        self.addCleanup(os.close, reader)
        harness.poll(lambda: not self.left(), "the first file is delivered")
        sink.processes[0].send_signal(signal.SIGSTOP)
        return source, sink, reader

    def test_a_full_pipeline_makes_it_wait(self):
        count, size = 150, 40_000
        source, sink, reader = self.start_and_hold()
        pid = source.processes[0].pid
        before = was_read(pid)
        for i in range(count):
            self.put(f"f{i:03}", f"{i} {'x' * size}\n")
        self.await_full(reader)
        # Who keeps what nobody takes would not sleep before it has read all of it.
        harness.poll(lambda: self.stands_still(pid), "it sleeps")
        ahead = was_read(pid) - before
        self.assertLess(ahead, 1 << 20)
        self.assertEqual(len(self.left()), count)
        sink.processes[0].send_signal(signal.SIGCONT)
        harness.poll(lambda: not self.left(), "all are delivered")
        self.assertGreater(was_read(pid) - before, count * size)  # all that it reads is counted
        source.send(signal.SIGTERM, 0)
        self.check(source, 0)
        self.check(sink, 0)
        self.assertEqual([line.split()[0] for line in harness.committed_lines(self.out)],
                         [b"first"] + [b"%d" % i for i in range(count)])
        print(f"    {ahead >> 10} KiB of {count * size >> 10} were read while nobody took them")

    def test_a_reader_that_acknowledges_nothing_makes_it_wait(self):
        count, size = 150, 40_000
        os.makedirs(self.path("spool"))
        with self.pipeline("fl-source spooldir spool --window 64K",
                           [sys.executable, harness.ACK_READER, str(count + 1), "0"]) as pipeline:
            pid = pipeline.processes[0].pid
            harness.poll(lambda: harness.catches(pid, signal.SIGTERM), "it has started")
            before = was_read(pid)
            for i in range(count):
                self.put(f"f{i:03}", f"line {i} {'x' * size}\n")
            harness.poll(lambda: was_read(pid) - before > 64 << 10, "it reads")
            harness.poll(lambda: self.stands_still(pid), "it sleeps")
            self.assertLess(was_read(pid) - before, 1 << 20)
            self.assertEqual(len(self.left()), count)
            pipeline.processes[1].kill()
            self.assertEqual(pipeline.wait()[0], 75, pipeline.report())
        self.assertEqual(len(self.left()), count)

    def test_term_in_the_middle_of_a_file_commits_what_was_read(self):
        lines = [b"%d %s" % (i, b"x" * 100) for i in range(20_000)]
        source, sink, reader = self.start_and_hold()
        self.put("log", (b"\n".join(lines) + b"\n").decode())
        self.await_full(reader)
        source.send(signal.SIGTERM, 0)
        harness.poll(lambda: not harness.is_pending(source.processes[0].pid, signal.SIGTERM),
                     "it has heard the signal")
        sink.processes[0].send_signal(signal.SIGCONT)
        # 0 or 75, the same for both: more of the file will come.
        statuses = source.wait() + sink.wait()
        self.assertIn(statuses, ([0, 0], [75, 75]), source.report() + sink.report())
        self.assertEqual(self.left(), ["log"])
        first = harness.committed_lines(self.out)[1:]
        self.assertEqual(first, lines[:len(first)])
        self.assertLess(len(first), len(lines))
        self.assertGreater(sum(map(len, first)), 32 << 10)
        # Nothing is lost, and nothing comes twice from the run after it.
        with self.start() as run:
            harness.poll(lambda: not self.left(), "the rest is delivered")
            run.send(signal.SIGTERM, 0)
            self.check(run, 0, 0)
        self.assertEqual(sorted(harness.committed_lines(self.out)), sorted([b"first", *lines]))
        print(f"    {len(first)} of {len(lines)} lines before the signal")


if __name__ == "__main__":
    harness.main()
