"""Similarity distribution matching, IRRA's contrastive loss."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch.nn.functional import log_softmax, pad

from ..batch import Batch
from ..features import Features
from .objective import Need, Objective, Sizes
from .similarity import pair_logits

EPSILON = 1e-8
"""Added to the true distribution before its logarithm: what weight on a wrong pair costs is -log of it, 18.4."""


class SDM(Objective):
    """KL(p ‖ q) of matching distributions (Jiang & Ye, CVPR 2023, §3.3), i2t + t2i, summed and not halved.

    p is the softmax of a row of logits; q shares the row equally among the texts, or images, of the same person.

    Args:
        negatives: take hard negatives as further columns of i2t, right for nobody (q = 0). As in `NegCLIP` they are
            no rows of t2i.
    """

    needs = frozenset[Need]({"logit_scale"})

    def __init__(self, sizes: Sizes, *, negatives: bool = False) -> None:
        super().__init__(sizes)
        self.negatives = negatives
        if negatives:
            self.needs |= {"negatives"}

    def forward(self, batch: Batch, features: Features, teacher: Features | None = None) -> Mapping[str, torch.Tensor]:
        """`sdm`. Raises ValueError where images and captions are no pairs."""
        logits = pair_logits(batch, features, negatives=self.negatives)
        rows, columns = logits.shape
        same = pad((batch.pids[:, None] == batch.pids).to(logits.dtype), (0, columns - rows))
        return {"sdm": divergence(logits, same) + divergence(logits[:, :rows].T, same[:, :rows].T)}


def divergence(logits: torch.Tensor, same: torch.Tensor) -> torch.Tensor:
    """Mean over N rows of Σ_j p_ij (log p_ij - log(q_ij + ε)).

    Args:
        logits: N×M.
        same: N×M, 1 where row and column match, 0 elsewhere; at least one 1 a row.
    """
    wanted = same / same.sum(dim=1, keepdim=True)
    given = log_softmax(logits, dim=1)
    return (given.exp() * (given - torch.log(wanted + EPSILON))).sum(dim=1).mean()
