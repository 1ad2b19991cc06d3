"""What several commands share: options, and how one that was stopped says how to go on."""

import shlex
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

Format = Annotated[str | None, typer.Option("--format", help="Format of the source; recognised by content.")]
ImagesRoot = Annotated[Path | None, typer.Option(help="Folder that the image paths are below.")]
Device = Annotated[str, typer.Option(help="auto, cuda or cpu.")]

SAVED = "what is done so far is saved"


def say_how_to_go_on(said: str, exit_code: int) -> NoReturn:
    """End the program with what is done and the command that goes on."""
    again = shlex.join(["tbpr-data", *sys.argv[1:]])
    sys.stderr.write(f"tbpr-data: {said}; go on with:\n  {again}\n")
    raise typer.Exit(exit_code) from None
