"""What a power cut does to files: the bytes that were written last are gone, or zeros."""

import random
from collections.abc import Iterator
from pathlib import Path

from . import evidence


def power_cut(out: Path, chance: random.Random) -> str:
    """Damage what was being written: a file with a temporary name, a shard that no manifest names yet, the journal of a
    block that is not finished. Says what was done; empty where nothing was being written."""
    wanted = [found for found in (list(_half_written(out)), list(_unrecorded(out)), list(_journals(out))) if found]
    # A file that is seldom there is taken when it is.
    return _spoil(chance.choice(wanted[0]), chance) if wanted else ""


def lying_disk(out: Path, chance: random.Random) -> str:
    """Damage what was synced: the manifest, or the shard that was recorded last. A sound disk keeps these through a
    power cut; one that says too early that it has written does not."""
    shards = [shard["path"] for block in evidence.manifest(out).get("blocks", ()) for shard in block["shards"]]
    wanted = [path for path in (out / "manifest.json", *(out / shard for shard in shards[-2:])) if path.is_file()]
    return _spoil(chance.choice(wanted), chance) if wanted else ""


def _half_written(out: Path) -> Iterator[Path]:
    for folder in (out, out / "data", out / "rejects", out / evidence.STATE):
        yield from sorted(path for path in folder.glob(".*.writing") if path.stat().st_size)


def _unrecorded(out: Path) -> Iterator[Path]:
    named = evidence.recorded(out)
    for folder in ("data", "rejects"):
        yield from sorted(path for path in (out / folder).glob("*.parquet") if path.stem not in named)


def _journals(out: Path) -> Iterator[Path]:
    named = evidence.recorded(out)
    for path in sorted((out / evidence.STATE / "journal").glob("*.jsonl")):
        if path.stem not in named and path.stat().st_size:
            yield path


def _spoil(path: Path, chance: random.Random) -> str:
    data = path.read_bytes()
    # Most often some lines' worth, now and then all of it.
    lost = min(len(data), int(chance.choice((20, 700, 5_000, 1e9)) * chance.uniform(0.05, 1)) + 1)
    kept, how = data[: len(data) - lost], chance.choice(("cut off", "zeros", "zeros in a page before the end"))
    if how == "zeros":
        kept += bytes(lost)
    elif how.startswith("zeros in"):
        kept += bytes(min(lost, 512)) + data[len(kept) + 512 :]
    path.write_bytes(kept)
    return f"{lost} bytes of {path.name} {how}"
