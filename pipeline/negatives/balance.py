"""Choosing among candidates so that a text-only scorer cannot tell the negatives from their captions.

A linear scorer of n-grams finds negatives by the words that come in more often than they go out. The gradient of its
loss at zero weights is the sum over all pairs of features(negative) - features(caption); where that sum vanishes, no
weights do better than none (the loss is convex). So candidates are chosen, one a place, to bring the sum near zero:
for each "blue jeans → black jeans" a "black jeans → blue jeans". SugarCrepe's adversarial refinement (Hsieh et al.,
NeurIPS 2023, arXiv 2306.14610, §3.2) does this for two scores on a grid; a cell and its mirrored one are here one more
feature, +1 and -1.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

_LONGEST = 3
_WORD = re.compile(r"\w+")
# How far below zero the agreement is brought, in the sum of squares. Of 6,162 CUHK-PEDES captions in two blocks, blind
# accuracy on tokens and on words was 0.56 and 0.57 at 0, 0.53 and 0.55 at 0.15, 0.51 and 0.53 at 0.2, 0.44 and 0.46 at
# 0.3, where a scorer that turned its answer round would win. Below zero at all, for blocks agree with each other a
# little, and so do words that no caption has.
_MARGIN = 0.2
# Of fewer places less, in proportion: the agreement to make up for grows with their square.
_MANY = 1000
# How much a candidate may agree with all others, in its own squares; each bound is one turn through the places.
_SLACKS = (32.0, 16.0, 8.0, 5.0, 3.0, 2.0, 1.5, 1.0, 0.7, 0.5, 0.3, 0.2, 0.1, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Change:
    """What a negative does to the features: sparse, in one order of features for a whole block."""

    features: np.ndarray
    """Int64 indices."""
    amounts: np.ndarray
    """Float64, weighted as the scorer weights them."""
    square: float
    """The sum of their squares."""

    @classmethod
    def of(cls, features: Sequence[int], amounts: Sequence[float]) -> Change:
        """A change, of features named once each."""
        return cls(np.array(features, dtype=np.int64), np.array(amounts), sum(one * one for one in amounts))


class Grams:
    """1- to 3-grams, weighted by their rarity in the captions and by the caption's length, as TF-IDF weights them.

    Of tokens between white space, where a capital or a comma counts, and of words in small letters alone: a scorer may
    read either way.
    """

    def __init__(self, captions: Iterable[str]) -> None:
        seen: dict[tuple[str, ...], int] = {}
        count = 0
        for caption in captions:
            count += 1
            for tokens in _views(caption):
                for gram in {*_grams(tokens, 0, len(tokens))}:
                    seen[gram] = seen.get(gram, 0) + 1
        self._rarest = math.log(1 + count) + 1
        self._ids = {gram: number for number, gram in enumerate(seen)}
        self._weights = [math.log((1 + count) / (1 + number)) + 1 for number in seen.values()]

    def change(self, caption: str, negative: str) -> Change:
        """Features of the negative less those of the caption."""
        features: list[int] = []
        amounts: list[float] = []
        for before, after in zip(_views(caption), _views(negative), strict=True):
            shorter = min(len(before), len(after))
            head = tail = 0
            while head < shorter and before[head] == after[head]:
                head += 1
            while tail < shorter - head and before[-1 - tail] == after[-1 - tail]:
                tail += 1
            first = max(0, head - _LONGEST + 1)
            counts: dict[tuple[str, ...], int] = {}
            for gram in _grams(after, first, len(after) - tail):
                counts[gram] = counts.get(gram, 0) + 1
            for gram in _grams(before, first, len(before) - tail):
                counts[gram] = counts.get(gram, 0) - 1
            # A token's n-grams weigh on average alike: the norm of a caption grows with the root of its length.
            scale = 1.0 / math.sqrt(len(before) or 1)
            for gram, number in counts.items():
                if number:
                    feature = self._ids.setdefault(gram, len(self._ids))
                    if feature == len(self._weights):
                        self._weights.append(self._rarest)
                    features.append(feature)
                    amounts.append(number * scale * self._weights[feature])
        return Change.of(features, amounts)

    def __len__(self) -> int:
        return len(self._ids)


@lru_cache(maxsize=16)
def _views(text: str) -> tuple[list[str], list[str]]:
    """Tokens between white space, and words in small letters, told apart by a mark no token has."""
    return text.split(), [f" {word}" for word in _WORD.findall(text.lower())]


def _grams(tokens: Sequence[str], first: int, stop: int) -> list[tuple[str, ...]]:
    """All n-grams that begin at `first` or behind it and before `stop`."""
    grams: list[tuple[str, ...]] = []
    for length in range(1, _LONGEST + 1):
        end = min(stop, len(tokens) - length + 1)
        grams += zip(*(tokens[first + n : end + n] for n in range(length)), strict=True) if end > first else ()
    return grams


@dataclass(frozen=True)
class Choice:
    """What was taken, and how balanced it is."""

    taken: list[int | None]
    """For each place the number of the candidate, or none where every one would show."""
    before: float
    """Mean agreement of two changes, taken at random."""
    after: float
    """Mean agreement of two changes as taken: 0 where knowing one says nothing of another."""
    totals: tuple[np.ndarray, ...]
    """For every sort of features the sum of what was taken, a number a feature."""


def choose(places: Sequence[Sequence[Sequence[Change]]], sizes: Sequence[int]) -> Choice:
    """Take one candidate a place, as many as can be while two changes agree no more than by chance.

    What a scorer learns from some pairs helps it with others as far as their changes agree: the sum of the products of
    all pairs of changes, |sum|² - sum of squares. Brought to zero, not far below: a sum that vanishes outright would
    make what is held out the mirror of what is learned from, and a scorer that turns its answer round would win.

    Places are gone through in turn; a candidate is left for the next one, or for none, once it agrees too much with all
    the others together. The bound is lowered until the sum is zero, for each sort of features by itself.

    Args:
        places: the candidates of each place, in the order in which they are preferred; each with a change for every
            sort of features (n-grams, and the gaps of a language model).
        sizes: how many features there are of each sort.
    """
    sums = [_Sum(size) for size in sizes]
    taken: list[int | None] = [0 if place else None for place in places]
    first = [place[0] for place in places if place]
    for changes in first:
        for one, change in zip(sums, changes, strict=True):
            one.add(change)
    before = sums[0].agreement if sums else 0.0
    margin = _MARGIN * min(1.0, len(first) / _MANY)
    for slack in _SLACKS:
        for number, place in enumerate(places):
            if all(one.agreement <= -margin * one.own for one in sums):
                break
            old = taken[number]
            if old is not None:
                for one, change in zip(sums, place[old], strict=True):
                    one.take(change)
            order = range(len(place)) if old is None else (old, *(n for n in range(len(place)) if n != old))
            new = next((n for n in order if all(map(_Sum.bears, sums, place[n], [slack] * len(sums)))), None)
            if new is not None:
                for one, change in zip(sums, place[new], strict=True):
                    one.add(change)
            taken[number] = new
    count = sum(one is not None for one in taken)
    return Choice(taken, _mean(before, len(first)), _mean(sums[0].agreement, count), tuple(one.total for one in sums))


class _Sum:
    """The sum of the changes taken, and how far they agree."""

    def __init__(self, size: int) -> None:
        self.total = np.zeros(size)
        self.own = self.agreement = 0.0

    def bears(self, change: Change, slack: float) -> bool:
        """Whether a change more would agree little enough."""
        return 2.0 * float(self.total[change.features] @ change.amounts) < slack * change.square

    def add(self, change: Change) -> None:
        self.agreement += 2.0 * float(self.total[change.features] @ change.amounts)
        self.total[change.features] += change.amounts
        self.own += change.square

    def take(self, change: Change) -> None:
        self.total[change.features] -= change.amounts
        self.agreement -= 2.0 * float(self.total[change.features] @ change.amounts)
        self.own -= change.square


def _mean(agreement: float, count: int) -> float:
    return agreement / (count * (count - 1)) if count > 1 else 0.0
