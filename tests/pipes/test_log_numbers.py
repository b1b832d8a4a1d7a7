#!/usr/bin/env python3
"""The numbers that events have in a log travel with them, are never wrong, and stop where a stage
drops, multiplies or splits events. And a second log further down doubles nothing after kills."""
import json
import os
import random
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "tools"), os.path.join(HERE, "..", "registry")]
import harness
import kafka_mock
from harness import poll
from trials import TRIALS

READER = [sys.executable, os.path.join(HERE, "..", "tools", "number_reader.py")]
POSITION_LOG = [sys.executable, os.path.join(HERE, "..", "tools", "position_log.py")]

# Every interceptor and channel: whether numbers pass through it.
KEEPS = {
    "interceptor": {"timestamp": True, "host": True, "json": True, "static": True,
                    "remove_header": True, "uuid": True, "search_replace": True,
                    "regex_extractor": True, "regex_filter": False, "exec": False},
    "channel": {"memory": True, "file": True, "kafka": False, "replicate": False, "multiplex": False,
                "balance": False},
}
TOOLS = {"interceptor": "fl-intercept", "channel": "fl-channel"}


class Logged(harness.Case):
    def setUp(self):
        super().setUp()
        self.log = self.path("log")

    def put(self, count: int, log: str = "log") -> None:
        self.check(self.pipeline(["fl-source", "seq", "--count", str(count)],
                                 ["fl-channel", "file", self.path(log), "--put"]), 0, 0)

    def ask(self, command: str, *more: str, log: str = "log", status: int = 0) -> str:
        result = subprocess.run(["fl-channel", command, self.path(log), *more], env=self.env(),
                                capture_output=True, timeout=harness.HANG, check=False)
        self.assertEqual(result.returncode, status, result.stderr.decode())
        return result.stdout.decode()

    def of_cat(self, status: int = 0, log: str = "log") -> dict:
        """The number of each body, as fl-channel cat prints it."""
        rows = self.ask("cat", "--format", "json", log=log, status=status).splitlines()
        return {json.loads(row)["body"]: str(json.loads(row)["number"]) for row in rows}

    def identity(self, log: str = "log") -> str:
        return json.loads(self.ask("ls", "--format", "json", log=log))["log"]

    def take(self, *middles, take=(), status=(0,)) -> list:
        """(headers, events) as number_reader.py prints them."""
        pipeline = self.pipeline(["fl-channel", "file", self.log, "--take", "--once", *take],
                                 *middles, READER)
        self.check(pipeline, *(status * (2 + len(middles)))[:1 + len(middles)],
                   *(75 if status[0] else 0 for _ in "r"))
        rows = [row.split(" ") for row in pipeline.output().decode().splitlines()]
        return ([row[1:] for row in rows if row[0] == "HEADER"],
                [row for row in rows if row[0] != "HEADER"])


class Numbers(Logged):
    def test_they_are_those_of_cat(self):
        self.put(3000)
        self.take()
        self.put(2000)
        headers, events = self.take()
        log = self.identity()
        self.assertEqual(headers, [[log, "3000"]])
        self.assertEqual([row[0] for row in events], [log] * 2000)
        self.assertEqual([row[1] for row in events], [str(n) for n in range(3000, 5000)])
        headers, events = self.take(take=["--group", "other", "--from", "2990"])
        self.assertEqual(headers, [[log, "2990"]])
        known = json.loads(self.ask("cat", "--format", "json", "--from", "2990", "--count", "1"))
        self.assertEqual([log, str(known["number"]), known["body"]], events[0])

    def test_which_stages_keep_them(self):
        known = {kind: set(TRIALS[kind]) for kind in TOOLS}
        self.assertEqual(known, {kind: set(KEEPS[kind]) for kind in TOOLS})
        self.put(500)
        log = self.identity()
        for kind, components in KEEPS.items():
            for name, keeps in components.items():
                with self.subTest(component=name):
                    if os.path.exists(self.path("log", "groups", "default")):
                        self.ask("groups", "--group", "default", "--to", "0")
                    self.try_stage(kind, name, keeps, log)

    def try_stage(self, kind: str, name: str, keeps: bool, log: str) -> None:
        run = TRIALS[kind][name]["run"]
        ends, out = "", ""
        if "$OUT" in run:
            run = run.replace("$OUT1", "one").replace("$OUT2", "two")
            for fifo in ("one", "two"):
                os.mkfifo(self.path(fifo))
            ends = " & cat two | fl-sink null --stream & cat one"
            out = " --stream"
        elif name == "file":
            run = run.replace("file log", "file second")
        elif name == "kafka":
            cluster = kafka_mock.Cluster()
            self.addCleanup(cluster.close)
            run = run.replace("127.0.0.1:$PORT", cluster.address)
        script = (f"fl-channel file log --take --once | {TOOLS[kind]} {run}"
                  f"{'' if ' -- ' in run else ' --stream'}{ends}")
        if ' -- ' in run:
            script = script.replace(run, run.replace(" -- ", " --stream -- "))
        script += " | " + " ".join(READER)
        # Those in the background, too: the first stage has the log's group until it ends.
        pipeline = self.pipeline(["bash", "-c", script + "; wait"])
        pipeline.wait()
        rows = [row.split(" ") for row in pipeline.output().decode().splitlines()]
        for fifo in ("one", "two"):
            if os.path.exists(self.path(fifo)):
                os.unlink(self.path(fifo))
        self.assertEqual(rows[0][0], "HEADER", pipeline.report())
        events = rows[1:]
        self.assertGreater(len(events), 0, pipeline.report())
        if name == "file":
            log = self.identity("second")  # numbers of its own
        if not keeps:
            self.assertEqual(rows[0][1:], ["-", "-"])
            self.assertEqual({(row[0], row[1]) for row in events}, {("-", "-")})
            return
        self.assertEqual(rows[0][1:], [log, "0"])
        self.assertEqual([row[:2] for row in events], [[log, str(n)] for n in range(500)])

    def test_a_gap_is_announced_with_its_number(self):
        for i in range(4):
            self.put(1000)
        segment = self.path("log", "0" * 20 + ".seg")
        with open(segment, "r+b") as file:
            content = file.read()
            at = content.index(b"500", content.index(b"999") + 1)  # in the second record
            file.seek(at)
            file.write(b"x")
        rows = self.ask("cat", "--format", "json", status=65).splitlines()
        known = [[str(json.loads(row)["number"]), json.loads(row)["body"]] for row in rows]
        self.assertLess(len(known), 4000)
        for middles in ((), ("fl-intercept ts --stream", "fl-channel memory --stream")):
            with self.subTest(middles=middles):
                headers, events = self.take(*middles, take=["--group", f"g{len(middles)}"],
                                            status=(65,))
                self.assertEqual([row[1:] for row in events], known)
                self.assertEqual(headers, [[self.identity(), "0"]])

    def test_a_skipped_event_leaves_its_number(self):
        self.put(10)
        self.take(take=["--group", "a"])
        self.ask("groups", "--group", "a", "--to", "3")
        self.assertEqual(self.ask("groups", "--group", "a", "--skip", "1"),
                         "group 'a': next event 4, 1 event skipped: 3\n")
        headers, events = self.take(take=["--group", "a"])
        self.assertEqual(headers, [[self.identity(), "4"]])
        self.assertEqual([row[1:] for row in events], [[str(n), str(n)] for n in range(4, 10)])

    def test_a_dead_letter_leaves_its_number(self):
        lines = self.write("lines", "".join(
            f'{{"n":{i}}}\n' if i % 7 else f"{i}\n" for i in range(1000)))
        self.check(self.pipeline(["fl-source", "stdin", lines],
                                 ["fl-channel", "file", self.log, "--put"]), 0, 0)
        known = self.of_cat()
        _, events = self.take("fl-intercept json n --required --reject bad.avro --stream")
        self.assertEqual(len(events), 1000 - 143)
        for _, number, body in events:
            self.assertEqual(known[body], number)

    def test_several_inputs_have_none(self):
        self.put(10)
        for name in ("a", "b"):
            os.mkfifo(self.path(name))
        takers = [self.pipeline(["fl-channel", "file", self.log, "--take", "--once", "--group",
                                 name, "--out", self.path(name)]) for name in ("a", "b")]
        merged = self.pipeline("fl-intercept ts --stream --in a --in b", READER)
        self.check(merged, 0, 0)
        for taker in takers:
            self.check(taker, 0)
        rows = [row.split(" ") for row in merged.output().decode().splitlines()]
        self.assertEqual(rows[0], ["HEADER", "-", "-"])
        self.assertEqual({row[0] for row in rows[1:]}, {"-"})
        self.assertEqual(len(rows), 21)

    def to_outputs(self, *names: str) -> list:
        """What the readers of `--out NAME`... print of 1000 events that are put when all listen."""
        outs, readers = [], []
        for name in names:
            os.mkfifo(self.path(name))
            outs += ["--out", self.path(name)]
        taker = self.pipeline(["fl-channel", "file", self.log, "--take", *outs])
        for name in names:
            readers.append(self.pipeline(["sh", "-c", f'exec "$@" < "{self.path(name)}"', "sh", *READER]))
        poll(lambda: all(b"HEADER" in reader.output() for reader in readers), "their headers")
        self.put(1000)
        poll(lambda: sum(reader.output().count(b"\n") for reader in readers) == 1000 + len(names), "all")
        taker.send(signal.SIGTERM)
        self.check(taker, 0)
        for reader in readers:
            self.check(reader, 0)
        return [[row.split(" ") for row in reader.output().decode().splitlines()] for reader in readers]

    def test_with_several_outputs_there_are_none(self):
        self.put(0)
        log = self.identity()
        rows, = self.to_outputs("a")
        self.assertEqual([row[:2] for row in rows[1:]], [[log, str(n)] for n in range(1000)])
        both = self.to_outputs("b", "c")
        for rows in both:
            self.assertEqual(rows[0], ["HEADER", "-", "-"])
            self.assertLessEqual({tuple(row[:2]) for row in rows[1:]}, {("-", "-")})
        self.assertEqual(sorted(int(row[2]) for rows in both for row in rows[1:]), list(range(1000)))

    def test_where_nobody_hears_of_gaps_there_are_none(self):
        self.put(10)
        saved = self.path("saved.avro")
        self.check(self.pipeline(["fl-channel", "file", self.log, "--take", "--once", "--out",
                                  saved]), 0)
        with open(saved, "rb") as file:
            self.assertNotIn(b"fl.log", file.read())
        pipeline = self.pipeline(["fl-channel", "file", self.log, "--take", "--once", "--group",
                                  "b", "--ack=off"], "cat")
        self.check(pipeline, 0, 0)
        self.assertNotIn(b"fl.log", pipeline.output())

    def test_over_a_socket_they_begin_with_the_event_that_comes(self):
        self.put(2000)
        taker = self.pipeline(["fl-channel", "file", self.log, "--take", "--once", "--out",
                               "unix:" + self.path("x.sock")])
        reader = self.pipeline(["python3", os.path.join(HERE, "..", "tools", "listen_once.py"),
                                self.path("x.sock"), *READER])
        self.check(taker, 0)
        self.check(reader, 0)
        rows = [row.split(" ") for row in reader.output().decode().splitlines()]
        self.assertEqual(rows[0][1:], [self.identity(), "0"])
        self.assertEqual([row[1:] for row in rows[1:]], [[str(n), str(n)] for n in range(2000)])


class Chain(Logged):
    """Two logs, one after the other."""

    def chain(self, *more: str):
        return self.pipeline(["fl-channel", "file", self.log, "--take", *more],
                             "fl-intercept ts --stream",
                             ["fl-channel", "file", self.path("second"), "--put", "--stream"])

    def test_a_killed_chain_doubles_nothing(self):
        count = 300_000
        self.put(count)
        seed = int(os.environ.get("FL_TEST_SEED", "20240229"))
        rng = random.Random(seed)
        bodies = [str(n) for n in range(count)]
        for _ in range(8):
            pipeline = self.chain("--window", "64K")
            heads = {self.head()}
            steps = rng.randrange(1, 8)
            poll(lambda: self.has_moved(heads, steps), "some of it")
            for process in rng.sample(pipeline.processes, 3):
                process.kill()
            pipeline.wait()
            found = self.ask("cat", log="second").splitlines()
            self.assertEqual(found, bodies[:len(found)], f"seed {seed}")
        self.check(self.chain("--once"), 0, 0, 0)
        self.assertEqual(self.ask("cat", log="second").splitlines(), bodies)

    def has_moved(self, heads: set, steps: int) -> bool:
        """The second log has got something more than `steps` times, or has everything."""
        before = len(heads)
        heads.add(self.head())
        return len(heads) > steps or (len(heads) == before and self.lag() == 0)

    def lag(self) -> int:
        rows = [json.loads(row) for row in self.ask("groups", "--format", "json").splitlines()]
        return rows[0]["lag"] if rows else -1

    def head(self) -> bytes:
        """Changes whenever the second log has something more."""
        try:
            with open(self.path("second", "head"), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return b""

    def bodies(self) -> list:
        with open(self.path("kept")) as file:
            return [body for line in file for body in json.loads(line)["bodies"]]

    def into_position_log(self, *more: str):
        return self.pipeline(["fl-channel", "file", self.log, "--take", "--once"],
                             "fl-intercept ts --stream", [*POSITION_LOG, self.path("kept"), *more])

    def test_what_is_stored_below_and_not_acknowledged_does_not_come_again(self):
        count = 30_000
        self.put(count)
        first = self.into_position_log("--stop-at", "10000")
        poll(lambda: os.path.exists(self.path("kept.reached")), "the log below")
        self.assertEqual(self.lag(), count)  # nothing was acknowledged
        for process in first.processes:
            process.kill()
        first.wait()
        self.check(self.into_position_log(), 0, 0, 0)
        self.assertEqual(self.bodies(), [str(n) for n in range(count)])

    def test_a_group_that_is_moved_comes_again(self):
        self.put(100)
        self.check(self.into_position_log(), 0, 0, 0)
        self.ask("groups", "--group", "default", "--to", "90")
        self.check(self.into_position_log(), 0, 0, 0)
        self.assertEqual(self.bodies(), [str(n) for n in [*range(100), *range(90, 100)]])


if __name__ == "__main__":
    harness.main()
