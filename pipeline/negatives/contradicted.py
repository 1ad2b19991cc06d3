"""Rejects that serve: a fluent rewrite that contradicts its source in one attribute is a hard negative of the LLM's."""

from collections.abc import Sequence

from ...schemas.attributes import Person
from ...schemas.rows import Edit, Negative, Scores
from ...schemas.verdict import Finding
from ..checks.compare import compare
from ..checks.select import Judged

RULE = "llm/contradicted"
_FORGIVEN = frozenset(("contradicted", "dropped", "generalised", "not_shorter"))
# What the parser is least sure of; a wrong "contradicted" there would make a negative that is true.
_UNSURE = frozenset(("other", "action", "gender"))


def contradicted_rewrite(source: str, sample: Judged, others: Sequence[Person] = ()) -> list[Negative]:
    """The negative a refused rewrite makes, or none.

    It has to contradict the source in exactly one slot and to add nothing: what is added may be true of the picture.
    What it leaves out does no harm. No other caption of the identity may say what it says. The whole text is the edit.
    """
    if sample.verdict is None or not sample.verdict.fluent or not set(sample.reasons) <= _FORGIVEN:
        return []
    contradicted = sample.verdict.of("contradicted")
    if len(contradicted) != 1 or contradicted[0].slot in _UNSURE:
        return []
    if sample.person is not None and any(_agrees(other, sample.person, contradicted[0]) for other in others):
        return []
    return [
        Negative(
            text=sample.text,
            kind="replace",
            rule=RULE,
            slots=[contradicted[0].slot],
            spans=[Edit(source_start=0, source_end=len(source), start=0, end=len(sample.text))],
            origin="llm",
            scores=Scores(),
        )
    ]


def _agrees(other: Person, rewrite: Person, contradicted: Finding) -> bool:
    """Whether another caption bears out what contradicts this one."""
    findings, _ = compare(other, rewrite)
    return any(
        finding.slot == contradicted.slot
        and finding.status in ("kept", "generalised", "specialised")
        and finding.rewrite == contradicted.rewrite
        for finding in findings
    )
