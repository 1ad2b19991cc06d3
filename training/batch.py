"""What a training step is given: images, texts, and which belongs to which."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

HUMAN, REWRITE, NEGATIVE = 0, 1, 2
"""Kinds of a text row. A negative is true of no image."""

IGNORED = -100
"""Label of a token that was not masked, as PyTorch's cross entropy ignores it."""


@dataclass(frozen=True)
class Batch:
    """B images and T >= B texts. Text i < B is the caption of image i; the rows behind are hard negatives."""

    images: torch.Tensor
    """B×3×H×W: uint8 from the loader, normalised floats once `Backbone.normalise` has had them."""
    pids: torch.Tensor
    """B: the identities' labels, 0 … P-1 over the training set."""
    image_ids: torch.Tensor
    """B: the images' numbers in the training set; equal for two captions of one image."""
    texts: torch.Tensor
    """T×L token ids."""
    text_kinds: torch.Tensor
    """T: `HUMAN`, `REWRITE` or `NEGATIVE`."""
    text_images: torch.Tensor
    """T: the row of the image a text was made for: i for captions, and for a negative the image it is false of."""
    masked_texts: torch.Tensor | None = None
    """B×L: the captions with some tokens masked; none where no objective needs them."""
    masked_labels: torch.Tensor | None = None
    """B×L: the token that stood at a masked place, `IGNORED` elsewhere."""

    def to(self, device: torch.device | str) -> Batch:
        """The batch on `device`, copied while the host goes on where its memory is pinned."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> Batch:
        """The batch in page-locked memory: the DataLoader calls this."""
        return self._each(lambda tensor: tensor.pin_memory())

    def _each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        changed: dict[str, Any] = {name: change(value) for name, value in told.items() if value is not None}
        return replace(self, **changed)
