"""The rows of a dataset folder, as an audit reads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ...schemas.errors import UserError
from ..shards import pairs_schema
from ..sources.output import refuse_release

_COLUMNS = ("caption_id", "image_id", "dataset", "pid", "split", "text", "origin", "style", "source_caption_id")
_NEGATIVES = "negatives"
_GIVE = "give a folder that `augment` or `negatives` wrote"


@dataclass(frozen=True, slots=True)
class Pair:
    """A caption and one negative of it."""

    caption_id: str
    """Id of the caption."""
    identity: tuple[str, int]
    """Dataset and pid."""
    caption: str
    """The caption's text."""
    negative: str
    """The negative's text."""
    kind: str
    """`swap`, `replace`, `add`, `negate`."""
    rule: str
    """The rule that made it."""
    gaps: tuple[float | None, float | None]
    """Plausibility and grammar of the caption less the negative's, by a language model; None where nothing scored."""


@dataclass(frozen=True)
class Rows:
    """All rows of config `pairs`, and what became of the refused ones."""

    rows: list[dict[str, Any]]
    """Every column an audit needs, without the negatives."""
    pairs: list[Pair]
    """Every negative with its caption, in order."""
    negatives_of: list[tuple[str, ...]]
    """For each row the texts of its negatives."""
    rejected: dict[str, int]
    """Style → refused rewrites."""


def read_rows(folder: Path) -> Rows:
    """Read a folder that `augment` or `negatives` wrote.

    Raises:
        UserError: there are no shards, or they have not our columns.
    """
    refuse_release(folder)
    shards = sorted((folder / "data").glob("*.parquet"))
    if not shards:
        raise UserError("no data/*.parquet", where=str(folder), mend=_GIVE)
    rows: list[dict[str, Any]] = []
    pairs: list[Pair] = []
    negatives_of: list[tuple[str, ...]] = []
    for path in shards:
        for row in _rows(path, (*_COLUMNS, _NEGATIVES)):
            negatives = row.pop(_NEGATIVES)
            rows.append(row)
            negatives_of.append(tuple(one["text"] for one in negatives))
            identity = (row["dataset"], row["pid"])
            pairs += [
                Pair(
                    row["caption_id"],
                    identity,
                    row["text"],
                    one["text"],
                    one["kind"],
                    one["rule"],
                    (one["scores"]["plausibility"], one["scores"]["grammar"]),
                )
                for one in negatives
            ]
    rejected: dict[str, int] = {}
    for path in sorted((folder / "rejects").glob("*.parquet")):
        for row in _rows(path, ("style",)):
            rejected[str(row["style"])] = rejected.get(str(row["style"]), 0) + 1
    return Rows(rows, pairs, negatives_of, rejected)


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    ours = pairs_schema()
    try:
        with pq.ParquetFile(path) as file:
            there = file.schema_arrow
            missing = [name for name in columns if name not in there.names]
            if missing:
                raise UserError(f"has no column {', '.join(missing)}", where=str(path), mend=_GIVE)
            for name in columns:
                if there.field(name).type.id != ours.field(name).type.id:
                    raise UserError(f"column {name} is {there.field(name).type}", where=str(path), mend=_GIVE)
            for batch in file.iter_batches(columns=list(columns)):
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"is not a whole Parquet file: {reason}", where=str(path), mend="make it again") from None
