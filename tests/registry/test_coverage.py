#!/usr/bin/env python3
"""Counts which Flume properties and which exception classes of HDFS a test names.

usage: test_coverage.py [--list]      --list: shows what no test names, and where the rest is named

A property is every option that has a Flume key and is not ignored. It is named TYPE.KEY, or KEY
where that begins with TYPE (hdfs.rollSize). A test names it
  * by a line `Property: hdfs.rollSize` (several are separated by commas), or
  * by using its key, its option (--roll-size) or its member (.roll_size = ) close to the
    component's name.
An exception is named by its word, or by the text that tells it. Tests of this folder, which go over all of them, do not count.
"""
import glob
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "tools")]
import harness

TABLE = os.path.join(harness.ROOT, "common", "hadoop", "hdfs_error.cpp")
NEAR = 8  # lines between an option and the component's name


def components():
    for path in sorted(glob.glob(os.path.join(harness.BIN, "fl-*"))):
        if re.fullmatch(r"fl-(source|intercept|channel|sink)(-\w+)?", os.path.basename(path)):
            text = subprocess.run([path, "--generate", "options-json"], capture_output=True,
                                  check=True, timeout=harness.HANG).stdout
            yield from json.loads(text)["components"]


def full_name(component, key):
    return key if key.startswith(component + ".") else f"{component}.{key}"


def test_files():
    for folder, folders, names in os.walk(os.path.join(harness.ROOT, "tests")):
        folders[:] = [each for each in folders if each not in ("registry", "__pycache__")]
        for name in names:
            if name.endswith((".cpp", ".h", ".py", ".bats", ".bash", ".sh", "run", ".conf")):
                with open(os.path.join(folder, name), errors="replace") as file:
                    yield os.path.relpath(os.path.join(folder, name), harness.ROOT), file.read()


class Texts:
    """All tests, with the places of words in them."""

    def __init__(self):
        self.rows = {path: text.split("\n") for path, text in test_files()}
        self.marked = {}
        for path, rows in self.rows.items():
            for row in rows:
                match = re.search(r"Propert(?:y|ies): ([\w.,\- ]+)", row)
                for name in re.split(r",\s*", match.group(1).strip()) if match else []:
                    self.marked.setdefault(name.strip().rstrip("."), path)

    def property_place(self, component, key, option):
        name = full_name(component, key)
        if name in self.marked:
            return self.marked[name]
        ways = [rf"(?<![\w-])--{re.escape(option)}(?![\w-])",
                rf"\.{re.escape(option.replace('-', '_'))} = ",
                rf'"{re.escape(key)}"']
        if "." in key:
            ways.append(rf"(?<![\w]){re.escape(key)}(?!\w)")
        used = re.compile("|".join(ways))
        near = re.compile(rf"(?<![a-zA-Z]){component}(?![a-z])", re.I)
        for path, rows in self.rows.items():
            for i, row in enumerate(rows):
                if used.search(row) and (near.search(path) or any(
                        near.search(other) for other in rows[max(0, i - NEAR):i + NEAR + 1])):
                    return f"{path}:{i + 1}"
        return None

    def word_place(self, word):
        pattern = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)")
        for path, rows in self.rows.items():
            for i, row in enumerate(rows):
                if pattern.search(row):
                    return f"{path}:{i + 1}"
        return None


def answers():
    """Names of exceptions, and texts where no name tells, that the client knows by its table."""
    with open(TABLE) as file:
        rules = re.findall(r'Rule\{In::(\w+),\s*"([^"]+)"', file.read())
    return [f"exception {kind}" for kind, _ in rules], [word for _, word in rules]


def survey():
    """[(what, name, place or None)], sorted by component."""
    texts = Texts()
    found = []
    for component in components():
        for option in component["options"]:
            if not option["cli_only"] and not option["ignored"]:
                found.append((f"{component['kind']} {component['name']}",
                              full_name(component["name"], option["key"]),
                              texts.property_place(component["name"], option["key"],
                                                   option["name"])))
    return found, [(kind, word, texts.word_place(word)) for kind, word in zip(*answers())]


def count(found):
    return sum(place is not None for _, _, place in found), len(found)


class Coverage(harness.Case):
    def judge(self, found, what):
        self.assertGreater(len(found), 20, "the table was not found")
        for group in sorted({group for group, _, _ in found}):
            part = [each for each in found if each[0] == group]
            missing = [name for _, name, place in part if place is None]
            named, total = count(part)
            print(f"{group}: {named} of {total} named" +
                  (f"; by no test: {', '.join(missing)}" if missing else ""))
        named, total = count(found)
        print(f"{what}: {named} of {total} are named by a test")
        self.assertEqual(named, total)

    def test_each_property_is_named_by_a_test(self):
        self.judge(survey()[0], "Flume properties")

    def test_each_exception_class_is_named_by_a_test(self):
        self.judge(survey()[1], "exception classes")


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        for _, name, place in sum(survey(), []):
            print(f"{name}\t{place or 'BY NO TEST'}")
    else:
        harness.main()
