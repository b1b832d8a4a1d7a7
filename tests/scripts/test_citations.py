#!/usr/bin/env python3
"""No file cites a document that a reader of the repository does not have.

A document is a name that ends in .md, or one of the words by which notes outside the repository have
been cited ("DESIGN 3", "issue 7"). Pages are cited as fl-ack(7), whose source has to be in man/ or be
generated from a component.
"""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
sys.dont_write_bytecode = True
import harness

DOCUMENT = re.compile(r"[\w./-]*\w\.md\b(?! *=)")
NOTE = re.compile(r"\bDESIGN\b(?: \d+)?|\b[Ii]ssue #?\d+\b")
PAGE = re.compile(r"\b(fl-[\w-]+)\(([1-9])\)")
TEXTS = (".h", ".cpp", ".py", ".bats", ".bash", ".cmake", ".txt", ".scd", ".in", ".md", ".sh", "")
SELF = os.path.relpath(os.path.abspath(__file__), harness.ROOT)


def files_of_repository() -> list:
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=harness.ROOT,
                            capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        return [path for path in listed.stdout.splitlines() if os.path.isfile(os.path.join(harness.ROOT, path))]
    found = []  # a source tree without git
    for folder in ("common", "tools", "man", "tests", "scripts"):
        for top, _, names in os.walk(os.path.join(harness.ROOT, folder)):
            found += [os.path.relpath(os.path.join(top, name), harness.ROOT) for name in names]
    return found + ["README.md", "CHANGELOG.md", "CMakeLists.txt"]


def pages(files: list) -> set:
    """Names of pages: those in man/, and one for each registered component."""
    found = {os.path.basename(path).split(".")[0] for path in files
             if path.startswith("man/") or ".scd" in path}
    for path in files:
        if re.fullmatch(r"tools/fl-\w+/CMakeLists\.txt", path):
            with open(os.path.join(harness.ROOT, path)) as file:
                text = file.read()
            tool = path.split("/")[1]
            found |= {f"{tool}-{name}" for name in re.findall(r"fl_component\(\w+ (\w+)", text)}
    return found


def missing(path: str, text: str, files: set, known_pages: set) -> list:
    """What `text`, the file at `path`, cites and does not exist, as PATH:LINE: CITATION."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        cited = [m.group() for m in NOTE.finditer(line)]
        for match in DOCUMENT.finditer(line):
            name = os.path.normpath(match.group().lstrip("/"))
            beside = os.path.normpath(os.path.join(os.path.dirname(path), name))
            if name not in files and beside not in files:
                cited.append(match.group())
        cited += [m.group() for m in PAGE.finditer(line) if m.group(1) not in known_pages]
        found += [f"{path}:{number}: {what}" for what in cited]
    return found


class Citations(harness.Case):
    def test_every_cited_document_is_in_the_repository(self):
        files = files_of_repository()
        known = pages(files)
        found = []
        looked_at = 0
        for path in files:
            if path == SELF or os.path.splitext(path)[1] not in TEXTS:
                continue
            with open(os.path.join(harness.ROOT, path), errors="replace") as file:
                text = file.read(1 << 20)
            looked_at += 1
            found += missing(path, text, set(files), known)
        self.assertGreater(looked_at, 300)
        self.assertEqual(found, [], "give the reason itself, or cite a page or a README")

    def test_what_is_not_there_is_found(self):
        files = {"common/README.md", "common/a.h", "README.md"}
        known = {"fl-ack"}
        for text in ("// as flume/wire.md 4.1 says", "# style.md", "/// (DESIGN 3)", "// issue 9",
                     "// see tools/README.md", "// fl-nothing(7)"):
            self.assertEqual(len(missing("common/a.h", text, files, known)), 1, text)
        for text in ("// common/README.md, \"Threads\"", "// README.md", "// fl-ack(7)", "int designs;"):
            self.assertEqual(missing("common/a.h", text, files, known), [], text)


if __name__ == "__main__":
    harness.main()
