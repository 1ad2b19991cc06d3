"""The formats that a dataset can be exported to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...sources.images import ImageFolder
from ..contents import Contents
from .croissant import export_croissant
from .exported import Exported
from .irra_json import export_irra_json
from .jsonl import export_jsonl
from .negclip_tsv import export_negclip_tsv
from .webdataset import export_webdataset


@dataclass(frozen=True)
class Format:
    """A format."""

    export: Callable[[Contents, Path, ImageFolder | None], Exported]
    """Writes a dataset into a folder; the image folder is that of its files, where known."""
    needs_images: bool
    """Whether it copies the images: where they are must be known then, unless the shards hold them."""


FORMATS: dict[str, Format] = {
    "webdataset": Format(export_webdataset, needs_images=True),
    "irra-json": Format(export_irra_json, needs_images=False),
    "negclip-tsv": Format(export_negclip_tsv, needs_images=False),
    "jsonl": Format(export_jsonl, needs_images=False),
    "croissant": Format(export_croissant, needs_images=False),
}
"""Name, as `--to` takes it → format."""
