#!/usr/bin/env python3
"""Seed inputs of the fuzz targets.

    seeds.py DIR                        writes DIR/<target>/<name>
    seeds.py --replay PROGRAM TARGET    runs PROGRAM over the target's seeds and kept crashers
"""
import os
import re
import subprocess
import sys
import tarfile
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "tools"))
sys.dont_write_bytecode = True
import forms  # noqa: E402
import http_cases  # noqa: E402

LINES = [
    b"at printed\nack 1\nack 999\nenough\n",
    b"want 5\nend 10\nbusy\n",
    b"ack 1001\n", b"ack -1\n", b"ack 18446744073709551616\n", b"ack\n", b"\n\n\n",
    b"FL/1 00112233445566778899aabbccddeeff\nat handed on\n", b"FL/2 x\n",
    b"pos 3 opaque\nresume x\nunknown\n", b"resume\nresume a%20b %41\nat durable x\nresume c d\n",
    b"pos 3 s a\npos 3 t b\npos 2 s c\npos 999 s \npos 1001 s d\n", b"resume a %4\n", b"pos x y z\n",
    b"resume " + b"x" * 3000 + b" y\npos 1 " + b"x" * 3000 + b" y\n", b"pos 1 " + b"x" * 5000 + b"\n", b"x" * 600 + b"\n", b"end 3\nend 2\nwant 1\n",
]
TEXTS = [b"a\nb\n", b"no end", b"", b"\n\n", b"a\r\nb\r\nc\r", b"x" * 700 + b"\ny\n", b"\0\x01\xff\n"]
JSON_LINES = [
    b'{"headers":{"a":"1","b":"\xc3\xa4"},"body":"x\\n\\u0001"}', b'{"body64":"/w=="}', b"",
    b'{"headers64":{"/w==":"YQ=="},"headers":{"k":"v"},"body":""}', b'{"body":"\\ud83d\\ude00"}',
    b'{"body":1}', b"[[[[[[[[[[", b'{"headers":{"a":"1","a":"2"},"body":"x"}', b"\xff\xfe\0\x7f\n\r\t\"\\",
]


FLUME_FILES = ["log-1", "log-1.meta", "checkpoint", "checkpoint.meta", "inflightputs", "inflighttakes"]


def flume_files() -> dict:
    """The files of the channels that a real Flume left, without most of their filler."""
    found = {}
    folder = os.path.join(os.path.dirname(HERE), "pipes", "flume-channels")
    for archive in sorted(os.listdir(folder)):
        with tarfile.open(os.path.join(folder, archive)) as tar:
            for member in tar.getmembers():
                name = os.path.basename(member.name)
                if name in FLUME_FILES and member.size > 0:
                    data = tar.extractfile(member).read()
                    data = data.rstrip(b"\x80") + b"\x80" * 16 if name == "log-1" else data
                    found[f"{archive.split('.')[0]}-{name}"] = bytes([FLUME_FILES.index(name)]) + data
    return found


def seeds() -> dict:
    found = {"stream_reader": {}, "text_reader": {}, "json_line": {}, "ack_lines": {},
             "flume_channel": flume_files(), "avro_rpc": {}, "http_body": {}}
    for name, (data, _) in forms.FORMS.items():
        if len(data) < 20_000:
            name = re.sub(r"\W+", "-", name)
            found["stream_reader"][name] = bytes([len(name)]) + data
    for i, text in enumerate(TEXTS):
        for j, rules in enumerate((b"\n\xff\0\x10\xff", b"\n\x03\0\x01\x01", b"\n\x03\x01\x02\x02",
                                   b"\n\x03\x06\x02\x05", b"\xff\x07\x04\x03\x09")):
            found["text_reader"][f"{i}-{j}"] = rules + text
    for i, line in enumerate(JSON_LINES):
        found["json_line"][f"{i}-line"] = b"\0" + line
        found["json_line"][f"{i}-event"] = bytes([1, 3, 5]) + line
    for i, lines in enumerate(LINES):
        for first in (0, 1, 2, 0xFE, 0xFD):
            found["ack_lines"][f"{i}-{first}"] = bytes([first]) + lines
    for i, conversation in enumerate(captured()):
        for first in (0, 1, 2, 0xFF):
            found["avro_rpc"][f"{i}-{first}"] = bytes([first]) + conversation
    found["avro_rpc"]["reply"] = bytes([0]) + b"\2\2\4{}\2" + bytes(16) + b"\0"
    for i, case in enumerate(http_cases.all_cases()):
        kind = ["json", "blob", "body"].index(case.handler)
        charset = 2 if "16" in (case.content_type or "") else \
            3 if "32" in (case.content_type or "") else 1
        found["http_body"][f"{i}"] = bytes([kind, charset]) + (case.body or b"")
    for i, line in enumerate(JSON_LINES):
        found["http_body"][f"line-{i}"] = bytes([3, 0]) + line + b"\n" + line
    return found


def captured() -> list:
    """Conversations of Flume, as the unit tests have them."""
    path = os.path.join(os.path.dirname(HERE), "unit", "avrorpc", "captured.h")
    with open(path, encoding="ascii") as file:
        parts = re.split(r"constexpr std::string_view \w+ =", file.read())[1:]
    return [bytes.fromhex("".join(re.findall(r'"([0-9a-f]+)"', part))) for part in parts]


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
