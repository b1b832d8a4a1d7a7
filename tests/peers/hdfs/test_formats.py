#!/usr/bin/env python3
"""Every file type, codec and serializer of the hdfs sink, read back by Hadoop's own reader.

One table: each row is written into HDFS by `fl-sink hdfs`, then `hdfs dfs -text` reads all files.
Not here: codec zstd of files, which Hadoop reads with native code only (tests/unit reads it with
zstd's own library). Avro's zstandard and xz need optional libraries of Java: files that this Hadoop
cannot read are named.
Properties: hdfs.fileType, hdfs.codeC, hdfs.writeFormat, hdfs.compressType, serializer,
serializer.compressionCodec.
"""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tools"))
sys.path.insert(0, os.path.join(HERE, "..", "flume"))
sys.path.insert(0, HERE)
import agent
import harness
from test_flow import LIMIT, cluster, finals

CODECS = ["gzip", "bzip2", "snappy", "lz4", "deflate", "default"]
EVENTS = 7000  # more than one block of every format, with the sizes below
PAD = 300


def lines(name):
    return [f"{name} {i} " + "x" * (i * 37 % PAD) for i in range(EVENTS)]


def rows():
    """(name, options, form): form is text, seq-text, seq-bytes or avro."""
    table = [("text", [], "text"),
             ("header_and_text", ["--serializer", "header_and_text"], "headers")]
    for codec in CODECS:
        table.append((f"stream-{codec}",
                      ["--file-type", "CompressedStream", "--code-c", codec], "text"))
    for form, write in (("seq-text", "Text"), ("seq-bytes", "Writable")):
        words = ["--file-type", "SequenceFile", "--write-format", write]
        table.append((f"{form}-none", words, form))
        for codec in CODECS:
            for kind in ("block", "record"):
                table.append((f"{form}-{codec}-{kind}",
                              [*words, "--code-c", codec, "--compress-type", kind], form))
    for codec in ("null", "deflate", "snappy", "bzip2", "zstandard", "xz"):
        table.append((f"avro-{codec}",
                      ["--serializer", "avro_event", "--compression-codec", codec,
                       "--sync-interval-bytes", "100000", "--file-suffix", ".avro"], "avro"))
    return table


def expected(name, form):
    out = []
    for i, line in enumerate(lines(name)):
        if form == "text":
            out.append(line)
        elif form == "headers":
            out.append("{timestamp=%d} %s" % (i, line))
        elif form == "seq-text":
            out.append(f"{i}\t{line}")
        elif form == "seq-bytes":
            out.append(f"{i}\t" + line.encode().hex(" "))
    return out


class Formats(harness.Case):
    def write_rows(self):
        """All rows at once, a few programs at a time: {name: its file in HDFS}."""
        env = self.env(HADOOP_CONF_DIR=os.environ["HADOOP_CONF_DIR"], HADOOP_USER_NAME="root")
        table = rows()
        for start in range(0, len(table), 4):
            running = []
            for name, words, _ in table[start:start + 4]:
                path = self.saved_stream(name)
                pipeline = self.pipeline(
                    ["fl-sink", "hdfs", "--stream", *words, f"/formats/{name}"], env=env,
                    stdin=open(path, "rb"))
                running.append(pipeline)
            for pipeline in running:
                self.check(pipeline, 0, limit=LIMIT)
        found = {}
        for name, _, _ in table:
            files = finals(f"/formats/{name}")
            self.assertEqual(len(files), 1, name)
            found[name] = files[0]
        return found

    def saved_stream(self, name):
        """The row's events, some streams one after the other; the header timestamp counts them."""
        events = [({"timestamp": str(i)}, line.encode()) for i, line in enumerate(lines(name))]
        content = b""
        part = self.path("part")
        for start in range(0, EVENTS, 1000):
            agent.write_events(part, events[start:start + 1000])
            with open(part, "rb") as file:
                content += file.read()
        return self.write(f"{name}.avro", content)

    def test_hadoop_reads_every_combination(self):
        files = self.write_rows()
        optional = ["avro-zstandard", "avro-xz"]
        unread = []
        by_name = {}
        errors = ""
        # A codec that is not there ends the shell: each optional one has a shell of its own.
        for names in [[name for name in files if name not in optional], *[[o] for o in optional]]:
            done = cluster("shell", "-text", *[files[name] for name in names], check=False)
            for line in done.stdout.decode(errors="replace").splitlines():
                by_name.setdefault(self.name_in(line), []).append(line)
            errors += done.stderr.decode(errors="replace")
        for name, _, form in rows():
            with self.subTest(name):
                got = by_name.get(name)
                if got is None and name in optional:
                    unread.append(name)
                    continue
                self.assertIsNotNone(got, f"{name}: nothing read\n{errors[-3000:]}")
                if form == "avro":
                    got = [json.loads(row) for row in got]
                    self.assertEqual([row["body"] for row in got], lines(name))
                    self.assertEqual([row["headers"] for row in got],
                                     [{"timestamp": str(i)} for i in range(EVENTS)])
                else:
                    self.assertEqual(got, expected(name, form))
        print(f"{len(files) - len(unread)} of {len(files)} combinations were read; this Hadoop has "
              f"no library for: {' '.join(unread)}")

    def name_in(self, line):
        """The row that a line of output belongs to."""
        if "\t" in line and line.split("\t")[1][:3] in self.hex_starts():
            line = bytes.fromhex(line.split("\t")[1].replace(" ", "")).decode()
        for name in sorted((row[0] for row in rows()), key=len, reverse=True):
            if name + " " in line:
                return name
        return line[:60]

    @staticmethod
    def hex_starts():
        return {row[0].encode().hex(" ")[:3] for row in rows()}


if __name__ == "__main__":
    if not os.environ.get("HDFS_DIR"):
        print("test_formats.py: started by ./run, which starts a cluster", file=sys.stderr)
        sys.exit(64)
    harness.main()
