"""Judging the samples of one caption and prompt: which are kept, which refused and why."""

from dataclasses import dataclass
from typing import Literal

from ...schemas.completion import Completion
from ...schemas.prompt import Prompt
from ..config import ChecksConfig
from .clean import clean
from .surface import LONGEST_CHARACTERS, novelty, surface_reasons, words


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


def judge(
    source: str,
    known: tuple[str, ...],
    completions: list[Completion],
    *,
    prompt: Prompt,
    config: ChecksConfig,
    keep: Literal["best", "all"],
) -> list[Judged]:
    """Judge the samples of a caption in their order.

    `known` are texts no rewrite may repeat: the human captions of the image and what other prompts gave. With `best`,
    of those that pass the one nearest its source is kept (the first on a tie) and the others are `not_best`: as long
    as nothing compares what they say, the one that changes least invents least, and copies are refused already. With
    `all`, each is kept that differs from those kept before it.
    """
    judged = [_judge_one(source, completion, prompt, config) for completion in completions]
    taken = [words(text) for text in known]
    order = list(range(len(judged)))
    if keep == "best":
        order.sort(key=lambda i: judged[i].novelty or 0.0)
    kept = 0
    for i in order:
        if judged[i].reasons:
            continue
        text = words(judged[i].text)
        if text in taken:
            judged[i] = _refuse(judged[i], "duplicate")
        elif keep == "best" and kept:
            judged[i] = _refuse(judged[i], "not_best")
        else:
            taken.append(text)
            kept += 1
    return judged


def _judge_one(source: str, completion: Completion, prompt: Prompt, config: ChecksConfig) -> Judged:
    text = clean(completion.text, prompt.output)
    reasons = surface_reasons(source, text, completion, prompt.policy, config)
    measured = bool(text) and len(text) <= LONGEST_CHARACTERS
    return Judged(completion, text, novelty(source, text) if measured else None, tuple(reasons))


def _refuse(sample: Judged, reason: str) -> Judged:
    return Judged(sample.completion, sample.text, sample.novelty, (*sample.reasons, reason))
