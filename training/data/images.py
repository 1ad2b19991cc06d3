"""Images as tensors, from files below a root or from the shards; and whether they are all there."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from PIL import Image
from pyarrow import parquet

from ...pipeline.sources.images import ImageFolder
from ...pipeline.sources.pictures import picture_errors
from ...schemas.errors import UserError
from .collection import CaptionedImage, Collection, Stored

Size = tuple[int, int]
"""Height and width in pixels."""

_MEND = "remove it from the source or mend the file"
_NAMED = 3


class ImageStore:
    """Opens the images of a collection at one size. Goes to worker processes as it is: each opens shards of its own."""

    def __init__(self, collection: Collection, size: Size) -> None:
        """Raises UserError where the collection has images that are neither in its shards nor below a known root."""
        self.size = size
        self._folder = _folder(collection)
        self._shards: dict[Path, parquet.ParquetFile] = {}

    def load(self, image: CaptionedImage) -> torch.Tensor:
        """The image, 3×H×W, uint8. Raises UserError where it is missing, cut off, or none."""
        where, content = self._read(image)
        with picture_errors(where, _MEND):
            return _decoded(content, self.size)

    def look(self, image: CaptionedImage) -> None:
        """Open it without decoding: raise UserError where it is missing or none, not where it is cut off."""
        where, content = self._read(image)
        with picture_errors(where, _MEND):
            Image.open(io.BytesIO(content)).close()

    def _read(self, image: CaptionedImage) -> tuple[str, bytes]:
        """Where it is, and its bytes."""
        where, content = self._found(image)
        if not content:
            raise UserError("is an empty file and no image", where=where, mend=_MEND)
        return where, content

    def _found(self, image: CaptionedImage) -> tuple[str, bytes]:
        if image.stored is not None:
            return f"{image.stored.shard}, {image.path}", self._stored(image.stored)
        if self._folder is None:
            raise ValueError(f"{image.image_id} is not of this store's collection")
        path = self._folder.root / image.path
        if self._folder.holds(image.path) != "found":
            raise _not_there(self._folder, [image])
        try:
            return str(path), path.read_bytes()
        except OSError as error:
            raise UserError(f"cannot be read: {error.strerror}", where=str(path), mend=_MEND) from None

    def _stored(self, at: Stored) -> bytes:
        try:
            if at.shard not in self._shards:
                # Mapped: a process that was forked off shares no position in the file.
                self._shards[at.shard] = parquet.ParquetFile(at.shard, memory_map=True)
            table = self._shards[at.shard].read_row_group(at.group, columns=["image.bytes"], use_threads=False)
            content: bytes = table.column("image")[at.row].as_py()["bytes"] or b""
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(
                f"is not a whole Parquet file: {reason}", where=str(at.shard), mend="copy it again"
            ) from None
        return content

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_shards": {}}


def check_images(collection: Collection) -> None:
    """Look for every image file, folder by folder, without opening one.

    Raises:
        UserError: images are missing or are links that leave the root: how many, and the first three.
    """
    folder = _folder(collection)
    if folder is not None:
        bad = [one for one in collection.images if one.stored is None and folder.holds(one.path) != "found"]
        if bad:
            raise _not_there(folder, bad)


def _folder(collection: Collection) -> ImageFolder | None:
    """Where the image files are; none where all images are in the shards."""
    files = [image for image in collection.images if image.stored is None]
    if not files:
        return None
    if collection.images_root is None:
        some = f"{len(files):,} of {len(collection.images):,} images"
        raise UserError(
            f"{some} are not at hand (first: {files[0].path})",
            where=collection.path,
            mend="give --images-root DIR, the folder that their paths are below",
        )
    return ImageFolder(collection.images_root)


def _not_there(folder: ImageFolder, bad: list[CaptionedImage]) -> UserError:
    named = ", ".join(
        f"{image.path}{' (a link that leaves the folder)' if folder.holds(image.path) == 'outside' else ''}"
        for image in bad[:_NAMED]
    )
    more = f" and {len(bad) - _NAMED:,} more" if len(bad) > _NAMED else ""
    count = "1 image is" if len(bad) == 1 else f"{len(bad):,} images are"
    return UserError(
        f"{count} missing: {named}{more}",
        where=os.fspath(folder.root),
        mend="copy them there, give another --images-root, or remove them from the source",
    )


def _decoded(content: bytes, size: Size) -> torch.Tensor:
    height, width = size
    with Image.open(io.BytesIO(content)) as picture:
        # A JPEG decodes at 1/2, 1/4 or 1/8 for much less. Not below twice what is wanted, so that the resizing that
        # follows decides how it looks: 384×128 to 96×32 takes 0.28 ms so, 0.23 ms at once, 0.7 ms in full.
        picture.draft("RGB", (2 * width, 2 * height))
        small = picture.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(small)).permute(2, 0, 1).contiguous()
