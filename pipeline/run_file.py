"""`run.toml`: the resolved configuration of a dataset, by which it is made again."""

import tomllib
from pathlib import Path, PureWindowsPath
from typing import Any

import tomli_w

from ..prompts.registry import load_prompt, prompt_names
from ..schemas.errors import UserError
from .config import NOT_SHAPING, RunConfig, without_folder
from .manifest import Manifest
from .shards import write_text

FILE = "run.toml"
_PROMPTS = "prompts"
_COMMENT = "# The resolved configuration of this dataset: tbpr-data augment --config run.toml --out DIR\n"


def write_run(root: Path, config: RunConfig, model: str) -> None:
    """Write the configuration of a run. Server and workers stay out: they decide nothing that is written."""
    values = config.model_dump(mode="json", exclude_none=True, exclude=NOT_SHAPING)
    values["recipe"] = [_from_anywhere(name) if name.endswith(".toml") else name for name in config.recipe]
    for key in ("path", "images_root"):
        if key in values["source"]:
            values["source"][key] = _from_anywhere(values["source"][key])
    if config.recipe:
        values["llm"]["model"] = config.llm.model or model
    write_text(root / FILE, _COMMENT + tomli_w.dumps(values))


def write_prompts(root: Path, manifest: Manifest) -> list[str]:
    """Write the prompts that do not come with the package as `prompts/ID.toml`, where `run.toml` names them when it is
    published; their paths. A prompt that is not whole (a release leaves captions out) is none to go on with."""
    hashes, written = manifest.made_from["prompts"], []
    for prompt in manifest.prompts:
        ours = prompt.id in prompt_names() and load_prompt(prompt.id) == prompt
        if ours or prompt.sha256() != hashes[prompt.id]:
            continue
        written.append(f"{_PROMPTS}/{prompt.id}.toml")
        (root / _PROMPTS).mkdir(exist_ok=True)
        write_text(root / written[-1], tomli_w.dumps(prompt.model_dump(mode="json", exclude_defaults=True)))
    return written


def copy_run(folder: Path, out: Path, *, source: str, images_root: Path | None) -> None:
    """Copy it to another folder, with the source where it is on this machine. Raises UserError."""
    values = read_run(folder)
    values["source"]["path"] = _from_anywhere(source)
    if images_root is not None:
        values["source"]["images_root"] = _from_anywhere(str(images_root))
    write_text(out / FILE, _COMMENT + tomli_w.dumps(values))


def published_run(folder: Path) -> str:
    """It as others may see it: of paths on this machine the last part alone. Raises UserError."""
    values = _without_folders(read_run(folder))
    recipe = values.get("recipe", ())
    values["recipe"] = [
        f"{_PROMPTS}/{PureWindowsPath(name).name}" if name.endswith(".toml") else name for name in recipe
    ]
    for key in ("path", "images_root"):  # also where they are relative: folders have names of their own
        if place := values["source"].get(key):
            values["source"][key] = _published(str(place))
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


def _from_anywhere(place: str) -> str:
    """A path that leads there from every folder; what is no path (`hf:NAME`) as it is."""
    if place.startswith("hf:"):
        return f"hf:{Path(place[3:]).resolve()}" if Path(place[3:]).is_dir() else place
    return str(Path(place).absolute())


def _without_folders(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_folders(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_without_folders(one) for one in value]
    return without_folder(value) if isinstance(value, str) else value


def _published(place: str) -> str:
    """Of a path its last part, also of a relative one: folders have names of their own."""
    told = without_folder(place)
    return told if told.startswith("hf:") else PureWindowsPath(told).name
