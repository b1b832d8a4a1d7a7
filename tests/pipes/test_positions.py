#!/usr/bin/env python3
"""pos and resume: a source that is killed before its own record goes on where the log below it is."""
import collections
import json
import os
import shutil
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tools"))
import harness

LOG = [sys.executable, os.path.join(HERE, "..", "tools", "position_log.py")]

# What is between the source and the log; it may add headers and drop lines.
MIDDLES = {
    "nothing": [],
    "a channel": ["fl-channel memory --stream"],
    "a channel of few events": ["fl-channel memory --stream --capacity 100"],
    "interceptors that drop and add":
        ["fl-intercept --stream regex_filter --invert 5$ + static a " + "x" * 200],
    "both": ["fl-intercept --stream timestamp", "fl-channel memory --stream"],
}


class Filled(harness.Case):
    def fill(self):
        """A large file and many small ones, in whatever order the source reads them."""
        shutil.rmtree(self.path("spool"), ignore_errors=True)
        lines = []
        for i in range(150):
            count = 40_000 if i == 20 else i % 5
            name = f"{i:03}"
            own = [f"{name}-{k}" for k in range(count)] or [""]  # an empty file is an empty event
            self.write("spool/" + name, "".join(line + "\n" for line in own) if count else "")
            lines += own
        return sorted(lines)

    def same(self, found, expected):
        """Both are sorted. Says how many are lost and doubled: a diff of so many takes minutes."""
        lost = collections.Counter(expected) - collections.Counter(found)
        more = collections.Counter(found) - collections.Counter(expected)
        self.assertEqual((lost.total(), more.total()), (0, 0),
                         f"lost: {sorted(lost)[:3]}, doubled: {sorted(more)[:3]}")


class Positions(Filled):
    def source(self, middle, *log):
        return self.pipeline("fl-source spooldir spool --once", *MIDDLES[middle],
                             [*LOG, self.path("log"), *log])

    def bodies(self):
        with open(self.path("log")) as file:
            return sorted(body for line in file for body in json.loads(line)["bodies"])

    def kill_at(self, middle, count, *log):
        for name in ("log", "log.reached"):
            if os.path.exists(self.path(name)):
                os.unlink(self.path(name))
        pipeline = self.source(middle, "--stop-at", str(count), *log)
        harness.poll(lambda: os.path.exists(self.path("log.reached")), "the log has enough")
        pipeline.kill()

    def test_a_kill_before_the_sources_own_record_doubles_nothing(self):
        for middle in MIDDLES:
            for count in (1, 30, 5_000, 30_000):
                with self.subTest(middle, count=count):
                    lines = self.fill()
                    self.kill_at(middle, count)
                    self.assertFalse([name for name in os.listdir(self.path("spool"))
                                      if name.endswith(".COMPLETED")], "nothing is acknowledged")
                    second = self.source(middle)
                    self.assertEqual(set(second.wait()), {0}, second.report())
                    if "drop" in middle:
                        lines = [line for line in lines if not line.endswith("5")]
                    self.same(self.bodies(), lines)
                    left = [name for name in os.listdir(self.path("spool"))
                            if not name.endswith(".COMPLETED") and not name.startswith(".")]
                    self.assertEqual(left, [])

    def test_without_resume_the_same_kill_doubles(self):
        lines = self.fill()
        self.kill_at("nothing", 5_000, "--no-resume")
        second = self.source("nothing", "--no-resume")
        self.assertEqual(set(second.wait()), {0}, second.report())
        self.assertGreater(len(self.bodies()), len(lines))

    def test_many_kills(self):
        lines = self.fill()
        for middle in MIDDLES:
            if "drop" in middle:
                continue
            already = len(self.bodies()) if os.path.exists(self.path("log")) else 0
            pipeline = self.source(middle, "--stop-at", str(already + 5_000))
            harness.poll(lambda: os.path.exists(self.path("log.reached")), "the log has enough")
            pipeline.kill()
            os.unlink(self.path("log.reached"))
        last = self.source("nothing")
        self.assertEqual(set(last.wait()), {0}, last.report())
        self.same(self.bodies(), lines)

    def test_a_file_that_was_changed_or_put_back_is_read_again(self):
        self.write("spool/a", "one\n")
        self.write("spool/b", "two\n")
        self.kill_at("nothing", 2)
        with open(self.path("spool", "a"), "a") as file:
            file.write("more\n")
        os.rename(self.path("spool", "b"), self.path("spool", "c"))
        second = self.source("nothing")
        self.assertEqual(second.wait(), [0, 0], second.report())
        self.assertEqual(self.bodies(), ["more", "one", "one", "two", "two"])

    def test_a_position_of_somebody_else_is_ignored(self):
        name = "spooldir:" + self.path("spool")
        for place in ("nonsense", "1.2.3.4@x@", "1.2.3.4@99999999999999999999@", "%00", "",
                      "1.2.3.4," * 200 + "1.2.3.4"):
            with self.subTest(place[:20]):
                lines = self.fill()
                with open(self.path("log"), "w") as file:
                    file.write(json.dumps({"bodies": [], "position": f"{name} {place}"}) + "\n")
                pipeline = self.source("nothing")
                self.assertEqual(pipeline.wait(), [0, 0], pipeline.report())
                self.same(self.bodies(), lines)


class InALog(Filled):
    """The same with fl-channel file: killed at any moment, nothing comes twice and all comes."""

    def events(self):
        out = self.pipeline(["fl-channel", "cat", self.path("log")])
        out.wait()
        return sorted(out.output().decode().split("\n")[:-1])

    def size(self):
        return sum(os.path.getsize(os.path.join(self.path("log"), name))
                   for name in os.listdir(self.path("log")) if name.endswith(".seg"))

    def run_log(self):
        return self.pipeline("fl-source spooldir spool --once",
                             ["fl-channel", "file", "--stream", "--put", self.path("log")])

    def killed_in_between(self):
        """True if a run could be killed before it had finished."""
        before = self.size() if os.path.exists(self.path("log")) else 0
        pipeline = self.run_log()
        grown = before + self.random.randrange(1, 30_000)
        harness.poll(lambda: os.path.exists(self.path("log")) and self.size() > grown
                     or pipeline.processes[0].poll() is not None, "the log grows")
        hit = pipeline.processes[0].poll() is None
        for process in self.random.sample(pipeline.processes, 2):
            process.kill()
        pipeline.wait()
        return hit

    def test_kills_while_the_log_syncs(self):
        kills = 0
        for _ in range(6):
            shutil.rmtree(self.path("log"), ignore_errors=True)
            lines = self.fill()
            kills += sum(self.killed_in_between() for _ in range(8))
            last = self.run_log()
            self.assertEqual(last.wait(), [0, 0], last.report())
            self.same(self.events(), lines)
        print(f"{kills} kills")
        self.assertGreater(kills, 0)

    def test_a_kill_after_each_call_of_the_log(self):
        lines = [f"{name}-{k}" for name in "abc" for k in range(3)]
        tracer = os.path.join(os.path.dirname(harness.BIN), "tests", "log", "kill_at")
        for count in range(1, 500):
            for name in ("log", "spool"):
                shutil.rmtree(self.path(name), ignore_errors=True)
            for name in "abc":
                self.write("spool/" + name, "".join(f"{name}-{k}\n" for k in range(3)))
            first = self.pipeline("fl-source spooldir spool --once",
                                  [tracer, str(count), "exit", self.path("report"), "fl-channel",
                                   "file", "--stream", "--put", self.path("log")])
            status = first.wait()[1]
            last = self.run_log()
            self.assertEqual(set(last.wait()) - {0}, set(), last.report())
            with self.subTest(count):
                self.same(self.events(), lines)
            if status == 0:
                break
        self.assertEqual(status, 0, "the log makes more calls than that")
        self.assertGreater(count, 15)


if __name__ == "__main__":
    harness.main()
