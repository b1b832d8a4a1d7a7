#!/usr/bin/env python3
"""Writes lines of an Apache access log (combined format) that depend only on the seed.

usage: gen_log.py --lines N [--seed S] [--first I]

Each line holds its number (the request's id=), so that a reader can tell lost, repeated and
reordered lines apart. A line has 260 bytes on average, its newline included. --first I begins with
line I of the same log: two halves are the same bytes as the whole.
"""
import argparse
import random
import sys
import time

AGENTS = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:{v}.0) Gecko/20100101 Firefox/{v}.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/{v}.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_{w} like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/17.{w} Mobile/15E148 Safari/604.1",
    "curl/7.{v}.0",
    "Mozilla/5.0 (compatible; ExampleBot/2.{w}; +http://bot.example/about)",
]
PATHS = ["/", "/index.html", "/shop/cart", "/shop/item", "/api/v1/orders", "/static/app.js",
         "/static/logo.png", "/search", "/login", "/feed.xml"]
STATUSES = [200] * 16 + [304, 304, 404, 301, 302, 500, 403]
METHODS = ["GET"] * 8 + ["POST", "HEAD"]
EPOCH = 1_700_000_000
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def line(number: int, seed: int) -> str:
    """Line `number` (from 0) of the log of `seed`, without the newline."""
    rng = random.Random((seed << 40) ^ number)
    bits = rng.getrandbits
    address = f"{1 + bits(7)}.{bits(8)}.{bits(8)}.{1 + bits(7)}"
    user = "-" if bits(3) else f"user{bits(10)}"
    t = time.gmtime(EPOCH + number // 50)
    stamp = (f"{t.tm_mday:02}/{MONTHS[t.tm_mon - 1]}/{t.tm_year}:"
             f"{t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02} +0000")
    path = PATHS[bits(16) % len(PATHS)]
    session = f"{bits(128):032x}{bits(32):08x}"
    request = f"{METHODS[bits(16) % len(METHODS)]} {path}?id={number}&session={session} HTTP/1.1"
    size = "-" if bits(5) == 0 else str(bits(4 + bits(4)))
    referer = "-" if bits(2) == 0 else f"https://www.example.org{PATHS[bits(16) % 10]}?r={bits(24)}"
    agent = AGENTS[bits(16) % len(AGENTS)].format(v=90 + bits(5), w=bits(3))
    return (f'{address} - {user} [{stamp}] "{request}" {STATUSES[bits(16) % len(STATUSES)]} {size} '
            f'"{referer}" "{agent}"')


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    args = parser.parse_args()
    for start in range(args.first, args.first + args.lines, 1000):
        stop = min(start + 1000, args.first + args.lines)
        sys.stdout.write("".join(line(i, args.seed) + "\n" for i in range(start, stop)))
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:
        sys.exit(0)
