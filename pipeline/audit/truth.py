"""How many negatives may be true after all, as far as texts can tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...schemas.attributes import Person
from ..checks.compare import compare
from ..language.parse import parse_once
from .dataset import Pair

_AGREES = ("kept", "generalised")  # where the other caption says less, it bears nothing out


@dataclass(frozen=True)
class Truth:
    """An estimate from texts alone; nobody has looked at a picture."""

    pairs: int
    """Negatives that were read."""
    unchanged: int
    """The parser finds no attribute changed: true of the caption, or changed in words it does not know."""
    borne_out: int
    """Another caption of the identity says everything that was changed."""

    @property
    def share(self) -> float:
        """Of all that were read, those that may be true."""
        return (self.unchanged + self.borne_out) / max(1, self.pairs)


def estimate_truth(pairs: Sequence[Pair], captions: Mapping[tuple[str, int], Sequence[str]]) -> Truth:
    """Read every negative beside its caption and the other captions of its identity.

    Args:
        pairs: captions with their negatives.
        captions: identity → its human captions.
    """
    unchanged = borne_out = 0
    for pair in pairs:
        negative = parse_once(pair.negative)
        changed = [
            finding
            for finding in compare(parse_once(pair.caption), negative)[0]
            if finding.status in ("contradicted", "added") or (finding.status == "dropped" and pair.kind == "negate")
        ]
        if not changed:
            unchanged += 1
            continue
        others = [parse_once(text) for text in captions.get(pair.identity, ()) if text != pair.caption]
        told = [_told(other, negative) for other in others]
        if any(
            {(one.slot, one.rewrite) for one in changed if one.rewrite} <= one_told and one_told for one_told in told
        ):
            borne_out += 1
    return Truth(len(pairs), unchanged, borne_out)


def _told(other: Person, negative: Person) -> set[tuple[str, object]]:
    """Attributes of the negative that another caption has too."""
    return {(finding.slot, finding.rewrite) for finding in compare(other, negative)[0] if finding.status in _AGREES}
