"""What a dataset holds, counted from its shards a column at a time."""

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from .manifest import Manifest


def count_rows(root: Path, manifest: Manifest) -> dict[str, Any]:
    """Every count of the card: of each split, style, reason and rule."""
    shards = [shard for block in manifest.blocks for shard in block.shards]
    splits = list(dict.fromkeys(shard.split for shard in shards))
    rows = ("human captions", "rewritten captions", "rewrites", "hard negatives", "rejects")
    counts: dict[str, Counter[str]] = {name: Counter() for name in ("identities", "images", *rows)}
    kept: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    left_over: Counter[str] = Counter()
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
                left_over[style] += why == ["not_best"]
            continue
        columns = ["dataset", "pid", "image_id", "origin", "style", "source_caption_id", "negatives.list.element.rule"]
        read = table.read(columns=columns)
        origins = Counter(read["origin"].to_pylist())
        counts["human captions"][shard.split] += origins["human"]
        counts["rewrites"][shard.split] += origins["llm"]
        counts["rewritten captions"][shard.split] += len({*read["source_caption_id"].to_pylist()} - {None})
        kept.update(style for style in read["style"].to_pylist() if style is not None)
        made = [negative["rule"] for row in read["negatives"].to_pylist() for negative in row]
        counts["hard negatives"][shard.split] += len(made)
        rules.update(made)
        people = zip(read["dataset"].to_pylist(), read["pid"].to_pylist(), read["image_id"].to_pylist(), strict=True)
        for dataset, pid, image_id in people:
            identities.add((shard.split, dataset, pid))
            images.add((shard.split, image_id))
    counts["identities"].update(split for split, *_ in identities)
    counts["images"].update(split for split, _ in images)
    return {
        "splits": splits,
        "counts": {name: {split: counter[split] for split in splits} for name, counter in counts.items()},
        "styles": {
            style: {
                "answers": kept[style] + refused[style],
                "passed": kept[style] + left_over[style],
                "kept": kept[style],
            }
            for style in sorted({*kept, *refused})
        },
        "reasons": dict(reasons.most_common()),
        "rules": dict(sorted(rules.items())),
    }
