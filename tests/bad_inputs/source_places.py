"""Where sources and their images are: folders, links, pipes, the Hub."""

import os
from pathlib import Path

from .case import Case, both, cuhk, folder_at, nothing, records, text

FILE = "negatives {dir}/x.json --out {dir}/out"
FOLDER = "negatives {dir} --out {dir}/out"

_AGAIN = "(copy or write it again)"
_NO_ANNOTATION = "holds no annotation file (…) (name the file, or write hf:FOLDER for a Hugging Face dataset)"


def _link_out(folder: Path) -> None:
    records("x.json", cuhk())(folder)
    (folder / "imgs").mkdir()
    (folder / "secret").write_bytes(b"not yours")
    (folder / "imgs" / "a.jpg").symlink_to(folder / "secret")


def _linked_folder(folder: Path) -> None:
    records("x.json", cuhk("sub/a.jpg"))(folder)
    (folder / "imgs").mkdir()
    (folder / "outside").mkdir()
    (folder / "outside" / "a.jpg").write_bytes(b"not yours")
    (folder / "imgs" / "sub").symlink_to(folder / "outside")


CASES = (
    Case(
        "an image that is a link out of the root",
        _link_out,
        FILE,
        "{dir}/x.json, record 0, `file_path`: a.jpg is a link that leaves the images' root {dir}/imgs (copy the "
        "images, or "
        "give --images-root the folder it leads to)",
    ),
    Case(
        "a folder of images that is a link out of the root",
        _linked_folder,
        FILE,
        "{dir}/x.json, record 0, `file_path`: sub/a.jpg is a link that leaves the images' root {dir}/imgs (copy "
        "the images, "
        "or give --images-root the folder it leads to)",
    ),
    Case(
        "no such source",
        nothing,
        FILE,
        "{dir}/x.json: no such file or folder (for a dataset of the Hub write hf:OWNER/NAME)",
    ),
    Case(
        "a pipe as a source",
        lambda folder: os.mkfifo(folder / "x.json"),
        FILE,
        "{dir}/x.json: is neither a file nor a folder (write what a pipe gives into a file)",
    ),
    Case("a folder without a source", nothing, FOLDER, "{dir}: " + _NO_ANNOTATION),
    Case("a folder called like a source", folder_at("reid_raw.json"), FOLDER, "{dir}: " + _NO_ANNOTATION),
    Case(
        "two sources in a folder",
        both(records("reid_raw.json", cuhk()), records("ICFG-PEDES.json", cuhk())),
        FOLDER,
        "{dir}: holds several sources: ICFG-PEDES.json, reid_raw.json (name one of the files)",
    ),
    Case(
        "a Hub dataset without a name",
        nothing,
        "negatives hf: --out {dir}/out",
        "hf:: names no dataset (hf:OWNER/NAME, or hf:FOLDER)",
    ),
    Case(
        "a Hugging Face folder without data",
        nothing,
        "negatives hf:{dir} --out {dir}/out",
        "hf:{dir}: cannot be loaded: … (check the name, the network, or give a local folder)",
    ),
    Case(
        "an output of ours with a broken shard",
        both(text("manifest.json", "{}"), text("data/train.parquet", "x")),
        FOLDER,
        "{dir}/data/train.parquet: is not a whole Parquet file: … " + _AGAIN,
    ),
    Case(
        "a release without captions as a source",
        text("release.json", "{}"),
        FOLDER,
        "{dir}: a release without its source's captions (put them back first: tbpr-data join DIR --source SOURCE "
        "--out OUT)",
    ),
)
