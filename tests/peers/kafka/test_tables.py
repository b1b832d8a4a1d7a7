#!/usr/bin/env python3
"""A table of a real MariaDB into a topic with one line: fl-source sql | fl-sink kafka. Started by ./run."""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tools"))
sys.path.insert(0, HERE)
import brokers
import harness
import mariadb_server
import recipes

LIMIT = 180
ROWS = 20_000


class Tables(harness.Case):
    def setUp(self):
        if recipes.missing():
            self.skipTest(recipes.missing())
        super().setUp()
        self.kafka = brokers.shared(1)
        self.server = mariadb_server.shared()
        self.topic = f"{self._testMethodName.removeprefix('test_')}-{os.getpid()}"
        self.kafka.admin.create(self.topic)
        self.password = self.write("password", "fl-pw\n")
        self.place = self.path("position")
        self.server.run("DROP TABLE IF EXISTS orders; CREATE TABLE orders (id INT AUTO_INCREMENT PRIMARY KEY, "
                        "customer VARCHAR(40), amount DECIMAL(10,2))")

    def insert(self, count):
        self.server.run("INSERT INTO orders (customer, amount) SELECT IF(seq % 5, CONCAT('Zoë \"', seq), NULL), "
                        f"seq / 4 FROM seq_1_to_{count}")

    def copy(self, source=()):
        return self.pipeline(
            ["fl-source", "sql", self.server.url("orders"), "--password-file", self.password, "--since",
             "id", "--position", self.place, *source],
            ["fl-sink", "kafka", self.topic, "--bootstrap-server", self.kafka.bootstrap])

    def stored(self):
        return self.kafka.admin.offsets(self.topic)[0]

    def check_whole(self):
        """What the topic holds is the table, row by row."""
        wanted = [[int(row[0]), None if row[1] == "NULL" else row[1], row[2]] for row in
                  self.server.rows("SELECT * FROM orders ORDER BY id")]
        found = [json.loads(record.value) for record in self.kafka.records(self.topic)]
        self.assertEqual([[row["id"], row["customer"], row["amount"]] for row in found], wanted)

    def test_only_what_is_new(self):
        for count, end in ((1000, 1000), (0, 1000), (50, 1050)):
            if count:
                self.insert(count)
            self.check(self.copy(), 0, 0, limit=LIMIT)
            self.assertEqual(self.stored(), end)
        self.check_whole()

    def known(self):
        """Rows of which the position file says that they have arrived."""
        if not os.path.exists(self.place):
            return 0
        with open(self.place) as file:
            return json.load(file)["rows"]

    def test_the_source_is_killed(self):
        """The next run goes on behind what the topic has acknowledged and the file knows."""
        self.insert(1000)
        pipeline = self.copy(["--poll", "20ms"])
        harness.poll(lambda: self.known() == 1000, "a place", LIMIT)
        self.insert(ROWS)
        harness.poll(lambda: self.stored() >= ROWS // 10, "rows in the topic", LIMIT)
        pipeline.processes[0].kill()
        self.assertEqual(pipeline.wait(LIMIT)[1], 75, pipeline.report())
        stored, known = self.stored(), self.known()
        self.assertGreaterEqual(known, 1000)
        self.assertLessEqual(known, stored)
        self.insert(100)
        self.check(self.copy(), 0, 0, limit=LIMIT)
        ids = [int(row[0]) for row in self.server.rows("SELECT id FROM orders ORDER BY id")]
        print(f"{len(ids)} rows, {stored} stored at the kill, {known} known", flush=True)
        found = [json.loads(record.value)["id"] for record in self.kafka.records(self.topic)]
        self.assertEqual(found, ids[:stored] + ids[known:])


if __name__ == "__main__":
    harness.main()
