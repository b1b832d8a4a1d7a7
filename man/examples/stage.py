import io, sys, fastavro, fastavro.write
Pipe = type("Pipe", (io.BufferedReader,), {"tell": lambda self: 0})
blocks = fastavro.block_reader(Pipe(sys.stdin.buffer.raw))
out = fastavro.write.Writer(sys.stdout.buffer, blocks.writer_schema)
out.flush()
for block in blocks:
    for event in block:
        event["headers"]["lang"] = "python"
        out.write(event)
    out.flush()
