"""Images as tensors: from files and from shards, and what is said of those that cannot be read."""

import io
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from training_collections import SIZE, write_output, write_source

from tbpr_data.schemas.errors import UserError
from tbpr_data.training.data.collection import CaptionedImage, Collection
from tbpr_data.training.data.images import ImageStore, check_images
from tbpr_data.training.data.read import read_collection


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_source(tmp_path_factory.mktemp("source") / "people")


def one_image(folder: Path, name: str) -> tuple[Collection, CaptionedImage]:
    image = CaptionedImage(f"people/{name}", name, 1, "train", "people", ())
    return Collection("people", "people.jsonl", (image,), folder, ""), image


def jpeg(picture: Image.Image, **options: int) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", **options)
    return file.getvalue()


def test_an_image_is_what_pillow_makes_of_it(source: Path) -> None:
    collection = read_collection(str(source))
    image = collection.images[5]
    path = source.parent / image.path
    full = ImageStore(collection, (96, 32)).load(image)
    assert (full.dtype, full.shape) == (torch.uint8, (3, 96, 32))
    assert full.is_contiguous()
    with Image.open(path) as picture:
        assert np.array_equal(full.permute(1, 2, 0).numpy(), np.array(picture))
        # A smaller one is decoded smaller; it must look the same.
        small = np.array(picture.resize((8, 24), Image.Resampling.BILINEAR)).astype(float)
    loaded = ImageStore(collection, (24, 8)).load(image).permute(1, 2, 0).numpy()
    assert np.abs(loaded - small).mean() < 2.0


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "LA", "1"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    name = "a.tif" if mode == "CMYK" else "a.png"
    Image.new("RGB", (20, 40), (200, 200, 200)).convert(mode).save(tmp_path / name)
    collection, image = one_image(tmp_path, name)
    assert ImageStore(collection, SIZE).load(image).shape == (3, *SIZE)


def test_embedded_images_are_the_files(source: Path, tmp_path: Path) -> None:
    out = write_output(tmp_path / "out", source, embed=True)
    embedded, files = read_collection(str(out)), read_collection(str(out), images_root=source.parent)
    assert all(image.stored is not None for image in embedded.images)
    assert all(image.stored is None for image in files.images)
    assert embedded.sha256 == files.sha256
    check_images(embedded)
    store = ImageStore(embedded, SIZE)
    store.load(embedded.images[0])
    store = pickle.loads(pickle.dumps(store))
    for inside, file in zip(embedded.images, files.images, strict=True):
        assert torch.equal(store.load(inside), ImageStore(files, SIZE).load(file))
    lost = replace(embedded.images[0], stored=replace(embedded.images[0].stored, shard=tmp_path / "gone.parquet"))
    with pytest.raises(UserError, match=r"gone.parquet: is not a whole Parquet file"):
        store.load(lost)


def test_missing_images_are_named_before_training(source: Path, tmp_path: Path) -> None:
    collection = read_collection(str(source))
    check_images(collection)
    (tmp_path / "test").mkdir()
    (tmp_path / "train").symlink_to(source.parent / "train")
    elsewhere = replace(collection, images_root=tmp_path)
    with pytest.raises(
        UserError, match=r"36 images are missing: train/0_0.jpg \(a link .*\), .*1_0.jpg .* and 33 more"
    ):
        check_images(elsewhere)
    store = ImageStore(elsewhere, SIZE)
    with pytest.raises(UserError, match=r"1 image is missing: train/0_0.jpg \(a link that leaves"):
        store.load(collection.images[0])
    with pytest.raises(UserError, match=r"1 image is missing: test/17_1.jpg \(copy them there"):
        store.load(collection.images[-1])


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (96, 32, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", r"a\.jpg: is an empty file and no image \(remove it from the source or mend the file\)"),
        (b"no image at all", r"a\.jpg: is no image that can be read"),
        (jpeg(NOISE)[:1500], r"a\.jpg: is not a whole image: image file is truncated"),
        (jpeg(NOISE)[:30], r"a\.jpg: is no"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), r"a\.jpg: is no"),
    ],
)
def test_files_that_are_no_images(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    collection, image = one_image(tmp_path, "a.jpg")
    check_images(collection)
    with pytest.raises(UserError, match=said):
        ImageStore(collection, SIZE).load(image)


@pytest.mark.parametrize("limit", [1000, 2000])
def test_a_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    NOISE.save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    collection, image = one_image(tmp_path, "a.png")
    with pytest.raises(UserError, match=r"is not a whole image: Image size \(3072 pixels\) exceeds limit"):
        ImageStore(collection, SIZE).load(image)
