"""Foreign Avro libraries: fastavro (fetched once into build/), python3-avro and libavro (Debian)."""
import fcntl
import os
import subprocess
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PEERS = os.path.join(ROOT, "build", "peers")
HERE = os.path.dirname(os.path.abspath(__file__))
FASTAVRO = ("fastavro==1.13.1", "cramjam==2.11.0", "backports.zstd==1.0.0")
SYSTEM_PYTHON = "/usr/bin/python3"


def _missing(what: str):
    """A skip; under CI a missing peer is a failure."""
    if os.environ.get("CI") == "true":
        raise AssertionError(what)
    raise unittest.SkipTest(what)


def _has(python: str, module: str) -> bool:
    return os.path.exists(python) and subprocess.run(
        [python, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0


def fastavro_python() -> str:
    """A Python that has fastavro with all its codecs; made in build/peers/py at the first call."""
    place = os.path.join(PEERS, "py")
    python = os.path.join(place, "bin", "python")
    os.makedirs(PEERS, exist_ok=True)
    with open(os.path.join(PEERS, "py.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _has(python, "fastavro, cramjam, backports.zstd"):
            for command in ([sys.executable, "-m", "venv", place],
                            [python, "-m", "pip", "install", "--quiet", *FASTAVRO]):
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode != 0:
                    _missing(f"cannot install {' '.join(FASTAVRO)}: {done.stderr.strip()[-200:]}")
    return python


def avro_python() -> str:
    """A Python that has the module avro."""
    if not _has(SYSTEM_PYTHON, "avro.datafile"):
        _missing("python3-avro is not installed (scripts/setup)")
    return SYSTEM_PYTHON


def libavro_peer() -> str:
    """The program libavro_peer, compiled at the first call."""
    source = os.path.join(HERE, "libavro_peer.c")
    program = os.path.join(PEERS, "libavro_peer")
    os.makedirs(PEERS, exist_ok=True)
    with open(program + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(program) or os.path.getmtime(program) < os.path.getmtime(source):
            done = subprocess.run(["cc", "-Wall", "-O1", "-o", program + ".new", source, "-lavro"],
                                  capture_output=True, text=True, check=False)
            if done.returncode != 0:
                _missing(f"cannot compile against libavro: {done.stderr.strip()[-300:]}")
            os.replace(program + ".new", program)
    return program
