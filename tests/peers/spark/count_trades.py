#!/usr/bin/env python3
"""For scripts/demo --spark: the trades of each minute, as Spark counts them in files and in a topic.
Run it with the Python of spark.py.

usage: count_trades.py DIRECTORY BROKERS TOPIC FOLDER      FOLDER: for Spark's own files
Exit status: 0 both counts are the same, else 1
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import spark


def main():
    directory, servers, topic, folder = sys.argv[1:]
    session = spark.session(folder)
    files = session.read.option("recursiveFileLookup", "true").text(f"file://{directory}")
    records = (session.read.format("kafka").option("kafka.bootstrap.servers", servers)
               .option("subscribe", topic).load().selectExpr("CAST(value AS STRING) AS value"))
    minute = "date_format(timestamp_millis(CAST(split(value, ',')[0] AS LONG)), 'yyyy-MM-dd HH:mm')"
    counts = [dict(frame.groupBy(frame_minute).count().collect()) for frame, frame_minute in (
        (each.selectExpr(f"{minute} AS minute"), "minute") for each in (files, records))]
    for each in sorted(counts[0].keys() | counts[1].keys()):
        print(f"{each} UTC   {counts[0].get(each, 0):>8} in files   "
              f"{counts[1].get(each, 0):>8} in the topic")
    session.stop()
    return 0 if counts[0] == counts[1] else 1


if __name__ == "__main__":
    sys.exit(main())
