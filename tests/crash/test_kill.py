#!/usr/bin/env python3
"""Runs kill_pipe.py: 200 kills, and a few with the source under timeout and sudo."""
import os
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tools"))
import harness

FACTOR = 10 if os.environ.get("FL_TEST_LONG") else 1


class Kill(unittest.TestCase):
    def run_kills(self, *words):
        done = subprocess.run([sys.executable, os.path.join(HERE, "kill_pipe.py"), *words],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=900 * FACTOR, check=False)
        print(done.stdout, flush=True)
        self.assertEqual(done.returncode, 0)

    def test_any_source(self):
        self.run_kills("--kills", str(210 * FACTOR))

    def test_source_under_timeout(self):
        for source in ("seq", "stdin", "spooldir"):
            with self.subTest(source):
                self.run_kills("--kills", str(6 * FACTOR), "--wrap", "timeout", "--source", source)

    def test_source_under_sudo(self):
        if subprocess.run(["sudo", "-n", "true"], check=False,
                          stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("sudo asks for a password")
        for source in ("seq", "stdin", "spooldir"):
            with self.subTest(source):
                self.run_kills("--kills", str(6 * FACTOR), "--wrap", "sudo", "--source", source)


if __name__ == "__main__":
    harness.main()
