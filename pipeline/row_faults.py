"""What is wrong with the rows of a dataset: ids, sources, splits, counts, negatives. A block is in memory at a time."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Iterator
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from ..schemas.errors import UserError
from ..schemas.rows import Edit
from ..schemas.source import Findings
from .finish import BlockResult
from .negatives.surgery import undo_edits
from .publish.contents import Contents
from .shards import ShardRecord

Row = dict[str, Any]

_SHARED = ("image_id", "dataset", "pid", "split")
_IDS = ("caption_id", "source_caption_id", *_SHARED, "provenance.prompt_id", "provenance.sample_index")
_COLUMNS = {
    "pairs": (*_IDS, "origin", "text", "negatives.list.element.text", "negatives.list.element.spans"),
    "rejects": (*_IDS, "source_text", "reasons"),
}
# More ids that stand twice are not named, nor counted.
_MOST_SUSPECTS = 100_000


class RowFaults:
    """Looks at the rows of a dataset, block by block, and notes what is wrong."""

    def __init__(self, contents: Contents, findings: Findings) -> None:
        self._contents, self._findings = contents, findings
        # Hashes, 8 bytes each: the ids of ten million rows would take a gigabyte.
        self._hashes = array("q")
        self._read: list[ShardRecord] = []
        self.rows: Counter[str] = Counter()
        self.negatives = 0

    def look_at(self, block: BlockResult, usable: Collection[ShardRecord]) -> None:
        """Look at the rows of a block, as far as its shards can be read."""
        pairs = [shard for shard in block.shards if shard.config == "pairs"]
        known = all(shard in usable for shard in pairs)
        sources: dict[str, Row] = {}
        found: Counter[str] = Counter()
        whole = True
        for shard in (*pairs, *(shard for shard in block.shards if shard.config != "pairs")):
            whole = shard in usable and self._shard(shard, sources if known else None, found) and whole
        if whole:
            self._counts(block, found)

    def duplicates(self) -> None:
        """Note every caption id that stands twice; called once, after the last block."""
        if not self._hashes:
            return
        hashes = np.frombuffer(self._hashes, dtype=np.int64)
        hashes.sort()
        suspects = set(np.unique(hashes[1:][hashes[1:] == hashes[:-1]])[:_MOST_SUSPECTS].tolist())
        first: dict[str, str] = {}
        for shard in self._read if suspects else ():
            for row in self._contents.rows_of(shard, ["caption_id"]):
                caption_id = row["caption_id"]
                if hash(caption_id) not in suspects:
                    continue
                if caption_id in first:
                    self._findings.add("duplicate", f"{shard.path}: {caption_id} is in {first[caption_id]} as well")
                first.setdefault(caption_id, shard.path)

    def _shard(self, shard: ShardRecord, sources: dict[str, Row] | None, found: Counter[str]) -> bool:
        rows = 0
        try:
            for row in self._contents.rows_of(shard, _COLUMNS[shard.config]):
                rows += 1
                self._hashes.append(hash(row["caption_id"]))
                self._row(shard, row, sources, found)
        except UserError as error:
            self._findings.add("shard", f"{shard.path}: {error.what}")
            return False
        self._read.append(shard)
        self.rows[shard.config] += rows
        if rows != shard.rows:
            self._findings.add("count", f"{shard.path}: {rows:,} rows in place of {shard.rows:,}")
        return True

    def _row(self, shard: ShardRecord, row: Row, sources: dict[str, Row] | None, found: Counter[str]) -> None:
        if row["split"] != shard.split:
            self._add("split", shard, row, f"is of {row['split']}, in a shard of {shard.split}")
        if shard.config == "rejects":
            found["negatives asked for" if row["reasons"] == ["negative"] else "rejected"] += 1
            found.update(f"refused: {reason}" for reason in row["reasons"] if row["reasons"] != ["negative"])
        else:
            found["captions" if row["origin"] == "human" else "accepted"] += 1
            found["negatives"] += len(row["negatives"])
            for fault in _bad_negatives(row):
                self._add("negative", shard, row, fault)
        for kind, fault in self._id_faults(shard, row, sources):
            self._add(kind, shard, row, fault)

    def _id_faults(self, shard: ShardRecord, row: Row, sources: dict[str, Row] | None) -> Iterator[tuple[str, str]]:
        source_id = row["source_caption_id"]
        if row.get("origin") == "human":
            if not row["caption_id"].startswith(f"{row['image_id']}#"):
                yield "id", f"is not an id of {row['image_id']}"
            if source_id is not None:
                yield "source", f"is a human caption and names a source, {source_id}"
            if sources is not None:
                sources[row["caption_id"]] = {name: row[name] for name in ("text", *_SHARED)}
            return
        made = row["provenance"] or {"prompt_id": None, "sample_index": None}
        if row["caption_id"] != f"{source_id}~{made['prompt_id']}.{made['sample_index']}":
            yield "id", f"is not made of {source_id} by {made['prompt_id']}, sample {made['sample_index']}"
        if sources is None:  # what holds them cannot be read
            return
        source = sources.get(source_id)
        if source is None:
            yield "source", f"its source {source_id} does not stand before it"
            return
        other = [name for name in _SHARED if row[name] != source[name]]
        if row.get("source_text", source["text"]) != source["text"]:
            other.append("source_text")
        if other:
            yield "source", f"differs from its source in {', '.join(other)}"

    def _counts(self, block: BlockResult, found: Counter[str]) -> None:
        told = {name: getattr(block, name) for name in ("captions", "accepted", "rejected", "negatives")}
        told |= {f"refused: {reason}": count for reason, count in block.reasons.items()}
        self.negatives += found["negatives"]
        del found["negatives asked for"]
        for name in sorted({*told, *found}):
            if found[name] != told.get(name, 0):
                count = f"{name}: {found[name]:,} in place of {told.get(name, 0):,}"
                self._findings.add("count", f"manifest.json: {block.name}: {count}")

    def _add(self, kind: str, shard: ShardRecord, row: Row, fault: str) -> None:
        self._findings.add(kind, f"{shard.path}: {row['caption_id']} {fault}")


def _bad_negatives(row: Row) -> Iterator[str]:
    text = row["text"]
    for negative in row["negatives"]:
        # A pydantic model a span took two thirds of the whole time.
        edits = cast("list[Edit]", [SimpleNamespace(**span) for span in negative["spans"]])
        if undo_edits(negative["text"], edits, text) != text:
            yield f"is not what its negative is without its edits: {negative['text'][:80]}"
