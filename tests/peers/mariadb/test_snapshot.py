#!/usr/bin/env python3
"""fl-source sql while others write: what a run reads is what was committed when it began, and what the next
runs read is the rest. Started by ./run.

FL_TEST_LONG=1: more rows and runs.
"""
import os
import random
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tools"))
sys.path.insert(0, HERE)
import harness
import mariadb_server
from cut_proxy import CutProxy

LONG = bool(os.environ.get("FL_TEST_LONG"))
LIMIT = 600 if LONG else 120
ROWS = 200_000 if LONG else 20_000
RUNS = 40 if LONG else 8
MOST = 1_000_000  # transactions of one writer
AMOUNT = 100      # in each row at first; what all rows hold together stays the same
STDOUT = ["fl-sink", "stdout", "--stream"]


class Writer:
    """One transaction after the other. Each moves an amount from one row to another and inserts some rows,
    whose amounts add up to nothing and whose v is that of the last row or larger."""

    def __init__(self, server, table, seed):
        self.table, self.random = table, random.Random(seed)
        self.v = ROWS
        self.client = subprocess.Popen(
            server.client("--batch", "--skip-column-names", "--unbuffered"), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, env=dict(os.environ, MYSQL_PWD="root-pw"))
        self.change = threading.Condition()
        self.is_paused = self.is_busy = self.is_over = False
        self.sizes = []  # rows of each transaction that is committed
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        for _ in range(MOST):
            with self.change:
                while self.is_paused and not self.is_over:
                    self.change.wait(LIMIT)
                if self.is_over:
                    return
                self.is_busy = True
            size = self.transaction(len(self.sizes) + 1)
            with self.change:
                self.sizes.append(size)
                self.is_busy = False
                self.change.notify_all()

    def transaction(self, number):
        one, other = self.random.sample(range(1, ROWS + 1), 2)
        amounts = [self.random.randrange(-50, 50) for _ in range(self.random.randrange(5))]
        rows = []
        for amount in (*amounts, -sum(amounts)):
            rows.append(f"({self.v}, {number}, {amount})")
            self.v += self.random.randrange(4) == 0
        self.client.stdin.write(
            f"START TRANSACTION; UPDATE {self.table} SET amount = amount - 1 WHERE id = {one}; "
            f"INSERT INTO {self.table} (v, n, amount) VALUES {', '.join(rows)}; "
            f"UPDATE {self.table} SET amount = amount + 1 WHERE id = {other}; COMMIT; SELECT 'done';\n")
        self.client.stdin.flush()
        if self.client.stdout.readline() != "done\n":
            raise RuntimeError("the writer's client has ended")
        return len(rows)

    def wait_for(self, condition, what):
        with self.change:
            if not self.change.wait_for(condition, LIMIT):
                raise RuntimeError(f"not {what} after {len(self.sizes)} transactions")

    def pause(self):
        """Returns how many transactions are committed."""
        self.is_paused = True
        self.wait_for(lambda: not self.is_busy, "paused")
        return len(self.sizes)

    def go_on(self, count=0):
        """Returns when so many more are committed."""
        end = len(self.sizes) + count
        with self.change:
            self.is_paused = False
            self.change.notify_all()
        self.wait_for(lambda: len(self.sizes) >= end, f"{count} more")

    def close(self):
        with self.change:
            self.is_over = True
            self.change.notify_all()
        self.thread.join(LIMIT)
        self.client.stdin.close()
        self.client.wait(LIMIT)
        self.client.stdout.close()


class Snapshots(harness.Case):
    def setUp(self):
        super().setUp()
        self.server = mariadb_server.shared()
        # As many have it: then only our own choice of REPEATABLE READ makes a snapshot.
        self.server.run("SET GLOBAL tx_isolation = 'READ-COMMITTED'")
        self.password = self.write("password", "fl-pw\n")
        self.table = self.id().rsplit(".", 1)[-1].replace("test_", "")[:40]
        self.server.run(f"CREATE TABLE {self.table} (id INT AUTO_INCREMENT PRIMARY KEY, v INT NOT NULL, n INT, "
                        f"amount INT, KEY (v)); INSERT INTO {self.table} "
                        f"SELECT seq, seq DIV 7, 0, {AMOUNT} FROM seq_1_to_{ROWS}")
        self.writer = Writer(self.server, self.table, harness.SEED)
        self.addCleanup(self.writer.close)
        self.committed = []  # transactions when a run begins its own
        self.proxy = CutProxy(self.server.port)
        self.addCleanup(self.proxy.close)
        # Nothing is committed while the snapshot is made, and something before each statement in it.
        self.proxy.before(b"START TRANSACTION", lambda: self.committed.append(self.writer.pause()))
        self.proxy.before(b"SELECT COUNT(*)", lambda: self.writer.go_on(3))
        self.proxy.before(b"SELECT `id`", lambda: self.writer.go_on(3))

    def read(self, *options):
        """Rows (id, v, n, amount) in the order in which they come."""
        url = f"mysql://fl@127.0.0.1:{self.proxy.port}/test/{self.table}"
        pipeline = self.pipeline(["fl-source", "sql", url, "--password-file", self.password, "--format", "text",
                                  *options], STDOUT)
        self.check(pipeline, 0, 0, limit=LIMIT)
        return [tuple(map(int, row.split(b"\t"))) for row in pipeline.output().splitlines()]

    def check_transactions(self, rows, first, last):
        """All rows of these transactions and of no other."""
        counts = {}
        for _, _, n, _ in rows:
            counts[n] = counts.get(n, 0) + 1
        wanted = {n: self.writer.sizes[n - 1] for n in range(max(first, 1), last + 1)}
        self.assertEqual(counts, {**({0: ROWS} if first == 0 else {}), **wanted})

    def test_one_run(self):
        """In one statement and in several, also if rows change that are read last."""
        for options in ([], ["--split", "1"], ["--split", "7"]):
            with self.subTest(options):
                if options:
                    options = [*options, "--position", self.path("position")]
                rows = self.read(*options)
                self.check_transactions(rows, 0, self.committed[-1])
                self.assertGreater(len(self.writer.sizes), self.committed[-1])
                self.assertEqual(sum(row[3] for row in rows), ROWS * AMOUNT)
                self.assertEqual(len({row[0] for row in rows}), len(rows))
        self.assertEqual(len(self.committed), 3)

    def test_what_is_new_in_each_run(self):
        """Each run begins in the middle of rows with the same v, or at their end, as it happens."""
        found, ties = [], 0
        for _ in range(RUNS):
            begin = self.committed[-1] + 1 if self.committed else 0
            rows = self.read("--since", "v", "--position", self.path("position"))
            self.check_transactions(rows, begin, self.committed[-1])
            ties += bool(found and rows and found[-1][1] == rows[0][1])
            found += rows
        self.writer.pause()
        found += self.read("--since", "v", "--position", self.path("position"))
        self.writer.close()
        wanted = [tuple(map(int, row)) for row in self.server.rows(
            f"SELECT id, v, n FROM {self.table} ORDER BY v, id")]
        # The last run has seen nothing of what was committed after its snapshot.
        wanted = [row for row in wanted if row[2] <= self.committed[-1]]
        self.assertEqual([row[:3] for row in found], wanted)
        self.assertGreater(ties, 0)


if __name__ == "__main__":
    harness.main()
