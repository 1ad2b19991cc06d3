"""A caption as the rules on persons see it."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...schemas.attributes import Person
from .others import Others


@dataclass(frozen=True, slots=True)
class Caption:
    """A caption, who is described, and what is told of them elsewhere."""

    text: str
    """As written."""
    key: str
    """Its id: what is picked at random depends on it."""
    person: Person
    """Who is described."""
    others: Others = field(default_factory=Others)
    """The same identity, as its other captions tell."""
    own_texts: frozenset[str] = field(default=frozenset())
    """All captions of the identity, normalised."""
