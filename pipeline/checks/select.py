"""Judging the samples of one caption and prompt: which are kept, which refused and why."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rapidfuzz.distance import Indel

from ...schemas.attributes import Person
from ...schemas.completion import Completion, Request
from ...schemas.prompt import Prompt
from ...schemas.verdict import Verdict
from ..config import ChecksConfig
from ..language.parse import parse
from .clean import clean
from .doubts import Doubts
from .similarity import similarities
from .surface import LONGEST_CHARACTERS, novelty, surface_reasons, words
from .verdict import FORBIDDEN, judge_pair


@dataclass(frozen=True)
class Judged:
    """One sample, cleaned and judged; kept when `reasons` is empty."""

    completion: Completion
    text: str
    """The rewrite after cleaning."""
    novelty: float | None
    """1 - similarity with the source; none where there is no rewrite."""
    reasons: tuple[str, ...]
    """Why it is refused."""
    verdict: Verdict | None = None
    """Its attributes compared with the source's; none where they were not."""
    person: Person | None = None
    """The person it describes; none where it was not parsed."""
    similarity: float | None = None
    """Cosine with the source in meaning; none where it was not asked for, or the sample is refused."""
    questions: tuple[Request, ...] = ()
    """What the language model is asked about it, where the parser is unsure."""


def judge(
    source: str,
    known: tuple[str, ...],
    completions: list[Completion],
    *,
    prompt: Prompt,
    config: ChecksConfig,
    keep: int | Literal["all"],
    doubts: Doubts | None = None,
) -> list[Judged]:
    """Judge the samples of a caption in their order.

    `known` are texts no rewrite may repeat: the human captions of the image and what other prompts gave. Of those that
    pass, `keep` are kept that differ most from the source and from each other (with `config.similarity`, the more alike
    in meaning of those that differ equally); the others are `not_best`.
    """
    source_person = parse(source) if config.faithful else None
    judged = [
        judge_sample(source, source_person, completion, prompt, config, doubts=doubts) for completion in completions
    ]
    taken = [words(text) for text in known]
    passed = []
    for i, sample in enumerate(judged):
        if sample.reasons:
            continue
        if words(sample.text) in taken:
            judged[i] = _refuse(sample, "duplicate")
        else:
            taken.append(words(sample.text))
            passed.append(i)
    if config.similarity:
        alike = similarities(source, [judged[i].text for i in passed])
        for i, cosine in zip(passed, alike, strict=True):
            judged[i] = replace(judged[i], similarity=cosine)
    kept = _most_different(source, [judged[i] for i in passed], len(passed) if keep == "all" else keep)
    for place, i in enumerate(passed):
        if place not in kept:
            judged[i] = _refuse(judged[i], "not_best")
    return judged


def _most_different(source: str, samples: Sequence[Judged], count: int) -> set[int]:
    """Places of `count` samples, each chosen to be as far as can be from its nearest of the source and those chosen
    before (farthest-point selection); the first on a tie, so that the same samples give the same choice.

    Where their likeness in meaning was measured, distances that are equal to two decimals are a tie, and the most alike
    is chosen.
    """

    def rank(i: int) -> tuple[float, float]:
        alike = samples[i].similarity
        return (nearest[i], 0.0) if alike is None else (round(nearest[i], 2), alike)

    sequences = [words(sample.text) for sample in samples]
    nearest = [Indel.normalized_distance(words(source), sequence) for sequence in sequences]
    chosen: set[int] = set()
    while len(chosen) < min(count, len(samples)):
        best = max((i for i in range(len(samples)) if i not in chosen), key=rank)
        chosen.add(best)
        nearest = [
            min(distance, Indel.normalized_distance(sequences[best], sequence))
            for distance, sequence in zip(nearest, sequences, strict=True)
        ]
    return chosen


def judge_sample(
    source: str,
    source_person: Person | None,
    completion: Completion,
    prompt: Prompt,
    config: ChecksConfig,
    *,
    doubts: Doubts | None,
) -> Judged:
    """Judge one sample by itself; without a source's person its attributes are not compared."""
    text = clean(completion.text, prompt.output)
    reasons = surface_reasons(source, text, completion, prompt.policy, config)
    measured = bool(text) and len(text) <= LONGEST_CHARACTERS
    sample = Judged(completion, text, novelty(source, text) if measured else None, tuple(reasons))
    if source_person is None or not measured or completion.error is not None:
        return sample
    person = parse(text)
    verdict = judge_pair(
        source,
        text,
        prompt.policy,
        min_novelty=config.min_novelty,
        source_person=source_person,
        rewrite_person=person,
    )
    questions = doubts.questions(source, text, verdict, prompt.policy) if doubts and not reasons else {}
    if doubts and questions:
        verdict = doubts.settle(verdict, questions, prompt.policy)
    found = dict.fromkeys(finding.status for finding in verdict.of(*FORBIDDEN[prompt.policy]))
    slips = () if verdict.fluent else ("not_fluent",)
    return replace(
        sample,
        reasons=(*reasons, *found, *slips),
        verdict=verdict,
        person=person,
        questions=tuple(questions.values()),
    )


def _refuse(sample: Judged, reason: str) -> Judged:
    return replace(sample, reasons=(*sample.reasons, reason))
