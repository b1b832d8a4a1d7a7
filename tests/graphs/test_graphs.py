#!/usr/bin/env python3
"""Random graphs of real stages with faults, and a ledger that knows where each event must be.

For each round: a graph of 2 to 12 processes (pipes, named pipes, process substitutions, merges,
replicate, multiplex, balance, groups, filters that fail, --reject in the middle), up to three faults
(KILL, STOP and CONT, TERM of a random member or of all, KILL of a group's sink) at moments chosen by
progress; then, where all sources can read again, the same graph without faults. The judge:
  lost       a source has forgotten an event that is not where it must be
  lied       a stage ended with 0 although an event that came to it is not where it must be
  hung       something did not end
  invented, damaged, doubled, reordered   what is at a destination was not sent so
  sick       a graph that nobody had touched ended with a status other than 0
  crash      an undocumented status
Doubles are allowed after balance and in groups when something failed, and after a recovery for
events that the source had not forgotten.

usage: test_graphs.py [SEED...]    rounds of these seeds alone, each with its report
FL_TEST_LONG=1: 1,000 rounds instead of 60. FL_TEST_ROUNDS=N: N rounds.
"""
import concurrent.futures
import os
import sys
import time

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)),
                os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools")]
import harness
from rounds import Round, Tally

ROUNDS = int(os.environ.get("FL_TEST_ROUNDS") or (1000 if os.environ.get("FL_TEST_LONG") else 60))
JOBS = int(os.environ.get("FL_TEST_JOBS", "2"))
LIMIT = float(os.environ.get("FL_TEST_LIMIT") or (0 if os.environ.get("FL_TEST_LONG") else 600))
ENOUGH = 15  # failed rounds that are shown


class Graphs(harness.Case):
    def test_random_graphs(self):
        tally, failed, begin = Tally(), [], time.monotonic()
        seeds = [f"{harness.SEED}-{i}" for i in range(ROUNDS)]

        def play(seed):
            if LIMIT and time.monotonic() - begin > LIMIT:
                return None, [], ""
            made = Round(seed)
            return made, *made.play()
        with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
            for made, faults, report in pool.map(play, seeds):
                if made is None:
                    continue
                tally.add(made, faults)
                if faults:
                    failed.append(made.seed)
                    if len(failed) <= ENOUGH:
                        print(f"round {made.seed}:")
                        for kind, text in faults[:6]:
                            print(f"  {kind}: {text}")
                        print("  " + report.replace("\n", "\n  "), flush=True)
        print(f"{tally}, {time.monotonic() - begin:.0f} s", flush=True)
        self.assertGreaterEqual(tally.rounds, ROUNDS, "not all rounds within the time")
        self.assertEqual(failed, [], "rounds with faults (test_graphs.py SEED repeats one)")


def repeat(seeds):
    bad = 0
    for seed in seeds:
        made = Round(seed)
        faults, report = made.play()
        bad += bool(faults)
        for kind, text in faults:
            print(f"{kind}: {text}")
        print(report)
    return 1 if bad else 0


if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1][:1].isdigit():
        sys.exit(repeat(sys.argv[1:]))
    harness.main()
