import sys, avro.io, avro.schema
from avro.datafile import DataFileWriter, META_SCHEMA, SYNC_SIZE
decoder = avro.io.BinaryDecoder(sys.stdin.buffer)
header = avro.io.DatumReader().read_data(META_SCHEMA, META_SCHEMA, decoder)
schema = avro.schema.parse(header["meta"]["avro.schema"].decode())
reader = avro.io.DatumReader(schema)
out = DataFileWriter(sys.stdout.buffer, avro.io.DatumWriter(), schema)
out.flush()
while sys.stdin.buffer.peek(1):
    count, size = decoder.read_long(), decoder.read_long()
    for _ in range(count):
        event = reader.read(decoder)
        event["headers"]["lang"] = "python"
        out.append(event)
    decoder.read(SYNC_SIZE)
    out.flush()
