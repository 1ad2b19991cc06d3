"""The rendered demo dataset: format, truth of captions, determinism."""

import json
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tbpr_data.pipeline.demo.captions import phrases, with_article, write_captions
from tbpr_data.pipeline.demo.dataset import DemoSummary, render_demo, split_of
from tbpr_data.pipeline.demo.image import encode_jpeg, render_image
from tbpr_data.pipeline.demo.palette import colour_words
from tbpr_data.pipeline.demo.person import Person, describe_person, pair_leader, swap_colours
from tbpr_data.pipeline.demo.scene import Scene, describe_scene, image_count, visible_parts
from tbpr_data.pipeline.demo.sheet import contact_sheet
from tbpr_data.schemas.errors import UserError

SEED = 3


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DemoSummary]:
    out = tmp_path_factory.mktemp("demo") / "data"
    return out, render_demo(out, identities=8, seed=SEED)


def entries_of(out: Path) -> list[dict[str, object]]:
    entries: list[dict[str, object]] = json.loads((out / "reid_raw.json").read_text("utf-8"))
    return entries


@cache
def looks() -> list[tuple[Person, Scene, tuple[str, str]]]:
    """Many images with their captions, not rendered."""
    return [
        (
            describe_person(SEED, i),
            describe_scene(SEED, i, k),
            write_captions(describe_person(SEED, i), describe_scene(SEED, i, k), np.random.default_rng([i, k])),
        )
        for i in range(1, 161)
        for k in range(1, 1 + image_count(SEED, i))
    ]


def test_files_are_cuhk_pedes_shaped(demo: tuple[Path, DemoSummary]) -> None:
    out, summary = demo
    entries = entries_of(out)
    for entry in entries:
        assert set(entry) == {"split", "captions", "file_path", "processed_tokens", "id", "dataset"}
        assert entry["dataset"] == "tbpr-demo"
        with Image.open(out / "imgs" / str(entry["file_path"])) as image:
            assert (image.size, image.format, image.mode) == ((128, 384), "JPEG", "RGB")
    assert {entry["id"] for entry in entries} == set(range(1, 9))
    assert summary.identities == 8
    assert summary.images == len(entries) == sum(summary.splits.values())
    assert summary.captions == 2 * len(entries)
    assert {path.name for path in out.iterdir()} == {"imgs", "reid_raw.json"}
    assert len(list(out.glob("imgs/*/*.jpg"))) == len(entries)


def test_the_same_seed_gives_the_same_bytes(demo: tuple[Path, DemoSummary]) -> None:
    out, _ = demo
    # Drawn alone, in this process and in another order, an image is what the workers of the whole run wrote.
    for identity, number in ((6, 2), (1, 1), (8, 3)):
        scene = describe_scene(SEED, identity, number)
        alone = encode_jpeg(render_image(describe_person(SEED, identity), scene), scene.lens.quality)
        assert alone == (out / "imgs" / split_of(identity, 8) / f"{identity:05d}_{number}.jpg").read_bytes()


def test_a_second_run_is_identical(demo: tuple[Path, DemoSummary], tmp_path: Path) -> None:
    out, summary = demo
    assert render_demo(tmp_path, identities=8, seed=SEED) == summary
    files = sorted(path.relative_to(out) for path in out.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert all((out / name).read_bytes() == (tmp_path / name).read_bytes() for name in files)


def test_another_seed_gives_other_people() -> None:
    assert [describe_person(0, i) for i in range(1, 9)] != [describe_person(1, i) for i in range(1, 9)]


@pytest.mark.parametrize("identities", [8, 9, 11, 50, 400])
def test_splits_keep_pairs_together(identities: int) -> None:
    splits = [split_of(i, identities) for i in range(1, identities + 1)]
    assert set(splits) == {"train", "val", "test"}
    pairs = [i for i in range(1, identities) if pair_leader(i) == i]
    assert all(split_of(i, identities) == split_of(i + 1, identities) for i in pairs)
    assert 2 * len(pairs) >= 0.25 * identities


def test_default_split_sizes() -> None:
    splits = [split_of(i, 400) for i in range(1, 401)]
    assert [splits.count(s) for s in ("train", "val", "test")] == [300, 40, 60]


def test_a_pair_differs_only_in_which_garment_has_which_colour() -> None:
    for leader in (i for i in range(1, 120) if pair_leader(i) == i):
        one, other = describe_person(SEED, leader), describe_person(SEED, leader + 1)
        assert one != other
        assert swap_colours(other) == one
        swapped = one.lower or one.shoes
        assert other.upper.dye == swapped.dye != one.upper.dye


def test_captions_differ_and_name_the_upper_garments_colour() -> None:
    for person, _, captions in looks():
        assert captions[0] != captions[1]
        for caption in captions:
            assert any(word in caption.lower() for word in colour_words(person.upper.dye)), caption
            assert 8 <= len(caption.split()) <= 45


def test_captions_name_only_what_shows() -> None:
    for person, scene, captions in looks():
        seen = visible_parts(person, scene)
        text = " ".join(captions).lower()
        if "bag" not in seen or person.bag is None:
            assert not any(word in text for word in (" bag", "backpack", "purse", "rucksack", "tote", "messenger"))
        if "shoes" not in seen:
            assert not any(word in text for word in ("shoes", "sneakers", "boots", "sandals", "heels", "trainers"))
        if "face" not in seen or not person.glasses:
            assert "glasses" not in text
        if not person.beard:
            assert "beard" not in text
        if scene.pose != "phone":
            assert "phone" not in text


def test_captions_are_grammatical_and_varied() -> None:
    captions = [caption for _, _, both in looks() for caption in both]
    words = " ".join(captions).lower().split()
    for article, noun in pairwise(words):
        if article in ("a", "an"):
            assert (article == "an") == (noun[0] in "aeiou"), f"{article} {noun}"
    assert not any(slot in caption for caption in captions for slot in ("{", "}", "  ", " ,", "..", ",,"))
    assert len(set(captions)) > 0.97 * len(captions)
    assert len(phrases().opening["frames"]) + sum(map(len, phrases().follow.values())) >= 40


def test_with_article() -> None:
    assert with_article("orange top") == "an orange top"
    assert with_article("red top") == "a red top"
    assert with_article("a pair of jeans") == "a pair of jeans"


def test_contact_sheet(demo: tuple[Path, DemoSummary], tmp_path: Path) -> None:
    contact_sheet(demo[0], tmp_path / "sheet.jpg", columns=4)
    with Image.open(tmp_path / "sheet.jpg") as sheet:
        assert sheet.width > 4 * 128
        assert sheet.height > 2 * 384


def test_errors(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="too few"):
        render_demo(tmp_path / "few", identities=7)
    with pytest.raises(UserError, match="below 0"):
        render_demo(tmp_path / "seed", seed=-1)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep")
    with pytest.raises(UserError, match="not empty"):
        render_demo(tmp_path / "full")
    with pytest.raises(UserError, match="is a file"):
        render_demo(tmp_path / "full" / "mine.txt")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine.txt"]
    assert not (tmp_path / "few").exists()
