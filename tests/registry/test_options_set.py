#!/usr/bin/env python3
"""What options_set.py makes of programs that note_options.so was preloaded into."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "tools")]
import harness
import options_set

LIBRARY = os.path.join(os.path.dirname(harness.BIN), "tests", "note_options.so")
REGISTRY = options_set.Registry()


class OptionsSet(harness.Case):
    def runs(self, command):
        """What a line of shell has left."""
        notes = self.write("notes/part", "")
        done = subprocess.run(["sh", "-c", command], stdin=subprocess.DEVNULL, cwd=self.dir,
                              env=self.env(LD_PRELOAD=LIBRARY, NOTED_OPTIONS=notes), check=False,
                              capture_output=True, timeout=harness.HANG)
        self.said = done.stderr.decode()
        return options_set.read(notes)

    def keys(self, command):
        return {f"{component.name}.{key}" for run in self.runs(command)
                for component, key in REGISTRY.keys(run) if key in component.properties()}

    def test_each_way_to_set_an_option(self):
        self.write("p", "# a comment\nlogEveryNEvents = 5\nignored=\n")
        self.write("secret", "word")
        for command, expected in (
                ("fl-sink null", set()),
                ("fl-sink null --log-every-n-events 5", {"null.logEveryNEvents"}),
                ("fl-sink --grace 5s null --log-every-n-events=5", {"null.logEveryNEvents"}),
                ("fl-sink null --properties 3 3< p", {"null.logEveryNEvents"}),
                ("fl-sink null --properties=0 < p", {"null.logEveryNEvents"}),
                ("fl-sink hdfs file://$PWD/x --round --roll-count 5",
                 {"hdfs.hdfs.path", "hdfs.hdfs.round", "hdfs.hdfs.rollCount"}),
                ("fl-sink-hdfs --path file://$PWD/x", {"hdfs.hdfs.path"}),
                ("echo x | fl-intercept ts --header-name t + static k=v + static --key=k v > out",
                 {"timestamp.headerName", "static.key", "static.value"}),
                ("fl-source exec --log-std-err -- sh -c 'exit' --charset > out",
                 {"exec.logStdErr"}),
                ("echo x | fl-sink failover --text -- null --log-every-n-events 5 + null",
                 {"failover.sinks", "null.logEveryNEvents"}),
                ("fl-sink http http://127.0.0.1:1 --user u --password-file secret",
                 {"http.endpoint", "http.user", "http.password"}),
                ("fl-source netcat --port 0 --tls --keystore none --keystore-password-file secret",
                 set())):
            with self.subTest(command):
                self.assertEqual(self.keys(command), expected, self.said)

    def test_what_has_no_effect_is_not_counted(self):
        for command in ("fl-sink null --log-every-n-events x", "fl-sink null --log-every-n-events",
                        "fl-sink null --log-every-n-events 5 --no-such-option",
                        "fl-sink null --log-every-n-events 5 --dry-run",
                        "fl-sink null --log-every-n-events 5 --help",
                        "fl-sink null --log-every-n-events 5 --print-command",
                        "fl-sink hdfs file://$PWD/x --conf-dir none",
                        "sh -c 'exit 64' fl-sink null --log-every-n-events 5"):
            with self.subTest(command):
                self.assertEqual(self.keys(command), set(), self.said)

    def test_a_stage_that_is_killed_counts(self):
        self.assertEqual(self.keys("echo $$ > pid; exec fl-source exec --log-std-err -- "
                                   "sh -c 'kill -KILL $(cat pid)'"), {"exec.logStdErr"})

    def test_a_stage_notices_nothing(self):
        """Its descriptors and what it reads are the same as without the library."""
        self.write("p", "logEveryNEvents = 5\n")
        look = "fl-source exec -- sh -c 'ls /proc/self/fd; cat <&3' 3< p > out; fl-sink stdout < out"
        plain = subprocess.run(["sh", "-c", look], cwd=self.dir, env=self.env(), check=True,
                               capture_output=True, timeout=harness.HANG).stdout
        os.unlink(self.path("out"))
        noted = subprocess.run(["sh", "-c", look], cwd=self.dir, check=True, capture_output=True,
                               env=self.env(LD_PRELOAD=LIBRARY, NOTED_OPTIONS=self.write("n", "")),
                               timeout=harness.HANG).stdout
        self.assertEqual(noted, plain)


class Judged(harness.Case):
    def judge(self, *words, status):
        done = subprocess.run([sys.executable, os.path.join(HERE, "options_set.py"), *words,
                               self.path("notes")], capture_output=True, text=True, check=False,
                              timeout=harness.HANG)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout

    def test_what_no_test_sets_is_named_and_fails_where_all_parts_ran(self):
        words = b"fl-sink\0null\0--log-every-n-events\x005\0"
        self.write("notes/part", b"started 7 %d 0\n%s" % (len(words), words))
        shown = self.judge(status=0)
        self.assertRegex(shown, r"Flume properties: 1 of \d\d\d were set by a test")
        self.assertTrue(shown.endswith("\n0 passed, 0 failed, 0 skipped\n"), shown)
        shown = self.judge("--judge", status=1)
        self.assertIn("sink null: 1 of 1 set\n", shown)
        self.assertIn("FAIL no test sets hdfs.rollSize\n", shown)
        self.assertNotIn("null.logEveryNEvents\n", shown)
        self.assertRegex(shown, r"\n0 passed, \d+ failed, 0 skipped\n$")
        self.assertIn("null.logEveryNEvents\tpart\n", self.judge("--list", status=0))


if __name__ == "__main__":
    harness.main()
