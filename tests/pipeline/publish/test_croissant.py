"""The Croissant description, read by mlcroissant itself."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import mlcroissant
import numpy as np
import pytest
from PIL import Image

from tbpr_data.pipeline.finish import BlockResult
from tbpr_data.pipeline.manifest import Manifest
from tbpr_data.pipeline.publish.contents import Contents
from tbpr_data.pipeline.publish.croissant import FILE, croissant
from tbpr_data.pipeline.shards import pairs_schema, rejects_schema, write_shard, write_text
from tbpr_data.schemas.arrow import arrow_schema
from tbpr_data.schemas.errors import UserError
from tbpr_data.schemas.release import Piece, ReleasedPair, ReleasedReject, ReleasedText
from tbpr_data.schemas.rows import Checks, Edit, Negative, PairRow, Provenance, RejectRow, Scores

pytestmark = [
    # Of rdflib's parser and of mlcroissant's reader of Parquet: they say it of their own code.
    pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.reset_index is deprecated"),
]

ABOUT: dict[str, Any] = {
    "name": "people-augmented",
    "description": "People, augmented.",
    "license": "https://spdx.org/licenses/Apache-2.0.html",
    "url": "https://example.org/people",
}
PROVENANCE = Provenance(
    prompt_id="concise",
    prompt_sha256="0" * 64,
    model="some/model",
    model_revision=None,
    engine="vllm",
    engine_version="1.0",
    sampling_sha256="1" * 64,
    seed=2**40,
    sample_index=0,
    finish_reason="stop",
    prompt_tokens=7,
    completion_tokens=3,
    run_id="2" * 16,
)
CHECKS = Checks(verdict="accepted", kept=["upper: shirt", "upper.colour: rot → „red“"], novelty=0.25, clip_tokens=9)


@pytest.fixture(params=[False, True], ids=["paths", "images"])
def contents(request: pytest.FixtureRequest, tmp_path: Path) -> Contents:
    return make(tmp_path / "out", embed=request.param)


def make(out: Path, *, embed: bool = False, refused: bool = True, datasets: tuple[str, ...] = ("people",)) -> Contents:
    """Two blocks of train, one of test; of the blocks' rejects one has a row, or none."""
    blocks = []
    for split, number, pids in (("train", 0, (1, 2)), ("train", 1, (3,)), ("test", 0, (4,))):
        name = f"{split}-{number:05d}-of-{2 if split == 'train' else 1:05d}"
        rows = [row for pid in pids for row in pair_rows(split, pid, embed)]
        rejects = [reject_row(split, pids[0])] if refused and name.startswith("train-00000") else []
        shards = (
            write_shard(out, f"data/{name}.parquet", "pairs", split, rows, pairs_schema(with_images=embed)),
            write_shard(out, f"rejects/{name}.parquet", "rejects", split, rejects, rejects_schema()),
        )
        counts = {"captions": 1, "accepted": 1, "reasons": {}, "rejected": 0, "negatives": 2, "failed": 0}
        blocks.append(BlockResult(name=name, shards=shards, guarded={}, **counts))
    manifest = Manifest(
        run_id="2" * 16,
        fingerprint="2" * 64,
        made_from={
            "config": {"embed_images": embed, "negatives": {"enabled": True}, "checks": {"faithful": True}},
            "model": {"name": "some/model", "revision": None},
            "prompts": {"concise": "0" * 64},
        },
        source={"datasets": list(datasets), "captions": 4, "images": 4, "identities": 4, "repairs": {"spaces": 2}},
        versions={"tbpr-data": "0.1.0"},
        blocks_total=len(blocks),
        blocks=tuple(blocks),
    )
    manifest.write(out)
    return Contents(out, manifest)


def pair_rows(split: str, pid: int, embed: bool) -> list[dict[str, Any]]:
    path = f"{split}/{pid}.png"
    text = f"Person {pid} in a red shirt — “so it says”."
    false = Negative(
        text=text.replace("red", "blue"),
        kind="replace",
        rule="person/replace_colour",
        slots=["upper.colour"],
        spans=[Edit(source_start=14, source_end=17, start=14, end=18)],
        origin="rule",
        scores=Scores(plausibility=-0.5),
    )
    shared: dict[str, Any] = {"image_id": f"people/{path}", "image_path": path, "dataset": "people", "pid": pid}
    human = PairRow(
        **shared,
        caption_id=f"people/{path}#0",
        split=split,
        text=text,
        origin="human",
        style=None,
        source_caption_id=None,
        negatives=[false, false],
        neighbours=["people/other.png"],
        checks=None,
        provenance=None,
    )
    rewrite = human.model_copy(
        update={
            **{"caption_id": f"{human.caption_id}~concise.0", "source_caption_id": human.caption_id},
            **{"origin": "llm", "style": "concise", "negatives": [], "checks": CHECKS, "provenance": PROVENANCE},
        }
    )
    image = {"bytes": png(pid), "path": path} if pid != 3 else None
    return [{**row.model_dump(), **({"image": image} if embed else {})} for row in (human, rewrite)]


def reject_row(split: str, pid: int) -> dict[str, Any]:
    row = RejectRow(
        caption_id=f"people/{split}/{pid}.png#0~concise.1",
        source_caption_id=f"people/{split}/{pid}.png#0",
        image_id=f"people/{split}/{pid}.png",
        dataset="people",
        pid=pid,
        split=split,
        source_text="Person.",
        text="",
        raw="Sure!",
        style="concise",
        reasons=["empty", "too_short"],
        error=None,
        checks=None,
        provenance=PROVENANCE,
    )
    return row.model_dump()


def png(pid: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (2, 3), (pid, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def plain(value: Any) -> Any:
    """A record as Python's own types, with fields by their last names, as `pq.read_table` gives rows."""
    if isinstance(value, dict):
        return {name.split("/")[-1]: plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, Image.Image):
        return value.tobytes()
    return value.decode() if isinstance(value, bytes) else value.item() if isinstance(value, np.generic) else value


def as_record(row: dict[str, Any]) -> dict[str, Any]:
    """What mlcroissant makes of a row: no edits, scores beside the rest of a negative, absent structs of nulls."""
    blank = {
        "checks": dict.fromkeys(Checks.model_fields),
        "provenance": dict.fromkeys(Provenance.model_fields),
    }
    record = {name: blank.get(name) if value is None and name in blank else value for name, value in row.items()}
    if "negatives" in row:
        record["negatives"] = [
            {**{name: value for name, value in one.items() if name not in ("spans", "scores")}, **one["scores"]}
            for one in row["negatives"]
        ]
    if row.get("image"):
        record["image"] = Image.open(io.BytesIO(row["image"]["bytes"])).tobytes()
    return record


def records(path: Path, name: str, **filters: str) -> dict[str, dict[str, Any]]:
    read = mlcroissant.Dataset(jsonld=str(path)).records(name, filters={f"{name}/{k}": v for k, v in filters.items()})
    found = [plain(record) for record in read]
    by_id = {record["caption_id"]: record for record in found}
    assert len(by_id) == len(found)
    return by_id


def test_records_are_the_rows(contents: Contents, caplog: pytest.LogCaptureFixture) -> None:
    path = contents.root / FILE
    write_text(path, croissant(contents, **ABOUT))
    assert path == contents.root / "croissant.json"
    expected = {row["caption_id"]: as_record(row) for row in contents.rows("pairs")}
    assert len(expected) == 8
    assert records(path, "pairs") == expected
    assert records(path, "pairs", split="test") == {i: row for i, row in expected.items() if row["split"] == "test"}
    assert records(path, "rejects") == {row["caption_id"]: as_record(row) for row in contents.rows("rejects")}
    assert not [record for record in caplog.records if "is recommended" not in record.message]


def test_files_are_those_of_the_manifest(contents: Contents) -> None:
    about = json.loads(croissant(contents, **ABOUT))
    files = {one["contentUrl"]: one for one in about["distribution"] if one["@type"] == "cr:FileObject"}
    assert set(files) == {str(p.relative_to(contents.root)) for p in contents.root.rglob("*.parquet")}
    for path, one in files.items():
        content = (contents.root / path).read_bytes()
        assert one["sha256"] == hashlib.sha256(content).hexdigest()
        assert one["contentSize"] == f"{len(content)} B"


def test_a_field_for_each_column_with_its_meaning(contents: Contents) -> None:
    about = json.loads(croissant(contents, **ABOUT))
    sets = {one["@id"]: one for one in about["recordSet"]}
    assert list(sets) == ["pairs_splits", "pairs", "rejects_splits", "rejects"]
    assert [one["pairs_splits/name"] for one in sets["pairs_splits"]["data"]] == ["train", "test"]
    for config, schema in (("pairs", pairs_schema(with_images=contents.embedded)), ("rejects", rejects_schema())):
        fields = sets[config]["field"]
        assert [field["name"] for field in fields] == schema.names
        assert all(len(one["description"]) > 4 for field in fields for one in (field, *field.get("subField", [])))
    assert "`negatives.spans`" in sets["pairs"]["description"]
    pid = next(field for field in sets["pairs"]["field"] if field["name"] == "pid")
    assert pid["description"] == PairRow.model_fields["pid"].description
    assert pid["dataType"] == "cr:Int64"
    assert about["isLiveDataset"] is False


def test_nothing_refused_is_no_record_set(tmp_path: Path) -> None:
    contents = make(tmp_path / "out", refused=False)
    path = contents.root / FILE
    write_text(path, croissant(contents, **ABOUT))
    assert "rejects" not in [one["@id"] for one in json.loads(path.read_text())["recordSet"]]
    assert len(records(path, "pairs")) == 8


def test_a_release_without_captions(tmp_path: Path) -> None:
    contents, folder = make(tmp_path / "out"), tmp_path / "release"
    piece = Piece(text=None, caption_id="people/test/4.png#0", start=0, end=6, swapped=[0, 2])
    text = ReleasedText(text=None, pieces=[piece, piece.model_copy(update={"text": "so", "swapped": []})])
    kept = {name: value for name, value in reject_row("test", 4).items() if name in ReleasedReject.model_fields}
    row = ReleasedReject(**{**kept, "text": text, "raw": ReleasedText(text="No", pieces=[])}).model_dump()
    name = "rejects/test-00000-of-00001.parquet"
    shard = write_shard(folder, name, "rejects", "test", [row], arrow_schema(ReleasedReject))
    block = contents.manifest.blocks[-1].model_copy(update={"shards": (shard,)})
    manifest = contents.manifest.model_copy(update={"blocks": (block,)})
    release = Contents(folder, manifest, {"pairs": ReleasedPair, "rejects": ReleasedReject})
    path = folder / FILE
    write_text(path, croissant(release, **ABOUT))
    assert "words of these captions are not here" in path.read_text()
    (found,) = records(path, "rejects").values()
    assert found["text"] == {
        "text": [None, "so"],
        **{"caption_id": [piece.caption_id] * 2, "start": [0, 0], "end": [6, 6], "swapped": [[0, 2], []]},
    }


def test_it_says_how_it_was_made(tmp_path: Path) -> None:
    real = json.loads(croissant(make(tmp_path / "real", embed=True), **ABOUT))
    assert "human ones rewritten by some/model, revision not pinned" in real["rai:dataCollection"]
    assert "Their images are included" in real["rai:personalSensitiveInformation"]
    drawn = json.loads(croissant(make(tmp_path / "drawn", datasets=("tbpr-demo",)), **ABOUT))
    assert drawn["rai:personalSensitiveInformation"].startswith("None: the people are drawn")


def test_the_same_folder_gives_the_same_text(tmp_path: Path) -> None:
    texts = {croissant(make(tmp_path / name), **ABOUT) for name in ("a", "b")}
    assert len(texts) == 1
    assert str(tmp_path) not in texts.pop()


def test_what_mlcroissant_refuses_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"mlcroissant finds fault with it: .*name"):
        croissant(make(tmp_path / "out"), **{**ABOUT, "name": None})
