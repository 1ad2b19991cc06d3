"""Classifying persons, IRRA's ID loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from ..batch import Batch
from ..distributed import global_mean
from ..features import Features
from .objective import Objective, Sizes
from .similarity import full


class Identity(Objective):
    """Cross entropy of one linear classifier of persons, shared by both modalities, and halved.

    Instance loss (Zheng et al., TOMM 2020, arXiv 1711.05535) as IRRA has it: on vectors before they are normalised,
    weights drawn from N(0, 0.001²), biases zero. Hard negatives describe nobody and are left out.
    """

    over: ClassVar[Literal["global", "local"]] = "local"

    def __init__(self, sizes: Sizes) -> None:
        super().__init__(sizes)
        self.classifier = nn.Linear(sizes.dim, sizes.identities)
        nn.init.normal_(self.classifier.weight, std=0.001)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, batch: Batch, features: Features, teacher: Features | None = None) -> Mapping[str, torch.Tensor]:
        """`id`. Raises ValueError where images and captions are no pairs."""
        images, captions = features.image.raw, features.text.raw[: len(batch.pids)]
        if not len(images) == len(captions) == len(batch.pids):
            raise ValueError(f"{len(images)} images, {len(captions)} captions, {len(batch.pids)} identity labels")
        vectors = full(torch.cat([images, captions]))
        with torch.autocast(vectors.device.type, enabled=False):
            logits = self.classifier(vectors)
        return {"id": global_mean(cross_entropy(logits, batch.pids.repeat(2), reduction="none"))}
