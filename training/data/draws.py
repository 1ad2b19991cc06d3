"""Where all chance comes from: a generator of its own for every purpose, epoch and item.

So what a batch holds depends neither on the workers and how many there are, nor on a resume; and two recipes of one
seed differ in what they do differently alone: their order and their augmented images are the same.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

_PURPOSES = {"order": 1, "image": 2, "text": 3, "mask": 4}


def generator(
    purpose: Literal["order", "image", "text", "mask"], seed: int, epoch: int, index: int = 0
) -> np.random.Generator:
    """The generator for one purpose of item `index` in `epoch`. Raises ValueError for a negative number."""
    return np.random.default_rng((_PURPOSES[purpose], seed, epoch, index))
