"""`run.toml`: the resolved configuration of a dataset, by which it is made again."""

import tomllib
from pathlib import Path, PureWindowsPath
from typing import Any

import tomli_w

from ..schemas.errors import UserError
from .config import NOT_SHAPING, RunConfig
from .shards import write_text

FILE = "run.toml"
_COMMENT = "# The resolved configuration of this dataset: tbpr-data augment --config run.toml --out DIR\n"


def write_run(root: Path, config: RunConfig, model: str) -> None:
    """Write the configuration of a run. Server and workers stay out: they decide nothing that is written."""
    values = config.model_dump(mode="json", exclude_none=True, exclude=NOT_SHAPING)
    if config.recipe:
        values["llm"]["model"] = config.llm.model or model
    write_text(root / FILE, _COMMENT + tomli_w.dumps(values))


def copy_run(folder: Path, out: Path, *, source: str, images_root: Path | None) -> None:
    """Copy it to another folder, with the source where it is on this machine. Raises UserError."""
    values = read_run(folder)
    values["source"]["path"] = source
    if images_root is not None:
        values["source"]["images_root"] = str(images_root)
    write_text(out / FILE, _COMMENT + tomli_w.dumps(values))


def published_run(folder: Path) -> str:
    """It as others may see it: of paths on this machine the last part alone. Raises UserError."""
    values = _without_folders(read_run(folder))
    for key in ("path", "images_root"):  # also where they are relative: folders have names of their own
        if (place := values["source"].get(key)) and not str(place).startswith("hf:"):
            values["source"][key] = PureWindowsPath(place).name
    return _COMMENT + tomli_w.dumps(values)


def read_run(folder: Path) -> dict[str, Any]:
    """The configuration in a folder. Raises UserError where it cannot be read."""
    path = folder / FILE
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values.get("source"), dict):
            raise ValueError("it has no [source]")
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"cannot be read: {reason}", where=str(path), mend="make the dataset again") from None
    return values


def _without_folders(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_folders(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_without_folders(one) for one in value]
    if isinstance(value, str) and (value.startswith(("/", "~", "./", "../")) or PureWindowsPath(value).drive):
        return PureWindowsPath(value).name
    return value
