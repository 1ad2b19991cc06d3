"""Guessing masked words from the image, IRRA's implicit relation reasoning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from pydantic import PositiveInt
from torch import nn
from torch.nn.functional import cross_entropy

from ..batch import IGNORED, Batch
from ..distributed import global_mean
from ..features import Features
from ..models.cross_encoder import CrossEncoder, QuickGELU, out_std
from .objective import Need, Objective, Sizes
from .similarity import full


class MLM(Objective):
    """Masked language modelling over a cross encoder (Jiang & Ye, CVPR 2023, §3.2).

    The mean cross entropy over the masked tokens of all processes; zero where none is masked. The head runs on masked
    places alone: at most some 15 % of a caption's tokens, each with 49,408 logits, and the loss is the same.

    Args:
        depth: transformer layers of the cross encoder.
    """

    needs = frozenset[Need]({"image_tokens", "masked_text"})
    over: ClassVar[Literal["global", "local"]] = "local"

    def __init__(self, sizes: Sizes, *, depth: PositiveInt = 4) -> None:
        super().__init__(sizes)
        dim = sizes.dim
        self.cross_encoder = CrossEncoder(dim, depth)
        dense, words = nn.Linear(dim, dim), nn.Linear(dim, sizes.vocabulary)
        nn.init.normal_(dense.weight, std=(2 * dim) ** -0.5)
        nn.init.normal_(words.weight, std=out_std(dim, depth))
        self.head = nn.Sequential(dense, QuickGELU(), nn.LayerNorm(dim), words)

    def forward(self, batch: Batch, features: Features, teacher: Features | None = None) -> Mapping[str, torch.Tensor]:
        """`mlm`. Raises ValueError where masked captions, their labels or tokens, or the image's tokens are missing."""
        text, image, labels = features.masked_text, features.image.tokens, batch.masked_labels
        if text is None or text.tokens is None or labels is None:
            raise ValueError("masked captions are missing: their labels in the batch, or their tokens in the features")
        if image is None:
            raise ValueError("the images' tokens are missing from the features")
        if text.tokens.shape[:2] != labels.shape or len(image) != len(labels):
            raise ValueError(
                f"labels of {len(labels)}×{labels.shape[1]} tokens, but {text.tokens.shape[0]}×{text.tokens.shape[1]} "
                f"tokens of masked captions and {len(image)} images"
            )
        tokens = self.cross_encoder(full(text.tokens), full(image), text.mask)
        masked = labels != IGNORED
        losses = cross_entropy(full(self.head(tokens[masked])), labels[masked], reduction="none")
        return {"mlm": global_mean(losses)}
