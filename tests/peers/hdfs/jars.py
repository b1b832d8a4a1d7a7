"""The jars of Hadoop's servers for cluster.py: fetched once by Maven into build/peers/hdfs.

lib/ (pom.xml: NameNode, DataNode, shell), lib-httpfs/ (pom-httpfs.xml) and lib-kdc/ (pom-kdc.xml)
are apart because their versions must not mix.
"""
import fcntl
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
JARS = ROOT / "build/peers/hdfs"
FETCH_LIMIT = 900  # seconds
SKIPPED = 77
JVM = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:CICompilerCount=1",
       "-Djava.net.preferIPv4Stack=true"]


def skip(why):
    print(f"skipped: {why}", file=sys.stderr)
    sys.exit(SKIPPED)


def fail(why):
    print(f"cluster.py: {why}", file=sys.stderr)
    sys.exit(1)


def program(name):
    """A program of the JDK, from JAVA_HOME if it is set."""
    home = os.environ.get("JAVA_HOME")
    path = str(pathlib.Path(home, "bin", name)) if home else shutil.which(name)
    if not path or not os.access(path, os.X_OK):
        skip(f"no {name}")
    return path


def fetch(name):
    """The folder of jars `lib` or `lib-NAME`, fetched again when its pom has changed. Whole or not
    at all: the folder gets its name when Maven is done."""
    folder = "lib" if name == "hdfs" else f"lib-{name}"
    pom = "pom.xml" if name == "hdfs" else f"pom-{name}.xml"
    lib = JARS / folder
    wanted = pathlib.Path(__file__).with_name(pom).read_bytes()
    made_of = JARS / f"{folder}.pom.xml"
    JARS.mkdir(parents=True, exist_ok=True)
    with open(JARS / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if lib.is_dir() and made_of.is_file() and made_of.read_bytes() == wanted:
            return lib
        if not shutil.which("mvn"):
            skip("no mvn to fetch Hadoop with")
        partial = JARS / f"{folder}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        log = JARS / f"fetch-{name}.log"
        with open(log, "w") as out:
            try:
                code = subprocess.run(
                    ["mvn", "-B", "-q", "-f", str(pathlib.Path(__file__).with_name(pom)),
                     "dependency:copy-dependencies", f"-DoutputDirectory={partial}",
                     "-DincludeScope=runtime"],
                    stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=JARS,
                    timeout=FETCH_LIMIT).returncode
            except subprocess.TimeoutExpired:
                code = -1
        if code != 0:
            shutil.rmtree(partial, ignore_errors=True)
            skip(f"Maven cannot fetch the jars of {name}, see {log}")
        shutil.rmtree(lib, ignore_errors=True)
        partial.rename(lib)
        made_of.write_bytes(wanted)
        return lib
