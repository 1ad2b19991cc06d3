"""Which words exclude one another, read from distinct.toml."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from ...schemas.attributes import Colour
from ..checks.relations import colour_relation


@dataclass(frozen=True)
class Words:
    """The tables of distinct.toml."""

    groups: dict[str, dict[str, int]]
    """Slot → name → its group: names of two groups of a slot exclude one another."""
    near: tuple[frozenset[str], ...]
    """Colours that one eye takes for another."""
    gender: dict[str, tuple[str, ...]]
    """Noun or pronoun → those of the other gender."""
    gendered: frozenset[str]
    """Items that the other gender seldom has."""
    states: dict[str, tuple[str, ...]]
    """State as written → its denials."""
    lengths: dict[str, tuple[str, ...]]
    """Length as written → others."""
    hair_groups: dict[str, dict[str, int]]
    """`length`, `style`, `texture` → value → its group."""
    hair_colours: frozenset[str]
    """Colours hair has."""


@cache
def words() -> Words:
    """The tables, loaded once a process."""
    table = tomllib.loads((files(__package__) / "distinct.toml").read_text(encoding="utf-8"))
    hair = table["hair"]
    return Words(
        groups={slot: _numbered(groups) for slot, groups in table["groups"].items()},
        near=tuple(frozenset(values) for values in table["near"].values()),
        gender={word: tuple(others) for word, others in table["gender"].items()},
        gendered=frozenset(table["gendered"]["items"]),
        states={word: tuple(others) for word, others in table["states"].items()},
        lengths={word: tuple(others) for word, others in table["lengths"].items()},
        hair_groups={name: _numbered(hair[name]) for name in ("length", "style", "texture")},
        hair_colours=frozenset(hair["colours"]),
    )


def _numbered(groups: list[list[str]]) -> dict[str, int]:
    return {value: number for number, values in enumerate(groups) for value in values}


def exclude(slot: str, first: str, second: str) -> bool:
    """Whether one thing cannot be called both names."""
    groups = words().groups.get(slot, {})
    return first in groups and second in groups and groups[first] != groups[second]


def colours_exclude(first: Colour, second: Colour) -> bool:
    """Whether nobody would call one thing both colours: neither the same, nor one more general, nor nearly alike."""
    if colour_relation(first, second) != "different":
        return False
    if (first.value == first.shade) != (second.value == second.shade):
        return False  # dark, of no hue, and blue
    return not any(_named(first, group) and _named(second, group) for group in words().near)


def _named(colour: Colour, group: frozenset[str]) -> bool:
    return colour.value in group or (colour.shade is None and colour.family in group)
