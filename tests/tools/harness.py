"""What tests of whole pipelines share: programs, temporary directories, pipelines, verdicts.

A test program ends with harness.main(), which prints `N passed, N failed, N skipped` as its last
line and returns 1 if a test failed. Waits are polls with a limit, never sleeps that hope.
"""
import glob
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("FL_BIN") or os.path.join(
    os.environ.get("FL_BUILD", os.path.join(ROOT, "build", "dev")), "bin")
HANG = float(os.environ.get("FL_TEST_HANG", "30"))  # seconds after which something hangs
ACK_READER = os.path.join(ROOT, "tests", "tools", "ack_reader.py")
SEED = int(os.environ.get("FL_TEST_SEED", "20240229"))


# A shell starts background jobs (&) with SIGINT ignored, and nohup with SIGHUP; programs keep that.
# The pipelines of a test must get their signals however the test was started.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGTERM, signal.SIG_DFL)


class Hang(AssertionError):
    """A process did not end in time."""


def environment(directory: str, **more: str) -> dict:
    """An environment in which only our programs and no Hadoop configuration are found."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("FL_", "HADOOP_", "HDFS_"))}
    env["PATH"] = BIN + ":" + env.get("PATH", "/usr/bin:/bin")
    env["FL_RUNTIME_DIR"] = os.path.join(directory, "run")
    env["HOME"] = os.path.join(directory, "home")
    env["LC_ALL"] = "C.UTF-8"
    env.pop("RUNTIME_DIRECTORY", None)
    env.update(more)
    return env


def make_directory() -> str:
    """A fresh directory that other users may enter, with run/ (sockets) and home/ in it."""
    directory = tempfile.mkdtemp(prefix="fl-test-")
    os.chmod(directory, 0o755)
    os.mkdir(os.path.join(directory, "run"))
    os.chmod(os.path.join(directory, "run"), 0o1733)
    os.mkdir(os.path.join(directory, "home"))
    return directory


def poll(condition, what: str, limit: float = HANG):
    """Waits until condition() is true and returns its value."""
    end = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Hang(f"not within {limit:g} s: {what}")
        time.sleep(0.002)


def children_of(pid: int) -> list:
    """Processes below `pid`."""
    found = []
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        try:
            with open(path) as file:
                children = [int(word) for word in file.read().split()]
        except OSError:
            continue
        for child in children:
            found += [child] + children_of(child)
    return found


def catches(pid: int, number: int) -> bool:
    """True once the process has a handler for the signal."""
    try:
        with open(f"/proc/{pid}/status") as file:
            for row in file:
                if row.startswith("SigCgt:"):
                    return bool(int(row.split()[1], 16) >> (number - 1) & 1)
    except OSError:
        pass
    return False


def is_stage(pid: int) -> bool:
    """It runs one of our programs, and has not ended."""
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe")).startswith("fl-")
    except OSError:
        return False


def wait_for_handlers(pids: list, number: int) -> None:
    """One of our programs that has just begun would die of a TERM, INT or USR1."""
    for pid in pids:
        poll(lambda pid=pid: not is_stage(pid) or catches(pid, number), f"a handler for {number}")


def is_pending(pid: int, number: int) -> bool:
    """The signal was sent and not handled yet; a second one would be lost."""
    try:
        with open(f"/proc/{pid}/status") as file:
            return any(int(row.split()[1], 16) >> (number - 1) & 1 for row in file
                       if row.startswith(("SigPnd:", "ShdPnd:")))
    except OSError:
        return False


class Pipeline:
    """Processes joined by pipes, in a process group of their own."""

    def __init__(self, directory: str, *commands, stdin=subprocess.DEVNULL, stdout=None, env=None,
                 name: str = "stage"):
        """`commands`: lists of words. stdout=None: the last one's goes to a file, see output()."""
        self.directory = directory
        self.commands = commands
        self.name = name
        self.processes = []
        self.group = 0
        env = env or environment(directory)
        upstream = stdin
        try:
            for i, words in enumerate(commands):
                last = i == len(commands) - 1
                if not last:
                    reader, writer = os.pipe()
                elif stdout is None:
                    writer = os.open(self._path(i, "out"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                else:
                    writer = stdout
                with open(self._path(i, "err"), "wb") as errors:
                    process = subprocess.Popen(words, stdin=upstream, stdout=writer, stderr=errors,
                                               env=env, process_group=self.group, cwd=directory)
                self.processes.append(process)
                self.group = self.group or process.pid
                if i > 0:
                    os.close(upstream)
                if not last or stdout is None:
                    os.close(writer)
                upstream = reader if not last else None
        except BaseException:
            self.kill()
            raise

    def _path(self, i: int, kind: str) -> str:
        return os.path.join(self.directory, f"{self.name}{i}.{kind}")

    def errors(self, i: int) -> str:
        with open(self._path(i, "err"), errors="replace") as file:
            return file.read()

    def output(self) -> bytes:
        with open(self._path(len(self.commands) - 1, "out"), "rb") as file:
            return file.read()

    def report(self) -> str:
        rows = []
        for i, (words, process) in enumerate(zip(self.commands, self.processes)):
            rows.append(f"[{process.poll()}] {' '.join(map(str, words))}")
            rows += ["    " + row for row in self.errors(i).splitlines()[-8:]]
        return "\n".join(rows)

    def wait(self, limit: float = HANG) -> list:
        """Exit statuses of all processes; Hang if one does not end."""
        end = time.monotonic() + limit
        for process in self.processes:
            try:
                process.wait(max(0.01, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                report = self.report()
                self.kill()
                raise Hang(f"no end within {limit:g} s:\n{report}") from None
        return [process.returncode for process in self.processes]

    def send(self, number: int, stage: int = None) -> None:
        """A signal to one stage, or to the whole group, as Ctrl-C does. A stage has its handlers
        before."""
        processes = self.processes if stage is None else [self.processes[stage]]
        if number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            wait_for_handlers([process.pid for process in processes], number)
        if stage is None:
            os.killpg(self.group, number)
        else:
            processes[0].send_signal(number)

    def kill(self) -> None:
        """Ends whatever is left of it and of its children, by pid."""
        for process in self.processes:
            if process.poll() is None:
                for pid in children_of(process.pid) + [process.pid]:
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
                process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


def is_final(name: str) -> bool:
    return not name.startswith(("_", ".")) and not name.endswith(".tmp")


def resident_kib(pid: int) -> int:
    """Memory that the process has."""
    with open(f"/proc/{pid}/status") as file:
        return int(re.search(r"^VmRSS:\s*(\d+)", file.read(), re.M)[1])


def peak_kib(pid: int) -> int:
    """The most memory that the process has had: what it has given back counts, too."""
    with open(f"/proc/{pid}/status") as file:
        return int(re.search(r"^VmHWM:\s*(\d+)", file.read(), re.M)[1])


def is_sanitized() -> bool:
    """A sanitizer keeps freed memory for a while: how much is used says nothing."""
    with open(os.path.join(BIN, "fl-source"), "rb") as file:
        content = file.read()
    return b"__asan_init" in content or b"__tsan_init" in content


def committed_files(directory: str) -> list:
    """Files under a final name, in the order of their names."""
    found = []
    for folder, _, names in os.walk(directory):
        found += [os.path.join(folder, name) for name in names if is_final(name)]
    return sorted(found)


def committed_lines(directory: str) -> list:
    """Lines of all committed files; a file that does not end with a newline is an error."""
    lines = []
    for path in committed_files(directory):
        with open(path, "rb") as file:
            content = file.read()
        if not content.endswith(b"\n"):
            raise AssertionError(f"half a file under a final name: {path} ends {content[-40:]!r}")
        lines += content[:-1].split(b"\n")
    return lines


class Case(unittest.TestCase):
    """A test with a directory of its own, self.dir; pipelines of self.pipeline() are ended."""

    longMessage = True

    def setUp(self):
        self.dir = make_directory()
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.random = random.Random(f"{SEED}/{self.id()}")
        self.out = os.path.join(self.dir, "out")
        self._count = 0

    def env(self, **more: str) -> dict:
        return environment(self.dir, **more)

    def path(self, *parts: str) -> str:
        return os.path.join(self.dir, *parts)

    def write(self, name: str, content) -> str:
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb" if isinstance(content, bytes) else "w") as file:
            file.write(content)
        return path

    def pipeline(self, *commands, **options) -> Pipeline:
        """Words may be lists or one string that is split at blanks."""
        self._count += 1
        words = [command.split() if isinstance(command, str) else command for command in commands]
        result = Pipeline(self.dir, *words, name=f"p{self._count}-", **options)
        self.addCleanup(result.kill)
        return result

    def check(self, pipeline: Pipeline, *expected: int, limit: float = HANG) -> Pipeline:
        """The pipeline ends with these statuses."""
        statuses = pipeline.wait(limit)
        if statuses != list(expected):
            self.fail(f"statuses {statuses}, expected {list(expected)}\n{pipeline.report()}")
        return pipeline

    def address(self, pipeline: Pipeline, stage: int = 0) -> tuple:
        """Of the source that is this stage, when it listens: host and port."""
        def found():
            if pipeline.processes[stage].poll() is not None:
                self.fail(pipeline.report())
            return re.search(r"listening on (\S+):(\d+)\n", pipeline.errors(stage))
        host, port = poll(found, "it listens").groups()
        return host, int(port)


class _Result(unittest.TextTestResult):
    def startTest(self, test):
        self.started = time.monotonic()
        super().startTest(test)

    def _say(self, word, test, note=""):
        seconds = time.monotonic() - self.started
        print(f"{word:4} {test.id().removeprefix('__main__.')} ({seconds:.1f} s){note}", flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        self._say("ok", test)

    def addSkip(self, test, reason):
        self.started = getattr(self, "started", time.monotonic())
        super().addSkip(test, reason)
        self._say("skip", test, f": {reason}")

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self._say("FAIL", test)

    def addError(self, test, error):
        self.started = getattr(self, "started", time.monotonic())
        super().addError(test, error)
        self._say("FAIL", test)


def _passes_alone(name: str) -> bool:
    """A test of the calling program that has failed runs once more, in a process of its own."""
    env = {key: value for key, value in os.environ.items() if key != "FL_TEST_UNSTABLE"}
    print(f"once more: {name}", flush=True)
    try:
        return subprocess.run([sys.executable, sys.argv[0], name], env=env, check=False,
                              stdin=subprocess.DEVNULL, timeout=20 * HANG).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _unstable(failures: set) -> set:
    """Those that pass when they are repeated alone, once, with FL_TEST_UNSTABLE=FILE: they are
    noted there. scripts/test reports them, and tolerates few."""
    note = os.environ.get("FL_TEST_UNSTABLE")
    if not note or len(failures) > 3:
        return set()
    passed = {test for test in sorted(failures) if _passes_alone(test.removeprefix("__main__."))}
    with open(note, "a") as file:
        for test in sorted(passed):
            file.write(f"{os.path.relpath(sys.argv[0], ROOT)} {test.removeprefix('__main__.')}\n")
    return passed


def main() -> None:
    """Runs the tests of the calling program (names as arguments select some)."""
    print(f"seed {SEED} (FL_TEST_SEED)", flush=True)
    loader = unittest.defaultTestLoader
    module = sys.modules["__main__"]
    if len(sys.argv) > 1:
        suite = loader.loadTestsFromNames(sys.argv[1:], module)
    else:
        suite = loader.loadTestsFromModule(module)
    runner = unittest.TextTestRunner(stream=sys.stdout, resultclass=_Result, verbosity=0)
    result = runner.run(suite)
    # A test with several failing subtests, or one that fails again in its cleanup, is one test.
    def names(tests):
        return {getattr(test, "test_case", test).id() for test in tests}

    failures = names([test for test, _ in result.failures + result.errors] +
                     result.unexpectedSuccesses)
    failures -= _unstable(failures)
    skips = names([test for test, _ in result.skipped]) - failures
    failed, skipped = len(failures), len(skips)
    passed = max(0, result.testsRun - failed - skipped)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.stdout.flush()
    sys.exit(1 if failed else 0)
