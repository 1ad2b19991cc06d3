"""The five benchmarks that come as one JSON list of records."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...schemas.errors import UserError
from .table import Keys, Row, Table
from .textfile import load_records


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What sets one benchmark's annotation file apart."""

    name: str
    """Format, and name of the dataset."""
    files: tuple[str, ...]
    """Names its annotation file goes by, as glob patterns."""
    path_key: str = "file_path"
    """What it calls the image's path."""
    beside: bool = False
    """Whether the images may also lie in the annotation's own folder, not only in `imgs/`."""


BENCHMARKS = {
    benchmark.name: benchmark
    for benchmark in (
        Benchmark("cuhk-pedes", ("reid_raw.json", "*.reid_raw.json")),
        Benchmark("icfg-pedes", ("ICFG-PEDES.json", "ICFG_PEDES.json")),
        Benchmark("rstpreid", ("data_captions.json",), path_key="img_path"),
        Benchmark("ufine6926", ("UFine6926*.json",), beside=True),
        Benchmark("ufine3c", ("UFine3C*.json",), beside=True),
    )
}


def read_benchmark(file: Path, name: str | None = None) -> Table:
    """Open a benchmark's annotation file; without `name`, recognise which it is."""
    records = load_records(file)
    benchmark = BENCHMARKS[name or recognise(records, file)]
    return Table(
        format=benchmark.name,
        dataset=benchmark.name,
        rows=records,
        keys=Keys(file_path=benchmark.path_key),
        place=lambda number: f"{file}, record {number}",
        folders=(file.parent / "imgs",),
        beside=file.parent if benchmark.beside else None,
    )


def recognise(records: Sequence[Row], file: Path) -> str:
    """Which benchmark the records are, by these rules in this order; the file's name decides only where they cannot.

    1. `img_path`: RSTPReid. The others have `file_path`.
    2. `source` without `processed_tokens`: UFine3C.
    3. One caption in every record: ICFG-PEDES where an id is 0 or the name says so; else CUHK-PEDES where the name says
       so or there are `processed_tokens`; else ICFG-PEDES.
    4. `processed_tokens`: CUHK-PEDES.
    5. Two captions in every record: UFine6926, unless the name says CUHK-PEDES (a copy without tokens).
    6. Anything else: CUHK-PEDES, whose images have two captions nearly always, not always.

    Raises UserError where no record has a path and captions.
    """
    keys = {key for record in records for key in record}
    if "captions" not in keys or not keys & {"file_path", "img_path"}:
        raise UserError(
            f"unknown format: its records have {', '.join(f'`{key}`' for key in sorted(keys)[:12]) or 'no keys'}",
            where=str(file),
            mend="needed are captions, file_path or img_path, id and split; anything else: write it as JSON Lines",
        )
    if "img_path" in keys:
        return "rstpreid"
    tokens = "processed_tokens" in keys
    if "source" in keys and not tokens:
        return "ufine3c"
    counts = {len(captions) for record in records if isinstance(captions := record.get("captions"), list)} - {0}
    named_cuhk = "reid_raw" in file.name.lower() or "cuhk" in file.name.lower()
    if counts == {1}:
        from_zero = any(record.get("id") in (0, "0") for record in records)
        if from_zero or "icfg" in file.name.lower():
            return "icfg-pedes"
        return "cuhk-pedes" if named_cuhk or tokens else "icfg-pedes"
    if not tokens and counts == {2} and not named_cuhk:
        return "ufine6926"
    return "cuhk-pedes"
