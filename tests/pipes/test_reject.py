#!/usr/bin/env python3
"""Lines that are too long, at every stage that is declared: with --reject they are kept with the
reason and the others pass; without it the stage ends with 65 and delivers the others. A source that
has clients keeps nothing: they hear that a line was refused (ANSWERS). BLIND sources read no lines.
"""
import gzip
import json
import os
import shlex
import signal
import sys

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", folder)
                for folder in ("tools", "status")]
import harness
from matrix import SENDERS, STAGES, TOOLS, declared
from ports import free_port
from servers import Servers

LIMITS = ["--max-line", "10", "--max-event", "64KiB", "--long-line", "reject"]
LONG, HUGE = b"longer than ten", b"x" * 70000
LINES = [b"one", HUGE, b"two", LONG]
REASONS = ["a line of 70000 bytes is longer than --max-line (10); its first 65536 bytes are kept",
           "a line of 15 bytes is longer than --max-line (10)"]
# No line of text is read: numbers, records, rows.
BLIND = {("source", "seq"), ("source", "kafka"), ("source", "sql")}
# Events come with a client, which hears that its line was refused.
ANSWERS = {("source", "netcat"), ("source", "http"), ("source", "avro")}
# The ways in which a source is given its text.
WAYS = {("source", "stdin"): {"stdin": "stdin", "a file": "stdin $LINES",
                              "a packed file": "stdin --decompress auto $DIR/lines.gz"},
        ("source", "spooldir"): {"a file": "spooldir $SPOOL --once",
                                 "a packed file": "spooldir $DIR/packed --once --decompress auto",
                                 "with headers": "spooldir $SPOOL --once --file-header"}}


class Reject(harness.Case):
    @classmethod
    def setUpClass(cls):
        cls.declared, _ = declared()
        cls.servers = Servers()

    @classmethod
    def tearDownClass(cls):
        cls.servers.close()

    def fill(self, lines, last=b""):
        content = b"\n".join(lines) + last
        for name in ("spool", "packed", "dest"):
            os.mkdir(self.path(name))
        self.write("lines", content)
        self.write("spool/file", content)
        for name in ("lines.gz", "packed/file.gz"):
            self.write(name, gzip.compress(content, 1))

    def next(self, stage):
        """Nothing stays of what the stage has written, also in servers."""
        for name in os.listdir(self.dir):
            if name not in ("run", "home"):
                os.rename(self.path(name), self.path("home", f"{self._count}-{name}"))
        if stage in ("kafka", "avro", "http", "hbase"):
            self.servers.close()
            type(self).servers = Servers()

    def runs(self):
        """(kind, name, way, its words, whether it reads stdin) of all that read lines."""
        for kind, name in sorted(self.declared):
            if (kind, name) in BLIND | ANSWERS:
                continue
            run = STAGES[kind][name]["run"]
            if kind == "source":
                ways = WAYS.get((kind, name), {"its own": run})
            else:
                ways = {"stdin": run, "--in": "--in $LINES " + run}
            for way, words in ways.items():
                yield kind, name, way, words, way == "stdin"

    def words(self, kind, text, options):
        values = {"LINES": self.path("lines"), "SPOOL": self.path("spool"), "DIR": self.dir,
                  "DEST": self.path("dest"), "COUNT": "4", **self.servers.values}
        for name, value in sorted(values.items(), key=lambda item: -len(item[0])):
            text = text.replace("$" + name, value)
        return [TOOLS[kind], *options, *shlex.split(text)]

    def start(self, kind, name, words, options, from_stdin):
        """(the pipeline, the number of stages, its outputs)"""
        outs = [self.path(f"out{i}") for i in range(STAGES[kind][name].get("outputs", 0))]
        options = options + [word for out in outs for word in ("--out", out)]
        stages = [self.words(kind, words, options)]
        if kind != "sink" and not outs:
            stages.append("fl-sink stdout --stream")
        with open(self.path("lines") if from_stdin else os.devnull, "rb") as stdin:
            return self.pipeline(*stages, stdin=stdin), len(stages), outs

    def bodies(self, path):
        """(body, headers) of a stream in a file."""
        words = ["fl-sink", "stdout", "--format", "json", "--stream", "--in", path]
        shown = self.check(self.pipeline(words), 0)
        rows = [json.loads(row) for row in shown.output().splitlines()]
        return [(row["body"].encode(), row["headers"]) for row in rows]

    def passed(self, kind, name, pipeline, outs):
        """The lines that came through; None: nobody can know."""
        if outs:
            found = [[body for body, _ in self.bodies(out)] for out in outs]
            if STAGES[kind][name].get("copies"):
                self.assertEqual(found[0], found[1], name)
                return found[0]
            return sorted(found[0] + found[1])
        if kind != "sink":
            return pipeline.output().splitlines()
        servers = self.servers
        stored = {"avro": lambda: [body for _, body in servers.avro.events],
                  "http": lambda: b"".join(each.body for each in servers.web.taken).splitlines(),
                  "hbase": lambda: list(servers.hbase.order), "kafka": servers.kafka.values,
                  "null": lambda: None}
        if name in stored:
            return stored[name]()
        if name == "logger":
            return [row.split()[-2] for row in pipeline.output().splitlines()]
        if name == "stdout":
            return pipeline.output().splitlines()
        return sorted(harness.committed_lines(self.path("dest")))

    def test_each_stage_keeps_both_kinds_of_long_lines(self):
        tried = set()
        for kind, name, way, words, from_stdin in self.runs():
            with self.subTest(f"{kind} {name}, {way}"):
                self.fill(LINES)
                pipeline, count, outs = self.start(
                    kind, name, words, [*LIMITS, "--reject", self.path("bad.avro")], from_stdin)
                self.check(pipeline, *[0] * count)
                self.assertIn("2 events rejected and kept in", pipeline.errors(0))
                kept = self.bodies(self.path("bad.avro"))
                self.assertEqual([body for body, _ in kept], [HUGE[:65536], LONG])
                self.assertEqual([headers["fl.reject.reason"] for _, headers in kept], REASONS)
                self.assertEqual(["file" in headers for _, headers in kept],
                                 [way == "with headers"] * 2)
                passed = self.passed(kind, name, pipeline, outs)
                self.assertIn(passed, (None, [b"one", b"two"]))
                if name == "spooldir":
                    place = "packed" if "packed" in way else "spool"
                    self.assertTrue([each for each in os.listdir(self.path(place))
                                     if each.endswith(".COMPLETED")])
                tried.add((kind, name))
            self.next(name)
        self.assertEqual(tried | BLIND | ANSWERS, set(self.declared))
        print(f"{len(tried)} stages keep lines for {len(REASONS)} reasons")

    def test_without_a_place_the_stage_ends_with_65(self):
        tried = 0
        for kind, name, way, words, from_stdin in self.runs():
            if way == "--in":
                continue
            with self.subTest(f"{kind} {name}, {way}"):
                self.fill([b"one", LONG, b"two"], b"\n")
                pipeline, count, outs = self.start(kind, name, words, LIMITS, from_stdin)
                self.check(pipeline, *[65] * count)
                self.assertRegex(pipeline.errors(0), "longer than --max-line|line rejected: too long")
                self.assertIn("--reject FILE", pipeline.errors(0))
                self.assertIn(self.passed(kind, name, pipeline, outs), (None, [b"one", b"two"]))
                for place in ("spool", "packed"):
                    self.assertFalse([each for each in os.listdir(self.path(place))
                                      if each.endswith(".COMPLETED")])
                tried += 1
            self.next(name)
        print(f"{tried} runs end with 65")

    def test_a_client_hears_of_its_line(self):
        for kind, name in sorted(ANSWERS & set(self.declared)):
            with self.subTest(name):
                port = free_port()
                words = STAGES[kind][name]["run"].replace("$PORT", str(port))
                pipeline = self.pipeline(
                    [TOOLS[kind], *LIMITS, "--reject", self.path(f"{name}.avro"), *words.split()],
                    "fl-sink stdout --stream")
                send = SENDERS[STAGES[kind][name]["client"]]
                answered = send(port, [HUGE], lambda p=pipeline: p.processes[0].poll() is not None)
                self.assertEqual(answered, 0)
                pipeline.send(signal.SIGTERM, 0)
                self.check(pipeline, 0, 0)
                self.assertEqual(pipeline.output(), b"")
                self.assertRegex(pipeline.errors(0), r"exceeds --max-(line-length|event)")
                self.assertEqual(os.path.getsize(self.path(f"{name}.avro")), 0)


if __name__ == "__main__":
    harness.main()
