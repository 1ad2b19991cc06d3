"""`negclip-tsv`: the table that NegCLIP's training (vinid/neg_clip) reads, a file a split.

It opens `filepath` as it is, draws one text of `neg_caption` and one row of `neg_image` at random, and takes that row's
image, caption and negative as well: neither list may be empty. A row is named by its place in the file, from 0.
"""

from __future__ import annotations

import codecs
import csv
import shlex
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from ....schemas.errors import UserError
from ...sources.images import ImageFolder
from ..contents import Contents
from .exported import Exported, begin, whole
from .groups import CaptionedImage, Row, images_of, missing, some, splits

_COLUMNS = ("title", "filepath", "neg_caption", "neg_image")
_STRANGERS = 3  # as many as NegCLIP has similar images
# What a spreadsheet takes for a formula at the beginning of a cell, quoted or not, and for text behind anything else.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass
class _Rows:
    """Which rows a file has, known before it is written."""

    of_image: dict[str, range] = field(default_factory=dict)
    """Image → its rows."""
    identities: array[int] = field(default_factory=lambda: array("q"))
    """Row → identity, numbered from 0."""
    left_out: int = 0
    """Captions without a negative."""
    alone: int = 0
    """Rows without a similar image, counted as they are written."""


def export_negclip_tsv(contents: Contents, out: Path, images: ImageFolder | None) -> Exported:
    """Write `SPLIT.tsv`: a row a caption, and in train a row a rewrite, each with its own negatives.

    A caption without negatives is left out. The rows of similar images are those of `neighbours`; where none was named,
    or none of them has a row, three rows of other identities, drawn with a fixed seed.

    Raises UserError where no caption has negatives, where `out` holds anything but an earlier export to this format, or
    for a broken shard.
    """
    plans = {split: plan for split in splits(contents) if (plan := _plan(contents, split)).identities}
    if not plans:
        mend = "make some first: tbpr-data negatives, or augment without --no-negatives"
        raise UserError("no caption has a hard negative", where=str(contents.root), mend=mend)
    begin(out, "negclip-tsv", contents, ["*.tsv", ".*.writing"])
    for split, plan in plans.items():
        with whole(out / f"{split}.tsv") as file:
            text = codecs.getwriter("utf-8")(file)
            table = csv.writer(text, delimiter="\t", quoting=csv.QUOTE_ALL, lineterminator="\n")
            table.writerow(_COLUMNS)
            for row, similar in _rows(contents, split, plan):
                negatives = [negative["text"] for negative in row["negatives"]]
                table.writerow(
                    [_plain(row["text"], " "), _plain(row["image_path"], "./"), repr(negatives), repr(similar)]
                )
    return Exported(
        files=tuple(f"{split}.tsv" for split in plans),
        counts={split: len(plan.identities) for split, plan in plans.items()},
        notes=tuple(_notes(contents, out, images, plans)),
    )


def _plain(cell: str, before: str) -> str:
    """A cell that is no formula. Training sees no difference: CLIP's tokenizers take white space off a text's ends, and
    `./` before a path names the same file."""
    return before + cell if cell.startswith(_FORMULA) else cell


def _kept(image: CaptionedImage) -> list[Row]:
    return [row for row in (image.rows if image.split == "train" else image.humans) if row["negatives"]]


def _plan(contents: Contents, split: str) -> _Rows:
    plan, numbers = _Rows(), dict[tuple[str, int], int]()
    for image in images_of(contents, split, ["negatives"]):
        kept, start = _kept(image), len(plan.identities)
        plan.left_out += len(image.rows if split == "train" else image.humans) - len(kept)
        if kept:
            plan.of_image[image.image_id] = range(start, start + len(kept))
            plan.identities.extend([numbers.setdefault((image.dataset, image.pid), len(numbers))] * len(kept))
    return plan


def _rows(contents: Contents, split: str, plan: _Rows) -> Iterator[tuple[Row, list[int]]]:
    """Each row of the file with the rows of images like its own."""
    random = Random(0)
    for image in images_of(contents, split, ["negatives", "neighbours"]):
        for row in _kept(image):
            similar = [at for other in row["neighbours"] for at in plan.of_image.get(other, ())]
            if not similar:
                plan.alone += 1
                similar = list(_strangers(plan, plan.of_image[image.image_id].start, random))
            yield row, similar


def _strangers(plan: _Rows, own: int, random: Random) -> Iterator[int]:
    """Rows of other identities than that of row `own`; `own` itself where there is nobody else."""
    people, count = plan.identities, len(plan.identities)
    for _ in range(_STRANGERS):
        start = random.randrange(count)
        around = (at % count for at in range(start, start + count))
        yield next((at for at in around if people[at] != people[own]), own)


def _notes(contents: Contents, out: Path, images: ImageFolder | None, plans: dict[str, _Rows]) -> Iterator[str]:
    root = shlex.quote(str(images.root.absolute() if images else Path("IMAGES")))
    train = shlex.quote(str(out.absolute() / "train.tsv"))
    yield "filepath is relative to the images' folder, so training starts there:"
    yield f"cd {root} && PYTHONPATH=NEG_CLIP/src python -m training.main --train-data {train}"
    if left_out := sum(plan.left_out for plan in plans.values()):
        yield f"{left_out:,} captions without a negative are left out: the training needs one of each"
    if alone := sum(plan.alone for plan in plans.values()):
        yield f"{alone:,} rows have no similar images (--features or --embed names them): neg_image holds \
{_STRANGERS} rows of other identities in their place"
    if images is not None and (absent := missing(contents, images)):
        yield f"{some(absent)} in {images.root}"
