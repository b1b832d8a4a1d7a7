#!/usr/bin/env python3
"""No stage's loop waits for a disk. tests/registry/test_trials.py asks every component; here is what
the stage itself syncs, and one sync that takes as long as it likes."""
import os
import re
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import harness
import loop_syncs

FDATASYNC = 75  # on x86-64


def waits_in_sync(pid):
    """A thread of the process has called fdatasync, which has not begun yet."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{thread}/syscall") as file:
                if file.read().split()[0] == str(FDATASYNC):
                    return True
        except (OSError, IndexError):
            pass
    return False


def tracer_of(pid):
    with open(f"/proc/{pid}/status") as file:
        return int(re.search(r"^TracerPid:\s*(\d+)", file.read(), re.M)[1])


@unittest.skipUnless(loop_syncs.STRACE, "no strace")
class SlowSync(harness.Case):
    def setUp(self):
        super().setUp()
        os.mkdir(self.out)
        self.write("spool/a", "".join(f"{i}\n" for i in range(1000)) + "too long a line\n")

    SOURCE = "fl-source spooldir spool --once"
    REJECTS = f"{SOURCE} --max-line 8 --long-line reject --reject kept"

    def in_loop(self, *commands, traced, statuses):
        words = [command.split() for command in commands]
        words[traced] = loop_syncs.traced(words[traced], self.path("trace"))
        pipeline = self.pipeline(*words)
        self.check(pipeline, *statuses)
        # The tracer ends after the stage.
        harness.poll(lambda: "+++ exited" in self.trace(), "the end of the trace")
        return loop_syncs.in_loop(self.path("trace"), pipeline.processes[traced].pid)

    def trace(self):
        with open(self.path("trace")) as file:
            return file.read()

    def test_stdout_into_a_file(self):
        self.assertEqual(self.in_loop(self.SOURCE, "fl-intercept timestamp", traced=1,
                                      statuses=(0, 0)), [])
        self.assertIn("fdatasync(", self.trace())

    def test_rejected_lines_of_a_source(self):
        self.assertEqual(self.in_loop(self.REJECTS, "fl-sink null", traced=0, statuses=(0, 0)), [])
        self.assertIn("fdatasync(", self.trace())
        self.assertTrue(os.path.exists(self.path("spool/a.COMPLETED")))

    def test_events_that_an_interceptor_rejects(self):
        self.assertEqual(self.in_loop(self.SOURCE, "fl-intercept json n --required --reject kept",
                                      "fl-sink null", traced=1, statuses=(0, 0, 0)), [])
        self.assertIn("fdatasync(", self.trace())

    def test_a_stage_answers_while_a_sync_takes_its_time(self):
        for stage in (f"fl-sink file_roll --text {self.out}",
                      "fl-intercept json n --text --required --reject kept",
                      "fl-intercept timestamp --text"):
            with self.subTest(stage=stage):
                with open(self.write("lines", "1\n2\n"), "rb") as lines:
                    pipeline = self.pipeline(
                        [loop_syncs.STRACE, "-D", "-f", "-o", self.path("trace"), "-e",
                         "trace=fdatasync", "-e", "inject=fdatasync:delay_enter=3600s"] +
                        stage.split(), stdin=lines)
                pid = pipeline.processes[0].pid
                harness.poll(lambda: waits_in_sync(pid), f"a sync: {pipeline.report()}")
                tracer = tracer_of(pid)
                try:
                    before = pipeline.errors(0).count("\n")
                    os.kill(pid, signal.SIGUSR1)
                    harness.poll(lambda: pipeline.errors(0).count("\n") > before,
                                 f"an answer: {pipeline.report()}")
                    self.assertTrue(waits_in_sync(pid))
                finally:
                    os.kill(tracer, signal.SIGKILL)  # without it the sync takes no time
                self.check(pipeline, 0)


if __name__ == "__main__":
    harness.main()
