"""Exports, each read back by somebody else's reader, or under the conditions that its loader sets."""

import ast
import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import webdataset
from augment_runs import WITH_NEGATIVES, augment
from datasets import load_dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from made_datasets import make, pair
from pandas._libs.parsers import STR_NA_VALUES
from PIL import Image
from scripted_server import ScriptedServer

from tbpr_data.pipeline.demo.dataset import render_demo
from tbpr_data.pipeline.publish.contents import Contents, open_contents
from tbpr_data.pipeline.publish.exports import webdataset as our_webdataset
from tbpr_data.pipeline.publish.exports.exported import Exported
from tbpr_data.pipeline.publish.exports.registry import FORMATS
from tbpr_data.pipeline.sources.images import ImageFolder
from tbpr_data.pipeline.sources.read import read_source
from tbpr_data.schemas.errors import UserError

# What a source may hold: no null byte, no half of a surrogate pair.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1).filter(str.strip)
ODD = (
    "=SUM(A1)",
    '"',
    "a\tb",
    "\\t",
    "a\nb\r\nc",
    "'a', \"b\"]",
    "\u2028é🙂\x85",
    "../../etc/passwd",
    "null",
    "\ufeffx",
)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Contents:
    """Twelve drawn people with rewrites, negatives and similar images; blocks end in the middle of an image."""
    folder = tmp_path_factory.mktemp("demo")
    render_demo(folder / "source", identities=12)
    ids = [image.image_id for image in read_source(str(folder / "source")).images]
    vectors = np.random.default_rng(0).normal(size=(len(ids), 8)).astype(np.float32)
    pq.write_table(pa.table({"image_id": ids, "features": list(vectors)}), folder / "features.parquet")
    server = ScriptedServer()
    try:
        more = (WITH_NEGATIVES, "--set=block_size=7", f"--set=negatives.features={folder / 'features.parquet'}")
        done = augment(folder / "source", folder / "out", server.url, *more)
    finally:
        server.stop()
    assert done.returncode == 0, done.stderr
    return open_contents(folder / "out")


def export(contents: Contents, to: str, out: Path, images: ImageFolder | None = None) -> Exported:
    return FORMATS[to].export(contents, out, images)


def hashes(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def image_file(kind: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 8), "red").save(file, kind)
    return file.getvalue()


def images_of(folder: Path, **files: bytes) -> ImageFolder:
    folder.mkdir()
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_bytes(content)
    return ImageFolder(folder)


def people(split: str, pids: range, **more: Any) -> list[dict[str, Any]]:
    """An image with a caption and its rewrite for each identity."""
    return [
        pair(f"{split}/{pid}.jpg", text, pid=pid, split=split, rewrite=style, **more)
        for pid in pids
        for text, style in ((f"A man {pid} in red.", None), (f"In red is man {pid}.", "short"))
    ]


# Every format.


@pytest.mark.parametrize("to", FORMATS)
def test_the_same_folder_gives_the_same_bytes_and_is_exported_again(demo: Contents, tmp_path: Path, to: str) -> None:
    images, out = demo.images_root(), tmp_path / "a"
    made = export(demo, to, out, images)
    assert list(made.counts) == ["train", "val", "test"]
    first = hashes(out)
    assert {*made.files} == {name for name in first if not Path(name).name.startswith(".")}
    assert not any(str(tmp_path.parent).encode() in (out / name).read_bytes() for name in first)
    # A file of an earlier and larger export goes; what is somebody else's stays.
    stale = (out / made.files[0]).with_name(Path(made.files[0]).name.replace("000000", "000099"))
    stale.write_text("of an earlier export")
    (out / "imgs").mkdir()
    assert export(demo, to, out, images) == made
    assert hashes(out) == first
    assert (out / "imgs").is_dir()
    (tmp_path / "b").mkdir()
    export(demo, to, tmp_path / "b", images)
    assert hashes(tmp_path / "b") == first
    with pytest.raises(UserError, match=f"holds an export to {to}"):
        export(demo, next(name for name in FORMATS if name != to), out, images)


def test_another_folder_is_left_alone(demo: Contents, tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text("mine")
    for out, said in ((tmp_path, "is not empty"), (tmp_path / "train.jsonl", "is a file"), (demo.root, "is not empty")):
        with pytest.raises(UserError, match=said):
            export(demo, "jsonl", out)
    assert (tmp_path / "train.jsonl").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["train.jsonl"]


def test_a_rewrite_without_its_caption_is_a_broken_folder(tmp_path: Path) -> None:
    contents = make(tmp_path / "in", [pair("a.jpg", "A man.", k=1), pair("a.jpg", "One man.", k=0, rewrite="short")])
    with pytest.raises(UserError, match=r"people/a\.jpg#0 is not there, but a rewrite of it"):
        export(contents, "irra-json", tmp_path / "out")


@pytest.mark.parametrize("to", ["irra-json", "negclip-tsv", "webdataset"])
@pytest.mark.parametrize("path", ["../a.jpg", "/etc/passwd", "x/../../a.jpg", "./a.jpg"])
def test_paths_stay_below_the_images_root(tmp_path: Path, to: str, path: str) -> None:
    images = images_of(tmp_path / "images", a_jpg=image_file("JPEG"))
    (tmp_path / "a.jpg").write_bytes(image_file("JPEG"))
    contents = make(tmp_path / "in", [pair(path, "A man.", negatives=["A woman."])])
    with pytest.raises(UserError, match=r"image path|missing"):
        export(contents, to, tmp_path / "out", images)


@settings(max_examples=15, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=4))
@pytest.mark.parametrize("odd", [ODD])
def test_any_text_comes_back_as_it_was(odd: tuple[str, ...], texts: list[str]) -> None:
    texts = ["A man in red.", *odd, *texts]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [pair("a.jpg", text, k=k, negatives=texts) for k, text in enumerate(texts)]
        contents = make(folder / "in", rows, images={"a.jpg": image_file("JPEG")})
        for to in FORMATS:
            export(contents, to, folder / to)
        assert [row["text"] for row in lines(folder / "jsonl/train.jsonl")] == texts
        assert [row["negatives"] for row in lines(folder / "jsonl/train.jsonl")] == [row["negatives"] for row in rows]
        [record] = json.loads((folder / "irra-json/CUHK-PEDES/reid_raw.json").read_text(encoding="ascii"))
        assert record["captions"] == texts
        table = as_the_fork_reads(folder / "negclip-tsv/train.tsv")
        assert all(negatives == texts for negatives in table["neg_caption"])
        # What pandas takes for a missing value everywhere else it takes for one here.
        known = [(a, b) for a, b in zip(table["title"], texts, strict=True) if b not in STR_NA_VALUES]
        # Behind a space where a spreadsheet would take it for a formula.
        assert all(a == (f" {b}" if b.startswith(("=", "+", "-", "@", "\t", "\r")) else b) for a, b in known)
        found = {sample["txt"].decode(): sample for sample in samples(folder / "webdataset", "train")}
        assert set(found) == set(texts)
        assert all(json.loads(one["negatives.json"])[1]["text"] == texts[1] for one in found.values())


# webdataset.


def samples(folder: Path, shards: str) -> list[dict[str, Any]]:
    """What webdataset makes of the shards whose names begin so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves closing its files to Python
        paths = sorted(map(str, folder.glob(f"{shards}*.tar")))
        return [sample for path in paths for sample in webdataset.WebDataset(path, shardshuffle=False)]


def brief(negatives: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: one[name] for name in ("text", "kind", "rule")} for one in negatives]


def test_webdataset_reads_every_caption_back(demo: Contents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(our_webdataset, "SHARD_SAMPLES", 10)
    images = demo.images_root()
    assert images is not None
    made = export(demo, "webdataset", tmp_path, images)
    rows = {row["caption_id"]: row for row in demo.rows("pairs")}
    humans = [name for name, row in rows.items() if row["origin"] == "human"]
    seen = []
    for sample in [one for split in made.counts for one in samples(tmp_path, split)]:
        ids = json.loads(sample["json"])
        row = rows[ids["caption_id"]]
        seen.append(row["caption_id"])
        assert Path(sample["__url__"]).name.startswith(row["split"])
        assert ids == {name: row[name] for name in ("caption_id", "image_id", "pid", "split", "dataset")}
        assert sample["jpg"] == (images.root / row["image_path"]).read_bytes()
        assert sample["txt"].decode() == row["text"]
        assert json.loads(sample["negatives.json"]) == brief(row["negatives"])
        rewrites = [one for one in rows.values() if one["source_caption_id"] == row["caption_id"]]
        assert json.loads(sample["rewrites.json"]) == [
            {name: one[name] for name in ("text", "style", "caption_id")} | {"negatives": brief(one["negatives"])}
            for one in rewrites
        ]
    assert sorted(seen) == sorted(humans)
    # Train is shuffled, over all its shards; the other splits are in order.
    train = made.counts["train"]
    assert seen[train:] == humans[train:]
    neighbours = [a.partition("#")[0] == b.partition("#")[0] for a, b in pairwise(seen[:train])]
    assert sum(neighbours) < train / 5
    sizes = json.loads((tmp_path / "sizes.json").read_text())
    assert sizes == {name: len(samples(tmp_path, name.removesuffix(".tar"))) for name in sizes}
    assert max(sizes.values()) <= 10
    assert list(sizes)[:2] == ["train-000000.tar", "train-000001.tar"]


def test_images_come_from_the_shards_or_the_folder_in_a_format_that_is_read(tmp_path: Path) -> None:
    files = {name: image_file(name.upper()) for name in ("png", "webp", "bmp", "jpeg")}
    rows = [pair(f"{name}.x", f"A man in {name}.") for name in files]
    images = images_of(tmp_path / "images", **{f"{name}_x": content for name, content in files.items()})
    stored = {f"{name}.x": files[name] for name in ("png", "bmp")}
    makes = {"folder": make(tmp_path / "a", rows), "shards": make(tmp_path / "b", rows, images=stored)}
    for name, contents in makes.items():
        made = export(contents, "webdataset", tmp_path / name, images)
        assert any("1 images that are neither" in note for note in made.notes)
        read = {sample["txt"].decode(): sample for sample in samples(tmp_path / name, "train")}
        for kind, ending in (("png", "png"), ("webp", "webp"), ("jpeg", "jpg")):
            assert read[f"A man in {kind}."][ending] == files[kind]
        with Image.open(io.BytesIO(read["A man in bmp."]["png"])) as png:
            assert (png.format, png.getpixel((1, 1))) == ("PNG", (255, 0, 0))
    # What only the folder holds is missing without it.
    with pytest.raises(UserError, match=r"is not known.*webp\.x"):
        export(makes["shards"], "webdataset", tmp_path / "none")
    (images.root / "bmp.x").unlink()
    (images.root / "png.x").unlink()
    with pytest.raises(UserError, match=r"2 images are missing: png\.x, bmp\.x"):
        export(makes["folder"], "webdataset", tmp_path / "none", ImageFolder(images.root))
    assert not (tmp_path / "none").exists()


def test_an_export_that_breaks_leaves_no_half_shard(tmp_path: Path) -> None:
    images = images_of(tmp_path / "images", a_jpg=image_file("JPEG"), b_jpg=b"no image")
    contents = make(tmp_path / "in", [pair("a.jpg", "A man.", split="val"), pair("b.jpg", "A cat.", split="val")])
    with pytest.raises(UserError, match=r"b\.jpg: is no image"):
        export(contents, "webdataset", tmp_path / "out", images)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".tbpr-export.json"]
    (images.root / "b.jpg").write_bytes(image_file("PNG"))
    assert export(contents, "webdataset", tmp_path / "out", images).counts == {"val": 2}


@pytest.mark.timeout(300)
def test_open_clip_trains_on_it(demo: Contents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(our_webdataset, "SHARD_SAMPLES", 30)
    made = export(demo, "webdataset", tmp_path / "out", demo.images_root())
    train = [name for name in made.files if name.startswith("train")]
    assert len(train) == 2
    arguments = {
        "dataset-type": "webdataset",
        "train-data": tmp_path / "out" / "train-{000000..000001}.tar",  # how many samples: from sizes.json
        "val-data": tmp_path / "out" / "val-000000.tar",
        "model": "ViT-S-32-alt",
        "force-image-size": 32,
        "force-context-length": 32,
        "batch-size": 16,
        "epochs": 1,
        "warmup": 1,
        "lr": 1e-4,
        "workers": 1,
        "device": "cpu",
        "precision": "fp32",
        "logs": "none",
    }
    done = subprocess.run(
        [
            *(sys.executable, "-m", "open_clip_train.main"),
            *(str(part) for name, one in arguments.items() for part in (f"--{name}", one)),
        ],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"/{-(-made.counts['train'] // 16) * 16} (100%)]" in done.stderr
    assert f"num_samples: {made.counts['val']}" in done.stderr


# irra-json.


def irra_records(folder: Path, split: str) -> list[dict[str, Any]]:
    """The records of a split, under what the loaders of IRRA and RDE ask of them."""
    everything = json.loads((folder / "CUHK-PEDES/reid_raw.json").read_text(encoding="ascii"))
    records = [one for one in everything if one["split"] == split]
    if split == "train":
        assert sorted({int(one["id"]) - 1 for one in records}) == list(range(len({one["id"] for one in records})))
    return records


def tbps_records(folder: Path, split: str) -> list[dict[str, Any]]:
    """The records of a split, under what the loader of TBPS-CLIP asks of them."""
    records = json.loads((folder / f"CUHK-PEDES/{split}_reid.json").read_text(encoding="ascii"))
    for one in records if split == "train" else []:
        assert len(one["captions_bt"]) == len(one["captions"])
        assert all(one["captions_bt"])
    return [{name: value for name, value in one.items() if name != "captions_bt"} for one in records]


def test_irra_json_is_a_source_like_cuhk_pedes(demo: Contents, tmp_path: Path) -> None:
    images = demo.images_root()
    assert images is not None
    made = export(demo, "irra-json", tmp_path, images)
    rows = list(demo.rows("pairs"))
    (tmp_path / "CUHK-PEDES/imgs").symlink_to(images.root)
    assert any(note.endswith(f"ln -s {images.root} {tmp_path}/CUHK-PEDES/imgs") for note in made.notes)
    read = read_source(str(tmp_path / "CUHK-PEDES"), format="cuhk-pedes")
    assert read.warnings.counts == {}
    assert [image.image_id for image in read.images] == list(dict.fromkeys(row["image_id"] for row in rows))
    for image in read.images:
        mine = [row for row in rows if row["image_id"] == image.image_id]
        humans = [row["text"] for row in mine if row["origin"] == "human"]
        rewrites = [row["text"] for row in mine if row["origin"] == "llm"]
        assert list(image.captions) == humans + (rewrites if image.split == "train" else [])
        assert image.pid == mine[0]["pid"]
    for split in made.counts:
        assert irra_records(tmp_path, split) == tbps_records(tmp_path, split)
        assert sum(len(one["captions"]) for one in irra_records(tmp_path, split)) == made.counts[split]
    raw = load_dataset("json", data_files=str(tmp_path / "CUHK-PEDES/reid_raw.json"))["train"]
    assert raw.to_list() == json.loads((tmp_path / "CUHK-PEDES/reid_raw.json").read_text())


def test_a_back_translation_is_another_text_of_the_same(tmp_path: Path) -> None:
    rows = [pair("a.jpg", "A.", k=0), pair("a.jpg", "A2.", k=0, rewrite="short"), pair("a.jpg", "B.", k=1)]
    export(make(tmp_path / "in", rows), "irra-json", tmp_path / "out")
    [record] = json.loads((tmp_path / "out/CUHK-PEDES/train_reid.json").read_text())
    assert record["captions"] == ["A.", "B.", "A2."]
    assert record["captions_bt"] == ["A2.", "B.", "A."]


def test_identities_are_numbered_anew_where_they_must_be(tmp_path: Path) -> None:
    rows = [*people("train", range(5, 8)), *people("train", range(3), dataset="b"), *people("test", range(8, 10))]
    made = export(make(tmp_path / "in", rows), "irra-json", tmp_path / "out")
    assert [(one["id"], one["dataset"], one["pid"]) for one in irra_records(tmp_path / "out", "train")] == [
        *((pid - 4, "people", pid) for pid in range(5, 8)),
        *((pid + 4, "b", pid) for pid in range(3)),
    ]
    assert [one["id"] for one in irra_records(tmp_path / "out", "test")] == [7, 8]
    assert "8 identities are numbered anew from 1, train first: their own numbers are in `pid`" in made.notes
    # Our own reader knows them by their dataset.
    images = read_source(str(tmp_path / "out/CUHK-PEDES/reid_raw.json")).images
    assert [image.image_id for image in images] == list(dict.fromkeys(row["image_id"] for row in rows))
    made = export(make(tmp_path / "kept", people("train", range(1, 4))), "irra-json", tmp_path / "same")
    assert not any("numbered anew" in note for note in made.notes)


def test_what_the_loaders_cannot_tell_apart_is_refused(tmp_path: Path) -> None:
    rows = [*people("train", range(1, 3)), *people("train", range(2, 4), dataset="other")]
    with pytest.raises(UserError, match=r"people and other both have an image train/2\.jpg"):
        export(make(tmp_path / "in", rows), "irra-json", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_missing_images_and_splits_are_told_of(tmp_path: Path) -> None:
    rows = [*people("train", range(1, 3), negatives=["No."]), *people("val", range(3, 4), negatives=["No."])]
    contents, images = make(tmp_path / "in", rows), images_of(tmp_path / "images")
    for to in ("irra-json", "negclip-tsv"):
        notes = export(contents, to, tmp_path / to, images).notes
        assert notes[-1] == f"3 images are missing: train/1.jpg, train/2.jpg, val/3.jpg in {images.root}"
    assert any("--val_dataset val" in note for note in export(contents, "irra-json", tmp_path / "irra-json").notes)


# negclip-tsv.


def as_the_fork_reads(file: Path) -> pd.DataFrame:
    return pd.read_csv(file, sep="\t", converters={"neg_caption": ast.literal_eval, "neg_image": ast.literal_eval})


def test_negclip_tsv_has_a_negative_and_a_similar_image_of_each_row(demo: Contents, tmp_path: Path) -> None:
    images = demo.images_root()
    assert images is not None
    made = export(demo, "negclip-tsv", tmp_path, images)
    all_rows = list(demo.rows("pairs"))
    for split in made.counts:
        rows = [
            row
            for row in all_rows
            if row["split"] == split and row["negatives"] and (split == "train" or row["origin"] == "human")
        ]
        table = as_the_fork_reads(tmp_path / f"{split}.tsv")
        assert list(table.columns) == ["title", "filepath", "neg_caption", "neg_image"]
        assert sorted(table["title"]) == sorted(row["text"] for row in rows)
        assert made.counts[split] == len(table) > 0
        by_text = {(row["image_path"], row["text"]): row for row in rows}
        pid_of = {row["image_path"]: row["pid"] for row in rows}
        for path, title, negatives, similar in zip(
            table["filepath"], table["title"], table["neg_caption"], table["neg_image"], strict=True
        ):
            row = by_text[path, title]
            assert (images.root / path).is_file()
            assert negatives == [one["text"] for one in row["negatives"]]
            chosen = {table["filepath"][at] for at in similar}
            assert {pid_of[one] for one in chosen}.isdisjoint({row["pid"]})
            named = {one.partition("/")[2] for one in row["neighbours"]} & set(pid_of)
            assert chosen == named if named else len(similar) == 3
    left_out = sum(not row["negatives"] for row in all_rows if row["split"] == "train" or row["origin"] == "human")
    assert f"{left_out} captions without a negative are left out: the training needs one of each" in made.notes


def test_without_similar_images_there_are_others(tmp_path: Path) -> None:
    rows = [*people("train", range(4), negatives=["No."]), *people("val", range(4, 5), negatives=["No."])]
    made = export(make(tmp_path / "in", rows), "negclip-tsv", tmp_path / "out")
    table = as_the_fork_reads(tmp_path / "out/train.tsv")
    assert len(table) == 8
    assert all(table["filepath"][at] != table["filepath"][own] for own in range(8) for at in table["neg_image"][own])
    assert {len(similar) for similar in table["neg_image"]} == {3}
    # With nobody else in the split a row is its own neighbour: it has to have one.
    assert as_the_fork_reads(tmp_path / "out/val.tsv")["neg_image"].tolist() == [[0, 0, 0]]
    assert any(note.startswith("9 rows have no similar images") for note in made.notes)


def test_without_negatives_there_is_nothing_to_export(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no caption has a hard negative"):
        export(make(tmp_path / "in", people("train", range(3))), "negclip-tsv", tmp_path / "out")
    assert not (tmp_path / "out").exists()


# jsonl.


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="ascii").split("\n")[:-1]]


def test_jsonl_holds_every_column_for_datasets_and_for_us(demo: Contents, tmp_path: Path) -> None:
    made = export(demo, "jsonl", tmp_path)
    expected = list(demo.rows("pairs"))
    assert [row for split in made.counts for row in lines(tmp_path / f"{split}.jsonl")] == expected
    # Whatever the reader sees first: a chunk of a few rows has columns without a value.
    for more in ({}, {"chunksize": 4096}):
        read = load_dataset(str(tmp_path), **more)
        assert [row for split in made.counts for row in read[split]] == expected
    plain = load_dataset("json", data_files={split: str(tmp_path / f"{split}.jsonl") for split in made.counts})
    assert plain["val"]["text"][:] == [row["text"] for row in expected if row["split"] == "val"]
    for split in made.counts:
        source = read_source(str(tmp_path / f"{split}.jsonl"))
        humans = [row for row in expected if (row["split"], row["origin"]) == (split, "human")]
        assert [(image.caption_id(k), text) for image in source.images for k, text in enumerate(image.captions)] == [
            (row["caption_id"], row["text"]) for row in humans
        ]


def test_jsonl_of_other_rows_under_the_same_name_is_read_anew(tmp_path: Path) -> None:
    for pid in (1, 2):
        export(make(tmp_path / f"in{pid}", people("train", range(pid, pid + 1))), "jsonl", tmp_path / "out")
        assert set(load_dataset(str(tmp_path / "out"))["train"]["pid"]) == {pid}
