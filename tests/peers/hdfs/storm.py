"""What the chaos tests share: flows into HDFS, and the disturbances that a seeded script does to
the servers meanwhile.

A Storm has some flows (one pipeline each, into a directory of its own) and one watcher over all of
them. Each step lets the flows take another slice of the log, does something to the servers while
uploads are in flight, and repairs it. At the end nothing may be lost, doubled or out of order,
nothing may have shown half of a file, and every status is 0.
"""
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOOLS = os.path.join(HERE, "..", "..", "tools")
sys.path.insert(0, TOOLS)
import cluster as clusters
import harness

# An interrupted test must still take its daemons down.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

LONG = os.environ.get("FL_TEST_LONG") == "1"
LINES = int(os.environ.get("FL_TEST_LINES", "1000000" if LONG else "60000"))
LIMIT = 3000 if LONG else 600  # seconds until a flow hangs
FROZEN = 20 if LONG else 4  # seconds
OUTAGE = 5 if LONG else 1.5  # seconds that a trouble lasts beyond what is waited for

# name -> options, and what one line of `hdfs dfs -text` makes of an event
FORMS = {
    "text": ([], lambda row: row),
    "gzip": (["--file-type", "CompressedStream", "--code-c", "gzip"],
             lambda row: row),
    "sequence": (["--file-type", "SequenceFile", "--write-format", "Text"],
                 lambda row: row.split(b"\t", 1)[1]),
    "avro": (["--serializer", "avro_event", "--file-suffix", ".avro"],
             lambda row: json.loads(row)["body"].encode()),
}


def poll(condition, what, limit=60):
    """As harness.poll, for questions that cost the servers something."""
    def slowly():
        value = condition()
        if not value:
            time.sleep(0.05)
        return value
    return harness.poll(slowly, what, limit)


def make_log(lines: int, seed: int = harness.SEED) -> bytes:
    return subprocess.run([sys.executable, os.path.join(TOOLS, "gen_log.py"), "--lines", str(lines),
                           "--seed", str(seed)], stdout=subprocess.PIPE, check=True).stdout


class Flow:
    """One pipeline that takes as much of `content` as it was let."""

    def __init__(self, storm, name, form, target, path, roll, options=(), env=None):
        """`target`: as fl-sink hdfs takes it; `path`: the same directory as HDFS names it; `roll`:
        bytes of a file."""
        self.storm = storm
        self.name = name
        self.path = path
        self.decode = FORMS[form][1]
        self.content = storm.content
        self.limit = 0
        self.more = threading.Condition()
        reader, self.writer = os.pipe()
        self.pipeline = storm.case.pipeline(
            "fl-source stdin", "fl-intercept ts --stream",
            ["fl-sink", "hdfs", "--stream", "--grace", "180s", "--retry-interval", "3s",
             "--roll-size", str(roll),
             *FORMS[form][0], *options, target],
            stdin=reader, env=env or storm.env)
        os.close(reader)
        self.feeder = threading.Thread(target=self.feed, daemon=True)
        self.feeder.start()

    def feed(self):
        at = 0
        view = memoryview(self.content)
        try:
            while at < len(view):
                with self.more:
                    self.more.wait_for(lambda: self.limit > at)
                    end = min(self.limit, at + 65536)
                at += os.write(self.writer, view[at:end])
        except BrokenPipeError:
            pass  # its status tells
        os.close(self.writer)

    def let(self, share: float):
        with self.more:
            self.limit = max(self.limit, int(len(self.content) * share))
            self.more.notify()

    def errors(self) -> str:
        return self.pipeline.errors(len(self.pipeline.processes) - 1)

    def check_alive(self):
        if any(process.poll() is not None for process in self.pipeline.processes[1:]):
            raise AssertionError(f"{self.name} ended early\n{self.pipeline.report()}")

    def sink(self) -> int:
        """The process that uploads."""
        return self.pipeline.processes[-1].pid


class Uploads:
    """What uploads to the servers of a cluster, and how to kill a server that takes a file."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.sinks = []

    def add(self, sink):
        """`sink()` is the process that uploads."""
        self.sinks.append(sink)

    def repair(self):
        """After a failure others still need the servers."""
        for name in self.cluster.names():
            if self.cluster.signal(name, signal.SIGCONT) is None:
                self.cluster.launch(name)

    def senders(self) -> set:
        """Sockets of the processes that send files to DataNodes or to the gateway."""
        pids = []
        for sink in self.sinks:
            pids += [sink(), *harness.children_of(sink())]
        if self.cluster.state["httpfs"]:
            pids.append(self.cluster.pid("httpfs"))
        found = set()
        for pid in pids:
            try:
                found |= {os.readlink(f"/proc/{pid}/fd/{fd}")
                          for fd in os.listdir(f"/proc/{pid}/fd")}
            except OSError:
                continue  # has ended, or has closed one just now
        return found

    def waits_at(self, port: int, least: int) -> bool:
        """So many bytes of one of the senders have not been read by the listener at the port."""
        mine = self.senders()
        clients, waiting = set(), set()
        for family in ("tcp", "tcp6"):
            with open(f"/proc/net/{family}") as table:
                for row in list(table)[1:]:
                    words = row.split()
                    here, there = (int(word.rsplit(":", 1)[1], 16) for word in words[1:3])
                    if there == port and f"socket:[{words[9]}]" in mine:
                        clients.add(here)
                    elif here == port and int(words[4].split(":")[1], 16) >= least:
                        waiting.add(there)
        return bool(clients & waiting)

    def datanode_places(self) -> dict:
        """For kill_in_upload(): a whole head and some data from a sink, or a greeting of TLS; from
        a gateway any byte."""
        scheme = clusters.configuration.http_ports(self.cluster.state)
        return {name: [(ports[scheme], 4096 if scheme == "http" else 1), (ports["transfer"], 1)]
                for name, ports in zip(self.cluster.datanodes(), self.cluster.state["datanodes"])}

    def gateway_places(self) -> dict:
        """The first bytes of an upload: a frozen gateway does not answer, so that no data comes."""
        return {"httpfs": [(self.cluster.state["httpfs"], 1)]}

    def kill_in_upload(self, ports, let, check=lambda: None) -> str:
        """Kills one of the daemons while a file is in flight to it: all are frozen until one of
        them has something to read, so none can have finished before. The others continue. `ports`:
        name of a daemon -> [(port, bytes that tell of a file)]; `let` makes files come; `check` is
        called now and then."""
        end = time.monotonic() + LIMIT
        # Seconds; more each time: a busy machine is slow to connect. A single daemon is certain to
        # be asked.
        patience = 0.5 if len(ports) > 1 else 30
        is_let = False
        while True:
            for name in ports:
                self.cluster.signal(name, signal.SIGSTOP)
            if not is_let:
                let()
                is_let = True
            try:
                victim = poll(lambda: next((name for name, places in ports.items() if any(
                    self.waits_at(*place) for place in places)), None), "an upload", patience)
            except harness.Hang:
                victim = None  # those asked for something else continue first
            if victim:
                self.cluster.kill(victim)
            for name in ports:
                self.cluster.signal(name, signal.SIGCONT)
            if victim:
                return victim
            if time.monotonic() > end:
                raise harness.Hang(f"no file on its way to {' or '.join(ports)}")
            check()
            time.sleep(patience / 4)
            patience = min(1.5 * patience, max(patience, 5))


class Storm:
    def __init__(self, case, cluster, content, env, name, steps):
        """`steps`: each a tuple of disturbances that come together."""
        self.case = case
        self.cluster = cluster
        self.content = content
        self.env = env
        self.base = f"/chaos/{os.getpid()}/{name}"
        self.random = random.Random(f"{harness.SEED}/{name}")
        self.flows = []
        self.uploads = Uploads(cluster)
        self.steps = steps
        self.share = 0.0  # of the log that the flows were let
        self.slice = 1.0 / (len(steps) + 1)
        self.together = 1  # disturbances of the present step
        self.hits = 0  # a server was killed while it had to take a file
        self.watcher = None
        self.query = "user.name=root"
        self.is_ha = bool(cluster.state["nameservice"])

    # Flows and what they left.

    def add(self, form, files, target=None, **more):
        """A flow that makes so many files of each slice. `target`: of the base directory."""
        path = f"{self.base}/{form}"
        roll = int(len(self.content) * self.slice / files)
        self.flows.append(Flow(self, form, form, f"{target or self.base}/{form}", path, roll,
                               **more))
        self.uploads.add(self.flows[-1].sink)

    def watch(self):
        urls = [self.cluster.url(name) + "/webhdfs/v1" + self.base
                for name in self.cluster.namenodes()]
        self.watcher = subprocess.Popen(
            [os.path.join(TOOLS, "watch_dir"), *urls, "--format", "any", "--patient", "--insecure",
             "--query", self.query], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.case.addCleanup(self.watcher.stdout.close)
        self.case.addCleanup(self.watcher.wait)
        self.case.addCleanup(self.watcher.kill)
        self.watcher.stdout.readline()

    def rage(self):
        """Does the steps, one for each slice of the log, then lets the flows end and checks."""
        self.case.addCleanup(self.uploads.repair)
        for step in self.steps:
            begin = time.monotonic()
            self.step(step)
            print(f"     {'+'.join(step):40} {time.monotonic() - begin:5.1f} s", flush=True)
        for flow in self.flows:
            flow.let(1.0)
        for flow in self.flows:
            statuses = flow.pipeline.wait(LIMIT)
            if any(statuses):
                self.case.fail(f"{flow.name}: statuses {statuses}\n{flow.pipeline.report()}")
        self.cluster.wait_ready([])
        self.end_watch()
        for flow in self.flows:
            self.check(flow)

    def step(self, names):
        """The disturbances begin in this order and end in the other."""
        running = []
        self.together = len(names)
        for name in names:
            disturbance = getattr(self, name)()
            next(disturbance)
            running.append(disturbance)
        for disturbance in reversed(running):
            for _ in disturbance:
                raise AssertionError("a disturbance has two parts")
        self.cluster.wait_ready(self.cluster.names())
        self.check_alive()

    def end_watch(self):
        self.watcher.send_signal(signal.SIGTERM)
        said, _ = self.watcher.communicate(timeout=LIMIT)
        print("     " + said.strip().replace("\n", "\n     "), flush=True)
        self.case.assertEqual(self.watcher.returncode, 0, said)

    def shell(self, *words) -> bytes:
        done = self.cluster.call("shell", words, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 timeout=LIMIT)
        if done.returncode != 0:
            raise AssertionError(f"hdfs dfs {' '.join(words[:3])}: "
                                 f"{done.stderr.decode(errors='replace')[-2000:]}")
        return done.stdout

    def admin(self, *words):
        """Asks until it works: the NameNode may have been started just now."""
        def done():
            nonlocal said
            done = self.cluster.call("admin", words, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, timeout=LIMIT)
            said = done.stdout.decode(errors="replace")
            return done.returncode == 0
        said = ""
        try:
            poll(done, f"hdfs dfsadmin {' '.join(words)}", clusters.START_LIMIT)
        except harness.Hang as hang:
            raise AssertionError(f"{hang}: {said}") from None

    def check(self, flow):
        """Hadoop's own reader finds each line once, in order."""
        names = self.shell("-ls", "-C", flow.path).decode().split("\n")
        finals = [name for name in names if name and harness.is_final(os.path.basename(name))]
        finals.sort(key=lambda name: (len(name), name))
        rows = [flow.decode(row) for row in self.shell("-text", *finals).split(b"\n")[:-1]]
        expected = flow.content.split(b"\n")[:-1]
        lost = len(set(expected) - set(rows))
        doubled = len(rows) - len(set(rows))
        left = len([name for name in names if name]) - len(finals)
        print(f"     {flow.name}: {len(rows)} lines in {len(finals)} files, {lost} lost, "
              f"{doubled} doubled, {left} temporaries left", flush=True)
        self.case.assertEqual((lost, doubled), (0, 0), flow.errors()[-4000:])
        self.case.assertTrue(rows == expected, f"{flow.name}: other lines, or another order")

    # What disturbances are made of.

    def let_flow(self):
        """Another slice; returns when one of its files is in flight or already there. Where another
        trouble keeps all of them away it continues after a while."""
        before = self.listing()
        self.let()
        try:
            poll(lambda: self.listing() != before, "an upload", 10)
        except harness.Hang:
            pass

    def listing(self) -> set:
        """All names below the base directory; empty if nobody answers."""
        found = set()
        for flow in self.flows:
            for name in self.cluster.namenodes():
                listed = self.cluster.answer(f"{self.cluster.url(name)}/webhdfs/v1{flow.path}"
                                             f"?op=LISTSTATUS{self.cluster.user()}")
                if listed:
                    found |= {(flow.name, entry["pathSuffix"])
                              for entry in listed["FileStatuses"]["FileStatus"]}
        return found

    def hold(self, seconds=OUTAGE):
        """The trouble lasts a little; a flow that ends meanwhile has given up."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.check_alive()
            time.sleep(0.05)

    def kill_in_upload(self, ports) -> str:
        name = self.uploads.kill_in_upload(ports, self.let, self.check_alive)
        self.hits += 1
        return name

    def check_alive(self):
        for flow in self.flows:
            flow.check_alive()

    def expect_hits(self):
        """Each step that kills a server that takes files has hit one at work."""
        wanted = sum(name in ("datanode_killed", "gateway_killed")
                     for step in self.steps for name in step)
        print(f"     {self.hits} times one was killed while it had to take a file", flush=True)
        self.case.assertEqual(self.hits, wanted)

    def let(self):
        self.share += self.slice / self.together
        for flow in self.flows:
            flow.let(self.share)

    def active(self) -> str:
        return poll(self.cluster.active, "an active NameNode", clusters.START_LIMIT)

    # The disturbances: up to the yield things get worse, after it better.

    def datanode_killed(self):
        name = self.kill_in_upload(self.uploads.datanode_places())
        self.hold()
        yield
        self.cluster.launch(name)

    def namenode_killed(self):
        """The only one, or the active one of a pair; of a pair the other one takes over."""
        name = self.active()
        self.let_flow()
        self.cluster.kill(name)
        if self.is_ha:
            other, = [one for one in self.cluster.namenodes() if one != name]
            self.cluster.force_active(other)
        self.hold()
        yield
        self.cluster.launch(name)
        self.active()

    def namenode_frozen(self):
        name = self.active()
        self.let_flow()
        self.cluster.signal(name, signal.SIGSTOP)
        self.hold(FROZEN)
        yield
        self.cluster.signal(name, signal.SIGCONT)

    def safe_mode(self):
        self.admin("-safemode", "enter")
        self.let()
        self.hold()
        yield
        self.admin("-safemode", "leave")

    def quota(self):
        """Less than a block is left; each flow must report it, and continue when there is room."""
        paths = [flow.path for flow in self.flows]
        said = {flow.name: flow.errors().lower().count("quota") for flow in self.flows}
        self.admin("-setSpaceQuota", "1m", *paths)
        self.let()
        for flow in self.flows:
            poll(lambda: (flow.errors().lower().count("quota") > said[flow.name]
                          or flow.check_alive()), "a word about the quota", LIMIT)
        yield
        self.admin("-clrSpaceQuota", *paths)

    def gateway_killed(self):
        self.kill_in_upload(self.uploads.gateway_places())
        self.hold()
        yield
        self.cluster.launch("httpfs")

    def gateway_frozen(self):
        self.let_flow()
        self.cluster.signal("httpfs", signal.SIGSTOP)
        self.hold(FROZEN)
        yield
        self.cluster.signal("httpfs", signal.SIGCONT)


def start_cluster(case_class, *options):
    """A cluster for all tests of a class."""
    directory = harness.make_directory()
    case_class.addClassCleanup(subprocess.run, ["rm", "-rf", directory], check=True)
    args = clusters.make_parser().parse_args(["start", os.path.join(directory, "hdfs"), *options])
    cluster = clusters.Cluster(args.dir)
    cluster.make(args)
    case_class.addClassCleanup(cluster.stop)
    cluster.start()
    return cluster
