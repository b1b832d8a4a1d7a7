"""What tests say to a Hive metastore, and how they describe tables.

    store = metastore.Client(port)
    store.create_table("sales", "orders", "file:///w/orders", [("id", "int")], [("dt", "string")])
    store.partitions("sales", "orders")            # ["dt=2026-11-29", ...]
"""
import http.client
import socket

import thrift_wire as wire
from thrift_wire import I16, List, Map, Struct, text

LIMIT = 60
TEXT = ("org.apache.hadoop.mapred.TextInputFormat",
        "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
        "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe")
JSON = (*TEXT[:2], "org.apache.hadoop.hive.serde2.JsonSerDe")
AVRO = ("org.apache.hadoop.hive.ql.io.avro.AvroContainerInputFormat",
        "org.apache.hadoop.hive.ql.io.avro.AvroContainerOutputFormat",
        "org.apache.hadoop.hive.serde2.avro.AvroSerDe")
ORC = ("org.apache.hadoop.hive.ql.io.orc.OrcInputFormat", "org.apache.hadoop.hive.ql.io.orc.OrcOutputFormat",
       "org.apache.hadoop.hive.ql.io.orc.OrcSerde")


class Refused(Exception):
    """Exception `number` of a call."""

    def __init__(self, number, why):
        super().__init__(f"{number}: {why}")
        self.number = number


def columns(pairs):
    return List(wire.STRUCT, [Struct({1: name, 2: kind, 3: ""}) for name, kind in pairs])


def storage(location, fields, form=TEXT, serde=None, buckets=()):
    serde = {"field.delim": ",", "serialization.format": ","} if serde is None else serde
    return Struct({1: columns(fields), 2: location, 3: form[0], 4: form[1], 5: False,
                   6: len(buckets) or -1, 7: Struct({1: "", 2: form[2], 3: Map(serde)}),
                   8: List(wire.STRING, buckets), 9: List(wire.STRUCT), 10: Map()})


def table(database, name, location, fields, keys=(), form=TEXT, serde=None, parameters=None,
          kind="EXTERNAL_TABLE", buckets=()):
    own = {"EXTERNAL": "TRUE"} if kind == "EXTERNAL_TABLE" else {}
    return Struct({1: name, 2: database, 3: "fl", 4: 0, 5: 0, 6: 0,
                   7: storage(location, fields, form, serde, buckets), 8: columns(keys),
                   9: Map({**own, **(parameters or {})}), 12: kind})


class Client:
    """`http`: the metastore is in HTTP mode."""

    def __init__(self, port, http=False):
        self.port, self.http = port, http

    def answer(self, name, arguments):
        if self.http:
            peer = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT)
            try:
                peer.request("POST", "/metastore", wire.message(name, arguments),
                             {"Content-Type": "application/x-thrift", "x-actor-username": "fl"})
                answer = peer.getresponse()
                data = answer.read()
            finally:
                peer.close()
            if answer.status != 200:
                raise Refused(0, f"status {answer.status}: {data[:200]}")
            return wire.read_message(wire.taker(data))
        with socket.create_connection(("127.0.0.1", self.port), LIMIT) as peer:
            peer.sendall(wire.message(name, arguments))
            with peer.makefile("rb") as file:
                def take(n):
                    data = file.read(n)
                    if len(data) != n:
                        raise EOFError(f"{name}: the connection ended")
                    return data
                return wire.read_message(take)

    def call(self, name, arguments):
        _, kind, _, body = self.answer(name, arguments)
        if kind == wire.EXCEPTION:
            raise Refused(0, text(body.get(1, b"")))
        for number, value in body.items():
            if number:
                raise Refused(number, text(value.get(1, b"")))
        return body.get(0)

    def create_database(self, name, location):
        self.call("create_database", Struct({1: Struct({1: name, 2: "", 3: location, 4: Map()})}))

    def create_table(self, *words, **more):
        self.call("create_table", Struct({1: table(*words, **more)}))

    def drop_table(self, database, name):
        self.call("drop_table", Struct({1: database, 2: name, 3: False}))

    def partitions(self, database, name):
        return [text(each) for each in
                self.call("get_partition_names", Struct({1: database, 2: name, 3: I16(-1)}))]

    def location(self, database, name, partition):
        found = self.call("get_partition_by_name", Struct({1: database, 2: name, 3: partition}))
        return text(found[6][2])

    def drop_partition(self, database, name, partition):
        self.call("drop_partition_by_name", Struct({1: database, 2: name, 3: partition, 4: False}))
