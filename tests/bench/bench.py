#!/usr/bin/env python3
"""Measures fl against references in interleaved rounds; prints a table, writes build/bench.json.

usage: bench.py [--rounds N] [--lines N] [--bin DIR] [FIGURE...]

Figures (default: all):
  pipe pipe100   three stages against three cats, acks on against off
  regex file     regex_filter against grep; hdfs on file:/// against cat and mawk
  upload         hdfs into WebHDFS against libcurl alone and against cat | curl -T -
  cluster        the same into a real HDFS
  gzip zstd      hdfs with a codec against the codec's library alone
  codec          a stage with --codec against the same
  ts             the interceptor alone against memcpy
  rss buckets    peak memory of stages; of hdfs with 100 open files
  malloc latency allocations an event; one event from start to exit
  log commits    the durable log against memory and cat; small commits against dd oflag=dsync
  backlog reopen taking from a log against cat; opening one
  flume          exec | memory | hdfs on file:///, and exec | file | null, against a real Flume
                 1.11
  net            avro sink to avro source against socat, and against two agents of Flume
  kafka          the kafka sink against librdkafka alone and kcat -P; the source against kcat -C;
                 both against those of a real Flume
  sql            a table of MariaDB against mariadb --batch --quick
  hbase          rows into a real HBase against libcurl alone with the same requests

Every figure of speed is a ratio to a reference in the same round; what counts is the median over
the rounds. Ratios of wall time are reference / ours: above 1 is faster than the reference. Ratios
of CPU time are ours / reference: below 1 is cheaper. A goal that is missed is marked, and the
status is still 0; so it is for a figure that had to be skipped. A figure without a goal is there to
be seen.
"""
import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "tools"))
import flume_figures  # noqa: E402
import gen_log  # noqa: E402
import hbase_figures  # noqa: E402
import hdfs_figures  # noqa: E402
import kafka_figures  # noqa: E402
import log_figures  # noqa: E402
import net_figures  # noqa: E402
import sql_figures  # noqa: E402

PATTERN = r"(POST|HEAD) /[a-z./]*\?id=[0-9]+"
LIMIT = 300  # seconds until a contestant hangs
MANY = 100_000  # different lines: more than any codec's window holds


class Run:
    """Wall and CPU time of one pipeline, and the largest memory of each stage."""

    def __init__(self, wall, cpu, memory, statuses):
        self.wall, self.cpu, self.memory, self.statuses = wall, cpu, memory, statuses


def high_water(pid):
    """KiB at the most so far; getrusage's figure holds the parent's pages from before exec."""
    try:
        with open(f"/proc/{pid}/status") as file:
            for row in file:
                if row.startswith("VmHWM:"):
                    return int(row.split()[1])
    except OSError:
        pass
    return 0


def start(commands, env, stdin=None, stdout=None, errors=subprocess.DEVNULL):
    """Starts a pipeline: its processes."""
    processes = []
    upstream = stdin or subprocess.DEVNULL
    for i, words in enumerate(commands):
        last = i == len(commands) - 1
        reader, writer = (None, stdout or subprocess.DEVNULL) if last else os.pipe()
        processes.append(subprocess.Popen(words, stdin=upstream, stdout=writer, stderr=errors,
                                          env=env))
        if i > 0:
            os.close(upstream)
        if not last:
            os.close(writer)
        upstream = reader
    return processes


def reap(processes, begin, watch=False):
    """Waits for all: a Run. With `watch`, memory is sampled, which disturbs the time."""
    cpu = 0.0
    memory = [0] * len(processes)
    statuses = [None] * len(processes)
    limit = threading.Timer(LIMIT, stop, [processes])
    limit.start()
    for i, process in enumerate(processes):
        if watch:
            while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                for k, other in enumerate(processes):
                    if statuses[k] is None:
                        memory[k] = max(memory[k], high_water(other.pid))
                time.sleep(0.005)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        statuses[i] = process.returncode
        cpu += usage.ru_utime + usage.ru_stime
    limit.cancel()
    return Run(time.monotonic() - begin, cpu, memory, statuses)


def stop(processes):
    for process in processes:
        if process.returncode is None:
            process.kill()


class Bench:
    def __init__(self, args):
        self.args = args
        self.rng = random.Random(7)
        base = os.path.join(ROOT, "build", "bench")
        os.makedirs(base, exist_ok=True)
        self.work = tempfile.mkdtemp(prefix="run-", dir=base)
        self.tools = base
        os.mkdir(os.path.join(self.work, "sockets"))
        self.env = dict(os.environ, LC_ALL="C", FL_RUNTIME_DIR=os.path.join(self.work, "sockets"))
        self.env["PATH"] = self.args.bin + ":" + self.env["PATH"]
        self.rows = []
        self.skipped = []
        self.files = {}

    def fl(self, tool, *words):
        return [os.path.join(self.args.bin, tool), *words]

    def close(self):
        shutil.rmtree(self.work, ignore_errors=True)

    def lines_file(self, size, different=4000):
        """A file of access-log lines of exactly `size` bytes, newline included, in the cache. Only
        so many are `different`, and then they come again."""
        key = (size, different)
        if key not in self.files:
            path = os.path.join(self.work, f"lines{size}of{different}")
            pool = []
            for i in range(different):
                text = gen_log.line(i, 1).encode()
                # Short lines keep the request, which the pattern looks for.
                text = (text if size > 200 else text[text.index(b'"') + 1:]) + b" " + b"x" * size
                pool.append(text[:size - 1] + b"\n")
            chunk = b"".join(pool)
            count = self.args.lines * 300 // size // len(pool) or 1
            with open(path, "wb") as file:
                for _ in range(count):
                    file.write(chunk)
            self.files[key] = (path, count * len(pool))
        path, count = self.files[key]
        with open(path, "rb") as file:
            while file.read(1 << 20):
                pass
        return path, count

    def time_one(self, commands, output=None):
        """One run of a pipeline; `output`: where the last one's stdout goes."""
        stdout = None
        if output:
            stdout = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        begin = time.monotonic()
        run = reap(start(commands, self.env, stdout=stdout), begin)
        if stdout is not None:
            os.close(stdout)
        self.check(run, commands)
        return run

    def watched(self, commands):
        """One run of a pipeline whose memory is watched."""
        begin = time.monotonic()
        run = reap(start(commands, self.env), begin, watch=True)
        self.check(run, commands)
        return run

    def check(self, run, commands):
        if any(run.statuses):
            shown = " | ".join(" ".join(words) for words in commands)
            self.complain(f"statuses {run.statuses}: {shown}")

    def complain(self, text):
        print(f"bench: {text}", file=sys.stderr)

    def skip(self, figure, why):
        self.skipped.append({"figure": figure, "skipped": why})
        print(f"{figure:56} skipped: {why}", flush=True)

    def interleaved(self, contestants, most=1000):
        """{name: [Run per round]}; in each round each contestant runs once, in random order. At
        `most` so many rounds.

        A contestant is (commands, output, a function that tidies up afterwards)."""
        runs = {name: [] for name in contestants}
        for _ in range(min(self.args.rounds, most)):
            names = list(contestants)
            self.rng.shuffle(names)
            for name in names:
                commands, output, tidy = contestants[name]
                runs[name].append(self.time_one(commands, output))
                if tidy:
                    tidy()
        return runs

    def row(self, figure, unit, values, goal, at_least, note=""):
        """A line of the table. `values`: one per round. `goal` None: there is none."""
        middle = statistics.median(values)
        met = None if goal is None else middle >= goal if at_least else middle <= goal
        self.rows.append({"figure": figure, "median": middle, "low": min(values),
                          "high": max(values), "unit": unit, "rounds": len(values), "goal": goal,
                          "goal_is": "at least" if at_least else "at most", "met": met,
                          "note": note})
        wanted = ("-" if goal is None else
                  f"{'>=' if at_least else '<='} {goal:<6g} {'met' if met else 'MISSED'}")
        print(f"{figure:56} {middle:9.3f} [{min(values):.3f}..{max(values):.3f}] {unit:10} "
              f"{wanted:16} {note}", flush=True)

    def compare(self, figure, ours, reference, count, goal, cpu_goal=None):
        note = (f"{count / statistics.median(r.wall for r in ours) / 1e6:.2f} M events/s, "
                f"reference {count / statistics.median(r.wall for r in reference) / 1e6:.2f}")
        self.row(f"{figure}, wall", "ratio", [r.wall / o.wall for o, r in zip(ours, reference)],
                 goal, True, note)
        if cpu_goal is not None:
            self.row(f"{figure}, CPU", "ratio", [o.cpu / r.cpu for o, r in zip(ours, reference)],
                     cpu_goal, False,
                     f"{statistics.median(o.cpu for o in ours) / count * 1e9:.0f} ns an event")

    def three_stages(self, path, *options):
        return [self.fl("fl-source", "stdin", path, *options),
                self.fl("fl-intercept", "ts", "--stream", *options),
                self.fl("fl-sink", "null", "--stream", *options)]

    def cats(self, path):
        return [["cat", path], ["cat"], ["cat"]]

    # The figures.

    def pipe(self, size=300, goal=1.5, cpu_goal=0.8):
        path, count = self.lines_file(size)
        runs = self.interleaved({
            "fl": (self.three_stages(path), None, None),
            "off": (self.three_stages(path, "--ack=off"), None, None),
            "cat": (self.cats(path), None, None)})
        self.compare(f"stdin | ts | null : cat | cat | cat, {size} B", runs["fl"], runs["cat"],
                     count, goal, cpu_goal)
        self.row(f"acks on : off, {size} B", "ratio",
                 [off.wall / on.wall for on, off in zip(runs["fl"], runs["off"])], 0.9, True)

    def pipe100(self):
        self.pipe(100, 1.0)

    def regex(self):
        path, count = self.lines_file(300)
        fl = [self.fl("fl-source", "stdin", path),
              self.fl("fl-intercept", "regex_filter", "--regex", PATTERN, "--stream"),
              self.fl("fl-sink", "null", "--stream")]
        # cat after grep: with /dev/null as its stdout grep stops at the first match.
        runs = self.interleaved({
            "fl": (fl, None, None),
            "-E": ([["cat", path], ["grep", "-E", PATTERN], ["cat"]], None, None),
            "-P": ([["cat", path], ["grep", "-P", PATTERN], ["cat"]], None, None)})
        self.compare("stdin | regex_filter | null : cat | grep -E | cat", runs["fl"], runs["-E"],
                     count, 1.1)
        self.compare("stdin | regex_filter | null : cat | grep -P | cat", runs["fl"], runs["-P"],
                     count, 1.0)

    def file(self):
        path, count = self.lines_file(300)
        out = os.path.join(self.work, "out")
        copy = os.path.join(self.work, "copy")
        fl = [self.fl("fl-source", "stdin", path), self.fl("fl-intercept", "ts", "--stream"),
              self.fl("fl-sink", "hdfs", "--stream", f"file://{out}")]

        def remove():
            shutil.rmtree(out, ignore_errors=True)
            if os.path.exists(copy):
                os.unlink(copy)
            os.sync()  # the next one begins with a clean cache

        runs = self.interleaved({
            "fl": (fl, None, remove),
            "cat": (self.cats(path), copy, remove),
            "mawk": ([["mawk", "{print}", path]], copy, remove)})
        self.compare("stdin | ts | hdfs file:/// : cat | cat | cat > f", runs["fl"], runs["cat"],
                     count, 1.0)
        self.compare("stdin | ts | hdfs file:/// : mawk '{print}' > f", runs["fl"], runs["mawk"],
                     count, 0.8)

    def gzip(self):
        self.compressed("gzip", 6)

    def zstd(self):
        self.compressed("zstd", 1)

    def compressed(self, codec, level):
        """The library called directly, from file to file, against a pipeline into such a file."""
        path, _ = self.lines_file(300, MANY)
        out = os.path.join(self.work, "out")
        self.against_library(
            f"stdin | hdfs {codec} file:///", codec, level,
            [self.fl("fl-source", "stdin", path),
             self.fl("fl-sink", "hdfs", "--stream", "--file-type", "CompressedStream", "--code-c",
                     codec, "--roll-size", "0", f"file://{out}")], out)

    def codec(self):
        """The stream itself, compressed block by block."""
        path, _ = self.lines_file(300, MANY)
        out = os.path.join(self.work, "out")
        for codec, level in (("deflate", 6), ("zstd", 3)):
            self.against_library(f"stdin --codec {codec} > f", codec + "-blocks", level,
                                 [self.fl("fl-source", "stdin", path, "--codec", codec, "--out",
                                          out)], out)

    def against_library(self, figure, codec, level, commands, out):
        """`commands` write `out`, a file or a directory."""
        path, count = self.lines_file(300, MANY)
        copy = os.path.join(self.work, "copy")
        sizes = {}

        def remove(name, made):
            def tidy():
                sizes[name] = hdfs_figures.bytes_below(made)
                shutil.rmtree(made) if os.path.isdir(made) else os.unlink(made)
                os.sync()  # the next one begins with a clean cache
            return tidy

        runs = self.interleaved({
            "fl": (commands, None, remove("fl", out)),
            "library": ([[os.path.join(self.tools, "compress_file"), codec, str(level), path,
                          copy]], None, remove("library", copy))})
        self.compare(f"{figure} : its library alone", runs["fl"], runs["library"], count, 0.9)
        self.row(f"{figure} : its library alone, CPU", "ratio",
                 [ours.cpu / other.cpu for ours, other in zip(runs["fl"], runs["library"])], None,
                 False, f"{sizes['fl'] / sizes['library']:.3f} of its bytes")

    def upload(self):
        hdfs_figures.upload(self)

    def cluster(self):
        hdfs_figures.cluster(self)

    def buckets(self):
        hdfs_figures.buckets(self)

    def log(self):
        log_figures.log(self)

    def commits(self):
        log_figures.commits(self)

    def backlog(self):
        log_figures.backlog(self)

    def reopen(self):
        log_figures.reopen(self)

    def hbase(self):
        hbase_figures.hbase(self)

    def sql(self):
        sql_figures.sql(self)

    def flume(self):
        flume_figures.flume(self, high_water)

    def net(self):
        net_figures.net(self)

    def ts(self):
        done = subprocess.run([os.path.join(self.tools, "ts_stage"), str(self.args.rounds), "300"],
                              stdout=subprocess.PIPE, text=True, check=True, timeout=LIMIT)
        pairs = [tuple(map(float, row.split())) for row in done.stdout.splitlines()]
        self.row("ts stage alone : memcpy, 300 B", "ratio", [m / s for m, s in pairs], 0.35, True,
                 f"{statistics.median(s for _, s in pairs):.1f} ns an event, memcpy "
                 f"{statistics.median(m for m, _ in pairs):.1f}")

    def rss(self):
        path, _ = self.lines_file(300)
        out = os.path.join(self.work, "out")
        stages = {
            "stdin": self.fl("fl-source", "stdin", path),
            "ts": self.fl("fl-intercept", "ts", "--stream"),
            "memory": self.fl("fl-channel", "memory", "--stream", "--byte-capacity", "16M"),
            "hdfs file:///": self.fl("fl-sink", "hdfs", "--stream", f"file://{out}")}
        goals = {"memory": 16 + 16}
        for state in ("full speed", "stuck sink"):
            begin = time.monotonic()
            processes = start(list(stages.values()), self.env)
            if state == "stuck sink":
                # Stopped before it has read much: the stages before it fill up.
                os.kill(processes[-1].pid, 19)
                memory, steady = [], 0
                while steady < 50 and time.monotonic() - begin < LIMIT:
                    now = [high_water(p.pid) for p in processes]
                    steady = steady + 1 if now == memory else 0
                    memory = now
                    time.sleep(0.02)
                os.kill(processes[-1].pid, 18)
                reap(processes, begin)
                memory = memory[:-1]
            else:
                memory = reap(processes, begin, watch=True).memory
            for name, value in zip(stages, memory):
                self.row(f"peak memory of {name}, {state}", "MiB", [value / 1024],
                         goals.get(name, 16), False)
            shutil.rmtree(out, ignore_errors=True)

    def malloc(self):
        out = os.path.join(self.work, "out")
        short, long = 200_000, 1_200_000

        def counted(events):
            report = os.path.join(self.work, "mallocs")
            env = dict(self.env, LD_PRELOAD=os.path.join(self.tools, "malloc_count.so"),
                       MALLOC_COUNT=report)
            commands = [self.fl("fl-source", "stdin", path_of[events]),
                        self.fl("fl-intercept", "ts", "--stream"),
                        self.fl("fl-channel", "memory", "--stream"),
                        self.fl("fl-intercept", "regex_filter", "--regex", PATTERN, "--stream"),
                        self.fl("fl-sink", "hdfs", "--stream", f"file://{out}")]
            run = reap(start(commands, env), time.monotonic())
            self.check(run, commands)
            counts = {}
            with open(report) as file:
                for row in file:
                    name, count = row.split()
                    counts.setdefault(name, []).append(int(count))
            os.unlink(report)
            shutil.rmtree(out, ignore_errors=True)
            # The two fl-intercept end in any order: their sum counts.
            return {name: sum(values) for name, values in counts.items()}

        source, _ = self.lines_file(300)
        path_of = {}
        for events in (short, long):
            path_of[events] = os.path.join(self.work, f"first{events}")
            with open(source, "rb") as whole, open(path_of[events], "wb") as part:
                part.write(whole.read(events * 300))
            events_there = os.path.getsize(path_of[events]) // 300
            if events_there != events:
                self.complain(f"only {events_there} lines for malloc; use more --lines")
        few, many = counted(short), counted(long)
        for name in sorted(many):
            value = (many[name] - few.get(name, 0)) / (long - short)
            self.row(f"allocations an event, {name}", "calls", [value], 0.001, False,
                     f"{few.get(name, 0)} for {short} events, {many[name]} for {long}")

    def kafka(self):
        kafka_figures.publish(self)
        kafka_figures.consume(self, high_water)

    def latency(self):
        ours, reference = [], []
        for _ in range(max(self.args.rounds, 15)):
            for times, commands in (
                    (ours, [["printf", "a\\n"], self.fl("fl-source", "stdin"),
                            self.fl("fl-intercept", "ts", "--stream"),
                            self.fl("fl-sink", "null", "--stream")]),
                    (reference, [["printf", "a\\n"], ["cat"], ["cat"], ["cat"]])):
                begin = time.monotonic()
                run = reap(start(commands, self.env), begin)
                times.append(run.wall * 1000)
        self.row("one event through three stages, start to exit", "ms", ours, 20, False,
                 f"printf | cat | cat | cat: {statistics.median(reference):.1f} ms")


def main() -> int:
    figures = ["pipe", "pipe100", "regex", "file", "upload", "cluster", "gzip", "zstd", "codec",
               "ts", "rss", "buckets", "malloc", "latency", "log", "commits", "backlog", "reopen", "flume",
               "kafka", "net", "sql", "hbase"]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0],
                                     formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog=__doc__.split("\n\n", 2)[2])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--lines", type=int, default=1_500_000, help="of 300 bytes; as many bytes "
                        "for other sizes")
    parser.add_argument("--bin", default=os.path.join(ROOT, "build", "release", "bin"))
    parser.add_argument("--json", default=os.path.join(ROOT, "build", "bench.json"))
    parser.add_argument("figure", nargs="*", metavar="FIGURE")
    args = parser.parse_args()
    unknown = [name for name in args.figure if name not in figures]
    if unknown:
        parser.error(f"no figure {unknown[0]}; there are {' '.join(figures)}")
    bench = Bench(args)
    with open("/proc/loadavg") as file:
        load = file.read().split()[0]
    print(f"{os.cpu_count()} processors, load {load}, {args.rounds} rounds")
    print(f"{'figure':56} {'median':>9} [least..most] {'unit':10} goal")
    try:
        for name in args.figure or figures:
            getattr(bench, name)()
    finally:
        bench.close()
    result = {"processors": os.cpu_count(), "load_at_start": float(load), "rounds": args.rounds,
              "lines": args.lines, "figures": bench.rows, "skipped": bench.skipped}
    with open(args.json, "w") as file:
        json.dump(result, file, indent=2)
        file.write("\n")
    goals = [row["met"] for row in bench.rows if row["goal"] is not None]
    print(f"{goals.count(True)} goals met, {goals.count(False)} missed, {len(bench.skipped)} "
          f"skipped; written to {os.path.relpath(args.json)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
