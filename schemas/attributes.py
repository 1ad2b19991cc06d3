"""A person as a caption describes them: every value with the characters it was read from."""

from dataclasses import dataclass, fields
from typing import Any, Literal

Slot = Literal[
    "upper",
    "outer",
    "lower",
    "dress",
    "legwear",
    "footwear",
    "headwear",
    "eyewear",
    "mask",
    "accessory",
    "bag",
    "carried",
]
"""Where on a person an item belongs. `upper` shirts and sweaters, `outer` what is worn over them, `lower` trousers and
skirts, `dress` what covers upper and lower body, `carried` what is held or pushed and is no bag."""

Relation = Literal["worn", "carried"]

DETAILS = ("pattern", "material", "length", "fit", "state", "style", "graphic")
"""The fields of an `Item` that hold describing words."""


@dataclass(frozen=True, slots=True)
class Value:
    """A word or phrase, and what it means."""

    value: str
    """Canonical form: `t-shirt` for "tee", `sneakers` for "tennis shoes"."""
    text: str
    """The words as written."""
    span: tuple[int, int]
    """First character in the caption and one past the last."""


@dataclass(frozen=True, slots=True)
class Colour(Value):
    """A colour with its shade."""

    family: str
    """The general colour: `blue` for navy and for light blue; the shade itself for "dark trousers"."""
    shade: str | None = None
    """`dark`, `light`, `bright`, as said before the colour; none where nothing is."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an item, or a marking on it, that is described by itself: a white collar, red stripes."""

    name: Value
    """What it is: `stripe`, `collar`, `sole`, …"""
    colours: tuple[Colour, ...] = ()
    """Its colours, in order."""
    details: tuple[Value, ...] = ()
    """Other words said of it."""


@dataclass(frozen=True, slots=True)
class Item:
    """A garment, an accessory, a bag, or a thing carried."""

    slot: Slot
    """Where it belongs."""
    name: Value
    """What it is."""
    colours: tuple[Colour, ...] = ()
    """Its colours, in order."""
    pattern: tuple[Value, ...] = ()
    """Striped, plaid, floral, …"""
    material: tuple[Value, ...] = ()
    """Denim, leather, …"""
    length: tuple[Value, ...] = ()
    """Of sleeves, of the garment, of heels."""
    fit: tuple[Value, ...] = ()
    """Tight, baggy; the size of a bag."""
    state: tuple[Value, ...] = ()
    """Open, rolled up, tucked in, …"""
    style: tuple[Value, ...] = ()
    """Any other describing word."""
    graphic: tuple[Value, ...] = ()
    """Logo, lettering, picture."""
    parts: tuple[Part, ...] = ()
    """Parts and markings described by themselves."""
    where: tuple[Value, ...] = ()
    """How or where it is worn or carried: `left shoulder`, `over shirt`."""
    count: int | None = None
    """How many, where more than one or the number is told."""
    absent: bool = False
    """Said not to be there: "no hat", "without a bag"."""
    relation: Relation | None = None
    """Worn or carried, as the verb says; none where no verb tells."""


@dataclass(frozen=True, slots=True)
class Hair:
    """Hair on the head."""

    colours: tuple[Colour, ...] = ()
    """Its colours."""
    length: tuple[Value, ...] = ()
    """Short, long, shoulder length, …"""
    style: tuple[Value, ...] = ()
    """Curly, ponytail, bald, …"""


@dataclass(frozen=True, slots=True)
class Person:
    """One person, as one caption tells."""

    gender: tuple[Value, ...] = ()
    """`male` or `female`, from nouns and pronouns: more than one value where the caption contradicts itself."""
    age: tuple[Value, ...] = ()
    """Young, old, child, …"""
    build: tuple[Value, ...] = ()
    """Slim, tall, …"""
    ethnicity: tuple[Value, ...] = ()
    """As said."""
    hair: Hair = Hair()
    """Hair on the head."""
    facial_hair: tuple[Value, ...] = ()
    """Beard, mustache, …"""
    items: tuple[Item, ...] = ()
    """What is worn and carried, in order of the text."""
    actions: tuple[Value, ...] = ()
    """What the body does: walking, standing, …"""
    others: tuple[Value, ...] = ()
    """Words that say something and belong to nothing above: scenery, body parts, words the lexicon does not know."""

    def of(self, *slots: Slot) -> tuple[Item, ...]:
        """The items of some slots, in order."""
        return tuple(item for item in self.items if item.slot in slots)


def to_json(value: Any) -> Any:
    """A dataclass as plain values, without what is empty: what `parse` prints and the column `attributes` holds."""
    if isinstance(value, (Person, Hair, Item, Part, Value)):
        plain = {one.name: to_json(getattr(value, one.name)) for one in fields(value)}
        return {name: one for name, one in plain.items() if one not in (None, False, [], {})}
    if isinstance(value, tuple):
        return [to_json(one) for one in value]
    return value
