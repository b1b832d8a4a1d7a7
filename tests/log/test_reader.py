#!/usr/bin/env python3
"""The reader of man/examples, which judges the log, against logs written byte by byte."""
import os
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "tools")]
sys.dont_write_bytecode = True
import harness  # noqa: E402
import written_log as w  # noqa: E402
import read_log  # noqa: E402  (written_log makes man/examples known)


def two_segments():
    one = w.Segment(0, 0x1111).block(b"a", b"b").block(b"c" * 100)
    two = w.Segment(3, 0x2222).block(b"d").block(b"e", b"f").block(b"g" * 1000)
    return one, two


def files(*segments, **more):
    named = {segment.name: bytes(segment.data) for segment in segments}
    named["head"] = w.head(segments[-1], **more)
    return named


class Reader(harness.Case):
    def firsts(self, log):
        return [block[0] for block in log.blocks]

    def test_checksum_is_the_castagnoli_one(self):
        self.assertEqual(read_log.crc32c(b"123456789"), 0xE3069283)
        self.assertEqual(w.crc32c(b"123456789"), 0xE3069283)

    def test_whole_log(self):
        log = read_log.read(files(*two_segments()))
        self.assertEqual(self.firsts(log), [0, 2, 3, 4, 6])
        self.assertEqual((log.gaps, log.end), ([], 7))
        bodies = [body for block in log.blocks for _, body in read_log.events(block[3])]
        self.assertEqual(bodies, [b"a", b"b", b"c" * 100, b"d", b"e", b"f", b"g" * 1000])

    def test_headers_of_both_forms(self):
        payload = (w.event(b"x", [(b"k", b"v"), (b"l", b"")]) + w.event(b"", [(b"m", b"w" * 90)], True) +
                   w.event(b"z" * 300))
        self.assertEqual(list(read_log.events(payload)), [({"k": "v", "l": ""}, b"x"),
                                                          ({"m": "w" * 90}, b""), ({}, b"z" * 300)])

    def test_newer_slot_that_holds_counts(self):
        one, two = two_segments()
        for counter in (8, 9):
            log = read_log.read(files(one, two, counter=counter))
            self.assertEqual((log.head[0], log.head[2]), (counter, 7))
        named = files(one, two, counter=9)
        named["head"] = b"\xff" + named["head"][1:]
        self.assertEqual(read_log.read(named).head[0], 8)
        named["head"] = b""
        self.assertEqual(self.firsts(read_log.read(named)), [0, 2, 3, 4, 6])

    def test_groups(self):
        named = files(*two_segments())
        named.update({"groups/a": w.cursor(5, 4), "groups/b": w.cursor(6, 2), "groups/.lock": b"",
                      "groups/c": b"\0" * 128})
        log = read_log.read(named)
        self.assertEqual([log.groups[g] and log.groups[g][2] for g in "abc"], [4, 2, None])
        self.assertEqual(len(log.groups), 3)

    def test_newest_positions_count(self):
        segment = w.Segment(0, 5).add(w.POSITIONS, 0, b"old").block(b"a").add(w.POSITIONS, 0, b"new")
        self.assertEqual(read_log.read(files(segment)).positions, b"new")

    def test_gap_record_goes_on_with_the_numbers(self):
        segment = w.Segment(0, 5).block(b"a").add(w.GAP, 4, b"skipped by hand").block(b"b")
        log = read_log.read(files(segment))
        self.assertEqual((self.firsts(log), log.gaps), ([0, 5], [(1, 4, "skipped by hand")]))

    def test_each_flip_costs_its_record_and_is_named(self):
        one, two = two_segments()
        named = files(one, two)
        spans = {}
        for segment in (one, two):
            ends = segment.places[1:] + [len(segment.data)]
            for place, end in zip(segment.places, ends):
                spans[segment.name, place] = end
        whole = read_log.read(named)
        for (name, start), end in spans.items():
            lost = sorted(spans).index((name, start))
            for place in [*range(start, min(start + 48, end)), *range(start + 48, end, 41)]:
                damaged = dict(named)
                damaged[name] = bytes(b ^ (4 if i == place else 0) for i, b in enumerate(named[name]))
                log = read_log.read(damaged)
                if log.blocks == whole.blocks:      # the padding, which means nothing
                    self.assertTrue(end - place < 8 and not log.gaps)
                    continue
                self.assertEqual(log.blocks, whole.blocks[:lost] + whole.blocks[lost + 1:])
                self.assertEqual([gap[:2] for gap in log.gaps], [whole.blocks[lost][:2]])
                self.assertEqual(log.end, 7)

    def test_damaged_segment_header_costs_nothing(self):
        one, two = two_segments()
        for place in (0, 12, 33, 41):
            named = files(one, two)
            data = bytearray(one.data)
            data[place] ^= 1
            named[one.name] = bytes(data)
            self.assertEqual(self.firsts(read_log.read(named)), [0, 2, 3, 4, 6])

    def test_chain_behind_the_durable_end_is_read_to_its_first_break(self):
        one, two = two_segments()
        third = two.places[2]
        named = files(one, two, durable=4, offset=two.places[1])
        self.assertEqual(self.firsts(read_log.read(named)), [0, 2, 3, 4, 6])
        for place in (third - 9, two.places[1] + 3):
            data = bytearray(two.data)
            data[place] ^= 1
            named[two.name] = bytes(data)
            log = read_log.read(named)
            self.assertEqual((self.firsts(log), log.gaps, log.end), ([0, 2, 3], [], 4))

    def test_damage_just_before_the_durable_end(self):
        one, two = two_segments()
        data = bytearray(two.data)
        data[two.places[1] + 42] ^= 1
        named = files(one, two, durable=6, offset=two.places[2])
        named[two.name] = bytes(data)
        log = read_log.read(named)
        self.assertEqual((self.firsts(log), [gap[:2] for gap in log.gaps]), ([0, 2, 3, 6], [(4, 2)]))

    def test_cut_below_the_durable_end_is_a_gap(self):
        one, two = two_segments()
        named = files(one, two)
        named[two.name] = bytes(two.data[:two.places[1] + 8])
        log = read_log.read(named)
        self.assertEqual((self.firsts(log), [g[:2] for g in log.gaps], log.end), ([0, 2, 3], [(4, 3)], 7))
        del named[one.name]
        self.assertEqual(self.firsts(read_log.read(named)), [3])

    def test_missing_segment_in_the_middle_is_a_gap(self):
        one, two = two_segments()
        three = w.Segment(7, 0x33).block(b"h")
        named = files(one, two, three)
        del named[two.name]
        log = read_log.read(named)
        self.assertEqual((self.firsts(log), [g[:2] for g in log.gaps]), ([0, 2, 7], [(3, 4)]))

    def test_stale_records_are_not_read(self):
        one, two = two_segments()
        one.block(b"never synced")      # copied to the next segment, which begins before it
        two.data += w.Segment(7, 0x1111).block(b"of an earlier life").data[4096:]
        log = read_log.read(files(one, two, offset=two.places[2], durable=6))
        self.assertEqual((self.firsts(log), log.gaps), ([0, 2, 3, 4, 6], []))

    def test_id_in_a_header_counts_more_than_that_of_a_record(self):
        one, two = two_segments()
        one.data[4096:] = w.Segment(0, 0x3333).block(b"of an earlier life").data[4096:]
        log = read_log.read(files(one, two))
        self.assertEqual((self.firsts(log), [gap[:2] for gap in log.gaps]), ([3, 4, 6], [(0, 3)]))

    def test_as_a_program(self):
        os.mkdir(self.path("log"))
        segment = w.Segment(0, 5).add(w.BLOCK, 1, w.event(b"one", [(b"k", b"v")]))
        for name, data in files(segment.add(w.GAP, 2, b"why").block(b"two")).items():
            self.write("log/" + name, data)
        script = os.path.join(w.ROOT, "man", "examples", "read_log.py")
        out = subprocess.run([sys.executable, script, self.path("log")], capture_output=True, check=True,
                             timeout=harness.HANG, text=True).stdout
        self.assertEqual(out.splitlines(), ["0 7 {'k': 'v'} b'one'", "1 gap of 2 why", "3 7 {} b'two'"])

    def test_it_is_short(self):
        with open(read_log.__file__) as file:
            lines = file.read().splitlines()
        self.assertLessEqual(len(lines), 80)
        self.assertLessEqual(max(map(len, lines)), 110)


if __name__ == "__main__":
    harness.main()
