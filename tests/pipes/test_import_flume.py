#!/usr/bin/env python3
"""fl-channel import-flume: channels that a real Flume 1.11 left (flume-channels/), as streams.

clean: three events, stopped in order. running: the same, copied while Flume ran. inflight: three
committed, the first one taken; one put and one take open, a put rolled back.
"""
import fcntl
import json
import os
import shutil
import struct
import subprocess
import sys
import tarfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "tools")]
import harness

THREE = [{"headers": {"h1": "v1", "timestamp": "1700000000000"}, "body": "hello"},
         {"headers": {"timestamp": "1700000000001"}, "body": ""},
         {"headers": {"host": "n1", "kü": "€", "timestamp": "1700000000002"}, "body": "Grüße\t\0\n"}]
TWO = [{"headers": {"n": "2"}, "body": "e2"}, {"headers": {"n": "3"}, "body": "e3"}]


def contents(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)


def sized(field: int, data: bytes) -> bytes:
    return bytes([field << 3 | 2]) + varint(len(data)) + data


def record(kind: int, order: int, body: bytes) -> bytes:
    """A record of transaction 1."""
    head = struct.pack("<BIBQBQ", 0x0d, kind, 0x11, 1, 0x19, order)
    payload = varint(len(head)) + head + varint(len(body)) + body + b"\0"
    return b"\x7f" + struct.pack(">I", len(payload)) + payload


class ImportFlume(harness.Case):
    def unpack(self, name: str) -> str:
        shutil.rmtree(self.path(name), ignore_errors=True)
        with tarfile.open(os.path.join(HERE, "flume-channels", f"filechannel-{name}.tar.gz")) as tar:
            # Python before 3.11.4 has no filters.
            tar.extraction_filter = getattr(tarfile, "data_filter", None)
            tar.extractall(self.path(name))
        return self.path(name)

    def events(self, *words: str, statuses=(0, 0)) -> list:
        pipeline = self.pipeline(["fl-channel", "import-flume", *words],
                                 "fl-sink stdout --stream --format json --max-event 2M")
        self.check(pipeline, *statuses)
        self.said = pipeline.errors(0)
        return [json.loads(line) for line in pipeline.output().splitlines()]

    def test_with_and_without_a_checkpoint(self):
        for name, expected in (("clean", THREE), ("running", THREE), ("inflight", TWO)):
            directory = self.unpack(name)
            data, checkpoint = directory + "/data", directory + "/checkpoint"
            self.assertEqual(self.events(data), expected, name)
            self.assertEqual(self.events(data, "--checkpoint-dir", checkpoint), expected, name)
            self.assertNotIn("instead", self.said)

    def test_nothing_is_changed(self):
        directory = self.unpack("inflight")
        subprocess.run(["chmod", "-R", "a-w", directory], check=True)
        before = subprocess.run(["ls", "-lR", "--full-time", directory], check=True, capture_output=True)
        self.events(directory + "/data", "--checkpoint-dir", directory + "/checkpoint")
        after = subprocess.run(["ls", "-lR", "--full-time", directory], check=True, capture_output=True)
        self.assertEqual(before.stdout, after.stdout)
        subprocess.run(["chmod", "-R", "u+w", directory], check=True)

    def test_a_checkpoint_that_cannot_be_used(self):
        """Each byte of its files: where it matters, the data files tell the same."""
        for name in ("checkpoint.meta", "inflightputs", "inflighttakes"):
            directory = self.unpack("inflight")
            path = f"{directory}/checkpoint/{name}"
            whole = contents(path)
            for size in (0, 5, len(whole) - 1):
                if name.startswith("inflight") and size == 0:
                    continue  # Flume leaves an empty file where nothing is open
                with open(path, "wb") as file:
                    file.write(whole[:size])
                self.assertEqual(self.events(directory + "/data", "--checkpoint-dir",
                                             directory + "/checkpoint"), TWO, (name, size))
                self.assertIn("instead", self.said)
        directory = self.unpack("inflight")
        with open(directory + "/checkpoint/checkpoint", "r+b") as file:
            file.seek(4 * 8 + 7)
            file.write(b"\1")
        self.assertEqual(self.events(directory + "/data", "--checkpoint-dir",
                                     directory + "/checkpoint"), TWO)
        self.assertIn("was being written when Flume ended", self.said)

    def test_a_lost_event_is_told(self):
        """The checkpoint names events that are in no file."""
        directory = self.unpack("clean")
        os.rename(directory + "/data/log-1", directory + "/data/log-2")
        os.rename(directory + "/data/log-1.meta", directory + "/data/log-2.meta")
        self.events(directory + "/data", "--checkpoint-dir", directory + "/checkpoint",
                    statuses=(65, 65))
        self.assertIn("that file is in none of the directories", self.said)
        self.assertIn("3 events lost", self.said)

    def test_a_damaged_body_is_told(self):
        directory = self.unpack("clean")
        data = bytearray(contents(directory + "/data/log-1"))
        data[data.index(b"hello")] ^= 1
        with open(directory + "/data/log-1", "wb") as file:
            file.write(data)
        self.assertEqual(self.events(directory + "/data", statuses=(65, 65)), THREE[1:])
        self.assertIn("its checksum is wrong", self.said)

    def test_a_channel_in_use_is_refused(self):
        directory = self.unpack("running")
        with open(directory + "/data/in_use.lock", "r+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.events(directory + "/data", statuses=(75, 75))
        self.assertIn(f"in use by process {os.getpid()}", self.said)
        with open(directory + "/data/log-1", "r+b"):
            self.events(directory + "/data", statuses=(75, 75))
        self.assertIn("'log-1' is open for writing", self.said)

    def test_it_keeps_flume_out(self):
        directory = self.unpack("running")
        process = subprocess.Popen(["fl-channel", "import-flume", directory + "/data"], env=self.env(),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            process.stdout.read(4)  # it has written its header, and waits for a reader that acknowledges
            with open(directory + "/data/in_use.lock", "r+b") as file:
                def is_locked():
                    try:
                        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    except BlockingIOError:
                        return True
                    fcntl.lockf(file, fcntl.LOCK_UN)
                    return False
                harness.poll(is_locked, "a lock")
        finally:
            process.kill()
            process.communicate()

    def test_too_large_events(self):
        directory = self.unpack("clean")
        bodies = [b"x" * (1 << 20), b"y" * ((1 << 20) + 1), b"z"]
        with open(directory + "/data/log-1", "wb") as file:
            for i, body in enumerate(bodies):
                file.write(record(1, i, sized(1, sized(2, body))))
            file.write(record(4, 9, b"\x0d\1\0\0\0"))
        self.events(directory + "/data", statuses=(65, 65))
        self.assertIn("--max-event raises the limit", self.said)
        more = self.events(directory + "/data", "--max-event", "2M")
        self.assertEqual([event["body"].encode() for event in more], bodies)
        rejected = self.path("rejected.avro")
        kept = self.events(directory + "/data", "--reject", rejected)
        self.assertEqual([event["body"].encode() for event in kept], [bodies[0], bodies[2]])
        self.assertIn(bodies[1], contents(rejected))

    def test_what_is_no_channel(self):
        directory = self.unpack("clean")
        self.events(directory + "/checkpoint", statuses=(65, 65))
        self.assertIn("--checkpoint-dir", self.said)
        self.events(directory + "/data", directory + "/data", statuses=(65, 65))
        self.assertIn("have the same number", self.said)

    def test_a_data_file_may_be_a_link(self):
        data = self.unpack("inflight") + "/data"
        for name in [one for one in os.listdir(data) if one.startswith("log-")]:
            os.rename(f"{data}/{name}", self.path(name))
            os.symlink(self.path(name), f"{data}/{name}")
        self.assertEqual(self.events(data), TWO)
        with open(self.path("log-1"), "r+b"):
            self.events(data, statuses=(75, 75))

    def test_what_cannot_be_a_data_file_is_an_error(self):
        """Passed over, it would go with the directories after a 0."""
        data = self.unpack("clean") + "/data"
        odd = data + "/log-9"
        for i, make in enumerate((os.mkfifo, os.mkdir, lambda path: os.symlink("nowhere", path),
                                  lambda path: os.symlink(path, path),
                                  lambda path: os.symlink("/dev/null", path))):
            make(odd)
            self.assertEqual(self.events(data, statuses=(65, 65)), [])
            self.assertIn(f"'{odd}'", self.said)
            os.rename(odd, self.path(f"odd-{i}"))
        self.write("log-9", "")
        os.rename(self.path("log-9"), data + "/log-99999999999")
        self.events(data, statuses=(65, 65))
        self.assertIn("a number that Flume does not give", self.said)

    def test_into_a_log(self):
        directory = self.unpack("clean")
        self.check(self.pipeline(["fl-channel", "import-flume", directory + "/data"],
                                 ["fl-channel", "file", self.path("log"), "--put"]), 0, 0)
        shown = subprocess.run(["fl-channel", "cat", self.path("log")], env=self.env(), check=True,
                               capture_output=True, timeout=harness.HANG)
        self.assertEqual(shown.stdout, "hello\n\nGrüße\t\0\n\n".encode())


if __name__ == "__main__":
    harness.main()
