"""Thrift's binary protocol, as far as tests of Hive need it: values in, bytes out, and back.

A struct is a Struct of field numbers, a map a Map, a list a list (List(type) if it is empty), an i64
or i16 an I64 or I16, an i32 an int. What is read comes as the same types; a string is bytes that
text() decodes.
"""
import struct as packing

CALL, REPLY, EXCEPTION = 1, 2, 3
BOOL, BYTE, DOUBLE, I16_T, I32_T, I64_T, STRING, STRUCT, MAP, SET, LIST = 2, 3, 4, 6, 8, 10, 11, 12, 13, 14, 15
VERSION = 0x80010000


class Struct(dict):
    pass


class Map(dict):
    pass


class I64(int):
    pass


class I16(int):
    pass


class List(list):
    """Of a type that it shows also when it is empty."""

    def __init__(self, kind, items=()):
        super().__init__(items)
        self.kind = kind


def kind_of(value):
    for types, kind in ((bool, BOOL), (I64, I64_T), (I16, I16_T), (int, I32_T), ((str, bytes), STRING),
                        (Struct, STRUCT), (Map, MAP), (list, LIST)):
        if isinstance(value, types):
            return kind
    raise TypeError(value)


def encode(value):
    kind = kind_of(value)
    if kind == BOOL:
        return bytes([value])
    if kind in (I64_T, I16_T, I32_T):
        return packing.pack({I64_T: ">q", I16_T: ">h", I32_T: ">i"}[kind], value)
    if kind == STRING:
        data = value.encode() if isinstance(value, str) else value
        return packing.pack(">i", len(data)) + data
    if kind == STRUCT:
        return b"".join(bytes([kind_of(each)]) + packing.pack(">h", number) + encode(each)
                        for number, each in value.items() if each is not None) + b"\0"
    if kind == MAP:
        return (bytes([STRING, STRING]) + packing.pack(">i", len(value)) +
                b"".join(encode(k) + encode(v) for k, v in value.items()))
    item = value.kind if isinstance(value, List) else kind_of(value[0])
    return bytes([item]) + packing.pack(">i", len(value)) + b"".join(map(encode, value))


def message(name, body, sequence=1, kind=CALL):
    return packing.pack(">I", VERSION | kind) + encode(name) + packing.pack(">i", sequence) + encode(body)


def read_value(take, kind):
    number = lambda form: packing.unpack(form, take(packing.calcsize(form)))[0]
    if kind == BOOL:
        return take(1) != b"\0"
    if kind == BYTE:
        return number(">b")
    if kind == DOUBLE:
        return number(">d")
    if kind == I16_T:
        return I16(number(">h"))
    if kind == I32_T:
        return number(">i")
    if kind == I64_T:
        return I64(number(">q"))
    if kind == STRING:
        return take(number(">i"))
    if kind == STRUCT:
        found = Struct()
        while (field := take(1)[0]) != 0:
            at = number(">h")
            found[at] = read_value(take, field)
        return found
    if kind == MAP:
        keys, values = take(2)
        return Map((read_value(take, keys), read_value(take, values)) for _ in range(number(">i")))
    if kind in (LIST, SET):
        item = take(1)[0]
        return List(item, [read_value(take, item) for _ in range(number(">i"))])
    raise ValueError(f"type {kind}")


def read_message(take):
    """(name, kind, sequence, struct) of what take(n) hands out."""
    version = packing.unpack(">I", take(4))[0]
    if version & 0xFFFF0000 != VERSION:
        raise ValueError(f"no message: {version:#x}")
    name = take(packing.unpack(">i", take(4))[0]).decode()
    sequence = packing.unpack(">i", take(4))[0]
    return name, version & 0xFF, sequence, read_value(take, STRUCT)


def taker(data):
    """take(n) over bytes."""
    at = 0

    def take(n):
        nonlocal at
        if n < 0 or at + n > len(data):
            raise EOFError
        at += n
        return data[at - n:at]
    return take


def text(value):
    return value.decode() if isinstance(value, bytes) else value
