"""Avro containers of events written by hand, in every legal form, each with the events it holds."""
import bz2
import json
import lzma
import zlib

SCHEMA = (b'{"type":"record","name":"Event","fields":[{"name":"headers","type":{"type":"map",'
          b'"values":"string"}},{"name":"body","type":"bytes"}]}')
MARKER = bytes(range(16))


def number(n: int) -> bytes:
    n = (n << 1) ^ (n >> 63)
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def text(value) -> bytes:
    value = value.encode() if isinstance(value, str) else value
    return number(len(value)) + value


def pairs(items) -> bytes:
    return b"".join(text(key) + text(value) for key, value in items)


def counted(items) -> bytes:
    """A map block with a positive count."""
    return number(len(items)) + pairs(items)


def sized(items) -> bytes:
    """A map block with a negative count and its size."""
    return number(-len(items)) + text(pairs(items))


def event(blocks: bytes, body) -> bytes:
    return blocks + b"\0" + text(body)


def header(metadata: bytes = b"", marker: bytes = MARKER) -> bytes:
    """`metadata`: map blocks; default: schema and codec null."""
    metadata = metadata or counted([("avro.schema", SCHEMA), ("avro.codec", b"null")])
    return b"Obj\1" + metadata + b"\0" + marker


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def snappied(data: bytes) -> bytes:
    """Literals only (snappy's format description), and the checksum that Avro appends."""
    size = bytearray()
    left = len(data)
    while left >= 0x80:
        size.append(left & 0x7F | 0x80)
        left >>= 7
    size.append(left)
    pieces = [data[i:i + 60] for i in range(0, len(data), 60)]
    literals = b"".join(bytes([(len(piece) - 1) << 2]) + piece for piece in pieces)
    return bytes(size) + literals + zlib.crc32(data).to_bytes(4, "big")


def zstandarded(data: bytes) -> bytes:
    """A frame of raw blocks (RFC 8878), its size in the header."""
    frame = b"\x28\xb5\x2f\xfd\xa0" + len(data).to_bytes(4, "little")
    pieces = [data[i:i + 100_000] for i in range(0, len(data), 100_000)]
    for i, piece in enumerate(pieces):
        last = 1 if i == len(pieces) - 1 else 0
        frame += (last | len(piece) << 3).to_bytes(3, "little") + piece
    return frame


CODECS = {"null": bytes, "deflate": deflated, "snappy": snappied, "bzip2": bz2.compress,
          "xz": lzma.compress, "zstandard": zstandarded}


def codec_header(codec: str, marker: bytes = MARKER) -> bytes:
    return header(counted([("avro.codec", codec.encode()), ("avro.schema", SCHEMA)]), marker)


def block(events: list, marker: bytes = MARKER, codec: str = "null") -> bytes:
    data = CODECS[codec](b"".join(events))
    return number(len(events)) + text(data) + marker


def with_schema(schema) -> bytes:
    """A container of one event `x` with a schema of another spelling."""
    schema = schema if isinstance(schema, bytes) else json.dumps(schema).encode()
    return header(counted([("avro.schema", schema)])) + block([event(b"", "x")])


def _schema(**changes) -> dict:
    schema = json.loads(SCHEMA)
    schema.update(changes)
    return schema


def _forms() -> dict:
    a, b, c = ("a", "1"), ("b", "2"), ("c", "")
    plain = event(b"", "plain")
    x = [({}, b"x")]
    java = {"type": "string", "avro.java.string": "String"}
    other = bytes(range(100, 116))
    many = [event(counted([("i", str(i))]), str(i)) for i in range(500)]
    many_read = [({"i": str(i)}, str(i).encode()) for i in range(500)]
    every = bytes(range(256))
    return {
        "no events": (header(), []),
        "empty map": (header() + block([plain]), [({}, b"plain")]),
        "empty body": (header() + block([event(counted([a]), "")]), [({"a": "1"}, b"")]),
        "map with a positive count": (
            header() + block([event(counted([a, b, c]), "x")]),
            [({"a": "1", "b": "2", "c": ""}, b"x")]),
        "map with a negative count and its size": (
            header() + block([event(sized([a, b, c]), "x")]),
            [({"a": "1", "b": "2", "c": ""}, b"x")]),
        "map in several blocks": (
            header() + block([event(counted([a]) + sized([b]) + counted([c]), "x"), plain]),
            [({"a": "1", "b": "2", "c": ""}, b"x"), ({}, b"plain")]),
        "duplicate keys in one block": (
            header() + block([event(counted([a, b, ("a", "last")]), "x")]),
            [({"a": "last", "b": "2"}, b"x")]),
        "duplicate keys over blocks": (
            header() + block([event(sized([a]) + sized([b, ("a", "mid")]) + counted([("a", "last")]),
                                    "x")]),
            [({"a": "last", "b": "2"}, b"x")]),
        "UTF-8 in names and values": (
            header() + block([event(sized([("größe", "наука 🜂")]), "x")]),
            [({"größe": "наука 🜂"}, b"x")]),
        "every byte in a body": (header() + block([event(b"", every)]), [({}, every)]),
        "many blocks": (header() + b"".join(block([e]) for e in many), many_read),
        "many events in a block": (header() + block(many), many_read),
        "a large event": (header() + block([event(b"", "y" * (1 << 20))]), [({}, b"y" * (1 << 20))]),
        "a large foreign block": (
            header() + block([event(b"", "z" * 1000)] * 4000), [({}, b"z" * 1000)] * 4000),
        "a block of no events between others": (
            header() + block([plain]) + block([]) + block([plain]), [({}, b"plain")] * 2),
        **{codec: (codec_header(codec) + block(many[:250], codec=codec) +
                   block(many[250:], codec=codec), many_read) for codec in CODECS},
        "codec not named": (with_schema(SCHEMA), x),
        "metadata in another order": (
            header(counted([("z", b""), ("avro.codec", b"null"), ("fl.future", b"?"),
                            ("avro.schema", SCHEMA)])) + block([event(b"", "x")]), x),
        "metadata of arbitrary bytes": (
            header(counted([("z", b"\0\xff"), ("avro.schema", SCHEMA)])) +
            block([event(b"", "x")]), x),
        "metadata with a negative count": (
            header(sized([("avro.schema", SCHEMA), ("avro.codec", b"null")])) +
            block([event(b"", "x")]), x),
        "metadata in several blocks": (
            header(counted([("avro.codec", b"null")]) + sized([("avro.schema", SCHEMA)])) +
            block([event(b"", "x")]), x),
        "schema with white space": (with_schema(json.dumps(_schema(), indent=3).encode()), x),
        "schema with its keys in another order": (
            with_schema(json.dumps(_schema(), sort_keys=True).encode()), x),
        "schema with doc and aliases": (
            with_schema(_schema(doc="an event", aliases=["E"])), x),
        "schema with a namespace": (
            with_schema(_schema(namespace="org.apache.flume.source.avro")), x),
        "schema with a full name": (with_schema(_schema(name="org.example.Event")), x),
        "schema of Flume's RPC event": (
            with_schema(_schema(name="AvroFlumeEvent", namespace="org.apache.flume.source.avro")), x),
        "schema with Java strings": (
            with_schema(_schema(fields=[
                {"name": "headers", "type": {"type": "map", "values": java,
                                             "avro.java.string": "String"}},
                {"name": "body", "type": {"type": "bytes"}, "doc": "the body"}])), x),
        "two streams": (header() + block(many[:10]) + header(marker=other) +
                        block(many[10:20], marker=other), many_read[:20]),
        "three streams of several codecs, one empty": (
            header() + block(many[:10]) + header(marker=other) +
            codec_header("deflate") + block(many[10:20], codec="deflate"), many_read[:20]),
        "streams of every codec": (
            b"".join(codec_header(codec, other) + block(many[:10], other, codec) for codec in CODECS),
            many_read[:10] * len(CODECS)),
    }


FORMS = _forms()
