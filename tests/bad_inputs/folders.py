"""Output folders that cannot be written, or hold something else."""

import json
from pathlib import Path

from .case import SOURCE, Case, Make, both, folder_at, text

COMMAND = "negatives {dir}/x.json --out {dir}/out"
_ANOTHER = "(give another folder, or install the tbpr-data that made this one)"


def _dangling(folder: Path) -> None:
    (folder / "out").symlink_to(folder / "nowhere" / "at" / "all")


def _loop(folder: Path) -> None:
    (folder / "out").symlink_to(folder / "out")


_EDITED = json.dumps(
    {"run_id": "a", "fingerprint": "b", "made_from": {}, "source": {}, "versions": {}, "blocks_total": 0}
)


def _out(name: str, make: Make, says: str) -> Case:
    return Case(name, both(SOURCE, make), COMMAND, says)


CASES = (
    _out("a file as --out", text("out", "x"), "{dir}/out: is a file (give a folder to --out)"),
    _out(
        "a folder of something else",
        text("out/thesis.tex", "years"),
        "{dir}/out: not empty, and not one of our datasets (give an empty or new --out)",
    ),
    _out(
        "another program's manifest",
        text("out/manifest.json", '{"a": 1}'),
        f"{{dir}}/out/manifest.json: not a manifest this version reads: run_id: missing {_ANOTHER}",
    ),
    _out(
        "a manifest cut off",
        text("out/manifest.json", '{"kind": "tbpr'),
        f"{{dir}}/out/manifest.json: not a manifest this version reads: Invalid JSON: … {_ANOTHER}",
    ),
    _out(
        "a manifest that is a list",
        text("out/manifest.json", "[]"),
        f"{{dir}}/out/manifest.json: not a manifest this version reads: Input should be an object {_ANOTHER}",
    ),
    _out(
        "a manifest that is no text",
        text("out/manifest.json", b"\xff\xfe"),
        f"{{dir}}/out/manifest.json: not a manifest this version reads: Invalid JSON: … {_ANOTHER}",
    ),
    _out(
        "a manifest changed by hand",
        text("out/manifest.json", _EDITED),
        f"{{dir}}/out/manifest.json: not a manifest this version reads: made_from.config: missing {_ANOTHER}",
    ),
    _out(
        "a folder for a manifest",
        folder_at("out/manifest.json"),
        "{dir}/out: not empty, and not one of our datasets (give an empty or new --out)",
    ),
    _out(
        "a file where the state is kept",
        text("out/.tbpr", "x"),
        "{dir}/out: cannot be written: File exists (give another --out)",
    ),
    _out("a link to nowhere as --out", _dangling, "{dir}/out: cannot be written: File exists (give another --out)"),
    _out(
        "a link to itself as --out",
        _loop,
        "{dir}/out: cannot be written: Too many levels of symbolic links (give another --out)",
    ),
    Case(
        "--out below a file",
        both(SOURCE, text("f", "")),
        COMMAND.replace("out ", "out ").replace("{dir}/out", "{dir}/f/out"),
        "{dir}/f/out: cannot be written: Not a directory (give another --out)",
    ),
    Case(
        "--out in a place of the kernel's",
        SOURCE,
        COMMAND.replace("{dir}/out", "/proc/tbpr"),
        "/proc/tbpr: cannot be written: … (give another --out)",
    ),
    Case(
        "--out with too long a name",
        SOURCE,
        COMMAND + "o" * 300,
        "{dir}/outo…: File name too long (give another path, or mend what is there)",
        code=1,
    ),
)
