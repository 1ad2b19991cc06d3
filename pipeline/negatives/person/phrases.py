"""Where the words of an item stand in its caption, as pieces that can be exchanged."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from ....schemas.attributes import DETAILS, Colour, Item, Person
from ...language.lexicon.load import lexicon

_JOINED = re.compile(r" and |/| / |, | & |, and ")
_LONGEST_ARTICLE = len(" their ")
_ARTICLE = re.compile(r"(?:\b(?:an?|the|his|her|their|one) )?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Coloured:
    """Something with a colour phrase in one piece: an item, a part of one, or hair."""

    slot: str
    """`upper`, `footwear.sole`, `hair`."""
    name: str
    """Canonical name of the item or part; `hair`."""
    colours: tuple[Colour, ...]
    """At least one."""
    beside: tuple[Colour, ...] = ()
    """Of its parts, or of what it is a part of: a black shirt with a black design would not show."""

    @property
    def start(self) -> int:
        """First character of the colour phrase."""
        return self.colours[0].span[0]

    @property
    def end(self) -> int:
        """One past its last character."""
        return self.colours[-1].span[1]


def coloured(text: str, person: Person) -> Iterator[Coloured]:
    """Everything whose colours stand together ("black and white") and are said of nothing else, in order of the text.

    "A black shirt and pants" lends one word to two things: neither is given.
    """
    found = [
        Coloured(
            item.slot, item.name.value, item.colours, tuple(colour for part in item.parts for colour in part.colours)
        )
        for item in person.items
        if not (item.absent or is_alternative(text, item))
    ]
    found += [
        Coloured(f"{item.slot}.{part.name.value}", part.name.value, part.colours, item.colours)
        for item in person.items
        for part in item.parts
    ]
    found.append(Coloured("hair", "hair", person.hair.colours))
    told: dict[tuple[int, int], int] = {}
    for one in found:
        for colour in one.colours:
            told[colour.span] = told.get(colour.span, 0) + 1
    whole = [one for one in found if one.colours and all(told[colour.span] == 1 for colour in one.colours)]
    yield from sorted((one for one in whole if _together(text, one.colours)), key=lambda one: one.start)


def is_alternative(text: str, item: Item) -> bool:
    """ "A shirt or ‹jacket›": either may be there."""
    start, end = noun_phrase(text, item) or item.name.span
    return text[:start].lower().endswith(" or ") or text[end:].lower().startswith((" or ", "/"))


def _together(text: str, colours: tuple[Colour, ...]) -> bool:
    spans = [colour.span for colour in colours]
    return all(_JOINED.fullmatch(text[a[1] : b[0]]) for a, b in pairwise(spans))


def noun_phrase(text: str, item: Item) -> tuple[int, int] | None:
    """First character and one past the last of "a red and white striped shirt"; none where its words stand apart."""
    end = item.name.span[1]
    before = [value.span for field in DETAILS for value in getattr(item, field)]
    before += [colour.span for colour in item.colours]
    start = min([item.name.span[0], *(span[0] for span in before if span[0] < item.name.span[0])])
    if any(mark in text[start:end] for mark in ",.;:()") or any(span[0] >= end for span in before):
        return None
    if set(text[start:end].lower().split()) & {"with", "is", "are", "in", "that", "which", "has"}:
        return None
    article = _ARTICLE.search(text, max(0, start - _LONGEST_ARTICLE), start)
    return (article.start() if article else start), end


def is_plural(item: Item) -> bool:
    """Whether the item's word is a plural: shoes, pants, bags."""
    name = item.name.text.lower()
    return name.endswith("s") and not name.endswith(("ss", "us"))


def is_regular(item: Item) -> bool:
    """Whether its word looks like the number it has: not "pant", "pantyhose", "luggage"."""
    entry = lexicon().items.get(item.name.value)
    return entry is not None and entry.plural <= is_plural(item)


def is_pair(name: str) -> bool:
    """Whether one of it is a plural: pants, shoes, glasses; by its canonical name."""
    entry = lexicon().items.get(name)
    return entry is not None and entry.plural


def is_listed(text: str) -> bool:
    """Whether the lexicon has these words as they are, so that they are spelled right; not "back pack"."""
    words = tuple(text.lower().replace("-", " ").split())
    known = lexicon().meanings
    return words in known and not (len(words) > 1 and ("".join(words),) in known)


def lowered(piece: str) -> str:
    """The piece without the capital that it may have at the head of a sentence."""
    return piece[:1].lower() + piece[1:]
