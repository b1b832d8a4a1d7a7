#!/usr/bin/env python3
"""What a stage says while and after it works: --explain, the status line, nothing where there is
nothing to say."""
import os
import re
import sys

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", folder)
                for folder in ("tools", "status")]
import harness
from matrix import SENDERS, STAGES, TOOLS, declared
from servers import Servers

DECLARED, _ = declared()


class Words(harness.Case):
    def setUp(self):
        super().setUp()
        self.servers = Servers()
        self.addCleanup(self.servers.close)

    def words(self, kind, name, options):
        """The stage with one line as its input."""
        run = STAGES[kind][name]["run"]
        for word, value in (("$SPOOL", "spool"), ("$LINES", "lines"), ("$COUNT", "1"), ("$DIR", self.dir),
                            *((f"${word}", value) for word, value in self.servers.values.items()),
                            ("file://$DEST", f"file://{self.path('dest')}"), ("$DEST", "dest")):
            run = run.replace(word, value)
        return f"{TOOLS[kind]} {options} {run}"

    def try_all(self, options):
        """(kind, name, what the stage said) of everyone that ends by itself."""
        for name in ("spool", "dest"):
            os.mkdir(self.path(name))
        self.write("lines", "x" * 99 + "\n")
        for kind, name in sorted(DECLARED):
            spec = STAGES[kind][name]
            if spec.get("client") in SENDERS:
                continue
            if spec.get("client") == "kafka":
                self.servers.close()  # a sink has written to the topic
                self.servers = Servers()
                self.addCleanup(self.servers.close)
                self.servers.kafka.fill(self.path("lines"))
            if spec.get("client") == "table":
                self.servers.mariadb.fill(self.path("lines"))
            self.write("spool/file", "x" * 99 + "\n")
            outs = "".join(f" --out out{i}" for i in range(spec.get("outputs", 0)))
            stages = [] if kind == "source" else ["fl-source exec -- echo [0]"]
            own = len(stages)
            stages.append(["sh", "-c", "exec " + self.words(kind, name, options + outs)])
            if kind != "sink" and not outs:
                stages.append("fl-sink null --stream")
            reader = os.open(self.path("lines"), os.O_RDONLY)
            pipeline = self.pipeline(*stages, stdin=reader)
            os.close(reader)
            self.check(pipeline, *[0] * len(stages))
            yield kind, name, pipeline.errors(own)
            os.rename(self.path("spool"), self.path(f"spool-{kind}-{name}"))
            os.mkdir(self.path("spool"))

    def test_explain_on_every_stage(self):
        tried = 0
        for kind, name, said in self.try_all("--explain"):
            with self.subTest(f"{kind} {name}"):
                self.assertEqual(said.count("an event counts as delivered when it is: "), 1, said)
                tried += 1
        print(f"{tried} stages")

    def test_the_last_line_of_every_stage(self):
        form = re.compile(r": 1 event, (\S+ \S+), 0:\d\d, (?:1 event|\d+ events)/s on average, 0 unacknowledged")
        for kind, name, said in self.try_all("--progress"):
            with self.subTest(f"{kind} {name}"):
                self.assertRegex(said, form)
                self.assertNotRegex(said, r"\b1 (files|outputs|events|sinks)\b")
                if name in ("seq",):
                    self.assertEqual(form.search(said)[1], "1 B")
                elif kind == "source":
                    self.assertEqual(form.search(said)[1], "99 B")

    def test_quiet_is_quiet_on_every_stage(self):
        for kind, name, said in self.try_all("-q"):
            with self.subTest(f"{kind} {name}"):
                self.assertEqual(said, "")

    def test_a_run_without_work_is_silent(self):
        os.mkdir(self.path("spool"))
        pipeline = self.pipeline("fl-source spooldir spool --once", "fl-intercept ts --stream",
                                 f"fl-sink hdfs --stream file://{self.out}")
        self.check(pipeline, 0, 0, 0)
        self.assertEqual([pipeline.errors(i) for i in range(3)], [""] * 3)
        self.write("spool/a", "1\n")
        pipeline = self.pipeline("fl-source spooldir spool --once", "fl-sink null --stream")
        self.check(pipeline, 0, 0)
        self.assertIn("1 file, 1 event, 0 left", pipeline.errors(0))


if __name__ == "__main__":
    harness.main()
