"""A block as its answers leave it: every answer judged, the rows that are kept, the rows that are refused."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NoReturn

import numpy as np

from ..schemas.attributes import Person, to_json
from ..schemas.completion import Completion, EngineInfo, Request
from ..schemas.errors import RunFailed
from ..schemas.rows import Checks, Negative, PairRow, Provenance, RejectRow
from ..schemas.source import SourceCaption
from ..schemas.verdict import STATUSES
from .blocks import Block
from .checks.doubts import Doubts
from .checks.select import Judged, judge, judge_sample
from .config import RunConfig
from .journal import Answers, Journal
from .language.clip_tokens import clip_token_counts
from .language.parse import parse, parse_once
from .llm.requests import Asked, RequestPlan
from .negatives.guards import KnownTexts, normalised
from .negatives.rows import Identity
from .negatives.written import Described, contradicted_rewrite, prompted_negative


class _Kept(Answers):
    def __init__(self, journal: Journal) -> None:
        super().__init__(journal.read())
        self._path = journal.path

    def __missing__(self, key: str) -> NoReturn:
        raise RunFailed(
            "an answer that was written here is gone: the journal was moved, removed or changed meanwhile",
            where=str(self._path),
            mend="run the same command again",
        )


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

    @cached_property
    def doubts(self) -> Doubts | None:
        """What the language model was asked of the answers, and said; none where it is not asked."""
        if not self.config.judge.enabled:
            return None
        return Doubts(self.plan.model, {key: completion for key, (completion, _) in self.answers.items()})

    @cached_property
    def answers(self) -> Answers:
        """The block's journal. It raises RunFailed for a request that has no line there: a block is finished only once
        it is answered."""
        return _Kept(Journal(self.journal_path))

    def described(self, caption: SourceCaption) -> Described:
        """The same identity, as its other captions tell."""
        texts = self.siblings.get((caption.image.dataset, caption.image.pid), ())
        others = tuple(parse_once(text) for text in texts if text != caption.text)
        return Described(others, frozenset(map(normalised, texts)), self._known)

    @cached_property
    def _known(self) -> KnownTexts | None:
        return KnownTexts(np.load(self.known_texts, mmap_mode="r")) if self.known_texts else None


@dataclass
class JudgedBlock:
    """The rows of a block, before their negatives are made."""

    pairs: list[PairRow] = field(default_factory=list)
    """Human captions, each with its rewrites behind it; the negatives that the language model wrote are in them."""
    rejects: list[RejectRow] = field(default_factory=list)
    """Answers that are no captions."""
    failed: int = 0
    """Requests without an answer that a later run asks again."""


def judge_block(job: BlockJob) -> JudgedBlock:
    """Judge every answer of a block.

    Raises RunFailed when a request has no line in the journal: a block is judged only once it is answered.
    """
    judged = JudgedBlock()
    kept_of: dict[str, list[str]] = {}
    for caption in job.block.captions:
        # Of the image, so that two of its captions do not get one rewrite; within the block, which knows no other.
        _judge_caption(job, caption, judged, kept_of.setdefault(caption.image.image_id, []))
    return judged


def _judge_caption(job: BlockJob, caption: SourceCaption, judged: JudgedBlock, kept: list[str]) -> None:
    human = _human_row(caption, job.config.checks.faithful)
    human = human.model_copy(update={"neighbours": list(job.neighbours.get(human.image_id, ()))})
    rewrites: list[PairRow] = []
    written: dict[str, Negative] = {}
    for group in _by_prompt(job.plan.requests(caption)):
        is_negative = group[0].prompt.purpose == "negative"
        for asked, sample in zip(group, _judge_group(job, caption, group, kept), strict=True):
            judged.failed += sample.completion.transient
            judged.failed += sum(job.answers[question.key][0].transient for question in sample.questions)
            provenance = _provenance(job, asked, sample.completion, job.answers[asked.request.key][1])
            negative: Negative | None = None
            reasons = sample.reasons
            if is_negative:
                made = prompted_negative(caption.text, sample, asked.prompt.id, job.described(caption))
                reasons, negative = (("negative",), made) if isinstance(made, Negative) else (made, None)
            elif reasons:
                negative = contradicted_rewrite(caption.text, sample, job.described(caption))
            else:
                kept.append(sample.text)
                row = _rewrite_row(asked, sample, provenance)
                rewrites.append(row.model_copy(update={"neighbours": human.neighbours}))
            if reasons:
                judged.rejects.append(_reject_row(asked, sample, reasons, provenance))
            if negative is not None and job.config.negatives.enabled:
                written.setdefault(negative.text, negative)
    judged.pairs += [human.model_copy(update={"negatives": list(written.values())}), *rewrites]


def _judge_group(job: BlockJob, caption: SourceCaption, group: list[Asked], kept: list[str]) -> list[Judged]:
    """The answers of a caption to one prompt, judged."""
    prompt, completions = group[0].prompt, [job.answers[asked.request.key][0] for asked in group]
    if prompt.purpose == "negative":
        person = parse(caption.text)
        return [
            judge_sample(caption.text, person, completion, prompt, job.config.checks, doubts=None)
            for completion in completions
        ]
    return judge(
        caption.text,
        (*caption.image.captions, *kept),
        completions,
        prompt=prompt,
        config=job.config.checks,
        keep=job.config.keep,
        doubts=job.doubts,
    )


def judge_questions(job: BlockJob) -> Iterator[Request]:
    """What the language model may be asked about the answers of a block, in order."""
    for caption in job.block.captions if job.doubts else ():
        person = parse(caption.text) if job.config.checks.faithful else None
        for one in job.plan.requests(caption):
            if one.prompt.purpose == "rewrite":
                completion = job.answers[one.request.key][0]
                sample = judge_sample(
                    caption.text, person, completion, one.prompt, job.config.checks, doubts=job.doubts
                )
                yield from sample.questions


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
        attributes=attributes_of(caption.text) if parsed else None,
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


def attributes_of(text: str) -> str:
    """The person read from a text, as the column holds it."""
    return json.dumps(to_json(parse_once(text)), ensure_ascii=False)


def _attributes(person: Person | None) -> str | None:
    return None if person is None else json.dumps(to_json(person), ensure_ascii=False)


def _reject_row(asked: Asked, sample: Judged, reasons: tuple[str, ...], provenance: Provenance) -> RejectRow:
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
        reasons=list(reasons),
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
