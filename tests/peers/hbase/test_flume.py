#!/usr/bin/env python3
"""fl-sink hbase makes the cells that Flume's own serializers make (FlumeRows.java), byte for byte."""
import json
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tools"))
import harness
import hbase_gateway
import hbase_server
import maven

LIMIT = 240  # a JVM on a busy machine
FLUME = hbase_server.LIB.parent / "flume"
PACKAGE = "org.apache.flume.sink.hbase2."
REGEX, SIMPLE = "RegexHBase2EventSerializer", "SimpleHBase2EventSerializer"
BODIES = ["a,b", "", ",", "k,", "Key,Größe €😀", "x,y\nz,w", "AB,cd", "no comma", "1,2,3", " k , v ",
          "tab\t,\0nul", "\r,\n"]
REGEX_CASES = [
    {"regex": "(.*),(.*)", "colNames": "ROW_KEY,b", "rowKeyIndex": "0"},
    {"regex": "(.*?),(.*)", "colNames": "b,row_key", "rowKeyIndex": "1", "depositHeaders": "true"},
    {"regex": "([a-c]+),(.*)", "colNames": "ROW_KEY,c:d", "rowKeyIndex": "0", "regexIgnoreCase": "true"},
    {"regex": "(\\w+),(\\S+)", "colNames": "ROW_KEY,b", "rowKeyIndex": "0"},
    {"regex": "((.+),(.*))", "colNames": "whole,ROW_KEY,", "rowKeyIndex": "1"},
    {"regex": "((.+),(.*))", "colNames": ",ROW_KEY,b", "rowKeyIndex": "1"}]
SIMPLE_CASES = [
    {},
    {"payloadColumn": "p", "rowPrefix": "r-", "suffix": "random", "incrementRow": "sum", "incrementColumn": "n"},
    {"suffix": "nano", "incrementColumn": "n"}]


class Cells(harness.Case):
    @classmethod
    def setUpClass(cls):
        hbase_server.fetch()
        maven.fetch(HERE / "pom-flume.xml", FLUME, "Flume", hbase_server.skip)

    def flume(self, serializer, cases, bodies):
        """For each of the cases, its properties: ([(key, column, value)], [(key, column, n)] of increments)."""
        done = subprocess.run(
            [hbase_server.java(), "-cp", f"{hbase_server.LIB}/*:{FLUME}/*",
             str(HERE / "FlumeRows.java"), PACKAGE + serializer, *(body.encode().hex() for body in bodies)],
            input="".join("\t".join(f"{name}={value}" for name, value in properties.items()) + "\n"
                          for properties in cases).encode(),
            capture_output=True, timeout=LIMIT, check=False)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        found = [([], [])]
        for line in done.stdout.decode().splitlines():
            words = line.split(" ")
            if not line:
                found.append(([], []))
            elif words[0] == "+":
                found[-1][1].append((bytes.fromhex(words[1]), bytes.fromhex(words[2]), int(words[3])))
            else:
                found[-1][0].append(tuple(map(bytes.fromhex, words)))
        self.assertEqual(len(found), len(cases) + 1)
        return found[:-1]

    def ours(self, serializer, properties, bodies):
        with hbase_gateway.Gateway({"t": ["f"]}) as gateway:
            found = self.path("properties")
            with open(found, "w", encoding="utf-8") as file:
                file.write(f"table = t\ncolumnFamily = f\nrest = {gateway.url}\n"
                           f"serializer = {PACKAGE}{serializer}\n")
                file.writelines(f"serializer.{name} = {value}\n".replace("\\", "\\\\")
                                for name, value in properties.items())
            lines = "".join(json.dumps({"headers": {"h": str(i)}, "body": body}) + "\n"
                            for i, body in enumerate(bodies))
            done = subprocess.run(
                ["sh", "-c", "fl-source stdin --format json | fl-sink hbase --stream --reject "
                             f"rejects --properties 3 3< {found}"],
                input=lines.encode(), capture_output=True, env=self.env(), cwd=self.dir,
                timeout=LIMIT, check=False)
            self.assertEqual(done.returncode, 0, done.stderr.decode())
            cells = [(key, column, value) for (_, key), row in gateway.rows.items()
                     for column, versions in row.items() for value in versions.values()]
            return cells, [(key, column, n) for (_, key, column), n in gateway.counters.items()]

    def test_regex(self):
        # HBase takes no empty key.
        bodies = [body for body in BODIES if not re.match(",|.*,$", body)]
        for properties, theirs in zip(REGEX_CASES, self.flume(REGEX, REGEX_CASES, bodies)):
            with self.subTest(properties):
                if properties["colNames"].endswith(","):
                    self.assertTrue(self.ours_refuses(properties))
                    self.assertEqual(theirs, ([], []))
                    continue
                self.assertTrue(theirs[0])
                self.assertEqual(sorted(self.ours(REGEX, properties, bodies)[0]),
                                 sorted(theirs[0]))

    def ours_refuses(self, properties):
        """Flume stores nothing then, without a word."""
        done = subprocess.run(
            ["fl-sink", "hbase", "t", "--column-family", "f", "--rest", "http://127.0.0.1:1",
             "--serializer", "regex", "--regex", properties["regex"], "--col-names",
             properties["colNames"], "--dry-run"], stdin=subprocess.DEVNULL, capture_output=True,
            env=self.env(), timeout=LIMIT, check=False)
        return done.returncode == 78

    def test_regex_without_a_key(self):
        theirs = self.flume(REGEX, [{}], BODIES)[0][0]
        ours = self.ours(REGEX, {}, BODIES)[0]
        for cells in (theirs, ours):
            self.assertEqual([(column, value.decode()) for _, column, value in cells],
                             [(b"f:payload", body) for body in BODIES])
            for i, (key, _, _) in enumerate(cells):
                self.assertRegex(key, rb"^1[0-9]{12}-[0-9a-zA-Z]{10}-[0-9]+$")
                self.assertEqual(int(key.split(b"-")[2]) - int(cells[0][0].split(b"-")[2]), i)

    def test_simple(self):
        for properties, theirs in zip(SIMPLE_CASES, self.flume(SIMPLE, SIMPLE_CASES, BODIES)):
            with self.subTest(properties):
                ours = self.ours(SIMPLE, properties, BODIES)
                without_keys = [sorted((column, value) for _, column, value in cells)
                                for cells in (theirs[0], ours[0])]
                self.assertEqual(without_keys[1], without_keys[0])
                form = properties.get("rowPrefix", "default").encode() + {
                    "random": rb"-?[0-9]{10,19}", "nano": rb"[0-9]{10,19}",
                    "uuid": rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"}[
                        properties.get("suffix", "uuid")]
                for key, _, _ in theirs[0] + ours[0]:
                    self.assertRegex(key, b"^" + form + b"$")
                (key, column, _), = set(theirs[1])
                self.assertEqual(ours[1], [(key, column, len(BODIES))])


if __name__ == "__main__":
    harness.main()
