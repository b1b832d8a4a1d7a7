#!/usr/bin/env python3
"""The classic agents against a real Flume 1.11: netcat and exec sources, logger and file_roll sinks.

Both get the same bytes. What netcat clients are answered, what the logger prints and what is in the
files must be the same; where ours deliberately differs, the row says what Flume does.
"""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in (os.path.join("..", "..", "pipes"), os.path.join("..", "..", "tools"), "."):
    sys.path.insert(0, os.path.join(HERE, folder))
import agent
import harness
from test_netcat import OK, TALKS, TOO_LONG, logged, read_all

# What Flume answers and prints where it loses lines.
FLUME_LOSES = {
    b"tail": (b"", []),
    b"good1\nbad\xff\ngood2\n": (b"", []),
    b"\xed\xa0\x80\n\xc0\x80\n": (b"", []),
}
LAST = (b"end of talk\n", OK, ["65 6E 64 20 6F 66 20 74 61 6C 6B                end of talk"])

EVENTS = [({"k": "v", "b": "2"}, b"hello"), ({}, b""), ({"x": ""}, b"a\nb"), ({}, b"\xff\0\r"),
          ({}, "Grüße".encode())] + [({"n": str(i)}, b"%d" % i * (i % 7)) for i in range(300)]
END = ({}, b"end of events")

# Name: lines of the properties file after `sink.`, words after `fl-sink file_roll`.
ROLLS = {
    "text": ([], []),
    "no_newline": (["serializer.appendNewline = false"], ["--append-newline=false"]),
    "avro": (["serializer = avro_event"], ["--serializer", "avro_event"]),
    "named": (["pathManager.prefix = app-", "pathManager.extension = log"],
              ["--prefix", "app-", "--extension", "log"]),
    "by_time": (["pathManager = ROLLTIME"], ["--path-manager", "rolltime"]),
}

# Name: lines after the source, words after `fl-source exec`. FILE is replaced.
COMMANDS = {
    "plain": (["command = cat FILE"], ["--strip-cr", "--command", "cat FILE"]),
    "shell": (["shell = /bin/sh -c", "command = tail -n 2 FILE | tr a-z 'A-Z'"],
              ["--strip-cr", "--shell", "/bin/sh -c", "--command",
               "tail -n 2 FILE | tr a-z 'A-Z'"]),
}
OUTPUT = "plain\nwin\r\n\n  Grüße  \nquoted 'x y'\nlast".encode()


def configuration(directory, ports):
    rows = ["a1.sources = nc quiet " + " ".join(f"so_{name}" for name in (*ROLLS, *COMMANDS)),
            "a1.channels = cn cq " + " ".join(f"ch_{name}" for name in (*ROLLS, *COMMANDS)),
            "a1.sinks = log null " + " ".join(f"si_{name}" for name in (*ROLLS, *COMMANDS))]
    for source, channel, sink, kind in (("nc", "cn", "log", "logger"),
                                        ("quiet", "cq", "null", "null")):
        rows += [f"a1.sources.{source}.type = netcat", f"a1.sources.{source}.bind = localhost",
                 f"a1.sources.{source}.port = {ports[source]}",
                 f"a1.sources.{source}.channels = {channel}",
                 f"a1.channels.{channel}.type = memory", f"a1.sinks.{sink}.type = {kind}",
                 f"a1.sinks.{sink}.channel = {channel}"]
    rows.append("a1.sources.quiet.ack-every-event = false")
    for name in (*ROLLS, *COMMANDS):
        source, channel, sink = f"a1.sources.so_{name}", f"ch_{name}", f"a1.sinks.si_{name}"
        os.mkdir(os.path.join(directory, name))
        rows += [f"{source}.channels = {channel}", f"a1.channels.{channel}.type = memory",
                 f"a1.channels.{channel}.capacity = 1000",
                 f"a1.channels.{channel}.transactionCapacity = 1000",
                 f"{sink}.type = file_roll", f"{sink}.channel = {channel}",
                 f"{sink}.sink.directory = {directory}/{name}", f"{sink}.sink.rollInterval = 0"]
        if name in ROLLS:
            rows += [f"{source}.type = avro", f"{source}.bind = 127.0.0.1",
                     f"{source}.port = {ports[name]}", f"{source}.threads = 1"]
            rows += [f"{sink}.sink.{row}" for row in ROLLS[name][0]]
        else:
            rows.append(f"{source}.type = exec")
            rows += [f"{source}.{row}".replace("FILE", f"{directory}/lines")
                     for row in COMMANDS[name][0]]
    return "\n".join(rows) + "\n"


def talk(port, data):
    with socket.create_connection(("127.0.0.1", port), harness.HANG) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            return read_all(connection)
        except ConnectionResetError:
            return b""


class Classic(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.directory = harness.make_directory()
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        with open(os.path.join(cls.directory, "lines"), "wb") as file:
            file.write(OUTPUT)
        names = ["nc", "quiet", *ROLLS]
        cls.ports = dict(zip(names, agent.free_ports(len(names))))
        cls.agent = agent.Agent(cls.directory, configuration(cls.directory, cls.ports),
                                flags=["-Dorg.apache.flume.log.rawdata=true"])
        cls.addClassCleanup(cls.agent.kill)
        cls.agent.wait_for("Created serverSocket", count=2)
        cls.agent.wait_for(r"Avro source so_\w+ started", count=len(ROLLS))
        # All at once: an idle sink looks every few seconds only.
        cls.statuses = {name: agent.send(cls.ports[name], EVENTS + [END]) for name in ROLLS}
        cls.answers = [talk(cls.ports["nc"], sent) for sent, _, _ in [*TALKS, LAST]]

    def run_ours(self, *commands, **more):
        with harness.Pipeline(self.directory, *commands, **more) as pipeline:
            self.assertEqual(pipeline.wait(), [0] * len(commands), pipeline.report())
            return pipeline.output()

    def our_netcat(self, *options):
        """fl-source netcat in a pipeline with a logger, and its port."""
        pipeline = harness.Pipeline(self.directory,
                                    ["fl-source", "netcat", "--port", "0", *options],
                                    ["fl-channel", "memory"], ["fl-sink", "logger"], name="ours")
        self.addCleanup(pipeline.kill)
        port = harness.poll(lambda: re.search(r"listening on 127\.0\.0\.1:(\d+)\n",
                                              pipeline.errors(0)), "it listens")
        return pipeline, int(port[1])

    def test_netcat_answers_and_prints_the_same(self):
        pipeline, port = self.our_netcat()
        flume_logged = []
        for (sent, answer, dumps), flume_answer in zip([*TALKS, LAST], self.answers):
            with self.subTest(sent=sent[:40]):
                ours = talk(port, sent)
                self.assertEqual(ours, answer)
                expected, expected_dumps = FLUME_LOSES.get(sent, (ours, dumps))
                self.assertEqual(flume_answer, expected)
                flume_logged += [logged(dump) for dump in expected_dumps]
        pipeline.send(signal.SIGTERM, 0)
        self.assertEqual(pipeline.wait(), [0, 0, 0], pipeline.report())
        self.agent.wait_for("end of talk }")
        printed = re.findall(r" - (Event: \{.*)$", self.agent.log(), re.M)
        self.assertEqual(printed, flume_logged)
        lost = {logged(dump) for sent, _, dumps in TALKS if sent in FLUME_LOSES for dump in dumps}
        ours = pipeline.output().decode().splitlines()
        self.assertEqual([row for row in ours if row not in lost], printed)

    def test_netcat_without_acks(self):
        pipeline, port = self.our_netcat("--ack-every-event=false")
        for sent in (b"a\n", b"y" * 512 + b"\n"):
            with self.subTest(sent=sent[:10]):
                self.assertEqual(talk(port, sent), talk(self.ports["quiet"], sent))
        pipeline.kill()

    def files_of_flume(self, name, end):
        folder = os.path.join(self.directory, name)

        def arrived():
            files = [os.path.join(folder, file) for file in os.listdir(folder)]
            return files if any(end in open(file, "rb").read() for file in files) else None
        return self.agent.poll(arrived, f"the events of {name}", 30)

    def compare_roll(self, name):
        self.assertEqual(self.statuses[name], "OK", self.agent.tail())
        [flume] = self.files_of_flume(name, END[1])
        folder = os.path.join(self.directory, name + ".ours")
        os.mkdir(folder)
        source = os.path.join(self.directory, name + ".in")
        agent.write_events(source, EVENTS + [END])
        self.run_ours(["fl-sink", "file_roll", "--stream", "--in", source, folder,
                       *ROLLS[name][1]])
        [ours] = [os.path.join(folder, file) for file in os.listdir(folder)]
        def shape(path):
            return re.sub(r"\d", "0", os.path.basename(path))
        self.assertEqual(shape(ours), shape(flume))
        if name == "avro":
            self.assertEqual(agent.read_events(ours), agent.read_events(flume))
            return
        with open(ours, "rb") as one, open(flume, "rb") as other:
            self.assertEqual(one.read(), other.read())

    def compare_command(self, name):
        flume = self.files_of_flume(name, b"last" if name == "plain" else b"LAST")
        words = [word.replace("FILE", f"{self.directory}/lines") for word in COMMANDS[name][1]]
        ours = self.run_ours(["fl-source", "exec", *words], ["fl-sink", "stdout"], name=name)
        with open(flume[0], "rb") as file:
            self.assertEqual(ours, file.read())


for each in ROLLS:
    setattr(Classic, "test_file_roll_" + each, lambda self, name=each: self.compare_roll(name))
for each in COMMANDS:
    setattr(Classic, "test_exec_" + each, lambda self, name=each: self.compare_command(name))

if __name__ == "__main__":
    harness.main()
