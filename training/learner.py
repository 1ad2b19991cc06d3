"""What a step trains: the backbone and all that the objectives learn, as one module from a batch to losses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import nn

from .batch import Batch
from .distributed import gather_counts, gather_rows, processes, rank
from .features import Encoded, Features
from .models.backbone import Backbone
from .objectives.objective import Need, Objective, Sizes
from .objectives.registry import make_objective
from .recipe import ObjectiveConfig


class Learner(nn.Module):
    """One module, so that one wrapper of DistributedDataParallel sees every gradient."""

    def __init__(self, backbone: Backbone, objectives: tuple[ObjectiveConfig, ...], *, identities: int) -> None:
        """`identities` are those of the training set.

        Raises:
            UserError: an objective or an option there is not, or one that needs tokens of a tower without.
        """
        super().__init__()
        self.backbone = backbone
        sizes = Sizes(dim=backbone.dim, vocabulary=backbone.vocabulary, identities=identities)
        self.objectives = nn.ModuleDict({one.name: make_objective(one.name, sizes, one.options) for one in objectives})
        self.weights: Mapping[str, float] = {one.name: one.weight for one in objectives}
        # Where no objective reads it it gets no gradient, and DistributedDataParallel wants one of each parameter.
        learnt = backbone.config.learn_logit_scale and "logit_scale" in self.needs
        backbone.model.logit_scale.requires_grad_(learnt)
        if "image_tokens" in self.needs:
            backbone.check_tokens()

    @property
    def needs(self) -> frozenset[Need]:
        """What the objectives need between them."""
        return frozenset[Need]().union(*(one.needs for one in self._objectives().values()))

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Losses by objective, each a scalar, unweighted; over the batch of all processes.

        `batch` is this process's, its images still bytes.
        """
        objectives = self._objectives()
        features = self._encoded(batch)
        whole = (batch, features)
        if processes() > 1 and any(one.over == "global" for one in objectives.values()):
            whole = _gathered(batch, features)
        losses: dict[str, torch.Tensor] = {}
        for name, objective in objectives.items():
            told = objective(*(whole if objective.over == "global" else (batch, features)))
            losses[name] = sum(told.values(), torch.zeros((), device=batch.pids.device))
        return losses

    def total(self, losses: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """What is minimised: the weighted sum."""
        return torch.stack([self.weights[name] * loss for name, loss in losses.items()]).sum()

    def shortened(self, batch: Batch) -> Batch:
        """The batch without the places at the end that the text tower need not read; of a batch on the CPU."""
        length = self.backbone.length_of(batch.texts)
        if batch.masked_texts is None or batch.masked_labels is None:
            return replace(batch, texts=batch.texts[:, :length].contiguous())
        return replace(
            batch,
            texts=batch.texts[:, :length].contiguous(),
            masked_texts=batch.masked_texts[:, :length].contiguous(),
            masked_labels=batch.masked_labels[:, :length].contiguous(),
        )

    def _encoded(self, batch: Batch) -> Features:
        needs, backbone = self.needs, self.backbone
        masked = None
        if "masked_text" in needs:
            if batch.masked_texts is None:
                raise ValueError("the batch has no masked captions")
            masked = backbone.encode_text(batch.masked_texts, tokens=True)
        return Features(
            image=backbone.encode_image(backbone.normalise(batch.images), tokens="image_tokens" in needs),
            text=backbone.encode_text(batch.texts, tokens="text_tokens" in needs),
            logit_scale=backbone.logit_scale,
            masked_text=masked,
        )

    def _objectives(self) -> dict[str, Objective]:
        return {name: one for name, one in self.objectives.items() if isinstance(one, Objective)}


def _gathered(batch: Batch, features: Features) -> tuple[Batch, Features]:
    """The batch of all processes, captions before negatives. Without tokens and masks: what needs those is local."""
    own = len(batch.images)
    counted = gather_counts(own, len(batch.texts) - own, device=batch.pids.device)
    captions, negatives = zip(*counted, strict=True)

    def images(rows: torch.Tensor) -> torch.Tensor:
        return gather_rows(rows, captions)

    def texts(rows: torch.Tensor) -> torch.Tensor:
        return torch.cat([gather_rows(rows[:own], captions), gather_rows(rows[own:], negatives)])

    def encoded(one: Encoded, *, of_texts: bool) -> Encoded:
        join = texts if of_texts else images
        return Encoded(join(one.vectors), join(one.raw))

    first = sum(captions[: rank()])
    whole = replace(
        batch,
        images=images(batch.images[:, :1, :1, :1]),  # only their number counts
        pids=images(batch.pids),
        image_ids=images(batch.image_ids),
        texts=texts(batch.texts[:, :1]),  # as long as each process has them; their number counts
        text_kinds=texts(batch.text_kinds),
        text_images=texts(batch.text_images + first),
        masked_texts=None,
        masked_labels=None,
    )
    image, text = encoded(features.image, of_texts=False), encoded(features.text, of_texts=True)
    return whole, Features(image, text, features.logit_scale)
