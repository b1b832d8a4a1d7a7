"""The string literals of C++ sources: what messages and help are made of."""
import os
import re

import pages

_TOKEN = re.compile(
    r"""//[^\n]* | /\*.*?\*/ | ^[ \t]*\#[ \t]*include[^\n]* |
        (?:u8|[uUL])?R"(?P<mark>[^\s()\\]{0,16})\((?P<raw>.*?)\)(?P=mark)" |
        (?:u8|[uUL])?"(?P<text>(?:[^"\\\n]|\\.)*)" | (?<![0-9a-fA-F])'(?:[^'\\\n]|\\.)*' |
        \s+ | (?P<other>[^\s"'/#uULR]+|.)""", re.X | re.S | re.M)
_ESCAPES = {"n": "\n", "t": "\t"}


def of(source: str) -> list:
    """(line, text) of each literal; neighbours are one, as for the compiler."""
    found, last, line = [], None, 1
    for token in _TOKEN.finditer(source):
        text = token["raw"]
        if token["text"] is not None:
            text = re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), token["text"])
        if text is not None:
            if last is None:
                last = [line, text]
                found.append(last)
            else:
                last[1] += text
        elif token["other"] or token[0].startswith("'"):
            last = None
        line += token[0].count("\n")
    return [tuple(each) for each in found]


def everywhere() -> dict:
    """{FILE:LINE: text} of common/ and tools/."""
    texts = {}
    for part in ("common", "tools"):
        for folder, _, names in os.walk(os.path.join(pages.ROOT, part)):
            for name in sorted(names):
                if name.endswith((".cpp", ".h")):
                    path = os.path.relpath(os.path.join(folder, name), pages.ROOT)
                    for line, text in of(pages.read(path)):
                        texts[f"{path}:{line}"] = texts.get(f"{path}:{line}", "") + "\n" + text
    return texts
