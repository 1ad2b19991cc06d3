"""Dataset folders with the rows that a test wants, written by the pipeline's own writers."""

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from tbpr_data.pipeline.finish import BlockResult
from tbpr_data.pipeline.manifest import Manifest
from tbpr_data.pipeline.publish.contents import Contents, open_contents
from tbpr_data.pipeline.shards import pairs_schema, rejects_schema, write_shard
from tbpr_data.schemas.rows import Negative, PairRow, Scores


def pair(
    path: str,
    text: str,
    *,
    k: int = 0,
    pid: int = 1,
    split: str = "train",
    dataset: str = "people",
    negatives: Sequence[str] = (),
    rewrite: str | None = None,
    neighbours: Sequence[str] = (),
) -> dict[str, Any]:
    """A row of `pairs`: a caption, or where a style is given its rewrite."""
    image_id = f"{dataset}/{path}"
    made = [
        Negative(text=negative, kind="swap", rule="person/swap", slots=[], spans=[], origin="rule", scores=Scores())
        for negative in negatives
    ]
    return PairRow(
        caption_id=f"{image_id}#{k}" + (f"~{rewrite}.0" if rewrite else ""),
        image_id=image_id,
        image_path=path,
        dataset=dataset,
        pid=pid,
        split=split,
        text=text,
        origin="llm" if rewrite else "human",
        style=rewrite,
        source_caption_id=f"{image_id}#{k}" if rewrite else None,
        negatives=made,
        neighbours=list(neighbours),
        checks=None,
        provenance=None,
    ).model_dump()


def make(root: Path, rows: Sequence[dict[str, Any]], *, images: dict[str, bytes] | None = None) -> Contents:
    """A finished folder of these rows, a block a split; with `images` (path → file) the shards hold these."""
    if images is not None:
        stored = {path: {"bytes": content, "path": path} for path, content in images.items()}
        rows = [{**row, "image": stored.get(row["image_path"])} for row in rows]
    blocks = []
    for split, group in groupby(rows, itemgetter("split")):
        name = f"{split}-00000-of-00001"
        shards = (
            write_shard(
                root, f"data/{name}.parquet", "pairs", split, group, pairs_schema(with_images=images is not None)
            ),
            write_shard(root, f"rejects/{name}.parquet", "rejects", split, (), rejects_schema()),
        )
        counts = {"captions": 0, "accepted": 0, "reasons": {}, "rejected": 0, "negatives": 0, "failed": 0}
        blocks.append(BlockResult(name=name, shards=shards, guarded={}, **counts))
    Manifest(
        run_id="0" * 16,
        fingerprint="0" * 64,
        made_from={
            "config": {"samples": 1, "embed_images": images is not None, "negatives": {"enabled": True}, "checks": {}},
            **{"model": {"name": "none"}, "prompts": {}, "rules": {"data": 0}},
        },
        source={
            "datasets": list(dict.fromkeys(row["dataset"] for row in rows)),
            **{"captions": len(rows), "images": len(rows), "identities": 1, "repairs": {}},
        },
        versions={"tbpr-data": "0"},
        blocks_total=len(blocks),
        blocks=tuple(blocks),
    ).write(root)
    return open_contents(root)
