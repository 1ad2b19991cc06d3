"""How much likelier a language model finds the caption than its negative, as features that balance.

SugarCrepe's adversarial refinement (Hsieh et al., NeurIPS 2023, arXiv 2306.14610, §3.2): the gaps of two scores, on a
grid of 50 by 50, and as many negatives in a cell as in its mirror image. Most cells of a block hold one negative or
none, so each score is balanced alone as well, in ten steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .balance import Change

Gap = tuple[float, float]
"""Score of the caption less that of the negative: plausibility and grammar."""
_CELLS = 50
_STEPS = 10
# Where the outermost cells begin: beyond it lie the few gaps that no mirror image could be found for.
_MOST = 0.98


class GapGrid:
    """Cells and steps as features: +1 in one, -1 in its mirror image."""

    STEPS = _CELLS * _CELLS
    """Features before those of the steps."""
    SIZE = STEPS + 2 * _STEPS
    """Features it has."""

    def __init__(self, gaps: Sequence[Gap]) -> None:
        """Spread the grid over the gaps of every candidate."""
        sizes = np.abs(np.array(gaps, dtype=np.float64).reshape(-1, 2))
        self._most = [float(np.quantile(column, _MOST)) or 1.0 if len(column) else 1.0 for column in sizes.T]

    def change(self, gap: Gap | None) -> Change:
        """The features of a gap: its cell, and its step of each score. None where there is no gap."""
        if gap is None:
            return Change.of([], [])
        cell = tuple(self._place(value, most, _CELLS) for value, most in zip(gap, self._most, strict=True))
        mirror = tuple(_CELLS - 1 - place for place in cell)
        features = [min(cell, mirror)[0] * _CELLS + min(cell, mirror)[1]]
        signs = [0.0 if cell == mirror else 1.0 if cell < mirror else -1.0]
        for number, (value, most) in enumerate(zip(gap, self._most, strict=True)):
            step = self._place(value, most, _STEPS)
            features.append(_CELLS * _CELLS + number * _STEPS + min(step, _STEPS - 1 - step))
            signs.append(math.copysign(1.0, value) if value else 0.0)
        return Change.of(features, signs)

    def _place(self, value: float, most: float, count: int) -> int:
        """Which of `count` equal parts of [-most, most] a gap lies in; the outer ones take what is beyond."""
        return min(count - 1, max(0, math.floor((value / most + 1.0) / 2.0 * count)))
