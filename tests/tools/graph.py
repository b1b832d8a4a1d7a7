"""Stages joined as a graph, as a shell joins them: by pipes, named pipes and process substitutions.

    graph = Graph(directory)
    a = graph.stage("fl-source seq --count 10")
    b = graph.stage("fl-channel replicate")
    c, d = graph.stage("fl-sink hdfs file:///x"), graph.stage("fl-sink null")
    graph.join(a, b)            # a | b
    graph.join(b, c, "fifo")    # --out NAME of b, --in NAME of c
    graph.join(b, d, "psub")    # --out >(d); --in <(b) if d has several inputs
    graph.join(b, d, "unix")    # --out unix:NAME of b, --until-end --in unix:NAME of d
    with graph.started():
        statuses = graph.wait()

Everybody is started at once and ends in one process group, so that nobody is left.
"""
import contextlib
import os
import shlex
import signal
import subprocess
import time

import harness


def transferred(pid: int, ways=("rchar", "wchar")) -> int:
    """Bytes that a process has read and written so far; -1: it has gone."""
    try:
        with open(f"/proc/{pid}/io") as file:
            return sum(int(line.split()[1]) for line in file if line.startswith(ways))
    except (OSError, ValueError):
        return -1


class Stage:
    """One process. `words` is a list, or a string that is split as a shell does."""

    def __init__(self, number: int, words, stdin: str, stdout: str, wrap: str, environment: dict):
        self.number = number
        self.words = shlex.split(words) if isinstance(words, str) else [str(word) for word in words]
        self.stdin = stdin        # a file; "": nothing, or the pipe of join()
        self.stdout = stdout      # a file; "": one that nobody reads, or the pipe of join()
        self.wrap = wrap          # a line for sh that ends with running "$@"
        self.environment = environment
        self.reads, self.writes = [], []
        self.process = None
        self.errors_path = ""

    @property
    def name(self) -> str:
        return f"{self.number}:{os.path.basename(self.words[0])}"

    @property
    def status(self):
        """Its status, negative for a signal; None: it runs."""
        return self.process.poll()

    @property
    def errors(self) -> str:
        with open(self.errors_path, errors="replace") as file:
            return file.read()

    def send(self, number: int) -> bool:
        """True: it was running when the signal was sent. It has its handlers before."""
        if number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            harness.wait_for_handlers([self.process.pid], number)
        if self.status is not None:
            return False
        os.kill(self.process.pid, number)
        return True

    def transferred(self) -> int:
        return transferred(self.process.pid)

    def written(self) -> int:
        """The bytes that it has written alone."""
        return transferred(self.process.pid, ("wchar",))

    def upstream(self) -> list:
        """All stages before it."""
        found = []
        for edge in self.reads:
            for stage in [edge.writer] + edge.writer.upstream():
                if stage not in found:
                    found.append(stage)
        return found


class Edge:
    def __init__(self, writer: Stage, reader: Stage, kind: str):
        self.writer, self.reader, self.kind = writer, reader, kind
        self.path = ""
        self.descriptors = []


class Graph:
    def __init__(self, directory: str, environment: dict = None, name: str = "g"):
        self.directory = directory
        self.environment = environment or harness.environment(directory)
        self.name = name
        self.stages, self.edges = [], []
        self.group = 0
        self.wrote = []

    def stage(self, words, stdin: str = "", stdout: str = "", wrap: str = "", **more) -> Stage:
        made = Stage(len(self.stages), words, stdin, stdout, wrap, {**self.environment, **more})
        made.errors_path = os.path.join(self.directory, f"{self.name}{made.number}.err")
        self.stages.append(made)
        return made

    def join(self, writer: Stage, reader: Stage, kind: str = "pipe") -> None:
        edge = Edge(writer, reader, kind)
        if kind == "fifo":
            edge.path = os.path.join(self.directory, f"{self.name}.fifo{len(self.edges)}")
        if kind == "unix":
            edge.path = "unix:" + os.path.join(self.directory, f"{self.name}.s{len(self.edges)}")
        self.edges.append(edge)
        writer.writes.append(edge)
        reader.reads.append(edge)

    def lasts(self) -> list:
        return [stage for stage in self.stages if not stage.writes]

    # ---- running

    def start(self) -> None:
        for edge in self.edges:
            if edge.kind == "fifo":
                os.mkfifo(edge.path)
            elif edge.kind != "unix":
                edge.descriptors = list(os.pipe())
        try:
            for stage in self.stages:
                self._start(stage)
        finally:
            for edge in self.edges:
                for number in edge.descriptors:
                    os.close(number)
                edge.descriptors = []

    def _start(self, stage: Stage) -> None:
        stdin, stdout, passed, words = subprocess.DEVNULL, None, [], []
        opened = []
        for edge in stage.reads:
            if edge.kind in ("fifo", "unix"):
                words += self._in(edge)
            elif self._is_read_inside(edge):
                passed.append(edge.descriptors[0])
                words += ["--in", f"/dev/fd/{edge.descriptors[0]}"]
            else:
                stdin = edge.descriptors[0]
        for edge in stage.writes:
            if edge.kind in ("fifo", "unix"):
                words += ["--out", edge.path]
            elif edge.kind == "psub" and not self._is_read_inside(edge):
                passed.append(edge.descriptors[1])
                words += ["--out", f"/dev/fd/{edge.descriptors[1]}"]
            else:
                stdout = edge.descriptors[1]
        if stage.stdin:
            stdin = os.open(stage.stdin, os.O_RDONLY)
            opened.append(stdin)
        if stdout is None:
            path = stage.stdout or os.path.join(self.directory, f"{self.name}{stage.number}.out")
            stdout = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            opened.append(stdout)
        words = stage.words[:1] + words + stage.words[1:]
        if stage.wrap:
            words = ["sh", "-c", stage.wrap, "sh"] + words
        try:
            with open(stage.errors_path, "wb") as errors:
                stage.process = subprocess.Popen(
                    words, stdin=stdin, stdout=stdout, stderr=errors, env=stage.environment,
                    cwd=self.directory, process_group=self.group, pass_fds=passed)
        finally:
            for number in opened:
                os.close(number)
        self.group = self.group or stage.process.pid

    @contextlib.contextmanager
    def started(self):
        try:
            self.start()
            yield self
        finally:
            self.kill()

    def wait(self, limit: float = 0) -> list:
        """Statuses of all; harness.Hang if one does not end, or leaves a child that does not."""
        end = time.monotonic() + (limit or harness.HANG)
        for stage in self.stages:
            try:
                stage.process.wait(max(0.01, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise harness.Hang(f"{stage.name} does not end") from None
        harness.poll(self._is_gone, "the end of what the stages had started",
                     max(1, end - time.monotonic()))
        return self.statuses()

    def statuses(self) -> list:
        return [stage.status for stage in self.stages]

    def _is_gone(self) -> bool:
        try:
            os.killpg(self.group, 0)
        except ProcessLookupError:
            return True
        return False

    def kill(self) -> None:
        """Ends whatever is left: the group is ours."""
        running = [stage for stage in self.stages if stage.process]
        if running and not (all(stage.status is not None for stage in running) and self._is_gone()):
            try:
                os.killpg(self.group, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for stage in running:
            stage.process.wait()

    # ---- for people

    def shell(self) -> str:
        """The graph as lines for bash, run in a directory of their own."""
        lines = [f"mkfifo {shlex.quote(edge.path)}" for edge in self.edges if edge.kind == "fifo"]
        return "\n".join(lines + [self._shell(stage) + " &" for stage in self.stages
                                  if self._begins_line(stage)] + ["wait"])

    @staticmethod
    def _in(edge) -> list:
        return (["--until-end"] if edge.kind == "unix" else []) + ["--in", edge.path]

    @staticmethod
    def _is_read_inside(edge) -> bool:
        """It is written as --in <(writer), not as --out >(reader)."""
        return edge.kind == "psub" and len(edge.reader.reads) > 1

    def _begins_line(self, stage: Stage) -> bool:
        if any(edge.kind == "pipe" or edge.kind == "psub" and not self._is_read_inside(edge)
               for edge in stage.reads):
            return False
        while stage.writes and stage.writes[0].kind == "pipe":
            stage = stage.writes[0].reader
        return not any(self._is_read_inside(edge) for edge in stage.writes)

    def _shell(self, stage: Stage) -> str:
        words = [stage.words[0]]
        for edge in stage.reads:
            if edge.kind in ("fifo", "unix"):
                words += [shlex.quote(word) for word in self._in(edge)]
            elif self._is_read_inside(edge):
                head = edge.writer
                while head.reads and head.reads[0].kind == "pipe":
                    head = head.reads[0].writer
                words += ["--in", f"<({self._shell(head)})"]
        for edge in stage.writes:
            if edge.kind in ("fifo", "unix"):
                words += ["--out", shlex.quote(edge.path)]
            elif edge.kind == "psub" and not self._is_read_inside(edge):
                words += ["--out", f">({self._shell(edge.reader)})"]
        text = " ".join(words + [shlex.quote(word) for word in stage.words[1:]])
        if stage.wrap:
            text = f"sh -c {shlex.quote(stage.wrap)} sh {text}"
        if stage.stdin:
            text += f" < {shlex.quote(stage.stdin)}"
        if stage.stdout:
            text += f" > {shlex.quote(stage.stdout)}"
        for edge in stage.writes:
            if edge.kind == "pipe":
                text += " | " + self._shell(edge.reader)
        return text

    def report(self) -> str:
        rows = [self.shell()]
        for stage in self.stages:
            rows.append(f"[{stage.status}] {stage.name} {' '.join(stage.words[1:])}"[:300])
            rows += ["    " + row[:300] for row in stage.errors.splitlines()[-6:]]
        return "\n".join(rows)
