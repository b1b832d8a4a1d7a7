#!/usr/bin/env python3
"""Counts which exception classes of HDFS a test names: by the word, or by the text that tells it.

usage: test_exceptions.py [--list]      --list: shows where each is named
Which Flume properties tests set is counted while they run: options_set.py.
"""
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "tools")]
import harness

TABLE = os.path.join(harness.ROOT, "common", "hadoop", "hdfs_error.cpp")


def test_files():
    """(path, its lines); tests of this folder do not count."""
    for folder, folders, names in os.walk(os.path.join(harness.ROOT, "tests")):
        folders[:] = [each for each in folders if each not in ("registry", "__pycache__")]
        for name in names:
            if name.endswith((".cpp", ".h", ".py", ".bats", ".bash", ".sh", "run", ".conf")):
                with open(os.path.join(folder, name), errors="replace") as file:
                    yield os.path.relpath(os.path.join(folder, name), harness.ROOT), file.readlines()


def survey():
    """[(kind, word, place or None)] of what the client knows by its table: names of exceptions, and
    texts where no name tells."""
    with open(TABLE) as file:
        rules = re.findall(r'Rule\{In::(\w+),\s*"([^"]+)"', file.read())
    files = list(test_files())
    found = []
    for kind, word in rules:
        pattern = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)")
        places = (f"{path}:{i}" for path, rows in files for i, row in enumerate(rows, 1)
                  if pattern.search(row))
        found.append((kind, word, next(places, None)))
    return found


class Exceptions(harness.Case):
    def test_each_is_named_by_a_test(self):
        found = survey()
        self.assertGreater(len(found), 20, "the table was not found")
        missing = [word for _, word, place in found if place is None]
        print(f"exception classes: {len(found) - len(missing)} of {len(found)} are named by a test")
        self.assertEqual(missing, [])


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        for kind, word, place in survey():
            print(f"{kind}: {word}\t{place or 'BY NO TEST'}")
    else:
        harness.main()
