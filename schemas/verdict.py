"""What comparing a rewrite with its source finds."""

from dataclasses import dataclass
from typing import Literal

from .attributes import Value

Status = Literal["kept", "generalised", "specialised", "dropped", "added", "contradicted"]
STATUSES: tuple[Status, ...] = ("kept", "generalised", "specialised", "dropped", "added", "contradicted")


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one attribute."""

    slot: str
    """Which attribute: `gender`, `hair.colour`, `upper.colour`, `footwear`, `bag.where`, `other`, …"""
    status: Status
    """What became of it."""
    source: Value | None = None
    """What the source says; none where it says nothing."""
    rewrite: Value | None = None
    """What the rewrite says; none where it says nothing."""

    def __str__(self) -> str:
        """`upper.colour: navy → blue`."""
        sides = [side.value for side in (self.source, self.rewrite) if side is not None]
        return f"{self.slot}: {' → '.join(sides if self.status != 'kept' else sides[:1])}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A rewrite judged against its source under a policy."""

    findings: tuple[Finding, ...]
    """Every attribute of either text."""
    faithful: bool
    """Nothing happened to an attribute that the policy forbids."""
    fluent: bool
    """No loops, no lists of the same thing, no chatter."""
    novel: bool
    """Not a near copy of the source."""
    novelty: float
    """1 - similarity of the two word sequences."""
    reasons: tuple[str, ...]
    """Why it is rejected; empty where it is accepted."""

    @property
    def accepted(self) -> bool:
        """Faithful, fluent and novel."""
        return not self.reasons

    def of(self, *statuses: Status) -> tuple[Finding, ...]:
        """The findings with one of these statuses."""
        return tuple(finding for finding in self.findings if finding.status in statuses)
