#!/usr/bin/env python3
"""The link between fl-sink avro and fl-source avro, lost at the worst moment."""
import collections
import os
import re
import signal
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import harness

COUNT, BATCH = 1000, 100


class ReplyEater:
    """Passes connections on to a server, but of the first ones it keeps the reply to batch `at`, or all
    but its first `size` bytes: the client's connection ends instead. `length`: of such a reply."""

    def __init__(self, port, at, times, size=0):
        self.target = ("127.0.0.1", port)
        self.at, self.left, self.size, self.length = at, times, size, None
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
            threading.Thread(target=self.carry, args=(client, server), daemon=True).start()
            replies = 0
            while data := server.recv(1 << 16):
                replies += 1  # a client with one request in flight gets one reply at a time
                if self.left > 0 and replies == self.at:
                    self.left -= 1
                    self.length = len(data)
                    client.sendall(data[:self.size])
                    break
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)
            client.close()
            server.close()

    @staticmethod
    def carry(client, server):
        try:
            while data := client.recv(1 << 16):
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
        """After each byte of the reply: the sink sends the request again, and ends with 0."""
        receiver = self.pipeline("fl-source avro --port 0", "fl-sink stdout --stream")
        port = int(harness.poll(lambda: re.search(r"listening on \S+:(\d+)", receiver.errors(0)),
                                "it listens")[1])
        size, length = 0, 1
        while size < length:
            eater = ReplyEater(port, at=1, times=1, size=size)
            self.addCleanup(eater.close)
            sender = self.pipeline("fl-source seq --count 10",
                                   f"fl-sink avro --stream 127.0.0.1:{eater.port}")
            self.check(sender, 0, 0)
            length = eater.length
            size += 1
        self.assertGreater(length, 12)  # its frame, and something in it
        receiver.processes[0].send_signal(signal.SIGTERM)
        self.check(receiver, 0, 0)
        lines = collections.Counter(receiver.output().split())
        self.assertEqual(lines, {b"%d" % i: 2 * length for i in range(10)})
        print(f"cut after each of {length} bytes")

    def test_a_lost_reply_doubles_one_batch(self):
        """What the receiver has stored is sent again, since the sender cannot know: exactly this batch,
        for each reply that is lost, between two logs, too."""
        lost = 3
        receiver = self.pipeline("fl-source avro --port 0",
                                 f"fl-channel file --stream {self.path('in')} --put")
        port = int(harness.poll(lambda: re.search(r"listening on \S+:(\d+)", receiver.errors(0)),
                                "it listens")[1])
        eater = ReplyEater(port, at=2, times=lost)
        self.addCleanup(eater.close)
        sender = self.pipeline(f"fl-source seq --count {COUNT}",
                               f"fl-channel file --stream {self.path('out')}",
                               f"fl-sink avro --stream --batch-size {BATCH} "
                               f"127.0.0.1:{eater.port}")
        self.check(sender, 0, 0, 0)
        receiver.processes[0].send_signal(signal.SIGTERM)
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
