"""The dataset card, computed from the dataset itself: no figure in it comes from anywhere else."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from pydantic import BaseModel

from ..prompts.registry import messages
from ..schemas.rows import PairRow, RejectRow
from .audit.accuracy import TELLING_PAIRS
from .checks.doubts import question_asked
from .checks.reasons import REASONS
from .counts import count_rows
from .llm.models import known_models
from .manifest import Manifest
from .negatives.guards import GUARDS
from .shards import ShardRecord, write_text

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_FOLDERS = {"pairs": "data", "rejects": "rejects"}
_MODELS: Mapping[str, type[BaseModel]] = {"pairs": PairRow, "rejects": RejectRow}


@dataclass(frozen=True)
class Published:
    """What a card says of a dataset that is given away: where, under which terms, and how it measures."""

    repo: str
    """NAMESPACE/NAME on the Hub."""
    revision: str | None
    """The branch there, unless it is the default one."""
    license: str
    """Identifier for the Hub: `apache-2.0`, `other`."""
    terms: Sequence[Any]
    """The terms of the datasets it is made from (`publish.licences.Terms`)."""
    audit: Mapping[str, Any]
    """What `audit` measures."""
    captions: bool
    """Whether the source's captions are in it."""
    shards: Sequence[ShardRecord]
    """What is given away."""
    root: Path
    """Where the shards are."""
    models: Mapping[str, type[BaseModel]]
    """Config → their rows."""
    readable: Mapping[str, tuple[int, int]]
    """Of a release without captions: `rewrites` and `hard negatives` → how many stand there whole, and of how many."""


def write_card(root: Path, manifest: Manifest) -> None:
    """Write `README.md` of the dataset in `root`."""
    write_text(root / "README.md", card_text(root, manifest))


def card_text(root: Path, manifest: Manifest, published: Published | None = None) -> str:
    """The card of the dataset in `root`: YAML for the Hub, then the words."""
    environment = Environment(undefined=StrictUndefined, autoescape=True, keep_trailing_newline=True)
    # Prompts are shown as code, four spaces in: nothing in them is read as Markdown or HTML, so nothing is escaped.
    environment.filters["indented"] = lambda text: Markup("\n".join("    " + line for line in text.splitlines()))  # noqa: S704
    template = environment.from_string((files(__package__) / "card.md.jinja").read_text(encoding="utf-8"))
    made_from, prompts = manifest.made_from, manifest.prompts
    datasets = manifest.source["datasets"]
    negatives = made_from["config"]["negatives"]
    shards = published.shards if published else [shard for block in manifest.blocks for shard in block.shards]
    words = template.render(
        title=f"{', '.join(datasets)}, augmented",
        sources=", ".join(datasets),
        complete=manifest.complete,
        blocks_done=len(manifest.blocks),
        blocks_total=manifest.blocks_total,
        source=manifest.source,
        model=made_from["model"],
        negatives=negatives["enabled"],
        recipe=negatives["recipe"] if negatives["enabled"] else "",
        balanced=negatives["balance"],
        guards=dict(sorted(sum((Counter(block.guarded) for block in manifest.blocks), Counter[str]()).items())),
        guard_meanings=GUARDS,
        checks=made_from["config"]["checks"],
        judged=made_from["config"]["judge"]["enabled"],
        meanings={**GUARDS, **REASONS},
        samples=made_from["config"]["samples"],
        keep=made_from["config"]["keep"],
        seed=made_from["config"]["seed"],
        run_id=manifest.run_id,
        versions=manifest.versions,
        prompts=prompts,
        hashes=made_from["prompts"],
        withheld=[prompt.id for prompt in prompts if prompt.sha256() != made_from["prompts"].get(prompt.id)],
        negative_prompts=", ".join(prompt.id for prompt in prompts if prompt.purpose == "negative"),
        samplings=made_from["sampling"],
        turns={prompt.id: messages(prompt, "(the caption)") for prompt in prompts},
        columns={
            config: _columns((published.models if published else _MODELS)[config], schema)
            for config, schema in _schemas(published.root if published else root, shards)
        },
        published=published,
        telling_pairs=TELLING_PAIRS,
        embedded=made_from["config"]["embed_images"],
        question=question_asked() if made_from["config"]["judge"]["enabled"] else None,
        model_licence=next(
            (one.licence for one in known_models().values() if one.hub_id == made_from["model"]["name"]), ""
        ),
        **count_rows(root, manifest),
    )
    return f"---\n{_metadata(manifest, shards, published)}\n---\n\n{words}"


def _metadata(manifest: Manifest, shards: Sequence[ShardRecord], published: Published | None) -> str:
    """The YAML block: which files are which config, and what the Hub's search knows."""
    rows = sum(shard.rows for shard in shards if shard.config == "pairs")
    # `datasets` keeps what it read of a local folder under the folder's name and this block, whatever the files hold:
    # without a mark of the content here, a second dataset called `out` would load as the first.
    content = hashlib.sha256("".join(shard.sha256 for shard in shards).encode()).hexdigest()[:16]
    filled = _filled(shards)
    configs = [
        {
            "config_name": config,
            "description": f"content {content}",
            **({"default": True} if config == "pairs" else {}),
            "data_files": [{"split": split, "path": f"{_FOLDERS[config]}/{split}-*.parquet"} for split in splits],
        }
        for config, splits in filled.items()
    ]
    extra = ["hard-negatives"] if manifest.made_from["config"]["negatives"]["enabled"] else []
    metadata: dict[str, Any] = {
        "language": ["en"],
        "size_categories": [next((name for most, name in _SIZES if rows < most), "n>1M")],
        "task_categories": ["image-to-text", "zero-shot-image-classification"],
        "tags": ["text-based-person-retrieval", "person-re-identification", *extra, "tbpr-data"],
        "configs": configs,
    }
    if published is not None:
        metadata = {"license": published.license, **metadata, "dataset_info": _info(published, filled)}
    return str(yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True)).rstrip()


def _filled(shards: Sequence[ShardRecord]) -> dict[str, list[str]]:
    """Config → its splits that have a row: `datasets` cannot open one without (nothing refused, say)."""
    filled: dict[str, list[str]] = {}
    for shard in shards:
        splits = filled.setdefault(shard.config, []) if shard.rows else []
        if shard.split not in splits:
            splits.append(shard.split)
    return filled


def _info(published: Published, filled: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """Features and sizes, as `datasets` writes them."""
    from datasets import DatasetInfo, Features, SplitDict, SplitInfo
    from datasets.info import DatasetInfosDict
    from huggingface_hub import DatasetCardData

    schemas = dict(_schemas(published.root, published.shards))
    infos = {}
    for config, splits in filled.items():
        told = SplitDict()
        shards = [shard for shard in published.shards if shard.config == config]
        for split in splits:
            mine = [shard for shard in shards if shard.split == split]
            size = sum(_uncompressed(published.root / shard.path) for shard in mine)
            told.add(SplitInfo(split, num_bytes=size, num_examples=sum(shard.rows for shard in mine)))
        infos[config] = DatasetInfo(
            config_name=config,
            features=Features.from_arrow_schema(schemas[config]),
            splits=told,
            download_size=sum(shard.bytes for shard in shards),
            dataset_size=sum(one.num_bytes for one in told.values()),
        )
    data = DatasetCardData()
    DatasetInfosDict(infos).to_dataset_card_data(data)
    found = data.to_dict()["dataset_info"]  # type: ignore[no-untyped-call]
    return found if isinstance(found, list) else [found]


def _uncompressed(path: Path) -> int:
    metadata = pq.read_metadata(path)
    return sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))


def _schemas(root: Path, shards: Sequence[ShardRecord]) -> list[tuple[str, pa.Schema]]:
    """The columns of each config, as its first shard has them."""
    first = {shard.config: shard for shard in reversed(shards)}
    return [(config, pq.read_schema(root / first[config].path)) for config in _FOLDERS if config in first]


def _columns(model: type[BaseModel], schema: pa.Schema) -> list[dict[str, str]]:
    """Name, type and meaning of each column; the meaning is the field's own docstring."""
    meanings = {name: info.description or "" for name, info in model.model_fields.items()}
    meanings["image"] = "The image file."
    columns = []
    for column in schema:
        kind = column.type
        shown = "list of struct" if pa.types.is_list(kind) and pa.types.is_struct(kind.value_type) else str(kind)
        shown = (
            "struct"
            if pa.types.is_struct(kind)
            else shown.replace("item: ", "").replace("element: ", "").replace(" not null", "")
        )
        what = " ".join(meanings[column.name].split()).replace("|", "\\|")
        columns.append({"name": column.name, "type": shown, "what": what})
    return columns
