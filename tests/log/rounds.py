#!/usr/bin/env python3
"""Putter and takers of one log as processes of their own, started and killed at random: three groups
at different places, one of which acknowledges nothing. After each round the log is judged.

usage: rounds.py [--rounds N]
Last line: rounds: N rounds, E events, lost L, doubled D, ...
"""
import collections
import os
import random
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import ends  # noqa: E402
import kills  # noqa: E402
from ledger import Fault  # noqa: E402
import subprocess  # noqa: E402

SEED = int(os.environ.get("FL_TEST_SEED", "1"))
ODDS = {"a": 0.8, "b": 0.2, "dead": 0.0}    # of acknowledging a block


class Rounds(kills.Round):
    """One log for all rounds, whose groups are made before the first."""

    def known_groups(self, view):
        return self.groups


def make_groups(log: Rounds) -> None:
    """An empty log with all groups: a group that is made later begins with what the others have left."""
    for words in [["--put", "--segment-size", kills.SEGMENT, "--text"],
                  *(["--take", "--once", "--group", group] for group in ODDS)]:
        process = ends.popen([kills.CHANNEL, "file", log.log, *words], log.directory,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        said = process.communicate(timeout=kills.HANG)[1].decode(errors="replace")
        if process.returncode != 0:
            raise SystemExit(f"{words}: {process.returncode}: {said}")
    log.groups = dict.fromkeys(ODDS, 0)


def play(log: Rounds, known: dict) -> None:
    """One round. known: {group: events below it are acknowledged}."""
    rng, started = log.rng, []
    log.just_handed = []
    source = ends.Source(log.directory, log.blocks(rng.randint(2, 12), 9000), rng)
    putter = ends.popen([kills.CHANNEL, "file", log.log, "--put", "--segment-size", kills.SEGMENT],
                        log.directory, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    source.start(putter.stdin)
    putter.stdin = None
    for group, odds in ODDS.items():
        if rng.random() < 0.7:
            words = [kills.CHANNEL, "file", log.log, "--take", "--group", group,
                     "--window", str(kills.WINDOW)]
            taker = ends.popen(words, log.directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
            sink = ends.Sink(taker.stdout, rng, odds)
            taker.stdout = None
            started.append((group, taker, sink))
    # How far it goes before the kill: an acknowledgement, an event at a taker, the end, or nothing.
    goal = rng.choice(["start", "acknowledged", "taken", "end"])
    reached = {"start": lambda: True,
               "acknowledged": lambda: source.acknowledged > 0,
               "taken": lambda: any(sink.count for _, _, sink in started) or not started,
               "end": lambda: putter.poll() is not None}[goal]
    ends.harness.poll(lambda: reached() or putter.poll() is not None, goal)
    if goal != "end":
        putter.kill()
    for _, taker, _ in started:
        taker.kill()
    for process in [putter] + [taker for _, taker, _ in started]:
        process.communicate(timeout=kills.HANG)
    if goal == "end" and putter.returncode != 0:
        log.faults.append(Fault("status", f"the putter ended with {putter.returncode}"))
    source.close()
    log.required.append(source.required())
    for group, _, sink in started:
        sink.thread.join(kills.HANG)
        handed, wrong = sink.numbers(log.book)
        log.faults += wrong
        if handed != sorted(set(handed)):
            log.faults.append(Fault("order", f"{group} was handed events out of order or twice"))
        log.just_handed += [(group, number) for number in handed]
        if handed:
            log.required += [[n, n + 1] for n in handed]
            log.groups[group] = max(log.groups[group], handed[sink.sent - 1] + 1 if sink.sent else 0)
            # What was handed out begins where the group had got to.
            if handed[0] > known[group] and any(first <= n < end for first, end in log.required
                                                for n in range(known[group], handed[0])):
                log.faults.append(Fault("lost", f"{group} was handed {handed[0]} after {known[group]}"))


def early(log: Rounds, view) -> None:
    """What was handed out is before the durable end that was published."""
    durable = view[0].head[2] if view[0].head else 0
    behind = {number for sequence, number in view[1] if sequence >= durable}
    log.faults += [Fault("early", f"{group} was handed {number}, which is not durable")
                   for group, number in log.just_handed if number in behind]


def repeats(log: Rounds, view, before: dict) -> None:
    for group in ODDS:
        handed = [number for name, number in log.just_handed if name == group]
        log.faults += log.repeats(view, group, before, handed)


def main() -> int:
    arguments = dict(zip(sys.argv[1:], sys.argv[2:]))
    rounds = int(arguments.get("--rounds", 500))
    start, counts, most = time.monotonic(), collections.Counter(), 0
    log = Rounds("rounds", SEED)
    try:
        make_groups(log)
        before = log.positions(log.view())
        for number in range(rounds):
            play(log, dict(log.groups))
            view, doubled = log.judge(f"round {number}")
            early(log, view)
            repeats(log, view, before)
            before = log.positions(view)
            most = max(most, doubled)
            for fault in log.faults:
                counts[fault.kind] += 1
                if counts[fault.kind] <= 3:
                    print(f"{fault.kind}: {fault.text} (round {number})", flush=True)
            log.faults = []
    finally:
        log.remove()
    print(f"rounds, seed {SEED}: {rounds} rounds, {log.next} events, lost {counts['lost']}, other faults "
          f"{sum(counts.values()) - counts['lost']}, doubled at most {most}, {time.monotonic() - start:.0f} s")
    return 1 if counts else 0


if __name__ == "__main__":
    sys.exit(main())
