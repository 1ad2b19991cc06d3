"""Parquet shards: written beside their names, synced, renamed; the bytes depend on the rows alone."""

import hashlib
import json
import os
from collections.abc import Iterable
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from ..schemas.arrow import arrow_schema
from ..schemas.rows import PairRow, RejectRow

_IMAGE_COLUMN = pa.field("image", pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())]))


# Rows of a row group: a viewer reads a whole one to show a row of it, so a few with images, many without.
_TEXT_ROWS, _IMAGE_ROWS = 32_768, 100


class ShardRecord(BaseModel):
    """A shard, as the manifest names it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    path: str
    """Below the dataset's folder, with forward slashes."""
    config: str
    """`pairs` or `rejects`."""
    split: str
    """`train`, `val` or `test`."""
    rows: int
    """Rows it holds."""
    bytes: int
    """Its size."""
    sha256: str
    """Its hash."""


@cache
def pairs_schema(*, with_images: bool = False) -> pa.Schema:
    """Arrow schema of config `pairs`; with images, a last column `image` that `datasets` decodes."""
    schema = arrow_schema(PairRow)
    return _as_image_feature(schema.append(_IMAGE_COLUMN)) if with_images else schema


@cache
def rejects_schema() -> pa.Schema:
    """Arrow schema of config `rejects`."""
    return arrow_schema(RejectRow)


def write_shard(
    root: Path, path: str, config: str, split: str, rows: Iterable[dict[str, Any]], schema: pa.Schema
) -> ShardRecord:
    """Write `rows` as `root/path` under one explicit schema, and say what was written.

    Rows are taken as they are written, a row group at a time, so that images never lie in memory all at once.
    """
    final = root / path
    final.parent.mkdir(parents=True, exist_ok=True)
    work = final.with_name(f".{final.name}.writing")
    group_rows = _IMAGE_ROWS if "image" in schema.names else _TEXT_ROWS
    rows, written = iter(rows), 0
    with work.open("wb") as file:
        # Content-defined chunks let the Hub store only what changed between two versions; the page index lets its
        # viewer read a page without the rest.
        options = {"compression": "zstd", "use_content_defined_chunking": True, "write_page_index": True}
        with pq.ParquetWriter(file, schema, **options) as writer:
            # Of no rows no group is written: `datasets` cannot read a file with an empty one.
            while group := list(islice(rows, group_rows)):
                writer.write_table(pa.Table.from_pylist(group, schema=schema))
                written += len(group)
        file.flush()
        os.fsync(file.fileno())
    with work.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    size = work.stat().st_size
    work.replace(final)
    sync_folder(final.parent)
    return ShardRecord(path=path, config=config, split=split, rows=written, bytes=size, sha256=sha256)


def write_text(path: Path, text: str) -> None:
    """Write a small file whole or not at all: beside its name, synced, renamed."""
    work = path.with_name(f".{path.name}.writing")
    with work.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    work.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` last through a power cut."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _as_image_feature(schema: pa.Schema) -> pa.Schema:
    from datasets import Features, Image

    features = Features.from_arrow_schema(schema)
    features["image"] = Image()
    info = json.dumps({"info": {"features": features.to_dict()}})
    return schema.with_metadata({"huggingface": info})
