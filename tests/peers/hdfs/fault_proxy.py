"""An HTTP proxy in front of a NameNode and its DataNodes that breaks chosen exchanges.

It passes each request on, a connection to the server for each, and leads the client to itself where
a redirect leads to a DataNode. Before it does so it asks its plan what is to go wrong with this
exchange. It runs in a thread of the test; the plan is called from there.
"""
import asyncio
import re
import socket
import struct
import threading

MAX_HEAD = 1 << 20
ENDLESS = 1 << 30  # bytes after which the proxy gives up sending without an end


class Exchange:
    """One request: `kind` is home, list, mkdirs, create, data, status, rename, delete or other."""

    def __init__(self, head: bytes, body: bytes, is_datanode: bool):
        self.head = head
        self.body = body
        method, self.target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        op = re.search(r"[?&]op=([A-Z_]+)", self.target)
        op = op.group(1) if op else ""
        if is_datanode:
            self.kind = "data" if op == "CREATE" else "other"
        else:
            self.kind = {"GETHOMEDIRECTORY": "home", "LISTSTATUS": "list",
                         "LISTSTATUS_BATCH": "list", "MKDIRS": "mkdirs", "CREATE": "create",
                         "GETFILESTATUS": "status", "RENAME": "rename",
                         "DELETE": "delete"}.get(op, "other")
        name = re.search(r"FlumeData\.(\d+)", self.target)
        self.file = int(name.group(1)) if name else None  # the counter in the name
        self.method = method


class Fault:
    """What goes wrong with one exchange; an instance of this class: nothing."""

    def __init__(self, name=""):
        self.name = name

    def request(self, request: bytes) -> bytes:
        """As much of it as the server gets; less than all: both connections end then."""
        return request

    asks_server = True

    async def reply(self, reply: bytes, writer) -> bool:
        """Sends what the client gets; False: its connection ends then."""
        writer.write(reply)
        await writer.drain()
        return True

    ends_with_reset = False


class CutRequest(Fault):
    """The server gets the first `offset` bytes of the request, the client no answer."""

    def __init__(self, offset, reset=False):
        super().__init__(f"request cut at {offset}")
        self.offset = offset
        self.ends_with_reset = reset

    def request(self, request):
        return request[:self.offset]

    async def reply(self, reply, writer):
        return False


class CutReply(Fault):
    """The server has done its part, the client gets the first `offset` bytes of the answer."""

    def __init__(self, offset, reset=False):
        super().__init__(f"reply cut at {offset}")
        self.offset = offset
        self.ends_with_reset = reset

    async def reply(self, reply, writer):
        writer.write(reply[:self.offset])
        await writer.drain()
        return False


class Answer(Fault):
    """The client gets `text`, whether the server was asked or not."""

    def __init__(self, name, text, asks_server=False):
        super().__init__(name + (" afterwards" if asks_server else ""))
        self.text = text
        self.asks_server = asks_server

    async def reply(self, reply, writer):
        writer.write(self.text)
        await writer.drain()
        return False


class Endless(Fault):
    """`head`, then `piece` again and again until the client has enough."""

    asks_server = False

    def __init__(self, name, head, piece):
        super().__init__(name)
        self.head = head
        self.piece = piece
        self.sent = 0

    async def reply(self, reply, writer):
        writer.write(self.head)
        piece = self.piece * (65536 // len(self.piece) + 1)
        while self.sent < ENDLESS:
            writer.write(piece)
            await writer.drain()
            self.sent += len(piece)
        return False


class Drip(Fault):
    """The answer comes byte by byte, in `seconds` altogether."""

    def __init__(self, seconds, after_status=False):
        """`after_status`: its first line (after 100 Continue) comes at once."""
        super().__init__(f"answer in {seconds} s")
        self.seconds = seconds
        self.after_status = after_status
        self.is_whole = False  # the client has waited for its end

    async def reply(self, reply, writer):
        start = reply.index(b"\r\n", reply.rindex(b"HTTP/1.")) + 2 if self.after_status else 0
        writer.write(reply[:start])
        for at in range(start, len(reply)):
            writer.write(reply[at:at + 1])
            await writer.drain()
            await asyncio.sleep(self.seconds / len(reply))
        self.is_whole = True
        return True


class Rewrite(Fault):
    """The real answer with something replaced."""

    def __init__(self, name, change):
        super().__init__(name)
        self.change = change

    async def reply(self, reply, writer):
        writer.write(self.change(reply))
        await writer.drain()
        return True


class Sequence:
    """A plan: each new file that is uploaded meets the next fault, once, at the first exchange of
    that fault's kind; what the client then does to recover passes."""

    def __init__(self, faults):
        self.faults = list(faults)  # (kind, Fault)
        self.next = 0
        self.armed = None
        self.file = None
        self.hits = 0
        self.lengths = {}  # kind -> longest request and reply seen

    def take(self, exchange) -> Fault:
        if exchange.kind == "create" and (self.file is None or exchange.file > self.file):
            self.file = exchange.file
            self.armed = None
            if self.next < len(self.faults):
                self.armed = self.faults[self.next]
                self.next += 1
        if self.armed and self.armed[0] == exchange.kind:
            fault, self.armed = self.armed[1], None
            self.hits += 1
            return fault
        return Fault()

    def done(self, exchange, request: int, reply: int):
        longest = self.lengths.get(exchange.kind, (0, 0))
        self.lengths[exchange.kind] = (max(longest[0], request), max(longest[1], reply))


class FirstOf:
    """A plan: the first exchange of the kind meets the fault."""

    def __init__(self, kind, fault):
        self.kind = kind
        self.fault = fault
        self.hits = 0

    def take(self, exchange):
        if exchange.kind == self.kind and not self.hits:
            self.hits += 1
            return self.fault
        return Fault()

    def done(self, *_):
        pass


def header(head: bytes, name: bytes):
    match = re.search(rb"(?im)^" + name + rb":[ \t]*([^\r\n]*)", head)
    return match.group(1) if match else None


class FaultProxy:
    """`to_namenode` and `datanodes` are ports on 127.0.0.1; `port` is where clients go.

    `change_request` and `change_reply` (optional) are applied to the bytes of every exchange,
    between proxy and server and between proxy and client.
    """

    def __init__(self, to_namenode, datanodes, plan, change_request=None, change_reply=None):
        self.plan = plan
        self.to_namenode = to_namenode
        self.datanodes = {port: 0 for port in datanodes}  # their port -> ours
        self.change_request = change_request or (lambda exchange, data: data)
        self.change_reply = change_reply or (lambda exchange, data: data)
        self.faults = []  # of the proxy itself
        self.loop = asyncio.new_event_loop()
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        self.ready.wait()

    def run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self.listen())
        self.ready.set()
        self.loop.run_forever()
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self.loop.close()

    async def listen(self):
        async def one(target, is_datanode):
            server = await asyncio.start_server(
                lambda reader, writer: self.serve(reader, writer, target, is_datanode),
                "127.0.0.1", 0, limit=MAX_HEAD)
            return server, server.sockets[0].getsockname()[1]

        self.servers = []
        server, self.port = await one(self.to_namenode, False)
        self.servers.append(server)
        for target in self.datanodes:
            server, self.datanodes[target] = await one(target, True)
            self.servers.append(server)

    def close(self):
        def end():
            for server in self.servers:
                server.close()
            self.loop.stop()
        self.loop.call_soon_threadsafe(end)
        self.thread.join()

    async def serve(self, reader, writer, target, is_datanode):
        try:
            while await self.exchange(reader, writer, target, is_datanode):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client or the server has had enough, or the test is over
        except Exception as error:  # would vanish in the event loop
            self.faults.append(repr(error))
        finally:
            writer.close()

    async def exchange(self, reader, writer, target, is_datanode) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(int(header(head, b"content-length") or 0))
        exchange = Exchange(head, body, is_datanode)
        fault = self.plan.take(exchange)
        request = head + body
        passed = fault.request(request)
        reply = b""
        if fault.asks_server:
            is_cut = len(passed) < len(request)
            if not is_cut:
                passed = self.change_request(exchange, passed)
            reply = await self.ask(target, passed, is_cut)
            reply = self.change_reply(exchange, self.lead_here(reply))
        if type(fault) is Fault:
            self.plan.done(exchange, len(request), len(reply))
        goes_on = await fault.reply(reply, writer)
        if not goes_on and fault.ends_with_reset:
            # Whatever the client has not read yet may be lost to it, as on a real network.
            writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return goes_on and not (header(reply, b"connection") or b"").lower() == b"close"

    async def ask(self, target, request: bytes, is_cut: bool) -> bytes:
        """The server's whole answer. A request that was cut ends its connection and has none."""
        reader, writer = await asyncio.open_connection("127.0.0.1", target, limit=MAX_HEAD)
        try:
            writer.write(request)
            await writer.drain()
            if is_cut:
                return b""
            reply = b""
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                reply += head
                if head.split(b" ", 2)[1] != b"100":
                    break
            length = header(head, b"content-length")
            if length is not None:
                reply += await reader.readexactly(int(length))
            elif b"chunked" in (header(head, b"transfer-encoding") or b"").lower():
                while True:
                    line = await reader.readline()
                    chunk = await reader.readexactly(int(line, 16) + 2)
                    reply += line + chunk
                    if chunk == b"\r\n":
                        break
            else:
                reply += await reader.read()
            return reply
        finally:
            writer.close()

    def lead_here(self, reply: bytes) -> bytes:
        """The Location of a DataNode becomes one of ours."""
        def ours(match):
            port = int(match.group(2))
            return match.group(1) + str(self.datanodes.get(port, port)).encode()
        return re.sub(rb"(?im)^(location: http://127\.0\.0\.1:)(\d+)", ours, reply)
