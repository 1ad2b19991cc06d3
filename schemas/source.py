"""A source dataset: its images and the captions people wrote of them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SourceImage:
    """One image of a source, validated: every reader yields these."""

    dataset: str
    """The dataset's short name, the first part of every id: `cuhk-pedes`."""
    file_path: str
    """Path below the images' root, with forward slashes, never leaving it."""
    pid: int
    """Identity, as the dataset numbers it."""
    split: str
    """`train`, `val` or `test`."""
    captions: tuple[str, ...]
    """At least one, repaired, in the order of the dataset."""

    @property
    def image_id(self) -> str:
        """`DATASET/FILE_PATH`."""
        return f"{self.dataset}/{self.file_path}"

    def caption_id(self, k: int) -> str:
        """`DATASET/FILE_PATH#k`, k counted from 0."""
        return f"{self.image_id}#{k}"


@dataclass(frozen=True, slots=True)
class SourceCaption:
    """Caption `k` of an image: the unit that is rewritten."""

    image: SourceImage
    k: int

    @property
    def text(self) -> str:
        """The caption itself."""
        return self.image.captions[self.k]

    @property
    def caption_id(self) -> str:
        """`DATASET/FILE_PATH#k`."""
        return self.image.caption_id(self.k)


@dataclass(slots=True)
class Findings:
    """What validation met and did not refuse: counted, with the first few places named."""

    counts: dict[str, int] = field(default_factory=dict)
    """Warning or repair name → how often."""
    examples: dict[str, list[str]] = field(default_factory=dict)
    """Warning or repair name → the first places."""

    def add(self, name: str, place: str, *, examples: int = 5) -> None:
        """Count one more `name`, keeping the first `examples` places."""
        self.counts[name] = self.counts.get(name, 0) + 1
        kept = self.examples.setdefault(name, [])
        if len(kept) < examples:
            kept.append(place)


@dataclass(frozen=True, slots=True)
class Source:
    """A whole source, read and validated."""

    format: str
    """The reader that recognised it: `cuhk-pedes`, `jsonl`, …"""
    path: str
    """Where it was read from, as the user named it."""
    images: tuple[SourceImage, ...]
    """Every image in source order."""
    images_root: Path | None
    """The folder below which `file_path` lies, or none when the images are not at hand."""
    sha256: str
    """Hash of everything read (ids, pids, splits, captions): the source's part of a run's fingerprint."""
    warnings: Findings
    """Odd but usable: an empty caption, a missing image, one caption on several identities."""
    repairs: Findings
    """Captions mended on the way in, by rule."""

    def captions(self) -> Iterator[SourceCaption]:
        """Every caption, in source order."""
        for image in self.images:
            for k in range(len(image.captions)):
                yield SourceCaption(image, k)
