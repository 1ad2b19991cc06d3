"""A model from its config: found, built, loaded, and sized for its images and texts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from open_clip.modified_resnet import ModifiedResNet
from open_clip.timm_model import TimmModel
from open_clip.transformer import VisionTransformer
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from ...schemas.errors import UserError
from .architecture import STRIDE, Architecture, Model, find_architecture
from .towers import images_through, texts_through
from .weights import State, Weights, find_weights, fitted, known_tags, load_state, read_weights, sha256

_TOWER_FILE = "model.safetensors"
_SIZE = "set another backbone.image_size"


class BackboneConfig(BaseModel):
    """Which model, which weights, and what is changed in it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    model: str = "ViT-B-16"
    """A name of open_clip's or of ours (`small`), or the path of a JSON file or a folder that describes a pair of
    towers."""
    weights: str | None = None
    """A file, a folder that a run or open_clip wrote, or a tag of open_clip's such as `openai`. Random where there are
    none, but for what the model's Hugging Face tower brings."""
    image_weights: str | None = None
    """A file of timm's weights for a timm image tower; its classifier is left out."""
    image_size: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]] | None = None
    """Height and width of the images; none for the model's own. IRRA has 384, 128."""
    context_length: Annotated[int, Field(ge=3)] | None = None
    """Tokens of a text; none for the model's own, 77 in CLIP. CFAM and ICL read 168."""
    logit_scale: Annotated[float, Field(gt=0)] | None = None
    """1/τ to begin with; none for what the weights or the model have."""
    learn_logit_scale: bool = True
    """Whether 1/τ is learnt, up to 100."""
    quick_gelu: bool | None = None
    """OpenAI's approximation of GELU; none for what the weights' tag or format tells, else the model's own."""
    grad_checkpointing: bool = False
    """Compute the blocks again in the backward pass instead of keeping what they made: less memory, more time."""


_POOL = "mend vision_cfg and text_cfg (a timm tower of convolutions wants timm_pool avg)"


@dataclass(frozen=True)
class Assembled:
    """A model, and what it came of."""

    model: Model
    """open_clip's, in float32 on the CPU."""
    architecture: Architecture
    """Its description: `quick_gelu`, mean and std as they are."""
    sources: dict[str, str]
    """The sha256 of each file of weights, by what it was given as."""


def assemble(config: BackboneConfig) -> Assembled:
    """The model a config asks for.

    Raises:
        UserError: model, weights or sizes do not go together, or are not there.
    """
    weights = None if config.weights is None else find_weights(config.weights, config.model)
    trunk = None if config.image_weights is None else read_weights(Path(config.image_weights))
    architecture = _described(config, weights)
    model = architecture.build(pretrained_text=weights is None, pretrained_image=weights is None and trunk is None)
    _load(model, architecture, weights, trunk)
    _set_scale(model, config)
    if Path(config.model).suffix == ".json":
        _try(model, architecture)
    if config.grad_checkpointing:
        if isinstance(model.visual, ModifiedResNet):
            raise UserError(
                "open_clip's ResNets have no gradient checkpointing", where=config.model, mend="leave it off"
            )
        model.set_grad_checkpointing()
    read = {"weights": weights and weights.sha256, "image_weights": trunk and trunk.sha256}
    if weights is None:
        tower = Path(architecture.config["text_cfg"].get("hf_model_name") or "") / _TOWER_FILE
        read["text_weights"] = sha256(tower) if tower.is_file() else None
    return Assembled(model, architecture, {name: digest for name, digest in read.items() if digest})


def _described(config: BackboneConfig, weights: Weights | None) -> Architecture:
    """The model's description with what config and weights say of it."""
    found = find_architecture(config.model)
    quick = config.quick_gelu
    if quick is None and weights is not None:
        quick = weights.quick_gelu
    mean, std = found.mean, found.std
    if mean is None or std is None:
        # A file does not tell; but where all weights of a name had one normalisation, it had it too.
        tags = [weights.tag] if weights and weights.tag else known_tags(config.model)
        said = {(tuple(tag["mean"]), tuple(tag["std"])) for tag in tags}
        mean, std = said.pop() if len(said) == 1 else (OPENAI_DATASET_MEAN, OPENAI_DATASET_STD)
    return found.changed(config.image_size, config.context_length, quick, mean, std)


def _load(model: Model, architecture: Architecture, weights: Weights | None, trunk: Weights | None) -> None:
    """Load what there is into the model or its image trunk, and size a timm tower for its images."""
    visual, grid = model.visual, _grid(model.visual, architecture.image_size)
    if grid is not None and 0 in grid:
        height, width = architecture.image_size
        raise UserError(f"images of {height}×{width} are smaller than a patch", where=architecture.name, mend=_SIZE)
    parts: list[tuple[nn.Module, State, str, Path]] = []
    if weights is not None:
        old = None if weights.image_size is None else _grid(visual, weights.image_size)
        state = fitted(model, weights, grid, old, name=architecture.name)
        parts.append((model, state, architecture.name, weights.file))
    if trunk is not None:
        if not isinstance(visual, TimmModel):
            raise UserError(
                "`image_weights` are a timm tower's, and this model has none",
                where=architecture.name,
                mend="leave it out",
            )
        named = visual.trunk.default_cfg["classifier"]
        heads = tuple(f"{head}." for head in ([named] if isinstance(named, str) else named))
        own = {key: value for key, value in visual.trunk.state_dict().items() if key.startswith(heads)}
        state = {key: value for key, value in trunk.state.items() if not key.startswith(heads)}
        parts.append((visual.trunk, {**own, **state}, f"{architecture.name}'s image tower", trunk.file))
    # timm resizes positions and windows by its own rules, once they are loaded: but not those of another size already.
    late = bool(parts) and all(_same_shapes(module, state) for module, state, _, _ in parts)
    if not late:
        _resize(visual, architecture)
    for module, state, name, file in parts:
        load_state(module, state, name=name, where=str(file))
    if late:
        _resize(visual, architecture)


def _grid(visual: nn.Module, image_size: tuple[int, int]) -> tuple[int, int] | None:
    """Height and width of the image in places that open_clip's towers have positions for."""
    if isinstance(visual, VisionTransformer):
        return image_size[0] // visual.patch_size[0], image_size[1] // visual.patch_size[1]
    return (image_size[0] // STRIDE, image_size[1] // STRIDE) if isinstance(visual, ModifiedResNet) else None


def _same_shapes(module: nn.Module, state: State) -> bool:
    return all(state[key].shape == value.shape for key, value in module.state_dict().items() if key in state)


def _resize(visual: Any, architecture: Architecture) -> None:
    if not isinstance(visual, TimmModel):
        return
    try:
        visual.set_input_size(architecture.image_size)
    except (AssertionError, ValueError, RuntimeError, TypeError) as error:
        height, width = architecture.image_size
        raise UserError(
            f"its image tower cannot read {height}×{width}: {error}", where=architecture.name, mend=_SIZE
        ) from error


def _try(model: Model, architecture: Architecture) -> None:
    """Send one image and one text through: what a file of the user's own describes may be built and not fit together.

    Raises UserError where it does not.
    """
    height, width = architecture.image_size
    images, ids = torch.zeros(1, 3, height, width), torch.ones(1, architecture.context_length, dtype=torch.long)
    model.eval()
    try:
        with torch.no_grad():
            towed = images_through(model, images, tokens=False), texts_through(model, ids, tokens=False)
            found = [tuple(one.raw.shape) for one in towed]
    except (RuntimeError, ValueError, IndexError, AssertionError, TypeError) as error:
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"its towers do not work together: {told}", where=architecture.name, mend=_POOL) from None
    finally:
        model.train()
    wanted = (1, int(architecture.config["embed_dim"]))
    if found != [wanted, wanted]:
        what = f"an image gives {found[0]} and a text {found[1]}, not {wanted} each"
        raise UserError(what, where=architecture.name, mend=_POOL)


def _set_scale(model: Model, config: BackboneConfig) -> None:
    if config.logit_scale is not None:
        nn.init.constant_(model.logit_scale, math.log(config.logit_scale))
    model.logit_scale.requires_grad_(config.learn_logit_scale)
    if model.logit_bias is not None:  # nothing here reads SigLIP's bias
        model.logit_bias.requires_grad_(False)
