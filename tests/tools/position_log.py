#!/usr/bin/env python3
"""A durable log as small as it can be, at the end of a pipeline: it keeps bodies and positions.

usage: position_log.py FILE [--stop-at N] [--no-resume]

Each line of FILE is one step: bodies, and the position that they reach. What has no position yet
waits in memory for the next one. --stop-at: when FILE has N bodies it creates FILE.reached and
waits to be killed, having acknowledged nothing.
"""
import argparse
import json
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "status"))
sys.dont_write_bytecode = True
import container  # noqa: E402


def events_of(data, count):
    bodies, at = [], 0
    for _ in range(count):
        while True:  # the map of headers, in blocks
            entries, at = container.read_long(data, at)
            if entries == 0:
                break
            if entries < 0:
                size, at = container.read_long(data, at)
                at += size
                continue
            for _ in range(2 * entries):
                size, at = container.read_long(data, at)
                at += size
        size, at = container.read_long(data, at)
        bodies.append(data[at:at + size].decode())
        at += size
    assert at == len(data), "the block holds more"
    return bodies


class Log:
    def __init__(self, options):
        self.options = options
        self.count = 0  # bodies in the file
        self.places = {}
        if os.path.exists(options.file):
            with open(options.file) as file:
                for line in file:
                    self.remember(json.loads(line))
        self.file = open(options.file, "a")
        self.waiting = []  # (count of the stream after it, body)
        self.positions = []  # (count, text)
        self.lines = b""
        self.read = 0  # events
        self.end = None

    def remember(self, step):
        self.count += len(step["bodies"])
        if step["position"]:
            source, place = step["position"].split(" ")
            self.places[source] = place

    def connect(self, metadata):
        self.up = socket.socket(socket.AF_UNIX)
        self.up.connect(metadata["fl.ack"])
        hello = b"FL/1 %b\n" % metadata["fl.stream"]
        if not self.options.no_resume:
            hello += b"resume\n"
            for source, place in self.places.items():
                hello += f"resume {source} {place}\n".encode()
        self.up.sendall(hello + b"at durable position log\n")

    def hear(self, flags=socket.MSG_DONTWAIT):
        try:
            while True:
                data = self.up.recv(65536, flags)
                if not data:
                    return False
                self.lines += data
                *whole, self.lines = self.lines.split(b"\n")
                for line in whole:
                    word, _, rest = line.decode().partition(" ")
                    if word == "pos":
                        count, _, text = rest.partition(" ")
                        self.positions.append((int(count), text))
                    elif word == "end":
                        self.end = int(rest)
                if flags == 0:
                    return True
        except BlockingIOError:
            return True

    def take(self, bodies):
        self.hear()  # the positions of this block were sent before it
        for body in bodies:
            self.read += 1
            self.waiting.append((self.read, body))
        self.write()

    def write(self):
        while self.positions and self.positions[0][0] <= self.read:
            count, text = self.positions.pop(0)
            self.step([body for at, body in self.waiting if at <= count], text, count)
            self.waiting = [(at, body) for at, body in self.waiting if at > count]
        if self.options.no_resume and self.waiting:
            self.step([body for _, body in self.waiting], None, self.read)
            self.waiting = []

    def step(self, bodies, position, count):
        step = {"bodies": bodies, "position": position}
        self.file.write(json.dumps(step) + "\n")
        self.file.flush()
        self.remember(step)
        if self.options.stop_at and self.count >= self.options.stop_at:
            with open(self.options.file + ".reached", "w"):
                pass
            while self.hear(0):
                pass
            sys.exit(75)
        if not self.options.stop_at:
            self.up.sendall(b"ack %d\n" % count)


def items():
    """What comes on stdin: (metadata, None) of the header, (None, bodies) of each block, and
    (None, None) at last if it ends inside one."""
    data, marker = b"", None
    while chunk := os.read(0, 1 << 20):
        data += chunk
        while True:
            try:
                if marker is None:
                    metadata, marker, at = container.parse(data)
                    item = (metadata, None)
                else:
                    count, at = container.read_long(data, 0)
                    size, at = container.read_long(data, at)
                    if len(data) < at + size + 16:
                        break
                    item = (None, events_of(data[at:at + size], count))
                    at += size + 16
            except (ValueError, IndexError):
                break  # more is to come
            data = data[at:]
            yield item
    if data:
        yield None, None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--stop-at", type=int, default=0)
    parser.add_argument("--no-resume", action="store_true")
    log = Log(parser.parse_args())
    is_whole = True
    for metadata, bodies in items():
        if metadata is not None:
            log.connect(metadata)
        elif bodies is not None:
            log.take(bodies)
        else:
            is_whole = False
    while log.end is None and log.hear(0):
        log.write()
    sys.exit(0 if log.end == log.read and not log.waiting and is_whole else 75)


if __name__ == "__main__":
    main()
