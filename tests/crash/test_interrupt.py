#!/usr/bin/env python3
"""Ctrl-C on a whole pipeline, wherever it is: what was read is delivered, and the status is 0."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import harness

ROUNDS = int(os.environ.get("FL_TEST_ROUNDS", "250" if os.environ.get("FL_TEST_LONG") else "50"))


def stored_bytes(directory: str) -> int:
    """Of all files below, those under a temporary name included."""
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.stat(os.path.join(folder, name)).st_size
            except FileNotFoundError:
                pass  # renamed in this moment
    return total


def written_bytes(pid: int) -> int:
    """What the process has written until now."""
    with open(f"/proc/{pid}/io") as file:
        return int(dict(row.split(":") for row in file)["wchar"])


class Interrupt(harness.Case):
    def interrupt(self, round_number, number, moment, *commands):
        """Starts the pipeline and sends the signal to all once moment(pipeline, directory of the
        output) is true: (pipeline, lines). Moments are seen and not timed, as disks differ a
        hundredfold in speed."""
        out = self.path(f"out{round_number}")
        commands = [[word.replace("OUT", f"file://{out}") for word in words.split()]
                    for words in commands]
        with self.pipeline(*commands) as pipeline:
            for words, process in zip(commands, pipeline.processes):
                if words[0].startswith("fl-"):
                    # Before a process has its handlers, the signal simply ends it.
                    harness.poll(lambda: harness.catches(process.pid, number) or
                                 process.poll() is not None, "handlers")
            harness.poll(lambda: moment(pipeline, out) or
                         pipeline.processes[-1].poll() is not None, "the moment to interrupt")
            pipeline.send(number)
            pipeline.wait()
        return pipeline, harness.committed_lines(out)

    def stored(self, most: int):
        """The moment when the sink has stored nothing, something, or a number up to `most` of
        bytes."""
        wanted = self.random.choice([0, 1, self.random.randrange(2, most)])
        return lambda _, out: stored_bytes(out) >= wanted

    def test_a_producer_of_ours(self):
        total = 0
        for i in range(ROUNDS):
            pipeline, lines = self.interrupt(
                i, signal.SIGINT, self.stored(4_000_000), "fl-source seq",
                "fl-intercept ts --stream", "fl-channel memory --stream",
                "fl-sink hdfs --stream --roll-count 100000 OUT")
            statuses = [p.returncode for p in pipeline.processes]
            self.assertEqual(statuses, [0] * 4, f"round {i}\n{pipeline.report()}")
            self.assertEqual(lines, [b"%d" % n for n in range(len(lines))], f"round {i}")
            total += len(lines)
        print(f"{ROUNDS} interrupts, {total} events")
        self.assertGreater(total, 0)

    def test_a_foreign_producer(self):
        for i in range(ROUNDS // 5):
            pipeline, lines = self.interrupt(
                i, signal.SIGINT, self.stored(4_000_000), "seq 0 100000000", "fl-intercept ts",
                "fl-sink hdfs --stream OUT")
            statuses = [p.returncode for p in pipeline.processes]
            self.assertEqual(statuses[1:], [0, 0], f"round {i}\n{pipeline.report()}")
            # The producer died in the middle of a line, perhaps.
            expected = [b"%d" % n for n in range(len(lines))]
            self.assertEqual(lines[:-1], expected[:-1])
            self.assertTrue(not lines or expected[-1].startswith(lines[-1]))

    def test_a_quiet_pipe(self):
        log = self.write("idle.log", "one\ntwo\n")
        for i in range(5):
            # Not before tail has written them; else nothing would be right, too.
            pipeline, lines = self.interrupt(
                i, signal.SIGINT,
                lambda pipeline, _: written_bytes(pipeline.processes[0].pid) >= len("one\ntwo\n"),
                f"tail -n +1 -f {log}", "fl-intercept ts", "fl-sink hdfs --stream OUT")
            statuses = [p.returncode for p in pipeline.processes]
            self.assertEqual(statuses[1:], [0, 0], f"round {i}\n{pipeline.report()}")
            self.assertEqual(lines, [b"one", b"two"])

    def test_spooldir_stopped_says_75_or_has_all(self):
        stops = 0
        for i in range(ROUNDS // 5):
            for n in range(3):
                self.write(f"spool{i}/{n}", b"".join(b"%d %0300d\n" % (n, k) for k in range(20000)))
            pipeline, lines = self.interrupt(
                i, signal.SIGTERM, self.stored(12_000_000), f"fl-source spooldir spool{i} --once",
                "fl-intercept ts --stream", "fl-sink hdfs --stream --roll-count 5000 OUT")
            statuses = [p.returncode for p in pipeline.processes]
            left = [name for name in os.listdir(self.path(f"spool{i}"))
                    if not name.endswith(".COMPLETED") and not name.startswith(".")]
            # The stages after the source learn that it stopped with files left.
            self.assertEqual(statuses, [75 if left else 0] * 3, f"round {i}\n{pipeline.report()}")
            self.assertEqual(len(lines), len(set(lines)))
            done = 20000 * (3 - len(left))
            self.assertTrue(done <= len(lines) <= 60000)
            stops += bool(left)
        self.assertGreater(stops, 0, "all too late")


if __name__ == "__main__":
    harness.main()
