#!/usr/bin/env python3
"""A stage that runs out of descriptors (EMFILE), wherever that hits it: at accept, connect, open, at its
peers' sockets (unix:) or at those of acknowledgements. Each stage that the programs declare is started
with room for N descriptors; what it does then may take as long as it likes, but
  spins   uses CPU while nothing moves
  hung    does not end once there is room again (prlimit), its input is over, or it gets TERM
  lied, lost, other status, crash   as in test_matrix.py
must not be. What it had not opened yet it opens then, and continues: those cells are counted.
Stages that talk to others over the network are tried with more values of N. FL_TEST_LONG=1: each from 4
to 40. FL_TEST_STAGE=NAME: only that one; FL_TEST_ROOM=N: only that N.
"""
import concurrent.futures
import os
import resource
import signal
import sys
import time

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)),
                os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools")]
import harness
from matrix import Cause, Cell, STAGES, Tally, declared, positions_of
from test_idle import wakeups

DECLARED, _ = declared()
LONG = os.environ.get("FL_TEST_LONG") == "1"
JOBS = int(os.environ.get("FL_TEST_JOBS", "2"))
ALL = range(4, 41)      # with 3 the loader of shared libraries fails (127)
WATCH = 1.0     # seconds
BUSY = 0.2      # of CPU in that time


def family(pid):
    return [pid] + harness.children_of(pid)


def rooms(kind, name, number):
    """The numbers of descriptors that this cell is tried with."""
    if "FL_TEST_ROOM" in os.environ:
        return [int(os.environ["FL_TEST_ROOM"])]
    if LONG:
        return ALL
    spec = STAGES[kind][name]
    # Without network a stage has some ten descriptors.
    return [5 + number % 4, 9 + number % 8, 17 + number % 12] if "client" in spec or "server" in spec or \
        name == "hdfs" else [6 + number % 8]


def starve(cell):
    """Waits until nothing moves, looks whether the victim is idle then, and gives it room."""
    victim, seen = cell.victim, [None, 0]

    def quiet():
        now = [stage.transferred() for stage in cell.graph.stages]
        seen[1] = seen[1] + 1 if now == seen[0] else 0
        seen[0] = now
        return victim.status is not None or seen[1] > 40
    harness.poll(quiet, "quiet")
    if victim.status is None:
        before, start = wakeups(victim.process.pid)[1], time.monotonic()
        while victim.status is None and time.monotonic() - start < WATCH:
            time.sleep(0.05)
        cell.busy = wakeups(victim.process.pid)[1] - before if victim.status is None else 0
        cell.waited = victim.status is None
        for pid in family(victim.process.pid):
            try:
                _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
                resource.prlimit(pid, resource.RLIMIT_NOFILE, (min(1024, hard), hard))
            except (ProcessLookupError, PermissionError):
                pass
    if cell.client:
        cell.client.join(harness.HANG)
        victim.send(signal.SIGTERM)


def cause_of(room):
    return Cause(f"{room} descriptors", wrap=f'ulimit -Sn {room}; exec "$@"', act=starve, deaf=True)


class Descriptors(harness.Case):
    def cells(self):
        number = 0
        for kind, name in sorted(DECLARED):
            if os.environ.get("FL_TEST_STAGE", name) != name:
                continue
            positions = positions_of(kind, name)
            for position in [positions[0] if kind == "source" else positions[1]] + \
                    [each for each in positions if each == "sockets"]:
                number += 1
                for room in rooms(kind, name, number):
                    cell = Cell(kind, name, cause_of(room), position, number, DECLARED)
                    cell.busy, cell.waited = 0, False
                    yield cell

    def test_each_stage_without_descriptors(self):
        tally, waited, went_on = Tally(), 0, 0
        cells = list(self.cells())
        with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
            for cell, (faults, report) in zip(cells, pool.map(lambda cell: cell.run(), cells)):
                if cell.busy > BUSY:
                    faults = faults + [("spins", f"{cell.busy:.2f} s of CPU in {WATCH:.0f} s")]
                waited += cell.waited
                went_on += cell.waited and cell.victim.status == 0
                tally.add(cell, faults, report)
        print(f"{tally.summary()}; {waited} waited for descriptors, {went_on} of them went on", flush=True)
        self.assertGreater(tally.runs, 0)
        if "FL_TEST_STAGE" not in os.environ and "FL_TEST_ROOM" not in os.environ:
            self.assertGreater(min(waited, went_on), 0, "no stage lacked a descriptor")
        if tally.shown:
            print(tally.details(), flush=True)
            self.fail(tally.summary())


if __name__ == "__main__":
    harness.main()
