"""Batches and features made up for tests of objectives."""

from collections.abc import Sequence

import torch
from torch.nn.functional import normalize

from tbpr_data.training.batch import HUMAN, NEGATIVE, Batch
from tbpr_data.training.features import Encoded, Features


def encoded(raw: torch.Tensor, tokens: torch.Tensor | None = None) -> Encoded:
    return Encoded(normalize(raw, dim=-1), raw, tokens)


def features_of(images: torch.Tensor, texts: torch.Tensor, scale: float | torch.Tensor) -> Features:
    """Features of vectors not yet normalised."""
    return Features(encoded(images), encoded(texts), torch.as_tensor(scale, dtype=images.dtype))


def batch_of(pids: Sequence[int] | torch.Tensor, *, negatives: int = 0, image_ids: Sequence[int] = ()) -> Batch:
    """A batch of so many images and captions as there are pids, then negatives; pictures and token ids left blank."""
    rows = len(pids)
    return Batch(
        images=torch.zeros(rows, 3, 1, 1),
        pids=torch.as_tensor(pids),
        image_ids=torch.tensor(image_ids or range(rows)),
        texts=torch.zeros(rows + negatives, 1, dtype=torch.long),
        text_kinds=torch.tensor([HUMAN] * rows + [NEGATIVE] * negatives),
        text_images=torch.tensor([*range(rows), *(n % rows for n in range(negatives))]),
    )
