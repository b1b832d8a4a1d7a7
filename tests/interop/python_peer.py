"""Reads and writes containers of events with fastavro or python3-avro, whichever is asked for.

    python_peer.py fastavro|avro read FILE            one JSON record a line, bytes as latin-1
    python_peer.py fastavro|avro write FILE CODEC N   N events: header i=<n>, header kind=python, body <n>
"""
import json
import sys

SCHEMA = {"type": "record", "name": "Event", "fields": [
    {"name": "headers", "type": {"type": "map", "values": "string"}},
    {"name": "body", "type": "bytes"}]}


def events(count: int):
    for i in range(count):
        yield {"headers": {"i": str(i), "kind": "python"}, "body": str(i).encode()}


def read(library: str, path: str):
    with open(path, "rb") as file:
        if library == "fastavro":
            import fastavro
            yield from fastavro.reader(file)
        else:
            import avro.datafile
            import avro.io
            yield from avro.datafile.DataFileReader(file, avro.io.DatumReader())


def write(library: str, path: str, codec: str, count: int) -> None:
    with open(path, "wb") as file:
        if library == "fastavro":
            import fastavro
            fastavro.writer(file, SCHEMA, events(count), codec=codec, sync_interval=4000)
        else:
            import avro.datafile
            import avro.io
            import avro.schema
            schema = avro.schema.parse(json.dumps(SCHEMA))
            writer = avro.datafile.DataFileWriter(file, avro.io.DatumWriter(), schema, codec=codec)
            for event in events(count):
                writer.append(event)
            writer.close()


def main() -> None:
    library, action, path = sys.argv[1:4]
    if action == "read":
        for event in read(library, path):
            event["body"] = event["body"].decode("latin-1")
            print(json.dumps(event))
    else:
        write(library, path, sys.argv[4], int(sys.argv[5]))


main()
