"""Weights: where they are, what is in the file, and whether they are a model's."""

from __future__ import annotations

import hashlib
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.convert import convert_state_dict
from safetensors.torch import load_file
from torch import nn

from ...schemas.errors import RunFailed, UserError
from .architecture import CONFIG_FILE, Model, find_architecture
from .positions import resize_grid, resize_sequence
from .torchscript import is_torchscript, read_torchscript

State = dict[str, torch.Tensor]

FILE = "open_clip_model.safetensors"
"""What open_clip calls the weights in a model's folder."""
_FILES = (FILE, "open_clip_pytorch_model.bin")
# What OpenAI's files hold beside weights.
_OPENAI = {"input_resolution", "context_length", "vocab_size"}
# What training programs put the model into, and before each name.
_WRAPPERS = ("state_dict", "model")
_IRRA = "base_model."  # OpenAI's CLIP in IRRA and what builds on it, their own modules beside it
_PREFIXES = ("module.", "_orig_mod.", _IRRA)
# A model has its own where the weights have none: IRRA's checkpoints have no scale, CLIP has no bias.
_OPTIONAL = {"logit_scale", "logit_bias"}
_GRIDS = ("visual.positional_embedding", "visual.attnpool.positional_embedding")
_SEQUENCES = ("positional_embedding", "text.positional_embedding")
_TEXT = ("text_projection", "positional_embedding", "token_embedding", "transformer", "ln_final")


@dataclass(frozen=True)
class Weights:
    """What a file holds, in float32 or float16 on the CPU."""

    state: State
    """Tensors by open_clip's names."""
    file: Path
    """Where they were."""
    sha256: str
    """Of the file."""
    quick_gelu: bool | None = None
    """Whether they were trained with OpenAI's GELU; none where neither file, folder nor tag tells."""
    image_size: tuple[int, int] | None = None
    """Height and width of the images they read; none where no folder tells."""
    tag: Mapping[str, Any] | None = None
    """What open_clip knows of them, for a tag: `mean` and `std` among it."""


def find_weights(weights: str, model: str) -> Weights:
    """Weights by the path of a file or of a model's folder, or by a tag that open_clip has for the model.

    Read are .safetensors, whatever `torch.load` reads as weights only, and TorchScript archives, of which nothing is
    run. The names that training programs wrap models in are taken off; of an IRRA checkpoint its CLIP is taken.

    Raises:
        UserError: there is neither, or the file holds no weights or may not be read.
        RunFailed: the tag's file could not be downloaded.
    """
    path = Path(weights)
    if path.is_dir():
        found = [path / name for name in _FILES if (path / name).is_file()]
        if not found:
            raise UserError(
                f"the folder holds no {' or '.join(_FILES)}",
                where=weights,
                mend="give a model's folder, or a file of weights",
            )
        read = read_weights(found[0])
        if not (path / CONFIG_FILE).is_file():
            return read
        described = find_architecture(weights)
        return replace(read, quick_gelu=described.quick_gelu, image_size=described.image_size)
    if path.is_file():
        return read_weights(path)
    tag = open_clip.get_pretrained_cfg(_key(model), weights)
    if not tag:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(_key(model)))
        raise UserError(
            f"no file, and no tag of {model}'s", where=weights, mend=f"its tags: {tags}" if tags else "give a file"
        )
    try:
        file = Path(open_clip.download_pretrained(tag))
    except (OSError, RuntimeError) as error:
        raise RunFailed(
            f"the weights `{weights}` could not be downloaded",
            where=model,
            mend=f"download {tag.get('hf_hub') or tag.get('url')} elsewhere and give the file",
        ) from error
    return replace(read_weights(file), quick_gelu=bool(tag.get("quick_gelu")), tag=tag)


def known_tags(model: str) -> list[Mapping[str, Any]]:
    """What open_clip knows of each of a model's published weights."""
    name = _key(model)
    return [open_clip.get_pretrained_cfg(name, tag) for tag in open_clip.list_pretrained_tags_by_model(name)]


def read_weights(path: Path) -> Weights:
    """The tensors of one file by their names, unwrapped. Raises UserError: see `find_weights`."""
    where = str(path)
    try:
        if path.suffix == ".safetensors":
            content: Any = load_file(path)
        elif is_torchscript(path):
            content = read_torchscript(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _refused(error, where) from error
    except OSError as error:
        raise _none(where, f": {error.strerror or error}") from error
    except Exception as error:  # a broken pickle fails in any way: with bytes changed at random, in 12 types of error
        raise _none(where) from error
    state, quick_gelu = _unwrapped(content)
    if not state:
        raise _none(where)
    return Weights(state, path, sha256(path), quick_gelu)


def sha256(path: Path) -> str:
    """Of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_state(module: nn.Module, state: State, *, name: str, where: str) -> None:
    """Put weights into a model, all of them and no others, whatever their floating type.

    Raises:
        UserError: names or shapes are another model's.
    """
    module.load_state_dict(_checked(module.state_dict(), state, name, where), strict=False)


def _checked(own: State, state: State, name: str, where: str) -> State:
    """The weights under the names of a model's own. Raises UserError: see `load_state`."""
    state = {key: value for key, value in state.items() if key in own or not key.endswith("position_ids")}
    for key in _OPTIONAL & own.keys() & state.keys():
        state[key] = state[key].reshape(own[key].shape) if state[key].numel() == 1 else state[key]
    faults = _faults(own, state)
    if faults:
        alike = _looks_like(state)
        alike = None if alike == _key(name) else alike
        raise UserError(
            f"not the weights of {name}: {faults}",
            where=where,
            mend=f'they look like those of {alike}: `model = "{alike}"`' if alike else "give the weights of that model",
        )
    return state


def fitted(
    model: Model,
    weights: Weights,
    grid: tuple[int, int] | None,
    old_grid: tuple[int, int] | None = None,
    *,
    name: str,
) -> State:
    """Weights under the model's names, with positions for its images and texts.

    Args:
        model: what they are for.
        weights: by the names of open_clip, OpenAI or Apple's MobileCLIP.
        grid: height and width of the image in patches; none where the tower sees to its positions itself.
        old_grid: the same of the images the weights read; none where that is not known.
        name: of the model.

    Raises:
        UserError: they are another model's, but for their positions; or see `resize_grid`.
    """
    state: State = convert_state_dict(model, dict(weights.state))
    own = model.state_dict()
    if "text_projection" in state and "positional_embedding" not in own:
        state = {f"text.{key}" if key.startswith(_TEXT) else key: value for key, value in state.items()}
    elif "positional_embedding" in own:
        state = {key.removeprefix("text."): value for key, value in state.items()}
    if grid is not None:
        there = [key for key in _GRIDS if key in own and key in state and state[key].ndim == 2]
        # Before its positions are: another model's may have none that can be resized, which is not what is wrong.
        _checked(
            own, {**state, **{key: own[key] for key in (*there, *_SEQUENCES) if key in own}}, name, str(weights.file)
        )
        for key in there:
            state[key] = resize_grid(state[key], grid, old_grid)
    for key in _SEQUENCES:
        if key in own and key in state and state[key].ndim == 2:
            state[key] = resize_sequence(state[key], len(own[key]))
    return state


def _key(model: str) -> str:
    """The name of a model in open_clip's list of weights."""
    return model.replace("/", "-")


def _unwrapped(content: Any) -> tuple[State, bool | None]:
    """What is in a file without what it is wrapped in, and whether that tells of OpenAI's GELU."""
    for wrapper in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    items = content.items() if isinstance(content, dict) else ()
    state = {key: value for key, value in items if isinstance(key, str) and isinstance(value, torch.Tensor)}
    openais = state.keys() >= _OPENAI or any(_IRRA in key for key in state)
    for prefix in _PREFIXES:
        if any(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    return {key: value for key, value in state.items() if key not in _OPENAI}, True if openais else None


def _none(where: str, why: str = "") -> UserError:
    return UserError(
        f"holds no weights that can be read{why}", where=where, mend="give a .safetensors file or what torch.save wrote"
    )


def _refused(error: pickle.UnpicklingError, where: str) -> UserError:
    """A pickle that is none, or that asks for more than tensors."""
    named = re.search(r"(?:GLOBAL|calls for) (\w+\.[\w.]*\w)", str(error))
    if named is None:
        return _none(where)
    return UserError(
        f"holds more than weights, {named[1]}: reading it could run any program",
        where=where,
        mend="save the state dict alone where the file is trusted, best as .safetensors",
    )


def _faults(own: Mapping[str, torch.Tensor], state: State) -> str:
    """What is missing, left over or of another shape, of each the first; empty where all is well."""
    missing = [key for key in own if key not in state and key not in _OPTIONAL]
    unexpected = [key for key in state if key not in own]
    shapes = [
        f"{key} is {_shape(state[key])} instead of {_shape(own[key])}"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    told = [("has no ", missing), ("has also ", unexpected), ("", shapes)]
    return "; ".join(
        before + keys[0] + (f" and {len(keys) - 1} more" if len(keys) > 1 else "") for before, keys in told if keys
    )


def _shape(tensor: torch.Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a number"


def _looks_like(state: State) -> str | None:
    """open_clip's name for a ViT and text transformer of these sizes."""
    sizes = _sizes({key.removeprefix("text."): value for key, value in state.items()})
    alike = [name for name in open_clip.list_models() if sizes and _named_sizes(name) == sizes]
    return min(alike, key=len, default=None)


def _sizes(state: State) -> tuple[int, ...] | None:
    """Width, patch and layers of the image tower, width and layers of the text tower, width of the shared space."""
    patches, norm, projection = (state.get(key) for key in ("visual.conv1.weight", "ln_final.weight", "visual.proj"))
    if patches is None or norm is None or projection is None:
        return None
    layers = [
        len({key for key in state if re.fullmatch(rf"{tower}transformer\.resblocks\.\d+\.ln_1\.weight", key)})
        for tower in (r"visual\.", "")
    ]
    return patches.shape[0], patches.shape[-1], layers[0], norm.shape[0], layers[1], projection.shape[1]


def _named_sizes(name: str) -> tuple[int, ...] | None:
    config = open_clip.get_model_config(name)
    image, text = config["vision_cfg"], config["text_cfg"]
    if not isinstance(image.get("layers"), int) or "layers" not in text:
        return None
    return image["width"], image["patch_size"], image["layers"], text["width"], text["layers"], config["embed_dim"]
