#!/usr/bin/env python3
"""Stages joined by unix:PATH are killed, stopped and started again, one after the other, and a
ledger says what has become of each event: none is lost, none comes again that was acknowledged
before a kill, and those of a writer stay in order.

Moments are chosen by the progress seen (files committed), never by the clock.
"""
import collections
import os
import re
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tools"))
import harness

LONG = bool(os.environ.get("FL_TEST_LONG"))
KILLS = 1000 if LONG else 200
SINK = "fl-sink hdfs --stream --min-commit 10ms --roll-count 300 --grace 20s"


class Joined(harness.Case):
    def setUp(self):
        super().setUp()
        self.running = {}
        self.addCleanup(self.end_all)
        os.mkdir(self.out)

    def start(self, name, words):
        with open(self.path(f"{name}.err"), "ab") as errors:
            self.running[name] = subprocess.Popen(
                words.split(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
                env=self.env(), cwd=self.dir)

    def said(self, name):
        with open(self.path(f"{name}.err"), errors="replace") as file:
            return file.read()

    def report(self):
        return "\n".join(f"{name}: {self.said(name)[-1500:]}" for name in self.running)

    def end_all(self):
        for process in self.running.values():
            if process.poll() is None:
                process.kill()
            process.wait()

    def kill(self, name):
        process = self.running[name]
        self.assertIsNone(process.poll(), f"{name} has ended by itself\n{self.report()}")
        process.kill()
        process.wait()

    def stop(self, name, *expected):
        """TERM; the status is one of these (default: 0)."""
        process = self.running[name]
        self.wait_for(lambda: harness.catches(process.pid, signal.SIGTERM) or
                      process.poll() is not None, "handlers")
        process.send_signal(signal.SIGTERM)
        self.ends(name, *expected)

    def ends(self, name, *expected):
        try:
            status = self.running[name].wait(harness.HANG)
        except subprocess.TimeoutExpired:
            self.fail(f"{name} does not end\n{self.report()}")
        self.assertIn(status, expected or (0,), f"{name}\n{self.report()}")

    def wait_for(self, condition, what):
        try:
            return harness.poll(condition, what)
        except harness.Hang as hang:
            self.fail(f"{hang}\n{self.report()}")

    def committed(self):
        return sum(harness.is_final(name) for name in os.listdir(self.out))

    def lines(self):
        return [line.decode() for line in harness.committed_lines(self.out)]

    def sockets_left(self):
        return [name for name in os.listdir(self.dir) if name.endswith(".sock")]


class Spool:
    """Files for spooldir, and how many kills each has seen before it was acknowledged."""

    def __init__(self, directory, random):
        self.directory, self.random = directory, random
        os.mkdir(directory)
        self.files = {}    # name -> lines
        self.added = {}    # name -> kills before it was there
        self.done = {}     # name -> kills before it was seen completed

    def add(self, kills):
        name = f"f{len(self.files):06d}"
        count = self.random.choice((1, 30, 300, 1000))
        self.files[name] = [f"{name}.{i:06d}.{'x' * self.random.choice((0, 90))}"
                            for i in range(count)]
        hidden = os.path.join(os.path.dirname(self.directory), name)
        with open(hidden, "w") as file:
            file.write("".join(line + "\n" for line in self.files[name]))
        os.rename(hidden, os.path.join(self.directory, name))
        self.added[name] = kills

    def look(self, kills):
        for name in os.listdir(self.directory):
            if name.endswith(".COMPLETED"):
                self.done.setdefault(name.removesuffix(".COMPLETED"), kills)

    def is_done(self):
        self.look(10 ** 9)
        return len(self.done) == len(self.files)


class Reconnect(Joined):
    def judge(self, spool, lines):
        count = collections.Counter(lines)
        expected = {line for own in spool.files.values() for line in own}
        self.assertEqual(set(count) - expected, set(), "invented")
        self.assertEqual(expected - set(count), set(), "lost")
        for name, own in spool.files.items():
            most = 1 + min(spool.done[name], spool.kills) - spool.added[name]
            again = {line: count[line] for line in own if count[line] > most}
            self.assertEqual(again, {}, f"{name} was acknowledged before the last {most} kills")
        first = collections.defaultdict(list)
        for line in dict.fromkeys(lines):
            first[line.partition(".")[0]].append(line)
        for name, own in spool.files.items():
            self.assertEqual(first[name], own, "order")
        return sum(count.values()) - len(count)

    def test_each_is_killed_in_turn(self):
        """spooldir, an interceptor and a sink; some are away while the next is killed."""
        words = {
            "source": "fl-source spooldir spool --window 128K --out unix:a.sock",
            "middle": "fl-intercept static --stream --key k --value v --keep 256K "
                      "--in unix:a.sock --out unix:b.sock",
            "sink": f"{SINK} --roll-interval 50ms --in unix:b.sock file://{self.out}",
        }
        spool = Spool(self.path("spool"), self.random)
        for name, each in words.items():
            self.start(name, each)
        away = set()
        for kills in range(KILLS):
            spool.add(kills)
            if not away:
                goal = self.committed() + self.random.choice((0, 0, 1, 2, 3))
                self.wait_for(lambda: self.committed() >= goal or spool.is_done(), "progress")
                spool.done = {n: k for n, k in spool.done.items() if k < 10 ** 9}
            victim = self.random.choice([name for name in words if name not in away])
            self.kill(victim)
            spool.look(kills)
            away.add(victim)
            if len(away) == 2 or self.random.random() < 0.7:
                for name in sorted(away, key=lambda _: self.random.random()):
                    self.start(name, words[name])
                away.clear()
        for name in away:
            self.start(name, words[name])
        self.wait_for(spool.is_done, "all is acknowledged")
        spool.kills = KILLS
        for name in words:
            self.stop(name)
        doubled = self.judge(spool, self.lines())
        print(f"    {KILLS} kills, {sum(map(len, spool.files.values()))} events, "
              f"{doubled} doubled", flush=True)
        self.assertEqual(self.sockets_left(), [])

    def test_a_full_writer_whose_reader_dies_with_all_of_it(self):
        """The reader holds what the writer keeps, unacknowledged, five times."""
        count = 60_000
        self.start("source", f"fl-source seq --count {count} --keep 256K --out unix:a.sock "
                             "--metrics source.prom --metrics-interval 100ms")
        for _ in range(5):
            self.start("holder", "fl-intercept static --key k --value v --stream --keep 64MiB "
                                 "--in unix:a.sock --out unix:nobody.sock "
                                 "--metrics holder.prom --metrics-interval 100ms")
            self.wait_for(lambda: self.figure("source", 'fl_waiting', 'reason="reader"') == 1 and
                          0 < self.figure("source", "fl_events_sent_total") ==
                          self.figure("holder", "fl_events_received_total"),
                          "a full writer, all of it at the reader")
            self.kill("holder")
            os.unlink(self.path("holder.prom"))
        sent = self.figure("source", "fl_events_sent_total")
        self.assertLess(sent, count)
        self.start("sink", f"{SINK} --until-end --in unix:a.sock file://{self.out}")
        self.ends("source")
        self.ends("sink")
        self.assertEqual(self.lines(), [str(i) for i in range(count)])

    def figure(self, name, figure, label=""):
        """Of the newest page of metrics; -1: there is none."""
        try:
            with open(self.path(f"{name}.prom")) as file:
                for row in file:
                    if row.startswith(figure + "{") and label in row:
                        return float(row.split()[-1])
        except OSError:
            pass
        return -1

    def restart_sink(self, words, times, end):
        """Ends the sink again and again while events flow. How often that was."""
        def over():
            return all(process.poll() is not None for name, process in self.running.items()
                       if name.startswith("source"))
        for done in range(times):
            self.start("sink", words)
            goal = self.committed() + self.random.choice((1, 2, 5))
            self.wait_for(lambda: self.committed() >= goal or over(), "progress")
            end("sink")
            if over():
                return done + 1
        return times

    def let_finish(self, words):
        self.start("sink", words)
        for name in ("source0", "source1", "source2"):
            self.ends(name)
        self.stop("sink")

    def writers(self, count, each):
        """Sources that cannot read again, each with numbers of its own."""
        for i in range(count):
            self.start(f"source{i}", "fl-source exec --keep 128K --out unix:a.sock -- "
                                     f"seq {(i + 1) * 10 ** 6} {(i + 1) * 10 ** 6 + each - 1}")

    def test_writers_that_cannot_read_again_lose_nothing_with_their_reader(self):
        """Three writers on one reader, which is killed."""
        each = 20_000
        self.writers(3, each)
        words = f"{SINK} --in unix:a.sock file://{self.out}"
        self.restart_sink(words, 30, self.kill)
        self.let_finish(words)
        lines = [int(line) for line in dict.fromkeys(self.lines())]
        for i in range(1, 4):
            own = [line for line in lines if line // 10 ** 6 == i]
            self.assertEqual(own, list(range(i * 10 ** 6, i * 10 ** 6 + each)), f"writer {i}")

    def test_a_reader_that_is_told_to_stop_doubles_nothing(self):
        """TERM, again and again: what it has read is committed and acknowledged before it ends. Where
        --grace was too short for that it says so, and how many events that were."""
        each = 300_000
        self.writers(3, each)
        words = f"{SINK} --in unix:a.sock file://{self.out}".replace("--grace 20s", "--grace 300ms") \
            .replace("--roll-count 300", "--roll-count 5000")
        stops = self.restart_sink(words, 5, lambda name: self.stop(name, 0, 75))
        self.let_finish(words.replace("--grace 300ms", "--grace 20s"))
        lines = [int(line) for line in self.lines()]
        self.assertEqual(sorted(set(lines)),
                         [i * 10 ** 6 + k for i in range(1, 4) for k in range(each)])
        left = re.findall(r"stopped with (\d+) events? unacknowledged", self.said("sink"))
        print(f"    {stops} stops, {len(left)} of them too short", flush=True)
        self.assertLessEqual(len(lines) - len(set(lines)), sum(map(int, left)))

    def test_outputs_of_a_fan_out(self):
        """replicate: each reader has all, in order; balance: together they have all."""
        count = 60_000
        for channel in ("replicate", "balance"):
            with self.subTest(channel):
                outs = [f"{self.out}-{channel}-{i}" for i in range(2)]
                self.start("source", f"fl-source seq --count {count} --out unix:s.sock")
                self.start("channel", f"fl-channel {channel} --stream --until-end --keep 256K "
                                      "--in unix:s.sock --out unix:0.sock --out unix:1.sock")
                words = [f"{SINK} --in unix:{i}.sock file://{outs[i]}" for i in range(2)]
                for i in range(2):
                    os.mkdir(outs[i])
                    self.start(f"sink{i}", words[i])
                files = lambda: sum(harness.is_final(name) for out in outs
                                    for name in os.listdir(out))
                for kills in range(30):
                    goal = files() + self.random.choice((0, 1, 2))
                    self.wait_for(lambda: files() >= goal or
                                  self.running["channel"].poll() is not None, "progress")
                    victim = f"sink{self.random.randrange(2)}"
                    self.kill(victim)
                    self.start(victim, words[int(victim[-1])])
                for name in ("source", "channel"):
                    self.ends(name)
                for i in range(2):
                    self.stop(f"sink{i}")
                got = [[int(line) for line in dict.fromkeys(map(bytes.decode,
                                                                harness.committed_lines(out)))]
                       for out in outs]
                if channel == "replicate":
                    self.assertEqual(got, [list(range(count))] * 2)
                else:
                    self.assertEqual(sorted(set(got[0] + got[1])), list(range(count)))
                    self.assertTrue(got[0] and got[1], "both take part")


if __name__ == "__main__":
    harness.main()
