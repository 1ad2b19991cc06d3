"""One point of the matrix: a run is broken, started again until it ends, and compared with an undisturbed one."""

import random
from pathlib import Path

from . import evidence, weather
from .case import answer
from .damage import lying_disk, power_cut
from .folder import Folder, Result
from .inject import Fault
from .plan import Point
from .process import Ended, executed
from .watch import breaker

# What a strike may end with; 0 where the run was at its end.
_CODES = {
    "SIGKILL of the worker": (0, 1),
    "SIGINT": (0, 130),
    "SIGTERM": (0, 130),
    "SIGTERM to all": (0, 130),
    # It may end by itself before it is struck.
    "SIGKILL, faulty server": (-9, 0, 1, 3),
}


def break_and_mend(point: Point, source: Path, work: Path, whole: evidence.Whole) -> Result:
    """Carry a point out."""
    folder, chance = Folder(f"point-{point.number}", source, work), random.Random(point.seed)
    try:
        for fault in point.faults or (None,):
            _break(point, folder, fault, work)
            _damage(point, folder, chance)
        folder.mend()
        folder.compare(whole)
    except RuntimeError as hung:
        folder.note(str(hung))
    return folder.done()


def _break(point: Point, folder: Folder, fault: Fault | None, work: Path) -> None:
    if fault is not None:
        if point.kind == "SIGKILL, faulty server":
            ended = folder.run(weather.mixed(point.seed), fault, weather.SOON)
        else:
            ended = folder.run(answer, fault)
        struck = ended.struck
    else:
        log = work / f"point-{point.number}.log"
        watching = breaker(point.kind, point.stage, folder.out, log, point.seed)
        ended = folder.accounted(answer, lambda words: executed(words, log, watching))
        struck = watching.struck
    folder.result.struck |= struck
    folder.result.code = ended.code
    _look_at_the_end(point, folder, ended, struck)


def _look_at_the_end(point: Point, folder: Folder, ended: Ended, struck: bool) -> None:
    codes = _CODES.get(point.kind, (-9,)) if struck else (0,)
    if ended.code not in codes or "Traceback" in ended.said:
        folder.note(f"broken it ended with exit code {ended.code}: {ended.said[-1500:]}")
    says = {1: "go on with:", 130: "go on with:"}.get(ended.code, "")
    if says not in ended.said and not evidence.is_finished(folder.out):
        folder.note(f"it ended with exit code {ended.code} and does not say how to go on: {ended.said[-600:]}")


def _damage(point: Point, folder: Folder, chance: random.Random) -> None:
    if point.kind == "power cut":
        folder.result.damage = power_cut(folder.out, chance)
    elif point.kind == "power cut, lying disk":
        folder.result.damage = lying_disk(folder.out, chance)
