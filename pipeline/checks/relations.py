"""How two values of one attribute relate: the same, one more general, or different."""

from functools import lru_cache
from typing import Literal

import snowballstemmer

from ...schemas.attributes import Colour, Item, Value
from ..language.lexicon.load import lexicon

Relation = Literal["same", "general", "special", "different"]
"""Of the rewrite's value to the source's: `general` says less, `special` says more."""

_stemmer = snowballstemmer.stemmer("english")
_NAMELESS = frozenset(("something", "object", "item", "thing"))
# Two words for one colour, where one of them is a shade.
_EQUAL_COLOURS = {"dark blue": "navy"}


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """The word without its ending: walks, walking → walk."""
    return str(_stemmer.stemWord(word))


def plain_relation(source: Value, rewrite: Value) -> Relation:
    """Very short → short is more general."""
    a, b = source.value, rewrite.value
    if a == b:
        return "same"
    if a == f"very {b}":
        return "general"
    return "special" if b == f"very {a}" else "different"


def colour_relation(source: Colour, rewrite: Colour) -> Relation:
    """Navy → blue, dark blue → blue, black → dark are more general; navy → light blue is different."""
    a, b = (_EQUAL_COLOURS.get(colour.value, colour.value) for colour in (source, rewrite))
    if a == b:
        return "same"
    if a == f"very {b}" or _covers(rewrite, source):
        return "general"
    if _covers(source, rewrite):
        return "special"
    return "different"


def _covers(general: Colour, special: Colour) -> bool:
    """Whether whatever has the special colour may be called by the general one."""
    if general.value == general.shade:  # "dark", of no hue
        darkness = lexicon().darkness.get(general.value, frozenset())
        hue = special.value.removeprefix(f"{special.shade} ")
        return (
            special.shade == general.value or special.value in darkness or (special.shade is None and hue in darkness)
        )
    if general.shade is not None:
        return False
    return general.value == special.family or special.value == f"{special.shade} {general.value}"


def name_relation(source: Item, rewrite: Item) -> Relation:
    """Of two items by their names, what a name implies included: "denim trousers" are jeans."""
    known = lexicon()
    a, b = source.name.value, rewrite.name.value
    if a == b or {a, b} == {"shoes", "footwear"} or {a, b} <= _NAMELESS:
        return "same"
    if b in known.more_general(a):
        return "same" if _spells_out(rewrite, a) else "general"
    if a in known.more_general(b):
        return "same" if _spells_out(source, b) else "special"
    return "different"


def _spells_out(general: Item, name: str) -> bool:
    """Whether the more general item says by its details what the name implies."""
    implied = lexicon().items[name].implies if name in lexicon().items else {}
    return bool(implied) and all(
        set(values) <= {value.value for value in getattr(general, field)} for field, values in implied.items()
    )


def place_relation(source: Value, rewrite: Value) -> Relation:
    """Left shoulder → shoulder is more general; left → right is different."""
    a, b = source.value.split(), rewrite.value.split()
    if a == b:
        return "same"
    if a[-1] != b[-1]:
        return "different"
    if len(b) < len(a):
        return "general"
    return "special" if len(b) > len(a) else "different"
