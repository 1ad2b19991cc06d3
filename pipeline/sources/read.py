"""Read any source: find the reader, validate the whole, then cut what was asked for."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from ...schemas.errors import UserError
from ...schemas.source import Findings, Source, SourceImage
from .benchmarks import BENCHMARKS, read_benchmark
from .delimited import read_csv
from .hub import PREFIX, read_hub
from .images import ImageFolder, find_root
from .locate import find_file, sniff
from .output import is_output, read_output, refuse_release
from .rows import read_jsonl, read_parquet
from .table import Table
from .validate import SPLITS, Validation

FILE_READERS: dict[str, Callable[[Path], Table]] = {
    **{name: partial(read_benchmark, name=name) for name in BENCHMARKS},
    "jsonl": read_jsonl,
    "csv": read_csv,
    "parquet": read_parquet,
}
"""Formats that are one file, and what opens them."""

FORMATS: tuple[str, ...] = (*FILE_READERS, "hf", "tbpr-data")
"""Every format there is, besides `auto`."""


def read_source(
    path: str,
    *,
    format: str = "auto",
    split: str | None = None,
    limit: int | None = None,
    images_root: Path | None = None,
) -> Source:
    """Read and validate the source at `path`: a file, a folder, or `hf:NAME`.

    The whole source is validated, then `split` and the first `limit` captions are kept; the last image may keep fewer
    captions than it has. A caption's number counts the captions kept at validation (an empty one is dropped and takes
    no number), so it does not depend on `split` or `limit`. Without `images_root` the format's usual folder is taken.

    Raises UserError: what cannot be used, naming file, record and key.
    """
    _check_arguments(format, split, limit)
    table = _open(path, format)
    root = find_root(table, images_root)
    validation = Validation(table)
    images, numbers = validation.run()
    if not images:
        raise UserError("has no caption", where=path, mend="give a source with at least one captioned image")
    images_root = _check_images(table, root, images, numbers, validation.warnings)
    selected = _select(images, split, limit, path)
    return Source(table.format, path, selected, images_root, _sha256(selected), validation.warnings, validation.repairs)


def _check_arguments(format: str, split: str | None, limit: int | None) -> None:
    if format not in (*FORMATS, "auto"):
        raise UserError(f"unknown format {format!r}", where="--format", mend=f"one of auto, {', '.join(FORMATS)}")
    if split is not None and split not in SPLITS:
        raise UserError(f"unknown split {split!r}", where="--split", mend=f"one of {', '.join(SPLITS)}")
    if limit is not None and limit < 1:
        raise UserError(f"{limit} captions are none", where="--limit", mend="give 1 or more, or leave it out")


def _open(path: str, format: str) -> Table:
    if path.startswith(PREFIX) or format == "hf":
        if format not in ("auto", "hf"):
            raise UserError(f"{PREFIX} is not of format {format}", where=path, mend="leave --format out")
        return read_hub(path.removeprefix(PREFIX))
    location = Path(path)
    if "\x00" in path or not location.exists():
        raise UserError("no such file or folder", where=path, mend=f"for a dataset of the Hub write {PREFIX}OWNER/NAME")
    if not (location.is_file() or location.is_dir()):
        raise UserError("is neither a file nor a folder", where=path, mend="write what a pipe gives into a file")
    if format == "tbpr-data" or (format == "auto" and location.is_dir() and is_output(location)):
        return read_output(location)
    refuse_release(location)
    file = find_file(location, format) if location.is_dir() else location
    if format == "auto":
        format = sniff(file)
    return FILE_READERS.get(format, read_benchmark)(file)


def _check_images(
    table: Table, root: Path | None, images: list[SourceImage], numbers: list[int], warnings: Findings
) -> Path | None:
    if root is None and table.beside is not None:
        beside = ImageFolder(table.beside)
        root = table.beside if any(beside.holds(image.file_path) != "missing" for image in images) else None
    if root is None:
        warnings.add("images_not_found", ", ".join(map(str, table.folders or [table.beside or table.dataset])))
        return None
    folder = ImageFolder(root)
    for image, number in zip(images, numbers, strict=True):
        presence = folder.holds(image.file_path)
        if presence == "missing":
            warnings.add("missing_image", image.image_id)
        elif presence == "outside":
            raise UserError(
                f"{image.file_path} is a link that leaves the images' root {root}",
                where=f"{table.place(number)}, `{table.keys.file_path}`",
                mend="copy the images, or give --images-root the folder it leads to",
            )
    return root


def _select(images: Iterable[SourceImage], split: str | None, limit: int | None, path: str) -> tuple[SourceImage, ...]:
    images = tuple(images)
    if split is not None:
        kept = tuple(image for image in images if image.split == SPLITS[split])
        if not kept:
            there = ", ".join(f"{name} ({n:,} images)" for name, n in Counter(i.split for i in images).items())
            raise UserError(f"split {split} has no images", where=path, mend=f"there are {there}")
        images = kept
    return images if limit is None else tuple(_first_captions(images, limit))


def _first_captions(images: Iterable[SourceImage], limit: int) -> Iterable[SourceImage]:
    for image in images:
        if limit <= 0:
            return
        fits = len(image.captions) <= limit
        yield image if fits else replace(image, captions=image.captions[:limit])
        limit -= len(image.captions)


def _sha256(images: Iterable[SourceImage]) -> str:
    digest = hashlib.sha256()
    for image in images:
        record = [image.dataset, image.file_path, image.pid, image.split, image.captions]
        digest.update(json.dumps(record).encode("ascii") + b"\n")
    return digest.hexdigest()
