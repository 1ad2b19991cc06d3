"""Garments, bags and things: exchanged between their describing words, or changed to another of their kind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations
from random import Random

from ....schemas.attributes import Item
from ...language.lexicon.load import lexicon
from ...language.state import GARMENTS
from ..candidate import Candidate, Claim
from ..caption import Caption
from ..stock import Stock, things
from ..surgery import Replacement
from ..words import colours_exclude, words
from .phrases import is_alternative, is_listed, is_plural, is_regular, noun_phrase

_MOST = 3
# Said of one sort alone: open toed sneakers are none.
_SORTED = re.compile(
    r"\b(?:open|closed|peep|high|low|flat)\b[ -]|\w+(?:toed?|heel(?:ed|s)?|soled?|lac(?:ed|es?))\b", re.IGNORECASE
)
_DENIM = re.compile(r"\b(?:jeans?|denim)\b", re.IGNORECASE)
_MEASURED = re.compile(r"[^.,;]*\b(?:knees?|calf|calves|ankles?|thighs?|legs?|sleeves?|hood)\b|-|\s+ed\b")


def swap_garment(caption: Caption, stock: Stock, rng: Random) -> Iterator[Candidate]:
    """Two garments of the same number exchange their words: "a white ‹jacket› over a blue ‹shirt›"."""
    told = [item for item in caption.person.items if item.slot in GARMENTS and item.colours and _movable(item)]
    told = [item for item in told if _whole(caption.text, item)]
    for first, second in combinations(told, 2):
        apart = first.slot != second.slot and is_plural(first) == is_plural(second)
        colours = all(colours_exclude(a, b) for a in first.colours for b in second.colours)
        if not apart or not colours:
            continue
        a, b = first.name, second.name
        yield Candidate(
            "person/swap_garment",
            "swap",
            (first.slot, second.slot),
            (Replacement(*a.span, b.text.lower()), Replacement(*b.span, a.text.lower())),
            (
                *(Claim("colour", second.slot, colour.value, colour) for colour in first.colours),
                *(Claim("colour", first.slot, colour.value, colour) for colour in second.colours),
            ),
        )


def replace_item(caption: Caption, stock: Stock, rng: Random) -> Iterator[Candidate]:
    """A garment, bag or thing becomes one of its slot that it cannot be called: jeans → shorts, backpack → purse."""
    for item in caption.person.items:
        if not _exchangeable(caption, item) or (item.length and item.slot in GARMENTS):
            continue  # "knee-length jeans", "a short-sleeved tank top"
        if _MEASURED.match(caption.text, item.name.span[1]):
            continue  # "shorts at knee level"
        if item.slot in GARMENTS and _named_again(caption.text, item):
            continue  # "leggings and a skirt"; "slacks. His pants are …"
        phrase = noun_phrase(caption.text, item)
        if item.slot == "footwear" and phrase and _SORTED.search(caption.text[phrase[0] : item.name.span[0]]):
            continue
        names = stock.names_beside(item.slot, item.name.value, is_plural(item))
        man = any(value.value == "male" for value in caption.person.gender)
        for new in stock.pick(names, rng, _MOST):
            if man and new.value in words().gendered:
                continue
            yield Candidate(
                "person/replace_item",
                "replace",
                (item.slot,),
                (Replacement(*item.name.span, new.text),),
                (Claim("item", item.slot, new.value),),
            )


def _exchangeable(caption: Caption, item: Item) -> bool:
    """Whether another noun may stand there: not "looking in a ‹book›", not "a shirt or ‹jacket›"."""
    if item.absent or item.slot == "accessory" or not is_regular(item) or not is_listed(item.name.text):
        return False
    if item.slot == "bag" and item.relation == "worn":
        return False  # "wearing a ‹purse›"
    in_hand = item.relation == "carried" and any(thing is item for _, _, _, thing in things(caption))
    if item.slot == "carried" and not in_hand:
        return False
    return not is_alternative(caption.text, item)


def _named_again(text: str, item: Item) -> bool:
    """Whether another word of the caption names something of the slot: the same thing, or one it goes with."""
    rest = f"{text[: item.name.span[0]]} {text[item.name.span[1] :]}"
    meanings = lexicon().meanings
    told = (meanings.get((word,), {}).get("item") for word in re.findall(r"[a-z]+", rest.lower()))
    return any(one is not None and one.group == item.slot for one in told)


def _movable(item: Item) -> bool:
    """Whether what is said of it may be said of another garment: no knee-length sandals, no sleeveless skirt."""
    return is_regular(item) and not (item.absent or item.length or item.fit or item.state or item.style)


def _whole(text: str, item: Item) -> bool:
    """Whether the item's describing words stand before its name, and so stay where they are."""
    left_behind = text[item.name.span[1] :].lower().startswith(" with ")  # "shoes ‹with white soles›"
    listed = is_listed(item.name.text) and not is_alternative(text, item)
    phrase = noun_phrase(text, item)
    return listed and not left_behind and phrase is not None and not _DENIM.search(text[phrase[0] : item.name.span[0]])
