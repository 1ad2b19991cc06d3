"""Random inputs, a million by default, and a table of what they did.

    PYTHONPATH=tests python -m fuzz [--inputs N | --seconds S] [--seed N] [--only NAME] [--replay FILE]

Exit code 1 where an input raised anything but an error that a user is told in one line; such inputs are kept.
"""

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from rich.console import Console
from rich.table import Table

from .target import give
from .worker import TARGETS, Given, begin, work

_CHUNK = 1000
_MEMORY = Path("/dev/shm")  # journals are synced: four times as fast as on a disk
_CONSOLE = Console(width=100, highlight=False, markup=False)


def main() -> int:
    """Fuzz, and tell."""
    asked = argparse.ArgumentParser(prog="fuzz", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    asked.add_argument("--inputs", type=int, default=1_000_000, help="inputs in total")
    asked.add_argument("--seconds", type=float, help="go on for so long instead")
    asked.add_argument("--seed", type=int, default=0, help="another one draws other inputs")
    asked.add_argument("--only", default="", help="only targets whose names begin so")
    asked.add_argument("--workers", type=int, default=2)
    asked.add_argument("--work", type=Path, help="folder for inputs that fail")
    asked.add_argument("--replay", type=Path, help="give one kept input again")
    given = asked.parse_args()
    if given.replay is not None:
        return _replay(given.replay)
    folder = given.work or Path(tempfile.mkdtemp(prefix="tbpr-data-fuzz-", dir=_MEMORY if _MEMORY.is_dir() else None))
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    until = None if given.seconds is None else began + given.seconds
    told = defaultdict(list)
    try:
        for one in _carried_out(_chunks(given.inputs, given.seed, given.only, until), given.workers, folder):
            told[one.target].append(one)
            for failure in one.failures:
                _CONSOLE.print(f"{one.target}: {failure.error.strip().splitlines()[-1]}: {failure.save(folder)}")
    except BrokenProcessPool:
        _CONSOLE.print(f"a process died: what it was reading lies in {folder}")
        return 1
    _CONSOLE.print(_table(told, time.monotonic() - began))
    failed = sum(one.failed for some in told.values() for one in some)
    if failed:
        _CONSOLE.print(f"kept in {folder}; again: python -m fuzz --replay FILE")
    elif given.work is None:
        folder.rmdir()
    return 1 if failed else 0


def _chunks(inputs: int, seed: int, only: str, until: float | None) -> Iterator[tuple[str, int, int]]:
    """Name, size and seed of each piece of work, the targets in turns."""
    targets = [target for target in TARGETS if target.name.startswith(only)]
    whole = sum(target.share for target in targets)
    left = {target.name: inputs * target.share // whole for target in targets}
    left[targets[-1].name] += inputs - sum(left.values())
    number = 0
    while any(left.values()) or until is not None:
        for target in targets:
            if until is not None and time.monotonic() > until:
                return
            size = max(1, _CHUNK * target.share // 100) if until is not None else min(_CHUNK, left[target.name])
            if size:
                left[target.name] -= size
                number += 1
                yield target.name, size, seed * 1_000_003 + number


def _carried_out(chunks: Iterator[tuple[str, int, int]], workers: int, folder: Path) -> Iterator[Given]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=begin) as pool:
        under_way: set[Future[Given]] = set()
        for name, size, seed in chunks:
            under_way.add(pool.submit(work, name, size, seed, str(folder)))
            if len(under_way) > 2 * workers:
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                yield from (one.result() for one in done)
        yield from (one.result() for one in under_way)


def _table(told: dict[str, list[Given]], seconds: float) -> Table:
    table = Table(title=f"{sum(one.inputs for some in told.values() for one in some):,} inputs in {seconds:,.0f} s")
    for name in ("target", "inputs", "inputs/s of a process", "failures"):
        table.add_column(name, justify="left" if name == "target" else "right")
    for name, some in told.items():
        inputs, took = sum(one.inputs for one in some), sum(one.seconds for one in some)
        table.add_row(name, f"{inputs:,}", f"{inputs / took:,.0f}", f"{sum(one.failed for one in some):,}")
    return table


def _replay(path: Path) -> int:
    target = next(one for one in TARGETS if path.name.startswith(one.name.replace(" ", "-")))
    with tempfile.TemporaryDirectory() as folder:
        failure = give(target, path.read_bytes(), Path(folder))
    _CONSOLE.print(failure.error if failure else "nothing is wrong with it")
    return 1 if failure else 0


if __name__ == "__main__":
    sys.exit(main())
