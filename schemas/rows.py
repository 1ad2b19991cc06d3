"""The rows of a published dataset: config `pairs` and config `rejects`."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Origin = Literal["human", "llm"]
NegativeKind = Literal["swap", "replace", "add", "negate"]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Edit(_Row):
    """One edit between a caption and its negative, in characters: `source[source_start:source_end]` became
    `text[start:end]`. Putting the source pieces back in place of the new ones gives the caption back."""

    source_start: int
    """First character of the piece in the caption."""
    source_end: int
    """One past its last character."""
    start: int
    """First character of what stands there in the negative."""
    end: int
    """One past its last character."""


class Scores(_Row):
    """How a text-only scorer sees the negative against its caption, each as score(caption) - score(negative)."""

    plausibility: float | None = None
    """Gap in plausibility, nats per token; null where nothing scored it."""
    grammar: float | None = None
    """Gap in grammaticality; null where nothing scored it."""


class Negative(_Row):
    """A hard negative: the caption with a few words changed so that it no longer fits the picture."""

    text: str
    """The negative caption."""
    kind: NegativeKind
    """What was done: `swap`, `replace`, `add` or `negate`."""
    rule: str
    """The rule that made it, e.g. `negclip/noun_phrase`."""
    slots: list[str]
    """Attribute slots touched, e.g. `upper.colour`; empty for rules that do not parse attributes."""
    spans: list[Edit]
    """The edits, in order of position in the caption."""
    origin: Literal["rule", "llm"]
    """Made by a rule, or by the language model."""
    scores: Scores
    """What the balance was made with."""


class Checks(_Row):
    """What was measured of an accepted rewrite."""

    verdict: Literal["accepted", "rejected"]
    """`accepted` in `pairs`, `rejected` in `rejects`."""
    kept: list[str] | None = None
    """Attributes the rewrite keeps, as `upper.colour: red`; null where attributes were not compared."""
    generalised: list[str] | None = None
    """What it says less exactly: `upper.colour: navy → blue`."""
    specialised: list[str] | None = None
    """What it says more exactly than its source."""
    dropped: list[str] | None = None
    """What it leaves out."""
    added: list[str] | None = None
    """What it invents."""
    contradicted: list[str] | None = None
    """What it changes: `upper.colour: green → red`."""
    novelty: float | None
    """1 - similarity of the two word sequences (0 a copy, 1 nothing in common)."""
    similarity: float | None = None
    """Sentence-embedding cosine with the source; null where it was not computed."""
    clip_tokens: int
    """Length in CLIP tokens with both end marks; CLIP reads 77."""


class Provenance(_Row):
    """Which prompt, model, seed and run made a rewrite."""

    prompt_id: str
    """Prompt file's id, e.g. `paraphrase`."""
    prompt_sha256: str
    """Hash of all that the prompt says."""
    model: str
    """Model as the run named it: a Hub id, or a local folder's name."""
    model_revision: str | None
    """Pinned commit on the Hub, or the hash of a local folder's config and weight list."""
    engine: str
    """`vllm`, or what the server called itself."""
    engine_version: str | None
    """The engine's version, where the server told it."""
    sampling_sha256: str
    """Hash of the sampling parameters."""
    seed: int | None
    """Seed sent with the request; null where the engine takes none."""
    sample_index: int
    """Which of the n samples."""
    finish_reason: str | None
    """As the server gave it: `stop`, `length`, …"""
    prompt_tokens: int | None
    """Tokens of the prompt, as the server counted."""
    completion_tokens: int | None
    """Tokens generated, as the server counted."""
    run_id: str
    """First 16 hex digits of the run's fingerprint."""


class PairRow(_Row):
    """A row of config `pairs`: an image with one accepted caption, human or rewritten."""

    caption_id: str
    """`DATASET/FILE_PATH#k`, and `~PROMPT.n` behind it for a rewrite."""
    image_id: str
    """`DATASET/FILE_PATH`."""
    image_path: str
    """Path of the image below the dataset's image folder."""
    dataset: str
    """Short name of the source dataset."""
    pid: int
    """Identity, as the dataset numbers it."""
    split: str
    """`train`, `val` or `test`."""
    text: str
    """The caption."""
    origin: Origin
    """`human` (from the source) or `llm` (a rewrite)."""
    style: str | None
    """Style of the prompt that made it; null for a human caption."""
    source_caption_id: str | None
    """The caption a rewrite was made from; null for a human caption."""
    attributes: str | None = None
    """The person read from the text, as JSON; null where it was not parsed."""
    negatives: list[Negative]
    """Hard negatives of this caption."""
    neighbours: list[str] = []
    """Ids of the most similar images of other identities in the split; empty where no features were given."""
    checks: Checks | None
    """What was measured of a rewrite; null for a human caption."""
    provenance: Provenance | None
    """What made a rewrite; null for a human caption."""


class RejectRow(_Row):
    """A row of config `rejects`: an answer that is no caption, with every reason."""

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
    source_text: str
    """The caption it was made from."""
    text: str
    """The rewrite after cleaning; empty when nothing usable came."""
    raw: str
    """What the model answered, before cleaning."""
    style: str | None
    """Style of the prompt."""
    reasons: list[str]
    """Why it was refused, the checks' names in their order; `not_best` when it passed but another sample was kept,
    `negative` alone when it was asked for as a hard negative and is one."""
    error: str | None
    """The server's own words, where it gave no answer."""
    checks: Checks | None
    """What was measured, where there was something to measure."""
    provenance: Provenance
    """What made it."""
