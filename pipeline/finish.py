"""From the answers of a block to its two shards: judge, make negatives, write. A pure function of what is on disk."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ..schemas.attributes import Person, to_json
from ..schemas.completion import Completion, EngineInfo, Request
from ..schemas.rows import Checks, Negative, PairRow, Provenance, RejectRow
from ..schemas.source import SourceCaption
from ..schemas.verdict import STATUSES
from .blocks import Block
from .checks.doubts import Doubts
from .checks.select import Judged, judge, judge_sample
from .checks.similarity import similarities
from .checks.surface import is_english
from .config import RunConfig
from .journal import Answers, Journal
from .language.clip_tokens import clip_token_counts
from .language.english import load_english
from .language.parse import parse, parse_once
from .llm.requests import Asked, RequestPlan
from .negatives.contradicted import contradicted_rewrite
from .negatives.rows import Identity, with_negatives
from .shards import ShardRecord, pairs_schema, rejects_schema, write_shard


@dataclass(frozen=True)
class BlockJob:
    """All that a worker process needs to finish a block."""

    block: Block
    plan: RequestPlan
    config: RunConfig
    images_root: Path | None
    model_revision: str | None
    run_id: str
    out: Path
    journal_path: Path
    siblings: Mapping[Identity, tuple[str, ...]]
    """The captions of every identity of the block."""
    known_texts: Path | None
    """Hashes of all captions of the source."""
    neighbours: Mapping[str, tuple[str, ...]]
    """Image id → similar images of other identities; empty where no features were given."""


class BlockResult(BaseModel):
    """What finishing a block gave: its shards, and counts for the screen."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str
    """The block's name."""
    shards: tuple[ShardRecord, ...]
    """Its shards."""
    captions: int
    """Human captions."""
    accepted: int
    """Rewrites kept."""
    reasons: dict[str, int]
    """Reason → refused rewrites that give it."""
    rejected: int
    """Rewrites refused."""
    negatives: int
    """Hard negatives made."""
    guarded: dict[str, int]
    """Guard → candidates for hard negatives that it refused."""
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

    Raises KeyError when a request has no line in the journal: a block is finished only once it is answered.
    """
    answers = Journal(job.journal_path).read()
    doubts = _doubts(job, answers)
    pairs: list[PairRow] = []
    rejects: list[RejectRow] = []
    failed = 0
    kept_of: dict[str, list[str]] = {}
    for caption in job.block.captions:
        human = len(pairs)
        row = _human_row(caption, job.config.checks.faithful)
        similar = list(job.neighbours.get(row.image_id, ()))
        pairs.append(row.model_copy(update={"neighbours": similar}))
        contradicted: list[Negative] = []
        # Of the image, so that two of its captions do not get one rewrite; within the block, which knows no other.
        kept = kept_of.setdefault(caption.image.image_id, [])
        for group in _by_prompt(job.plan.requests(caption)):
            completions = [answers[asked.request.key][0] for asked in group]
            judged = judge(
                caption.text,
                (*caption.image.captions, *kept),
                completions,
                prompt=group[0].prompt,
                config=job.config.checks,
                keep=job.config.keep,
                doubts=doubts,
            )
            failed += sum(completion.transient for completion in completions)
            failed += sum(answers[asked.key][0].transient for sample in judged for asked in sample.questions)
            for asked, sample in zip(group, judged, strict=True):
                engine = answers[asked.request.key][1]
                provenance = _provenance(job, asked, sample.completion, engine)
                if sample.reasons:
                    rejects.append(_reject_row(asked, sample, provenance))
                    contradicted += contradicted_rewrite(caption.text, sample, _others(job, caption))
                else:
                    row = _rewrite_row(asked, sample, provenance)
                    pairs.append(row.model_copy(update={"neighbours": similar}))
                    kept.append(sample.text)
        if job.config.negatives.enabled and contradicted:
            once = {negative.text: negative for negative in reversed(contradicted)}
            pairs[human] = pairs[human].model_copy(update={"negatives": list(once.values())[::-1]})
    guarded: Counter[str] = Counter()
    if job.config.negatives.enabled:
        pairs, guarded = with_negatives(
            pairs, job.config.negatives, seed=job.config.seed, siblings=job.siblings, known_texts=job.known_texts
        )
    reasons = Counter(reason for row in rejects for reason in row.reasons)
    return BlockResult(
        name=job.block.name,
        shards=_write(job, pairs, rejects),
        captions=len(job.block.captions),
        accepted=sum(row.origin == "llm" for row in pairs),
        reasons=dict(sorted(reasons.items())),
        rejected=len(rejects),
        negatives=sum(len(row.negatives) for row in pairs),
        guarded=dict(sorted(guarded.items())),
        failed=failed,
    )


def block_questions(job: BlockJob) -> list[Request]:
    """What the language model is still to be asked about the answers of a block, each question once, in order."""
    answers = Journal(job.journal_path).read()
    doubts = _doubts(job, answers)
    asked: dict[str, Request] = {}
    for caption in job.block.captions if doubts else ():
        person = parse(caption.text) if job.config.checks.faithful else None
        for one in job.plan.requests(caption):
            completion = answers[one.request.key][0]
            sample = judge_sample(caption.text, person, completion, one.prompt, job.config.checks, doubts=doubts)
            asked |= {question.key: question for question in sample.questions}
    return [question for key, question in asked.items() if key not in answers or answers[key][0].transient]


def _doubts(job: BlockJob, answers: Answers) -> Doubts | None:
    if not job.config.judge.enabled:
        return None
    return Doubts(job.plan.model, {key: completion for key, (completion, _) in answers.items()})


def _others(job: BlockJob, caption: SourceCaption) -> tuple[Person, ...]:
    """The same identity, as its other captions tell."""
    image = caption.image
    texts = job.siblings.get((image.dataset, image.pid), ())
    return tuple(parse_once(text) for text in texts if text != caption.text)


def _by_prompt(asked: list[Asked]) -> list[list[Asked]]:
    groups: dict[str, list[Asked]] = {}
    for one in asked:
        groups.setdefault(one.prompt.id, []).append(one)
    return list(groups.values())


def _human_row(caption: SourceCaption, parsed: bool) -> PairRow:
    image = caption.image
    return PairRow(
        caption_id=caption.caption_id,
        image_id=image.image_id,
        image_path=image.file_path,
        dataset=image.dataset,
        pid=image.pid,
        split=image.split,
        text=caption.text,
        origin="human",
        style=None,
        source_caption_id=None,
        attributes=_attributes(parse_once(caption.text)) if parsed else None,
        negatives=[],
        checks=None,
        provenance=None,
    )


def _rewrite_row(asked: Asked, sample: Judged, provenance: Provenance) -> PairRow:
    human = _human_row(asked.caption, False)
    return human.model_copy(
        update={
            "caption_id": asked.caption_id,
            "text": sample.text,
            "origin": "llm",
            "style": asked.prompt.style,
            "source_caption_id": asked.caption.caption_id,
            "attributes": _attributes(sample.person),
            "checks": _checks(sample),
            "provenance": provenance,
        }
    )


def _attributes(person: Person | None) -> str | None:
    return None if person is None else json.dumps(to_json(person), ensure_ascii=False)


def _reject_row(asked: Asked, sample: Judged, provenance: Provenance) -> RejectRow:
    image = asked.caption.image
    return RejectRow(
        caption_id=asked.caption_id,
        source_caption_id=asked.caption.caption_id,
        image_id=image.image_id,
        dataset=image.dataset,
        pid=image.pid,
        split=image.split,
        source_text=asked.caption.text,
        text=sample.text,
        raw=sample.completion.text,
        style=asked.prompt.style,
        reasons=list(sample.reasons),
        error=sample.completion.error,
        checks=_checks(sample) if sample.text else None,
        provenance=provenance,
    )


def _checks(sample: Judged) -> Checks:
    found: dict[str, list[str] | None] = {}
    if sample.verdict is not None:
        found = {status: [str(one) for one in sample.verdict.of(status)] for status in STATUSES}
    return Checks(
        verdict="rejected" if sample.reasons else "accepted",
        **found,
        novelty=sample.novelty,
        similarity=sample.similarity,
        clip_tokens=clip_token_counts([sample.text])[0],
    )


def _provenance(job: BlockJob, asked: Asked, completion: Completion, engine: EngineInfo) -> Provenance:
    return Provenance(
        prompt_id=asked.prompt.id,
        prompt_sha256=asked.prompt.sha256(),
        model=job.plan.model,
        model_revision=job.model_revision,
        engine=engine.engine,
        engine_version=engine.engine_version,
        sampling_sha256=job.plan.sampling_of(asked.prompt).sha256(),
        seed=asked.request.seed if engine.seeded else None,
        sample_index=asked.request.sample_index,
        finish_reason=completion.finish_reason,
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=completion.completion_tokens,
        run_id=job.run_id,
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
