"""A proxy before a metastore that stops at one call.

    proxy = answer_proxy.Proxy(port, b"add_partitions_req")
    proxy.url                     # for the sink
    proxy.held.wait(LIMIT)        # the call was answered, and the answer is held
    proxy.drop()                  # it is lost, and the connection with it; later ones pass
"""
import socket
import threading


class Proxy:
    def __init__(self, port, call):
        self.port, self.call = port, call
        self.held, self.dropped = threading.Event(), threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"thrift://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.port), 10)
            except OSError:
                client.close()
                continue
            asked = threading.Event()
            threading.Thread(target=self.ask, args=(client, server, asked), daemon=True).start()
            threading.Thread(target=self.answer, args=(client, server, asked), daemon=True).start()

    def ask(self, client, server, asked):
        try:
            while data := client.recv(65536):
                if self.call in data and not self.dropped.is_set():
                    asked.set()
                server.sendall(data)
        except OSError:
            pass
        self.end(client, server)

    def answer(self, client, server, asked):
        try:
            while data := server.recv(65536):
                if asked.is_set():
                    self.held.set()
                    self.dropped.wait()
                    break
                client.sendall(data)
        except OSError:
            pass
        self.end(client, server)

    @staticmethod
    def end(*sockets):
        for each in sockets:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def drop(self):
        self.dropped.set()

    def close(self):
        self.dropped.set()
        self.listener.close()
