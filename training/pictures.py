"""Pictures of a run: its curves, and what it finds."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .data.collection import Collection, queries
from .data.images import ImageStore
from .evaluate import Vectors

_TOP = 10
_SIZE = (192, 72)
_RIGHT, _WRONG = "#1a9850", "#d73027"
_FIGURES = {"r1": "R@1", "r5": "R@5", "map": "mAP", "msd": "mSD"}
_SMOOTH = 0.95


def draw_curves(log: Sequence[Mapping[str, Any]], path: Path, *, best: int | None = None) -> None:
    """Losses by step, thin as they were and thick smoothed, and the measurements by epoch, as a PNG.

    `best` is the epoch whose model is kept; it is marked.
    """
    steps = [line for line in log if "loss" in line]
    measured = [line for line in log if "selection" in line]
    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    names = [name for name in steps[0] if name not in ("step", "epoch", "lr")] if steps else []
    for number, name in enumerate(names if len(names) > 2 else ["loss"] if steps else []):
        colour = mpl.colormaps["tab10"](number)
        values = [line[name] for line in steps]
        at = [line["step"] for line in steps]
        left.plot(at, values, color=colour, alpha=0.25, linewidth=0.7)
        left.plot(at, _smoothed(values), color=colour, label=name)
    left.set(xlabel="step", ylabel="loss", title="training")
    for name, label in _FIGURES.items():
        right.plot([line["epoch"] for line in measured], [line["selection"][name] for line in measured], label=label)
    if best is not None:
        right.axvline(best, color="grey", linestyle=":", label="kept")
    right.set(xlabel="epoch", ylabel="%", title="text → image on the split that chooses")
    right.set_ylim(bottom=0)
    for axes, there in ((left, steps), (right, measured)):
        axes.grid(alpha=0.3)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if there:
            # Below: the curves end in any corner.
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=6, frameon=False)
    figure.savefig(path, dpi=110)


def draw_retrievals(collection: Collection, vectors: Vectors, path: Path, *, rows: int = 8) -> None:
    """Captions spread over the split, each with the ten nearest images: those of the right person framed green."""
    searched = queries(collection)
    count = min(rows, len(searched))
    chosen = [number * len(searched) // count for number in range(count)]
    store = ImageStore(collection, _SIZE)
    top = min(_TOP, len(vectors.images))
    figure = Figure(figsize=(3.2 + 0.85 * top, 2.15 * len(chosen)), layout="constrained")
    grid = figure.subplots(len(chosen), 1 + top, squeeze=False, width_ratios=[3.6, *([1] * top)])
    for axes, number in zip(grid, chosen, strict=True):
        _write(axes[0], searched[number].text.text)
        # Stable, so that ties stand as the metrics have them.
        cosines = vectors.images.double() @ vectors.texts[number].double()
        order = torch.argsort(cosines, descending=True, stable=True)[:top]
        for place, image in zip(axes[1:], order.tolist(), strict=True):
            right = bool(vectors.image_pids[image] == vectors.text_pids[number])
            place.imshow(store.load(collection.images[image]).permute(1, 2, 0).numpy())
            # Not by colour alone: red and green look alike to some.
            _frame(place, _RIGHT if right else _WRONG, width=4.5 if right else 1.5)
    figure.savefig(path, dpi=90)


def _smoothed(values: Sequence[float]) -> list[float]:
    """Exponential mean, unbiased at the start."""
    mean, weight, smooth = 0.0, 0.0, []
    for value in values:
        mean = _SMOOTH * mean + (1 - _SMOOTH) * value
        weight = _SMOOTH * weight + (1 - _SMOOTH)
        smooth.append(mean / weight)
    return smooth


def _write(axes: Axes, caption: str) -> None:
    axes.axis("off")
    # A dollar sign would begin a formula.
    shown = textwrap.fill(textwrap.shorten(caption, 260, placeholder=" …"), 34).replace("$", r"\$")
    axes.text(0, 0.5, shown, va="center", ha="left", fontsize=7.5, transform=axes.transAxes)


def _frame(axes: Axes, colour: str, width: float) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set(color=colour, linewidth=width)
