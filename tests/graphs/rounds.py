"""One round: a random graph, faults at random moments, the verdict, and a run that recovers."""
import collections
import os
import random
import shutil
import signal
import threading
import time

import harness
from shapes import Shape

# The sanitizers make everything several times slower.
PATIENCE = harness.HANG * (4 if "asan" in harness.BIN else 1)
HEADER = 250  # bytes; a stream begins with more, and a stage writes less before that


class Round:
    def __init__(self, seed, spoil=None):
        self.seed = seed
        self.spoil = spoil          # for the judge's own test: called before the verdict
        self.done = []              # what was done to the graph, for people
        self.killed, self.terminated = set(), set()
        self.processes = self.events = 0
        self.recovered = False

    def play(self):
        """(faults, report)"""
        self.random = random.Random(f"faults/{self.seed}")
        self.directory = harness.make_directory()
        try:
            return self.rounds()
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    def rounds(self):
        shape = Shape(self.seed, self.directory)
        self.processes = len(shape.graph.stages)
        self.events = sum(len(source.events) for source in shape.sources)
        plan = self.plan(shape)
        if shape.fragile and self.random.random() < 0.5:
            open(os.path.join(self.directory, "faulty"), "w").close()
            self.done.append("touch faulty")
        quiet = not plan and not self.done
        faults = self.run(shape, plan, quiet)
        report = self.report(shape)
        left = [source for source in shape.sources
                if source.forgotten() < set(source.events)]
        if shape.replays and left and not any(kind == "hung" for kind, _ in faults):
            again, more = self.recover(shape)
            faults += again
            report += "\nrecovery:\n" + more
        return faults, report

    def recover(self, first):
        self.recovered = True
        flag = os.path.join(self.directory, "faulty")
        if os.path.exists(flag):
            os.unlink(flag)
        settled = set().union(*(source.forgotten() for source in first.sources))
        second = Shape(self.seed, self.directory, run=2)
        second.ledger.earlier = {stage.number: count
                                 for stage, count in first.ledger.counts.items()}
        self.killed, self.terminated = set(), set()
        faults = self.run(second, [], True, settled)
        left = [source.stage.name for source in second.sources
                if source.forgotten() < set(source.events)]
        if left and not faults:
            faults.append(("sick", f"after the recovery {left} have something left"))
        return faults, self.report(second)

    def report(self, shape):
        text = f"seed {self.seed}; done: {', '.join(self.done) or 'nothing'}\n" + \
            shape.graph.report()
        return text.replace(self.directory, "$D")

    # ---- faults

    def plan(self, shape):
        """[(fraction of the load, what)], in order."""
        count = self.random.choice([0, 1, 1, 1, 2, 3])
        kinds = ["kill", "kill", "stop", "term", "kill child", "term all"]
        return sorted((self.random.uniform(0, 0.9) ** 2, self.random.choice(kinds))
                      for _ in range(count))

    def run(self, shape, plan, quiet, settled=frozenset()):
        graph, faults = shape.graph, []
        with graph.started():
            clients = [threading.Thread(target=client.run, daemon=True) for client in shape.clients]
            for client in clients:
                client.start()
            try:
                self.await_open(graph)
                for fraction, kind in plan:
                    self.await_moment(shape, fraction)
                    getattr(self, "do_" + kind.replace(" ", "_"))(graph)
                graph.wait(PATIENCE)
            except harness.Hang as hang:
                faults.append(("hung", str(hang)))
                self.where(graph)
                graph.kill()
            for client in clients:
                client.join(PATIENCE)
            if faults:
                return faults
            if self.spoil:
                self.spoil(shape)
            return faults + shape.ledger.judge(self.terminated, self.killed, quiet, settled)

    def where(self, graph):
        for stage in graph.stages:
            if stage.status is None:
                try:
                    with open(f"/proc/{stage.process.pid}/wchan") as file:
                        self.done.append(f"{stage.name} was still there ({file.read()})")
                except OSError:
                    pass

    def await_open(self, graph):
        """Opening a named pipe waits for the other end: nobody is hit before that."""
        fifos = [edge for edge in graph.edges if edge.kind == "fifo"]

        def opened():
            return all(
                self.has_open(edge.writer, edge.path) and self.has_open(edge.reader, edge.path) or
                edge.writer.status is not None or edge.reader.status is not None
                for edge in fifos)
        harness.poll(opened, "open pipes")

    @staticmethod
    def has_open(stage, path):
        folder = f"/proc/{stage.process.pid}/fd"
        try:
            return any(os.readlink(os.path.join(folder, name)) == path
                       for name in os.listdir(folder))
        except OSError:
            return False

    def await_moment(self, shape, fraction):
        """A stage chosen at random has moved so much of the load."""
        graph = shape.graph
        watched = self.random.choice(graph.stages)
        load = sum(len(body) + 12 for source in shape.sources for body in
                   list(source.events.values())[:1]) or 1
        load = sum(len(source.events) for source in shape.sources) * load / len(shape.sources)
        # Programs read some 20 KiB of libraries and tables before they begin.
        limit = 20_000 + fraction * load
        end = time.monotonic() + 2
        while time.monotonic() < end and watched.status is None and \
                watched.transferred() < limit and \
                any(stage.status is None for stage in graph.stages):
            time.sleep(0.0005)

    def choose(self, graph):
        running = [stage for stage in graph.stages if stage.status is None]
        return self.random.choice(running) if running else None

    def do_kill(self, graph):
        stage = self.choose(graph)
        # A writer that is killed before its header leaves an empty pipe, which looks like one
        # without events, except with --stream. What it has written to which of several outputs
        # cannot be seen.
        if stage and len(stage.writes) > 1 and \
                not all("--stream" in edge.reader.words for edge in stage.writes):
            return
        # If a reader has ended before, it may never come to its header.
        if stage and stage.writes:
            harness.poll(lambda: stage.written() >= HEADER * len(stage.writes) or
                         stage.status is not None or
                         any(edge.reader.status is not None for edge in stage.writes),
                         "a header on each output")
        if stage and stage.send(signal.SIGKILL):
            stage.process.wait()
            self.killed.add(stage)
            self.done.append(f"KILL {stage.name}")

    def do_kill_child(self, graph):
        """A sink of a group, or the command of an exec filter."""
        for stage in self.random.sample(graph.stages, len(graph.stages)):
            for pid in harness.children_of(stage.process.pid) if stage.status is None else []:
                try:
                    os.kill(pid, signal.SIGKILL)
                    self.done.append(f"KILL a child of {stage.name}")
                    return
                except ProcessLookupError:
                    pass
        self.do_kill(graph)

    def do_term(self, graph):
        stage = self.choose(graph)
        if stage and harness.catches(stage.process.pid, signal.SIGTERM) and \
                stage.send(signal.SIGTERM):
            self.terminated.add(stage)
            self.done.append(f"TERM {stage.name}")

    def do_term_all(self, graph):
        for stage in graph.stages:
            if stage.status is None and harness.catches(stage.process.pid, signal.SIGTERM) and \
                    stage.send(signal.SIGTERM):
                self.terminated.add(stage)
        self.done.append("TERM all")

    def do_stop(self, graph):
        stage = self.choose(graph)
        if not stage or not stage.send(signal.SIGSTOP):
            return
        self.done.append(f"STOP and CONT {stage.name}")
        # Until nobody moves any more, or for a moment.
        end = time.monotonic() + self.random.choice([0.001, 0.02, 0.2])
        before = None
        while time.monotonic() < end:
            time.sleep(0.005)
            now = [each.transferred() for each in graph.stages]
            if now == before:
                break
            before = now
        stage.send(signal.SIGCONT)


class Tally:
    def __init__(self):
        self.rounds = self.processes = self.events = self.recovered = 0
        self.counts = collections.Counter(
            {kind: 0 for kind in ("lost", "invented", "damaged", "reordered", "doubled", "lied",
                                  "hung")})
        self.failed = []

    def add(self, round_, faults):
        self.rounds += 1
        self.processes += round_.processes
        self.events += round_.events
        self.recovered += round_.recovered
        for kind in {kind for kind, _ in faults}:
            self.counts[kind] += 1

    def __str__(self):
        return (f"{self.rounds} rounds, {self.processes} processes, {self.events} events, "
                f"{self.recovered} recoveries: " +
                ", ".join(f"{kind} {count}" for kind, count in self.counts.items()))
