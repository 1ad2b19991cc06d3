"""The demo dataset: who is in which split, the images and `reid_raw.json`."""

import json
import multiprocessing
import os
import tempfile
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypedDict

import numpy as np

from ...schemas.errors import UserError
from .captions import write_captions
from .image import encode_jpeg, render_image
from .person import describe_person
from .scene import describe_scene, image_count

Split = Literal["train", "val", "test"]
_FEWEST = 8  # every split gets at least one pair
_CAPTIONS = 1_000_002  # the random stream of captions, apart from those of images


class Entry(TypedDict):
    """One image of `reid_raw.json`, in CUHK-PEDES's keys and `dataset`."""

    split: Split
    captions: list[str]
    file_path: str
    processed_tokens: list[list[str]]
    id: int
    dataset: str


@dataclass(frozen=True)
class DemoSummary:
    """What was rendered; `splits` counts the images of each split."""

    identities: int
    images: int
    captions: int
    splits: dict[Split, int]


def render_demo(out: Path, *, identities: int = 400, seed: int = 0) -> DemoSummary:
    """Render the dataset below `out`, a folder that is empty or not there yet.

    The same seed and number of identities give the same bytes, on any number of cores.
    """
    if identities < _FEWEST:
        raise UserError(f"{identities} identities are too few", where="--identities", mend=f"give {_FEWEST} or more")
    if seed < 0:
        raise UserError(f"{seed} is below 0", where="--seed", mend="give 0 or more")
    if out.exists() and not out.is_dir():
        raise UserError("is a file", where=str(out), mend="name a folder that does not exist yet")
    if out.exists() and any(out.iterdir()):
        raise UserError("is not empty", where=str(out), mend="name a folder that is empty or does not exist yet")
    for split in ("train", "val", "test"):
        (out / "imgs" / split).mkdir(parents=True)
    entries = _render_all(out, identities, seed)
    _write_atomically(out / "reid_raw.json", json.dumps(entries, indent=1, ensure_ascii=False) + "\n")
    counts: dict[Split, int] = {"train": 0, "val": 0, "test": 0}
    for entry in entries:
        counts[entry["split"]] += 1
    return DemoSummary(identities, len(entries), sum(len(e["captions"]) for e in entries), counts)


def split_of(identity: int, identities: int) -> Split:
    """The split of an identity: about 75 % train, 10 % val, 15 % test, never between the two of a pair."""
    val, test = max(2, 2 * round(0.05 * identities)), max(2, 2 * round(0.075 * identities))
    train = (identities - val - test) // 2 * 2
    if identity <= train:
        return "train"
    return "val" if identity <= train + val else "test"


def _render_all(out: Path, identities: int, seed: int) -> list[Entry]:
    jobs = [(out, identity, seed, split_of(identity, identities)) for identity in range(1, identities + 1)]
    # Spawned workers: the caller may have threads, which a fork would copy mid-step.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=min(os.cpu_count() or 1, identities), mp_context=context) as pool:
        chunks: Iterable[list[Entry]] = pool.map(_render_identity, jobs, chunksize=4)
        return [entry for chunk in chunks for entry in chunk]


def _render_identity(job: tuple[Path, int, int, Split]) -> list[Entry]:
    out, identity, seed, split = job
    person = describe_person(seed, identity)
    entries: list[Entry] = []
    for number in range(1, image_count(seed, identity) + 1):
        scene = describe_scene(seed, identity, number)
        name = f"{split}/{identity:05d}_{number}.jpg"
        (out / "imgs" / name).write_bytes(encode_jpeg(render_image(person, scene), scene.lens.quality))
        captions = write_captions(person, scene, np.random.default_rng([seed, identity, _CAPTIONS + number]))
        entries.append(
            {
                "split": split,
                "captions": list(captions),
                "file_path": name,
                "processed_tokens": [],
                "id": identity,
                "dataset": "tbpr-demo",
            }
        )
    return entries


def _write_atomically(path: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, suffix=".tmp", delete=False) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).chmod(0o644)  # a temporary file is the owner's alone
    Path(file.name).replace(path)
