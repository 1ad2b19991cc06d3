"""A status as a table for a terminal."""

from collections.abc import Iterator
from datetime import datetime

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .status import Status


def show(status: Status, console: Console) -> None:
    """Print where a dataset stands."""
    table = Table(title=escape(status.folder), title_justify="left", show_header=False)
    table.add_column("what")
    table.add_column("how much", justify="right")
    for what, how_much in (*_work(status), *status.made.lines(), *_server(status), *_run(status)):
        table.add_row(escape(what), escape(how_much))
    console.print(table)


def _work(status: Status) -> Iterator[tuple[str, str]]:
    yield "blocks", _part(status.blocks_done, status.blocks_total)
    yield "captions", _part(status.made.captions, status.captions_total)
    if status.answers_total:
        yield "answers on disk", _part(status.answers_on_disk, status.answers_total)
    if status.made.unanswered:
        yield "without an answer", f"{status.made.unanswered:,} (the same command asks again)"


def _server(status: Status) -> Iterator[tuple[str, str]]:
    if status.asked is None or not status.answers_total:
        return
    yield "tokens generated", f"{status.asked.tokens:,}"
    if status.answers_s is not None:
        yield "a second", f"{status.tokens_s:,.0f} tokens, {status.answers_s:,.1f} answers"
    faults = ", ".join(f"{count:,} × {kind}" for kind, count in status.asked.faults.items())
    yield "failed tries", faults or "none"
    if faults:
        yield "  tried again", f"{status.retries:,}"
    yield "server restarts", f"{status.asked.restarts:,}"


def _run(status: Status) -> Iterator[tuple[str, str]]:
    run = status.run
    who = f"host {run.host}, pid {run.pid}"
    told = {
        "running": f"running ({who}): {run.stage or 'at work'}",
        "elsewhere": f"not heard of lately ({who})",
        "killed": f"killed ({who}): the same command goes on",
        "interrupted": "interrupted: the same command goes on",
        "failed": f"failed: {run.why}",
        "finished": "finished",
        "none": "none holds the folder",
    }
    yield "run", told[run.state]
    if run.since is not None and run.state == "running":
        yield "  since", _time(run.since)
    if status.left_s is not None:
        yield "  left", f"about {_span(status.left_s)}"
    yield "last written", _time(status.wrote)


def _part(done: int, total: int) -> str:
    return f"{done:,} of {total:,} ({done / total:.0%})" if total else f"{done:,}"


def _time(when: datetime) -> str:
    ago_s = (datetime.now().astimezone() - when).total_seconds()
    return f"{when:%Y-%m-%d %H:%M:%S} ({_span(max(0.0, ago_s))} ago)"


def _span(seconds: float) -> str:
    for unit_s, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:.0f} {unit}"
    return f"{seconds:.0f} s"
