"""IRRA's training step and loader written out plainly, as its authors' code works, to measure ours against.

Jiang and Ye, CVPR 2023. Sequence first; attention as matmul, softmax, matmul, its weights kept for the way back; two
passes of the text tower over all 77 places; the words' head on every place, cross entropy leaving out those that were
not masked; on a GPU CLIP's `convert_weights`: fp16 weights, float32 norms and embeddings, Adam on the fp16 weights
without a scaler, a group a parameter. PIL decodes each image in full, torchvision resizes and augments it, and it is
normalised in float before it is put in the batch. The accuracies that the original computes each step are left out.
"""

import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import nn
from torch.nn.functional import cross_entropy, linear, normalize
from torch.utils.data import Dataset
from torchvision import transforms

from tbpr_data.training.batch import IGNORED
from tbpr_data.training.models.backbone import Backbone
from tbpr_data.training.objectives.sdm import EPSILON

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""CLIP's, of the channels."""
# Names in our state → names here.
_NAMES = (
    (r"^backbone\.model\.", ""),
    (r"^objectives\.id\.", ""),
    (r"^objectives\.mlm\.head\.", "mlm_head."),
    (r"^objectives\.mlm\.cross_encoder\.layers\.", "cross_transformer.resblocks."),
    (r"^objectives\.mlm\.cross_encoder\.", "cross_"),
    (r"\.self_attn\.", ".attn."),
    (r"\.norm([12])\.", r".ln_\1."),
    (r"\.linear1\.", ".mlp.c_fc."),
    (r"\.linear2\.", ".mlp.c_proj."),
)
_MASK, _CHOSEN = 49405, 0.15


class _Norm(nn.LayerNorm):
    """In float32, whatever comes."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return super().forward(values.float()).to(values.dtype)


class _QuickGELU(nn.Module):
    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values * torch.sigmoid(1.702 * values)


class _Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // 64
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(
        self, asking: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """L×B×D of L×B×D and N×B×D; `mask` is added to the B·heads×L×N weights."""
        length, batch, width = asking.shape
        projections = zip(self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3), strict=True)
        query, key, value = (
            linear(one, weight, bias).contiguous().view(-1, batch * self.heads, 64).transpose(0, 1)
            for one, (weight, bias) in zip((asking, keys, values), projections, strict=True)
        )
        weights = torch.bmm(query * 64**-0.5, key.transpose(1, 2))
        if mask is not None:
            weights = weights + mask
        seen = torch.bmm(weights.softmax(dim=-1), value)
        joined: torch.Tensor = self.out_proj(seen.transpose(0, 1).contiguous().view(length, batch, width))
        return joined


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.ln_1, self.attn, self.ln_2 = _Norm(width), _Attention(width), _Norm(width)
        self.mlp = nn.Sequential()
        for name, part in (
            ("c_fc", nn.Linear(width, 4 * width)),
            ("gelu", _QuickGELU()),
            ("c_proj", nn.Linear(4 * width, width)),
        ):
            self.mlp.add_module(name, part)

    def forward(self, values: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        normed = self.ln_1(values)
        values = values + self.attn(normed, normed, normed, mask)
        after: torch.Tensor = values + self.mlp(self.ln_2(values))
        return after


class _Transformer(nn.Module):
    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(_Block(width) for _ in range(layers))

    def forward(self, values: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        values = values.permute(1, 0, 2)
        for block in self.resblocks:
            values = block(values, mask)
        return values.permute(1, 0, 2)


class _ImageTower(nn.Module):
    def __init__(self, state: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        width, _, patch, _ = state["visual.conv1.weight"].shape
        self.conv1 = nn.Conv2d(3, width, patch, patch, bias=False)
        self.class_embedding = nn.Parameter(torch.empty(width))
        self.positional_embedding = nn.Parameter(torch.empty_like(state["visual.positional_embedding"]))
        self.ln_pre, self.ln_post = _Norm(width), _Norm(width)
        self.transformer = _Transformer(width, _layers(state, "visual.transformer."))
        self.proj = nn.Parameter(torch.empty_like(state["visual.proj"]))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        places = self.conv1(images.to(self.conv1.weight.dtype)).flatten(2).permute(0, 2, 1)
        first = self.class_embedding.to(places.dtype).expand(len(places), 1, -1)
        places = torch.cat([first, places], dim=1) + self.positional_embedding.to(places.dtype)
        projected: torch.Tensor = self.ln_post(self.transformer(self.ln_pre(places))) @ self.proj
        return projected


class PlainIRRA(nn.Module):
    """Both towers, the classifier of identities, and the cross encoder with its head, on the weights given."""

    causal: torch.Tensor

    def __init__(self, ours: Mapping[str, torch.Tensor], *, scale: float) -> None:
        """`ours` is our learner's state; `scale` is 1/τ."""
        super().__init__()
        state = _renamed(ours)
        vocabulary, width = state["token_embedding.weight"].shape
        identities, dim = state["classifier.weight"].shape
        self.visual = _ImageTower(state)
        self.token_embedding = nn.Embedding(vocabulary, width)
        self.positional_embedding = nn.Parameter(torch.empty_like(state["positional_embedding"]))
        self.transformer, self.ln_final = _Transformer(width, _layers(state, "transformer.")), _Norm(width)
        self.text_projection = nn.Parameter(torch.empty_like(state["text_projection"]))
        self.classifier = nn.Linear(dim, identities)
        self.cross_attention = _Attention(dim)
        self.cross_text_norm, self.cross_image_norm, self.cross_norm = _Norm(dim), _Norm(dim), _Norm(dim)
        self.cross_transformer = _Transformer(dim, _layers(state, "cross_transformer."))
        self.mlm_head = nn.Sequential(nn.Linear(dim, dim), _QuickGELU(), _Norm(dim), nn.Linear(dim, vocabulary))
        self.scale = scale
        length = len(self.positional_embedding)
        self.register_buffer("causal", torch.full((length, length), -torch.inf).triu_(1), persistent=False)
        self.load_state_dict(state)

    def forward(
        self, batch: Mapping[str, torch.Tensor], padding: torch.Tensor | None = None
    ) -> dict[str, torch.Tensor]:
        """The losses `sdm`, `id`, `mlm`.

        Args:
            batch: `images` B×3×H×W, normalised; `pids`; `texts`, `masked_texts` and `masked_labels` B×77.
            padding: B×77, True where the cross encoder's layers may not look. The original looks everywhere.
        """
        tokens, texts = self.visual(batch["images"]), self._texts(batch["texts"])
        images = tokens[:, 0].float()
        captions = texts[torch.arange(len(texts)), batch["texts"].argmax(dim=-1)].float()
        labels = batch["pids"]
        return {
            "sdm": _sdm(images, captions, labels, self.scale),
            "id": (self._id(images, labels) + self._id(captions, labels)) / 2,
            "mlm": self._mlm(tokens, self._texts(batch["masked_texts"]), batch["masked_labels"], padding),
        }

    def _id(self, vectors: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return cross_entropy(self.classifier(vectors.to(self.classifier.weight.dtype)).float(), labels)

    def _texts(self, ids: torch.Tensor) -> torch.Tensor:
        half = self.text_projection.dtype
        values = self.token_embedding(ids).to(half) + self.positional_embedding.to(half)
        projected: torch.Tensor = self.ln_final(self.transformer(values, self.causal.to(half))) @ self.text_projection
        return projected

    def _mlm(
        self, images: torch.Tensor, texts: torch.Tensor, labels: torch.Tensor, padding: torch.Tensor | None
    ) -> torch.Tensor:
        asking, keys, values = (
            norm(one).permute(1, 0, 2)
            for norm, one in (
                (self.cross_text_norm, texts),
                (self.cross_image_norm, images),
                (self.cross_image_norm, images),
            )
        )
        seen = self.cross_attention(asking, keys, values).permute(1, 0, 2)
        mask = None
        if padding is not None:
            hidden = torch.zeros_like(padding, dtype=seen.dtype).masked_fill(padding, -torch.inf)
            mask = hidden.repeat_interleave(self.cross_attention.heads, dim=0)[:, None]
        words = self.mlm_head(self.cross_norm(self.cross_transformer(seen, mask)))
        return cross_entropy(words.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED)


def convert_weights(model: nn.Module) -> None:
    """What CLIP's own function makes fp16: linear layers, convolutions, attention and projections."""
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | _Attention):
            for parameter in module.parameters():
                parameter.data = parameter.data.half()
        for name in ("proj", "text_projection"):
            if isinstance(one := getattr(module, name, None), nn.Parameter):
                one.data = one.data.half()


def make_plain_optimiser(model: nn.Module) -> torch.optim.Optimizer:
    """IRRA's: Adam with a group a parameter."""
    groups = []
    for name, parameter in model.named_parameters():
        factor, decay = (5.0 if re.match("cross|classifier|mlm_head", name) else 1.0), 4e-5
        if name.endswith("bias"):
            factor, decay = (5.0 if re.match("classifier|mlm_head", name) else 2.0), 0.0
        groups.append({"params": [parameter], "lr": 1e-5 * factor, "weight_decay": decay})
    return torch.optim.Adam(groups, lr=1e-5, betas=(0.9, 0.999), eps=1e-3)


class PlainSet(Dataset[dict[str, torch.Tensor]]):
    """A caption with its image, read and augmented one by one."""

    def __init__(self, items: Sequence[tuple[Path, str, int]], backbone: Backbone) -> None:
        """`items` are (image, caption, label of the identity); of the backbone tokenizer and size are taken."""
        self._items, self._tokenize = items, backbone.tokenizer
        height, width = backbone.image_size
        self._change = transforms.Compose(
            [
                transforms.Resize((height, width)),
                transforms.RandomHorizontalFlip(0.5),
                transforms.Pad(10),
                transforms.RandomCrop((height, width)),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, STD),
                transforms.RandomErasing(scale=(0.02, 0.4), value=MEAN),
            ]
        )

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        path, caption, label = self._items[index]
        image = self._change(Image.open(path).convert("RGB"))
        text = self._tokenize([caption])[0]
        masked, labels = _masked(text.tolist())
        return {"images": image, "pids": torch.tensor(label), "texts": text} | {
            "masked_texts": torch.tensor(masked),
            "masked_labels": torch.tensor(labels),
        }


def _masked(ids: list[int]) -> tuple[list[int], list[int]]:
    """The caption with tokens hidden one by one, and what stood there."""
    labels = [IGNORED] * len(ids)
    for place, token in enumerate(list(ids)):
        if 0 < token < _MASK and random.random() < _CHOSEN:
            labels[place], fate = token, random.random()
            ids[place] = _MASK if fate < 0.8 else random.randrange(1, _MASK) if fate < 0.9 else token
    if all(label == IGNORED for label in labels):
        labels[1], ids[1] = ids[1], _MASK
    return ids, labels


def _sdm(images: torch.Tensor, texts: torch.Tensor, pids: torch.Tensor, scale: float) -> torch.Tensor:
    same = (pids[:, None] == pids).float()
    wanted = torch.log(same / same.sum(dim=1, keepdim=True) + EPSILON)
    logits = scale * normalize(texts, dim=1) @ normalize(images, dim=1).T
    both = [(one.softmax(dim=1) * (one.log_softmax(dim=1) - wanted)).sum(dim=1).mean() for one in (logits, logits.T)]
    return both[0] + both[1]


def _layers(state: Mapping[str, torch.Tensor], prefix: str) -> int:
    return len({key.split(".resblocks.")[1].split(".")[0] for key in state if key.startswith(f"{prefix}resblocks.")})


def _renamed(ours: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    state = {}
    for key, value in ours.items():
        for pattern, name in _NAMES:
            key = re.sub(pattern, name, key)
        if key != "logit_scale":
            state[key] = value
    return state
