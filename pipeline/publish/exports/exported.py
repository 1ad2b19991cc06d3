"""What an export wrote, and the folder it is written into."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ....schemas.errors import UserError
from ...shards import sync_folder, write_text
from ..contents import Contents

# Hidden, so that no reader takes it for a table.
MARK = ".tbpr-export.json"


@dataclass(frozen=True)
class Exported:
    """What an export wrote."""

    files: tuple[str, ...]
    """The files, below the folder, in the order they were written."""
    counts: dict[str, int]
    """Split → rows or samples in it."""
    notes: tuple[str, ...]
    """Lines for the screen: where the trainer looks for the images, what was renumbered, what was left out."""


def begin(out: Path, to: str, contents: Contents, patterns: Sequence[str]) -> None:
    """Make `out` ready for an export. Of an earlier one to the same format the files that match `patterns` are removed.

    Raises UserError where `out` is a file, or holds anything else.
    """
    if out.exists() and not out.is_dir():
        raise UserError("is a file", where=str(out), mend="name a folder that is empty or does not exist yet")
    if out.is_dir() and any(out.iterdir()):
        earlier = _earlier(out / MARK)
        if earlier != to:
            what = f"holds an export to {earlier}" if earlier else "is not empty"
            raise UserError(what, where=str(out), mend="name a folder that is empty or does not exist yet")
        for pattern in patterns:
            for path in filter(Path.is_file, out.glob(pattern)):
                path.unlink()
    out.mkdir(parents=True, exist_ok=True)
    mark = {"kind": "tbpr-data-export", "to": to, "run_id": contents.manifest.run_id}
    write_text(out / MARK, json.dumps(mark) + "\n")


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which gets its name when it is whole and on the disk; of a broken one nothing is left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    work = path.with_name(f".{path.name}.writing")
    try:
        with work.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        work.replace(path)
    finally:
        work.unlink(missing_ok=True)
    sync_folder(path.parent)


def _earlier(mark: Path) -> str | None:
    """The format of the export that a folder holds; None where it holds none."""
    try:
        found = json.loads(mark.read_bytes())
    except (OSError, ValueError):
        return None
    return str(found.get("to")) if isinstance(found, dict) and found.get("kind") == "tbpr-data-export" else None
