"""Datasets made for publishing, and the command line run within the tests' process."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from augment_runs import WITH_NEGATIVES, augment
from PIL import Image
from scripted_server import ScriptedServer
from typer.testing import CliRunner, Result

from tbpr_data.pipeline.cli import app

Scripted = Callable[..., ScriptedServer]
WORDS = ("red", "blue", "green", "white", "black", "gray")
CLOTHES = ("shirt", "coat", "jacket", "sweater", "hoodie")


def write_source(folder: Path, dataset: str | None, *, images: int = 12) -> Path:
    """A source in CUHK-PEDES's format with its pictures; with `dataset` its records say that they are of that one."""
    (folder / "imgs/cam").mkdir(parents=True)
    records = []
    for n in range(images):
        path = f"cam/{n:04d}.jpg"
        Image.new("RGB", (16, 32), (20 * n % 255, 40, 90)).save(folder / "imgs" / path)
        first, second = WORDS[n % 6], WORDS[(n + 2) % 6]
        worn = CLOTHES[n % 5]
        records.append(
            {
                "split": ("train", "train", "train", "val", "test", "test")[n // 2 % 6],
                "captions": [
                    f"A man is wearing a {first} {worn} with a {second} hat, carries bag {n} and looks to his left.",
                    f"The pedestrian has {first} shoes. He wears a {second} {worn} over a shirt with a number {n}.",
                ],
                "file_path": path,
                "processed_tokens": [],
                "id": n // 2 + 1,
                **({"dataset": dataset} if dataset else {}),
            }
        )
    (folder / "reid_raw.json").write_text(json.dumps(records), encoding="utf-8")
    return folder


def make_dataset(source: Path, out: Path, server: ScriptedServer, *more: str) -> Path:
    """A finished dataset of a source: rewrites that repeat their captions, rejects, hard negatives, a few shards."""
    done = augment(source, out, server.url, WITH_NEGATIVES, *more)
    assert done.returncode == 0, done.stderr
    return out


def run(*arguments: object) -> Result:
    """`tbpr-data` with these arguments; what the user is told of an error is its `exception`."""
    return CliRunner().invoke(app, [str(one) for one in arguments])


def strings(value: Any) -> list[str]:
    """Every text in a row."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for one in value.values() for text in strings(one)]
    return [text for one in value for text in strings(one)] if isinstance(value, list) else []
