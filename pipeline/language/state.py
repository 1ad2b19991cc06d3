"""What was read of a caption so far, and where the reader stands in the clause."""

from ...schemas.attributes import Person, Relation, Slot, Value
from .drafts import HairDraft, Head, ItemDraft, PartDraft, value_of
from .marks import Mark

Waiting = list[tuple[int, Mark]]
"""Describing words whose noun is not known yet, with their places among the marks."""

GARMENTS: frozenset[Slot] = frozenset(("upper", "outer", "lower", "dress", "legwear", "footwear"))
WORN = GARMENTS | {"headwear"}
LAYERS = frozenset(("over", "under"))
"""What an item is to another one: the first word of such a place, before the other's name."""
HELD = "held"
"""Put before the name of something unknown that is carried."""


class State:
    """One reading of one caption."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.marks: list[Mark] = []
        self.at = 0
        # Read so far.
        self.items: list[ItemDraft] = []
        self.hair_read = HairDraft()
        self.genders: list[Value] = []
        self.traits: dict[str, list[Value]] = {"age": [], "build": [], "ethnicity": []}
        self.facial: list[Value] = []
        self.actions: list[Value] = []
        self.others: list[Value] = []
        # The hand or arm told last: "… and a cup in the ‹other›".
        self.limb = ""
        self._begin_clause()
        self.previous: Head | None = None

    def _begin_clause(self) -> None:
        self.waiting: Waiting = []
        self.waiting_link = ""
        self.last: Head | None = None
        self.last_at = self.place_at = -1
        self.last_named = self.place_opens = self.part_speaks = self.aside = False
        self.lengths: list[Value] = []
        self.last_part: PartDraft | None = None
        self.link = ""
        self.relation: Relation | None = None
        self.determiner = ""
        self.number: Mark | None = None
        self.negated = False
        # A negation that no item has taken: said of something else.
        self.negation: Mark | None = None
        self.places: list[Value] = []
        self.layer: tuple[str, ItemDraft, int] | None = None
        # What the next item is over or under, with the words that say so: "under it she wears …".
        self.beneath: tuple[Value, ItemDraft | None] | None = None
        # Items named side by side with nothing said of them yet: "his shirt and pants ‹are both black›".
        self.subjects: list[ItemDraft] = []
        self.subjects_open = False
        # The item a clause opens with, whatever it is told to have: "a bag with a charm ‹hangs from …›".
        self.subject: ItemDraft | None = None
        self.parts_ahead: list[PartDraft] = []
        self.comma = self.conjunction = -1
        self.items_since_verb = 0

    def mark_at(self, place: int) -> Mark | None:
        """The mark at a place, or none where the caption has ended."""
        return self.marks[place] if 0 <= place < len(self.marks) else None

    def body_at(self, place: int) -> bool:
        """Whether a part of the body is named there."""
        one = self.mark_at(place)
        return one is not None and one.can_be("body") is not None

    def person(self) -> Person:
        """What was read."""
        return Person(
            gender=tuple(self.genders),
            age=tuple(_once(self.traits["age"])),
            build=tuple(_once(self.traits["build"])),
            ethnicity=tuple(_once(self.traits["ethnicity"])),
            hair=self.hair_read.build(),
            facial_hair=tuple(_once(self.facial)),
            items=tuple(draft.build() for draft in self.items),
            actions=tuple(self.actions),
            others=tuple(sorted(self.others, key=lambda value: value.span)),
        )

    def _otherwise(self, one: Mark, value: str | None = None, *, of: str = "") -> None:
        value = value or one.word
        self.others.append(value_of(one, f"{of} {value}" if of else value))


def _once(values: list[Value]) -> list[Value]:
    return list({value.value: value for value in reversed(values)}.values())[::-1]
