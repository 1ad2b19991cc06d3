"""How much the texts of a dataset differ from each other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from statistics import fmean

from ..checks.surface import novelty, words


def distinct_n(texts: Sequence[str], n: int) -> float | None:
    """Distinct n-grams over all n-grams of the texts, 0 to 1; None where no text has n words.

    Words are lower-cased, without punctuation, and no n-gram crosses from one text into the next. After Li et al., "A
    Diversity-Promoting Objective Function for Neural Conversation Models", NAACL 2016, who divide by all tokens; by
    all n-grams it reaches 1 whatever the texts' lengths. It falls as texts are added: compare sets of one size only.

    Raises:
        ValueError: `n` is below 1.
    """
    if n < 1:
        raise ValueError(f"n is {n}: 1 or more is needed")
    seen: set[tuple[str, ...]] = set()
    total = 0
    for text in texts:
        sequence = words(text)
        grams = [tuple(sequence[i : i + n]) for i in range(len(sequence) - n + 1)]
        seen.update(grams)
        total += len(grams)
    return len(seen) / total if total else None


def self_similarity(groups: Sequence[Sequence[str]]) -> float | None:
    """How alike the rewrites of one caption are: 0 with no word in common, 1 for copies; None where none has two.

    1 - `novelty` of every two texts of a group, the mean over the group, then over the groups: each caption counts the
    same, however many rewrites it has.

    Args:
        groups: the rewrites of each caption.
    """
    means = [fmean(1 - novelty(a, b) for a, b in combinations(texts, 2)) for texts in groups if len(texts) > 1]
    return fmean(means) if means else None
