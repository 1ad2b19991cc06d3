"""What a run came to: the figures of every seed and what made them, their mean and deviation; as JSON, as a table."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from ..schemas.errors import UserError

FILE = "result.json"
FORMAT = 1
_WAYS = {"text_to_image": "text → image", "image_to_text": "image → text"}
_FIGURES = {"r1": "R@1", "r5": "R@5", "r10": "R@10", "map": "mAP", "minp": "mINP", "msd": "mSD"}


def write_result(path: Path, result: Mapping[str, Any]) -> None:
    """Write a result whole or not at all."""
    new = path.with_name(f".{path.name}.writing")
    with new.open("w", encoding="utf-8") as file:
        file.write(json.dumps({"format": FORMAT, **result}, indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())  # the checkpoint it takes the place of is removed next
    new.replace(path)


def read_result(path: Path) -> dict[str, Any]:
    """A result that was written. Raises UserError where it is none."""
    try:
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if (known := result.pop("format")) != FORMAT:
            raise ValueError(f"of format {known}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"not a result that this version reads: {error}", where=str(path), mend="remove it") from None
    return result


def environment() -> dict[str, str | None]:
    """Versions that shape the figures, and the commit of the code where it is a checkout."""
    versions: dict[str, str | None] = {name: version(name) for name in ("tbpr-data", "torch", "open-clip-torch")}
    try:
        # What is installed within somebody's own repository is not of their commit.
        _git("ls-files", "--error-unmatch", Path(__file__).name)
        versions["commit"] = _git("describe", "--always", "--dirty", "--abbrev=12") or None
    except (OSError, subprocess.SubprocessError):
        versions["commit"] = None  # installed from a wheel, or no git
    return versions


def _git(*asked: str) -> str:
    command = ["git", "-C", str(Path(__file__).parent), *asked]
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()


def figures(evaluation: Mapping[str, Any]) -> dict[str, float]:
    """The figures of one evaluation, flat: `text_to_image.r1`, `composition.accuracy`, …"""
    flat = {f"{way}.{name}": float(evaluation[way][name]) for way in _WAYS for name in _FIGURES}
    told = evaluation.get("composition")
    if told:
        flat["composition.overall"] = float(told["overall"]["percent"])
        flat |= {f"composition.{kind}": float(one["percent"]) for kind, one in told["kinds"].items()}
        flat["composition.all"] = float(told["all"]["percent"])
    orders = evaluation.get("orders")
    if orders:
        flat["orders"] = float(orders["percent"])
    return flat


def over_seeds(evaluations: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Mean and sample deviation (0 of a single seed) of every figure that all seeds have."""
    told = [figures(one) for one in evaluations]
    common = [name for name in told[0] if all(name in one for one in told)]
    return {
        name: {
            "mean": statistics.fmean(one[name] for one in told),
            "deviation": statistics.stdev([one[name] for one in told]) if len(told) > 1 else 0.0,
        }
        for name in common
    }


def result_tables(title: str, evaluations: Sequence[Mapping[str, Any]]) -> list[Table]:
    """The figures in percent, mean ± deviation over the seeds: retrieval, and what was measured of word order; with how
    many captions, images and pairs of the first seed they are over."""
    summary, first = over_seeds(evaluations), evaluations[0]

    def shown(name: str) -> str:
        one = summary.get(name)
        if one is None:
            return ""
        return f"{one['mean']:.2f}" + (f" ± {one['deviation']:.2f}" if len(evaluations) > 1 else "")

    over = f"{first['captions']:,} captions, {first['images']:,} images, {first['identities']:,} identities"
    retrieval = _table(f"{title}: {over}", ["", *_FIGURES.values()])
    for way, name in _WAYS.items():
        retrieval.add_row(name, *(shown(f"{way}.{figure}") for figure in _FIGURES))
    counts = first.get("composition") or {"overall": {"count": 0}, "kinds": {}}
    columns = {
        "composition.overall": f"all {counts['overall']['count']:,} pairs",
        **{f"composition.{kind}": f"{kind} ({one['count']:,})" for kind, one in counts["kinds"].items()},
        "composition.all": "every one of theirs",
        "orders": "other orders (20 is a guess)",
    }
    there = {name: label for name, label in columns.items() if name in summary}
    if not there:
        return [retrieval]
    composition = _table("captions above their hard negatives, in %: 50 is a guess", list(there.values()))
    composition.add_row(*map(shown, there))
    return [retrieval, composition]


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=escape(title), title_justify="left")
    for name in columns:
        table.add_column(name, justify="right" if name else "left")
    return table
