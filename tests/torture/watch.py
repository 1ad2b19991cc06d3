"""Seeing from outside which stage a run is in, and breaking it there: for runs started as a user starts them."""

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from . import evidence
from .plan import Kind
from .process import workers_of

_EVERY_S = 0.001
_OF_WORKERS = ("SIGKILL of the worker", "SIGTERM to all", "power cut")


def breaker(kind: Kind, stage: str, out: Path, log: Path, seed: int) -> "Breaker":
    """What breaks a run of this folder, in this stage."""
    chance = random.Random(seed)
    return Breaker(kind, _signs(out, log, chance)[stage], chance.uniform(0, 0.3 if stage == "validation" else 0.02))


def _signs(out: Path, log: Path, chance: random.Random) -> dict[str, Callable[[], bool]]:
    """By what a stage is known."""
    some, answers = chance.randint(1, 3), chance.randint(1, 200)

    def answered() -> int:
        return sum(path.read_bytes().count(b"\n") for path in (out / evidence.STATE / "journal").glob("*"))

    def seen(*patterns: str) -> int:
        return sum(len(list(out.glob(pattern))) for pattern in patterns)

    return {
        "validation": lambda: log.read_bytes().startswith(b"reading"),
        "folder": lambda: seen(".tbpr/lock") > 0,
        "requests": lambda: answered() >= answers,
        "checks": lambda: answered() >= 50 * some,
        "shard": lambda: seen("data/.*.writing", "rejects/.*.writing") > 0,
        "shard → manifest": lambda: seen("rejects/*.parquet") > len(evidence.recorded(out)) >= some - 1,
        "manifest": lambda: len(evidence.recorded(out)) >= some,
        "card": lambda: seen("README.md", ".README.md.writing") > 0,
    }


class Breaker:
    """Waits for its sign, then strikes; `struck` tells whether the run still was there."""

    def __init__(self, kind: Kind, sign: Callable[[], bool], late_s: float) -> None:
        self.struck = False
        self._kind, self._sign, self._late_s = kind, sign, late_s

    def __call__(self, run: "subprocess.Popen[bytes]") -> None:
        """Watch a run, and break it."""
        while run.poll() is None:
            if self._sign():
                time.sleep(self._late_s)
                self.struck = run.poll() is None
                return self._strike(run.pid) if self.struck else None
            time.sleep(_EVERY_S)

    def _strike(self, pid: int) -> None:
        workers = workers_of(pid) if self._kind in _OF_WORKERS else []
        alone = self._kind == "SIGKILL of the worker"
        self.struck = bool(workers) or not alone
        number = next((signal.Signals[name] for name in ("SIGINT", "SIGTERM") if name in self._kind), signal.SIGKILL)
        for one in workers if alone else [pid, *workers]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, number)
