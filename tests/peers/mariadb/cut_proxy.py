"""Something between a client and a server that counts what the server sends.

    proxy = CutProxy(server.port)
    proxy.after(50_000, action)    # once the server has sent that much from now on: calls action(),
                                   # and then both ends of all connections are closed
    proxy.before(b"COMMIT", action)    # calls action() each time before the server gets this statement
    proxy.port; proxy.close()
"""
import contextlib
import socket
import threading


def statements_in(data):
    """Of a client's packets, which come in whole: one may follow another that has no answer."""
    while data:
        end = 4 + int.from_bytes(data[:3], "little")
        if data[4:5] == b"\x03":  # COM_QUERY
            yield data[5:end]
        data = data[end:]


class CutProxy:
    def __init__(self, port):
        self.target = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.left, self.action = None, None
        self.sockets = []
        self.cuts = 0
        self.statements = []
        threading.Thread(target=self.accept, daemon=True).start()

    def after(self, size, action=lambda: None):
        with self.lock:
            self.left, self.action = size, action

    def before(self, words, action):
        """`words`: the beginning of statements. For connections that are made from now on."""
        self.statements.append((words, action))

    def is_armed(self):
        with self.lock:
            return self.left is not None

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target), 10)
                server.settimeout(None)
            except OSError:
                client.close()
                continue
            with self.lock:
                self.sockets += [client, server]
            threading.Thread(target=self.pump, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self.pump, args=(server, client, True), daemon=True).start()

    def pump(self, source, target, counts):
        with contextlib.suppress(OSError):
            while data := source.recv(16384):
                cut = None
                if counts:
                    with self.lock:
                        if self.left is not None:
                            self.left -= len(data)
                            if self.left <= 0:
                                data = data[:len(data) + self.left]
                                cut, self.left = self.action, None
                else:
                    for statement in statements_in(data):
                        for words, action in self.statements:
                            if statement.startswith(words):
                                action()
                target.sendall(data)
                if cut:
                    cut()
                    self.cut()
                    self.cuts += 1
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self):
        with self.lock:
            ends, self.sockets = self.sockets, []
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()
