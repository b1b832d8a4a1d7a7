#!/usr/bin/env python3
"""A MariaDB server of a test, with a data directory, a socket and a port of its own.

    server = mariadb_server.Server(directory)          # started; root has the password "root-pw"
    server.run("CREATE TABLE t (id INT PRIMARY KEY)")  # in the database "test"
    server.rows("SELECT * FROM t")                     # [["1"], ...], as mariadb --batch writes them
    server.kill(); server.start()                      # SIGKILL; again, on the same port
    server.close()
    shared()                                           # one for this process, ended with it

Users: root, and fl (password "fl-pw"), who may read the database test; locally and over TCP.

usage: mariadb_server.py PORT LINES     as a process, below the current directory, until TERM: a table
                                        test.lines (line), the lines of a file; the user fl has no
                                        password
Exit status: 77 without mariadbd.
"""
import atexit
import concurrent.futures
import contextlib
import ctypes
import fcntl
import getpass
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from freeze import wait_still
from ports import free_port

START_LIMIT = 120  # seconds; a busy machine takes thirty times as long as an idle one
SQL_LIMIT = 120
TEMPLATE = pathlib.Path(__file__).resolve().parents[2] / "build/peers/mariadb/data"
PR_SET_PDEATHSIG = 1
SMALL = ["--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M", "--performance-schema=off",
         "--skip-log-bin", "--innodb-flush-log-at-trx-commit=2", "--max-allowed-packet=64M",
         "--skip-name-resolve"]
USERS = """CREATE DATABASE test CHARACTER SET utf8mb4;
CREATE USER fl@localhost IDENTIFIED BY 'fl-pw';
CREATE USER fl@'127.0.0.1' IDENTIFIED BY 'fl-pw';
GRANT SELECT ON test.* TO fl@localhost;
GRANT SELECT ON test.* TO fl@'127.0.0.1';
ALTER USER root@localhost IDENTIFIED BY 'root-pw';
ALTER USER root@'127.0.0.1' IDENTIFIED BY 'root-pw';
"""
PROGRAM = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin:/usr/local/sbin")


# A process gets this signal at the end of the thread that has made it: one that stays.
_starter = concurrent.futures.ThreadPoolExecutor(1)


def with_parent():
    """The server ends with the test, however that ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Server:
    def __init__(self, directory=None, port=None, options=()):
        if not PROGRAM:
            print("skipped: no mariadbd (scripts/setup installs it)", file=sys.stderr)
            sys.exit(1 if os.environ.get("CI") == "true" else 77)
        self.is_own = directory is None
        # Short: the path of a socket has at most 107 bytes.
        self.dir = pathlib.Path(directory or tempfile.mkdtemp(prefix="fl-db-"))
        self.port = port or free_port()
        self.socket = str(self.dir / "socket")
        self.options = list(options)
        self.process = None
        shutil.copytree(template(), self.dir / "data")
        self.start()

    def start(self):
        with open(self.dir / "log", "ab") as log:
            self.process = _starter.submit(
                subprocess.Popen,
                [PROGRAM, "--no-defaults", f"--user={getpass.getuser()}",
                 f"--datadir={self.dir / 'data'}", f"--socket={self.socket}", f"--port={self.port}",
                 "--bind-address=127.0.0.1", f"--pid-file={self.dir / 'pid'}", *SMALL,
                 *self.options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=with_parent).result()
        end = time.monotonic() + START_LIMIT
        while True:
            with contextlib.suppress(OSError):
                with socket.create_connection(("127.0.0.1", self.port), 10) as one:
                    if one.recv(1):
                        return self
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"mariadbd does not start\n{self.log()}")
            time.sleep(0.02)

    def log(self):
        return (self.dir / "log").read_text(errors="replace")[-3000:]

    def kill(self):
        self.process.kill()
        self.process.wait(60)

    def stop(self):
        self.process.terminate()
        self.process.wait(START_LIMIT)

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)
        wait_still(self.process.pid)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def close(self):
        self.kill()
        if self.is_own:
            shutil.rmtree(self.dir, ignore_errors=True)

    def client(self, *options, database="test"):
        return ["mariadb", "--no-defaults", f"--socket={self.socket}", "--user=root",
                "--default-character-set=utf8mb4", *options, database]

    def run(self, statements, database="test"):
        """What the client prints. `statements`: text or bytes."""
        data = statements.encode() if isinstance(statements, str) else statements
        done = subprocess.run(self.client("--batch", "--skip-column-names", "--binary-mode",
                                          database=database),
                              input=data, capture_output=True, timeout=SQL_LIMIT, check=False,
                              env=dict(os.environ, MYSQL_PWD="root-pw"))
        if done.returncode:
            raise RuntimeError(f"{data[:200]}: {done.stderr.decode()}")
        return done.stdout

    def rows(self, statement):
        return [row.split("\t") for row in self.run(statement).decode().splitlines()]

    def url(self, table="", user="fl"):
        return f"mysql://{user}@127.0.0.1:{self.port}/test" + (f"/{table}" if table else "")

    def fill(self, path, table="lines"):
        """A table of the lines of a file, which are short and all different."""
        self.run(f"DROP TABLE IF EXISTS `{table}`; CREATE TABLE `{table}` (line VARCHAR(200) COLLATE "
                 "utf8mb4_bin PRIMARY KEY)")
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
        for begin in range(0, len(lines), 5000):
            values = ",".join("('" + line.replace("'", "''") + "')"
                              for line in lines[begin:begin + 5000])
            self.run(f"INSERT INTO `{table}` VALUES {values}")

    def allow_all(self):
        """Nobody needs a password any more."""
        self.run("ALTER USER fl@localhost IDENTIFIED BY ''; "
                 "ALTER USER fl@'127.0.0.1' IDENTIFIED BY ''")


def template():
    """A data directory with the users, made once."""
    TEMPLATE.parent.mkdir(parents=True, exist_ok=True)
    with open(TEMPLATE.parent / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not TEMPLATE.exists():
            fresh = TEMPLATE.with_name(f"fresh-{os.getpid()}")
            shutil.rmtree(fresh, ignore_errors=True)
            subprocess.run(["mariadb-install-db", "--no-defaults", f"--datadir={fresh}",
                            "--auth-root-authentication-method=normal", "--skip-test-db",
                            f"--user={getpass.getuser()}"], stdin=subprocess.DEVNULL, check=True,
                           capture_output=True, timeout=START_LIMIT)
            subprocess.run([PROGRAM, "--no-defaults", f"--user={getpass.getuser()}", "--bootstrap",
                            f"--datadir={fresh}", "--skip-log-bin"],
                           input=("USE mysql;\nFLUSH PRIVILEGES;\n" + USERS).encode(), check=True,
                           capture_output=True, timeout=START_LIMIT)
            fresh.rename(TEMPLATE)
    return TEMPLATE


_shared = []


def shared():
    """One for this process."""
    if not _shared:
        _shared.append(Server())
        atexit.register(_shared[0].close)
    return _shared[0]


def open_for_all():
    """shared(), whose user fl needs no password."""
    is_new = not _shared
    server = shared()
    if is_new:
        server.allow_all()
    return server


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = Server(pathlib.Path("database").absolute())
    try:
        server.fill(sys.argv[2])
        server.allow_all()
        # Nobody reaches it before the table is there.
        server.stop()
        server.port = int(sys.argv[1])
        server.start()
        signal.pause()
    finally:
        server.close()


if __name__ == "__main__":
    main()
