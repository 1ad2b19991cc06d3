"""States denied: open and closed, tucked in and not, with sleeves and without."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from ...language.state import GARMENTS
from ..candidate import Candidate, Claim
from ..caption import Caption
from ..stock import Stock
from ..surgery import Replacement
from ..words import words
from .details import sleeves_told

_TOPS = ("upper", "dress")  # no sleeveless coats


def negate_state(caption: Caption, stock: Stock, rng: Random) -> Iterator[Candidate]:
    """A garment is untucked instead of tucked in, closed instead of open, sleeveless instead of long-sleeved."""
    for item in caption.person.items:
        if item.slot not in GARMENTS or item.absent:
            continue
        for field in ("state", "length"):
            if field == "length" and (item.slot not in _TOPS or len(item.length) > 1):
                continue
            if field == "length" and sleeves_told(caption.text) > 1:
                continue
            for value in getattr(item, field):
                if caption.text.startswith((" out", " into", " in "), value.span[1]):
                    continue  # "tucked out over her pants"
                for new in words().states.get(value.text.lower(), ()):
                    yield Candidate(
                        "person/negate_state",
                        "negate",
                        (f"{item.slot}.{field}",),
                        (Replacement(value.span[0], value.span[1], new),),
                        (Claim("detail", item.slot, new),),
                    )
