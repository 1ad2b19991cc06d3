"""What the captions of a block say of clothes and things, and how often: what is put in comes from there.

A word that people use of jeans in these captions is the only one that a blind scorer cannot tell by.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random
from typing import Any, TypeVar

from ...schemas.attributes import Colour, Item
from .caption import Caption
from .person.phrases import coloured, is_listed, is_pair, is_plural, is_regular, lowered, noun_phrase
from .surgery import article_of
from .words import exclude

T = TypeVar("T")
THINGS = ("accessory", "eyewear", "headwear", "bag", "carried")
# What may stand before a thing, and what must come behind it for it to be left or exchanged alone.
CONNECTOR = re.compile(
    r"\b(with|wearing|wears|carrying|carries|holding|holds|has|is wearing|is carrying|is holding)\s+$", re.IGNORECASE
)
_FREE = re.compile(r"\s*(?:[.,;]|$)|\s+and\s+(?:is|has|wears|carries|holds|he|she|they)\b|\s+with\b", re.IGNORECASE)
_OWNED = re.compile(r"\b(?:his|her|their|him|them)\b", re.IGNORECASE)
_MEASURED = re.compile(r"(?:short|long|mini|dark|jean|jeans|denim|high|flat)\b", re.IGNORECASE)
NAMELESS = frozenset(("something", "object", "item", "thing"))
_VAGUE = NAMELESS | {"bag", "package"}
_UNSEEN = re.compile(r"\b(?:prescription|made|matching|other|same|another|of)\b", re.IGNORECASE)
_ARTICLE = re.compile(r"(an?)\s+([^\W_]+)", re.IGNORECASE)
_RAREST = 2


@dataclass(frozen=True, slots=True)
class Name:
    """A name of an item as written."""

    text: str
    value: str
    plural: bool


@dataclass(frozen=True, slots=True)
class Thing:
    """An accessory, bag or carried thing with its article and describing words: "a black backpack"."""

    text: str
    slot: str
    value: str


@dataclass
class Stock:
    """Counted in one pass over the captions of a block."""

    colours: dict[str, Counter[Colour]] = field(default_factory=lambda: defaultdict(Counter))
    """Name of an item or part → single colours said of it."""
    names: dict[str, Counter[Name]] = field(default_factory=lambda: defaultdict(Counter))
    """Slot → names."""
    things: dict[str, Counter[Thing]] = field(default_factory=lambda: defaultdict(Counter))
    """Connector ("wearing") → things that stand behind it by themselves."""
    hair: dict[str, Counter[tuple[str, str]]] = field(default_factory=lambda: defaultdict(Counter))
    """`length`, `style` → (as written, value)."""

    _beside: dict[tuple[str, str, bool], Counter[Name]] = field(default_factory=dict)
    _colours_of: dict[str, frozenset[str]] = field(default_factory=dict)
    # By the identity of a counter, none of which changes once the captions are counted: its values, and running counts.
    _running: dict[int, tuple[list[Any], list[int]]] = field(default_factory=dict)

    def names_beside(self, slot: str, value: str, plural: bool) -> Counter[Name]:
        """Names of the slot that exclude this one, of the same number: "pants" is none of "skirts"."""
        key = (slot, value, plural)
        if key not in self._beside:
            told = self.names[slot].items()
            fitting = {
                name: n
                for name, n in told
                if exclude(slot, value, name.value) and (name.plural, is_pair(name.value)) == (plural, is_pair(value))
            }
            self._beside[key] = Counter(fitting)
        return self._beside[key]

    def colours_of(self, name: str) -> frozenset[str]:
        """Colours that things of that name are told to have."""
        if name not in self._colours_of:
            self._colours_of[name] = frozenset(colour.value for colour in self.colours[name])
        return self._colours_of[name]

    def pick(self, counts: Counter[T], rng: Random, most: int) -> list[T]:
        """Up to `most` different ones, the more frequent the likelier; rare ones are left out where others are."""
        if id(counts) not in self._running:
            known = [(value, count) for value, count in counts.items() if count >= _RAREST] or list(counts.items())
            self._running[id(counts)] = [value for value, _ in known], list(accumulate(count for _, count in known))
        values, running = self._running[id(counts)]
        if len(values) <= most:
            return sorted(values, key=lambda _: rng.random())
        picked: dict[int, None] = {}
        for _ in range(4 * most):  # of few values that are nearly all one, fewer may come out
            picked[bisect_right(running, rng.random() * running[-1])] = None
            if len(picked) == most:
                break
        return [values[place] for place in picked]


def take_stock(captions: Iterable[Caption]) -> Stock:
    """Count what the captions say."""
    stock = Stock()
    for caption in captions:
        for one in coloured(caption.text, caption.person):
            if len(one.colours) == 1 and is_listed(one.colours[0].text.split()[-1]):
                stock.colours[one.name][_plain(one.colours[0])] += 1
        for item in caption.person.items:
            usable = not item.absent and is_regular(item) and is_listed(item.name.text) and len(item.name.text) > 1
            if usable and not _MEASURED.match(item.name.text):
                stock.names[item.slot][Name(item.name.text.lower(), item.name.value, is_plural(item))] += 1
        for connector, start, end, item in things(caption):
            if item.name.value in _VAGUE:
                continue
            text = caption.text[start:end]
            article = _ARTICLE.match(text)
            if _UNSEEN.search(text) or (article and article_of(article[2].lower()) != article[1].lower()):
                continue
            stock.things[connector][Thing(lowered(text), item.slot, item.name.value)] += 1
        for kind in ("length", "style"):
            for value in getattr(caption.person.hair, kind):
                stock.hair[kind][(value.text.lower(), value.value)] += 1
    return stock


def things(caption: Caption) -> Iterator[tuple[str, int, int, Item]]:
    """(connector, first character, one past the last, item) of each thing that stands behind "with", "wearing", … by
    itself, so that another could stand there."""
    for item in caption.person.items:
        if item.slot not in THINGS or item.absent or item.parts:
            continue
        span = noun_phrase(caption.text, item)
        connector = CONNECTOR.search(caption.text[: span[0]]) if span else None
        if span is None or connector is None or _OWNED.search(caption.text[span[0] : span[1]]):
            continue
        if _FREE.match(caption.text[span[1] :]):
            yield connector[1].lower(), *span, item


def _plain(colour: Colour) -> Colour:
    """The colour by itself: as written in small letters, without its place."""
    return Colour(colour.value, " ".join(colour.text.lower().split()), (0, 0), colour.family, colour.shade)
