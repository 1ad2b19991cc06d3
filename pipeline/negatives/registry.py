"""The rules that make hard negatives, by name and recipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

from ...schemas.errors import UserError
from ...schemas.rows import Negative, NegativeKind
from . import negclip
from .candidate import Candidate
from .caption import Caption
from .person import colours, details, garments, gender, places, presence, states
from .stock import Stock

if TYPE_CHECKING:
    from spacy.tokens import Doc

NEGATIVES_VERSION = 4
"""Raised when a rule changes what it makes: part of a run's fingerprint."""

CONTRADICTED = "llm/contradicted"
"""Rule of a negative that was meant to be a rewrite; one that a prompt asked for is `llm/PROMPT`."""

Recipe = Literal["person", "negclip"]
NegclipRule: TypeAlias = "Callable[[Doc, Random], Negative | None]"
"""A parsed caption and a source of randomness give a negative, or None where the rule finds nothing to change."""
PersonRule: TypeAlias = Callable[[Caption, Stock, Random], Iterator[Candidate]]
"""A caption, and what the captions beside it say, give everything that may be changed."""

NEGCLIP: Mapping[str, NegclipRule] = MappingProxyType(
    {
        "negclip/noun_phrase": negclip.noun_phrases,
        "negclip/verb_phrase": negclip.verb_phrases,
        "negclip/noun": negclip.nouns,
        "negclip/noun_plural": negclip.plural_nouns,
        "negclip/adverb": negclip.adverbs,
        "negclip/adjective": negclip.adjectives,
    }
)
"""NegCLIP's six swaps, in the order in which a caption's negatives are listed."""

PERSON: Mapping[str, tuple[NegativeKind, PersonRule]] = MappingProxyType(
    {
        "person/swap_colour": ("swap", colours.swap_colour),
        "person/swap_garment": ("swap", garments.swap_garment),
        "person/swap_detail": ("swap", details.swap_detail),
        "person/swap_side": ("swap", places.swap_side),
        "person/swap_place": ("swap", places.swap_place),
        "person/replace_colour": ("replace", colours.replace_colour),
        "person/replace_item": ("replace", garments.replace_item),
        "person/replace_length": ("replace", details.replace_length),
        "person/replace_hair": ("replace", details.replace_hair),
        "person/replace_gender": ("replace", gender.replace_gender),
        "person/add_item": ("add", presence.add_item),
        "person/negate_item": ("negate", presence.negate_item),
        "person/negate_state": ("negate", states.negate_state),
    }
)
"""Our rules on the parsed person, with their kinds."""


def select_rules(recipe: Recipe, names: Sequence[str] | None) -> tuple[str, ...]:
    """The named rules of a recipe, or all, in the registry's order. `swap_colour` names `person/swap_colour`, and
    `swap` every rule of the kind.

    Raises:
        UserError: a name is no rule's and no kind's.
    """
    known = tuple(PERSON if recipe == "person" else NEGCLIP)
    if names is None:
        return known
    chosen: set[str] = set()
    for name in names:
        found = {rule for rule in known if name in (rule, rule.partition("/")[2], _kind(rule))}
        if not found:
            raise UserError(f"no rule is called {name!r}", where="negatives", mend="rules: " + ", ".join(known))
        chosen |= found
    return tuple(rule for rule in known if rule in chosen)


def _kind(rule: str) -> str:
    return PERSON[rule][0] if rule in PERSON else "swap"
