"""A published dataset, loaded back from the Hub and compared row by row with the files it was made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from ...schemas.errors import RunFailed
from ..shards import ShardRecord

_BATCH_ROWS = 256


def compare(repo: str, revision: str, root: Path, shards: Sequence[ShardRecord]) -> int:
    """Load every config and split of `repo` as users will, and give the rows that were compared.

    Streamed, so that neither memory nor disk holds the dataset a second time.

    Raises RunFailed where a row is not what it is below `root`, and what `datasets` raises where it cannot load.
    """
    from datasets import load_dataset
    from huggingface_hub import get_token

    compared = 0
    for config in dict.fromkeys(shard.config for shard in shards if shard.rows):
        # By itself the client sends none where HF_HUB_DISABLE_IMPLICIT_TOKEN is set.
        loaded = load_dataset(repo, config, revision=revision, streaming=True, token=get_token())
        for split in dict.fromkeys(shard.split for shard in shards if shard.config == config and shard.rows):
            here = _local(root, [shard for shard in shards if (shard.config, shard.split) == (config, split)])
            there = _remote(loaded[split])
            for number, (mine, theirs) in enumerate(zip_longest(here, there)):
                if mine != theirs:
                    raise RunFailed(
                        f"{config}, {split}, row {number}: what is loaded is not what was sent",
                        where=f"{repo}@{revision}",
                        mend="push again; where it stays, this is a fault of ours: please report it",
                    )
                compared += 1
    return compared


def _local(root: Path, shards: Sequence[ShardRecord]) -> Iterator[dict[str, Any]]:
    for shard in shards:
        with pq.ParquetFile(root / shard.path) as file:
            for batch in file.iter_batches(_BATCH_ROWS):
                yield from batch.to_pylist()


def _remote(split: Any) -> Iterator[dict[str, Any]]:
    # As Arrow tables: images stay the bytes they are.
    for table in split.with_format("arrow").iter(_BATCH_ROWS):
        yield from table.to_pylist()
