"""The parts of a dataset that a run is made with: what it trains on, chooses by and measures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..distributed import processes, rank
from ..recipe import Recipe
from ..screen import Screen
from ..stop import Stop
from .collection import Collection, hold_out
from .images import check_images
from .loader import looked_through
from .read import read_collection


@dataclass(frozen=True)
class Data:
    """What a run is made with."""

    whole: Collection
    """As it was read."""
    train: Collection
    """What is trained on."""
    selection: Collection
    """What checkpoints are chosen by."""
    test: Collection | None
    """What is measured at the end; none where the source has no test split."""

    @property
    def measured(self) -> tuple[str, Collection]:
        """The split of the result, and its images."""
        return ("test", self.test) if self.test is not None else ("val", self.selection)

    @property
    def parts(self) -> tuple[Collection, ...]:
        """Every part once, what is trained on first."""
        test = () if self.test is None or self.test.images == self.selection.images else (self.test,)
        return self.train, self.selection, *test


def read_data(recipe: Recipe, source: str, *, format: str, images_root: Path | None) -> Data:
    """Read a source, and part it as the recipe says. Raises UserError where that cannot be, or images are missing."""
    whole = read_collection(source, format=format, images_root=images_root)
    test = whole.split("test") if "test" in whole.splits() else None
    if recipe.selection.split == "test":
        train, selection = whole.split("train"), whole.split("test")
    else:
        train, selection = hold_out(whole, recipe.data.hold_out, recipe.seed)
    data = Data(whole, train, selection, test)
    for part in data.parts:
        check_images(part)
    return data


def look_through(data: Data, workers: int, screen: Screen, stop: Stop) -> None:
    """Raise UserError for an image that cannot be read, before hours go into a run that would end at it.

    What is measured on, first met after an epoch or at the very end, is decoded; what is trained on is opened.
    """
    with screen.counting("looking at images", sum(len(part.images) for part in data.parts)) as advance:
        for part in data.parts:
            own = part.images[rank() :: processes()]
            for count in looked_through(own, part, whole=part is not data.train, workers=workers) if own else ():
                advance(count)
                if stop.wanted:
                    stop.end()


def lines_on(data: Data, recipe: Recipe) -> Iterator[str]:
    """What a run says of its data."""
    captions = sum(len(image.captions) for image in data.train.images)
    rewrites = sum(len(group.rewrites) for image in data.train.images for group in image.captions)
    shown = "in their stead at times" if recipe.data.mixture.rewrites != "none" else "not used"
    beside = f" (and {rewrites:,} rewrites, {shown})" if rewrites else ""
    held = "" if "val" in data.whole.splits() or recipe.selection.split == "test" else ", held out of train"
    yield (
        f"{data.whole.name}: training on {captions:,} captions{beside} of "
        f"{len(data.train.images):,} images, choosing by {len(data.selection.images):,} images "
        f"({recipe.selection.split}{held})"
    )
    if data.test is None:
        yield "there is no test split: what is told at the end is of the images that checkpoints are chosen by"
    if len({image.identity for image in data.selection.images}) == 1:
        split = recipe.selection.split
        yield f"the {split} split shows one identity, which every search finds: choosing by it says nothing"
