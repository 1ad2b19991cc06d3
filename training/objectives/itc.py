"""InfoNCE over pairs, as CLIP is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch.nn.functional import cross_entropy

from ..batch import Batch
from ..features import Features
from .objective import Need, Objective, Sizes
from .similarity import pair_logits


class ITC(Objective):
    """Image-text contrastive loss (Radford et al., ICML 2021, fig. 3): ½(i2t + t2i) over the B×B captions.

    Hard negatives are left out; `NegCLIP` has them.

    Args:
        positives: which captions are an image's own. `pair`, as in CLIP, takes its own caption alone, so another
            caption of the same person in the batch is pushed away. `image` and `identity` share each row's target
            equally among all captions of the image, or of the person.
    """

    needs = frozenset[Need]({"logit_scale"})

    def __init__(self, sizes: Sizes, *, positives: Literal["pair", "image", "identity"] = "pair") -> None:
        super().__init__(sizes)
        self.positives = positives

    def forward(self, batch: Batch, features: Features, teacher: Features | None = None) -> Mapping[str, torch.Tensor]:
        """`itc`. Raises ValueError where images and captions are no pairs."""
        logits = pair_logits(batch, features, negatives=False)
        targets = self._targets(batch, logits)
        return {"itc": (cross_entropy(logits, targets) + cross_entropy(logits.T, targets)) / 2}

    def _targets(self, batch: Batch, logits: torch.Tensor) -> torch.Tensor:
        """The column of each row's positive, or B×B probabilities: symmetric labels, so the same both ways."""
        if self.positives == "pair":
            return torch.arange(len(logits), device=logits.device)
        groups = batch.image_ids if self.positives == "image" else batch.pids
        same = (groups[:, None] == groups).to(logits.dtype)
        return same / same.sum(dim=1, keepdim=True)
