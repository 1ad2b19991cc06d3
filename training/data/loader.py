"""Samples put together to batches, by worker processes; and images and texts in order, for evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from ...schemas.errors import UserError
from ..batch import NEGATIVE, Batch
from .collection import CaptionedImage, Collection
from .dataset import Sample, Tokenize, TrainingSet
from .images import ImageStore
from .samplers import Batches

_T = TypeVar("_T")
_PREFETCH = 4
_LOOKED_AT = 256


def collate(samples: Sequence[Sample]) -> Batch:
    """The batch of some samples: their images and captions, then their neighbours', then all hard negatives."""
    # Which image of which sample a row is; behind its captions a sample's texts are its negatives.
    rows = [(sample, k) for k in (0, 1) for sample in samples if k < len(sample.pids)]
    row_of = {(id(sample), k): row for row, (sample, k) in enumerate(rows)}
    negatives = [(sample, n, of) for sample in samples for n, of in enumerate(sample.negative_of, len(sample.pids))]
    masked = [sample.masked[k] for sample, k in rows if sample.masked]
    return Batch(
        images=torch.stack([sample.images[k] for sample, k in rows]),
        pids=torch.tensor([sample.pids[k] for sample, k in rows]),
        image_ids=torch.tensor([sample.image_ids[k] for sample, k in rows]),
        texts=torch.stack([sample.texts[n] for sample, n in [*rows, *((one, n) for one, n, _ in negatives)]]),
        text_kinds=torch.tensor([sample.kinds[k] for sample, k in rows] + [NEGATIVE] * len(negatives)),
        text_images=torch.tensor([*range(len(rows)), *(row_of[id(sample), of] for sample, _, of in negatives)]),
        masked_texts=torch.stack([text for text, _ in masked]) if masked else None,
        masked_labels=torch.stack([label for _, label in masked]) if masked else None,
    )


class Loader(DataLoader[_T], Generic[_T]):
    """A DataLoader out of which a `UserError` of a worker comes as it was, not wrapped in the worker's traceback."""

    def __iter__(self) -> Iterator[_T]:  # type: ignore[override]
        for batch in super().__iter__():
            if isinstance(batch, UserError):
                try:
                    raise batch
                finally:
                    # Else the error holds this frame and the frame the error: the workers, collected as a cycle, are
                    # not told to end, and each is waited for 5 s.
                    del batch
            yield batch


def make_loader(training: TrainingSet, batches: Batches, *, workers: int = 0) -> Loader[Batch]:
    """The training batches, in the order of `batches`: call its `set_epoch`, then iterate; `len` is a whole epoch's.

    The workers stay from epoch to epoch. Memory is pinned where there is a CUDA device.
    """
    return _loader(training, workers, collate, batch_sampler=batches)


def image_batches(
    images: Sequence[CaptionedImage], store: ImageStore, batch_size: int, *, workers: int = 0
) -> Loader[torch.Tensor]:
    """The images in their order, B×3×H×W, uint8; the last batch may be smaller."""
    return _loader(_Images(images, store.load), workers, torch.stack, batch_size=batch_size)


def looked_through(
    images: Sequence[CaptionedImage], collection: Collection, *, whole: bool, workers: int = 0
) -> Loader[int]:
    """Read every image and keep none: how many, a batch at a time. Decoded where `whole`, else only opened.

    An image of 256×96 (12 kB) is opened in 0.04 ms and decoded in 0.3 ms, one of 800×300 (118 kB) in 0.06 and 1.1 ms,
    both on one core: a JPEG is read to its end at an eighth of its size too, for a sixth of the time.
    """
    store = ImageStore(collection, (8, 8))
    return _loader(_Images(images, store.load if whole else store.look), workers, len, batch_size=_LOOKED_AT)


def text_batches(texts: Sequence[str], tokenize: Tokenize, batch_size: int) -> Iterator[torch.Tensor]:
    """The texts in their order as T×L token ids; the last batch may be smaller."""
    for start in range(0, len(texts), batch_size):
        yield tokenize(list(texts[start : start + batch_size]))


class _Images(Dataset[Any]):
    def __init__(self, images: Sequence[CaptionedImage], read: Callable[[CaptionedImage], Any]) -> None:
        self._images, self._read = images, read

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Any:
        return self._read(self._images[index])


class _Guarded(Dataset[Any]):
    """Hands a UserError on as a value: DataLoader would make another error of it."""

    def __init__(self, dataset: Dataset[Any]) -> None:
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)  # type: ignore[arg-type]

    def __getitems__(self, places: list[Any]) -> list[Any] | UserError:
        try:
            return [self._dataset[place] for place in places]
        except UserError as error:
            return error


class _Collate:
    def __init__(self, collate: Any) -> None:
        self._collate = collate

    def __call__(self, samples: list[Any] | UserError) -> Any:
        return samples if isinstance(samples, UserError) else self._collate(samples)


def _loader(dataset: Dataset[Any], workers: int, collate: Any, **batching: Any) -> Loader[Any]:
    return Loader(
        _Guarded(dataset),
        num_workers=workers,
        collate_fn=_Collate(collate),
        pin_memory=torch.cuda.is_available(),
        persistent_workers=workers > 0,
        prefetch_factor=_PREFETCH if workers else None,
        # Its own, or every epoch would draw from the one that dropout draws from.
        generator=torch.Generator(),
        **batching,
    )
