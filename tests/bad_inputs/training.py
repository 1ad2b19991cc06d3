"""Recipes, models, weights, checkpoints and images that cannot be trained on."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from training_runs import TINY, write_recipe

from .case import Case, Make, both, cuhk, folder_at, text
from .pictures import jpeg, png

TRAIN = (
    "train {dir}/tiny.toml {dir}/src --out {dir}/out --device cpu --epochs 1 --set schedule.warmup_epochs=0 "
    "--set data.batch_size=2 --set data.mixture={} --set objectives=[{name='itc'}] "
)
EVALUATE = "evaluate {dir}/w.safetensors {dir}/src --device cpu --model {dir}/tiny_model.json "
_IMAGE = "(remove it from the source or mend the file)"
_AS_OPEN_CLIP = "(describe it as open_clip's model_configs do)"
_STATE = ("out", "out/*")
_BEFORE_TRAINING = ("out", "out/.lock", "out/run.json", "out/recipe.toml", "out/seed-0")


def data(folder: Path) -> None:
    """Six people with a picture each, and a recipe for a small pair of towers."""
    splits = ("train", "train", "train", "train", "test", "val")
    records = [cuhk(f"{n}.jpg", n, split, [f"A man in red, number {n}."]) for n, split in enumerate(splits)]
    (folder / "src" / "imgs").mkdir(parents=True)
    (folder / "src" / "reid_raw.json").write_text(json.dumps(records))
    for n in range(len(splits)):
        (folder / "src" / "imgs" / f"{n}.jpg").write_bytes(jpeg())
    write_recipe(folder)


def _changed(change: Callable[[Path], object]) -> Make:
    return both(data, change)  # type: ignore[arg-type]


def _image(name: str, content: Callable[[], bytes], says: str) -> Case:
    """A picture of the training split that is none."""
    make = _changed(lambda folder: (folder / "src" / "imgs" / "0.jpg").write_bytes(content()))
    return Case(name, make, TRAIN, "{dir}/src/imgs/0.jpg: " + says, leaves=_STATE)


def _link_out(folder: Path) -> None:
    (folder / "secret").write_bytes(b"not yours")
    (folder / "src" / "imgs" / "0.jpg").unlink()
    (folder / "src" / "imgs" / "0.jpg").symlink_to(folder / "secret")


def _one_identity(folder: Path) -> None:
    _records(folder, cuhk("0.jpg", 7, "train"), cuhk("1.jpg", 7, "train"), cuhk("4.jpg", 8, "test"))


def _two_identities(folder: Path) -> None:
    _records(folder, cuhk("0.jpg", 7, "train"), cuhk("1.jpg", 6, "train"), cuhk("4.jpg", 8, "test"))


def _records(folder: Path, *records: dict[str, Any]) -> None:
    (folder / "src" / "reid_raw.json").write_text(json.dumps(records))


def _broken_test_image(folder: Path) -> None:
    (folder / "src" / "imgs" / "4.jpg").write_bytes(jpeg()[:400])


def _other_weights(folder: Path) -> None:
    import torch
    from safetensors.torch import save_file

    save_file({"visual.proj": torch.zeros(2, 2)}, str(folder / "w.safetensors"))


def _set(setting: str, says: str, leaves: tuple[str, ...] = ()) -> Case:
    return Case(f"train --set {setting}", data, TRAIN + "--set " + setting, says, leaves=leaves)


def _recipe(name: str, content: str | bytes, says: str) -> Case:
    return Case(
        name, both(data, text("r.toml", content)), TRAIN.replace("tiny.toml", "r.toml"), "{dir}/r.toml: " + says
    )


def _model(name: str, description: Any, says: str) -> Case:
    content = description if isinstance(description, str) else json.dumps(description)
    command = TRAIN + "--set backbone.model={dir}/m.json"
    return Case(name, both(data, text("m.json", content)), command, "{dir}/m.json: " + says, leaves=_STATE)


def _weights(name: str, make: Make, says: str) -> Case:
    return Case(name, both(data, make), EVALUATE, "{dir}/w.safetensors: " + says)


CASES = (
    Case(
        "an unknown recipe",
        data,
        "train resnet {dir}/src --out {dir}/out",
        "recipe: no recipe is called 'resnet' (use one of …, or the path of a TOML file)",
    ),
    Case(
        "no such recipe file",
        data,
        TRAIN.replace("tiny", "no"),
        "{dir}/no.toml: cannot be read: No such file or directory (give the path of a recipe)",
    ),
    _recipe("a recipe cut off", "[backbone]\nmodel = ", "not valid TOML: … (mend the line)"),
    _recipe("a recipe nested without end", "x = " + "[" * 5000, "not valid TOML: nested too deeply (mend the line)"),
    _recipe("an empty recipe", "", "backbone: missing (The two towers)"),
    _set("optimiser.lrr=1", "{dir}/tiny.toml: optimiser.lrr: no such key (did you mean lr?)"),
    _set(
        "optimiser.lr=nan",
        "{dir}/tiny.toml: optimiser.lr: Input should be a finite number (Learning rate at the top …)",
    ),
    _set(
        "optimiser.eps=inf", "{dir}/tiny.toml: optimiser.eps: Input should be a finite number (In the denominator; …)"
    ),
    _set(
        "objectives=[{name='itc',weight=inf}]",
        "{dir}/tiny.toml: objectives.0.weight: Input should be a finite number (…)",
    ),
    _set("objectives=[{name='no'}]", "recipe: no objective 'no' (there are id, itc, mlm, negclip, sdm)", leaves=_STATE),
    _set(
        "seed=99999999999999",
        "{dir}/tiny.toml: seed: Input should be less than 2147483648 (Everything random is derived from it)",
    ),
    _set(
        "backbone.image_size=[0,0]",
        "{dir}/tiny.toml: backbone.image_size.0: Input should be greater than 0 (Height and width of the images; …)",
    ),
    _set(
        "backbone.model=no-such-model",
        "backbone.model: no model is called no-such-model (the path of a JSON file that describes it)",
        leaves=_STATE,
    ),
    _set(
        "name=../x",
        "{dir}/tiny.toml: name: String should match pattern … (Names the run's folder, and the recipe in results)",
    ),
    _set(
        "data.mixture.rewrites=uniform",
        "{dir}/src: has no rewrites to train on (make them with tbpr-data augment, or set rewrites = 'none')",
        leaves=_STATE,
    ),
    Case(
        "a GPU that is not there",
        data,
        TRAIN.replace("cpu", "cuda"),
        "--device cuda: there is no GPU that PyTorch can use (leave it out, or give cpu)",
    ),
    Case(
        "a device that there is not",
        data,
        TRAIN.replace("cpu", "tpu"),
        "--device: 'tpu' is no device (one of auto, cuda, cpu)",
    ),
    Case(
        "one identity and no val",
        _changed(_one_identity),
        TRAIN,
        "{dir}/src: … has one identity to train on and no val split: 2 cannot be held out (give a val split)",
    ),
    Case(
        "two identities and no val",
        _changed(_two_identities),
        TRAIN,
        "{dir}/src: … has 2 identities to train on and no val split: 2 cannot be held out (give a val split)",
    ),
    Case(
        "an image of the test split that is cut off",
        _changed(_broken_test_image),
        TRAIN,
        f"{{dir}}/src/imgs/4.jpg: is not a whole image: … {_IMAGE}",
        leaves=_BEFORE_TRAINING,
    ),
    Case(
        "a split to measure that is not there",
        data,
        EVALUATE + "--split gallery",
        "{dir}/src: has no split 'gallery' (there is train, val, test)",
    ),
    Case(
        "an image that is missing",
        _changed(lambda folder: (folder / "src/imgs/0.jpg").unlink()),
        TRAIN,
        "{dir}/src/imgs: 1 image is missing: 0.jpg (copy them there, give another --images-root, or remove them "
        "from the source)",
    ),
    Case(
        "a link out of the images",
        _changed(_link_out),
        TRAIN,
        "{dir}/src/reid_raw.json, record 0, `file_path`: 0.jpg is a link that leaves the images' root … (…)",
    ),
    _image("an empty image", lambda: b"", f"is an empty file and no image {_IMAGE}"),
    _image("a text for an image", lambda: b"hello", f"is no image that can be read {_IMAGE}"),
    _image("a JPEG cut off", lambda: jpeg()[:400], f"is not a whole image: … {_IMAGE}"),
    _image("a decompression bomb", lambda: png(60_000, 60_000), f"is not a whole image: … exceeds limit … {_IMAGE}"),
    _image(
        "a bomb that Pillow only warns of",
        lambda: png(12_000, 9_000),
        f"is not a whole image: … exceeds limit … {_IMAGE}",
    ),
    Case(
        "a file as a run's --out",
        both(data, text("out", "x")),
        TRAIN,
        "{dir}/out: is or holds something else (give another --out)",
    ),
    Case(
        "a run's --out below a file",
        both(data, text("f", "")),
        TRAIN.replace("{dir}/out", "{dir}/f/out"),
        "{dir}/f/out: Not a directory (give another path, or mend what is there)",
        code=1,
    ),
    _model(
        "a model of nothing", {}, f"describes no model: it must have embed_dim, vision_cfg, text_cfg {_AS_OPEN_CLIP}"
    ),
    _model("a model nested without end", "[" * 50_000, "is not JSON: … (mend the file)"),
    _model(
        "a model for lines",
        {**TINY, "vision_cfg": {**TINY["vision_cfg"], "image_size": [16]}},
        f"`image_size` must be the pixels of a side, or height and width {_AS_OPEN_CLIP}",
    ),
    _model(
        "a model of one channel",
        {"model_cfg": TINY, "preprocess_cfg": {"mean": [0.5]}},
        f"`mean` must be three numbers, one a channel {_AS_OPEN_CLIP}",
    ),
    Case(
        "no such checkpoint",
        data,
        "evaluate {dir}/no {dir}/src --device cpu",
        "{dir}/no: no such file or folder (mend the path; for a tag give --model, for example ViT-B-16)",
    ),
    Case(
        "weights that do not say of what model",
        both(data, text("w.pt", "x")),
        "evaluate {dir}/w.pt {dir}/src --device cpu",
        "{dir}/w.pt: does not say which model it is of (give --model, for example ViT-B-16)",
    ),
    Case(
        "a folder without a model",
        data,
        "evaluate {dir} {dir}/src --device cpu",
        "{dir}: holds no model (give a run's folder, a model's, or a file of weights)",
    ),
    Case(
        "a model's folder without weights",
        both(data, text("m/open_clip_config.json", json.dumps({"model_cfg": TINY}))),
        "evaluate {dir}/m {dir}/src --device cpu",
        "{dir}/m: the folder holds no … (give a model's folder, or a file of weights)",
    ),
    _weights(
        "weights that are none",
        text("w.safetensors", b"\xff" * 64),
        "holds no weights that can be read (give a .safetensors file or what torch.save wrote)",
    ),
    _weights(
        "a checkpoint of another model",
        _other_weights,
        "not the weights of {dir}/tiny_model.json: has no … (give the weights of that model)",
    ),
    Case(
        "a pickle that runs a program",
        both(data, text("w.pt", pickle.dumps(eval, protocol=2))),
        EVALUATE.replace("safetensors", "pt"),
        "{dir}/w.pt: holds … (…)",
    ),
    Case(
        "a picture in no folder",
        both(data, folder_at("m")),
        EVALUATE + "--pictures {dir}/no/x.png",
        "--pictures {dir}/no/x.png: is no .png in a folder that is there (give another)",
    ),
)
