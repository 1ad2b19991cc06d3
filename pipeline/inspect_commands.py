"""The commands that look into a dataset folder and change nothing. Each calls one function, and prints."""

from pathlib import Path
from typing import Annotated

import typer

_DATASET = typer.Argument(metavar="DIR", help="A dataset that augment or negatives wrote, finished or not.")
_JSON = typer.Option("--json", help="Print JSON instead of a table.")


def status(folder: Annotated[Path, _DATASET], as_json: Annotated[bool, _JSON] = False) -> None:
    """Say how far a dataset is, while a run works on it or after: blocks, answers, rate, faults, what is left."""
    from rich.console import Console

    from .status import read_status
    from .status_table import show

    found = read_status(folder)
    if as_json:
        typer.echo(found.model_dump_json(indent=1))
    else:
        show(found, Console(highlight=False))


def verify(folder: Annotated[Path, _DATASET], as_json: Annotated[bool, _JSON] = False) -> None:
    """Prove a dataset: every shard hashed, every row looked at. Exit code 1 where it is not whole.

    All that is wrong is listed, by kind, with the first few examples of each.
    """
    from rich.console import Console
    from rich.markup import escape

    from .screen import Screen
    from .verify import verify as run_verify

    with Screen().waiting(f"verifying {folder}"):
        found = run_verify(folder)
    if as_json:
        typer.echo(found.model_dump_json(indent=1))
    else:
        console = Console(highlight=False, soft_wrap=True)
        for kind, count in found.findings.items():
            console.print(f"[bold]{escape(kind)}[/bold]: {count:,}")
            for example in found.examples[kind]:
                console.print(f"  {escape(example)}")
            if count > len(found.examples[kind]):
                console.print(f"  … and {count - len(found.examples[kind]):,} more")
        for note in found.notes:
            console.print(escape(note))
        rows = ", ".join(f"{count:,} rows of {config}" for config, count in found.rows.items())
        console.print(f"{found.shards:,} shards, {rows or 'no rows'}, {found.negatives:,} hard negatives")
        console.print("whole" if found.whole else "not whole")
    raise typer.Exit(0 if found.whole else 1)
