"""The rows of a release without captions: what may be published of a dataset whose captions may not."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from .rows import Checks, Edit, NegativeKind, Origin, Provenance, Scores


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Piece(_Row):
    """A stretch of a text: words of its own, or a place in a source caption where they stand."""

    text: str | None
    """The words; null where they are a caption's."""
    caption_id: str | None
    """The source caption that has them; null where they stand here."""
    start: int | None
    """First character in that caption."""
    end: int | None
    """One past the last."""
    swapped: list[int]
    """Letters, counted within the piece, that are capitals there and small here, or the other way round."""


class ReleasedText(_Row):
    """A text, whole or in pieces."""

    text: str | None
    """The text; null where it says what a source caption says, word for word, over a stretch."""
    pieces: list[Piece]
    """Then the pieces that give it, in order; a source caption itself is no pieces and no text."""


class ReleasedNegative(_Row):
    """A hard negative."""

    text: str | None
    """The negative; null where it is in `pieces`."""
    pieces: list[Piece]
    """What it is made of; those of a source caption are that caption but for the words exchanged."""
    kind: NegativeKind
    """What was done: `swap`, `replace`, `add` or `negate`."""
    rule: str
    """The rule that made it."""
    slots: list[str]
    """Attribute slots touched."""
    spans: list[Edit]
    """The edits, in characters."""
    origin: Literal["rule", "llm"]
    """Made by a rule, or by the language model."""
    scores: Scores
    """What the balance was made with."""


class ReleasedPair(_Row):
    """A row of config `pairs` of a release: as in the dataset, without the source's captions."""

    caption_id: str
    """`DATASET/FILE_PATH#k`, and `~PROMPT.n` behind it for a rewrite."""
    image_id: str
    """`DATASET/FILE_PATH`."""
    image_path: str
    """Path of the image below the dataset's image folder."""
    image_sha256: str | None
    """Hash of the image file it was made with; null where the images were not at hand."""
    dataset: str
    """Short name of the source dataset."""
    pid: int
    """Identity, as the dataset numbers it."""
    split: str
    """`train`, `val` or `test`."""
    text: str | None
    """A rewrite; null for a caption of the source, and for what is in `pieces`."""
    pieces: list[Piece]
    """What a rewrite is made of that repeats a source caption over a stretch; else empty."""
    text_sha256: str
    """Hash of the whole text, by which joining knows that it has the right one."""
    origin: Origin
    """`human` (of the source, not here) or `llm` (a rewrite)."""
    style: str | None
    """Style of the prompt that made it; null for a human caption."""
    source_caption_id: str | None
    """The caption a rewrite was made from; null for a human caption."""
    attributes: str | None
    """The person read from the text, as JSON; null where the text is not here."""
    negatives: list[ReleasedNegative]
    """Hard negatives of this caption."""
    neighbours: list[str]
    """Ids of the most similar images of other identities in the split."""
    checks: Checks | None
    """What was measured of a rewrite, which attributes were found (`upper.colour: …`); null for a human caption."""
    findings: str | None = None
    """What `checks` found of them, masked with the source caption: it is told in the caption's words."""
    provenance: Provenance | None
    """What made a rewrite; null for a human caption."""


class ReleasedReject(_Row):
    """A row of config `rejects` of a release."""

    caption_id: str
    """Id the rewrite would have had."""
    source_caption_id: str
    """The caption it was made from."""
    image_id: str
    """`DATASET/FILE_PATH`."""
    dataset: str
    """Short name of the source dataset."""
    pid: int
    """Identity."""
    split: str
    """`train`, `val` or `test`."""
    text: ReleasedText
    """The rewrite after cleaning."""
    raw: ReleasedText
    """What the model answered."""
    style: str | None
    """Style of the prompt."""
    reasons: list[str]
    """Why it was refused."""
    error: ReleasedText | None
    """The server's own words, where it gave no answer: some repeat what they were asked."""
    checks: Checks | None
    """What was measured, where there was something to measure, and which attributes were found."""
    findings: str | None = None
    """What `checks` found of them, masked with the source caption."""
    provenance: Provenance
    """What made it."""
