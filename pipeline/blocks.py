"""Blocks: a source cut, in its own order, into pieces of a fixed number of captions, split by split."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from ..schemas.source import Source, SourceCaption

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Block:
    """One shard, one journal, one unit of resume, one unit of distribution."""

    split: str
    """`train`, `val` or `test`."""
    index: int
    """Position among the split's blocks."""
    of: int
    """How many blocks the split has."""
    captions: tuple[SourceCaption, ...]
    """Its captions, in source order."""

    @property
    def name(self) -> str:
        """`train-00000-of-00008`, the name of its shard and journal."""
        return f"{self.split}-{self.index:05d}-of-{self.of:05d}"


def cut_blocks(source: Source, size: int) -> Iterator[Block]:
    """The blocks of a source: train, then val, then test, `size` captions each but the last of a split."""
    counts = {split: sum(len(image.captions) for image in source.images if image.split == split) for split in SPLITS}
    for split in SPLITS:
        of = -(-counts[split] // size)
        captions = (caption for caption in source.captions() if caption.image.split == split)
        for index in range(of):
            yield Block(split, index, of, tuple(islice(captions, size)))
