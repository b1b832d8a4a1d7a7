#!/usr/bin/env python3
"""Each stage x each cause of an end that is not 0 x each position: the status of the last stage is
true, nothing is lost silently, nothing hangs.

The stages are those that the programs declare; stages.py says how each is run. For each cell:
  lied      a stage ended with 0 although not everything is stored, or although the victim failed
  lost      the source has forgotten a file that is not stored
  hung      something did not end
  other status, unclear, noisy   the victim failed by itself with 64 to 78: the last stage after it
            must end with the same status, and quote its message once
  accepted, status, crash        the victim took the mistake, or ended with an unexpected status
FL_TEST_LONG=1: twenty runs of each cell instead of one (FL_TEST_ROUNDS changes the twenty), in all
positions where events flow, too. FL_TEST_STAGE=NAME, FL_TEST_POSITION=NAME: only that one.
"""
import concurrent.futures
import os
import shutil
import signal
import sys
import tempfile
import time

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)),
                os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools")]
import harness
from graph import transferred
from matrix import Cause, Cell, FAILURES, STAGES, Tally, TOOLS, declared, positions_of

LONG = bool(os.environ.get("FL_TEST_LONG"))
RUNS = int(os.environ.get("FL_TEST_ROUNDS", "20")) if LONG else 1
ONLY = os.environ.get("FL_TEST_POSITION", "")
JOBS = int(os.environ.get("FL_TEST_JOBS", "2"))
DECLARED, COMMON = declared()


# ---- mistakes on the command line; all of them from the declarations

def unknown_type(cell):
    return "nosuchtype"


def unknown_option(cell):
    return insert(cell, "--no-such-option")


def insert(cell, text):
    """The component's words with one more option."""
    own, dashes, rest = cell.spec["run"].partition(" -- ")
    return f"{own} {text}{dashes}{rest}"


def bad_value(cell):
    """A nonsense value for the first option of its own that does not take everything."""
    for option in cell.declared["options"]:
        if option["choices"] and not option["ignored"] and not option["positional"]:
            return insert(cell, f"--{option['name']} nonsense")
    for option in cell.declared["options"]:
        if option["metavar"] in ("TIME", "SIZE", "BYTES", "N", "PORT") and \
                not option["ignored"] and not option["positional"] and not option["repeated"]:
            return insert(cell, f"--{option['name']} nonsense")
    return None


def no_argument(cell):
    """Without anything that it requires."""
    if any(option["required"] for option in cell.declared["options"]):
        return cell.name
    return None


def program_is_missing(cell, victim):
    """A copy of its tool alone, without the component's own program."""
    cell.alone = tempfile.mkdtemp(prefix="alone-", dir=os.path.dirname(harness.BIN))
    os.link(os.path.join(harness.BIN, victim.words[0]), os.path.join(cell.alone, victim.words[0]))
    victim.words[0] = os.path.join(cell.alone, victim.words[0])
    victim.environment["PATH"] = "/usr/bin:/bin"


def is_program(cell):
    return bool(cell.declared["program"])


def single_output(cell):
    return not cell.spec.get("outputs")


def not_source(cell):
    return cell.kind != "source"


# ---- what happens while events flow

def kill_victim(cell):
    cell.flow()
    if cell.victim.send(signal.SIGKILL):
        cell.hit.add(cell.victim)
    cell.release()


def kill_next(cell):
    cell.flow()
    for edge in cell.victim.writes[:1]:
        if edge.reader.send(signal.SIGKILL):
            cell.hit.add(edge.reader)
    cell.release()


def terminate_victim(cell):
    cell.flow()
    cell.victim.send(signal.SIGTERM)
    cell.release()


def terminate_all(cell):
    cell.flow()
    # Behind a fan-out one may have begun later than the others.
    harness.poll(lambda: all(stage.status is not None or
                             harness.catches(stage.process.pid, signal.SIGTERM)
                             for stage in cell.graph.stages), "handlers")
    for stage in cell.graph.stages:
        stage.send(signal.SIGTERM)
    cell.release()


def send_twice(cell, number):
    for _ in range(2):
        cell.victim.send(number)
        harness.poll(lambda: not harness.is_pending(cell.victim.process.pid, number), "a signal")


def interrupt_twice(cell):
    cell.flow()
    send_twice(cell, signal.SIGINT)
    cell.release()


def kill_child(cell):
    """The command of a filter or source, a sink of a group."""
    cell.flow()
    for pid in harness.children_of(cell.victim.process.pid)[:1]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    cell.release()


def kill_child_at_the_end(cell):
    """The source has sent everything and has asked for it; a part has reached the command."""
    def running():
        for pid in harness.children_of(cell.victim.process.pid):
            if transferred(pid) > (300_000 if cell.kind == "sink" else 0):
                return pid
        return -1 if cell.victim.status is not None else 0
    pid = harness.poll(running, "a command")
    try:
        if pid > 0:
            os.kill(pid, signal.SIGSTOP)
            cell.settle()
            os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def terminate_twice_before(cell):
    """Nothing has come yet: the last stages have not begun to read."""
    cell.await_held()
    send_twice(cell, signal.SIGTERM)
    cell.release()


def terminate_and_kill_next(cell):
    cell.await_held()
    cell.victim.send(signal.SIGTERM)
    time.sleep(0.05)  # only chooses the moment: it has seen the one before the other
    for edge in cell.victim.writes[:1]:
        if edge.reader.send(signal.SIGKILL):
            cell.hit.add(edge.reader)
    cell.release()


FAILED = FAILURES
FLOW = 150_000
EXEC = 'exec "$@"'

CAUSES = [
    Cause("unknown TYPE", words=unknown_type, own={64}),
    Cause("unknown option", words=unknown_option, own={64}),
    Cause("bad value of its own", words=bad_value, own={64}),
    Cause("bad value of a stage option", options="--grace nonsense", own={64}),
    Cause("missing argument", words=no_argument, own={64, 78}),
    Cause("contradicting options", options="--text --stream", own={64},
          applies=lambda cell: cell.kind != "source" or cell.name == "stdin"),
    Cause("metrics that cannot be made", options="--metrics $DIR/missing/x", own=FAILED),
    Cause("metrics port that is taken", options="--metrics 127.0.0.1:1x", own=FAILED),
    Cause("reject file that cannot be made", options="--reject $DIR/missing/x", own=FAILED,
          applies=not_source),
    Cause("missing input", options="--in $DIR/missing", own=FAILED, applies=not_source),
    Cause("directory as input", options="--in $DIR", own=FAILED, applies=not_source),
    Cause("component program is missing", setup=program_is_missing, applies=is_program,
          own=FAILED),
    Cause("no place for sockets", setup=lambda cell, victim: victim.environment.update(
        FL_RUNTIME_DIR=cell.path("lines")), own=None),
    Cause("rejected line", options="--long-line reject --max-line 50", own=FAILED,
          applies=lambda cell: cell.kind == "source" and cell.name in ("stdin", "exec", "spooldir")
          or cell.kind != "source" and cell.position in ("first", "alone")),
    # The limit of a block is that of an event or a line and 64 KiB for its headers.
    Cause("event that is too large", options="--max-event 1KiB --max-line 1KiB", lines=5, width=200_000, own=FAILED,
          applies=lambda cell: not_source(cell) and cell.position not in ("first", "alone")),
    Cause("damaged input", damage=True, lines=3000, own=FAILED, applies=not_source),
    # It can tell nobody; --stream makes an error of empty input.
    Cause("stdout closed", wrap=EXEC + " >&-", own=FAILED, mute=True,
          applies=lambda cell: cell.kind != "sink" and single_output(cell) and
          cell.position != "sockets"),
    Cause("stdin closed", wrap=EXEC + " <&-", own=FAILED,
          applies=lambda cell: cell.position != "sockets" if cell.kind != "source" else
          cell.spec.get("stdin")),
    # A stage that cannot accept its reader cannot tell it why: then the end was not confirmed, 75.
    # At sockets it waits for descriptors, and so does its peer. With 3 no program finds its libraries.
    *(Cause(f"{count} descriptors", wrap=f"ulimit -n {count}; " + EXEC, deaf=True,
            applies=lambda cell: cell.position != "sockets")
      for count in (range(4, 16) if os.environ.get("FL_TEST_LONG") else (5, 8))),
    Cause("full disk", wrap="ulimit -f 16; " + EXEC, lines=3000),
    Cause("no processes", wrap="ulimit -u 1 2>/dev/null; " + EXEC,
          applies=lambda cell: os.getuid() != 0),
    Cause("kill -9", act=kill_victim, lines=FLOW, origin=False),
    Cause("a reader that dies", act=kill_next, lines=FLOW, origin=False,
          applies=lambda cell: cell.kind != "sink"),
    Cause("TERM", act=terminate_victim, lines=FLOW),
    Cause("TERM to all", act=terminate_all, lines=FLOW, origin=False),
    Cause("TERM to all, a short time", act=terminate_all, lines=FLOW, origin=False, grace="10ms"),
    Cause("TERM, a short time", act=terminate_victim, lines=FLOW, origin=False, grace="10ms"),
    Cause("a command that dies", act=kill_child, lines=FLOW, origin=False, all=True,
          applies=lambda cell: " -- " in cell.spec["run"]),
    Cause("a command that dies at the end", act=kill_child_at_the_end, lines=FLOW, origin=False, all=True,
          applies=lambda cell: " -- " in cell.spec["run"]),
    Cause("TERM twice before any event", act=terminate_twice_before, held=True, origin=False, all=True,
          applies=lambda cell: cell.kind != "sink"),
    Cause("TERM, and then the reader dies", act=terminate_and_kill_next, held=True, origin=False,
          all=True,
          applies=lambda cell: cell.kind != "sink"),
    # A stage that is to stop now does not wait until its reader has learned why.
    Cause("INT twice", act=interrupt_twice, lines=FLOW, origin=False),
]


def own_mistakes():
    """A cause for each mistake that only one component can make."""
    for kind, components in STAGES.items():
        for name, spec in components.items():
            for words, why in spec["fails"]:
                yield kind, name, Cause(why, words=lambda cell, words=words: words, own=FAILED)


class Matrix(harness.Case):
    """One test for each cause; made below."""

    total = Tally()

    def cells(self, cause, only=None):
        for kind, name in sorted(DECLARED):
            if only and (kind, name) != only or \
                    os.environ.get("FL_TEST_STAGE", name) != name:
                continue
            if name not in STAGES.get(kind, {}):
                self.fail(f"a new component without an entry: add {kind} {name} to stages.py")
            for i, position in enumerate(positions_of(kind, name)):
                if ONLY:
                    if position != ONLY:
                        continue
                elif (cause.act or cause.deaf) and not cause.all and not LONG and \
                        i != (len(name) + len(cause.name)) % len(positions_of(kind, name)):
                    continue  # these take longer: one position for each stage
                for run in range(RUNS):
                    cell = Cell(kind, name, cause, position, i + run, DECLARED)
                    if cause.applies and not cause.applies(cell):
                        continue
                    if cause.words and cause.words(cell) is None:
                        continue
                    yield cell

    def go_over(self, causes):
        tally = Tally()
        cells = [cell for cause, only in causes for cell in self.cells(cause, only)]
        with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
            for cell, (faults, report) in zip(cells, pool.map(lambda cell: cell.run(), cells)):
                if getattr(cell, "alone", None):
                    shutil.rmtree(cell.alone, ignore_errors=True)
                tally.add(cell, faults, report)
                self.total.add(cell, faults, report)
        # As root no limit of processes holds.
        as_root = os.getuid() == 0 and any(cause.name == "no processes" for cause, _ in causes)
        if not tally.runs and (as_root or os.environ.get("FL_TEST_STAGE") or ONLY):
            self.skipTest("does not apply")
        print(tally.summary(), flush=True)
        self.assertGreater(tally.runs, 0)
        if tally.shown:
            print(tally.details(), flush=True)
            self.fail(tally.summary())

    @classmethod
    def tearDownClass(cls):
        print(f"all: {cls.total.summary()}", flush=True)

    def test_the_mistakes_of_each_component(self):
        self.go_over([(cause, (kind, name)) for kind, name, cause in own_mistakes()])


def add(cause):
    name = "test_" + cause.name.replace(" ", "_").replace("-", "")
    setattr(Matrix, name, lambda self: self.go_over([(cause, None)]))


for each in CAUSES:
    add(each)

if __name__ == "__main__":
    harness.main()
