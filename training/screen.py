"""What a run of the trainer says while it goes: a progress bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

_PLAIN_EVERY_S = 15.0
_SLOW_LOADER = 0.2


class Screen:
    """Messages on stderr; nothing where `quiet`, as on all processes but the first."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.console = Console(stderr=True, quiet=quiet, highlight=False)
        self._progress: Progress | None = None
        self._last_plain = 0.0
        self._warned = False
        self._steps = self._began_at = 0
        self._began = 0.0

    def say(self, line: str) -> None:
        """A line."""
        self.console.print(escape(line), soft_wrap=True)

    def table(self, table: Table) -> None:
        """A table."""
        self.console.print(table)

    @contextmanager
    def counting(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        """A bar of `total` rows, on a terminal; gives what tells of more."""
        columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal) as bar:
            task = bar.add_task("", total=total)
            yield lambda rows: bar.advance(task, rows)

    def begin(self, steps: int, done: int) -> None:
        """Training begins, or goes on after `done` of `steps` steps."""
        self._steps, self._began_at, self._began = steps, done, time.monotonic()
        self._last_plain = self._began
        if self.console.is_terminal:
            columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[told]}"))
            self._progress = Progress(*columns, TimeRemainingColumn(), console=self.console, transient=True)
            self._progress.add_task("", total=steps, completed=done, told="")
            self._progress.start()

    def losses(self, step: int, losses: Mapping[str, float], *, rate: float, waiting: float) -> None:
        """The newest losses, captions a second, and the share of the time spent waiting for the loader."""
        told = ", ".join(f"{name} {loss:.3f}" for name, loss in losses.items() if name != "loss" or len(losses) == 1)
        told = f"{told}, {rate:,.0f} captions/s"
        if self._progress is not None:
            self._progress.update(self._progress.task_ids[0], completed=step, told=told)
        elif time.monotonic() - self._last_plain > _PLAIN_EVERY_S:
            self._last_plain = time.monotonic()
            left = (self._last_plain - self._began) / max(step - self._began_at, 1) * (self._steps - step)
            self.say(f"step {step:,} of {self._steps:,}: {told}, about {left / 60:.0f} min left")
        if waiting > _SLOW_LOADER and not self._warned and step - self._began_at > 40:
            self._warned = True
            self.say(f"the model waits {waiting:.0%} of the time for images: more data.workers would help")

    def measured(self, epoch: int, metric: str, value: float, *, best: bool) -> None:
        """A measurement on the selection split."""
        self.say(f"epoch {epoch}: {metric} {value:.2f}{' (best so far)' if best else ''}")

    def end(self) -> None:
        """The bar goes."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
