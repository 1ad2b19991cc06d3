"""Which texts an item shows in an epoch: the human caption or a rewrite, how many negatives, a neighbour or none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ...schemas.errors import UserError
from ...schemas.rows import NegativeKind
from ..batch import HUMAN, REWRITE
from .collection import CaptionGroup, Collection, NegativeText, Text

_SHORTEST_WORDS = 2


class MixtureConfig(BaseModel):
    """What of a dataset's texts is trained on; the default is the human captions alone."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    rewrites: Literal["none", "uniform", "probability"] = "none"
    """`none`: the human caption. `uniform`: any of it and its rewrites (LaCLIP, Fan et al., NeurIPS 2023).
    `probability`: a rewrite with `probability`."""
    probability: float = Field(default=0.5, ge=0, le=1)
    """That a rewrite is shown, in the first epoch; for `probability` only."""
    decay: float = Field(default=0.0, ge=0)
    """In epoch e, from 0, the probability is multiplied by max(`floor`, 1 - `decay`·e): ICL's schedule with 0.03 and
    0.1, which it has for the weight of a loss; for `probability` only."""
    floor: float = Field(default=0.0, ge=0, le=1)
    """What the factor does not fall below; for `probability` only."""
    styles: dict[str, float] = {}
    """Weights of the rewrites' styles; a style not named has weight 1, as the human caption has."""
    negatives: int = Field(default=0, ge=0)
    """Hard negatives that go with the text shown; fewer where it has fewer."""
    negative_kinds: tuple[NegativeKind, ...] | None = None
    """Only these kinds."""
    neighbours: bool = False
    """Every image brings a similar image of another identity, with a caption and negatives of its own (NegCLIP,
    Yuksekgonul et al., ICLR 2023)."""

    @model_validator(mode="after")
    def _nothing_idle(self) -> MixtureConfig:
        # By value, not by whether it was given: a run writes its recipe with every key.
        fields = type(self).model_fields
        idle = {name for name in ("probability", "decay", "floor") if getattr(self, name) != fields[name].default}
        if idle and self.rewrites != "probability":
            raise ValueError(f"{', '.join(sorted(idle))}: only with rewrites = 'probability'")
        if self.styles and self.rewrites == "none":
            raise ValueError("styles: only with rewrites")
        if any(not 0 <= weight < float("inf") for weight in self.styles.values()):
            raise ValueError("styles: a weight is 0 or more")
        if self.negative_kinds is not None and not (self.negatives and self.negative_kinds):
            raise ValueError("negative_kinds: name at least one, and set negatives to 1 or more")
        return self

    def rewrite_probability(self, epoch: int) -> float:
        """Of a rewrite in `epoch`, counted from 0, where `rewrites` is `probability`."""
        return self.probability * max(self.floor, 1.0 - self.decay * epoch)


def show_text(group: CaptionGroup, config: MixtureConfig, epoch: int, rng: np.random.Generator) -> tuple[Text, int]:
    """The text that stands for a caption in `epoch`, and its kind (`HUMAN` or `REWRITE`).

    It is the human caption where there is no rewrite of a weight above 0, and in place of a rewrite of one word.
    """
    rewrites = group.rewrites
    if config.rewrites == "none" or not rewrites:
        return group.human, HUMAN
    weights = [config.styles.get(text.style or "", 1.0) for text in rewrites]
    total = sum(weights)
    uniform = config.rewrites == "uniform"
    probability = total / (1.0 + total) if uniform else config.rewrite_probability(epoch)
    if total == 0 or rng.random() >= probability:
        return group.human, HUMAN
    text = rewrites[rng.choice(len(rewrites), p=np.array(weights) / total)]
    return (group.human, HUMAN) if len(text.text.split()) < _SHORTEST_WORDS else (text, REWRITE)


def draw_negatives(text: Text, config: MixtureConfig, rng: np.random.Generator) -> list[str]:
    """`config.negatives` different ones of `text`: each time a kind, then one of it, so that the kinds are alike."""
    by_kind: dict[str, list[str]] = {}
    for negative in text.negatives if config.negatives else ():
        if _wanted(negative, config):
            by_kind.setdefault(negative.kind, []).append(negative.text)
    drawn: list[str] = []
    while by_kind and len(drawn) < config.negatives:
        kind = list(by_kind)[rng.integers(len(by_kind))]
        left = by_kind[kind]
        drawn.append(left.pop(rng.integers(len(left))))
        if not left:
            del by_kind[kind]
    return drawn


def check_mixture(collection: Collection, config: MixtureConfig) -> None:
    """Raises UserError where the collection has nothing of what the mixture asks for: it would train without a word."""
    groups = [group for image in collection.images for group in image.captions]
    rewrites = [text for group in groups for text in group.rewrites]

    def refuse(what: str, mend: str) -> None:
        raise UserError(what, where=collection.path, mend=mend)

    if config.rewrites != "none" and not rewrites:
        refuse("has no rewrites to train on", "make them with tbpr-data augment, or set rewrites = 'none'")
    unknown = sorted(set(config.styles) - {text.style for text in rewrites if text.style})
    if unknown:
        there = ", ".join(sorted({text.style for text in rewrites if text.style})) or "none"
        refuse(f"has no rewrites of style {', '.join(unknown)}", f"there is {there}")
    shown: Sequence[Text] = [*(group.human for group in groups), *(rewrites if config.rewrites != "none" else ())]
    if config.negatives and not any(_wanted(one, config) for text in shown for one in text.negatives):
        kinds = f" of kind {', '.join(config.negative_kinds)}" if config.negative_kinds else ""
        refuse(f"has no hard negatives{kinds}", "make them with tbpr-data negatives, or set negatives = 0")
    if config.neighbours:
        there_ids = {image.image_id for image in collection.images}
        if not any(there_ids.intersection(image.neighbours) for image in collection.images):
            refuse("names no neighbours of its images", "make it with negatives.embed or negatives.features set")


def _wanted(negative: NegativeText, config: MixtureConfig) -> bool:
    return config.negative_kinds is None or negative.kind in config.negative_kinds
