"""Avro RPC as Flume's avro source and sink speak it, for tests: a client, and a server whose answers
a test decides. An event is (headers: dict of str, body: bytes).

    with Client(port) as client:
        client.append_batch([({"h": "v"}, b"body")])     # -> "OK", "FAILED", ("error", text)
"""
import socket
import struct
import threading
import time
import zlib

FLUME_HASH = bytes.fromhex("86aadae2c45474c0fe93ffd0f2350a65")  # of Flume 1.11.0
STATUSES = ("OK", "FAILED", "UNKNOWN")
LIMIT = 30


def varint(value: int) -> bytes:
    bits = (value << 1) ^ (value >> 63)
    out = bytearray()
    while bits >= 0x80:
        out.append(bits & 0x7F | 0x80)
        bits >>= 7
    out.append(bits)
    return bytes(out)


def sized(data: bytes) -> bytes:
    return varint(len(data)) + data


def encoded(event) -> bytes:
    headers, body = event
    out = b""
    if headers:
        out = varint(len(headers)) + b"".join(
            sized(key.encode()) + sized(value.encode()) for key, value in headers.items())
    return out + b"\0" + sized(body)


def handshake(client_hash=FLUME_HASH, protocol=None, server_hash=FLUME_HASH) -> bytes:
    text = b"\0" if protocol is None else b"\2" + sized(protocol)
    return client_hash + text + server_hash + b"\2\0"


def call(name: bytes, parameters: bytes) -> bytes:
    return b"\0" + sized(name) + parameters


def array(events) -> bytes:
    body = b"".join(map(encoded, events))
    return (varint(len(events)) + body if events else b"") + b"\0"


def frame(serial: int, message: bytes, cut: int = 8192) -> bytes:
    buffers = [message[i:i + cut] for i in range(0, len(message), cut)] or [b""]
    return struct.pack(">II", serial, len(buffers)) + b"".join(
        struct.pack(">I", len(buffer)) + buffer for buffer in buffers)


class Reader:
    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        if size < 0 or self.at + size > len(self.data):
            raise EOFError
        self.at += size
        return self.data[self.at - size:self.at]

    def varint(self) -> int:
        bits = shift = 0
        while True:
            byte = self.take(1)[0]
            bits |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return (bits >> 1) ^ -(bits & 1)

    def sized(self) -> bytes:
        return self.take(self.varint())

    def blocks(self):
        """The counts of the blocks of a map or array."""
        while (count := self.varint()) != 0:
            if count < 0:
                count = -count
                self.varint()
            yield count

    def map(self) -> dict:
        return {self.sized(): self.sized() for count in self.blocks() for _ in range(count)}

    def events(self) -> list:
        return [({key.decode(): value.decode() for key, value in self.map().items()}, self.sized())
                for count in self.blocks() for _ in range(count)]


class Link:
    """A connection, packed or not."""

    def __init__(self, connection: socket.socket, deflate=False):
        self.connection = connection
        self.packer = zlib.compressobj(6) if deflate else None
        self.unpacker = zlib.decompressobj() if deflate else None
        self.plain = b""

    def send(self, data: bytes) -> None:
        if self.packer:
            data = self.packer.compress(data) + self.packer.flush(zlib.Z_SYNC_FLUSH)
        self.connection.sendall(data)

    def receive(self, size: int) -> bytes:
        while len(self.plain) < size:
            more = self.connection.recv(1 << 16)
            if not more:
                raise ConnectionError("closed")
            self.plain += self.unpacker.decompress(more) if self.unpacker else more
        data, self.plain = self.plain[:size], self.plain[size:]
        return data

    def receive_message(self):
        """(serial, message)."""
        serial, count = struct.unpack(">II", self.receive(8))
        message = b"".join(self.receive(struct.unpack(">I", self.receive(4))[0])
                           for _ in range(count))
        return serial, message


class Client:
    def __init__(self, port: int, deflate=False, limit=LIMIT):
        self.link = Link(socket.create_connection(("127.0.0.1", port), limit), deflate)
        self.serial = 0
        self.is_established = False

    @classmethod
    def of(cls, link: Link):
        """On a connection that is there."""
        client = cls.__new__(cls)
        client.link = link
        client.serial = 0
        client.is_established = False
        return client

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.link.connection.close()

    def send(self, name: bytes, parameters: bytes) -> int:
        """A request without waiting for the reply. Its serial number."""
        self.serial += 1
        first = b"" if self.serial > 1 else handshake()
        self.link.send(frame(self.serial, first + call(name, parameters)))
        return self.serial

    def reply(self):
        """(serial, what it says)."""
        serial, message = self.link.receive_message()
        reader = Reader(message)
        if not self.is_established:
            if reader.varint() == 2:
                raise ConnectionError("the server does not know our protocol")
            for read in (reader.sized, lambda: reader.take(16), reader.map):
                if reader.varint() == 1:
                    read()
            self.is_established = True
        reader.map()
        if reader.take(1) == b"\0":
            return serial, STATUSES[reader.varint()]
        reader.varint()
        return serial, ("error", reader.sized().decode())

    def append_batch(self, events):
        self.send(b"appendBatch", array(events))
        return self.reply()[1]

    def append(self, event):
        self.send(b"append", encoded(event))
        return self.reply()[1]


def connect(port: int, is_gone=lambda: False, limit=LIMIT):
    """A client as soon as somebody listens; None: is_gone() says that nobody will."""
    end = time.monotonic() + limit
    while not is_gone():
        try:
            return Client(port)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)
    return None


def send_lines(port: int, lines: list, is_gone, batch=50) -> int:
    """Sends lines in batches, each after the reply to the one before. How many were answered with
    OK, from the first on."""
    client = connect(port, is_gone)
    if client is None:
        return 0
    answered = 0
    with client:
        try:
            for i in range(0, len(lines), batch):
                part = lines[i:i + batch]
                if client.append_batch([({}, line) for line in part]) != "OK":
                    break
                answered += len(part)
        except OSError:
            pass  # it was reset: what was answered before counts
    return answered


class Server:
    """Listens on a free port of loopback. `decide(events)` says what a batch is answered: "OK",
    "FAILED", an error's text, None (no reply, the connection is closed). What was answered OK is in
    `events`."""

    def __init__(self, decide=lambda events: "OK", deflate=False, port=0):
        self.decide, self.deflate = decide, deflate
        self.events, self.batches, self.connections, self.damage = [], [], 0, []
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]
        self.open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for connection in self.open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self.open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        link = Link(connection, self.deflate)
        first = True
        with connection:
            try:
                while True:
                    serial, message = link.receive_message()
                    reader = Reader(message)
                    head = b""
                    if first:
                        reader.take(16)
                        if reader.varint() == 1:
                            reader.sized()
                        reader.take(16)
                        if reader.varint() == 1:
                            reader.map()
                        head, first = b"\0\0\0\0", False
                    reader.map()
                    name = reader.sized()
                    events = reader.events()
                    if name != b"appendBatch" or reader.at != len(reader.data):
                        self.damage.append(message)
                    self.batches.append(len(events))
                    answer = self.decide(events)
                    if answer is None:
                        return
                    if answer == "OK":
                        self.events += events
                    end = (b"\0\0" + varint(STATUSES.index(answer)) if answer in STATUSES
                           else b"\0\1\0" + sized(answer.encode()))
                    link.send(frame(serial, head + end))
            except (OSError, ConnectionError):
                pass
            except (EOFError, struct.error) as error:
                self.damage.append(error)
