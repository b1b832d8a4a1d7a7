"""The judge: which events were given, which must be there, and what is wrong with a log's state.

An event has a number of its own, which its body begins with, so that the judge need not believe the
log's numbers. Numbers grow in the order in which events are given. A state is judged by what
man/examples/read_log.py finds in it, and by nothing else.
"""
import bisect
import collections
import functools
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "man", "examples"))
sys.dont_write_bytecode = True
import read_log  # noqa: E402

# States share most of their bytes, and what the reader finds in a segment, a slot, a record depends on
# nothing else: it is read once.
records = read_log.records
read_log.records = functools.lru_cache(1024)(lambda *segment: list(records(*segment)))
read_log.slot = functools.lru_cache(8192)(read_log.slot)
read_log.holds = functools.lru_cache(65536)(read_log.holds)

# What can be wrong. doubled is counted apart: it is allowed up to the unacknowledged window.
# silent: a gap in what is durable, or one that nobody announced.
KINDS = ("lost", "invented", "damaged", "order", "silent", "early", "refused", "wrong", "doubled")
NUMBER = re.compile(rb"#([0-9a-f]{16})")
PLACE = re.compile(rb"at ([0-9]+)")
Fault = collections.namedtuple("Fault", "kind text")


def split(payload: bytes) -> list:
    """[bytes of each event] of a block, as fl-stream(5) has them: no headers, or blocks with a size."""
    events, at, size = [], 0, len(payload)

    def number():
        """Reads a number and moves `at` past it, so do not write `at += number()`."""
        nonlocal at
        value = shift = 0
        while True:
            byte = payload[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value >> 1 ^ -(value & 1)

    def skip():
        nonlocal at
        length = number()
        at += length

    while at < size:
        start = at
        while count := number():
            for _ in range(2 * count if count > 0 else 1):
                skip()
        skip()
        if at > size:
            raise IndexError("an event ends behind its block")
        events.append(payload[start:at])
    return events


def number_of(event: bytes) -> int:
    """The number of an event of the tests: 16 hexadecimal digits where its body begins."""
    found = NUMBER.search(event)    # a length before it may be a '#', too
    if not found:
        raise ValueError("no number")
    return int(found.group(1), 16)


def is_torn(cursor: bytes) -> bool:
    """The slot beside the newest valid one was written, and does not hold."""
    newest = read_log.slot(cursor[:128], 64)
    if newest is None:
        return False
    other = cursor[64:128] if newest[0] % 2 else cursor[:64]
    return len(other) < 64 or (read_log.slot(other, 64) is None if any(other) else newest[0] > 1)


class Ledger:
    """What was given, over the life of a log."""

    def __init__(self):
        self.events = {}    # number -> bytes
        self.blocks = {}    # payload -> numbers
        self.numbers = functools.lru_cache(4096)(self._numbers)

    def give(self, first: int, payload: bytes) -> int:
        events = split(payload)
        for i, event in enumerate(events):
            self.events[first + i] = event
        self.blocks[payload] = list(range(first, first + len(events)))
        return len(events)

    def _numbers(self, payload: bytes):
        """(numbers of the events in it, faults)"""
        known = self.blocks.get(payload)
        if known is not None:
            return known, []
        numbers, faults = [], []
        try:
            events = split(payload)
        except IndexError:
            return [], [Fault("damaged", "a block that is none")]
        for event in events:
            try:
                number = number_of(event)
            except ValueError:
                faults.append(Fault("damaged", f"no event of ours: {event[:40]!r}"))
                continue
            if number not in self.events:
                faults.append(Fault("invented", f"event {number} was never given"))
            elif self.events[number] != event:
                faults.append(Fault("damaged", f"event {number} is not as it was given"))
            numbers.append(number)
        return numbers, faults

    # ---- states

    def view(self, files: dict):
        """A state, read: its log, [(sequence, number)] in order, and what is wrong by itself."""
        log = read_log.read(files)
        log.torn = {name[7:] for name, data in files.items()
                    if name.startswith("groups/") and is_torn(data)}
        pairs, faults = [], []
        log.named = sorted(int(n[:20]) for n in files if n.endswith(".seg"))
        following = min(log.named, default=0)
        stops = sorted(log.gaps)
        for first, count, _, payload in log.blocks:
            numbers, wrong = self.numbers(payload)
            faults += wrong
            if len(numbers) != count and not wrong:
                faults.append(Fault("damaged", f"a record at {first} of {count} holds {len(numbers)}"))
            while stops and stops[0][0] <= following:
                following = max(following, stops[0][0] + stops[0][1])
                stops.pop(0)
            if first != following:
                faults.append(Fault("order", f"sequence {first} where {following} is due"))
            following = first + count
            pairs += zip(range(first, following), numbers)
        log.sequences = [sequence for sequence, _ in pairs]
        log.numbers = [number for _, number in pairs]
        log.present = set(log.numbers)
        if len(log.present) < len(pairs) or log.numbers != sorted(log.numbers):
            last = -1
            for sequence, number in pairs:
                if number <= last:
                    kind = "order" if number != last else "doubled"
                    faults.append(Fault(kind, f"event {number} behind {last} at sequence {sequence}"))
                last = number
        return log, pairs, faults

    def judge(self, view, required, groups: dict, announced=False, passed=None):
        """What is wrong with a state.

        required: [(first, end)] of event numbers that are durable: acknowledged, or handed out.
        groups: {name: (events below it are acknowledged by the group)}; those that all groups have
        acknowledged may be gone. passed: {name: (a group must not get events below it again)}.
        Returns (faults, events that a group would get again).
        """
        log, pairs, faults = view
        faults = list(faults)
        floor = min(groups.values(), default=0)
        missing = set().union(*(range(max(first, floor), end) for first, end in required)) - log.present
        if missing:
            faults.append(Fault("lost", f"{len(missing)} events, first {min(missing)}"))
        if not announced:
            faults += [Fault("silent", f"gap of {count} at {first}: {why}") for first, count, why in log.gaps]
        doubled = 0
        oldest = pairs[0][0] if pairs else log.end
        for name, acknowledged in groups.items():
            slot = log.groups.get(name)
            if slot is None:
                faults.append(Fault("lost", f"group {name} has no cursor"))
                continue
            # A slot that was not written whole was on disk when what is gone was freed: fl-log(5).
            following = max(slot[2], oldest) if name in log.torn else slot[2]
            passed_by = log.numbers[:bisect.bisect_left(log.sequences, following)]
            ahead = log.numbers[len(passed_by):]
            skipped = [n for n in passed_by if n >= acknowledged]
            if skipped:
                faults.append(Fault("lost", f"group {name} passed {len(skipped)} events that it never "
                                    f"acknowledged, first {skipped[0]}"))
            if following < oldest:
                faults.append(Fault("silent", f"group {name} is at {following}, the log begins at {oldest}"))
            if following > log.end:
                faults.append(Fault("lost", f"group {name} is at {following}, the log ends at {log.end}"))
            again = sum(1 for n in ahead if n < acknowledged)
            if passed and min(ahead, default=passed.get(name, 0)) < passed.get(name, 0):
                faults.append(Fault("doubled", f"group {name} gets {again} events again"))
            doubled += again
        return faults, doubled

    @staticmethod
    def kept(view, kept: dict, opened: bool):
        """What was synced and is not there any more. kept: {group: events below it are passed on disk}."""
        log, _, _ = view
        faults = []
        if opened and log.head is None:
            faults.append(Fault("lost", "no slot of the head holds"))
        # The head is on disk before a segment gets its name, or, where opening makes it, right after that.
        if log.head and log.head[2] < min(log.named[-2:], default=0):
            faults.append(Fault("silent", f"the head ends at {log.head[2]}, before two segments: {log.named}"))
        for name, passed in kept.items():
            slot = log.groups.get(name)
            following = slot[2] if slot else 0
            ahead = log.numbers[bisect.bisect_left(log.sequences, following):]
            again = [n for n in ahead if n < passed]
            if again:
                faults.append(Fault("doubled", f"group {name} gets {len(again)} events again that it had "
                                    f"passed on disk, first {again[0]}"))
        return faults

    @staticmethod
    def positions(view, recovered: bool):
        """What is wrong with the positions of the sources in a state. They say "at N" with the log's own
        numbers, and are stored with each block that ends at a multiple of 3, sometimes in between."""
        log, _, _ = view
        found = PLACE.fullmatch(log.positions)
        if log.positions and not found:
            return [Fault("damaged", f"positions {log.positions!r}")]
        at = int(found.group(1)) if found else 0
        ends = [first + count for first, count, *_ in log.blocks]
        passed = [first + count for first, count, _ in log.gaps]
        faults = []
        # Sources are told that what is before it is in the log: it has to be.
        if at > max(ends + passed + log.named[:1], default=0):
            faults.append(Fault("lost", f"the positions are at {at}, the log ends at {max(ends, default=0)}"))
        elif at > min(log.named, default=0) and at not in ends and at not in passed:
            faults.append(Fault("lost", f"the positions are at {at}, where no block ends"))
        # Before recovery, what is not durable may have lost the second half of its record.
        upto = log.end if recovered else log.head[2] if log.head else 0
        due = max((end for end in ends if end % 3 == 0 and end <= upto), default=0)
        if at < due:
            faults.append(Fault("doubled", f"the positions are at {at}, though a block that is there "
                                f"reaches {due}"))
        return faults

    def delivered(self, view, group: str, payload: bytes, from_oldest=False):
        """What is wrong with what a group was handed, given the state that it was taken from."""
        log, _, _ = view
        slot = log.groups.get(group)
        following = slot[2] if slot and not from_oldest else 0
        due = log.numbers[bisect.bisect_left(log.sequences, following):]
        numbers, faults = self.numbers(payload)
        if numbers != due:
            had, wanted = set(numbers), set(due)
            lost, more = sorted(wanted - had), sorted(had - wanted)
            if lost:
                faults = faults + [Fault("lost", f"{group} was not handed {len(lost)}, first {lost[0]}")]
            if more:
                faults = faults + [Fault("early", f"{group} was handed {len(more)} that the state does "
                                         f"not hold, first {more[0]}")]
            if not lost and not more:
                faults = faults + [Fault("order", f"{group} was handed events out of order or twice")]
        return faults

    def handed(self, view, group: str, payload: bytes, all_of_it: bool):
        """What is wrong with what a group was handed from the first event on: a part without holes."""
        _, pairs, _ = view
        numbers, faults = self.numbers(payload)
        # What was freed meanwhile was handed out before; no number is left out below what is there.
        due = [n for _, n in pairs]
        due = list(range(due[0] if due else len(numbers))) + due
        if numbers != due[:len(numbers)] or (all_of_it and len(numbers) != len(due)):
            at = next((i for i, pair in enumerate(zip(numbers, due)) if pair[0] != pair[1]),
                      min(len(numbers), len(due)))
            faults = faults + [Fault("lost", f"{group} was handed {numbers[at:at + 3]} where "
                                     f"{due[at:at + 3]} are due")]
        return faults
