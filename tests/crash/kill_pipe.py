#!/usr/bin/env python3
"""Kills one stage of a running five-stage pipeline at a random moment and judges the others.

usage: kill_pipe.py [--kills N] [--seed S] [--source seq|stdin|spooldir|exec] [--wrap none|timeout|sudo]
                    [--jobs N] [--only RUN]

The pipeline, under load:
    fl-source seq | stdin FILE | spooldir DIR --once | exec -- cat FILE
      | fl-intercept ts | fl-channel memory | fl-intercept static
      | fl-sink hdfs file:///DIR | file_roll DIR
Every stage but the first has --stream. A kill counts only if the process was running when it was
hit. The judge, for each run:
  * a stage that outlived the kill ends with 0 only if every event of the source is in committed
    files;
  * every stage ends within 30 s;
  * a file under a final name holds whole lines of the source, each at most once (what a killed
    file_roll leaves may end in a part of one);
  * spooldir: a file that is called .COMPLETED is in committed files, whole.
Moments: the first 5 ms, anywhere in the load, and around the commits (there mostly the sink).
Prints a summary; ends with 1 if a verdict failed. The same seed gives the same choices, though not
the same interleaving.
"""
import argparse
import collections
import concurrent.futures
import os
import random
import shutil
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import harness

STAGES = 5


class Load:
    """What the source of one run is to send."""

    def __init__(self, kind: str, directory: str, rng: random.Random):
        self.kind = kind
        self.directory = directory
        count = rng.choice([1, 300, 5_000, 40_000, 150_000])
        if kind == "seq":
            self.words = ["fl-source", "seq", "--count", str(count)]
            self.lines = [b"%d" % i for i in range(count)]
            return
        body = b"x" * rng.choice([0, 90, 290])
        self.lines = [b"%d %s" % (i, body) for i in range(count)]
        if kind in ("stdin", "exec"):
            path = os.path.join(directory, "input")
            self._write(path, self.lines)
            self.words = ["fl-source", kind] + (["--", "cat"] if kind == "exec" else []) + [path]
            return
        self.spool = os.path.join(directory, "spool")
        os.mkdir(self.spool)
        self.files = {}
        parts = rng.choice([1, 3])
        for i in range(parts):
            part = self.lines[i * count // parts:(i + 1) * count // parts]
            if part:
                self.files[f"f{i}"] = part
                self._write(os.path.join(self.spool, f"f{i}"), part)
        self.words = ["fl-source", "spooldir", self.spool, "--once",
                      "--window", rng.choice(["64K", "1M", "256M"])]

    @staticmethod
    def _write(path: str, lines: list) -> None:
        with open(path, "wb") as file:
            file.write(b"".join(line + b"\n" for line in lines))

    def forgotten(self) -> list:
        """Lines that the source has forgotten: they must be safe."""
        if self.kind != "spooldir":
            return []
        lines = []
        for name, part in self.files.items():
            if os.path.exists(os.path.join(self.spool, name + ".COMPLETED")):
                lines += part
            elif not os.path.exists(os.path.join(self.spool, name)):
                raise AssertionError(f"{name} vanished")
        return lines


def commands(load: Load, wrap: str, out: str, rng: random.Random) -> list:
    wrapper = {"none": [], "timeout": ["timeout", "60"],
               "sudo": ["sudo", "-n", "--preserve-env=FL_RUNTIME_DIR"]}[wrap]
    source = [os.path.join(harness.BIN, load.words[0])] + load.words[1:]
    rolls = rng.choice([[], ["--roll-count", "1000"], ["--roll-count", "20000"]])
    sink = ["fl-sink", "hdfs", "--stream", "--min-commit", "10ms", *rolls, f"file://{out}"]
    if rng.random() < 0.3:
        os.mkdir(out)
        sink = ["fl-sink", "file_roll", "--stream", "--roll-interval",
                rng.choice(["0", "2ms", "50ms"]), out]
    return [
        wrapper + source,
        ["fl-intercept", "ts", "--stream"],
        ["fl-channel", "memory", "--stream"],
        ["fl-intercept", "static", "--key", "a", "--value", "b", "--stream"],
        sink,
    ]


def choose_moment(rng: random.Random, run: int):
    """(kind, a number for it): run 0, 1, 2, ... takes the kinds in turn."""
    kind = ["start", "load", "file", "end", "load", "final"][run % 6]
    return kind, {"start": rng.uniform(0, 0.005), "load": rng.uniform(0.001, 1.0),
                  "end": rng.uniform(0.85, 1.1), "file": rng.uniform(0, 0.004),
                  "final": rng.uniform(0, 0.003)}[kind]


def wait_moment(kind: str, number: float, out: str, pipeline, duration: float) -> None:
    begin = time.monotonic()
    if kind == "start":
        delay = number
    elif kind in ("load", "end"):
        delay = number * duration
    else:
        # A temporary, or a final name, has just appeared: a commit is near or under way.
        def seen():
            for _, _, names in os.walk(out):
                for name in names:
                    if kind == "file" or harness.is_final(name):
                        return True
            return False
        while (not seen() and pipeline.processes[-1].poll() is None and
               time.monotonic() < begin + 5):
            time.sleep(0.0005)
        begin = time.monotonic()
        delay = number
    while True:
        left = begin + delay - time.monotonic()
        if left <= 0:
            return
        time.sleep(left if left > 0.001 else 0)


def real_stage(process, wrapped: bool) -> int:
    """The pid of the stage itself, below timeout or sudo; 0 if it is not there (yet)."""
    if not wrapped:
        return process.pid
    for pid in harness.children_of(process.pid):
        try:
            with open(f"/proc/{pid}/comm") as file:
                if file.read().startswith("fl-source"):
                    return pid
        except OSError:
            pass
    return 0


def stored_lines(pipeline, victim: int, out: str) -> list:
    if victim != STAGES - 1 or "file_roll" not in pipeline.commands[-1]:
        return harness.committed_lines(out)
    lines = []
    for path in harness.committed_files(out):
        with open(path, "rb") as file:
            lines += file.read().split(b"\n")[:-1]
    return lines


def judge(load: Load, pipeline, victim: int, out: str) -> list:
    """Faults of a run that has ended."""
    faults = []
    try:
        lines = stored_lines(pipeline, victim, out)
    except AssertionError as error:
        return [str(error)]
    sent = set(load.lines)
    counts = collections.Counter(lines)
    foreign = [line for line in counts if line not in sent]
    if foreign:
        faults.append(f"{len(foreign)} lines that the source never sent, e.g. {foreign[0][:60]!r}")
    repeated = [line for line, count in counts.items() if count > 1]
    if repeated:
        faults.append(f"{len(repeated)} lines committed twice, e.g. {repeated[0][:60]!r}")
    missing = len(sent) - len(sent & counts.keys())
    statuses = [process.returncode for process in pipeline.processes]
    for i, status in enumerate(statuses):
        if i == victim:
            continue
        if status == 0 and missing:
            faults.append(f"stage {i} ended with 0 and {missing} of {len(sent)} events are missing")
        if status < 0 or status in (70, 134, 139):
            faults.append(f"stage {i} ended with {status}")
    forgotten = [line for line in load.forgotten() if line not in counts]
    if forgotten:
        faults.append(f"{len(forgotten)} forgotten events are not committed")
    return faults


class Result:
    def __init__(self, run, kind, victim, hit, faults, statuses, note):
        self.run, self.kind, self.victim, self.hit = run, kind, victim, hit
        self.faults, self.statuses, self.note = faults, statuses, note


DURATIONS = {}  # size of a load -> seconds of an undisturbed run


def one_run(run: int, seed: int, source: str, wrap: str) -> Result:
    rng = random.Random(f"{seed}/{source}/{wrap}/{run}")
    directory = harness.make_directory()
    out = os.path.join(directory, "out")
    try:
        load = Load(source, directory, rng)
        kind, number = choose_moment(rng, run)
        victim = rng.randrange(STAGES)
        if kind in ("file", "final", "end") and rng.random() < 0.6:
            victim = STAGES - 1  # near a commit it is the sink that can spoil something
        words = commands(load, wrap, out, rng)
        duration = DURATIONS.get((len(load.lines) // 1000), 0.05 + len(load.lines) / 1e6)
        with harness.Pipeline(directory, *words) as pipeline:
            begin = time.monotonic()
            wait_moment(kind, number, out, pipeline, duration)
            process = pipeline.processes[victim]
            pid = 0
            if process.poll() is None:
                pid = real_stage(process, victim == 0 and wrap != "none")
            if pid:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            faults = []
            try:
                statuses = pipeline.wait(harness.HANG)
            except harness.Hang as hang:
                return Result(run, kind, victim, True, [f"hangs: {hang}"], [], "")
            wrapped = victim == 0 and wrap != "none"
            hit = statuses[victim] in (-9, 137) or (wrapped and statuses[victim] == 128 + 9)
            if not hit:
                DURATIONS[len(load.lines) // 1000] = time.monotonic() - begin
            faults = judge(load, pipeline, victim if hit else -1, out)
            if not hit and any(statuses):
                faults.append(f"nobody was killed, but the statuses are {statuses}")
            note = pipeline.report() if faults else ""
        return Result(run, kind, victim, hit, faults, statuses, note)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=harness.SEED)
    parser.add_argument("--source", choices=["seq", "stdin", "spooldir", "exec"])
    parser.add_argument("--wrap", choices=["none", "timeout", "sudo"], default="none")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", type=int, help="one run, by its number")
    args = parser.parse_args()
    print(f"seed {args.seed}, source {args.source or 'all'}, wrap {args.wrap}", flush=True)

    sources = [args.source] if args.source else ["seq", "stdin", "spooldir", "exec"]
    hits = collections.Counter()
    statuses = collections.Counter()
    faults = runs = survivors = 0
    numbers = iter([args.only] if args.only is not None else range(args.kills * 5))
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        while sum(hits.values()) < args.kills:
            batch = [n for _, n in zip(range(args.jobs * 4), numbers)]
            if not batch:
                break
            for result in pool.map(lambda n: one_run(n, args.seed, sources[(n // 6) % len(sources)],
                                                     args.wrap), batch):
                runs += 1
                if result.hit:
                    hits[result.kind] += 1
                    for i, status in enumerate(result.statuses):
                        if i != result.victim:
                            statuses[status] += 1
                else:
                    survivors += 1
                if result.faults:
                    faults += 1
                    print(f"run {result.run} ({result.kind}, stage {result.victim} killed):")
                    for fault in result.faults:
                        print(f"  {fault}")
                    print("  " + result.note.replace("\n", "\n  "), flush=True)
            if faults >= 10:
                print("ten runs failed, that will do")
                break
    total = sum(hits.values())
    print(f"{runs} runs, {total} kills that hit a running stage "
          f"({', '.join(f'{kind} {count}' for kind, count in sorted(hits.items()))}), "
          f"{survivors} not hit, {faults} with faults")
    print("statuses of the others: " +
          ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items())))
    if args.only is None and total < args.kills and not faults:
        print(f"only {total} of {args.kills} kills hit")
        return 1
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
