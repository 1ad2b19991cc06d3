"""Fault points inside a run: each touch of the disk and each step that touches none is counted, by what it does; at one
of them the run, its worker or the power goes. Nothing of the pipeline is changed for it."""

import importlib
import multiprocessing
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Literal

Strike = Literal["kill the run", "kill the worker", "interrupt", "terminate", "terminate all", "cut the power"]

_WRITE, _FSYNC, _FTRUNCATE = os.write, os.fsync, os.ftruncate
# Steps that leave nothing on disk, as the pipeline names them.
_STEPS = {
    "validates a row": ("tbpr_data.pipeline.sources.validate", "Validation._add"),
    "proves the server": ("tbpr_data.pipeline.run", "prove"),
    "judges": ("tbpr_data.pipeline.judged", "judge"),
    "makes negatives": ("tbpr_data.pipeline.finish", "with_negatives"),
}


@dataclass(frozen=True)
class Fault:
    """What befalls a run, and where."""

    strike: Strike
    """What happens."""
    label: str
    """At which fault point: who does what with which file, as `run renames manifest.json`."""
    nth: int
    """At which time that it comes there, from 1."""


class FaultPoints:
    """Counts the fault points of this process and those forked from it, and strikes at the one that is asked for."""

    def __init__(self, out: Path, source: Path, fault: Fault | None, trace: Path) -> None:
        self._out, self._source, self._fault = f"{out}{os.sep}", str(source), fault
        self._run = os.getpid()
        self._seen: Counter[str] = Counter()
        self._renamed = ""
        self._trace = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def install(self) -> None:
        """Watch this process from here on."""
        sys.addaudithook(self._audited)
        os.fsync = self._before("syncs", _FSYNC)
        os.ftruncate = self._before("truncates", _FTRUNCATE)
        os.write = self._written
        for what, (module, path) in _STEPS.items():
            owner: Any = importlib.import_module(module)
            *inside, name = path.split(".")
            for part in inside:
                owner = getattr(owner, part)
            setattr(owner, name, self._step(what, getattr(owner, name)))

    def _audited(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(args[0], str):
            if args[0] == self._source:
                self._reach("reads the source")
            elif args[2] & (os.O_WRONLY | os.O_RDWR):
                self._touch("opens", args[0])
        elif event == "os.rename":
            self._touch("renames", str(args[0]))
            self._renamed = self._name(str(args[0])) or self._renamed
        elif event in ("os.remove", "os.mkdir"):
            self._touch({"os.remove": "removes", "os.mkdir": "makes"}[event], str(args[0]))

    def _before(self, does: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(fd: int, *args: Any) -> Any:
            self._touch(does, _path_of(fd))
            return call(fd, *args)

        return watched

    def _written(self, fd: int, data: Any) -> int:
        if not (name := self._name(_path_of(fd))):
            return _WRITE(fd, data)
        # A power cut leaves part of a line.
        self._reach(f"writes {name}", lambda: _WRITE(fd, data[: len(data) * 2 // 3]))
        return _WRITE(fd, data)

    def _step(self, what: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def watched(*args: Any, **named: Any) -> Any:
            self._reach(what)
            return call(*args, **named)

        return watched

    def _touch(self, does: str, path: str) -> None:
        if path == self._out[:-1] or path in (f"{self._out}data", f"{self._out}rejects"):
            self._reach(f"{does} its folder" if does == "makes" else f"{does} the folder after {self._renamed}")
        elif name := self._name(path):
            self._reach(f"{does} {name}")

    def _name(self, path: str) -> str:
        """What a file below the folder is to the run; empty for any other file."""
        if not path.startswith(self._out):
            return ""
        *_, folder, name = Path(path).parts
        if folder == "journal":
            return "a journal"
        if folder in ("data", "rejects"):
            return f"a shard of {folder}"
        return name.removeprefix(".").removesuffix(".writing")

    def _reach(self, what: str, at_power_cut: Callable[[], object] = lambda: None) -> None:
        label = f"{'run' if os.getpid() == self._run else 'worker'} {what}"
        self._seen[label] += 1
        _WRITE(self._trace, f"{label}\n".encode())
        if self._fault and (label, self._seen[label]) == (self._fault.label, self._fault.nth):
            _WRITE(self._trace, b"struck\n")
            self._strike(self._fault.strike, at_power_cut)

    def _strike(self, strike: Strike, at_power_cut: Callable[[], object]) -> None:
        here = os.getpid()
        workers = [here] if here != self._run else [int(child.pid or 0) for child in multiprocessing.active_children()]
        if strike == "cut the power":
            at_power_cut()
        # The one that is here comes last.
        everyone = sorted({self._run, *workers}, key=here.__eq__)
        ends, number = {
            "kill the run": ([self._run], signal.SIGKILL),
            "kill the worker": (workers, signal.SIGKILL),
            "interrupt": ([self._run], signal.SIGINT),
            "terminate": ([self._run], signal.SIGTERM),
            "terminate all": (everyone, signal.SIGTERM),
            "cut the power": (everyone, signal.SIGKILL),
        }[strike]
        for pid in ends:
            os.kill(pid, number)


def _path_of(fd: int) -> str:
    return str(Path(f"/proc/self/fd/{fd}").readlink())
