"""`tbpr-data negatives` and `tbpr-data audit`, run as a user runs them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

from tbpr_data.pipeline.negatives.surgery import undo_edits
from tbpr_data.schemas.rows import Edit

COLOURS = ("black", "white", "red", "blue", "green", "grey", "yellow", "brown")


COMMAND = [sys.executable, "-c", "from tbpr_data.pipeline.cli import main; main()"]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=300)


def rows(out: Path) -> list[dict[str, Any]]:
    return [row for path in sorted((out / "data").glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 identities of two images with a caption each, in a small world of colours and clothes."""
    path = tmp_path_factory.mktemp("source") / "captions.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for pid in range(120):
            who = ("A man", "A woman with long black hair")[pid % 2]
            shirt, pants, shoes = (COLOURS[(pid * step + step) % 8] for step in (1, 3, 5))
            thing = (
                "carrying a backpack",
                "wearing glasses",
                "wearing a black hat",
                "with a bag on his left shoulder",
            )[pid % 4]
            texts = (
                f"{who} wearing a {shirt} shirt, {pants} pants and {shoes} shoes, {thing}.",
                f"{who.replace('A ', 'The ')} has a {shirt} shirt, {pants} pants and {shoes} shoes.",
            )
            for number, text in enumerate(texts):
                image = {"image_id": f"{pid}_{number}", "file_path": f"{pid}_{number}.jpg", "pid": pid}
                file.write(json.dumps({**image, "split": "train", "captions": [text]}) + "\n")
    return path


@pytest.fixture(scope="module")
def made(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "out"
    done = run("negatives", source, "--out", out)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(out)
    return out


def test_negatives_are_a_dataset(made: Path, source: Path) -> None:
    pairs = load_dataset(str(made), "pairs")["train"]
    assert pairs.num_rows == 240
    assert sum(bool(row["negatives"]) for row in pairs) > 228
    for row in pairs:
        for negative in row["negatives"]:
            edits = [Edit(**edit) for edit in negative["spans"]]
            assert undo_edits(negative["text"], edits, row["text"]) == row["text"] != negative["text"]
            assert negative["rule"].startswith("person/")
            assert negative["slots"]
    card = (made / "README.md").read_text(encoding="utf-8")
    assert "`person/swap_colour`" in card
    assert "rewritten by" not in card
    assert "other_caption" in json.loads((made / "manifest.json").read_text())["blocks"][0]["guarded"]


def test_the_same_command_has_nothing_to_do_and_makes_the_same_elsewhere(
    made: Path, source: Path, tmp_path: Path
) -> None:
    again = run("negatives", source, "--out", made)
    assert again.returncode == 0
    assert "nothing left to do" in again.stderr
    assert run("negatives", source, "--out", tmp_path / "twin", "--set", "workers=1").returncode == 0
    assert rows(tmp_path / "twin") == rows(made)
    assert run("negatives", source, "--out", tmp_path / "other", "--seed", 1).returncode == 0
    assert rows(tmp_path / "other") != rows(made)
    refused = run("negatives", source, "--out", made, "--seed", 1)
    assert refused.returncode == 2
    assert "config.seed: 0 → 1" in refused.stderr


def test_rules_recipe_and_how_many(source: Path, tmp_path: Path) -> None:
    assert (
        run(
            "negatives", source, "--out", tmp_path / "a", "--rules", "swap", "--rules", "replace_item", "--limit", 60
        ).returncode
        == 0
    )
    rules = {negative["rule"] for row in rows(tmp_path / "a") for negative in row["negatives"]}
    assert rules <= {"person/swap_colour", "person/swap_garment", "person/swap_side", "person/replace_item"}
    assert "person/swap_colour" in rules
    assert (
        run("negatives", source, "--out", tmp_path / "b", "--per-caption", 1, "--limit", 60, "--no-balance").returncode
        == 0
    )
    assert {len(row["negatives"]) for row in rows(tmp_path / "b")} <= {0, 1}
    assert run("negatives", source, "--out", tmp_path / "c", "--recipe", "negclip", "--limit", 20).returncode == 0
    assert all(negative["rule"].startswith("negclip/") for row in rows(tmp_path / "c") for negative in row["negatives"])


def test_rows_name_similar_images_of_others(source: Path, tmp_path: Path) -> None:
    pytest.importorskip("faiss")
    ids = [f"captions/{json.loads(line)['file_path']}" for line in source.read_text(encoding="utf-8").splitlines()]
    features = np.random.default_rng(0).normal(size=(len(ids), 8)).astype(np.float32)
    file = tmp_path / "features.parquet"
    pq.write_table(pa.table({"image_id": ids, "features": list(features)}), file)
    done = run("negatives", source, "--out", tmp_path / "out", "--features", file)
    assert done.returncode == 0, done.stderr
    pid_of = {row["image_id"]: row["pid"] for row in rows(tmp_path / "out")}
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    for row in rows(tmp_path / "out"):
        assert len(row["neighbours"]) == 3
        assert all(pid_of[other] != row["pid"] for other in row["neighbours"])
        likeness = unit @ unit[ids.index(row["image_id"])]
        best = max(value for value, other in zip(likeness, ids, strict=True) if pid_of[other] != row["pid"])
        assert likeness[ids.index(row["neighbours"][0])] == pytest.approx(best)
    pq.write_table(pa.table({"image_id": ids, "features": list(features[::-1])}), file)
    anew = run("negatives", source, "--out", tmp_path / "out", "--features", file)
    assert anew.returncode == 0, anew.stderr
    assert "set otherwise: features: " in anew.stderr
    pq.write_table(pa.table({"image_id": ids[1:], "features": list(features[1:])}), file)
    missing = run("negatives", source, "--out", tmp_path / "more", "--features", file)
    assert missing.returncode == 2
    assert "has no features of 1 of 240 images" in missing.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--rules", "swop"), "no rule is called 'swop'"),
        (("--recipe", "nagclip"), "negatives.recipe"),
        (("--per-caption", "0"), "negatives.per_caption"),
    ],
)
def test_what_cannot_be_made(source: Path, tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = run("negatives", source, "--out", tmp_path / "out", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_audit_measures(made: Path) -> None:
    done = run("audit", made, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    told = rows(made)
    negatives = found["negatives"]
    assert found["rows"]["human"] == 240
    assert negatives["count"] == sum(len(row["negatives"]) for row in told)
    assert sum(negatives["rules"].values()) == sum(negatives["kinds"].values()) == negatives["count"]
    assert negatives["artefacts"]["all"] == {"spacing": 0.0, "capital": 0.0, "article": 0.0, "agreement": 0.0}
    assert negatives["may_be_true"]["share"] == 0.0
    # So few pairs are balanced to within what can be measured of them.
    assert negatives["blind_accuracy"]["tokens"]["overall"]["accuracy"] < 0.65
    assert found["leaks"]["negatives_that_are_a_caption_of_the_identity"] == 0
    shown = run("audit", made)
    assert shown.returncode == 0
    assert "blind accuracy" in shown.stdout
    assert "swap_colour" in shown.stdout


def test_audit_finds_what_was_put_in(made: Path, tmp_path: Path) -> None:
    """Every negative has a space before its full stop, and one is a caption of the identity."""
    spoilt = tmp_path / "spoilt"
    shutil.copytree(made, spoilt)
    path = next((spoilt / "data").glob("*.parquet"))
    table = pq.read_table(path)
    changed = table.to_pylist()
    for row in changed:
        for negative in row["negatives"]:
            negative["text"] = negative["text"].removesuffix(".") + " ."
    first = next(row for row in changed if row["negatives"])
    other = next(row for row in changed if row["pid"] == first["pid"] and row is not first)
    first["negatives"][0]["text"] = other["text"]
    pq.write_table(type(table).from_pylist(changed, schema=table.schema), path)
    found = json.loads(run("audit", spoilt, "--json").stdout)
    assert found["negatives"]["artefacts"]["all"]["spacing"] > 0.9
    assert found["negatives"]["blind_accuracy"]["tokens"]["overall"]["accuracy"] > 0.9
    assert found["leaks"]["negatives_that_are_a_caption_of_the_identity"] == 1


def test_audit_of_something_else(tmp_path: Path) -> None:
    done = run("audit", tmp_path)
    assert done.returncode == 2
    assert "no data/*.parquet" in done.stderr
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.parquet").write_bytes(b"PAR1 but no more")
    done = run("audit", tmp_path)
    assert done.returncode == 2
    assert "Parquet" in done.stderr
    assert "Traceback" not in done.stderr


def test_images_that_are_there_later_are_put_in(tmp_path: Path) -> None:
    source, out = tmp_path / "captions.jsonl", tmp_path / "out"
    row = {"file_path": "a.jpg", "pid": 1, "split": "train", "captions": ["A man in a red shirt and black pants."]}
    source.write_text(json.dumps(row), encoding="utf-8")
    command = ("negatives", source, "--out", out, "--images-root", tmp_path, "--set", "embed_images=true")
    assert run(*command).returncode == 0
    assert [row["image"] for row in rows(out)] == [None]
    (tmp_path / "a.jpg").write_bytes(b"a picture")
    assert run(*command).returncode == 0
    assert [row["image"]["bytes"] for row in rows(out)] == [b"a picture"]
