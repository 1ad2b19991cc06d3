"""A drawn source, and an output folder of ours with rewrites, negatives and neighbours of it."""

import json
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import torch
from PIL import Image

from tbpr_data.pipeline.finish import BlockResult
from tbpr_data.pipeline.manifest import Manifest
from tbpr_data.pipeline.shards import pairs_schema, write_shard
from tbpr_data.schemas.rows import Negative, PairRow, Scores

SPLITS = (("train", range(12)), ("val", range(12, 15)), ("test", range(15, 18)))
STYLES = ("concise", "paraphrase")
SIZE = (48, 16)


def tokenize(texts: list[str]) -> torch.Tensor:
    """T×16 ids as CLIP lays them out: a mark of begin, a word an id, a mark of end, zeros."""
    rows = np.zeros((len(texts), 16), dtype=np.int64)
    for row, text in zip(rows, texts, strict=True):
        ids = [49406, *(crc32(word.encode()) % 49404 + 1 for word in text.split()[:14]), 49407]
        row[: len(ids)] = ids
    return torch.from_numpy(rows)


def write_source(folder: Path) -> Path:
    """18 identities of two images with two captions each; the images beside the annotation."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    with (folder / "people.jsonl").open("w", encoding="utf-8") as file:
        for split, pids in SPLITS:
            for pid in pids:
                for number in range(2):
                    path = f"{split}/{pid}_{number}.jpg"
                    (folder / split).mkdir(exist_ok=True)
                    coarse = Image.fromarray(rng.integers(0, 256, (6, 2, 3), dtype=np.uint8))
                    coarse.resize((32, 96), Image.Resampling.BICUBIC).save(folder / path, quality=92)
                    captions = [f"Person {pid} seen in picture {number} by witness {k} at noon" for k in range(2)]
                    record = {"file_path": path, "pid": pid, "split": split, "captions": captions}
                    file.write(json.dumps(record) + "\n")
    return folder / "people.jsonl"


def write_output(out: Path, source: Path, *, embed: bool = False, finished: bool = True) -> Path:
    """What `augment` makes of it, with the pipeline's own writers: each caption has two rewrites and four negatives,
    three of them swaps; each image names one image of the next identity and one that is not there."""
    lines = source.read_text(encoding="utf-8").splitlines()
    blocks = []
    for split, _ in SPLITS:
        images = [image for image in map(json.loads, lines) if image["split"] == split]
        rows = [row for n, image in enumerate(images) for row in _rows(image, images[(n + 2) % len(images)])]
        if embed:
            for row in rows:
                path = row["image_path"]
                row["image"] = {"bytes": (source.parent / path).read_bytes(), "path": path}
        name = f"{split}-00000-of-00001"
        shard = write_shard(out, f"data/{name}.parquet", "pairs", split, rows, pairs_schema(with_images=embed))
        done = {"captions": len(images) * 2, "accepted": 0, "reasons": {}, "rejected": 0, "negatives": 0, "failed": 0}
        blocks.append(BlockResult(name=name, shards=(shard,), guarded={}, **done))
    total = len(blocks) if finished else len(blocks) + 1
    manifest = Manifest(
        run_id="0" * 16,
        fingerprint="0" * 64,
        made_from={},
        source={},
        versions={},
        blocks_total=total,
        blocks=tuple(blocks),
    )
    manifest.write(out)
    (out / "run.toml").write_text(f'[source]\npath = "{source}"\n', encoding="utf-8")
    return out


def _rows(image: dict[str, Any], neighbour: dict[str, Any]) -> list[dict[str, Any]]:
    image_id = f"people/{image['file_path']}"
    rows = []
    for k, caption in enumerate(image["captions"]):
        for style in (None, *STYLES):
            caption_id = f"{image_id}#{k}"
            text = caption if style is None else f"{style} rewrite of: {caption}"
            row = PairRow(
                caption_id=caption_id if style is None else f"{caption_id}~{style}.0",
                image_id=image_id,
                image_path=image["file_path"],
                dataset="people",
                pid=image["pid"],
                split=image["split"],
                text=text,
                origin="human" if style is None else "llm",
                style=style,
                source_caption_id=None if style is None else caption_id,
                negatives=[_negative(text, n) for n in range(4)],
                neighbours=[f"people/{neighbour['file_path']}", "people/nowhere.jpg"],
                checks=None,
                provenance=None,
            )
            rows.append(row.model_dump())
    return rows


def _negative(text: str, n: int) -> Negative:
    kind = "replace" if n == 3 else "swap"
    made = Negative(
        text=f"false {n} {text}", kind=kind, rule=f"person/{kind}", slots=[], spans=[], origin="rule", scores=Scores()
    )
    return made
