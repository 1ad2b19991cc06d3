"""A row of the table of bad inputs, and what rows are made of."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

Make = Callable[[Path], object]
"""Writes what is bad into a folder of its own."""


class Server(Protocol):
    """What stands at an endpoint."""

    @property
    def url(self) -> str: ...

    def stop(self) -> None: ...


@dataclass(frozen=True)
class Case:
    """A row: what is bad, the command that meets it, and the one line and exit code it ends with."""

    name: str
    """What is bad, in words: the test's id."""
    make: Make
    """Writes it."""
    command: str
    """What is run, in the folder: `{dir}` is its path, `{url}` the server's."""
    says: str
    """The line, behind `tbpr-data: `, with `{dir}` and `{url}` as above; `…` stands for what others word."""
    code: int = 2
    """Exit code."""
    leaves: tuple[str, ...] = ()
    """What it may have written by then, as glob patterns: the state of a run that can go on. Else nothing."""
    server: Callable[[], Server] | None = None
    """What stands at `{url}`; a scripted server that answers well where it is left out."""


def filled(words: str, names: Mapping[str, str]) -> str:
    """With what stands in braces put in."""
    for name, value in names.items():
        words = words.replace("{" + name + "}", value)
    return words


def expected(case: Case, names: Mapping[str, str]) -> re.Pattern[str]:
    """What its last line must be, whole."""
    line = filled(f"tbpr-data: {case.says}", names)
    return re.compile(".+?".join(re.escape(part) for part in line.split("…")))


def tree(folder: Path) -> dict[str, str]:
    """Everything below a folder: path → hash, or where a link leads."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"link to {path.readlink()}"
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            found[name] = "folder" if path.is_dir() else "other"
    return found


def nothing(folder: Path) -> None:
    """For what is bad without a file."""


def text(name: str, content: str | bytes) -> Make:
    """A file of these characters, or bytes."""

    def make(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return make


def folder_at(name: str) -> Make:
    """A folder, where a file is looked for."""

    def make(folder: Path) -> None:
        (folder / name).mkdir(parents=True)

    return make


def records(name: str, *rows: Any) -> Make:
    """A JSON list of these records."""
    return text(name, json.dumps(rows))


def lines(name: str, *rows: Any) -> Make:
    """JSON Lines of these rows; a row that is bytes stands as it is."""
    return text(name, b"".join((one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in rows))


def table(name: str, *rows: dict[str, Any]) -> Make:
    """A Parquet file of these rows."""

    def make(folder: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(list(rows)), folder / name)

    return make


def both(*makes: Make) -> Make:
    """One after the other."""

    def make(folder: Path) -> None:
        for one in makes:
            one(folder)

    return make


def cuhk(
    path: Any = "a.jpg", pid: Any = 1, split: Any = "train", captions: Any = ("A man in red.",), **more: Any
) -> Any:
    """A record of CUHK-PEDES."""
    record = {"file_path": path, "id": pid, "split": split, "captions": captions, "processed_tokens": [], **more}
    return {name: value for name, value in record.items() if value is not ...}


def row(path: Any = "a.jpg", pid: Any = 1, split: Any = "train", caption: Any = "A man in red.", **more: Any) -> Any:
    """A row of JSON Lines or Parquet; what is `...` is left out, as in a record."""
    made = {"file_path": path, "pid": pid, "split": split, "caption": caption, **more}
    return {name: value for name, value in made.items() if value is not ...}


SOURCE = records("x.json", cuhk(), cuhk("b.jpg", 2, "test"))
"""A good source, where something else is bad."""
