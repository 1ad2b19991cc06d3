"""A run of `train`: read the data, train each seed, measure its best checkpoint, and put the seeds together."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w
import torch
from accelerate import Accelerator
from accelerate.tracking import GeneralTracker, TensorBoardTracker, WandBTracker
from accelerate.utils import is_wandb_available, set_seed

from ..schemas.errors import UserError
from .checkpoint import Progress, remove_checkpoint, saved_step
from .data.collection import Collection, hold_out, identity_labels
from .data.dataset import TrainingSet
from .data.images import ImageStore, check_images
from .data.read import read_collection
from .evaluate import Encoding, Evaluation, Vectors, evaluate, rows_to_encode
from .learner import Learner
from .loop import BEST, LAST, LOG, Loop, autocast_type, read_log
from .models.backbone import Backbone, BackboneConfig
from .pictures import draw_curves, draw_retrievals
from .recipe import Recipe
from .results import FILE, environment, over_seeds, read_result, result_tables, write_result
from .screen import Screen
from .stop import Stop, stoppable

_RUN = "run.json"
_DEVICES = ("auto", "cuda", "cpu")


@dataclass(frozen=True)
class Data:
    """What a run is made with."""

    whole: Collection
    """As it was read."""
    train: Collection
    """What is trained on."""
    selection: Collection
    """What checkpoints are chosen by."""
    test: Collection | None
    """What is measured at the end; none where the source has no test split."""

    @property
    def measured(self) -> tuple[str, Collection]:
        """The split of the result, and its images."""
        return ("test", self.test) if self.test is not None else ("val", self.selection)


def train(
    recipe: Recipe,
    source: str,
    out: Path,
    *,
    seeds: int = 1,
    device: str = "auto",
    format: str = "auto",
    images_root: Path | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Train `seeds` times into `out`, or go on there, and give the result that lies in `out/result.json`.

    Raises:
        UserError: data, recipe, device or folder cannot be used.
        RunFailed: a loss is not finite, or memory is short.
        KeyboardInterrupt: stopped; the same call goes on.
    """
    accelerator = make_accelerator(device, recipe.loop.precision)
    screen = Screen(quiet=quiet or not accelerator.is_main_process)
    data = _read(recipe, source, format, images_root)
    screen.say(_told(data, recipe))
    with stoppable() as stop:
        if accelerator.is_main_process:
            _claim(out, recipe, data)
        accelerator.wait_for_everyone()
        results = [
            _one_seed(recipe.model_copy(update={"seed": seed}), data, out / f"seed-{seed}", accelerator, screen, stop)
            for seed in range(recipe.seed, recipe.seed + seeds)
        ]
    summary = over_seeds([one["evaluation"] for one in results])
    result: dict[str, Any] = {
        "recipe": recipe.model_dump(mode="json"),
        "data": {"name": data.whole.name, "path": source, "sha256": data.whole.sha256},
        "selected_on": recipe.selection.split,
        "split": data.measured[0],
        "summary": summary,
        "seeds": results,
        "environment": environment(),
    }
    if accelerator.is_main_process:
        write_result(out / FILE, result)
        title = f"{recipe.name} on {data.whole.name}, {data.measured[0]} split, in %"
        if recipe.selection.split == data.measured[0]:
            title += f" (checkpoint chosen on {data.measured[0]} too)"
        for table in result_tables(title, summary, seeds):
            screen.table(table)
    return result


def make_accelerator(device: str, precision: str) -> Accelerator:
    """Where to compute, and in what precision; one precision a process, as accelerate has it.

    Raises UserError for a device that is not there.
    """
    if device not in _DEVICES:
        raise UserError(f"{device!r} is no device", where="--device", mend=f"one of {', '.join(_DEVICES)}")
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("there is no GPU that PyTorch can use", where="--device cuda", mend="leave it out, or give cpu")
    on_cpu = device == "cpu" or not torch.cuda.is_available()
    if precision == "auto":
        precision = "no" if on_cpu else "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    if on_cpu and precision == "fp16":
        raise UserError("a CPU has no fp16", where="loop.precision", mend="give bf16 or no")
    return Accelerator(cpu=on_cpu, mixed_precision=precision)


def loader_workers(given: int | None, accelerator: Accelerator) -> int:
    """Processes that decode images for each training process.

    None beside a model that computes on the CPU: on two cores workers took from it what they gave.
    """
    if given is not None:
        return given
    if accelerator.device.type == "cpu":
        return 0
    return max(1, min(8, (os.cpu_count() or 1) // max(1, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))))


def _read(recipe: Recipe, source: str, format: str, images_root: Path | None) -> Data:
    whole = read_collection(source, format=format, images_root=images_root)
    test = whole.split("test") if "test" in whole.splits() else None
    if recipe.selection.split == "test":
        train, selection = whole.split("train"), whole.split("test")
    else:
        train, selection = hold_out(whole, recipe.data.hold_out, recipe.seed)
    for part in (train, selection, *([test] if test else [])):
        check_images(part)
    return Data(whole, train, selection, test)


def _told(data: Data, recipe: Recipe) -> str:
    captions = sum(len(image.captions) for image in data.train.images)
    rewrites = sum(len(group.rewrites) for image in data.train.images for group in image.captions)
    shown = "in their stead at times" if recipe.data.mixture.rewrites != "none" else "not used"
    beside = f" (and {rewrites:,} rewrites, {shown})" if rewrites else ""
    held = "" if "val" in data.whole.splits() or recipe.selection.split == "test" else ", held out of train"
    return (
        f"{data.whole.name}: training on {captions:,} captions{beside} of "
        f"{len(data.train.images):,} images, choosing by {len(data.selection.images):,} images "
        f"({recipe.selection.split}{held})"
    )


def _claim(out: Path, recipe: Recipe, data: Data) -> None:
    """Make the folder this run's. Raises UserError where it is another's."""
    mine = {"recipe": recipe.model_dump(mode="json"), "data": data.whole.sha256}
    path = out / _RUN
    # A run that has not begun to train keeps no other from its folder.
    begun = any(one / name for one in out.glob("seed-*") for name in (FILE, LAST, BEST) if (one / name).exists())
    if path.is_file() and begun:
        try:
            theirs = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            theirs = {}
        if theirs != mine:
            changed = "; ".join(_differences(theirs, mine))
            raise UserError(f"holds another run: {changed}", where=str(out), mend="give another --out")
        return
    if out.exists() and not path.is_file() and (not out.is_dir() or any(out.iterdir())):
        raise UserError("is or holds something else", where=str(out), mend="give another --out")
    out.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(mine, indent=1) + "\n", encoding="utf-8")
    values = recipe.model_dump(mode="json", exclude_none=True)
    (out / "recipe.toml").write_text(
        f"# The resolved recipe of this run: tbpr-data train recipe.toml SOURCE\n{tomli_w.dumps(values)}", "utf-8"
    )


def _differences(before: Any, after: Any, key: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        names = sorted({*before, *after})
        return [
            one for name in names for one in _differences(before.get(name), after.get(name), f"{key}.{name}".strip("."))
        ]
    return [] if before == after else [f"{key} was {json.dumps(before)}, is {json.dumps(after)}"]


def _one_seed(
    recipe: Recipe, data: Data, out: Path, accelerator: Accelerator, screen: Screen, stop: Stop
) -> dict[str, Any]:
    if (out / FILE).is_file():
        screen.say(f"seed {recipe.seed}: done")
        if accelerator.is_main_process:
            remove_checkpoint(out / LAST)
        return read_result(out / FILE)
    out.mkdir(parents=True, exist_ok=True)
    screen.say(f"seed {recipe.seed}")
    set_seed(recipe.seed)
    workers = loader_workers(recipe.data.workers, accelerator)
    backbone = Backbone(recipe.backbone)
    learner = Learner(backbone, recipe.objectives, identities=len(identity_labels(data.train.images)))
    _check_negatives(recipe, learner)
    training = TrainingSet(
        data.train,
        ImageStore(data.train, backbone.image_size),
        backbone.tokenizer,
        seed=recipe.seed,
        mixture=recipe.data.mixture,
        augmentation=recipe.data.augmentation,
        masking=backbone.tokenizer.special if "masked_text" in learner.needs else None,
    )
    described = backbone.describe()
    trackers = _trackers(recipe, out) if accelerator.is_main_process else []
    loop = Loop(
        recipe,
        learner,
        training,
        data.selection,
        accelerator=accelerator,
        out=out,
        workers=workers,
        trackers=trackers,
        screen=screen,
        stop=stop,
    )
    progress = loop.run()
    for tracker in trackers:
        tracker.finish()
    del loop, learner, backbone
    accelerator.free_memory()
    split, collection = data.measured
    best = Backbone(BackboneConfig(model=str(out / BEST), weights=str(out / BEST))).to(accelerator.device)
    encoding = Encoding(accelerator.device, recipe.selection.batch_size, workers, autocast_type(accelerator))
    with screen.counting(f"measuring {split}", rows_to_encode(collection)) as advance:
        evaluation, vectors = evaluate(best, collection, encoding, split=split, advance=advance)
    result = _result(recipe, progress, evaluation, described, accelerator)
    if accelerator.is_main_process:
        _finish(out, result, collection, vectors)
    accelerator.wait_for_everyone()
    return result


def _check_negatives(recipe: Recipe, learner: Learner) -> None:
    """Raise UserError for hard negatives that are wanted and not there, or there and read by none."""
    wanted, there = "negatives" in learner.needs, recipe.data.mixture.negatives > 0
    if wanted and not there:
        raise UserError(
            "an objective needs hard negatives",
            where="data.mixture.negatives",
            mend="set it to 1 or more",
        )
    if there and not wanted:
        mend = "set it to 0, or take negclip, or sdm with negatives = true"
        raise UserError("no objective reads hard negatives", where="data.mixture.negatives", mend=mend)


def _result(
    recipe: Recipe, progress: Progress, evaluation: Evaluation, backbone: dict[str, Any], accelerator: Accelerator
) -> dict[str, Any]:
    best = progress.best
    captions = progress.step * recipe.loop.accumulate * recipe.data.batch_size
    return {
        "seed": recipe.seed,
        "backbone": backbone,
        "steps": progress.step,
        "best": best.model_dump() if best else None,
        "selected_on": recipe.selection.split,
        "metric": recipe.selection.metric,
        "seconds": round(progress.seconds, 1),
        "device": torch.cuda.get_device_name() if accelerator.device.type == "cuda" else accelerator.device.type,
        "processes": accelerator.num_processes,
        "precision": accelerator.mixed_precision,
        "captions_per_second": round(captions / max(progress.seconds, 1e-9), 1),
        "waiting_for_images": round(progress.waited / max(progress.seconds, 1e-9), 3),
        "evaluation": evaluation.as_json(),
    }


def _finish(out: Path, result: dict[str, Any], collection: Collection, vectors: Vectors) -> None:
    draw_curves(read_log(out / LOG), out / "curves.png")
    draw_retrievals(collection, vectors, out / "retrievals.png")
    write_result(out / FILE, result)
    remove_checkpoint(out / LAST)  # it was only there to go on from


def _trackers(recipe: Recipe, out: Path) -> Sequence[GeneralTracker]:
    made: list[GeneralTracker] = []
    for name in recipe.loop.trackers:
        if name == "wandb" and not is_wandb_available():
            raise UserError("not installed: wandb", where="loop.trackers", mend="pip install wandb")
        made.append(
            # What an interrupted run wrote behind its last checkpoint is written again: TensorBoard forgets the first.
            TensorBoardTracker("tensorboard", logging_dir=out, purge_step=saved_step(out / LAST) + 1)
            if name == "tensorboard"
            else WandBTracker("tbpr-data", name=f"{recipe.name}-seed-{recipe.seed}", dir=str(out))
        )
        made[-1].start()
    return made
