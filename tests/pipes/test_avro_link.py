#!/usr/bin/env python3
"""The link between fl-sink avro and fl-source avro, lost at the worst moment."""
import collections
import os
import signal
import socket
import sys
import threading
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import harness

COUNT, BATCH = 1000, 100
FEW = 5  # of a batch whose reply is cut


class ReplyEater:
    """Passes connections on to a server, but of the first ones it keeps the reply to batch `at`, or all
    but its first `size` bytes: the client's connection ends instead, and what the client sends after
    these bytes gets nowhere. `reply`: such a reply; `before`: those before it."""

    def __init__(self, port, at, times, size=0):
        self.target = ("127.0.0.1", port)
        self.at, self.left, self.size, self.before, self.reply = at, times, size, b"", b""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.target, harness.HANG)
            is_cut = threading.Event()
            threading.Thread(target=self.carry, args=(client, server, is_cut), daemon=True).start()
            replies = 0
            before = b""
            while data := server.recv(1 << 16):
                replies += 1  # a client with one request in flight gets one reply at a time
                if self.left > 0 and replies == self.at:
                    self.left -= 1
                    self.before, self.reply = before, data
                    is_cut.set()
                    client.sendall(data[:self.size])
                    break
                before += data
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)
            client.close()
            server.close()

    @staticmethod
    def carry(client, server, is_cut):
        try:
            while (data := client.recv(1 << 16)) and not is_cut.is_set():
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


class Loss(harness.Case):
    def test_a_reply_that_is_cut_anywhere_doubles_its_batch(self):
        """After each byte of the first reply, which has a handshake, and of a later one: the sink sends
        this one batch again, and ends with 0."""
        for options in ("", "--compression-type deflate"):
            for at in (1, 2):
                with self.subTest(options, at=at):
                    self.cut_replies(options, at)

    def cut_replies(self, options, at):
        receiver = self.pipeline(f"fl-source avro --port 0 {options}", "fl-sink stdout --stream")
        port = self.address(receiver)[1]
        size, length, seen = 0, 1, 0
        while size < length:
            eater = ReplyEater(port, at=at, times=1, size=size)
            self.addCleanup(eater.close)
            sender = self.pipeline(f"fl-source seq --count {2 * FEW}",
                                   f"fl-sink avro --stream --batch-size {FEW} {options} "
                                   f"127.0.0.1:{eater.port}")
            self.check(sender, 0, 0)
            length = len(eater.reply)
            # The last bytes of what is compressed only end a piece of it.
            pieces = [eater.before + eater.reply[:size], eater.before + eater.reply]
            plain = [zlib.decompressobj().decompress(piece) if options else piece for piece in pieces]
            first = FEW * (at - 1)
            doubled = range(first, first + FEW) if plain[0] != plain[1] else ()
            lines = receiver.output().split()[seen:]
            seen += len(lines)
            self.assertEqual(collections.Counter(map(int, lines)),
                             collections.Counter([*range(2 * FEW), *doubled]), size)
            size += 1
        self.assertGreater(length, 10)  # there is something to cut
        receiver.send(signal.SIGTERM, 0)
        self.check(receiver, 0, 0)
        print(f"cut after each of {length} bytes of reply {at} {options}")

    def test_a_lost_reply_doubles_one_batch(self):
        """What the receiver has stored is sent again, since the sender cannot know: exactly this batch,
        for each reply that is lost, between two logs, too."""
        lost = 3
        receiver = self.pipeline("fl-source avro --port 0",
                                 f"fl-channel file --stream {self.path('in')} --put")
        port = self.address(receiver)[1]
        eater = ReplyEater(port, at=2, times=lost)
        self.addCleanup(eater.close)
        sender = self.pipeline(f"fl-source seq --count {COUNT}",
                               f"fl-channel file --stream {self.path('out')}",
                               f"fl-sink avro --stream --batch-size {BATCH} "
                               f"127.0.0.1:{eater.port}")
        self.check(sender, 0, 0, 0)
        receiver.send(signal.SIGTERM, 0)
        self.check(receiver, 0, 0)
        stored = self.check(self.pipeline(f"fl-channel cat {self.path('in')}"), 0).output().split()
        self.assertEqual(sorted(set(map(int, stored))), list(range(COUNT)))
        doubled = len(stored) - COUNT
        self.assertEqual(eater.left, 0)
        # A batch may be smaller than BATCH: what was there when it began.
        self.assertGreater(doubled, 0)
        self.assertLessEqual(doubled, lost * BATCH)


if __name__ == "__main__":
    harness.main()
