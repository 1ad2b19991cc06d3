"""What an edit broke in a caption, and its caption had whole: traces that give a negative away."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache, lru_cache

from ..language.lexicon.load import lexicon
from .articles import wrong_articles
from .grammar import wrong_agreement
from .words import word_list

_SPACING = {
    "before": re.compile(r"\s[.,;:!?)\]}”]"),
    "doubled": re.compile(r"(?<=\S)[^\S\n]{2,}(?=\S)"),
    "after": re.compile(r"[,;:!?](?=[^\W\d_])|(?<=[^\W\d_]{2})\.(?=[^\W\d_])"),
    "end": re.compile(r"\A\s+|\s+\Z"),
    "opening": re.compile(r"[(\[{“‘]\s"),
    "stops": re.compile(r"[,;:]\s*[,;:.!?]"),
}
_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”")
_OPENS = re.compile(r"(?:\A|[.!?\n])[\s\"'“”‘’(\[]*([^\W\d_])")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


@dataclass(frozen=True)
class _Traces:
    """What is wrong with one text, in counts."""

    spacing: Counter[str]
    """By the pattern."""
    articles: int
    """`a` for `an`, or the other way round."""
    agreement: Counter[str]
    """By the sort (see `wrong_agreement`)."""
    small_openings: int
    """Sentences that begin with a small letter."""
    opening_words: frozenset[str]
    """Words that open a sentence with a capital."""
    inner_capitals: Counter[str]
    """Words with a capital inside a sentence."""


def artefacts(source: str, negative: str) -> dict[str, int]:
    """Faults that the negative has more of than its caption, which may have typing errors of its own.

    Args:
        source: the caption.
        negative: what was made of it.

    Returns:
        `spacing` (blanks before a stop, after an opening bracket, doubled, missing, or at an end; two stops in a row),
        `capital` (lost where a sentence begins, or brought inside one), `article` ("a orange"), `agreement` ("a
        pants", "his shoes is", "the the", "with ."): how many more, where there are any.
    """
    old, new = _traces(source), _traces(negative)
    found = {
        "spacing": (new.spacing - old.spacing).total(),
        "capital": max(0, new.small_openings - old.small_openings) + _brought_capitals(old, new),
        "article": max(0, new.articles - old.articles),
        "agreement": (new.agreement - old.agreement).total(),
    }
    return {name: count for name, count in found.items() if count}


@lru_cache(maxsize=1024)  # a caption is looked at once for all its negatives
def _traces(text: str) -> _Traces:
    openings = {match.start(1) for match in _OPENS.finditer(text)}
    words = _WORD.finditer(_QUOTED.sub(lambda match: " " * len(match[0]), text))
    capital = [word for word in words if word[0][0].isupper() and (len(word[0]) > 1 or word[0] == "A")]
    return _Traces(
        spacing=_spacing(text),
        articles=len(wrong_articles(text)),
        agreement=Counter(sort for sort, _ in wrong_agreement(text).elements()),
        small_openings=sum(text[start].islower() for start in openings),
        opening_words=frozenset(word[0] for word in capital if word.start() in openings),
        inner_capitals=Counter(word[0] for word in capital if word.start() not in openings),
    )


def _spacing(text: str) -> Counter[str]:
    found = Counter({name: len(pattern.findall(text)) for name, pattern in _SPACING.items()})
    # Straight quotes open and close in turn.
    for number, match in enumerate(re.finditer('"', text)):
        beside = text[match.end() : match.end() + 1] if number % 2 == 0 else text[: match.start()][-1:]
        found["opening"] += beside.isspace()
    return found


def _brought_capitals(old: _Traces, new: _Traces) -> int:
    """Words with a capital inside a sentence that are no names and the caption has not so, less those they replaced."""

    def only(text: _Traces, other: _Traces) -> int:
        return sum(
            count
            for word, count in text.inner_capitals.items()
            if word not in other.inner_capitals
            and (word in old.opening_words or word.lower() in _common())
            and word.lower() not in word_list("names")
            and not (len(word) > 1 and word.isupper())
        )

    return max(0, only(new, old) - only(old, new))


@cache
def _common() -> frozenset[str]:
    """Words that captions are made of, in small letters: with a capital they are no names."""
    return frozenset(word for phrase in lexicon().meanings for word in phrase) - word_list("names")
