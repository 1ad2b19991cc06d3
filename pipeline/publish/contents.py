"""A finished dataset folder, as publishing and exporting read it: its manifest, its shards, its rows, its images."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from ...schemas.errors import UserError
from ...schemas.rows import PairRow, RejectRow
from ..manifest import Manifest, read_manifest
from ..shards import ShardRecord
from ..sources.images import ImageFolder, normal_path
from ..sources.output import MANIFEST, recorded_root, refuse_release
from ..sources.table import unreadable

_AGAIN = "run the command that made it again: it mends the folder"
_BATCH_ROWS, _IMAGE_ROWS = 1024, 64


@dataclass(frozen=True)
class Contents:
    """A finished folder. Open it with `open_contents`."""

    root: Path
    """The folder."""
    manifest: Manifest
    """What it says of itself."""
    models: Mapping[str, type[BaseModel]] = field(default_factory=lambda: {"pairs": PairRow, "rejects": RejectRow})
    """Config → its rows."""

    def shards(self, config: str) -> list[ShardRecord]:
        """The shards of `pairs` or `rejects`, in the order of the source."""
        return [shard for block in self.manifest.blocks for shard in block.shards if shard.config == config]

    def rows(self, config: str, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        """The rows of a config, in order, some in memory at a time. Raises UserError for a broken shard."""
        for shard in self.shards(config):
            yield from self.rows_of(shard, columns)

    def rows_of(self, shard: ShardRecord, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        """The rows of one shard. Raises UserError where it is broken."""
        path = self.root / shard.path
        try:
            with pq.ParquetFile(path) as file:
                there = file.schema_arrow.names
                images = "image" in there and "image" in (columns or there)
                # Columns that an older version did not write have the value that says so.
                absent = self._defaults(shard.config, [name for name in columns or () if name not in there])
                for batch in file.iter_batches(
                    _IMAGE_ROWS if images else _BATCH_ROWS, columns=list(columns) if columns else None
                ):
                    yield from ({**row, **absent} for row in batch.to_pylist())
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"is not a whole Parquet file: {reason}", where=str(path), mend=_AGAIN) from error

    def _defaults(self, config: str, names: Sequence[str]) -> dict[str, Any]:
        fields = self.models[config].model_fields
        return {name: fields[name].get_default() for name in names if name in fields}

    @property
    def datasets(self) -> list[str]:
        """Short names of the datasets that the images are of."""
        return list(self.manifest.source["datasets"])

    @property
    def embedded(self) -> bool:
        """Whether the shards hold the images themselves."""
        return bool(self.manifest.made_from["config"]["embed_images"])

    def images_root(self, given: Path | None = None) -> ImageFolder | None:
        """Where the image files are: below `given`, or where the run had them; none where that is not known.

        Raises UserError where `given` is no folder.
        """
        if given is not None:
            if not given.is_dir():
                raise UserError("no such folder of images", where=str(given), mend="mend --images-root")
            return ImageFolder(given)
        paths = {row["image_path"]: None for row in self.rows("pairs", ["image_path"])}
        found = recorded_root(self.root, list(paths))
        return ImageFolder(found) if found else None


def open_contents(folder: Path) -> Contents:
    """Open a folder that `augment` or `negatives` wrote, whole and as its manifest says: every shard is hashed.

    Raises:
        UserError: the folder is none of ours, is not finished, or a shard is not what the manifest says.
    """
    manifest = manifest_of(folder)
    if not manifest.complete:
        done = f"{len(manifest.blocks)} of {manifest.blocks_total} blocks"
        raise UserError(
            f"is not finished: {done}", where=str(folder), mend="run the command that makes it again: it goes on"
        )
    contents = Contents(folder, manifest)
    for shard in (*contents.shards("pairs"), *contents.shards("rejects")):
        check_shard(folder, shard)
    return contents


def manifest_of(folder: Path) -> Manifest:
    """The manifest of a folder that `augment` or `negatives` wrote, finished or not. Raises UserError for any other."""
    refuse_release(folder)
    try:
        manifest = read_manifest(folder) if folder.is_dir() else None
    except OSError as error:
        raise unreadable(error, str(folder / MANIFEST)) from None
    if manifest is None:
        what = f"no dataset of ours: there is no {MANIFEST}" if folder.is_dir() else "no such folder"
        raise UserError(what, where=str(folder), mend="give a folder that augment or negatives wrote")
    return manifest


def check_shard(folder: Path, shard: ShardRecord) -> None:
    """Raise UserError where a shard is not the file that the manifest names: by its path, its size, its hash."""
    try:
        path = folder / normal_path(shard.path)
    except ValueError:
        raise UserError(f"names a shard outside its folder: {shard.path}", where=str(folder), mend=_AGAIN) from None
    try:
        size = path.stat().st_size
        if size != shard.bytes:
            what = f"is not the file that the manifest names: {size:,} bytes in place of {shard.bytes:,}"
            raise UserError(what, where=str(path), mend=_AGAIN)
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=str(path), mend=_AGAIN) from None
    if sha256 != shard.sha256:
        raise UserError("is not the file that the manifest names: another hash", where=str(path), mend=_AGAIN)
