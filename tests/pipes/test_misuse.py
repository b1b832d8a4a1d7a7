#!/usr/bin/env python3
"""Exit statuses, hangs and lost data that hostile or clumsy use once led to."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import harness


class Attack(harness.Case):
    def test_a_stage_without_its_stream_does_not_end_it_in_order(self):
        made = self.pipeline("true", "fl-intercept ts --stream",
                             f"fl-sink hdfs --stream file://{self.out}")
        self.check(made, 0, 65, 65)

    def test_a_source_with_files_left_is_not_done_when_the_sink_fails_early(self):
        self.write("spool/a", "1\n2\n")
        made = self.pipeline("fl-source spooldir spool --once", "fl-intercept host --stream",
                             "fl-sink hdfs --stream file:///proc/nope")
        self.check(made, 75, 75, 73)

    def test_a_window_smaller_than_a_block_completes(self):
        self.write("spool/a", "".join(f"{i}\n" for i in range(3000)))
        made = self.pipeline("fl-source spooldir spool --once --window 100", "fl-sink null --stream")
        self.check(made, 0, 0)

    def test_a_window_smaller_than_the_file_into_a_regular_file_completes(self):
        self.write("spool/a", "".join(f"{i}\n" for i in range(300000)))
        made = self.pipeline("fl-source spooldir spool --once --window 10KiB --out " +
                             self.path("saved.avro"))
        self.check(made, 0)

    def test_a_closed_stdout_loses_nothing(self):
        self.write("spool/a", "1\n2\n3\n")
        made = self.pipeline("fl-source spooldir spool --once",
                             ["sh", "-c", "exec fl-sink stdout --stream >&-"])
        made.wait()
        self.assertNotEqual(made.processes[1].returncode, 0, made.report())
        self.assertTrue(os.path.exists(self.path("spool", "a")), made.report())

    def test_a_closed_stdin_is_not_waited_for(self):
        made = self.pipeline(["sh", "-c", "exec timeout -s KILL 5 fl-sink null <&-"])
        made.wait()
        self.assertNotIn(made.processes[0].returncode, (-9, 137), made.report())
        self.assertNotEqual(made.processes[0].returncode, 0, made.report())

    def test_an_output_that_is_the_input_is_left_alone(self):
        self.write("x", "1\n2\n3\n")
        made = self.pipeline("fl-intercept host --text --in x --out x")
        made.wait()
        self.assertNotEqual(made.processes[0].returncode, 0, made.report())
        with open(self.path("x")) as file:
            self.assertEqual(file.read(), "1\n2\n3\n")

    def test_what_was_meant_is_named(self):
        for command, status, hint in (
                ("fl-source netcat localhost 4444", 64, "--bind HOST --port PORT"),
                ("fl-source exec ls -l", 64, "put -- before the command"),
                ("fl-intercept ts+host", 64, "fl-intercept ts + host"),
                ("fl-intercept ts host", 64, "put a '+' between interceptors"),
                ("fl-source spooldir . --once --include-pattern *.log", 64, ".*\\.log"),
                ("fl-sink hdfs file:///x --codec gzip", 64, "--code-c"),
                ("fl-sink http://h:1/x", 64, "fl-sink hdfs http://h:1/x"),
                ("fl-sink hdfs http://h:1/x", 78, "webhdfs://h:1/PATH")):
            with self.subTest(command=command):
                made = self.pipeline(command)
                made.wait()
                self.assertEqual(made.processes[0].returncode, status, made.report())
                self.assertIn(hint, made.errors(0))

    def test_zstd_has_both_names_everywhere(self):
        self.write("x", "1\n")
        for name in ("zstd", "zstandard"):
            for command in (f"fl-source seq --count 1 --codec {name}",
                            f"fl-sink hdfs --in x --code-c {name} file://{self.dir}/{name}",
                            f"fl-sink hdfs --in x --serializer avro_event --compression-codec {name} "
                            f"file://{self.dir}/{name}",
                            f"fl-source stdin --decompress {name}"):
                with self.subTest(command=command):
                    made = self.pipeline(command)
                    made.wait()
                    self.assertEqual(made.processes[0].returncode,
                                     65 if "--decompress" in command else 0, made.report())

    def test_a_dry_run_says_what_it_would_do(self):
        for command, text in (("fl-sink null", "when it is: discarded"),
                              ("fl-sink stdout", "when it is: printed"),
                              ("fl-intercept ts + host", "nothing was read or written"),
                              ("fl-channel memory", "nothing was read or written"),
                              ("fl-source seq", "nothing was read or written"),
                              ("fl-sink balance -- null + null", "nothing was read or written")):
            with self.subTest(command=command):
                made = self.pipeline(command + " --dry-run" if "--" not in command else
                                     command.replace(" --", " --dry-run --"))
                self.check(made, 0)
                self.assertIn("dry run: ", made.errors(0))
                self.assertIn(text, made.errors(0))
                self.assertEqual(made.output(), b"")
        for options, shown in (("", "/%Y-%m/"), ("--use-local-time-stamp", r"/\d{4}-\d\d/")):
            made = self.pipeline(f"fl-sink hdfs --dry-run file://{self.dir}/%Y-%m {options}")
            self.check(made, 0)
            self.assertRegex(made.output().decode(), shown)
            self.assertIn("rule: file synced and renamed", made.output().decode())
            self.assertIn("when it is: file synced and renamed", made.errors(0))
        made = self.pipeline(f"fl-sink file_roll --dry-run {self.dir}")
        self.check(made, 0)
        self.assertRegex(made.output().decode(), rf"^rule: file synced\nfile: {self.dir}/\d+-1\n$")


if __name__ == "__main__":
    harness.main()
