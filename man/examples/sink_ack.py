import io, socket, sys, fastavro
Pipe = type("Pipe", (io.BufferedReader,), {"tell": lambda self: 0})
blocks = fastavro.block_reader(Pipe(sys.stdin.buffer.raw))
up = socket.socket(socket.AF_UNIX)
up.connect(blocks.metadata["fl.ack"])
up.sendall(b"FL/1 %b\nat printed\n" % blocks.metadata["fl.stream"].encode())
count = 0
for block in blocks:
    for event in block:
        print(event["body"].decode(errors="replace"))
    sys.stdout.flush()
    count += block.num_records
    up.sendall(b"ack %d\n" % count)
up.shutdown(socket.SHUT_WR)
sys.exit(0 if f"end {count}\n" in up.makefile() else 75)
