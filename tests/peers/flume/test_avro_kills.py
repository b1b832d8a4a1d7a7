#!/usr/bin/env python3
"""Avro RPC with a real Flume 1.11 in both directions while either side is killed, about once a second:

    log of fl -> fl-sink avro -> avro source, file channel, avro sinks of Flume -> fl-source avro -> logs

Nothing is lost, and what comes twice is counted for each direction: Flume gives every event that
arrives an id, so two ids for one event were sent twice by fl-sink avro, and one id in two events was
sent twice by a sink of Flume.

A sink of Flume that loses its server waits for 5 s. So there are several, each with a receiver of its
own (a lane), and another one is killed next. FL_TEST_LONG=1: four times the kills.
"""
import collections
import json
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in (os.path.join("..", "..", "tools"), "."):
    sys.path.insert(0, os.path.join(HERE, folder))
import agent
import harness
import receivers

LONG = bool(os.environ.get("FL_TEST_LONG"))
KILLS = ({"receiver": 40, "sender": 20, "Flume": 8} if LONG else
         {"receiver": 10, "sender": 5, "Flume": 2})
LANES = 6
NEW = 3000  # events that are sent before a kill, unless as many wait
FIRST = 10_000_000  # their bodies are numbers of one width
WIDTH = len(str(FIRST))
SENT_BATCH = 100  # of fl-sink avro
TAKEN_BATCH = 10  # of each avro sink of Flume
BLOCK = 2 << 10  # bytes of a block in the sender's log, which hands out whole blocks
WINDOW = 4 << 10  # bytes of blocks that wait for acknowledgement when it hands out another one
EVENT_SIZE = WIDTH + 2  # with the length of the body, and no headers
LIMIT = 120  # seconds, for hangs

# What may come twice after a kill, in each direction: the batches in flight.
TO_FLUME = {"receiver": 0, "sender": (WINDOW + BLOCK) // EVENT_SIZE, "Flume": SENT_BATCH}
FROM_FLUME = {"receiver": TAKEN_BATCH, "sender": 0, "Flume": LANES * TAKEN_BATCH}

EVENT = re.compile(rb'"headers":\{"id":"([^"]+)"\},"body":"(\d+)"')


class Kills(receivers.Case):
    def configuration(self, in_port, ports):
        names = " ".join(f"k{i}" for i in range(LANES))
        rows = f"""
a1.sources = r
a1.channels = c
a1.sinks = {names}
a1.sources.r.type = avro
a1.sources.r.bind = 127.0.0.1
a1.sources.r.port = {in_port}
a1.sources.r.channels = c
a1.sources.r.interceptors = i
a1.sources.r.interceptors.i.type = org.apache.flume.sink.solr.morphline.UUIDInterceptor$Builder
a1.sources.r.interceptors.i.headerName = id
a1.channels.c.type = file
a1.channels.c.checkpointDir = {self.path("checkpoint")}
a1.channels.c.dataDirs = {self.path("data")}
a1.channels.c.transactionCapacity = 1000
a1.channels.c.minimumRequiredSpace = 1048576
"""
        for i, port in enumerate(ports):
            rows += f"""
a1.sinks.k{i}.type = avro
a1.sinks.k{i}.hostname = 127.0.0.1
a1.sinks.k{i}.port = {port}
a1.sinks.k{i}.channel = c
a1.sinks.k{i}.batch-size = {TAKEN_BATCH}
"""
        return rows

    def json_of(self, *words):
        """What fl-channel prints of a log; None while there is no log."""
        done = subprocess.run(["fl-channel", *words, "--format", "json"], capture_output=True,
                              env=self.env(), timeout=harness.HANG, check=False)
        return json.loads(done.stdout) if done.stdout.strip() else None

    def stored(self, lane):
        """How many events this lane's log has."""
        log = self.json_of("ls", self.path(f"lane{lane}"))
        return log["next"] if log else 0

    def acknowledged(self):
        """How many events of the sender's log Flume has taken, as far as the log knows."""
        group = self.json_of("groups", self.path("log"))
        return group["next"] if group else 0

    def put(self, count):
        lines = b"".join(b"%d\n" % (FIRST + i) for i in range(self.sent, self.sent + count))
        self.write("spool/lines", lines)
        self.check(self.pipeline(
            f"fl-source spooldir {self.path('spool')} --once --window {BLOCK} --delete-policy immediate",
            f"fl-channel file --stream {self.path('log')} --put"), 0, 0)
        self.sent += count

    def start_sender(self):
        self.sender = self.pipeline(
            f"fl-channel file {self.path('log')} --take --window {WINDOW}",
            f"fl-sink avro --stream --batch-size {SENT_BATCH} --connect-timeout 5s "
            f"127.0.0.1:{self.in_port}")

    def start_lane(self, lane):
        self.lanes[lane] = self.receiver(f"fl-channel file --stream {self.path(f'lane{lane}')} --put",
                                         port=self.ports[lane])

    def start_flume(self):
        self.flume = agent.Agent(self.dir, self.configuration(self.in_port, self.ports))
        self.addCleanup(self.flume.kill)
        self.flume.wait_for(r"Avro source r started")

    def kill_a_stage(self, pipeline):
        """One of two, and the other one sees it and ends."""
        victim = pipeline.processes[self.random.randrange(2)]
        self.assertIsNone(victim.poll(), pipeline.report())
        victim.kill()
        self.assertNotIn(0, pipeline.wait(LIMIT), pipeline.report())

    def kill_when_busy(self, victim):
        """After a random number of the events that are new."""
        before = [self.stored(lane) for lane in range(LANES)]
        taken = self.acknowledged()
        is_sending = victim == "sender" or (victim == "Flume" and self.random.random() < 0.5)
        if self.sent < (taken + NEW if is_sending else sum(before) + 2 * NEW):
            self.put(NEW)
        if is_sending:
            wanted = taken + self.random.randrange(1, NEW // 2)
            self.flume.poll(lambda: self.acknowledged() >= wanted, "Flume takes events", LIMIT)
        else:
            # One lane gets so many, whichever of them wait.
            more = self.random.randrange(1, NEW // LANES)
            order = self.random.sample(range(LANES), LANES)
            lane = self.flume.poll(
                lambda: next((i + 1 for i in order if self.stored(i) >= before[i] + more), None),
                "Flume delivers events", LIMIT) - 1
        if victim == "sender":
            self.kill_a_stage(self.sender)
            self.start_sender()
        elif victim == "Flume":
            self.flume.kill()
            self.start_flume()
        else:
            self.kill_a_stage(self.lanes[lane])
            self.start_lane(lane)

    def arrived(self):
        """How often each event has arrived; an event is its id and its body."""
        found = collections.Counter()
        for lane in range(LANES):
            done = subprocess.run(["fl-channel", "cat", self.path(f"lane{lane}"), "--format", "json"],
                                  capture_output=True, env=self.env(), timeout=LIMIT, check=False)
            rows = done.stdout.splitlines()
            events = [EVENT.search(row) for row in rows]
            self.assertNotIn(None, events)
            found.update((event[1], int(event[2]) - FIRST) for event in events)
        return found

    def test_either_side_is_killed_every_second(self):
        self.in_port, *self.ports = agent.free_ports(1 + LANES)
        self.sent = 0
        self.lanes = [None] * LANES
        for lane in range(LANES):
            self.start_lane(lane)
        self.start_flume()
        self.put(NEW)
        self.start_sender()

        victims = [victim for victim, count in KILLS.items() for _ in range(count)]
        self.random.shuffle(victims)
        start = time.monotonic()
        for victim in victims:
            self.kill_when_busy(victim)
        seconds = time.monotonic() - start

        got = collections.Counter()

        def is_all_there():
            if sum(map(self.stored, range(LANES))) < max(self.sent, sum(got.values()) + 1):
                return False
            got.clear()
            got.update(self.arrived())
            return len({number for _, number in got}) == self.sent
        try:
            self.flume.poll(is_all_there, "everything has arrived", LIMIT)
        finally:
            lost = self.sent - len({number for _, number in self.arrived()})
            print(f"{len(victims)} kills {KILLS} in {seconds:.0f} s, {self.sent} events, {lost} lost")
        for pipeline in (self.sender, *self.lanes):
            self.end(pipeline)

        got = self.arrived()
        numbers = collections.Counter(number for _, number in got)
        self.assertEqual(set(numbers), set(range(self.sent)))
        twice = {"to": len(got) - self.sent, "from": sum(got.values()) - len(got)}
        most = {"to": sum(TO_FLUME[victim] for victim in victims),
                "from": sum(FROM_FLUME[victim] for victim in victims)}
        print(f"came twice: {twice['to']} to Flume (at most {most['to']}), "
              f"{twice['from']} from Flume (at most {most['from']})")
        self.assertLessEqual(twice["to"], most["to"])
        self.assertLessEqual(twice["from"], most["from"])


if __name__ == "__main__":
    harness.main()
