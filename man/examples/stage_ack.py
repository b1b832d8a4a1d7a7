import io, os, secrets, socket, sys, threading, fastavro, fastavro.write
Pipe = type("Pipe", (io.BufferedReader,), {"tell": lambda self: 0})
blocks = fastavro.block_reader(Pipe(sys.stdin.buffer.raw))
above = blocks.metadata
up = socket.socket(socket.AF_UNIX)
up.connect(above["fl.ack"])
up.sendall(b"FL/1 %b\n" % above["fl.stream"].encode())

path = f"{os.path.dirname(above['fl.ack'])}/fl-{secrets.token_hex(16)}.ack"
mine = {"fl.version": "1", "fl.stream": secrets.token_hex(16), "fl.ack": path}
door = socket.socket(socket.AF_UNIX)
door.bind(path)
os.chmod(path, 0o666)
door.listen()
door.settimeout(3)
out = fastavro.write.Writer(sys.stdout.buffer, blocks.writer_schema, metadata=mine)
out.flush()
down, _ = door.accept()
answers = down.makefile()
if answers.readline() != f"FL/1 {mine['fl.stream']}\n":
    sys.exit(69)

count, acked, end, ended = 0, 0, -1, threading.Event()
def pass_up():
    global acked
    for line in answers:
        if line.split()[0] in ("at", "ack", "enough"):
            up.sendall(line.encode())
        if line.startswith("ack "):
            acked = int(line.split()[1])
def pass_down():
    global end
    for line in up.makefile():
        word, number = (line.split() + ["0"])[:2]
        if word in ("want", "end"):
            down.sendall(b"want %d\n" % int(number))
        if word == "end":
            end = int(number)
            ended.set()
below = threading.Thread(target=pass_up)
below.start()
threading.Thread(target=pass_down, daemon=True).start()

for block in blocks:
    for event in block:
        event["headers"]["lang"] = "python"
        out.write(event)
    out.flush()
    count += block.num_records
if ended.wait(1) and end == count:
    down.sendall(b"end %d\n" % count)
os.close(1)
below.join()
if end != count or acked != count:
    sys.exit(75)
os.unlink(path)
