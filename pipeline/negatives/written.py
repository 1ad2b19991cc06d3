"""Negatives that the language model wrote: asked for as such, or rewrites refused for one contradiction."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Indel

from ...schemas.attributes import Person
from ...schemas.rows import Edit, Negative, Scores
from ...schemas.verdict import Finding
from ..checks.compare import compare
from ..checks.select import Judged
from .guards import KnownTexts, normalised
from .registry import CONTRADICTED
from .surgery import Replacement, apply_edits

_FORGIVEN_REWRITE = frozenset(("contradicted", "dropped", "generalised", "not_shorter"))
# One or two words changed is what was asked for, and a thing exchanged for another is one dropped and one added.
_FORGIVEN_NEGATIVE = frozenset(("contradicted", "near_copy"))
# What the parser is least sure of; a wrong "contradicted" there would make a negative that is true.
_UNSURE = frozenset(("other", "action", "gender"))
_ABSTAINED = re.compile(r"\W*n\s?/?\s?a\W*", re.IGNORECASE)
_PIECE = re.compile(r"\w+|\W")


@dataclass(frozen=True)
class Described:
    """What is known of a caption's person beside the caption."""

    others: Sequence[Person] = ()
    """The person, as other captions of the identity tell."""
    own_texts: Collection[str] = ()
    """All captions of the identity, normalised."""
    known: KnownTexts | None = None
    """All captions of the source."""


def contradicted_rewrite(source: str, sample: Judged, described: Described) -> Negative | None:
    """The negative a refused rewrite makes, or none.

    It has to contradict the source in exactly one slot and to add nothing: what is added may be true of the picture.
    What it leaves out does no harm. No other caption of the identity may say what it says. The whole text is the edit.
    """
    if sample.verdict is None or not sample.verdict.fluent or not set(sample.reasons) <= _FORGIVEN_REWRITE:
        return None
    if len(sample.verdict.of("contradicted")) != 1 or _guarded(sample, described):
        return None
    edit = Edit(source_start=0, source_end=len(source), start=0, end=len(sample.text))
    return _negative(source, sample, CONTRADICTED, [edit])


def prompted_negative(source: str, sample: Judged, prompt_id: str, described: Described) -> Negative | tuple[str, ...]:
    """The negative that an answer to a negative prompt is, or why it is none.

    It has to contradict the caption, and beyond that to keep and say all that the caption says. The reasons are those
    of rewrites, names of guards, and `abstained` for the answer NA.
    """
    if _ABSTAINED.fullmatch(sample.text):
        return ("abstained",)
    if reasons := tuple(reason for reason in sample.reasons if reason not in _FORGIVEN_NEGATIVE):
        return reasons
    if guard := _guarded(sample, described):
        return (guard,)
    return _negative(source, sample, f"llm/{prompt_id}", word_edits(source, sample.text))


def word_edits(source: str, text: str) -> list[Edit]:
    """The words that differ, with the punctuation between two that do."""
    pieces, others = _PIECE.findall(source), _PIECE.findall(text)
    starts, other_starts = _starts(pieces), _starts(others)
    new: list[Replacement] = []
    for step in Indel.opcodes(pieces, others):
        if step.tag == "equal":
            continue
        start, end = starts[step.src_start], starts[step.src_end]
        said = text[other_starts[step.dest_start] : other_starts[step.dest_end]]
        # What lies between two changes and is no word belongs to them: "dark blue" → "light red" is one edit.
        if new and not re.search(r"\w", source[new[-1].end : start]):
            said = new[-1].text + source[new[-1].end : start] + said
            start = new.pop().start
        new.append(Replacement(start, end, said))
    return apply_edits(source, new)[1]


def _starts(pieces: Sequence[str]) -> list[int]:
    starts = [0]
    for piece in pieces:
        starts.append(starts[-1] + len(piece))
    return starts


def _guarded(sample: Judged, described: Described) -> str | None:
    """Name of the guard that refuses it, or none."""
    contradicted = sample.verdict.of("contradicted") if sample.verdict and sample.person else ()
    sure = [finding for finding in contradicted if finding.slot not in _UNSURE]
    if not sure:
        return "no_change"
    if all(_borne_out(sample.person, finding, described.others) for finding in sure):
        return "other_caption"
    if normalised(sample.text) in described.own_texts:
        return "true_text"
    return "somebody_else" if described.known is not None and sample.text in described.known else None


def _borne_out(person: Person | None, contradicted: Finding, others: Sequence[Person]) -> bool:
    """Whether another caption says what contradicts this one."""
    return person is not None and any(
        finding.slot == contradicted.slot
        and finding.status in ("kept", "generalised", "specialised")
        and finding.rewrite == contradicted.rewrite
        for other in others
        for finding in compare(other, person)[0]
    )


def _negative(source: str, sample: Judged, rule: str, spans: list[Edit]) -> Negative:
    contradicted = sample.verdict.of("contradicted") if sample.verdict else ()
    same_words = sorted(normalised(source).split()) == sorted(normalised(sample.text).split())
    return Negative(
        text=sample.text,
        kind="swap" if same_words else "replace",
        rule=rule,
        slots=list(dict.fromkeys(finding.slot for finding in contradicted)),
        spans=spans,
        origin="llm",
        scores=Scores(),
    )
