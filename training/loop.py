"""The training loop of one seed: steps, measurements on the selection split, checkpoints; goes on where it was."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.tracking import GeneralTracker
from torch import nn

from ..schemas.errors import RunFailed, UserError
from .batch import Batch
from .checkpoint import (
    REST,
    Measured,
    Progress,
    damaged,
    find_checkpoint,
    load_checkpoint,
    save_checkpoint,
    sync_folder,
)
from .data.collection import Collection
from .data.dataset import TrainingSet
from .data.loader import Loader, make_loader
from .data.samplers import Batches, IdentityBatches, RandomBatches
from .distributed import share_buffers, sync_batch_norms
from .evaluate import Encoding, encode_collection, search
from .learner import Learner
from .log import LOG, cut_log
from .models.backbone import Backbone
from .optimiser import make_optimiser, make_schedule
from .recipe import Recipe
from .screen import Screen
from .stop import Stop

LAST, BEST = "last", "best"
_FINITE_EVERY = 20
"""Steps between two looks at the losses: each look waits for the device."""


class _Wish(Enum):
    NOTHING, SAVE, STOP = 0, 1, 2


@dataclass
class _Clock:
    """Seconds waited for the loader, and seconds in all, since the last line of the log."""

    waited: float = 0.0
    total: float = 0.0


class Loop:
    """Trains a learner on a collection and keeps the checkpoint that is best on another.

    Batch norms see the batch of all processes on GPUs. On CPUs, for which PyTorch has none that do, each process
    normalises by its own part; measured and kept are the statistics of the first.
    """

    def __init__(
        self,
        recipe: Recipe,
        learner: Learner,
        training: TrainingSet,
        selection: Collection,
        *,
        accelerator: Accelerator,
        out: Path,
        workers: int,
        trackers: Sequence[GeneralTracker],
        screen: Screen,
        stop: Stop,
    ) -> None:
        """`selection` is what checkpoints are chosen by; `out` is the seed's folder."""
        self._recipe, self._learner, self._selection = recipe, learner, selection
        self._accelerator, self._out, self._screen, self._stop = accelerator, out, screen, stop
        self._trackers = trackers
        self._batches = _batches(recipe, training, accelerator)
        self._loader: Loader[Batch] = make_loader(training, self._batches, workers=workers)
        self._workers = workers
        if recipe.loop.accumulate > len(self._batches):
            raise UserError(
                f"an epoch of {len(self._batches):,} batches is less than one step of {recipe.loop.accumulate}",
                where="loop.accumulate",
                mend="give a smaller one, or smaller batches",
            )
        self._steps_per_epoch = len(self._batches) // recipe.loop.accumulate
        sync_batch_norms(learner, accelerator.device)
        optimiser = make_optimiser(learner, recipe.optimiser, scaled=accelerator.scaler is not None)
        self._schedule = make_schedule(optimiser, recipe.schedule, steps_per_epoch=self._steps_per_epoch)
        if recipe.loop.compile:
            _compile_blocks(learner.backbone)
        self._model, self._optimiser = accelerator.prepare(learner, optimiser)
        self._progress = Progress(step=0, epoch=0, batch=0)
        self._saved_at = time.monotonic()
        self._names = [*learner.weights, "loss"]
        self._parts: list[torch.Tensor] = []
        self._unchecked: list[tuple[int, float, torch.Tensor]] = []
        self._clock = _Clock()

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole run."""
        return min(self._recipe.loop.steps or 10**12, self._recipe.schedule.epochs * self._steps_per_epoch)

    def run(self) -> Progress:
        """Train to the end, from the last checkpoint where there is one.

        Raises:
            UserError: an image cannot be read, or the checkpoint is not this run's.
            RunFailed: a loss is not finite.
            KeyboardInterrupt: the user wants an end; the state is saved.
        """
        self._resume()
        self._screen.begin(self.steps, self._progress.step)
        try:
            while not self._finished():
                self._epoch()
        finally:
            self._screen.end()
        return self._progress

    def _finished(self) -> bool:
        patience = self._recipe.selection.patience
        progress = self._progress
        return progress.step >= self.steps or (patience is not None and progress.rounds_without_better >= patience)

    def _epoch(self) -> None:
        """The rest of the epoch under way, then a look at the selection split."""
        self._batches.set_epoch(self._progress.epoch, self._progress.batch)
        self._model.train()
        accumulate = self._recipe.loop.accumulate
        whole = self._steps_per_epoch * accumulate
        for batch in self._waited_for(iter(self._loader)):
            self._batch(batch)
            if self._progress.batch >= whole or self._progress.step >= self.steps:
                break
            # Between two steps: a checkpoint holds no gradients.
            if self._progress.batch % accumulate == 0:
                self._obey(self._wish())
        epoch = self._progress.epoch + 1
        self._check()
        self._update(epoch=epoch, batch=0)
        last = self._progress.step >= self.steps
        if last or epoch % self._recipe.selection.every_epochs == 0:
            self._measure(epoch)
        self._save()
        self._keep_best()
        self._obey(self._wish(always=True))

    def _wish(self, *, always: bool = False) -> _Wish:
        """Whether to save or to stop now. All processes agree: every so many batches, or `always`."""
        due = time.monotonic() - self._saved_at > 60 * self._recipe.loop.checkpoint_minutes
        own = _Wish.STOP if self._stop.wanted else _Wish.SAVE if due else _Wish.NOTHING
        if self._accelerator.num_processes == 1:
            return own
        if self._progress.batch % (_FINITE_EVERY * self._recipe.loop.accumulate) and not always:
            return _Wish.NOTHING
        told = torch.tensor(own.value, device=self._accelerator.device)
        torch.distributed.all_reduce(told, torch.distributed.ReduceOp.MAX)
        return _Wish(int(told))

    def _obey(self, wish: _Wish) -> None:
        if wish is not _Wish.NOTHING and self._progress.batch:
            self._save()
        if wish is _Wish.STOP and not self._finished():
            self._stop.end()

    def _waited_for(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """The batches, with the time that the loader kept us waiting."""
        while True:
            began = time.perf_counter()
            batch = next(batches, None)
            if batch is None:
                return
            self._spent(waited=time.perf_counter() - began)
            yield batch

    def _spent(self, *, waited: float = 0.0, worked: float = 0.0) -> None:
        """Add to the clocks of the run and of the screen."""
        self._clock.waited += waited
        self._clock.total += waited + worked
        progress = self._progress
        self._update(waited=progress.waited + waited, seconds=progress.seconds + waited + worked)

    def _batch(self, batch: Batch) -> None:
        began = time.perf_counter()
        self._parts.append(self._backward(self._learner.shortened(batch).to(self._accelerator.device)))
        self._update(batch=self._progress.batch + 1)
        if len(self._parts) == self._recipe.loop.accumulate:
            rate = float(self._schedule.get_last_lr()[0])
            self._step()
            self._update(step=self._progress.step + 1)
            self._unchecked.append((self._progress.step, rate, torch.stack(self._parts).mean(dim=0)))
            self._parts = []
        full = len(self._unchecked) >= _FINITE_EVERY
        if full:
            self._unchecked[-1][2].tolist()  # waits for the device, so that its time is counted
        self._spent(worked=time.perf_counter() - began)
        if full:
            self._check()

    def _backward(self, batch: Batch) -> torch.Tensor:
        """The losses in the order of `_names`, the weighted sum last."""
        accumulate = self._recipe.loop.accumulate
        synced = len(self._parts) + 1 == accumulate
        with nullcontext() if synced else self._accelerator.no_sync(self._model):
            losses = self._model(batch)
            total = self._learner.total(losses)
            self._accelerator.backward(total / accumulate)
        return torch.stack([*(losses[name] for name in self._names[:-1]), total]).detach().float()

    def _step(self) -> None:
        if self._recipe.loop.clip_norm is not None:
            self._accelerator.clip_grad_norm_(self._model.parameters(), self._recipe.loop.clip_norm)
        self._optimiser.step()
        if not self._optimiser.step_was_skipped:  # as fp16 does where a gradient is too large for the scale
            self._schedule.step()
        self._optimiser.zero_grad(set_to_none=True)

    def _check(self) -> None:
        """Write the losses since the last look; raise RunFailed where one is not finite, or a weight is not."""
        if not self._unchecked:
            return
        steps, rates, losses = zip(*self._unchecked, strict=True)
        self._unchecked = []
        told = torch.stack(losses)
        if self._accelerator.num_processes > 1:  # a local loss is each one's own share
            torch.distributed.all_reduce(told)
            told /= self._accelerator.num_processes
        rows = [dict(zip(self._names, row, strict=True)) for row in told.tolist()]
        for step, row in zip(steps, rows, strict=True):
            if not all(map(math.isfinite, row.values())):
                bad = ", ".join(f"{name} {loss}" for name, loss in row.items())
                raise self._not_finite(f"a loss is not finite at step {step}: {bad}")
        # The losses are of before the last step, what would be saved is of after it.
        if not torch.nn.utils.get_total_norm(self._learner.parameters()).isfinite():
            raise self._not_finite(f"a weight is not finite after step {steps[-1]}")
        for step, rate, row in zip(steps, rates, rows, strict=True):
            self._write({"step": step, "epoch": self._progress.epoch + 1, **row, "lr": rate})
        captions = len(rows) * self._recipe.loop.accumulate * self._recipe.data.batch_size
        clock, self._clock = self._clock, _Clock()
        self._screen.losses(
            self._progress.step, rows[-1], rate=captions / clock.total, waiting=clock.waited / clock.total
        )

    def _not_finite(self, what: str) -> RunFailed:
        return RunFailed(
            what,
            where=str(self._out),
            mend="into another --out, lower optimiser.lr, set loop.clip_norm, or loop.precision=no",
        )

    def _measure(self, epoch: int) -> None:
        share_buffers(self._learner)
        encoding = Encoding(
            self._accelerator.device, self._recipe.selection.batch_size, self._workers, autocast_type(self._accelerator)
        )
        vectors = encode_collection(self._learner.backbone, self._selection, encoding)
        told = search(vectors, self._accelerator.device)
        value = float(getattr(told, self._recipe.selection.metric))
        before = self._progress.best
        better = before is None or value > before.value
        self._update(measured=(*self._progress.measured, Measured(epoch=epoch, value=value)))
        figures = {name: getattr(told, name) for name in ("r1", "r5", "r10", "map", "minp", "msd")}
        self._write({"step": self._progress.step, "epoch": epoch, "selection": figures})
        self._screen.measured(epoch, self._recipe.selection.metric, value, best=better)
        if better and self._accelerator.is_main_process:
            self._learner.backbone.save(self._waiting(epoch))
            sync_folder(self._waiting(epoch))

    def _waiting(self, epoch: int) -> Path:
        """Where an epoch's model waits until the checkpoint says that it is the best."""
        return self._out / f".best-{epoch}"

    def _keep_best(self) -> None:
        """The model that the last checkpoint calls the best becomes `best`; others that wait are gone."""
        best = self._progress.best
        if best is None or not self._accelerator.is_main_process:
            return
        if (waiting := self._waiting(best.epoch)).is_dir():
            shutil.rmtree(self._out / BEST, ignore_errors=True)
            waiting.rename(self._out / BEST)
        for other in self._out.glob(".best-*"):
            shutil.rmtree(other)

    def _update(self, **changed: Any) -> None:
        self._progress = self._progress.model_copy(update=changed)

    def _write(self, line: dict[str, Any]) -> None:
        figures = line.get("selection", line)
        for tracker in self._trackers:
            tracker.log({name: one for name, one in figures.items() if name != "step"}, step=line["step"])
        if self._accelerator.is_main_process:
            with (self._out / LOG).open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")

    def _save(self) -> None:
        self._check()
        if self._accelerator.is_main_process:
            rest: dict[str, Any] = {
                "optimiser": self._optimiser.state_dict(),
                "schedule": self._schedule.state_dict(),
            }
            if self._accelerator.scaler is not None:
                rest["scaler"] = self._accelerator.scaler.state_dict()
            save_checkpoint(self._out / LAST, self._learner, rest, self._progress)
        self._accelerator.wait_for_everyone()
        self._saved_at = time.monotonic()

    def _resume(self) -> None:
        folder = find_checkpoint(self._out / LAST)
        if folder is None:
            (self._out / LOG).unlink(missing_ok=True)
            return
        rest, self._progress = load_checkpoint(folder, self._learner)
        with damaged(folder / REST):
            self._optimiser.load_state_dict(rest["optimiser"])
            self._schedule.load_state_dict(rest["schedule"])
            if self._accelerator.scaler is not None and "scaler" in rest:
                self._accelerator.scaler.load_state_dict(rest["scaler"])
        if self._accelerator.is_main_process:
            cut_log(self._out / LOG, self._progress)
        self._keep_best()
        self._screen.say(f"going on at epoch {self._progress.epoch + 1}, step {self._progress.step:,}")


def autocast_type(accelerator: Accelerator) -> torch.dtype | None:
    """The precision of the forward pass; none for float32."""
    return {"bf16": torch.bfloat16, "fp16": torch.float16}.get(accelerator.mixed_precision)


def _compile_blocks(backbone: Backbone) -> None:
    """torch.compile every repeated block: once for all alike, where the whole tower would take minutes."""
    for module in backbone.modules():
        if isinstance(module, (nn.ModuleList, nn.Sequential)) and len(module) > 1 and len({*map(type, module)}) == 1:
            for block in module:
                block.compile()


def _batches(recipe: Recipe, training: TrainingSet, accelerator: Accelerator) -> Batches:
    data = recipe.data
    rank, world = accelerator.process_index, accelerator.num_processes
    if data.sampler == "random":
        return RandomBatches(len(training), data.batch_size, seed=recipe.seed, rank=rank, world=world)
    return IdentityBatches(
        training.item_labels,
        data.batch_size,
        seed=recipe.seed,
        per_identity=data.per_identity,
        rank=rank,
        world=world,
    )
