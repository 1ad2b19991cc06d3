"""JSON and JSON Lines, and the lines of any text, read with messages that say where the text breaks."""

import codecs
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import cast

from ...schemas.errors import UserError
from .table import Row, unreadable

_UTF16_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def load_records(file: Path) -> list[Row]:
    """The list of objects that a JSON file holds.

    Raises UserError: unreadable, empty, not UTF-8, broken or cut off (with line and column), not a list of objects.
    """
    where = str(file)
    try:
        content = file.read_bytes().removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        raise unreadable(error, where) from error
    if not content.strip():
        raise UserError("is empty", where=where, mend="copy the annotation file again")
    value = _parse(content, where, line=None)
    if not isinstance(value, list):
        raise UserError(f"is not a list of objects but {named(value)}", where=where, mend="one object a record")
    for number, record in enumerate(value):
        if not isinstance(record, dict):
            raise UserError(
                f"is not an object but {named(record)}", where=f"{where}, record {number}", mend="one object a record"
            )
    if not value:
        raise UserError("holds no records", where=where, mend="give a dataset with at least one image")
    return cast("list[Row]", value)


def iter_lines(file: Path) -> Iterator[tuple[int, Row]]:
    """Every object of a JSON Lines file with its line number from 1; blank lines are passed over.

    Raises UserError: unreadable, not UTF-8, a line broken, cut off or not an object.
    """
    for number, content in numbered_lines(file):
        if content.isspace() or not content:
            continue
        value = _parse(content, str(file), line=number)
        if not isinstance(value, dict):
            raise UserError(
                f"is not an object but {named(value)}",
                where=f"{file}, line {number}",
                mend="JSON Lines has one object a line",
            )
        yield number, value


def first_row(file: Path) -> Row:
    """The first object of a JSON Lines file. Raises UserError as `iter_lines`, and where there is none."""
    for _, row in islice(iter_lines(file), 1):
        return row
    raise UserError("is empty", where=str(file), mend="give a file with at least one record")


def numbered_lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """Every line with its number from 1 and its end, without a byte order mark. Raises UserError: unreadable."""
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                yield number, line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
    except OSError as error:
        raise unreadable(error, str(file)) from error


def decoded(content: bytes, where: str) -> str:
    """UTF-8 as text. Raises UserError where it is none."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        charset = "UTF-16" if content.startswith(_UTF16_BOMS) else "LATIN1"
        raise UserError(
            f"is not UTF-8 at byte {error.start}", where=where, mend=f"convert it: iconv -f {charset} -t UTF-8"
        ) from error


def _parse(content: bytes, where: str, *, line: int | None) -> object:
    at = f"{where}, line {line}" if line else where
    try:
        return json.loads(decoded(content, at))
    except json.JSONDecodeError as error:
        position = f"{where}, line {line or error.lineno}, column {error.colno}"
        rest = error.doc[error.pos :].strip()
        cut = not rest or error.msg.startswith("Unterminated string")
        what = "is cut off" if cut else "is not valid JSON"
        raise UserError(
            f"{what}: {error.msg}", where=position, mend="copy or write it again" if cut else "mend the line"
        ) from error
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits; brackets a thousand deep
        raise UserError(f"is not JSON that can be read: {error}", where=at, mend="copy or write it again") from error


def named(value: object) -> str:
    """A JSON value in a few words: `the number 3`, `a list`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, int | float):
        return f"the number {value!s:.40}"
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    if isinstance(value, list):
        return "a list"
    return "an object" if isinstance(value, dict) else f"a {type(value).__name__}"
