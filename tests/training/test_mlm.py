"""Guessing masked words: the cross encoder against attention written out, the loss against the whole head."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from encoded_batches import batch_of, encoded, features_of
from torch.nn.functional import cross_entropy

from tbpr_data.training.batch import IGNORED, Batch
from tbpr_data.training.features import Features
from tbpr_data.training.models.cross_encoder import CrossEncoder
from tbpr_data.training.objectives.mlm import MLM
from tbpr_data.training.objectives.objective import Sizes

SIZES = Sizes(dim=128, vocabulary=30, identities=9)
LENGTH = 7


def masked_batch(places: list[tuple[int, int]], rows: int = 3) -> tuple[Batch, Features]:
    """Captions of `LENGTH` tokens, some of them masked, beside images of 5 tokens."""
    draw = torch.Generator().manual_seed(0)
    text, image = (torch.randn(rows, n, 128, generator=draw, dtype=torch.float64) for n in (LENGTH, 5))
    labels = torch.full((rows, LENGTH), IGNORED)
    for number, place in enumerate(places):
        labels[place] = number
    features = features_of(image[:, 0], text[:, 0], 1.0)
    masked = encoded(text[:, 0], text.requires_grad_())
    features = replace(features, image=encoded(image[:, 0], image.requires_grad_()), masked_text=masked)
    return replace(batch_of(range(rows)), masked_texts=torch.zeros_like(labels), masked_labels=labels), features


def mlm(**options: Any) -> MLM:
    torch.manual_seed(0)
    return MLM(SIZES, **options).double()


def test_masked_places_give_the_loss_of_the_whole_head() -> None:
    objective = mlm(depth=2)
    batch, features = masked_batch([(0, 1), (0, 4), (2, 6)])
    masked, image = features.masked_text, features.image.tokens
    assert masked is not None
    assert masked.tokens is not None
    assert image is not None
    assert batch.masked_labels is not None
    loss = objective(batch, features)["mlm"]
    logits = objective.head(objective.cross_encoder(masked.tokens, image))
    expected = cross_entropy(logits.flatten(0, 1), batch.masked_labels.flatten())
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=1e-12)
    wanted = [masked.tokens, image, *objective.parameters()]
    gradients = (torch.autograd.grad(one, wanted) for one in (loss, expected))
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-12)


def attend(weights: torch.nn.MultiheadAttention, queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """Attention of one caption, a head at a time."""
    q, k, v = (
        x @ w.T + b
        for x, w, b in zip(
            (queries, keys, keys), weights.in_proj_weight.chunk(3), weights.in_proj_bias.chunk(3), strict=True
        )
    )
    heads = []
    for one in range(2):
        mine = slice(64 * one, 64 * one + 64)
        heads.append((q[:, mine] @ k[:, mine].T / 8).softmax(dim=1) @ v[:, mine])
    return weights.out_proj(torch.cat(heads, dim=1))


def test_the_cross_encoder_is_irras() -> None:
    torch.manual_seed(1)
    encoder = CrossEncoder(128, 2).double()
    text, image = torch.randn(4, 128).double(), torch.randn(6, 128).double()
    tokens = attend(encoder.attention, encoder.text_norm(text), encoder.image_norm(image))
    for layer in encoder.layers:
        normed = layer.norm1(tokens)
        tokens = tokens + attend(layer.self_attn, normed, normed)
        inner = layer.linear1(layer.norm2(tokens))
        tokens = tokens + layer.linear2(inner / (1 + (-1.702 * inner).exp()))
    torch.testing.assert_close(encoder(text[None], image[None])[0], encoder.norm(tokens), rtol=1e-10, atol=1e-10)
    encoder.eval()
    with torch.no_grad():
        torch.testing.assert_close(encoder(text[None], image[None])[0], encoder.norm(tokens), rtol=1e-10, atol=1e-10)


def test_weights_are_drawn_as_irra_draws_them() -> None:
    torch.manual_seed(2)
    objective = MLM(SIZES)
    dense, _, _, words = objective.head
    layer = objective.cross_encoder.layers[3]
    stds = {
        128**-0.5: [objective.cross_encoder.attention.in_proj_weight, layer.self_attn.in_proj_weight],
        # Four layers, each adding to the stream twice.
        1024**-0.5: [objective.cross_encoder.attention.out_proj.weight, layer.linear2.weight, words.weight],
        256**-0.5: [layer.linear1.weight, dense.weight],
    }
    for std, weights in stds.items():
        for one in weights:
            assert one.std().item() == pytest.approx(std, rel=0.05)


def test_padding_is_not_attended_to() -> None:
    objective = mlm(depth=2)
    batch, features = masked_batch([(0, 1), (2, 3)])
    masked = features.masked_text
    assert masked is not None
    assert masked.tokens is not None
    mask = torch.ones(3, LENGTH, dtype=torch.bool)
    mask[:, 4:] = False
    losses = []
    for tokens in (masked.tokens, torch.cat([masked.tokens[:, :4], 9 * torch.randn(3, 3, 128).double()], dim=1)):
        changed = replace(features, masked_text=replace(masked, tokens=tokens, mask=mask))
        losses.append(objective(batch, changed)["mlm"])
    torch.testing.assert_close(*losses)


def test_no_masked_token_gives_a_zero_that_reaches_every_parameter() -> None:
    objective = mlm(depth=1)
    loss = objective(*masked_batch([]))["mlm"]
    assert loss.item() == 0
    loss.backward()
    assert all(one.grad is not None and not one.grad.any() for one in objective.parameters())


def test_half_precision_tokens() -> None:
    objective = mlm(depth=1)
    batch, features = masked_batch([(0, 1), (1, 2)])
    exact = objective(batch, features)["mlm"]
    objective.float()
    masked, image = features.masked_text, features.image
    assert masked is not None
    assert masked.tokens is not None
    assert image.tokens is not None
    padded = torch.ones(3, LENGTH, dtype=torch.bool)
    halves = replace(
        features,
        image=replace(image, tokens=image.tokens.bfloat16()),
        masked_text=replace(masked, tokens=masked.tokens.bfloat16(), mask=padded),
    )
    losses = [objective(batch, halves)["mlm"]]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses.append(objective(batch, halves)["mlm"])
    for loss in losses:
        assert loss.dtype == torch.float32
        torch.testing.assert_close(loss.double(), exact, rtol=0.02, atol=0)


def test_what_is_missing_is_named() -> None:
    objective = mlm(depth=1)
    batch, features = masked_batch([(0, 1)])
    masked = features.masked_text
    assert masked is not None
    with pytest.raises(ValueError, match="masked captions are missing"):
        objective(batch, replace(features, masked_text=None))
    with pytest.raises(ValueError, match="masked captions are missing"):
        objective(batch, replace(features, masked_text=replace(masked, tokens=None)))
    with pytest.raises(ValueError, match="masked captions are missing"):
        objective(replace(batch, masked_labels=None), features)
    with pytest.raises(ValueError, match="images' tokens are missing"):
        objective(batch, replace(features, image=replace(features.image, tokens=None)))
    with pytest.raises(ValueError, match="labels of 3×6 tokens, but 3×7"):
        objective(replace(batch, masked_labels=torch.full((3, 6), IGNORED)), features)
