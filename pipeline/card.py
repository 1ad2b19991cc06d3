"""The dataset card, computed from the shards themselves: no figure in it comes from anywhere else."""

import hashlib
from collections import Counter
from collections.abc import Sequence
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
from ..schemas.prompt import Prompt
from ..schemas.rows import PairRow, RejectRow
from .checks.reasons import REASONS
from .manifest import Manifest
from .negatives.guards import GUARDS
from .shards import pairs_schema, rejects_schema, write_text

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def write_card(root: Path, manifest: Manifest, prompts: Sequence[Prompt]) -> None:
    """Write `README.md` of the dataset in `root`: YAML for the Hub, then the words."""
    environment = Environment(undefined=StrictUndefined, autoescape=True, keep_trailing_newline=True)
    # Prompts are shown as code, four spaces in: nothing in them is read as Markdown or HTML, so nothing is escaped.
    environment.filters["indented"] = lambda text: Markup("\n".join("    " + line for line in text.splitlines()))  # noqa: S704
    template = environment.from_string((files(__package__) / "card.md.jinja").read_text(encoding="utf-8"))
    made_from = manifest.made_from
    datasets = manifest.source["datasets"]
    words = template.render(
        title=f"{', '.join(datasets)}, augmented",
        sources=", ".join(datasets),
        complete=manifest.complete,
        blocks_done=len(manifest.blocks),
        blocks_total=manifest.blocks_total,
        source=manifest.source,
        model=made_from["model"],
        negatives=made_from["config"]["negatives"]["enabled"],
        recipe=made_from["config"]["negatives"]["recipe"] if made_from["config"]["negatives"]["enabled"] else "",
        balanced=made_from["config"]["negatives"]["balance"],
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
        negative_prompts=", ".join(prompt.id for prompt in prompts if prompt.purpose == "negative"),
        samplings=made_from["sampling"],
        turns={prompt.id: messages(prompt, "(the caption)") for prompt in prompts},
        pair_columns=_columns(PairRow, pairs_schema()),
        reject_columns=_columns(RejectRow, rejects_schema()),
        **_count(root, manifest),
    )
    write_text(root / "README.md", f"---\n{_metadata(manifest)}\n---\n\n{words}")


def _metadata(manifest: Manifest) -> str:
    """The YAML block: which files are which config, and what the Hub's search knows."""
    shards = [shard for block in manifest.blocks for shard in block.shards]
    splits = list(dict.fromkeys(shard.split for shard in shards))
    rows = sum(shard.rows for shard in shards if shard.config == "pairs")
    # `datasets` keeps what it read of a local folder under the folder's name and this block, whatever the files hold:
    # without a mark of the content here, a second dataset called `out` would load as the first.
    content = hashlib.sha256("".join(shard.sha256 for shard in shards).encode()).hexdigest()[:16]
    extra = ["hard-negatives"] if manifest.made_from["config"]["negatives"]["enabled"] else []
    configs = [
        {
            "config_name": config,
            "description": f"content {content}",
            **({"default": True} if config == "pairs" else {}),
            "data_files": [{"split": split, "path": f"{folder}/{split}-*.parquet"} for split in filled],
        }
        for config, folder in (("pairs", "data"), ("rejects", "rejects"))
        # `datasets` cannot open a split without a row (nothing refused, say), so it is not offered.
        if (
            filled := [
                split for split in splits if any(s.rows for s in shards if (s.config, s.split) == (config, split))
            ]
        )
    ]
    metadata = {
        "language": ["en"],
        "size_categories": [next((name for most, name in _SIZES if rows < most), "n>1M")],
        "task_categories": ["image-to-text", "zero-shot-image-classification"],
        "tags": ["text-based-person-retrieval", "person-re-identification", *extra, "tbpr-data"],
        "configs": configs,
    }
    return str(yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True)).rstrip()


def _count(root: Path, manifest: Manifest) -> dict[str, Any]:
    """Every count of the card, read from the shards a column at a time."""
    shards = [shard for block in manifest.blocks for shard in block.shards]
    splits = list(dict.fromkeys(shard.split for shard in shards))
    counts: dict[str, Counter[str]] = {
        name: Counter() for name in ("identities", "images", "human captions", "rewrites", "hard negatives", "rejects")
    }
    kept: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    rules: Counter[str] = Counter()
    identities: set[tuple[str, str, int]] = set()
    images: set[tuple[str, str]] = set()
    for shard in shards:
        table = pq.ParquetFile(root / shard.path)
        if shard.config == "rejects":
            read = table.read(columns=["style", "reasons"])
            counts["rejects"][shard.split] += read.num_rows
            for style, why in zip(read["style"].to_pylist(), read["reasons"].to_pylist(), strict=True):
                (kept if why == ["negative"] else refused)[style] += 1
                reasons.update(why if why != ["negative"] else ())
            continue
        read = table.read(columns=["dataset", "pid", "image_id", "origin", "style", "negatives.list.element.rule"])
        origins = Counter(read["origin"].to_pylist())
        counts["human captions"][shard.split] += origins["human"]
        counts["rewrites"][shard.split] += origins["llm"]
        kept.update(style for style in read["style"].to_pylist() if style is not None)
        made = [negative["rule"] for row in read["negatives"].to_pylist() for negative in row]
        counts["hard negatives"][shard.split] += len(made)
        rules.update(made)
        rows = zip(read["dataset"].to_pylist(), read["pid"].to_pylist(), read["image_id"].to_pylist(), strict=True)
        for dataset, pid, image_id in rows:
            identities.add((shard.split, dataset, pid))
            images.add((shard.split, image_id))
    counts["identities"].update(split for split, *_ in identities)
    counts["images"].update(split for split, _ in images)
    return {
        "splits": splits,
        "counts": {name: {split: counter[split] for split in splits} for name, counter in counts.items()},
        "styles": {
            style: {"kept": kept[style], "answers": kept[style] + refused[style]} for style in sorted({*kept, *refused})
        },
        "reasons": dict(reasons.most_common()),
        "rules": dict(sorted(rules.items())),
    }


def _columns(model: type[BaseModel], schema: pa.Schema) -> list[dict[str, str]]:
    """Name, type and meaning of each column; the meaning is the field's own docstring."""
    columns = []
    for name, info in model.model_fields.items():
        kind = schema.field(name).type
        shown = "list of struct" if pa.types.is_list(kind) and pa.types.is_struct(kind.value_type) else str(kind)
        shown = "struct" if pa.types.is_struct(kind) else shown.replace("item: ", "").replace(" not null", "")
        what = " ".join((info.description or "").split()).replace("|", "\\|")
        columns.append({"name": name, "type": shown, "what": what})
    return columns
