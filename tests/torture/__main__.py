"""The whole torture: every kill, every fault, and a table of what became of them.

    PYTHONPATH=tests python -m torture [--points N] [--seed S] [--only PATTERN]

Exit code 1 where anything was lost, sent twice, or came out otherwise.
"""

import argparse
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from . import evidence, process
from .fault import MIXED, storm_and_calm
from .folder import Result
from .kill import break_and_mend
from .plan import STAGES, STRIKES, Point, matrix
from .undisturbed import undisturbed
from .weather import FAULTS

_COLUMNS = ("points", "struck", "resumed", "identical", "asked again", "sent twice", "rows lost")
_SUMMED = ("struck", "resumed", "identical", "again", "twice", "lost")
_CONSOLE = Console(width=120, highlight=False, markup=False)


@dataclass(frozen=True)
class Job:
    """Something to be carried out."""

    name: str
    """What it is, in full."""
    row: str
    """Its row in the table."""
    stage: str
    """The stage of the run that it is about, if it is about one."""
    carry_out: Callable[[], Result]
    """Does it."""


def main() -> int:
    """Torture, and tell."""
    asked = argparse.ArgumentParser(prog="torture", description=__doc__)
    asked.add_argument("--points", type=int, default=240, help="kills, power cuts and signals")
    asked.add_argument("--mixed", type=int, default=6, help="runs against a server with every fault at random")
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument(
        "--only", default="", help="only what this pattern is found in, e.g. 'SIGINT, card' or 'point 7,'"
    )
    asked.add_argument("--lanes", type=int, default=2, help="runs at once")
    asked.add_argument("--work", type=Path, help="folder for the runs; what is wrong stays there")
    given = asked.parse_args()
    work = given.work or Path(tempfile.mkdtemp(prefix="tbpr-data-torture-"))
    work.mkdir(parents=True, exist_ok=True)
    process.prepare()
    source, whole, trace = undisturbed(work)
    jobs = [
        *(_kill(point, source, work, whole) for point in matrix(trace, given.points, given.seed)),
        *(_storm(name, given.seed, source, work, whole) for name in FAULTS),
        *(_storm(MIXED, given.seed + nth, source, work, whole) for nth in range(given.mixed)),
    ]
    done = list(_carry_out([job for job in jobs if re.search(given.only, job.name)], given.lanes))
    _tell(done)
    good = all(result.good for _, result in done)
    _CONSOLE.print("nothing lost" if good else f"something is wrong; the folders are in {work}")
    return 0 if good else 1


def _kill(point: Point, source: Path, work: Path, whole: evidence.Whole) -> Job:
    where = ", ".join(f"{fault.label} ({fault.nth})" for fault in point.faults) or "as a user starts it"
    name = f"point {point.number}, {point.kind}, {point.stage}: {where}"
    return Job(name, point.kind, point.stage, lambda: break_and_mend(point, source, work, whole))


def _storm(name: str, seed: int, source: Path, work: Path, whole: evidence.Whole) -> Job:
    return Job(
        f"server: {name}, seed {seed}", f"server: {name}", "", lambda: storm_and_calm(name, seed, source, work, whole)
    )


def _carry_out(jobs: Sequence[Job], lanes: int) -> Iterator[tuple[Job, Result]]:
    with ThreadPoolExecutor(lanes) as pool:
        results = pool.map(lambda job: job.carry_out(), jobs)
        for number, (job, result) in enumerate(zip(jobs, results, strict=True), 1):
            if not result.good:
                _CONSOLE.print(f"{job.name}\n  {result}")
            elif number % 20 == 0:
                _CONSOLE.print(f"{number} of {len(jobs)}")
            yield job, result


def _tell(done: Sequence[tuple[Job, Result]]) -> None:
    by_row: dict[str, list[Result]] = {}
    by_stage: dict[str, list[Result]] = {stage: [] for stage in STAGES}
    for job, result in done:
        by_row.setdefault(job.row, []).append(result)
        by_stage.setdefault(job.stage, []).append(result)
    faults = by_stage.pop("", [])
    rows = {row: by_row[row] for row in (*STRIKES, *by_row) if row in by_row}
    _CONSOLE.print(_table("what befell the run", rows, [result for _, result in done]))
    kills = [result for results in by_stage.values() for result in results]
    _CONSOLE.print(_table("in which stage", by_stage, kills))
    _CONSOLE.print(f"{len(kills)} kills, signals and power cuts; {len(faults)} runs against a faulty server")
    if damaged := Counter(Path(result.damage.split()[3]).suffix for result in kills if result.damage):
        _CONSOLE.print("power cuts damaged " + ", ".join(f"{count} *{kind}" for kind, count in sorted(damaged.items())))


def _table(title: str, rows: Mapping[str, Sequence[Result]], everything: Sequence[Result]) -> Table:
    table = Table(title)
    for column in _COLUMNS:
        table.add_column(column, justify="right")
    for row, results in rows.items():
        if results:
            table.add_row(row, *_figures(results))
    table.add_section()
    table.add_row("all", *_figures(everything))
    return table


def _figures(results: Sequence[Result]) -> list[str]:
    sums = {name: sum(getattr(one, name) for one in results) for name in _SUMMED}
    shares = [f"{sums[name] / max(len(results), 1):.0%}" for name in ("resumed", "identical")]
    return [str(len(results)), str(sums["struck"]), *shares, *(str(sums[name]) for name in ("again", "twice", "lost"))]


if __name__ == "__main__":
    sys.exit(main())
