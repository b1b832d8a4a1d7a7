#!/usr/bin/env python3
"""Three hosts on three loopback addresses, each with a file channel, the last one before the real HDFS,
while stages, hosts and links die at random.

Started by ./run. A minute of faults, with FL_TEST_LONG=1 five: as many as their pauses span, in an order
of the seed's choice (FL_TEST_SEED), and each of them hits something that works. What may come twice is
what fl-delivery(7) says: a batch for each link that is lost, and what a killed sender of a log had no
acknowledgement of, which --window bounds (rounded up to a block of the log).
"""
import collections
import os
import random
import signal
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tools"))
import harness
from link_proxy import Link
from ports import free_port
from test_flow import bytes_in, hdfs, webhdfs

SECONDS = 300 if os.environ.get("FL_TEST_LONG") else 60  # of faults
PAUSE = (0.2, 0.8)  # seconds before each; then files come,
BUSY = (0.0, 0.25)  # and while they go through the hosts, after so many seconds, the fault
KINDS = ("stage", "stage", "stage", "link", "link", "host")
FILES = 9  # for each fault
LINES = 400  # of a file
WIDTH = 100  # bytes of a line
BATCH = 200
WINDOW = 256 << 10
BLOCK = 64 << 10
UNHEARD = (WINDOW + BLOCK) // WIDTH  # events that a log has handed out and not acknowledged, at most
LIMIT = 240  # seconds until what is left has arrived
HOSTS = {"app": "127.0.0.2", "relay": "127.0.0.3", "collector": "127.0.0.4"}


class Unit:
    """A pipeline that is started again whenever it ends, as systemd does."""

    def __init__(self, case, host, role, commands, env):
        self.case, self.host, self.role, self.commands, self.env = case, host, role, commands, env
        self.lock = threading.Lock()
        self.is_stopping = False
        self.starts = 0
        self.start()

    def start(self):
        self.now = self.case.pipeline(*self.commands, env=self.env)
        self.starts += 1

    def look(self):
        """Starts it again if a stage has ended, when all have."""
        with self.lock:
            if self.is_stopping or all(each.poll() is None for each in self.now.processes):
                return
            if all(each.poll() is not None for each in self.now.processes):
                self.start()

    def kill(self, number):
        """One of its processes; False if it had ended."""
        with self.lock:
            process = self.now.processes[number]
            if process.poll() is not None:
                return False
            process.send_signal(signal.SIGKILL)
            return True

    def kill_all(self):
        """At once; False if they had ended."""
        with self.lock:
            lived = any(process.poll() is None for process in self.now.processes)
            if lived:
                self.now.send(signal.SIGKILL)
            self.now.kill()
            return lived

    def stop(self):
        """By TERM to its first stage, which drains what it has."""
        with self.lock:
            self.is_stopping = True
        if self.now.processes[0].poll() is None:
            self.now.send(signal.SIGTERM, 0)
        return self.now.wait(LIMIT)


class Chain(harness.Case):
    def setUp(self):
        super().setUp()
        self.target = f"/chain/{os.getpid()}"
        self.units = {}
        self.files = 0
        self.faults = []
        self.hits = collections.Counter()
        self.allowed = 0
        webhdfs("PUT", self.target, op="MKDIRS")

    def unit(self, host, role, *commands):
        directory = self.path(host)
        os.makedirs(directory + "/run", exist_ok=True)
        env = self.env(HADOOP_CONF_DIR=os.environ["HADOOP_CONF_DIR"], HADOOP_USER_NAME="root",
                       FL_RUNTIME_DIR=directory + "/run")
        self.units[host, role] = Unit(self, host, role, commands, env)

    def keep(self):
        while not self.is_over.wait(0.05):
            for unit in list(self.units.values()):
                unit.look()

    def schedule(self):
        """The two pauses before each fault, and its kind; the pauses span SECONDS."""
        pauses = []
        while sum(map(sum, pauses)) < SECONDS:
            pauses.append((self.random.uniform(*PAUSE), self.random.uniform(*BUSY)))
        kinds = [KINDS[i % len(KINDS)] for i in range(len(pauses))]
        self.random.shuffle(kinds)
        return [(*pair, kind) for pair, kind in zip(pauses, kinds)]

    def cut_link(self):
        name = self.random.choice(sorted(self.links))
        if not self.links[name].cut():
            return None
        self.allowed += BATCH
        return f"link of {name}"

    def kill_host(self):
        host = self.random.choice(sorted(HOSTS))
        killed = [unit.kill_all() for (where, _), unit in sorted(self.units.items()) if where == host]
        if not any(killed):
            return None
        self.allowed += 2 * BATCH + UNHEARD
        return f"host {host}"

    def kill_stage(self):
        where, role = self.random.choice(sorted(self.units))
        number = self.random.randrange(2)
        if not self.units[where, role].kill(number):
            return None
        self.allowed += BATCH + (UNHEARD if role == "send" else 0)
        return f"stage {number} of {where} {role}"

    def fault(self, kind):
        """A stage dies, a host dies, or a link is cut. What may come twice for it is counted."""
        strike = {"link": self.cut_link, "host": self.kill_host, "stage": self.kill_stage}[kind]
        self.faults.append(harness.poll(strike, f"a {kind} that works"))
        self.hits[kind] += 1

    def fill(self):
        """Files appear whole in the spool directory."""
        for i in range(self.files, self.files + FILES):
            text = b"".join(b"%0*d\n" % (WIDTH - 1, n) for n in range(i * LINES, (i + 1) * LINES))
            self.write(f"app/new/{i:06}", text)
            os.rename(self.path("app", "new", f"{i:06}"), self.path("app", "spool", f"{i:06}"))
        self.files += FILES

    def delivered(self):
        text = hdfs("-cat", f"{self.target}/FlumeData.*[0-9]", check=False)
        return [int(line) for line in text.split()]

    def test_nothing_is_lost(self):
        self.random = random.Random(f"{harness.SEED}/chain")
        faults = self.schedule()
        print(f"seed {harness.SEED}, {len(faults)} faults in {SECONDS} s, "
              f"{len(faults) * FILES * LINES} events")
        os.makedirs(self.path("app", "spool"))
        ports = {host: free_port(HOSTS[host]) for host in ("relay", "collector")}
        self.links = {host: Link(HOSTS[host], (HOSTS[host], port)) for host, port in ports.items()}
        for link in self.links.values():
            link.__enter__()
            self.addCleanup(link.__exit__)
        log = {host: self.path(host, "log") for host in HOSTS}
        avro = "fl-sink avro --stream --batch-size {} --connect-timeout 2s {}:{}"
        take = "fl-channel file {} --take --window {}"
        self.unit("app", "receive", f"fl-source spooldir {self.path('app', 'spool')}",
                  f"fl-channel file --stream {log['app']} --put")
        for host, following in (("app", "relay"), ("relay", "collector")):
            self.unit(host, "send", take.format(log[host], WINDOW),
                      avro.format(BATCH, HOSTS[following], self.links[following].port))
            self.unit(following, "receive",
                      f"fl-source avro --bind {HOSTS[following]} --port {ports[following]}",
                      f"fl-channel file --stream {log[following]} --put")
        self.unit("collector", "send", take.format(log["collector"], WINDOW),
                  f"fl-sink hdfs --stream --roll-interval 2s {self.target}")
        self.is_over = threading.Event()
        keeper = threading.Thread(target=self.keep)
        keeper.start()
        self.addCleanup(keeper.join)
        self.addCleanup(self.is_over.set)

        begin = time.monotonic()
        for pause, busy, kind in faults:
            time.sleep(pause)
            self.fill()
            time.sleep(busy)
            self.fault(kind)
            self.assertTrue(keeper.is_alive(), "a pipeline could not be started again")
        quiet = time.monotonic()
        everything = set(range(self.files * LINES))
        got = []

        def is_all_there():
            time.sleep(0.2)  # asking costs the NameNode something
            self.assertTrue(keeper.is_alive(), "a pipeline could not be started again")
            if bytes_in(self.target) < max(len(everything), len(got) + 1) * WIDTH:
                return False
            got[:] = self.delivered()
            return set(got) >= everything
        try:
            harness.poll(is_all_there, "everything is in HDFS", LIMIT)
        except harness.Hang:
            got[:] = self.delivered()
            missing = sorted(everything - set(got))
            reports = "\n".join(unit.now.report() for unit in self.units.values())
            self.fail(f"{len(missing)} of {len(everything)} missing, the first {missing[:5]}\n"
                      f"{self.faults}\n{reports}")
        all_there = time.monotonic()
        self.is_over.set()
        keeper.join()
        for host, role in (("app", "receive"), ("app", "send"), ("relay", "receive"),
                           ("relay", "send"), ("collector", "receive"), ("collector", "send")):
            self.assertEqual(self.units[host, role].stop(), [0, 0],
                             self.units[host, role].now.report())
        if bytes_in(self.target) != len(got) * WIDTH:
            got = self.delivered()
        doubled = len(got) - len(everything)
        print(f"{len(self.faults)} faults in {quiet - begin:.0f} s {dict(self.hits)}, "
              f"{sum(unit.starts for unit in self.units.values()) - len(self.units)} pipelines started "
              f"again: {len(everything - set(got))} lost, {doubled} came twice (at most {self.allowed}); "
              f"all there {all_there - quiet:.0f} s after the last fault")
        self.assertEqual(set(got), everything)
        self.assertLessEqual(doubled, self.allowed, self.faults)
        self.assertEqual([name for name in os.listdir(self.path("app", "spool"))
                          if not name.endswith(".COMPLETED") and not name.startswith(".")], [])


if __name__ == "__main__":
    harness.main()
