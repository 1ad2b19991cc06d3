"""The manifest of a dataset: what it was made from, with what, and which shards hold it."""

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ..schemas.errors import UserError
from ..schemas.prompt import Prompt
from ..schemas.settings import first_problem
from .finish import BlockResult
from .shards import write_text

FILE = "manifest.json"
_HASH = re.compile(r"[0-9a-f]{64}")
# What decides which questions the language model is asked, and how the answers lie in journals. The rest decides what
# is made of them.
_ASKED = ("source_sha256", "model", "recipe", "prompts", "sampling")
_NEEDED = {
    "config": ("samples", "checks", "negatives", "embed_images"),
    "model": ("name",),
    "prompts": (),
    "rules": ("data",),
}
_ASKED_CONFIG = ("source", "samples", "seed", "block_size")


class Manifest(BaseModel):
    """`manifest.json`. Nothing in it depends on time, machine or order of arrival."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: Literal["tbpr-data"] = "tbpr-data"
    """Tells our output from any other folder."""
    format: Literal[1] = 1
    """Version of this file and of the shards' columns."""
    run_id: str
    """First 16 hex digits of `fingerprint`."""
    fingerprint: str
    """sha256 of `made_from`."""
    made_from: dict[str, Any]
    """Everything that decides what is written: source hash, config, prompts, model, versions of our rules."""
    source: dict[str, Any]
    """Format, counts, repairs and warnings of the source."""
    versions: dict[str, str]
    """Packages whose behaviour shapes the rows."""
    prompts: tuple[Prompt, ...] = ()
    """The prompts in full, for the card; a folder older than this field has none."""
    blocks_total: int
    """Blocks the source is cut into."""
    blocks: tuple[BlockResult, ...] = ()
    """Finished blocks, in order, each with its shards: path, rows, bytes, sha256."""

    @property
    def complete(self) -> bool:
        """Whether every block is finished."""
        return len(self.blocks) == self.blocks_total

    def with_block(self, result: BlockResult) -> "Manifest":
        """This manifest with one more (or one renewed) block, in the order of the source."""
        split_order = ("train", "val", "test")
        blocks = [block for block in self.blocks if block.name != result.name] + [result]
        blocks.sort(key=lambda block: (split_order.index(block.name.split("-")[0]), block.name))
        return self.model_copy(update={"blocks": tuple(blocks)})

    def without_block(self, result: BlockResult) -> "Manifest":
        """This manifest without one of its blocks."""
        return self.model_copy(update={"blocks": tuple(block for block in self.blocks if block != result)})

    def write(self, root: Path) -> None:
        """Write it whole or not at all."""
        write_text(root / FILE, self.model_dump_json(indent=1) + "\n")


def read_manifest(root: Path) -> Manifest | None:
    """The manifest of a folder, or none where there is none. Raises UserError for one that is not ours."""
    path = root / FILE
    if not path.is_file():
        return None
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
        problem = _lacks(manifest.made_from)
    except ValidationError as error:
        problem = first_problem(error)
    if problem:
        raise UserError(
            f"not a manifest this version reads: {problem}",
            where=str(path),
            mend="give another folder, or install the tbpr-data that made this one",
        )
    return manifest


def _lacks(made_from: dict[str, Any]) -> str:
    """What of `made_from` its readers count on and a hand has taken out, in words."""
    for key, needs in _NEEDED.items():
        held = made_from.get(key)
        missing = [key] if not isinstance(held, dict) else [f"{key}.{name}" for name in needs if name not in held]
        if missing:
            return f"made_from.{missing[0]}: missing"
    return ""


def same_answers(old: Manifest, new: Manifest) -> bool:
    """Whether what the language model answered for one is what it would be asked for the other."""
    return _asked(old.made_from) == _asked(new.made_from)


def _asked(made_from: dict[str, Any]) -> list[Any]:
    config = made_from["config"]
    return [*(made_from.get(key) for key in _ASKED), *(config.get(key) for key in _ASKED_CONFIG)]


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """`key: old → new` for every leaf that differs; of a hash its first digits."""
    before, after = dict(_leaves(old)), dict(_leaves(new))
    keys = [*before, *(key for key in after if key not in before)]
    return [
        f"{key}: {_shown(before.get(key, 'absent'))} → {_shown(after.get(key, 'absent'))}"
        for key in keys
        if before.get(key, "absent") != after.get(key, "absent")
    ]


def _shown(value: Any) -> str:
    told = "none" if value is None else str(value)
    return f"{told[:8]}…" if _HASH.fullmatch(told) else told


def _leaves(value: Any, prefix: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        return [leaf for key, inner in value.items() for leaf in _leaves(inner, f"{prefix}.{key}" if prefix else key)]
    return [(prefix, value)]
