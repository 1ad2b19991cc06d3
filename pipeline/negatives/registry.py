"""The rules that make hard negatives, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from ...schemas.errors import UserError
from ...schemas.rows import Negative
from . import negclip

if TYPE_CHECKING:
    from spacy.tokens import Doc

NEGATIVES_VERSION = 1
"""Raised when a rule changes what it makes: part of a run's fingerprint."""

Rule: TypeAlias = "Callable[[Doc, Random], Negative | None]"
"""A parsed caption and a source of randomness give a negative, or None where the rule finds nothing to change."""

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "negclip/noun_phrase": negclip.noun_phrases,
        "negclip/verb_phrase": negclip.verb_phrases,
        "negclip/noun": negclip.nouns,
        "negclip/noun_plural": negclip.plural_nouns,
        "negclip/adverb": negclip.adverbs,
        "negclip/adjective": negclip.adjectives,
    }
)
"""Every rule, in the order in which a caption's negatives are listed."""


def select_rules(names: Sequence[str] | None) -> dict[str, Rule]:
    """The named rules, or all, in the registry's order.

    Raises:
        UserError: a name is not a rule's.
    """
    if names is None:
        return dict(RULES)
    for name in names:
        if name not in RULES:
            raise UserError(f"no rule is called {name!r}", where="negatives", mend="rules: " + ", ".join(RULES))
    return {name: rule for name, rule in RULES.items() if name in names}
