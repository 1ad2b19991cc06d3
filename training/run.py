"""A run of `train`: read the data, train each seed, measure its best checkpoint, and put the seeds together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.tracking import GeneralTracker, TensorBoardTracker, WandBTracker
from accelerate.utils import is_wandb_available, set_seed

from ..schemas.errors import UserError
from .checkpoint import Progress, remove_checkpoint, saved_step
from .data.collection import Collection, identity_labels
from .data.dataset import TrainingSet
from .data.images import ImageStore
from .data.parts import Data, lines_on, look_through, read_data
from .evaluate import Encoding, Evaluation, Vectors, evaluate, rows_to_encode
from .folder import has_begun, own_folder
from .learner import Learner
from .log import LOG, read_log
from .loop import BEST, LAST, Loop, autocast_type
from .memory import memory_errors
from .models.backbone import Backbone, BackboneConfig
from .pictures import draw_curves, draw_retrievals
from .recipe import Recipe
from .results import FILE, environment, over_seeds, read_result, result_tables, write_result
from .screen import Screen
from .stop import Stop, stoppable

_DEVICES = ("auto", "cuda", "cpu")


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

    The result has every seed that is finished there: those of an earlier call with more of them too.

    Raises:
        UserError: data, recipe, device or folder cannot be used.
        RunFailed: a loss is not finite, or memory is short.
        KeyboardInterrupt: stopped; the same call goes on.
    """
    accelerator = make_accelerator(device, recipe.loop.precision)
    screen = Screen(quiet=quiet or not accelerator.is_main_process)
    data = read_data(recipe, source, format=format, images_root=images_root)
    for line in lines_on(data, recipe):
        screen.say(line)
    main = accelerator.is_main_process
    with stoppable() as stop, own_folder(out, recipe, data.whole.sha256) if main else nullcontext():
        accelerator.wait_for_everyone()
        for seed in range(recipe.seed, recipe.seed + seeds):
            # One of its own: the last one's scaler of fp16 is where that seed's gradients left it.
            accelerator = make_accelerator(device, recipe.loop.precision)
            chosen = recipe.model_copy(update={"seed": seed})
            _one_seed(chosen, data, out / f"seed-{seed}", accelerator, screen, stop)
        result = _put_together(recipe, data, source, out)
        if main:
            write_result(out / FILE, result)
    title = f"{recipe.name} on {data.whole.name}, {data.measured[0]} split, in %"
    if recipe.selection.split == data.measured[0]:
        title += f" (checkpoint chosen on {data.measured[0]} too)"
    for table in result_tables(title, [one["evaluation"] for one in result["seeds"]]):
        screen.table(table)
    return result


def _put_together(recipe: Recipe, data: Data, source: str, out: Path) -> dict[str, Any]:
    results = sorted((read_result(path) for path in out.glob(f"seed-*/{FILE}")), key=lambda one: int(one["seed"]))
    return {
        "recipe": recipe.model_dump(mode="json"),
        "data": {"name": data.whole.name, "path": source, "sha256": data.whole.sha256},
        "selected_on": recipe.selection.split,
        "split": data.measured[0],
        "summary": over_seeds([one["evaluation"] for one in results]),
        "seeds": results,
        "environment": environment(),
    }


def make_accelerator(device: str, precision: str) -> Accelerator:
    """Where to compute, and in what precision: for accelerate the process's, so that one made before is to be left.

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
    before = AcceleratorState._shared_state
    if before and (before["_cpu"], before["_mixed_precision"]) != (on_cpu, precision):
        AcceleratorState._reset_state(reset_partial_state=True)
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


def _one_seed(recipe: Recipe, data: Data, out: Path, accelerator: Accelerator, screen: Screen, stop: Stop) -> None:
    """Train and measure one seed, where that is not done."""
    if (out / FILE).is_file():
        screen.say(f"seed {recipe.seed}: done")
        if accelerator.is_main_process:
            remove_checkpoint(out / LAST)
        return
    out.mkdir(parents=True, exist_ok=True)
    screen.say(f"seed {recipe.seed}")
    less = (
        "into another --out, a smaller data.batch_size (selection.batch_size, where it was measuring) or "
        "backbone.grad_checkpointing=true"
    )
    with memory_errors(accelerator.device, less):
        progress, described = _trained(recipe, data, out, accelerator, screen, stop)
    accelerator.free_memory()
    split, collection = data.measured
    workers = loader_workers(recipe.data.workers, accelerator)
    encoding = Encoding(accelerator.device, recipe.selection.batch_size, workers, autocast_type(accelerator))
    less = f"train again with more memory free, or evaluate {out.parent} with a smaller --batch-size"
    with (
        memory_errors(accelerator.device, less),
        screen.counting(f"measuring {split}", rows_to_encode(collection)) as advance,
    ):
        best = Backbone(BackboneConfig(model=str(out / BEST), weights=str(out / BEST))).to(accelerator.device)
        evaluation, vectors = evaluate(best, collection, encoding, split=split, advance=advance)
    if accelerator.is_main_process:
        _finish(out, _result(recipe, progress, evaluation, described, accelerator), collection, vectors)
    accelerator.wait_for_everyone()


def _trained(
    recipe: Recipe, data: Data, out: Path, accelerator: Accelerator, screen: Screen, stop: Stop
) -> tuple[Progress, dict[str, Any]]:
    """How far it came, and what was trained."""
    set_seed(recipe.seed)
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
    workers = loader_workers(recipe.data.workers, accelerator)
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
    if not has_begun(out.parent):
        look_through(data, workers, screen, stop)
    progress = loop.run()
    for tracker in trackers:
        tracker.finish()
    return progress, described


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
    best = result["best"]
    draw_curves(read_log(out / LOG), out / "curves.png", best=best["epoch"] if best else None)
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
