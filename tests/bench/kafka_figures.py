"""The figures of the kafka sink and source."""
import contextlib
import io
import os
import pathlib
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PEERS = os.path.join(os.path.dirname(HERE), "peers", "kafka")
TOOLS = os.path.join(os.path.dirname(HERE), "tools")
sys.path[:0] = [PEERS, TOOLS]
import brokers  # noqa: E402
import flume_figures  # noqa: E402
import maven  # noqa: E402

MOCK = os.path.join(TOOLS, "kafka_mock.py")
BROKER_LIMIT = 1200  # seconds; the first start fetches what it needs
MOST_ROUNDS = 5      # with a real broker
AGENT = """
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.channels.c1.type = memory
a1.channels.c1.capacity = 100000
a1.channels.c1.transactionCapacity = 1000
a1.sources.r1.batchSize = 1000
a1.sources.r1.channels = c1
a1.sinks.k1.channel = c1
"""
# Batches larger than its own of 100, and 5 ms to gather them: that is faster.
SINK_AGENT = AGENT + """
a1.sources.r1.type = exec
a1.sources.r1.command = cat {path}
a1.sinks.k1.type = org.apache.flume.sink.kafka.KafkaSink
a1.sinks.k1.kafka.bootstrap.servers = {address}
a1.sinks.k1.kafka.topic = {topic}
a1.sinks.k1.kafka.flumeBatchSize = 1000
a1.sinks.k1.kafka.producer.acks = all
a1.sinks.k1.kafka.producer.linger.ms = 5
"""
SOURCE_AGENT = AGENT + """
a1.sources.r1.type = org.apache.flume.source.kafka.KafkaSource
a1.sources.r1.kafka.bootstrap.servers = {address}
a1.sources.r1.kafka.topics = {topic}
a1.sources.r1.kafka.consumer.group.id = {group}
a1.sources.r1.kafka.consumer.auto.offset.reset = earliest
a1.sinks.k1.type = null
a1.sinks.k1.batchSize = 1000
"""


def publish(bench):
    """Into a mock of a cluster, which keeps little and costs little."""
    path, count = bench.lines_file(300)
    place = os.path.join(bench.work, "kafka")
    mock = subprocess.Popen([sys.executable, MOCK, "0", place])
    try:
        while mock.poll() is None and not os.path.exists(place):
            time.sleep(0.01)
        with open(place) as file:
            address = file.read()
        runs = bench.interleaved({
            "fl": ([bench.fl("fl-sink", "kafka", "t", "--bootstrap-server", address, "--text",
                             "--quiet", "--in", path)], None, None),
            "bare": ([[os.path.join(bench.tools, "kafka_produce"), address, "t", path]], None, None),
            "kcat": ([["kcat", "-q", "-P", "-b", address, "-t", "t", "-X",
                       "enable.idempotence=true", "-l", path]], None, None)})
    finally:
        mock.kill()
        mock.wait()
    bench.compare("lines to Kafka / a bare loop of librdkafka", runs["fl"], runs["bare"], count, 0.9)
    bench.compare("lines to Kafka / kcat -P -l", runs["fl"], runs["kcat"], count, 1.2)


def consume(bench, high_water):
    """All records of a topic of a real broker, which has them in memory; and a Flume with it."""
    figure = "records of Kafka / kcat -C"
    directory = os.path.join(bench.work, "broker")
    program = [sys.executable, os.path.join(PEERS, "brokers.py")]
    begun = subprocess.run([*program, "start", directory], stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                           timeout=BROKER_LIMIT)
    if begun.returncode != 0:
        bench.skip(figure, (begun.stderr.strip().splitlines() or ["no broker"])[-1]
                   .removeprefix("skipped: "))
        return
    try:
        address = dict(row.split("=", 1) for row in begun.stdout.splitlines())["KAFKA_BOOTSTRAP"]
        consume_from(bench, figure, address, directory)
        against_flume(bench, high_water, address, directory)
    finally:
        subprocess.run([*program, "stop", directory], stdin=subprocess.DEVNULL, timeout=BROKER_LIMIT)


def consume_from(bench, figure, address, directory):
    path, count = bench.lines_file(300)
    brokers.Cluster(directory).load().admin.create("t", partitions=3)
    subprocess.run(["kcat", "-q", "-P", "-b", address, "-t", "t", "-X", "enable.idempotence=true",
                    "-X", "sticky.partitioning.linger.ms=0", "-l", path], check=True,
                   timeout=BROKER_LIMIT)
    once = ["--bootstrap-server", address, "--once", "--quiet"]
    plain = ["--set-topic-header=false", "--record-headers", "mapped"]
    runs = bench.interleaved({
        "fl": ([bench.fl("fl-source", "kafka", "t", *once),
                bench.fl("fl-sink", "null", "--stream", "--quiet")], None, None),
        "text": ([bench.fl("fl-source", "kafka", "t", *once, *plain),
                  bench.fl("fl-sink", "stdout", "--stream", "--quiet")], None, None),
        "kcat": ([["kcat", "-q", "-C", "-b", address, "-t", "t", "-e", "-o", "beginning"]], None,
                 None)}, MOST_ROUNDS)
    bench.compare(figure, runs["fl"], runs["kcat"], count, 1.2)
    bench.compare(figure + ", as lines", runs["text"], runs["kcat"], count, None)


def against_flume(bench, high_water, address, directory):
    """Flume's own Kafka source and sink, with the records of consume_from() and a topic of each."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            lib = maven.fetch(pathlib.Path(PEERS, "pom-flume.xml"),
                              brokers.ROOT / "build/peers/kafka/flume", "Flume",
                              flume_figures.agent.skip)
    except SystemExit:
        bench.skip("Kafka : Flume", said.getvalue().strip().removeprefix("skipped: "))
        return
    path, _ = bench.lines_file(300)
    for topic in ("by-fl", "by-flume", "bare"):
        brokers.Cluster(directory).load().admin.create(topic, partitions=3)
    groups = iter(range(10**6))
    flume_figures.flow(
        bench, high_water, "exec | memory | kafka : Flume",
        lambda: SINK_AGENT.format(path=path, address=address, topic="by-flume"), [
            bench.fl("fl-source", "exec", "--", "cat", path),
            bench.fl("fl-channel", "memory", "--stream", "--capacity", "100000"),
            bench.fl("fl-sink", "kafka", "--stream", "by-fl", "--bootstrap-server", address)],
        goal=10, lib=lib, limit=("a bare loop of librdkafka", [
            [os.path.join(bench.tools, "kafka_produce"), address, "bare", path]]))
    flume_figures.flow(
        bench, high_water, "kafka | memory | null : Flume",
        lambda: SOURCE_AGENT.format(address=address, topic="t", group=f"flume-{next(groups)}"), [
            bench.fl("fl-source", "kafka", "t", "--bootstrap-server", address, "--once"),
            bench.fl("fl-channel", "memory", "--stream", "--capacity", "100000"),
            bench.fl("fl-sink", "null", "--stream")],
        goal=10, lib=lib, limit=("kcat -C", [
            ["kcat", "-q", "-C", "-b", address, "-t", "t", "-e", "-o", "beginning"]]))
