"""`verify` of a real dataset: whole as a run leaves it; every flipped byte, lost file and bent row found and named."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from publish_runs import make_dataset, run, write_source
from scripted_server import Answer, ScriptedServer, rewrite

from tbpr_data.pipeline.manifest import Manifest, read_manifest
from tbpr_data.pipeline.publish.release import with_shards
from tbpr_data.pipeline.shards import write_shard
from tbpr_data.pipeline.verify import Verified, verify
from tbpr_data.schemas.errors import UserError

OLDER = Path(__file__).parents[1] / "fixtures" / "output-0"
FLIPS = 100
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def answer(body: dict[str, Any], count: int) -> Answer:
        """Every third answer is empty: there is something to refuse in each shard."""
        return rewrite(body, count) if body.get("seed", 0) % 3 else Answer("")

    folder = tmp_path_factory.mktemp("made")
    server = ScriptedServer(answer)
    try:
        return make_dataset(write_source(folder / "source", None), folder / "out", server, "--set", "embed_images=true")
    finally:
        server.stop()


@pytest.fixture
def out(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "out"))


def manifest_of(out: Path) -> Manifest:
    manifest = read_manifest(out)
    assert manifest is not None
    return manifest


def remake(out: Path, path: str, change: Callable[[Rows], Rows], schema: pa.Schema | None = None) -> None:
    """Write a shard anew with other rows and have the manifest name it, so that only its rows are wrong."""
    manifest = manifest_of(out)
    shards = {shard.path: shard for block in manifest.blocks for shard in block.shards}
    old = shards[path]
    schema = schema or pq.read_schema(out / path)
    rows = change(pq.read_table(out / path).to_pylist())
    written = write_shard(out, path, old.config, old.split, rows, schema)
    with_shards(manifest, {**shards, path: written}).write(out)


def of(found: Verified, kind: str) -> list[str]:
    assert list(found.findings) == [kind], found.examples
    return found.examples[kind]


def test_what_a_run_leaves_is_whole(out: Path) -> None:
    found = verify(out)
    assert found.whole, found.examples
    assert not found.notes
    assert found.blocks_done == found.blocks_total == len(manifest_of(out).blocks) > 2
    assert found.rows["pairs"] > found.rows["rejects"] > 0
    assert found.negatives > 0
    told = run("verify", out, "--json")
    assert told.exit_code == 0
    assert json.loads(told.stdout) == found.model_dump()


def test_every_flipped_byte_of_a_shard_is_found(out: Path) -> None:
    dice = random.Random(7)
    shards = sorted([*out.glob("data/*.parquet"), *out.glob("rejects/*.parquet")])
    for _ in range(FLIPS):
        path = dice.choice(shards)
        whole = path.read_bytes()
        bent = bytearray(whole)
        bent[dice.randrange(len(bent))] ^= 1 << dice.randrange(8)
        path.write_bytes(bent)
        [fault] = of(verify(out), "shard")
        assert fault.startswith(f"{path.relative_to(out)}: is not the file that the manifest names")
        path.write_bytes(whole)
    assert verify(out).whole


def test_all_that_is_wrong_is_told_at_once(out: Path) -> None:
    first, second, *_, last = sorted(out.glob("data/*.parquet"))
    first.write_bytes(first.read_bytes()[:-4])
    second.unlink()
    shutil.copy(last, out / "data" / "train-99999-of-00001.parquet")
    (out / "README.md").unlink()
    told = run("verify", out)
    assert told.exit_code == 1
    assert "not whole" in told.stdout
    for line in (
        f"data/{first.name}: is not the file that the manifest names: {first.stat().st_size:,} bytes in place of",
        f"data/{second.name}: cannot be read: No such file",
        "data/train-99999-of-00001.parquet: the manifest does not name it",
        "README.md: is not there",
    ):
        assert line in told.stdout
    found = verify(out)
    # Rows whose sources cannot be read are no findings of their own.
    assert found.findings == {"shard": 2, "stray": 1, "card": 1}


def rewrites(rows: Rows) -> Rows:
    return [row for row in rows if row["origin"] == "llm"]


def twice(rows: Rows) -> Rows:
    one = rewrites(rows)[0]
    return [one if row is rewrites(rows)[-1] else row for row in rows]


def shifted(rows: Rows) -> Rows:
    """Every row has the ids of the one before: the fault that a lost line makes of two files read side by side."""
    ids = [row["source_caption_id"] for row in rewrites(rows)]
    later = iter([ids[-1], *ids[:-1]])
    return [{**row, "source_caption_id": next(later)} if row["origin"] == "llm" else row for row in rows]


def bent_negative(rows: Rows) -> Rows:
    row = next(row for row in rows if row["negatives"])
    row["negatives"][0]["spans"][0]["source_end"] -= 1
    return rows


def set_first(origin: str, **values: object) -> Callable[[Rows], Rows]:
    def change(rows: Rows) -> Rows:
        next(row for row in rows if row.get("origin", origin) == origin).update(values)
        return rows

    return change


@pytest.mark.parametrize(
    ("folder", "change", "kinds", "says"),
    [
        ("data", twice, {"duplicate"}, "as well"),
        ("data", shifted, {"id", "source"}, "is not made of"),
        ("data", set_first("human", split="val"), {"split", "source"}, "is of val, in a shard of train"),
        ("data", set_first("llm", image_id="dataset/elsewhere.png"), {"source"}, "differs from its source in image_id"),
        ("data", set_first("llm", pid=999), {"source"}, "differs from its source in pid"),
        ("data", set_first("human", image_id="other/x.png"), {"id", "source"}, "is not an id of other/x.png"),
        ("data", bent_negative, {"negative"}, "is not what its negative is without its edits"),
        ("data", lambda rows: rows[:-1], {"count"}, "accepted: "),
        ("data", lambda rows: rows[1:], {"count", "source"}, "does not stand before it"),
        ("rejects", set_first("any", source_text="A man."), {"source"}, "differs from its source in source_text"),
        ("rejects", set_first("any", reasons=["not_best"]), {"count"}, "refused: "),
        ("rejects", set_first("any", source_caption_id="gone"), {"source", "id"}, "its source gone does not stand"),
    ],
)
def test_rows_that_break_a_rule_are_named(
    out: Path, folder: str, change: Callable[[Rows], Rows], kinds: set[str], says: str
) -> None:
    name = next(
        path.name for path in sorted((out / folder).glob("train-*.parquet")) if pq.read_table(path).num_rows > 3
    )
    remake(out, f"{folder}/{name}", change)
    found = verify(out)
    assert not found.whole
    assert set(found.findings) == kinds, found.examples
    told = [line for lines in found.examples.values() for line in lines if says in line]
    assert told, found.examples
    assert all(name.removesuffix(".parquet") in line for line in told)


def test_an_id_in_two_shards_is_found(out: Path) -> None:
    first, second = [
        shard.path for block in manifest_of(out).blocks for shard in block.shards if shard.config == "pairs"
    ][:2]
    taken = pq.read_table(out / first).to_pylist()[0]

    def change(rows: Rows) -> Rows:
        return [{**taken, "split": rows[0]["split"]}, *rows[1:]]

    remake(out, second, change)
    found = verify(out)
    assert f"{second}: {taken['caption_id']} is in {first} as well" in found.examples["duplicate"]


def test_columns_are_exactly_ours(out: Path) -> None:
    path = manifest_of(out).blocks[0].shards[0].path
    schema = pq.read_schema(out / path)
    kept = shutil.copytree(out, out.parent / "kept")
    for other, says in (
        (schema.remove(schema.get_field_index("neighbours")), "no neighbours"),
        (
            schema.set(schema.get_field_index("pid"), pa.field("pid", pa.int32(), nullable=False)),
            "pid has another type",
        ),
        (schema.append(pa.field("more", pa.string())), "more is none of them"),
        (schema.remove(schema.get_field_index("image")), "no image"),
    ):
        shutil.rmtree(out)
        shutil.copytree(kept, out)
        names = set(other.names)
        remake(
            out, path, lambda rows, names=names: [{k: v for k, v in row.items() if k in names} for row in rows], other
        )  # type: ignore[misc]
        [fault] = of(verify(out), "schema")
        assert fault == f"{path}: not the columns of `pairs`: {says}"


def test_an_older_version_is_named_as_one(tmp_path: Path) -> None:
    older = Path(shutil.copytree(OLDER, tmp_path / "older"))
    found = verify(older)
    assert found.whole, found.examples
    assert found.notes == [
        "written by an older version, which had no checks.generalised, checks.specialised, neighbours"
    ]
    assert run("verify", older).exit_code == 0
    path = "data/train-00000-of-00001.parquet"
    schema = pq.read_schema(older / path)
    # Without a column that every version had it is broken, however old.
    other = schema.remove(schema.get_field_index("text"))
    remake(older, path, lambda rows: [{k: v for k, v in row.items() if k != "text"} for row in rows], other)
    assert of(verify(older), "schema") == [
        f"{path}: not the columns of `pairs`: no text, no neighbours, checks has another type"
    ]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"seed": 0', '"seed": 1', "`fingerprint` is not the hash of `made_from`"),
        ('"run_id": "', '"run_id": "0', "`run_id` does not begin `fingerprint`"),
        ('"fingerprint"', '"fingerprinu"', "not a manifest this version reads"),
        ("{", "[", "not a manifest this version reads"),
        ('"captions": 24', '"captions": 25', "its blocks have 24 captions, its source 25"),
        ('"path": "data/train-00000', '"path": "../data/train-00000', "names a shard outside its folder"),
    ],
)
def test_a_bent_manifest_is_found(out: Path, old: str, new: str, says: str) -> None:
    path = out / "manifest.json"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    found = verify(out)
    assert not found.whole
    assert says in json.dumps(found.examples, ensure_ascii=False)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("path: data/train-*", "path: data/trian-*", "names data/trian-*.parquet, and no such file is there"),
        ("path: data/train-*", "path: ../data/train-*", "which is no path inside the folder"),
        ("split: val", "split: test", "as `pairs`, val"),
        ("configs:", "config:", "no `configs` with `data_files` at its head"),
        ("---\n", "---\n\t- x: [\n", "no `configs`"),
    ],
)
def test_a_card_that_names_other_files_is_found(out: Path, old: str, new: str, says: str) -> None:
    path = out / "README.md"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    assert any(says in line for line in of(verify(out), "card"))


def test_what_is_no_dataset_is_said_in_a_line(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        refused = run("verify", folder).exception
        assert isinstance(refused, UserError)
        assert str(refused).startswith(f"{folder}: no ")
