"""What the parser fills in while it reads: the mutable forms of schemas/attributes.py."""

from dataclasses import dataclass, field

from ...schemas.attributes import DETAILS, Colour, Hair, Item, Part, Relation, Slot, Value
from .lexicon.load import related
from .marks import Mark


@dataclass(slots=True)
class PartDraft:
    """A part of an item, or a marking on it."""

    name: Value
    colours: list[Colour] = field(default_factory=list)
    details: list[Value] = field(default_factory=list)

    def build(self) -> Part:
        """The finished part."""
        return Part(self.name, tuple(self.colours), tuple(self.details))


@dataclass(slots=True)
class ItemDraft:
    """A garment, an accessory, a bag, or a thing carried."""

    slot: Slot
    name: Value
    colours: list[Colour] = field(default_factory=list)
    details: dict[str, list[Value]] = field(default_factory=dict)
    parts: list[PartDraft] = field(default_factory=list)
    where: list[Value] = field(default_factory=list)
    count: int | None = None
    absent: bool = False
    relation: Relation | None = None
    plural: bool = False
    holder: "ItemDraft | None" = None
    """The bag or cup it is told to be in: "a bag ‹of vegetables› in her hand" tells where the bag is."""

    def is_or_becomes(self, name: str) -> bool:
        """Whether `name` may be another word for this item: the same, more general or more special."""
        return related(self.name.value, name)

    def called_beside(self, other: "ItemDraft") -> str:
        """Its name, with its colour where the other item's name would not tell them apart."""
        alike = self.is_or_becomes(other.name.value) and bool(self.colours)
        return f"{self.colours[0].value} {self.name.value}" if alike else self.name.value

    def build(self) -> Item:
        """The finished item."""
        details = {name: tuple(self.details.get(name, ())) for name in DETAILS}
        return Item(
            slot=self.slot,
            name=self.name,
            colours=tuple(self.colours),
            parts=tuple(part.build() for part in self.parts),
            where=tuple(self.where),
            count=self.count,
            absent=self.absent,
            relation=self.relation,
            **details,
        )


@dataclass(slots=True)
class HairDraft:
    """Hair on the head."""

    colours: list[Colour] = field(default_factory=list)
    length: list[Value] = field(default_factory=list)
    style: list[Value] = field(default_factory=list)

    def build(self) -> Hair:
        """The finished hair."""
        return Hair(tuple(self.colours), tuple(self.length), tuple(self.style))


@dataclass(slots=True)
class PersonHead:
    """The person, as the noun that words are said of."""


@dataclass(slots=True)
class BodyHead:
    """A part of the body, or something the lexicon does not know, as the noun that words are said of."""

    name: str
    span: tuple[int, int] | None = None


Head = ItemDraft | PartDraft | HairDraft | PersonHead | BodyHead


def value_of(mark: Mark, value: str) -> Value:
    """A value as a mark says it."""
    return Value(value, mark.text, (mark.start, mark.end))


def colours_of(modifiers: list[tuple[int, Mark]], text: str) -> tuple[list[Colour], list[tuple[int, Mark]]]:
    """The colours among (place, mark) modifiers, a shade joined to the colour right behind it; and what is left over.

    A shade that no colour follows is a colour of its own: "dark trousers".
    """
    colours: list[Colour] = []
    rest: list[tuple[int, Mark]] = []
    shade: tuple[int, Mark] | None = None
    for place, mark in modifiers:
        meaning = mark.can_be("colour", "shade")
        if meaning is None:
            rest.append((place, mark))
        elif meaning.kind == "shade":
            if shade is not None:
                colours.append(_shade_alone(shade[1]))
            shade = (place, mark)
        elif shade is not None and shade[0] + 1 == place:
            name = shade[1].meanings["shade"].value
            start, end = shade[1].start, mark.end
            colours.append(Colour(f"{name} {meaning.value}", text[start:end], (start, end), meaning.group, name))
            shade = None
        else:
            if shade is not None:
                colours.append(_shade_alone(shade[1]))
                shade = None
            colours.append(Colour(meaning.value, mark.text, (mark.start, mark.end), meaning.group))
    if shade is not None:
        colours.append(_shade_alone(shade[1]))
    return colours, rest


def _shade_alone(mark: Mark) -> Colour:
    name = mark.meanings["shade"].value
    return Colour(name, mark.text, (mark.start, mark.end), name, name)
