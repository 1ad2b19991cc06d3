"""IRRA's image augmentations, on uint8, drawn from the item's own generator."""

from __future__ import annotations

import math

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch.nn.functional import pad as add_border

MEAN_COLOUR = (123, 117, 104)
"""CLIP's mean colour of 0 … 255; ImageNet's differs by one."""

_FILL = torch.tensor(MEAN_COLOUR, dtype=torch.uint8)[:, None, None]
_AREA = (0.02, 0.4)
_LOG_RATIO = (math.log(0.3), math.log(3.3))
_ATTEMPTS = 10


class ImageAugmentation(BaseModel):
    """How training images are varied; the defaults are IRRA's (Jiang and Ye, CVPR 2023, its `--img_aug`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    flip: float = Field(default=0.5, ge=0, le=1)
    """Probability of a horizontal flip; 0 is none."""
    pad: int = Field(default=10, ge=0)
    """Black pixels added to each side before the image's own size is cut out at random; 0 is none."""
    erase: float = Field(default=0.5, ge=0, le=1)
    """Probability that a rectangle of 2 to 40 % of the area is erased; 0 is none."""


def augment(image: torch.Tensor, config: ImageAugmentation, rng: np.random.Generator) -> torch.Tensor:
    """A varied copy of `image` (3×H×W, uint8): flipped, shifted, a rectangle erased."""
    if rng.random() < config.flip:
        image = image.flip(2)
    if config.pad:
        image = _shifted(image, config.pad, rng)
    if rng.random() < config.erase:
        image = _erased(image, rng)
    return image


def _shifted(image: torch.Tensor, pad: int, rng: np.random.Generator) -> torch.Tensor:
    _, height, width = image.shape
    top, left = rng.integers(0, 2 * pad + 1, size=2).tolist()
    return add_border(image, (pad, pad, pad, pad))[:, top : top + height, left : left + width]


def _erased(image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Random erasing (Zhong et al., AAAI 2020) as torchvision draws it.

    IRRA erases after normalising, with CLIP's mean as the value: a colour a little brighter than the mean colour.
    Here it is the mean colour itself, which is what was meant.
    """
    _, height, width = image.shape
    for _ in range(_ATTEMPTS):
        area = height * width * rng.uniform(*_AREA)
        ratio = math.exp(rng.uniform(*_LOG_RATIO))
        tall, wide = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if tall < height and wide < width:
            top, left = int(rng.integers(height - tall + 1)), int(rng.integers(width - wide + 1))
            image = image.clone()
            image[:, top : top + tall, left : left + wide] = _FILL
            break
    return image
