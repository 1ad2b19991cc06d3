"""How long the texts are for CLIP, which reads no more than 77 tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..language.clip_tokens import clip_token_counts

CONTEXT_TOKENS = 77
"""What CLIP reads of a text, both end marks included."""


@dataclass(frozen=True)
class Lengths:
    """Lengths of texts in CLIP tokens, with both end marks."""

    texts: int
    """Texts that were measured."""
    over_share: float
    """Share of them that CLIP cuts: longer than 77 tokens, 0 to 1."""
    mean_tokens: float
    """Mean length."""
    p95_tokens: int
    """95th percentile: the shortest length that 95 % of the texts do not exceed."""


def lengths(texts: Sequence[str]) -> Lengths | None:
    """The lengths of the texts; None without any.

    Raises:
        UserError: open_clip, whose vocabulary file is used, is not installed.
    """
    if not texts:
        return None
    counts = np.array(clip_token_counts(texts))
    return Lengths(
        texts=len(counts),
        over_share=float(np.mean(counts > CONTEXT_TOKENS)),
        mean_tokens=float(counts.mean()),
        p95_tokens=int(np.percentile(counts, 95, method="inverted_cdf")),
    )
