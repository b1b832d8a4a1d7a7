"""The recipes of fl-tables(7), whose commands the tests in tests/peers run as the page shows them.

    recipe = recipes.Recipe("AN ACCESS LOG INTO HBASE")
    recipe.text("fl-sink hbase", {"http://gateway:8080": url})   # the block with these words, filled in
    recipe.statements("CREATE TABLE")                            # one of SQL, cut at each semicolon
    recipe.crontab("MAILTO")                                     # ({"PATH": ...}, the command)
    recipe.unused()                                              # blocks that nobody has taken
"""
import os
import re
import sys

import harness
import mariadb_server

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "docs"))
import pages  # noqa: E402

PAGE = "man/fl-tables.7.scd"


def sections():
    """{heading: its blocks}"""
    parts = re.split(r"^# (.*)\n", pages.read(PAGE), flags=re.M)[1:]
    found = {heading: pages.blocks_of(text) for heading, text in zip(parts[::2], parts[1::2])}
    return {heading: blocks for heading, blocks in found.items() if blocks}


def missing():
    """What a recipe with MySQL lacks here, "" if nothing. With CI=true it fails instead."""
    if os.environ.get("CI") == "true":
        return ""
    has_source = os.access(os.path.join(harness.BIN, "fl-source-sql"), os.X_OK)
    return "" if mariadb_server.PROGRAM and has_source else "no mariadbd, or fl-source sql was not built"


class Recipe:
    def __init__(self, heading):
        self.blocks = sections()[heading]
        self.used = set()

    def text(self, words, places=None):
        """The one block that has these words, with what is the test's own in the places named."""
        found = [block for block in self.blocks if words in block]
        if len(found) != 1:
            raise AssertionError(f"{len(found)} blocks with '{words}'")
        self.used.add(found[0])
        text = found[0]
        for old, new in (places or {}).items():
            if old not in text:
                raise AssertionError(f"no '{old}' in {text!r}")
            text = text.replace(old, new)
        return text

    def statements(self, words, places=None):
        return [part.strip() for part in self.text(words, places).split(";") if part.strip()]

    def crontab(self, words, places=None):
        """As cron takes it: the settings, and the command of the one line."""
        rows = self.text(words, places).splitlines()
        command = rows[-1].split(maxsplit=5)[5]
        if re.search(r"(?<!\\)%", command):
            raise AssertionError(f"cron ends the command at %: {command}")
        return dict(row.split("=", 1) for row in rows[:-1]), command.replace("\\%", "%")

    def unused(self):
        return [block for block in self.blocks if block not in self.used]
