"""The same flows by a real Flume 1.11 and by us: exec cat FILE, then a memory channel and hdfs on
file:///, or the file channel and null."""
import contextlib
import io
import json
import os
import shutil
import statistics
import sys
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "peers", "flume"))
import agent  # noqa: E402
from hdfs_figures import bytes_below  # noqa: E402

ROUNDS = 3  # at most: a JVM takes its time
RUN_LIMIT = 300  # seconds
# A production heap and the compiler's defaults, where the tests choose a quick start.
JVM = ["-Xmx1g", "-Djava.net.preferIPv4Stack=true"]
CONFIG = """
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = exec
a1.sources.r1.command = cat {path}
a1.sources.r1.batchSize = 1000
a1.sources.r1.channels = c1
a1.sinks.k1.channel = c1
"""
MEMORY_TO_HDFS = CONFIG + """
a1.channels.c1.type = memory
a1.channels.c1.capacity = 100000
a1.channels.c1.transactionCapacity = 1000
a1.sinks.k1.type = hdfs
a1.sinks.k1.hdfs.path = file://{out}
a1.sinks.k1.hdfs.fileType = DataStream
a1.sinks.k1.hdfs.rollInterval = 0
a1.sinks.k1.hdfs.rollSize = 0
a1.sinks.k1.hdfs.rollCount = 0
a1.sinks.k1.hdfs.batchSize = 1000
"""
# Its own defaults except for the sizes of transactions, which are larger than 100 here as above.
FILE_TO_NULL = CONFIG + """
a1.channels.c1.type = file
a1.channels.c1.checkpointDir = {out}/checkpoint
a1.channels.c1.dataDirs = {out}/data
a1.channels.c1.transactionCapacity = 1000
a1.sinks.k1.type = null
a1.sinks.k1.batchSize = 1000
"""


class Result:
    """`cpu`: seconds without what the start costs; `whole_cpu`: with it; `memory`: KiB at most."""

    def __init__(self, cpu, whole_cpu, memory, wall):
        self.cpu, self.whole_cpu, self.memory, self.wall = cpu, whole_cpu, memory, wall


def processor_seconds(pid):
    """Of a process and its children that have ended."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def taken(port):
    """What the sink has taken from the channel for good."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
        channel = json.load(reply).get("CHANNEL.c1", {})
    return int(channel.get("EventTakeSuccessCount", 0))


def by_flume(bench, config, count, lib, high_water):
    directory = os.path.join(bench.work, "agent")
    port = agent.free_ports(1)[0]
    agent.JVM = JVM
    begin = time.monotonic()
    with agent.Agent(directory, config,
                     ["-Dflume.monitoring.type=http", f"-Dflume.monitoring.port={port}"],
                     lib=lib) as one:
        one.wait_for(r"Component type: SOURCE, name: r1 started")
        started = processor_seconds(one.process.pid)
        one.wait_for(r"Started @\d+ms")  # its metrics can be asked for

        def is_done():
            time.sleep(0.1)  # each answer costs the agent something
            return taken(port) >= count

        one.poll(is_done, f"{count} events taken", RUN_LIMIT)
        wall = time.monotonic() - begin
        memory = high_water(one.process.pid)
        one.stop()  # closes the file
    # Popen has waited for it: what it used is in the sum of our children.
    shutil.rmtree(directory)
    return started, memory, wall


def flume(bench, high_water):
    try:
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            agent.java()
            agent.fetch_jars()
    except SystemExit:
        bench.skip("exec | CHANNEL | SINK : Flume", said.getvalue().strip().removeprefix("skipped: "))
        return
    path, _ = bench.lines_file(300)
    out = os.path.join(bench.work, "out")

    def check(name):
        if bytes_below(out) != os.path.getsize(path):
            bench.complain(f"{name} wrote {bytes_below(out)} bytes of {os.path.getsize(path)}")

    source = bench.fl("fl-source", "exec", "--", "cat", path)
    flow(bench, high_water, "exec | memory | hdfs : Flume",
         lambda: MEMORY_TO_HDFS.format(path=path, out=out), [
             source, bench.fl("fl-channel", "memory", "--stream", "--capacity", "100000"),
             bench.fl("fl-sink", "hdfs", "--stream", "--roll-size", "0", "--roll-interval", "0",
                      f"file://{out}")], check)
    flow(bench, high_water, "exec | file | null : Flume",
         lambda: FILE_TO_NULL.format(path=path, out=out), [
             source, bench.fl("fl-channel", "file", out, "--stream"),
             bench.fl("fl-sink", "null", "--stream")], goal=20)


def flow(bench, high_water, figure, config, stages, check=None, goal=None, lib=None, limit=None):
    """The lines of 300 bytes through an agent of `config()` and through `stages`. What either
    writes to a disk is below the folder that check() looks into. `limit`: what a pipeline of ours
    cannot do without, its name and commands."""
    _, count = bench.lines_file(300)
    out = os.path.join(bench.work, "out")

    def ours(commands):
        begin = time.monotonic()
        run = bench.watched(commands)
        return Result(run.cpu, run.cpu, sum(run.memory), time.monotonic() - begin)

    def theirs():
        before = os.times()
        started, memory, wall = by_flume(bench, config(), count, lib, high_water)
        after = os.times()
        cpu = (after.children_user + after.children_system
               - before.children_user - before.children_system)
        return Result(cpu - started, cpu, memory, wall)

    contestants = {"fl": lambda: ours(stages), "flume": theirs}
    if limit is not None:
        contestants["limit"] = lambda: ours(limit[1])
    results = {name: [] for name in contestants}
    for _ in range(min(bench.args.rounds, ROUNDS)):
        order = list(contestants.items())
        bench.rng.shuffle(order)
        for name, run in order:
            results[name].append(run())
            if check is not None and name != "limit":
                check(name)
            shutil.rmtree(out, ignore_errors=True)
            os.sync()

    def middle(name, value):
        return statistics.median(value(result) for result in results[name])

    pairs = list(zip(results["fl"], results["flume"]))
    for words, value, wanted in (("", lambda r: r.cpu, goal),
                                 (" with start", lambda r: r.whole_cpu, None)):
        bench.row(f"{figure}, events a CPU s{words}", "ratio",
                  [value(flume_run) / value(our_run) for our_run, flume_run in pairs], wanted, True,
                  f"{count / middle('fl', value) / 1e6:.3f} M, "
                  f"Flume {count / middle('flume', value) / 1e6:.3f} M")
    if limit is not None:
        bench.row(f"limit: {limit[0]} : Flume, events a CPU s", "ratio",
                  [theirs.cpu / bare.cpu for bare, theirs in zip(results["limit"], results["flume"])],
                  None, True, f"{count / middle('limit', lambda r: r.cpu) / 1e6:.3f} M")
    bench.row(f"{figure}, peak memory", "ratio",
              [our_run.memory / flume_run.memory for our_run, flume_run in pairs], None, False,
              f"{middle('fl', lambda r: r.memory) / 1024:.0f} MiB in all stages, "
              f"Flume {middle('flume', lambda r: r.memory) / 1024:.0f} MiB")
    bench.row(f"{figure}, wall with start", "ratio",
              [flume_run.wall / our_run.wall for our_run, flume_run in pairs], None, True,
              f"{middle('fl', lambda r: r.wall):.1f} s, "
              f"Flume {middle('flume', lambda r: r.wall):.1f} s")
