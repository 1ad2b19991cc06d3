"""`irra-json`: CUHK-PEDES's annotation, as IRRA and RDE read it, and the file a split that TBPS-CLIP reads.

Their loaders want the train identities numbered from 1 without a gap, take every caption of a train image for a pair,
and measure on every caption of a test image: rewrites are further captions of train images alone.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ....schemas.errors import UserError
from ...sources.images import ImageFolder
from ..contents import Contents
from .exported import Exported, begin, whole
from .groups import CaptionedImage, images_of, missing, some, splits

_FOLDER = "CUHK-PEDES"  # what the loaders call it, whatever is in it


@dataclass(frozen=True)
class _Numbers:
    """How identities are numbered."""

    ids: dict[tuple[str, int], int]
    """Dataset and identity → number."""
    kept: bool
    """Whether they are the dataset's own."""


def export_irra_json(contents: Contents, out: Path, images: ImageFolder | None) -> Exported:
    """Write `CUHK-PEDES/reid_raw.json` and `CUHK-PEDES/SPLIT_reid.json`.

    Raises UserError where two datasets have an image of one path, where `out` holds anything but an earlier export to
    this format, or for a broken shard.
    """
    numbers = _numbers(contents)
    begin(out, "irra-json", contents, [f"{_FOLDER}/{name}" for name in ("reid_raw.json", "*_reid.json", ".*.writing")])
    counts = dict.fromkeys(splits(contents), 0)
    raw = f"{_FOLDER}/reid_raw.json"
    with whole(out / raw) as raw_file:
        everything = _List(raw_file)
        for split in counts:
            with whole(out / _FOLDER / f"{split}_reid.json") as file:
                alone = _List(file)
                for image in images_of(contents, split):
                    record = _record(image, numbers.ids[image.dataset, image.pid])
                    counts[split] += len(record["captions"])
                    everything.add(record)
                    back = {"captions_bt": [other for _, other in _texts(image)]} if split == "train" else {}
                    alone.add({**record, **back})
                alone.end()
        everything.end()
    files = (*(f"{_FOLDER}/{split}_reid.json" for split in counts), raw)
    return Exported(files=files, counts=counts, notes=tuple(_notes(contents, out, images, numbers)))


class _List:
    """A JSON list written an object a line, never in memory as a whole."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._before = file, b"[\n"

    def add(self, record: dict[str, Any]) -> None:
        # ASCII: the loaders open it in the encoding of the machine.
        self._file.write(self._before + json.dumps(record).encode("ascii"))
        self._before = b",\n"

    def end(self) -> None:
        self._file.write(b"[]\n" if self._before == b"[\n" else b"\n]\n")


def _texts(image: CaptionedImage) -> list[tuple[str, str]]:
    """The captions of an image, those of people first; each with another text that says the same, or itself again."""
    humans = [(one.row["text"], one.rewrites[0]["text"] if one.rewrites else one.row["text"]) for one in image.captions]
    rewrites = [(rewrite["text"], one.row["text"]) for one in image.captions for rewrite in one.rewrites]
    return humans + rewrites if image.split == "train" else humans


def _record(image: CaptionedImage, number: int) -> dict[str, Any]:
    return {
        "split": image.split,
        "captions": [text for text, _ in _texts(image)],
        "file_path": image.path,
        "id": number,
        "dataset": image.dataset,
        "pid": image.pid,
    }


def _numbers(contents: Contents) -> _Numbers:
    """The dataset's own numbers where the loaders take them, else new ones: train first, then the other splits."""
    owners: dict[str, str] = {}
    people: dict[str, dict[tuple[str, int], None]] = {split: {} for split in splits(contents)}
    for row in contents.rows("pairs", ["dataset", "image_path", "pid", "split"]):
        people[row["split"]][row["dataset"], row["pid"]] = None
        owner = owners.setdefault(row["image_path"], row["dataset"])
        if owner != row["dataset"]:
            raise UserError(
                f"{owner} and {row['dataset']} both have an image {row['image_path']}",
                where=str(contents.root),
                mend="the format tells images by their path alone: make and export a dataset of each",
            )
    everybody = [person for split in people.values() for person in split]
    train = sorted(pid for _, pid in people.get("train", ()))
    if len({dataset for dataset, _ in everybody}) == 1 and train == list(range(1, len(train) + 1)):
        return _Numbers({person: person[1] for person in everybody}, kept=True)
    return _Numbers({person: number for number, person in enumerate(everybody, start=1)}, kept=False)


def _notes(contents: Contents, out: Path, images: ImageFolder | None, numbers: _Numbers) -> Iterator[str]:
    root, folder = out.absolute(), out.absolute() / _FOLDER
    lie = images.root.absolute() if images else Path("IMAGES")
    yield f"images are looked for here: ln -s {shlex.quote(str(lie))} {shlex.quote(f'{folder}/imgs')}"
    yield f"IRRA: --dataset_name {_FOLDER} --root_dir {shlex.quote(str(root))}"
    yield "RDE: the same, and --noisy_rate 0: by default it exchanges a fifth of the captions"
    yield f"TBPS-CLIP: anno_dir: '{folder}', image_dir: '{folder}/imgs'"
    yield "TBPS-CLIP gets a rewrite of a caption, or the caption itself, where it asks for a back-translation"
    if "test" not in splits(contents) and "val" in splits(contents):
        yield "there is no test split, which the loaders measure on: give IRRA and RDE --val_dataset val"
    if not numbers.kept:
        yield f"{len(numbers.ids):,} identities are numbered anew from 1, train first: their own numbers are in `pid`"
    if images is not None and (absent := missing(contents, images)):
        yield f"{some(absent)} in {images.root}"
