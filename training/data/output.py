"""Our own output folder: its manifest, and its shards with rewrites and negatives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from sys import intern
from typing import Any, Literal

import pyarrow as pa
from pyarrow import parquet
from pydantic import BaseModel, ConfigDict, ValidationError

from ...pipeline.sources.images import normal_path
from ...pipeline.sources.output import MANIFEST
from ...schemas.errors import UserError
from ...schemas.settings import first_problem
from .collection import CaptionedImage, CaptionGroup, NegativeText, Stored, Text

_COLUMNS = (
    *("caption_id", "image_id", "image_path", "dataset", "pid", "split", "text", "origin", "style"),
    *("source_caption_id", "negatives"),
)
_NEIGHBOURS = "neighbours"  # not in the first datasets
_NEGATIVES = ("negatives.list.element.text", "negatives.list.element.kind", "negatives.list.element.rule")
_AGAIN = "copy the folder again"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Shard(_Part):
    path: str
    config: str
    rows: int
    bytes: int
    sha256: str


class _Block(_Part):
    shards: tuple[_Shard, ...]


class _Manifest(_Part):
    """What is needed of `manifest.json`."""

    kind: Literal["tbpr-data"]
    format: Literal[1]
    fingerprint: str
    blocks_total: int
    blocks: tuple[_Block, ...]


def read_folder(folder: Path, *, embedded: bool) -> tuple[tuple[CaptionedImage, ...], tuple[str, ...]]:
    """The images of an output folder, and the hashes that say what it is: the run's fingerprint, then the shards'.

    With `embedded`, an image inside the shards says where it is `stored`.

    Raises:
        UserError: the folder is not finished, or is not what its manifest says.
    """
    manifest = _manifest(folder / MANIFEST)
    shards = [shard for block in manifest.blocks for shard in block.shards if shard.config == "pairs"]
    reader = _Reader(embedded)
    for shard in shards:
        reader.read(_checked(folder, shard), shard.rows)
    return reader.images(), (manifest.fingerprint, *(shard.sha256 for shard in shards))


def _manifest(path: Path) -> _Manifest:
    try:
        manifest = _Manifest.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        reason = first_problem(error) if isinstance(error, ValidationError) else error.strerror
        raise UserError(f"not a manifest this version reads: {reason}", where=str(path), mend=_AGAIN) from None
    if len(manifest.blocks) < manifest.blocks_total:
        done = f"{len(manifest.blocks)} of {manifest.blocks_total} blocks"
        raise UserError(
            f"is not finished: {done}", where=str(path.parent), mend="run the command that makes it again: it goes on"
        )
    return manifest


def _checked(folder: Path, shard: _Shard) -> Path:
    """The shard's file. Its size is compared, not its hash: to hash all the images of a large one takes minutes."""
    try:
        path = folder / normal_path(shard.path)
        size = path.stat().st_size
    except ValueError:
        raise UserError(f"names a shard outside its folder: {shard.path}", where=str(folder), mend=_AGAIN) from None
    except OSError as error:
        raise UserError(f"{shard.path} cannot be read: {error.strerror}", where=str(folder), mend=_AGAIN) from None
    if size != shard.bytes:
        what = f"has {size:,} bytes and not the {shard.bytes:,} that the manifest says"
        raise UserError(what, where=str(path), mend=_AGAIN)
    return path


class _Draft:
    """An image whose captions may still be coming."""

    __slots__ = ("dataset", "humans", "image_id", "neighbours", "path", "pid", "split", "stored")

    def __init__(self, row: dict[str, Any], stored: Stored | None) -> None:
        self.image_id, self.pid = row["image_id"], row["pid"]
        self.dataset, self.split = intern(row["dataset"]), intern(row["split"])
        self.path, self.neighbours, self.stored = row["image_path"], tuple(row.get(_NEIGHBOURS, ())), stored
        self.humans: list[Text] = []


class _Reader:
    """Puts the rows of the shards together again by image and by caption."""

    def __init__(self, embedded: bool) -> None:
        self._embedded = embedded
        self._drafts: dict[str, _Draft] = {}
        self._rewrites: dict[str, list[Text]] = {}

    def read(self, path: Path, rows: int) -> None:
        """Add a shard. Raises UserError."""
        try:
            with parquet.ParquetFile(path) as file:
                if file.metadata.num_rows != rows or set(_COLUMNS) - set(file.schema_arrow.names):
                    raise UserError("has other rows or columns than its manifest says", where=str(path), mend=_AGAIN)
                for row, stored in _rows(file, path, self._embedded):
                    self._add(row, stored, path)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"is not a whole Parquet file: {reason}", where=str(path), mend=_AGAIN) from error

    def _add(self, row: dict[str, Any], stored: Stored | None, shard: Path) -> None:
        text = Text(row["caption_id"], row["text"], row["style"] and intern(row["style"]), _negatives(row["negatives"]))
        if row["origin"] == "llm":
            self._rewrites.setdefault(row["source_caption_id"], []).append(text)
            return
        draft = self._drafts.get(row["image_id"])
        if draft is None:
            draft = self._drafts[row["image_id"]] = _Draft(row, stored)
            _check_path(draft.path, shard)
        draft.humans.append(text)

    def images(self) -> tuple[CaptionedImage, ...]:
        """Every image, in the order of the shards. Raises UserError for a rewrite without its caption."""
        images = tuple(self._image(draft) for draft in self._drafts.values())
        if self._rewrites:
            lost = next(iter(self._rewrites))
            raise UserError(f"caption {lost} is not there, but a rewrite of it", where="data", mend=_AGAIN)
        return images

    def _image(self, draft: _Draft) -> CaptionedImage:
        return CaptionedImage(
            image_id=draft.image_id,
            path=draft.path,
            pid=draft.pid,
            split=draft.split,
            dataset=draft.dataset,
            captions=tuple(
                CaptionGroup(human, tuple(self._rewrites.pop(human.caption_id, ()))) for human in draft.humans
            ),
            neighbours=draft.neighbours,
            stored=draft.stored,
        )


def _rows(file: parquet.ParquetFile, path: Path, embedded: bool) -> Iterator[tuple[dict[str, Any], Stored | None]]:
    columns = [name for name in (*_COLUMNS, _NEIGHBOURS) if name != "negatives" and name in file.schema_arrow.names]
    embedded = embedded and "image" in file.schema_arrow.names
    for group in range(file.num_row_groups):
        # Of an image its path alone: whether there is one, without its bytes.
        table = file.read_row_group(group, columns=[*columns, *_NEGATIVES, *(["image.path"] if embedded else [])])
        values = {name: table.column(name).to_pylist() for name in table.column_names}
        images = values.pop("image", [None] * table.num_rows)
        for row, (cells, image) in enumerate(zip(zip(*values.values(), strict=True), images, strict=True)):
            stored = Stored(path, group, row) if image and image["path"] is not None else None
            yield dict(zip(values, cells, strict=True)), stored


def _negatives(found: list[dict[str, str]]) -> tuple[NegativeText, ...]:
    return tuple(NegativeText(one["text"], intern(one["kind"]), intern(one["rule"])) for one in found)


def _check_path(path: str, shard: Path) -> None:
    try:
        normal = normal_path(path)
    except ValueError as error:
        raise UserError(f"image path {path[:80]!r} {error}", where=str(shard), mend=_AGAIN) from None
    if normal != path:
        raise UserError(f"image path {path[:80]!r} is not in its normal form", where=str(shard), mend=_AGAIN)
