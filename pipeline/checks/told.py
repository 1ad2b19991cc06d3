"""One thing told in two ways: as a part of an item, or by a describing word."""

from dataclasses import replace

from ...schemas.attributes import Item, Part, Value

# Parts and markings, and the describing words that say the same: "with a hood" and "hooded".
_AS_DETAIL = {
    "hood": ("style", "hooded"),
    "collar": ("style", "collared"),
    "zipper": ("style", "zip up"),
    "wheel": ("style", "wheeled"),
    "pleat": ("style", "pleated"),
    "ruffle": ("style", "ruffled"),
    "stud": ("style", "studded"),
    "sequins": ("style", "sequined"),
    "embroidery": ("style", "embroidered"),
    "pocket": ("style", "pocketed"),
    "print": ("pattern", "patterned"),
    "pattern": ("pattern", "patterned"),
    "design": ("pattern", "patterned"),
    "stripe": ("pattern", "striped"),
    "pinstripe": ("pattern", "pinstriped"),
    "dot": ("pattern", "polka dot"),
    "check": ("pattern", "checkered"),
    "flower": ("pattern", "floral"),
}
_LIE = frozenset(("horizontal", "vertical", "diagonal"))
_ANY_PATTERN = frozenset(("design", "designed", "pattern", "patterned", "print", "printed"))


def told_as_details(item: Item, other: Item) -> Item:
    """The item with its colourless parts told as describing words, where there are such words, and where the other
    text does not tell of the same part."""
    item = _one_pattern(item)
    known = {part.name.value for part in other.parts}
    moved = [
        part
        for part in item.parts
        if not part.colours and part.name.value in _AS_DETAIL and part.name.value not in known
    ]
    if not moved:
        return item
    told = {"style": item.style, "pattern": item.pattern}
    for part in moved:
        field, word = _AS_DETAIL[part.name.value]
        told[field] += (Value(word, part.name.text, part.name.span),)
        for value in part.details:
            told["pattern" if value.value in _LIE else "style"] += (value,)
    left = tuple(part for part in item.parts if part not in moved)
    return replace(item, parts=left, style=told["style"], pattern=told["pattern"])


def _one_pattern(item: Item) -> Item:
    """ "A plaid design shirt" is a plaid shirt; designs, prints and patterns of which no more is told are one."""
    told = [value for value in item.pattern if value.value not in _ANY_PATTERN]
    if not told:
        told = [replace(value, value="patterned") for value in item.pattern[:1]]
    return replace(item, pattern=tuple(told)) if item.pattern else item


def is_marking(part: Part, other: Item) -> bool:
    """A marking that the other text tells as a pattern."""
    field, word = _AS_DETAIL.get(part.name.value, ("", ""))
    return field == "pattern" and any(value.value == word for value in other.pattern)
