"""The backbone: open_clip's pair of towers, which turns images and texts into vectors and tokens of one space."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F  # noqa: N812  # the name PyTorch's own documentation gives it

from ..features import Encoded
from .architecture import CONFIG_FILE
from .assemble import BackboneConfig, assemble
from .tokenizer import Tokenizer
from .towers import Towed, check_image_tokens, images_through, reads_padding, texts_through
from .weights import FILE

__all__ = ["Backbone", "BackboneConfig"]

_LARGEST_SCALE = 100.0  # CLIP's bound of 1/τ (Radford et al., ICML 2021, §2.5)
_TEXT_FOLDER = "text"


class Backbone(nn.Module):
    """Two towers and what belongs to them: tokenizer, normalisation, logit scale.

    `model` is open_clip's; adapters work on it. It is in float32, and the caller chooses autocast; vectors are float32
    under it too. Attention is PyTorch's `scaled_dot_product_attention`, in training and out of it.
    """

    _mean: torch.Tensor
    _std: torch.Tensor

    def __init__(self, config: BackboneConfig) -> None:
        """Built and loaded, on the CPU. Raises UserError where model, weights or sizes do not go together."""
        super().__init__()
        self.config = config
        assembled = assemble(config)
        self.model = assembled.model
        self._architecture = assembled.architecture
        self._sources = assembled.sources
        self.tokenizer = Tokenizer(self._architecture.config["text_cfg"], self._architecture.context_length)
        for name, values in (("_mean", self._architecture.mean), ("_std", self._architecture.std)):
            self.register_buffer(name, 255 * torch.tensor(values).reshape(1, 3, 1, 1), persistent=False)

    @property
    def logit_scale(self) -> torch.Tensor:
        """Scalar: 1/τ, exponentiated. Where it is learnt, at most 100.

        As in CLIP the parameter itself is cut: were it the exponential, no gradient would lead it down again.
        """
        parameter = self.model.logit_scale
        if parameter.requires_grad:
            with torch.no_grad():
                parameter.clamp_(max=math.log(_LARGEST_SCALE))
        scale: torch.Tensor = parameter.exp().reshape(())
        return scale

    @property
    def dim(self) -> int:
        """Width of the shared space."""
        return int(self._architecture.config["embed_dim"])

    @property
    def vocabulary(self) -> int:
        """Token ids the text tower knows."""
        return int(self.model.vocab_size)

    @property
    def context_length(self) -> int:
        """Tokens of a text."""
        return self._architecture.context_length

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the images."""
        return self._architecture.image_size

    def length_of(self, ids: torch.Tensor) -> int:
        """How many of the L places of T×L token ids must be read: those behind are padding in every text, and the text
        tower does not see it. Captions are a third as long as what CLIP reads: a step takes two thirds of the time.

        Best asked of ids on the CPU: their values are looked at.
        """
        if reads_padding(self.model):
            return ids.shape[1]
        pad = 0 if self.tokenizer.pad is None else self.tokenizer.pad
        length = int((ids != pad).any(dim=0).nonzero().max()) + 1
        # Multiples of eight: few different shapes for what is compiled or chosen by shape.
        return min(-(-length // 8) * 8, ids.shape[1])

    def tokenize(self, texts: Sequence[str]) -> torch.Tensor:
        """T×L token ids of T texts; what is too long is cut, the mark of end stays last."""
        return self.tokenizer(texts)

    def normalise(self, images: torch.Tensor) -> torch.Tensor:
        """B×3×H×W floats: bytes less the channels' mean, over their std, on the images' device.

        Raises ValueError for anything but bytes.
        """
        if images.dtype != torch.uint8:
            raise ValueError(f"images of {images.dtype}, not of bytes")
        return (images - self._mean) / self._std

    def check_tokens(self) -> None:
        """Raise UserError where `encode_image` has no tokens to give, for whoever needs them to ask beforehand."""
        check_image_tokens(self.model, self.config.model)

    def encode_image(self, images: torch.Tensor, *, tokens: bool = False) -> Encoded:
        """Images, encoded.

        Args:
            images: B×3×H×W floats, normalised.
            tokens: whether tokens are wanted: the class token where the tower has one, then the places row by row.

        Raises:
            UserError: tokens are wanted of a tower that has none.
        """
        if tokens:
            self.check_tokens()
        return _encoded(images_through(self.model, images, tokens=tokens), None)

    def encode_text(self, ids: torch.Tensor, *, tokens: bool = False) -> Encoded:
        """Texts, encoded; `mask` comes with the tokens.

        Args:
            ids: T×L token ids.
            tokens: whether tokens are wanted, one for each id.
        """
        return _encoded(texts_through(self.model, ids, tokens=tokens), self._real(ids) if tokens else None)

    def describe(self) -> dict[str, Any]:
        """What was built and loaded, for the provenance of results: what JSON can hold."""
        config = self._described()
        for key in {"hf_model_name", "hf_tokenizer_name"} & config["text_cfg"].keys():
            config["text_cfg"][key] = Path(config["text_cfg"][key] or "").name  # the folder's place is no part of it
        return {
            "model": self.config.model,
            "model_sha256": hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest(),
            "weights": self.config.weights,
            "sha256": self._sources,
            "image_size": list(self.image_size),
            "context_length": self.context_length,
            "quick_gelu": self._architecture.quick_gelu,
            "open_clip": open_clip.__version__,
        }

    def save(self, folder: Path) -> None:
        """Write a folder that `BackboneConfig(model=folder, weights=folder)` reads, and open_clip as `local-dir:`.

        The towers only: what objectives learn is not in it.
        """
        folder.mkdir(parents=True, exist_ok=True)
        config = self._described()
        if config["text_cfg"].get("hf_model_name"):
            self.model.text.config.save_pretrained(folder / _TEXT_FOLDER)
            config["text_cfg"].update(hf_model_name=_TEXT_FOLDER, hf_tokenizer_name=".", hf_model_pretrained=False)
        self.tokenizer.save(str(folder))
        images = {"size": self.image_size, "mean": self._architecture.mean, "std": self._architecture.std}
        document = {"model_cfg": config, "preprocess_cfg": images}
        (folder / CONFIG_FILE).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        save_file({name: value.contiguous() for name, value in self.model.state_dict().items()}, folder / FILE)

    def _real(self, ids: torch.Tensor) -> torch.Tensor:
        """T×L: True where a token is no padding. CLIP's is known by its place alone: behind the mark of end."""
        if self.tokenizer.pad is not None:
            return ids != self.tokenizer.pad
        return torch.arange(ids.shape[1], device=ids.device) <= ids.argmax(dim=1, keepdim=True)

    def _described(self) -> dict[str, Any]:
        return deepcopy(dict(self._architecture.config))


def _encoded(towed: Towed, mask: torch.Tensor | None) -> Encoded:
    raw = towed.raw.float()
    return Encoded(F.normalize(raw, dim=-1), raw, towed.tokens, mask)
