"""Losses over the batch of all processes, with the gradient one process with the whole batch would have.

DistributedDataParallel averages gradients over the W processes. Where every process computes the whole loss from
gathered rows, the gathering's backward pass sums what the processes say of a row, W times the same, and the average
puts that right. Where each computes its own part, the part is scaled by W.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import nn


def processes() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this is, from 0."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def sync_batch_norms(model: nn.Module, device: torch.device) -> None:
    """Let the batch norms within the model see the batch of all processes. On GPUs alone: PyTorch has none for CPUs."""
    if processes() > 1 and device.type == "cuda":
        # PyTorch's own loses the activation within timm's norms.
        from timm.layers.norm_act import convert_sync_batchnorm

        convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]


def share_buffers(model: nn.Module) -> None:
    """Give every process the buffers of the first: the running statistics of batch norms, which each has of its own."""
    for buffer in model.buffers() if processes() > 1 else ():
        dist.broadcast(buffer, src=0)


def gather_counts(*own: int, device: torch.device) -> list[tuple[int, ...]]:
    """Such numbers of each process, as each of them has them: to ask is to wait for the device."""
    if processes() == 1:
        return [own]
    mine = torch.tensor(own, device=device)
    counts = [torch.empty_like(mine) for _ in range(processes())]
    dist.all_gather(counts, mine)
    return [tuple(one) for one in torch.stack(counts).tolist()]


def gather_rows(rows: torch.Tensor, counts: Sequence[int] | None = None) -> torch.Tensor:
    """The rows of all processes, in the order of their ranks; the number of rows may differ. Differentiable.

    Every process must call it, and where one goes backward through it, every process must. `counts` are the numbers of
    rows, of each process, where they are known; else they are asked for.
    """
    if counts is None:
        counts = [count for (count,) in gather_counts(len(rows), device=rows.device)]
    most = max(counts)
    if len(counts) == 1 or most == 0:
        return rows
    padded = rows if len(rows) == most else torch.cat([rows, rows.new_zeros(most - len(rows), *rows.shape[1:])])
    gathered: torch.Tensor = _Gather.apply(padded.contiguous())  # type: ignore[no-untyped-call]
    return torch.cat([part[:count] for part, count in zip(gathered.chunk(len(counts)), counts, strict=True)])


def global_mean(values: torch.Tensor) -> torch.Tensor:
    """The mean over the values of all processes as each must return it: its own sum, times W, over the number of all.

    The average of what the processes return is the mean; so is that of their gradients. Zero where there is none.
    """
    count = torch.tensor(float(values.numel()), device=values.device)
    if processes() > 1:
        dist.all_reduce(count)
    return values.sum() * processes() / count.clamp(min=1)


class _Gather(torch.autograd.Function):
    """All processes' tensors of one shape, end to end. torch.distributed.nn has this, deprecated as of torch 2.13."""

    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor) -> torch.Tensor:
        parts = [torch.empty_like(rows) for _ in range(processes())]
        dist.all_gather(parts, rows)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        """What all processes say of this one's rows."""
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total.chunk(processes())[dist.get_rank()]
