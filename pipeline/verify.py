"""Proof of a dataset folder: its files are those that the manifest names, and its rows obey the rules of rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from pydantic import BaseModel, ConfigDict

from ..schemas.errors import UserError
from ..schemas.rows import PairRow, RejectRow
from ..schemas.source import Findings
from .columns import absent_columns, difference
from .config import canonical_sha256
from .folder import STATE
from .fresh import DATA_VERSION
from .holder import holder_of
from .manifest import FILE as MANIFEST
from .manifest import Manifest
from .progress import FILE as PROGRESS
from .progress import read_progress
from .publish.contents import Contents, check_shard, manifest_of
from .row_faults import RowFaults
from .shards import ShardRecord, pairs_schema, rejects_schema
from .sources.images import normal_path

CARD = "README.md"
_FRONT = re.compile(r"---\n(.*?\n)---\n", re.DOTALL)
_BLOCK = re.compile(r"(train|val|test)-\d{5,}-of-\d{5,}")
_MODELS: dict[str, type[BaseModel]] = {"pairs": PairRow, "rejects": RejectRow}


class Verified(BaseModel):
    """What was found in a folder."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    folder: str
    """The folder."""
    whole: bool
    """Finished, and nothing is wrong."""
    blocks_done: int
    """Blocks that are written."""
    blocks_total: int
    """Blocks that the source is cut into; 0 where the manifest cannot be read."""
    shards: int
    """Shards that the manifest names."""
    rows: dict[str, int]
    """Config → rows that were read."""
    negatives: int
    """Hard negatives that were read."""
    findings: dict[str, int]
    """Kind of fault → how often."""
    examples: dict[str, list[str]]
    """Kind of fault → the first few, each naming its file."""
    notes: list[str]
    """What is odd and no fault."""


@dataclass(frozen=True)
class _Told:
    """What decides the columns of the shards."""

    embedded: bool
    """Whether the images are in them."""
    version: int
    """`DATA_VERSION` of what wrote them."""


def verify(folder: Path) -> Verified:
    """Prove the dataset in `folder`, as far as it is written: no finding stops the search for others.

    Raises UserError for what is no dataset of ours.
    """
    findings = Findings()
    notes: list[str] = []
    try:
        manifest = manifest_of(folder)
    except UserError as error:
        if not (folder / MANIFEST).is_file():
            raise
        findings.add("manifest", f"{MANIFEST}: {error.what}")
        return _verified(folder, None, None, findings, notes)
    contents = Contents(folder, manifest)
    _manifest(manifest, findings)
    try:
        told = _Told(contents.embedded, int(manifest.made_from["rules"]["data"]))
    except (LookupError, TypeError, ValueError):
        findings.add("manifest", f"{MANIFEST}: `made_from` does not say which columns there are")
        return _verified(folder, manifest, None, findings, notes)
    rows = RowFaults(contents, findings)
    older: set[str] = set()
    for block in manifest.blocks:
        rows.look_at(block, [shard for shard in block.shards if _usable(folder, told, shard, findings, older)])
    rows.duplicates()
    if older:
        notes.append(f"written by an older version, which had no {', '.join(sorted(older))}")
    _strays(folder, manifest, findings, notes)
    _card(contents, findings, notes)
    _state(folder, manifest, notes)
    return _verified(folder, manifest, rows, findings, notes)


def _verified(
    folder: Path, manifest: Manifest | None, rows: RowFaults | None, findings: Findings, notes: list[str]
) -> Verified:
    blocks = manifest.blocks if manifest else ()
    return Verified(
        folder=str(folder),
        whole=manifest is not None and manifest.complete and not findings.counts,
        blocks_done=len(blocks),
        blocks_total=manifest.blocks_total if manifest else 0,
        shards=sum(len(block.shards) for block in blocks),
        rows=dict(rows.rows) if rows else {},
        negatives=rows.negatives if rows else 0,
        findings=findings.counts,
        examples=findings.examples,
        notes=notes,
    )


def _manifest(manifest: Manifest, findings: Findings) -> None:
    """Note where a manifest contradicts itself."""
    faults = []
    if canonical_sha256(manifest.made_from) != manifest.fingerprint:
        faults.append("`fingerprint` is not the hash of `made_from`")
    if manifest.run_id != manifest.fingerprint[:16]:
        faults.append("`run_id` does not begin `fingerprint`")
    # A folder from before prompts were kept in full has none.
    if manifest.prompts and {prompt.id: prompt.sha256() for prompt in manifest.prompts} != manifest.made_from.get(
        "prompts"
    ):
        faults.append("`prompts` are not those of `made_from`")
    names = Counter(block.name for block in manifest.blocks)
    faults += [f"block {name} stands twice" for name, count in names.items() if count > 1]
    for block in manifest.blocks:
        faults += [
            f"{shard.path} is no shard of block {block.name}"
            for shard in block.shards
            if Path(shard.path).stem != block.name
        ]
    captions = sum(block.captions for block in manifest.blocks)
    if manifest.complete and captions != manifest.source.get("captions"):
        faults.append(f"its blocks have {captions:,} captions, its source {manifest.source.get('captions')}")
    for fault in faults:
        findings.add("manifest", f"{MANIFEST}: {fault}")


def _usable(folder: Path, told: _Told, shard: ShardRecord, findings: Findings, older: set[str]) -> bool:
    """Whether the rows of a shard can be looked at: it is the file that was written, with our columns."""
    if shard.config not in _MODELS:
        findings.add("manifest", f"{MANIFEST}: {shard.path}: there is no config {shard.config!r}")
        return False
    try:
        check_shard(folder, shard)
    except UserError as error:
        findings.add("shard", f"{shard.path}: {error.what}")
        return False
    try:
        there = pq.read_schema(folder / shard.path)
    except (pa.ArrowException, OSError) as error:
        findings.add("shard", f"{shard.path}: is not a whole Parquet file: {str(error).splitlines()[0]}")
        return False
    pairs = shard.config == "pairs"
    wanted = pairs_schema(with_images=told.embedded) if pairs else rejects_schema()
    if there.equals(wanted):
        return True
    absent = absent_columns(there, wanted)
    model = _MODELS[shard.config]
    required = {name for name, field in model.model_fields.items() if field.is_required()}
    if told.version < DATA_VERSION and absent is not None and not required & set(absent):
        older.update(absent)
        return True
    newer = " (a newer tbpr-data wrote it)" if told.version > DATA_VERSION else ""
    findings.add("schema", f"{shard.path}: not the columns of `{shard.config}`{newer}: {difference(there, wanted)}")
    return False


def _strays(folder: Path, manifest: Manifest, findings: Findings, notes: list[str]) -> None:
    """Note Parquet files that lie among the shards: `datasets` would read them."""
    named = {shard.path for block in manifest.blocks for shard in block.shards}
    begun = half = 0
    for place in ("data", "rejects"):
        for path in sorted((folder / place).rglob("*")):
            name = path.relative_to(folder).as_posix()
            if path.name.startswith(".") and path.name.endswith(".writing"):
                half += 1
            elif path.suffix != ".parquet" or name in named:
                continue
            elif not manifest.complete and _BLOCK.fullmatch(path.stem):
                begun += 1
            else:
                findings.add("stray", f"{name}: the manifest does not name it")
    if begun:
        notes.append(f"{begun:,} shards of blocks that are not finished: the run writes them again")
    if half:
        notes.append(f"{half:,} files half written: the run removes them")


def _card(contents: Contents, findings: Findings, notes: list[str]) -> None:
    """Note where the card's `configs`, which tell `datasets` what to read, do not fit the files."""
    root, complete = contents.root, contents.manifest.complete
    try:
        text = (root / CARD).read_text(encoding="utf-8")
    except FileNotFoundError:
        if complete:
            findings.add("card", f"{CARD}: is not there")
        else:
            notes.append("no card yet: a run writes it when it ends")
        return
    except (OSError, ValueError) as error:
        findings.add("card", f"{CARD}: cannot be read: {error}")
        return
    try:
        patterns = list(_patterns(text))
    except (yaml.YAMLError, LookupError, TypeError, AttributeError):
        findings.add("card", f"{CARD}: no `configs` with `data_files` at its head")
        return
    named: set[tuple[str, str, str]] = set()
    for config, split, pattern in patterns:
        try:
            found = [path.relative_to(root).as_posix() for path in root.glob(normal_path(pattern))]
        except ValueError:
            findings.add("card", f"{CARD}: names {pattern!r}, which is no path inside the folder")
            continue
        named.update((config, split, path) for path in found)
        if not found:
            findings.add("card", f"{CARD}: names {pattern}, and no such file is there")
    for shard in (*contents.shards("pairs"), *contents.shards("rejects")) if complete else ():
        if shard.rows and (shard.config, shard.split, shard.path) not in named:
            findings.add("card", f"{CARD}: does not name {shard.path} as `{shard.config}`, {shard.split}")


def _patterns(card: str) -> Iterator[tuple[str, str, str]]:
    """Config, split and path of what a card names."""
    front = _FRONT.match(card)
    for config in yaml.safe_load(front[1] if front else "")["configs"]:
        for files in config["data_files"]:
            paths = files["path"] if isinstance(files["path"], list) else [files["path"]]
            yield from ((config["config_name"], files["split"], str(path)) for path in paths)


def _state(folder: Path, manifest: Manifest, notes: list[str]) -> None:
    if not manifest.complete:
        notes.append(f"not finished: {len(manifest.blocks):,} of {manifest.blocks_total:,} blocks")
    failed = sum(block.failed for block in manifest.blocks)
    if failed:
        notes.append(f"{failed:,} requests got no answer; the command that made it asks them again")
    holder = holder_of(folder, read_progress(folder / STATE / PROGRESS))
    if holder.state == "running":
        notes.append(
            f"a run is writing here (host {holder.host}, pid {holder.pid}): what it changes meanwhile looks wrong"
        )
