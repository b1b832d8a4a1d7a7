#!/usr/bin/env python3
"""tools/README.md step by step: its files are compiled into a scratch folder, with the flags and
libraries of this build, and its commands run. And what common/README.md names exists, each step once.
"""
import json
import os
import re
import shlex
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
sys.dont_write_bytecode = True
import harness

BUILD = os.path.dirname(harness.BIN)
LIMIT = 300  # seconds for one compiler; it takes five when the machine is idle


def page(name: str) -> str:
    with open(os.path.join(harness.ROOT, name)) as file:
        return file.read()


def blocks(text: str, language: str) -> list:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


class ComponentGuide(harness.Case):
    def run_words(self, words, **more):
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=LIMIT, check=False, **more)
        self.assertEqual(done.returncode, 0, f"{words}\n{done.stdout}")
        return done.stdout

    def compile(self, source: str) -> str:
        """Compiles a file of the scratch tree as null.cpp is compiled; returns the object."""
        with open(os.path.join(BUILD, "compile_commands.json")) as file:
            entry = next(e for e in json.load(file) if e["file"].endswith("fl-sink/null.cpp"))
        words = shlex.split(entry["command"])
        words = words[:words.index("-o")] + ["-I" + self.path("tree")]
        words = [word for word in words if word not in ("-c",)]
        if "-include" in words:  # precompiled headers: the page's code has to include what it needs
            at = words.index("-include")
            del words[at:at + 2]
        target = source + ".o"
        self.run_words([*words, "-O0", "-o", target, "-c", source], cwd=BUILD)
        return target

    def link_words(self) -> list:
        """How this build links fl-sink."""
        ninja = subprocess.run(["ninja", "-C", BUILD, "-t", "commands", "fl-sink"], timeout=60,
                               capture_output=True, text=True, check=True).stdout.splitlines()
        words = shlex.split(ninja[-1])
        return words[words.index("&&") + 1:-2]

    def test_the_steps_lead_to_a_sink_and_a_green_test(self):
        text = page("tools/README.md")
        component, test = blocks(text, "cpp")
        (line,) = blocks(text, "cmake")
        kind, name = re.fullmatch(r"fl_component\((\w+) (\w+)\)\n", line).groups()
        source = self.write(f"tree/tools/fl-sink/{name}.cpp", component)

        # What fl_component() generates, for this one and the null sink.
        template = page("scripts/cmake/registry.cpp.in")
        both = (name, "null")
        registry = template.replace("@declarations@", "".join(
            f"ComponentType {one}_{kind}();\n" for one in both))
        registry = registry.replace("@calls@", "".join(f"      {one}_{kind}(),\n" for one in both))
        registry = registry.replace("@command_calls@", "").replace("@absent@", "")
        generated = self.write("tree/registry.cpp", registry)

        objects = [self.compile(source), self.compile(generated)]
        link = self.link_words()
        out = link.index("-o")
        libraries = link[out + 2:]
        main = next(word for word in link if word.endswith("main.cpp.o"))
        compiler = link[:next(i for i, word in enumerate(link) if word.endswith(".o"))]
        os.makedirs(self.path("bin"))
        self.run_words([*compiler, main, *objects, "-o", self.path("bin/fl-sink"), *libraries],
                       cwd=BUILD)

        env = self.env()
        env["PATH"] = self.path("bin") + ":" + env["PATH"]
        os.makedirs(self.path("here"))
        for command in blocks(text, "sh")[0].splitlines():
            self.run_words(["bash", "-o", "pipefail", "-c", command], cwd=self.path("here"), env=env)

        test_object = self.compile(self.write("tree/append_test.cpp", test))
        self.run_words([*compiler, test_object, objects[0], "-o", self.path("unit"), *libraries,
                        "-lgtest_main", "-lgtest", "-lpthread"], cwd=BUILD)
        said = self.run_words([self.path("unit")])
        self.assertIn("[  PASSED  ] 1 test", said)


NAME = re.compile(r"`([A-Z]\w+)::(\w+)(?:\(\))?`")


def sources() -> str:
    """All of common/ but comments."""
    text = ""
    for top, _, names in os.walk(os.path.join(harness.ROOT, "common")):
        for name in names:
            if name.endswith((".h", ".cpp")):
                with open(os.path.join(top, name)) as file:
                    text += re.sub(r"//.*", "", file.read())
    return text


class Architecture(unittest.TestCase):
    def test_every_function_and_type_that_is_named_exists(self):
        code = sources()
        for name in ("common/README.md", "tools/README.md"):
            for kind, member in NAME.findall(page(name)):
                self.assertRegex(code, rf"\b(class|struct) {kind}\b", f"{name}: {kind}")
                # Defined out of line, or within a class that has it.
                if f"{kind}::{member}" not in code:
                    bodies = re.findall(rf"^(?:class|struct) {kind}\b[^;{{]*\{{(.*?)^\}};", code,
                                        re.M | re.S)
                    self.assertTrue(any(re.search(rf"\b{member}\b", body) for body in bodies),
                                    f"{name}: {kind}::{member}")

    def test_no_step_of_a_walk_is_taken_twice(self):
        text = page("common/README.md")
        for title, least in (("A block's way down", 15), ("An acknowledgement's way up", 12)):
            part = text.split(f"## {title}\n")[1].split("\n## ")[0]
            steps = re.findall(r"^\d+\. `([\w:]+)`", part, re.M)
            self.assertGreaterEqual(len(steps), least, title)
            self.assertEqual(len(set(steps)), len(steps), title)

    def test_the_layers_are_those_that_are_checked(self):
        text = page("scripts/check")
        checked = set(re.findall(r"^  \[(\w+)\]=", text, re.M))
        rows = re.findall(r"^\| ((?:`\w+` ?)+)\|", page("common/README.md"), re.M)
        named = set(re.findall(r"`(\w+)`", " ".join(rows)))
        folders = {entry.name for entry in os.scandir(os.path.join(harness.ROOT, "common"))
                   if entry.is_dir()}
        self.assertEqual(named, folders)
        self.assertLessEqual(checked, named)


if __name__ == "__main__":
    harness.main()
