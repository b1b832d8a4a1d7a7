#!/usr/bin/env python3
"""Kills fl-channel file at the entry and the exit of each system call that matters (kill_at),
checks what it left, and starts it again: nothing that was acknowledged or handed out may be
missing.

usage: kills.py [--long] [--points N] [--every N] [--only MODE:SEED:N:entry|exit]
--every: one of so many of the points that there are
FL_LOG_FIRST=1: it ends at the first fault.
Last line: kills: N points, lost L, doubled D (events), ...
"""
import collections
import concurrent.futures
import os
import random
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import ends  # noqa: E402
import ledger  # noqa: E402
from ledger import Fault  # noqa: E402

BUILD = os.environ.get("FL_BUILD", os.path.join(ledger.ROOT, "build", "dev"))
TRACER = os.path.join(BUILD, "tests", "log", "kill_at")
CHANNEL = os.path.join(BUILD, "tests", "log", "fl-channel-seeded") \
    if "FL_SEEDED_BUG" in os.environ else os.path.join(BUILD, "bin", "fl-channel")
MODES = ("gap", "both", "put", "take", "again")     # gap: a record was damaged before
SEED = int(os.environ.get("FL_TEST_SEED", "1"))
SEGMENT = "64KiB"
WINDOW = 8 << 10        # bytes that a taker hands out before it waits for acknowledgements
JOINED = 64 << 10       # small records are handed out as one block of so many bytes at most
HANG = 60


class Round:
    """One log in a directory of its own."""

    def __init__(self, mode: str, seed: int):
        self.mode, self.rng = mode, random.Random(f"{mode} {seed}")
        self.book = ledger.Ledger()
        self.next = 0
        self.required, self.groups = [], {"default": 0}
        self.faults = []
        self.directory = ends.harness.make_directory()
        self.log = os.path.join(self.directory, "log")

    def remove(self):
        shutil.rmtree(self.directory, ignore_errors=True)

    def blocks(self, count: int, filler: int):
        made = []
        for _ in range(count):
            events = self.rng.randint(1, 4)
            payload = ends.payload_of(self.next, events, self.rng.randint(0, filler))
            self.book.give(self.next, payload)
            made.append((self.next, events, payload))
            self.next += events
        return made

    def run(self, words: list, blocks=None, takes=False, tracer=(), acknowledge=0.7):
        """Runs fl-channel file; returns its status. What was acknowledged and handed out is kept."""
        source = ends.Source(self.directory, blocks, self.rng) if blocks is not None else None
        words = words + ["--window", str(WINDOW)] if takes else words
        before = self.positions(self.view()) if takes else {}
        process = ends.popen([*tracer, CHANNEL, "file", self.log, *words], self.directory,
                             stdin=subprocess.PIPE if source else subprocess.DEVNULL,
                             stdout=subprocess.PIPE if takes else subprocess.DEVNULL)
        sink = ends.Sink(process.stdout, self.rng, acknowledge) if takes else None
        if source:
            source.start(process.stdin)
            process.stdin = None
        process.stdout = None
        try:
            self.errors = process.communicate(timeout=HANG)[1].decode(errors="replace")
        except subprocess.TimeoutExpired:
            self.faults.append(Fault("hang", f"{words}"))
            process.kill()
            process.communicate()
        if source:
            source.close()
            self.required.append(source.required())
        self.handed = []
        if sink:
            sink.thread.join(HANG)
            self.handed, wrong = sink.numbers(self.book)
            self.faults += wrong
            if self.handed:
                self.required += [[n, n + 1] for n in self.handed]
                done = self.handed[:sink.sent]
                self.groups["default"] = max(self.groups["default"], done[-1] + 1 if done else 0)
            self.faults += self.repeats(self.view(), "default", before, self.handed)
        return process.returncode

    def damage(self):
        """Flips a bit of a block in the middle, which is lost with that."""
        first, payload = sorted((numbers[0], payload) for payload, numbers in self.book.blocks.items())[3]
        for name, data in ends.files_of(self.log).items():
            if (at := data.find(payload)) >= 0:
                with open(os.path.join(self.log, name), "r+b") as file:
                    file.seek(at + 20)
                    file.write(bytes([data[at + 20] ^ 4]))
        self.required += [[0, first], [first + len(self.book.blocks[payload]), self.required.pop()[1]]]

    def view(self):
        return self.book.view(ends.files_of(self.log) if os.path.isdir(self.log) else {})

    @staticmethod
    def positions(view) -> dict:
        """{group: number of its next event}"""
        return {name: slot[2] for name, slot in view[0].groups.items() if slot}

    def repeats(self, view, group: str, before: dict, handed):
        """What a group was handed and gets again is at most its window, rounded up to whole blocks,
        and no group goes back. before: positions() when its taker was started."""
        following, known = self.positions(view).get(group, 0), set(handed)
        if following < before.get(group, 0):
            return [Fault("doubled", f"group {group} goes back from {before[group]} to {following}")]
        again = sum(len(self.book.events[n]) for sequence, n in view[1]
                    if sequence >= following and n in known)
        most = WINDOW + max(JOINED, *map(len, self.book.blocks))
        if again <= most:
            return []
        return [Fault("doubled", f"group {group} gets {again} bytes again, with a window of {most}")]

    def judge(self, where: str):
        view = self.view()
        faults, doubled = self.book.judge(view, self.required, self.known_groups(view),
                                          announced=self.mode == "gap")
        self.faults += [Fault(f.kind, f"{where}: {f.text}") for f in faults]
        return view, doubled

    def known_groups(self, view):
        """A group that was killed before its first move may not be there yet."""
        there = view[0].groups
        return {name: n for name, n in self.groups.items() if n > 0 or there.get(name)}


def prepare(round_: Round):
    """What has to be there before the process that is killed starts."""
    if round_.mode in ("take", "again", "gap"):
        status = round_.run(["--put", "--segment-size", SEGMENT], round_.blocks(8, 9000))
        if status != 0:
            round_.faults.append(Fault("status", f"{status}: {round_.errors}"))
    if round_.mode == "gap":
        round_.damage()
    if round_.mode == "again":      # killed once, with events that were read and not acknowledged
        tracer = [TRACER, str(round_.rng.randint(60, 110)), "exit", os.path.join(round_.directory, "r")]
        round_.run(["--segment-size", SEGMENT], round_.blocks(10, 6000), True, tracer)


def one(case):
    """(faults, points in the run, doubled events, killed)"""
    mode, seed, count, when = case
    round_ = Round(mode, seed)
    try:
        prepare(round_)
        report = os.path.join(round_.directory, "report")
        tracer = [TRACER, str(count), when, report]
        taken = (0, 65) if mode == "gap" else (0,)      # 65: events are missing
        if mode in ("take", "gap"):
            status = round_.run(["--take", "--once"], None, True, tracer)
        else:
            words = ["--segment-size", SEGMENT] + (["--put"] if mode == "put" else [])
            status = round_.run(words, round_.blocks(6, 12000), mode != "put", tracer)
        points = killed = 0
        if os.path.exists(report):
            with open(report) as file:
                lines = file.read().split("\n")
            points, killed = int(lines[0].split()[1]), int(status == 137)
        if not killed and status not in taken:
            round_.faults.append(Fault("status", f"{status}: {round_.errors[-300:]}"))
        round_.judge("killed")
        # Again, without a kill.
        status = round_.run(["--put", "--segment-size", SEGMENT], round_.blocks(1, 100))
        if status != 0:
            round_.faults.append(Fault("status", f"{status}: {round_.errors[-300:]}"))
        view, doubled = round_.judge("put again")
        status = round_.run(["--take", "--once"], None, True, acknowledge=1)
        if status not in taken:
            round_.faults.append(Fault("status", f"{status}: {round_.errors[-300:]}"))
        payload = b"".join(round_.book.events[n] for n in round_.handed)
        round_.faults += round_.book.delivered(view, "default", payload)
        return case, round_.faults, points, doubled, killed
    finally:
        round_.remove()


def cases(points: int, every: int):
    """As many as asked for: every call of a run, entry and exit, one mode and seed after the other."""
    seed, seen = SEED, 0
    while points > 0:
        for mode in MODES:
            _, faults, calls, _, _ = one((mode, seed, 0, "exit"))
            if faults or calls == 0:
                raise SystemExit(f"{mode}:{seed}: without a kill: {faults} ({calls} calls)")
            for count in range(1, calls + 1 if points > 0 else 1):
                for when in ("entry", "exit"):
                    seen += 1
                    if points > 0 and seen % every == 0:
                        points -= 1
                        yield mode, seed, count, when
        seed += 1


def main() -> int:
    arguments = dict(zip(sys.argv[1:], sys.argv[2:]))
    if "--only" in arguments:
        mode, seed, count, when = arguments["--only"].split(":")
        print(*one((mode, int(seed), int(count), when)), sep="\n")
        return 0
    points = int(arguments.get("--points", 10_000 if "--long" in sys.argv else 2_150))
    start, counts, shown = time.monotonic(), collections.Counter(), collections.Counter()
    planned = list(cases(points, int(arguments.get("--every", 1))))
    # Processes, since the judge computes most of the time.
    with concurrent.futures.ProcessPoolExecutor(int(os.environ.get("FL_TEST_JOBS", "3"))) as pool:
        for case, faults, _, doubled, killed in pool.map(one, planned):
            counts["points"] += 1
            counts["killed"] += killed
            counts["doubled"] += doubled
            counts["most"] = max(counts["most"], doubled)
            for fault in faults:
                counts[fault.kind] += 1
                shown[fault.kind] += 1
                if shown[fault.kind] <= 3:
                    print(f"{fault.kind}: {fault.text}\n    --only {':'.join(map(str, case))}", flush=True)
            if shown and os.environ.get("FL_LOG_FIRST") == "1":
                pool.shutdown(cancel_futures=True)
                break
    bad = {kind: n for kind, n in shown.items()}
    if counts["killed"] < counts["points"] * 9 // 10:
        bad["kills"] = 1
        print(f"only {counts['killed']} of {counts['points']} processes were killed")
    print(f"kills, seeds from {SEED}: {counts['points']} points, {counts['killed']} killed, "
          f"lost {counts['lost']}, other faults {sum(bad.values()) - counts['lost']}, "
          f"doubled {counts['doubled']} (most {counts['most']}), {time.monotonic() - start:.0f} s")
    return 0 if not bad and counts["points"] == points else 1


if __name__ == "__main__":
    sys.exit(main())
