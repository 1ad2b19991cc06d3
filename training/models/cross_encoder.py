"""A transformer that reads a caption's tokens beside an image's."""

from __future__ import annotations

import torch
from torch import nn

HEAD_WIDTH = 64
"""Channels of an attention head, in CLIP and IRRA alike."""


class QuickGELU(nn.Module):
    """x·σ(1.702 x): CLIP's approximation of GELU."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Of the shape given."""
        return values * torch.sigmoid(1.702 * values)


class CrossEncoder(nn.Module):
    """IRRA's multimodal interaction encoder (Jiang & Ye, CVPR 2023, §3.2): each text token looks at the image's.

    One cross attention, Q = text, K = V = image, a LayerNorm before each; then `depth` pre-norm transformer layers over
    the text's tokens, and a LayerNorm. No residual passes by the cross attention: what comes out was seen in the image.
    """

    def __init__(self, dim: int, depth: int) -> None:
        super().__init__()
        heads = max(1, dim // HEAD_WIDTH)
        self.text_norm, self.image_norm, self.norm = nn.LayerNorm(dim), nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = nn.MultiheadAttention(dim, heads, batch_first=True)
        layers = [
            nn.TransformerEncoderLayer(dim, heads, 4 * dim, 0.0, QuickGELU(), batch_first=True, norm_first=True)
            for _ in range(depth)
        ]
        self.layers = nn.ModuleList(layers)
        _draw([self.attention, *(layer.self_attn for layer in layers)], layers)

    def forward(self, text: torch.Tensor, image: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """B×L×D: the text's tokens, having looked at the image's.

        Args:
            text: B×L×D.
            image: B×N×D.
            mask: B×L, True where a text token is no padding. Nothing attends to padding, so that its amount does not
                matter; IRRA's own code attends to it.
        """
        seen = self.image_norm(image)
        tokens: torch.Tensor = self.attention(self.text_norm(text), seen, seen, need_weights=False)[0]
        padding = None if mask is None else ~mask
        for layer in self.layers:
            tokens = layer(tokens, src_key_padding_mask=padding)
        normed: torch.Tensor = self.norm(tokens)
        return normed


def out_std(dim: int, depth: int) -> float:
    """Standard deviation of weights that add to the residual stream, which 2·depth of them do."""
    return float(dim**-0.5 * (2 * depth) ** -0.5)


def _draw(attentions: list[nn.MultiheadAttention], layers: list[nn.TransformerEncoderLayer]) -> None:
    """Weights as CLIP's text tower draws them; biases and norms as PyTorch does."""
    dim = attentions[0].embed_dim
    outer = out_std(dim, len(layers))
    for attention in attentions:
        nn.init.normal_(attention.in_proj_weight, std=dim**-0.5)
        nn.init.normal_(attention.out_proj.weight, std=outer)
    for layer in layers:
        nn.init.normal_(layer.linear1.weight, std=(2 * dim) ** -0.5)
        nn.init.normal_(layer.linear2.weight, std=outer)
