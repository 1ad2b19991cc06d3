"""The lexicon: phrases and their meanings, read from the TOML files beside this module."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Literal, cast

from ....schemas.attributes import DETAILS, Slot

Kind = Literal[
    "colour",
    "shade",
    "item",
    "part",
    "marking",
    "graphic",
    "detail",
    "gender",
    "age",
    "build",
    "ethnicity",
    "hair",
    "hair_length",
    "hair_style",
    "facial_hair",
    "body",
    "side",
    "preposition",
    "verb",
    "action",
    "filler",
    "negation",
    "number",
    "synonym",
]


@dataclass(frozen=True, slots=True)
class Meaning:
    """One thing a phrase can mean."""

    kind: Kind
    """What it is."""
    value: str
    """Its canonical form."""
    group: str = ""
    """A colour's family, an item's slot, a detail's field, a verb's sort (wear, carry, have, be)."""
    plural: bool = False
    """An item whose name is a plural noun, or a plural form."""


@dataclass(frozen=True)
class ItemEntry:
    """What is known of an item beside its phrases."""

    slot: Slot
    """Where it belongs."""
    isa: str | None = None
    """The next more general item."""
    at: tuple[str, ...] = ()
    """Places that say nothing new of it: the head, of a hat."""
    plural: bool = False
    """Its name is a plural noun."""
    implies: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Details it has by its name: jeans are of denim."""


@dataclass(frozen=True)
class Lexicon:
    """All phrases, and what is known of their values."""

    meanings: dict[tuple[str, ...], dict[Kind, Meaning]]
    """Words of a phrase → what it can mean, one meaning a kind."""
    longest: dict[str, int]
    """First word → words of the longest phrase that begins with it."""
    items: dict[str, ItemEntry]
    """Item → what is known of it."""
    darkness: dict[str, frozenset[str]]
    """`dark`, `light`, `bright` → colours that may be called so."""
    length_at: dict[str, frozenset[str]]
    """`garment`, `hair` → body parts that tell how long one is."""
    misspellings: dict[str, str]
    """Misspelt word → the right one, where edit distance would not find it."""

    def more_general(self, item: str) -> Iterator[str]:
        """The items an item also is: t-shirt → shirt → top."""
        entry = self.items.get(item)
        while entry is not None and entry.isa is not None:
            yield entry.isa
            entry = self.items.get(entry.isa)


def related(a: str, b: str) -> bool:
    """Whether two words may name one item: the same, or one more general than the other."""
    known = lexicon()
    return a == b or a in known.more_general(b) or b in known.more_general(a)


@cache
def lexicon() -> Lexicon:
    """The lexicon, loaded once a process (about 35 ms)."""
    return _Builder().build()


class _Builder:
    def __init__(self) -> None:
        self.meanings: dict[tuple[str, ...], dict[Kind, Meaning]] = {}
        self.items: dict[str, ItemEntry] = {}

    def build(self) -> Lexicon:
        darkness = self._colours(_read("colours"))
        self._items(cast("dict[Slot, Any]", _read("items")))
        parts = _read("parts")
        self._table(parts["part"], "part", plurals=True)
        self._table(parts["marking"], "marking", plurals=True)
        self._table(parts["graphic"], "graphic", plurals=True)
        for name, table in _read("details").items():
            if name not in DETAILS:
                raise ValueError(f"details.toml: {name} is no field of an item")
            self._table(table, "detail", group=name)
        people = _read("people")
        self._table(people["gender"], "gender", plurals=True)
        self._table(people["age"], "age")
        self._table(people["build"], "build")
        self._table(people["ethnicity"], "ethnicity")
        hair = _read("hair")
        self._table(hair["noun"], "hair")
        self._table(hair["length"], "hair_length")
        self._table(hair["style"], "hair_style", plurals=True)
        self._table(hair["facial"], "facial_hair", plurals=True)
        body = _read("body")
        self._table(body["part"], "body", plurals=True)
        self._table(body["side"], "side")
        self._table(body["preposition"], "preposition")
        length_at = {what: frozenset(places) for what, places in body["length_at"].items()}
        verbs = _read("verbs")
        for sort in ("wear", "carry", "have", "be"):
            self._table(verbs[sort], "verb", group=sort)
        self._table(verbs["action"], "action")
        words = _read("words")
        self._table({"": words["filler"]["words"]}, "filler")
        self._table({"no": words["negation"]["words"]}, "negation")
        self._table(words["numbers"], "number")
        self._table(words["synonyms"], "synonym", plurals=True)
        longest: dict[str, int] = {}
        for phrase in self.meanings:
            longest[phrase[0]] = max(longest.get(phrase[0], 0), len(phrase))
        return Lexicon(self.meanings, longest, self.items, darkness, length_at, words["misspellings"])

    def _colours(self, tables: dict[str, Any]) -> dict[str, frozenset[str]]:
        self._table(tables.pop("shades"), "shade")
        darkness = {shade: frozenset(values) for shade, values in tables.pop("darkness").items()}
        for family, table in tables.items():
            self._table(table, "colour", group=family)
        return darkness

    def _items(self, slots: dict[Slot, Any]) -> None:
        for slot, table in slots.items():
            for name, entry in table.items():
                phrases = entry.pop("words")
                self.items[name] = ItemEntry(slot=slot, **entry)
                for phrase in phrases:
                    plural = self.items[name].plural
                    self._add(phrase, Meaning("item", name, slot, plural))
                    if not plural:
                        for form in _plurals(phrase):
                            self._add(form, Meaning("item", name, slot, plural=True), weak=True)
        unknown = {entry.isa for entry in self.items.values() if entry.isa} - set(self.items)
        if unknown:
            raise ValueError(f"items.toml: isa names no item: {', '.join(sorted(unknown))}")

    def _table(self, table: dict[str, list[str]], kind: Kind, *, group: str = "", plurals: bool = False) -> None:
        for value, phrases in table.items():
            for phrase in phrases:
                self._add(phrase, Meaning(kind, value, group))
                if kind in _GRADED or (kind == "detail" and group in ("length", "fit")):
                    for degree in ("very", "really", "extremely"):
                        self._add(f"{degree} {phrase}", Meaning(kind, f"very {value}", group), weak=True)
                for form in _plurals(phrase) if plurals else ():
                    self._add(form, Meaning(kind, value, group, plural=True), weak=True)

    def _add(self, phrase: str, meaning: Meaning, *, weak: bool = False) -> None:
        """Add a phrase and, of several words, its joined spelling. A weak one gives way to what is listed."""
        words = tuple(phrase.lower().split())
        forms = [words]
        # "tshirt", "backpack", "buttonup"; of three words only the first two: "vneck shirt".
        if len(words) == 2 and meaning.kind in ("item", "part", "detail", "hair_style", "facial_hair"):
            forms.append(("".join(words),))
        for number, form in enumerate(forms):
            known = self.meanings.setdefault(form, {})
            if not (weak or number) or meaning.kind not in known:
                known[meaning.kind] = meaning


# "Very short hair" is not just short.
_GRADED = ("shade", "hair_length", "build")


def _plurals(phrase: str) -> list[str]:
    if phrase.endswith("y") and phrase[-2:-1] not in "aeiou":
        return [phrase[:-1] + "ies"]
    return [phrase + ("es" if phrase.endswith(("s", "x", "ch", "sh")) else "s")]


def _read(name: str) -> dict[str, Any]:
    text = (files(__package__) / f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
