"""What a backbone is worth on a collection: retrieval both ways, and telling captions from their hard negatives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch

from .composition import Composition, Share, composition, precision_at_1
from .data.collection import CaptionedImage, Collection, gallery, identity_labels, queries
from .data.images import ImageStore
from .data.loader import image_batches, text_batches
from .distributed import gather_rows, processes, rank
from .metrics import RetrievalMetrics, retrieval_metrics
from .models.backbone import Backbone
from .orders import ARO_OPTIONS, aro_options

Advance = Callable[[int], None]
"""Called with how many more rows are encoded."""


@dataclass(frozen=True)
class Encoding:
    """How to encode."""

    device: torch.device
    """Where."""
    batch_size: int = 256
    """Rows at once."""
    workers: int = 0
    """Processes that decode images."""
    autocast: torch.dtype | None = None
    """Precision of the towers; float32 where none."""


@dataclass(frozen=True)
class Vectors:
    """A collection, encoded: what every measurement is taken from."""

    images: torch.Tensor
    """G×D, float32, on the CPU: each image once."""
    texts: torch.Tensor
    """Q×D: the human captions."""
    image_pids: torch.Tensor
    """G labels."""
    text_pids: torch.Tensor
    """Q labels."""
    text_images: torch.Tensor
    """Q: the image a caption was written of."""

    def turned_round(self) -> Vectors:
        """Captions as what is searched, images as what is searched with."""
        return Vectors(self.texts, self.images, self.text_pids, self.image_pids, self.text_images)


@dataclass(frozen=True)
class Evaluation:
    """The figures of one split."""

    split: str
    """Which."""
    images: int
    """Of the gallery."""
    captions: int
    """Human captions."""
    identities: int
    """Whom they show."""
    text_to_image: RetrievalMetrics
    """Captions search images: the field's protocol."""
    image_to_text: RetrievalMetrics
    """Images search captions."""
    composition: Composition | None
    """Captions against their hard negatives; none where there are none."""
    orders: Share | None = None
    """Captions against ARO's four other orders of their words (precision at 1); none where it was not asked for."""

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def encode_collection(
    backbone: Backbone, collection: Collection, encoding: Encoding, advance: Advance = lambda _: None
) -> Vectors:
    """Every image and human caption of a collection. With several processes each encodes its part; all have the whole.

    Raises UserError for an image that cannot be read.
    """
    images, searched = gallery(collection), queries(collection)
    labels = identity_labels(images)
    pids = torch.tensor([labels[image.identity] for image in images])
    text_images = torch.tensor([query.image for query in searched])
    return Vectors(
        images=encode_images(backbone, images, collection, encoding, advance),
        texts=encode_texts(backbone, [query.text.text for query in searched], encoding, advance),
        image_pids=pids,
        text_pids=pids[text_images],
        text_images=text_images,
    )


def encode_images(
    backbone: Backbone,
    images: Sequence[CaptionedImage],
    collection: Collection,
    encoding: Encoding,
    advance: Advance = lambda _: None,
) -> torch.Tensor:
    """N×D float32 vectors of unit length, on the CPU, in order."""
    store = ImageStore(collection, backbone.image_size)
    own = images[_part(len(images))]
    parts = []
    for pixels in image_batches(own, store, encoding.batch_size, workers=encoding.workers) if own else ():
        with _quietly(backbone, encoding):
            normal = backbone.normalise(pixels.to(encoding.device, non_blocking=True))
            parts.append(backbone.encode_image(normal).vectors.float())
        advance(len(pixels))
    return _joined(parts, backbone.dim, encoding.device)


def encode_texts(
    backbone: Backbone, texts: Sequence[str], encoding: Encoding, advance: Advance = lambda _: None
) -> torch.Tensor:
    """T×D float32 vectors of unit length, on the CPU, in order."""
    own = texts[_part(len(texts))]
    parts = []
    for ids in text_batches(own, backbone.tokenize, encoding.batch_size):
        ids = ids[:, : backbone.length_of(ids)].contiguous()
        with _quietly(backbone, encoding):
            parts.append(backbone.encode_text(ids.to(encoding.device)).vectors.float())
        advance(len(ids))
    return _joined(parts, backbone.dim, encoding.device)


def evaluate(
    backbone: Backbone,
    collection: Collection,
    encoding: Encoding,
    *,
    split: str,
    orders_seed: int | None = None,
    advance: Advance = lambda _: None,
) -> tuple[Evaluation, Vectors]:
    """Measure a collection of one split. The backbone is left in the mode it was in.

    Args:
        backbone: what is measured, on the encoding's device.
        collection: images of one split.
        encoding: how to encode.
        split: its name.
        orders_seed: for ARO's order tests; they take spaCy and four more texts a caption, and are left out if None.
        advance: told of progress.

    Raises:
        UserError: an image cannot be read.
        ValueError: the vectors are not finite.
    """
    vectors = encode_collection(backbone, collection, encoding, advance)
    evaluation = Evaluation(
        split=split,
        images=len(vectors.images),
        captions=len(vectors.texts),
        identities=len(set(vectors.image_pids.tolist())),
        text_to_image=search(vectors, encoding.device),
        image_to_text=search(vectors.turned_round(), encoding.device),
        composition=_composition(backbone, collection, vectors, encoding, advance),
        orders=None if orders_seed is None else _orders(backbone, collection, vectors, encoding, orders_seed, advance),
    )
    return evaluation, vectors


def search(vectors: Vectors, device: torch.device) -> RetrievalMetrics:
    """Captions search images, on `device`: what a checkpoint is chosen by."""
    where = None if device.type == "mps" else device  # it has no float64
    return retrieval_metrics(vectors.texts, vectors.images, vectors.text_pids, vectors.image_pids, device=where)


def rows_to_encode(collection: Collection, *, orders: bool = False) -> int:
    """Images, captions, negatives and, at most, other orders that `evaluate` will encode."""
    captions = [group.human for image in collection.images for group in image.captions]
    reordered = (1 + len(ARO_OPTIONS)) * len(captions) if orders else 0
    return len(collection.images) + len(captions) + sum(len(text.negatives) for text in captions) + reordered


def _composition(
    backbone: Backbone, collection: Collection, vectors: Vectors, encoding: Encoding, advance: Advance
) -> Composition | None:
    pairs = [
        (number, negative) for number, query in enumerate(queries(collection)) for negative in query.text.negatives
    ]
    if not pairs:
        return None
    negatives = encode_texts(backbone, [negative.text for _, negative in pairs], encoding, advance)
    captions = torch.tensor([number for number, _ in pairs])
    return composition(
        vectors.images[vectors.text_images[captions]],
        vectors.texts[captions],
        negatives,
        kinds=[negative.kind for _, negative in pairs],
        rules=[negative.rule for _, negative in pairs],
        captions=captions.tolist(),
    )


def _orders(
    backbone: Backbone, collection: Collection, vectors: Vectors, encoding: Encoding, seed: int, advance: Advance
) -> Share:
    """ARO's order tests: the caption and its reorderings, all as ARO writes them, against the image."""
    shown = aro_options([query.text.text for query in queries(collection)], seed=seed)
    texts = list(dict.fromkeys(text for one in shown for text in one if text is not None))
    place = {text: number for number, text in enumerate(texts)}
    encoded = encode_texts(backbone, texts, encoding, advance)
    images = vectors.images[vectors.text_images]
    scores = torch.full((len(shown), 1 + len(ARO_OPTIONS)), torch.nan, dtype=torch.float64)
    for number, options in enumerate(shown):
        there = [k for k, text in enumerate(options) if text is not None]
        rows = encoded[[place[text] for text in options if text is not None]].double()
        scores[number, there] = rows @ images[number].double()
    return precision_at_1(scores[:, 0], scores[:, 1:])


def _part(count: int) -> slice:
    """This process's share: contiguous, so that the shares in the order of ranks are the whole."""
    return slice(count * rank() // processes(), count * (rank() + 1) // processes())


def _joined(parts: list[torch.Tensor], dim: int, device: torch.device) -> torch.Tensor:
    own = torch.cat(parts) if parts else torch.zeros(0, dim, device=device)
    return gather_rows(own).cpu()


@contextmanager
def _quietly(backbone: Backbone, encoding: Encoding) -> Iterator[None]:
    """Evaluation mode, without gradients, in the precision asked for; afterwards as before."""
    was, dtype = backbone.training, encoding.autocast
    backbone.eval()
    try:
        with (
            torch.inference_mode(),
            torch.autocast(encoding.device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None),
        ):
            yield
    finally:
        backbone.train(was)
