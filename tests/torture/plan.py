"""The matrix: what befalls a run × in which stage, at points that a seed draws from all that an undisturbed run has."""

import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Literal

from .inject import Fault, Strike

Kind = Literal[
    "SIGKILL of the run",
    "SIGKILL of the worker",
    "SIGINT",
    "SIGTERM",
    "SIGTERM to all",
    "power cut",
    "power cut, lying disk",
    "killed three times",
    "SIGKILL, faulty server",
]
STRIKES: Mapping[Kind, Strike] = {
    "SIGKILL of the run": "kill the run",
    "SIGKILL of the worker": "kill the worker",
    "SIGINT": "interrupt",
    "SIGTERM": "terminate",
    # As a batch system or a service manager ends a job.
    "SIGTERM to all": "terminate all",
    "power cut": "cut the power",
    "power cut, lying disk": "cut the power",
    "killed three times": "kill the run",
    "SIGKILL, faulty server": "kill the run",
}
# Stage → the fault points in it, by their labels; the first pattern that fits names the stage.
STAGES = {
    "validation": r"run (reads the source|validates a row)",
    "folder": r"run .*(its folder|tbpr|lock|owner|run\.toml|captions\.npy)",
    "requests": r"run .*(journal|proves|progress\.json)",
    "checks": r"worker (judges|makes negatives)",
    "shard": r"worker (makes its folder|(opens|syncs|renames) a shard)",
    "shard → manifest": r"worker syncs the folder|run opens manifest",
    "manifest": r"run .*manifest",
    "card": r"run .*README",
}
_NO_WORKER = ("validation", "folder", "card")
_IN_FORKS = ("power cut, lying disk", "killed three times", "SIGKILL, faulty server")
_AS_A_USER: tuple[Kind, ...] = tuple(kind for kind in STRIKES if kind not in _IN_FORKS)
_FORKED_TO_STARTED = 7
# Come by more often the longer a run takes: only the first times are sure.
_BY_THE_CLOCK = r"progress\.json|syncs a journal"

Places = Mapping[str, Mapping[str, Sequence[int]]]
"""Stage → label → the times that an undisturbed run comes there in this stage."""


@dataclass(frozen=True)
class Point:
    """One run that is broken."""

    number: int
    """Its place in the matrix."""
    kind: Kind
    """What befalls it."""
    stage: str
    """In which stage."""
    faults: tuple[Fault, ...]
    """Where: one for each time that it is started before it may go on to its end. None for a run that is started as a
    user starts it: it is broken when its folder is seen to be in the stage."""
    seed: int
    """Of whatever else is random: what a power cut damages."""


def matrix(trace: Iterable[str], points: int, seed: int) -> list[Point]:
    """`points` points, spread evenly over kinds and stages; `trace` is what an undisturbed run came by. One in eight
    is started as a user starts it, the others are forked and broken at an exact place."""
    chance, places = random.Random(seed), _places(trace)
    forked, started = (_cells(kinds, chance) for kinds in (tuple(STRIKES), _AS_A_USER))
    drawn = []
    for number in range(points):
        as_a_user = number % (_FORKED_TO_STARTED + 1) == _FORKED_TO_STARTED
        kind, stage = next(started if as_a_user else forked)
        faults = () if as_a_user else _faults(kind, stage, places, chance)
        drawn.append(Point(number, kind, stage, faults, chance.getrandbits(32)))
    return drawn


def _cells(kinds: Sequence[Kind], chance: random.Random) -> Iterator[tuple[Kind, str]]:
    cells = [
        (kind, stage)
        for stage in STAGES
        for kind in kinds
        if not (kind == "SIGKILL of the worker" and stage in _NO_WORKER)
    ]
    chance.shuffle(cells)
    return cycle(cells)


def _places(trace: Iterable[str]) -> Places:
    places: dict[str, dict[str, list[int]]] = {stage: {} for stage in STAGES}
    for label, count in sorted(Counter(trace).items()):
        stage = next((stage for stage, pattern in STAGES.items() if re.match(pattern, label)), "folder")
        for nth in range(1, (min(count, 3) if re.search(_BY_THE_CLOCK, label) else count) + 1):
            # The first manifest is written before any shard.
            really = "folder" if nth == 1 and "manifest" in label else stage
            places[really].setdefault(label, []).append(nth)
    return places


def _faults(kind: Kind, stage: str, places: Places, chance: random.Random) -> tuple[Fault, ...]:
    stages = [stage, *chance.choices(list(STAGES), k=2)] if kind == "killed three times" else [stage]
    faults = []
    for one in stages:
        label = chance.choice(list(places[one]))
        faults.append(Fault(STRIKES[kind], label, chance.choice(places[one][label])))
    return tuple(faults)
