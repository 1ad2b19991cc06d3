"""Patterns between two garments; lengths of sleeves; hair."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations
from random import Random

from ....schemas.attributes import Value
from ...language.state import GARMENTS
from ..candidate import Candidate, Claim
from ..caption import Caption
from ..stock import Stock
from ..surgery import Replacement
from ..words import words

_FIELDS = ("pattern", "material", "length")
_MOST = 3
# "Very short", "little to no hair": the word before goes with this one alone.
_BOUND = re.compile(r"\b(?:very|so|too|to|no|not|or|rather|extremely)\s+$", re.IGNORECASE)
# What hair of that length does.
_HANGS = re.compile(
    r"\bhair\b[^.;]*\b(?:falls?|falling|flow\w*|cover\w*|down|past|below|reach\w*|hang\w*|shoulders?|waist)\b",
    re.IGNORECASE,
)
_SLEEVES = re.compile(r"sleeve|\bcuff|\brolled|\bhalter|\btank|\bstrapless|\bvest\b", re.IGNORECASE)
_TIED = frozenset(("ponytail", "bun", "braid", "pigtails"))


def swap_detail(caption: Caption, stock: Stock, rng: Random) -> Iterator[Candidate]:
    """Two garments exchange pattern, material or length: "a ‹striped› shirt and a ‹plaid› skirt"."""
    told = [item for item in caption.person.items if item.slot in GARMENTS and not item.absent]
    for first, second in combinations(told, 2):
        for field in _FIELDS:
            mine, theirs = getattr(first, field), getattr(second, field)
            if len(mine) != 1 or len(theirs) != 1 or mine[0].value == theirs[0].value or field == "length":
                continue
            a, b = sorted((mine[0], theirs[0]), key=lambda value: value.span)
            if a.span[1] > b.span[0]:
                continue
            yield Candidate(
                "person/swap_detail",
                "swap",
                (f"{first.slot}.{field}", f"{second.slot}.{field}"),
                (Replacement(a.span[0], a.span[1], b.text.lower()), Replacement(b.span[0], b.span[1], a.text.lower())),
                (
                    Claim("detail", first.slot, theirs[0].value),
                    Claim("detail", second.slot, mine[0].value),
                ),
            )


def replace_length(caption: Caption, stock: Stock, rng: Random) -> Iterator[Candidate]:
    """Long sleeves become short, short ones long."""
    for item in caption.person.items:
        for value in item.length:
            if sleeves_told(caption.text) > 1:
                continue
            for new in words().lengths.get(value.text.lower(), ()):
                yield Candidate(
                    "person/replace_length",
                    "replace",
                    (f"{item.slot}.length",),
                    (Replacement(value.span[0], value.span[1], new),),
                    (Claim("detail", item.slot, new.replace("-", " ").replace("sleeved", "sleeve")),),
                )


def replace_hair(caption: Caption, stock: Stock, rng: Random) -> Iterator[Candidate]:
    """Hair is long instead of short, curly instead of straight, in a bun instead of a ponytail."""
    for kind in ("length", "style"):
        for value in getattr(caption.person.hair, kind):
            if len(getattr(caption.person.hair, kind)) > 1:
                continue  # "long shoulder-length hair"
            if _BOUND.search(caption.text[: value.span[0]]) or value.text.lower().startswith(("no ", "bald")):
                continue
            if kind == "length" and _HANGS.search(caption.text):
                continue
            tied = kind == "length" and any(style.value in _TIED for style in caption.person.hair.style)
            for new, known in stock.pick(stock.hair[kind], rng, 2 * _MOST):
                if tied and "short" in known:
                    continue
                if _excluded(value, known) and _same_form(value.text, new):
                    yield Candidate(
                        "person/replace_hair",
                        "replace",
                        (f"hair.{kind}",),
                        (Replacement(value.span[0], value.span[1], new),),
                        (Claim("hair", kind, known),),
                    )


def sleeves_told(text: str) -> int:
    """How often a caption comes to speak of sleeves: "a long sleeved shirt with the sleeve cuffs rolled up"."""
    return len(_SLEEVES.findall(text))


def _excluded(value: Value, other: str) -> bool:
    return any(
        value.value in groups and other in groups and groups[value.value] != groups[other]
        for groups in words().hair_groups.values()
    )


def _same_form(old: str, new: str) -> bool:
    """A noun for a noun, an adjective for an adjective: "a bun", "braided"."""
    return old.lower().endswith(("ed", "y")) == new.endswith(("ed", "y")) and old.endswith("s") == new.endswith("s")
