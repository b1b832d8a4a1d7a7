"""A real Flume agent for tests: one JVM, started with a configuration that the test writes.

    with Agent(directory, "a1.sources = r1 ...") as agent:      # the agent's name is a1
        agent.wait_for(r"Avro source r1 started")               # a pattern in its log
        send(port, [({"h": "v"}, b"body")])                     # to an avro source
        ...
    # stopped by SIGKILL here; agent.stop() before that ends it in order (SIGTERM, status 143)

read_events(path) reads what `sink.serializer = avro_event` wrote (also while the sink has it open:
each batch is whole), write_events(path, events) writes a stream for our own tools.
An event is (headers: dict of str, body: bytes).

The jars are fetched once by Maven (pom.xml) into build/peers/flume/lib; without Java or Maven,
SystemExit(77) after "skipped: ..." (with CI=true status 1).
"""

import os
import pathlib
import re
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "tools"))
import maven  # noqa: E402
from avro_rpc import sized, varint  # noqa: E402
from ports import free_ports  # noqa: E402,F401 - for those who start agents

JARS = ROOT / "build/peers/flume"
START_LIMIT = 120
SKIPPED = 77
JVM = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.net.preferIPv4Stack=true"]
LOG = """<?xml version="1.0" encoding="UTF-8"?>
<Configuration status="ERROR">
  <Appenders><Console name="err" target="SYSTEM_ERR">
    <PatternLayout pattern="%d %-5p [%t] (%C.%M:%L) - %m%n"/>
  </Console></Appenders>
  <Loggers><Root level="INFO"><AppenderRef ref="err"/></Root></Loggers>
</Configuration>
"""


def skip(why):
    print(f"skipped: {why}", file=sys.stderr)
    sys.exit(1 if os.environ.get("CI") == "true" else SKIPPED)


def java():
    home = os.environ.get("JAVA_HOME")
    path = str(pathlib.Path(home, "bin/java")) if home else shutil.which("java")
    if not path or not os.access(path, os.X_OK):
        skip("no java")
    return path


def fetch_jars():
    """The folder of jars."""
    return maven.fetch(pathlib.Path(__file__).with_name("pom.xml"), JARS / "lib", "Flume", skip)


class Agent:
    """One agent named a1. Its files (configuration, log) are in `directory`/flume."""

    def __init__(self, directory, properties, flags=(), env=None, lib=None):
        """`properties`: the configuration's text. `flags`: for the JVM, e.g. -Dx=y. `lib`: the folder
        of another Flume's jars."""
        command = java()
        lib = lib or fetch_jars()
        self.dir = pathlib.Path(directory).resolve() / "flume"
        self.dir.mkdir(parents=True, exist_ok=True)
        (self.dir / "log4j2.xml").write_text(LOG)
        (self.dir / "a1.conf").write_text(properties)
        self.log_path = self.dir / "agent.log"
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen(
                [command, *JVM, *flags, "-cp", f"{self.dir}:{lib}/*",
                 "org.apache.flume.node.Application", "-n", "a1",
                 "-f", str(self.dir / "a1.conf"), "--no-reload-conf"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.dir,
                env={**os.environ, **(env or {})}, start_new_session=True)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_for(self, pattern, count=1, limit=START_LIMIT):
        """Waits until the pattern is in the log `count` times."""
        self.poll(lambda: len(re.findall(pattern, self.log())) >= count, f"/{pattern}/ in its log",
                  limit)

    def poll(self, condition, what, limit=START_LIMIT):
        """Waits until condition() is true, as long as the agent lives, and returns its value."""
        end = time.monotonic() + limit
        while True:
            value = condition()
            if value:
                return value
            if self.process.poll() is not None:
                raise AssertionError(f"the agent has ended\n{self.tail()}")
            if time.monotonic() > end:
                raise AssertionError(f"not within {limit} s: {what}\n{self.tail()}")
            time.sleep(0.02)

    def tail(self, rows=40):
        return "\n".join("flume: " + row for row in self.log().splitlines()[-rows:])

    def stop(self, limit=60):
        """Ends it in order and returns its status (143). Each avro source takes 4 s."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(limit)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


# ---------------------------------------------------------------- Avro

SCHEMA = (b'{"type":"record","name":"Event","fields":[{"name":"headers","type":{"type":"map",'
          b'"values":"string"}},{"name":"body","type":"bytes"}]}')
PROTOCOL_HASH = bytes.fromhex("86aadae2c45474c0fe93ffd0f2350a65")  # of Flume 1.11.0


def encoded(event):
    headers, body = event
    out = b""
    if headers:
        out = varint(len(headers)) + b"".join(
            sized(key.encode()) + sized(value.encode()) for key, value in headers.items())
    return out + b"\0" + sized(body)


class Reader:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, size):
        if size < 0 or self.at + size > len(self.data):
            raise EOFError
        self.at += size
        return self.data[self.at - size:self.at]

    def varint(self):
        bits, shift = 0, 0
        while True:
            byte = self.take(1)[0]
            bits |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return (bits >> 1) ^ -(bits & 1)

    def sized(self):
        return self.take(self.varint())

    def map(self):
        out = {}
        while (count := self.varint()) != 0:
            if count < 0:
                count = -count
                self.varint()
            for _ in range(count):
                key = self.sized().decode()
                out[key] = self.sized()
        return out

    def event(self):
        headers = {key: value.decode() for key, value in self.map().items()}
        return headers, self.sized()


def read_events(path):
    """The events of a container; what follows its last whole block is left out."""
    reader = Reader(pathlib.Path(path).read_bytes())
    events = []
    try:
        if reader.take(4) != b"Obj\1":
            raise ValueError(f"{path} is no Avro container")
        metadata = reader.map()
        if metadata.get("avro.codec", b"null") != b"null":
            raise ValueError(f"{path} is compressed")
        marker = reader.take(16)
        while True:
            count = reader.varint()
            block = Reader(reader.sized())
            if reader.take(16) != marker:
                raise ValueError(f"{path} has a wrong marker")
            events += [block.event() for _ in range(count)]
    except EOFError:
        return events


def write_events(path, events):
    """A container of one block."""
    marker = secrets.token_bytes(16)
    block = b"".join(encoded(event) for event in events)
    metadata = (varint(2) + sized(b"avro.schema") + sized(SCHEMA) + sized(b"avro.codec")
                + sized(b"null") + b"\0")
    blocks = varint(len(events)) + sized(block) + marker if events else b""
    pathlib.Path(path).write_bytes(b"Obj\1" + metadata + marker + blocks)


def send(port, events):
    """One appendBatch to an avro source. Returns its status: "OK", "FAILED"."""
    def receive(link, size):
        data = b""
        while len(data) < size:
            more = link.recv(size - len(data))
            if not more:
                raise ConnectionError("the avro source has closed the connection")
            data += more
        return data

    handshake = PROTOCOL_HASH + b"\0" + PROTOCOL_HASH + b"\x02\0"
    array = varint(len(events)) + b"".join(map(encoded, events)) if events else b""
    message = handshake + b"\0" + sized(b"appendBatch") + array + b"\0"
    with socket.create_connection(("127.0.0.1", port), timeout=30) as link:
        link.sendall(struct.pack(">iii", 1, 1, len(message)) + message)
        _, buffers = struct.unpack(">ii", receive(link, 8))
        reply = b"".join(receive(link, struct.unpack(">i", receive(link, 4))[0])
                         for _ in range(buffers))
    reader = Reader(reply)
    if reader.varint() != 0:
        raise ConnectionError("the avro source speaks another protocol")
    for read in (reader.sized, lambda: reader.take(16), reader.map):
        if reader.varint() == 1:
            read()
    reader.map()
    if reader.take(1) != b"\0":
        return "ERROR"
    return ["OK", "FAILED", "UNKNOWN"][reader.varint()]
