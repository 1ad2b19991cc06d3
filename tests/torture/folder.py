"""A folder under torture: the runs on it, what they asked, what was on disk, and what was lost."""

import shutil
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from scripted_server import PROOF, ScriptedServer, request_key

from . import evidence
from .case import CONCURRENCY, Script, answer, arguments, tag_of_key
from .inject import Fault
from .process import Ended, forked

_MOST_STARTS = 3


@dataclass
class Result:
    """What became of a folder."""

    struck: bool = False
    """Whether the run was there to be broken; else it was too quick."""
    resumed: bool = False
    """Whether the same command then ended with exit code 0."""
    identical: bool = False
    """Whether what is published is that of an undisturbed run, byte for byte."""
    twice: int = 0
    """Requests sent again whose answer was on disk, answered twice on disk, or sent twice to a sound server."""
    again: int = 0
    """Requests sent again whose answer had been delivered but was not yet on disk, or was lost with the power."""
    lost: int = 0
    """Rows that are gone, journal lines that are gone, requests without a line, answers beyond those in flight."""
    code: int = 0
    """Exit code of the run that was broken, the last one if several were."""
    damage: str = ""
    """What a power cut did to which file."""
    seconds: float = 0.0
    """How long all of it took."""
    notes: list[str] = field(default_factory=list)
    """What was wrong."""

    @property
    def good(self) -> bool:
        """Whether nothing is to be said against it."""
        return self.resumed and self.identical and not (self.twice or self.lost or self.notes)


@contextmanager
def serving(script: Script) -> Iterator[ScriptedServer]:
    """A scripted server for one run."""
    server = ScriptedServer(script)
    try:
        yield server
    finally:
        server.stop()


class Folder:
    """A folder, and what was found out about it so far."""

    def __init__(self, name: str, source: Path, work: Path) -> None:
        self.out, self.result = work / name, Result()
        self._source, self._log = source, work / f"{name}.log"
        self._delivered: set[int] = set()

    def run(self, script: Script, fault: Fault | None = None, settings: tuple[str, ...] = ()) -> Ended:
        """A run in a fork, with a fault perhaps, that a server answers."""

        def start(words: list[str]) -> Ended:
            return forked(words, self.out, self._source, self._log, fault)

        return self.accounted(script, start, settings)

    def accounted(self, script: Script, start: Callable[[list[str]], Ended], settings: tuple[str, ...] = ()) -> Ended:
        """A run that `start` makes of its arguments; what it asks is held against what is on disk before and after."""
        before = evidence.lines(self.out)
        more = [word for setting in settings for word in ("--set", f"server.{setting}")]
        with serving(script) as server:
            ended = start(arguments(self._source, self.out, server.url, *more))
            asked = [tag_of_key(request_key(body)) for body in server.chats]
            delivered = {tag_of_key(key) for key in server.answered if PROOF not in key}
        after = evidence.lines(self.out)
        known, result = {line.tag for line in before}, self.result
        result.seconds += ended.seconds
        result.twice += len(known & set(asked))
        # A faulty server is asked again by the same run: that is its duty.
        result.twice += len(evidence.twice(asked)) if script is answer else 0
        result.again += len(self._delivered & set(asked) - known)
        result.lost += len({line.data for line in before} - {line.data for line in after})
        result.lost += max(0, len(delivered - {line.tag for line in after}) - CONCURRENCY)
        self._delivered |= delivered
        return ended

    def mend(self) -> None:
        """The same command against a sound server, until it ends with exit code 0."""
        for _ in range(_MOST_STARTS):
            ended = self.run(answer)
            if ended.code == 0:
                self.result.resumed = True
                return
            self.note(f"started again it ended with exit code {ended.code}: {ended.said[-600:]}")

    def compare(self, whole: evidence.Whole) -> None:
        """Hold what there is now against what an undisturbed run leaves."""
        others = evidence.published(self.out).items() ^ whole.published.items()
        self.result.identical = not others
        if others:
            self.note(f"other bytes: {sorted({path for path, _ in others})}")
        self.account(whole, whole.tags)

    def account(self, whole: evidence.Whole, answers: Set[int]) -> None:
        """Look for rows, answers and files that are missing, and for answers and files that are too many."""
        tags = [line.tag for line in evidence.lines(self.out)]
        self.result.twice += len(evidence.twice(tags))
        self.result.lost += len(whole.rows.items() - evidence.rows(self.out).items()) + len(answers - set(tags))
        if strays := evidence.files(self.out) ^ whole.files:
            self.note(f"files too many or too few: {sorted(strays)}")

    def note(self, what: str) -> None:
        """Something that should not be."""
        self.result.notes.append(what)

    def done(self) -> Result:
        """The result; the folder stays where something is wrong with it."""
        if self.result.good:
            shutil.rmtree(self.out, ignore_errors=True)
        return self.result
