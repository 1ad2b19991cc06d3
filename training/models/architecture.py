"""What a model is made of: open_clip's description of it, found by name or file, and the model built from that."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias

import open_clip
import torch
from open_clip.modified_resnet import ModifiedResNet
from open_clip.timm_model import TimmModel
from torch import nn

from ...schemas.errors import UserError

CONFIG_FILE = "open_clip_config.json"
"""What open_clip calls the description in a model's folder."""
STRIDE = 32
"""Pixels to a place of a ResNet's attention pool."""
_OURS = Path(__file__).parent
Model: TypeAlias = open_clip.CLIP | open_clip.CustomTextCLIP
_EXPECTED = ("embed_dim", "vision_cfg", "text_cfg")
_MEND = "describe it as open_clip's model_configs do"


@dataclass(frozen=True)
class Architecture:
    """A model's description."""

    name: str
    """As it was asked for."""
    config: Mapping[str, Any]
    """open_clip's: `embed_dim`, `vision_cfg`, `text_cfg`, `quick_gelu` and the like; folders by absolute paths."""
    mean: tuple[float, ...] | None = None
    """Of the images' channels, in [0, 1]; none where only the weights know."""
    std: tuple[float, ...] | None = None
    """Of the images' channels; none where only the weights know."""

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the images, in pixels."""
        size = self.config["vision_cfg"].get("image_size", 224)
        return (size, size) if isinstance(size, int) else (size[0], size[1])

    @property
    def context_length(self) -> int:
        """Tokens of a text."""
        length: int = self.config["text_cfg"].get("context_length", 77)
        return length

    @property
    def quick_gelu(self) -> bool:
        """Whether its own towers have OpenAI's approximation of GELU; timm's and Hugging Face's have what they have."""
        return bool(self.config.get("quick_gelu", False))

    def changed(
        self,
        image_size: tuple[int, int] | None,
        context_length: int | None,
        quick_gelu: bool | None,
        mean: tuple[float, ...],
        std: tuple[float, ...],
    ) -> Architecture:
        """With this mean and std, and of the others what is not none."""
        config = deepcopy(dict(self.config))
        if image_size is not None:
            config["vision_cfg"]["image_size"] = list(image_size)
        if context_length is not None:
            config["text_cfg"]["context_length"] = context_length
        if quick_gelu is not None:
            config["quick_gelu"] = quick_gelu
        return replace(self, config=config, mean=mean, std=std)

    def build(self, *, pretrained_text: bool = False, pretrained_image: bool = False) -> Model:
        """The model with random weights, on the CPU; a timm tower still reads images of its own size.

        Args:
            pretrained_text: read the weights in the Hugging Face folder.
            pretrained_image: download a timm tower's, where `vision_cfg` asks for them (`timm_model_pretrained`).

        Raises:
            UserError: the description is not sound, or its text tower's folder is not there.
        """
        config = deepcopy(dict(self.config))
        vision, text = config["vision_cfg"], config["text_cfg"]
        custom = config.pop("custom_text", False) or bool(text.get("hf_model_name"))
        resnet = isinstance(vision.get("layers"), list)
        vision["image_size"] = 7 * STRIDE if resnet else self.image_size
        text["hf_model_pretrained"] = pretrained_text and text.get("hf_model_pretrained", True)
        vision["timm_model_pretrained"] = pretrained_image and vision.get("timm_model_pretrained", False)
        if text.get("hf_model_name"):
            _quiet_transformers()
        try:
            model: Model = (open_clip.CustomTextCLIP if custom else open_clip.CLIP)(**config)
        except (TypeError, ValueError, KeyError, AssertionError, RuntimeError, OSError) as error:
            raise UserError(f"open_clip cannot build it: {_first_line(error)}", where=self.name, mend=_MEND) from error
        self._check(model)
        if isinstance(model.visual, ModifiedResNet):
            _regrid(model.visual, self.image_size)
        return model

    def _check(self, model: Model) -> None:
        """Raise UserError where open_clip built what cannot run."""
        if 0 < model.context_length < self.context_length:
            raise UserError(
                f"its text tower reads {model.context_length} tokens, not {self.context_length}",
                where=self.name,
                mend="set backbone.context_length to that",
            )
        projection = getattr(getattr(model.visual, "head", None), "proj", None)
        if isinstance(model.visual, TimmModel) and isinstance(projection, nn.Linear):
            trunk = model.visual.trunk
            if projection.in_features != getattr(trunk, "head_hidden_size", projection.in_features):
                raise UserError(
                    f"open_clip cannot put a projection behind the head of {type(trunk).__name__}",
                    where=self.name,
                    mend='`"timm_proj": ""` makes its classifier the projection',
                )


def _quiet_transformers() -> None:
    """No progress bar and no table of left-out weights for a tower: what does not fit is an error of ours."""
    from transformers.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def find_architecture(model: str) -> Architecture:
    """A model of ours or open_clip's by its name, or the user's by the path of its JSON file or of its folder.

    A file holds what open_clip's `model_configs/*.json` hold, or its `open_clip_config.json`: the same under
    `model_cfg`, beside `preprocess_cfg` with the images' mean and std. A Hugging Face tower may be a folder, relative
    to the file.

    Raises:
        UserError: there is no such name or file, or it describes no pair of towers.
    """
    if model in our_models():
        return _read(_OURS / f"{model}.json", model)
    name = model.replace("/", "-")
    if name in open_clip.list_models():
        return Architecture(model, _checked(open_clip.get_model_config(name), model))
    path = Path(model)
    if path.is_dir():
        return _read(path / CONFIG_FILE, model)
    if path.suffix == ".json" or path.is_file():
        return _read(path, model)
    near = get_close_matches(model, [*our_models(), *open_clip.list_models()], n=3)
    raise UserError(
        f"no model is called {model}",
        where="backbone.model",
        mend=f"{'perhaps ' + ', '.join(near) + '; or ' if near else ''}the path of a JSON file that describes it",
    )


def our_models() -> list[str]:
    """Names of the models described in this package."""
    return sorted(path.stem for path in _OURS.glob("*.json"))


def _read(path: Path, name: str) -> Architecture:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=str(path), mend="give another file") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"is not JSON: {error}", where=str(path), mend="mend the file") from error
    nested = isinstance(document, dict) and "model_cfg" in document
    config = _checked(document["model_cfg"] if nested else document, str(path))
    text, folder = config["text_cfg"], path.resolve().parent
    for key in ("hf_model_name", "hf_tokenizer_name"):
        if text.get(key) and (folder / text[key]).is_dir():
            text[key] = str(folder / text[key])
    if nested and text.get("hf_tokenizer_name") and (folder / "tokenizer_config.json").is_file():
        text["hf_tokenizer_name"] = str(folder)  # open_clip too reads the tokenizer beside the description
    images = document.get("preprocess_cfg", {})
    if not isinstance(images, dict):
        raise UserError("`preprocess_cfg` must be a table", where=str(path), mend=_MEND)
    return Architecture(name, config, *(_channels(images, key, str(path)) for key in ("mean", "std")))


def _channels(images: Mapping[str, Any], key: str, where: str) -> tuple[float, ...] | None:
    if images.get(key) is None:
        return None
    values = images[key]
    if not isinstance(values, list) or len(values) != 3 or not all(isinstance(one, int | float) for one in values):
        raise UserError(f"`{key}` must be three numbers, one a channel", where=where, mend=_MEND)
    return tuple(values)


def _checked(config: Any, where: str) -> dict[str, Any]:
    """The description, where it is one of a pair of towers."""
    if not isinstance(config, dict) or not all(key in config for key in _EXPECTED):
        raise UserError(f"describes no model: it must have {', '.join(_EXPECTED)}", where=where, mend=_MEND)
    if not all(isinstance(config[key], dict) for key in _EXPECTED[1:]):
        raise UserError("`vision_cfg` and `text_cfg` must be tables", where=where, mend=_MEND)
    size = config["vision_cfg"].get("image_size", 1)
    sides = size if isinstance(size, list) else [size, size]
    if len(sides) != 2 or not all(isinstance(side, int) and side > 0 for side in sides):
        raise UserError("`image_size` must be the pixels of a side, or height and width", where=where, mend=_MEND)
    if "multimodal_cfg" in config:
        raise UserError(
            "CoCa has a decoder besides its two towers and cannot be trained here",
            where=where,
            mend="give another model",
        )
    return config


def _regrid(tower: ModifiedResNet, image_size: tuple[int, int]) -> None:
    """Positions for images that need not be square: open_clip makes them for squares, and nothing else asks."""
    places = (image_size[0] // STRIDE) * (image_size[1] // STRIDE)
    width = tower.attnpool.positional_embedding.shape[1]
    tower.attnpool.positional_embedding = nn.Parameter(torch.randn(1 + places, width) / width**0.5)
    tower.image_size = image_size


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
