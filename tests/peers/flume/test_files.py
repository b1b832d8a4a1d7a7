#!/usr/bin/env python3
"""The files of the hdfs sink against those of a real Flume 1.11 on file:///, from the same events.

One agent has a sink for each row of the table; a replicating source gives all of them the same
events in one batch, so that Flume flushes once. Equal means to the byte, except for random sync
markers; where another implementation of a codec compresses differently (bzip2 and snappy are
libraries of their own in Java) or Flume begins a new stream, what is decoded is compared.
Properties: hdfs.fileType, hdfs.codeC, hdfs.writeFormat, serializer, serializer.appendNewline,
serializer.compressionCodec, serializer.syncIntervalBytes, serializer.schemaURL
"""
import bz2
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tools"))
sys.path.insert(0, os.path.join(HERE, "..", "..", "interop"))  # peers
sys.path.insert(0, HERE)
import agent
import harness

LIMIT = 120
SCHEMA = ('{"type":"record","name":"Row","fields":[{"name":"n","type":"long"},'
          '{"name":"s","type":"string"}]}')


def datum(n, text):
    return agent.varint(n) + agent.sized(text.encode())


def events():
    """At most 100, the sink's batch. Each body is a datum of SCHEMA, so that every row takes it."""
    out = [({"timestamp": "1700000000000", "h1": "v1"}, datum(0, "hello")),
           ({"timestamp": "1700000000001"}, datum(1, "")),
           # The order of more keys than these depends in Java on how the map was made.
           ({"timestamp": "1700000000002", "kü": "€"}, datum(2, "Grüße\t\0\n"))]
    for i in range(3, 90):
        out.append(({"timestamp": str(1700000000000 + i), "a": str(i), "zeta": "x" * i, "B": ""},
                    datum(i, f"GET /page/{i * 7919} HTTP/1.1 " + "y" * (i % 50))))
    return out


class Row:
    """`flume`: properties of the sink; `words`: options of ours; `decode`: None compares the bytes,
    else the function that is applied to both files first."""

    def __init__(self, flume, words, decode=None):
        self.flume, self.words, self.decode = flume, words, decode


def stream(codec, decode):
    return Row(["hdfs.fileType = CompressedStream", f"hdfs.codeC = {codec}"],
               ["--file-type", "CompressedStream", "--code-c", codec], decode)


def sequence(codec, write="Writable", decode=None):
    return Row(["hdfs.fileType = SequenceFile", f"hdfs.writeFormat = {write}"]
               + ([f"hdfs.codeC = {codec}"] if codec else []),
               ["--file-type", "SequenceFile", "--write-format", write]
               + (["--code-c", codec] if codec else []), decode)


def data(serializer, words=(), flume=(), decode=None):
    return Row(["hdfs.fileType = DataStream", f"serializer = {serializer}", *flume],
               ["--serializer", serializer, *words], decode)


ROWS = {
    "text": data("TEXT"),
    "text_bare": data("text", ["--append-newline=false"], ["serializer.appendNewline = false"]),
    "header_and_text": data("HEADER_AND_TEXT"),
    "avro_event": data("avro_event"),
    "avro_event_class": data("org.apache.flume.serialization.FlumeEventAvroEventSerializer$Builder"),
    "avro_event_blocks": data("avro_event", ["--sync-interval-bytes", "1000"],
                              ["serializer.syncIntervalBytes = 1000"], decode="avro"),
    "avro_event_deflate": data("avro_event", ["--compression-codec", "deflate"],
                               ["serializer.compressionCodec = deflate"]),
    "avro_event_snappy": data("avro_event", ["--compression-codec", "snappy"],
                              ["serializer.compressionCodec = snappy"], "bodies"),
    "avro_event_bzip2": data("avro_event", ["--compression-codec", "bzip2"],
                             ["serializer.compressionCodec = bzip2"], "avro"),
    "avro_schema": data("org.apache.flume.sink.hdfs.AvroEventSerializer$Builder",
                        ["--schema-url", "SCHEMA"], ["serializer.schemaURL = file://SCHEMA"]),
    "gzip": stream("gzip", None),
    "deflate": stream("deflate", None),
    "default": stream("DefaultCodec", None),
    "bzip2": stream("bzip2", bz2.decompress),
    "snappy": stream("snappy", "blocks"),
    "sequence": sequence(None),
    "sequence_text": sequence(None, "Text"),
    "sequence_none": sequence("None"),
    "sequence_deflate": sequence("deflate"),
    "sequence_text_default": sequence("default", "Text"),
    "sequence_bzip2": sequence("bzip2", decode="sequence"),
}


def blocks_of(content):
    """Hadoop's framing: the sizes of the blocks when uncompressed; snappy itself is not decoded."""
    sizes, at = [], 0
    while at < len(content):
        raw = int.from_bytes(content[at:at + 4], "big")
        size = int.from_bytes(content[at + 4:at + 8], "big")
        sizes.append(raw)
        at += 8 + size
    return sum(sizes), at == len(content)


def without_markers(content):
    """The file with its own random marker replaced, for Avro containers and SequenceFiles."""
    if content.startswith(b"Obj\1"):
        return content.replace(content[-16:], b"M" * 16)
    if content.startswith(b"SEQ\6"):
        # The header ends with it, and it follows each four 0xff; it may end with some itself.
        at = next(m.start() for m in re.finditer(rb"(?=\xff{4})", content)
                  if content[m.start() + 4:m.start() + 20] in content[:m.start()])
        return content.replace(content[at + 4:at + 20], b"M" * 16)
    return content


def sequence_parts(content):
    """Header and the uncompressed parts of a block-compressed SequenceFile with bzip2."""
    content = without_markers(content)
    head, _, blocks = content.partition(b"\xff\xff\xff\xff" + b"M" * 16)
    parts = []
    for start in [m.start() for m in re.finditer(b"BZh9", blocks)]:
        parts.append(bz2.BZ2Decompressor().decompress(blocks[start:]))
    return head, blocks[:1], parts


class Files(harness.Case):
    def test_files_equal_flumes(self):
        schema = self.write("row.avsc", SCHEMA)
        flume_out = self.path("flume-out")
        os.mkdir(flume_out)
        theirs = self.by_flume(flume_out, schema)
        ours = self.by_us(schema)
        differ = 0
        for name, row in ROWS.items():
            with self.subTest(name):
                self.assertIn(name, theirs, "Flume has made no file")
                their_name, their = theirs[name]
                our_name, our = ours[name]
                self.assertEqual(re.sub("[0-9]+", "N", our_name), re.sub("[0-9]+", "N", their_name))
                self.compare(row, our, their)
                differ += row.decode is not None
        print(f"{len(ROWS) - differ} kinds of file are equal to the byte but for markers, {differ} "
              "when decoded")

    def compare(self, row, our, their):
        if row.decode == "avro":
            self.assertEqual(self.avro(our), self.avro(their))
        elif row.decode == "bodies":
            self.assertEqual(self.bodies(our), self.bodies(their))
        elif row.decode == "blocks":
            self.assertEqual(blocks_of(our), blocks_of(their))
        elif row.decode == "sequence":
            self.assertEqual(sequence_parts(our), sequence_parts(their))
        elif row.decode is not None:
            self.assertEqual(row.decode(our), row.decode(their))
        else:
            # gzip's ninth byte is the system: 0xff by Java in the first member, as ours.
            self.assertEqual(without_markers(our), without_markers(their))

    def avro(self, content):
        import peers
        path = self.write("one.avro", content)
        done = subprocess.run(
            [peers.fastavro_python(), "-c",
             "import sys, fastavro\n"
             "reader = fastavro.reader(open(sys.argv[1], 'rb'))\n"
             "print(reader.codec, reader.writer_schema)\n"
             "for row in reader: print(row)\n", path],
            stdout=subprocess.PIPE, check=True, timeout=LIMIT)
        return done.stdout

    def bodies(self, content):
        """fastavro comes without snappy: our own reader reads Flume's file too."""
        path = self.write("one.avro", content)
        with open(path, "rb") as stdin:
            pipeline = self.pipeline("fl-sink stdout --stream", stdin=stdin)
            self.check(pipeline, 0)
        return pipeline.output()

    def by_flume(self, out, schema):
        rows = ["a1.sources = r1", "a1.sources.r1.type = avro", "a1.sources.r1.bind = 127.0.0.1",
                f"a1.sources.r1.port = {self.port()}", "a1.sources.r1.selector.type = replicating",
                "a1.channels = " + " ".join(f"c{i}" for i in range(len(ROWS))),
                "a1.sources.r1.channels = " + " ".join(f"c{i}" for i in range(len(ROWS))),
                "a1.sinks = " + " ".join(f"k{i}" for i in range(len(ROWS)))]
        for i, (name, row) in enumerate(ROWS.items()):
            rows += [f"a1.channels.c{i}.type = memory", f"a1.sinks.k{i}.type = hdfs",
                     f"a1.sinks.k{i}.channel = c{i}",
                     f"a1.sinks.k{i}.hdfs.path = file://{out}/{name}",
                     f"a1.sinks.k{i}.hdfs.useRawLocalFileSystem = true",
                     f"a1.sinks.k{i}.hdfs.rollInterval = 0", f"a1.sinks.k{i}.hdfs.rollSize = 0",
                     f"a1.sinks.k{i}.hdfs.rollCount = {len(events())}"]
            rows += [f"a1.sinks.k{i}." + line.replace("SCHEMA", schema) for line in row.flume]
        with agent.Agent(self.dir, "\n".join(rows) + "\n") as flume:
            flume.wait_for("Avro source r1 started")
            self.assertEqual(agent.send(self.port(), events()), "OK")
            flume.poll(lambda: self.fullness(out) == len(ROWS), "a file of every sink", LIMIT)
            # Writers that hold rollCount events close when the next one comes or at the end.
            flume.stop()
        return self.collected(out)

    def port(self):
        if not hasattr(self, "_port"):
            self._port = agent.free_ports(1)[0]
        return self._port

    @staticmethod
    def fullness(out):
        """Directories with a file that is not empty (raw files show each flush)."""
        full = 0
        for folder, _, names in os.walk(out):
            full += any(os.path.getsize(os.path.join(folder, name)) > 0 for name in names)
        return full

    @staticmethod
    def collected(out):
        found = {}
        for name in os.listdir(out):
            files = [file for file in os.listdir(os.path.join(out, name))
                     if harness.is_final(file)]
            if len(files) == 1:
                with open(os.path.join(out, name, files[0]), "rb") as file:
                    found[name] = (files[0], file.read())
        return found

    def by_us(self, schema):
        stream_path = self.path("events.avro")
        agent.write_events(stream_path, events())
        out = self.path("fl-out")
        for name, row in ROWS.items():
            words = [word.replace("SCHEMA", schema) for word in row.words]
            with open(stream_path, "rb") as stdin:
                self.check(self.pipeline(
                    ["fl-sink", "hdfs", "--stream", *words, f"file://{out}/{name}"], stdin=stdin),
                    0, limit=LIMIT)
        return self.collected(out)


if __name__ == "__main__":
    harness.main()
