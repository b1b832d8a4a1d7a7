#!/usr/bin/env python3
"""scripts/demo, again and again, on a quiet machine and on a busy one."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
sys.dont_write_bytecode = True
import harness

RUNS = 20 if os.environ.get("FL_TEST_LONG") else 3
LIMIT = 120  # seconds


class Demo(harness.Case):
    def run_demo(self, lines: str, root: str = harness.ROOT, options=()):
        return subprocess.run([os.path.join(root, "scripts", "demo"), *options],
                              env=self.env(FL_DEMO_LINES=lines, TMPDIR=self.dir), cwd=self.dir,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=LIMIT, check=False)

    def run_all(self):
        for i in range(RUNS):
            # Short ones: most of their questions come before the sink has reported anything.
            done = self.run_demo("200")
            self.assertEqual(done.returncode, 0, f"run {i}\n{done.stdout}")
            self.assertIn("200 of 200 lines", done.stdout)
            self.assertIn("byte for byte", done.stdout.splitlines()[-1])
            left = [name for name in os.listdir(self.dir) if name.startswith("fl-demo")]
            self.assertEqual(left, [], "what it made in TMPDIR")

    def test_on_a_quiet_machine(self):
        self.run_all()

    def test_on_a_busy_machine(self):
        busy = [subprocess.Popen(["timeout", str(LIMIT * RUNS), "sh", "-c", "while :; do :; done"])
                for _ in range(3 * (os.cpu_count() or 1))]
        try:
            self.run_all()
        finally:
            for process in busy:
                process.terminate()  # timeout passes it on
                process.wait()

    def test_before_the_sink_has_said_anything(self):
        tree = self.path("tree")
        for part in ("scripts", "tests/tools"):
            shutil.copytree(os.path.join(harness.ROOT, part), os.path.join(tree, part))
        programs = os.path.join(tree, "build", "dev", "bin")
        os.makedirs(programs)
        for name in os.listdir(harness.BIN):
            os.symlink(os.path.join(harness.BIN, name), os.path.join(programs, name))
        sink = os.path.join(programs, "fl-sink")
        os.remove(sink)
        # It starts when the whole log has been written.
        late = f"""#!/bin/sh
            log=$(echo {self.dir}/fl-demo*/access.log)
            while [ -e "$log" ] && [ "$(wc -l < "$log")" -lt 20 ]; do sleep 0.1; done
            exec {harness.BIN}/fl-sink "$@"
            """
        os.chmod(self.write("tree/build/dev/bin/fl-sink", late), 0o755)
        done = self.run_demo("20", tree)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("20 of 20 lines", done.stdout)

    def test_as_long_as_a_user_sees_it(self):
        done = self.run_demo("20000")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("20000 of 20000 lines", done.stdout)

    def test_two_hosts(self):
        done = self.run_demo("20000", options=["--chain"])
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("20000 of 20000 lines", done.stdout)
        self.assertIn("app: 0 0 0\n   collector: 0 0 0", done.stdout)
        self.assertIn("Nothing is lost.", done.stdout.splitlines()[-1])
        self.assertEqual([name for name in os.listdir(self.dir) if name.startswith("fl-demo")], [])

    def test_a_wrong_number_of_lines(self):
        for lines in ("x", "-10", "15", "0", "1e3"):
            done = self.run_demo(lines)
            self.assertEqual(done.returncode, 64, done.stdout)
            self.assertRegex(done.stdout, "^demo: FL_DEMO_LINES is ")


if __name__ == "__main__":
    harness.main()
