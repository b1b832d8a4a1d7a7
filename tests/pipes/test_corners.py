#!/usr/bin/env python3
"""Corners that a user meets once: a hostile neighbour, a log that nobody reads, no descriptors, no
threads, directories that go away under a running stage."""
import concurrent.futures
import itertools
import os
import re
import resource
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "tools"), os.path.join(HERE, "..", "registry")]
import harness
from graph import transferred
from ports import free_port
from test_trials import TOOLS, Trial, components
from trials import TRIALS

NOBODY = 65534
JOBS = int(os.environ.get("FL_TEST_JOBS", "2"))


def long(number: int) -> bytes:
    """Avro's form of a count."""
    out = bytearray()
    number *= 2
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out) + bytes([number])


def text(value: bytes) -> bytes:
    return long(len(value)) + value


def value_of(stream: bytes, key: bytes) -> bytes:
    """A value of less than 8 KiB in the metadata of a stream."""
    at = stream.index(text(key)) + len(text(key))
    size, at = stream[at], at + 1
    if size > 127:
        size, at = size - 128 + stream[at] * 128, at + 1
    return stream[at:at + size // 2]


def read_some(fd: int) -> bytes:
    if not select.select([fd], [], [], harness.HANG)[0]:
        raise harness.Hang("nothing to read")
    return os.read(fd, 1 << 20)


class Nobody(harness.Case):
    """Tests in which root meets another user."""

    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("needs root")

    def start(self, words, **options):
        """A process of this test that ends with it."""
        process = subprocess.Popen(words, **options)

        def end():
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    pipe.close()
        self.addCleanup(end)
        return process

    def stranger(self, code, *arguments):
        """A Python program of user nobody; it has begun its work when it has printed a line."""
        # Python itself may be where nobody else may read it.
        code = (f"import ctypes, os, select, socket, sys, time\nos.setgroups([])\n"
                f"os.setresgid({NOBODY}, {NOBODY}, {NOBODY})\n"
                f"os.setresuid({NOBODY}, {NOBODY}, {NOBODY})\n{code}")
        process = self.start([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE)
        self.assertTrue(read_some(process.stdout.fileno()), "the stranger has failed")
        return process

    def programs(self):
        """A copy of the programs that everybody may run."""
        folder = self.path("bin")
        shutil.copytree(harness.BIN, folder)
        for name in os.listdir(folder):
            os.chmod(os.path.join(folder, name), 0o755)
        return folder


# Exchanges the names of each pair of paths for as long as it lives.
SWAPPER = r"""
call = ctypes.CDLL(None).renameat2
pairs = [word.encode() for word in sys.argv[1:]]
pairs = list(zip(pairs[::2], pairs[1::2]))
print("begun", flush=True)
while True:
    for one, other in pairs:
        if call(-100, one, -100, other, 2) != 0:
            sys.exit("cannot exchange them")
"""

# Keeps many connections to a socket, sends nothing, and reconnects when it is dropped.
FLOOD = r"""
path = sys.argv[1]
held = []
print("begun", flush=True)
while True:
    poll = select.poll()
    for each in held:
        poll.register(each, select.POLLIN)
    gone = {fd for fd, _ in poll.poll(1)}
    for each in [each for each in held if each.fileno() in gone]:
        held.remove(each)
        each.close()
    while len(held) < 60:
        each = socket.socket(socket.AF_UNIX)
        try:
            each.setblocking(False)
            each.connect(path)
        except OSError:
            each.close()
            break
        held.append(each)
    time.sleep(0.001)
"""


class Deputy(Nobody):
    NAME = "fl-" + "a" * 32 + ".ack"
    STREAMS = 200  # a connection that nobody answers takes half a second

    def saved(self, path: str) -> bytes:
        """Streams of one event each whose headers name `path`."""
        seq = subprocess.run(["fl-source", "seq", "--count", "1"], env=self.env(), check=True,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        old = text(b"fl.ack") + text(value_of(seq, b"fl.ack"))
        self.assertEqual(seq.count(old), 1)
        return seq.replace(old, text(b"fl.ack") + text(path.encode()))

    def listen(self, path: str, mode: int):
        listening = socket.socket(socket.AF_UNIX)
        self.addCleanup(listening.close)
        listening.bind(path)
        os.chmod(path, mode)
        listening.listen(4096)
        listening.setblocking(False)
        return listening

    def heard(self, listening) -> list:
        """What those that have connected have sent."""
        said = []
        try:
            while True:
                with listening.accept()[0] as connection:
                    said.append(connection.recv(200))
        except BlockingIOError:
            return said

    def test_roots_reader_never_talks_to_a_socket_that_only_root_may_reach(self):
        os.mkdir(self.path("private"), 0o700)
        protected = self.listen(self.path("private", self.NAME), 0o600)
        # The stranger swaps his own socket for a link to it, and the folder of his own socket for a
        # link to its folder.
        os.makedirs(self.path("theirs", "here"))
        own = [self.listen(self.path("theirs", self.NAME), 0o666),
               self.listen(self.path("theirs", "here", self.NAME), 0o666)]
        os.symlink(self.path("private", self.NAME), self.path("theirs", "link"))
        os.symlink(self.path("private"), self.path("theirs", "there"))
        for folder in ("theirs", "theirs/here"):
            os.chown(self.path(folder), NOBODY, NOBODY)
            os.chown(self.path(folder, self.NAME), NOBODY, NOBODY)
        swapper = self.stranger(SWAPPER, self.path("theirs", self.NAME), self.path("theirs", "link"),
                                self.path("theirs", "here"), self.path("theirs", "there"))
        content = (self.saved(self.path("theirs", self.NAME)) +
                   self.saved(self.path("theirs", "here", self.NAME)))
        self.write("saved", content * (self.STREAMS // 2))
        # A pipe that the stranger made, as the writer of a stream.
        os.mkfifo(self.path("fifo"))
        os.chown(self.path("fifo"), NOBODY, NOBODY)
        feeder = self.start(["sh", "-c", "exec cat saved > fifo"], cwd=self.dir)
        reader = self.pipeline("fl-sink null --stream --in fifo")
        reader.wait(4 * harness.HANG)
        self.assertEqual(feeder.wait(harness.HANG), 0, reader.report())
        self.assertIsNone(swapper.poll())
        connections = sum(len(self.heard(each)) for each in own)
        self.assertGreater(connections, 0)
        self.assertLess(connections, self.STREAMS, "nothing was swapped")
        self.assertEqual(self.heard(protected), [])

    def test_another_users_writer_is_heard_and_its_death_too(self):
        programs = self.programs()
        env = self.env()
        env["FL_RUNTIME_DIR"] = self.path("theirs")
        os.mkdir(self.path("theirs"), 0o711)
        os.chown(self.path("theirs"), NOBODY, NOBODY)
        as_nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        self.check(self.pipeline([*as_nobody, f"{programs}/fl-source", "seq", "--count", "1000"],
                                 "fl-sink null --stream", env=env), 0, 0)
        end, begin = os.pipe()
        self.addCleanup(os.close, end)
        self.addCleanup(os.close, begin)
        killed = self.pipeline([*as_nobody, f"{programs}/fl-source", "stdin"],
                               "fl-sink stdout --stream", stdin=end, env=env)
        os.write(begin, b"1\n")
        harness.poll(lambda: killed.output() == b"1\n", "an event")
        killed.processes[0].kill()
        self.check(killed, -signal.SIGKILL, 75)


class FullStderr(harness.Case):
    def fill(self, fd: int) -> None:
        own = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK)
        try:
            while True:
                os.write(own, b"." * 4096)
        except BlockingIOError:
            pass
        finally:
            os.close(own)

    def test_every_stage_hears_term(self):
        reader, writer = os.pipe()  # nobody reads it
        idle_reader, idle_writer = os.pipe()  # nothing comes
        for fd in (reader, writer, idle_reader, idle_writer):
            self.addCleanup(os.close, fd)
        self.fill(writer)
        stages = {}
        for kind, specs in TRIALS.items():
            for name, spec in specs.items():
                folder = self.path(f"{kind}-{name}")
                os.mkdir(folder)
                self.write(f"{folder}/lines", "1\n2\n3\n")
                port = free_port()
                env = self.env(LINES=f"{folder}/lines", COUNT="1000000000", PORT=str(port),
                               OUT1=f"{folder}/out1", OUT2=f"{folder}/out2")
                if spec.get("prepare"):
                    subprocess.run(["sh", "-c", spec["prepare"]], env=env, cwd=folder, check=True)
                out = os.pipe()  # as a reader that is slow
                self.addCleanup(os.close, out[0])
                look = "" if kind == "source" else "--text"
                stages[kind, name] = subprocess.Popen(
                    ["sh", "-c", f"exec {TOOLS[kind]} {look} {spec['run']}"], env=env, cwd=folder,
                    stdin=idle_reader, stdout=out[1], stderr=writer, process_group=0)
                os.close(out[1])
                self.addCleanup(self.end, stages[kind, name])
        for (kind, name), process in stages.items():
            with self.subTest(kind=kind, name=name):
                harness.poll(lambda: harness.catches(process.pid, signal.SIGUSR1) or
                             process.poll() is not None, "its handlers", 2 * harness.HANG)
                if process.poll() is None:
                    process.send_signal(signal.SIGUSR1)  # a line for stderr
        for process in stages.values():
            process.send_signal(signal.SIGTERM)
        for (kind, name), process in stages.items():
            with self.subTest(kind=kind, name=name):
                harness.poll(lambda: process.poll() is not None, "its end", 2 * harness.HANG)
                self.assertIn(process.returncode, (0, 69, 75))

    def end(self, process):
        for pid in harness.children_of(process.pid) + [process.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        process.wait()


class Neighbours(Nobody):
    def socket_of(self, process):
        """The path of its listening socket."""
        def find():
            self.assertIsNone(process.poll(), "it has ended")
            return [name for name in os.listdir(self.path("run")) if name.endswith(".ack")]
        return self.path("run", harness.poll(find, "a socket")[0])

    def test_the_reader_gets_through_a_crowd_of_strangers_that_say_nothing(self):
        for i in range(5):
            self.write(f"spool{i}/a", "".join(f"{n}\n" for n in range(1000)))
            end, begin = os.pipe()
            source = self.start(["fl-source", "spooldir", f"spool{i}", "--once"], env=self.env(),
                                cwd=self.dir, stdin=subprocess.DEVNULL, stdout=begin)
            os.close(begin)
            flood = self.stranger(FLOOD, self.socket_of(source))
            # It is there when the source has thrown out some.
            harness.poll(lambda: len(os.listdir(f"/proc/{source.pid}/fd")) > 12, "the crowd")
            sink = self.pipeline(f"fl-sink file_roll --stream {self.dir}/run", stdin=end)
            os.close(end)
            self.check(sink, 0)
            self.assertEqual(source.wait(harness.HANG), 0)
            flood.kill()

    def test_without_descriptors_a_stage_waits_and_loses_no_reader(self):
        stage = self.start(["fl-intercept", "static", "--text", "--key", "k", "--value", "v"],
                           env=self.env(), cwd=self.dir, stdin=subprocess.PIPE,
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        header = b""
        os.write(stage.stdin.fileno(), b"a\n")
        while b"fl.ack" not in header or b"fl.stream" not in header:
            header += read_some(stage.stdout.fileno())
        taken = set(map(int, os.listdir(f"/proc/{stage.pid}/fd")))
        most = next(n for n in range(len(taken) + 1) if n not in taken)
        before = resource.prlimit(stage.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(stage.pid, resource.RLIMIT_NOFILE, (most, before[1]))
        up = socket.socket(socket.AF_UNIX)
        self.addCleanup(up.close)
        up.settimeout(harness.HANG)
        up.connect(value_of(header, b"fl.ack"))
        up.sendall(b"FL/1 %b\nat printed\n" % value_of(header, b"fl.stream"))
        begin = time.monotonic()
        counted = subprocess.run(["timeout", "1", "strace", "-c", "-f", "-p", str(stage.pid)],
                                 capture_output=True, text=True, check=False).stderr
        turns = [int(row.split()[3]) for row in counted.splitlines() if row.endswith(" poll")]
        if not turns:
            self.skipTest("strace may not trace here")
        self.assertLess(turns[0], 30 * (time.monotonic() - begin), counted)
        resource.prlimit(stage.pid, resource.RLIMIT_NOFILE, before)
        stage.stdin.close()
        lines = up.makefile()
        while lines.readline() != "end 1\n":
            pass
        up.sendall(b"ack 1\n")
        while read_some(stage.stdout.fileno()):
            pass
        self.assertEqual(stage.wait(harness.HANG), 0)


# Users that nobody else runs as, so that a limit counts the processes of one trial only.
USERS = itertools.count(60_600)
LIMITS = {
    "no further process": ["prlimit", "--nproc=1"],
    "one further process": ["prlimit", "--nproc=2"],
    "no room for a thread": ["prlimit", "--stack=4096000000", "--as=2048000000"],
}
NOTHING = ("no further process", "no room for a thread")
# What could not be made, and why.
LACK = re.compile(r"(thread|process|cannot start '|cannot run ').*"
                  r"(Resource temporarily unavailable|Cannot allocate memory)")
# Counts, and servers of a trial that listen a moment later.
BESIDE = re.compile(r": (\d+ files?, )?\d+ events\b|trying again")


class Limited(Trial):
    """A trial whose component is run by a user of its own, under a limit."""

    def __init__(self, case, kind, name, limit, **changes):
        self.title, self.limit, self.user = f"{kind} {name}, {limit}", limit, next(USERS)
        super().__init__(case, kind, {**TRIALS[kind][name], "count": 300},
                         case.path(f"trial{self.user}"), HADOOP_USER_NAME="fl",
                         PATH=f"{case.folder}:{os.environ['PATH']}", **changes)

    def as_user(self, *words):
        return ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups", *words]

    def shell(self, command):
        return super().shell("exec " + shlex.join(self.as_user("sh", "-c", command)))

    def words(self, command):
        is_own = self.numbered == self.own_index
        words = super().words(command)
        return self.as_user(*LIMITS[self.limit], *words) if is_own else words

    def run(self):
        self.start()
        if not self.spec.get("ends", True):
            # A source that has failed does not answer its client.
            harness.poll(lambda: self.client.poll() is not None or self.own_stage.poll() is not None,
                         f"the client: {self.report()}")
            if self.own_stage.poll() is None:
                return self.run_to_its_end()
        return self.wait()

    def run_alone(self, options, run=""):
        """The component without input and without its neighbours."""
        self.own_index = 0
        if self.spec.get("prepare"):
            self.shell(self.spec["prepare"])
        command = f"exec {TOOLS[self.kind]} {options} {run or self.spec['run']}"
        self.pipelines.append(harness.Pipeline(
            self.directory, self.as_user(*LIMITS[self.limit], "sh", "-c", command), env=self.env))
        return self.wait()

    def wait(self):
        statuses = super().wait()
        harness.poll(lambda: not self.left(), f"the end of all that was started: {self.report()}")
        return statuses

    def left(self):
        """Processes of the user; not those that only their parent has to take note of."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.stat(f"/proc/{pid}").st_uid == self.user:
                    with open(f"/proc/{pid}/stat") as file:
                        if file.read().rpartition(")")[2].split()[0] != "Z":
                            found.append(int(pid))
            except (FileNotFoundError, ProcessLookupError):
                pass
        return found

    def close(self):
        super().close()
        for pid in self.left():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def said(self):
        """What the component reports of its failure."""
        return [row for row in self.pipelines[0].errors(self.own_index).splitlines()
                if not BESIDE.search(row)]

    def judge_end(self, statuses):
        own, after, said = statuses[self.own_index], statuses[self.own_index + 1:], self.said()
        faults = []
        if own == 0:
            return [f"statuses {statuses}"] if any(statuses) else []
        if own not in (69, 74, 75):
            faults.append(f"status {own} instead of 69, 74 or 75")
        if any(status != own for status in after):
            faults.append(f"what follows ended with {after} instead of {own}")
        if not said or not LACK.search(said[0]):
            faults.append(f"does not say what it cannot start, and why: {said}")
        if len(said) != 2 or "ulimit" not in said[1]:
            faults.append(f"not one line, and one that names the limit: {said}")
        return faults


class NoThreads(Nobody):
    """Each component where the system makes no thread and no process for it: it does its work
    without, or says what it cannot start and ends, and so does the pipeline.
    FL_TEST_STAGE=NAME: only that one."""

    def chosen(self):
        return [each for each in components() if os.environ.get("FL_TEST_STAGE", each[1]) == each[1]]

    def setUp(self):
        super().setUp()
        if harness.is_sanitized():
            self.skipTest("a sanitizer needs memory and a process of its own")
        self.addCleanup(os.umask, os.umask(0))  # the users write into what root has made
        self.folder = self.programs()

    def try_out(self, cell, run, **changes):
        """(statuses, what it says, [its faults]); without statuses it hangs."""
        trial = Limited(self, *cell, **changes)
        try:
            statuses = run(trial)
            faults = trial.judge_end(statuses)
            if len(statuses) > 1:
                faults += trial.judge()
            return statuses, trial.said(), ["\n  ".join(
                [trial.title, *faults, trial.report()])] if faults else []
        except AssertionError as error:  # it hangs
            return [], [], [f"{trial.title}\n  {error}"]
        finally:
            trial.close()
            shutil.rmtree(trial.directory, ignore_errors=True)

    def try_all(self, cells, run, **changes):
        """{cell: (statuses, what it says)}, and the faults."""
        with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
            results = list(pool.map(lambda cell: self.try_out(cell, run, **changes), cells))
        return ({cell: result[:2] for cell, result in zip(cells, results)},
                [fault for result in results for fault in result[2]])

    def show(self, results, faults):
        for limit in LIMITS:
            mine = {f"{kind} {name}": result for (kind, name, each), result in results.items()
                    if each == limit}
            done = [title for title, (statuses, _) in mine.items() if statuses and not any(statuses)]
            if mine:
                print(f"{limit}, {len(done)} of {len(mine)} deliver all: {', '.join(done)}")
            for title, (statuses, said) in mine.items():
                if title not in done:
                    print(f"    {title}: {statuses or 'hangs'} {said[0] if said else ''}")
        if faults:
            self.fail("\n" + "\n".join(faults))

    def test_the_limits_have_an_effect(self):
        for limit, begin in (("no further process", ": &"), ("one further process", ": & : &")):
            with self.subTest(limit=limit):
                trial = Limited(self, "source", "seq", limit)
                done = subprocess.run(trial.as_user(*LIMITS[limit], "sh", "-c", f"{begin} wait"),
                                      capture_output=True, text=True, check=False,
                                      timeout=harness.HANG)
                self.assertRegex(done.stderr, "(?i)fork")

    def test_each_component_delivers_all_or_says_what_it_lacks(self):
        results, faults = self.try_all(
            [(*each, "no further process") for each in self.chosen()], Limited.run)
        lacking = [cell[:2] for cell, (statuses, _) in results.items() if statuses[-1:] != [0]]
        # A group starts its members again until they work, and each has the limit of memory, too.
        others, found = self.try_all(
            [(kind, name, limit) for limit in LIMITS for kind, name in lacking
             if limit == "one further process" or
             limit == "no room for a thread" and " -- " not in TRIALS[kind][name]["run"]], Limited.run)
        self.show(results | others, faults + found)

    def test_each_component_misses_the_server_of_its_metrics(self):
        results, faults = self.try_all(
            [(*each, limit) for limit in NOTHING for each in self.chosen()],
            lambda trial: trial.run_alone("--metrics 127.0.0.1:0"), OUT1="out1", OUT2="out2")
        faults += [f"{cell}: {statuses} {said}" for cell, (statuses, said) in results.items()
                   if statuses != [69] or "cannot start a thread that serves" not in " ".join(said)]
        print(f"{len(results)} runs: {', '.join(f'{kind} {name}' for kind, name in self.chosen())}")
        self.assertFalse(faults, "\n".join(faults))

    def test_files_over_the_network(self):
        cells = [("sink", "hdfs", limit) for limit in NOTHING]
        results, faults = self.try_all(
            cells, lambda trial: trial.run_alone("--text", "hdfs hdfs://127.0.0.1:1/x"))
        self.assertFalse(faults, "\n".join(faults))
        self.assertEqual([statuses for statuses, _ in results.values()], [[69], [69]])


class Memory(harness.Case):
    def test_it_takes_no_more_bytes_than_it_has_room_for(self):
        """Nobody takes anything. Another one with more room, which began later, has all of it by then."""
        text = self.write("text", b"z\n" * 1_000_000)
        channels = [self.pipeline(["fl-channel", "memory", "--text", "--in", text, "--ack-at", "put",
                                   "--capacity", "10000000", "--byte-capacity", room], "sleep 1000")
                    for room in ("64K", "1G")]
        read = [lambda pid=each.processes[0].pid: transferred(pid, ("rchar",)) for each in channels]
        harness.poll(lambda: read[1]() >= 2_000_000, "it has read everything")
        self.assertLess(read[0](), 1_000_000)

    def test_events_that_die_with_their_reader_are_counted(self):
        """--ack-at put: the source is free, so the channel has to say that they are gone."""
        for reader in (["head", "-c", "300000"], ["sh", "-c", "head -c 300000; kill -KILL $$"]):
            with self.subTest(reader):
                pipeline = self.pipeline("fl-source seq --count 100000",
                                         "fl-channel memory --ack-at put --capacity 200000",
                                         reader)
                statuses = pipeline.wait()
                self.assertIn(statuses[0], (0, 75))  # whichever was first
                self.assertEqual(statuses[1], 75, pipeline.report())
                lost = re.search(r"(\d+) events lost: acknowledged here", pipeline.errors(1))
                self.assertTrue(lost, pipeline.report())
                self.assertGreater(int(lost[1]), 0)
                self.assertLessEqual(int(lost[1]), 100_000)


class Removed(harness.Case):
    def feeder(self):
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        feed = os.fdopen(writer, "wb", buffering=0)
        self.addCleanup(feed.close)
        return reader, feed

    def lines(self):
        return harness.committed_lines(self.out)

    def test_a_base_directory_of_hdfs_is_made_again(self):
        reader, feed = self.feeder()
        sink = self.pipeline(f"fl-sink hdfs --text --roll-count 2 file://{self.out}", stdin=reader)
        feed.write(b"1\n2\n")
        harness.poll(lambda: os.path.isdir(self.out) and self.lines() == [b"1", b"2"], "a file")
        shutil.rmtree(self.out)
        feed.write(b"3\n4\n")
        harness.poll(lambda: os.path.isdir(self.out) and self.lines() == [b"3", b"4"], "a file")
        feed.close()
        self.check(sink, 0)
        self.assertIn("was removed", sink.errors(0))

    def test_a_part_goes_on_elsewhere_when_it_is_removed_with_its_directory(self):
        reader, feed = self.feeder()
        sink = self.pipeline(f"fl-sink hdfs --text --roll-count 3 file://{self.out}", stdin=reader)
        line = b"x" * (1 << 20) + b"\n"  # is written before its part is complete
        feed.write(line + line)
        harness.poll(lambda: os.path.isdir(self.out) and os.listdir(self.out), "a part")
        shutil.rmtree(self.out)
        feed.write(b"3\n4\n")
        feed.close()
        self.check(sink, 0)
        self.assertEqual([len(line) for line in self.lines()], [1 << 20, 1 << 20, 1, 1])

    def test_what_cannot_be_made_again_is_73(self):
        for command in (f"fl-sink hdfs --text --roll-count 1 file://{self.dir}/way/out",
                        f"fl-sink file_roll --text {self.dir}/way/out --roll-interval 0"):
            with self.subTest(command=command):
                os.makedirs(self.path("way", "out"))
                reader, feed = self.feeder()
                sink = self.pipeline(command, stdin=reader)
                feed.write(b"1\n")
                harness.poll(lambda: harness.committed_files(self.path("way", "out")), "a file")
                shutil.rmtree(self.path("way"))
                self.write("way", "a file")
                feed.write(b"2\n")
                feed.close()
                self.check(sink, 73)
                os.remove(self.path("way"))

    def test_file_roll_goes_on_in_a_directory_that_was_made_again(self):
        os.mkdir(self.out)
        reader, feed = self.feeder()
        sink = self.pipeline(f"fl-sink file_roll --text {self.out}", stdin=reader)
        feed.write(b"1\n")
        written = lambda path: open(path, "rb").read() == b"1\n"  # empty at first
        harness.poll(lambda: any(map(written, harness.committed_files(self.out))), "a file")
        shutil.rmtree(self.out)
        os.mkdir(self.out)
        feed.write(b"2\n")
        feed.close()
        self.check(sink, 0)
        self.assertEqual(self.lines()[-1], b"2")

    def test_a_bucket_that_was_made_again_is_synced_again(self):
        probe = subprocess.run(["strace", "-o", "/dev/null", "true"], check=False,
                               stderr=subprocess.DEVNULL)
        if probe.returncode != 0:
            self.skipTest("strace may not trace here")
        reader, feed = self.feeder()
        trace, bucket = self.path("trace"), os.path.join(self.out, "1970")
        sink = self.pipeline(
            "fl-intercept static --text --key timestamp --value 1",
            ["strace", "-f", "-y", "-o", trace, "-e", "trace=fsync,renameat2", "fl-sink", "hdfs",
             "--stream", "--roll-count", "1", "--time-zone", "UTC", f"file://{self.out}/%Y"],
            stdin=reader)

        def base_syncs():
            with open(trace) as file:
                return len(re.findall(r"fsync\(\d+<" + re.escape(self.out) + r">\)", file.read()))
        feed.write(b"1\n")
        harness.poll(lambda: os.path.isdir(self.out) and self.lines() == [b"1"] and
                     base_syncs() == 1, "a file and its way")
        feed.write(b"2\n")
        harness.poll(lambda: self.lines() == [b"1", b"2"], "a second file")
        shutil.rmtree(bucket)
        os.mkdir(bucket)
        feed.write(b"3\n")
        feed.close()
        self.check(sink, 0, 0)
        self.assertEqual(self.lines(), [b"3"])
        self.assertEqual(base_syncs(), 2)


if __name__ == "__main__":
    harness.main()
