"""Sources in JSON Lines and Parquet."""

import json
from pathlib import Path

from .case import Case, cuhk, lines, records, row, table, text

LINES = "negatives {dir}/x.jsonl --out {dir}/out"
PARQUET = "negatives {dir}/x.parquet --out {dir}/out"

_AGAIN = "(copy or write it again)"


def _line(name: str, says: str, *rows: object) -> Case:
    return Case(name, lines("x.jsonl", *rows), LINES, "{dir}/x.jsonl, line " + says)


def _table(name: str, says: str, *rows: dict[str, object]) -> Case:
    return Case(name, table("x.parquet", *rows), PARQUET, "{dir}/x.parquet" + says)


def _pid(what: str) -> str:
    return f"is not a whole number from 0 but {what} (number the identities)"


def _cut_parquet(folder: Path) -> None:
    table("x.parquet", row())(folder)
    whole = (folder / "x.parquet").read_bytes()
    (folder / "x.parquet").write_bytes(whole[:-20])


def _no_rows(folder: Path) -> None:
    import pyarrow.parquet as pq

    table("x.parquet", row())(folder)
    pq.write_table(pq.read_table(folder / "x.parquet").slice(0, 0), folder / "x.parquet")


CASES = (
    _line("a broken line", "2, column …: is not valid JSON: … (mend the line)", row(), b"{bad"),
    _line("a line cut off", "2, column …: is cut off: … " + _AGAIN, row(), json.dumps(row())[:30].encode()),
    _line("a line that is a list", "2: is not an object but a list (JSON Lines has one object a line)", row(), [1]),
    _line(
        "a first line without a path",
        "1: missing key `file_path` (or `image_path`, `img_path`, `file_name`); it has `a` (rename the column, or "
        "add it: "
        "file_path, pid, split and captions are needed)",
        {"a": 1},
    ),
    _line(
        "a later line without an identity",
        "2: missing key `pid` (every record needs file_path, pid, split and caption)",
        row(),
        row("b.jpg", pid=...),
    ),
    _line(
        "an image of two identities",
        "2, `pid`: a.jpg is identity 2 here and 1 at line 1 (an image shows one identity)",
        row(),
        row(pid=2),
    ),
    _line(
        "an image id that is a list",
        "2, `image_id`: is not a text but a list (give a text, or leave it out)",
        row(),
        row(image_id=["7"]),
    ),
    _line(
        "a caption that is null",
        "1, `caption`: is not a list but null (give at least one caption an image)",
        row(caption=None),
    ),
    _line(
        "a line in Latin-1",
        "1: is not UTF-8 at byte 73 (convert it: iconv -f LATIN1 -t UTF-8)",
        json.dumps(row()).replace("red", "r\xe9d").encode("latin-1"),
    ),
    _line("a line nested without end", "1: is not JSON that can be read: … " + _AGAIN, b'{"file_path":' * 50_000),
    Case(
        "a file of empty lines",
        text("x.jsonl", "\n\n"),
        LINES,
        "{dir}/x.jsonl: is empty (copy the annotation file again)",
    ),
    Case("Parquet cut off", _cut_parquet, PARQUET, "{dir}/x.parquet: is not a whole Parquet file: … " + _AGAIN),
    Case(
        "Parquet's mark alone",
        text("x.parquet", b"PAR1"),
        PARQUET,
        "{dir}/x.parquet: is not a whole Parquet file: … " + _AGAIN,
    ),
    Case(
        "Parquet that lies about its size",
        text("x.parquet", b"PAR1" + bytes(50) + b"\xff\xff\xff\x7fPAR1"),
        PARQUET,
        "{dir}/x.parquet: is not a whole Parquet file: … " + _AGAIN,
    ),
    _table(
        "Parquet without an identity",
        ": missing key `pid` (or `id`, `person_id`); it has `caption`, `file_path`, `split` (rename the column, or "
        "add it: "
        "file_path, pid, split and captions are needed)",
        row(pid=...),
    ),
    _table("Parquet with a missing identity", ", row 1, `pid`: " + _pid("null"), row(), row("b.jpg", pid=None)),
    _table("Parquet with broken identities", ", row 0, `pid`: " + _pid("the number 1.0"), row(pid=1.0)),
    _table(
        "Parquet with bytes for captions",
        ", row 0, `caption`: is not a list but a bytes (give at least one caption an image)",
        row(caption=b"\xff"),
    ),
    Case(
        "Parquet without rows",
        _no_rows,
        PARQUET,
        "{dir}/x.parquet: has no caption (give a source with at least one captioned image)",
    ),
    Case(
        "JSON read as Parquet",
        records("x.json", cuhk()),
        "negatives {dir}/x.json --out {dir}/out --format parquet",
        "{dir}/x.json: is not a whole Parquet file: … " + _AGAIN,
    ),
)
