"""The commands that train and measure. Each reads its arguments, calls one function, and prints."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ..pipeline.options import SAVED, Device, Format, ImagesRoot, say_how_to_go_on


def train(
    recipe: Annotated[str, typer.Argument(help="demo, clip, irra, negclip, or the path of a recipe's TOML file.")],
    source: Annotated[str, typer.Argument(help="A dataset that augment or negatives wrote, or any source.")],
    out: Annotated[Path, typer.Option(help="Folder of the run to begin, or to go on with.")],
    seeds: Annotated[int, typer.Option(help="Train so many times, and give mean and deviation.", min=1)] = 1,
    select: Annotated[
        str | None, typer.Option(help="Split that chooses the checkpoint: val, or test as many papers did.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs, over the recipe's.")] = None,
    steps: Annotated[int | None, typer.Option(help="Stop after so many steps: to try a recipe.")] = None,
    weights: Annotated[str | None, typer.Option(help="Weights to begin with: a file, a folder, a tag; random.")] = None,
    device: Device = "auto",
    format_: Format = None,
    images_root: ImagesRoot = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Set a key of the recipe (repeatable): data.batch_size=32.", metavar="KEY=VALUE"),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors and the folder.")] = False,
) -> None:
    """Train RECIPE on SOURCE and measure the best checkpoint on the test split. Run again, it goes on where it was."""
    from .recipe import load_recipe
    from .run import train as run_train

    flags: dict[str, Any] = {
        "selection.split": select,
        "schedule.epochs": epochs,
        "loop.steps": steps,
        "backbone.weights": None if weights == "random" else weights,
    }
    chosen = load_recipe(recipe, settings or [], flags, without=["backbone.weights"] if weights == "random" else [])
    try:
        run_train(
            chosen,
            source,
            out,
            seeds=seeds,
            device=device,
            format=format_ or "auto",
            images_root=images_root,
            quiet=quiet,
        )
    except KeyboardInterrupt:
        say_how_to_go_on(f"interrupted; {SAVED}", 130)
    typer.echo(out)


def evaluate(
    checkpoint: Annotated[
        str, typer.Argument(help="A run's folder (all its seeds), a model's folder, a file of weights, or a tag.")
    ],
    source: Annotated[str, typer.Argument(help="A dataset that augment or negatives wrote, or any source.")],
    split: Annotated[str, typer.Option(help="Split to measure.")] = "test",
    model: Annotated[
        str | None, typer.Option(help="The weights' model, where they do not say: ViT-B-16, a JSON file.")
    ] = None,
    orders: Annotated[bool, typer.Option("--orders", help="ARO's order tests as well.")] = False,
    pictures: Annotated[Path | None, typer.Option(help="Draw what is found for some captions into this PNG.")] = None,
    batch_size: Annotated[int, typer.Option(help="Images or texts encoded together.", min=1)] = 256,
    as_json: Annotated[bool, typer.Option("--json", help="Write the figures to stdout as JSON.")] = False,
    device: Device = "auto",
    format_: Format = None,
    images_root: ImagesRoot = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Set a key of the backbone, e.g. image_size=[384,128].", metavar="KEY=VALUE"),
    ] = None,
) -> None:
    """Measure a model on any SOURCE: R@k, mAP, mINP and mSD both ways, captions against their hard negatives."""
    from .assess import assess

    result = assess(
        checkpoint,
        source,
        split=split,
        model=model,
        sets=settings or [],
        orders=orders,
        picture=pictures,
        batch_size=batch_size,
        device=device,
        format=format_ or "auto",
        images_root=images_root,
    )
    if as_json:
        typer.echo(json.dumps(result, indent=1))
