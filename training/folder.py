"""The folder of a run: one run at a time, one recipe and one dataset for life."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tomli_w

from ..schemas.errors import UserError, one_line
from .checkpoint import find_checkpoint
from .loop import BEST, LAST
from .recipe import Recipe
from .results import FILE

RECIPE = "recipe.toml"
_RUN, _LOCK = "run.json", ".lock"


@contextmanager
def own_folder(out: Path, recipe: Recipe, sha256: str) -> Iterator[None]:
    """Hold the folder alone, and make it that of a run of this recipe on the data of this fingerprint.

    Raises:
        UserError: another process holds it, or it is another run's, or something else.
    """
    if out.exists() and not (out / _RUN).is_file() and (not out.is_dir() or any(_strange(out))):
        raise UserError("is or holds something else", where=str(out), mend="give another --out")
    out.mkdir(parents=True, exist_ok=True)
    with _alone(out):
        _claim(out, recipe, sha256)
        yield


def has_begun(out: Path) -> bool:
    """Whether a seed has got as far as a checkpoint."""
    seeds = list(out.glob("seed-*"))
    return any((one / FILE).exists() or (one / BEST).exists() or find_checkpoint(one / LAST) for one in seeds)


def _strange(out: Path) -> Iterator[Path]:
    return (one for one in out.iterdir() if one.name != _LOCK)


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Hold the folder's lock; the kernel frees it with the process.

    Not a lock of `flock`, which the loader's workers, forked off, would hold for seconds after this process is killed.
    This one is lost where the process closes the file another time: nothing else in it may open it.
    """
    with (out / _LOCK).open("a+", encoding="utf-8") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):  # POSIX leaves open which
            file.seek(0)
            raise UserError(
                f"another run is training here ({one_line(file.read()) or 'unknown'})",
                where=str(out),
                mend="wait for it, stop it, or give another --out",
            ) from None
        except OSError as error:
            raise UserError(f"cannot be locked: {error.strerror}", where=str(out), mend="give another --out") from None
        file.truncate(0)
        file.write(f"host {socket.gethostname()}, pid {os.getpid()}\n")
        file.flush()
        yield


def _claim(out: Path, recipe: Recipe, sha256: str) -> None:
    mine = {"recipe": recipe.model_dump(mode="json"), "data": sha256}
    path = out / _RUN
    # A run that has not begun to train keeps no other from its folder.
    if path.is_file() and has_begun(out):
        try:
            theirs = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            theirs = {}
        if theirs != mine:
            changed = "; ".join(_differences(theirs, mine))
            raise UserError(f"holds another run: {changed}", where=str(out), mend="give another --out")
        return
    path.write_text(json.dumps(mine, indent=1) + "\n", encoding="utf-8")
    values = recipe.model_dump(mode="json", exclude_none=True)
    (out / RECIPE).write_text(
        f"# The resolved recipe of this run: tbpr-data train recipe.toml SOURCE\n{tomli_w.dumps(values)}", "utf-8"
    )


def _differences(before: Any, after: Any, key: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        names = sorted({*before, *after})
        return [
            one for name in names for one in _differences(before.get(name), after.get(name), f"{key}.{name}".strip("."))
        ]
    return [] if before == after else [f"{key} was {json.dumps(before)}, is {json.dumps(after)}"]
