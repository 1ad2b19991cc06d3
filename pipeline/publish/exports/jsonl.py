"""`jsonl`: a line per accepted caption with every column of `pairs`, and a card that tells `datasets` their types."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import yaml

from ...shards import pairs_schema, write_text
from ...sources.images import ImageFolder
from ..contents import Contents
from .exported import Exported, begin, whole
from .groups import rows_of, splits

_CARD = "README.md"


def export_jsonl(contents: Contents, out: Path, images: ImageFolder | None) -> Exported:
    """Write `SPLIT.jsonl`; images are left out. `attributes` is JSON in a string, as in the dataset: were it an object,
    `datasets` would round every number of the row to ten decimals.

    Raises UserError where `out` holds anything but an earlier export to this format, or for a broken shard.
    """
    begin(out, "jsonl", contents, ["*.jsonl", _CARD, ".*.writing"])
    columns = pairs_schema().names
    counts = dict.fromkeys(splits(contents), 0)
    for split in counts:
        with whole(out / f"{split}.jsonl") as file:
            for row in rows_of(contents, split, columns):
                file.write(json.dumps(row).encode("ascii") + b"\n")
                counts[split] += 1
    write_text(out / _CARD, f"---\n{_card(contents)}---\n")
    return Exported(
        files=(*(f"{split}.jsonl" for split in counts), _CARD),
        counts=counts,
        notes=(f"to read it: datasets.load_dataset({str(out)!r})",),
    )


def _card(contents: Contents) -> str:
    """The columns' types. Without them `datasets` takes the types of the first ten megabytes for those of the whole,
    and fails where a column is first filled later."""
    from datasets import DatasetInfo, Features

    features = Features.from_arrow_schema(pairs_schema())
    # `datasets` keeps what it read of a folder under the folder's name and this block: so it needs a mark of the rows.
    content = hashlib.sha256("".join(shard.sha256 for shard in contents.shards("pairs")).encode()).hexdigest()[:16]
    files = [{"split": split, "path": f"{split}.jsonl"} for split in splits(contents)]
    card = {
        "configs": [{"config_name": "default", "description": f"content {content}", "data_files": files}],
        "dataset_info": DatasetInfo(features=features)._to_yaml_dict(),
    }
    return str(yaml.safe_dump(card, sort_keys=False))
