#!/usr/bin/env python3
"""Judges what log_flips read in damaged logs: a flipped bit costs at most one record, what is missing
is announced as a gap, and everything else comes in order and as it was given. A group whose position is
damaged continues where its other slot says, or at the oldest event, never after what it has not acknowledged;
that is reported, once, and nothing is freed that it may need.

usage: log_flips | flip_judge.py
The last line: flips: N cases, O outcomes, ... Each outcome is judged, and the files of its first case
are read by the second reader, which must find the same.
"""
import collections
import json
import sys
import time

import ledger  # beside this file
import state_judge
from ledger import Fault


class FlipJudge(state_judge.Judge):
    def __init__(self):
        super().__init__()
        self.given, self.records = {}, []       # sequence: number; (first, end) of each record
        self.verdicts = {}                      # outcome: (kinds of faults, records that are missing)
        self.totals = None

    def state(self, state):
        if "whole" in state:
            for first, count, payload in state["whole"]["records"]:
                if payload is not None:
                    numbers = self.ledger.numbers(self.content(payload))[0]
                    self.given.update(zip(range(first, first + count), numbers))
                    self.records.append((first, first + count))
            self.end = state["whole"]["end"]
            self.acknowledged = state["acknowledged"]
            log, pairs, faults = self.view(tuple(sorted(state["raw"].items())))
            if dict(pairs) != self.given or [f for f in faults if f.kind != "silent"]:
                self.fault({"at": "the whole log"}, "whole", Fault("wrong", "the readers differ"))
            self.positions = log.positions.decode()
            return
        if "counts" in state:
            self.totals = state["counts"]
            return
        self.states += 1
        if "group" in state:
            faults = self.group(state)
            for fault in faults:
                self.fault(state, "flips", fault)
            self.verdicts.setdefault(state["outcome"], (set(), 0))[0].update(fault.kind for fault in faults)
            return
        faults, missing = self.reading(state["read"], state["most"], state.get("head", False))
        for where in ("joined", "after"):
            if where in state:
                more, lost = self.reading(state[where], state["most"], where == "joined" and
                                          state.get("head", False))
                faults += more
                missing = max(missing, lost)
        faults += self.second(state)
        if "after" in state and not state["after"]["error"]:
            faults += self.sources(state)
        for fault in faults:
            self.fault(state, "flips", fault)
        kinds, before = self.verdicts.get(state["outcome"], (set(), 0))
        self.verdicts[state["outcome"]] = (kinds | {fault.kind for fault in faults}, max(before, missing))

    def group(self, state):
        """What is wrong with where a group continues whose file is damaged, and with what was freed before."""
        name, faults = state["group"], []
        cursor = self.content(state["raw"]["groups/" + name])
        slot = ledger.read_log.slot(cursor[:128].ljust(128, b"\0"), 64)    # its last bytes may be zeros
        due, whole = slot[2] if slot else 0, self.acknowledged[name]
        is_damaged = slot is None or len(cursor) < 128 or ledger.is_torn(cursor)
        for (oldest, following, notices, error), is_first in zip(state["openings"], (True, False)):
            if error:
                return [Fault("refused", error)]
            if oldest > min(self.acknowledged.values()):
                faults.append(Fault("lost", f"the log begins at {oldest}, {self.acknowledged} is acknowledged"))
            if following > whole:
                faults.append(Fault("lost", f"group {name} continues at {following}, it has acknowledged {whole}"))
            elif following != due:
                faults.append(Fault("wrong", f"group {name} continues at {following}, not at {due}"))
            is_told = f"group '{name}'" in notices
            if is_first and is_damaged and not is_told:
                faults.append(Fault("silent", f"group {name} continues at {following}, not at {whole}"))
            if is_told and not (is_first and is_damaged):
                faults.append(Fault("wrong", f"there is nothing to report: {notices}"))
        return faults

    def reading(self, reading, most, may_end_early):
        """(what is wrong with what was read, records that are missing)"""
        if reading["error"]:
            return [Fault("refused", reading["error"])], 0
        faults = [Fault("silent", reading["silent"])] if reading["silent"] else []
        following, missing = 0, []
        for first, count, payload in reading["records"]:
            if first != following:
                faults.append(Fault("silent", f"{first} comes where {following} is due"))
            following = first + count
            if payload is None:
                missing += [r for r in self.records if first < r[1] and r[0] < following]
                continue
            numbers, wrong = self.ledger.numbers(self.content(payload))
            faults += wrong
            due = [self.given.get(sequence) for sequence in range(first, following)]
            if numbers != due and not wrong:
                faults.append(Fault("order", f"{numbers[:3]} at {first}, where {due[:3]} are due"))
        if following < self.end and not may_end_early:
            faults.append(Fault("lost", f"it ends at {following}, not at {self.end}"))
        elif following < self.end and not reading["lacks_slot"]:
            faults.append(Fault("silent", f"it ends at {following}, not at {self.end}, as if that was all"))
        if following > self.end:
            faults.append(Fault("invented", f"it ends at {following}, not at {self.end}"))
        if len(missing) > most:
            faults.append(Fault("lost", f"{len(missing)} records"))
        return faults, len(missing)

    def sources(self, state):
        """What is wrong with the positions of the sources that opening has found."""
        found, there = state["after"]["positions"], self.damaged(state)[0].positions.decode()
        if found != there:
            return [Fault("wrong", f"the positions are '{found}', not '{there}'")]
        if found != self.positions and not state["after"]["notices"]:
            return [Fault("silent", f"the positions are '{found}', older than '{self.positions}'")]
        return []

    def damaged(self, state):
        return self.ledger.view({n: self.content(i) for n, i in state["raw"].items()})

    def second(self, state):
        """Where the second reader finds something else in the same files."""
        log, pairs, faults = self.damaged(state)
        ours = {sequence: True for sequence, _ in pairs}
        ours.update({s: False for first, count, _ in log.gaps for s in range(first, first + count)})
        theirs = {s: payload is not None for first, count, payload in state["read"]["records"]
                  for s in range(first, first + count)}
        # The tail after the durable end is there for a writer, not for a taker.
        ours = {s: there for s, there in ours.items() if s < state["read"]["end"]}
        faults = [fault for fault in faults if fault.kind in ("invented", "damaged", "order")]
        if ours != theirs:
            odd = sorted(s for s in set(ours) | set(theirs) if ours.get(s) != theirs.get(s))
            faults.append(Fault("wrong", f"the readers differ at {odd[:5]}"))
        return faults


def main() -> int:
    judge, start = FlipJudge(), time.monotonic()
    judge.scenario = "flips"
    judge.run(sys.stdin.buffer)
    counts = collections.Counter()
    for (kinds, missing), cases in zip([v for _, v in sorted(judge.verdicts.items())], judge.totals or []):
        counts["cases"] += cases
        counts["one"] += cases * (missing == 1)
        for kind in kinds:
            counts[kind] += cases
    bad = sum(counts[kind] for kind in state_judge.ledger.KINDS)
    print(f"flips: {counts['cases']} cases, {len(judge.verdicts)} outcomes, {judge.states} logs read by the "
          f"second reader, one record lost in {counts['one']} cases, "
          + ", ".join(f"{kind} {counts[kind]}" for kind in state_judge.ledger.KINDS[:-1])
          + f", {time.monotonic() - start:.0f} s")
    return 0 if judge.clean_end and judge.totals and not bad and not judge.counts else 1


if __name__ == "__main__":
    sys.exit(main())
