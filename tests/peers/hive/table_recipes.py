"""The recipes of fl-tables(7) for Hive, in the test case of test_hive.py, with its servers."""
import glob
import json
import os
import re

import mariadb_server
import recipes

LIMIT = 180


class TableRecipes:
    def run_command(self, command, status=0, **settings):
        """A command line of the page."""
        pipeline = self.pipeline(["bash", "-c", command], env=self.env(**settings))
        self.check(pipeline, status, limit=LIMIT)
        return pipeline

    def test_recipe_of_a_table_of_mysql(self):
        if recipes.missing():
            self.skipTest(recipes.missing())
        recipe = recipes.Recipe("A TABLE OF MYSQL INTO HIVE")
        server = mariadb_server.shared()
        self.addCleanup(server.run, "DROP DATABASE shop")
        server.run("CREATE DATABASE shop CHARACTER SET utf8mb4; GRANT SELECT ON shop.* TO fl@'127.0.0.1'; "
                   "CREATE TABLE shop.orders (id BIGINT PRIMARY KEY, customer VARCHAR(60), "
                   "amount DECIMAL(10,2), placed DATETIME); INSERT INTO shop.orders VALUES "
                   "(1, 'Zoë \\t\\n\\r\"\\\\ \\',', 12.50, '2026-03-01 10:00:00'), "
                   "(2, NULL, NULL, NULL), (3, '', -0.01, '1999-12-31 23:59:59'), "
                   "(9007199254740993, '日本', 99999999.99, '2026-02-28 00:00:00')")
        for statement in recipe.statements("CREATE EXTERNAL TABLE", {
                "/warehouse/shop/orders": f"file://{self.path('orders')}"}):
            self.hive.rows(statement)
        self.addCleanup(self.hive.rows, "DROP DATABASE shop CASCADE")
        command = recipe.text("fl-sink hive", {
            "mysql://etl@db1/": f"mysql://fl@127.0.0.1:{server.port}/",
            "/etc/fl/etl.password": self.write("password", "fl-pw\n"),
            "thrift://ms:9083": self.hive.metastore.url})
        self.run_command(command)
        wanted = [["1", "Zoë \t\n\r\"\\ ',", "12.50", "2026-03-01 10:00:00"], ["2", None, None, None],
                  ["3", "", "-0.01", "1999-12-31 23:59:59"],
                  ["9007199254740993", "日本", "99999999.99", "2026-02-28 00:00:00"]]
        def stored(table):
            return sorted([*row[:3], row[3] and re.sub(r"\.0$", "", row[3])] for row in self.hive.rows(
                f"SELECT id, customer, amount, placed FROM shop.{table}"))
        self.assertEqual(stored("orders"), wanted)

        [place] = glob.glob(self.path("home", ".local", "state", "fl", "sql", "*.json"))
        os.unlink(place)  # as if it had not been saved
        self.run_command(command)
        [counts] = recipe.statements("count(DISTINCT id)")
        self.assertEqual(self.hive.rows(counts), [["8", "4"]])
        for statement in recipe.statements("CREATE VIEW"):
            self.hive.rows(statement)
        self.assertEqual(stored("orders_once"), wanted)
        self.assertEqual(recipe.unused(), [])

    def test_recipe_of_files_into_partitions(self):
        """One metastore, and two sessions that were open before: HiveServer2 and Spark."""
        recipe = recipes.Recipe("FILES INTO PARTITIONS OF HIVE")
        spool = self.path("spool")
        for statement in recipe.statements("CREATE EXTERNAL TABLE", {
                "/warehouse/web/visits": f"file://{self.path('visits')}"}):
            self.hive.rows(statement)
        self.addCleanup(self.hive.rows, "DROP DATABASE web CASCADE")
        # As it is where nobody has set it: counts may come from what the metastore knows.
        self.hive.rows("SET hive.compute.query.using.stats=true")
        self.addCleanup(self.hive.rows, "SET hive.compute.query.using.stats=false")
        partitions, counts = recipe.statements("SHOW PARTITIONS")
        [once] = recipe.statements("SELECT DISTINCT")
        readers = [self.hive.rows, self.by_spark_of_hive]

        def seen(statement, wanted):
            for rows in readers:
                self.assertEqual(rows(statement), wanted, rows)
        seen(partitions, [])

        command = recipe.text("fl-sink hive", {
            "/var/spool/visits": spool, "visits.bad": self.path("visits.bad"),
            "thrift://ms:9083": self.hive.metastore.url})
        first = "".join(f"2026-03-0{1 + i % 2},10.0.0.{i},/cart,{i}\n" for i in range(100))
        self.write("spool/one", first + "2026-02-30,10.0.0.1,/,1\n")
        self.run_command(command)
        seen(partitions, [["dt=2026-03-01"], ["dt=2026-03-02"]])
        seen(counts, [["2026-03-01", "50"], ["2026-03-02", "50"]])
        seen("SELECT client, page, ms FROM web.visits WHERE dt = '2026-03-02' AND ms = 7",
             [["10.0.0.7", "/cart", "7"]])
        # A partition that is known gets more, and there is a new one.
        self.write("spool/two", "2026-03-02,10.0.0.1,/,200\n2026-03-03,10.0.0.1,/,201\n")
        self.run_command(command)
        seen(partitions, [["dt=2026-03-01"], ["dt=2026-03-02"], ["dt=2026-03-03"]])

        self.write("spool/again", first)
        self.run_command(command)
        self.assertEqual(self.by_spark_of_hive(counts), [["2026-03-01", "100"], ["2026-03-02", "101"], ["2026-03-03", "1"]])
        seen(once, [["2026-03-01", "50"], ["2026-03-02", "51"], ["2026-03-03", "1"]])

        shown = self.run_command(recipe.text("fl-sink stdout", {"visits.bad": self.path("visits.bad")}))
        [rejected] = map(json.loads, shown.output().splitlines())
        self.assertEqual(rejected["body"], "2026-02-30,10.0.0.1,/,1")
        self.assertIn("2026-02-30", rejected["headers"]["fl.reject.reason"])
        self.assertEqual(recipe.unused(), [])
