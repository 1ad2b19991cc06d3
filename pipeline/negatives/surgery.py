"""Edits on the characters of a caption: made in place, recorded, and taken back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...schemas.rows import Edit

_ARTICLE_BEFORE = re.compile(r"(?<![^\W_])(an?)\s+\Z", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")
_SILENT_H = re.compile(r"hour|heir|honest|hono")
_LIKE_YOU = re.compile(r"uni(?!n|m|den)|us[aeu]|ut[aei]|u$|eu|ewe|one|once|ouija|ubiq|ukul|ura|uro")
_OPENING = " \t\r\n\"'“”‘’(["
_FULL_STOPS = ".!?"


@dataclass(frozen=True)
class Unit:
    """A piece of a caption that can be moved as it stands."""

    start: int
    """First character."""
    end: int
    """One past its last character."""
    fixed_case: bool = False
    """Its first word keeps its capital anywhere: a name, an acronym, `I`."""


@dataclass(frozen=True)
class Replacement:
    """What is to stand in place of `source[start:end]`; an empty piece inserts."""

    start: int
    """First character."""
    end: int
    """One past its last character."""
    text: str
    """What comes there; may be empty."""


def apply_edits(source: str, replacements: Sequence[Replacement]) -> tuple[str, list[Edit]]:
    """The text with the replacements made, and the edits that tell where.

    Raises:
        ValueError: the replacements are not in order, overlap, or leave the text.
    """
    parts: list[str] = []
    edits: list[Edit] = []
    read = written = 0
    for new in replacements:
        if not read <= new.start <= new.end <= len(source):
            raise ValueError(f"{new} overlaps another, or is out of order, in a text of {len(source)} characters")
        parts += [source[read : new.start], new.text]
        start = written + new.start - read
        written, read = start + len(new.text), new.end
        edits.append(Edit(source_start=new.start, source_end=new.end, start=start, end=written))
    return "".join([*parts, source[read:]]), edits


def mended(source: str, replacements: Sequence[Replacement]) -> tuple[str, list[Edit]]:
    """The text with the replacements made, and what they break put right: capitals, and "a" or "an" before them.

    Raises:
        ValueError: as `apply_edits`.
    """
    cased = [replace(new, text=_capital_of(source, new)) for new in sorted(replacements, key=lambda new: new.start)]
    articles = [article for new in cased if (article := _article_before(source, new, cased)) is not None]
    return apply_edits(source, sorted([*cased, *articles], key=lambda new: (new.start, new.end)))


def _capital_of(source: str, new: Replacement) -> str:
    """The new piece with the capital that its place asks for."""
    old = source[new.start : new.end]
    if new.text and old[:1].isupper() and _opens_sentence(source, new.start):
        return new.text[0].upper() + new.text[1:]
    return new.text


def _article_before(source: str, new: Replacement, all_new: Sequence[Replacement]) -> Replacement | None:
    """The article before a new piece, where it has to change: "an ‹orange› shirt", "a ‹blue› shirt"."""
    found = _ARTICLE_BEFORE.search(source, max(0, new.start - 8), new.start)
    if found is None or any(other.start < found.end(1) and other.end > found.start(1) for other in all_new):
        return None
    following = _WORD.match((new.text + source[new.end :]).lstrip())
    if following is None:
        return None
    right = article_of(following[0].lower())
    if right == found[1].lower():
        return None
    return Replacement(found.start(1), found.end(1), right.capitalize() if found[1][0].isupper() else right)


def article_of(word: str) -> str:
    """`a` or `an`, by the sound a word begins with.

    Rules of our own, for `inflect` knows no more of these captions' words (`audit` asks it) and takes 2 s to import.
    """
    if _SILENT_H.match(word):
        return "an"
    return "an" if word[:1] in "aeiou8" and not _LIKE_YOU.match(word) else "a"


def undo_edits(text: str, edits: Sequence[Edit], source: str) -> str:
    """What `text` was before its edits: the pieces of `source` back in place of the new ones.

    Equal to `source` whenever the edits say all that was changed; that is what makes them worth recording.
    """
    parts: list[str] = []
    read = 0
    for edit in edits:
        parts += [text[read : edit.start], source[edit.source_start : edit.source_end]]
        read = edit.end
    return "".join([*parts, text[read:]])


def swap(source: str, first: Unit, second: Unit) -> tuple[str, list[Edit]]:
    """The text with two units, in order and apart, in each other's place; spacing and punctuation stay.

    Where a unit opens a sentence, the one that comes there takes its capital, and the one that leaves loses it.
    """
    return apply_edits(
        source,
        [
            Replacement(first.start, first.end, _recased(source, second, first)),
            Replacement(second.start, second.end, _recased(source, first, second)),
        ],
    )


def _recased(source: str, moved: Unit, target: Unit) -> str:
    """The text of `moved` with the capital that fits the place of `target`."""
    piece, old = source[moved.start : moved.end], source[target.start : target.end]
    if _opens_sentence(source, target.start):
        return piece[0].upper() + piece[1:] if old[0].isupper() else piece
    if _opens_sentence(source, moved.start) and not moved.fixed_case:
        return piece[0].lower() + piece[1:]
    return piece


def _opens_sentence(text: str, start: int) -> bool:
    """Whether a sentence opens there, by punctuation: the parser's own sentences break inside clauses now and then."""
    before = text[:start].rstrip(_OPENING)
    return not before or before[-1] in _FULL_STOPS


def same_caption(a: str, b: str) -> bool:
    """Whether two texts are equal but for case, commas, full stops and the spaces around them."""
    return _bare(a) == _bare(b)


def _bare(text: str) -> str:
    return text.casefold().replace(",", "").replace(".", "").strip()
