#!/usr/bin/env python3
"""fl-source stdin --decompress: every format, from a pipe and from files, whole, cut and damaged."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import harness
from packing import formats

LINES = [b"line %d " % i + b"x" * (i % 200) for i in range(20_000)]
TEXT = b"".join(line + b"\n" for line in LINES)


class Packed(harness.Case):
    def run_it(self, *words, data=None, pieces=0):
        """Statuses and stdout; `data` goes through a pipe, `pieces` bytes at a time."""
        options = {}
        if data is not None:
            reader, writer = os.pipe()
            options["stdin"] = reader
        pipeline = self.pipeline(["fl-source", "stdin", *words], "fl-sink stdout --stream",
                                 **options)
        if data is not None:
            os.close(reader)
            with os.fdopen(writer, "wb", buffering=0) as file:
                try:
                    for at in range(0, len(data), pieces or len(data) or 1):
                        rest = memoryview(data)[at:at + (pieces or len(data))]
                        while rest:
                            rest = rest[file.write(rest):]
                except BrokenPipeError:
                    pass
        statuses = pipeline.wait()
        self.said = pipeline.errors(0)
        return statuses, pipeline.output()

    def test_every_format_from_a_pipe_and_from_files(self):
        for name, (suffix, pack, _) in formats().items():
            packed = pack(TEXT)
            twice = pack(TEXT[:5_000]) + pack(TEXT[5_000:])
            path = self.write("text" + suffix, packed)
            for how in (name, "auto"):
                with self.subTest(f"{name} {how}"):
                    self.assertEqual(self.run_it("--decompress", how, data=packed), ([0, 0], TEXT))
                    self.assertEqual(self.run_it("--decompress", how, path, path),
                                     ([0, 0], TEXT + TEXT))
                    self.assertEqual(self.run_it("--decompress", how, data=twice), ([0, 0], TEXT))
            few = b"".join(line + b"\n" for line in LINES[:20])
            small = pack(few)
            self.assertEqual(self.run_it("--decompress", "auto", data=small, pieces=1),
                             ([0, 0], few))
            self.assertEqual(self.run_it("--decompress", name, data=pack(b"")), ([0, 0], b""))
        print(f"formats: {', '.join(formats())}")

    def test_compressed_input_is_refused_and_says_how_to_read_it(self):
        for name, (suffix, pack, _) in formats().items():
            packed = pack(TEXT)
            path = self.write("text" + suffix, packed)
            odd = self.write("odd" + suffix + ".1", packed)
            with self.subTest(name):
                for words, data in (((), packed), ((path,), None), (("--decompress", "auto", odd), None)):
                    self.assertEqual(self.run_it(*words, data=data), ([65, 65], b""))
                    self.assertIn(f"--decompress {name}", self.said)
                statuses, out = self.run_it("--text", data=packed)
                self.assertEqual(statuses, [0, 0])
                self.assertEqual(out.rstrip(b"\n"), packed.rstrip(b"\n"))

    def test_damaged_and_cut_data_are_65_and_the_next_file_is_read(self):
        after = self.write("after", b"the next file\n")
        for name, (suffix, pack, _) in formats().items():
            packed = pack(TEXT)
            cut = self.write("cut" + suffix, packed[:len(packed) // 2])
            middle = len(packed) // 2
            changed = bytes(b ^ 0x55 for b in packed[middle:middle + 64])
            damaged = self.write("damaged" + suffix,
                                 packed[:middle] + changed + packed[middle + 64:])
            for path in (cut, damaged):
                with self.subTest(os.path.basename(path)):
                    statuses, out = self.run_it("--decompress", "auto", path, after)
                    self.assertEqual(statuses, [65, 65])
                    self.assertIn(f"'{path}'", self.said)
                    lines = out.split(b"\n")
                    self.assertEqual(lines[-2:], [b"the next file", b""])

    def test_what_is_not_compressed(self):
        for data in (b"text\n", b"a\n", b"x", b""):
            self.assertEqual(self.run_it("--decompress", "auto", data=data)[0], [0, 0], data)
        self.assertEqual(self.run_it("--decompress", "gzip", data=b"text\n"), ([65, 65], b""))
        self.assertIn("it is not gzip data", self.said)
        path = self.write("text.gz", b"text\n")
        self.assertEqual(self.run_it("--decompress", "auto", path), ([65, 65], b""))
        self.assertIn("as its name says", self.said)

    def test_utf16_is_refused(self):
        for charset in ("utf-16-le", "utf-16-be"):
            data = ("\ufeff" + "text\n").encode(charset)
            self.assertEqual(self.run_it(data=data), ([65, 65], b""))
            self.assertIn("iconv", self.said)


if __name__ == "__main__":
    harness.main()
