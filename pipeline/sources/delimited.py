"""CSV and TSV: a header line, then a row a caption."""

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ...schemas.errors import UserError
from .rows import line_table
from .table import Keys, Row, Table, find_keys, wanted_columns
from .textfile import decoded, numbered_lines

_SEPARATORS = {",": "comma", "\t": "tab"}
_LISTS = ("['", '["')


def read_csv(file: Path) -> Table:
    """Open a CSV or TSV file. Which of the two it is, and which columns hold what, is read off its header line."""
    separator = separator_of(next(filter(str.strip, _lines(file)), ""))
    records = _records(file, separator)
    line, header = next(records, (0, []))
    if not header:
        raise UserError("is empty", where=str(file), mend="give a file with at least one record")
    where = f"{file}, line {line}"
    for name, count in Counter(header).items():
        if name and count > 1:  # without a name: what a spreadsheet leaves behind the last column
            raise UserError(f"names {count} columns", where=f"{where}, `{name}`", mend="rename or remove the others")
    keys = find_keys(header, where)
    return line_table("csv", file, keys, _rows(file, keys, header, records, _SEPARATORS[separator]))


def separator_of(header: str) -> str:
    """What is between the columns: a tab where the header line has one, as no column that is read is named with it."""
    return "\t" if "\t" in header else ","


def _lines(file: Path) -> Iterator[str]:
    for number, content in numbered_lines(file):
        where = f"{file}, line {number}"
        line = decoded(content, where)
        if "\0" in line:  # the csv module would take it for a character
            raise UserError("holds a null byte", where=where, mend="take it out, or write the file again as UTF-8")
        yield line


def _records(file: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Every row that has anything in it, with the number of the line it begins on, from 1; the header too.

    A field may have 131,072 characters, the csv module's limit: an open quotation mark does not take the whole file.
    """
    reader = csv.reader(_lines(file), delimiter=separator, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader, None)
        except csv.Error as error:
            raise UserError(
                f"is not valid CSV: {str(error).partition(' - ')[0]}",  # then what its caller has to mend
                where=f"{file}, line {line}",
                mend="close quotation marks, double those inside a quoted field, end lines with LF or CRLF",
            ) from error
        if fields is None:
            return
        if any(map(str.strip, fields)):
            yield line, fields


def _rows(
    file: Path, keys: Keys, header: list[str], records: Iterator[tuple[int, list[str]]], separator: str
) -> Iterator[tuple[int, Row]]:
    columns = [(header.index(name), name) for name in wanted_columns(keys, header)]
    needed = {keys.file_path, keys.pid, keys.split, keys.captions}
    caption = header.index(keys.captions)
    for line, fields in records:
        if len(fields) != len(header):
            raise UserError(
                f"has {len(fields)} columns, the header {len(header)}",
                where=f"{file}, line {line}",
                mend=f"quote a field that holds a {separator}, and leave no column out",
            )
        if fields[caption].startswith(_LISTS):  # as pandas writes a list; it would pass for one odd caption
            raise UserError(
                "is a list in a text", where=f"{file}, line {line}, `{keys.captions}`", mend="give a caption a row"
            )
        # An empty field of a column that may be missing is a missing one: CSV has no null.
        yield line, {name: fields[at] for at, name in columns if fields[at] or name in needed}
