#!/usr/bin/env python3
"""What a component needs and is not given: for each component without arguments, and with each word
of its trial left out, it works all the same, or it ends with 64, names what is missing and shows an
example.
"""
import glob
import os
import re
import shlex
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "tools")]
import harness
from program import Program
from trials import TRIALS

# Without a path it asks Hadoop's configuration, which may name a file system: 78.
ASKS_THE_SYSTEM = {("sink", "hdfs")}
WORDS = {"$LINES": "lines", "$COUNT": "3", "$PORT": "1", "$OUT1": "one", "$OUT2": "two", "$PWD": "/tmp"}


def programs():
    for path in sorted(glob.glob(os.path.join(harness.BIN, "fl-*"))):
        if re.fullmatch(r"fl-(source|intercept|channel|sink)(-\w+)?", os.path.basename(path)):
            yield Program(os.path.dirname(harness.BIN), os.path.basename(path))


def pieces(words: list) -> list:
    """The words, an option together with its value."""
    found = []
    for i, word in enumerate(words):
        if word == "--":
            return found + [words[i:]]      # a command or a chain
        if found and found[-1][0].startswith("--") and len(found[-1]) == 1 and not word.startswith("--"):
            found[-1].append(word)
        else:
            found.append([word])
    return found


class Missing(harness.Case):
    def setUp(self):
        super().setUp()
        self.write("lines", b"0\n1\n2\n")
        for name in ("spool", "rolled"):
            os.mkdir(self.path(name))
        self.count = self.refused = 0

    def answer(self, tool: str, words: list):
        done = subprocess.run([os.path.join(harness.BIN, tool), *words], capture_output=True, check=False,
                              env=self.env(), cwd=self.dir, stdin=subprocess.DEVNULL,
                              timeout=harness.HANG, text=True, errors="replace")
        self.count += 1
        return done.returncode, done.stderr

    def judge(self, tool: str, kind: str, name: str, words: list, named=None, strict=True):
        status, said = self.answer(tool, [name, *words, "--dry-run"] if "--" not in words else
                                   [name, "--dry-run", *words])
        if named is None and status in (0, 69):     # 69: it would do, but nobody answers at $PORT
            return
        with self.subTest(f"{tool} {name} {shlex.join(words)}"):
            if status == 78 and (kind, name) in ASKS_THE_SYSTEM:
                return
            self.refused += 1
            self.assertEqual(status, 64, said)
            self.assertIn(named or "", said)
            if not strict:      # what is left may be a contradiction
                self.assertRegex(said, rf"{tool} {name} [^'\n]*\w|--(?!help)[a-z-]+")
                return
            self.assertRegex(said, r"is missing|no --out is given|no command")
            # An example that can be typed: a call of it, or its outputs.
            self.assertRegex(said, rf"{tool} {name} [^'\n]*\w|--out >\(")

    def test_each_without_arguments(self):
        for program in programs():
            for component in program.components:
                required = [option for option in component["options"] if option["required"]]
                named = None
                if required:
                    first = required[0]
                    named = first["metavar"] if first["positional"] else "--" + first["name"]
                self.judge(program.tool, component["kind"], component["name"], [], named)
        print(f"{self.count} calls, {self.refused} refused")
        self.assertGreater(self.refused, 15)

    def test_each_word_of_a_call_left_out(self):
        for program in programs():
            for component in program.components:
                kind, name = component["kind"], component["name"]
                run = TRIALS[kind][name]["run"]
                for variable, value in WORDS.items():
                    run = run.replace(variable, value)
                parts = pieces(shlex.split(run)[1:])
                for left in range(len(parts)):
                    words = [word for i, part in enumerate(parts) if i != left for word in part]
                    self.judge(program.tool, kind, name, words, strict=False)
        print(f"{self.count} calls, {self.refused} refused")
        self.assertGreater(self.refused, 20)

    def test_each_required_option_left_out(self):
        values = {"regex": "(x)"}
        for program in programs():
            for component in program.components:
                required = [option for option in component["options"] if option["required"]]
                if len(required) < 2:
                    continue
                for left in required:
                    words = []
                    for option in required:
                        if option is not left:
                            words += ["--" + option["name"], values.get(option["name"], "x")]
                    named = left["metavar"] if left["positional"] else "--" + left["name"]
                    self.judge(program.tool, component["kind"], component["name"], words, named)
        print(f"{self.count} calls, {self.refused} refused")
        self.assertGreater(self.refused, 3)

    def test_each_subcommand_without_arguments(self):
        for program in programs():
            for command in program.commands:
                required = [option for option in command["options"] if option["required"]]
                if not required:
                    continue
                with self.subTest(f"{program.tool} {command['name']}"):
                    status, said = self.answer(program.tool, [command["name"]])
                    self.assertEqual(status, 64, said)
                    self.assertIn(f"{required[0]['metavar']} is missing", said)
                    self.assertRegex(said, rf"for example: {program.tool} {command['name']} \S")
        self.assertGreater(self.count, 4)


if __name__ == "__main__":
    harness.main()
