"""Rows put together again: an image with its captions, a caption with its rewrites."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from ....schemas.errors import UserError
from ...sources.images import ImageFolder, normal_path
from ..contents import Contents

Row = dict[str, Any]

_COLUMNS = (
    "caption_id",
    "image_id",
    "image_path",
    "dataset",
    "pid",
    "split",
    "text",
    "origin",
    "style",
    "source_caption_id",
)
_AGAIN = "run the command that made it again: it mends the folder"
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Caption:
    """A caption that people wrote, and what was made of it."""

    row: Row
    """Its row."""
    rewrites: tuple[Row, ...]
    """The rows of its rewrites."""


@dataclass(frozen=True, slots=True)
class CaptionedImage:
    """An image and its captions."""

    image_id: str
    """`DATASET/FILE_PATH`."""
    path: str
    """Its path below the images' root, in its normal form."""
    dataset: str
    """The dataset it is of."""
    pid: int
    """Identity, as the dataset numbers it."""
    split: str
    """`train`, `val` or `test`."""
    captions: tuple[Caption, ...]
    """Its captions, in order."""

    @property
    def rows(self) -> list[Row]:
        """What may be trained on: each caption, its rewrites behind it."""
        return [row for caption in self.captions for row in (caption.row, *caption.rewrites)]

    @property
    def humans(self) -> list[Row]:
        """The captions alone: what is to be measured on."""
        return [caption.row for caption in self.captions]


def splits(contents: Contents) -> list[str]:
    """The splits that have rows, in order."""
    return list(dict.fromkeys(shard.split for shard in contents.shards("pairs") if shard.rows))


def rows_of(contents: Contents, split: str, columns: Sequence[str]) -> Iterator[Row]:
    """The rows of a split, in order. Raises UserError for a broken shard."""
    for shard in contents.shards("pairs"):
        if shard.split == split:
            yield from contents.rows_of(shard, columns)


def images_of(contents: Contents, split: str, columns: Sequence[str] = ()) -> Iterator[CaptionedImage]:
    """The images of a split, in order, one in memory at a time; their rows hold `columns` besides the usual ones.

    Raises UserError for a broken shard, a path that leaves the images' root, or a rewrite without its caption.
    """
    rows = rows_of(contents, split, [*_COLUMNS, *columns])
    # The rows of an image follow one another, across shards too.
    for _, group in groupby(rows, itemgetter("image_id")):
        yield _image(contents, list(group))


def missing(contents: Contents, folder: ImageFolder | None, *, stored: bool = False) -> list[str]:
    """Paths of the images that are not below the folder, links that leave it among them; where those that the shards
    hold will do as well (`stored`), not of these."""
    paths = {
        row["image_path"]: None
        for row in contents.rows("pairs", ["image_path", *(["image.path"] if stored else [])])
        if not (row.get("image") and row["image"]["path"])
    }
    return [path for path in paths if folder is None or folder.holds(path) != "found"]


def some(paths: Sequence[str]) -> str:
    """`3 images are missing: a.jpg, b.jpg, c.jpg`, the first few named."""
    more = f" and {len(paths) - _NAMED:,} more" if len(paths) > _NAMED else ""
    count = "1 image is" if len(paths) == 1 else f"{len(paths):,} images are"
    return f"{count} missing: {', '.join(paths[:_NAMED])}{more}"


def _image(contents: Contents, rows: list[Row]) -> CaptionedImage:
    rewrites: dict[str, list[Row]] = {}
    for row in rows:
        if row["origin"] == "llm":
            rewrites.setdefault(row["source_caption_id"], []).append(row)
    captions = tuple(
        Caption(row, tuple(rewrites.pop(row["caption_id"], ()))) for row in rows if row["origin"] == "human"
    )
    if rewrites:
        what = f"caption {next(iter(rewrites))} is not there, but a rewrite of it"
        raise UserError(what, where=str(contents.root), mend=_AGAIN)
    first = rows[0]
    return CaptionedImage(
        image_id=first["image_id"],
        path=_path(contents, first["image_path"]),
        dataset=first["dataset"],
        pid=first["pid"],
        split=first["split"],
        captions=captions,
    )


def _path(contents: Contents, path: str) -> str:
    try:
        normal = normal_path(path)
    except ValueError as error:
        what = f"image path {path[:80]!r} {error}"
        raise UserError(what, where=str(contents.root), mend=_AGAIN) from None
    if normal != path:
        raise UserError(f"image path {path[:80]!r} is not in its normal form", where=str(contents.root), mend=_AGAIN)
    return path
