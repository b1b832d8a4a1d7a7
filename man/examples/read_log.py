"""Prints what a log holds, by fl-log(5) alone: read_log.py DIR. As a module: read({name: bytes})."""
import functools, glob, os, struct, subprocess, sys, types
TABLE = [functools.reduce(lambda n, _: n >> 1 ^ 0x82F63B78 * (n & 1), range(8), n) for n in range(256)]
@functools.lru_cache(4096)
def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF
def holds(crc, data):
    right = crc32c(data)
    return crc == ((right >> 15 | right << 17) + 0xA282EAD8) & 0xFFFFFFFF
zstd = functools.partial(subprocess.run, ["zstd", "-dcq"], stdout=-1, check=True)
unpacked = functools.lru_cache(4096)(lambda payload: zstd(input=payload).stdout)
def slot(file, step):  # (counter, log id, four numbers) of the newer slot that holds, or None
    both = (s for s in (file[:64], file[step:step + 64]) if len(s) == 64)
    slots = [(s, *struct.unpack("<IIQ16sQQQQ", s)) for s in both]
    return max((s[3:] for s in slots if s[2] == 1 and holds(s[1], s[0][4:])), default=None)
def records(data, at, segment):  # (place it should have, its place, its header, payload) of each
    since, segment_bytes = at, struct.pack("<Q", segment)
    while at >= 0 and segment:
        head = struct.unpack_from("<IIQQIHHQ", data, at) if at + 40 <= len(data) else (0,) * 8
        tail = at + 40 + head[1]
        if head[1] and head[2] == segment and tail <= len(data) and holds(head[0], data[at + 4:tail]):
            yield since, at, *head[3:], data[at + 40:tail]
            since = at = tail + 7 & ~7
        else:  # damage, or the end: look for the next place that bears the segment's id
            at = data.find(segment_bytes, at + 9) - 8
            while at > 0 and at % 8:  # only multiples of 8 can be one
                at = data.find(segment_bytes, at + 9) - 8
def read(files):  # blocks: (first sequence, count, time, payload); gaps: (first sequence, count, why)
    log = types.SimpleNamespace(blocks=[], gaps=[], positions=b"", end=0)
    log.head = slot(files.get("head", b""), 4096)
    log.groups = {n[7:]: slot(f, 64) for n, f in files.items() if n[:7] == "groups/" and n[-5:] != ".lock"}
    durable, used, offset = log.head[2:5] if log.head else (0, 0, 0)
    names = sorted(name for name in files if name.endswith(".seg"))
    for name, following in zip(names, names[1:] + [""]):
        data, want, end = files[name], int(name[:20]), int(following[:20] or 0)
        fine = len(data) >= 4096 and holds(int.from_bytes(data[12:16], "little"), data[:12] + data[16:64])
        segment = data[32:40] if fine else data[4104:4112]  # a damaged header: as its first record says
        chain = offset if want == used else 4096
        found = records(data, 4096, int.from_bytes(segment, "little"))
        for since, at, first, count, kind, flags, time, payload in found:
            if first >= end if end else max(at - 1, since) >= chain and (at, first) != (since, want):
                break  # what follows is stale, or a torn tail
            if at > since or first > want:
                log.gaps.append((want, first - want, f"damaged: {name} at {since}"))
            payload = unpacked(payload) if flags & 15 else payload
            log.blocks += [(first, count, time, payload)] * (kind == 1)
            log.gaps += [(first, count, payload.decode(errors="replace"))] if kind == 3 else []
            log.positions = payload if kind == 2 else log.positions
            want = first + count
        log.end = max(want, end or durable)
        log.gaps += [(want, log.end - want, f"damaged: {name} at its end")] * (want < log.end)
    return log
def events(payload):  # (headers, body) of each event, as fl-stream(5) has them
    data = iter(payload)
    def number():
        value = shift = 0
        for byte in data:
            value, shift = value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value >> 1 ^ -(value & 1)
    def text():
        return bytes(next(data) for _ in range(number()))
    while data.__length_hint__():
        headers = {}
        while count := number():
            for _ in range(count if count > 0 else number() * 0 - count):
                headers.update({text().decode(): text().decode()})
        yield headers, text()

if __name__ == "__main__":
    log = read({os.path.basename(name): open(name, "rb").read()
                for name in [sys.argv[1] + "/head", *glob.glob(sys.argv[1] + "/*.seg")]})
    rows = [(first, "gap of", *gap) for first, *gap in log.gaps]
    for first, _, time, payload in log.blocks:
        rows += [(first + i, time, *event) for i, event in enumerate(events(payload))]
    for row in sorted(rows, key=lambda row: row[0]):
        print(*row)
