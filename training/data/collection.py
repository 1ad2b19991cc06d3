"""A collection: the images that are trained or evaluated on, with every text of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...schemas.errors import UserError

Identity = tuple[str, int]
"""A person: the dataset's name and its number there."""

SPLITS = ("train", "val", "test")
"""Every split, in the order they are told."""

_FEWEST_HELD = 2


@dataclass(frozen=True, slots=True)
class NegativeText:
    """A hard negative."""

    text: str
    """The caption, changed so that it no longer fits the picture."""
    kind: str
    """`swap`, `replace`, `add` or `negate`."""
    rule: str
    """What made it."""


@dataclass(frozen=True, slots=True)
class Text:
    """A caption, human or rewritten."""

    caption_id: str
    """`DATASET/FILE_PATH#k`, and `~PROMPT.n` behind it for a rewrite."""
    text: str
    """The caption."""
    style: str | None = None
    """Style of the prompt that made it; none for a human caption."""
    negatives: tuple[NegativeText, ...] = ()
    """Hard negatives of this text."""


@dataclass(frozen=True, slots=True)
class CaptionGroup:
    """A human caption and what was made of it."""

    human: Text
    """As it was written."""
    rewrites: tuple[Text, ...] = ()
    """The accepted rewrites."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Where the shards hold an image."""

    shard: Path
    """The Parquet file."""
    group: int
    """Its row group, from 0."""
    row: int
    """The row within the group, from 0."""


@dataclass(frozen=True, slots=True)
class CaptionedImage:
    """An image and its texts."""

    image_id: str
    """`DATASET/FILE_PATH`."""
    path: str
    """Path below the images' root, with forward slashes, never leaving it."""
    pid: int
    """Identity, as the dataset numbers it."""
    split: str
    """`train`, `val` or `test`."""
    dataset: str
    """Short name of the dataset."""
    captions: tuple[CaptionGroup, ...]
    """At least one."""
    neighbours: tuple[str, ...] = ()
    """Ids of similar images of other identities; the collection need not hold them all."""
    stored: Stored | None = None
    """Where the image lies inside the shards; none where it is a file."""

    @property
    def identity(self) -> Identity:
        """Who it shows."""
        return self.dataset, self.pid


@dataclass(frozen=True, slots=True)
class Query:
    """What is searched with."""

    text: Text
    """A human caption."""
    image: int
    """The number of its image in the gallery."""


@dataclass(frozen=True)
class Collection:
    """What is trained or evaluated on, or a part of it."""

    name: str
    """The datasets' names, joined by `+`."""
    path: str
    """Where it was read from, as the user named it."""
    images: tuple[CaptionedImage, ...]
    """Each image once, in the order of the dataset."""
    images_root: Path | None
    """The folder that the paths are below; none where the images are not at hand as files."""
    sha256: str
    """Fingerprint of all that was read; a part has the whole's."""

    def splits(self) -> tuple[str, ...]:
        """The splits there are: `train`, `val`, `test`, those that have images."""
        there = {image.split for image in self.images}
        return tuple(split for split in SPLITS if split in there)

    def split(self, name: str) -> Collection:
        """The images of one split. Raises UserError where there are none."""
        kept = tuple(image for image in self.images if image.split == name)
        if not kept:
            there = ", ".join(self.splits()) or "no images"
            raise UserError(f"has no split {name!r}", where=self.path, mend=f"there is {there}")
        return replace(self, images=kept)


def gallery(collection: Collection) -> tuple[CaptionedImage, ...]:
    """What is searched: every image, once each however many captions it has."""
    return collection.images


def queries(collection: Collection) -> tuple[Query, ...]:
    """What is searched with: every human caption, in the order of the images. Never a rewrite, never a negative."""
    return tuple(Query(group.human, n) for n, image in enumerate(collection.images) for group in image.captions)


def identity_labels(images: Iterable[CaptionedImage]) -> dict[Identity, int]:
    """The identities' labels, 0 … P-1, in the order of dataset and number: whatever the order of the images."""
    return {identity: label for label, identity in enumerate(sorted({image.identity for image in images}))}


def hold_out(collection: Collection, share: float, seed: int) -> tuple[Collection, Collection]:
    """What to train on and what to choose the checkpoint by: (train, val). Test images are in neither.

    A dataset's own val split is taken where it has one. Else `share` of its train identities are held out, two or
    more (of one alone every search is right), with all their images: those whose names have the smallest hashes. That
    does not depend on the images' order.

    Raises:
        UserError: there is nothing to train on, or a dataset has fewer than three train identities and no val.
        ValueError: `share` is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise ValueError(f"a share of {share} cannot be held out: between 0 and 1")
    train = collection.split("train")
    own = [image for image in collection.images if image.split == "val"]
    with_val = {image.dataset for image in own}
    without: dict[str, set[Identity]] = {}
    for image in train.images:
        if image.dataset not in with_val:
            without.setdefault(image.dataset, set()).add(image.identity)
    held = {one for identities in without.values() for one in _chosen(sorted(identities), share, seed, collection.path)}
    kept = tuple(image for image in train.images if image.identity not in held)
    taken = [replace(image, split="val") for image in train.images if image.identity in held]
    return replace(collection, images=kept), replace(collection, images=(*own, *taken))


def _chosen(identities: Sequence[Identity], share: float, seed: int, where: str) -> Sequence[Identity]:
    if len(identities) <= _FEWEST_HELD:
        there = "one identity" if len(identities) == 1 else f"{len(identities)} identities"
        raise UserError(
            f"{identities[0][0]} has {there} to train on and no val split: {_FEWEST_HELD} cannot be held out",
            where=where,
            mend="give a val split",
        )
    count = min(max(_FEWEST_HELD, round(share * len(identities))), len(identities) - 1)

    def hashed(identity: Identity) -> bytes:
        return hashlib.sha256(f"{seed}/{identity[0]}/{identity[1]}".encode()).digest()

    return sorted(identities, key=hashed)[:count]
