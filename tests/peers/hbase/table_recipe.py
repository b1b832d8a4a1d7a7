"""The recipe of fl-tables(7) for HBase, in the test case of test_sink.py, with its servers."""
import os
import signal
import subprocess
import sys

import harness
import recipes

LIMIT = 240
LINES = 1000
TABLE = "web:log"


def entry(client, second, request, status=200):
    return f'{client} - - [01/Mar/2026:10:00:{second:02} +0100] "{request}" {status} 17 "-" "curl"\n'


class TableRecipe:
    def shell(self, text):
        done = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", text], cwd=self.dir, env=self.env(),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def follow(self, command, rows):
        """Runs it until there are so many rows, and ends it by Ctrl-C. Returns the rows."""
        # The shell gets Ctrl-C, too; it must print the statuses.
        pipeline = self.pipeline(["bash", "-c", f"trap : INT; {command.strip()}\n"
                                  'echo "${PIPESTATUS[@]}" > told'])
        harness.poll(lambda: len(self.rest.rows(TABLE)) >= rows or
                     pipeline.processes[0].poll() is not None, f"{rows} rows", LIMIT)
        pipeline.send(signal.SIGINT)
        pipeline.wait(LIMIT)
        with open(self.path("told")) as file:
            self.assertEqual(file.read().split()[1:], ["0", "0"], pipeline.report())
        return self.rest.rows(TABLE)

    def test_recipe_of_an_access_log(self):
        recipe = recipes.Recipe("AN ACCESS LOG INTO HBASE")
        gateway = {"http://gateway:8080": self.rest.url}
        self.shell(recipe.text("curl -X PUT", gateway))
        command = recipe.text("fl-sink hbase", gateway)
        log = subprocess.run([sys.executable, os.path.join(harness.ROOT, "tests", "tools", "gen_log.py"),
                              "--lines", str(LINES)], capture_output=True, text=True, check=True).stdout
        own = [entry("10.0.0.1", 2, "GET /b HTTP/1.1", 404), entry("10.0.0.1", 1, "GET /a HTTP/1.1"),
               entry("10.0.0.10", 1, "GET /c HTTP/1.1"), entry("10.0.0.1", 2, "GET /d?x=%2F HTTP/1.1")]
        # The same request in the same second, twice, is one row.
        self.write("access.log", log + "no such line\n" + own[1] + "".join(own))
        first = self.follow(command, LINES + len(own))
        self.assertEqual(sorted(row[b"f:payload"][0][1].decode() + "\n" for row in first.values()),
                         sorted(log.splitlines(keepends=True) + own))
        [row] = [row for row in first.values() if row[b"f:payload"][0][1].decode() + "\n" == own[0]]
        self.assertEqual({column: cells[0][1] for column, cells in row.items()} | {b"f:payload": b""}, {
            b"f:client": b"10.0.0.1", b"f:request": b"GET /b HTTP/1.1", b"f:status": b"404",
            b"f:timestamp": b"1772355602000", b"f:payload": b""})
        self.assertEqual({time for cells in row.values() for time, _ in cells}, {1772355602000})

        # From the first line again, with one more: the old cells are the same, their times, too.
        with open(self.path("access.log"), "a") as file:
            file.write(entry("10.0.0.1", 3, "GET /e HTTP/1.1"))
        again = self.follow(command, LINES + len(own) + 1)
        self.assertEqual(len(again), len(first) + 1)
        self.assertEqual({key: again[key] for key in first}, first)

        found = self.shell(recipe.text("| jq", gateway))
        self.assertEqual(found.splitlines(), [f"GET {path} HTTP/1.1" for path in (
            "/a", "/b", "/d?x=%2F", "/e")])
        self.assertEqual(recipe.unused(), [])
        rejected = self.shell("fl-sink stdout --in log.bad")
        self.assertEqual(set(rejected.splitlines()), {"no such line"})
