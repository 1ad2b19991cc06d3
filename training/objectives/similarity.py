"""The scaled cosines that contrastive losses work on, in full precision."""

from __future__ import annotations

import torch

from ..batch import Batch
from ..features import Features


def full(values: torch.Tensor) -> torch.Tensor:
    """Half-precision values as float32; others as they are."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def pair_logits(batch: Batch, features: Features, *, negatives: bool) -> torch.Tensor:
    """Images × texts: cosines times the logit scale, float32 or float64 also under autocast.

    B×T with the hard negatives as further columns, B×B without. No row is a text: `logits[:, :B].T` gives those of the
    captions, and a negative has no image that it could be a query for.

    Raises ValueError where image i and text i < B cannot be a pair.
    """
    images, texts = full(features.image.vectors), full(features.text.vectors)
    rows = len(images)
    if not rows == len(batch.pids) <= len(texts):
        raise ValueError(
            f"{rows} images, {len(batch.pids)} identity labels, {len(texts)} texts: "
            "each image needs one label and a caption of its own"
        )
    with torch.autocast(images.device.type, enabled=False):
        return full(features.logit_scale) * images @ (texts if negatives else texts[:rows]).T
