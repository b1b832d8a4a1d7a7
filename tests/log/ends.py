"""The two ends of fl-channel file as processes of their own: a source that gives numbered events and
knows what was acknowledged, and a reader that acknowledges. Neither is ever killed.
"""
import os
import random
import selectors
import socket
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
sys.path[:0] = [HERE, os.path.join(TESTS, "tools"), os.path.join(TESTS, "status"),
                os.path.join(TESTS, "interop")]
sys.dont_write_bytecode = True
import container  # noqa: E402
import forms  # noqa: E402
import harness  # noqa: E402
import ledger  # noqa: E402

MARKER = b"m" * 16


def payload_of(first: int, count: int, filler: int) -> bytes:
    """A block of events with numbers from `first` on."""
    pattern = bytes(range(256)) * (filler // 256 + 2)
    return b"".join(forms.event(b"", b"#%016x" % n + pattern[n * 7 % 256:n * 7 % 256 + filler])
                    for n in range(first, first + count))


class Source:
    """Writes blocks into `process`'s input and reads acknowledgements, in a thread."""

    def __init__(self, directory: str, blocks: list, rng: random.Random, wait=0.5):
        """blocks: [(first number, count, payload)]; wait: odds to wait for the acknowledgement."""
        self.blocks, self.rng, self.wait = blocks, rng, wait
        self.first = blocks[0][0] if blocks else 0
        self.acknowledged = 0      # events, from the first block's on
        self.offered = 0
        self.metadata = container.new_stream(os.path.join(directory, "run"), forms.SCHEMA)
        self.door = socket.socket(socket.AF_UNIX)
        self.door.bind(self.metadata["fl.ack"])
        os.chmod(self.metadata["fl.ack"], 0o666)
        self.door.listen()
        self.moved = threading.Condition()
        self.gone = False
        self.link = None

    def start(self, pipe):
        self.threads = [threading.Thread(target=self._hear, daemon=True),
                        threading.Thread(target=self._write, args=(pipe,), daemon=True)]
        for thread in self.threads:
            thread.start()

    def _hear(self):
        try:
            self.door.settimeout(harness.HANG)
            self.link, _ = self.door.accept()
            for line in self.link.makefile("r"):
                if line.startswith("ack "):
                    with self.moved:
                        self.acknowledged = int(line.split()[1])
                        self.moved.notify_all()
        except OSError:
            pass
        with self.moved:
            self.gone = True
            self.moved.notify_all()

    def _write(self, pipe):
        try:
            with pipe:
                pipe.write(container.header(self.metadata, MARKER))
                pipe.flush()
                for _, count, payload in self.blocks:
                    self.offered += count
                    pipe.write(forms.number(count) + forms.number(len(payload)) + payload + MARKER)
                    pipe.flush()
                    if self.rng.random() < self.wait:
                        self._wait_for(self.offered)
                with self.moved:
                    self.moved.wait_for(lambda: self.link or self.gone, harness.HANG)
                if self.link:
                    self.link.sendall(b"end %d\n" % self.offered)
        except OSError:
            pass

    def _wait_for(self, count):
        with self.moved:
            self.moved.wait_for(lambda: self.acknowledged >= count or self.gone, harness.HANG)

    def close(self):
        """The process is gone."""
        with self.moved:
            self.gone = True
            self.moved.notify_all()
        if self.link is None:
            with socket.socket(socket.AF_UNIX) as nobody:   # wakes the accepting thread
                nobody.connect(self.metadata["fl.ack"])
        if self.link:
            try:
                self.link.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self.threads:
            thread.join(harness.HANG)
        self.door.close()
        if os.path.exists(self.metadata["fl.ack"]):
            os.unlink(self.metadata["fl.ack"])

    def required(self):
        return [self.first, self.first + self.acknowledged]


class Sink:
    """Reads the stream from a pipe and acknowledges, in a thread. `numbers`: what it was handed."""

    def __init__(self, pipe, rng: random.Random, acknowledge=0.7):
        self.rng, self.odds = rng, acknowledge
        self.payloads, self.count, self.sent = [], 0, 0
        self.metadata, self.error = {}, ""
        self.wanted = 0
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self._run, args=(pipe,), daemon=True)
        self.thread.start()

    def _run(self, pipe):
        link = None
        try:
            with pipe:
                link = self._read(pipe)
        except (OSError, ValueError, IndexError) as error:
            self.error = repr(error)
        finally:
            if link:
                link.close()

    def _read(self, pipe):
        data = b""
        while True:
            try:
                self.metadata, marker, at = container.parse(data)
                break
            except ValueError:
                more = os.read(pipe.fileno(), 65536)
                if not more:
                    return None
                data += more
        link = socket.socket(socket.AF_UNIX)
        link.connect(self.metadata["fl.ack"].decode())
        link.sendall(b"FL/1 %s\nat durable test\n" % self.metadata["fl.stream"])
        data = data[at:]
        hearing = threading.Thread(target=self._hear, args=(link,), daemon=True)
        hearing.start()
        while True:
            try:
                count, place = container.read_long(data, 0)
                size, place = container.read_long(data, place)
                if len(data) < place + size + 16:
                    raise IndexError
            except IndexError:
                more = os.read(pipe.fileno(), 262144)
                if not more:
                    break
                data += more
                continue
            self.payloads.append(data[place:place + size])
            assert data[place + size:place + size + 16] == marker
            data = data[place + size + 16:]
            self.count += count
            if self.rng.random() < self.odds or self.count <= self.wanted:
                # Now and then only some events of a block.
                some = count > 1 and self.count > self.wanted and self.rng.random() < 0.3
                left = self.rng.randrange(count) if some else 0
                self._acknowledge(link, left)
        if self.odds > 0:
            self._acknowledge(link)
        link.shutdown(socket.SHUT_WR)
        hearing.join(harness.HANG)
        return link

    def _hear(self, link):
        """`want` and `end` ask for what is there; they come while nothing is read, too."""
        try:
            for line in link.makefile("r"):
                word, number = (line.split() + ["0"])[:2]
                if word in ("want", "last", "end") and self.odds > 0:
                    self.wanted = max(self.wanted, int(number))
                    self._acknowledge(link)
        except (OSError, IndexError):
            pass

    def _acknowledge(self, link, left=0):
        """Everything but the last `left` events."""
        with self.lock:
            count = self.count - (left if self.count > self.wanted else 0)
            if count > self.sent:
                self.sent = count       # before: the log may have it before sendall returns
                try:
                    link.sendall(b"ack %d\n" % count)
                except OSError:
                    pass

    def numbers(self, book: ledger.Ledger):
        found, faults = [], []
        for payload in self.payloads:
            more, wrong = book.numbers(payload)
            found, faults = found + more, faults + wrong
        return found, faults


def files_of(directory: str) -> dict:
    """A log's directory as the judge reads it."""
    found = {}
    for folder, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, directory)] = file.read()
    return found


def environment(directory: str, **more) -> dict:
    env = harness.environment(directory, **more)
    if "FL_SEEDED_BUG" in os.environ:
        env["FL_SEEDED_BUG"] = os.environ["FL_SEEDED_BUG"]
    return env


def popen(words, directory, **more):
    return subprocess.Popen(words, env=environment(directory), cwd=directory,
                            stderr=subprocess.PIPE, **more)
