"""Losses over the batch of all processes, with the gradient one process with the whole batch would have.

DistributedDataParallel averages gradients over the W processes. Where every process computes the whole loss from
gathered rows, the gathering's backward pass sums what the processes say of a row, W times the same, and the average
puts that right. Where each computes its own part, the part is scaled by W.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist


def processes() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this is, from 0."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def gather_rows(rows: torch.Tensor) -> torch.Tensor:
    """The rows of all processes, in the order of their ranks; the number of rows may differ. Differentiable.

    Every process must call it, and where one goes backward through it, every process must.
    """
    counts = _counts(rows)
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


def _counts(rows: torch.Tensor) -> list[int]:
    if processes() == 1:
        return [len(rows)]
    own = torch.tensor([len(rows)], device=rows.device)
    counts = [torch.empty_like(own) for _ in range(processes())]
    dist.all_gather(counts, own)
    return [int(count) for count in counts]


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
