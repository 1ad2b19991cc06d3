"""Runs in processes of their own: forked from one that has loaded everything, or started as a user starts them."""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import psutil

from .inject import Fault, FaultPoints

LONGEST_S = 300.0
"""A run that takes longer hangs: undisturbed it takes two seconds, on a machine that is busy with other work forty."""
_TESTS = str(Path(__file__).parents[1])
_MAIN = "from tbpr_data.pipeline.cli import main; main()"
# `Process.start` looks after every other process of this one: not from two threads at once.
_STARTING = threading.Lock()


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    code: int
    """Exit code; negative for a signal."""
    said: str
    """What it wrote to stdout and stderr."""
    trace: tuple[str, ...] = ()
    """The fault points it came by; `struck` behind the one where the fault struck."""
    seconds: float = 0.0
    """How long it took."""

    @property
    def struck(self) -> bool:
        """Whether it came to its fault."""
        return "struck" in self.trace


def prepare() -> None:
    """Have the process ready that runs are forked from. Without threads: a forked copy of one that has any may hang."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"):
        os.environ[name] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    if _TESTS not in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (_TESTS, os.environ.get("PYTHONPATH"))))
    _context().set_forkserver_preload(["torture.warm"])


def forked(words: list[str], out: Path, source: Path, log: Path, fault: Fault | None = None) -> Ended:
    """Run `tbpr-data WORDS` in a fork, and wait until it and its workers are gone. RuntimeError where that takes too
    long."""
    trace, began = log.with_suffix(".trace"), time.monotonic()
    trace.unlink(missing_ok=True)
    gone, held = multiprocessing.Pipe(duplex=False)
    with _STARTING:
        process = _context().Process(target=_run, args=(words, out, source, log, fault, trace, held))
        process.start()
    held.close()
    # Every process of the run holds the writing end: a worker that outlives it would hold the folder's lock too, as a
    # spawned one does not.
    if not gone.poll(LONGEST_S):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid or 0, signal.SIGKILL)
        raise RuntimeError(f"hung after {LONGEST_S:.0f} s: {log.read_text()[-2000:]}")
    gone.close()
    code = _code(process)
    return Ended(code, log.read_text(), tuple(trace.read_text().splitlines()), time.monotonic() - began)


def executed(words: list[str], log: Path, meanwhile: Callable[["subprocess.Popen[bytes]"], None]) -> Ended:
    """Run `tbpr-data WORDS` as a user does; `meanwhile` watches it, and may kill it."""
    began = time.monotonic()
    with log.open("wb") as file:
        process = subprocess.Popen([sys.executable, "-c", _MAIN, *words], stdout=file, stderr=file)
        meanwhile(process)
        try:
            code = process.wait(LONGEST_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise RuntimeError(f"hung after {LONGEST_S:.0f} s: {log.read_text()[-2000:]}") from None
    return Ended(code, log.read_text(), seconds=time.monotonic() - began)


def workers_of(pid: int) -> list[int]:
    """The worker processes of a run that was started as a user does."""
    with contextlib.suppress(psutil.Error):
        return [child.pid for child in psutil.Process(pid).children() if "spawn_main" in " ".join(child.cmdline())]
    return []


def _context() -> multiprocessing.context.ForkServerContext:
    return multiprocessing.get_context("forkserver")


def _code(process: multiprocessing.context.ForkServerProcess) -> int:
    while True:
        with _STARTING:
            code = process.exitcode
        if code is not None:
            return code
        time.sleep(0.002)


def _run(
    words: list[str], out: Path, source: Path, log: Path, fault: Fault | None, trace: Path, held: Connection
) -> None:
    """In the forked process: what `tbpr-data` does, with fault points, and a worker that is forked too."""
    os.setsid()
    said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
    os.dup2(said, 1)
    os.dup2(said, 2)
    in_fork = multiprocessing.get_context("fork")

    def fork_workers(method: str | None = None) -> object:
        if len(list(Path("/proc/self/task").iterdir())) > 1:
            raise RuntimeError("a process with threads cannot be forked")
        return in_fork

    FaultPoints(out, source, fault, trace).install()
    multiprocessing.get_context = fork_workers  # type: ignore[assignment]
    sys.argv = ["tbpr-data", *words]
    from tbpr_data.pipeline import cli

    fork_workers()
    cli.main()
