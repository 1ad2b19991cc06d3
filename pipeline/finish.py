"""From the answers of a block to its two shards: judge, make negatives, write. A pure function of what is on disk."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from ..schemas.completion import Request
from ..schemas.rows import PairRow, RejectRow
from .checks.similarity import similarities
from .checks.surface import is_english
from .config import RunConfig
from .judged import BlockJob, judge_block, judge_questions
from .language.clip_tokens import clip_token_counts
from .language.english import load_english
from .language.parse import parse
from .llm.requests import likelihood_request
from .negatives.person_recipe import Scorer
from .negatives.rows import with_negatives
from .negatives.served import ServedLikelihood
from .shards import ShardRecord, pairs_schema, rejects_schema, write_shard


class BlockResult(BaseModel):
    """What finishing a block gave: its shards, and counts for the screen."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = Field(pattern=r"^(train|val|test)-\d+-of-\d+$")
    """The block's name."""
    shards: tuple[ShardRecord, ...]
    """Its shards."""
    captions: int
    """Human captions."""
    accepted: int
    """Rewrites kept."""
    rewritten: int | None = None
    """Captions that have one of them; none in a folder from before they were counted."""
    reasons: dict[str, int]
    """Reason → refused rewrites that give it."""
    rejected: int
    """Rewrites refused."""
    negatives: int
    """Hard negatives made."""
    guarded: dict[str, int] = {}
    """Guard → candidates for hard negatives that it refused; a folder from before they were counted has none."""
    failed: int
    """Requests without an answer that a later run asks again."""


def load_tools(config: RunConfig) -> None:
    """Load what `finish_block` will need: CLIP's tokenizer, the lexicon, the language identifier, the models."""
    clip_token_counts(["a"])
    if config.checks.faithful:
        parse("a man")
    if config.checks.english_only:
        is_english("a man")
    if config.negatives.enabled and config.negatives.recipe == "negclip":
        load_english(config.negatives.spacy_model)
    if config.checks.similarity:
        similarities("a man", ["a man"])


def finish_block(job: BlockJob) -> BlockResult:
    """Judge every answer of a block, make negatives of what is kept, write the shards.

    Raises RunFailed when a request has no line in the journal: a block is finished only once it is answered.
    """
    judged = judge_block(job)
    pairs, guarded = judged.pairs, Counter[str]()
    served = _served(job, [row.text for row in pairs])
    if job.config.negatives.enabled:
        pairs, guarded = _negatives(job, pairs, served.scores if served else None)
    refused = [row for row in judged.rejects if row.reasons != ["negative"]]
    reasons = Counter(reason for row in refused for reason in row.reasons)
    return BlockResult(
        name=job.block.name,
        shards=_write(job, pairs, judged.rejects),
        captions=len(job.block.captions),
        accepted=sum(row.origin == "llm" for row in pairs),
        rewritten=len({row.source_caption_id for row in pairs if row.origin == "llm"}),
        reasons=dict(sorted(reasons.items())),
        rejected=len(refused),
        negatives=sum(len(row.negatives) for row in pairs),
        guarded=dict(sorted(guarded.items())),
        failed=judged.failed + (served.failed if served else 0),
    )


def block_questions(job: BlockJob) -> list[Request]:
    """What the language model is still to be asked about the answers of a block, each question once, in order."""
    return _unanswered(job, judge_questions(job))


def block_texts(job: BlockJob) -> list[Request]:
    """The captions of a block and the candidates for their negatives, as far as their likelihood is not known."""
    texts: list[str] = []

    def note(wanted: Sequence[str]) -> list[None]:
        texts.extend(wanted)
        return [None] * len(wanted)

    _negatives(job, judge_block(job).pairs, note)
    return _unanswered(job, (likelihood_request(job.plan.model, text) for text in texts))


def _unanswered(job: BlockJob, requests: Iterable[Request]) -> list[Request]:
    asked = {request.key: request for request in requests}
    answers = job.answers
    return [request for key, request in asked.items() if key not in answers or answers[key][0].transient]


def _served(job: BlockJob, texts: Sequence[str]) -> ServedLikelihood | None:
    """What the served language model said of the texts, where the run asks it."""
    if not job.config.negatives.ask_server:
        return None
    return ServedLikelihood(job.plan.model, {key: answer for key, (answer, _) in job.answers.items()}, reference=texts)


def _negatives(job: BlockJob, pairs: list[PairRow], served: Scorer | None) -> tuple[list[PairRow], Counter[str]]:
    return with_negatives(
        pairs,
        job.config.negatives,
        seed=job.config.seed,
        siblings=job.siblings,
        known_texts=job.known_texts,
        served=served,
    )


def _write(job: BlockJob, pairs: list[PairRow], rejects: list[RejectRow]) -> tuple[ShardRecord, ...]:
    name, split = job.block.name, job.block.split
    pair_rows = (row.model_dump() for row in pairs)
    if job.config.embed_images:
        pair_rows = ({**row, "image": _image(job.images_root, row["image_path"])} for row in pair_rows)
    schema = pairs_schema(with_images=job.config.embed_images)
    return (
        write_shard(job.out, f"data/{name}.parquet", "pairs", split, pair_rows, schema),
        write_shard(
            job.out,
            f"rejects/{name}.parquet",
            "rejects",
            split,
            (row.model_dump() for row in rejects),
            rejects_schema(),
        ),
    )


def _image(root: Path | None, path: str) -> dict[str, bytes | str] | None:
    """The image file as it is; null where it is missing (counted as a warning when the source was read)."""
    file = root / path if root else None
    return {"bytes": file.read_bytes(), "path": path} if file and file.is_file() else None
