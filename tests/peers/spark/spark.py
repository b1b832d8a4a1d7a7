"""Spark for tests: PySpark in build/peers/spark/py, the jars that it lacks, and one session.

    python = spark.fetch()          # a Python that has pyspark; made at the first call
    session = spark.session(folder) # in that Python: the one session of the process

Without Java, or where the packages cannot be fetched, SystemExit(77) after "skipped: ..." (with CI=true
status 1).
"""
import fcntl
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "tools"))
import maven  # noqa: E402

PLACE = ROOT / "build/peers/spark"
VERSION = "4.1.1"
SKIPPED = 77
# The rest of what Maven brings is in PySpark.
JARS = ("spark-avro", "spark-sql-kafka", "spark-token-provider-kafka", "kafka-clients",
        "commons-pool2")
JVM = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -XX:-UsePerfData"


def skip(why):
    print(f"skipped: {why}", file=sys.stderr)
    sys.exit(1 if os.environ.get("CI") == "true" else SKIPPED)


def fetch():
    """The Python that has pyspark."""
    home = os.environ.get("JAVA_HOME")
    if not (home and os.access(f"{home}/bin/java", os.X_OK)) and not shutil.which("java"):
        skip("no java")
    PLACE.mkdir(parents=True, exist_ok=True)
    python = PLACE / "py/bin/python"
    with open(PLACE / "py.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        has = f"import pyspark, sys; sys.exit(pyspark.__version__ != '{VERSION}')"
        if not python.exists() or subprocess.run([python, "-c", has], capture_output=True,
                                                 check=False).returncode:
            shutil.rmtree(PLACE / "py", ignore_errors=True)
            for command in ([sys.executable, "-m", "venv", PLACE / "py"],
                            [python, "-m", "pip", "install", "--quiet", f"pyspark=={VERSION}"]):
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    skip(f"cannot install pyspark: {done.stderr.strip()[-200:]}")
    jars()
    return python


def jars():
    lib = maven.fetch(pathlib.Path(__file__).with_name("pom.xml"), PLACE / "jars", "Spark", skip)
    return sorted(str(path) for path in lib.iterdir() if path.name.startswith(JARS))


def session(folder, **more):
    """The session of this process; its files are in `folder`. `more`: settings, without "spark."."""
    from pyspark.sql import SparkSession
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    settings = {
        "jars": ",".join(jars()), "ui.enabled": "false", "ui.showConsoleProgress": "false",
        "driver.memory": "512m", "driver.host": "127.0.0.1", "driver.bindAddress": "127.0.0.1",
        "sql.shuffle.partitions": "1", "default.parallelism": "1",
        "sql.catalogImplementation": "in-memory", "sql.session.timeZone": "UTC",
        "sql.warehouse.dir": f"{folder}/warehouse", "local.dir": f"{folder}/tmp",
        "driver.extraJavaOptions": f"{JVM} -Djava.io.tmpdir={folder}", **more}
    builder = SparkSession.builder.master("local[1]").appName("fl")
    for name, value in settings.items():
        builder = builder.config(f"spark.{name}", value)
    made = builder.getOrCreate()
    made.sparkContext.setLogLevel("ERROR")
    return made


if __name__ == "__main__":
    print(fetch())
