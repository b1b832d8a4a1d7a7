#!/usr/bin/env python3
"""Values that nobody intends: empty paths, unknown escapes, zones; events in the intended place.

The first class goes over all options of all programs, as `--generate options-json` lists them.
"""
import http.client
import json
import os
import re
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import avro_rpc
import forms
import harness
import kafka_mock
import mariadb_server
import netcat_client
import recipes
from fake_hdfs import FakeHdfs
from ports import free_port

PROGRAMS = [name for name in sorted(os.listdir(harness.BIN))
            if re.fullmatch(r"fl-(source|intercept|channel|sink)(-\w+)?", name)]
PATH_NAMES = {"PATH", "DIR", "FILE", "FILE|HOST:PORT"}
OF_URLS = {"health-path"}


class Case(harness.Case):
    def fl(self, *words, stdin=b"a\nb\n", **env):
        """(status, stdout, stderr) of one stage, in the directory of the test. It writes into a
        file, and so waits for no reader to acknowledge."""
        with open(self.path("home", "stdout"), "w+b") as out:
            done = subprocess.run(words, input=stdin, stdout=out, stderr=subprocess.PIPE,
                                  env=self.env(HADOOP_USER_NAME="eva", **env), cwd=self.dir,
                                  timeout=harness.HANG, check=False)
            out.seek(0)
            return done.returncode, out.read(), done.stderr.decode(errors="replace")

    def expect(self, status, *words, said=(), stdin=b"a\nb\n", **env):
        got, out, errors = self.fl(*words, stdin=stdin, **env)
        self.assertEqual(got, status, f"{words}: {errors}")
        for text in [said] if isinstance(said, str) else said:
            self.assertIn(text, errors, words)
        return out, errors

    def events(self, *headers, body=b"x"):
        """A stream of one event for each dict of headers."""
        stream = b""
        for values in headers:
            words = []
            for name, value in values.items():
                words += (["+"] if words else []) + ["static", "--preserve-existing=false",
                                                     "--key", name, "--value", value]
            words = words or ["static", "no", "one"]
            stream += self.expect(0, "fl-intercept", *words, stdin=body + b"\n")[0]
        return stream


class EmptyPaths(Case):
    def declared(self):
        """(tool, words that lead to the component, option) of everything that is declared."""
        for program in PROGRAMS:
            listed = json.loads(self.expect(0, program, "--generate", "options-json")[0])
            for component in listed["components"]:
                for option in component["options"] + listed["stage_options"]:
                    if not option["ignored"]:
                        yield listed["tool"], component["name"], option

    def test_every_path_refuses_an_empty_value(self):
        tried = 0
        for tool, component, option in self.declared():
            where = f"{tool} {component} {option['name']}"
            if option["metavar"] in PATH_NAMES and option["name"] not in OF_URLS:
                self.assertTrue(option["path"], f"{where} is not marked as a path")
            if not option["refuses_empty"]:
                continue
            shown = option["metavar"] if option["positional"] else "--" + option["name"]
            forms = [["--" + option["name"] + "="], ["--" + option["name"], ""]]
            forms += [[""]] if option["positional"] else []
            for form in forms:
                before = sorted(os.listdir(self.dir))
                self.expect(64, tool, component, *form, said=shown + ": the ")
                self.assertEqual(sorted(os.listdir(self.dir)), before, where)
                tried += 1
        print(f"{tried} empty values")
        self.assertGreater(tried, 100)

    def test_a_url_without_a_directory_is_empty_too(self):
        for url in ("file://", "hdfs://nn:8020", "webhdfs://127.0.0.1:1", "swebhdfs://h:1"):
            for more in ([], ["--dry-run"]):
                self.expect(64, "fl-sink", "hdfs", url, *more, said=("PATH", url))

    def test_a_member_of_a_group(self):
        self.expect(64, "fl-sink", "failover", "--", "hdfs", "", "+", "null", said="PATH")

    def test_nothing_is_read_from_the_current_directory(self):
        self.write("mine", "a\n")
        self.expect(64, "fl-source", "spooldir", "", "--once", said="DIR")
        self.assertTrue(os.path.exists(self.path("mine")))


class Misplaced(Case):
    def refused(self, *words, said=()):
        for more in ([], ["--dry-run"]):
            self.expect(78, "fl-sink", "hdfs", *words, *more, said=said)
        self.assertFalse(os.path.exists(self.out))

    def test_escapes_that_are_none(self):
        for escape in ("%{host", "%Q", "%{}", "%{a b}", "%[host"):
            self.refused(f"file://{self.out}/{escape}", said=("unknown escape", escape, "PATH"))
            self.refused(f"file://{self.out}", "--file-prefix", escape,
                         said=("unknown escape", escape, "--file-prefix"))
        self.expect(0, "fl-sink", "hdfs", f"file://{self.out}/%Q", "--path-rules", "flume",
                    said="it becomes nothing")

    def test_names_that_hdfs_refuses(self):
        fake = FakeHdfs()
        fake.__enter__()
        self.addCleanup(fake.__exit__)
        url = "webhdfs://" + fake.host
        for words, named in (([url + "/logs/%H:%M"], "PATH"), ([url + "/a:b/%{x}"], "PATH"),
                             ([url + "/a", "--file-prefix", "x:y"], "--file-prefix"),
                             ([url + "/a", "--file-suffix", ".l:g"], "--file-suffix")):
            self.refused(*words, "--use-local-time-stamp", said=("':'", named))
        self.assertEqual(fake.of("CREATE"), [])
        self.expect(0, "fl-sink", "hdfs", f"file://{self.out}/a:b")  # a local name may have one

    def test_regex_filter_without_a_regex(self):
        for words in ([], [""], ["--regex", ""]):
            for more in ([], ["--dry-run"]):
                self.expect(64, "fl-intercept", "regex_filter", *words, *more, said="REGEX")

    def test_a_header_that_no_event_has_is_a_warning(self):
        stream = self.events({"host": "h1"}, {"host": "h2"})
        _, errors = self.expect(0, "fl-sink", "hdfs", f"file://{self.out}/%{{hsot}}", stdin=stream,
                                said=("'hsot'", "did you mean 'host'", "it has: host"))
        self.assertEqual(errors.count("hsot}"), 1, errors)
        _, errors = self.expect(0, "fl-sink", "hdfs", f"file://{self.out}/%{{host}}", stdin=stream)
        self.assertNotIn("warning", errors)

    def test_seconds_in_timestamp_are_a_warning(self):
        for value, warned in (("1700000000", True), ("1700000000000", False), ("1000", False)):
            stream = self.events({"timestamp": value}, {"timestamp": value})
            _, errors = self.expect(0, "fl-sink", "hdfs", f"file://{self.out}/%Y", stdin=stream)
            self.assertEqual(errors.count("looks like seconds"), int(warned), errors)

    def test_groups_of_sed_are_a_warning(self):
        for text, warned in ((r"<\1>", True), ("<$1>", False), (r"\$1", False), (r"\\1", False)):
            _, errors = self.expect(0, "fl-intercept", "search_replace", "(a)", text)
            self.assertEqual("is $1" in errors, warned, errors)

    def test_compressed_files_have_the_name_of_their_codec(self):
        for codec, end in (("gzip", ".gz"), ("bzip2", ".bz2"), ("zstd", ".zst")):
            for suffix, warned in ((".log", True), (".log" + end, False), (None, False)):
                words = ["--file-suffix", suffix] if suffix else []
                _, errors = self.expect(0, "fl-sink", "hdfs", f"file://{self.out}", "--code-c",
                                        codec, *words)
                self.assertEqual(f"--file-suffix .log{end}" in errors, warned, errors)

    def test_code_c_alone_compresses(self):
        self.expect(0, "fl-sink", "hdfs", f"file://{self.out}", "--code-c", "gzip")
        [file] = harness.committed_files(self.out)
        self.assertTrue(file.endswith(".gz"))
        self.assertEqual(subprocess.run(["zcat", file], capture_output=True, check=True,
                                        timeout=harness.HANG).stdout, b"a\nb\n")
        self.expect(78, "fl-sink", "hdfs", f"file://{self.out}", "--code-c", "gzip", "--file-type",
                    "DataStream", said="remove")

    def header(self, *words):
        stream, _ = self.expect(0, "fl-intercept", *words, stdin=b"x\n")
        return self.expect(0, "fl-sink", "stdout", "--format", "json", stdin=stream)[0]

    def test_static_takes_a_pair(self):
        for words, headers in ((["a=b"], {"a": "b"}), (["a=b=c"], {"a": "b=c"}), (["a="], {"a": ""}),
                               (["a=b", "c"], {"a=b": "c"}), (["a", "b=c"], {"a": "b=c"}),
                               (["--key", "a=b", "--value", "c"], {"a=b": "c"})):
            self.assertEqual(json.loads(self.header("static", *words))["headers"], headers, words)


# What POSIX and the C library read, by kind; date(1) says what each means.
ZONES = ["UTC-3", "GMT+5", "EST5", "CET-1CEST,M3.5.0,M10.5.0/3", "<+0330>-3:30", "EST5EDT",
         "CET-1CEST", "EST+5EDT,M3.2.0/2,M11.1.0/2", "NZST-12NZDT,M9.5.0,M4.1.0/3",
         "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "EET-2EEST,M3.4.4/50,M10.4.4/50", "IST-5:30",
         "AAA4BBB,J60/0,J300/0", "AAA4BBB,59,299", "GMT", "UTC", "", ":Europe/Berlin",
         "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe",
         "Pacific/Apia", "Africa/Casablanca", "America/St_Johns", "Etc/GMT+5",
         "/usr/share/zoneinfo/Asia/Tokyo"]
INSTANTS = [0, 86399, 951782400, 1136073600, 1174784400, 1174791600, 1174795200, 1193533200,
            1300000000, 1325203200, 1331449199, 1331449200, 1332637199, 1332637200, 1351385999,
            1351386000, 1380000000, 1400000000, 1420070399, 1450000000, 1500000000, 1522544400,
            1540692000, 1583650800, 1600000000, 1622505600, 1640995199, 1679792400, 1700000000,
            1711846800, 1719792000, 1735689599, 1790000000, 1900000000, 2000000000, 2147483647]


class Zones(Case):
    FORMAT = "%Y-%m-%dT%H%M%S%z"

    def setUp(self):
        super().setUp()
        self.stream = b""
        text = "".join(f"{instant}000\n" for instant in INSTANTS).encode()
        self.stream, _ = self.expect(0, "fl-intercept", "regex_extractor", r"(\d+)", "timestamp",
                                     stdin=text)

    def test_tz_is_read_as_date_reads_it(self):
        """Property: hdfs.timeZone"""
        for i, zone in enumerate(ZONES):
            date = subprocess.run(["date", "-f", "-", "+" + self.FORMAT], capture_output=True,
                                  check=True, input="".join(f"@{t}\n" for t in INSTANTS), text=True,
                                  env=self.env(TZ=zone), timeout=harness.HANG).stdout.split()
            root = self.path(f"zone{i}")
            self.expect(0, "fl-sink", "hdfs", f"file://{root}/{self.FORMAT}", stdin=self.stream,
                        TZ=zone)
            self.assertEqual(sorted(os.listdir(root)), sorted(set(date)), f"TZ={zone}")
        print(f"{len(ZONES)} zones, {len(INSTANTS)} instants")

    def test_regex_extractor_reads_what_date_wrote(self):
        # An hour that comes twice is the first one: such instants would come back as another.
        for zone in ZONES:
            text = subprocess.run(["date", "-f", "-", "+%Y-%m-%d %H:%M:%S"], capture_output=True,
                                  check=True, input="".join(f"@{t}\n" for t in INSTANTS[5:20]),
                                  env=self.env(TZ=zone), text=True, timeout=harness.HANG).stdout
            again = subprocess.run(["date", "-f", "-", "+%s"], capture_output=True, check=True,
                                   input=text, env=self.env(TZ=zone), text=True,
                                   timeout=harness.HANG).stdout.split()
            stream, _ = self.expect(0, "fl-intercept", "regex_extractor", "(.*)",
                                    "t:millis:yyyy-MM-dd HH:mm:ss", stdin=text.encode(), TZ=zone)
            rows, _ = self.expect(0, "fl-sink", "stdout", "--format", "json", stdin=stream)
            found = [json.loads(row)["headers"]["t"][:-3] for row in rows.splitlines()]
            self.assertEqual(found, again, f"TZ={zone}")

    def test_time_zone_stays_java_s(self):
        root = self.path("java")
        self.expect(0, "fl-sink", "hdfs", f"file://{root}/%z", "--time-zone", "GMT+5",
                    stdin=self.stream)
        self.assertEqual(os.listdir(root), ["+0500"])
        self.expect(78, "fl-sink", "hdfs", f"file://{root}/%z", "--time-zone", "EST5EDT,0",
                    said="unknown time zone")

    def test_what_is_no_zone_is_refused(self):
        for zone in ("Nowhere/Land", "Europe", "FOO", "EST5EDT,M13.1.0,M1.1.0", "EST5 ", "X5",
                     "../../../etc/passwd", "A" * 5000):
            self.expect(78, "fl-sink", "hdfs", f"file://{self.out}/%H", "--dry-run", TZ=zone,
                        said="in $TZ")

    def test_an_hour_that_the_clocks_leave_out(self):
        for words, env, zone in ((["--time-zone", "Europe/Berlin"], {}, "Europe/Berlin"),
                                 ([], {"TZ": "CET-1CEST,M3.5.0,M10.5.0/3"}, "CET-1CEST")):
            self.expect(0, "fl-intercept", "regex_extractor", "(.*)",
                        "t:millis:yyyy-MM-dd HH:mm:ss", *words, stdin=b"2024-03-31 02:30:00\n",
                        said="'2024-03-31 02:30:00' does not exist in " + zone, **env)


class TooLarge(Case):
    """An interceptor makes nothing that the next stage refuses."""

    def full(self, count=64, value=1, body=b"x"):
        """A stream of one event with so many headers of so many bytes."""
        words = []
        for i in range(count):
            words += (["+"] if i else []) + ["static", f"h{i:02}", "v" * value]
        return self.expect(0, "fl-intercept", *words, stdin=body + b"\n")[0]

    def one_event(self, headers, body=b"x"):
        """A stream of one event with exactly these header bytes, the end of the map included."""
        pairs = b""
        names = iter(b"n%02d" % i for i in range(64))
        left = headers - 2  # the count and the end
        count = 0
        while left > 0:
            size = min(left, 4000)
            size = size if left - size >= 10 or left == size else size - 10
            value = size - 4 - (2 if size - 4 > 65 else 1)
            pairs += forms.pairs([(next(names), b"v" * value)])
            left -= size
            count += 1
        event = forms.event(forms.number(count) + pairs, body)
        self.assertEqual(len(event) - 1 - len(body), headers)
        return forms.header() + forms.block([event])

    def check_kind(self, words, stream, fine, stdin=None):
        """Alone 65 at the interceptor; with --reject it is kept and the next stages are content."""
        self.expect(65, "fl-intercept", *words, stdin=stream, said="grows")
        kept = self.path("kept.avro")
        out, _ = self.expect(0, "fl-intercept", *words, "--reject", kept, stdin=stream + fine)
        bodies, _ = self.expect(0, "fl-sink", "stdout", stdin=out)
        self.assertEqual(bodies.count(b"\n"), 1, words)
        with open(kept, "rb") as file:
            self.expect(0, "fl-sink", "stdout", stdin=file.read())
        os.remove(kept)

    # What makes an interceptor add something to an event of the body 1, and what to none.
    ADDS = {"timestamp": ["timestamp"], "host": ["host"], "uuid": ["uuid"],
            "static": ["static", "k", "v" * 20], "json": ["json", "fresh=.[0]"],
            "regex_extractor": ["regex_extractor", "(1)", "fresh"]}
    GROWS = {"search_replace": ["search_replace", "1", "y" * 2000],
             "exec": ["exec", "--", "sed", "s/1/" + "y" * 2000 + "/"]}
    NEVER = {"remove_header": ["remove_header", "none"], "regex_filter": ["regex_filter", "1"]}

    def test_every_interceptor_is_tried(self):
        listed = json.loads(self.expect(0, "fl-intercept", "--generate", "options-json")[0])
        self.assertEqual({each["name"] for each in listed["components"]},
                         {*self.ADDS, *self.GROWS, *self.NEVER})

    def test_headers(self):
        fine = self.events({"one": "header"}, body=b"[1]")
        full = self.full(body=b"[1]")
        bulky = self.one_event(65530, b"[1]")
        for name, words in self.ADDS.items():
            for stream in (full, bulky):
                if name == "regex_extractor" and stream is full:
                    # It passes such an event unchanged, as its page says.
                    out, _ = self.expect(0, "fl-intercept", *words, stdin=stream, said="unchanged")
                    self.expect(0, "fl-sink", "null", stdin=out)
                else:
                    self.check_kind(words, stream, fine)
        for words in self.NEVER.values():
            for stream in (full, bulky):
                out, _ = self.expect(0, "fl-intercept", *words, stdin=stream)
                self.assertEqual(self.expect(0, "fl-sink", "stdout", stdin=out)[0], b"[1]\n")

    def test_a_field_that_is_too_long_for_a_header(self):
        text = b'{"fresh":"' + b"v" * 4097 + b'"}\n'
        out, _ = self.expect(0, "fl-intercept", "json", "fresh", stdin=text, said="4096 at most")
        self.assertEqual(self.expect(0, "fl-sink", "stdout", stdin=out)[0], text)
        self.expect(65, "fl-intercept", "json", "--required", "fresh", stdin=text,
                    said=("4096 at most", "--reject FILE"))
        out, _ = self.expect(0, "fl-intercept", "json", "--required", "fresh", "--reject",
                             self.path("kept.avro"), stdin=text + b'{"fresh":1}\n')
        self.assertEqual(self.expect(0, "fl-sink", "stdout", stdin=out)[0], b'{"fresh":1}\n')
        self.assertEqual(self.expect(0, "fl-sink", "stdout", "--in", "kept.avro")[0], text)

    def test_a_body(self):
        small = ["--max-event", "1000", "--max-line", "1000"]
        for words in self.GROWS.values():
            self.expect(65, "fl-intercept", *small, *words, stdin=b"1\n",
                        said=("000", "--max-event"))
            self.expect(0, "fl-intercept", *words, stdin=b"1\n")
        # The lines of a command belong to a batch, which fails as a whole: nothing is left out.
        kept = self.path("kept.avro")
        self.expect(65, "fl-intercept", *small, "--reject", kept, *self.GROWS["exec"], stdin=b"1\n")
        out, _ = self.expect(0, "fl-intercept", *small, "--reject", kept,
                             *self.GROWS["search_replace"], stdin=b"1\n2\n")
        self.assertEqual(self.expect(0, "fl-sink", "stdout", stdin=out)[0], b"2\n")
        self.assertEqual(self.expect(0, "fl-sink", "stdout", "--in", kept)[0], b"1\n")

    def test_the_limits_to_the_byte(self):
        for size, status in ((65535, 0), (65536, 0), (65537, 65)):
            stream = self.one_event(size)
            for words in (["fl-intercept", "regex_filter", "x"], ["fl-sink", "null"],
                          ["fl-channel", "memory"]):
                self.expect(status, *words, stdin=stream)
        # A block of our form takes three bytes more, and the header 6.
        for size, status in ((65536 - 12, 0), (65536, 65)):
            out, _ = self.expect(status, "fl-intercept", "static", "k", "v", stdin=self.one_event(size))
            if status == 0:
                self.expect(0, "fl-sink", "null", stdin=out)
        self.expect(0, "fl-sink", "null", stdin=self.full(64))

    def test_names_and_values_are_checked_at_the_start(self):
        long = "n" * 257
        for words in (["ts", "--header-name", long], ["host", "--host-header", long],
                      ["uuid", long], ["uuid", "--prefix", "p" * 4090], ["static", long, "v"],
                      ["static", "k", "v" * 4097]):
            self.expect(78, "fl-intercept", *words, said="possible")


class SourceTooLarge(Case):
    """No source adds what the next stage refuses: it refuses such an event itself."""
    SOURCES = {"avro", "http", "netcat", "spooldir", "kafka", "sql", "stdin"}
    ADDS_NOTHING = {"exec", "seq"}
    WIDEST = 256  # of a header's name

    def test_every_source_is_tried(self):
        listed = self.expect(0, "fl-source", "list")[0].decode()
        self.assertEqual({row.split()[0] for row in listed.splitlines() if row.startswith("  ")},
                         self.SOURCES | self.ADDS_NOTHING)

    def beside(self, *source):
        """A source that a test sends something to, and strict stages after it."""
        return self.pipeline(["fl-source", *source], "fl-intercept regex_filter . --stream",
                             "fl-sink stdout --stream --format json")

    def stored(self, pipeline, signalled=True):
        if signalled:
            pipeline.send(signal.SIGTERM, 0)
        self.check(pipeline, 0, 0, 0)
        return [json.loads(row)["headers"] for row in pipeline.output().splitlines()]

    def answers(self, name, send):
        """What clients hear, with a header of their address, for (their headers, is it taken)."""
        port = free_port()
        header = "c" * self.WIDEST
        pipeline = self.beside(name, "--bind", "127.0.0.1", "--port", str(port), "--ack-at", "put",
                               "--client-ip-header", header)
        # The room for the address is kept free: 64 bytes beside the name.
        bulk = {f"n{i:02}": "v" * 4000 for i in range(16)}
        for headers, taken in (({f"h{i:02}": "v" for i in range(64)}, False), (bulk, True),
                               ({**bulk, "last": "v" * 1400}, False),
                               ({f"h{i:02}": "v" for i in range(63)}, True)):
            self.assertEqual(send(port, pipeline, headers), taken, f"{name} {list(headers)[-1]}")
        self.assertEqual([(len(each), each[header]) for each in self.stored(pipeline)],
                         [(17, "127.0.0.1"), (64, "127.0.0.1")])

    def test_avro(self):
        def send(port, pipeline, headers):
            client = avro_rpc.connect(port, lambda: pipeline.processes[0].poll() is not None)
            with client:
                return client.append_batch([(headers, b"x")]) == "OK"
        self.answers("avro", send)

    def test_http(self):
        def send(port, pipeline, headers):
            harness.poll(lambda: "listening" in pipeline.errors(0), "a source that listens")
            link = http.client.HTTPConnection("127.0.0.1", port, timeout=harness.HANG)
            link.request("POST", "/", json.dumps([{"headers": headers, "body": "x"}]))
            status = link.getresponse().status
            link.close()
            return status == 200
        self.answers("http", send)

    def test_netcat(self):
        port = free_port()
        header = "c" * self.WIDEST
        pipeline = self.beside("netcat", "--bind", "127.0.0.1", "--port", str(port),
                               "--client-ip-header", header)
        source = pipeline.processes[0]
        def is_gone():
            return source.poll() is not None

        self.assertEqual(netcat_client.send_lines(port, [b"x"], is_gone), 1)
        self.assertEqual(self.stored(pipeline), [{header: "127.0.0.1"}])

    def test_spooldir(self):
        # As deep as a path may be: 4096 bytes with the end.
        folder = self.path("spool")
        while len(folder) < 3800:
            folder = os.path.join(folder, "d" * min(200, 3900 - len(folder)))
        os.makedirs(folder)
        name = "n" * (4095 - len(folder) - 1 - len(".COMPLETED"))
        deep = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        self.addCleanup(os.close, deep)
        file = os.open(name, os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=deep)
        os.write(file, b"x\n")
        os.close(file)
        one, other = "f" * self.WIDEST, "b" * self.WIDEST
        pipeline = self.beside("spooldir", folder, "--once", "--file-header", "--file-header-key",
                               one, "--basename-header", "--basename-header-key", other)
        self.assertEqual(self.stored(pipeline, signalled=False),
                         [{one: os.path.join(folder, name), other: name}])

    def test_spooldir_refuses_a_name_that_no_event_can_have(self):
        self.write("spool/a", "1\n")
        for option in ("--file-header", "--basename-header"):
            self.expect(78, "fl-source", "spooldir", "spool", "--once", option, option + "-key",
                        "n" * (self.WIDEST + 1), said="is longer than 256 bytes")
        self.assertEqual(os.listdir(self.path("spool")), ["a"])

    def test_kafka(self):
        with kafka_mock.Cluster() as cluster:
            def publish(count):
                words = [word for i in range(count) for word in ("-H", f"h{i:02}=v")]
                subprocess.run(["kcat", "-b", cluster.address, "-P", "-t", "t", *words], check=True,
                               input=b"%d" % count, timeout=harness.HANG)
            publish(60)
            publish(64)
            words = ["kafka", "t", "--bootstrap-server", cluster.address, "--once",
                     "--topic-header", "t" * self.WIDEST]
            self.expect(65, "fl-source", *words, "--group", "a",
                        said=("too many headers", "--reject FILE"))
            out, _ = self.expect(0, "fl-source", *words, "--group", "b", "--reject", "kept.avro")
            event = json.loads(self.expect(0, "fl-sink", "stdout", "--format", "json", stdin=out)[0])
            self.assertEqual((event["body"], event["headers"]["t" * self.WIDEST]), ("60", "t"))
            self.assertEqual(self.expect(0, "fl-sink", "stdout", "--in", "kept.avro")[0], b"64\n")

    def test_sql(self):
        if lacking := recipes.missing():
            self.skipTest(lacking)
        database = mariadb_server.open_for_all()
        columns = ", ".join(f"a_long_name_of_a_column_{i} TINYINT" for i in range(150))
        database.run(f"CREATE TABLE wide ({columns}); INSERT INTO wide () VALUES ()")
        words = ["sql", database.url("wide"), "--format", "avro", "--once"]
        self.expect(78, "fl-source", *words, said=("4096", "--schema-dir"))
        os.mkdir(self.path("schemas"))
        out, _ = self.expect(0, "fl-source", *words, "--schema-dir", "schemas")
        self.expect(0, "fl-sink", "null", stdin=out)

    def test_stdin(self):
        rows = [json.dumps({"headers": headers, "body": body}) for headers, body in (
            ({f"h{i:02}": "v" for i in range(65)}, "many"), ({"h": "v" * 4097}, "long"),
            ({"n" * 257: "v"}, "name"), ({f"n{i:02}": "v" * 4096 for i in range(16)}, "bulk"),
            ({f"h{i:02}": "v" for i in range(64)}, "fine"))]
        text = "".join(row + "\n" for row in rows).encode()
        for row in rows[:4]:
            self.expect(65, "fl-source", "stdin", "--format", "json", stdin=row.encode() + b"\n")
        out, _ = self.expect(0, "fl-source", "stdin", "--format", "json", "--reject", "kept.avro",
                             stdin=text)
        self.assertEqual(self.expect(0, "fl-sink", "stdout", stdin=out)[0], b"fine\n")
        self.assertEqual(self.expect(0, "fl-sink", "stdout", "--in", "kept.avro")[0].decode(),
                         "".join(row + "\n" for row in rows[:4]))

    def test_names_are_checked_at_the_start(self):
        for name in ("avro", "http", "netcat"):
            self.expect(78, "fl-source", name, "--port", "0", "--client-ip-header",
                        "n" * (self.WIDEST + 1), said="not a valid header name")


class Remedies(Case):
    def test_interceptors_that_were_mistyped(self):
        self.expect(64, "fl-intercept", "ts+host", said="ts + host")
        self.expect(64, "fl-intercept", "ts", "host", said="put a '+'")
        self.expect(64, "fl-intercept", "static", "a", "b", "ts", "+", "host", said="put a '+'")

    def test_a_glob_for_a_regex(self):
        os.mkdir(self.path("in"))
        for words in (["fl-source", "spooldir", "in", "--once", "--include-pattern", "*.log"],
                      ["fl-intercept", "regex_filter", "*.log"]):
            _, errors = self.fl(*words)[1:]
            self.assertIn(r"'.*\.log'", errors, words)

    def test_codec_for_files(self):
        for codec, status in (("gzip", 64), ("zstd", 64)):
            self.expect(status, "fl-sink", "hdfs", f"file://{self.out}", "--codec", codec,
                        said="--code-c")

    def test_urls(self):
        self.expect(78, "fl-sink", "hdfs", "http://nn:9870/x", said="webhdfs://nn:9870/PATH")
        self.expect(78, "fl-sink", "hdfs", "https://nn:9871/x", said="swebhdfs://nn:9871/PATH")
        self.expect(78, "fl-sink", "hdfs", "s3a://bucket/x", said="s3a:// is not supported")

    def test_too_many_open_files(self):
        self.expect(74, "bash", "-c", 'ulimit -n 6; fl-sink hdfs "$1"', "bash",
                    f"file://{self.out}", said="ulimit -n")

    def test_the_size_of_an_event(self):
        stream, _ = self.expect(0, "fl-intercept", "static", "a", "b", stdin=b"y" * 3000 + b"\n")
        self.expect(65, "fl-sink", "null", "--max-event", "1000", "--max-line",
                    "1000", stdin=stream,
                    said=("3000 bytes", "1000"))


if __name__ == "__main__":
    harness.main()
