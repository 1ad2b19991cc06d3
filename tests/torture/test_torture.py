"""A short part of the torture: a kill of each kind, some of the server's faults. `make torture` runs the whole."""

from pathlib import Path

import pytest

from torture import process
from torture.evidence import Whole
from torture.fault import MIXED, storm_and_calm
from torture.kill import break_and_mend
from torture.plan import STAGES, STRIKES, matrix
from torture.undisturbed import undisturbed

POINTS, SEED = 128, 0
Ground = tuple[Path, Path, Whole, tuple[str, ...]]
"""A folder to torture in, the source, what an undisturbed run leaves of it, and the fault points it comes by."""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    work = tmp_path_factory.mktemp("torture")
    process.prepare()
    return work, *undisturbed(work)


@pytest.mark.parametrize(
    ("kind", "as_a_user"), [*((kind, False) for kind in STRIKES), ("SIGKILL of the run", True), ("SIGTERM", True)]
)
def test_broken_anywhere_it_goes_on_to_the_same_bytes(ground: Ground, kind: str, as_a_user: bool) -> None:
    work, source, whole, trace = ground
    point = next(one for one in matrix(trace, POINTS, SEED) if one.kind == kind and as_a_user != bool(one.faults))
    result = break_and_mend(point, source, work, whole)
    assert result.good, (point, result)
    assert result.struck or as_a_user, point  # from outside it can be missed


@pytest.mark.parametrize("name", ["finish_reason=length", "dies after 100", MIXED])
def test_whatever_the_server_does_the_run_ends_and_is_completed(ground: Ground, name: str) -> None:
    work, source, whole, _ = ground
    result = storm_and_calm(name, 1, source, work, whole)
    assert result.good, result


def test_the_matrix_has_every_kind_in_every_stage(ground: Ground) -> None:
    *_, trace = ground
    points = matrix(trace, POINTS, SEED)
    assert points == matrix(trace, POINTS, SEED)
    assert {point.kind for point in points} == set(STRIKES)
    assert {point.stage for point in points} == set(STAGES)
    forked = {(point.kind, point.stage) for point in points if point.faults}
    assert len(forked) == len(STRIKES) * len(STAGES) - 3  # no worker before the requests nor after the shards
    assert sum(not point.faults for point in points) == 16
