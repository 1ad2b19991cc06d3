"""The run that nothing befalls, by which all others are measured."""

from pathlib import Path

from . import evidence
from .case import answer, write_source
from .folder import Folder


def undisturbed(work: Path) -> tuple[Path, evidence.Whole, tuple[str, ...]]:
    """The source, what a run on it leaves, and the fault points that it comes by."""
    source = write_source(work / "people.jsonl")
    folder = Folder("undisturbed", source, work)
    ended = folder.run(answer)
    if ended.code != 0 or folder.result.twice or folder.result.lost:
        raise RuntimeError(f"undisturbed it ended with exit code {ended.code}: {ended.said} {folder.result}")
    return source, evidence.whole(folder.out), ended.trace
