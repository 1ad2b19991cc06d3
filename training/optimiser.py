"""The optimiser and its schedule, as a recipe says them."""

from __future__ import annotations

import math
import re

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from ..schemas.errors import UserError
from .recipe import OptimiserConfig, ParameterGroup, ScheduleConfig

_DEFAULT = ParameterGroup(match="")


def make_optimiser(model: nn.Module, config: OptimiserConfig, *, scaled: bool = False) -> torch.optim.Optimizer:
    """An optimiser over the model's trainable parameters, those of a group together.

    A group with `lr_factor` 0 freezes its parameters: they lose `requires_grad`, so nothing is computed for them.
    `scaled` says that its gradients come scaled, for fp16.

    Raises:
        UserError: a group matches nothing, or nothing is left to train.
    """
    members: dict[ParameterGroup, list[nn.Parameter]] = {group: [] for group in (_DEFAULT, *config.groups)}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            chosen = next((one for one in reversed(config.groups) if re.search(one.match, name)), _DEFAULT)
            members[chosen].append(parameter)
            parameter.requires_grad_(chosen.lr_factor > 0)
    for group in config.groups:
        if not members[group]:
            raise UserError(f"no parameter matches {group.match!r}", where="optimiser.groups", mend="mend its `match`")
    groups = [
        {
            "params": parameters,
            "lr": config.lr * group.lr_factor,
            "weight_decay": config.weight_decay if group.weight_decay is None else group.weight_decay,
        }
        for group, parameters in members.items()
        if parameters and group.lr_factor > 0
    ]
    if not groups:
        raise UserError("every parameter is frozen", where="optimiser.groups", mend="give one an lr_factor above 0")
    kind = torch.optim.Adam if config.name == "adam" else torch.optim.AdamW
    # On a CPU too: a fifth of the time of the loop over parameters, most of which are a vocabulary wide.
    # Not of scaled gradients: where those overflow, the fused step is skipped on the device and nobody is told.
    fused = all(parameter.device.type in ("cpu", "cuda") for group in groups for parameter in group["params"])  # type: ignore[attr-defined]
    return kind(groups, lr=config.lr, betas=config.betas, eps=config.eps, fused=fused and not scaled)


def make_schedule(optimiser: torch.optim.Optimizer, config: ScheduleConfig, *, steps_per_epoch: int) -> LambdaLR:
    """The schedule, to be advanced after every step."""
    return LambdaLR(optimiser, lambda step: lr_factor(config, step, steps_per_epoch))


def lr_factor(config: ScheduleConfig, step: int, steps_per_epoch: int) -> float:
    """Share of the learning rate at a step, counted from 0.

    Warm-up from `warmup_factor` to 1, then half a cosine to `final_factor` at the end of the last epoch. With
    `per = "epoch"` the share of the epoch's first step holds for all of it. (IRRA's `WarmupMultiStepLR` with
    `target_lr` 0 is this a factor an epoch.)
    """
    at = step / steps_per_epoch
    if config.per == "epoch":
        at = math.floor(at)
    if at < config.warmup_epochs:
        return config.warmup_factor + (1 - config.warmup_factor) * at / config.warmup_epochs
    past = (at - config.warmup_epochs) / max(config.epochs - config.warmup_epochs, 1e-9)
    return config.final_factor + (1 - config.final_factor) * 0.5 * (1 + math.cos(math.pi * min(past, 1.0)))
