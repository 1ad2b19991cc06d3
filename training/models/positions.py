"""Learned positions, resized for another image or a longer text."""

from __future__ import annotations

from math import isqrt

import torch
from torch.nn import functional as F  # noqa: N812  # the name PyTorch's own documentation gives it

from ...schemas.errors import UserError


def resize_grid(positions: torch.Tensor, grid: tuple[int, int], old: tuple[int, int] | None = None) -> torch.Tensor:
    """Positions of a class token and a grid of patches, for another grid: bilinear, the class token's kept.

    As IRRA resizes CLIP's 14×14 to 24×8 (Jiang and Ye, CVPR 2023): corners not aligned, no antialiasing.

    Args:
        positions: (1 + N)×C.
        grid: height and width of the new grid, in patches.
        old: of the old grid. Where none is told, it is a square if N is one, else of the new grid's shape.

    Returns:
        (1 + height·width)×C, in float32; `positions` itself where the grids are the same.

    Raises:
        UserError: N patches cannot be laid out.
    """
    count = len(positions) - 1
    if old is None and count == grid[0] * grid[1]:
        return positions
    height, width = _layout(count, grid) if old is None or old[0] * old[1] != count else old
    if (height, width) == tuple(grid):
        return positions
    patches = positions[1:].float().reshape(1, height, width, -1).permute(0, 3, 1, 2)
    resized = F.interpolate(patches, size=grid, mode="bilinear", align_corners=False)
    return torch.cat([positions[:1].float(), resized.flatten(2)[0].T])


def resize_sequence(positions: torch.Tensor, length: int) -> torch.Tensor:
    """Positions of a text for another length: linear, corners not aligned, as ICL reads 168 tokens with CLIP's 77.

    Args:
        positions: L×C.
        length: how many there shall be.

    Returns:
        `length`×C, in float32; `positions` itself where it is so long.
    """
    if len(positions) == length:
        return positions
    return F.interpolate(positions.float().T[None], size=length, mode="linear", align_corners=False)[0].T


def _layout(patches: int, like: tuple[int, int]) -> tuple[int, int]:
    """Height and width of the grid that held so many patches."""
    side = isqrt(patches)
    if side * side == patches:
        return side, side
    height = isqrt(patches * like[0] // like[1])
    if height and patches % height == 0 and height * like[1] == patches // height * like[0]:
        return height, patches // height
    raise UserError(
        f"positions of {patches} patches: neither a square nor of the shape {like[0]}×{like[1]}",
        where="backbone.weights",
        mend="give the `image_size` these weights were trained with",
    )
