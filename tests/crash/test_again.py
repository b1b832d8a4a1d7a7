#!/usr/bin/env python3
"""spooldir --once interrupted anywhere and run again until it ends with 0.

Every event arrives at least once; what arrives again is at most the unacknowledged window of each
interruption.
"""
import collections
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import harness

ROUNDS = 120 if os.environ.get("FL_TEST_LONG") else 12
WINDOW = 64 << 10
LINE = 300  # bytes of a body
FILES, LINES = 4, 2500  # in the spool directory
ROLL = 50  # lines of a committed file


class Again(harness.Case):
    def attempt(self, i, part, number, victims):
        """One run; `number` hits `victims` (indices) once `part` of the files that are missing has
        been committed, or nobody if that is None. Returns the pipeline and its statuses."""
        out = f"{self.out}{i}"
        before = len(harness.committed_files(out))
        pipeline = self.pipeline(
            f"fl-source spooldir spool{i} --once --window 64K", "fl-intercept ts --stream",
            f"fl-sink hdfs --stream --min-commit 1ms --roll-count {ROLL} file://{out}")
        if part is not None:
            # By what is stored and not by the clock: disks differ a hundredfold in speed.
            wanted = before + part * (FILES * LINES / ROLL - before)
            harness.poll(lambda: len(harness.committed_files(out)) >= wanted or
                         pipeline.processes[2].poll() is not None, "files committed")
            for victim in victims:
                if pipeline.processes[victim].poll() is None:
                    os.kill(pipeline.processes[victim].pid, number)
        return pipeline, pipeline.wait(60)

    def test_every_event_at_least_once_and_few_twice(self):
        interrupted = repeated_in_all = 0
        for i in range(ROUNDS):
            lines = []
            for n in range(FILES):
                part = [b"%d.%05d." % (n, k) + b"x" * (LINE - 8) for k in range(LINES)]
                self.write(f"spool{i}/f{n}", b"".join(line + b"\n" for line in part))
                lines += part
            interruptions = 0
            for attempt in range(60):
                stop = attempt < 4  # then let it finish
                pipeline, statuses = self.attempt(
                    i, self.random.choice([0, self.random.uniform(0, 0.7)]) if stop else None,
                    self.random.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]),
                    self.random.choice([[0], [1], [2], [0, 1, 2]]))
                if statuses[0] == 0:
                    break
                interruptions += 1
                self.assertTrue(stop, f"not interrupted, yet {statuses}\n{pipeline.report()}")
            else:
                self.fail("it never ended with 0")
            left = [name for name in os.listdir(self.path(f"spool{i}"))
                    if not name.endswith(".COMPLETED") and not name.startswith(".")]
            self.assertEqual(left, [])
            counts = collections.Counter(harness.committed_lines(f"{self.out}{i}"))
            missing = [line for line in lines if line not in counts]
            self.assertEqual(missing, [], f"{len(missing)} events are lost")
            self.assertEqual(len(counts), len(lines), "events that were never sent")
            repeated = sum(count - 1 for count in counts.values())
            # The window, and the one event that may go over it.
            self.assertLessEqual(repeated, interruptions * (WINDOW // LINE + 1),
                                 f"{repeated} repeated after {interruptions} interruptions")
            interrupted += interruptions
            repeated_in_all += repeated
        print(f"{ROUNDS} rounds, {interrupted} interruptions, {repeated_in_all} events repeated")
        self.assertGreater(interrupted, ROUNDS // 2, "the interruptions came too late")


if __name__ == "__main__":
    harness.main()
