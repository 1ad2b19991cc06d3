"""Where a run stands: everything that the next step depends on, on disk whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError
from safetensors.torch import load_file, save_model
from torch import nn

from ..schemas.errors import UserError
from ..schemas.settings import first_problem
from .memory import is_short_of_memory

_PROGRESS, _WEIGHTS, REST = "progress.json", "learner.safetensors", "optimiser.pt"


class Measured(BaseModel):
    """One look at the selection split."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    epoch: int
    """Epochs trained by then."""
    value: float
    """The recipe's metric, in percent."""


class Progress(BaseModel):
    """How far a run has come."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: Literal["tbpr-data checkpoint"] = "tbpr-data checkpoint"
    """Tells it from another JSON file."""
    step: NonNegativeInt
    """Optimiser steps taken."""
    epoch: NonNegativeInt
    """Epoch under way, from 0."""
    batch: NonNegativeInt
    """Batches of it that are done."""
    measured: tuple[Measured, ...] = ()
    """Every measurement, in order."""
    seconds: float = 0.0
    """Time spent on batches, without measuring and saving."""
    waited: float = 0.0
    """Part of it that went by in waiting for the loader."""

    @property
    def best(self) -> Measured | None:
        """The best measurement; the first of equal ones."""
        return max(self.measured, key=lambda one: one.value, default=None)

    @property
    def rounds_without_better(self) -> int:
        """Measurements since the best one."""
        best = self.best
        return 0 if best is None else len(self.measured) - 1 - self.measured.index(best)


def save_checkpoint(folder: Path, learner: nn.Module, rest: dict[str, Any], progress: Progress) -> None:
    """Write the folder beside its name, then rename it; an older one is gone only then, wherever it stands.

    Args:
        folder: of the checkpoint.
        learner: its parameters and buffers go into a safetensors file.
        rest: state of optimiser, schedule and the like: tensors, numbers, strings, and lists and dicts of them.
        progress: where the run stands.
    """
    new, old = folder.with_name(f".{folder.name}.writing"), folder.with_name(f".{folder.name}.old")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    save_model(learner, str(new / _WEIGHTS))
    torch.save({**rest, "torch": torch.get_rng_state()}, new / REST)
    (new / _PROGRESS).write_text(progress.model_dump_json(indent=1) + "\n", encoding="utf-8")
    sync_folder(new)
    if folder.exists():  # else a kill between these renames has left `old` the only checkpoint
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
    new.rename(folder)
    _sync(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Wait until the folder and all that is in it are on the disk: what comes after may then rely on it."""
    for path in (*folder.rglob("*"), folder):
        _sync(path)


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def remove_checkpoint(folder: Path) -> None:
    """Remove it, and what kills left beside it."""
    for name in (folder.name, f".{folder.name}.old", f".{folder.name}.writing"):
        shutil.rmtree(folder.with_name(name), ignore_errors=True)


def find_checkpoint(folder: Path) -> Path | None:
    """The folder, or the one that a kill between two renames left beside it; none where there is none."""
    old = folder.with_name(f".{folder.name}.old")
    return next((one for one in (folder, old) if one.is_dir()), None)


def saved_step(folder: Path) -> int:
    """Optimiser steps at the checkpoint; 0 where there is none, or a damaged one, of which `load_checkpoint` tells."""
    found = find_checkpoint(folder)
    try:
        return Progress.model_validate_json((found / _PROGRESS).read_bytes()).step if found else 0
    except ValueError:
        return 0


def load_checkpoint(folder: Path, learner: nn.Module) -> tuple[dict[str, Any], Progress]:
    """Fill the learner, and give the rest and the progress. Nothing in the files is executed.

    Raises UserError where the checkpoint is damaged, or of another model.
    """
    with damaged(folder / _PROGRESS):
        progress = Progress.model_validate_json((folder / _PROGRESS).read_bytes())
    with damaged(folder / _WEIGHTS):
        state = load_file(folder / _WEIGHTS)
    with damaged(folder / REST):
        rest: dict[str, Any] = torch.load(folder / REST, map_location="cpu", weights_only=True)
        drawn = rest.pop("torch")
    own = learner.state_dict()
    alike = all(name in own and own[name].shape == value.shape for name, value in state.items())
    missing = learner.load_state_dict(state, strict=False).missing_keys if alike else []
    # What is shared between modules is stored once.
    shared = {name for name in missing if name in dict(learner.named_parameters(remove_duplicate=False))}
    if not alike or set(missing) - shared:
        raise UserError("it is of another model", where=str(folder), mend="give another --out")
    with damaged(folder / REST):
        torch.set_rng_state(drawn)
    return rest, progress


@contextmanager
def damaged(path: Path) -> Iterator[None]:
    """Raise UserError, which names the file, for what reading it inside, or filling anything from it, fails with."""
    try:
        yield
    except Exception as error:  # a broken pickle fails in any way: with bytes changed at random, in 12 types of error
        if is_short_of_memory(error):
            raise
        said = first_problem(error) if isinstance(error, ValidationError) else re.split(r"\n|\. ", str(error))[0]
        raise UserError(
            f"the run cannot go on from it, {type(error).__name__}: {said}",
            where=str(path),
            mend=f"put the file back, or remove the folder {path.parent}: the seed begins anew",
        ) from None
