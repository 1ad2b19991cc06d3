"""Masked language modelling: which tokens of a caption are hidden, and what stands in their place."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from ..batch import IGNORED


@dataclass(frozen=True)
class SpecialTokens:
    """The ids of a tokenizer that masking must know."""

    mask: int
    """Stands for a hidden token: 49405 in CLIP's vocabulary, in place of the last merge."""
    pad: int
    """Fills a row: 0 in CLIP's, which is also the token `!`."""
    special: frozenset[int]
    """Neither masked nor drawn: marks of begin and end, the mask itself and the like; `pad` need not be named."""
    vocabulary: int
    """Number of ids."""

    def __post_init__(self) -> None:
        if not 0 <= self.untouched[0] <= self.untouched[-1] < self.vocabulary:
            raise ValueError(f"special tokens are beyond the vocabulary of {self.vocabulary}")

    @cached_property
    def untouched(self) -> tuple[int, ...]:
        """Every id that is neither masked nor drawn, in ascending order."""
        return tuple(sorted({self.mask, self.pad, *self.special}))

    @cached_property
    def maskable(self) -> np.ndarray:
        """Whether an id may be masked, by id."""
        table = np.ones(self.vocabulary, dtype=bool)
        table[list(self.untouched)] = False
        return table


CLIP_TOKENS = SpecialTokens(mask=49405, pad=0, special=frozenset({49406, 49407}), vocabulary=49408)
"""CLIP's byte pairs, as IRRA makes room for a mask in them."""


def mask_tokens(
    ids: torch.Tensor, tokens: SpecialTokens, rng: np.random.Generator, *, probability: float = 0.15
) -> tuple[torch.Tensor, torch.Tensor]:
    """Hide some tokens of one caption, as BERT (Devlin et al., NAACL 2019, §3.1) and IRRA (CVPR 2023, §3.2) do.

    Each token that is not special is chosen with `probability`; of the chosen 80 % become the mask, 10 % any token that
    is not special, 10 % stay. Where none was chosen the first, behind the mark of begin, is masked.

    Args:
        ids: L token ids.
        tokens: the tokenizer's special ids.
        rng: the item's generator.
        probability: of being chosen.

    Returns:
        L ids with some hidden, and L labels: the token that stood at a chosen place, `IGNORED` elsewhere. A text of
        special tokens alone stays as it is.
    """
    row = ids.numpy()
    places = np.flatnonzero(tokens.maskable[row])
    chosen = places[rng.random(len(places)) < probability]
    fates = rng.random(len(chosen))
    others = _any_token(len(chosen), tokens, rng)
    masked, labels = row.copy(), np.full_like(row, IGNORED)
    if len(chosen):
        masked[chosen] = np.where(fates < 0.8, tokens.mask, np.where(fates < 0.9, others, row[chosen]))
    elif len(places):
        chosen = places[:1]
        masked[chosen] = tokens.mask
    labels[chosen] = row[chosen]
    return torch.from_numpy(masked), torch.from_numpy(labels)


def _any_token(count: int, tokens: SpecialTokens, rng: np.random.Generator) -> np.ndarray:
    """`count` ids, each one that is not special equally likely."""
    drawn = rng.integers(tokens.vocabulary - len(tokens.untouched), size=count)
    for token in tokens.untouched:
        drawn += drawn >= token
    return drawn
