"""Between two hosts: avro sink to avro source against socat, and against two agents of Flume 1.11."""
import contextlib
import io
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "peers", "flume"))
import agent  # noqa: E402
from flume_figures import JVM, processor_seconds  # noqa: E402

BATCH = 1000
ROUNDS = 3  # at most, with Flume
LIMIT = 300  # seconds until a contestant hangs
SENDER = """
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = exec
a1.sources.r1.command = cat {path}
a1.sources.r1.batchSize = {batch}
a1.sources.r1.channels = c1
a1.channels.c1.type = memory
a1.channels.c1.capacity = 100000
a1.channels.c1.transactionCapacity = {batch}
a1.sinks.k1.type = avro
a1.sinks.k1.channel = c1
a1.sinks.k1.hostname = 127.0.0.1
a1.sinks.k1.port = {port}
a1.sinks.k1.batch-size = {batch}
"""
RECEIVER = """
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = avro
a1.sources.r1.bind = 127.0.0.1
a1.sources.r1.port = {port}
a1.sources.r1.channels = c1
a1.channels.c1.type = memory
a1.channels.c1.capacity = 100000
a1.channels.c1.transactionCapacity = {batch}
a1.sinks.k1.type = null
a1.sinks.k1.channel = c1
a1.sinks.k1.batchSize = {batch}
"""


class Result:
    """`cpu`: seconds on both sides; `pss`: KiB, both sides together at most."""

    def __init__(self, wall, cpu, pss):
        self.wall, self.cpu, self.pss = wall, cpu, pss


def pss(pids):
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup") as file:
                total += int(re.search(r"^Pss:\s+(\d+)", file.read(), re.M)[1])
        except (OSError, TypeError):
            pass  # it has just ended
    return total


def used_by_children():
    times = os.times()
    return times.children_user + times.children_system


def taken(port):
    """From the channel: a null sink counts nothing."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
        return int(json.load(reply).get("CHANNEL.c1", {}).get("EventTakeSuccessCount", 0))


class Receiver:
    """fl-source avro on a free port, and what comes after it."""

    def __init__(self, bench, *stages):
        self.bench = bench
        said = os.path.join(bench.work, "receiver")
        with open(said, "wb") as errors:
            self.processes = []
            upstream = subprocess.DEVNULL
            for i, words in enumerate(stages):
                is_last = i == len(stages) - 1
                one = subprocess.Popen(words, stdin=upstream, stderr=errors, env=bench.env,
                                       stdout=subprocess.DEVNULL if is_last else subprocess.PIPE)
                if i > 0:
                    upstream.close()
                self.processes.append(one)
                upstream = one.stdout
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            with open(said) as file:
                found = re.search(r"listening on \S+:(\d+)\n", file.read())
            if found:
                self.port = found[1]
                return
            time.sleep(0.005)
        raise RuntimeError("fl-source avro does not listen")

    def pids(self):
        return [each.pid for each in self.processes]

    def end(self):
        self.processes[0].terminate()
        for each in self.processes:
            each.wait(LIMIT)


def timed(bench, pids, commands, watch=False):
    """From the start of a sender until it ends: wall, CPU of both sides, PSS. `pids`: who receives."""
    cpu = -used_by_children() - sum(map(processor_seconds, pids))
    begin = time.monotonic()
    processes, upstream = [], subprocess.DEVNULL
    for i, words in enumerate(commands):
        is_last = i == len(commands) - 1
        one = subprocess.Popen(words, stdin=upstream, stderr=subprocess.DEVNULL, env=bench.env,
                               stdout=subprocess.DEVNULL if is_last else subprocess.PIPE)
        if i > 0:
            upstream.close()
        processes.append(one)
        upstream = one.stdout
    most = 0
    while watch and processes[-1].poll() is None:
        most = max(most, pss([*pids, *(each.pid for each in processes)]))
        time.sleep(0.05)
    for each in processes:
        if each.wait(LIMIT) != 0:
            bench.complain(f"status {each.returncode}: {each.args}")
    wall = time.monotonic() - begin
    return Result(wall, cpu + used_by_children() + sum(map(processor_seconds, pids)), most)


def wait_for_listener(port):
    listens = f"0100007F:{port:04X} 00000000:0000 0A"
    end = time.monotonic() + LIMIT
    with open("/proc/net/tcp") as table:
        while listens not in table.read() and time.monotonic() < end:
            table.seek(0)
            time.sleep(0.005)


def against_socat(bench):
    path, count = bench.lines_file(300)
    stream = os.path.join(bench.work, "stream")
    with open(stream, "wb") as out:
        subprocess.run(bench.fl("fl-source", "stdin", "--ack=off", path), stdout=out, env=bench.env,
                       stderr=subprocess.DEVNULL, check=True, timeout=LIMIT)

    def ours():
        receiver = Receiver(bench, bench.fl("fl-source", "avro", "--port", "0"),
                            bench.fl("fl-sink", "null", "--stream"))
        try:
            return timed(bench, receiver.pids(), [bench.fl(
                "fl-sink", "avro", "--stream", "--in", stream, "--accept-unconfirmed",
                "--batch-size", str(BATCH), f"127.0.0.1:{receiver.port}")])
        finally:
            receiver.end()

    def theirs():
        port = agent.free_ports(1)[0]
        receiver = subprocess.Popen(["socat", "-u", f"TCP-LISTEN:{port},bind=127.0.0.1",
                                     "OPEN:/dev/null"])
        try:
            wait_for_listener(port)
            result = timed(bench, [receiver.pid],
                           [["socat", "-u", f"OPEN:{stream}", f"TCP:127.0.0.1:{port}"]])
            receiver.wait(LIMIT)
            return result
        finally:
            receiver.kill()
            receiver.wait()
    runs = {"fl": [], "socat": []}
    for _ in range(bench.args.rounds):
        order = [("fl", ours), ("socat", theirs)]
        bench.rng.shuffle(order)
        for name, run in order:
            runs[name].append(run())
    os.unlink(stream)
    bench.compare(f"avro sink to avro source, batches of {BATCH} / socat", runs["fl"],
                  runs["socat"], count, 0.6)


def by_flume(bench, path, count):
    """Two agents: their CPU time without what the start costs, and their memory at the end."""
    ports = agent.free_ports(3)
    options = [["-Dflume.monitoring.type=http", f"-Dflume.monitoring.port={port}"]
               for port in ports[1:]]
    places = [os.path.join(bench.work, name) for name in ("receiver-agent", "sender-agent")]
    before = used_by_children()
    with agent.Agent(places[0], RECEIVER.format(port=ports[0], batch=BATCH), options[0]) as to:
        to.wait_for(r"Component type: SOURCE, name: r1 started")
        to.wait_for(r"Started @\d+ms")
        started = processor_seconds(to.process.pid)
        begin = time.monotonic()
        with agent.Agent(places[1], SENDER.format(port=ports[0], batch=BATCH, path=path),
                         options[1]) as sender:
            sender.wait_for(r"Component type: SOURCE, name: r1 started")
            started += processor_seconds(sender.process.pid)

            def is_done():
                time.sleep(0.1)  # each answer costs the agent something
                return taken(ports[1]) >= count
            to.poll(is_done, f"{count} events", LIMIT)
            wall = time.monotonic() - begin
            most = pss([to.process.pid, sender.process.pid])
            sender.stop()
        to.stop()
    for place in places:
        shutil.rmtree(place)
    return Result(wall, used_by_children() - before - started, most)


def against_flume(bench):
    figure = "avro host to host : Flume"
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            agent.java()
            agent.fetch_jars()
    except SystemExit:
        bench.skip(figure, said.getvalue().strip().removeprefix("skipped: "))
        return
    agent.JVM = JVM
    path, count = bench.lines_file(300)

    def ours(*channel):
        receiver = Receiver(bench, bench.fl("fl-source", "avro", "--port", "0"), *channel,
                            bench.fl("fl-sink", "null", "--stream"))
        try:
            return timed(bench, receiver.pids(), [
                bench.fl("fl-source", "exec", "--", "cat", path), *channel,
                bench.fl("fl-sink", "avro", "--stream", "--batch-size", str(BATCH),
                         f"127.0.0.1:{receiver.port}")], watch=True)
        finally:
            receiver.end()

    def copies(*channel):
        """As many processes, pipes and sockets as in ours(), the source's own cat with them; each only copies."""
        port = agent.free_ports(1)[0]
        before = used_by_children()
        begin = time.monotonic()
        # A shell's pipeline ends when all of it has ended.
        receiver = subprocess.Popen(["sh", "-c", " | ".join(
            [f"socat -u TCP-LISTEN:{port},bind=127.0.0.1 -", *channel, "cat > /dev/null"])])
        wait_for_listener(port)
        timed(bench, [], [["cat", path], ["cat"], *([each] for each in channel),
                          ["socat", "-u", "-", f"TCP:127.0.0.1:{port}"]])
        receiver.wait(LIMIT)
        return Result(time.monotonic() - begin, used_by_children() - before, 0)
    # A pipe does what most users of Flume need a memory channel for.
    contestants = {"fl": lambda: ours(bench.fl("fl-channel", "memory", "--stream")), "pipes": ours,
                   "seven": lambda: copies("cat"), "five": copies,
                   "flume": lambda: by_flume(bench, path, count)}
    runs = {name: [] for name in contestants}
    for _ in range(min(bench.args.rounds, ROUNDS)):
        order = list(contestants)
        bench.rng.shuffle(order)
        for name in order:
            runs[name].append(contestants[name]())
    pairs = list(zip(runs["fl"], runs["flume"]))

    def middle(name, value):
        return statistics.median(value(result) for result in runs[name])
    for name, what, goal in (
            ("fl", f"{figure}, events a CPU s", 15),
            ("pipes", f"{figure}, events a CPU s without fl-channel", 15),
            ("seven", "limit: seven of cat and socat : Flume, events a CPU s", None),
            ("five", "limit: five of cat and socat, without a channel : Flume, events a CPU s", None)):
        bench.row(what, "ratio",
                  [theirs.cpu / ours.cpu for ours, theirs in zip(runs[name], runs["flume"])], goal,
                  True, f"{count / middle(name, lambda r: r.cpu) / 1e6:.3f} M, "
                  f"Flume {count / middle('flume', lambda r: r.cpu) / 1e6:.3f} M, without its start")
    bench.row(f"{figure}, PSS", "ratio", [ours.pss / theirs.pss for ours, theirs in pairs], 0.1,
              False, f"{middle('fl', lambda r: r.pss) / 1024:.0f} MiB in six stages, "
              f"Flume {middle('flume', lambda r: r.pss) / 1024:.0f} MiB in two")


def net(bench):
    if shutil.which("socat") is None:
        bench.skip("avro sink to avro source / socat", "there is no socat")
    else:
        against_socat(bench)
    against_flume(bench)
