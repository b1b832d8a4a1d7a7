"""Questions and orders to Kafka brokers, over their own protocol and without a client library.

    admin = Admin([("127.0.0.1", 19092)])
    admin.create("trades", partitions=3)
    admin.committed("group", "trades")       # {0: 17}: partitions that have a committed offset

Each call opens a connection of its own and takes milliseconds. An error of the broker is a
KafkaError with its number (https://kafka.apache.org/protocol#protocol_error_codes).
"""
import socket
import struct
import time

LIMIT = 60  # seconds that a call may take
UNKNOWN_TOPIC, NOT_AVAILABLE, LOADING, NO_COORDINATOR, NOT_COORDINATOR = 3, 5, 14, 15, 16
TOPIC_EXISTS = 36
PASSING = {NOT_AVAILABLE, 6, 7, LOADING, NO_COORDINATOR, NOT_COORDINATOR, 41}
MADE = set()  # topics of this process, each with the brokers that have it


class KafkaError(Exception):
    def __init__(self, number, what):
        super().__init__(f"error {number} of the broker: {what}")
        self.number = number


def text(value):
    raw = value.encode()
    return struct.pack(">h", len(raw)) + raw


def array(items):
    return struct.pack(">i", len(items)) + b"".join(items)


class Reply:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, form):
        size = struct.calcsize(form)
        value, = struct.unpack_from(form, self.data, self.at)
        self.at += size
        return value

    def i8(self):
        return self.take(">b")

    def i16(self):
        return self.take(">h")

    def i32(self):
        return self.take(">i")

    def i64(self):
        return self.take(">q")

    def raw(self, size):
        if size < 0:
            return None
        self.at += size
        return self.data[self.at - size:self.at]

    def text(self):
        value = self.raw(self.i16())
        return None if value is None else value.decode()

    def array(self, read):
        return [read() for _ in range(self.i32())]


class Admin:
    def __init__(self, brokers):
        self.brokers = list(brokers)

    def call(self, api, version, body, broker=None):
        """The reply of `broker`, or of the first one that answers."""
        message = struct.pack(">hhi", api, version, 1) + text("admin") + body
        failure = None
        for place in [broker] if broker else self.brokers:
            try:
                with socket.create_connection(place, timeout=10) as link:
                    link.sendall(struct.pack(">i", len(message)) + message)
                    size, = struct.unpack(">i", receive(link, 4))
                    return Reply(receive(link, size)[4:])
            except OSError as error:
                failure = error
        raise failure

    def until(self, ask):
        """The value of ask(), which is asked again while the cluster is busy with itself."""
        end = time.monotonic() + LIMIT
        while True:
            try:
                return ask()
            except (KafkaError, OSError) as error:
                passes = isinstance(error, OSError) or error.number in PASSING
                if not passes or time.monotonic() > end:
                    raise
            time.sleep(0.05)

    def metadata(self, topic=None):
        """({node: (host, port)}, {topic: {partition: leader}}); without a topic, of all."""
        reply = self.call(3, 1, struct.pack(">i", -1) if topic is None else array([text(topic)]))
        nodes = {}

        def node():
            number, host, port = reply.i32(), reply.text(), reply.i32()
            reply.text()
            nodes[number] = (host, port)

        def partition():
            reply.i16()
            number, leader = reply.i32(), reply.i32()
            reply.array(reply.i32), reply.array(reply.i32)
            return number, leader

        topics = {}

        def one():
            error, name = reply.i16(), reply.text()
            reply.i8()
            topics[name] = dict(reply.array(partition))
            if topic is not None and error:
                raise KafkaError(error, name)

        reply.array(node)
        reply.i32()
        reply.array(one)
        return nodes, topics

    def create(self, topic, partitions=1, replicas=1, **configs):
        """Makes a topic and waits until each partition has a leader. `configs`: of the topic, with _
        for the dots of their names. One that an earlier process has made, as when a test is repeated,
        is removed first; one that this process has made stays as it is."""
        pairs = [text(key.replace("_", ".")) + text(str(value)) for key, value in configs.items()]
        wanted = text(topic) + struct.pack(">ih", partitions, replicas) + array([]) + array(pairs)

        def make():
            reply = self.call(19, 2, array([wanted]) + struct.pack(">ib", 20_000, 0))
            reply.i32()
            _, name, error, why = reply.i32(), reply.text(), reply.i16(), reply.text()
            if error == TOPIC_EXISTS and (topic, *self.brokers) not in MADE:
                self.delete(topic)
                raise KafkaError(NOT_AVAILABLE, topic)
            if error and error != TOPIC_EXISTS:
                raise KafkaError(error, f"{name}: {why}")

        def led():
            leaders = self.metadata(topic)[1][topic]
            if len(leaders) != partitions or min(leaders.values()) < 0:
                raise KafkaError(NOT_AVAILABLE, topic)

        def seen():
            try:
                led()
            except KafkaError as error:
                if error.number == UNKNOWN_TOPIC:
                    raise KafkaError(NOT_AVAILABLE, topic) from error
                raise
        self.until(make)
        MADE.add((topic, *self.brokers))
        self.until(seen)

    def delete(self, topic):
        reply = self.call(20, 1, array([text(topic)]) + struct.pack(">i", 20_000))
        reply.i32()
        for name, error in reply.array(lambda: (reply.text(), reply.i16())):
            if error:
                raise KafkaError(error, name)

    def add_partitions(self, topic, partitions):
        """The topic has so many from now on."""
        wanted = text(topic) + struct.pack(">ii", partitions, -1)
        reply = self.call(37, 0, array([wanted]) + struct.pack(">ib", 20_000, 0))
        reply.i32()
        for name, error, why in reply.array(lambda: (reply.text(), reply.i16(), reply.text())):
            if error:
                raise KafkaError(error, f"{name}: {why}")

    def leader(self, topic, partition=0):
        """The node that leads the partition."""
        return self.until(lambda: self.metadata(topic)[1][topic][partition])

    def offsets(self, topic, when=-1):
        """{partition: offset}: the ends, with when=-2 the beginnings, else by a timestamp (ms)."""
        def ask():
            nodes, topics = self.metadata(topic)
            found = {}
            for partition, leader in topics[topic].items():
                if leader < 0:
                    raise KafkaError(NOT_AVAILABLE, topic)
                wanted = text(topic) + array([struct.pack(">iq", partition, when)])
                reply = self.call(2, 1, struct.pack(">i", -1) + array([wanted]), nodes[leader])
                reply.i32(), reply.text(), reply.i32(), reply.i32()
                error = reply.i16()
                if error:
                    raise KafkaError(error, topic)
                reply.i64()
                found[partition] = reply.i64()
            return found
        return self.until(ask)

    def delete_records(self, topic, before):
        """Drops what is before these offsets: {partition: offset}."""
        nodes, topics = self.metadata(topic)
        for partition, offset in before.items():
            wanted = text(topic) + array([struct.pack(">iq", partition, offset)])
            reply = self.call(21, 0, array([wanted]) + struct.pack(">i", 20_000),
                              nodes[topics[topic][partition]])
            reply.i32(), reply.i32(), reply.text(), reply.i32(), reply.i32(), reply.i64()
            error = reply.i16()
            if error:
                raise KafkaError(error, topic)

    def coordinator(self, group):
        def ask():
            reply = self.call(10, 0, text(group))
            error = reply.i16()
            if error:
                raise KafkaError(error, group)
            reply.i32()
            return reply.text(), reply.i32()
        return self.until(ask)

    def committed(self, group, topic):
        """{partition: offset} of what the group has committed."""
        def ask():
            numbers = sorted(self.metadata(topic)[1][topic])
            wanted = text(topic) + array([struct.pack(">i", number) for number in numbers])
            reply = self.call(9, 1, text(group) + array([wanted]), self.coordinator(group))
            found = {}

            def partition():
                number, offset = reply.i32(), reply.i64()
                reply.text()
                error = reply.i16()
                if error:
                    raise KafkaError(error, topic)
                if offset >= 0:
                    found[number] = offset

            reply.array(lambda: (reply.text(), reply.array(partition)))
            return found
        return self.until(ask)

    def group(self, group):
        """(state, {member id: [(topic, partition)...]}): "Stable", "Empty", "Dead", ..."""
        def ask():
            reply = self.call(15, 0, array([text(group)]), self.coordinator(group))
            reply.i32()
            error = reply.i16()
            if error:
                raise KafkaError(error, group)
            reply.text()
            state = reply.text()
            reply.text(), reply.text()
            members = {}

            def member():
                name = reply.text()
                reply.text(), reply.text()
                reply.raw(reply.i32())
                members[name] = assigned(reply.raw(reply.i32()))

            reply.array(member)
            return state, members
        return self.until(ask)

    def allow_only(self, user, topic):
        """Nobody but `user` and the super users may read or write the topic from now on."""
        def ask():
            # A topic, its literal name; all operations; allowed.
            entry = (b"\2" + text(topic) + b"\3" + text(f"User:{user}") + text("*") + b"\2" + b"\3")
            reply = self.call(30, 1, array([entry]))
            reply.i32()
            for error, why in reply.array(lambda: (reply.i16(), reply.text())):
                if error:
                    raise KafkaError(error, why)
        self.until(ask)


def assigned(data):
    """The partitions in a member's assignment."""
    if not data:
        return []
    reply = Reply(data)
    reply.i16()
    return sorted((topic, number) for topic, numbers in
                  reply.array(lambda: (reply.text(), reply.array(reply.i32)))
                  for number in numbers)


def receive(link, size):
    data = b""
    while len(data) < size:
        more = link.recv(size - len(data))
        if not more:
            raise ConnectionError("the broker has closed the connection")
        data += more
    return data
