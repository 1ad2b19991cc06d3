"""The blind scorer: how often a classifier that reads the text alone tells a negative from its caption."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .accuracy import Accuracy, accuracy_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FOLDS = 5
# 20,000 NegCLIP swaps of CUHK-PEDES captions: 0.877 at C=1, 0.892 at 10, 0.891 at 100.
_C = 10.0
# liblinear's own default. scikit-learn's 1e-4 gives the same 0.892 after 37 s instead of 3.4.
_TOLERANCE = 1e-2
# Scores of equal n-grams in another order differ in the last digits.
_TIE = 1e-9


@dataclass(frozen=True)
class KindAccuracy:
    """The accuracy on one kind of negative."""

    together: Accuracy | None
    """Under the classifier that learned from every kind; None where there are too few pairs."""
    alone: Accuracy | None
    """Under one that learned from this kind only; None where there are too few pairs."""


@dataclass(frozen=True)
class BlindReport:
    """What the blind scorer tells of a dataset's negatives."""

    overall: Accuracy | None
    """Every pair; None where there are too few."""
    kinds: dict[str, KindAccuracy]
    """Each kind, in alphabetical order."""


def blind_wins(
    sources: Sequence[str],
    negatives: Sequence[str],
    groups: Sequence[str],
    *,
    lower: bool = False,
    folds: int = _FOLDS,
    seed: int = 0,
) -> list[float] | None:
    """1 for each pair whose negative the classifier finds likelier to be one than its caption, 0.5 for a tie, else 0.

    TF-IDF of 1- to 3-grams and logistic regression, learned from both texts of every pair but those of the fold that
    is scored. Whatever shares a group or a text, on either side, is in one fold: nothing is scored by a classifier
    that has seen it. Where negatives have each word as often as captions it comes out somewhat below 0.5: what a fold
    has more of, the others have less of.

    Args:
        sources: the caption of each pair, N.
        negatives: its negative, N.
        groups: the caption's id, N.
        lower: read lower-cased words alone, instead of everything between white space: what case, punctuation and
            spacing give away is then left out.
        folds: parts that the captions are cut into; 2 or more.
        seed: of the cut.

    Returns:
        N values, or None for fewer pairs than folds, or pairs that are all tied to each other.

    Raises:
        ValueError: lengths differ, or `folds` is below 2.
    """
    return _wins(_pairs(sources, negatives, groups, lower), folds, seed)


def blind_report(
    sources: Sequence[str],
    negatives: Sequence[str],
    groups: Sequence[str],
    kinds: Sequence[str],
    *,
    lower: bool = False,
    folds: int = _FOLDS,
    seed: int = 0,
) -> BlindReport:
    """The accuracy over all pairs, and of each kind: under the one classifier, and under one of its own.

    Arguments as `blind_wins`, and `kinds`: what sort of negative each is, N. Each interval is a bootstrap over
    captions (see `accuracy_of`).

    Raises:
        ValueError: lengths differ, or `folds` is below 2.
    """
    pairs = _pairs(sources, negatives, groups, lower)
    kind_of = np.array([kind for kind, _ in zip(kinds, sources, strict=True)], dtype=object)
    together = _wins(pairs, folds, seed)
    by_kind = {}
    for kind in sorted(set(kinds)):
        there = np.flatnonzero(kind_of == kind)
        some = pairs.subset(there)
        by_kind[kind] = KindAccuracy(
            together=None if together is None else _accuracy(some, [together[i] for i in there], seed),
            alone=_accuracy(some, _wins(some, folds, seed), seed),
        )
    return BlindReport(overall=_accuracy(pairs, together, seed), kinds=by_kind)


@dataclass(frozen=True)
class _Pairs:
    """Pairs, with their n-grams counted."""

    source: NDArray[np.int64]
    """Row of each pair's caption, N."""
    negative: NDArray[np.int64]
    """Row of its negative, N."""
    units: NDArray[np.int64]
    """Pairs of one number share a caption or a text, N."""
    counts: Any
    """Distinct texts x n-grams, CSR; None where no text has a token."""

    def subset(self, at: NDArray[np.int64]) -> _Pairs:
        return _Pairs(self.source[at], self.negative[at], self.units[at], self.counts)


def _pairs(sources: Sequence[str], negatives: Sequence[str], groups: Sequence[str], lower: bool) -> _Pairs:
    from scipy.sparse import coo_array  # type: ignore[import-untyped]
    from scipy.sparse.csgraph import connected_components  # type: ignore[import-untyped]
    from sklearn.feature_extraction.text import CountVectorizer  # type: ignore[import-untyped]

    texts: dict[str, int] = {}
    named: dict[str, int] = {}
    rows = [
        (
            texts.setdefault(_tokens(source, lower), len(texts)),
            texts.setdefault(_tokens(negative, lower), len(texts)),
            named.setdefault(group, len(named)),
        )
        for source, negative, group in zip(sources, negatives, groups, strict=True)
    ]
    source, negative, group = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    nodes = len(texts) + len(named)
    ends = np.concatenate([source, source]), np.concatenate([negative, len(texts) + group])
    _, labels = connected_components(coo_array((np.ones(len(ends[0])), ends), shape=(nodes, nodes)), directed=False)
    counts = None
    if any(texts):
        vectoriser = CountVectorizer(
            lowercase=False, tokenizer=str.split, token_pattern=None, ngram_range=(1, 3), dtype=np.float64
        )
        counts = vectoriser.fit_transform(texts)
    return _Pairs(source, negative, labels[source].astype(np.int64), counts)


def _tokens(text: str, lower: bool) -> str:
    """What the classifier reads of a text, with one space between tokens."""
    return " ".join(re.findall(r"\w+", text.lower()) if lower else text.split())


def _accuracy(pairs: _Pairs, wins: list[float] | None, seed: int) -> Accuracy | None:
    return None if wins is None else accuracy_of(wins, pairs.units.tolist(), seed=seed)


def _wins(pairs: _Pairs, folds: int, seed: int) -> list[float] | None:
    if folds < 2:
        raise ValueError(f"{folds} folds: 2 or more are needed")
    units = np.unique(pairs.units)
    if len(units) < 2 or len(pairs.units) < folds:
        return None
    from sklearn.model_selection import GroupKFold  # type: ignore[import-untyped]

    wins = np.empty(len(pairs.units))
    # GroupKFold evens out the folds' sizes; the seed decides among units of one size.
    shuffled = np.random.default_rng(seed).permutation(len(units))[np.searchsorted(units, pairs.units)]
    for train, test in GroupKFold(min(folds, len(units))).split(shuffled, groups=shuffled):
        gap = _gaps(pairs.subset(train), pairs.subset(test), seed)
        wins[test] = np.where(np.abs(gap) < _TIE, 0.5, gap > 0)
    return [float(win) for win in wins]


def _gaps(train: _Pairs, test: _Pairs, seed: int) -> NDArray[np.float64]:
    """score(negative) - score(caption) of each pair of `test`, in log odds."""
    if train.counts is None:
        return np.zeros(len(test.source))
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    # A caption stands there once a pair: as a weight, so that its row is read once.
    cells, weights = np.unique(np.concatenate([2 * train.source, 2 * train.negative + 1]), return_counts=True)
    counts = train.counts[cells // 2]
    seen = np.unique(counts.indices)
    if not len(seen):
        return np.zeros(len(test.source))
    tfidf = TfidfTransformer()
    model = LogisticRegression(C=_C, solver="liblinear", tol=_TOLERANCE, random_state=seed)
    # For liblinear's vectors BLAS threads mostly wait for each other. Beside another process on two cores a report of
    # 20,000 pairs took 78 s; with one thread 26, and 11 beside none.
    with threadpool_limits(1, user_api="blas"):
        model.fit(tfidf.fit_transform(counts[:, seen]), cells % 2, sample_weight=weights)
    texts, at = np.unique(np.concatenate([test.source, test.negative]), return_inverse=True)
    scores = model.decision_function(tfidf.transform(train.counts[texts][:, seen]))[at]
    gaps: NDArray[np.float64] = scores[len(test.source) :] - scores[: len(test.source)]
    return gaps
