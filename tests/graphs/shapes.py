"""Makes a random graph of real stages, with its ledger. The same seed makes the same graph."""
import os
import random
import re
import signal

import harness
from graph import Graph, Stage
from ledger import Ledger, Route, Source
from netcat_client import send_lines
from ports import free_port

POISON = b"a" * 40 + b"!"     # what the expression (a+)+$ cannot decide in time
LIMIT = 12                    # processes


def metrics(stage):
    """The figures that a stage left, None: none."""
    for word in stage.words:
        if word.endswith(".prom"):
            try:
                with open(word) as file:
                    return file.read()
            except FileNotFoundError:
                return None
    return None


Stage.metrics = metrics


def number_of(path):
    """Orders the files of a place as they were written."""
    return [int(word) for word in re.findall(r"\d+", os.path.basename(path))]


class Shape:
    def __init__(self, seed, directory, run=1):
        self.random = random.Random(seed)
        self.directory, self.run = directory, run
        self.graph = Graph(directory, harness.environment(directory), f"g{run}-")
        self.sources, self.clients = [], []
        self.places = 0
        self.fragile = False      # a filter that fails, or counts wrongly, while there is "faulty"
        self.size = self.random.choice([50, 1_000, 5_000, 20_000])
        self.replays = self.random.random() < 0.6
        self.make()
        self.ledger = Ledger(self.graph, self.sources, directory)

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def pick(self, *choices):
        return self.random.choice(choices)

    def stage(self, tool, words, route, metrics=False, **more):
        options = ""
        if tool != "fl-source":
            options = " --grace 2s" + self.pick("", " --stream")
        if metrics:
            options += f" --metrics {self.path('g%d-%d.prom' % (self.run, len(self.graph.stages)))}"
        made = self.graph.stage(f"{tool}{options} {words}", **more)
        made.route = route
        return made

    def room(self, wanted=1):
        """Whether there may be more processes; each open end still needs one."""
        return len(self.graph.stages) + self.open_ends + wanted <= LIMIT

    def make(self):
        self.open_ends = 1
        heads = [self.source(i) for i in range(self.pick(1, 1, 1, 2, 3))]
        heads = [self.chain(head, 1) for head in heads]
        if len(heads) > 1:
            merge = self.stage("fl-channel", "memory", Route())
            for head in heads:
                self.graph.join(head, merge, self.pick("fifo", "psub"))
            head = merge
        else:
            head = heads[0]
        self.tree(self.chain(head, 2), 2)

    # ---- sources

    def lines(self, number):
        pad = self.pick(0, 10, 90)
        events = {}
        for i in range(number * 1_000_000, number * 1_000_000 + self.random.randint(1, self.size)):
            body = POISON if i % 997 == 13 else b"x" * (pad if i % 5 else 3)
            events[i] = b"%08d." % i + body
        return events

    def source(self, number):
        kinds = ["spooldir"] if self.replays else ["stdin", "exec", "spooldir", "netcat", "cat"]
        if number == 0 and not self.replays:
            kinds.append("seq")
        kind = self.pick(*kinds)
        return getattr(self, "source_" + kind)(number)

    def keep(self, name, events):
        path = self.path(name)
        if not os.path.exists(path):
            with open(path, "wb") as file:
                file.write(b"".join(body + b"\n" for body in events.values()))
        return path

    def add(self, stage, events, **more):
        self.sources.append(Source(stage, events, **more))
        return stage

    def source_seq(self, number):
        count = self.random.randint(1, 5 * self.size)
        made = self.stage("fl-source", f"seq --count {count}", Route(), metrics=True)
        return self.add(made, {i: b"%d" % i for i in range(count)}, produces=True)

    def source_stdin(self, number):
        events = self.lines(number)
        path = self.keep(f"lines{number}", events)
        if self.pick(True, False):
            return self.add(self.stage("fl-source", f"stdin {path}", Route()), events)
        return self.add(self.stage("fl-source", "stdin", Route(), stdin=path), events)

    def source_cat(self, number):
        """Text straight into a stage that is not a source."""
        events = self.lines(number)
        path = self.keep(f"lines{number}", events)
        made = self.graph.stage("fl-intercept --text --grace 2s static text true", stdin=path)
        made.route = Route()
        return self.add(made, events)

    def source_exec(self, number):
        events = self.lines(number)
        path = self.keep(f"lines{number}", events)
        made = self.stage("fl-source", f"exec -- cat {path}", Route(), metrics=True)
        return self.add(made, events, produces=True)

    def source_netcat(self, number):
        events = self.lines(number)
        port = free_port()
        made = self.stage("fl-source", f"netcat --bind 127.0.0.1 --port {port} --ok-at ack", Route(),
                          metrics=True)
        client = Client(made, port, events)
        self.clients.append(client)
        return self.add(made, events, produces=True, forgotten=lambda: set(client.answered))

    def source_spooldir(self, number):
        events = self.lines(number)
        spool = self.path(f"spool{number}")
        files, ids = {}, list(events)
        parts = self.pick(1, 2, 5)
        for part in range(parts):
            files[f"f{part}"] = ids[part * len(ids) // parts:(part + 1) * len(ids) // parts]
        if self.run == 1:
            os.mkdir(spool)
            for k, (name, part) in enumerate(files.items()):
                path = os.path.join(spool, name)
                with open(path, "wb") as file:
                    file.write(b"".join(events[i] + b"\n" for i in part))
                os.utime(path, (1_700_000_000 + k, 1_700_000_000 + k))
                if not part:
                    os.unlink(path)
        window = self.pick("64K", "1M", "256M")
        made = self.stage("fl-source", f"spooldir {spool} --once --window {window}", Route())

        def forgotten():
            found = set()
            for name, part in files.items():
                if os.path.exists(os.path.join(spool, name + ".COMPLETED")):
                    found |= set(part)
            return found
        return self.add(made, events, forgotten=forgotten)

    # ---- the middle

    def chain(self, head, longest):
        for _ in range(self.random.randint(0, longest)):
            if not self.room():
                break
            made = self.middle()
            self.graph.join(head, made, self.pick("pipe", "pipe", "pipe", "fifo"))
            head = made
        return head

    def middle(self):
        kind = self.pick("ts", "static", "filter", "replace", "exec", "memory", "fragile", "reject",
                         "two")
        if kind == "ts":
            return self.stage("fl-intercept", "ts", Route())
        if kind == "static":
            return self.stage("fl-intercept", "static --key k --value v", Route())
        if kind == "two":
            return self.stage("fl-intercept", "host + remove_header k", Route())
        if kind == "filter":
            # Drops events whose number ends with 4.
            return self.stage("fl-intercept", r"regex_filter --exclude-events --regex '^\d*4(\.|$)'",
                              Route("filter", keep=lambda i: i % 10 != 4))
        if kind == "replace":
            return self.stage("fl-intercept", "search_replace x y",
                              Route("change", change=lambda body: body.replace(b"x", b"y")))
        if kind == "exec":
            return self.stage("fl-intercept", "exec -- sed s/y/z/",
                              Route("change", change=lambda body: body.replace(b"y", b"z", 1)))
        if kind == "memory":
            return self.stage("fl-channel", f"memory --capacity {self.pick(1000, 10000)}", Route())
        if kind == "reject":
            path = self.path(f"rejected{len(self.graph.stages)}.avro")
            return self.stage("fl-intercept", f"--reject {path} regex_filter --exclude-events "
                              "--regex '(a+)+$'", Route("reject", poison=poison, path=path))
        self.fragile = True
        victim = self.random.randrange(self.size)
        broken = self.pick(f"/^0*{victim}([.]|$)/ {{ exit 3 }} {{ print }}",
                           f"!/^0*{victim}([.]|$)/ {{ print }}",
                           f"/^0*{victim}([.]|$)/ {{ print }} {{ print }}")
        flag = self.path("faulty")
        return self.stage("fl-intercept", f"exec -- sh -c 'if [ -e {flag} ]; then exec awk "
                          f"\"{broken}\"; else exec cat; fi'", Route())

    # ---- the ends

    def tree(self, head, depth):
        outputs = self.pick(2, 2, 3)
        if depth == 0 or self.random.random() < 0.4 or not self.room(outputs + 1):
            sink = self.sink()
            self.graph.join(head, sink, self.pick("pipe", "pipe", "fifo"))
            self.open_ends -= 1
            return
        kind = self.pick("replicate", "multiplex", "balance")
        if kind == "replicate":
            words, route = "replicate", Route("copies")
        elif kind == "balance":
            words, route = "balance", Route("any")
        else:
            extract = self.stage("fl-intercept", r"regex_extractor '(\d)(?:[.]|$)' digit", Route())
            self.graph.join(head, extract)
            head = extract
            words = "multiplex --header digit --map 1=1 --map 2=1,2 --map 3=2 --default " + \
                    str(outputs)
            route = Route("choose", outputs=lambda i: {1: [0], 2: [0, 1], 3: [1]}.get(
                i % 10, [outputs - 1]))
        split = self.stage("fl-channel", words, route)
        self.graph.join(head, split)
        self.open_ends += outputs - 1
        shared, self.shared = getattr(self, "shared", False), kind == "balance" or \
            getattr(self, "shared", False)
        for _ in range(outputs):
            # The first process of a branch reads what the split writes.
            self.branch(split, depth - 1)
        self.shared = shared

    def branch(self, split, depth):
        kind = self.pick("fifo", "psub")
        if self.room() and self.random.random() < 0.4:
            made = self.middle()
            self.graph.join(split, made, kind)
            self.tree(made, depth)
            return
        self.graph.join(split, self.sink(), kind)
        self.open_ends -= 1

    def sink(self):
        self.places += 1
        where = self.path(f"out{self.places}")
        again = getattr(self, "shared", False)
        kind = self.pick("hdfs", "hdfs", "hdfs", "roll", "stdout", "failover", "balance")
        files = lambda: sorted(harness.committed_files(where), key=number_of)
        hdfs = f"hdfs --min-commit 10ms --roll-count {self.pick(0, 1000)}"
        if kind == "hdfs":
            return self.stage("fl-sink", f"{hdfs} file://{where}",
                              Route("sink", files=files, ordered=not again, again=again))
        if kind == "roll":
            os.makedirs(where, exist_ok=True)
            return self.stage("fl-sink", f"file_roll --roll-interval {self.pick('0', '20ms')} {where}",
                              Route("sink", files=files, ordered=not again, again=again))
        if kind == "stdout":
            paths = [f"{where}.{run}" for run in range(1, self.run + 1)]
            return self.stage("fl-sink", "stdout", Route(
                "sink", files=lambda: [path for path in paths if os.path.exists(path)],
                ordered=not again, again=again), stdout=paths[-1])
        both = lambda: [path for path in harness.committed_files(where)]
        return self.stage("fl-sink", f"{kind} -- {hdfs} file://{where}/1 + {hdfs} file://{where}/2",
                          Route("sink", files=both, ordered=False, again=True))


def poison(body):
    return body.endswith(POISON)


class Client:
    """Sends lines over TCP, keeps those that were answered, then ends the source."""

    def __init__(self, stage, port, events):
        self.stage, self.port, self.events = stage, port, events
        self.answered = []

    def run(self):
        try:
            count = send_lines(self.port, list(self.events.values()),
                               lambda: self.stage.status is not None)
            self.answered = list(self.events)[:count]
        except (OSError, harness.Hang):
            pass
        try:
            self.stage.send(signal.SIGTERM)
        except ProcessLookupError:
            pass
