#!/usr/bin/env python3
"""Every component of every tool, those to come included: a pipeline around it is run to its end,
traced, killed, interrupted, given a full device, a reader that closed and an empty stream (trials.py says
how the component is run). Each time: nobody hangs, every status is honest, what was acknowledged or
forgotten is delivered, nothing is delivered that was not sent or that was sent once and came twice.

FL_TEST_LONG=1: ten times the kills.
"""
import collections
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "tools")]
import exposition
import harness
import loop_syncs
from exposition import value
from ports import free_port
from trials import SPOOL, FORGOTTEN, TRIALS

COUNT = 20_000
KILLS = 40 if os.environ.get("FL_TEST_LONG") else 4
INTERRUPTS = 10 if os.environ.get("FL_TEST_LONG") else 1
TOOLS = {"source": "fl-source", "interceptor": "fl-intercept", "channel": "fl-channel",
         "sink": "fl-sink"}
SINK = "fl-sink hdfs --stream --min-commit 10ms --roll-count 5000 file://$PWD/"
STATUSES = {0, 64, 65, 69, 73, 74, 75, 77, 78}


def components():
    """(kind, name) of what the programs in BIN declare."""
    found = set()
    for path in sorted(glob.glob(os.path.join(harness.BIN, "fl-*"))):
        if re.fullmatch(r"fl-(source|intercept|channel|sink)(-\w+)?", os.path.basename(path)):
            text = subprocess.run([path, "--generate", "options-json"], capture_output=True,
                                  check=True, timeout=harness.HANG).stdout
            found |= {(each["kind"], each["name"]) for each in json.loads(text)["components"]}
    return sorted(found)


class Trial:
    """One pipeline around a component. `stages` are its processes in the order of the flow; with
    several outputs the sinks after them come last."""

    def __init__(self, case, kind, spec, directory, **changes):
        self.case, self.kind, self.spec, self.directory = case, kind, spec, directory
        os.mkdir(directory)
        self.count = spec.get("count", COUNT)
        self.lines = [b"%d" % i for i in range(self.count)]
        self.path = lambda *parts: os.path.join(directory, *parts)
        with open(self.path("lines"), "wb") as file:
            file.write(b"".join(line + b"\n" for line in self.lines))
        self.env = case.env(LINES=self.path("lines"), COUNT=str(self.count), TRIALS=HERE,
                            OUT1=self.path("out1.pipe"), OUT2=self.path("out2.pipe"),
                            STDOUT=self.path("trial-out"), PORT=str(free_port()))
        self.env.update(changes)
        self.pipelines = []
        self.client = self.server = None
        self.tracer = []  # the component's own stage runs under this command
        self.outputs = 2 if spec.get("outputs") else 1

    def shell(self, command):
        done = subprocess.run(["sh", "-c", command], env=self.env, cwd=self.directory,
                              stdin=subprocess.DEVNULL, capture_output=True, check=False,
                              timeout=harness.HANG)
        self.case.assertEqual(done.returncode, 0, f"{command}\n{done.stderr.decode()}")
        return done.stdout.splitlines()

    def words(self, command):
        """Through sh for its variables; each stage with a textfile of its figures."""
        self.numbered += 1
        tool, rest = command.split(" ", 1)
        tracer = " ".join(self.tracer) if self.numbered - 1 == self.own_index else ""
        return ["sh", "-c", f"exec {tracer} {tool} --metrics stage{self.numbered - 1}.prom {rest}"]

    def own(self):
        """The component's own command."""
        stream = "" if self.kind == "source" else "--stream "
        return f"{TOOLS[self.kind]} {stream}{self.spec['run']}"

    def start(self, behind=True, stdout=None):
        """The whole pipeline, or without what follows the component."""
        self.numbered = self.own_index = 0
        if self.kind != "source":
            self.shell(SPOOL)
        if self.spec.get("prepare"):
            self.shell(self.spec["prepare"])
        if self.spec.get("server"):
            self.server = self.beside("server")
        commands = [] if self.kind == "source" else ["fl-source spooldir spool --once --window 64K"]
        if self.kind == "sink":
            commands.append("fl-intercept timestamp --stream")
        self.own_index = len(commands)
        commands.append(self.own())
        if behind and self.kind != "sink" and self.outputs == 1:
            if self.kind != "channel":
                commands.append("fl-channel memory --stream")
            commands.append(SINK + "out")
        stdin = subprocess.DEVNULL
        if self.spec.get("stdin"):
            stdin = os.open(self.path("lines"), os.O_RDONLY)
        out = stdout
        if out is None:
            out = os.open(self.env["STDOUT"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        readers = []
        if behind and self.outputs == 2:
            os.mkfifo(self.env["OUT1"])
            os.mkfifo(self.env["OUT2"])
            readers = [SINK + "out --in $OUT1", SINK + "out2 --in $OUT2"]
        try:
            self.pipelines.append(harness.Pipeline(
                self.directory, *map(self.words, commands), stdin=stdin, stdout=out, env=self.env,
                name="trial-"))
            for i, reader in enumerate(readers):
                self.pipelines.append(harness.Pipeline(
                    self.directory, self.words(reader), env=self.env, name=f"reader{i}-"))
        finally:
            if stdout is None:
                os.close(out)
            if stdin != subprocess.DEVNULL:
                os.close(stdin)
        if behind and self.spec.get("client"):
            self.client = self.beside("client")
        return self

    def beside(self, key):
        return subprocess.Popen(["sh", "-c", self.spec[key]], env=self.env, cwd=self.directory,
                                stdin=subprocess.DEVNULL)

    @property
    def stages(self):
        return [process for pipeline in self.pipelines for process in pipeline.processes]

    def report(self):
        return "\n".join(pipeline.report() for pipeline in self.pipelines)

    def await_open(self):
        """Opening a named pipe waits for the other end: nobody is killed before that."""
        if self.spec.get("outputs"):
            harness.poll(lambda: all(is_open(reader, out) and is_open(self.own_stage, out) or
                                     None not in (reader.poll(), self.own_stage.poll())
                                     for reader, out in zip(self.stages[-2:],
                                                            (self.env["OUT1"], self.env["OUT2"]))),
                         f"open pipes: {self.report()}")

    @property
    def own_stage(self):
        return self.stages[self.own_index]

    def send(self, number):
        for pipeline in self.pipelines:
            try:
                pipeline.send(number)
            except ProcessLookupError:
                pass

    def wait(self):
        for pipeline in self.pipelines:
            pipeline.wait()
            # Processes that a killed stage had started end by themselves, a little later.
            harness.poll(lambda: group_is_gone(pipeline.group), f"end of all: {self.report()}")
        return [process.returncode for process in self.stages]

    def run_to_its_end(self):
        if not self.spec.get("ends", True):
            # The client has its answers, or has handed everything over.
            self.client.wait(harness.HANG)
            self.await_received()
            self.stages[0].send_signal(signal.SIGINT)
        return self.wait()

    def await_received(self):
        """A source that does not end by itself has taken all lines, or has ended nevertheless."""
        def taken():
            if self.stages[0].poll() is not None:
                return True
            if harness.catches(self.stages[0].pid, signal.SIGUSR1):
                os.kill(self.stages[0].pid, signal.SIGUSR1)
            return re.search(rf"\b{self.count} events", self.pipelines[0].errors(0))
        harness.poll(taken, f"{self.count} events: {self.report()}")

    def close(self):
        for pipeline in self.pipelines:
            pipeline.kill()
        for other in (self.client, self.server):
            if other:
                if other.poll() is None:
                    other.kill()
                other.wait()

    def page(self, i):
        """The figures of a stage; {}: it wrote none."""
        try:
            with open(self.path(f"stage{i}.prom")) as file:
                return exposition.parse(file.read())
        except FileNotFoundError:
            return {}

    # ---- what has arrived

    def expected(self):
        return self.shell(self.spec["expected"]) if "expected" in self.spec else self.lines

    def delivered(self):
        """One list of lines for each place; None: nobody can know."""
        if self.kind == "sink":
            command = self.spec["delivered"]
            return [self.shell(command)] if command else None
        places = [harness.committed_lines(self.path(name)) for name in ("out", "out2")
                  [:self.outputs]]
        if self.spec.get("holds"):
            there = set(places[0])
            places[0] += [line for line in self.shell(self.spec["holds"]) if line not in there]
        return [places[0] + places[1]] if self.spec.get("outputs") == "shares" else places

    def forgotten(self):
        command = self.spec.get("forgotten") if self.kind == "source" else FORGOTTEN
        return self.shell(command) if command else []

    def judge(self, killed=None, stopped=False):
        """Faults of a run that has ended. `stopped`: by a signal, so that not all need be there."""
        faults = []
        statuses = [process.returncode for process in self.stages]
        survivors = {i: status for i, status in enumerate(statuses) if i != killed}
        for i, status in survivors.items():
            if status not in STATUSES:
                faults.append(f"stage {i} ended with {status}")
            page = self.page(i)
            if page and list(page.get("fl_exit_status", {}).values()) != [status]:
                faults.append(f"stage {i} ended with {status}, its figures do not say so")
            if not page and killed is None:
                faults.append(f"stage {i} left no figures")
        claims = list(survivors.values())
        if killed is not None and "fl_exit_status" in self.page(killed):
            claims.append(value(self.page(killed), "fl_exit_status"))  # killed on its last step
        expected = self.expected()
        said_done = any(status == 0 for status in claims) and not stopped
        places = self.delivered()
        if places is None:
            received = self.page(len(statuses) - 1).get("fl_events_received_total", {})
            if said_done and sum(received.values()) != len(expected):
                faults.append("a stage ended with 0 before all was received")
            return faults
        forgotten = self.forgotten()
        acknowledged = [number for key, number in
                        self.page(0).get("fl_events_acknowledged_total", {}).items()]
        for i, lines in enumerate(places):
            done = said_done
            if self.spec.get("outputs") == "copies":
                # The sink of one output knows nothing of the other.
                mine = (0, self.own_index, self.own_index + 1 + i)
                done = not stopped and any(survivors.get(stage) == 0 for stage in mine)
            faults += self.judge_place(lines, expected, killed, done, forgotten)
            if len(expected) == self.count and 0 in survivors and acknowledged and \
                    acknowledged[0] > len(lines):
                faults.append(f"{acknowledged[0]:.0f} acknowledged, {len(lines)} delivered")
            if stopped and all(status == 0 for status in statuses):
                received = value(self.page(0), "fl_events_received_total")
                if len(expected) == self.count and received != len(lines):
                    faults.append(f"{received:.0f} were read, {len(lines)} delivered, all say 0")
        return faults

    def judge_place(self, lines, expected, killed, said_done, forgotten):
        faults = []
        wanted = set(expected)
        if killed == self.own_index and self.kind == "sink" and lines and lines[-1] not in wanted:
            lines = lines[:-1]  # it died in the middle of a line
        counts = collections.Counter(lines)
        foreign = [line for line in counts if line not in wanted]
        if foreign:
            faults.append(f"{len(foreign)} lines that were never sent, e.g. {foreign[0][:60]!r}")
        repeated = [line for line, count in counts.items() if count > 1]
        if repeated and not (killed is not None and self.spec.get("repeats")):
            faults.append(f"{len(repeated)} lines twice, e.g. {repeated[0]!r}")
        missing = len(wanted) - len(wanted & counts.keys())
        if said_done and missing:
            faults.append(f"a stage ended with 0 and {missing} of {len(wanted)} are missing")
        lost = [line for line in forgotten if line in wanted and line not in counts]
        if lost:
            faults.append(f"{len(lost)} forgotten lines are not delivered, e.g. {lost[0]!r}")
        return faults


def hears(process) -> bool:
    """It is a stage with its handlers; sh has some too before it becomes one."""
    try:
        with open(f"/proc/{process.pid}/comm") as file:
            return file.read().startswith("fl-") and harness.catches(process.pid, signal.SIGINT)
    except OSError:
        return False


def is_open(process, path) -> bool:
    for link in glob.glob(f"/proc/{process.pid}/fd/*"):
        try:
            if os.readlink(link) == path:
                return True
        except OSError:
            pass
    return False


def group_is_gone(group) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


class Trials(harness.Case):
    """One test for each component; made below."""

    def trial(self, name, **changes):
        trial = Trial(self, self.kind, self.spec, self.path(name), **changes)
        self.addCleanup(shutil.rmtree, trial.directory, ignore_errors=True)
        self.addCleanup(trial.close)
        return trial

    def sound(self, trial, faults, what):
        trial.close()
        if faults:
            self.fail(f"{what}:\n  " + "\n  ".join(faults) + "\n" + trial.report())
        shutil.rmtree(trial.directory, ignore_errors=True)

    def try_component(self, kind, name):
        self.kind = kind
        if name not in TRIALS[kind]:
            self.fail(f"a new component without a trial: add {kind} {name} to trials.py")
        self.spec = TRIALS[kind][name]
        begin = time.monotonic()
        self.whole_run()
        duration = time.monotonic() - begin
        hits = sum(self.kill(i, duration) for i in range(KILLS))
        self.assertGreater(hits, 0, "all kills came too late")
        for i in range(INTERRUPTS):
            self.interrupt(i, duration)
        self.traced_run()
        self.full_device()
        self.closed_reader()
        if kind != "source":
            self.empty_stream()
        print(f"{kind} {name}: {hits} of {KILLS} kills hit a running stage, one run {duration:.2f} s")

    def whole_run(self):
        trial = self.trial("whole").start()
        statuses = trial.run_to_its_end()
        faults = trial.judge()
        if any(statuses):
            faults.append(f"statuses {statuses}")
        self.sound(trial, faults, "a whole run")

    def traced_run(self):
        """Nothing is synced in the stage's loop."""
        if not loop_syncs.STRACE:
            return
        trial = self.trial("traced", TRACE=self.path("trace"))
        trial.tracer = loop_syncs.traced([], "$TRACE")
        trial.start()
        trial.run_to_its_end()
        self.sound(trial, [f"in the loop: {call}" for call in
                           loop_syncs.in_loop(self.path("trace"), trial.own_stage.pid)],
                   "syncs")

    def kill(self, i, duration):
        trial = self.trial(f"kill{i}").start()
        trial.await_open()
        # The component itself, and everybody around it.
        victim = trial.own_index if i % 2 == 0 else self.random.randrange(len(trial.stages))
        time.sleep(self.random.uniform(0, 0.005) if i % 4 == 0 else
                   self.random.uniform(0, 0.8 * duration))
        process = trial.stages[victim]
        if process.poll() is None:
            process.kill()
        process.wait()
        hit = process.returncode == -signal.SIGKILL
        if not hit and not self.spec.get("ends", True):
            trial.stages[0].send_signal(signal.SIGINT)
        trial.wait()
        self.sound(trial, trial.judge(killed=victim if hit else None, stopped=not hit),
                   f"kill {i} of stage {victim}")
        return hit

    def interrupt(self, i, duration):
        trial = self.trial(f"int{i}").start()
        trial.await_open()
        for process in trial.stages:
            harness.poll(lambda: hears(process) or process.poll() is not None, "handlers")
        time.sleep(self.random.uniform(0, 0.8 * duration))
        trial.send(signal.SIGINT)
        statuses = trial.wait()
        faults = trial.judge(stopped=True)
        # Every stage ends with the status of the source.
        if statuses[0] not in (0, 75) or set(statuses[1:]) != {statuses[0]}:
            faults.append(f"statuses {statuses}: all have finished, or all say that the source has not")
        self.sound(trial, faults, f"interrupt {i}")

    def full_device(self):
        if self.spec.get("outputs"):
            trial = self.trial("full", OUT1="/dev/full", OUT2="second").start(behind=False)
        else:
            with open("/dev/full", "wb") as full:
                trial = self.trial("full").start(behind=False, stdout=full.fileno())
        statuses = trial.wait()
        writes = self.kind != "sink" or self.spec.get("prints")
        faults = [] if writes else trial.judge()  # nothing goes there
        allowed = (69, 73, 74) if writes else (0,)
        if self.spec.get("outputs"):
            allowed += (75,)  # the other output continues
        if self.spec.get("outputs") == "shares":
            allowed += (0,)  # it has it all
        if statuses[trial.own_index] not in allowed:
            faults.append(f"status {statuses[trial.own_index]} instead of one of {allowed}")
        if writes and 0 not in allowed and trial.forgotten():
            faults.append("lines were forgotten that are nowhere")
        self.sound(trial, faults, "a full device as its output")

    def closed_reader(self):
        if self.spec.get("outputs"):
            return  # its stdout is not used; a killed reader is tried above
        reader, writer = os.pipe()
        os.close(reader)
        try:
            trial = self.trial("closed").start(behind=False, stdout=writer)
        finally:
            os.close(writer)
        statuses = trial.wait()
        faults = []
        writes = self.kind != "sink" or self.spec.get("prints")
        # An answer that nobody wants ends quietly, as SIGPIPE would; handing on does not.
        allowed = (0, 69, 74, 75) if self.spec.get("prints") else (69, 74, 75) if writes else (0,)
        if statuses[trial.own_index] not in allowed:
            faults.append(f"status {statuses[trial.own_index]} instead of one of {allowed}")
        if writes and trial.forgotten():
            faults.append("lines were forgotten that are nowhere")
        self.sound(trial, faults, "a reader that has closed")

    def empty_stream(self):
        trial = self.trial("empty", OUT1="first", OUT2="second")
        trial.numbered = trial.own_index = 0
        if self.spec.get("prepare"):
            trial.shell(self.spec["prepare"])
        if self.kind != "source" and self.spec.get("server"):
            trial.server = trial.beside("server")
        pipeline = harness.Pipeline(trial.directory, trial.words(trial.own()), env=trial.env)
        trial.pipelines.append(pipeline)
        statuses = pipeline.wait()
        faults = [] if statuses == [65] else [f"status {statuses} instead of 65"]
        self.sound(trial, faults, "an empty stream")


def add_tests():
    for kind, name in components():
        def test(self, kind=kind, name=name):
            self.try_component(kind, name)
        setattr(Trials, f"test_{kind}_{name}", test)


class Registry(harness.Case):
    def test_no_trial_without_a_component(self):
        known = components()
        self.assertTrue(known)
        stale = [f"{kind} {name}" for kind, names in TRIALS.items() for name in names
                 if (kind, name) not in known]
        self.assertEqual(stale, [])


add_tests()
if __name__ == "__main__":
    harness.main()
