"""What every loss is: a module from (batch, features) to named scalars."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import nn

from ..batch import Batch
from ..features import Features

Need = Literal["image_tokens", "logit_scale", "masked_text", "negatives", "text_tokens"]
"""What an objective can ask for beyond images, captions and their vectors. The logit scale is there for all, and learnt
only where an objective asks for it."""


@dataclass(frozen=True)
class Sizes:
    """What an objective that learns something must know of the model and the data."""

    dim: int
    """Width of the shared space."""
    vocabulary: int
    """Token ids the text tower knows."""
    identities: int
    """Identities of the training set."""


class Objective(nn.Module):
    """A loss. What it learns is its own parameters: saved with the checkpoint, dropped at inference.

    Subclasses take `Sizes` and keyword options with defaults, the recipe's.
    """

    needs: frozenset[Need] = frozenset()
    """Made only where some objective asks; an option may make an instance ask for more than its class."""
    over: ClassVar[Literal["global", "local"]] = "global"
    """`global`: over the batch of all processes, gathered for it. `local`: a mean over this process's own rows or
    tokens, which `global_mean` weighs as one over all."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, batch: Batch, features: Features, teacher: Features | None = None) -> Mapping[str, torch.Tensor]:
        """Losses by name, each a scalar, unweighted; `teacher` is another model's features of the same batch.

        Raises ValueError where the batch lacks what `needs` says.
        """
        raise NotImplementedError
