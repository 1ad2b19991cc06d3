"""How far a run is: counted as it goes, and kept in a small file that `tbpr-data status` reads."""

import asyncio
import contextlib
import os
import socket
import time
from collections import Counter
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ..schemas.completion import Completion
from ..schemas.errors import UserError
from .finish import BlockResult

FILE = "progress.json"
_EVERY_S = 2.0


class Tally(BaseModel):
    """What one session, or several together, asked of the server."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    sessions: int = 0
    """Processes that worked on the folder."""
    answers: int = 0
    """New answers."""
    tokens: int = 0
    """Tokens generated."""
    faults: dict[str, int] = {}
    """Kind → tries of a request that failed."""
    given_up: int = 0
    """Requests that got no answer by their last try."""
    restarts: int = 0
    """Times that the server was started again."""

    def __add__(self, other: "Tally") -> "Tally":
        """Both together."""
        faults = Counter(self.faults) + Counter(other.faults)
        return Tally(
            **{name: getattr(self, name) + getattr(other, name) for name in Tally.model_fields if name != "faults"},
            faults=dict(sorted(faults.items())),
        )


class ProgressFile(BaseModel):
    """`progress.json`: what only the process knows. What came of its work is in manifest and journals."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    host: str
    """Machine it runs on."""
    pid: int
    """The process."""
    ended: Literal["finished", "interrupted", "failed"] | None
    """How it ended; none while it runs, and for ever where it was killed."""
    why: str = ""
    """What it failed with."""
    stage: str
    """What it was doing."""
    known: int
    """Answers that were on disk before; of a run that asks nothing, captions finished."""
    total: int
    """Answers, or captions, that this session is to come to."""
    running_s: float
    """Since it began."""
    answering_s: float
    """Since the server was ready; 0 before."""
    here: Tally
    """This session."""
    earlier: Tally = Tally()
    """Those before it."""

    @property
    def eta_s(self) -> float | None:
        """Seconds that are left at the rate so far; none where nothing tells."""
        done, seconds = (self.here.answers, self.answering_s) if self.answering_s else (self.known, self.running_s)
        if not done or (self.stage and not self.answering_s):  # a server that is being started says nothing of the rate
            return None
        return seconds / done * max(0, self.total - self.known - self.here.answers)


def read_progress(path: Path) -> ProgressFile | None:
    """The file, or none where there is none, or one that a power cut has torn."""
    try:
        return ProgressFile.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def note_finished(path: Path) -> None:
    """Have the file of a run that was killed after its last block say what it came to."""
    file = read_progress(path)
    if file is not None and file.ended != "finished":
        _replace(path, file.model_copy(update={"ended": "finished", "why": "", "stage": ""}))


class RunProgress:
    """The counts of one run over `total` answers (of one that asks nothing: captions)."""

    def __init__(self, total: int) -> None:
        self.known, self.total, self._new = 0, total, 0
        self.accepted = self.rejected = 0
        self._tokens = self._given_up = self._restarts = 0
        self._faults: Counter[str] = Counter()
        self._began, self._answering_since = time.monotonic(), 0.0
        self._stage = ""
        self._path: Path | None = None
        self._earlier = Tally()

    def stage(self, name: str) -> None:
        """What is going on now."""
        self._stage = name

    def begin_answering(self) -> None:
        """The server is ready: rates count from here."""
        self._answering_since = time.monotonic()

    @property
    def answering_s(self) -> float:
        """Seconds since the server was ready; 0 before, and where nothing is asked."""
        return time.monotonic() - self._answering_since if self._answering_since else 0.0

    @property
    def tokens_s(self) -> float:
        """Tokens generated a second since the server was ready; 0 where nothing was asked."""
        return self._tokens / self.answering_s if self._tokens else 0.0

    @property
    def done(self) -> int:
        """Answers that are there."""
        return self.known + self._new

    def answer(self, completion: Completion) -> None:
        """One new answer."""
        self._new += 1
        self._tokens += completion.completion_tokens or 0
        self._given_up += completion.transient

    def block(self, result: BlockResult) -> None:
        """A finished block."""
        self.accepted += result.accepted
        self.rejected += result.rejected

    def fault(self, kind: str) -> None:
        """A try of a request that failed."""
        self._faults[kind] += 1

    def restarted(self) -> None:
        """The server died and was started again."""
        self._restarts += 1

    def now(self, ended: Literal["finished", "interrupted", "failed"] | None = None, why: str = "") -> ProgressFile:
        """The counts as they stand."""
        return ProgressFile(
            host=socket.gethostname(),
            pid=os.getpid(),
            ended=ended,
            why=why,
            stage=self._stage,
            known=self.known,
            total=self.total,
            running_s=time.monotonic() - self._began,
            answering_s=self.answering_s,
            here=Tally(
                sessions=1,
                answers=self._new,
                tokens=self._tokens,
                faults=dict(sorted(self._faults.items())),
                given_up=self._given_up,
                restarts=self._restarts,
            ),
            earlier=self._earlier,
        )

    @contextlib.contextmanager
    def kept(self, path: Path) -> Iterator[None]:
        """Have the file say that a run is under way, and in the end how it ended. Earlier sessions' counts stay."""
        self._path = path
        before = read_progress(path)
        self._earlier = before.earlier + before.here if before else Tally()
        self._write(self.now())
        try:
            yield
        except KeyboardInterrupt:
            self._write(self.now("interrupted"))
            raise
        except BaseException as error:
            self._write(self.now("failed", str(error) if isinstance(error, UserError) else type(error).__name__))
            raise
        self._write(self.now("finished"))

    async def beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Await `work`, and write the file every two seconds meanwhile."""
        writing = asyncio.create_task(self._keep_writing())
        try:
            await work
        finally:
            writing.cancel()

    async def _keep_writing(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            self._write(self.now())

    def _write(self, file: ProgressFile) -> None:
        if self._path is not None:
            _replace(self._path, file)


def _replace(path: Path, file: ProgressFile) -> None:
    """Whole or not at all, but not synced: after a power cut the journals tell more than this."""
    work = path.with_name(f".{FILE}.writing")
    # A full disk ends the run where it matters, at a journal or a shard, and is told there.
    with contextlib.suppress(OSError):
        work.write_text(file.model_dump_json(indent=1) + "\n", encoding="utf-8")
        work.replace(path)
