"""A built program and its declarations, for the tests of this folder."""

import json
import os
import subprocess
import sys

HANG_LIMIT_SECONDS = 60


class Program:
    def __init__(self, build, name):
        self.build = build
        self.name = name
        self.bin = os.path.join(build, "bin")
        output = subprocess.run([self.path, "--generate", "options-json"], capture_output=True,
                                check=True, timeout=HANG_LIMIT_SECONDS).stdout
        self.declared = json.loads(output)
        self.tool = self.declared["tool"]
        self.components = self.declared["components"]
        self.commands = self.declared["commands"]
        self.is_tool = self.declared["component"] == ""

    @property
    def path(self):
        return os.path.join(self.bin, self.name)

    def command(self, component=None):
        """How the component is run by its tool, which finds programs of their own."""
        words = [os.path.join(self.bin, self.tool)]
        return words + [component["name"]] if component else words

    def page(self, component=None):
        name = self.tool + ("-" + component["name"] if component else "")
        with open(os.path.join(self.build, "man", "man1", name + ".1")) as file:
            return file.read().replace("\\", "")


def run(command, **options):
    options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run(command, capture_output="stdout" not in options, text=True,
                          errors="replace",  # a stage that fails tells the next one, in binary
                          timeout=HANG_LIMIT_SECONDS, **options)


def visible(options):
    return [option for option in options if not option["ignored"] and not option["flume_only"]]


class Report:
    """Collects failures; a test shows all of them."""

    def __init__(self):
        self.checks = 0
        self.failures = []

    def check(self, holds, text):
        self.checks += 1
        if not holds:
            self.failures.append(text)

    def end(self):
        for failure in self.failures:
            print("FAILED:", failure)
        print(f"{self.checks} checks, {len(self.failures)} failed")
        sys.exit(1 if self.failures or self.checks == 0 else 0)
