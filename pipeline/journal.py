"""The journal of a block: every answer on disk as it comes, so that nothing is asked twice."""

import json
import os
import time
from pathlib import Path
from types import TracebackType

from ..schemas.completion import Completion, EngineInfo
from .shards import sync_folder

# A killed process loses nothing that was written; only a power cut loses what was not synced, at most this much.
_SYNC_EVERY_S = 2.0

Answers = dict[str, tuple[Completion, EngineInfo]]
"""Key of a request → (its answer, what gave it)."""


class Journal:
    """Append-only JSON lines: a head naming the engine at the start of each writing session, then a line an answer."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None
        self._synced = 0.0
        self._length = 0

    def read(self) -> Answers:
        """Every answer; of two to one key the later.

        A torn last line is left out, and so is one that is damaged; behind zeros or a damaged head nothing is believed
        until the next head, because what gave those answers is not known.
        """
        answers: Answers = {}
        engine: EngineInfo | None = None
        for line in self._held().splitlines(keepends=True):
            record = _record(line) if line.endswith(b"\n") else None
            if isinstance(record, EngineInfo):
                engine = record
            elif record is None:
                engine = None if b"\0" in line or not line.startswith(b'{"key"') else engine
            elif engine is not None:
                answers[record.key] = (record, engine)
        return answers

    def open(self, engine: EngineInfo) -> None:
        """Start a writing session: cut a torn last line off, write the head."""
        self.path.parent.mkdir(exist_ok=True)  # not its parents: a folder that was moved away is not made anew
        whole = self._held().rfind(b"\n") + 1
        new = not self.path.exists()
        self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o644)
        if new:
            sync_folder(self.path.parent)  # or a power cut may take the file whose lines were synced
        os.ftruncate(self._fd, whole)
        os.lseek(self._fd, whole, os.SEEK_SET)
        self._length = whole
        self._append(engine.model_dump_json())

    @property
    def is_open(self) -> bool:
        """Whether a writing session is under way."""
        return self._fd is not None

    def append(self, completion: Completion) -> None:
        """Write one answer, whole, before anything else is done with it."""
        self._append(completion.model_dump_json(exclude_defaults=True))
        if time.monotonic() - self._synced > _SYNC_EVERY_S:
            self.sync()

    def sync(self) -> None:
        """Force what was written onto the disk."""
        if self._fd is not None:
            os.fsync(self._fd)
            self._synced = time.monotonic()

    def close(self) -> None:
        """Sync and close; safe to call twice."""
        if self._fd is not None:
            self.sync()
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _append(self, text: str) -> None:
        if self._fd is None:
            raise ValueError("the journal is not open for writing")
        data = text.encode() + b"\n"
        left = data
        try:
            # os.write may take less than it is given (a full disk does); the rest then raises the reason.
            while left:
                left = left[os.write(self._fd, left) :]
        except OSError:
            # Another answer may still be on its way here: it would be part of the torn line.
            os.ftruncate(self._fd, self._length)
            os.lseek(self._fd, self._length, os.SEEK_SET)
            raise
        self._length += len(data)

    def _held(self) -> bytes:
        return self.path.read_bytes() if self.path.exists() else b""


def _record(line: bytes) -> Completion | EngineInfo | None:
    try:
        record = json.loads(line)
        return (EngineInfo if "engine" in record else Completion).model_validate(record)
    except (ValueError, TypeError, RecursionError):
        return None
