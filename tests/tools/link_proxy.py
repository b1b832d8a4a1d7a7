"""A TCP link between two hosts that a test can cut.

    with Link("127.0.0.3", target=("127.0.0.4", port)) as link:
        ... connect to ("127.0.0.3", link.port)
        link.cut()      # every connection is reset, at whatever byte it is
        link.cut_after([700, 30_000])   # 700 bytes (of both directions) from now, and 30,000 later
"""
import socket
import struct
import threading

PIECE = 1 << 16
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset


class Link:
    def __init__(self, host: str, target, port: int = 0):
        self.target = target
        self.listener = socket.create_server((host, port))
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.ends = set()
        self.cuts = 0
        self.sizes = []  # until the next cuts
        self.left = None  # bytes until the next one

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()

    def cut(self) -> bool:
        """False: there was no connection."""
        with self.lock:
            ends, self.ends = self.ends, set()
        for end in ends:
            try:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                end.shutdown(socket.SHUT_RDWR)  # wakes its reader
            except OSError:
                pass
        self.cuts += bool(ends)
        return bool(ends)

    def cut_after(self, sizes) -> None:
        with self.lock:
            self.sizes = list(sizes)
            self.left = self.sizes.pop(0)

    def _passes(self, size: int):
        """How many of these bytes pass, and whether the link is cut after them."""
        with self.lock:
            if self.left is None:
                return size, False
            self.left -= size
            if self.left > 0:
                return size, False
            size += self.left
            self.left = self.sizes.pop(0) if self.sizes else None
            return size, True

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self.target, 10)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            with self.lock:
                self.ends |= {client, server}
            for pair in ((client, server), (server, client)):
                threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, one, other):
        try:
            while data := one.recv(PIECE):
                size, is_cut = self._passes(len(data))
                other.sendall(data[:size])
                if is_cut:
                    self.cut()
            other.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        with self.lock:
            is_first = one in self.ends
            self.ends.discard(one)
            is_last = not is_first or other not in self.ends
        if is_last:
            one.close()
            other.close()
