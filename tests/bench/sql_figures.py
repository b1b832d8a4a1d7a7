"""Figures of the sql source: a table of MariaDB through it, against MariaDB's own client."""
import os

import mariadb_server

ROWS = 1_000_000


def sql(bench):
    """Rows of 100 bytes, by every way in which they can be read."""
    if not mariadb_server.PROGRAM:
        bench.skip("sql", "no mariadbd")
        return
    server = mariadb_server.open_for_all()
    server.run("DROP TABLE IF EXISTS bench; CREATE TABLE bench (id INT PRIMARY KEY, n BIGINT, t DATETIME, "
               "s VARCHAR(80)) SELECT seq id, seq * 7919 n, '2026-01-01' + INTERVAL seq SECOND t, "
               f"CONCAT(SHA1(seq), '\\t', MD5(seq)) s FROM seq_1_to_{ROWS}")
    place = os.path.join(bench.work, "position")

    def remove():
        if os.path.exists(place):
            os.unlink(place)

    def ours(*options):
        return ([bench.fl("fl-source", "sql", server.url("bench"), *options),
                 bench.fl("fl-sink", "null", "--stream")], None, remove)

    runs = bench.interleaved({
        "text": ours("--format", "text"),
        "json": ours(),
        "since": ours("--format", "text", "--since", "id", "--position", place),
        "client": ([["mariadb", "--no-defaults", f"--socket={server.socket}", "--user=fl", "--batch",
                     "--quick", "-e", "SELECT * FROM bench", "test"]], None, None)})
    for name, goal in (("text", 0.8), ("json", None), ("since", None)):
        bench.compare(f"sql ({name}) | null : mariadb --batch --quick", runs[name], runs["client"],
                      ROWS, goal)
