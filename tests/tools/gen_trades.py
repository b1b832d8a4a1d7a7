#!/usr/bin/env python3
"""Writes made-up trades as lines: milliseconds since 1970, symbol, price, number.

usage: gen_trades.py --lines N [--rate N] [--seed N]
       --rate: lines a second; 0: as fast as it goes
"""
import argparse
import random
import sys
import time

SYMBOLS = ("ACME", "BOLT", "CORN", "DUNE", "ECHO", "FERN", "GOLD", "HALO", "IRIS", "JADE")


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    parser.add_argument("--lines", type=int, required=True)
    parser.add_argument("--rate", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    chance = random.Random(args.seed)
    prices = dict.fromkeys(SYMBOLS, 100.0)
    begin = time.monotonic()
    for number in range(args.lines):
        if args.rate and number % 100 == 0:
            sys.stdout.flush()
            time.sleep(max(0.0, begin + number / args.rate - time.monotonic()))
        symbol = chance.choice(SYMBOLS)
        prices[symbol] = max(1.0, prices[symbol] + chance.uniform(-0.5, 0.5))
        print(f"{time.time_ns() // 1_000_000},{symbol},{prices[symbol]:.2f},{number}")


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        sys.exit(1)
