"""What a run left on disk, and what of it was lost."""

import contextlib
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

STATE = ".tbpr"
HUMAN = -1
"""In place of a request, where a row answers none."""


@dataclass(frozen=True)
class Line:
    """A journal line that holds an answer."""

    journal: str
    """Name of its file."""
    tag: int
    """The request that it answers."""
    data: bytes
    """The line as it is."""


@dataclass(frozen=True)
class Whole:
    """What an undisturbed run left, by which all others are measured."""

    published: dict[str, str]
    """Every published file with its hash."""
    files: frozenset[str]
    """Every file."""
    rows: dict[str, int]
    """Id of each row, accepted or refused → the request that it answers; `HUMAN` where it answers none."""
    tags: frozenset[int]
    """Every request: those of the rows, and the questions about them."""
    refused: dict[str, frozenset[int]]
    """Reason → the requests whose rows are refused for it."""


def whole(out: Path) -> Whole:
    """What is in a finished folder."""
    reasons = {reason: refused(out, reason) for reason in ("empty", "cut_by_length")}
    return Whole(published(out), files(out), rows(out), frozenset(line.tag for line in lines(out)), reasons)


def published(out: Path) -> dict[str, str]:
    """Every file of the dataset with its hash; what a run keeps for itself is none of it."""
    names = (name for name in files(out) if not name.startswith(f"{STATE}/"))
    return {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in names}


def files(out: Path) -> frozenset[str]:
    """Every file below a folder."""
    return frozenset(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())


def rows(out: Path) -> dict[str, int]:
    """Every row of the shards that the manifest names: id → the request it answers."""
    found = {}
    for table in _tables(out, ("data", "rejects"), ["caption_id", "provenance"]):
        for row in table.to_pylist():
            found[row["caption_id"]] = row["provenance"]["prompt_tokens"] if row["provenance"] else HUMAN
    return found


def refused(out: Path, reason: str) -> frozenset[int]:
    """The requests whose rows are refused for this reason."""
    read = (row for table in _tables(out, ("rejects",), ["reasons", "provenance"]) for row in table.to_pylist())
    return frozenset(row["provenance"]["prompt_tokens"] for row in read if reason in row["reasons"])


def _tables(out: Path, folders: tuple[str, ...], columns: list[str]) -> Iterator[pa.Table]:
    for block in manifest(out).get("blocks", ()):
        for path in (out / shard["path"] for shard in block["shards"]):
            # One that is not there or cannot be read has no rows: they are lost.
            if path.parent.name in folders:
                with contextlib.suppress(OSError, pa.ArrowInvalid):
                    yield pq.read_table(path, columns=columns)


def manifest(out: Path) -> dict[str, Any]:
    """The manifest; empty where there is none that can be read."""
    try:
        read: dict[str, Any] = json.loads((out / "manifest.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return read


def recorded(out: Path) -> list[str]:
    """Names of the blocks in the manifest."""
    return [block["name"] for block in manifest(out).get("blocks", ())]


def is_finished(out: Path) -> bool:
    """Whether nothing is left to do, the card included."""
    told = manifest(out)
    return len(recorded(out)) == told.get("blocks_total") and (out / "README.md").is_file()


def lines(out: Path) -> list[Line]:
    """Every answer in the journals that an interruption left whole; failures, which are asked again, are none."""
    found = []
    for path in sorted((out / STATE / "journal").glob("*.jsonl")):
        headed = False
        for data in path.read_bytes().split(b"\n")[:-1]:
            try:
                told = json.loads(data)
            except ValueError:
                # Behind zeros, in which a head may be lost, nothing is believed until the next one.
                headed = headed and data.startswith(b'{"key"') and b"\0" not in data
                continue
            headed = headed or "engine" in told
            if headed and "key" in told and not told.get("transient"):
                found.append(Line(path.name, told.get("prompt_tokens", HUMAN), data))
    return found


def twice(tags: list[int]) -> list[int]:
    """Those that are there more than once."""
    return [tag for tag, count in Counter(tags).items() if count > 1]
