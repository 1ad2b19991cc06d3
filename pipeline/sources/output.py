"""Our own output folder, read back as a source."""

from dataclasses import replace
from pathlib import Path

from ...schemas.errors import UserError
from .rows import read_shards
from .table import Table, slug

MANIFEST = "manifest.json"


def is_output(folder: Path) -> bool:
    """Whether `folder` is what `tbpr-data augment` writes: a manifest beside `data/*.parquet`."""
    return (folder / MANIFEST).is_file() and any((folder / "data").glob("*.parquet"))


def read_output(folder: Path) -> Table:
    """Open an output folder. Rewrites are left out; the human captions are put together again by image.

    Splits come in the order of their shards' names. Images are looked for in `images/` and `imgs/`.
    """
    if not is_output(folder):
        raise UserError(
            f"is no output of ours: {MANIFEST} and data/*.parquet are needed", where=str(folder), mend="give its folder"
        )
    files = sorted((folder / "data").glob("*.parquet"))
    table = read_shards("tbpr-data", slug(folder.name), files)
    return replace(table, folders=(folder / "images", folder / "imgs"))
