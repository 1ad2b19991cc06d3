"""Whole runs of `augment` in processes of their own, and what they wrote."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

AUGMENT = [sys.executable, "-c", "from tbpr_data.pipeline.cli import main; main()", "augment"]
WITH_NEGATIVES = "--set=negatives.per_caption=3"


def augment(source: Path, out: Path, url: str, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(source, out, url, *more), capture_output=True, text=True, env={**os.environ, **environment}
    )


def command(source: Path, out: Path, url: str, *more: str) -> list[str]:
    fixed = ["--endpoint", url, "--samples", "2", "--set", "block_size=8", "--set", "workers=1", "--out", str(out)]
    # spaCy takes five seconds to load: only the test that looks at negatives makes them.
    fixed += [] if WITH_NEGATIVES in more else ["--no-negatives"]
    return [*AUGMENT, str(source), *fixed, *more]


def shards(out: Path) -> dict[str, str]:
    """Every published file with its hash."""
    paths = [*out.glob("data/*"), *out.glob("rejects/*"), out / "manifest.json", out / "README.md", out / "run.toml"]
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def read(out: Path, folder: str) -> list[dict[str, Any]]:
    """The rows of `data` or `rejects`, in order."""
    return [row for path in sorted((out / folder).glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
