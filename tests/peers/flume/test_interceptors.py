#!/usr/bin/env python3
"""Every interceptor against the one of a real Flume 1.11: headers and bodies of the same events.

One agent runs all cases side by side: an avro source with the case's interceptors, a memory channel
and a file_roll sink with the avro_event serializer each. The last event of a case marks its end: it
must come through, which the channel's order turns into "all before it have come".
"""
import os
import shutil
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tools"))
sys.path.insert(0, HERE)
import agent
import harness

END = {"zz-end": "1"}
ZONE = "Europe/Berlin"


class Case:
    """`flume`: lines of the properties file after `interceptors.`, with `i1.` and so on.
    `words`: what follows `fl-intercept`. `same`: the keys of headers whose values differ from run
    to run are only compared by their length."""

    def __init__(self, flume, words, events, similar=()):
        self.flume = flume
        self.words = words
        self.events = events + [(END, b"")]
        self.similar = similar


def bodies(*texts):
    return [({}, text if isinstance(text, bytes) else text.encode()) for text in texts]


NAMED = [({}, b"none"), ({"a": "1"}, b"one"), ({"a": "1", "b": "2", "c": "3"}, b"three"),
         ({"a,b": "1", "x-1": "2", "x-12": "3", "x-y": "4"}, b""), ({"éa": "1", "": "2"}, b"")]
TEXTS = bodies("", "plain", "two words", "a\tb\nc\n", "Grüße €𝄞 x@y.z", "\0", "\r\n")


def escaped(text):
    """A value in a properties file."""
    return "".join(f"\\u{ord(c):04x}" if c == "\\" or not c.isascii() else c for c in text)


def replace(pattern, by, events, charset=None):
    flume = ["i1.type = search_replace", f"i1.searchPattern = {escaped(pattern)}"]
    words = ["search_replace", pattern]
    if by is not None:
        flume.append(f"i1.replaceString = {escaped(by)}")
        words.append(by)
    if charset:
        flume.append(f"i1.charset = {charset}")
        words += ["--charset", charset]
    return Case(flume, words, events)


def extract(pattern, headers, events):
    """`headers`: as on our command line, NAME or NAME:millis:PATTERN."""
    flume = ["i1.type = regex_extractor", f"i1.regex = {escaped(pattern)}",
             "i1.serializers = " + " ".join(f"s{i}" for i in range(len(headers)))]
    for i, header in enumerate(headers):
        name, _, kind = header.partition(":")
        flume.append(f"i1.serializers.s{i}.name = {name}")
        if kind:
            flume += [f"i1.serializers.s{i}.type = "
                      "org.apache.flume.interceptor.RegexExtractorInterceptorMillisSerializer",
                      f"i1.serializers.s{i}.pattern = {escaped(kind.partition(':')[2])}"]
    return Case(flume, ["regex_extractor", pattern, *headers], events)


CASES = {
    "timestamp": Case(["i1.type = timestamp"], ["timestamp"],
                      [({}, b"a"), ({"timestamp": "5"}, b"b")], similar=["timestamp"]),
    "timestamp_kept": Case(
        ["i1.type = timestamp", "i1.preserveExisting = true", "i1.headerName = seen"],
        ["timestamp", "--preserve-existing", "--header-name", "seen"],
        [({}, b"a"), ({"seen": "5"}, b"b")], similar=["seen"]),
    "host": Case(["i1.type = host"], ["host"], [({}, b"a"), ({"host": "x"}, b"b")]),
    "static": Case(["i1.type = static", "i1.key = k", "i1.value = v"], ["static", "k", "v"],
                   [({}, b"a"), ({"k": "own"}, b"b"), ({"z": "1"}, b"")]),
    "static_replaces": Case(
        ["i1.type = static", "i1.preserveExisting = false"],
        ["static", "key", "value", "--preserve-existing=false"],
        [({}, b"a"), ({"key": "own"}, b"b")]),
    "regex_filter": Case(["i1.type = regex_filter", "i1.regex = ^b|^$"], ["regex_filter", "^b|^$"],
                         bodies("b1", "a", "bb", "\nb", b"b\xff", "")),
    "regex_filter_excludes": Case(
        ["i1.type = regex_filter", "i1.regex = b.$", "i1.excludeEvents = true"],
        ["regex_filter", "b.$", "--invert"],
        bodies("ab", "abc", "abc\n", "abc\r\n", "abcd", "bé", "b\n")),
    "remove_name": Case(
        ["i1.type = remove_header", "i1.withName = a,b"],
        ["remove_header", "--with-name", "a,b"], NAMED),
    "remove_list": Case(
        ["i1.type = remove_header", "i1.fromList = a , b,x-1,, "], ["remove_header", "a , b,x-1,,"],
        NAMED),
    "remove_list_separator": Case(
        ["i1.type = remove_header", "i1.fromList = a1b22x-y", "i1.fromListSeparator = [0-9]+"],
        ["remove_header", "a1b22x-y", "--from-list-separator", "[0-9]+"], NAMED),
    "remove_matching": Case(
        ["i1.type = remove_header", "i1.matching = " + escaped("x-.|b|é.")],
        ["remove_header", "--matching", "x-.|b|é."], NAMED),
    "remove_all_three": Case(
        ["i1.type = static", "i1.key = added", "i2.type = remove_header", "i2.withName = added",
         "i2.fromList = a,b", "i2.matching = x.*"],
        ["static", "added", "value", "+", "remove_header", "a,b", "--with-name", "added",
         "--matching", "x.*"], NAMED),
    "replace_groups": replace(
        r"(\w+)@(?<host>[a-z.]+)", r"${host}/$1\$\\$0", TEXTS + bodies("kim@a.org, lee@b.org")),
    "replace_by_nothing": replace(r"\s+", None, TEXTS),
    "replace_empty_matches": replace("a*", "-", bodies("baac", "", "é", "aaa", "b\n")),
    "replace_group_digits": replace("(a)(b)?", "<$12$2>", bodies("ab", "a", "abab")),
    "replace_dot": replace("a.b", "X", bodies("a\nb", "a\rb", "a\u2028b", "a\u0085b", "a b", "aéb")),
    "replace_dollar": replace("b$", "X", bodies("b", "ab\n", "b\r\n", "b\n\n", "b\r", "bb\nb")),
    "replace_multiline": replace("(?m)^a$", "X", bodies("a\na", "a\n", "b\r\na\r\nb", "aa\na")),
    "replace_dotall": replace("(?s)a.*b", "X", bodies("a\nb", "1a\r\nb2", "a\u2028b")),
    "replace_case": replace("(?i)straSSe", "X", bodies("Strasse", "STRASSE", "straße")),
    "replace_classes": replace(
        r"[\p{Upper}\p{Punct}]", "#", bodies("aB-c_D.É", "é!")),
    "replace_property": replace(r"\p{L}+\P{ASCII}?", "#", bodies("abc é 1", "日本語 x", "x\u00bd")),
    "replace_unicode_escape": replace(r"\u00e9|\x41|\0102|\t", "#", bodies("éAB\t", "e")),
    "replace_words": replace(r"\d+|\w\b", "#", bodies("ab 12 c", "٣ 3", "a_1")),
    "replace_lookaround": replace("(?<=a)b(?!c)", "X", bodies("ab abc bb abb")),
    "replace_possessive": replace("a++b|a*?c", "X", bodies("aaab", "aac", "aa")),
    "replace_backreference": replace(r"(.)\1", "$1", bodies("aabbc", "éé", "aa\n\n")),
    "replace_supplementary": replace("[^a-z]", "?", bodies("a\U0001d11eb", "\U0001f600", "aéb")),
    "replace_quantified_dot": replace("^(.{3})", "[$1]", bodies("日本語x", "ab", "a\U0001d11ebc")),
    "replace_quoted": replace(r"\Qa.b\E", "X", bodies("a.b", "axb")),
    "replace_latin1": replace("é.", "<$0>", [({}, b"\xe9\xff\xe9"), ({"h": "é"}, b"\xe9")],
                              charset="ISO-8859-1"),
    "replace_utf16": replace("b+", "é", [({}, "abbc".encode("utf-16-be")), ({}, b"")],
                             charset="UTF-16BE"),
    "extract": extract(r"^(\S+) (\S+) ?(\d*)", ["host", "user", "size"],
                       [({}, b"a b 12"), ({"user": "old", "z": "1"}, b"x y"), ({}, b"nothing"),
                        ({}, "é ü 7 a b 8".encode()), ({}, b"\na b")]),
    "extract_fewer_names": extract("(a)(b)(c)", ["x"], bodies("abc", "xabcabc")),
    "extract_more_names": extract("(a)", ["x", "y"], bodies("abc", "b")),
    "extract_named": extract("(?<first>[a-z]+)=(?<second>[^;]*)", ["key", "value"],
                             bodies("a=1;b=2", "é=ü", "k=日本;")),
    "extract_twice": extract("(a+)(b*)", ["x", "x"], bodies("aab", "a")),
    "millis": extract(r"\[(.*)\]", ["timestamp:millis:dd/MMM/yyyy:HH:mm:ss Z"], bodies(
        "[10/Oct/2000:13:55:36 -0700]", "[01/feb/2026:00:00:00 +0530]", "[1/JAN/1969:1:2:3 Z]",
        "[29/February/2024:23:59:59 +14:00]", "no time")),
    "millis_zone": extract(r"^(\S+ \S+)", ["when:millis:yyyy-MM-dd HH:mm:ss"], bodies(
        "2026-02-01 10:00:00 a", "2026-07-01 10:00:00", "1960-1-2 3:4:5", "2026-10-25 02:30:00",
        "2026-10-25 03:30:00", "2026-03-29 03:00:00", "0900-12-31 00:00:00", "+12026-01-01 00:00:00",
        "-1-01-01 00:00:00")),
    "millis_short": extract("^(.+)$", ["when:millis:MMM d HH:mm:ss"], bodies(
        "Feb 29 10:00:00", "december 7 01:02:03", "MAY 31 23:59:59")),
    "millis_halves": extract("^(.+)$", ["when:millis:yy-M-d h:mm a, E"], bodies(
        "99-1-2 12:00 AM, Mon", "05-12-31 12:30 pm, wednesday", "76-6-15 11:59 PM, SUN",
        "1776-7-4 1:00 am, Thu", "26-11-22 1:00 am, Mon")),
    "millis_fraction": extract("^(.+)$", ["when:millis:yyyyMMddHHmmssSSS"], bodies(
        "20260201101112345", "2026020110111234", "202602011011121")),
    "millis_literals": extract("^(.+)$", ["when:millis:yyyy-DDD'T'kk:mm 'o''clock' ZZZ"], bodies(
        "2024-366T24:00 o'clock Europe/Berlin", "2024-001T01:30 O'CLOCK America/New_York",
        "2023-60T12:00 o'clock UTC")),
    "millis_hour": extract("^(.+)$", ["when:millis:HH:mm:ss.SSSSSS"], bodies(
        "01:02:03.123456", "23:59:59.9", "00:00:00.000001")),
    "millis_class": Case(
        ["i1.type = org.apache.flume.interceptor.RegexExtractorInterceptor$Builder",
         "i1.regex = " + escaped(r"^(\d+)-(\w+)$"), "i1.serializers = a b", "i1.serializers.a.name = year",
         "i1.serializers.a.type = "
         "org.apache.flume.interceptor.RegexExtractorInterceptorMillisSerializer",
         "i1.serializers.a.pattern = Y", "i1.serializers.b.name = word",
         "i1.serializers.b.type = DEFAULT"],
        ["regex_extractor", r"^(\d+)-(\w+)$", "year:millis:Y", "word"],
        bodies("2026-abc", "5-x", "no")),
    "uuid": Case(["i1.type = org.apache.flume.sink.solr.morphline.UUIDInterceptor$Builder"], ["uuid"],
                 [({}, b"a"), ({"id": "own"}, b"b"), ({"z": "1"}, b"")], similar=["id"]),
    "uuid_replaced": Case(
        ["i1.type = org.apache.flume.sink.solr.morphline.UUIDInterceptor$Builder",
         "i1.preserveExisting = false", "i1.headerName = key", "i1.prefix = p-"],
        ["uuid", "key", "--prefix", "p-", "--preserve-existing=false"],
        [({}, b"a"), ({"key": "own"}, b"b")], similar=["key"]),
}


# Where ours differs on purpose.
MALFORMED = [b"a\xffb", b"\xe2\x82a:\xc3", b"\xf0\x9f\x92", b"x\xc0\x80a\xe9b", b"\xfea-b\xfe"]
CASES["malformed"] = replace("a(.)b", "<$1>", bodies(*MALFORMED))
CASES["malformed_extract"] = extract("a(.)b", ["x"], bodies(*MALFORMED))
CASES["bad_time"] = extract("^(.+)$", ["when:millis:yyyy-MM-dd"], bodies("2026-02-30"))
DIFFERENT = ["malformed", "malformed_extract", "bad_time"]


def configuration(directory, ports):
    names = list(CASES)
    rows = []
    for kind in ("source", "channel", "sink"):
        rows.append(f"a1.{kind}s = " + " ".join(f"{kind[:2]}_{name}" for name in names))
    for name, port in zip(names, ports):
        source, channel, sink = (f"a1.{kind}s.{kind[:2]}_{name}"
                                 for kind in ("source", "channel", "sink"))
        os.mkdir(os.path.join(directory, name))
        rows += [f"{source}.type = avro", f"{source}.bind = 127.0.0.1", f"{source}.port = {port}",
                 f"{source}.threads = 1", f"{source}.channels = ch_{name}",
                 f"{channel}.type = memory", f"{channel}.capacity = 1000",
                 f"{sink}.type = file_roll", f"{sink}.channel = ch_{name}",
                 f"{sink}.sink.directory = {directory}/{name}", f"{sink}.sink.rollInterval = 0",
                 f"{sink}.sink.serializer = avro_event"]
        case = CASES[name]
        rows.append(f"{source}.interceptors = "
                    + " ".join(sorted({row.split(".")[0] for row in case.flume})))
        rows += [f"{source}.interceptors.{row}" for row in case.flume]
    return "\n".join(rows) + "\n"


class Interceptors(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = harness.make_directory()
        cls.ports = agent.free_ports(len(CASES))
        cls.agent = agent.Agent(cls.directory, configuration(cls.directory, cls.ports),
                                env={"TZ": ZONE})
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.addClassCleanup(cls.agent.kill)
        cls.agent.wait_for(r"Avro source so_\w+ started", count=len(CASES))
        # All at once: an idle sink looks every few seconds only.
        cls.answers = {name: agent.send(port, CASES[name].events)
                       for name, port in zip(CASES, cls.ports)}

    def flume(self, name):
        self.assertEqual(self.answers[name], "OK", self.agent.tail())

        def arrived():
            folder = os.path.join(self.directory, name)
            files = [os.path.join(folder, file) for file in os.listdir(folder)]
            events = [event for file in files for event in agent.read_events(file)]
            return events if events and "zz-end" in events[-1][0] else None
        return self.agent.poll(arrived, f"the events of {name}", 30)

    def ours(self, name):
        source = os.path.join(self.directory, name + ".in")
        target = os.path.join(self.directory, name + ".out")
        agent.write_events(source, CASES[name].events)
        command = ["fl-intercept", "--stream", "--in", source, "--out", target, *CASES[name].words]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              env=harness.environment(self.directory, TZ=ZONE),
                              timeout=harness.HANG)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return agent.read_events(target)

    def compare(self, name):
        flume, ours = self.flume(name), self.ours(name)
        for key in CASES[name].similar:
            for headers, _ in flume + ours:
                headers[key] = len(headers[key])
        self.assertEqual(ours, flume)


    def test_malformed_bytes_stay(self):
        """Flume writes U+FFFD into every body that is not UTF-8; we leave what is not matched."""
        flume, ours = self.flume("malformed"), self.ours("malformed")
        self.assertEqual([(headers, body.decode(errors="replace").encode())
                          for headers, body in ours], flume)
        self.assertEqual([body for _, body in ours],
                         [b"<\xff>", *MALFORMED[1:3], b"x\xc0\x80<\xe9>", b"\xfe<->\xfe", b""])

    def test_malformed_bytes_in_a_header(self):
        flume, ours = self.flume("malformed_extract"), self.ours("malformed_extract")
        self.assertEqual([body for _, body in ours], [body for _, body in flume])
        self.assertEqual([headers.get("x") for headers, _ in flume],
                         ["\ufffd", None, None, "\ufffd", "-", None])
        self.assertEqual([headers.get("x") for headers, _ in ours],
                         ["%FF", None, None, "%E9", "-", None])

    def test_a_bad_time_fails_in_flume_and_passes_here(self):
        self.assertEqual(self.answers["bad_time"], "FAILED")
        self.assertEqual(self.ours("bad_time"), CASES["bad_time"].events)


for each in CASES.keys() - DIFFERENT:
    setattr(Interceptors, "test_" + each, lambda self, name=each: self.compare(name))

if __name__ == "__main__":
    harness.main()
