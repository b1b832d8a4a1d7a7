#!/usr/bin/env python3
"""Judges the states that a C++ part of the harness sends (state_stream.h).

usage: explorer ... | state_judge.py NAME

Prints the first faults of each kind with how to see the state again, and at the end one line:
  NAME: N states, lost L, invented I, damaged D, order O, silent S, early E, refused R, doubled X
  (window W), alarms A, T s
$FL_LOG_DUMP: a directory that gets the files of the states that are shown.
FL_LOG_FIRST=1: it ends at the first fault.
Exit status: 0 nothing is wrong, 1 something is, 2 the states ended early.
"""
import collections
import functools
import json
import os
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import ledger  # noqa: E402

FIRST = os.environ.get("FL_LOG_FIRST") == "1"
SHOWN = int(os.environ.get("FL_LOG_SHOWN", "3"))  # faults of each kind


class Judge:
    def __init__(self):
        self.states = 0
        self.again = 0          # events that groups would get again, at most
        self.alarms = 0         # states after which a gap is announced, though nothing is lost
        self.counts = collections.Counter()
        self.scenario = ""
        self.clean_end = False
        self.reset("")

    def reset(self, name):
        self.scenario = name
        self.ledger = ledger.Ledger()
        self.pieces, self.files, self.numbers, self.first = {}, {}, {}, {}
        self.content = functools.lru_cache(512)(self._content)
        self.view = functools.lru_cache(256)(self._view)

    def _content(self, number):
        return b"".join([self.pieces[n] for n in self.files[number]])

    def _view(self, names):
        return self.ledger.view({name: self.content(number) for name, number in names})

    def seen(self, image):
        """The state, read; once, if its files have the bytes of another state's."""
        return self.view(tuple([(name, self.numbers[number]) for name, number in sorted(image.items())]))

    def message(self, kind, data):
        if kind == b"S":
            self.state(json.loads(data))
        elif kind == b"C":
            self.pieces[data[:4]] = data[4:]
        elif kind == b"F":
            number = int.from_bytes(data[:4], "little")
            self.files[number] = [data[i:i + 4] for i in range(4, len(data), 4)]
            # Pieces with the same bytes have the same number, so files with the same bytes get one here.
            self.numbers[number] = self.first.setdefault(data[4:], number)
        elif kind == b"G":
            self.ledger.give(int.from_bytes(data[:8], "little"), data[8:])
        elif kind == b"R":
            self.reset(data.decode())
        elif kind == b"E":
            self.clean_end = True

    def fault(self, state, where, fault):
        self.counts[fault.kind] += 1
        if self.counts[fault.kind] <= SHOWN:
            print(f"{fault.kind}: {where}: {fault.text}\n    {self.scenario} {state['at']}", flush=True)
            if "FL_LOG_DUMP" in os.environ:
                self.dump(state, f"{fault.kind}-{self.counts[fault.kind]}")

    def dump(self, state, name):
        """Writes the state's files, for people, into $FL_LOG_DUMP/NAME/raw, after, settled."""
        for where in ("raw", "after", "settled"):
            for file, number in state.get(where, {}).items():
                path = os.path.join(os.environ["FL_LOG_DUMP"], name, where, file)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb") as out:
                    out.write(self.content(number))

    def state(self, state):
        """Judges the state itself, the one after its recovery, and what was handed out."""
        self.states += 1
        required, groups = state["required"], state["groups"]
        found = set()
        for where in ("raw", "after", "settled"):
            if where not in state:
                continue
            wanted = required + (state.get("more", []) if where != "raw" else [])
            faults, doubled = self.ledger.judge(self.seen(state[where]), wanted, groups,
                                                announced=where != "raw",
                                                passed=state.get("passed") if where != "settled" else None)
            faults += self.ledger.kept(self.seen(state[where]), state.get("kept", {}),
                                       state.get("opened", False))
            faults += self.ledger.positions(self.seen(state[where]), recovered=where != "raw")
            self.again = max(self.again, doubled)
            for fault in faults:
                if fault.kind not in found:
                    found.add(fault.kind)
                    self.fault(state, where, fault)
        if state.get("refused"):
            self.fault(state, "recovery", ledger.Fault("refused", state["refused"]))
        elif "delivered" in state:
            there = self.seen(state["raw"])[0].positions.decode()
            if state["positions"] != there:
                self.fault(state, "opened", ledger.Fault("wrong", f"the positions are '{state['positions']}', "
                                                         f"not '{there}'"))
            for group in self.seen(state["raw"])[0].torn & set(state["delivered"]):
                if f"group '{group}'" not in state["notices"]:
                    self.fault(state, "opened", ledger.Fault("silent", f"a slot of group {group} does not hold"))
            for group, payload in state["delivered"].items():
                faults = self.ledger.delivered(self.seen(state["after"]), group, self.content(payload))
                for fault in faults:
                    if fault.kind not in found:
                        found.add(fault.kind)
                        self.fault(state, "taken", fault)
        for group, payload in state.get("handed", {}).items():
            faults = self.ledger.handed(self.seen(state["raw"]), group, self.content(payload),
                                        state.get("handed_all", False))
            for fault in faults:
                self.fault(state, "handed", fault)
        if "wrong" in state:
            self.fault(state, "process", ledger.Fault("wrong", state["wrong"]))
        self.alarms += 1 if state.get("gaps") else 0

    def run(self, stream):
        while head := stream.read(5):
            kind, size = head[:1], struct.unpack("<I", head[1:])[0]
            data = stream.read(size)
            if len(data) < size:
                break
            self.message(kind, data)
            if FIRST and self.counts:
                break


def main() -> int:
    name = sys.argv[1] if len(sys.argv) > 1 else "states"
    start = time.monotonic()
    judge = Judge()
    judge.run(sys.stdin.buffer)
    counts = ", ".join(f"{kind} {judge.counts[kind]}" for kind in ledger.KINDS[:-1])
    print(f"{name}: {judge.states} states, {counts}, doubled {judge.counts['doubled']} "
          f"(window {judge.again}), "
          f"alarms {judge.alarms}, {time.monotonic() - start:.0f} s")
    if not judge.clean_end:
        print(f"{name}: the states ended early")
        return 2
    return 1 if judge.counts else 0


if __name__ == "__main__":
    sys.exit(main())
