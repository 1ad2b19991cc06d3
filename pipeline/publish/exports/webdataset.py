"""`webdataset`: tar shards that open_clip trains on, a sample per human caption.

Readers shuffle only what lies near each other, and two captions of one image in a batch are false negatives of each
other: so the train samples are shuffled here, over the whole split. They wait in a nameless file for their turn; in
memory are only their places in it.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from math import ceil
from pathlib import Path
from random import Random
from typing import IO, Any

from ....schemas.errors import UserError
from ...shards import write_text
from ...sources.images import ImageFolder
from ...sources.table import slug
from ..contents import Contents
from .exported import Exported, begin, whole
from .groups import Caption, CaptionedImage, Row, images_of, missing, some, splits
from .pictures import as_read, read_picture

SHARD_SAMPLES = 1000
"""Most samples of a shard. open_clip needs a shard for each worker of each GPU; CUHK-PEDES makes 69 of some 20 MB."""
SIZES = "sizes.json"

_KEY_CHARACTERS = 60
_Place = tuple[int, int]


def export_webdataset(contents: Contents, out: Path, images: ImageFolder | None) -> Exported:
    """Write `SPLIT-000000.tar`, …, and `sizes.json`, from which open_clip knows how many samples there are.

    A sample is `KEY.jpg` (or `.png`, `.webp`), `KEY.txt` (the caption), `KEY.json` (ids), `KEY.rewrites.json` (text,
    style, caption_id and negatives of each) and `KEY.negatives.json` (text, kind and rule of each).

    Raises UserError where an image is missing or is none, where `out` holds anything but an earlier export to this
    format, or for a broken shard.
    """
    _check_images(contents, images)
    patterns = [f"{split}-*.tar" for split in ("train", "val", "test")]
    begin(out, "webdataset", contents, [*patterns, SIZES, ".*.writing"])
    counts, sizes, converted = dict[str, int](), dict[str, int](), 0
    for split in splits(contents):
        with tempfile.TemporaryFile(dir=out) as file:
            samples = _Samples(file, images)
            places = samples.put_all(contents, split)
            for number, some_places in enumerate(_shards(places)):
                name = f"{split}-{number:06d}.tar"
                _write(out / name, map(samples.get, some_places))
                sizes[name] = len(some_places)
            counts[split] = len(places)
            converted += len(samples.converted)
    write_text(out / SIZES, json.dumps(sizes, indent=1) + "\n")
    return Exported(files=(*sizes, SIZES), counts=counts, notes=tuple(_notes(out, sizes, converted)))


class _Samples:
    """The samples of a split, written away one after the other and read back in any order."""

    def __init__(self, file: IO[bytes], folder: ImageFolder | None) -> None:
        self._file, self._folder = file, folder
        self._stored: dict[str, _Place] = {}
        self.converted: set[str] = set()
        """Images that had to be given another format."""

    def put_all(self, contents: Contents, split: str) -> list[_Place]:
        """Write away a whole split. Gives the place of each sample, in the order they are to be exported in."""
        columns = ["negatives", *(["image"] if contents.embedded else [])]
        places = []
        for image in images_of(contents, split, columns):
            stored = next((row["image"] for row in image.rows if row.get("image")), None)
            if stored:
                self._stored[image.image_id] = self._put(stored["bytes"])
            for caption in image.captions:
                sample = [image.image_id, image.path, _sample(image, caption)]
                places.append(self._put(json.dumps(sample).encode("ascii")))
        if split == "train":
            Random(0).shuffle(places)
        return places

    def get(self, place: _Place) -> dict[str, Any]:
        """A sample as webdataset's writer takes it. Raises UserError where its image cannot be read."""
        image_id, path, sample = json.loads(self._read(place))
        stored = self._stored.get(image_id)
        found = self._read(stored) if stored else read_picture(self._folder, path)
        ending, content = as_read(found, path)
        if content is not found:
            self.converted.add(image_id)
        texts = {name: text.encode() for name, text in sample.items() if name != "__key__"}
        return {"__key__": sample["__key__"], ending: content, **texts}

    def _put(self, content: bytes) -> _Place:
        return self._file.tell(), self._file.write(content)

    def _read(self, place: _Place) -> bytes:
        self._file.seek(place[0])
        return self._file.read(place[1])


def _sample(image: CaptionedImage, caption: Caption) -> dict[str, str]:
    row = caption.row
    ids = {
        "caption_id": row["caption_id"],
        "image_id": image.image_id,
        "pid": image.pid,
        "split": image.split,
        "dataset": image.dataset,
    }
    rewrites = [
        {**{name: rewrite[name] for name in ("text", "style", "caption_id")}, "negatives": _negatives(rewrite)}
        for rewrite in caption.rewrites
    ]
    return {
        "__key__": _key(row["caption_id"]),
        "txt": row["text"],
        "json": json.dumps(ids),
        "rewrites.json": json.dumps(rewrites),
        "negatives.json": json.dumps(_negatives(row)),
    }


def _negatives(row: Row) -> list[dict[str, str]]:
    return [{name: negative[name] for name in ("text", "kind", "rule")} for negative in row["negatives"]]


def _key(caption_id: str) -> str:
    """Letters, digits and hyphens alone: a dot would end it, a slash make a folder of it."""
    return f"{slug(caption_id)[-_KEY_CHARACTERS:]}-{hashlib.sha256(caption_id.encode()).hexdigest()[:16]}"


def _shards(places: Sequence[_Place]) -> list[Sequence[_Place]]:
    """Places shard by shard, as many in each: a worker of open_clip goes round its shards until the others are done."""
    count = ceil(len(places) / SHARD_SAMPLES)
    return [places[len(places) * k // count : len(places) * (k + 1) // count] for k in range(count)]


def _write(path: Path, samples: Iterable[dict[str, Any]]) -> None:
    from webdataset import TarWriter

    with whole(path) as file, TarWriter(file, encoder=False, mtime=0) as tar:
        for sample in samples:
            tar.write(sample)


def _check_images(contents: Contents, images: ImageFolder | None) -> None:
    absent = missing(contents, images, stored=contents.embedded)
    if absent and images is None:
        what = f"where the images are is not known (the first: {absent[0]})"
        raise UserError(
            what, where=str(contents.root), mend="give --images-root, the folder that their paths are below"
        )
    if absent and images is not None:
        mend = "copy them there, give another --images-root, or remove them from the source"
        raise UserError(some(absent), where=str(images.root), mend=mend)


def _notes(out: Path, sizes: dict[str, int], converted: int) -> Iterator[str]:
    shards = [name for name in sizes if name.startswith("train-")]
    if shards:
        numbers = [name.removeprefix("train-").removesuffix(".tar") for name in (shards[0], shards[-1])]
        pattern = f"train-{{{numbers[0]}..{numbers[1]}}}.tar" if len(shards) > 1 else shards[0]
        data = shlex.quote(str(out.absolute() / pattern))
        yield f"open_clip: --dataset-type webdataset --train-data {data} --workers {min(4, len(shards))}"
        yield f"{len(shards):,} train shards: workers times GPUs may not be more"
    if converted:
        yield f"{converted:,} images that are neither JPEG, PNG nor WebP are stored as PNG, pixel by pixel"
