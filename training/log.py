"""The log of one seed: a line a step, and a line a look at the selection split."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .checkpoint import Progress

LOG = "log.jsonl"


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a log; a torn last one is left out."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            lines.append(json.loads(line))
        except ValueError:
            break
    return lines


def cut_log(path: Path, progress: Progress) -> None:
    """Leave out what was logged after the checkpoint: it will happen again."""
    measured = {one.epoch for one in progress.measured}
    kept = [
        line
        for line in read_log(path)
        if (line["epoch"] in measured if "selection" in line else line["step"] <= progress.step)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
