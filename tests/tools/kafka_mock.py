#!/usr/bin/env python3
"""A cluster of Kafka without Java: librdkafka's own mock, kept in memory, with a topic "t". It
forgets the oldest of more than 5 MB in a partition, and knows no logins and no transactions.

    with kafka_mock.Cluster() as cluster:      # in this process
        cluster.address                        # HOST:PORT of each broker, with commas between
        cluster.values()                       # [b"one", b"two"]
        cluster.fill("lines")                  # its lines become records
        cluster.committed("group")             # [b"one"]
        cluster.refuse(kafka_mock.OFFSET_COMMIT, 30, 1000)     # so many, with this error

usage: kafka_mock.py PORT FILE     as a process: writes its address into FILE. It chooses its own
                                   ports, so what comes to PORT is passed on to it (0: any)
"""
import ctypes
import os
import socket
import subprocess
import sys
import threading

PRODUCER, CONSUMER = 0, 1
OFFSET_COMMIT = 8  # a kind of request


class _Partition(ctypes.Structure):
    _fields_ = [("topic", ctypes.c_char_p), ("partition", ctypes.c_int32),
                ("offset", ctypes.c_int64), ("metadata", ctypes.c_void_p),
                ("metadata_size", ctypes.c_size_t), ("opaque", ctypes.c_void_p),
                ("error", ctypes.c_int), ("own", ctypes.c_void_p)]


class _List(ctypes.Structure):
    _fields_ = [("count", ctypes.c_int), ("size", ctypes.c_int),
                ("elements", ctypes.POINTER(_Partition))]


class Cluster:
    def __init__(self, partitions=1, brokers=1):
        library = self.library = ctypes.CDLL("librdkafka.so.1")
        for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_mock_cluster_new"):
            getattr(library, name).restype = ctypes.c_void_p
        library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
        conf = ctypes.c_void_p(library.rd_kafka_conf_new())
        library.rd_kafka_conf_set_log_cb(conf, None)
        reason = ctypes.create_string_buffer(256)
        self.partitions = partitions
        self.handle = ctypes.c_void_p(
            library.rd_kafka_new(PRODUCER, conf, reason, ctypes.c_size_t(256)))
        self.cluster = ctypes.c_void_p(library.rd_kafka_mock_cluster_new(self.handle, brokers))
        library.rd_kafka_mock_topic_create(self.cluster, b"t", partitions, 1)
        self.address = library.rd_kafka_mock_cluster_bootstraps(self.cluster).decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def values(self, limit=60):
        """What the topic holds: the records of one line each."""
        done = subprocess.run(["kcat", "-b", self.address, "-C", "-t", "t", "-e", "-q"],
                              stdout=subprocess.PIPE, check=True, timeout=limit)
        return done.stdout.split(b"\n")[:-1]

    def fill(self, path, limit=60):
        """Puts the lines of a file into the topic, spread over its partitions."""
        subprocess.run(["kcat", "-b", self.address, "-P", "-t", "t", "-l", path,
                        "-X", "sticky.partitioning.linger.ms=0"], check=True, timeout=limit)

    def committed(self, group, limit=60):
        """The records, of one line each, before the offsets that the group has committed."""
        offsets = self._offsets(group, limit)
        done = subprocess.run(["kcat", "-b", self.address, "-C", "-t", "t", "-e", "-q",
                               "-f", "%p %o %s\n"], stdout=subprocess.PIPE, check=True,
                              timeout=limit)
        rows = (row.split(b" ", 2) for row in done.stdout.split(b"\n")[:-1])
        return [value for partition, offset, value in rows
                if int(offset) < offsets[int(partition)]]

    def _offsets(self, group, limit):
        """The committed offset of each partition, negative without one."""
        library = self.library
        library.rd_kafka_topic_partition_list_new.restype = ctypes.POINTER(_List)
        conf = ctypes.c_void_p(library.rd_kafka_conf_new())
        reason = ctypes.create_string_buffer(256)
        for name, value in (("bootstrap.servers", self.address), ("group.id", group)):
            library.rd_kafka_conf_set(conf, name.encode(), value.encode(), reason,
                                      ctypes.c_size_t(256))
        handle = ctypes.c_void_p(
            library.rd_kafka_new(CONSUMER, conf, reason, ctypes.c_size_t(256)))
        asked = library.rd_kafka_topic_partition_list_new(self.partitions)
        for i in range(self.partitions):
            library.rd_kafka_topic_partition_list_add(asked, b"t", i)
        try:
            error = library.rd_kafka_committed(handle, asked, limit * 1000)
            if error:
                raise OSError(f"the offsets of {group}: error {error}")
            return [asked.contents.elements[i].offset for i in range(self.partitions)]
        finally:
            library.rd_kafka_topic_partition_list_destroy(asked)
            library.rd_kafka_destroy(handle)

    def refuse(self, kind, error, count):
        """The next `count` requests of this kind are answered with the error; 0: none is any more.
        Afterwards they are answered as before: a client that asks without a pause gets there."""
        library = self.library
        library.rd_kafka_mock_clear_request_errors(self.cluster, ctypes.c_int16(kind))
        library.rd_kafka_mock_push_request_errors_array(
            self.cluster, ctypes.c_int16(kind), ctypes.c_size_t(count),
            (ctypes.c_int * count)(*[error] * count))

    def close(self):
        if self.cluster:
            self.library.rd_kafka_mock_cluster_destroy(self.cluster)
            self.library.rd_kafka_destroy(self.handle)
            self.cluster = None


def pass_on(one, other):
    try:
        while data := one.recv(1 << 16):
            other.sendall(data)
    except OSError:
        pass
    for end in (one, other):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def main():
    port, path = sys.argv[1:]
    cluster = Cluster()
    with open(path + ".new", "w") as file:
        file.write(cluster.address)
    os.rename(path + ".new", path)
    host, own_port = cluster.address.rsplit(":", 1)
    with socket.create_server(("127.0.0.1", int(port))) as door:
        while True:
            one, _ = door.accept()
            other = socket.create_connection((host, int(own_port)))
            for pair in ((one, other), (other, one)):
                threading.Thread(target=pass_on, args=pair, daemon=True).start()


if __name__ == "__main__":
    main()
