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
from .progress import RunProgress

# Away from a terminal (a log file, CI) a line this often says that the run is alive.
_PLAIN_EVERY_S = 60.0


class Screen:
    """Messages and progress of one command."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.console = Console(stderr=True, quiet=quiet, highlight=False)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._run = RunProgress(0)
        self._last_plain = 0.0

    def say(self, text: str) -> None:
        """One line, as it is."""
        self.console.print(text, markup=False, soft_wrap=True)

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Something that takes a while and has no measure."""
        if self.console.is_terminal and self._bar is None:
            with self.console.status(escape(text)):
                yield
        else:
            self.say(text)
            yield

    @contextmanager
    def answering(self, run: RunProgress) -> Iterator[None]:
        """Progress of a run. What the screen is told of it is counted in `run`."""
        self._run = run
        self._bar = Progress(
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
        with self._bar:
            self._task = self._bar.add_task("answers", total=run.total, counts="")
            yield
        self._bar = None

    def stage(self, name: str) -> None:
        """What is going on now, shown before the bar."""
        self._run.stage(name)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=escape(name))
        if not self.console.is_terminal:
            self.say(name)

    def begin_answering(self) -> None:
        """The server is ready: rates count from here."""
        self._last_plain = time.monotonic()
        self._run.begin_answering()
        self.stage("rewriting")

    def known(self, answers: int) -> None:
        """Answers that an earlier run left on disk."""
        self._run.known += answers
        self._show()

    def more(self, questions: int) -> None:
        """So many further requests, known of only now."""
        self._run.total += questions
        self._show()

    def answer(self, completion: Completion) -> None:
        """One new answer."""
        self._run.answer(completion)
        self._show()
        if self._run.done == self._run.total:
            self.stage("checking")
        if not self.console.is_terminal and time.monotonic() - self._last_plain > _PLAIN_EVERY_S:
            self._last_plain = time.monotonic()
            left_s = self._run.now().eta_s or 0.0
            done = f"{self._run.done:,} of {self._run.total:,} answers"
            self.say(f"{done}, {self._counts()}, about {left_s / 60:.0f} min left")

    def fault(self, kind: str) -> None:
        """A try of a request that failed; shown by `tbpr-data status` alone."""
        self._run.fault(kind)

    def restarted(self, text: str) -> None:
        """The server died and is started again."""
        self._run.restarted()
        self.say(text)

    def block(self, result: BlockResult) -> None:
        """A finished block."""
        self._run.block(result)
        self._show()
        if not self.console.is_terminal:
            made = f"{result.negatives:,} negatives of {result.captions:,} captions"
            if result.accepted + result.rejected:
                made = f"{result.accepted:,} rewrites kept, {result.rejected:,} refused, {result.negatives:,} negatives"
            self.say(f"{result.name}: {made}")

    @property
    def remains(self) -> str:
        """What is done and what is left, in words; empty before that is known."""
        done, total = self._run.done, self._run.total
        return f"{done:,} of {total:,} are done and saved, {total - done:,} remain" if total else ""

    @property
    def rate_tokens_s(self) -> float:
        """Tokens generated a second since the server was ready; 0 where nothing was asked."""
        return self._run.tokens_s

    def _counts(self) -> str:
        run = self._run
        if not run.answering_s:
            return ""  # nothing is asked
        return f"{run.accepted:,} kept, {run.rejected:,} refused, {run.tokens_s:,.0f} tokens/s"

    def _show(self) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._run.done, total=self._run.total, counts=self._counts())

    def table(self, table: Table) -> None:
        """A table."""
        self.console.print(table)
