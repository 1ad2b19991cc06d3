"""What the other captions of an identity say: a negative must not say it too."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from ...schemas.attributes import Colour, Item, Person, Slot
from ..checks.relations import colour_relation
from ..language.lexicon.load import related
from .candidate import Claim

# Two people call one garment a shirt and a jacket; a dress is both halves.
_SEEN_AS: dict[str, tuple[Slot, ...]] = {
    "upper": ("upper", "outer", "dress"),
    "outer": ("upper", "outer", "dress"),
    "lower": ("lower", "dress"),
    "dress": ("upper", "outer", "lower", "dress"),
    "bag": ("bag", "carried"),
    "carried": ("bag", "carried"),
    "accessory": ("accessory", "carried"),
}
_FIELDS = ("pattern", "material", "length", "state")


class Others:
    """The other captions of an identity, as one."""

    def __init__(self, persons: Sequence[Person] = ()) -> None:
        self._persons = persons

    def say(self, claim: Claim) -> bool:
        """Whether one of them says, or leaves open in words nearly alike, what is claimed."""
        slot = claim.slot.split(".")[0]
        match claim.of:
            case "gender":
                return claim.value in self._genders
            case "hair":
                return any(value.value == claim.value for one in self._persons for value in getattr(one.hair, slot))
            case "colour":
                colours = self._hair_colours if slot == "hair" else self._colours(slot)
                return claim.colour is not None and any(
                    colour_relation(colour, claim.colour) != "different" for colour in colours
                )
            case "item":
                return any(related(item.name.value, claim.value) for item in self._items(slot) if not item.absent)
            case "where":
                return any(value.value == claim.value for item in self._items(slot) for value in item.where)
        details = (value for item in self._items(slot) for field in _FIELDS for value in getattr(item, field))
        return any(claim.value in value.value or value.value in claim.value for value in details)

    @cached_property
    def _genders(self) -> set[str]:
        return {value.value for person in self._persons for value in person.gender}

    @cached_property
    def _hair_colours(self) -> list[Colour]:
        return _distinct([colour for person in self._persons for colour in person.hair.colours])

    @cached_property
    def _by_slot(self) -> dict[str, list[Item]]:
        slots: dict[str, list[Item]] = {}
        for person in self._persons:
            for item in person.items:
                slots.setdefault(item.slot, []).append(item)
        return slots

    @cached_property
    def _coloured(self) -> dict[str, list[Colour]]:
        return {}

    def _items(self, slot: str) -> list[Item]:
        return [item for one in _SEEN_AS.get(slot, (slot,)) for item in self._by_slot.get(one, ())]

    def _colours(self, slot: str) -> list[Colour]:
        if slot not in self._coloured:
            items = self._items(slot)
            colours = [colour for item in items for colour in item.colours]
            colours += [colour for item in items for part in item.parts for colour in part.colours]
            self._coloured[slot] = _distinct(colours)
        return self._coloured[slot]


def _distinct(colours: list[Colour]) -> list[Colour]:
    return list({colour.value: colour for colour in colours}.values())
