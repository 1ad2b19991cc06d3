"""The end of a run on the screen: what was made, why the rest was refused, and three rewrites to look at."""

from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
from rich.markup import escape
from rich.table import Table

from .manifest import Manifest
from .screen import Screen

_EXAMPLES = 3


def show_summary(root: Path, manifest: Manifest, screen: Screen) -> None:
    """Print the table of a dataset and three real examples from it."""
    blocks = manifest.blocks
    accepted = sum(block.accepted for block in blocks)
    rejected = sum(block.rejected for block in blocks)
    reasons = sum((Counter(block.reasons) for block in blocks), Counter[str]())
    table = Table(title=escape(str(root)), title_justify="left", show_header=False)
    table.add_column("what")
    table.add_column("how many", justify="right")
    table.add_row("human captions", f"{sum(block.captions for block in blocks):,}")
    if accepted + rejected:
        table.add_row(
            "rewrites kept", f"{accepted:,} of {accepted + rejected:,}{_share(accepted, accepted + rejected)}"
        )
    for reason, count in reasons.most_common():
        table.add_row(f"  refused: {reason}", f"{count:,}")
    table.add_row("hard negatives", f"{sum(block.negatives for block in blocks):,}")
    for guard, count in sum((Counter(block.guarded) for block in blocks), Counter[str]()).most_common():
        table.add_row(f"  refused: {guard}", f"{count:,}")
    if screen.rate_tokens_s:
        table.add_row("tokens generated a second", f"{screen.rate_tokens_s:,.0f}")
    screen.table(table)
    for row in _examples(root, manifest):
        screen.console.print(f"[dim]{escape(str(row['source_caption_id']))}[/dim]")
        screen.console.print(f"  [bold]human     [/bold] {escape(str(row['source']))}")
        screen.console.print(f"  [bold]{row['style']:<10.10}[/bold] {escape(str(row['text']))}")
        if row["negative"]:
            screen.console.print(f"  [bold]negative  [/bold] {escape(str(row['negative']))}")


def _share(part: int, whole: int) -> str:
    return f" ({part / whole:.0%})" if whole else ""


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
