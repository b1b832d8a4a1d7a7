#!/usr/bin/env python3
"""An idle stage uses no CPU: after its hand-shake, while nothing happens for three seconds, each
stage wakes up at most a handful of times. Wake-ups are context switches of all its threads; a loop
that never sleeps is seen by the CPU time it takes. Neither depends on the speed of the machine.

Situations: a whole pipeline that waits for input; a reader that is stopped while the pipe is full; a
stage whose reader, a socket, has closed; a stage whose reader has gone; a named pipe that nobody has
opened yet; a group with idle members. The stages are those that the programs declare.
"""
import os
import shlex
import signal
import socket
import string
import subprocess
import sys
import time

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)),
                os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools")]
import harness
from graph import Graph
from matrix import STAGES, TOOLS, declared
from servers import Servers

DECLARED, _ = declared()
WATCH = 3.0
ENOUGH = 20      # wake-ups in that time: timers of a second or more are fine, a busy loop is not
BUSY = 0.25       # seconds of CPU
GIVE_UP = "2500ms"  # less than WATCH: a stage that waits for input has nothing to give up
LOOKS = 4        # a stage that was awake is checked so often
# What a stage does by a clock while it is idle, in wake-ups a second, as its options say.
CLOCK = {("source", "spooldir"): 2.5,    # --poll-delay 500ms
         ("source", "kafka"): 30,        # librdkafka: fetch.wait.max.ms 100, timers of its threads
         ("channel", "kafka"): 38}       # the same, and a producer


def wakeups(pid):
    """(wake-ups, CPU seconds) of the process and of all below it."""
    total = ticks = 0
    for each in [pid] + harness.children_of(pid):
        try:
            for task in os.listdir(f"/proc/{each}/task"):
                with open(f"/proc/{each}/task/{task}/status") as file:
                    total += sum(int(row.split()[1]) for row in file if "ctxt_switches" in row)
            with open(f"/proc/{each}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        except OSError:
            pass
    return total, ticks / os.sysconf("SC_CLK_TCK")


class Idle(harness.Case):
    def setUp(self):
        super().setUp()
        for name in ("spool", "dest"):
            os.mkdir(self.path(name))
        self.write("lines", "".join(f"{i:06d}.\n" for i in range(10)))
        servers = Servers()
        self.addCleanup(servers.close)
        self.values = {"LINES": self.path("lines"), "COUNT": "10", "PORT": "0",
                       "SPOOL": self.path("spool"), "DIR": self.dir, "DEST": self.path("dest"),
                       **servers.values}

    def words(self, kind, name, options=""):
        text = string.Template(STAGES[kind][name]["run"]).safe_substitute(self.values)
        # Sources are to wait for more.
        text = text.replace(" --once", " --poll 1h" if name == "sql" else "").replace(f"cat {self.values['LINES']}", "sleep 1000")
        return f"{TOOLS[kind]} {options} {text}"

    def settle(self, stages):
        """All have shaken hands: nobody has moved for a while."""
        before = [None, 0]

        def quiet():
            now = [stage.transferred() for stage in stages]
            before[1] = before[1] + 1 if now == before[0] else 0
            before[0] = now
            time.sleep(0.02)
            return before[1] > 15
        try:
            harness.poll(quiet, "a quiet pipeline")
        except harness.Hang:
            pass  # the figures below say who is not

    def watch(self, groups, what):
        """groups: [(name, kind, pid)], all watched at once. On a busy machine a start may last into
        the time that is watched: a stage that was awake is checked again."""
        notes = {}
        for _ in range(LOOKS):
            notes = self.awake([group for group in groups if not notes or group[0] in notes])
            if not notes:
                return
        for name, note in notes.items():
            with self.subTest(f"{what}: {name}"):
                self.fail(note)

    @staticmethod
    def awake(groups):
        """{name: what it did} of those that did more than they may."""
        begin = time.monotonic()
        before = [wakeups(pid) for _, _, pid in groups]
        time.sleep(WATCH)
        took = time.monotonic() - begin
        after = [wakeups(pid) for _, _, pid in groups]
        notes = {}
        for (name, key, _), first, last in zip(groups, before, after):
            woke, used = last[0] - first[0], last[1] - first[1]  # below 0: a child, or itself, ended
            if woke > ENOUGH * took / WATCH + CLOCK.get(key, 0) * took or woke >= 0 and used >= BUSY:
                notes[name] = f"{name} woke up {woke} times in {took:.1f} s and used {used:.2f} s " \
                              "of CPU"
        return notes

    def test_every_stage_that_waits_for_input(self):
        graphs, groups = [], []
        try:
            for i, (kind, name) in enumerate(sorted(DECLARED)):
                graph = Graph(self.dir, name=f"g{i}-")
                graphs.append(graph)
                first = None
                if kind != "source":
                    # Its events are held by a stage that waits for more before it stores them.
                    first = graph.stage("fl-source exec -- sh -c 'seq 3; exec sleep 1000'")
                elif STAGES[kind][name].get("stdin"):
                    first = graph.stage("sleep 1000")
                own = graph.stage(self.words(kind, name, f"--give-up-after {GIVE_UP}"))
                if first:
                    graph.join(first, own)
                for k in range(STAGES[kind][name].get("outputs", 0)):
                    graph.join(own, graph.stage(f"fl-sink hdfs file://{self.out}{i}-{k}"), "fifo")
                if kind != "sink" and not own.writes:
                    graph.join(own, graph.stage(f"fl-sink hdfs file://{self.out}{i}"))
                graph.start()
                groups += [(f"{' '.join(stage.words[:3])} ({kind} {name})",
                            (kind, name) if stage is own else None, stage.process.pid)
                           for stage in graph.stages]
            self.settle([stage for graph in graphs for stage in graph.stages])
            ended = [graph for graph in graphs if None not in graph.statuses()]
            for graph in graphs:
                if graph not in ended:
                    self.assertEqual(set(graph.statuses()), {None}, graph.report())
            # Only a source that has nothing to wait for may have ended.
            self.assertLessEqual(len(ended), 1, [graph.shell() for graph in ended])
            self.watch(groups, "waiting for input")
            for graph in graphs:
                if graph not in ended:
                    self.assertEqual(set(graph.statuses()), {None}, graph.report())
        finally:
            for graph in graphs:
                graph.kill()

    def test_every_stage_that_waits_for_a_full_pipe(self):
        """The last stage is stopped: everybody above it waits until it continues."""
        self.write("big", b"".join(b"%06d.%s\n" % (i, b"x" * 90) for i in range(100_000)))
        graphs, groups = [], []
        try:
            for i, (kind, name) in enumerate(sorted(DECLARED)):
                if kind in ("source", "sink"):
                    continue
                graph = Graph(self.dir, name=f"g{i}-")
                graphs.append(graph)
                first = graph.stage(f"fl-source stdin {self.path('big')}")
                own = graph.stage(self.words(kind, name, "--stream"))
                graph.join(first, own)
                for k in range(STAGES[kind][name].get("outputs", 0)):
                    graph.join(own, graph.stage(f"fl-sink hdfs file://{self.out}{i}-{k}"), "fifo")
                if not own.writes:
                    graph.join(own, graph.stage(f"fl-sink hdfs file://{self.out}{i}"))
                graph.start()
                for last in graph.lasts():
                    # It has read more than once, so it has shaken hands.
                    harness.poll(lambda: last.transferred() > 600_000 or last.status is not None,
                                 "a flow")
                    last.send(signal.SIGSTOP)
                groups += [(f"{' '.join(stage.words[:3])} ({kind} {name})",
                            (kind, name) if stage is own else None, stage.process.pid)
                           for stage in (first, own)]
            self.settle([stage for graph in graphs for stage in graph.stages])
            self.watch(groups, "a full pipe")
            for graph in graphs:
                for last in graph.lasts():
                    last.send(signal.SIGCONT)
            for graph in graphs:
                self.assertEqual(set(graph.wait()), {0}, graph.report())
        finally:
            for graph in graphs:
                graph.kill()

    def test_every_stage_whose_header_lies_untouched(self):
        """The reader has not even begun to read."""
        graphs, groups = [], []
        try:
            for i, (kind, name) in enumerate(sorted(DECLARED)):
                if kind == "sink" or STAGES[kind][name].get("outputs"):
                    continue
                graph = Graph(self.dir, name=f"g{i}-")
                graphs.append(graph)
                own = graph.stage(self.words(kind, name, "" if kind == "source" else "--text"),
                                  stdin=self.path("lines"))
                graph.join(own, graph.stage("sleep 1000"))
                graph.start()
                groups.append((f"{TOOLS[kind]} {name}", (kind, name), own.process.pid))
            self.settle([graph.stages[0] for graph in graphs])
            self.watch(groups, "an untouched header")
            for graph in graphs:
                self.assertIsNone(graph.stages[0].status, graph.report())
        finally:
            for graph in graphs:
                graph.kill()

    def lonely(self, make, what):
        """Stages that write to what make() gives, idle, and whose reader then goes. They end, or
        wait without waking up."""
        started, groups = [], []
        env = self.env()
        try:
            for kind, name in sorted(DECLARED):
                if kind == "sink" or STAGES[kind][name].get("outputs"):
                    continue
                for options in ("", "--ack off"):
                    ours, theirs = make()
                    feed, held = os.pipe()
                    with theirs, open(self.path("errors"), "ab") as errors:
                        process = subprocess.Popen(
                            shlex.split(self.words(kind, name, options)), stdin=feed,
                            stdout=theirs, stderr=errors, env=env, cwd=self.dir,
                            process_group=0)
                    os.close(feed)
                    started.append((process, ours, held))
                    groups.append((f"{TOOLS[kind]} {options} {name}", (kind, name), process.pid))
            time.sleep(0.3)  # most have written their header now; it decides nothing
            for _, ours, _ in started:
                ours.close()
            end = time.monotonic() + 2
            while time.monotonic() < end and any(p.poll() is None for p, _, _ in started):
                time.sleep(0.02)
            for (process, _, _), group in zip(started, groups):
                process.poll()
            self.watch([group for (process, _, _), group in zip(started, groups)
                        if process.returncode is None], what)
            # A source that has nothing to write and an idle stage notice a reader that died.
            left = [group[0] for (process, _, _), group in zip(started, groups)
                    if process.poll() is None]
            with self.subTest(f"{what}: everybody has noticed"):
                self.assertEqual([name for name in left], [])
        finally:
            for process, ours, held in started:
                ours.close()
                os.close(held)
                for pid in harness.children_of(process.pid) + [process.pid]:
                    if process.poll() is None or pid != process.pid:
                        try:
                            os.kill(pid, signal.SIGKILL)
                        except ProcessLookupError:
                            pass
                process.wait()

    def test_a_socket_as_output_whose_peer_closes(self):
        self.lonely(socket.socketpair, "a closed socket")

    def test_a_pipe_as_output_whose_reader_closes(self):
        def make():
            reader, writer = os.pipe()
            return os.fdopen(reader, "rb"), os.fdopen(writer, "wb")
        self.lonely(make, "a closed pipe")

    def test_a_named_pipe_that_nobody_opens(self):
        """It waits without CPU, and handles TERM."""
        started = []
        try:
            for i, words in enumerate(("fl-sink null --in FIFO", "fl-intercept ts --in FIFO",
                                       "fl-source seq --out FIFO", "fl-channel memory --in FIFO",
                                       "fl-channel replicate --out FIFO --out other.avro",
                                       "fl-intercept ts --text --out FIFO --in lines")):
                fifo = self.path(f"fifo{i}")
                os.mkfifo(fifo)
                with open(self.path(f"err{i}"), "wb") as errors:
                    started.append((words, subprocess.Popen(
                        words.replace("FIFO", fifo).split(), stdin=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL, stderr=errors, env=self.env(), cwd=self.dir)))
            for words, process in started:
                with self.subTest(words):
                    harness.poll(lambda: harness.catches(process.pid, signal.SIGTERM) or
                                 process.poll() is not None, "handlers")
            time.sleep(0.3)  # they reach their open() or poll(); it decides nothing
            self.watch([(words, None, process.pid) for words, process in started
                        if process.poll() is None], "a named pipe alone")
            for words, process in started:
                with self.subTest(f"TERM: {words}"):
                    process.terminate()
                    try:
                        self.assertNotEqual(process.wait(harness.HANG), -signal.SIGTERM)
                    except subprocess.TimeoutExpired:
                        self.fail("does not hear TERM")
        finally:
            for _, process in started:
                if process.poll() is None:
                    process.kill()
                process.wait()

    def test_every_stage_whose_peers_are_away(self):
        """--in and --out unix:PATH: nobody comes, or it is full of what nobody takes."""
        self.write("big", b"".join(b"%06d.%s\n" % (i, b"x" * 90) for i in range(5_000)))
        graphs, groups = [], []

        def add(i, kind, name, options, more=(), feed=None):
            graph = Graph(self.dir, name=f"g{i}-")
            graphs.append(graph)
            self.values["DIR"] = self.path(f"own{i}")  # two may not write one log
            os.mkdir(self.values["DIR"])
            own = graph.stage(self.words(kind, name, options), stdin=feed)
            graph.start()
            groups.append((f"{TOOLS[kind]} {name} {options}", (kind, name), own.process.pid))
        for i, (kind, name) in enumerate(sorted(DECLARED)):
            outputs = STAGES[kind][name].get("outputs", 0)
            out = "" if kind == "sink" else " ".join(
                f"--out unix:{self.path(f'o{i}-{k}')}" for k in range(outputs or 1))
            if kind != "source":
                add(f"{i}i", kind, name, f"--stream --in unix:{self.path(f'i{i}')} {out}")
                if out:
                    add(f"{i}f", kind, name, f"--text --keep 64K {out}".replace(
                        "/o", "/p"), feed=self.path("big"))
            else:
                add(f"{i}s", kind, name, out, feed=self.path("lines"))
        try:
            self.settle([graph.stages[0] for graph in graphs])
            self.watch(groups, "peers that are away")
            for graph in graphs:
                self.assertIsNone(graph.stages[0].status, graph.report())
        finally:
            for graph in graphs:
                graph.kill()

    def test_descriptors_that_are_used_up(self):
        """A stage that cannot accept its reader for lack of descriptors does not spin."""
        graphs, groups = [], []
        try:
            for limit in (4, 5, 6, 7, 8, 10):
                graph = Graph(self.dir, name=f"g{limit}-")
                graphs.append(graph)
                first = graph.stage("sh -c 'echo one; exec sleep 1000'")
                own = graph.stage("fl-intercept --text ts", wrap=f'ulimit -n {limit}; exec "$@"')
                sink = graph.stage("fl-sink --stream null")
                graph.join(first, own)
                graph.join(own, sink)
                graph.start()
                groups.append((f"fl-intercept with {limit} descriptors", None, own.process.pid))
            self.settle([stage for graph in graphs for stage in graph.stages[1:]])
            self.watch(groups, "EMFILE")
        finally:
            for graph in graphs:
                graph.kill()


if __name__ == "__main__":
    harness.main()
