"""What augmentation is worth: one model trained on human captions, with rewrites, with hard negatives, with both.

    python -m benchmarks.ablation DATASET [--recipe demo] [--seeds 3] [--out DIR] [--set KEY=VALUE ...]

DATASET is what `tbpr-data augment` wrote, with images at hand. All four see the same images in the same order, the same
number of times, from the same random weights of each seed; only the texts differ. Checkpoints are chosen on val, the
figures are of test. Stopped, it goes on where it was.
"""

import argparse
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from tbpr_data.training.recipe import load_recipe
from tbpr_data.training.results import figures
from tbpr_data.training.run import train

_REWRITES = 'data.mixture.rewrites="uniform"'
# The same loss, but for further columns of the image → text rows.
_PLAIN, _NEGATIVES = ('objectives=[{name="itc"}]',), ("data.mixture.negatives=1", 'objectives=[{name="negclip"}]')
VARIANTS: dict[str, Sequence[str]] = {
    "human captions": _PLAIN,
    "+ rewrites": (*_PLAIN, _REWRITES),
    "+ hard negatives": _NEGATIVES,
    "+ both": (*_NEGATIVES, _REWRITES),
}
"""Name → settings over the recipe."""
_SHOWN = {
    "text_to_image.r1": "R@1",
    "text_to_image.map": "mAP",
    "text_to_image.msd": "mSD",
    "composition.overall": "composition",
    "composition.swap": "swap",
    "composition.replace": "replace",
}


def main() -> None:
    """Train what is missing, and print the table after each seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--recipe", default="demo")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("demo/ablation"))
    parser.add_argument("--set", dest="sets", action="append", default=[], metavar="KEY=VALUE")
    given = parser.parse_args()
    # Seed by seed, so that a table can be read after a quarter of an hour.
    for seeds in range(1, given.seeds + 1):
        told: dict[str, list[dict[str, float]]] = {}
        for name, sets in VARIANTS.items():
            folder = given.out / name.strip("+ ").replace(" ", "-")
            result = train(load_recipe(given.recipe, [*given.sets, *sets]), given.dataset, folder, seeds=seeds)
            told[name] = [figures(one["evaluation"]) for one in result["seeds"]]
        print("\n".join(table(told)), flush=True)


def table(told: Mapping[str, Sequence[Mapping[str, float]]]) -> list[str]:
    """Markdown: mean ± deviation over the seeds, in percent; then the gain over the first row, seed by seed."""
    there = {key: name for key, name in _SHOWN.items() if all(key in one for many in told.values() for one in many)}
    lines = [f"| trained on | {' | '.join(there.values())} |", f"|---|{'---:|' * len(there)}"]
    first = next(iter(told.values()))
    for name, seeds in told.items():
        lines.append(f"| {name} | {' | '.join(_mean([one[key] for one in seeds]) for key in there)} |")
    for name, seeds in list(told.items())[1:]:
        gains = (_mean([b[key] - a[key] for a, b in zip(first, seeds, strict=True)], sign="+") for key in there)
        lines.append(f"| gain of {name.strip('+ ')} | {' | '.join(gains)} |")
    return lines


def _mean(values: Sequence[float], sign: str = "") -> str:
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):{sign}.1f}{spread}"


if __name__ == "__main__":
    main()
