#!/usr/bin/env python3
"""Which options the programs that tests started were given, from what note_options.so noted.

usage: options_set.py [--judge] FOLDER     FOLDER: the notes, one file for each part
       options_set.py --list FOLDER        each option, and the parts that set it

Prints how many of all Flume properties were set, and by which parts. With --judge also those of each
component, and those that no part set: it fails if one of them is not in UNTESTED. Not counted are
programs that were only asked (--help, --print-command, --dry-run), and those that refused their options:
no value had its effect there.
"""
import collections
import glob
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "tools")]
import harness

# Properties that no test sets, and why none can.
UNTESTED = {}

QUESTIONS = {"-h", "--help", "--help-all", "--version", "--describe", "--check", "--print-command",
             "--dry-run"}


class Component:
    def __init__(self, declared, stage_options):
        self.kind, self.name = declared["kind"], declared["name"]
        self.options = declared["options"]
        self.typed = {}  # "--roll-size": its option, with those of every stage
        for option in stage_options + self.options:
            if not option["flume_only"]:
                for name in [option["name"], *option["aliases"]]:
                    self.typed[f"--{name}" if len(name) > 1 else f"-{name}"] = option
        # A secret is given by the name of a variable or a file.
        self.referred = {option["key"] + way: option["key"] for option in self.options
                         if option["secret"] or option["prefix"] for way in ("Env", "File")}

    def properties(self):
        return [option["key"] for option in self.options
                if not option["cli_only"] and not option["ignored"]]

    def title(self, key):
        return key if key.startswith(self.name + ".") else f"{self.name}.{key}"

    def set_by(self, words):
        """Keys that these arguments set, with those of every stage."""
        given, plain = set(), []
        words = iter(words)
        for word in words:
            name, equals, _ = word.partition("=")
            option = self.typed.get(name)
            if word == "--":
                plain += words
            elif option:
                given.add(option["key"])
                if not equals and not option["flag"]:
                    next(words, None)
            else:
                plain.append(word)
        for option in self.options:
            if not option["positional"] or (option["key"] in given and not option["repeated"]):
                continue
            taken = len(plain) if option["repeated"] else 1
            if plain[:taken]:
                given.add(option["key"])
            # `static NAME=VALUE` gives two options.
            if self.name == "static" and len(plain) == 1 and "=" in plain[0]:
                given.add("value")
            plain = plain[taken:]
        return {self.referred.get(key, key) for key in given}

    def set_in(self, text):
        """Keys that the properties of a Flume file set."""
        given = set()
        for row in re.sub(r"\\\n\s*", "", text).splitlines():
            match = re.match(r"\s*([^#!\s:=][^\s:=]*)\s*[\s:=]\s*\S", row)
            if match:
                given.add(match[1])
        found = set()
        for option in self.options:
            key = option["key"]
            if key in given or (option["prefix"] and any(each.startswith(key + ".")
                                                         for each in given)):
                found.add(key)
        return found


class Registry:
    """The components of the programs in BIN."""

    def __init__(self, folder=harness.BIN):
        self.tools = {}     # program: {a word for TYPE: its component}
        self.of_stage = {}  # program: {an option of every stage: it takes a value}
        self.components = []
        for path in sorted(glob.glob(os.path.join(folder, "fl-*"))):
            program = os.path.basename(path)
            if re.fullmatch(r"fl-(source|intercept|channel|sink)(-\w+)?", program):
                declared = json.loads(subprocess.run(
                    [path, "--generate", "options-json"], capture_output=True, check=True,
                    timeout=harness.HANG).stdout)
                self.add(program, declared)

    def add(self, program, declared):
        of_stage = declared["stage_options"]
        types = self.tools[program] = {}
        self.of_stage[program] = {f"--{name}": not option["flag"] for option in of_stage
                                  for name in [option["name"], *option["aliases"]]}
        for each in declared["components"]:
            component = Component(each, of_stage)
            self.components.append(component)
            for word in [each["name"], *each["aliases"]]:
                types[word] = component
        if declared["component"]:
            types[None] = self.components[-1]

    def split(self, program, words):
        """[(component, its arguments)] of a command line."""
        types = self.tools.get(program, {})
        if None in types:
            return [(types[None], words)]
        parts = [[]]
        for word in words:
            if word == "+" and program == "fl-intercept":
                parts.append([])
            else:
                parts[-1].append(word)
        found = []
        for part in parts:
            at = 0
            while at < len(part) and part[at].startswith("-"):
                takes_value = self.of_stage.get(program, {}).get(part[at], False)
                at += 2 if takes_value else 1
            # A program of its own notes itself.
            if at < len(part) and part[at] in types:
                found.append((types[part[at]], part[:at] + part[at + 1:]))
        return found

    def keys(self, run):
        """{(component, key)} that one run set."""
        words = run.words[1:]
        options = words[:words.index("--")] if "--" in words else words
        if run.refused or any(word in QUESTIONS or word.startswith("--generate")
                              for word in options):
            return set()
        found = set()
        for component, rest in self.split(os.path.basename(run.words[0]), words):
            keys = component.set_by(rest) | component.set_in(run.properties)
            found |= {(component, key) for key in keys}
        return found


class Run:
    def __init__(self, words, properties):
        self.words, self.properties, self.refused = words, properties, False


def read(path):
    """The runs that a file notes."""
    with open(path, "rb") as file:
        data = file.read()
    at, last, runs = 0, {}, []
    while at < len(data):
        end = data.index(b"\n", at)
        what, pid, *sizes = data[at:end].decode().split()
        at = end + 1
        if what == "refused":
            if pid in last:
                last[pid].refused = True
            continue
        words, properties = (int(size) for size in sizes)
        text = data[at:at + words + properties].decode(errors="surrogateescape")
        split = len(data[at:at + words].decode(errors="surrogateescape"))
        at += words + properties
        last[pid] = Run(text[:split].split("\0")[:-1], text[split:])
        runs.append(last[pid])
    return runs


def survey(registry, folder):
    """{(component, key): the parts that set it}, and how many runs there were."""
    parts, count = collections.defaultdict(set), 0
    for path in sorted(glob.glob(os.path.join(folder, "*"))):
        for run in read(path):
            count += 1
            for found in registry.keys(run):
                parts[found].add(os.path.basename(path))
    return parts, count


def report(registry, parts, is_long):
    """Prints it, and returns the names of the properties that no part set, and of all."""
    missing, names = [], []
    for component in registry.components:
        keys = component.properties()
        unset = [key for key in keys if not parts[component, key]]
        names += map(component.title, keys)
        missing += map(component.title, unset)
        if keys and is_long:
            print(f"{component.kind} {component.name}: {len(keys) - len(unset)} of {len(keys)} set" +
                  (f"; by no test: {', '.join(unset)}" if unset else ""))
    own = collections.Counter(part for (component, key), found in parts.items() for part in found
                              if key in component.properties())
    print("properties set by part: " + ", ".join(f"{part} {n}" for part, n in own.most_common()))
    print(f"Flume properties: {len(names) - len(missing)} of {len(names)} were set by a test")
    return missing, names


def main():
    words = sys.argv[1:]
    judged = "--judge" in words
    listed = "--list" in words
    words = [word for word in words if word not in ("--judge", "--list")]
    if len(words) != 1 or not os.path.isdir(words[0]):
        print(__doc__.strip(), file=sys.stderr)
        return 64
    registry = Registry()
    parts, count = survey(registry, words[0])
    if listed:
        for component in registry.components:
            for option in component.options:
                print(f"{component.title(option['key'])}\t"
                      f"{' '.join(sorted(parts[component, option['key']])) or 'BY NO TEST'}")
        return 0
    print(f"{count} runs of programs")
    missing, names = report(registry, parts, judged)
    for name, why in UNTESTED.items():
        print(f"not tested: {name}: {why}")
    faults = [f"no test sets {name}" for name in missing if name not in UNTESTED]
    faults += [f"{name} is in UNTESTED, but a test sets it" for name in UNTESTED
               if name in names and name not in missing]
    if not judged:
        print("0 passed, 0 failed, 0 skipped")
        return 0
    for fault in faults:
        print(f"FAIL {fault}")
    print(f"{0 if faults else 1} passed, {len(faults)} failed, 0 skipped")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
