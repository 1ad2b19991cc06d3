"""What a person sees while a run goes on: a progress line on a terminal, plain lines elsewhere. All on stderr."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from ..schemas.completion import Completion
from .finish import BlockResult

# Away from a terminal (a log file, CI) a line this often says that the run is alive.
_PLAIN_EVERY_S = 60.0


class Screen:
    """Messages and progress of one command."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.console = Console(stderr=True, quiet=quiet, highlight=False)
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._accepted = self._rejected = self._tokens = self._new = 0
        self._known = self._total = 0
        self._began = self._last_plain = 0.0

    def say(self, text: str) -> None:
        """One line, as it is."""
        self.console.print(text, markup=False, soft_wrap=True)

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Something that takes a while and has no measure."""
        if self.console.is_terminal and self._progress is None:
            with self.console.status(escape(text)):
                yield
        else:
            self.say(text)
            yield

    @contextmanager
    def answering(self, total: int) -> Iterator[None]:
        """Progress over `total` answers."""
        self._total = total
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[counts]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=self.console,
            disable=not self.console.is_terminal,
            transient=True,
        )
        with self._progress:
            self._task = self._progress.add_task("answers", total=total, counts="")
            yield
        self._progress = None

    def stage(self, name: str) -> None:
        """What is going on now, shown before the bar."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, description=escape(name))
        if not self.console.is_terminal:
            self.say(name)

    def begin_answering(self) -> None:
        """The server is ready: rates count from here."""
        self._began = self._last_plain = time.monotonic()
        self.stage("rewriting")

    def known(self, answers: int) -> None:
        """Answers that an earlier run left on disk."""
        self._known += answers
        self._advance(answers)

    def more(self, questions: int) -> None:
        """So many further requests, known of only now."""
        self._total += questions
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, total=self._total)

    def answer(self, completion: Completion) -> None:
        """One new answer."""
        self._tokens += completion.completion_tokens or 0
        self._new += 1
        self._advance(1)
        if self._known + self._new == self._total:
            self.stage("checking")
        if not self.console.is_terminal and time.monotonic() - self._last_plain > _PLAIN_EVERY_S:
            self._last_plain = time.monotonic()
            self.say(f"{self._known + self._new:,} of {self._total:,} answers, {self._counts()}, {self._eta()}")

    def block(self, result: BlockResult) -> None:
        """A finished block."""
        self._accepted += result.accepted
        self._rejected += result.rejected
        self._advance(0)
        if not self.console.is_terminal:
            made = f"{result.negatives:,} negatives of {result.captions:,} captions"
            if result.accepted + result.rejected:
                made = f"{result.accepted:,} rewrites kept, {result.rejected:,} refused, {result.negatives:,} negatives"
            self.say(f"{result.name}: {made}")

    @property
    def rate_tokens_s(self) -> float:
        """Tokens generated a second since the server was ready; 0 where nothing was asked."""
        return self._tokens / (time.monotonic() - self._began) if self._began else 0.0

    def _counts(self) -> str:
        if not self._began:
            return ""  # nothing is asked
        return f"{self._accepted:,} kept, {self._rejected:,} refused, {self.rate_tokens_s:,.0f} tokens/s"

    def _eta(self) -> str:
        elapsed_s = time.monotonic() - self._began
        left_s = elapsed_s / max(self._new, 1) * (self._total - self._known - self._new)
        return f"about {left_s / 60:.0f} min left"

    def _advance(self, answers: int) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, advance=answers, counts=self._counts())

    def table(self, table: Table) -> None:
        """A table."""
        self.console.print(table)
