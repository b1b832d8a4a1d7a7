"""A web server on loopback for tests, which answers as a function says.

    with Server(decide) as server:          # decide(request) -> status, (status, headers[, text])
        ... server.port, server.requests
        # or None: the connection is closed without an answer

A request is a Request; those with an answer of 2XX are in server.taken, too.
"""
import http.server
import threading
from typing import NamedTuple


class Request(NamedTuple):
    method: str
    path: str
    headers: dict
    body: bytes


class Server:
    def __init__(self, decide=lambda request: 200, port=0, host="127.0.0.1"):
        self.requests = []
        self.taken = []
        self.connections = 0
        self.lock = threading.Lock()
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self):
                super().setup()
                owner.connections += 1

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                request = Request(self.command, self.path,
                                  {name.lower(): value for name, value in self.headers.items()},
                                  body)
                with owner.lock:
                    owner.requests.append(request)
                    answer = decide(request)
                    status = answer[0] if isinstance(answer, tuple) else answer
                    if status is not None and 200 <= status < 300:
                        owner.taken.append(request)
                if answer is None:
                    self.close_connection = True
                    return
                text = answer[2] if isinstance(answer, tuple) and len(answer) > 2 else \
                    b"said the server" if status >= 300 else b""
                self.send_response(status)
                for name, value in (answer[1] if isinstance(answer, tuple) else {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def do_GET(self):
                self.do_POST()

            def log_message(self, *_):
                pass

        class Listener(http.server.ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, *_):
                pass

        self.server = Listener((host, port), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    def start(self):
        self.thread.start()
        return self

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
