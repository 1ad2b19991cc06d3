"""Sources in JSON Lines, CSV and Parquet."""

import json
from pathlib import Path

from .case import Case, both, cuhk, lines, records, row, table, text

LINES = "negatives {dir}/x.jsonl --out {dir}/out"
CSV = "negatives {dir}/x.csv --out {dir}/out"
PARQUET = "negatives {dir}/x.parquet --out {dir}/out"

_AGAIN = "(copy or write it again)"
_HEADER = "file_path,pid,split,caption\n"
_GOOD = _HEADER + "a.jpg,1,train,A man.\n"
_NO_COLUMN = "(rename the column, or add it: file_path, pid, split and captions are needed)"
_QUOTES = "(close quotation marks, double those inside a quoted field, end lines with LF or CRLF)"
_LENGTH = "(quote a field that holds a comma, and leave no column out)"


def _line(name: str, says: str, *rows: object) -> Case:
    return Case(name, lines("x.jsonl", *rows), LINES, "{dir}/x.jsonl, line " + says)


def _csv(name: str, content: str | bytes, says: str) -> Case:
    return Case(name, text("x.csv", content), CSV, "{dir}/x.csv" + says)


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
        "1: missing keys `file_path` (or `image_path`, `img_path`, `file_name`), `pid` (or `id`, `person_id`), "
        "`split`, `captions` (or `caption`, `text`); it has `a` " + _NO_COLUMN,
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
        "a line with captions and a caption",
        "2, `caption`: stands beside `captions` (give one of the two a line)",
        row(),
        row("b.jpg", captions=["A man."]),
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
    _csv("an empty CSV", "", ": is empty (copy the annotation file again)"),
    Case(
        "a CSV of commas",
        text("x.csv", ",,,\n"),
        CSV,
        "{dir}/x.csv: is empty (give a file with at least one record)",
    ),
    _csv("a CSV of a header alone", _HEADER, ": has no caption (give a source with at least one captioned image)"),
    _csv(
        "a CSV without a header",
        "a.jpg,1,train,A man.\n",
        ", line 1: missing keys `file_path` (or `image_path`, `img_path`, `file_name`), `pid` (or `id`, `person_id`), "
        "`split`, `captions` (or `caption`, `text`); it has `1`, `A man.`, `a.jpg`, `train` " + _NO_COLUMN,
    ),
    _csv(
        "a CSV without identities",
        "file_path,split,caption\na.jpg,train,A man.\n",
        ", line 1: missing key `pid` (or `id`, `person_id`); it has `caption`, `file_path`, `split` " + _NO_COLUMN,
    ),
    _csv(
        "a CSV with a column twice",
        _HEADER.replace("\n", ",pid\n"),
        ", line 1, `pid`: names 2 columns (rename or remove the others)",
    ),
    _csv(
        "a CSV with a comma too many",
        _GOOD + "b.jpg,2,train,A man, in red.\n",
        ", line 3: has 5 columns, the header 4 " + _LENGTH,
    ),
    _csv("a CSV cut off", _GOOD + "b.jpg,2,tr", ", line 3: has 3 columns, the header 4 " + _LENGTH),
    _csv(
        "a CSV cut off in a quoted caption",
        _GOOD + 'b.jpg,2,train,"A man\nin ',
        ", line 3: is not valid CSV: unexpected end of data " + _QUOTES,
    ),
    _csv(
        "a CSV with quotation marks inside quoted ones",
        _GOOD + 'b.jpg,2,train,"A "red" man."\n',
        ", line 3: is not valid CSV: … " + _QUOTES,
    ),
    _csv(
        "a CSV with a quotation mark left open",
        _HEADER + 'a.jpg,1,train,"A man.\n' + "b.jpg,2,train,A man.\n" * 10_000,
        ", line 2: is not valid CSV: field larger than field limit (131072) " + _QUOTES,
    ),
    _csv(
        "a CSV with an old Mac's line ends",
        _GOOD.replace("\n", "\r"),
        ", line 1: is not valid CSV: new-line character seen in unquoted field " + _QUOTES,
    ),
    _csv(
        "a CSV in Latin-1",
        _GOOD.encode() + b"b.jpg,2,train,r\xe9d\n",
        ", line 3: is not UTF-8 at byte 15 (convert it: iconv -f LATIN1 -t UTF-8)",
    ),
    _csv(
        "a CSV in UTF-16",
        _GOOD.encode("utf-16"),
        ", line 1: is not UTF-8 at byte 0 (convert it: iconv -f UTF-16 -t UTF-8)",
    ),
    _csv(
        "a zero in a CSV",
        _GOOD + '"b.jpg",2,train,"A\0man."\n',
        ", line 3: holds a null byte (take it out, or write the file again as UTF-8)",
    ),
    _csv(
        "a CSV with broken identities",
        _HEADER + '\na.jpg,1,train,"A\nman."\nb.jpg,1.0,train,A man.\n',
        ", line 5, `pid`: " + _pid("the text '1.0'"),
    ),
    _csv(
        "a CSV with lists of captions",
        _HEADER + "a.jpg,1,train,\"['A man.', 'A red man.']\"\n",
        ", line 2, `caption`: is a list in a text (give a caption a row)",
    ),
    Case(
        "two tables in a folder",
        both(text("captions.csv", _GOOD), text("captions.tsv", _GOOD), lines("x.jsonl", row())),
        "negatives {dir} --out {dir}/out",
        "{dir}: holds several sources: captions.csv, captions.tsv, x.jsonl (name one of the files)",
    ),
    Case(
        "JSON read as CSV",
        records("x.json", cuhk()),
        "negatives {dir}/x.json --out {dir}/out --format csv",
        "{dir}/x.json, line 1: missing keys … " + _NO_COLUMN,
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
        ": missing key `pid` (or `id`, `person_id`); it has `caption`, `file_path`, `split` " + _NO_COLUMN,
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
