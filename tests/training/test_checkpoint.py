"""Checkpoints: whatever is killed or damaged, a whole one is found, or one line says what to do."""

import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tbpr_data.schemas.errors import UserError
from tbpr_data.training.checkpoint import Progress, damaged, find_checkpoint, load_checkpoint, save_checkpoint

REST = {"optimiser": {"rate": 0.5}}
MOVES = 12
"""More than the files are moved, synced and removed in saving once."""


class Killed(BaseException):
    """The end of a process, which nothing in it catches."""


def save(folder: Path, step: int) -> None:
    learner = nn.Linear(2, 2)
    nn.init.constant_(learner.weight, step)
    save_checkpoint(folder, learner, REST, Progress(step=step, epoch=0, batch=0))


def load(folder: Path) -> int:
    """The step of the checkpoint, which is whole."""
    found = find_checkpoint(folder)
    assert found is not None, sorted(folder.parent.iterdir())
    learner = nn.Linear(2, 2)
    rest, progress = load_checkpoint(found, learner)
    assert rest == REST
    assert (learner.weight == progress.step).all()
    return progress.step


def test_no_kills_lose_the_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At every move of the files, one kill after another."""
    left = 0

    def counted(move: Callable[..., Any]) -> Callable[..., Any]:
        def moved(path: Any, *rest: Any, **more: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0 and move is shutil.rmtree and path.is_dir():
                next(path.iterdir()).unlink()  # killed while it removes one file after another
            if left <= 0:
                raise Killed
            return move(path, *rest, **more)

        return moved

    monkeypatch.setattr(Path, "rename", counted(Path.rename))
    monkeypatch.setattr(os, "fsync", counted(os.fsync))
    monkeypatch.setattr(shutil, "rmtree", counted(shutil.rmtree))
    for number, kills in enumerate(itertools.product(range(1, MOVES), repeat=2)):
        folder = tmp_path / str(number) / "last"
        left = 99
        save(folder, 1)
        for step, left in enumerate(kills, 2):  # noqa: B007 - counted down
            before = load(folder)
            try:
                save(folder, step)
            except Killed:
                pass
            else:
                assert load(folder) == step
            assert load(folder) in (before, step)
    assert left > 0, "MOVES is not all"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("learner.safetensors", b""),
        ("learner.safetensors", None),
        ("optimiser.pt", b"hello world"),
        ("optimiser.pt", b""),
        ("optimiser.pt", None),
        ("progress.json", b"{}"),
        ("progress.json", None),
    ],
)
def test_a_damaged_checkpoint_is_told_by_the_file(tmp_path: Path, name: str, content: bytes | None) -> None:
    save(tmp_path / "last", 1)
    file = tmp_path / "last" / name
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2] if content is None else content)
    with pytest.raises(UserError) as caught:
        load_checkpoint(tmp_path / "last", nn.Linear(2, 2))
    assert str(caught.value).startswith(f"{file}: the run cannot go on from it, ")
    assert str(caught.value).endswith(f"or remove the folder {tmp_path / 'last'}: the seed begins anew)")


def test_a_file_that_is_gone_is_no_beginning(tmp_path: Path) -> None:
    save(tmp_path / "last", 1)
    (tmp_path / "last" / "progress.json").unlink()
    found = find_checkpoint(tmp_path / "last")
    assert found is not None
    with pytest.raises(UserError, match=r"progress.json: the run cannot go on from it, FileNotFoundError"):
        load_checkpoint(found, nn.Linear(2, 2))


def test_a_checkpoint_of_another_model(tmp_path: Path) -> None:
    save(tmp_path / "last", 1)
    for other in (nn.Linear(2, 3), nn.Linear(2, 2, bias=False), nn.Sequential(nn.Linear(2, 2))):
        with pytest.raises(UserError, match="it is of another model"):
            load_checkpoint(tmp_path / "last", other)


def test_a_lack_of_memory_is_no_damage(tmp_path: Path) -> None:
    with pytest.raises(torch.OutOfMemoryError), damaged(tmp_path):
        raise torch.OutOfMemoryError
