"""Rows, [(key, [(column, timestamp, data)])], in the formats that a gateway accepts. The timestamp None
leaves it to HBase."""
import base64
import json

PROTOBUF = "application/x-protobuf"


def number(value):
    out = b""
    value &= 2 ** 64 - 1
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(tag, data):
    return bytes([tag << 3 | 2]) + number(len(data)) + data


def cell_set(rows):
    """Protobuf, as rows_of() of the double reads it."""
    return b"".join(
        field(1, field(1, key) + b"".join(
            field(2, field(2, column) + (b"" if time is None else b"\x18" + number(time)) + field(4, data))
            for column, time, data in cells))
        for key, cells in rows)


def packed(data):
    return base64.b64encode(data).decode()


def as_json(rows):
    return json.dumps({"Row": [
        {"key": packed(key), "Cell": [
            {"column": packed(column), "$": packed(data), **({} if time is None else {"timestamp": time})}
            for column, time, data in cells]}
        for key, cells in rows]}).encode()


def as_xml(rows):
    return ("<CellSet>" + "".join(
        f'<Row key="{packed(key)}">' + "".join(
            f'<Cell column="{packed(column)}"' + ("" if time is None else f' timestamp="{time}"') +
            f">{packed(data)}</Cell>" for column, time, data in cells) + "</Row>"
        for key, cells in rows) + "</CellSet>").encode()


def row(key, column=b"f:a", time=5, data=b"v"):
    return key, [(column, time, data)]
