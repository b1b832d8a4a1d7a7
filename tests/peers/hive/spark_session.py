#!/usr/bin/env python3
"""A Spark session with a metastore of Hive 4, in a process of its own: a process has one session, and that of
test_hive.py has the metastore of Hive 2.3. Run it with the Python of tests/peers/spark/spark.py.

    session = SparkSession(directory, "thrift://127.0.0.1:9083")
    session.rows("SHOW TABLES")        # [["sales", "orders", "false"], ...], all values as text or None
    session.close()

usage: spark_session.py DIRECTORY URI     a line of JSON with a statement in, a line with its rows out
"""
import json
import os
import pathlib
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in (os.path.join("..", "spark"), os.path.join("..", "..", "tools")):
    sys.path.insert(0, os.path.join(HERE, folder))
import hive_server  # noqa: E402
import spark  # noqa: E402

VERSION = "4.0.1"  # of pom.xml


class SparkSession:
    def __init__(self, directory, uri):
        os.mkdir(directory)
        self.log = pathlib.Path(directory) / "log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([sys.executable, __file__, directory, uri], text=True,
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)

    def rows(self, statement):
        self.process.stdin.write(json.dumps(statement) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"no answer to {statement}\n" + self.log.read_text()[-4000:])
        return json.loads(answer)

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def main():
    directory, uri = sys.argv[1:]
    # Java writes to stdout as well.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    session = spark.session(directory, **{
        "sql.catalogImplementation": "hive", "hadoop.hive.metastore.uris": uri,
        "sql.hive.metastore.version": VERSION, "sql.hive.metastore.jars": "path",
        "sql.hive.metastore.jars.path": f"file://{hive_server.PLACE}/lib/*.jar"})
    for line in sys.stdin:
        rows = [[None if value is None else str(value) for value in row]
                for row in session.sql(json.loads(line)).collect()]
        out.write(json.dumps(rows) + "\n")
        out.flush()
    session.stop()


if __name__ == "__main__":
    main()
