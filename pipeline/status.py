"""Where a dataset stands while a run works on it, after it, or after a kill: read from its folder, never writing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ..schemas.errors import UserError
from .finish import BlockResult
from .folder import STATE
from .holder import Holder, holder_of
from .journal import Journal
from .manifest import FILE as MANIFEST
from .manifest import Manifest
from .progress import FILE as PROGRESS
from .progress import ProgressFile, Tally, read_progress
from .publish.contents import manifest_of

_TRIES, _BETWEEN_S = 5, 0.05


class Made(BaseModel):
    """What finished blocks hold."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    captions: int
    """Human captions."""
    kept: int
    """Rewrites kept."""
    rewritten: int | None
    """Captions that have one of them; none where a block is from before they were counted."""
    refused: int
    """Rewrites refused."""
    reasons: dict[str, int]
    """Reason → refused rewrites that give it, the most frequent first."""
    negatives: int
    """Hard negatives."""
    guarded: dict[str, int]
    """Guard → candidates for hard negatives that it refused, the most frequent first."""
    unanswered: int
    """Requests without an answer, which the same command asks again."""

    @classmethod
    def of(cls, blocks: Sequence[BlockResult]) -> Made:
        """The sum of blocks."""
        return cls(
            captions=sum(block.captions for block in blocks),
            kept=sum(block.accepted for block in blocks),
            rewritten=_all_of(block.rewritten for block in blocks),
            refused=sum(block.rejected for block in blocks),
            reasons=_sum(block.reasons for block in blocks),
            negatives=sum(block.negatives for block in blocks),
            guarded=_sum(block.guarded for block in blocks),
            unanswered=sum(block.failed for block in blocks),
        )

    def lines(self) -> Iterator[tuple[str, str]]:
        """What and how many, for a table."""
        answers = self.kept + self.refused
        if answers:
            yield "rewrites kept", f"{self.kept:,} of {answers:,} ({self.kept / answers:.0%})"
        if answers and self.captions and self.rewritten is not None:
            yield (
                "captions rewritten",
                f"{self.rewritten:,} of {self.captions:,} ({self.rewritten / self.captions:.0%})",
            )
        for reason, count in self.reasons.items():
            # Those passed every check: of several samples some are left over.
            yield "  passed, not best" if reason == "not_best" else f"  refused: {reason}", f"{count:,}"
        yield "hard negatives", f"{self.negatives:,}"
        yield from ((f"  refused: {guard}", f"{count:,}") for guard, count in self.guarded.items())


class Status(BaseModel):
    """What `tbpr-data status --json` prints."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    folder: str
    """The folder."""
    complete: bool
    """Whether every block is finished."""
    run: Holder
    """The run that holds the folder, or held it last."""
    wrote: datetime
    """When an answer or a block was last written."""
    blocks_done: int
    """Finished blocks."""
    blocks_total: int
    """Blocks that the source is cut into."""
    captions_total: int
    """Captions of the source."""
    answers_on_disk: int
    """Answers of the model that are on disk, those of finished blocks counted by their captions."""
    answers_total: int
    """Answers that are asked for: captions by prompts by samples."""
    made: Made
    """What finished blocks hold."""
    asked: Tally | None
    """What all runs together asked of the server; none where no run left it behind."""
    retries: int
    """Failed tries that were tried again."""
    tokens_s: float | None
    """Tokens a second, of the run that goes on or was the last."""
    answers_s: float | None
    """Answers a second, of the same."""
    left_s: float | None
    """Seconds that are left of the run that goes on."""


def read_status(folder: Path) -> Status:
    """Where the dataset in `folder` stands. Nothing is locked or written; what changes meanwhile is taken as it comes.

    Raises UserError for what is no dataset of ours.
    """
    progress = read_progress(folder / STATE / PROGRESS)
    run = holder_of(folder, progress)
    manifest = _manifest(folder, run)
    made = Made.of(manifest.blocks)
    try:
        captions = int(manifest.source["captions"])
        config = manifest.made_from["config"]
        per_caption = len(manifest.made_from["prompts"]) * int(config["samples"])
        per_block = per_caption * int(config["block_size"])
    except (LookupError, TypeError, ValueError) as error:
        what = f"does not say what is asked: {type(error).__name__} {error}"
        raise UserError(what, where=str(folder / MANIFEST), mend="tbpr-data verify says what else is wrong") from None
    finished = made.captions * per_caption - made.unanswered
    total = captions * per_caption
    asked = progress.earlier + progress.here if progress else None
    going = progress if run.state == "running" and progress and progress.pid == run.pid else None
    return Status(
        folder=str(folder),
        complete=manifest.complete,
        run=run,
        wrote=datetime.fromtimestamp(_written(folder)).astimezone(),
        blocks_done=len(manifest.blocks),
        blocks_total=manifest.blocks_total,
        captions_total=captions,
        answers_on_disk=max(0, min(total, finished + (_journalled(folder, manifest, per_block) if total else 0))),
        answers_total=total,
        made=made,
        asked=asked,
        retries=max(0, sum(asked.faults.values()) - asked.given_up) if asked else 0,
        tokens_s=_rate(progress, progress.here.tokens) if progress else None,
        answers_s=_rate(progress, progress.here.answers) if progress else None,
        left_s=going.eta_s if going else None,
    )


def _manifest(folder: Path, run: Holder) -> Manifest:
    """The manifest; a disk of the network may show none for the moment in which it is renamed."""
    for _ in range(_TRIES):
        try:
            return manifest_of(folder)
        except UserError:
            if not (folder / STATE).is_dir():
                raise
            time.sleep(_BETWEEN_S)
    if not (folder / MANIFEST).exists():
        if run.state in ("running", "elsewhere"):
            raise UserError(
                "a run took it, and has written nothing yet", where=str(folder), mend="ask again in a moment"
            )
        raise UserError(
            "no manifest, and no run that would write one", where=str(folder), mend="run the same command again"
        )
    return manifest_of(folder)


def _journalled(folder: Path, manifest: Manifest, per_block: int) -> int:
    """Answers in the journals of blocks that are not finished, at most so many of each: those to what is asked about
    answers lie there too."""
    finished = {block.name for block in manifest.blocks}
    count = 0
    for path in (folder / STATE / "journal").glob("*.jsonl"):
        if path.stem not in finished and path.is_file():
            try:
                answers = Journal(path).read().values()
                count += min(per_block, sum(not answer.transient for answer, _ in answers))
            except (OSError, ValueError):  # gone meanwhile, or not what we write: nothing in it counts
                continue
    return count


def _written(folder: Path) -> float:
    """When the manifest or a journal was last written."""
    times = [0.0]
    for path in (folder / MANIFEST, *(folder / STATE / "journal").glob("*.jsonl")):
        try:
            times.append(path.stat().st_mtime)
        except OSError:  # renamed this moment
            continue
    return max(times)


def _rate(progress: ProgressFile, count: int) -> float | None:
    return count / progress.answering_s if progress.answering_s else None


def _all_of(counts: Iterable[int | None]) -> int | None:
    """Their sum; none where one is not known."""
    known = list(counts)
    return None if None in known else sum(one for one in known if one is not None)


def _sum(counts: Iterator[dict[str, int]]) -> dict[str, int]:
    return dict(sum((Counter(one) for one in counts), Counter[str]()).most_common())
