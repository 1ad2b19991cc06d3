"""Texts: captions and rewrites, to the parser and to everything that looks at words."""

import json
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import strategies as st

from tbpr_data.pipeline.checks.answers import verdict_json
from tbpr_data.pipeline.checks.clean import clean, is_refusal
from tbpr_data.pipeline.checks.surface import repeats
from tbpr_data.pipeline.checks.verdict import FORBIDDEN, judge_pair
from tbpr_data.pipeline.language.lexicon.load import lexicon
from tbpr_data.pipeline.language.parse import parse
from tbpr_data.pipeline.lines import _answer_block, _Block
from tbpr_data.pipeline.publish.quotes import Quotes
from tbpr_data.pipeline.sources.repairs import repair
from tbpr_data.schemas.attributes import Value, to_json

from .mutate import bytes_of, json_of, text_of
from .target import Target

_GOLD = Path(__file__).parent.parent / "gold"
_SPLIT = "\x1e"
_POLICIES = tuple(FORBIDDEN)


@cache
def captions() -> tuple[str, ...]:
    """Captions in the manner of every dataset."""
    lines = (_GOLD / "captions_dev.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(json.loads(line)["text"] for line in lines)


@cache
def _pairs() -> tuple[tuple[str, str], ...]:
    lines = (_GOLD / "pairs_dev.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple((one["source"], one["rewrite"]) for one in map(json.loads, lines))


@cache
def words() -> tuple[str, ...]:
    """Every phrase that the parser knows."""
    return tuple(sorted(" ".join(phrase) for phrase in lexicon().meanings))


def _caption(random: Random) -> bytes:
    return text_of(random, captions(), words()).encode("utf-8", "surrogatepass")


def _pair(random: Random) -> bytes:
    source, rewrite = random.choice(_pairs())
    kept = source if random.random() < 0.5 else text_of(random, [source], words())
    return _SPLIT.join((kept, text_of(random, [rewrite, source], words()))).encode("utf-8", "surrogatepass")


def text(content: bytes) -> str:
    """What is no UTF-8 becomes halves of surrogate pairs, which JSON may hold."""
    return content.decode("utf-8", "surrogateescape")


def _two(content: bytes) -> tuple[str, str]:
    first, _, second = text(content).partition(_SPLIT)
    return first, second


def _parse(content: bytes, folder: Path) -> None:
    """Each value stands where the person says it stands."""
    caption = text(content)
    person = parse(caption)
    json.dumps(to_json(person))
    for value in _values(person):
        start, end = value.span
        assert 0 <= start <= end <= len(caption)
        assert caption[start:end] == value.text


def _values(part: Any) -> list[Value]:
    if isinstance(part, Value):
        return [part]
    if isinstance(part, tuple):
        return [value for one in part for value in _values(one)]
    names = getattr(type(part), "__dataclass_fields__", ())
    return [value for name in names for value in _values(getattr(part, name))]


def _check(content: bytes, folder: Path) -> None:
    source, rewrite = _two(content)
    verdict = judge_pair(source, rewrite, _POLICIES[len(content) % len(_POLICIES)])
    assert verdict.accepted == (verdict.faithful and verdict.fluent and verdict.novel)
    json.dumps(verdict_json(verdict))


def _clean(content: bytes, folder: Path) -> None:
    """An answer of a chat model; what is cleaned is one line without control characters."""
    raw = text(content)
    for kept in (clean(raw, "text"), clean(raw, "json")):
        assert kept == kept.strip()
        assert not any(ord(character) < 32 for character in kept)
        is_refusal(kept)
        repeats(kept)


def _repair(content: bytes, folder: Path) -> None:
    """What is repaired needs no repair."""
    repaired, _ = repair(text(content))
    assert repair(repaired) == (repaired, ())


def _quotes(content: bytes, folder: Path) -> None:
    """The pieces of a text give the text."""
    source, other = _two(content)
    quotes = Quotes({"a#0": source, "a#1": other.upper(), "b#0": "A man in a red coat walks to the left."})
    for told in (other, source.swapcase() + other, f"{other} {source}"):
        pieces = quotes.pieces(told, "a#0")
        assert not pieces or quotes.restore(pieces) == told


def _lines(content: bytes, folder: Path) -> None:
    """Every line is answered by a line of strict JSON."""
    answers = _answer_block(_Block(1, content), _length)
    told = answers.lines.decode("utf-8").split("\n")
    assert len(told) == content.count(b"\n") + 2
    for line in told[:-1]:
        json.loads(line, parse_constant=_no_constant)


def _length(line: Any) -> dict[str, Any]:
    return {"line": line}


def _no_constant(name: str) -> None:
    raise AssertionError(f"not JSON: {name}")


def _answers(random: Random) -> bytes:
    said = text_of(random, captions(), words())
    wrapped = random.choice(
        ("{}", 'Sure! Here is: "{}"', "**{}**\n\nNote: x", '{{"caption": "{}"}}', "<think>{}</think>{}", "1. {}")
    )
    return bytes_of(random, [wrapped.replace("{}", said).encode("utf-8", "replace")])


def _line_file(random: Random) -> bytes:
    lines = [{"source": source, "rewrite": rewrite, "id": 7} for source, rewrite in _pairs()[:4]]
    changed = [json.dumps(json_of(random, lines)).encode() for _ in range(3)]
    return bytes_of(random, [b"\n".join(changed)])


_ALPHABET = st.sampled_from(
    ("a man", "red", "shirt", "and", ",", ".", "no", "with", "her", "in", "\u200b", "é", "!?", "🙂")
)
_SENTENCES = st.lists(_ALPHABET | st.text(max_size=9), max_size=25).map(" ".join)
_STRANGE = (_SENTENCES | st.text(max_size=120)).map(lambda one: one.encode("utf-8", "surrogatepass"))
_TWO = st.tuples(_STRANGE, _STRANGE).map(_SPLIT.encode().join)

TARGETS = (
    Target("attribute parser", 220, _caption, _STRANGE, _parse),
    Target("check", 30, _pair, _TWO, _check),
    Target("clean", 50, _answers, _STRANGE, _clean),
    Target("repairs", 40, _caption, _STRANGE, _repair),
    Target("quotes", 30, _pair, _TWO, _quotes),
    Target("lines", 30, _line_file, st.binary(max_size=200), _lines),
)
