"""Reads Avro containers of rows with fastavro or python3-avro, whichever is asked for.

    avro_rows.py fastavro|avro FILE...      one line for each file, {"schema": ...}, and one for each
                                            row: {column: value}

What JSON does not have is an object: {"decimal": "1.50"}, {"bytes": base64}, {"date": "2026-02-28"},
{"time": "2026-02-28T00:00:00+00:00"}; without an offset for a library that knows local timestamps, a
number of microseconds for one that does not.
"""
import base64
import datetime
import decimal
import json
import sys


def shown(value):
    if isinstance(value, decimal.Decimal):
        return {"decimal": format(value, "f")}
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, datetime.datetime):
        return {"time": value.isoformat()}
    if isinstance(value, datetime.date):
        return {"date": value.isoformat()}
    return value


def read(library: str, path: str):
    with open(path, "rb") as file:
        if library == "fastavro":
            import fastavro
            reader = fastavro.reader(file)
            yield json.loads(reader.metadata["avro.schema"]), reader
        else:
            import avro.datafile
            import avro.io
            reader = avro.datafile.DataFileReader(file, avro.io.DatumReader())
            yield json.loads(reader.get_meta("avro.schema")), reader


def main() -> None:
    library, *paths = sys.argv[1:]
    for path in paths:
        for schema, rows in read(library, path):
            print(json.dumps({"schema": schema}))
            for row in rows:
                print(json.dumps({name: shown(value) for name, value in row.items()}))


main()
