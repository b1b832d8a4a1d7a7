#!/usr/bin/env python3
"""Runs the parts of the harness against the log with each of the faults that seeded_bug.h names.

usage: seeded.py [--long] [--kills] [NAME...]     --kills: every part and more kills, as with --long
Prints for each fault the part that finds it, with --kills every part that does. Fails if one is not
found, or if a part complains of the log without a fault. With --kills at least 8 must be missed by kills.
"""
import concurrent.futures
import importlib.machinery
import importlib.util
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("log_run", os.path.join(HERE, "run"))
run = importlib.util.module_from_spec(importlib.util.spec_from_loader("log_run", loader))
loader.exec_module(run)


def names() -> list:
    with open(os.path.join(run.ROOT, "common", "log", "seeded_bug.h")) as file:
        body = re.search(r"enum class Bug \{(.*?)\};", file.read(), re.S).group(1)
    found = re.findall(r"^\s*(\w+),", body, re.M)
    return [name for name in found if name not in ("none", "count")]


def states(env):
    words = [run.program("log_explorer"), "--every", "14", "--variants", "6", "--states", "1250", "--seeds"]
    return run.finish([run.judged([*words, seeds], "state_judge.py", "states", env=env)
                       for seeds in ("4:6", "10:6", "21:6")], 300)


def errors(env):
    words = [run.program("log_errors"), "--every", "7"]
    return run.finish([run.judged(words, "state_judge.py", "errors", env=env)], 300)


def flips(env):
    words = [run.program("log_flips"), "--every", "301", "--sample", "1000"]
    return run.finish([run.judged(words, "flip_judge.py", env=env)], 300)


def kills(env):
    points = ["300", "--every", "3"] if ALWAYS else ["60", "--every", "11"]
    words = [sys.executable, os.path.join(HERE, "kills.py"), "--points", *points]
    done = subprocess.run(words, env=run.in_memory(env), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900,
                          check=False)
    return done.returncode == 0, done.stdout


# What finds a fault in the shortest time comes first.
PARTS = {"errors": errors, "flips": flips, "states": states, "kills": kills}
ALWAYS = run.LONG or "--kills" in sys.argv


def look(name: str) -> list:
    env = dict(os.environ, FL_SEEDED_BUG=name, FL_LOG_SHOWN="1", FL_LOG_FIRST="1")
    found = []
    for part, test in PARTS.items():
        if not test(env)[0]:
            found.append(part)
            if not ALWAYS and name != "none":
                break
    return found


def main() -> int:
    wanted = [word for word in sys.argv[1:] if not word.startswith("-")] or names()
    found, only_here = 0, 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        alarms = look("none")
        for name, parts in zip(wanted, pool.map(look, wanted)):
            print(f"  {name:24} {' '.join(parts) or '-'}", flush=True)
            found += bool(parts)
            only_here += bool(parts) and "kills" not in parts
    not_by_kills = f", {only_here} of them not by kills" if ALWAYS else ""
    print(f"seeded: {found} of {len(wanted)} caught{not_by_kills}; parts that complain without a fault: "
          f"{' '.join(alarms) or 'none'}")
    enough = only_here >= 8 or not ALWAYS or len(wanted) <= 8
    return 0 if found == len(wanted) and enough and not alarms else 1


if __name__ == "__main__":
    sys.exit(main())
