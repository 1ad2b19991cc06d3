"""`croissant`: the Croissant description of a dataset, to be put beside its shards."""

from __future__ import annotations

from pathlib import Path

from ...shards import write_text
from ...sources.images import ImageFolder
from ..contents import Contents
from ..croissant import FILE, croissant
from ..licences import terms_of
from .exported import Exported, begin


def export_croissant(contents: Contents, out: Path, images: ImageFolder | None) -> Exported:
    """Write `croissant.json` into `out`. Raises UserError where the folder holds anything else."""
    begin(out, "croissant", contents, [FILE])
    sources = ", ".join(contents.datasets)
    licences = {terms_of(name).licence for name in contents.datasets}
    described = croissant(
        contents,
        name="-".join(contents.datasets),
        description=f"{sources} for text-based person retrieval, with rewrites and hard negatives made by tbpr-data.",
        license=" and ".join(sorted(licences)),
    )
    write_text(out / FILE, described)
    counts: dict[str, int] = {}
    for shard in contents.shards("pairs"):
        counts[shard.split] = counts.get(shard.split, 0) + shard.rows
    note = f"its paths are relative: it belongs beside data/ in {contents.root}"
    return Exported(files=(FILE,), counts=counts, notes=(note,))
