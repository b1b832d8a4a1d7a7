#!/usr/bin/env python3
"""--properties FD, --check and --print-command: over every option of every component that has a Flume
key, those of a tool that is not shipped included (tests/registry/double)."""
import glob
import json
import os
import re
import shlex
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "tools")]
import harness

DOUBLE = os.path.join(os.path.dirname(harness.BIN), "tests", "registry", "double", "bin")
CANDIDATES = ("7", "7s", "word", "UTF-8", "a=b", "644")
TOOLS = r"fl-(source|intercept|channel|sink|double)(-\w+)?"


def declared():
    """(tool's path, component) of every component."""
    for path in sorted(glob.glob(os.path.join(harness.BIN, "fl-*")) +
                       glob.glob(os.path.join(DOUBLE, "fl-*"))):
        if re.fullmatch(TOOLS, os.path.basename(path)):
            program = json.loads(subprocess.run(
                [path, "--generate", "options-json"], capture_output=True, check=True,
                timeout=harness.HANG).stdout)
            for component in program["components"]:
                yield os.path.join(os.path.dirname(path), program["tool"]), component


def answer(words, properties=None, **options):
    """Status, stdout, stderr of a command that reads `properties` from a descriptor."""
    ends = ()
    if properties is not None:
        ends = os.pipe()
        os.write(ends[1], properties.encode("latin-1"))  # less than a pipe takes
        os.close(ends[1])
        words = [*words, "--properties", str(ends[0])]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False,
                          pass_fds=ends[:1], timeout=harness.HANG, **options)
    if ends:
        os.close(ends[0])
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode()


def text_of(properties):
    escaped = {key: value.replace("\\", "\\\\") for key, value in properties.items()}
    return "".join(f"{key} = {value}\n" for key, value in escaped.items())


class Entrance(harness.Case):
    def printed(self, words, properties=None):
        status, out, err = answer([*words, "--print-command"], properties)
        self.assertEqual((status, out.count("\n")), (0, 1), f"{words} {properties}\n{err}")
        return out

    def printed_again(self, tool, text):
        return self.printed([tool, *shlex.split(text)[1:]])

    def test_kafka_by_the_names_of_flume_1_6(self):
        source, channel = (os.path.join(harness.BIN, name) for name in ("fl-source", "fl-channel"))
        old = {"topic": "t", "groupId": "g", "kafka.bootstrap.servers": "b:9092",
               "zookeeperConnect": "z:2181", "backoffSleepIncrement": "5"}
        self.assertRegex(self.printed([source, "kafka"], text_of(old)), "--topics t --group g ")
        del old["groupId"]
        self.assertIn("--group flume ", self.printed([source, "kafka"], text_of(old)))
        _, _, said = answer([source, "kafka", "--print-command"], text_of(old))
        self.assertNotIn("unknown", said)
        self.assertEqual(said.count("has no effect"), 2)
        old["kafka.consumer.group.id"] = "new"
        self.assertIn("--group new ", self.printed([source, "kafka"], text_of(old)))
        put = {"topic": "t", "groupId": "g", "brokerList": "b:9092", "readSmallestOffset": "true"}
        self.assertIn("--group g ", self.printed([channel, "kafka"], text_of(put)))

    def required(self, component):
        """Properties without which there are only complaints about what is missing."""
        return {option["key"]: "7" if option["metavar"] in ("PORT", "N") else "needed"
                for option in component["options"]
                if option["required"] and not option["cli_only"]}

    def value_of(self, words, option):
        """Texts of a value for a Flume file and for the command line that are not the default."""
        if option["flag"]:
            effective = option["flume_default"] or option["default"]
            value = "false" if effective == "true" else "true"
            return value, value
        for candidate in (*option["choices"], *CANDIDATES):
            status, _, _ = answer([*words, f"--{option['name']}={candidate}", "--print-command"])
            effective = option["flume_default"] or option["default"]
            if status == 0 and candidate.lower() != effective.lower():
                unit = option["flume_unit"] if candidate.isdigit() else ""
                return candidate, candidate + unit
        self.fail(f"no value for {option['key']}: add one to CANDIDATES")

    def test_each_option_means_the_same_in_properties_and_on_the_command_line(self):
        tried = booleans = 0
        for tool, component in declared():
            command = [tool, component["name"]]
            required = self.required(component)
            if any(option["required"] and option["cli_only"] for option in component["options"]):
                continue  # what it cannot do without has no Flume key
            base = self.printed(command, text_of(required))
            self.assertEqual(self.printed_again(tool, base), base)
            words = [tool, *shlex.split(base)[1:]]
            for option in component["options"]:
                if option["cli_only"] or option["ignored"] or option["secret"]:
                    continue
                # Required ones are in each run; a positional may be in the base line already; and
                # where there is one choice, nothing differs.
                if (option["key"] in required or option["positional"] or
                        len(option["choices"]) == 1):
                    continue
                with self.subTest(component=component["name"], key=option["key"]):
                    if option["flume_only"]:  # an old name: the command line has the new one
                        text = self.printed(command, text_of({**required, option["key"]: "7"}))
                        self.assertRegex(text, r"[ =]7\b")
                        self.assertEqual(self.printed_again(tool, text), text)
                        continue
                    flume, typed = self.value_of(words, option)
                    properties = dict(required)
                    if option["parts"]:
                        properties[option["key"]] = "n"
                        for part in option["parts"]:
                            properties[f"{option['key']}.n.{part}"] = part
                        typed = ":".join(option["parts"])
                    elif option["prefix"]:
                        name, flume = flume.split("=")
                        properties[f"{option['key']}.{name}"] = flume
                    else:
                        properties[option["key"]] = flume
                    text = self.printed(command, text_of(properties))
                    typed = self.printed([*words, f"--{option['name']}={typed}"])
                    self.assertEqual(text, typed)
                    self.assertNotEqual(text, base)
                    self.assertEqual(self.printed_again(tool, text), text)
                    tried += 1
                if option["flag"]:
                    booleans += 1
                    self.check_boolean(command, words, required, option)
        print(f"{tried} options, {booleans} booleans")
        self.assertGreater(tried, 60)
        self.assertGreater(booleans, 8)

    def check_boolean(self, command, words, required, option):
        key, name = option["key"], option["name"]
        for word in ("yes", "on", "1", "No", "FALSE", "TRUE", "true"):
            with self.subTest(key=key, word=word):
                text = text_of({**required, key: word})
                meant = "true" if word.lower() == "true" else "false"
                self.assertEqual(self.printed(command, text),
                                 self.printed([*words, f"--{name}={meant}"]))
                status, out, _ = answer([*command, "--check"], text)
                warned = [each for each in json.loads(out) if each["key"] == key]
                self.assertEqual(status, 0)
                if word.lower() in ("true", "false"):
                    self.assertEqual(warned, [])
                else:
                    self.assertEqual([(each["severity"], each["value"], each["line"])
                                      for each in warned], [("warning", word, len(required) + 1)])

    def test_numbers_and_class_names_are_taken_as_flume_takes_them(self):
        fl = lambda name: os.path.join(harness.BIN, name)
        for words, properties, expected in (
                ([fl("fl-sink"), "hdfs"], "hdfs.retryInterval = -1\n", "--retry-interval 0s"),
                ([fl("fl-sink"), "hdfs"], "hdfs.closeTries = -1\nhdfs.rollSize = -1\n",
                 "--roll-size 0"),
                ([fl("fl-channel"), "memory"], "capacity = abc\n", "--capacity 100"),
                ([fl("fl-channel"), "memory"], "capacity = 0\n", "--capacity 100"),
                ([fl("fl-source"), "spooldir"],
                 "spoolDir = /x\n"
                 "deserializer = org.apache.flume.serialization.LineDeserializer$Builder\n", "/x"),
                ([fl("fl-sink"), "file_roll"],
                 "sink.directory = /x\nsink.pathManager = "
                 "org.apache.flume.formatter.output.RollTimePathManager$Builder\n",
                 "--path-manager rolltime")):
            with self.subTest(properties=properties):
                self.assertIn(" " + expected, self.printed(words, properties))
        for key in ("capacity", "byteCapacity"):
            status, out, _ = answer([fl("fl-channel"), "memory", "--check"], f"\n{key} = abc\n")
            found = json.loads(out)
            self.assertEqual((status, len(found), found[0]["line"], found[0]["severity"]),
                             (0, 1, 2, "warning"))
        # The command line stays strict.
        for words in (["fl-sink", "hdfs", "--retry-interval=-1"],
                      ["fl-channel", "memory", "--capacity=abc"]):
            self.assertEqual(answer([fl(words[0]), *words[1:], "--print-command"])[0], 64, words)

    def test_findings_name_line_key_and_remedy_and_nothing_is_opened(self):
        directory = self.path("never")
        text = (f"# a comment\nhdfs.path = file://{directory}/x\nhdfs.rollInterval = \\\n soon\n"
                "hdfs.rolSize = 5\nhdfs.batchSize = 7\n")
        status, out, err = answer([os.path.join(harness.BIN, "fl-sink"), "hdfs", "--check"], text)
        found = json.loads(out)
        self.assertEqual((status, err), (78, ""))
        self.assertEqual([(each["line"], each["key"], each["severity"]) for each in found],
                         [(3, "hdfs.rollInterval", "error"), (5, "hdfs.rolSize", "warning"),
                          (6, "hdfs.batchSize", "warning")])
        self.assertIn("did you mean 'hdfs.rollSize'", found[1]["message"])
        self.assertTrue(all(each["hint"] for each in found[1:]), found)
        status, out, _ = answer([os.path.join(harness.BIN, "fl-sink"), "hdfs", "--check"],
                                f"hdfs.path = file://{directory}/x\n")
        self.assertEqual((status, json.loads(out)), (0, []))
        self.assertFalse(os.path.exists(directory))

    def test_a_run_takes_them_and_ends_with_78_where_they_are_wrong(self):
        os.mkdir(self.path("out"))
        status, _, err = answer(
            ["sh", "-c", 'fl-source seq --count 3 | exec fl-sink file_roll --stream "$@"', "sh"],
            f"sink.directory = {self.path('out')}\nsink.emptyFiles = yes\n", env=self.env())
        self.assertEqual(status, 0, err)
        self.assertIn("properties, line 2", err)
        files = os.listdir(self.path("out"))
        self.assertEqual(len(files), 1)
        with open(self.path("out", files[0])) as file:
            self.assertEqual(file.read(), "0\n1\n2\n")
        status, out, err = answer([os.path.join(harness.BIN, "fl-sink"), "file_roll"],
                                  "sink.rollInterval = soon\n")
        self.assertEqual((status, out), (78, ""))
        self.assertIn("property 'sink.directory' is missing", err)
        self.assertIn("properties, line 1: property 'sink.rollInterval'", err)

    def test_what_only_asks_never_writes_a_stream(self):
        for tool, component in declared():
            for words in (["--check"], ["--check", "--properties", "999"],
                          ["--print-command", "--nosuch"], ["--check", "--properties=x"]):
                status, out, err = answer([tool, component["name"], *words])
                self.assertEqual((status, out), (64, ""), f"{component['name']} {words} {err}")

    def test_no_secret_is_shown(self):
        tool = os.path.join(DOUBLE, "fl-double")
        text = ("probe.servers = a\nprobe.password = hunter2\nprobe.pasword = hunter2\n"
                "probe.producer.acks = all\nprobe.producer.ssl.key.password = hunter2\n"
                "probe.password = hunter2\n")
        printed = self.printed([tool, "probe"], text)
        self.assertEqual(printed,
                         "fl-double probe --servers a --password-env FL_PASSWORD --producer acks=all "
                         "--producer-env ssl.key.password=FL_PRODUCER_SSL_KEY_PASSWORD\n")
        self.assertEqual(self.printed_again(tool, printed), printed)
        for more in (["--check"], ["--print-command"], ["--help"], ["--help-all"],
                     ["--check", "--log-level", "debug"], ["--nosuch"]):
            _, out, err = answer([tool, "probe", *more], text)
            self.assertNotIn("hunter2", out + err, more)
        status, out, _ = answer([tool, "probe", "--check"], text)
        self.assertEqual((status, {each["value"] for each in json.loads(out)}), (0, {"***"}))

    def test_only_installed_programs_get_properties(self):
        program = self.path("fl-sink-stranger")
        with open(program, "w") as file:
            file.write(f"#!/bin/sh\ntouch {self.path('was-run')}\n")
        os.chmod(program, 0o755)
        env = self.env()
        env["PATH"] = f"{self.dir}:{env['PATH']}"
        sink = os.path.join(harness.BIN, "fl-sink")
        for words in (["--check"], ["--print-command"], [], ["--stream"]):
            status, _, err = answer([sink, "stranger", *words], "a = b\n", env=env)
            self.assertEqual(status, 64, err)
            self.assertIn("not installed with fl-sink", err)
        self.assertEqual(answer([sink, "stranger", "--print-command"], env=env)[0], 64)
        self.assertFalse(os.path.exists(self.path("was-run")))
        self.assertEqual(answer([sink, "stranger"], env=env)[0], 0)  # without properties it is run
        self.assertTrue(os.path.exists(self.path("was-run")))

    def test_own_options_and_chains_are_refused_beside_them(self):
        sink, intercept = (os.path.join(harness.BIN, name) for name in ("fl-sink", "fl-intercept"))
        status, _, err = answer([sink, "hdfs", "/x", "--check"], "hdfs.rollSize = 5\n")
        self.assertEqual(status, 64)
        self.assertIn("put hdfs.path in the properties", err)
        status, _, err = answer([intercept, "ts", "+", "host", "--check"], "a = b\n")
        self.assertEqual(status, 64)
        self.assertIn("not a chain", err)

    def test_the_text_is_bounded(self):
        done = subprocess.run([os.path.join(harness.BIN, "fl-sink"), "null", "--check",
                               "--properties", "0"], input=b"#" * (2 << 20), capture_output=True,
                              check=False, timeout=harness.HANG)
        self.assertEqual(done.returncode, 78)
        self.assertIn(b"more than 1MiB", done.stderr)


if __name__ == "__main__":
    harness.main()
