"""A WebHDFS of one process for tests: NameNode and DataNode in one, files in memory.

It keeps what was asked (`requests`) and answers `refuse(request)` first, if that returns something:
for what a real cluster does not do on command. With httpfs=True it speaks as HttpFS does, with an
ssl.SSLContext through TLS.
"""
import collections
import http.server
import json
import threading
import time
import urllib.parse

# op and query of a request as a dict of the last values; step is "name" or "data".
Request = collections.namedtuple("Request", "method path op query step body headers")


def remote(exception, message="no"):
    """The body of an error as Hadoop writes it."""
    return json.dumps({"RemoteException": {"exception": exception,
                                           "javaClassName": "org.apache.hadoop." + exception,
                                           "message": message}})


class FakeHdfs:
    """`with FakeHdfs() as hdfs:`; hdfs.url is what follows webhdfs:// and http://."""

    def __init__(self, httpfs=False, tls=None):
        self.httpfs = httpfs
        self.scheme = "https" if tls else "http"
        self.files = {}      # path -> bytes
        self.modified = {}   # path -> ms
        self.ids = {}
        self.requests = []
        self.lock = threading.Condition()
        self.uploading = 0
        self.most_uploading = 0
        self.cookie = None
        self.refuse = lambda request: None  # -> (status, body) or None
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_any(self):
                fake.answer(self)

            do_GET = do_PUT = do_POST = do_DELETE = do_any

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_):
                pass  # a client that hung up

        self.server = Server(("127.0.0.1", 0), Handler)
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.host = f"127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def of(self, op, step=None):
        """The requests of one operation so far."""
        with self.lock:
            return [r for r in self.requests if r.op == op and step in (None, r.step)]

    def finals(self):
        """Paths of files under a final name, in the order in which they were made."""
        with self.lock:
            return [p for p in sorted(self.files, key=lambda p: (len(p), p))
                    if not p.rsplit("/", 1)[1].startswith("_")]

    def hidden(self):
        with self.lock:
            return [p for p in self.files if p.rsplit("/", 1)[1].startswith("_")]

    def put(self, path, content, modified_ms=None):
        with self.lock:
            self.files[path] = content
            self.modified[path] = int(time.time() * 1000) if modified_ms is None else modified_ms
            self.ids[path] = len(self.ids) + 1

    # ------------------------------------------------------------ answering

    def answer(self, handler):
        url = urllib.parse.urlsplit(handler.path)
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        length = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(length) if length else b""
        if length and len(body) < length:
            handler.close_connection = True
            return
        path = urllib.parse.unquote(url.path).removeprefix("/webhdfs/v1") or "/"
        data = "step" in query or "data" in query
        request = Request(handler.command, path, query.get("op", "").upper(), query,
                          "data" if data else "name", body, dict(handler.headers))
        with self.lock:
            self.requests.append(request)
            if data:
                self.uploading += 1
                self.most_uploading = max(self.most_uploading, self.uploading)
            self.lock.notify_all()
        try:
            status, text, location = (*(self.refuse(request) or self.serve(request)), None)[:3]
        finally:
            if data:
                with self.lock:
                    self.uploading -= 1
        if status is None:  # hang up
            handler.close_connection = True
            return
        payload = text.encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(payload)))
        if location:
            handler.send_header("Location", location)
        if self.cookie:
            handler.send_header("Set-Cookie", self.cookie)
        if data:
            handler.send_header("Connection", "close")
            handler.close_connection = True
        handler.end_headers()
        handler.wfile.write(payload)

    def status_of(self, path, name=""):
        return {"fileId": self.ids[path], "length": len(self.files[path]), "pathSuffix": name,
                "modificationTime": self.modified[path], "type": "FILE", "permission": "644",
                "owner": "u", "group": "g", "blockSize": 1, "replication": 1}

    def serve(self, r):
        with self.lock:
            return getattr(self, "op_" + r.op.lower(), self.unknown)(r)

    def unknown(self, r):
        return 400, remote("IllegalArgumentException", "op=" + r.op)

    def op_gethomedirectory(self, r):
        return 200, json.dumps({"Path": "/user/" + r.query.get("user.name", "nobody")})

    def op_mkdirs(self, _):
        return 200, '{"boolean":true}'

    def op_create(self, r):
        if r.step == "name":
            words = [(k, v) for k, v in r.query.items()]
            words += [("data", "true")] if self.httpfs else [("step", "2")]
            host = r.headers.get("Host", self.host)
            return 307, "", (f"{self.scheme}://{host}/webhdfs/v1{urllib.parse.quote(r.path)}?"
                             f"{urllib.parse.urlencode(words)}")
        if r.path in self.files:
            return 403, remote("FileAlreadyExistsException")
        self.files[r.path] = r.body
        self.modified[r.path] = int(time.time() * 1000)
        self.ids[r.path] = len(self.ids) + 1
        return 201, ""

    def op_getfilestatus(self, r):
        if r.path in self.files:
            return 200, json.dumps({"FileStatus": self.status_of(r.path)})
        if r.path == "/" or any(p.startswith(r.path.rstrip("/") + "/") for p in self.files):
            return 200, json.dumps({"FileStatus": {
                "fileId": 1, "length": 0, "pathSuffix": "", "modificationTime": 0,
                "type": "DIRECTORY", "permission": "755", "owner": "u", "group": "g"}})
        return 404, remote("FileNotFoundException")

    def op_liststatus(self, r):
        below = r.path.rstrip("/") + "/"
        names = [p for p in self.files if p.startswith(below) and "/" not in p[len(below):]]
        if not names:
            return 404, remote("FileNotFoundException")
        return 200, json.dumps({"FileStatuses": {"FileStatus": [
            self.status_of(p, p[len(below):]) for p in names]}})

    def op_liststatus_batch(self, r):
        status, text = self.op_liststatus(r)
        if status != 200:
            return status, text
        return 200, json.dumps({"DirectoryListing": {"partialListing": json.loads(text),
                                                     "remainingEntries": 0}})

    def op_rename(self, r):
        to = r.query["destination"]
        if r.path not in self.files:
            return (200, '{"boolean":false}') if self.httpfs else \
                (404, remote("FileNotFoundException"))
        if to in self.files:
            return (200, '{"boolean":false}') if self.httpfs else \
                (403, remote("FileAlreadyExistsException"))
        for table in (self.files, self.modified, self.ids):
            table[to] = table.pop(r.path)
        return 200, '{"boolean":true}' if self.httpfs else ""

    def op_delete(self, r):
        found = self.files.pop(r.path, None) is not None
        return 200, json.dumps({"boolean": found})
