"""Which file of a folder is the source, and what a file is, by its content."""

import json
from pathlib import Path

from ...schemas.errors import UserError
from .benchmarks import BENCHMARKS
from .delimited import separator_of
from .table import CAPTION_COLUMNS, PATH_COLUMNS, unreadable

_FILES = {name: benchmark.files for name, benchmark in BENCHMARKS.items()}
_TABLES = {"jsonl": ("*.jsonl", "*.ndjson"), "csv": ("*.csv", "*.tsv"), "parquet": ("*.parquet",)}
_HEAD_BYTES = 1 << 20


def find_file(folder: Path, format: str) -> Path:
    """The one annotation file in `folder`: one with a benchmark's name, or the only table.

    Raises UserError where there is none, or several.
    """
    if format == "auto":
        patterns = [tuple(p for names in _FILES.values() for p in names), tuple(p for t in _TABLES.values() for p in t)]
    else:
        patterns = [_FILES.get(format) or _TABLES[format]]
    for names in patterns:
        found = sorted({file for pattern in names for file in folder.glob(pattern) if file.is_file()})
        if len(found) == 1:
            return found[0]
        if found:
            listed = ", ".join(file.name for file in found[:8])
            more = f" and {len(found) - 8} more" if len(found) > 8 else ""
            raise UserError(f"holds several sources: {listed}{more}", where=str(folder), mend="name one of the files")
    known = ", ".join(pattern for names in patterns for pattern in names)
    raise UserError(
        f"holds no annotation file ({known})",
        where=str(folder),
        mend="name the file, or write hf:FOLDER for a Hugging Face dataset",
    )


def sniff(file: Path) -> str:
    """`parquet`, `jsonl`, `csv`, or `json` (one of the benchmarks, which their records tell apart).

    A list is JSON. An object is JSON Lines when the file's name says so, or its first line is a whole object with a
    path or a caption. Anything else is CSV when the file's name says so, or its first line names columns of a path and
    a caption. Raises UserError for what is none of these.
    """
    try:
        with file.open("rb") as content:
            head = content.read(_HEAD_BYTES)
    except OSError as error:
        raise unreadable(error, str(file)) from error
    if head.startswith(b"PAR1"):
        return "parquet"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        raise UserError("is empty", where=str(file), mend="copy the annotation file again")
    if text.startswith(b"["):
        return "json"
    if text.startswith(b"{"):
        return "jsonl" if file.suffix in (".jsonl", ".ndjson") or _is_row(text) else "json"
    if file.suffix in (".csv", ".tsv") or _is_header(text):
        return "csv"
    raise UserError(
        "unknown format: neither JSON, JSON Lines, CSV nor Parquet", where=str(file), mend="name it with --format"
    )


def _is_row(text: bytes) -> bool:
    try:
        row = json.loads(text.split(b"\n", 1)[0])
    except (ValueError, RecursionError):
        return False
    return isinstance(row, dict) and not {*PATH_COLUMNS, *CAPTION_COLUMNS}.isdisjoint(row)


def _is_header(text: bytes) -> bool:
    line = text.split(b"\n", 1)[0].decode("utf-8", "replace")
    names = {name.strip('"\r') for name in line.split(separator_of(line))}
    return not names.isdisjoint(PATH_COLUMNS) and not names.isdisjoint(CAPTION_COLUMNS)
