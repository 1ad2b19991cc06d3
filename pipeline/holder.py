"""Which run holds a folder, or held it last: told from what it wrote, without touching its lock."""

import re
import socket
import time
from datetime import datetime
from pathlib import Path
from typing import Literal

import psutil
from pydantic import BaseModel, ConfigDict

from .folder import OWNER, STATE
from .progress import FILE as PROGRESS
from .progress import ProgressFile

# Of a run on another machine only this is known: it writes its progress every two seconds.
_HEARD_S = 30.0
# Times of processes and of files come from two clocks, of which one may have been set since.
_CLOCKS_S = 60.0

State = Literal["running", "finished", "interrupted", "failed", "killed", "elsewhere", "none"]
"""`elsewhere` is a run on another machine that was not heard of lately; `none` where nothing is known of any."""


class Holder(BaseModel):
    """A run on a folder."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    state: State
    """What became of it."""
    host: str | None = None
    """Machine it runs on, or ran."""
    pid: int | None = None
    """Its process."""
    since: datetime | None = None
    """When it took the folder."""
    stage: str = ""
    """What it is doing, or was."""
    why: str = ""
    """What it failed with."""


def holder_of(root: Path, progress: ProgressFile | None) -> Holder:
    """The run that holds `root` or held it last; `progress` is what it wrote of itself."""
    owner = root / STATE / OWNER
    try:
        found = re.fullmatch(r"host (.*), pid (\d{1,10})\s*", owner.read_text(encoding="utf-8"))
        began = owner.stat().st_mtime
    except (OSError, ValueError):
        found = None
    if found is None:
        return Holder(state="none")
    host, pid = found[1], int(found[2])
    # A process may work on one folder twice: what was written before it took the folder is of the first time.
    own = progress if progress and (progress.host, progress.pid) == (host, pid) else None
    own = own if _written(root / STATE / PROGRESS) >= began else None
    if own is None and progress and host == socket.gethostname() and not _lives(pid, began):
        # Refused before it did anything: what the run before it came to still holds.
        state: State = progress.ended or "killed"
        return Holder(state=state, host=progress.host, pid=progress.pid, stage=progress.stage, why=progress.why)
    stage, why = (own.stage, own.why) if own else ("", "")
    since = datetime.fromtimestamp(began).astimezone()
    return Holder(state=_state(root, host, pid, began, own), host=host, pid=pid, since=since, stage=stage, why=why)


def _state(root: Path, host: str, pid: int, began: float, own: ProgressFile | None) -> State:
    if own is not None and own.ended is not None:
        return own.ended
    if host == socket.gethostname():
        if _lives(pid, began):
            return "running"
        return "killed" if own else "none"
    return "running" if own and time.time() - _written(root / STATE / PROGRESS) < _HEARD_S else "elsewhere"


def _lives(pid: int, began: float) -> bool:
    """Whether the process that took the folder then is still there, and no later one by its number."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() < began + _CLOCKS_S
    except psutil.Error:
        return False


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
