#!/usr/bin/env python3
"""Seed inputs of the fuzz targets.

    seeds.py DIR                        writes DIR/<target>/<name>
    seeds.py --replay PROGRAM TARGET    runs PROGRAM over the target's seeds and kept crashers
"""
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "interop"))
sys.dont_write_bytecode = True
import forms  # noqa: E402

LINES = [
    b"at printed\nack 1\nack 999\nenough\n",
    b"want 5\nend 10\nbusy\n",
    b"ack 1001\n", b"ack -1\n", b"ack 18446744073709551616\n", b"ack\n", b"\n\n\n",
    b"FL/1 00112233445566778899aabbccddeeff\nat handed on\n", b"FL/2 x\n",
    b"pos 3 opaque\nresume x\nunknown\n", b"x" * 600 + b"\n", b"end 3\nend 2\nwant 1\n",
]
TEXTS = [b"a\nb\n", b"no end", b"", b"\n\n", b"a\r\nb\r\nc\r", b"x" * 700 + b"\ny\n", b"\0\x01\xff\n"]


def seeds() -> dict:
    found = {"stream_reader": {}, "text_reader": {}, "ack_lines": {}}
    for name, (data, _) in forms.FORMS.items():
        if len(data) < 20_000:
            name = re.sub(r"\W+", "-", name)
            found["stream_reader"][name] = bytes([len(name)]) + data
    for i, text in enumerate(TEXTS):
        for j, rules in enumerate((b"\n\xff\0\x10\xff", b"\n\x03\0\x01\x01", b"\n\x03\x01\x02\x02",
                                   b"\n\x03\x06\x02\x05", b"\xff\x07\x04\x03\x09")):
            found["text_reader"][f"{i}-{j}"] = rules + text
    for i, lines in enumerate(LINES):
        for first in (0, 1, 2, 0xFE, 0xFD):
            found["ack_lines"][f"{i}-{first}"] = bytes([first]) + lines
    return found


def write(directory: str) -> None:
    for target, inputs in seeds().items():
        os.makedirs(os.path.join(directory, target), exist_ok=True)
        for name, data in inputs.items():
            with open(os.path.join(directory, target, name), "wb") as file:
                file.write(data)


def replay(program: str, target: str) -> int:
    with tempfile.TemporaryDirectory() as directory:
        write(directory)
        inputs = []
        for folder in (os.path.join(directory, target), os.path.join(HERE, "crashers", target)):
            if os.path.isdir(folder):
                inputs += [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
        done = subprocess.run([program, *inputs], stderr=subprocess.PIPE, text=True, check=False)
    print(f"{len(inputs)} inputs, status {done.returncode}")
    if done.returncode != 0:
        print(done.stderr[-3000:])
    return 1 if done.returncode else 0


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "--replay":
        sys.exit(replay(sys.argv[2], sys.argv[3]))
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    write(sys.argv[1])
