"""The training set: an item is a human caption of a training image, shown in an epoch as the mixture draws it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset

from .augment import ImageAugmentation, augment
from .collection import CaptionedImage, CaptionGroup, Collection, identity_labels
from .draws import generator
from .images import ImageStore
from .masking import SpecialTokens, mask_tokens
from .mixture import MixtureConfig, check_mixture, draw_negatives, show_text

Tokenize = Callable[[list[str]], torch.Tensor]
"""From T texts to T×L int64 token ids, padded; a picklable function."""

Place = tuple[int, int]
"""An epoch, counted from 0, and the number of an item."""


@dataclass(frozen=True, slots=True)
class Sample:
    """An item in an epoch: K images (1, or 2 with a neighbour), a caption of each, and n hard negatives."""

    images: torch.Tensor
    """K×3×H×W, uint8."""
    pids: tuple[int, ...]
    """K labels, 0 … P-1."""
    image_ids: tuple[int, ...]
    """K numbers of images in the training set."""
    texts: torch.Tensor
    """(K+n)×L token ids, captions first."""
    kinds: tuple[int, ...]
    """K kinds of the captions: `HUMAN` or `REWRITE`."""
    negative_of: tuple[int, ...]
    """n: which of the K images a negative is false of."""
    masked: tuple[tuple[torch.Tensor, torch.Tensor], ...] = ()
    """K captions with some tokens masked, L ids each, and what stood there, `IGNORED` elsewhere; empty without
    masking."""


class TrainingSet(Dataset[Sample]):
    """Every human caption of a collection once an epoch, whatever the mixture: all recipes take as many steps.

    What an item is in an epoch depends on the seed, the epoch and its number alone.
    """

    def __init__(
        self,
        collection: Collection,
        images: ImageStore,
        tokenize: Tokenize,
        *,
        seed: int,
        mixture: MixtureConfig | None = None,
        augmentation: ImageAugmentation | None = None,
        masking: SpecialTokens | None = None,
    ) -> None:
        """Without `augmentation` images stay as they are, without `masking` no tokens are masked.

        Raises:
            UserError: the collection has nothing of what the mixture asks for.
            ValueError: it holds images of another split than train.
        """
        if any(image.split != "train" for image in collection.images):
            raise ValueError("only images of the train split are trained on")
        self._mixture = mixture or MixtureConfig()
        check_mixture(collection, self._mixture)
        self._collection, self._images, self._tokenize, self._seed = collection.images, images, tokenize, seed
        self._augmentation, self._masking = augmentation, masking
        self._items = [(n, k) for n, image in enumerate(collection.images) for k in range(len(image.captions))]
        self._labels = identity_labels(collection.images)
        self._numbers = {image.image_id: n for n, image in enumerate(collection.images)}

    @property
    def item_labels(self) -> list[int]:
        """The identity's label of every item."""
        return [self._labels[self._collection[n].identity] for n, _ in self._items]

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, place: Place) -> Sample:
        """The item as it is in its epoch. Raises UserError for an image that cannot be read."""
        epoch, index = place
        number, k = self._items[index]
        image = self._collection[number]
        rng = generator("text", self._seed, epoch, index)
        shown: list[tuple[CaptionedImage, CaptionGroup]] = [(image, image.captions[k])]
        neighbour = self._neighbour(image, rng)
        if neighbour is not None:
            shown.append((neighbour, neighbour.captions[rng.integers(len(neighbour.captions))]))
        captions = [show_text(group, self._mixture, epoch, rng) for _, group in shown]
        negatives = [draw_negatives(text, self._mixture, rng) for text, _ in captions]
        texts = self._tokenize([text.text for text, _ in captions] + [one for some in negatives for one in some])
        return Sample(
            images=self._loaded([one for one, _ in shown], epoch, index),
            pids=tuple(self._labels[one.identity] for one, _ in shown),
            image_ids=tuple(self._numbers[one.image_id] for one, _ in shown),
            texts=texts,
            kinds=tuple(kind for _, kind in captions),
            negative_of=tuple(of for of, some in enumerate(negatives) for _ in some),
            masked=self._masked(texts[: len(shown)], epoch, index),
        )

    def _neighbour(self, image: CaptionedImage, rng: np.random.Generator) -> CaptionedImage | None:
        """One of its neighbours among the training images; none where it has none there."""
        here = (
            [n for n in map(self._numbers.get, image.neighbours) if n is not None] if self._mixture.neighbours else []
        )
        return self._collection[here[rng.integers(len(here))]] if here else None

    def _loaded(self, images: list[CaptionedImage], epoch: int, index: int) -> torch.Tensor:
        pixels = [self._images.load(image) for image in images]
        if self._augmentation is not None:
            rng = generator("image", self._seed, epoch, index)
            pixels = [augment(one, self._augmentation, rng) for one in pixels]
        return torch.stack(pixels)

    def _masked(self, captions: torch.Tensor, epoch: int, index: int) -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
        if self._masking is None:
            return ()
        rng = generator("mask", self._seed, epoch, index)
        return tuple(mask_tokens(row, self._masking, rng) for row in captions)
