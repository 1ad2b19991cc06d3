"""Random changes of valid inputs: of bytes, of words, of JSON."""

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

ODD = (
    *(
        b"\0",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\r\n",
        b"\n",
        b"\t",
        b" ",
        b'"',
        b"'",
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
    ),
    *(b"null", b"true", b"NaN", b"-Infinity", b"1e999", b"-1", b"0.5", b"9" * 5000, b"[" * 3000, b'{"a":' * 3000),
    *(b"\\ud800", b"\\u0000", b"../", b"/etc/passwd", b"{{ 7*7 }}", b"{% raw %}", b"=", b"#", b"[[x]]", b"'''"),
    *("é".encode(), "\u2028".encode(), "😀".encode(), b"\xed\xa0\x80", b"\xc0\xaf"),
)
"""What readers have stumbled over."""
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**63, 10**30, 0.5, float("nan"), float("inf"), "", " ", "x", "train", "TRAIN"),
    *(
        "a/b.jpg",
        "../x",
        "/abs",
        "a\\b",
        "a\0b",
        "\ud800",
        "A man in red.",
        "é" * 300,
        [],
        {},
        [None],
        [[]],
        ["A man."],
    ),
    *({"a": 1}, [1, "a"], ["", " "], {"bytes": None}),
)
"""What a key may hold against all expectation."""


def bytes_of(random: Random, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds with a few changes."""
    content = bytearray(random.choice(seeds))
    for _ in range(min(1 + int(random.expovariate(0.7)), 12)):
        random.choice(_CHANGES)(random, content, seeds)
    return bytes(content)


def json_of(random: Random, seeds: Sequence[Any]) -> Any:
    """A JSON value with a few of its parts replaced, removed or doubled."""
    value = json.loads(json.dumps(random.choice(seeds)))
    for _ in range(random.randint(1, 3)):
        value = _replaced(random, value)
    return value


def text_of(random: Random, seeds: Sequence[str], words: Sequence[str]) -> str:
    """Words of captions in other orders, with words from elsewhere, marks, and what is no word."""
    told = random.choice(seeds).split()
    for _ in range(min(1 + int(random.expovariate(0.4)), 30)):
        at = random.randrange(len(told) + 1)
        match random.randrange(8):
            case 0:
                told[at:at] = [random.choice(words)]
            case 1:
                told[at : at + random.randint(1, 4)] = []
            case 2:
                told[at:at] = random.choice(seeds).split()[: random.randint(1, 12)]
            case 3:
                random.shuffle(told)
            case 4:
                told[at:at] = [random.choice((",", ".", "and", "with", "a", "no", ":", "-", "'s", "(", "…", "\u200b"))]
            case 5:
                told[at : at + 1] = [
                    "".join(chr(random.choice((random.randrange(32, 127), random.randrange(0x3000)))) for _ in range(6))
                ]
            case 6:
                told[at:at] = told[at : at + 3] * random.randint(1, 4)
            case _:
                told[at : at + 1] = [
                    word.upper() if random.random() < 0.5 else word[::-1] for word in told[at : at + 1]
                ]
    text = random.choice((" ", " ", " ", "  ", "-", "")).join(told)
    return text * random.randint(20, 60) if random.random() < 0.002 else text


def _flip(random: Random, content: bytearray, seeds: Sequence[bytes]) -> None:
    if content:
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)


def _put(random: Random, content: bytearray, seeds: Sequence[bytes]) -> None:
    at = random.randrange(len(content) + 1)
    content[at:at] = random.choice(ODD)


def _over(random: Random, content: bytearray, seeds: Sequence[bytes]) -> None:
    odd, at = random.choice(ODD), random.randrange(len(content) + 1)
    content[at : at + len(odd)] = odd


def _cut(random: Random, content: bytearray, seeds: Sequence[bytes]) -> None:
    at = random.randrange(len(content) + 1)
    del content[at : at + int(random.expovariate(0.05))]


def _end(random: Random, content: bytearray, seeds: Sequence[bytes]) -> None:
    del content[random.randrange(len(content) + 1) :]


def _zeros(random: Random, content: bytearray, seeds: Sequence[bytes]) -> None:
    at, size = random.randrange(len(content) + 1), random.randint(1, 64)
    content[at : at + size] = bytes(size)


def _splice(random: Random, content: bytearray, seeds: Sequence[bytes]) -> None:
    other = random.choice(seeds)
    at, start = random.randrange(len(content) + 1), random.randrange(len(other) + 1)
    content[at : at + random.randint(0, 40)] = other[start : start + random.randint(1, 200)]


def _lines(random: Random, content: bytearray, seeds: Sequence[bytes]) -> None:
    """Lines doubled, lost, exchanged, or run into each other."""
    lines = bytes(content).splitlines(keepends=True)
    if len(lines) < 2:
        return
    a, b = random.randrange(len(lines)), random.randrange(len(lines))
    match random.randrange(4):
        case 0:
            lines.insert(a, lines[b])
        case 1:
            del lines[a]
        case 2:
            lines[a], lines[b] = lines[b], lines[a]
        case _:
            lines[a] = lines[a][: random.randrange(len(lines[a]) + 1)] + lines[b]
    content[:] = b"".join(lines)


_CHANGES: tuple[Callable[[Random, bytearray, Sequence[bytes]], None], ...] = (
    *(_flip, _flip, _put, _over, _cut, _end, _zeros, _splice, _lines, _lines),
)


def _replaced(random: Random, value: Any) -> Any:
    if random.random() < 0.2 or not isinstance(value, (list, dict)) or not value:
        return random.choice(VALUES)
    if isinstance(value, list):
        at = random.randrange(len(value))
        if random.random() < 0.2:
            return [*value, value[at]]
        return [_replaced(random, one) if n == at else one for n, one in enumerate(value)]
    key = random.choice(list(value))
    match random.randrange(6):
        case 0:
            return {name: one for name, one in value.items() if name != key}
        case 1:
            return {**value, random.choice(("image_id", "dataset", "origin", "extra", "é")): random.choice(VALUES)}
        case _:
            return {**value, key: _replaced(random, value[key])}
