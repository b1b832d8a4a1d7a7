"""A server that speaks as much of the protocol as a test of logins needs.

    server = FakeServer("127.0.0.1", 0)      # or FakeServer(path of a socket)
    server.port
    server.logins                            # of each connection: the packets that the client sent
    server.close()

It greets as MariaDB, and asks each client for its password in the clear (mysql_clear_password).

    SlowServer(SlowServer.SILENT)            # accepts and says nothing
    SlowServer(SlowServer.DRIBBLE)           # sends a byte of its greeting now and then, without an end
"""
import contextlib
import socket
import threading

PLUGIN = b"mysql_native_password\0"
LONG_PASSWORD, WITH_DB, PROTOCOL_41, SECURE, PLUGIN_AUTH = 1, 8, 0x200, 0x8000, 0x80000
CAPABILITIES = LONG_PASSWORD | WITH_DB | PROTOCOL_41 | SECURE | PLUGIN_AUTH
LIMIT = 60


def packet(number, data):
    return len(data).to_bytes(3, "little") + bytes([number]) + data


def greeting():
    return packet(0, b"\x0a5.5.5-10.11.0-MariaDB\0" + (1).to_bytes(4, "little") + b"12345678\0"
                  + (CAPABILITIES & 0xffff).to_bytes(2, "little") + b"\x2d\x02\x00"
                  + (CAPABILITIES >> 16).to_bytes(2, "little") + b"\x15" + b"\0" * 10
                  + b"123456789012\0" + PLUGIN)


class Listener:
    def __init__(self, *address):
        if len(address) == 2:
            self.listener = socket.create_server(address)
            self.port = self.listener.getsockname()[1]
        else:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(address[0])
            self.listener.listen()
        self.clients = []
        self.connected = threading.Event()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                client.settimeout(LIMIT)
                self.clients.append(client)
                self.connected.set()
                threading.Thread(target=self.talk, args=(client,), daemon=True).start()

    def close(self):
        for each in (self.listener, *self.clients):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


class FakeServer(Listener):
    def __init__(self, *address):
        self.logins = []
        super().__init__(*address)

    def talk(self, client):
        said = []
        self.logins.append(said)
        with contextlib.suppress(OSError):
            client.sendall(greeting())
            said.append(client.recv(4096))
            client.sendall(packet(2, b"\xfemysql_clear_password\0"))
            said.append(client.recv(4096))
            client.sendall(packet(4, b"\xff\x15\x04#28000Access denied"))
        client.close()


class SlowServer(Listener):
    SILENT, DRIBBLE = range(2)

    def __init__(self, kind):
        self.kind = kind
        self.is_over = threading.Event()
        super().__init__("127.0.0.1", 0)

    def talk(self, client):
        with contextlib.suppress(OSError):
            if self.kind == self.DRIBBLE:
                # A packet whose end is far away.
                client.sendall(packet(0, b"\x0a" * 200_000)[:5])
                while not self.is_over.wait(0.3):
                    client.sendall(b"\x0a")

    def close(self):
        self.is_over.set()
        super().close()
