"""Sides and places: left for right, and two things that exchange where they are."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from random import Random

from ..candidate import Candidate, Claim
from ..caption import Caption
from ..stock import Stock
from ..surgery import Replacement
from .phrases import lowered

_BORNE = frozenset(("hand", "hands", "shoulder", "arm", "back"))
_OTHER = {"left": "right", "right": "left"}


def swap_side(caption: Caption, stock: Stock, rng: Random) -> Iterator[Candidate]:
    """Left becomes right, right left, of one thing: "on his ‹left› shoulder"."""
    for item in caption.person.items:
        for place in item.where:
            side, _, body = place.value.partition(" ")
            at = place.text.lower().find(side)
            # "In his left hand … in his right hand": with one of them changed both would be in one hand.
            contrast = side in _OTHER and _OTHER[side] in caption.text.lower()
            if side in _OTHER and body and at >= 0 and not contrast:
                start = place.span[0] + at
                yield Candidate(
                    "person/swap_side",
                    "swap",
                    (f"{item.slot}.where",),
                    (Replacement(start, start + len(side), _OTHER[side]),),
                    (Claim("where", item.slot, f"{_OTHER[side]} {body}"),),
                )


def swap_place(caption: Caption, stock: Stock, rng: Random) -> Iterator[Candidate]:
    """Two things exchange their places: "a bag ‹on her shoulder› and a phone ‹in her hand›"."""
    told = [
        (item, item.where[0])
        for item in caption.person.items
        if len(item.where) == 1 and item.slot == "bag" and item.where[0].value.split()[-1] in _BORNE
    ]
    for (first, a), (second, b) in combinations(told, 2):
        apart = a.value.split()[-1] != b.value.split()[-1] and a.span[1] <= b.span[0]
        if apart and first.name.value != second.name.value:
            yield Candidate(
                "person/swap_place",
                "swap",
                (f"{first.slot}.where", f"{second.slot}.where"),
                (Replacement(*a.span, lowered(b.text)), Replacement(*b.span, lowered(a.text))),
                (Claim("where", first.slot, b.value), Claim("where", second.slot, a.value)),
            )
