"""What the towers of an open_clip model make of images and texts: one vector each, and a token for each place.

A token is what the tower's head would make of it were it the one that is pooled: in CLIP `ln_post` and `proj` on every
place, the class token first, and `ln_final` and `text_projection` on every text token, as IRRA has it (Jiang and Ye,
CVPR 2023, §3.1). The trunk runs once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from open_clip import CLIP
from open_clip.hf_model import HFTextEncoder
from open_clip.timm_model import TimmModel
from open_clip.transformer import VisionTransformer, text_global_pool
from torch import nn

from ...schemas.errors import UserError
from .architecture import Model


@dataclass(frozen=True)
class Towed:
    """One modality, as its tower leaves it."""

    raw: torch.Tensor
    """B×D, not normalised: exactly open_clip's `encode_image` or `encode_text`."""
    tokens: torch.Tensor | None
    """B×N×D; none where not asked for."""


def images_through(model: Model, images: torch.Tensor, *, tokens: bool) -> Towed:
    """Images through the image tower.

    Args:
        model: an open_clip model whose tower passed `check_image_tokens`, if `tokens`.
        images: B×3×H×W, normalised.
        tokens: whether a token for each place is wanted.
    """
    visual = model.visual
    if not tokens:
        return Towed(visual(images), None)
    if isinstance(visual, TimmModel):
        return _timm(visual, images)
    out = visual.forward_intermediates(
        images, indices=1, normalize_intermediates=True, output_fmt="NLC", output_extra_tokens=True
    )
    places = torch.cat([*out["image_intermediates_prefix"], *out["image_intermediates"]], dim=1)
    return Towed(out["image_features"], _projected(places, visual.proj))


def texts_through(model: Model, ids: torch.Tensor, *, tokens: bool) -> Towed:
    """Texts through the text tower.

    Args:
        model: an open_clip model.
        ids: T×L token ids.
        tokens: whether a token for each id is wanted.
    """
    if isinstance(model, CLIP):
        return _clip(model, ids, tokens=tokens)
    if not tokens:
        return Towed(model.encode_text(ids), None)
    text = model.text
    if isinstance(text, HFTextEncoder):
        return _hugging_face(text, ids)
    out = model.forward_intermediates(text=ids, text_indices=1, normalize=False, normalize_intermediates=True)
    return Towed(out["text_features"], _projected(out["text_intermediates"][0], text.text_projection))


def check_image_tokens(model: Model, name: str) -> None:
    """Raise UserError where the image tower, of the model `name`, has no tokens: what pools it mixes all places."""
    visual = model.visual
    if isinstance(visual, VisionTransformer):
        mixed = visual.attn_pool is not None
    elif isinstance(visual, TimmModel):
        mixed = hasattr(visual.head, "pool") or getattr(visual.trunk, "attn_pool", None) is not None
    else:
        mixed = True
    if mixed:
        raise UserError(
            "its image tower is pooled by attention and has no tokens in the shared space",
            where=name,
            mend="leave out the objectives that read image tokens, or take a ViT pooled by its class token, or a timm "
            "tower pooled by its mean",
        )


def reads_padding(model: Model) -> bool:
    """Whether what stands behind a text's mark of end changes what its tower makes of it."""
    text = getattr(model, "text", model)
    if isinstance(text, HFTextEncoder):
        return False
    causal = getattr(text, "attn_mask", None) is not None
    return not (isinstance(model, CLIP) and causal and model.text_pool_type in ("argmax", "eos"))


def _clip(model: CLIP, ids: torch.Tensor, *, tokens: bool) -> Towed:
    """`CLIP.encode_text`, but over as many places as `ids` has, and the last norm once."""
    length = ids.shape[1]
    mask = None if model.attn_mask is None else model.attn_mask[:length, :length]
    values = model.token_embedding(ids) + model.positional_embedding[:length]
    normed = model.ln_final(model.transformer(values, attn_mask=mask))
    pooled = text_global_pool(normed, ids, model.text_pool_type, eos_token_id=getattr(model, "text_eos_id", None))
    raw = _projected(pooled, model.text_projection)
    return Towed(raw, _projected(normed, model.text_projection) if tokens else None)


def _timm(visual: TimmModel, images: torch.Tensor) -> Towed:
    trunk = visual.trunk
    features = trunk.forward_features(images)
    raw = visual.head(trunk.forward_head(features))
    if features.ndim == 3:  # a transformer's: prefix tokens first
        places = getattr(trunk, "fc_norm", nn.Identity())(features)
        return Towed(raw, visual.head(getattr(trunk, "head", nn.Identity())(places)))
    last = getattr(trunk, "output_fmt", "NCHW") == "NHWC"
    channels_last = features if last else features.permute(0, 2, 3, 1)
    # Each place as an image of one: its mean is the place itself, and the rest of the head follows.
    alone = channels_last.flatten(0, 2)[:, None, None]
    alone = alone if last else alone.permute(0, 3, 1, 2)
    return Towed(raw, visual.head(trunk.forward_head(alone)).unflatten(0, (len(images), -1)))


def _hugging_face(text: HFTextEncoder, ids: torch.Tensor) -> Towed:
    mask = (ids != text.config.pad_token_id).long()
    out: Any = text.transformer(input_ids=ids, attention_mask=mask)
    return Towed(text.proj(text.pooler(out, mask)), text.proj(out.last_hidden_state))


def _projected(places: torch.Tensor, projection: Any) -> torch.Tensor:
    if projection is None:
        return places
    projected: torch.Tensor = projection(places) if isinstance(projection, nn.Module) else places @ projection
    return projected
