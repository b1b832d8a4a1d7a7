#!/usr/bin/env python3
"""Flume 1.11's Kafka source, sink and channel on the topics of ours, in both directions and in both
forms: whole events in Avro, and bodies alone. And Java's console tools. Started by ./run."""
import glob
import json
import os
import pathlib
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in (os.path.join("..", "flume"), os.path.join("..", "..", "tools"), "."):
    sys.path.insert(0, os.path.join(HERE, folder))
import agent
import brokers
import harness
import maven

LIMIT = 180
EVENTS = [({"key": "k1", "host": "w", "ümlaut": "Grüße"}, b"hello"), ({}, b""),
          ({"key": "k2", "empty": ""}, b"\0\xff\r\n"), ({"h": "v" * 500}, b"x" * 5000)] + [
    ({"key": f"key-{i % 7}", "n": str(i)}, b"%d" % i) for i in range(300)]
# Of a record, from a source.
PLACE = {"topic", "partition", "offset", "timestamp"}
FORMS = ("event", "body")


def configuration(directory, kafka, topics, ports):
    """Eight ways: {source, sink, channel that takes, channel that puts} x {event, body}. What is read
    goes into files, what is written comes over Avro RPC."""
    sources, channels, sinks, rows = [], [], [], []
    for way, topic in topics.items():
        what, form = way
        name = f"{what}_{form}"
        is_event = str(form == "event").lower()
        if what in ("sink", "put"):
            sources.append(name)
            rows += [f"a1.sources.{name}.type = avro", f"a1.sources.{name}.bind = 127.0.0.1",
                     f"a1.sources.{name}.port = {ports[way]}", f"a1.sources.{name}.threads = 1",
                     f"a1.sources.{name}.channels = {name}"]
        if what in ("source", "take"):
            os.mkdir(os.path.join(directory, name))
            sinks.append(name)
            rows += [f"a1.sinks.{name}.type = file_roll", f"a1.sinks.{name}.channel = {name}",
                     f"a1.sinks.{name}.sink.directory = {directory}/{name}",
                     f"a1.sinks.{name}.sink.rollInterval = 0",
                     f"a1.sinks.{name}.sink.serializer = avro_event"]
        channels.append(name)
        if what in ("put", "take"):
            rows += [f"a1.channels.{name}.type = org.apache.flume.channel.kafka.KafkaChannel",
                     f"a1.channels.{name}.kafka.bootstrap.servers = {kafka.bootstrap}",
                     f"a1.channels.{name}.kafka.topic = {topic}",
                     f"a1.channels.{name}.kafka.consumer.group.id = flume-{name}",
                     f"a1.channels.{name}.migrateZookeeperOffsets = false",
                     f"a1.channels.{name}.parseAsFlumeEvent = {is_event}"]
            continue
        rows += [f"a1.channels.{name}.type = memory", f"a1.channels.{name}.capacity = 10000",
                 f"a1.channels.{name}.transactionCapacity = 10000"]
        if what == "sink":
            sinks.append(name)
            rows += [f"a1.sinks.{name}.type = org.apache.flume.sink.kafka.KafkaSink",
                     f"a1.sinks.{name}.channel = {name}",
                     f"a1.sinks.{name}.kafka.bootstrap.servers = {kafka.bootstrap}",
                     f"a1.sinks.{name}.kafka.topic = {topic}",
                     f"a1.sinks.{name}.useFlumeEventFormat = {is_event}"]
        else:
            sources.append(name)
            rows += [f"a1.sources.{name}.type = org.apache.flume.source.kafka.KafkaSource",
                     f"a1.sources.{name}.channels = {name}",
                     f"a1.sources.{name}.kafka.bootstrap.servers = {kafka.bootstrap}",
                     f"a1.sources.{name}.kafka.topics = {topic}",
                     f"a1.sources.{name}.kafka.consumer.group.id = flume-{name}",
                     f"a1.sources.{name}.kafka.consumer.auto.offset.reset = earliest",
                     f"a1.sources.{name}.useFlumeEventFormat = {is_event}"]
    return "\n".join([f"a1.sources = {' '.join(sources)}", f"a1.channels = {' '.join(channels)}",
                      f"a1.sinks = {' '.join(sinks)}", *rows]) + "\n"


class Flume(harness.Case):
    @classmethod
    def setUpClass(cls):
        cls.kafka = brokers.shared(1)
        cls.directory = harness.make_directory()
        cls.addClassCleanup(subprocess.run, ["rm", "-rf", cls.directory], check=False)
        lib = maven.fetch(pathlib.Path(HERE, "pom-flume.xml"),
                          brokers.ROOT / "build/peers/kafka/flume", "Flume", agent.skip)
        ways = [(what, form) for what in ("source", "sink", "take", "put") for form in FORMS]
        cls.topics = {way: f"flume-{way[0]}-{way[1]}" for way in ways}
        cls.written = set()
        cls.ports = dict(zip(ways, agent.free_ports(len(ways))))
        for topic in cls.topics.values():
            cls.kafka.admin.create(topic, partitions=3)
        cls.agent = agent.Agent(cls.directory, configuration(cls.directory, cls.kafka, cls.topics,
                                                             cls.ports), lib=lib)
        cls.addClassCleanup(cls.agent.kill)
        for what in ("sink", "put"):
            for form in FORMS:
                cls.agent.wait_for(f"Avro source {what}_{form} started", limit=LIMIT)

    def program(self, *words, way=None, topic=None):
        return [*words, topic or self.topics[way], "--bootstrap-server", self.kafka.bootstrap]

    def ours_writes(self, way, *words):
        path = self.path("events.avro")
        agent.write_events(path, EVENTS)
        self.check(self.pipeline(self.program(*words[:2], way=way) + [*words[2:], "--in", path]), 0,
                   limit=LIMIT)

    def flume_has(self, way):
        """The events in Flume's files of this way, when they are all there."""
        def found():
            return [event for path in glob.glob(os.path.join(self.directory, "_".join(way), "*"))
                    for event in agent.read_events(path)]
        self.agent.poll(lambda: len(found()) >= len(EVENTS), f"all events of {way}", LIMIT)
        return found()

    def flume_writes(self, way):
        """All events, once for all tests."""
        if way in self.written:
            return
        self.written.add(way)
        for at in range(0, len(EVENTS), 100):
            self.assertEqual(agent.send(self.ports[way], EVENTS[at:at + 100]), "OK")
        self.agent.poll(lambda: sum(self.kafka.admin.offsets(self.topics[way]).values()) >=
                        len(EVENTS), f"all records of {way}", LIMIT)

    def ours_has(self, *words, way=None, topic=None):
        """The events that a program of ours takes from the topic."""
        path = self.path("out.avro")
        self.check(self.pipeline(self.program(*words[:2], way=way, topic=topic) +
                                 [*words[2:], "--once", "--out", path]), 0, limit=LIMIT)
        return agent.read_events(path)

    def same(self, found, wanted):
        order = lambda event: (sorted(event[0].items()), event[1])
        self.assertEqual(sorted(found, key=order), sorted(wanted, key=order))

    def without_place(self, events, form):
        """What a source has added is there, and the rest is what was sent."""
        for headers, _ in events:
            self.assertLessEqual(PLACE, set(headers))
        kept = (lambda name: name not in PLACE) if form == "event" else (lambda name: name == "key")
        return [({name: value for name, value in headers.items() if kept(name)}, body)
                for headers, body in events]

    def keys_only(self):
        return [({name: value for name, value in headers.items() if name == "key"}, body)
                for headers, body in EVENTS]

    def test_flumes_source_reads_what_our_sink_writes(self):
        self.ours_writes(("source", "event"), "fl-sink", "kafka", "--use-flume-event-format")
        self.same(self.without_place(self.flume_has(("source", "event")), "event"), EVENTS)
        self.ours_writes(("source", "body"), "fl-sink", "kafka")
        self.same(self.without_place(self.flume_has(("source", "body")), "body"), self.keys_only())

    def test_our_source_reads_what_flumes_sink_writes(self):
        for form, option in (("event", "true"), ("body", "false")):
            way = ("sink", form)
            self.flume_writes(way)
            found = self.ours_has("fl-source", "kafka", f"--use-flume-event-format={option}",
                                  way=way)
            self.same(self.without_place(found, form),
                      EVENTS if form == "event" else self.keys_only())

    def test_flumes_channel_takes_what_ours_puts(self):
        self.ours_writes(("take", "event"), "fl-channel", "kafka", "--put")
        self.same(self.flume_has(("take", "event")), EVENTS)
        self.ours_writes(("take", "body"), "fl-channel", "kafka", "--put",
                         "--parse-as-flume-event=false")
        self.same(self.flume_has(("take", "body")), self.keys_only())

    def test_our_channel_takes_what_flumes_puts(self):
        for form, option in (("event", "true"), ("body", "false")):
            way = ("put", form)
            self.flume_writes(way)
            found = self.ours_has("fl-channel", "kafka", "--take", "--group", "ours",
                                  f"--parse-as-flume-event={option}", way=way)
            self.same(found, EVENTS if form == "event" else self.keys_only())

    def test_keys_are_in_the_same_partitions(self):
        """Of Flume's sink and ours: Java's partitioner, which ours repeats."""
        def places(way):
            return {record.key: record.partition for record in
                    self.kafka.records(self.topics[way]) if record.key}
        self.flume_writes(("sink", "body"))
        topic = "flume-keys"
        self.kafka.admin.create(topic, partitions=3)
        agent.write_events(self.path("events.avro"), EVENTS)
        self.check(self.pipeline(self.program("fl-sink", "kafka", topic=topic) +
                                 ["--in", self.path("events.avro")]), 0, limit=LIMIT)
        ours = {record.key: record.partition for record in self.kafka.records(topic) if record.key}
        self.assertEqual(len(ours), 9)
        self.assertEqual(ours, places(("sink", "body")))

    def test_javas_console_tools(self):
        topic = "flume-console"
        self.kafka.admin.create(topic)
        lines = "".join(f"line {i}\n" for i in range(100))
        with open(self.write("lines", lines)) as file:
            self.check(self.pipeline(self.program("fl-sink", "kafka", topic=topic), stdin=file), 0,
                       limit=LIMIT)
        done = self.kafka.run("org.apache.kafka.tools.consumer.ConsoleConsumer",
                              "--bootstrap-server", self.kafka.bootstrap, "--topic", topic,
                              "--from-beginning", "--max-messages", "100")
        self.assertEqual((done.returncode, done.stdout), (0, lines), done.stderr)
        done = self.kafka.run("org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server",
                              self.kafka.bootstrap, "--topic", topic, input="from Java\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.kafka.kcat("-C", "-t", topic, "-e", "-q").decode(),
                         lines + "from Java\n")
        pipeline = self.pipeline(self.program("fl-source", "kafka", topic=topic) + ["--once"],
                                 ["fl-sink", "stdout", "--stream", "--format", "json"])
        self.check(pipeline, 0, 0, limit=LIMIT)
        self.assertEqual([json.loads(row)["body"] + "\n" for row in pipeline.output().splitlines()],
                         [*lines.splitlines(keepends=True), "from Java\n"])


if __name__ == "__main__":
    harness.main()
