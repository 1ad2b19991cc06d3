"""What a backbone makes of a batch: the vectors and tokens that every objective works on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Encoded:
    """One modality, encoded."""

    vectors: torch.Tensor
    """B×D, of unit length."""
    raw: torch.Tensor
    """B×D: the vectors before they were normalised, which a classifier of identities works on."""
    tokens: torch.Tensor | None = None
    """B×N×D in the shared space, not normalised; none where nobody asked for them."""
    mask: torch.Tensor | None = None
    """B×N: True where a token is no padding; none where all are real."""


@dataclass(frozen=True)
class Features:
    """A batch, encoded. T may exceed B: hard negatives are further text rows."""

    image: Encoded
    """B images."""
    text: Encoded
    """T texts, captions first."""
    logit_scale: torch.Tensor
    """Scalar: what cosines are multiplied by (1/τ), already exponentiated."""
    masked_text: Encoded | None = None
    """The B captions with some tokens masked, encoded; tokens given. None where no objective needs them."""
