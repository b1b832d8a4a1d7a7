"""One cell of the matrix stage x cause x position: builds its pipeline, runs it and judges it."""
import collections
import fcntl
import functools
import itertools
import os
import re
import shutil
import signal
import string
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "tools"), os.path.join(HERE, "..", "registry")]
import avro_rpc
import http_lines
import http_server
import kafka_mock
import mariadb_server
import netcat_client
import exposition
import fake_metastore
import harness
import hbase_gateway
from graph import Graph
from ports import free_port
from stages import STAGES, TOOLS

POSITIONS = {
    "source": ["alone", "first", "before a group", "before replicate", "merged", "sockets"],
    "interceptor": ["first", "middle", "before a group", "before replicate", "after replicate",
                    "sockets"],
    "channel": ["first", "middle", "before a group", "before replicate", "after replicate",
                "sockets"],
    "fan-out": ["first", "middle", "process substitution", "before a group", "sockets"],
    "sink": ["alone", "last", "after replicate", "sockets"],
}
SENDERS = {"lines": netcat_client.send_lines, "avro": avro_rpc.send_lines,
           "http": http_lines.send_lines}
OTHER = 900_000  # ids of the second source of a merge begin here
OTHERS = set(range(OTHER, OTHER + 50))


def declared():
    """{(kind, name): options} of what the programs declare, and the options of every stage."""
    import json
    found, common = {}, []
    for name in sorted(os.listdir(harness.BIN)):
        if re.fullmatch(r"fl-(source|intercept|channel|sink)(-\w+)?", name):
            text = subprocess.run([os.path.join(harness.BIN, name), "--generate", "options-json"],
                                  capture_output=True, check=True, timeout=harness.HANG).stdout
            page = json.loads(text)
            common = common or page["stage_options"]
            for each in page["components"]:
                found[(each["kind"], each["name"])] = {
                    "options": each["options"], "program": name if page["component"] else ""}
    for tool in TOOLS.values():
        listed = subprocess.run([os.path.join(harness.BIN, tool), "list"], capture_output=True,
                                check=True, text=True, timeout=harness.HANG).stdout
        types = listed.split("\n\n")[0]  # subcommands follow, which are not stages
        for row in types.splitlines():
            kind = next(kind for kind, each in TOOLS.items() if each == tool)
            if (kind, row.split()[0]) not in found:
                raise AssertionError(f"{tool} lists {row.split()[0]}, which nobody declares")
    return found, common


def positions_of(kind: str, name: str) -> list:
    return POSITIONS["fan-out" if STAGES[kind][name].get("outputs") else kind]


ID = re.compile(rb"^(?:.*?[ ;])??(\d{1,6})(?:\.|$)", re.MULTILINE)


@functools.lru_cache(maxsize=4)
def made_input(count, width):
    """So many lines, and the same as text."""
    lines = [b"%06d.%s" % (i, b"x" * (width if i % 3 else 9)) for i in range(count)]
    return lines, b"\n".join(lines) + b"\n"


def ids_of(text, whole=b""):
    """The numbers of the events whose bodies are lines of this text: the first of each line. Quick
    where the text is a piece of `whole`, the input."""
    if text[:6].isdigit() and text.endswith(b"\n"):
        begin = whole.find(text[:7]) if text[:6] == b"000000" else whole.find(b"\n" + text[:7]) + 1
        if whole[begin:begin + len(text)] == text:
            last = text.rfind(b"\n", 0, -1) + 1
            return set(range(int(text[:6]), int(text[last:last + 6]) + 1))
    return set(map(int, ID.findall(text)))


class Cause:
    """How the victim is brought to its end.

    words(cell) -> the component's words instead of its own; None: not applicable
    options, wrap, environment: what the victim gets more
    act(cell): what is done once events flow; then the load is large
    own: statuses that the victim may have; None: 0 or any of the documented ones
    origin: the victim fails by itself: every last stage after it ends as it does
    mute: it cannot say why it fails; deaf: it may not be able to
    held: the last stages stop before they begin to read, until release()
    all: it is quick, or has few stages: every position also in the regular run
    damage: its input is cut in the middle
    setup(cell, stage): changes the victim before it starts; applies(cell): only there
    """

    def __init__(self, name, *, words=None, options="", wrap="", act=None, own=None, origin=True,
                 damage=False, lines=300, width=90, closed=False, setup=None,
                 applies=None, grace="20s", mute=False, deaf=False,
                 held=False, all=False):
        self.name, self.words, self.options, self.wrap, self.act = name, words, options, wrap, act
        self.own, self.origin, self.damage, self.lines = own, origin, damage, lines
        self.width, self.closed, self.setup = width, closed, setup
        self.held, self.all = held, all
        self.applies, self.grace, self.mute, self.deaf = applies, grace, mute, deaf


FAILURES = {64, 65, 69, 73, 74, 75, 77, 78}


def nobody_writes(path):
    """A cell that starts a stage at this moment has a copy of our descriptor for an instant, and
    spooldir would leave the file to the next run."""
    with open(path, "rb") as file:
        try:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except BlockingIOError:
            return False
        except OSError:
            return True  # no leases here, and spooldir does without
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        return True


class Cell:
    tables = itertools.count()

    def __init__(self, kind, name, cause, position, number, declarations):
        self.kind, self.name, self.cause, self.position = kind, name, cause, position
        self.number = number
        self.spec = STAGES[kind][name]
        self.declared = declarations[(kind, name)]
        self.directory = ""
        self.places = {}   # last stage's number -> (how, where)
        self.shared = self.is_stopped = False
        self.client = self.other = self.server = None
        self.notes = []
        self.hit = set()  # stages that the cause has killed
        self.left = set()  # stages whose peer at a socket has failed; they wait for another

    @property
    def title(self):
        return f"{self.kind} {self.name}, {self.cause.name}, {self.position}"

    @property
    def reads_topic(self):
        return self.spec.get("client") == "kafka"

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    # ---- the pipeline

    def expand(self, text):
        return string.Template(text).safe_substitute(self.variables)

    def prepare(self):
        count = self.cause.lines
        self.lines, self.text = made_input(count, self.cause.width)
        self.ids = set(range(count))
        os.mkdir(self.path("spool"))
        os.mkdir(self.path("dest"))
        with open(self.path("lines"), "wb") as file:
            file.write(self.text)
        self.files = {}  # name -> the ids in it
        begin = 0
        for i in range(3):
            part = self.files[f"f{i}"] = range(i * count // 3, (i + 1) * count // 3)
            end = self.text.index(b"\n%06d." % part.stop, begin) + 1 if i < 2 else len(self.text)
            with open(self.path("spool", f"f{i}"), "wb") as file:
                file.write(self.text[begin:end])
            harness.poll(lambda i=i: nobody_writes(self.path("spool", f"f{i}")), "a file at rest")
            begin = end
        with open(self.path("other"), "wb") as file:
            file.write(b"".join(b"%06d.\n" % i for i in sorted(OTHERS)))
        port = free_port()
        self.variables = {"LINES": self.path("lines"), "COUNT": str(count), "PORT": str(port),
                          "TAKER": str(port), "WEB": str(port), "GATEWAY": str(port),
                          "SPOOL": self.path("spool"), "DIR": self.directory,
                          "DEST": self.path("dest")}
        self.port = port
        if "kafka" in (self.spec.get("server"), self.spec.get("client")):
            self.server = kafka_mock.Cluster(partitions=16)
            self.variables["KAFKA"] = self.server.address
        if self.reads_topic:
            self.server.fill(self.path("lines"))
        if self.spec.get("client") == "table":
            database = mariadb_server.open_for_all()
            table = f"cell{next(self.tables)}"
            database.fill(self.path("lines"), table)
            self.variables["TABLE"] = database.url(table)
        if self.name == "hive":
            self.variables["HIVE"] = fake_metastore.shared().url

    def measured(self, tool, options=""):
        """A tool's word with a metrics file where figures are wanted."""
        self.count_measured += 1
        metrics = ""
        if self.cause.act or self.spec.get("stored") == "figures":
            metrics = f"--metrics {self.path('m%d.prom' % self.count_measured)} "
        return f"{tool} {metrics}{options} "

    def build(self):
        self.count_measured = -1
        # A stage that cannot open its outputs cannot tell them anything.
        self.mute = self.cause.mute or self.cause.deaf and self.spec.get("outputs")
        graph = self.graph = Graph(self.directory, harness.environment(self.directory))
        # Readers of a stream are given --stream in every other cell: it must not matter.
        self.down = f"--grace {self.cause.grace}" + \
            (" --stream" if self.number % 2 or self.mute else "")
        # A stage that cannot open anything cannot open a named pipe, and its peer waits for it
        # forever.
        self.named = "psub" if "ulimit" in self.cause.wrap or self.cause.held else "fifo"
        position = self.position
        before = None
        if self.kind != "source" and position not in ("first", "alone"):
            before = graph.stage(self.measured("fl-source") + f"spooldir {self.path('spool')} --once")
        if position == "last" or self.spec.get("outputs") and position not in ("first", "sockets"):
            middle = graph.stage(self.measured("fl-intercept", self.down) + "static a b")
            graph.join(before, middle)
            before = middle
        if position == "after replicate":
            split = graph.stage(self.measured("fl-channel", self.down) + "replicate")
            graph.join(before, split)
            beside = self.sink("beside")
            graph.join(split, beside, self.named)
            before = split
        kind = {"after replicate": "psub", "sockets": "unix"}.get(position, "pipe")
        if self.cause.damage and before:
            # A foreign program in the pipe cuts the stream inside a block.
            cutter = graph.stage("head -c 20000")
            graph.join(before, cutter, "psub" if kind == "psub" else "pipe")
            before, kind = cutter, "pipe"
        self.victim = self.make_victim()
        if before is not None:
            graph.join(before, self.victim, kind)
        self.after(position)

    def make_victim(self):
        cause, spec, tool = self.cause, self.spec, TOOLS[self.kind]
        words = self.expand(spec["run"])
        if cause.words:
            words = self.expand(cause.words(self))
        options = cause.options
        stdin = ""
        if self.kind == "source":
            if spec.get("stdin"):
                stdin = self.path("lines")
        elif self.position in ("first", "alone"):
            if cause.damage:
                options += " --stream"
                stdin = cause_damaged(self)
            else:
                options += " --text"
                stdin = self.path("lines")
        elif self.number % 2:
            options += " --stream"
        if cause.act:
            options += f" --grace {cause.grace}"
        victim = self.graph.stage(self.measured(tool, self.expand(options)) + words, stdin=stdin,
                                  stdout=self.path("stdout") if self.kind == "sink" else "",
                                  wrap=cause.wrap)
        if cause.setup:
            cause.setup(self, victim)
        return victim

    def sink(self, name):
        made = self.graph.stage(self.measured("fl-sink", self.down) +
                                f"hdfs --min-commit 10ms file://{self.path(name)}")
        self.places[made.number] = ("dest", self.path(name))
        return made

    def group(self, name):
        files = " + ".join(f"hdfs --min-commit 10ms file://{self.path(name, str(i))}"
                           for i in (1, 2))
        made = self.graph.stage(self.measured("fl-sink", self.down) + f"failover -- {files}")
        self.places[made.number] = ("dest", self.path(name))
        return made

    def after(self, position):
        graph, victim = self.graph, self.victim
        if self.kind == "sink":
            where = {"stdout": self.path("stdout"), "dest": self.path("dest"), "kafka": "",
                     "figures": self.path(f"m{self.count_measured}.prom")}
            self.places[victim.number] = (self.spec["stored"], where[self.spec["stored"]])
            return
        if self.spec.get("outputs"):
            self.shared = not self.spec.get("copies")
            kind = {"process substitution": "psub", "sockets": "unix"}.get(position, self.named)
            for i in range(self.spec["outputs"]):
                last = self.group(f"out{i}") if position == "before a group" and i == 0 \
                    else self.sink(f"out{i}")
                graph.join(victim, last, kind)
            return
        if position == "before a group":
            graph.join(victim, self.group("out"))
        elif position == "before replicate":
            split = graph.stage(self.measured("fl-channel", self.down) + "replicate")
            graph.join(victim, split)
            graph.join(split, self.sink("out1"), self.named)
            graph.join(split, self.sink("out2"), "psub")
        elif position == "merged":
            other = self.other = graph.stage(f"fl-source stdin {self.path('other')}")
            merge = graph.stage(self.measured("fl-channel", self.down) + "memory")
            graph.join(victim, merge, "psub")
            graph.join(other, merge, "psub")
            graph.join(merge, self.sink("out"))
            self.ids |= OTHERS
        elif position == "sockets":
            graph.join(victim, self.sink("out"), "unix")
        elif position in ("first", "middle"):
            tail = graph.stage(self.measured("fl-intercept", self.down) + "static c d")
            graph.join(victim, tail)
            buffer = graph.stage(self.measured("fl-channel", self.down) + "memory")
            graph.join(tail, buffer)
            graph.join(buffer, self.sink("out"))
        else:
            graph.join(victim, self.sink("out"))

    # ---- the run

    def run(self):
        """Faults: [(kind, text)]."""
        self.directory = harness.make_directory()
        try:
            self.prepare()
            self.build()
            for last in self.graph.lasts() if self.cause.held else ():
                last.wrap = 'kill -STOP $$; exec "$@"'
            if self.spec.get("server") == "avro":
                self.server = avro_rpc.Server(self.store, port=self.port)
            elif self.spec.get("server") == "http":
                self.server = http_server.Server(self.store_lines, port=self.port).start()
            elif self.spec.get("server") == "hbase":
                self.server = hbase_gateway.Gateway({"t": ["f"]}, self.port).start()
                self.server.store_in(self.path("dest", "stored"))
            with self.graph.started():
                if self.spec.get("client") in SENDERS:
                    self.client = threading.Thread(target=self.feed, daemon=True)
                    self.client.start()
                try:
                    if self.cause.act:
                        self.cause.act(self)
                    if self.spec.get("waits") and "ulimit" in self.cause.wrap:
                        self.wait_patiently()
                    self.end_the_bereft()
                    self.graph.wait()
                except harness.Hang as hang:
                    return [("hung", str(hang))], self.report()
                faults = self.judge()
                return faults, self.report()
        finally:
            if self.client:
                self.client.join(harness.HANG)
            if self.server:
                self.server.close()
            shutil.rmtree(self.directory, ignore_errors=True)
            # Thousands of cells are kept until the last one has run.
            self.lines = self.text = self.files = self.ids = None

    def wait_patiently(self):
        """TERM to a stage that waits for better times; it must handle that."""
        end = time.monotonic() + 5
        while self.victim.status is None and time.monotonic() < end:
            time.sleep(0.01)
        self.is_stopped = self.victim.send(signal.SIGTERM)
        if self.position == "sockets":
            self.left.add(self.victim)  # on a busy machine it may not have read anything yet

    def end_the_bereft(self):
        """TERM to a stage that waits at a socket for another peer, once the one that it had has
        gone."""
        edges = [edge for edge in self.graph.edges if edge.kind == "unix"]
        still = {}  # stage -> (bytes, looks in which nothing moved)

        def looks(stage):
            moved, since = still.get(stage, (-1, 0))
            now = stage.transferred()
            still[stage] = (now, since + 1 if now == moved else 0)
            return still[stage][1]

        def ended():
            running = {stage for edge in edges for stage in (edge.writer, edge.reader)
                       if stage.status is None}
            counts = {stage: looks(stage) for stage in running}
            bereft = {edge.writer for edge in edges if edge.reader not in running}
            bereft |= {edge.reader for edge in edges if edge.writer.status}
            # Both wait for better times, or a writer was stopped before it had anything to report.
            if ("ulimit" in self.cause.wrap or self.cause.act) and \
                    all(count > 150 for count in counts.values()):
                bereft |= running
            for stage in bereft & running:
                if counts[stage] > 50 and harness.catches(stage.process.pid, signal.SIGTERM):
                    stage.send(signal.SIGTERM)
                    self.left.add(stage)
                    still[stage] = (-1, 0)
            return not running

        if edges:
            harness.poll(ended, "the end of who is joined by sockets")

    def report(self):
        return self.graph.report().replace(self.directory, "$D")

    def feed(self):
        """The client of a source that listens: sends all lines, then TERM to the source."""
        try:
            send = SENDERS[self.spec["client"]]
            send(self.port, self.lines, lambda: self.victim.status is not None)
            if not self.cause.act:  # a second signal would cut the first short
                self.victim.send(signal.SIGTERM)
        except (OSError, harness.Hang):
            pass

    def store(self, events):
        """What the server of a sink does with a batch."""
        with open(self.path("dest", "stored"), "ab") as file:
            file.write(b"".join(body + b"\n" for _, body in events))
        return "OK"

    def store_lines(self, request):
        with open(self.path("dest", "stored"), "ab") as file:
            file.write(request.body)
        return 200

    def flow(self, hold=True):
        """Waits until events flow through the victim; holds the last stages, so that they still do
        when the victim is hit."""
        lasts = [stage for stage in self.graph.lasts() if stage is not self.victim]
        watched = lasts or [self.victim]
        # A source may have ended well, before a durable channel whose readers have not begun.
        gone = lambda: any(stage.status not in (None, 0) or
                           stage.status == 0 and stage in watched for stage in self.graph.stages)
        harness.poll(lambda: gone() or all(stage.transferred() > 300_000 for stage in watched),
                     "a flow of events")
        if not hold:
            return
        # If one has gone, others may not have begun: a stopped one would never get its handlers.
        harness.wait_for_handlers([stage.process.pid for stage in lasts], signal.SIGTERM)
        for stage in lasts:
            stage.send(signal.SIGSTOP)
        self.settle()

    def settle(self):
        seen = [None, 0]

        def settled():
            now = [stage.transferred() for stage in self.graph.stages]
            seen[1] = seen[1] + 1 if now == seen[0] else 0
            seen[0] = now
            return seen[1] > 10
        harness.poll(settled, "full pipes")

    def await_held(self):
        """The last stages have stopped, and nobody else moves any more."""
        def state(stage):
            try:
                with open(f"/proc/{stage.process.pid}/stat") as file:
                    return file.read().rpartition(")")[2].split()[0]
            except OSError:
                return "Z"
        harness.poll(lambda: all(state(last) in "TZ" for last in self.graph.lasts()), "a stop")
        begun = set(self.graph.stages) - set(self.graph.lasts()) | {self.victim}
        harness.poll(lambda: all(stage.status is not None or
                                 harness.catches(stage.process.pid, signal.SIGTERM)
                                 for stage in begun), "handlers")
        self.settle()

    def release(self):
        for stage in self.graph.lasts():
            stage.send(signal.SIGCONT)

    # ---- the verdict

    def ids_at(self, stage):
        """(ids or None, count) at the destination of a last stage."""
        how, where = self.places[stage.number]
        if how == "figures":
            if stage in self.hit and self.position == "sockets":
                return None, len(self.ids)  # its last figures are too old
            try:
                with open(where) as file:
                    page = exposition.parse(file.read())
                return None, int(sum(page.get("fl_events_received_total", {}).values()))
            except FileNotFoundError:
                return None, 0
        found = set()
        if how == "kafka":
            found = ids_of(b"\n".join(self.server.values()))
        elif how == "stdout":
            with open(where, "rb") as file:
                found = ids_of(file.read(), self.text)
        elif os.path.isdir(where):
            for path in harness.committed_files(where):
                with open(path, "rb") as file:
                    found |= ids_of(file.read(), self.text)
        return found, len(found)

    def kept(self):
        """The ids in the log of a durable channel: they are stored, whatever comes after it."""
        if self.kind == "channel" and self.spec.get("server") == "kafka":
            return ids_of(b"\n".join(self.server.values()))
        log = os.path.join(self.directory, "log")
        if self.victim.words[0] != "fl-channel" or "file" not in self.victim.words or \
                not os.path.exists(os.path.join(log, "head")):
            return set()
        out = subprocess.run([os.path.join(harness.BIN, "fl-channel"), "cat", log],
                             stdout=subprocess.PIPE, timeout=harness.HANG, check=True).stdout
        return ids_of(out, self.text)

    def figure(self, stage, key):
        for word in stage.words:
            if word.endswith(".prom"):
                try:
                    with open(word) as file:
                        return int(sum(exposition.parse(file.read()).get(key, {}).values()))
                except FileNotFoundError:
                    return None
        return None

    def judge(self):
        faults = []
        graph, victim, cause = self.graph, self.victim, self.cause
        stored = {stage: self.ids_at(stage) for stage in graph.lasts()}
        kept = self.kept()
        for last in stored:
            if kept and self.victim in last.upstream():
                ids, count = stored[last]
                stored[last] = (None, count + len(kept)) if ids is None else \
                    (ids | kept, len(ids | kept))
        if self.shared:
            whole = set().union(*(ids for ids, _ in stored.values()))
            stored = {stage: (whole, len(whole)) for stage in stored}
        wanted = self.wanted()

        def missing(last, whose):
            ids, count = stored[last]
            if ids is None:
                return max(0, len(wanted) - count)
            return len(whose - ids)

        printing = self.spec.get("prints") and cause.closed
        for stage in graph.stages:
            name = f"{stage.name} {stage.words[-1]}"
            if stage.words[0] == "head":
                continue
            status = stage.status
            # A reader at a socket reports with 0 that it has stored what it took: the rest is its
            # writer's, if it was stopped.
            is_stopped = self.position == "sockets" and (cause.act or stage in self.left)
            if status == 0 and not printing and not (is_stopped and stage.reads):
                reached = [last for last in graph.lasts()
                           if last is stage or stage in last.upstream()]
                whose = wanted & OTHERS if stage is self.other else wanted
                lacks = max(missing(last, whose) for last in reached)
                if lacks:
                    faults.append(("lied", f"{name} ended with 0, {lacks} of {len(wanted)} events "
                                           f"are not stored"))
            if status not in FAILURES | {0} and stage not in self.hit:
                faults.append(("crash", f"{name} ended with {status}"))
        if cause.own is not None and victim.status not in cause.own:
            faults.append(("accepted" if victim.status == 0 else "status",
                           f"the victim ended with {victim.status}"))
        lost = set(self.forgotten())
        for last in graph.lasts():
            ids, count = stored[last]
            gone = lost - ids if ids is not None else ()
            if gone or ids is None and len(lost) > count:
                faults.append(("lost", f"{len(gone) or len(lost) - count} forgotten events are not "
                                       f"stored by {last.name}"))
        if cause.origin and 64 <= victim.status <= 78 and victim not in graph.lasts():
            for last in graph.lasts():
                if victim in last.upstream() and self.position != "sockets":
                    faults += self.judge_message(last)
        return faults

    def judge_message(self, last):
        victim, faults = self.victim, []
        if last.status == 0:
            return [("lied", f"{last.name} ended with 0, the victim with {victim.status}")]
        if self.mute or self.cause.deaf and last.status == 75:
            return faults
        if last.status != victim.status:
            faults.append(("other status", f"{last.name} ended with {last.status}, the victim with "
                                           f"{victim.status}"))
        said = [re.sub(r"^fl-[\w-]+( \w+)?: ", "", row)[:150] for row in victim.errors.splitlines()]
        said = [text for text in said if len(text) > 8]
        quoting = [row for row in last.errors.splitlines() if any(text in row for text in said)]
        if not quoting:
            faults.append(("unclear", f"{last.name} does not say why the victim failed"))
        elif len(quoting) > 1 and "failover" not in last.words:
            faults.append(("noisy", f"{last.name} says it {len(quoting)} times"))
        return faults

    def wanted(self):
        """Ids that must be stored where a stage ends with 0."""
        first = self.graph.stages[0]
        if self.reads_topic:
            # A reader that is stopped in order has committed what counts; otherwise --once means
            # all.
            is_stopped = self.cause.act or self.is_stopped or self.victim in self.left
            if not is_stopped or self.victim.status != 0:
                return self.ids
            return set(self.forgotten()) | self.ids & OTHERS
        if self.cause.act and self.kind == "source" and self.spec.get("produces"):
            # A signal ends it in order: what it has read counts.
            count = self.figure(self.victim, "fl_events_received_total")
            return self.ids & OTHERS | set(range(count if count is not None else len(self.ids)))
        if self.spec.get("client") and self.victim.status == 0 and first:
            count = re.findall(r"(\d+) events", self.victim.errors)
            if count and int(count[-1]) < len(self.lines):
                return set(range(int(count[-1])))
        return self.ids

    def forgotten(self):
        """The ids that the source will not read again."""
        if self.reads_topic:
            return list(ids_of(b"\n".join(self.server.committed("g"))))
        ids = []
        for name, part in self.files.items():
            if os.path.exists(self.path("spool", name + ".COMPLETED")):
                ids += part
            elif not os.path.exists(self.path("spool", name)):
                self.notes.append(f"{name} vanished")
        return ids


def cause_damaged(cell):
    """A saved stream that is cut in the middle."""
    path = cell.path("damaged.avro")
    subprocess.run(["fl-source", "stdin", cell.path("lines"), "--out", path], check=True,
                   env=harness.environment(cell.directory), timeout=harness.HANG,
                   capture_output=True)
    with open(path, "r+b") as file:
        file.truncate(os.path.getsize(path) * 2 // 3)
    return path


class Tally:
    """What a matrix found, by kind of fault, with the shortest reproduction of each."""

    def __init__(self):
        self.runs = 0
        self.cells = set()
        self.counts = collections.Counter()
        self.shown = {}

    def add(self, cell, faults, report):
        self.runs += 1
        self.cells.add((cell.kind, cell.name, cell.cause.name, cell.position))
        for kind in {kind for kind, _ in faults}:
            self.counts[kind] += 1
        for kind, text in faults:
            key = (cell.cause.name, kind)
            cells, best = self.shown.get(key, ([], None))
            cells.append(f"{cell.name}/{cell.position}")
            if best is None or len(report) < len(best[1]):
                best = (f"{cell.title}: {text}", report)
            self.shown[key] = (cells, best)

    def summary(self):
        each = lambda i: len({cell[i] for cell in self.cells})
        stages = len({cell[:2] for cell in self.cells})
        kinds = {"lied": 0, "lost": 0, "hung": 0, **self.counts}
        return (f"{stages} stages x {each(2)} causes x {each(3)} positions: {self.runs} runs, " +
                ", ".join(f"{kind} {count}" for kind, count in kinds.items()))

    def details(self):
        rows = []
        for (cause, kind), (cells, (text, report)) in sorted(self.shown.items()):
            names = sorted(set(cells))
            rows.append(f"* {kind}: {cause}: {len(names)} cells ({', '.join(names[:12])}"
                        f"{', ...' if len(names) > 12 else ''})\n  e.g. {text}\n    " +
                        report.replace("\n", "\n    "))
        return "\n".join(rows)
