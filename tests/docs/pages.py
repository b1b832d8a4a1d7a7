"""Reads pages and README: fenced blocks, included files, annotated bytes."""
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_INCLUDE = re.compile(r"^; include (\S+)\n```\n(.*?)^```$", re.M | re.S)
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


def read(path: str) -> str:
    with open(os.path.join(ROOT, path)) as file:
        return file.read()


def unescaped(text: str) -> str:
    """The text of a literal block as scdoc prints it."""
    return re.sub(r"\\(.)", r"\1", text)


def blocks_of(text: str) -> list:
    """The literal blocks in the source of a page."""
    return [unescaped(m[2]) for m in _FENCE.finditer(text)]


def blocks(path: str) -> list:
    """(language, text) of each fenced block."""
    plain = path.endswith(".md")
    return [(m[1], m[2] if plain else unescaped(m[2])) for m in _FENCE.finditer(read(path))]


def block_with(path: str, part: str) -> str:
    """The one block that contains `part`."""
    found = [text for _, text in blocks(path) if part in text]
    if len(found) != 1:
        raise AssertionError(f"{len(found)} blocks of {path} hold {part!r}")
    return found[0]


def includes(path: str) -> list:
    """(file, text in the page) of each included file."""
    return [(m[1], unescaped(m[2])) for m in _INCLUDE.finditer(read(path))]


def update_includes(path: str) -> None:
    """Puts the files' present text into the page."""
    def fill(match):
        text = read("man/" + match[1]).replace("\\", "\\\\")
        return f"; include {match[1]}\n```\n{text}```"
    with open(os.path.join(ROOT, path)) as file:
        old = file.read()
    new = _INCLUDE.sub(fill, old)
    if new != old:
        with open(os.path.join(ROOT, path), "w") as file:
            file.write(new)


def annotated_bytes(text: str) -> bytes:
    """`4f 62 'text' ; comment` lines as bytes."""
    out = b""
    for line in text.splitlines():
        for token in re.finditer(r"'([^']*)'|;.*|([0-9a-f]{2})\b|(\S+)", line):
            if token[1] is not None:
                out += token[1].encode()
            elif token[2]:
                out += bytes.fromhex(token[2])
            elif token[3]:
                raise AssertionError(f"neither hexadecimal nor text: {token[3]!r}")
    return out
