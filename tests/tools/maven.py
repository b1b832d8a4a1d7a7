"""Jars of real servers, fetched once by Maven into a folder below build/peers."""
import fcntl
import pathlib
import shutil
import subprocess

LIMIT = 900  # seconds
TRIES = 3  # what came is kept by Maven; a server that is busy for a moment is not a reason to fail


def fetch(pom: pathlib.Path, lib: pathlib.Path, what: str, skip) -> pathlib.Path:
    """The folder `lib` with the jars that `pom` names, fetched again when the pom has changed. Whole
    or not at all: it gets its name when Maven is done. `what` is fetched, for people; skip(why)
    does not return."""
    wanted = pom.read_bytes()
    made_of = lib.with_name(lib.name + ".pom.xml")
    lib.parent.mkdir(parents=True, exist_ok=True)
    with open(lib.parent / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if lib.is_dir() and made_of.is_file() and made_of.read_bytes() == wanted:
            return lib
        if not shutil.which("mvn"):
            skip(f"no mvn to fetch {what} with")
        partial = lib.with_name(lib.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        log = lib.with_name(f"fetch-{lib.name}.log")
        for _ in range(TRIES):
            with open(log, "w") as out:
                try:
                    code = subprocess.run(
                        ["mvn", "-B", "-q", "-f", str(pom), "dependency:copy-dependencies",
                         f"-DoutputDirectory={partial}", "-DincludeScope=runtime"],
                        stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=lib.parent,
                        timeout=LIMIT).returncode
                except subprocess.TimeoutExpired:
                    code = -1
            if code == 0:
                break
        if code != 0:
            shutil.rmtree(partial, ignore_errors=True)
            said = log.read_text(errors="replace").strip().splitlines()[:3]
            skip("; ".join([f"Maven cannot fetch {what}, see {log}", *said]))
        shutil.rmtree(lib, ignore_errors=True)
        partial.rename(lib)
        made_of.write_bytes(wanted)
        return lib
