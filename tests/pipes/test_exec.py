#!/usr/bin/env python3
"""fl-source exec: what happens to the command, its output, and its processes."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import harness


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


class Exec(harness.Case):
    def run_command(self, *words: str, options: str = "", sink: str = "fl-sink stdout"):
        return self.pipeline(["fl-source", "exec", *options.split(), "--", *words], sink)

    def shell(self, text: str, options: str = "", sink: str = "fl-sink stdout"):
        return self.run_command("sh", "-c", text, options=options, sink=sink)

    def pids(self, pipeline: harness.Pipeline, count: int) -> list:
        """The numbers that the command has printed so far, once there are so many."""
        harness.poll(lambda: pipeline.output().count(b"\n") >= count, "the command has begun")
        return [int(line) for line in pipeline.output().split()]

    def gone(self, pids: list) -> None:
        harness.poll(lambda: not any(map(is_alive, pids)), f"nothing of {pids} is left")

    def test_lines_become_events_bytes_unchanged(self):
        pipeline = self.check(self.shell(r"printf 'a\n\nb\r\n\377\000x\nlast'"), 0, 0)
        self.assertEqual(pipeline.output(), b"a\n\nb\r\n\xff\0x\nlast\n")
        self.assertIn("5 events", pipeline.errors(0))
        pipeline = self.check(self.shell(r"printf 'b\r\n\rc\n'", "--strip-cr"), 0, 0)
        self.assertEqual(pipeline.output(), b"b\n\rc\n")

    def test_a_command_is_split_at_blanks_or_given_to_a_shell(self):
        for options, expected in (
                (["--command", " printf  %s\\n a 'b c' "], b"a\n'b\nc'\n"),
                (["--", "printf", "%s\\n", "a", "b c"], b"a\nb c\n"),
                (["--shell", "/bin/sh -c", "--command", "printf '%s\\n' a 'b c' | cat"],
                 b"a\nb c\n")):
            with self.subTest(options=options):
                pipeline = self.pipeline(["fl-source", "exec", *options], "fl-sink stdout")
                self.check(pipeline, 0, 0)
                self.assertEqual(pipeline.output(), expected)
        for options in ([], ["--command", "a", "b"], ["--command", " "], ["--shell", "sh -c"]):
            with self.subTest(options=options):
                self.check(self.pipeline(["fl-source", "exec", *options], "fl-sink null"), 64, 64)

    def test_options_of_a_command_without_dashes_name_the_remedy(self):
        for tool in ("fl-source", "fl-intercept"):
            with self.subTest(tool=tool):
                pipeline = self.check(self.pipeline([tool, "exec", "ls", "-l", "/"]), 64)
                self.assertIn("unknown option '-l'", pipeline.errors(0))
                self.assertIn("put -- before the command: -- ls -l", pipeline.errors(0))
        pipeline = self.check(self.pipeline("fl-source stdin file -l"), 64)
        self.assertNotIn("--", pipeline.errors(0).replace("--help", ""))

    def test_a_status_is_known_though_the_output_ended_long_before(self):
        fifo = self.path("go")
        os.mkfifo(fifo)
        pipeline = self.shell(f"echo a; exec >&-; read x < {fifo}; exit 3")
        harness.poll(lambda: pipeline.output() == b"a\n", "the output is there")
        with open(fifo, "w") as file:
            file.write("go\n")
        pipeline.wait()
        self.assertEqual(pipeline.processes[0].returncode, 69, pipeline.report())
        self.assertIn("exited with status 3", pipeline.errors(0))

    def test_a_command_that_failed_before_the_stop_has_failed(self):
        # Its output stays open, so that the source has not finished the run when it is stopped.
        pipeline = self.shell("echo a; sleep 1000 & echo $!; kill -9 $$")
        harness.poll(lambda: pipeline.output().count(b"\n") == 2, "the output is there")
        left = int(pipeline.output().split()[1])
        group = os.getpgid(left)
        harness.poll(lambda: not is_alive(group), "the command is dead")
        pipeline.send(signal.SIGTERM, 0)
        pipeline.wait()
        self.assertEqual(pipeline.processes[0].returncode, 69, pipeline.report())
        self.assertIn("was killed by signal 9", pipeline.errors(0))
        self.gone([left])

    def test_a_failure_that_is_not_known_yet_counts(self):
        # The keeper, which waits for the command, is frozen until the stage has received TERM.
        pipeline = self.shell("kill -STOP $PPID; echo $PPID; echo $$; exit 3")
        keeper, command = self.pids(pipeline, 2)
        harness.poll(lambda: not is_alive(command), "the command has ended")
        descriptors = f"/proc/{pipeline.processes[0].pid}/fd"
        before = len(os.listdir(descriptors))
        pipeline.send(signal.SIGTERM, 0)
        harness.poll(lambda: len(os.listdir(descriptors)) < before, "the keeper is told to end")
        os.kill(keeper, signal.SIGCONT)
        pipeline.wait()
        self.assertEqual(pipeline.processes[0].returncode, 69, pipeline.report())
        self.assertIn("exited with status 3", pipeline.errors(0))

    def test_a_signal_is_heard_while_the_rest_of_the_group_is_ended(self):
        # The command has ended; what it left ignores TERM and is killed 2 s later.
        pipeline = self.shell("trap '' TERM; sh -c 'echo $$; exec sleep 1000' > pid 2>&1 & "
                              "while ! [ -s pid ]; do :; done; cat pid; echo $$")
        *left, command = self.pids(pipeline, 2)
        harness.poll(lambda: not is_alive(command), "the command has ended")

        def acknowledged():
            if pipeline.processes[0].poll() is not None:
                return True
            pipeline.send(signal.SIGUSR1, 0)
            return ", 0 unacknowledged" in pipeline.errors(0)

        harness.poll(acknowledged, "signals and acknowledgements are heard")
        self.assertTrue(is_alive(left[0]))
        self.check(pipeline, 0, 0)
        self.gone(left)

    def test_a_failed_command_is_69_and_its_output_does_not_count_as_whole(self):
        pipeline = self.check(self.shell("echo a; exit 3"), 69, 69)
        self.assertEqual(pipeline.output(), b"a\n")
        self.assertIn("'sh' exited with status 3", pipeline.errors(0))
        pipeline = self.check(self.shell("echo a; kill -9 $$"), 69, 69)
        self.assertIn("'sh' was killed by signal 9", pipeline.errors(0))

    def test_a_command_that_cannot_be_run(self):
        self.check(self.run_command("no-such-program"), 78, 78)
        self.check(self.run_command(self.write("data", "x")), 77, 77)
        self.check(self.run_command("no-such-program", options="--restart"), 78, 78)

    def test_the_command_waits_for_a_slow_reader_and_loses_nothing(self):
        reader, writer = os.pipe()
        source = self.pipeline("fl-source exec -- seq 500000", stdout=writer)
        os.close(writer)
        # The command is at its full pipe, and so are we at ours.
        harness.poll(lambda: self.is_blocked(source.processes[0].pid), "everything is full")
        sink = self.pipeline("fl-sink stdout", stdin=reader)
        os.close(reader)
        self.check(sink, 0)
        self.check(source, 0)
        self.assertEqual(sink.output(), b"".join(b"%d\n" % i for i in range(1, 500_001)))

    @staticmethod
    def is_blocked(stage: int) -> bool:
        """The stage and the command below it sleep, and the command has begun."""
        below = harness.children_of(stage)
        states = []
        for pid in [stage, *below]:
            try:
                with open(f"/proc/{pid}/stat") as file:
                    states.append(file.read().rsplit(")", 1)[1].split()[0])
                with open(f"/proc/{pid}/comm") as file:
                    states.append(file.read().strip())
            except OSError:
                return False
        return "seq" in states and states.count("S") == len(below) + 1

    def test_restart_runs_it_again_and_stops_at_once(self):
        pipeline = self.shell("echo $$; exit 1", "--restart --restart-throttle 1ms")
        pids = self.pids(pipeline, 3)
        self.assertEqual(len(set(pids)), len(pids))
        pipeline.send(signal.SIGTERM, 0)
        self.check(pipeline, 0, 0)
        self.assertIn("exited with status 1: running it again in 1ms", pipeline.errors(0))
        pipeline = self.shell("echo $$", "--restart --restart-throttle 1d")
        self.pids(pipeline, 1)
        harness.poll(lambda: "again in 1d" in pipeline.errors(0), "it waits")
        pipeline.send(signal.SIGTERM, 0)
        self.check(pipeline, 0, 0)

    def test_its_stderr_is_ours_or_logged(self):
        text = "echo warn >&2; printf 'no\\033end' >&2"
        pipeline = self.check(self.shell(text), 0, 0)
        self.assertIn("warn\nno\033end", pipeline.errors(0))
        pipeline = self.check(self.shell(text, "--log-std-err"), 0, 0)
        self.assertIn("fl-source exec: sh: warn\n", pipeline.errors(0))
        self.assertIn("fl-source exec: sh: no\\x1Bend\n", pipeline.errors(0))
        long = "head -c 300000 /dev/zero | tr '\\0' x >&2; echo out"
        pipeline = self.check(self.shell(long, "--log-std-err"), 0, 0)
        self.assertEqual(pipeline.errors(0).count("x" * 4096), 300_000 // 4096)
        self.assertEqual(pipeline.output(), b"out\n")

    def test_it_has_default_signals_no_input_and_none_of_our_descriptors(self):
        pipeline = self.check(self.shell(
            "grep SigIgn /proc/self/status; grep SigBlk /proc/self/status; readlink /proc/self/fd/0; "
            "ls /proc/self/fd | tr '\\n' ' '"), 0, 0)
        ignored, blocked, stdin, descriptors = pipeline.output().decode().splitlines()
        self.assertEqual(int(ignored.split()[1], 16) & 1 << (signal.SIGPIPE - 1), 0)
        self.assertEqual(int(blocked.split()[1], 16), 0)
        self.assertEqual(stdin, "/dev/null")
        self.assertEqual(descriptors.split(), ["0", "1", "2", "3"])  # 3: the directory itself

    def test_a_stop_ends_the_whole_group(self):
        pipeline = self.shell("sleep 1000 & echo $!; echo $$; wait")
        pids = self.pids(pipeline, 2)
        pipeline.send(signal.SIGTERM, 0)
        self.check(pipeline, 0, 0)
        self.gone(pids)

    def test_a_group_that_does_not_hear_term_is_killed(self):
        pipeline = self.shell("trap '' TERM; sleep 1000 & echo $!; echo $$; wait; sleep 1000")
        pids = self.pids(pipeline, 2)
        pipeline.send(signal.SIGINT, 0)
        self.check(pipeline, 0, 0)
        self.gone(pids)

    def test_what_the_command_leaves_running_ends_with_it(self):
        pipeline = self.shell("sleep 1000 > /dev/null 2>&1 & echo $!")
        self.check(pipeline, 0, 0)
        self.gone(self.pids(pipeline, 1))

    def test_the_group_does_not_survive_a_killed_stage(self):
        pipeline = self.shell("sleep 1000 & echo $!; echo $$; wait")
        pids = self.pids(pipeline, 2) + harness.children_of(pipeline.processes[0].pid)
        self.assertEqual(len(set(pids)), 3)  # with the keeper
        pipeline.processes[0].kill()
        self.check(pipeline, -signal.SIGKILL, 75)
        self.gone(pids)

    def test_the_command_does_not_survive_a_killed_keeper(self):
        pipeline = self.shell("echo $$; exec sleep 1000")
        pids = self.pids(pipeline, 1)
        keeper = set(harness.children_of(pipeline.processes[0].pid)) - set(pids)
        self.assertEqual(len(keeper), 1)
        os.kill(keeper.pop(), signal.SIGKILL)
        self.check(pipeline, 69, 69)
        self.gone(pids)
        self.assertIn("was lost", pipeline.errors(0))

    def test_a_reader_that_dies_ends_the_command(self):
        pipeline = self.shell("echo $$; while :; do echo x; done", sink="fl-sink stdout")
        pid = int(harness.poll(lambda: pipeline.output()[:4096], "output").split()[0])
        pipeline.processes[1].kill()
        self.check(pipeline, 75, -signal.SIGKILL)
        self.gone([pid])


if __name__ == "__main__":
    harness.main()
