"""The header of a stream (fl-stream(5)), read and written for tests."""
import os

MAGIC = b"Obj\x01"


def read_long(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return (value >> 1) ^ -(value & 1), at


def write_long(value):
    value = value << 1 ^ value >> 63
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def parse(data):
    """(metadata, marker, where the first block begins); ValueError: it is not a header."""
    if not data.startswith(MAGIC):
        raise ValueError(f"no container: {data[:20]!r}")
    metadata, at = {}, len(MAGIC)
    try:
        while True:
            count, at = read_long(data, at)
            if count == 0:
                break
            if count < 0:
                _, at = read_long(data, at)
            for _ in range(abs(count)):
                size, at = read_long(data, at)
                key = data[at:at + size].decode()
                at += size
                size, at = read_long(data, at)
                metadata[key] = data[at:at + size]
                at += size
    except IndexError:
        raise ValueError("the header is cut") from None
    if len(data) < at + 16:
        raise ValueError("the header is cut")
    return metadata, data[at:at + 16], at + 16


def header(metadata, marker=b"m" * 16):
    parts = [MAGIC, write_long(len(metadata))]
    for key, value in metadata.items():
        value = value if isinstance(value, bytes) else value.encode()
        parts += [write_long(len(key)), key.encode(), write_long(len(value)), value]
    return b"".join(parts + [b"\x00", marker])


def events(bodies, marker=b"m" * 16):
    """One block."""
    data = b"".join(b"\x00" + write_long(len(body)) + body for body in bodies)
    return write_long(len(bodies)) + write_long(len(data)) + data + marker


def new_stream(folder, schema):
    """Metadata of a stream whose socket is not there yet."""
    name = os.urandom(16).hex()
    return {"avro.schema": schema, "avro.codec": "null", "fl.version": "1", "fl.stream": name,
            "fl.ack": os.path.join(folder, f"fl-{name}.ack")}
