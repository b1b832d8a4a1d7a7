#!/usr/bin/env python3
"""Several outputs and groups of sinks, with readers that acknowledge what a test tells them to."""
import contextlib
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import harness


class Reader:
    """Reads a stream from a named pipe, as a stage would, and sends what it is told to send."""

    def __init__(self, path: str):
        self.file = open(path, "rb", buffering=0)
        self.bytes = b""
        self.metadata = self._header()
        self.marker = self._take(16)
        self.events = 0
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(self.metadata["fl.ack"].decode())
        self.say(f"FL/1 {self.metadata['fl.stream'].decode()}")
        self.heard = ""

    def _fill(self, size: int) -> None:
        while len(self.bytes) < size:
            if not select.select([self.file], [], [], harness.HANG)[0]:
                raise harness.Hang(f"nothing comes: {len(self.bytes)} bytes of {size}")
            data = self.file.read(1 << 16)
            if not data:
                raise EOFError(f"{len(self.bytes)} bytes of {size}")
            self.bytes += data

    def _take(self, size: int) -> bytes:
        self._fill(size)
        taken, self.bytes = self.bytes[:size], self.bytes[size:]
        return taken

    def _number(self) -> int:
        value = shift = 0
        while True:
            byte = self._take(1)[0]
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return (value >> 1) ^ -(value & 1)

    def _header(self) -> dict:
        assert self._take(4) == b"Obj\x01"
        entries = {}
        while (count := self._number()) != 0:
            if count < 0:
                self._number()
            for _ in range(abs(count)):
                key = self._take(self._number()).decode()
                entries[key] = self._take(self._number())
        return entries

    def block(self) -> list:
        """The bodies of the next block; None at the end."""
        try:
            self._fill(1)
        except EOFError:
            return None
        count = self._number()
        data = self._take(self._number())
        assert self._take(16) == self.marker
        self.events += count
        rest, self.bytes = self.bytes, data
        bodies = []
        for _ in range(count):
            while (entries := self._number()) != 0:
                if entries < 0:
                    self._number()
                for _ in range(2 * abs(entries)):
                    self._take(self._number())
            bodies.append(self._take(self._number()))
        assert not self.bytes
        self.bytes = rest
        return bodies

    def read(self, count: int) -> list:
        """Bodies until it has that many events."""
        bodies = []
        while self.events < count:
            block = self.block()
            assert block is not None, f"{self.events} events of {count}"
            bodies += block
        return bodies

    def say(self, line: str) -> None:
        self.socket.sendall(line.encode() + b"\n")

    def hear(self, pattern: str) -> str:
        """Waits for a line of the writer."""
        self.socket.settimeout(harness.HANG)
        while not (found := re.search(pattern, self.heard, re.M)):
            data = self.socket.recv(4096)
            assert data, f"no {pattern} in {self.heard!r}"
            self.heard += data.decode()
        return found.group(0)

    def close(self) -> None:
        self.file.close()
        self.socket.close()


class Case(harness.Case):
    def fifo(self, name: str) -> str:
        os.mkfifo(self.path(name))
        return self.path(name)

    def reader(self, path: str) -> Reader:
        reader = Reader(path)
        self.addCleanup(reader.close)
        return reader

    def sockets(self) -> list:
        return os.listdir(self.path("run"))

    def program(self, name: str, text: str) -> None:
        """A third party's sink, in PATH."""
        path = self.write(f"bin/fl-sink-{name}", text)
        os.chmod(path, 0o755)

    def env(self, **more):
        env = super().env(**more)
        env["PATH"] = self.path("bin") + ":" + env["PATH"]
        return env

    def shell(self, line: str, *expected: int, limit: float = harness.HANG) -> str:
        """Statuses of the last pipeline of a line of bash; what it said."""
        pipeline = self.pipeline(["bash", "-c", line + '\necho "${PIPESTATUS[*]}"'],
                                 env=self.env())
        self.check(pipeline, 0, limit=limit)
        said = pipeline.errors(0)
        statuses = pipeline.output().decode().split("\n")[-2]
        self.assertEqual(statuses, " ".join(map(str, expected)), said)
        return said

    def lines(self, name: str) -> list:
        return harness.committed_lines(self.path(name))

    def completed(self) -> list:
        return sorted(name for name in os.listdir(self.path("spool")) if "COMPLETED" in name)


class SentAgain(Case):
    def test_from_the_first_event_that_was_not_acknowledged(self):
        one, other = self.fifo("one"), self.fifo("other")
        pipeline = self.pipeline("seq 1 1000", f"fl-channel balance --text --out {one} --out {other}")
        first = self.reader(one)
        second = self.reader(other)
        self.assertEqual(len(first.read(1000)), 1000)
        first.say("at tested")
        first.say("ack 300")
        first.close()
        self.assertEqual(second.read(700), [b"%d" % n for n in range(301, 1001)])
        second.say("at tested")
        second.say("ack 700")
        self.check(pipeline, 0, 0)
        self.assertIn("700 events that it has not acknowledged", pipeline.errors(1))

    def test_an_acknowledgement_of_what_is_not_written_yet_is_not_believed(self):
        one, other = self.fifo("one"), self.fifo("other")
        text = self.write("text", "".join(f"{n} {'x' * 30000}\n" for n in range(40)))
        pipeline = self.pipeline(["fl-channel", "balance", "--text", "--in", text, "--out", one,
                                  "--out", other])
        first = self.reader(one)
        first.say("at tested")
        # The pipe is full, in the middle of a block: what is claimed here is a lie for that one.
        first.say("ack 5")
        second = self.reader(other)
        second.say("at tested")
        first.close()
        got = []

        def read():
            while (block := second.block()) is not None:
                got.extend(int(body.split()[0]) for body in block)
                second.say(f"ack {second.events}")

        thread = threading.Thread(target=read)
        thread.start()
        self.check(pipeline, 0)
        thread.join(harness.HANG)
        for body in got:
            self.assertLess(body, 40)
        # At most the five that the liar has claimed are missing, each whole.
        self.assertGreaterEqual(len(set(got)), 35)

    def test_the_next_sink_is_asked_for_what_was_asked_for(self):
        # It takes everything, is asked to make it safe, and fails.
        self.program("mute", f"""#!/usr/bin/env python3
import os, sys
if os.path.exists({self.path("broken")!r}):
    sys.exit(69)
open({self.path("broken")!r}, "w").close()
sys.path[:0] = [{os.path.dirname(os.path.abspath(__file__))!r}]
import test_groups
reader = test_groups.Reader("/dev/stdin")
reader.say("at tested")
reader.read(2000)
reader.hear("want")
sys.exit(69)
""")
        os.mkdir(self.path("spool"))
        self.write("spool/a", "".join(f"{n}\n" for n in range(2000)))
        # Rolls are off, and the source waits with the end: only a request makes the file whole.
        pipeline = self.pipeline(
            "fl-source spooldir spool --once",
            f"fl-sink failover --stream -- mute + hdfs file://{self.out} --roll-interval 0 "
            "--roll-size 0 --roll-count 0", env=self.env())
        self.check(pipeline, 0, 0)
        self.assertEqual(self.completed(), ["a.COMPLETED"])
        self.assertEqual(self.lines("out"), [b"%d" % n for n in range(2000)])

    def test_the_message_names_what_happened(self):
        said = self.shell("fl-source seq --count 300000 | fl-channel balance --stream --out "
                          ">(head -c 100000 > /dev/null) --out >(fl-sink null --stream)", 0, 0)
        self.assertRegex(said, r"output '/dev/fd/\d+' failed: its reader closed early; \d+ events")


class Acknowledged(Case):
    def test_replicate_waits_for_each_required_output(self):
        one, other = self.fifo("one"), self.fifo("other")
        os.mkdir(self.path("spool"))
        self.write("spool/a", "1\n2\n3\n")
        pipeline = self.pipeline("fl-source spooldir spool --once",
                                 f"fl-channel replicate --stream --out {one} --out {other}")
        readers = [self.reader(one), self.reader(other)]
        for reader in readers:
            reader.say("at tested")
        for reader in readers:
            self.assertEqual(reader.read(3), [b"1", b"2", b"3"])
        readers[1].say("ack 3")
        readers[1].say("at something else")  # it is at the source, so the ack is too
        readers[0].say("ack 2")
        # The source has still to ask: it has only got two.
        self.assertEqual(readers[0].hear(r"want \d+$"), "want 3")
        self.assertEqual(self.completed(), [])
        self.assertIsNone(pipeline.processes[0].poll())
        readers[0].say("ack 3")
        self.check(pipeline, 0, 0)
        self.assertEqual(self.completed(), ["a.COMPLETED"])

    def test_multiplex_waits_for_the_output_of_each_event(self):
        one, other = self.fifo("one"), self.fifo("other")
        os.mkdir(self.path("spool"))
        self.write("spool/a", "1\n2\n3\n")
        self.write("spool/b", "4\n5\n")
        self.pipeline("fl-source spooldir spool --once --basename-header",
                      "fl-channel multiplex --stream --header basename --map a=1 --map b=2 "
                      f"--out {one} --out {other}")
        readers = [self.reader(one), self.reader(other)]
        for reader in readers:
            reader.say("at tested")
        self.assertEqual(readers[0].read(3), [b"1", b"2", b"3"])
        self.assertEqual(readers[1].read(2), [b"4", b"5"])
        readers[0].say("ack 3")  # nothing of the second output's is needed for the first file
        harness.poll(lambda: "a.COMPLETED" in self.completed(), "the first file")
        self.assertEqual(self.completed(), ["a.COMPLETED"])
        readers[1].say("ack 2")
        harness.poll(lambda: "b.COMPLETED" in self.completed(), "the second file")


class Failure(Case):
    def test_every_output_hears_of_it(self):
        for channel in ("replicate", "balance"):
            with self.subTest(channel):
                sink = "(fl-sink null --stream; echo $? > {0}) 2> {0}.err"
                self.shell(f"fl-source seq --count 10 | fl-channel {channel} --stream "
                           f"--out >({sink.format('one')}) --out /nonexistent/x "
                           f"--out >({sink.format('two')}); statuses=(${{PIPESTATUS[*]}}); "
                           "until [ -s one ] && [ -s two ]; do sleep 0.01; done; "
                           "(exit ${statuses[1]})", 73)
                for name in ("one", "two"):
                    with open(self.path(name)) as file:
                        self.assertEqual(file.read(), "73\n")
                    with open(self.path(name + ".err")) as file:
                        self.assertIn("/nonexistent/x", file.read())
                    os.remove(self.path(name))

    def test_what_an_output_has_got_ends_with_a_whole_block(self):
        one, other = self.fifo("one"), self.fifo("other")
        pipeline = self.pipeline("fl-source seq", f"fl-channel replicate --stream --out {one} "
                                 f"--out {other}")
        dying, slow = self.reader(one), self.reader(other)
        slow.say("at tested")
        dying.say("at tested")
        dying.read(100000)  # the other output's pipe is full by then, and its queue not empty
        dying.close()
        harness.poll(lambda: "is lost" in pipeline.errors(1), "the loss")
        while slow.block() is not None:
            pass
        self.assertIn("is lost", slow.hear(r"^fail 75 .*$"))
        self.check(pipeline, 75, 75)

    def test_sockets_go_only_with_status_0(self):
        self.shell("fl-source seq --count 10 | fl-sink failover --stream -- null + null", 0, 0)
        self.assertEqual(self.sockets(), [])
        self.shell("fl-source seq --count 9 | fl-sink balance --stream -- null + null", 0, 0)
        self.assertEqual(self.sockets(), [])
        for channel in ("replicate", "balance"):
            path = self.fifo(channel)
            pipeline = self.pipeline("fl-source spooldir /nonexistent --once",
                                     f"fl-channel {channel} --stream --out {path}")
            reader = self.reader(path)
            self.assertIn("/nonexistent", reader.hear("^fail 78 .*$"))
            self.check(pipeline, 78, 78)
        self.assertNotEqual(self.sockets(), [])

    def test_an_optional_output_that_is_not_waited_for_keeps_its_socket(self):
        one, other = self.fifo("one"), self.fifo("other")
        pipeline = self.pipeline("fl-source seq --count 400000",
                                 "fl-channel replicate --stream --keep-alive 100ms --optional 1 "
                                 f"--out {one} --out {other}")
        stuck = self.reader(one)
        self.shell(f"fl-sink null --stream < {other}", 0)
        self.check(pipeline, 0, 0)
        self.assertIn(os.path.basename(stuck.metadata["fl.ack"].decode()), self.sockets())

    def test_what_an_optional_output_missed_is_counted(self):
        one, other = self.fifo("one"), self.fifo("other")
        pipeline = self.pipeline("fl-source seq --count 200000",
                                 "fl-channel replicate --stream --keep-alive 300s --optional 1 "
                                 f"--out {one} --out {other} --metrics figures")
        stuck, reader = self.reader(one), self.reader(other)
        reader.say("at tested")
        stuck.say("at tested")
        reader.read(100000)
        reader.say("ack 100000")
        stuck.close()
        reader.read(200000)
        reader.say("ack 200000")
        self.check(pipeline, 0, 0)
        found = re.search(r"missed (\d+) events, and perhaps (\d+) events",
                          pipeline.errors(1))
        self.assertIsNotNone(found, pipeline.errors(1))
        self.assertEqual(int(found.group(1)) + int(found.group(2)), 200000)
        with open(self.path("figures")) as file:
            figures = file.read()
        self.assertRegex(figures, rf"missed_total{{.*}} {found.group(1)}\n")
        self.assertRegex(figures, rf"unconfirmed_total{{.*}} {found.group(2)}\n")


class Ending(Case):
    def test_a_sink_that_does_not_end_holds_up_nothing(self):
        self.program("stubborn", f"""#!/bin/sh
trap '' TERM
exec < /dev/null
echo > {self.path("closed")}
while :; do sleep 0.01; done
""")
        pipeline = self.pipeline("fl-source seq --count 200000",
                                 "fl-sink balance --stream -- stubborn + null", env=self.env())
        harness.poll(lambda: os.path.exists(self.path("closed")), "the sink's start")
        group = pipeline.processes[1]

        def asked():
            if group.poll() is None:
                os.kill(group.pid, signal.SIGUSR1)
            time.sleep(0.01)
            return "'stubborn' failed" in pipeline.errors(1)

        harness.poll(asked, "its end")
        # While it is waited for, signals are handled.
        before = pipeline.errors(1).split("'stubborn' failed")[0]
        self.assertGreater(before.count("in use"), 5, before)
        self.check(pipeline, 0, 0)

    def test_all_broken_ends_with_69_after_grace(self):
        self.program("broken", "#!/bin/sh\nexit 69\n")
        for group in ("failover", "balance"):
            with self.subTest(group):
                said = self.shell(f"seq 3 | fl-sink {group} --text --grace 300ms -- broken + broken",
                                  0, 69)
                self.assertIn("no sink of the group works", said)

    def test_a_sink_that_is_at_work_again_is_waited_for(self):
        self.program("slow", f"""#!/usr/bin/env python3
import os, sys, time
if not os.path.exists({self.path("failed")!r}):
    open({self.path("failed")!r}, "w").close()
    sys.exit(69)
sys.path[:0] = [{os.path.dirname(os.path.abspath(__file__))!r}]
import test_groups
reader = test_groups.Reader("/dev/stdin")
reader.say("at tested")
reader.read(3)
time.sleep(4)  # started after a second, it is at work when --grace is over
reader.say("ack 3")
reader.hear("end")
""")
        self.shell("seq 3 | fl-sink balance --text --grace 4s -- slow", 0, 0)

    def test_a_sink_that_is_never_needed_has_the_right_words(self):
        for words in ("nulll", "null --cuont 3", "hdfs --rol-count 3 file:///tmp"):
            with self.subTest(words):
                said = self.shell(f"fl-sink failover --text -- null + {words} < /dev/null", 64)
                self.assertIn(f"'{words}' is not what fl-sink takes", said)
                self.assertIn("'+' separates the sinks of a group", said)

    def test_dry_run_tries_each_sink(self):
        pipeline = self.pipeline(f"fl-sink failover --dry-run -- null + hdfs file://{self.out}")
        self.check(pipeline, 0)
        for name in ("null", "hdfs", "failover"):
            self.assertIn(f"fl-sink {name}: dry run", pipeline.errors(0))
        self.assertFalse(os.path.exists(self.out))
        if os.path.exists("/etc/hadoop/conf"):
            return  # it might well work there
        pipeline = self.pipeline("fl-sink failover --dry-run -- null + hdfs")
        self.check(pipeline, 78)
        self.assertIn("'hdfs' ended with status 78", pipeline.errors(0))

    def test_sinks_that_are_killed_lose_nothing(self):
        for group in ("failover", "balance"):
            with self.subTest(group):
                sinks = [f"hdfs file://{self.path(group, name)} --roll-count 200" for name in "ab"]
                pipeline = self.pipeline(
                    "fl-source stdin",
                    f"fl-sink {group} --stream --max-penalty 1s -- {sinks[0]} + {sinks[1]}"
                    if group == "failover" else
                    f"fl-sink {group} --stream -- {sinks[0]} + {sinks[1]}", stdin=subprocess.PIPE)
                stdin, kills = pipeline.processes[0].stdin, 0
                for first in range(0, 40000, 5000):
                    stored = len(harness.committed_files(self.path(group)))
                    stdin.write(b"".join(b"%d\n" % i for i in range(first, first + 5000)))
                    stdin.flush()
                    harness.poll(lambda: len(harness.committed_files(self.path(group))) > stored,
                                 "another file")
                    harness.poll(lambda: harness.children_of(pipeline.processes[1].pid), "a sink")
                    with contextlib.suppress(ProcessLookupError):  # it has just ended
                        os.kill(self.random.choice(harness.children_of(pipeline.processes[1].pid)),
                                signal.SIGKILL)
                        kills += 1
                stdin.close()
                self.check(pipeline, 0, 0)
                self.assertGreater(kills, 0)
                found = sorted(set(map(int, self.lines(group))))
                self.assertEqual(found, list(range(40000)))

    def test_a_small_capacity_is_refused(self):
        for stage in ("fl-channel balance --text --out x", "fl-sink balance --text -- null + null",
                      "fl-sink failover --text -- null"):
            for capacity, status in (("10000", 64), ("1MiB", 0)):
                with self.subTest(stage, capacity=capacity):
                    self.shell(f"{stage.replace('--text', '--text --capacity ' + capacity)} "
                               "< /dev/null", status)


class Refused(Case):
    """Events that no sink of a group takes: the path needs the time of an event that has none."""

    def sink(self, name: str) -> str:
        return f"hdfs file://{self.path(name)}/%Y"

    def test_by_all_is_65(self):
        for group, sinks in (("failover", "{0}"), ("failover", "{0} + {0}"),
                             ("balance", "{0} + {0}")):
            with self.subTest(group, sinks=sinks):
                said = self.shell(f"seq 1 10 | fl-sink {group} --text -- "
                                  + sinks.format(self.sink("out")), 0, 65)
                self.assertEqual(said.count("an event is refused by"), 1, said)
                self.assertIn("--reject FILE", said)

    def test_by_one_goes_to_the_next(self):
        self.shell(f"seq 1 10 | fl-sink failover --text -- {self.sink('out')} + "
                   f"hdfs file://{self.path('other')}", 0, 0)
        self.assertEqual(len(self.lines("other")), 10)

    def test_are_kept_in_one_file(self):
        count = 3000
        self.shell(f"seq 1 {count} | fl-sink balance --text --reject bad -- {self.sink('one')} + "
                   f"{self.sink('two')} + {self.sink('three')}", 0, 0, limit=120)
        self.shell(f"seq 1 {count} | fl-sink failover --text --reject bad -- {self.sink('one')}",
                   0, 0, limit=120)
        pipeline = self.pipeline(["fl-sink", "stdout", "--stream", "--in", self.path("bad")])
        self.check(pipeline, 0)
        self.assertEqual(sorted(map(int, pipeline.output().split())),
                         sorted(2 * list(range(1, count + 1))))

    def test_large_events_pass_if_the_group_takes_them(self):
        text = self.write("text", "x" * (3 << 20) + "\n")
        self.shell(f"fl-sink failover --text --max-line 4MiB --in {text} -- "
                   f"hdfs file://{self.out}", 0)
        self.assertEqual([len(line) for line in self.lines("out")], [3 << 20])
        said = self.shell(f"fl-source netcat --help > /dev/null; fl-intercept ts --text "
                          f"--max-line 4MiB < {text} | fl-sink failover --stream --max-event 4MiB "
                          f"-- hdfs file://{self.path('other')}", 0, 0)
        self.assertEqual([len(line) for line in self.lines("other")], [3 << 20], said)


class NamedPipes(Case):
    STAGES = ("fl-source seq --count 5", "fl-intercept ts --text",
              "fl-channel memory --text", "fl-channel replicate --text", "fl-channel balance --text")

    def start(self, stage: str, number: int):
        path = self.fifo(f"pipe{number}")
        text = self.write("text", "1\n2\n3\n4\n5\n")
        words = f"{stage} --out {path}" + ("" if "source" in stage else f" --in {text}")
        pipeline = self.pipeline(words)
        process = pipeline.processes[0]
        for number in (signal.SIGTERM, signal.SIGUSR1):
            harness.poll(lambda: harness.catches(process.pid, number), "a handler")
        return pipeline, process, path

    def asked(self, pipeline, process):
        def said():
            os.kill(process.pid, signal.SIGUSR1)
            time.sleep(0.01)
            return "waits for a reader" in pipeline.errors(0)
        harness.poll(said, f"what is waited for: {pipeline.report()}")

    def test_signals_are_heard_while_a_reader_is_waited_for(self):
        for number, stage in enumerate(self.STAGES):
            with self.subTest(stage):
                pipeline, process, path = self.start(stage, number)
                self.asked(pipeline, process)
                self.shell(f"fl-sink stdout --stream < {path} > taken", 0)
                self.check(pipeline, 0)
                with open(self.path("taken")) as file:
                    self.assertEqual(len(file.readlines()), 5)

    def test_term_ends_it_with_75(self):
        for number, stage in enumerate(self.STAGES):
            with self.subTest(stage):
                pipeline, process, _ = self.start(stage, number)
                self.asked(pipeline, process)
                process.terminate()
                self.check(pipeline, 75)

    def test_waiting_costs_next_to_nothing(self):
        pipeline, process, path = self.start(self.STAGES[0], 0)
        self.asked(pipeline, process)

        def switches():
            with open(f"/proc/{process.pid}/status") as file:
                return int(re.search(r"^voluntary_ctxt_switches:\s(\d+)", file.read(), re.M)[1])

        begin = time.monotonic()
        before = switches()
        while time.monotonic() - begin < 1:
            time.sleep(0.1)
        seconds = time.monotonic() - begin
        self.assertLess(switches() - before, 30 * seconds)
        process.terminate()
        self.check(pipeline, 75)

    def test_two_outputs_that_are_one(self):
        path = self.fifo("pipe")
        os.link(path, self.path("same"))
        for channel in ("replicate", "balance"):
            for outs in (f"--out {path} --out {self.path('same')}", "--out - --out /dev/stdout",
                         "--out - --out /dev/fd/1", "--out new --out ./new"):
                with self.subTest(channel, outs=outs):
                    said = self.shell(f"fl-channel {channel} --text {outs} --ack-wait 10ms < /dev/null "
                                      "| cat > x; "
                                      "(exit ${PIPESTATUS[0]})", 64)
                    self.assertIn("are the same", said)
        self.shell("fl-channel replicate --text --out /dev/null --out /dev/fd/9 "
                   "9> /dev/null < /dev/null", 0)

    def test_a_reader_that_has_gone_before_is_a_lost_output(self):
        text = self.write("text", "1\n2\n3\n")
        # The pipe of a process substitution: nobody can come to read it any more.
        said = self.shell("exec 9> >(:); wait $!; fl-channel replicate --text --optional 1 "
                          f"--out /dev/fd/9 --out >(fl-sink null --stream) < {text}", 0)
        self.assertIn("is lost", said)
        self.shell("exec 9> >(:); wait $!; fl-channel replicate --text "
                   f"--out /dev/fd/9 --out >(fl-sink null --stream) < {text}", 75)


if __name__ == "__main__":
    harness.main()
