import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tbpr_data.pipeline.sources.read import FORMATS, read_source
from tbpr_data.schemas.errors import UserError

CUHK = {"processed_tokens": [], "split": "train"}
ROW = {"file_path": "a.jpg", "pid": 1, "split": "train", "captions": ["A man in red.", "A red man."]}


def cuhk(path: str, pid: object, *captions: object, **more: object) -> dict[str, Any]:
    return {**CUHK, "file_path": path, "id": pid, "captions": list(captions), **more}


def write(file: Path, records: object) -> str:
    file.write_text(json.dumps(records), encoding="utf-8")
    return str(file)


def write_lines(file: Path, *rows: dict[str, Any]) -> str:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(file)


def refused(path: str, **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        read_source(path, **options)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


TWO = ["A man in a red coat.", "A red coat and a hat."]
RECOGNISED = [
    ("any.json", cuhk("a.jpg", 1, *TWO), "cuhk-pedes"),
    ("any.json", cuhk("a.jpg", 1, *TWO, "Three."), "cuhk-pedes"),
    ("any.json", {"split": "train", "file_path": "a.jpg", "id": 1, "captions": [*TWO, "Three."]}, "cuhk-pedes"),
    ("any.json", cuhk("a.jpg", 0, "One."), "icfg-pedes"),
    ("icfg.json", cuhk("a.jpg", 7, "One."), "icfg-pedes"),
    ("any.json", cuhk("a.jpg", 7, "One."), "cuhk-pedes"),
    ("any.json", {"split": "test", "id": 0, "img_path": "a.jpg", "captions": TWO}, "rstpreid"),
    ("any.json", {"split": "train", "id": 1, "file_path": "a.jpg", "captions": TWO}, "ufine6926"),
    ("reid_raw.json", {"split": "train", "id": 1, "file_path": "a.jpg", "captions": TWO}, "cuhk-pedes"),
    ("any.json", {"id": 1, "source": "x", "split": "test", "file_path": "a.jpg", "captions": TWO}, "ufine3c"),
]


@pytest.mark.parametrize(("name", "record", "format"), RECOGNISED)
def test_benchmarks_are_recognised_by_their_records(tmp_path: Path, name: str, record: Any, format: str) -> None:
    path = write(tmp_path / name, [record])
    source = read_source(path)
    assert (source.format, source.images[0].dataset) == (format, format)
    assert source.images[0].captions == tuple(record["captions"])
    assert read_source(path, format=format).sha256 == source.sha256


def test_own_dataset_key_names_the_dataset(tmp_path: Path) -> None:
    source = read_source(write(tmp_path / "reid_raw.json", [cuhk("a/b.jpg", "12", *TWO, dataset="tbpr-demo")]))
    image = source.images[0]
    assert (source.format, image.caption_id(1), image.pid) == ("cuhk-pedes", "tbpr-demo/a/b.jpg#1", 12)


def test_folder_with_one_annotation_is_a_source(tmp_path: Path) -> None:
    write(tmp_path / "reid_raw.json", [cuhk("a.jpg", 1, *TWO)])
    (tmp_path / "imgs").mkdir()
    (tmp_path / "imgs" / "a.jpg").touch()
    source = read_source(str(tmp_path))
    assert (source.format, source.images_root, source.warnings.counts) == ("cuhk-pedes", tmp_path / "imgs", {})
    write(tmp_path / "data_captions.json", [])
    assert "several sources: data_captions.json, reid_raw.json" in refused(str(tmp_path))
    assert read_source(str(tmp_path), format="cuhk-pedes").sha256 == source.sha256


def test_folder_without_annotation(tmp_path: Path) -> None:
    assert "holds no annotation file" in refused(str(tmp_path))


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
@pytest.mark.parametrize("column", ["captions", "caption", "text", "captions: list"])
def test_rows_of_one_caption_are_put_together_by_image(tmp_path: Path, kind: str, column: str) -> None:
    rows = [("a.jpg", 1, "One."), ("b.jpg", 2, "Two."), ("a.jpg", 1, "Three.")]
    column, _, listed = column.partition(": ")
    records = [
        {"file_path": p, "pid": i, "split": "validation", column: [c] if listed else c, "x": 1} for p, i, c in rows
    ]
    file = tmp_path / f"My Set.{kind}"
    if kind == "jsonl":
        write_lines(file, *records)
    else:
        pq.write_table(pa.Table.from_pylist(records), file)
    source = read_source(str(file))
    assert source.format == kind
    assert [(i.image_id, i.split, i.captions) for i in source.images] == [
        ("my-set/a.jpg", "val", ("One.", "Three.")),
        ("my-set/b.jpg", "val", ("Two.",)),
    ]


def test_parquet_and_jsonl_with_lists_read_alike(tmp_path: Path) -> None:
    rows = [{**ROW, "image_id": "1"}, {**ROW, "image_id": "2", "file_path": "b.jpg"}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "set.parquet")
    table = read_source(str(tmp_path / "set.parquet"))
    assert table.sha256 == read_source(write_lines(tmp_path / "set.jsonl", *rows)).sha256
    assert table.images[1].captions == ("A man in red.", "A red man.")


@pytest.mark.parametrize("second", ["captions", "text"])
def test_lines_may_differ_in_what_they_call_captions(tmp_path: Path, second: str) -> None:
    base = {"pid": 1, "split": "train"}
    rows = [{"file_path": "a.jpg", **base, "caption": "One."}, {"file_path": "b.jpg", **base, second: ["Two.", 3]}]
    path = write_lines(tmp_path / "x.jsonl", *rows)
    assert f"x.jsonl, line 2, `{second}[1]`: is not a text" in refused(path)
    rows[1] |= {second: ["Two.", "Three."], "caption": None}
    source = read_source(write_lines(tmp_path / "x.jsonl", *rows))
    assert [image.captions for image in source.images] == [("One.",), ("Two.", "Three.")]


def test_own_output_gives_back_its_human_captions(tmp_path: Path) -> None:
    row = {"image_path": "a.jpg", "dataset": "cuhk-pedes", "pid": 1, "split": "train"}
    rows = [{**row, "text": text, "origin": origin} for text, origin in [("1", "human"), ("2", "llm"), ("3", "human")]]
    (tmp_path / "data").mkdir()
    (tmp_path / "manifest.json").write_text("{}")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "data" / "train-00000-of-00002.parquet")
    second = [{**rows[0], "image_path": "b.jpg", "split": "nope"}]
    pq.write_table(pa.Table.from_pylist(rows[:1]), tmp_path / "data" / "train-00001-of-00002.parquet")
    source = read_source(str(tmp_path))
    assert source.format == "tbpr-data"
    assert [(i.image_id, i.captions) for i in source.images] == [("cuhk-pedes/a.jpg", ("1", "3", "1"))]
    pq.write_table(pa.Table.from_pylist(second), tmp_path / "data" / "train-00001-of-00002.parquet")
    assert "train-00001-of-00002.parquet, row 0, `split`: unknown split: the text 'nope'" in refused(str(tmp_path))


def test_a_place_in_another_shard_is_named_with_its_file(tmp_path: Path) -> None:
    row = {"image_path": "a.jpg", "dataset": "x", "pid": 1, "split": "train", "text": "One.", "origin": "human"}
    (tmp_path / "data").mkdir()
    (tmp_path / "manifest.json").write_text("{}")
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "data" / "test.parquet")
    pq.write_table(pa.Table.from_pylist([{**row, "split": "test"}]), tmp_path / "data" / "train.parquet")
    message = refused(str(tmp_path))
    assert f"{tmp_path / 'data' / 'train.parquet'}, row 0, `split`: identity 1 of x is in test here" in message
    assert f"in train at {tmp_path / 'data' / 'test.parquet'}, row 0" in message


def test_tbpr_data_format_needs_an_output_folder(tmp_path: Path) -> None:
    assert "is no output of ours" in refused(str(tmp_path), format="tbpr-data")


def test_hub_folder_and_made_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    parts = {
        "train": datasets.Dataset.from_dict({"pid": [1, 2], "text": ["One.", "Two."], "image": [b"x", b"y"]}),
        "validation": datasets.Dataset.from_dict({"pid": [3], "text": ["Three."], "image": [b"z"]}),
    }
    monkeypatch.setattr(datasets, "load_dataset", lambda name: datasets.DatasetDict(parts))
    source = read_source("hf:Owner/Some_Set")
    assert [i.image_id for i in source.images] == [
        f"owner-some-set/{p}" for p in ("train/0", "train/1", "validation/0")
    ]
    assert [i.split for i in source.images] == ["train", "train", "val"]
    parts["validation"] = datasets.Dataset.from_dict({"pid": [1], "text": ["Three."], "image": [b"z"]})
    assert "hf:Owner/Some_Set, validation row 0, `split`: identity 1" in refused("Owner/Some_Set", format="hf")


def test_hub_without_a_network_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def unreachable(name: str) -> None:
        raise ConnectionError(f"Couldn't reach {name!r}\non the Hub")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    message = refused("hf:nobody/nothing")
    assert message.startswith("hf:nobody/nothing: cannot be loaded: Couldn't reach 'nobody/nothing' on the Hub")


def test_split_and_limit_cut_after_validation(tmp_path: Path) -> None:
    records = [cuhk(f"{i}.jpg", i, "One.", " ", f"Two {i}.", split="test" if i == 3 else "train") for i in range(1, 4)]
    path = write(tmp_path / "x.json", records)
    whole, cut = read_source(path), read_source(path, split="train", limit=3)
    ids = [caption.caption_id for caption in cut.captions()]
    assert ids == ["cuhk-pedes/1.jpg#0", "cuhk-pedes/1.jpg#1", "cuhk-pedes/2.jpg#0"]
    assert ids == [caption.caption_id for caption in whole.captions()][:3]
    assert whole.images[0].captions == ("One.", "Two 1.")
    assert cut.warnings.counts == whole.warnings.counts
    assert cut.sha256 != whole.sha256
    assert read_source(path, split="train", limit=99).sha256 == read_source(path, split="train").sha256
    assert "split dev has no images (there are train (2 images), test (1 images))" in refused(path, split="dev")
    assert "unknown split 'gallery'" in refused(path, split="gallery")
    assert "0 captions are none" in refused(path, limit=0)


def test_hash_does_not_depend_on_the_place(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    first = read_source(write(tmp_path / "x.json", [cuhk("a.jpg", 1, *TWO)]))
    second = read_source(write(tmp_path / "b" / "y.json", [cuhk("./b/../a.jpg", "1", *TWO)]))
    assert first.sha256 == second.sha256


def test_repairs_are_counted_with_the_caption(tmp_path: Path) -> None:
    source = read_source(write(tmp_path / "x.json", [cuhk("a.jpg", 1, "One.", "He S in a Gray hat.")]))
    assert source.images[0].captions[1] == "He's in a gray hat."
    assert source.repairs.counts == {"lost_apostrophe": 1, "capital_gray": 1}
    assert source.repairs.examples["capital_gray"] == ["cuhk-pedes/a.jpg#1"]


def test_odd_captions_are_warned_of(tmp_path: Path) -> None:
    records = [
        cuhk("a.jpg", 1, "Same.", "", "Same."),
        cuhk("b.jpg", 2, "same", "Same."),
        cuhk("c.jpg", 1, "Same.", "x" * 100_000),
        cuhk("d.jpg", 4, "\n "),
    ]
    source = read_source(write(tmp_path / "x.json", records))
    assert source.warnings.counts == {
        "caption_on_several_identities": 1,
        "empty_caption": 2,
        "repeated_caption": 1,
        "long_caption": 1,
        "image_without_caption": 1,
        "images_not_found": 1,
    }
    assert source.warnings.examples["caption_on_several_identities"] == ["cuhk-pedes/a.jpg#0 and cuhk-pedes/b.jpg#1"]
    assert source.warnings.examples["empty_caption"][0].endswith("x.json, record 0, `captions[1]`")
    assert [image.file_path for image in source.images] == ["a.jpg", "b.jpg", "c.jpg"]
    assert len(source.images[2].captions[1]) == 100_000


def test_missing_images_are_counted_when_there_is_a_root(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "x.jsonl", ROW, {**ROW, "file_path": "sub/b.jpg"})
    assert read_source(path).images_root is None
    assert read_source(path).warnings.counts == {"images_not_found": 1}
    (tmp_path / "a.jpg").touch()
    source = read_source(path)
    assert (source.images_root, source.warnings.counts) == (tmp_path, {"missing_image": 1})
    assert source.warnings.examples["missing_image"] == ["x/sub/b.jpg"]
    (tmp_path / "empty").mkdir()
    assert read_source(path, images_root=tmp_path / "empty").warnings.counts == {"missing_image": 2}
    assert "no such folder of images" in refused(path, images_root=tmp_path / "none")


@pytest.mark.parametrize("linked", ["a.jpg", "sub"])
def test_links_out_of_the_root_are_refused(tmp_path: Path, linked: str) -> None:
    root, outside = tmp_path / "imgs", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "a.jpg").touch()
    (root / "inside.jpg").touch()
    (root / "ok.jpg").symlink_to("inside.jpg")
    (root / linked).symlink_to(outside / "a.jpg" if linked == "a.jpg" else outside)
    bad = linked if linked == "a.jpg" else "sub/a.jpg"
    path = write(tmp_path / "x.json", [cuhk("ok.jpg", 1, *TWO), cuhk(bad, 1, *TWO)])
    message = refused(path)
    assert f"x.json, record 1, `file_path`: {bad} is a link that leaves the images' root" in message


BAD_PATHS = {
    "/etc/a.jpg": "not relative",
    "C:/a.jpg": "not relative",
    "http://x/a.jpg": "not relative",
    "a\\b.jpg": "backslash",
    "../a.jpg": "leaves the images' root",
    "a/../../b.jpg": "leaves the images' root",
    "a\x00.jpg": "null byte",
    "a\n.jpg": "control character",
    "": "is empty",
    "a/..": "is empty",
}


@pytest.mark.parametrize("bad", BAD_PATHS)
def test_paths_that_leave_the_root_are_refused(tmp_path: Path, bad: str) -> None:
    message = refused(write(tmp_path / "x.json", [cuhk("ok.jpg", 1, *TWO), cuhk(bad, 1, *TWO)]))
    assert "x.json, record 1, `file_path`: " in message
    assert BAD_PATHS[bad] in message


BAD_RECORDS = [
    (cuhk("b.jpg", True, "x"), "`id`: is not a whole number from 0 but the boolean true"),
    (cuhk("b.jpg", "1a", "x"), "`id`: is not a whole number from 0 but the text '1a'"),
    (cuhk("b.jpg", 1.0, "x"), "`id`: is not a whole number from 0 but the number 1.0"),
    (cuhk("b.jpg", -1, "x"), "`id`: is not a whole number from 0 but the number -1"),
    (cuhk("b.jpg", 2**63, "x"), "`id`: is not a whole number from 0"),
    (cuhk("b.jpg", 1, "x", split="gallery"), "`split`: unknown split: the text 'gallery'"),
    (cuhk("b.jpg", 1, "x", split=None), "`split`: unknown split: null"),
    (cuhk("b.jpg", 1), "`captions`: is an empty list"),
    ({**cuhk("b.jpg", 1), "captions": "One."}, "`captions`: is not a list but the text 'One.'"),
    (cuhk("b.jpg", 1, "x", 3), "`captions[1]`: is not a text but the number 3"),
    (cuhk("b.jpg", 1, "x", "a\x00b"), "`captions[1]`: holds a null byte"),
    (cuhk("b.jpg", 1, "x\ud800"), "`captions[0]`: holds half a surrogate pair at character 1"),
    (cuhk("b.jpg", 1, "x", dataset="a/b"), "`dataset`: is not a short name but the text 'a/b'"),
    (cuhk("./a.jpg", 1, "x"), "`file_path`: duplicate image id cuhk-pedes/a.jpg: it is at record 0 already"),
    (cuhk("b.jpg", 1, "x", split="test"), "identity 1 of cuhk-pedes is in test here and in train at record 0"),
    ({k: v for k, v in cuhk("b.jpg", 1, "x").items() if k != "id"}, "missing key `id`"),
]


@pytest.mark.parametrize(("record", "message"), BAD_RECORDS)
def test_bad_records_are_named(tmp_path: Path, record: Any, message: str) -> None:
    said = refused(write(tmp_path / "x.json", [cuhk("a.jpg", 1, "One.", "Two."), record]), format="cuhk-pedes")
    assert "x.json, record 1" in said
    assert message in said


BAD_ROWS = [
    ({**ROW}, "duplicate image id x/a.jpg: it is at line 1 already"),
    ({**ROW, "file_path": "b.jpg", "image_id": "i"}, "duplicate image id 'i': another path has it at line 1"),
    ({**ROW, "captions": "One.", "pid": 2}, "`pid`: a.jpg is identity 2 here and 1 at line 1"),
    ({"file_path": "b.jpg", "pid": 1, "split": "train"}, "missing key `captions`"),
]


@pytest.mark.parametrize(("row", "message"), BAD_ROWS)
def test_bad_rows_are_named_by_line(tmp_path: Path, row: Any, message: str) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text(json.dumps({**ROW, "image_id": "i"}) + "\n\n" + json.dumps(row))
    said = refused(str(file))
    assert "x.jsonl, line 3" in said
    assert message in said


BAD_FILES = [
    ("x.json", b"", "is empty"),
    ("x.json", b"[]", "holds no records"),
    ("x.json", b'{"a": [1]}', "is not a list of objects but an object"),
    ("x.json", b"[1]", "x.json, record 0: is not an object but the number 1"),
    ("x.json", b'[{"a": 1}]', "unknown format: its records have `a`"),
    ("x.json", b'[{"captions": ["x"],\n "file_path"', "x.json, line 2, column 13: is cut off"),
    ("x.json", b'[{"captions": ["x]', "x.json, line 1, column 16: is cut off"),
    ("x.json", b"[{'a': 1}]", "x.json, line 1, column 3: is not valid JSON"),
    ("x.json", b"[" * 100_000, "is not JSON that can be read: maximum recursion"),
    ("x.json", b'["\xff"]', "is not UTF-8 at byte 2"),
    ("x.jsonl", b"\n\n", "is empty"),
    ("x.jsonl", json.dumps(ROW).encode() + b'\n{"file_path": "b', "x.jsonl, line 2, column 15: is cut off"),
    ("x.jsonl", json.dumps(ROW).encode() + b"\n[1]\n", "x.jsonl, line 2: is not an object but a list"),
    ("x.jsonl", b'{"file_path": "a.jpg", "pid": 1, "split": "train"}', "x.jsonl, line 1: missing key `captions`"),
    ("x.parquet", b"PAR1 and no more", "is not a whole Parquet file"),
    ("x.txt", b"a,b\n", "unknown format: neither JSON, JSON Lines, CSV nor Parquet"),
]


@pytest.mark.parametrize(("name", "content", "message"), BAD_FILES)
def test_broken_files_say_where(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert message in refused(str(tmp_path / name))


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    assert "no such file or folder" in refused(str(tmp_path / "none.json"))
    (tmp_path / "x.json").write_text("[]")
    if os.geteuid() != 0:
        (tmp_path / "x.json").chmod(0)
        assert "cannot be read: Permission denied" in refused(str(tmp_path / "x.json"))


def test_unknown_format_lists_the_known_ones(tmp_path: Path) -> None:
    message = refused(str(tmp_path), format="coco")
    assert "unknown format 'coco'" in message
    assert all(name in message for name in FORMATS)


def test_a_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    for name, text in (("x.json", json.dumps([cuhk("a.jpg", 1, *TWO)])), ("y.jsonl", json.dumps(ROW))):
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + text.encode())
        assert len(read_source(str(tmp_path / name)).images) == 1


def test_only_empty_captions_are_no_source(tmp_path: Path) -> None:
    assert "has no caption" in refused(write(tmp_path / "x.json", [cuhk("a.jpg", 1, " ")]))
