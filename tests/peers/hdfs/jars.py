"""The jars of Hadoop's servers for cluster.py: fetched once by Maven into build/peers/hdfs.

lib/ (pom.xml: NameNode, DataNode, shell), lib-httpfs/ (pom-httpfs.xml) and lib-kdc/ (pom-kdc.xml)
are apart because their versions must not mix.
"""
import os
import pathlib
import shutil
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "tools"))
import maven  # noqa: E402

JARS = ROOT / "build/peers/hdfs"
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
    """The folder of jars `lib` or `lib-NAME`."""
    folder = "lib" if name == "hdfs" else f"lib-{name}"
    pom = "pom.xml" if name == "hdfs" else f"pom-{name}.xml"
    return maven.fetch(pathlib.Path(__file__).with_name(pom), JARS / folder,
                       f"the jars of {name}", skip)
