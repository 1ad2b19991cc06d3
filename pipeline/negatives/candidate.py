"""What a rule proposes: an edit, and what the caption would then claim of the person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ...schemas.attributes import Colour
from ...schemas.rows import NegativeKind
from .surgery import Replacement


@dataclass(frozen=True, slots=True)
class Claim:
    """Something the negative says that its caption does not. Another caption of the person may say it too."""

    of: Literal["colour", "item", "detail", "where", "gender", "hair"]
    """What kind of thing is said."""
    slot: str
    """The slot of the item it is said of; `colours`, `length` or `style` of hair; empty for gender."""
    value: str
    """Canonical form: a colour, an item's name, a place, `male`."""
    colour: Colour | None = None
    """The colour, where it is one."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A negative that may be made."""

    rule: str
    """The rule's name: `person/swap_colour`."""
    kind: NegativeKind
    """What is done."""
    slots: tuple[str, ...]
    """Attribute slots that change: `upper.colour`."""
    replacements: tuple[Replacement, ...]
    """The edit, in order of position; articles and capitals are mended afterwards."""
    claims: tuple[Claim, ...] = ()
    """What is newly said; none where something is denied."""
