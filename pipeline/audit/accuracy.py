"""How often something was told, with an interval that knows which pairs belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_RESAMPLES = 2_000
_DRAWS = 4_000_000  # held at once while resampling: 32 MB
TELLING_PAIRS = 30
"""Tables show no accuracy of fewer."""


@dataclass(frozen=True)
class Accuracy:
    """How often the negative was told from its caption: 0.5 is a guess, 1 gives every negative away."""

    pairs: int
    """Pairs that were scored."""
    accuracy: float
    """Mean over the pairs of 1 (told), 0.5 (a tie) and 0."""
    low: float
    """Lower end of the 95 % interval."""
    high: float
    """Its upper end."""


def accuracy_of(wins: Sequence[float], units: Sequence[int], *, seed: int = 0) -> Accuracy | None:
    """The mean of `wins`, with a 95 % percentile interval from 2,000 resamples of whole captions.

    The negatives of one caption share nearly all of its words and are told, or not, together: drawing pairs would take
    them for independent, and give too narrow an interval. The interval is for these classifiers; what another cut
    into folds would change is not in it. Where every pair is told it has no width, however few there are.

    Args:
        wins: of each pair, N.
        units: number of the caption, or of the captions tied to each other, that each pair belongs to, N.
        seed: of the resampling.

    Returns:
        None for fewer than two captions.

    Raises:
        ValueError: lengths differ.
    """
    if len(wins) != len(units):
        raise ValueError(f"{len(wins)} wins, {len(units)} units")
    _, unit = np.unique(np.asarray(units, dtype=np.int64), return_inverse=True)
    sizes = np.bincount(unit)
    if len(sizes) < 2:
        return None
    sums = np.bincount(unit, weights=np.asarray(wins, dtype=float))
    rng = np.random.default_rng(seed)
    at_once = max(1, _DRAWS // len(sizes))
    means = []
    for start in range(0, _RESAMPLES, at_once):
        drawn = rng.integers(len(sizes), size=(min(at_once, _RESAMPLES - start), len(sizes)))
        means.append(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
    low, high = np.quantile(np.concatenate(means), (0.025, 0.975))
    return Accuracy(pairs=len(wins), accuracy=float(np.mean(wins)), low=float(low), high=float(high))
