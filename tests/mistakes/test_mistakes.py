#!/usr/bin/env python3
"""Each mistake of mistakes.py is answered with true statuses and the words that name the remedy.

usage: test_mistakes.py [--list]     --list prints each mistake with its statuses and the answer
"""
import os
import shutil
import socket
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "tools")]
import harness
import packing
from mistakes import MISTAKES

LINES = "".join(f'10.0.0.{i} - - [14/Nov/2023:22:13:2{i} +0000] "GET /{i} HTTP/1.1" {200 + i} 17\n'
                for i in range(5)).encode()
NOBODY = "65534"


class Mistakes(harness.Case):
    def setUp(self):
        super().setUp()
        busy = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(busy.close)
        other = ""
        if os.geteuid() == 0:
            other = f"setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups"
        self.environment = self.env(BUSY=str(busy.getsockname()[1]), OTHER=other)
        self.environment.pop("UNSET", None)
        # A user without rights cannot start programs in a directory that is closed to others.
        if subprocess.run(["sh", "-c", "$OTHER fl-sink --version"], env=self.environment,
                          capture_output=True, check=False).returncode != 0:
            programs = shutil.copytree(harness.BIN, self.path("home", "bin"))
            for name in os.listdir(programs):
                os.chmod(os.path.join(programs, name), 0o755)
            self.environment["PATH"] = programs + ":" + self.environment["PATH"]
        self.packed = {"access.log" + suffix: pack(LINES) for suffix, pack, _ in packing.formats().values()}
        self.packed["packed/access.log.gz"] = self.packed["access.log.gz"]
        self.packed["damaged.gz"] = self.packed["access.log.gz"][:-20]
        self.prepare()

    def prepare(self):
        """A fresh directory for the next command line."""
        for name in os.listdir(self.dir):
            path = self.path(name)
            if os.path.isdir(path) and name not in ("run", "home"):
                shutil.rmtree(path)
            elif not os.path.isdir(path):
                os.unlink(path)
        for name in ("access.log", "spool/access.log", "secret.log"):
            self.write(name, LINES)
        for name, content in self.packed.items():
            self.write(name, content)
        self.write("utf16.txt", LINES.decode().encode("utf-16"))
        shutil.copy("/bin/true", self.path("program"))
        for name in ("out", "private"):
            os.mkdir(self.path(name))
        os.chmod(self.path("secret.log"), 0)
        os.chmod(self.path("private"), 0o700)
        if not hasattr(self, "saved"):
            self.shell("fl-source stdin access.log > saved.avro")
            with open(self.path("saved.avro"), "rb") as file:
                self.saved = file.read()
        self.write("saved.avro", self.saved)
        self.write("cut.avro", self.saved[:200])

    def shell(self, command):
        """(statuses of all stages, what they reported)"""
        told = self.path("told")
        with open(self.path("access.log"), "rb") as lines:
            done = subprocess.run(
                ["bash", "-c", f'{command}\nstatuses=("${{PIPESTATUS[@]}}")\necho "${{statuses[*]}}" > told'],
                cwd=self.dir, env=self.environment, stdin=lines, capture_output=True, check=False,
                timeout=harness.HANG)
        with open(told) as file:
            statuses = file.read().strip()
        os.unlink(told)
        return statuses, done.stderr.decode(errors="replace").replace(self.dir, "DIR")

    def answers(self):
        """(subject, expected statuses, command, words, statuses, answer) of each."""
        for subject, rows in MISTAKES.items():
            for expected, command, *words in rows:
                if ".zst" in command and "access.log.zst" not in self.packed:
                    continue
                self.prepare()
                yield subject, expected, command, words, *self.shell(command)

    def test_each_is_answered(self):
        count = 0
        for subject, expected, command, words, statuses, answer in self.answers():
            count += 1
            with self.subTest(subject=subject, command=command):
                self.assertNotEqual(set(expected.split()), {"0"}, "no mistake ends well")
                self.assertEqual(statuses, expected, answer)
                for word in words:
                    self.assertIn(word, answer)
        print(f"{count} mistakes (--list prints them)")
        self.assertGreaterEqual(count, 60)

    def test_a_flume_file_keeps_flumes_rule(self):
        """What the command line refuses since it cannot be meant, and Flume takes."""
        for stage, properties in (
                ("fl-intercept regex_extractor",
                 "regex=ERROR\nserializers=s1\nserializers.s1.name=level\n"),
                ("fl-intercept static", "preserveExisting=true\n"),
                ("fl-intercept regex_filter", "excludeEvents=false\n"),
                ("fl-channel memory", "capacity=0\n"),
                ("fl-sink hdfs", f"hdfs.path=file://{self.dir}/out/100%\n")):
            with self.subTest(stage):
                self.write("properties", properties)
                reader = "" if "sink" in stage else " | fl-sink null --stream"
                statuses, answer = self.shell(f"{stage} --properties 3 3< properties{reader}")
                self.assertEqual(set(statuses.split()), {"0"}, answer)

    def print_list(self):
        subject = None
        for row in self.answers():
            if row[0] != subject:
                subject = row[0]
                print(f"\n== {subject}")
            print(f"\n$ {row[2]}\n[{row[4]}]")
            for line in row[5].splitlines():
                print(f"    {line}")


def print_list():
    case = Mistakes("print_list")
    result = unittest.TestResult()
    case.run(result)
    for _, text in result.errors:
        print(text)


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        print_list()
    else:
        harness.main()
