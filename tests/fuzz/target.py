"""What random inputs are given to, and how one is given."""

import hashlib
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import FrameType

from hypothesis import strategies as st

from tbpr_data.schemas.errors import RowError, UserError

LONGEST_S = 20.0
"""Processor time that an input may take."""

Feed = Callable[[bytes, Path], None]
"""Gives one input, with a folder for files, and raises where something is wrong."""


@dataclass(frozen=True)
class Target:
    """Something that reads what others wrote."""

    name: str
    """Its row in the table."""
    share: int
    """Of a thousand inputs, so many are its: most go to what is quick."""
    draw: Callable[[Random], bytes]
    """An input: a valid one, changed."""
    strategy: st.SearchStrategy[bytes]
    """Inputs from nothing, as hypothesis thinks of them."""
    feed: Feed
    """Gives it."""


@dataclass(frozen=True)
class Failure:
    """An input that did what none may do."""

    target: str
    """Whose."""
    content: bytes
    """It."""
    error: str
    """What was raised, with its traceback."""

    def save(self, folder: Path) -> Path:
        """Write it, so that it can be given again."""
        path = folder / f"{self.target.replace(' ', '-')}-{hashlib.sha256(self.content).hexdigest()[:12]}"
        path.write_bytes(self.content)
        path.with_suffix(".txt").write_text(self.error, encoding="utf-8")
        return path


def give(target: Target, content: bytes, folder: Path) -> Failure | None:
    """Give an input: the failure, where an error is none of those that a user is told, or takes more than one line."""
    try:
        with _bounded(LONGEST_S):
            target.feed(content, folder)
    except (UserError, RowError) as error:
        return None if "\n" not in str(error) else Failure(target.name, content, f"more than a line: {error}")
    except Exception as error:  # noqa: BLE001 - whatever comes is what is looked for
        what = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:100]}"
        return Failure(target.name, content, f"{traceback.format_exc()}\n{what}")
    return None


@contextmanager
def _bounded(seconds: float) -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"more than {seconds:.0f} s of processor time")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
