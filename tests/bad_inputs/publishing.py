"""What cannot be exported, pushed or joined."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import training_runs
from publish_runs import write_source

from .case import Case, Make, both, nothing, text
from .pictures import png

EXPORT = "export {dir}/set --to jsonl --out {dir}/out"
PUSH = "push {dir}/set --repo me/x --dry-run"
JOIN = "join {dir}/release --source {dir}/src --out {dir}/out"
AGAIN = "(run the command that made it again: it mends the folder)"
_OURS = "(give a folder that augment or negatives wrote)"
_NEWER = "(give another folder, or install the tbpr-data that made this one)"
_RELEASE = "(download it again, or install a newer tbpr-data)"
_EMPTY = "(name a folder that is empty or does not exist yet)"
_LICENSE = "(give its identifier on the Hub, such as cc-by-4.0, or other)"
_SHARD = "data/train-00000-of-00001.parquet"
_STATE = ("set/.tbpr", "set/.tbpr/*")


def dataset(folder: Path) -> None:
    """`set`, made of `src`, and `release` of it; made once a session."""
    made = folder.parent / "dataset-of-the-table"
    if not made.exists():
        from tbpr_data.pipeline.publish.contents import open_contents
        from tbpr_data.pipeline.publish.release import make_release

        write_source(made / "src", None, images=4)
        done = training_runs.run("negatives", made / "src", "--out", made / "set", "--set", "workers=1")
        assert done.returncode == 0, done.stderr
        make_release(open_contents(made / "set"), made / "release", None)
        shutil.copy(made / "set" / "run.toml", made / "release")
        shutil.rmtree(made / "set" / ".tbpr")
    shutil.copytree(made, folder, dirs_exist_ok=True)


def _json(name: str, change: Callable[[Any], object]) -> Make:
    """A JSON file of the dataset with something changed in it."""

    def make(folder: Path) -> None:
        values = json.loads((folder / name).read_text())
        change(values)
        (folder / name).write_text(json.dumps(values))

    return make


def _flipped(name: str) -> Make:
    """A file with one byte changed."""

    def make(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content)

    return make


def _removed(name: str) -> Make:
    return lambda folder: (folder / name).unlink()


def _bomb(folder: Path) -> None:
    (folder / "src" / "imgs" / "cam" / "0000.jpg").write_bytes(png(60_000, 60_000))


def _export(name: str, change: Make, says: str, command: str = EXPORT, leaves: tuple[str, ...] = ()) -> Case:
    return Case(name, both(dataset, change), command, says, leaves=leaves)


def _push(name: str, command: str, says: str, change: Make = nothing) -> Case:
    return Case(name, both(dataset, change), command, says, leaves=_STATE)


def _join(name: str, change: Make, says: str, command: str = JOIN) -> Case:
    return Case(name, both(dataset, change), command, says)


def _manifest(**values: Any) -> Make:
    return _json("set/manifest.json", lambda manifest: manifest.update(values))


CASES = (
    _export(
        "an unknown export",
        nothing,
        "--to: 'csv' is no format (one of webdataset, irra-json, negclip-tsv, jsonl, croissant)",
        EXPORT.replace("jsonl", "csv"),
    ),
    Case("nothing to export", nothing, EXPORT, f"{{dir}}/set: no such folder {_OURS}"),
    Case(
        "a folder of something else to export",
        text("set/x", ""),
        EXPORT,
        f"{{dir}}/set: no dataset of ours: there is no manifest.json {_OURS}",
    ),
    _export(
        "a release to export",
        nothing,
        "{dir}/release: a release without its source's captions (put them back first: tbpr-data join DIR --source "
        "SOURCE --out OUT)",
        EXPORT.replace("{dir}/set", "{dir}/release"),
    ),
    _export(
        "an unfinished dataset",
        _manifest(blocks_total=9),
        "{dir}/set: is not finished: 1 of 9 blocks (run the command that makes it again: it goes on)",
    ),
    _export(
        "a dataset of a newer version",
        _manifest(format=2),
        f"{{dir}}/set/manifest.json: not a manifest this version reads: format: Input should be 1 {_NEWER}",
    ),
    _export(
        "a shard with a flipped byte",
        _flipped(f"set/{_SHARD}"),
        f"{{dir}}/set/{_SHARD}: is not the file that the manifest names: another hash {AGAIN}",
    ),
    _export(
        "a lost shard",
        _removed(f"set/{_SHARD}"),
        f"{{dir}}/set/{_SHARD}: cannot be read: No such file or directory {AGAIN}",
    ),
    _export(
        "a manifest that names a file elsewhere",
        _json("set/manifest.json", lambda manifest: manifest["blocks"][0]["shards"][0].update(path="../../x")),
        f"{{dir}}/set: names a shard outside its folder: ../../x {AGAIN}",
    ),
    _export(
        "a run.toml nested without end",
        text("set/run.toml", "x = " + "[" * 5000),
        "{dir}/set/run.toml: does not say where the images are: … (give --images-root DIR, or copy the file again)",
    ),
    _export("a file to export into", text("out", "x"), f"{{dir}}/out: is a file {_EMPTY}"),
    _export(
        "a folder of something else to export into", text("out/thesis.tex", "x"), f"{{dir}}/out: is not empty {_EMPTY}"
    ),
    _export(
        "another export's folder",
        text("out/.tbpr-export.json", '{"kind": "tbpr-data-export", "to": "webdataset"}'),
        f"{{dir}}/out: holds an export to webdataset {_EMPTY}",
    ),
    _export(
        "an export without its images",
        _removed("src/imgs/cam/0000.jpg"),
        "{dir}/src/imgs: 1 image is missing: cam/0000.jpg (copy them there, …)",
        EXPORT.replace("jsonl", "webdataset") + " --images-root {dir}/src/imgs",
    ),
    _export(
        "a decompression bomb to export",
        _bomb,
        "cam/0000.jpg: is not a whole image: … exceeds limit … (copy it again)",
        EXPORT.replace("jsonl", "webdataset") + " --images-root {dir}/src/imgs",
        leaves=("out", "out/.tbpr-export.json"),
    ),
    _export(
        "another configuration on a folder",
        nothing,
        "{dir}/set: this dataset was made with another configuration (config.seed: 0 → 3) (give another --out, or the "
        "same configuration again)",
        "negatives {dir}/src --out {dir}/set --seed 3",
        leaves=_STATE,
    ),
    _export(
        "a newer version's folder as --out",
        _manifest(format=2),
        f"{{dir}}/set/manifest.json: not a manifest this version reads: format: Input should be 1 {_NEWER}",
        "negatives {dir}/src --out {dir}/set",
    ),
    Case(
        "no dataset to verify",
        nothing,
        "verify {dir}",
        f"{{dir}}: no dataset of ours: there is no manifest.json {_OURS}",
    ),
    Case("no dataset to tell of", nothing, "status {dir}/no", f"{{dir}}/no: no such folder {_OURS}"),
    _push(
        "captions that may not be published",
        PUSH,
        "cuhk-pedes: the images of … may not be published again; … (push --release rewrites-only publishes what "
        "may be)",
    ),
    _push(
        "an unknown kind of release",
        PUSH + " --release all",
        "--release: 'all' is no kind of release (give rewrites-only)",
    ),
    *(
        _push(
            f"a licence that is {what}", f"{PUSH} --license={given}", f"--license: '{given}' is no licence {_LICENSE}"
        )
        for what, given in (("blank", ""), ("no identifier", "CC-BY-4.0"))
    ),
    _push(
        "a repository without a namespace",
        "push {dir}/set --repo x --release rewrites-only --images-root {dir}/src/imgs",
        "--repo: 'x' has no namespace (give NAMESPACE/NAME)",
    ),
    _join(
        "nothing to join",
        nothing,
        "{dir}/set: no release: release.json cannot be read (No such file or directory) (give what push --release "
        "rewrites-only made)",
        JOIN.replace("/release", "/set"),
    ),
    _join(
        "a release cut off",
        text("release/release.json", "{"),
        f"{{dir}}/release/release.json: not a release this version reads: Invalid JSON: … {_RELEASE}",
    ),
    _join(
        "a release of a newer version",
        _json("release/release.json", lambda release: release.update(format=3)),
        f"{{dir}}/release/release.json: not a release this version reads: format: Input should be 1 or 2 {_RELEASE}",
    ),
    _join(
        "a release that lost its shards' names",
        _json("release/release.json", lambda release: release.update(shards=[])),
        f"{{dir}}/release/release.json: not a release this version reads: its shards are not those of its manifest "
        f"{_RELEASE}",
    ),
    _join(
        "a release's shard with a flipped byte",
        _flipped(f"release/{_SHARD}"),
        f"{{dir}}/release/{_SHARD}: is not the file that release.json names: {_SHARD} (download the release again)",
    ),
    _join(
        "a release without its run.toml",
        _removed("release/run.toml"),
        "{dir}/release/run.toml: cannot be read: No such file or directory (make the dataset again)",
    ),
    _join(
        "another edition of the source",
        _json("src/reid_raw.json", lambda records: records[0].update(captions=["A man.", "A woman."])),
        "{dir}/src: says something else of cuhk-pedes/cam/0000.jpg#0 than the dataset was made from (give the same "
        "edition of the source)",
    ),
    _join(
        "a part of the source",
        _json("src/reid_raw.json", lambda records: records.pop()),
        "{dir}/src: has no caption cuhk-pedes/cam/0003.jpg#0 (its first is …) (give the source that the dataset "
        "was made from, whole and under its own name)",
    ),
    _join("a folder of something else to join into", text("out/x", ""), "{dir}/out: not empty (give a new --out)"),
)
