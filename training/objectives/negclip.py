"""InfoNCE with hard negatives, as NegCLIP is trained."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch.nn.functional import cross_entropy

from ..batch import Batch
from ..features import Features
from .objective import Need, Objective
from .similarity import pair_logits


class NegCLIP(Objective):
    """NegCLIP's loss (Yuksekgonul et al., ICLR 2023, §4): ½(i2t over all T texts + t2i over the B captions).

    A hard negative is one more wrong answer for every image. It is never a query: no image is right for it. A batch
    that happens to have none gives plain `ITC`.
    """

    needs = frozenset[Need]({"logit_scale", "negatives"})

    def forward(self, batch: Batch, features: Features, teacher: Features | None = None) -> Mapping[str, torch.Tensor]:
        """`negclip`. Raises ValueError where images and captions are no pairs."""
        logits = pair_logits(batch, features, negatives=True)
        pairs = torch.arange(len(logits), device=logits.device)
        i2t, t2i = cross_entropy(logits, pairs), cross_entropy(logits[:, : len(logits)].T, pairs)
        return {"negclip": (i2t + t2i) / 2}
