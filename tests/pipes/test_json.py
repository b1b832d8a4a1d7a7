#!/usr/bin/env python3
"""Events as lines of JSON: every sink that writes them, fl-source stdin --format json that reads them
back, and fl-intercept json, which makes headers of JSON bodies."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import harness


class Json(harness.Case):
    def saved(self, *stages, **options):
        """The stream that a pipeline writes, in a file."""
        pipeline = self.pipeline(*stages, **options)
        self.check(pipeline, *[0] * len(stages))
        return self.write(f"saved{self._count}.avro", pipeline.output())

    def events(self):
        """A stream of odd events: bodies of all bytes, headers too."""
        lines = [bytes([i]) * 3 for i in range(256) if i != 10] + \
            [b"", "Grüße".encode(), b"\xff\xfe", b'{"body":"x"}', b"x" * 100_000, b"\xc3" * 70_001]
        path = self.write("lines", b"".join(line + b"\n" for line in lines))
        return self.saved(["fl-intercept", "--in", path, "--text", "static", "k\"\t", "v\\ ä", "+",
                           "uuid", "+", "static", "host", "web1"]), len(lines)

    def read_back(self, path):
        return self.saved(["fl-source", "stdin", "--format", "json", path])

    def as_json(self, stream):
        pipeline = self.pipeline(["fl-sink", "stdout", "--stream", "--in", stream, "--format", "json"])
        return self.check(pipeline, 0).output()

    def test_every_writer_is_read_back(self):
        stream, count = self.events()
        wanted = self.as_json(stream)
        rows = wanted.splitlines()
        self.assertEqual(len(rows), count)
        self.assertEqual(json.loads(rows[-3])["headers"]["k\"\t"], "v\\ ä")
        self.assertGreater(sum("body64" in json.loads(row) for row in rows), 128)
        os.mkdir(self.path("rolled"))
        writers = {
            "stdout": ["stdout", "--format", "json"],
            "hdfs": ["hdfs", f"file://{self.path('hdfs')}", "--serializer", "json"],
            "hdfs gzip": ["hdfs", f"file://{self.path('gz')}", "--serializer", "json",
                          "--code-c", "gzip"],
            "file_roll": ["file_roll", self.path("rolled"), "--serializer", "json"],
        }
        for name, words in writers.items():
            with self.subTest(name):
                pipeline = self.pipeline(["fl-sink", "--stream", "--in", stream] + words)
                self.check(pipeline, 0)
                if name == "stdout":
                    files = [self.write("out.json", pipeline.output())]
                else:
                    files = harness.committed_files(
                        self.path({"hdfs": "hdfs", "hdfs gzip": "gz"}.get(name, "rolled")))
                self.assertEqual(len(files), 1)
                again = self.saved(["fl-source", "stdin", "--format", "json", "--decompress",
                                    "auto", *files])
                self.assertEqual(self.as_json(again), wanted)
        print(f"{len(writers)} writers of {count} events")

    def test_a_line_that_is_no_event_is_named(self):
        path = self.write("bad", '{"body":"a"}\n\n{"body":"b"}\n{"body":7}\n{"body":"c"}\n')
        pipeline = self.pipeline(["fl-source", "stdin", "--format", "json", path],
                                 "fl-sink stdout --stream")
        self.check(pipeline, 65, 65)
        self.assertIn(f"'{path}', line 4: \"body\" is not a string", pipeline.errors(0))
        self.assertEqual(pipeline.output(), b"a\nb\n")

    def test_reject_keeps_such_lines(self):
        path = self.write("bad", b'no\n{"body":"a"}\n{"body":"' + b"x" * 50 +
                          b'"}\n{"body":"b"}\n\xff\n')
        pipeline = self.pipeline(
            ["fl-source", "stdin", "--format", "json", "--max-event", "20", "--max-line", "20",
             "--reject", self.path("rejected"), path], "fl-sink stdout --stream")
        self.check(pipeline, 0, 0)
        self.assertEqual(pipeline.output(), b"a\nb\n")
        self.assertIn("3 events rejected", pipeline.errors(0))
        rows = [json.loads(row) for row in self.as_json(self.path("rejected")).splitlines()]
        reasons = [" ".join(row["headers"].values()) for row in rows]
        self.assertIn("line 1: not JSON", reasons[0])
        self.assertIn("line 3: no event", reasons[1])
        self.assertIn("its first 20 bytes are kept", reasons[1])
        self.assertIn("line 5", reasons[2])
        self.assertEqual([row.get("body", row.get("body64")) for row in rows],
                         ["no", '{"body":"' + "x" * 11, "/w=="])

    def test_a_line_beyond_every_limit(self):
        path = self.write("huge", b'{"body":"' + b"x" * 9_000_000 + b'"}\n{"body":"a"}\n')
        pipeline = self.pipeline(["fl-source", "stdin", "--format", "json", path],
                                 "fl-sink stdout --stream")
        self.check(pipeline, 65, 65)

    def test_other_files_are_read_after_a_bad_one(self):
        first, second = self.write("1", "x\n"), self.write("2", '{"body":"b"}')
        pipeline = self.pipeline(["fl-source", "stdin", "--format", "json", first, second],
                                 "fl-sink stdout --stream")
        self.check(pipeline, 65, 65)
        self.assertEqual(pipeline.output(), b"b\n")


class Fields(harness.Case):
    def headers(self, lines, *words, expected=(0, 0)):
        path = self.write("lines", "".join(line + "\n" for line in lines))
        pipeline = self.pipeline(["fl-intercept", "--in", path, "--text", "json", *words],
                                 "fl-sink stdout --format json --stream")
        self.check(pipeline, *expected)
        self.said = pipeline.errors(0)
        return [json.loads(row)["headers"] for row in pipeline.output().splitlines()]

    def test_fields_become_headers(self):
        lines = ['{"user":{"id":7,"tags":["a","b"]},"ok":true,"n":1.10,"level":"info"}',
                 '{"user":{"id":null}}']
        self.assertEqual(
            self.headers(lines, "id=.user.id", "tags=.user.tags", "first=.user.tags[0]", "ok", "n",
                         "--field", "level=.level"),
            [{"id": "7", "tags": '["a","b"]', "first": "a", "ok": "true", "n": "1.10",
              "level": "info"}, {}])

    def test_what_is_no_json_passes_and_is_counted(self):
        self.assertEqual(self.headers(["a", '{"x":1}', "b", "{"], "x"), [{}, {"x": "1"}, {}, {}])
        self.assertIn("a body is not JSON: ", self.said)
        self.assertIn("3 events passed without headers of its fields", self.said)

    def test_required(self):
        lines = ['{"x":1}', "a", '{"y":1}', '{"x":"' + "v" * 5000 + '"}', '{"x":2}']
        self.headers(lines, "x", "--required", expected=(65, 65))
        self.assertEqual(
            self.headers(lines, "x", "--required", "--reject", self.path("rejected")),
            [{"x": "1"}, {"x": "2"}])
        pipeline = self.pipeline(f"fl-sink stdout --format json --in {self.path('rejected')}")
        rows = self.check(pipeline, 0).output().decode()
        for reason in ("not JSON", "no field for the header 'x'", "too long for the header 'x'"):
            self.assertIn(reason, rows)

    def test_a_field_too_long_is_left_out(self):
        lines = ['{"x":"' + "v" * 5000 + '","y":2}']
        self.assertEqual(self.headers(lines, "x", "y"), [{"y": "2"}])
        self.assertIn("too long for the header 'x'", self.said)

    def test_existing_headers(self):
        lines = ['{"x":1}']
        path = self.write("lines", "".join(line + "\n" for line in lines))
        for option, value in (("--preserve-existing", "old"), ("--preserve-existing=false", "1")):
            pipeline = self.pipeline(["fl-intercept", "--in", path, "--text", "static", "x=old", "+",
                                      "json", "x", option], "fl-sink stdout --format json --stream")
            self.check(pipeline, 0, 0)
            self.assertEqual(json.loads(pipeline.output())["headers"], {"x": value})

    def test_mistakes_name_their_remedy(self):
        for words, hint in ((["x=user.id"], ".user.id"), ([".user.id"], "NAME=.user.id"),
                            (["=.x"], "user=.user.id"), (["x=.a["], ".tags[0]")):
            self.headers([], *words, expected=(78, 78))
            self.assertIn(hint, self.said)


if __name__ == "__main__":
    harness.main()
