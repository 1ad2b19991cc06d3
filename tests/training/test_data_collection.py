"""Collections: what is read of a source and of an output folder, and what they are split into."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from augment_runs import augment
from scripted_server import ScriptedServer
from training_collections import STYLES, write_output, write_source

from tbpr_data.schemas.errors import UserError
from tbpr_data.training.data.collection import Collection, gallery, hold_out, identity_labels, queries
from tbpr_data.training.data.images import check_images
from tbpr_data.training.data.read import read_collection


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_source(tmp_path_factory.mktemp("source") / "people")


@pytest.fixture(scope="module")
def output(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_output(tmp_path_factory.mktemp("output") / "out", source)


def humans(collection: Collection) -> list[tuple[str, str, str]]:
    return [
        (image.image_id, group.human.caption_id, group.human.text)
        for image in collection.images
        for group in image.captions
    ]


def test_an_output_folder_is_its_source_with_more_texts(source: Path, output: Path) -> None:
    plain, made = read_collection(str(source)), read_collection(str(output))
    assert humans(made) == humans(plain)
    assert (plain.name, made.name) == ("people", "people")
    assert made.images_root == plain.images_root == source.parent
    assert made.sha256 != plain.sha256
    assert all(group.rewrites == () and group.human.negatives == () for i in plain.images for group in i.captions)
    for image in made.images:
        assert image.path == image.image_id.removeprefix("people/")
        assert image.neighbours[-1] == "people/nowhere.jpg"
        for group in image.captions:
            assert [text.style for text in group.rewrites] == list(STYLES)
            for text in (group.human, *group.rewrites):
                assert text.caption_id.startswith(group.human.caption_id)
                assert text.text.endswith(group.human.text)
                assert [one.kind for one in text.negatives] == ["swap", "swap", "swap", "replace"]
                assert all(one.text.endswith(text.text) for one in text.negatives)


def test_what_augment_writes_is_read_back(
    source: Path, tmp_path: Path, scripted: Callable[..., ScriptedServer]
) -> None:
    out = tmp_path / "out"
    done = augment(source, out, scripted().url, "--set=embed_images=true", "--set=checks.faithful=false")
    assert done.returncode == 0, done.stderr
    made = read_collection(str(out))
    assert humans(made) == humans(read_collection(str(source)))
    rewrites = [text for image in made.images for group in image.captions for text in group.rewrites]
    assert len(rewrites) > 36
    assert all(image.stored is not None for image in made.images)
    assert made.images_root is None
    check_images(made)
    assert len({query.text.caption_id for query in queries(made)} & {text.caption_id for text in rewrites}) == 0


@pytest.mark.parametrize("split", ["val", "test"])
def test_queries_are_human_and_the_gallery_has_each_image_once(source: Path, output: Path, split: str) -> None:
    made = read_collection(str(output)).split(split)
    texts = [query.text for query in queries(made)]
    assert len(gallery(made)) == len({image.image_id for image in gallery(made)}) == 6
    assert [text.caption_id for text in texts] == [
        one for _, one, _ in humans(read_collection(str(source)).split(split))
    ]
    assert all(text.style is None and "rewrite" not in text.text and "false" not in text.text for text in texts)
    assert all(query.text.caption_id.startswith(gallery(made)[query.image].image_id + "#") for query in queries(made))


def test_splits(output: Path) -> None:
    made = read_collection(str(output))
    assert made.splits() == ("train", "val", "test")
    assert [len(made.split(name).images) for name in made.splits()] == [24, 6, 6]
    assert made.split("val").splits() == ("val",)
    assert sorted(identity_labels(made.split("test").images).items()) == [(("people", 15 + n), n) for n in range(3)]
    with pytest.raises(UserError, match=r"has no split 'test' \(there is val\)"):
        made.split("val").split("test")


def test_held_out_identities_stand_in_for_a_val_split(source: Path) -> None:
    whole = read_collection(str(source))
    train, val = hold_out(whole, 0.1, seed=0)
    assert (train, val) == (whole.split("train"), whole.split("val"))

    without = replace(whole, images=tuple(image for image in whole.images if image.split != "val"))
    train, val = hold_out(without, 0.25, seed=0)
    assert {image.identity for image in train.images}.isdisjoint({image.identity for image in val.images})
    assert (len(train.images), len(val.images)) == (18, 6)
    assert train.splits() == ("train",)
    assert val.splits() == ("val",)
    mirrored = replace(without, images=without.images[::-1])
    assert {i.image_id for i in hold_out(mirrored, 0.25, seed=0)[1].images} == {i.image_id for i in val.images}
    assert any(hold_out(without, 0.25, seed=seed)[1].images != val.images for seed in range(1, 4))
    # Of one identity alone every search is right.
    assert len({image.identity for image in hold_out(without, 0.001, seed=0)[1].images}) == 2
    assert len(hold_out(without, 0.999, seed=0)[0].images) == 2

    # A dataset without val beside one with its own.
    other = tuple(replace(image, dataset="other", image_id=f"other/{image.path}") for image in without.images)
    train, val = hold_out(replace(whole, images=whole.images + other), 0.25, seed=0)
    assert {image.dataset for image in val.images} == {"people", "other"}
    assert len(val.images) == 6 + 6
    for images, there in ((2, "one identity"), (4, "2 identities")):
        few = replace(without, images=without.images[:images])
        with pytest.raises(UserError, match=f"has {there} to train on and no val split: 2 cannot be held out"):
            hold_out(few, 0.5, seed=0)
    train, val = hold_out(replace(without, images=without.images[:6]), 0.001, seed=0)
    assert (len(train.images), len(val.images)) == (2, 4)


def test_where_the_images_are(source: Path, output: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(output, moved)
    run = moved / "run.toml"
    for text in ("[source]\npath = 'gone/people.jsonl'\n", "[source]\npath = 'hf:gone/people'\n", None):
        run.write_text(text, encoding="utf-8") if text else run.unlink()
        with pytest.raises(UserError, match=r"36 of 36 images are not at hand .*give --images-root DIR"):
            check_images(read_collection(str(moved)))
    run.write_text("[source", encoding="utf-8")
    with pytest.raises(UserError, match="does not say where the images are"):
        read_collection(str(moved))
    given = read_collection(str(moved), images_root=source.parent)
    assert given.images_root == source.parent
    assert given.sha256 == read_collection(str(output)).sha256
    run.write_text(f"[source]\npath = 'gone'\nimages_root = '{source.parent}'\n", encoding="utf-8")
    assert read_collection(str(moved)).images_root == source.parent
    run.write_text(f"[source]\npath = '{output}'\n", encoding="utf-8")
    assert read_collection(str(moved)).images_root == source.parent
    shutil.copytree(source.parent, moved / "images")
    assert read_collection(str(moved)).images_root == moved / "images"
    with pytest.raises(UserError, match="no such folder of images"):
        read_collection(str(moved), images_root=tmp_path / "nowhere")


def test_folders_that_are_not_whole(source: Path, output: Path, tmp_path: Path) -> None:
    unfinished = write_output(tmp_path / "unfinished", source, finished=False)
    with pytest.raises(UserError, match=r"is not finished: 3 of 4 blocks \(run the command"):
        read_collection(str(unfinished))
    broken = tmp_path / "broken"
    shutil.copytree(output, broken)
    shard = broken / "data" / "val-00000-of-00001.parquet"
    content = shard.read_bytes()
    shard.write_bytes(content[:-100])
    with pytest.raises(UserError, match=r"val-.* has [\d,]+ bytes and not the .*copy the folder again"):
        read_collection(str(broken))
    shard.write_bytes(content[:-100] + bytes(100))
    with pytest.raises(UserError, match="is not a whole Parquet file"):
        read_collection(str(broken))
    shard.unlink()
    with pytest.raises(UserError, match=r"val-00000-of-00001.parquet cannot be read: No such file"):
        read_collection(str(broken))
    manifest = broken / "manifest.json"
    values = json.loads(manifest.read_text())
    values["blocks"][0]["shards"][0]["path"] = "../out/data/train.parquet"
    manifest.write_text(json.dumps(values))
    with pytest.raises(UserError, match=r"names a shard outside its folder"):
        read_collection(str(broken))
    manifest.write_text('{"kind": "tbpr-data", "format": 2}')
    with pytest.raises(UserError, match="not a manifest this version reads"):
        read_collection(str(broken))


@pytest.mark.parametrize("path", ["../secret.jpg", "/etc/secret.jpg", "train/../../secret.jpg", "train//0_0.jpg"])
def test_a_shard_cannot_name_an_image_outside_its_root(output: Path, tmp_path: Path, path: str) -> None:
    evil = tmp_path / "evil"
    shutil.copytree(output, evil)
    shard = evil / "data" / "train-00000-of-00001.parquet"
    table = pq.read_table(shard)
    column = table.schema.get_field_index("image_path")
    pq.write_table(table.set_column(column, table.schema.field(column), pa.array([path] * len(table))), shard)
    values = json.loads((evil / "manifest.json").read_text())
    values["blocks"][0]["shards"][0]["bytes"] = shard.stat().st_size
    (evil / "manifest.json").write_text(json.dumps(values))
    with pytest.raises(UserError, match=r"train-00000-of-00001.parquet: image path '.*' (leaves|is not)"):
        read_collection(str(evil))
