"""JSON Lines and Parquet: tables of records or of single captions."""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ...schemas.errors import UserError
from .table import Keys, Row, Table, find_keys, slug, unreadable, wanted_columns
from .textfile import first_row, iter_lines

_BATCH_ROWS = 8192


def read_jsonl(file: Path) -> Table:
    """Open a JSON Lines file. Which columns hold what is read off its first line."""
    return line_table("jsonl", file, find_keys(first_row(file), f"{file}, line 1"), iter_lines(file))


def line_table(name: str, file: Path, keys: Keys, numbered: Iterable[tuple[int, Row]]) -> Table:
    """A table of rows that come with the numbers of their lines, by which messages name them."""
    lines = array("q")

    def rows() -> Iterator[Row]:
        for number, row in numbered:
            lines.append(number)
            yield row

    return Table(
        format=name,
        dataset=slug(file.stem),
        rows=rows(),
        keys=keys,
        place=lambda number: f"{file}, line {lines[number]}",
        beside=file.parent,
        one_caption_rows=True,
    )


def read_parquet(file: Path) -> Table:
    """Open one Parquet file."""
    return replace(read_shards("parquet", slug(file.stem), [file]), beside=file.parent)


def read_shards(name: str, dataset: str, files: Sequence[Path]) -> Table:
    """Open Parquet files as one table, in the order given; only the columns needed are read."""
    columns = parquet_columns(files[0])
    keys = find_keys(columns, str(files[0]))
    starts = [0]
    return Table(
        format=name,
        dataset=dataset,
        rows=_parquet_rows(files, keys, starts),
        keys=keys,
        place=lambda number: _shard_row(files, starts, number),
        one_caption_rows=True,
    )


def parquet_columns(file: Path) -> list[str]:
    """Names of a Parquet file's columns. Raises UserError where it is none, or cut off."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return list(parquet.read_schema(file).names)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _broken(file, error) from error


def _parquet_rows(files: Iterable[Path], keys: Keys, starts: list[int]) -> Iterator[Row]:
    import pyarrow as pa
    from pyarrow import parquet

    for file in files:
        count = starts[-1]
        try:
            with parquet.ParquetFile(file) as shard:
                columns = wanted_columns(keys, shard.schema_arrow.names)
                for batch in shard.iter_batches(batch_size=_BATCH_ROWS, columns=columns):
                    count += batch.num_rows
                    yield from batch.to_pylist()
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise _broken(file, error) from error
        starts.append(count)


def _shard_row(files: Sequence[Path], starts: Sequence[int], number: int) -> str:
    shard = min(bisect_right(starts, number), len(files)) - 1
    return f"{files[shard]}, row {number - starts[shard]}"


def _broken(file: Path, error: Exception) -> UserError:
    if isinstance(error, OSError) and error.errno:
        return unreadable(error, str(file))
    return UserError(
        f"is not a whole Parquet file: {str(error).splitlines()[0]}", where=str(file), mend="copy or write it again"
    )
