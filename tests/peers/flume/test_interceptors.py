#!/usr/bin/env python3
"""Every interceptor against the one of a real Flume 1.11: headers and bodies of the same events.

One agent runs all cases side by side: an avro source with the case's interceptors, a memory channel
and a file_roll sink with the avro_event serializer each. The last event of a case marks its end: it
must come through, which the channel's order turns into "all before it have come".
"""
import os
import shutil
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tools"))
sys.path.insert(0, HERE)
import agent
import harness

END = {"zz-end": "1"}


class Case:
    """`flume`: lines of the properties file behind `interceptors.`, with `i1.` and so on.
    `words`: what stands behind `fl-intercept`. `same`: the keys of headers whose values differ from
    run to run are only compared by their length."""

    def __init__(self, flume, words, events, similar=()):
        self.flume = flume
        self.words = words
        self.events = events + [(END, b"")]
        self.similar = similar


def bodies(*texts):
    return [({}, text if isinstance(text, bytes) else text.encode()) for text in texts]


CASES = {
    "timestamp": Case(["i1.type = timestamp"], ["timestamp"],
                      [({}, b"a"), ({"timestamp": "5"}, b"b")], similar=["timestamp"]),
    "timestamp_kept": Case(
        ["i1.type = timestamp", "i1.preserveExisting = true", "i1.headerName = seen"],
        ["timestamp", "--preserve-existing", "--header-name", "seen"],
        [({}, b"a"), ({"seen": "5"}, b"b")], similar=["seen"]),
    "host": Case(["i1.type = host"], ["host"], [({}, b"a"), ({"host": "x"}, b"b")]),
    "static": Case(["i1.type = static", "i1.key = k", "i1.value = v"], ["static", "k", "v"],
                   [({}, b"a"), ({"k": "own"}, b"b"), ({"z": "1"}, b"")]),
    "static_replaces": Case(
        ["i1.type = static", "i1.preserveExisting = false"],
        ["static", "--preserve-existing=false"],
        [({}, b"a"), ({"key": "own"}, b"b")]),
    "regex_filter": Case(["i1.type = regex_filter", "i1.regex = ^b|^$"], ["regex_filter", "^b|^$"],
                         bodies("b1", "a", "bb", "\nb", b"b\xff", "")),
    "regex_filter_excludes": Case(
        ["i1.type = regex_filter", "i1.regex = b.$", "i1.excludeEvents = true"],
        ["regex_filter", "b.$", "--invert"],
        bodies("ab", "abc", "abc\n", "abc\r\n", "abcd", "bé", "b\n")),
}


def configuration(directory, ports):
    names = list(CASES)
    rows = []
    for kind in ("source", "channel", "sink"):
        rows.append(f"a1.{kind}s = " + " ".join(f"{kind[:2]}_{name}" for name in names))
    for name, port in zip(names, ports):
        source, channel, sink = (f"a1.{kind}s.{kind[:2]}_{name}"
                                 for kind in ("source", "channel", "sink"))
        os.mkdir(os.path.join(directory, name))
        rows += [f"{source}.type = avro", f"{source}.bind = 127.0.0.1", f"{source}.port = {port}",
                 f"{source}.threads = 1", f"{source}.channels = ch_{name}",
                 f"{channel}.type = memory", f"{channel}.capacity = 1000",
                 f"{sink}.type = file_roll", f"{sink}.channel = ch_{name}",
                 f"{sink}.sink.directory = {directory}/{name}", f"{sink}.sink.rollInterval = 0",
                 f"{sink}.sink.serializer = avro_event"]
        case = CASES[name]
        rows.append(f"{source}.interceptors = "
                    + " ".join(sorted({row.split(".")[0] for row in case.flume})))
        rows += [f"{source}.interceptors.{row}" for row in case.flume]
    return "\n".join(rows) + "\n"


class Interceptors(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = harness.make_directory()
        cls.ports = agent.free_ports(len(CASES))
        cls.agent = agent.Agent(cls.directory, configuration(cls.directory, cls.ports))
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.addClassCleanup(cls.agent.kill)
        cls.agent.wait_for(r"Avro source so_\w+ started", count=len(CASES))
        # All at once: an idle sink looks every few seconds only.
        cls.answers = {name: agent.send(port, CASES[name].events)
                       for name, port in zip(CASES, cls.ports)}

    def flume(self, name):
        self.assertEqual(self.answers[name], "OK", self.agent.tail())

        def arrived():
            folder = os.path.join(self.directory, name)
            files = [os.path.join(folder, file) for file in os.listdir(folder)]
            events = [event for file in files for event in agent.read_events(file)]
            return events if events and "zz-end" in events[-1][0] else None
        return self.agent.poll(arrived, f"the events of {name}", 30)

    def ours(self, name):
        source = os.path.join(self.directory, name + ".in")
        target = os.path.join(self.directory, name + ".out")
        agent.write_events(source, CASES[name].events)
        command = ["fl-intercept", "--stream", "--in", source, "--out", target, *CASES[name].words]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              env=harness.environment(self.directory), timeout=harness.HANG)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return agent.read_events(target)

    def compare(self, name):
        flume, ours = self.flume(name), self.ours(name)
        for key in CASES[name].similar:
            for headers, _ in flume + ours:
                headers[key] = len(headers[key])
        self.assertEqual(ours, flume)


for each in CASES:
    setattr(Interceptors, "test_" + each, lambda self, name=each: self.compare(name))

if __name__ == "__main__":
    harness.main()
