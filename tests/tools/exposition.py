"""A strict reader of Prometheus' text format 0.0.4, for tests: what it accepts, Prometheus accepts."""
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{((?:{LABEL}(?:,{LABEL})*)?)\}})? (\S+)")


def parse(text: str) -> dict:
    """{name: {(("label", "value"), ...): number}}. ValueError says what is wrong."""
    if not text.endswith("\n"):
        raise ValueError("no newline at the end")
    samples, helps, types = {}, {}, {}
    current = None
    for row in text[:-1].split("\n"):
        if row.startswith("# HELP "):
            current, _, text = row[7:].partition(" ")
            if current in helps:
                raise ValueError(f"a second HELP: {row}")
            if re.search(r"\\(?![\\n])", text):
                raise ValueError(f"a stray backslash: {row}")
            helps[current] = text
            continue
        if row.startswith("# TYPE "):
            name, _, kind = row[7:].partition(" ")
            if name != current or name in types or kind not in ("counter", "gauge"):
                raise ValueError(f"TYPE out of place: {row}")
            types[name] = kind
            continue
        match = SAMPLE.fullmatch(row)
        if not match:
            raise ValueError(f"no sample: {row!r}")
        name, labels = match.group(1), match.group(2) or ""
        if name != current or name not in types:
            raise ValueError(f"a sample away from its HELP and TYPE: {row}")
        pairs = [(key, re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], value))
                 for key, value in re.findall(LABEL, labels)]
        if len({key for key, _ in pairs}) != len(pairs):
            raise ValueError(f"a label twice: {row}")
        key = tuple(sorted(pairs))
        if key in samples.setdefault(name, {}):
            raise ValueError(f"a sample twice: {row}")
        samples[name][key] = float(match.group(match.lastindex))
    for name, kind in types.items():
        if not samples.get(name):
            raise ValueError(f"{name} has no sample")
        if not helps[name]:
            raise ValueError(f"{name} has no help")
        if (kind == "counter") != name.endswith("_total"):
            raise ValueError(f"{name} is a {kind}")
        if kind == "counter" and min(samples[name].values()) < 0:
            raise ValueError(f"{name} is negative")
    return samples


def value(samples: dict, metric: str, /, **labels: str) -> float:
    """The one sample of `metric` that has these labels."""
    found = [number for key, number in samples.get(metric, {}).items()
             if set(labels.items()) <= set(key)]
    if len(found) != 1:
        raise ValueError(f"{len(found)} samples of {metric} with {labels}")
    return found[0]
