"""Rejects that serve: a fluent rewrite that contradicts its source in one attribute is a hard negative of the LLM's."""

from ...schemas.rows import Edit, Negative, Scores
from ..checks.select import Judged

RULE = "llm/contradicted"
_FORGIVEN = frozenset(("contradicted", "dropped", "generalised", "not_shorter"))
# What the parser is least sure of; a wrong "contradicted" there would make a negative that is true.
_UNSURE = frozenset(("other", "action", "gender"))


def contradicted_rewrite(source: str, sample: Judged) -> list[Negative]:
    """The negative a refused rewrite makes, or none.

    It has to contradict the source in exactly one slot and to add nothing: what is added may be true of the picture.
    What it leaves out does no harm. The whole text is the edit.
    """
    if sample.verdict is None or not sample.verdict.fluent or not set(sample.reasons) <= _FORGIVEN:
        return []
    contradicted = sample.verdict.of("contradicted")
    if len(contradicted) != 1 or contradicted[0].slot in _UNSURE:
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
