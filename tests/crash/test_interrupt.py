#!/usr/bin/env python3
"""Ctrl-C on a whole pipeline at random moments: what was read is delivered, and the status is 0."""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import harness

ROUNDS = int(os.environ.get("FL_TEST_ROUNDS", "250" if os.environ.get("FL_TEST_LONG") else "50"))


class Interrupt(harness.Case):
    def interrupt(self, round_number, number, *commands):
        """Starts the pipeline, sends the signal to all at a random moment: (pipeline, lines)."""
        out = self.path(f"out{round_number}")
        commands = [[word.replace("OUT", f"file://{out}") for word in words.split()]
                    for words in commands]
        moment = self.random.choice([0, self.random.uniform(0, 0.02), self.random.uniform(0, 0.3)])
        with self.pipeline(*commands) as pipeline:
            for words, process in zip(commands, pipeline.processes):
                if words[0].startswith("fl-"):
                    # Before a process has its handlers, the signal simply ends it.
                    harness.poll(lambda: harness.catches(process.pid, number) or
                                 process.poll() is not None, "handlers")
            time.sleep(moment)
            pipeline.send(number)
            pipeline.wait()
        return pipeline, harness.committed_lines(out)

    def test_a_producer_of_ours(self):
        total = 0
        for i in range(ROUNDS):
            pipeline, lines = self.interrupt(
                i, signal.SIGINT, "fl-source seq", "fl-intercept ts --stream",
                "fl-channel memory --stream", "fl-sink hdfs --stream --roll-count 100000 OUT")
            statuses = [p.returncode for p in pipeline.processes]
            self.assertEqual(statuses, [0] * 4, f"round {i}\n{pipeline.report()}")
            self.assertEqual(lines, [b"%d" % n for n in range(len(lines))], f"round {i}")
            total += len(lines)
        print(f"{ROUNDS} interrupts, {total} events")
        self.assertGreater(total, 0)

    def test_a_foreign_producer(self):
        for i in range(ROUNDS // 5):
            pipeline, lines = self.interrupt(
                i, signal.SIGINT, "seq 0 100000000", "fl-intercept ts",
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
            pipeline, lines = self.interrupt(
                i, signal.SIGINT, f"tail -n +1 -f {log}", "fl-intercept ts",
                "fl-sink hdfs --stream OUT")
            statuses = [p.returncode for p in pipeline.processes]
            # tail may have been ended before it wrote anything; then nothing was read.
            self.assertEqual(statuses[1:], [0, 0], f"round {i}\n{pipeline.report()}")
            self.assertIn(lines, ([b"one", b"two"], []))

    def test_spooldir_stopped_says_75_or_has_all(self):
        for i in range(ROUNDS // 5):
            for n in range(3):
                self.write(f"spool{i}/{n}", b"".join(b"%d %0300d\n" % (n, k) for k in range(20000)))
            pipeline, lines = self.interrupt(
                i, signal.SIGTERM, f"fl-source spooldir spool{i} --once",
                "fl-intercept ts --stream", "fl-sink hdfs --stream --roll-count 5000 OUT")
            statuses = [p.returncode for p in pipeline.processes]
            left = [name for name in os.listdir(self.path(f"spool{i}"))
                    if not name.endswith(".COMPLETED") and not name.startswith(".")]
            self.assertEqual(statuses[1:], [0, 0], f"round {i}\n{pipeline.report()}")
            self.assertEqual(statuses[0], 75 if left else 0, f"round {i}\n{pipeline.report()}")
            self.assertEqual(len(lines), len(set(lines)))
            done = 20000 * (3 - len(left))
            self.assertTrue(done <= len(lines) <= 60000)


if __name__ == "__main__":
    harness.main()
