"""The backbone: what it makes of images and texts, and the weights it can be given."""

import json
import math
import os
import pickle
import tempfile
import warnings
from collections import OrderedDict
from pathlib import Path
from zipfile import ZipFile

import open_clip
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F  # noqa: N812
from torchvision.transforms.functional import normalize

from tbpr_data.schemas.errors import RunFailed, UserError
from tbpr_data.training.models.backbone import Backbone, BackboneConfig
from tbpr_data.training.models.positions import resize_grid, resize_sequence
from tbpr_data.training.models.weights import read_weights

TEXTS = ["A man in a red shirt.", "A woman with a white bag and blue jeans", "!"]
TINY = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 2},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("backbone")
    (folder / "tiny.json").write_text(json.dumps(TINY))
    return folder


@pytest.fixture(scope="module")
def tiny(folder) -> Backbone:
    return build(folder)


def build(folder: Path, **changes) -> Backbone:
    torch.manual_seed(0)
    return Backbone(BackboneConfig(**{"model": str(folder / "tiny.json"), **changes}))


def described(folder: Path, name: str, **changes) -> str:
    path = folder / f"{name}.json"
    path.write_text(
        json.dumps(
            {
                key: {**value, **changes.pop(key, {})} if isinstance(value, dict) else value
                for key, value in TINY.items()
            }
            | changes
        )
    )
    return str(path)


def images_for(backbone: Backbone, count: int = 3) -> torch.Tensor:
    return torch.randn(count, 3, *backbone.image_size, generator=torch.Generator().manual_seed(1))


def weights_of(backbone: Backbone) -> dict[str, torch.Tensor]:
    return dict(backbone.model.state_dict())


# --- encoding


def test_vectors_are_open_clips_and_tokens_lie_in_their_space(tiny):
    images, ids = images_for(tiny), tiny.tokenize(TEXTS)
    for mode in (True, False):
        tiny.train(mode)
        for tokens in (True, False):
            image, text = tiny.encode_image(images, tokens=tokens), tiny.encode_text(ids, tokens=tokens)
            assert torch.equal(image.raw, tiny.model.encode_image(images))
            assert torch.equal(text.raw, tiny.model.encode_text(ids))
            assert torch.equal(image.vectors, tiny.model.encode_image(images, normalize=True))
            assert torch.equal(text.vectors, tiny.model.encode_text(ids, normalize=True))
            assert (image.tokens is None) == (text.tokens is None) == (text.mask is None) == (not tokens)
    image, text = tiny.encode_image(images, tokens=True), tiny.encode_text(ids, tokens=True)
    assert image.tokens.shape == (3, 1 + 16, 32)
    torch.testing.assert_close(F.normalize(image.tokens[:, 0], dim=-1), image.vectors)
    assert text.tokens.shape == (3, 77, 32)
    torch.testing.assert_close(F.normalize(text.tokens[range(3), ids.argmax(1)], dim=-1), text.vectors)
    # "!" is token 0, which is also the padding: [start, !, end].
    assert text.mask.sum(1).tolist() == [len(ids[0].nonzero()), len(ids[1].nonzero()), 3]


def test_a_text_tower_of_its_own_gives_the_same(folder, tiny):
    save_file(weights_of(tiny), folder / "tiny.safetensors")
    custom = build(
        folder, model=described(folder, "custom", custom_text=True), weights=str(folder / "tiny.safetensors")
    )
    assert isinstance(custom.model, open_clip.CustomTextCLIP)
    ids = tiny.tokenize(TEXTS)
    ours, theirs = custom.encode_text(ids, tokens=True), tiny.encode_text(ids, tokens=True)
    assert torch.equal(ours.vectors, theirs.vectors)
    assert torch.equal(ours.tokens, theirs.tokens)
    custom.save(folder / "custom")  # and back: a plain CLIP reads what a custom one wrote
    again = build(folder, weights=str(folder / "custom"))
    assert torch.equal(again.encode_text(ids).vectors, theirs.vectors)


def test_every_parameter_learns_through_vectors_and_tokens(tiny):
    tiny.zero_grad()
    image = tiny.encode_image(images_for(tiny), tokens=True)
    text = tiny.encode_text(tiny.tokenize(TEXTS), tokens=True)
    (tiny.logit_scale * image.vectors @ text.vectors.T).logsumexp(1).sum().backward(retain_graph=True)
    assert all(value.grad is not None and value.grad.isfinite().all() for value in tiny.model.parameters())
    (image.tokens.square().sum() + text.tokens.square().sum()).backward()
    tiny.zero_grad()


def test_compiles_without_a_break(tiny):
    for encode, batch in ((tiny.encode_image, images_for(tiny)), (tiny.encode_text, tiny.tokenize(TEXTS))):
        compiled = torch.compile(encode, backend="eager", fullgraph=True)
        assert torch.equal(compiled(batch, tokens=True).tokens, encode(batch, tokens=True).tokens)


def test_checkpointed_gradients_are_the_same(folder, tiny):
    frugal = build(folder, grad_checkpointing=True)
    gradients = []
    for backbone in (tiny, frugal):
        backbone.train().zero_grad()
        backbone.encode_image(images_for(backbone)).vectors[:, 0].sum().backward()
        gradients.append(backbone.model.visual.conv1.weight.grad.clone())
    torch.testing.assert_close(*gradients)


def test_normalises_bytes_by_the_models_mean_and_std(tiny):
    images = torch.randint(0, 256, (2, 3, 8, 4), dtype=torch.uint8)
    mean, std = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
    torch.testing.assert_close(tiny.normalise(images), normalize(images / 255, mean, std), rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="not of bytes"):
        tiny.normalise(images.float())


def test_logit_scale_is_cut_at_100_and_can_come_down(folder):
    learnt = build(folder, logit_scale=500)
    assert learnt.logit_scale.item() == pytest.approx(100)
    learnt.logit_scale.backward()
    assert learnt.model.logit_scale.grad.item() == pytest.approx(100)
    fixed = build(folder, logit_scale=50, learn_logit_scale=False)
    assert fixed.logit_scale.item() == pytest.approx(50)
    assert not fixed.logit_scale.requires_grad
    assert build(folder).logit_scale.item() == pytest.approx(1 / 0.07)


# --- texts


def test_tokenizes_as_open_clip_but_leaves_the_masks_id_free(tiny):
    texts = [*TEXTS, "a " * 100]
    assert torch.equal(tiny.tokenize(texts), open_clip.tokenize(texts))
    assert tiny.tokenize(texts)[-1, -1] == 49407
    assert tiny.tokenizer.special.mask == 49405
    assert tiny.tokenizer.special.mask in open_clip.tokenize(["jekyll"])
    assert tiny.tokenizer.special.mask not in tiny.tokenize(["jekyll"])
    copy = pickle.loads(pickle.dumps(tiny.tokenizer))
    assert torch.equal(copy(texts), tiny.tokenize(texts))
    assert (tiny.vocabulary, tiny.context_length, tiny.dim) == (49408, 77, 32)


def test_longer_texts_stretch_the_positions(folder, tiny):
    save_file(weights_of(tiny), folder / "tiny.safetensors")
    long = build(folder, weights=str(folder / "tiny.safetensors"), context_length=168)
    ids = long.tokenize(["a red shirt " * 50])
    assert ids.shape == (1, 168)
    assert long.encode_text(ids, tokens=True).tokens.shape == (1, 168, 32)
    expected = F.interpolate(tiny.model.positional_embedding.T[None], size=168, mode="linear")[0].T
    assert torch.equal(long.model.positional_embedding, expected)


# --- positions


@given(side=st.integers(1, 6), height=st.integers(1, 8), width=st.integers(1, 8))
def test_grid_is_resized_bilinearly_and_the_class_token_kept(side, height, width):
    positions = torch.randn(1 + side * side, 5)
    resized = resize_grid(positions, (height, width))
    assert torch.equal(resized[0], positions[0])
    if height * width == side * side:
        assert resized is positions
        return
    image = positions[1:].reshape(side, side, 5).permute(2, 0, 1)[None]
    expected = F.interpolate(image, size=(height, width), mode="bilinear", align_corners=False)
    assert torch.equal(resized[1:].reshape(height, width, 5), expected[0].permute(1, 2, 0))


def test_grids_that_are_no_squares():
    # 24×8 of IRRA's images to 12×4: by halves, each new place lies in the middle of four old ones.
    rows, columns = torch.meshgrid(torch.arange(24.0), torch.arange(8.0), indexing="ij")
    positions = torch.cat([torch.zeros(1, 2), torch.stack([rows, columns], -1).reshape(-1, 2)])
    resized = resize_grid(positions.half(), (12, 4))[1:].reshape(12, 4, 2)
    assert resized[..., 0].tolist() == [[2 * row + 0.5] * 4 for row in range(12)]
    assert resized[0, :, 1].tolist() == [0.5, 2.5, 4.5, 6.5]
    # 16 patches of 8×2 are no square: to 4×1 by halves again.
    tall = torch.cat([torch.zeros(1, 1), torch.arange(16.0)[:, None]])
    assert resize_grid(tall, (4, 1), (8, 2))[1:].flatten().tolist() == [1.5, 5.5, 9.5, 13.5]
    with pytest.raises(UserError, match="192 patches"):
        resize_grid(positions, (7, 7))
    with pytest.raises(UserError, match="2 patches"):
        resize_grid(torch.zeros(3, 2), (4, 1))


def test_a_sequence_of_its_length_is_itself():
    positions = torch.randn(7, 3)
    assert resize_sequence(positions, 7) is positions
    assert resize_sequence(torch.tensor([[0.0], [4.0]]), 4).flatten().tolist() == [0, 1, 3, 4]


def test_weights_of_square_images_read_tall_ones(folder, tiny):
    save_file(weights_of(tiny), folder / "tiny.safetensors")
    tall = build(folder, weights=str(folder / "tiny.safetensors"), image_size=(96, 32))
    assert tall.image_size == (96, 32)
    expected = resize_grid(tiny.model.visual.positional_embedding.detach(), (6, 2))
    assert torch.equal(tall.model.visual.positional_embedding, expected)
    assert tall.encode_image(images_for(tall), tokens=True).tokens.shape == (3, 13, 32)


# --- weights


class Program(nn.Module):
    """As little of a program as TorchScript takes."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def openai_state(backbone: Backbone) -> dict[str, torch.Tensor]:
    """As in OpenAI's files: matrices in float16, three numbers besides."""
    halved = {key: value.half() if value.ndim > 1 else value for key, value in weights_of(backbone).items()}
    return {
        **halved,
        "input_resolution": torch.tensor(64),
        "context_length": torch.tensor(77),
        "vocab_size": torch.tensor(49408),
    }


def torchscript(state: dict[str, torch.Tensor], path: Path) -> None:
    root = Program()
    for key, value in state.items():
        *way, name = key.split(".")
        at: nn.Module = root
        for step in way:
            if step not in at._modules:
                at.add_module(step, nn.Module())
            at = at._modules[step]
        if value.is_floating_point():
            at.register_parameter(name, nn.Parameter(value))
        else:
            at.register_buffer(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is on its way out of PyTorch
        torch.jit.save(torch.jit.script(root), path)


@pytest.fixture(scope="module")
def files(folder, tiny) -> dict[str, Path]:
    """The same weights in every format."""
    state = weights_of(tiny)
    of = {
        name: folder / f"same_{name}"
        for name in ("plain.pt", "st.safetensors", "ddp.bin", "irra.pth", "jit.pt", "openai.pt")
    }
    torch.save(OrderedDict(state), of["plain.pt"])
    save_file(state, of["st.safetensors"])
    wrapped = {f"module.{key}": value for key, value in state.items()}
    torch.save({"epoch": 3, "name": "x", "state_dict": wrapped, "optimizer": {"lr": 0.1}}, of["ddp.bin"])
    irra = {f"base_model.{key}": value for key, value in state.items() if key != "logit_scale"}
    torch.save({"model": {**irra, "classifier.weight": torch.zeros(3, 32)}, "iteration": 2}, of["irra.pth"])
    torch.save(openai_state(tiny), of["openai.pt"])
    torchscript(openai_state(tiny), of["jit.pt"])
    return of


def test_the_same_weights_in_every_format(folder, tiny, files):
    images, ids = images_for(tiny), tiny.tokenize(TEXTS)
    for name, file in files.items():
        torch.manual_seed(7)
        loaded = Backbone(BackboneConfig(model=str(folder / "tiny.json"), weights=str(file), quick_gelu=False))
        exact = {} if "openai" in name or "jit" in name else {"rtol": 0, "atol": 0}
        loose = exact or {"rtol": 0, "atol": 2e-3}
        torch.testing.assert_close(loaded.encode_image(images).vectors, tiny.encode_image(images).vectors, **loose)
        torch.testing.assert_close(loaded.encode_text(ids).vectors, tiny.encode_text(ids).vectors, **loose)
        assert all(value.dtype == torch.float32 for value in loaded.model.parameters())


def test_openais_format_means_openais_gelu(folder, files):
    for name, quick in (("jit.pt", True), ("openai.pt", True), ("irra.pth", True), ("plain.pt", False)):
        loaded = build(folder, weights=str(files[name]))
        assert loaded.describe()["quick_gelu"] is quick
        used = {type(module).__name__ for module in loaded.modules()} & {"QuickGELU", "GELU"}
        assert used == ({"QuickGELU"} if quick else {"GELU"})
    jit, state = build(folder, weights=str(files["jit.pt"])), build(folder, weights=str(files["openai.pt"]))
    assert torch.equal(jit.encode_image(images_for(jit)).vectors, state.encode_image(images_for(jit)).vectors)
    assert build(folder, weights=str(files["jit.pt"]), quick_gelu=False).describe()["quick_gelu"] is False


def test_saved_folder_is_read_back_here_and_by_open_clip(folder, tiny, files):
    tall = build(folder, weights=str(files["jit.pt"]), image_size=(96, 32), context_length=40)
    tall.save(folder / "saved")
    saved = str(folder / "saved")
    again = Backbone(BackboneConfig(model=saved, weights=saved))
    images, ids = images_for(tall), tall.tokenize(TEXTS)
    assert torch.equal(again.encode_image(images).vectors, tall.encode_image(images).vectors)
    assert torch.equal(again.encode_text(again.tokenize(TEXTS)).vectors, tall.encode_text(ids).vectors)
    assert again.describe()["model_sha256"] == tall.describe()["model_sha256"]
    assert build(folder, weights=saved).describe()["quick_gelu"] is True
    model, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{saved}")
    assert torch.equal(model.encode_image(images, normalize=True), tall.encode_image(images).vectors)
    assert preprocess.transforms[0].size == (96, 32)


def test_describes_what_was_loaded(folder, files):
    described_ = build(folder, weights=str(files["plain.pt"])).describe()
    assert described_ == json.loads(json.dumps(described_))
    assert described_["weights"] == str(files["plain.pt"])
    assert len(described_["sha256"]["weights"]) == 64
    assert build(folder).describe()["sha256"] == {}
    assert build(folder, context_length=40).describe()["model_sha256"] != described_["model_sha256"]


class Harmful:
    def __reduce__(self):
        return os.system, ("true",)


def refused(folder: Path, **changes) -> str:
    with pytest.raises(UserError) as caught:
        build(folder, **changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_files_that_are_no_weights(folder, tiny, files):
    bad = {
        name: folder / f"bad_{name}"
        for name in ("random.pt", "random.safetensors", "code.pt", "number.pt", "jit.pt", "torn.pt")
    }
    for name in ("random.pt", "random.safetensors"):
        bad[name].write_bytes(bytes(range(256)) * 4)
    torch.save({"state_dict": {}, "hook": Harmful()}, bad["code.pt"])
    torch.save(3, bad["number.pt"])
    bad["torn.pt"].write_bytes(files["plain.pt"].read_bytes()[:5000])
    with ZipFile(files["jit.pt"]) as archive, ZipFile(bad["jit.pt"], "w") as forged:
        for name in archive.namelist():
            forged.writestr(name, archive.read(name).replace(b"ctorch._utils\n_rebuild_tensor_v2", b"cos\nsystem"))
    for name in ("random.pt", "random.safetensors", "number.pt", "torn.pt"):
        assert "holds no weights that can be read" in refused(folder, weights=str(bad[name]))
    assert "holds more than weights, posix.system" in refused(folder, weights=str(bad["code.pt"]))
    assert "holds more than weights, os.system" in refused(folder, weights=str(bad["jit.pt"]))
    assert "no file, and no tag" in refused(folder, weights=str(folder / "missing.pt"))
    (folder / "empty").mkdir(exist_ok=True)
    assert "holds no open_clip_model.safetensors" in refused(folder, weights=str(folder / "empty"))


@given(content=st.binary(max_size=200))
def test_no_bytes_break_the_reader(content):
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pickle protocols there are none of
        for suffix in (".pt", ".safetensors"):
            path = Path(name) / f"x{suffix}"
            path.write_bytes(content)
            with pytest.raises(UserError):
                read_weights(path)


def test_weights_of_another_model_are_told_by_their_names_and_shapes(folder, tiny):
    state = weights_of(tiny)
    lacking = {key: value for key, value in state.items() if key != "visual.proj"}
    save_file({**lacking, "visual.head.weight": torch.zeros(2)}, folder / "other.safetensors")
    message = refused(folder, weights=str(folder / "other.safetensors"))
    assert "not the weights of" in message
    assert "has no visual.proj; has also visual.head.weight" in message
    save_file({**state, "visual.proj": torch.zeros(64, 7)}, folder / "wide.safetensors")
    assert "visual.proj is 64×7 instead of 64×32" in refused(folder, weights=str(folder / "wide.safetensors"))
    # Whose positions could not be resized either, which is not what is wrong.
    narrow = {**lacking, "visual.positional_embedding": torch.zeros(1 + 3, 64)}
    save_file(narrow, folder / "narrow.safetensors")
    message = refused(folder, weights=str(folder / "narrow.safetensors"))
    assert message.startswith(f"{folder / 'narrow.safetensors'}: not the weights of")
    assert "has no visual.proj" in message
    with torch.device("meta"):
        large = open_clip.CLIP(**open_clip.get_model_config("ViT-B-32")).state_dict()
    # One number each, spread out: the shapes are there and the file is small.
    torch.save({key: torch.zeros(()).expand(value.shape) for key, value in large.items()}, folder / "large.pt")
    message = refused(folder, weights=str(folder / "large.pt"))
    assert "and 2 more" not in message.split(";")[0]
    assert 'they look like those of ViT-B-32: `model = "ViT-B-32"`' in message


def test_a_tag_that_cannot_be_downloaded_asks_for_a_file(monkeypatch):
    def offline(*_):
        raise FileNotFoundError("no network")

    monkeypatch.setattr(open_clip, "download_pretrained", offline)
    with pytest.raises(RunFailed, match=r"could not be downloaded.*give the file"):
        Backbone(BackboneConfig(model="ViT-B-16", weights="openai"))
    with pytest.raises(UserError, match="its tags: openai"):
        Backbone(BackboneConfig(model="ViT-B-16", weights="opnai"))


def test_a_tag_brings_its_gelu_mean_and_std(folder, monkeypatch, files):
    tag = {"mean": (0.5,) * 3, "std": (0.25,) * 3, "quick_gelu": True}
    monkeypatch.setattr(open_clip, "get_pretrained_cfg", lambda *_: tag)
    monkeypatch.setattr(open_clip, "download_pretrained", lambda _: str(files["plain.pt"]))
    loaded = build(folder, weights="some_tag")
    assert loaded.describe()["quick_gelu"] is True
    assert loaded.normalise(torch.full((1, 3, 1, 1), 255, dtype=torch.uint8)).flatten().tolist() == pytest.approx(
        [2] * 3
    )


# --- models


def test_models_that_are_none(folder, files):
    assert "perhaps ViT-B-16" in refused(folder, model="ViT-B16")
    (folder / "list.json").write_text("[]")
    assert "must have embed_dim" in refused(folder, model=str(folder / "list.json"))
    (folder / "torn.json").write_text("{")
    assert "is not JSON" in refused(folder, model=str(folder / "torn.json"))
    assert "cannot be read" in refused(folder, model=str(folder / "none.json"))
    assert "unexpected keyword argument 'depth'" in refused(
        folder, model=described(folder, "odd", vision_cfg={"depth": 2})
    )
    assert "smaller than a patch" in refused(folder, image_size=(8, 32))
    assert "CoCa" in refused(folder, model="coca_ViT-B-32")
    flat = {"timm_model_name": "mobilenetv3_small_050", "timm_pool": "", "timm_proj": "", "image_size": 32}
    assert "do not work together" in refused(folder, model=described(folder, "flat", vision_cfg=flat))
    assert "a timm tower's" in refused(folder, image_weights=str(files["plain.pt"]))


def test_resnet_takes_tall_images_and_has_no_tokens(folder):
    vision = {"layers": [1, 1, 1, 1], "width": 8, "image_size": 64, "patch_size": None}
    model = described(folder, "resnet", vision_cfg=vision)
    tower = build(folder, model=model, image_size=(128, 64)).eval()
    images = images_for(tower, 2)
    assert torch.equal(tower.encode_image(images).raw, tower.model.encode_image(images))
    with pytest.raises(UserError, match="no tokens in the shared space"):
        tower.encode_image(images, tokens=True)
    assert "no gradient checkpointing" in refused(folder, model=model, grad_checkpointing=True)


def test_ours_is_small():
    small = Backbone(BackboneConfig(model="small"))
    assert 3e6 < sum(value.numel() for value in small.parameters()) < 9e6
    assert small.encode_image(images_for(small, 2)).vectors.shape == (2, small.dim)


def test_vit_b_16_at_irras_size():
    backbone = Backbone(BackboneConfig(model="ViT-B/16", image_size=(384, 128), quick_gelu=True, logit_scale=50)).eval()
    with torch.inference_mode():
        encoded = backbone.encode_image(images_for(backbone, 1), tokens=True)
    assert encoded.tokens.shape == (1, 1 + 24 * 8, 512)
    assert math.isclose(backbone.logit_scale.item(), 50, rel_tol=1e-5)
