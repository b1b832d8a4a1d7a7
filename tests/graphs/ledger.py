"""The ledger of a graph: which event must be where, and what is wrong with what was found.

Each stage of the graph has a Route, which says what it does with events. From the routes and the
edges follow, for each stage, the events that come to it and, for each destination, their bodies.
"""
import collections
import os
import re
import subprocess

import harness


class Route:
    """kind: pass; filter (keep); change (change); reject (poison, path); copies; choose (outputs);
    any; sink (files)."""

    def __init__(self, kind="pass", keep=None, change=None, poison=None, path="", outputs=None,
                 files=None, ordered=True, again=False):
        self.kind, self.keep, self.change, self.poison, self.path = kind, keep, change, poison, path
        self.outputs = outputs    # id -> numbers of the outputs that get it
        self.files = files        # () -> paths of what is stored, in the order in which it was written
        self.ordered = ordered    # what is stored is in the order of each source
        self.again = again        # an event may be stored twice after a failure


class Source:
    """What a source has: {id: body}, in order."""

    def __init__(self, stage, events, produces=False, forgotten=None):
        self.stage, self.events, self.produces = stage, events, produces
        self.forgotten = forgotten or (lambda: set())


def read_lines(path):
    """(whole lines, what follows the last newline)"""
    with open(path, "rb") as file:
        *lines, rest = file.read().split(b"\n")
    return lines, rest


class Ledger:
    def __init__(self, graph, sources, directory):
        self.graph, self.sources, self.directory = graph, sources, directory
        self.earlier = {}       # stage number -> files of an earlier run

    # ---- what must be

    def events_of(self, source, terminated):
        """What the source has read, as far as it was stopped in order."""
        if not source.produces or source.stage not in terminated:
            return source.events
        text = source.stage.metrics()
        if text is None:
            return source.events if source.stage.status != 0 else {}
        match = re.search(r"^fl_events_received_total(?:\{.*\})? (\d+)", text, re.M)
        count = int(match.group(1)) if match else 0
        return dict(list(source.events.items())[:count])

    def spread(self, terminated=()):
        """Fills what comes to each stage: {id: body}."""
        self.coming = collections.defaultdict(dict)
        for source in self.sources:
            self._down(source.stage, self.events_of(source, terminated))

    def _down(self, stage, events):
        self.coming[stage].update(events)
        route = stage.route
        if route.kind == "filter":
            events = {i: body for i, body in events.items() if route.keep(i)}
        elif route.kind == "change":
            events = {i: route.change(body) for i, body in events.items()}
        elif route.kind == "reject":
            events = {i: body for i, body in events.items() if not route.poison(body)}
        for number, edge in enumerate(stage.writes):
            part = events
            if route.kind == "choose":
                part = {i: body for i, body in events.items() if number in route.outputs(i)}
            self._down(edge.reader, part)

    def missing(self, stage, ids):
        """Those of `ids`, which came to the stage, that are not where they must be."""
        route = stage.route
        if route.kind == "sink":
            return ids - self.stored[stage]
        here = set()
        if route.kind == "filter":
            ids = {i for i in ids if route.keep(i)}
        elif route.kind == "reject":
            poison = {i for i in ids if route.poison(self.coming[stage][i])}
            here, ids = poison - self.rejected[stage], ids - poison
        below = []
        for number, edge in enumerate(stage.writes):
            part = ids
            if route.kind == "choose":
                part = {i for i in ids if number in route.outputs(i)}
            below.append(self.missing(edge.reader, part))
        if route.kind == "any":
            return here | set.intersection(*below)
        return here.union(*below)

    # ---- what is

    def read(self, faults):
        """Reads the destinations; adds what is damaged, invented, doubled or out of order."""
        self.stored, self.rejected, self.counts = {}, {}, {}
        for stage in self.graph.stages:
            if stage.route.kind == "sink":
                self._read_place(stage, faults)
            elif stage.route.kind == "reject":
                self._read_rejected(stage, faults)

    def _read_place(self, stage, faults):
        expected = {body: i for i, body in self.whole[stage].items()}
        found = []
        for path in stage.route.files():
            lines, rest = read_lines(path)
            if rest and rest not in expected:
                # A sink killed in the middle of a line leaves a part of it, unless it renames.
                if not any(body.startswith(rest) for body in expected):
                    faults.append(("damaged", f"{stage.name}: {path} ends with {rest[:60]!r}"))
            for line in lines:
                if line in expected:
                    found.append(expected[line])
                    continue
                known = re.match(rb"\d+", line)
                kind = "damaged" if known and int(known[0]) in self.whole[stage] else "invented"
                faults.append((kind, f"{stage.name}: {line[:60]!r}"))
        self.stored[stage] = set(found)
        earlier = self.earlier.get(stage.number, collections.Counter())
        self.counts[stage] = collections.Counter(found)
        twice = [i for i, count in self.counts[stage].items()
                 if count - earlier.get(i, 0) > 1 or count > 1 and i in self.settled]
        if twice and not stage.route.again:
            faults.append(("doubled", f"{stage.name}: {len(twice)} events, e.g. {twice[0]}"))
        if stage.route.ordered and not earlier and not (twice and stage.route.again):
            self._judge_order(stage, found, faults)

    def _judge_order(self, stage, found, faults):
        newest = {}
        for i in found:
            source = i // 1_000_000
            if i < newest.get(source, -1):
                faults.append(("reordered", f"{stage.name}: {i} after {newest[source]}"))
                return
            newest[source] = i

    def _read_rejected(self, stage, faults):
        self.rejected[stage] = set()
        if not os.path.exists(stage.route.path) or os.path.getsize(stage.route.path) == 0:
            return
        done = subprocess.run([os.path.join(harness.BIN, "fl-sink"), "stdout", "--stream", "--in",
                               stage.route.path], capture_output=True, check=False,
                              stdin=subprocess.DEVNULL, timeout=harness.HANG,
                              env=harness.environment(self.directory))
        for line in done.stdout.splitlines():
            i = int(re.match(rb"\d+", line)[0]) if re.match(rb"\d+", line) else -1
            if i not in self.whole[stage] or not stage.route.poison(self.whole[stage][i]):
                faults.append(("invented", f"{stage.name} rejected {line[:60]!r}"))
            self.rejected[stage].add(i)

    # ---- the verdict

    def judge(self, terminated=(), killed=(), quiet=False, settled=frozenset()):
        """Faults: [(kind, text)]. `quiet`: nothing was done to the graph. `settled`: ids that an
        earlier run had already delivered and forgotten."""
        faults = []
        self.settled = settled
        self.spread()
        self.whole = self.coming
        self.read(faults)
        self.spread(terminated)
        for stage in self.graph.stages:
            # The outermost one: shares of shares are its business, too.
            split = next((each for each in reversed(stage.upstream())
                          if each.route.kind == "any"), None)
            if split:
                # Stages that share know nothing of each other: together they must have everything.
                shares = [each for each in self.graph.lasts() if split in each.upstream()]
                if stage is shares[0] and not any(each.status for each in shares):
                    lacks = self.missing(split, set(self.coming[split]))
                    if lacks:
                        faults.append(("lied", f"all below {split.name} ended with 0, {len(lacks)} "
                                               f"events are not where they must be"))
            elif stage.status == 0:
                lacks = self.missing(stage, set(self.coming[stage]))
                if lacks:
                    faults.append(("lied", f"{stage.name} ended with 0, {len(lacks)} of "
                                           f"{len(self.coming[stage])} events are not where they "
                                           f"must be, e.g. {min(lacks)}"))
            if stage.status not in (0, 64, 65, 69, 73, 74, 75, 77, 78) and stage not in killed:
                faults.append(("crash", f"{stage.name} ended with {stage.status}"))
            elif stage.status and quiet:
                faults.append(("sick", f"{stage.name} ended with {stage.status}, and nobody had "
                                       f"touched the graph"))
        self.spread()
        for source in self.sources:
            gone = self.missing(source.stage, source.forgotten() & set(source.events))
            if gone:
                faults.append(("lost", f"{source.stage.name} has forgotten {len(gone)} events that "
                                       f"are not where they must be, e.g. {min(gone)}"))
        return faults
