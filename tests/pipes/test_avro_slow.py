#!/usr/bin/env python3
"""fl-source avro when something is slow: the stages after it, or clients on purpose."""
import collections
import os
import re
import signal
import socket
import ssl
import struct
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import certificates
import harness
from avro_rpc import Client, Link, array


def is_stopped(pid):
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0] == "T"


class Slow(harness.Case):
    def start(self, *stages, options=""):
        """fl-source avro on a free port, which is self.port, and the stages after it."""
        pipeline = self.pipeline(f"fl-source avro --port 0 {options}", *stages)
        self.port = self.address(pipeline)[1]
        return pipeline

    def stop(self, pipeline, *expected):
        pipeline.send(signal.SIGTERM, 0)
        return self.check(pipeline, *expected)

    def freeze(self, process):
        process.send_signal(signal.SIGSTOP)
        harness.poll(lambda: is_stopped(process.pid), "it is stopped")

    def test_what_a_client_sent_that_has_gone_is_not_taken(self):
        """Clients give up while their requests wait unread, or their connections unaccepted. Those
        that have ended their own side only are answered."""
        ca = certificates.Authority(self.path("ca"))
        server = ca.issue("server")
        context = ssl.create_default_context(cafile=ca.certificate)
        for options in ("", "--compression-type deflate", f"--tls --keystore {server.joined()}"):
            with self.subTest(options):
                self.gone(options, context if "--tls" in options else None)

    def gone(self, options, context):
        pipeline = self.start("fl-sink stdout --stream", options=options)
        source = pipeline.processes[0]
        deflate = "deflate" in options

        def client():
            raw = socket.create_connection(("127.0.0.1", self.port), harness.HANG)
            self.addCleanup(raw.close)
            made = context.wrap_socket(raw, server_hostname="localhost") if context else raw
            self.addCleanup(made.close)
            return Client.of(Link(made, deflate))
        clients = [client() for _ in range(8)]
        for i, each in enumerate(clients):
            self.assertEqual(each.append(({}, b"before %d" % i)), "OK")
        self.freeze(source)
        # Through TLS nobody connects to a source that does not run.
        clients += [client() for _ in range(0 if context else 4)]
        half = clients[::4]
        for i, each in enumerate(clients):
            each.send(b"appendBatch", array([({}, b"%s %d" % (b"half" if each in half else b"gone", i))]))
            if each not in half:
                each.link.connection.close()
            elif not context:  # Python's TLS cannot
                each.link.connection.shutdown(socket.SHUT_WR)
        source.send_signal(signal.SIGCONT)
        for each in half:
            self.assertEqual(each.reply()[1], "OK")
            if not context:
                self.assertEqual(each.link.connection.recv(1), b"")
            each.link.connection.close()
        self.stop(pipeline, 0, 0)
        lines = pipeline.output().decode().split("\n")[:-1]
        self.assertEqual(sorted(lines), sorted(
            [f"before {i}" for i in range(8)] + [f"half {i}" for i in range(0, len(clients), 4)]))

    def test_a_half_closed_client_with_several_requests_is_answered(self):
        """In order, also where replies are owed when its end is seen."""
        pipeline = self.start("fl-sink stdout --stream")
        with Client(self.port) as client:
            self.freeze(pipeline.processes[0])
            for i in range(50):
                client.send(b"appendBatch", array([({}, b"%d" % i)] * (i % 3)))
            client.link.connection.shutdown(socket.SHUT_WR)
            pipeline.processes[0].send_signal(signal.SIGCONT)
            self.assertEqual([client.reply() for _ in range(50)],
                             [(i + 1, "OK") for i in range(50)])
            self.assertEqual(client.link.connection.recv(1), b"")
        self.stop(pipeline, 0, 0)
        self.assertEqual(pipeline.output().split(),
                         [b"%d" % i for i in range(50) for _ in range(i % 3)])

    def test_a_stage_that_stands_still_doubles_a_batch_once(self):
        """Not once for each time that the sender has waited in vain, whether the pipe to the stage is
        full (large batches) or not."""
        self.write("lines", b"".join(b"%0999d\n" % i for i in range(3000)))
        for size in (1000, 5):
            with self.subTest(size):
                self.stand_still(size)

    def stand_still(self, size):
        receiver = self.start("fl-sink stdout --stream")
        sender = self.pipeline(f"fl-source stdin {self.path('lines')}",
                               f"fl-sink avro --stream --batch-size {size} --request-timeout 200ms "
                               f"--grace 60s 127.0.0.1:{self.port}")
        harness.poll(receiver.output, "the first events")
        self.freeze(receiver.processes[1])

        def failures():
            sender.send(signal.SIGUSR1, 1)
            found = re.findall(r"(\d+) failures", sender.errors(1))
            return found and int(found[-1]) >= 6
        harness.poll(failures, "it has sent one batch several times")
        receiver.processes[1].send_signal(signal.SIGCONT)
        self.check(sender, 0, 0, limit=3 * harness.HANG)
        self.stop(receiver, 0, 0)
        copies = collections.Counter(map(int, receiver.output().split()))
        self.assertEqual(sorted(copies), list(range(3000)))
        print(f"copies of an event: {sorted(collections.Counter(copies.values()).items())}")
        # A third one where the machine is too busy to answer within 200 ms afterwards.
        self.assertLessEqual(max(copies.values()), 3)

    def test_clients_that_hold_all_memory_and_send_little_are_ended(self):
        """Five requests that lack little take all of it: nobody else is read until one is whole."""
        pipeline = self.start("fl-sink stdout --stream", options=f"--request-timeout 1s --metrics {self.path('figures')} "
                                      "--metrics-interval 100ms")
        size, left, over = (16 << 20) - 100, 2 << 20, threading.Event()
        self.addCleanup(over.set)

        def hold(link):
            try:
                link.sendall(struct.pack(">III", 1, 1, size) + bytes(size - left))
                for _ in range(left // 1000):
                    link.sendall(bytes(1000))
                    if over.wait(0.05):  # its pace: 20 KB/s, which is enough where nobody waits
                        return
            except OSError:
                pass
        threads = []
        for _ in range(5):
            link = socket.create_connection(("127.0.0.1", self.port), harness.HANG)
            self.addCleanup(link.close)
            threads.append(threading.Thread(target=hold, args=(link,)))
            threads[-1].start()

        def is_full():
            if not os.path.exists(self.path("figures")):
                return False
            with open(self.path("figures")) as file:
                return int(re.search(r"^\S*held_bytes\S* (\d+)", file.read(), re.M)[1]) >= 64 << 20
        harness.poll(is_full, "all memory is taken")
        with Client(self.port) as client:
            self.assertEqual(client.append(({}, b"x")), "OK")
        over.set()
        for thread in threads:
            thread.join()
        self.stop(pipeline, 0, 0)
        self.assertIn("others wait for its memory", pipeline.errors(0))
        self.assertEqual(pipeline.output(), b"x\n")

    def test_what_does_not_fit_names_the_option(self):
        pipeline = self.start("fl-sink stdout --stream",
                              options="--max-request 64K --client-ip-header from")
        with Client(self.port) as client:
            kind, text = client.append(({f"h{i}": "v" for i in range(64)}, b"x"))
            self.assertEqual(kind, "error")
            self.assertIn("event 1: it leaves no room for --client-ip-header", text)
            kind, text = client.append(({f"h{i}": "v" for i in range(65)}, b"x"))
            self.assertIn("event 1: it has more than 64 headers", text)
            self.assertEqual(client.append(({f"h{i}": "v" for i in range(63)}, b"y")), "OK")
            client.link.connection.sendall(struct.pack(">III", 9, 1, (64 << 10) + 1))
            self.assertEqual(client.link.connection.recv(1), b"")
        self.stop(pipeline, 0, 0)
        self.assertIn("leaves no room for --client-ip-header", pipeline.errors(0))
        self.assertIn("a larger --max-request, or smaller batches?", pipeline.errors(0))
        self.assertEqual(pipeline.output(), b"y\n")


if __name__ == "__main__":
    harness.main()
