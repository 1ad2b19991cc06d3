"""The end of a run on the screen: what was made, why the rest was refused, and three rewrites to look at."""

from pathlib import Path

import pyarrow.parquet as pq
from rich.markup import escape
from rich.table import Table

from .manifest import Manifest
from .screen import Screen
from .status import Made

_EXAMPLES = 3


def show_summary(root: Path, manifest: Manifest, screen: Screen) -> None:
    """Print the table of a dataset and three real examples from it."""
    made = Made.of(manifest.blocks)
    table = Table(title=escape(str(root)), title_justify="left", show_header=False)
    table.add_column("what")
    table.add_column("how many", justify="right")
    table.add_row("human captions", f"{made.captions:,}")
    for what, how_many in made.lines():
        table.add_row(what, how_many)
    if screen.rate_tokens_s:
        table.add_row("tokens generated a second", f"{screen.rate_tokens_s:,.0f}")
    screen.table(table)
    for row in _examples(root, manifest):
        screen.console.print(f"[dim]{escape(str(row['source_caption_id']))}[/dim]")
        screen.console.print(f"  [bold]human     [/bold] {escape(str(row['source']))}")
        screen.console.print(f"  [bold]{row['style']:<10.10}[/bold] {escape(str(row['text']))}")
        if row["negative"]:
            screen.console.print(f"  [bold]negative  [/bold] {escape(str(row['negative']))}")


def _examples(root: Path, manifest: Manifest) -> list[dict[str, str | None]]:
    """The first, the middle and the last rewrite of the first shard that has some."""
    for block in manifest.blocks:
        if not block.accepted:
            continue
        path = next(shard.path for shard in block.shards if shard.config == "pairs")
        rows = (
            pq.ParquetFile(root / path)
            .read(columns=["caption_id", "text", "style", "source_caption_id", "negatives"])
            .to_pylist()
        )
        texts = {row["caption_id"]: row["text"] for row in rows}
        rewrites = [row for row in rows if row["source_caption_id"]]
        places = sorted({0, len(rewrites) // 2, len(rewrites) - 1})[:_EXAMPLES]
        return [
            {
                "source_caption_id": rewrites[i]["source_caption_id"],
                "source": texts[rewrites[i]["source_caption_id"]],
                "style": rewrites[i]["style"],
                "text": rewrites[i]["text"],
                "negative": rewrites[i]["negatives"][0]["text"] if rewrites[i]["negatives"] else None,
            }
            for i in places
        ]
    return []
