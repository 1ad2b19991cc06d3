"""A process that gives a target some inputs."""

import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

import hypothesis
from hypothesis import HealthCheck, Phase, settings

from . import files, texts
from .target import Failure, Target, give

TARGETS: tuple[Target, ...] = (*files.TARGETS, *texts.TARGETS)
FROM_NOTHING = 20
"""One input in so many is hypothesis's own; the others are valid ones, changed."""
_MOST_MEMORY = 8 << 30
_NAMED = 5


@dataclass(frozen=True)
class Given:
    """What came of some inputs."""

    target: str
    """Who got them."""
    inputs: int
    """How many."""
    seconds: float
    """How long it took."""
    failures: tuple[Failure, ...]
    """The first few that failed."""
    failed: int
    """How many failed."""


def begin() -> None:
    """A length that a broken file lies about must not take the machine's memory."""
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, resource.RLIM_INFINITY))


def work(name: str, inputs: int, seed: int, scratch: str) -> Given:
    """Give a target so many inputs, which the seed decides. They lie in `scratch` as long as they are being read."""
    target = next(one for one in TARGETS if one.name == name)
    failures: list[Failure] = []
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=scratch, ignore_cleanup_errors=True) as folder:

        def one(content: bytes) -> None:
            if (failure := give(target, content, Path(folder))) is not None:
                failures.append(failure)

        random = Random(f"{seed} {name}")
        from_nothing = inputs // FROM_NOTHING
        for _ in range(inputs - from_nothing):
            one(target.draw(random))
        thought = think(target, one, from_nothing, seed) if from_nothing else 0
    given = inputs - from_nothing + thought
    return Given(name, given, time.perf_counter() - began, tuple(failures[:_NAMED]), len(failures))


def think(target: Target, give_one, most: int, seed: int) -> int:  # type: ignore[no-untyped-def]
    """Give what hypothesis thinks of: how many inputs that were, at most `most`."""
    count = 0

    @hypothesis.seed(seed)
    @settings(
        max_examples=most,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(target.strategy)
    def thought(content: bytes) -> None:
        nonlocal count
        count += 1
        give_one(content)

    thought()
    return count
