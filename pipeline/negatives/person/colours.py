"""Colours: exchanged between two things, or changed to another that such things have."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from random import Random

from ..candidate import Candidate, Claim
from ..caption import Caption
from ..stock import Stock
from ..surgery import Replacement
from ..words import colours_exclude, words
from .phrases import Coloured, coloured, lowered

_MOST = 3
# One colour told of several things, or left open.
_ALSO = re.compile(r"\balso\s+$", re.IGNORECASE)
_TIED = re.compile(r"\b(?:match(?:es|ing)?|same|either|neither|both|all)\b", re.IGNORECASE)


def swap_colour(caption: Caption, stock: Stock, rng: Random) -> Iterator[Candidate]:
    """Two things exchange their colours: "a ‹black› shirt and ‹white› shoes"."""
    if _tied(caption):
        return
    names = Counter(item.name.value for item in caption.person.items)
    for first, second in combinations(coloured(caption.text, caption.person), 2):
        if first.end > second.start or not _all_exclude(first, second):
            continue
        if names[first.name] > 1 or names[second.name] > 1:
            continue  # "a red bag and a blue bag"
        if not (_had_by(stock, second, first.name) and _had_by(stock, first, second.name)):
            continue
        pieces = caption.text[first.start : first.end], caption.text[second.start : second.end]
        yield Candidate(
            "person/swap_colour",
            "swap",
            (f"{first.slot}.colour", f"{second.slot}.colour"),
            (
                Replacement(first.start, first.end, lowered(pieces[1])),
                Replacement(second.start, second.end, lowered(pieces[0])),
            ),
            (*_claims(first.slot, second), *_claims(second.slot, first)),
        )


def replace_colour(caption: Caption, stock: Stock, rng: Random) -> Iterator[Candidate]:
    """A thing changes one of its colours to another that such a thing has in other captions."""
    if _tied(caption):
        return
    for one in coloured(caption.text, caption.person):
        for colour in one.colours:
            for new in stock.pick(stock.colours[one.name], rng, _MOST):
                if all(colours_exclude(own, new) for own in (*one.colours, *one.beside)) and _fits(one, new.value):
                    yield Candidate(
                        "person/replace_colour",
                        "replace",
                        (f"{one.slot}.colour",),
                        (Replacement(*colour.span, new.text),),
                        (Claim("colour", one.slot, new.value, new),),
                    )


def _tied(caption: Caption) -> bool:
    """Whether the colour of one thing is told by another's: "matching shoes", "his shirt is also black"."""
    text = caption.text
    said_again = any(_ALSO.search(text[: one.start]) for one in coloured(text, caption.person))
    return said_again or bool(_TIED.search(text))


def _all_exclude(first: Coloured, second: Coloured) -> bool:
    if first.beside == second.colours or second.beside == first.colours:  # a thing and its own part
        return all(colours_exclude(a, b) for a in first.colours for b in second.colours)
    mine, theirs = (*first.colours, *first.beside), (*second.colours, *second.beside)
    return all(colours_exclude(a, b) for a in first.colours for b in theirs) and all(
        colours_exclude(a, b) for a in second.colours for b in mine
    )


def _had_by(stock: Stock, one: Coloured, name: str) -> bool:
    """Whether things of that name are told to have these colours in other captions too."""
    return all(colour.value in stock.colours_of(name) for colour in one.colours)


def _fits(one: Coloured, colour: str) -> bool:
    return one.slot != "hair" or colour in words().hair_colours


def _claims(slot: str, one: Coloured) -> tuple[Claim, ...]:
    return tuple(Claim("colour", slot, colour.value, colour) for colour in one.colours)
