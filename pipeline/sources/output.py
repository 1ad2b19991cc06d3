"""Our own output folder, read back as a source."""

import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...schemas.errors import UserError
from .hub import PREFIX
from .images import ImageFolder
from .rows import read_shards
from .table import Table, slug

MANIFEST, RELEASE = "manifest.json", "release.json"


def refuse_release(folder: Path) -> None:
    """Raise UserError for a release without captions, and say what makes a dataset of it."""
    if (folder / RELEASE).is_file() and not (folder / MANIFEST).is_file():
        raise UserError(
            "a release without its source's captions",
            where=str(folder),
            mend="put them back first: tbpr-data join DIR --source SOURCE --out OUT",
        )


def is_output(folder: Path) -> bool:
    """Whether `folder` is what `tbpr-data augment` writes: a manifest beside `data/*.parquet`."""
    return (folder / MANIFEST).is_file() and any((folder / "data").glob("*.parquet"))


def read_output(folder: Path) -> Table:
    """Open an output folder. Rewrites are left out; the human captions are put together again by image.

    Splits come in the order of their shards' names. Images are looked for in `images/` and `imgs/`.
    """
    if not is_output(folder):
        raise UserError(
            f"is no output of ours: {MANIFEST} and data/*.parquet are needed", where=str(folder), mend="give its folder"
        )
    files = sorted((folder / "data").glob("*.parquet"))
    table = read_shards("tbpr-data", slug(folder.name), files)
    return replace(table, folders=(folder / "images", folder / "imgs"))


def recorded_root(folder: Path, paths: Sequence[str]) -> Path | None:
    """The first folder that holds one of the images: `images/` and `imgs/` in an output folder, then where its source
    had them (`run.toml`); where the source was an output folder itself, what that says. None where no folder does.
    """
    seen: set[Path] = set()
    while folder not in seen and paths:
        seen.add(folder)
        source, given = _recorded(folder / "run.toml")
        beside = source if source.is_dir() else source.parent
        candidates = [folder / "images", folder / "imgs", *([given] if given else []), beside / "imgs", beside]
        for root in candidates:
            images = ImageFolder(root)
            if root.is_dir() and any(images.holds(path) == "found" for path in paths):
                return root
        if is_output(source):
            folder = source
    return None


def _recorded(run: Path) -> tuple[Path, Path | None]:
    """Source and images' root as the run that made the folder named them; the folder itself where it says nothing."""
    try:
        source = tomllib.loads(run.read_text(encoding="utf-8"))["source"]
        root = source.get("images_root")
        return Path(source["path"].removeprefix(PREFIX)), Path(root) if root else None
    except FileNotFoundError:
        return run.parent, None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        what = f"does not say where the images are: {error}"
        raise UserError(what, where=str(run), mend="give --images-root DIR, or copy the file again") from None
