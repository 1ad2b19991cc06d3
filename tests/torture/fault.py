"""Whole runs against a server with a fault: each ends, and the same command against a sound server completes it."""

from pathlib import Path

from . import evidence, weather
from .case import Script
from .folder import Folder, Result
from .weather import FAULTS, Weather

_MIXED = Weather(lambda good, chance: good, codes=(0, 3), settings=weather.SOON)
MIXED = "mixed"
"""Name of all the faults that pass, at random."""


def storm_and_calm(name: str, seed: int, source: Path, work: Path, whole: evidence.Whole) -> Result:
    """A run in this weather, and one after it."""
    one = FAULTS.get(name, _MIXED)
    script = weather.mixed(seed) if name == MIXED else weather.script(one, seed)
    folder = Folder(f"fault-{name.replace(' ', '-')}-{seed}", source, work)
    try:
        _storm(one, script, folder)
        folder.mend()
        if one.reason:
            _compare_answers(one, seed, folder, whole)
        else:
            folder.compare(whole)
    except RuntimeError as hung:
        folder.note(str(hung))
    return folder.done()


def _storm(one: Weather, script: Script, folder: Folder) -> None:
    ended = folder.run(script, settings=one.settings)
    folder.result.struck, folder.result.code = True, ended.code
    if ended.code not in one.codes or "Traceback" in ended.said:
        folder.note(f"exit code {ended.code}, not {one.codes}: {ended.said[-1500:]}")
    says = {1: "go on with:", 3: "the same command asks them again"}.get(ended.code, "")
    if says not in ended.said:
        folder.note(f"exit code {ended.code}, and it does not say how to go on: {ended.said[-600:]}")


def _compare_answers(one: Weather, seed: int, folder: Folder, whole: evidence.Whole) -> None:
    """Where what is wrong is the answer: its row is refused for that, and no other is; none is missing."""
    rewrites = {tag for tag in whole.rows.values() if tag != evidence.HUMAN}
    befallen = {tag for tag in rewrites if weather.befalls(one, seed, tag)}
    # Of what is empty nothing else is said.
    expected = whole.refused[one.reason] | (befallen - whole.refused["empty"])
    found = evidence.refused(folder.out, one.reason)
    folder.result.identical = found == expected
    if found != expected:
        folder.note(f"{len(found - expected)} wrongly refused as {one.reason}, {len(expected - found)} not refused")
    folder.account(whole, rewrites)
