"""Hugging Face datasets, from the Hub or from a local folder."""

from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ...schemas.errors import UserError
from .table import PATH_COLUMNS, Keys, Row, Table, find_keys, slug, wanted_columns

if TYPE_CHECKING:
    from datasets import Dataset

PREFIX = "hf:"


def read_hub(name: str) -> Table:
    """Open a dataset of the Hub by its name, or a local folder that `datasets` understands; its code is never run.

    A table without a `split` column takes each row's split from the part it lies in. Without a path column (images
    inside the table), paths are made as `SPLIT/INDEX`, the row's number within its part, and every row is an image.
    """
    parts = _load(name)
    where = f"{PREFIX}{name}"
    first = next(iter(parts.values()))
    made = ("split",) if set(first.column_names) & set(PATH_COLUMNS) else ("split", "file_path")
    keys = find_keys(first.column_names, where, made=made)
    names, starts = list(parts), [0]
    for part in parts.values():
        starts.append(starts[-1] + part.num_rows)

    def place(number: int) -> str:
        index = bisect_right(starts, number) - 1
        return f"{where}, {names[index]} row {number - starts[index]}"

    local = Path(name)
    return Table(
        format="hf",
        dataset=slug(local.resolve().name if local.is_dir() else name),
        rows=_rows(parts, keys),
        keys=keys,
        place=place,
        beside=local if local.is_dir() else None,
        one_caption_rows=True,
    )


def _rows(parts: dict[str, "Dataset"], keys: Keys) -> Iterator[Row]:
    for split, part in parts.items():
        table = part.select_columns(wanted_columns(keys, part.column_names))
        for index, row in enumerate(table):
            yield {keys.split: split, keys.file_path: f"{split}/{index}", **row}


def _load(name: str) -> dict[str, "Dataset"]:
    import httpx
    from datasets import DatasetDict, load_dataset
    from datasets.exceptions import DatasetsError

    where = f"{PREFIX}{name}"
    if not name:
        raise UserError("names no dataset", where=where, mend="hf:OWNER/NAME, or hf:FOLDER")
    try:
        loaded = load_dataset(name)
    except (OSError, ValueError, RuntimeError, DatasetsError, httpx.HTTPError) as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise UserError(
            f"cannot be loaded: {reason}", where=where, mend="check the name, the network, or give a local folder"
        ) from error
    if not isinstance(loaded, DatasetDict) or not loaded:
        raise UserError("has no splits", where=where, mend="give a dataset with at least one split")
    return {str(split): part for split, part in loaded.items()}
