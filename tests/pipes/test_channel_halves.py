#!/usr/bin/env python3
"""What the halves of each channel do at the end of input, at TERM, when the reader is lost, and when
it does not acknowledge: one table, TABLE, and APART for halves that are processes of their own."""
import json
import os
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "tools"), os.path.join(HERE, "..", "registry")]
import harness
import kafka_mock
from trials import TRIALS

COUNT = 2000
LINES = [b"line %d" % i for i in range(COUNT)]

# What the stage after the channel is; $TAKEN: a file that it makes once it has taken something.
CASES = {
    "end of input": "fl-sink file_roll out",
    "reader lost": f"{sys.executable} {harness.ACK_READER} 10 0",
    "reader that does not acknowledge": "cat",
    "TERM": f"{sys.executable} {harness.ACK_READER} 1 0 taken",  # it takes no more
}

# (channel, case): statuses of the source and the channel, and where the events are afterwards
#   stored  at the stage that follows     source  in the source, which sends them again
#   kept    in the channel                lost    nowhere, and the channel says so
TABLE = {
    "memory": ("memory --ack-at put", {
        "end of input": (0, 0, "stored"),
        "reader lost": (0, 75, "lost"),
        "reader that does not acknowledge": (0, 0, "stored"),
        "TERM": (0, 75, "lost"),  # it drains as long as --grace lasts
    }),
    "memory, --ack-at sink": ("memory --ack-at sink", {
        "end of input": (0, 0, "stored"),
        "reader lost": (75, 75, "source"),
        "reader that does not acknowledge": (69, 69, "source"),
        "TERM": (75, 75, "source"),
    }),
    "file": ("file log", {
        "end of input": (0, 0, "stored"),
        "reader lost": (0, 75, "kept"),
        "reader that does not acknowledge": (0, 69, "kept"),
        "TERM": (0, 75, "kept"),
    }),
    "kafka": ("kafka t --bootstrap-server $KAFKA --parse-as-flume-event=false", {
        "end of input": (0, 0, "stored"),
        "reader lost": (0, 75, "kept"),
        "reader that does not acknowledge": (0, 69, "kept"),
        "TERM": (0, 75, "kept"),
    }),
}
# Of a durable channel whose put half has ended: the status of the take half, a process of its own.
# Everything stays in the channel.
APART = {
    "end of input": 0,  # with --once
    "reader lost": 75,
    "reader that does not acknowledge": 69,
    "TERM": 75,
}


class Halves(harness.Case):
    def setUp(self):
        super().setUp()
        self.write("spool/a", b"".join(line + b"\n" for line in LINES))
        os.mkdir(self.out)

    def channel(self, words):
        """Its command, with a cluster if it asks for one."""
        if "$KAFKA" not in words:
            return f"fl-channel {words} --grace 2s"
        if not os.path.exists(os.path.join(harness.BIN, "fl-channel-kafka")):
            self.skipTest("built without librdkafka")
        self.cluster = kafka_mock.Cluster()
        self.addCleanup(self.cluster.close)
        return f"fl-channel {words.replace('$KAFKA', self.cluster.address)} --grace 2s"

    def kept(self, words):
        if "$KAFKA" in words:
            return self.cluster.values()
        return subprocess.run(["fl-channel", "cat", "log"], env=self.env(), cwd=self.dir,
                              capture_output=True, check=True, timeout=harness.HANG,
                              stdin=subprocess.DEVNULL).stdout.splitlines()

    def run_case(self, case, channel, *commands):
        """The channel's statuses and those before it; TERM comes when the reader has taken some."""
        pipeline = self.pipeline(*commands, CASES[case])
        if case == "TERM":
            harness.poll(lambda: os.path.exists(self.path("taken")), pipeline.report())
            pipeline.send(signal.SIGTERM, channel)
        return pipeline, pipeline.wait()[:channel + 1]

    def stored(self, case, pipeline):
        if case == "reader that does not acknowledge":
            return pipeline.output()
        return b"\n".join(harness.committed_lines(self.out))

    def judge(self, where, words, case, pipeline):
        forgotten = os.path.exists(self.path("spool/a.COMPLETED"))
        self.assertEqual(forgotten, where != "source")
        said = pipeline.errors(1)
        self.assertEqual(f"{COUNT} events lost" in said, where == "lost", said)
        if where == "kept":
            self.assertEqual(self.kept(words), LINES)
        if where == "stored":
            stored = self.stored(case, pipeline)
            self.assertEqual([line for line in LINES if line not in stored], [])

    def test_the_table_has_every_channel(self):
        text = subprocess.run(["fl-channel", "--generate", "options-json"], env=self.env(),
                              capture_output=True, check=True, timeout=harness.HANG).stdout
        names = {each["name"] for each in json.loads(text)["components"]} | {
            name for name in TRIALS["channel"] if
            os.path.exists(os.path.join(harness.BIN, f"fl-channel-{name}"))}
        halves = {name for name in names if not TRIALS["channel"][name].get("outputs")}
        self.assertEqual({words.split()[0] for words, _ in TABLE.values()} & names, halves)
        self.assertGreaterEqual(len(halves), 2)


def add(channel, words, case, expected):
    def together(self):
        source, status, where = expected
        pipeline, statuses = self.run_case(
            case, 1, "fl-source spooldir spool --once --grace 2s", self.channel(words))
        self.assertEqual(statuses, [source, status], pipeline.report())
        self.judge(where, words, case, pipeline)

    def apart(self):
        command = self.channel(words)
        self.check(self.pipeline("fl-source spooldir spool --once", f"{command} --put"), 0, 0)
        self.assertEqual(self.kept(words), LINES)
        once = " --once" if case == "end of input" else ""
        pipeline, statuses = self.run_case(case, 0, f"{command} --take{once}")
        self.assertEqual(statuses, [APART[case]], pipeline.report())
        self.assertEqual(self.kept(words), LINES)
        if case == "end of input":
            self.assertEqual(harness.committed_lines(self.out), LINES)

    name = "_".join(f"{channel} {case}".replace(",", "").replace("--", "").split())
    setattr(Halves, f"test_{name}", together)
    if any(where == "kept" for _, _, where in TABLE[channel][1].values()):
        setattr(Halves, f"test_{name}_apart", apart)


for _channel, (_words, _cases) in TABLE.items():
    for _case, _expected in _cases.items():
        add(_channel, _words, _case, _expected)

if __name__ == "__main__":
    harness.main()
