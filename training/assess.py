"""A run of `evaluate`: a checkpoint, or all seeds of a run, measured on any source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..schemas.errors import UserError
from ..schemas.settings import put_settings, wrong_setting
from .data.collection import Collection
from .data.images import check_images
from .data.read import read_collection
from .evaluate import Advance, Encoding, Evaluation, Vectors, evaluate, rows_to_encode
from .loop import BEST, autocast_type
from .memory import memory_errors
from .models.architecture import CONFIG_FILE
from .models.backbone import Backbone, BackboneConfig
from .pictures import draw_retrievals
from .results import FILE, environment, over_seeds, result_tables
from .run import loader_workers, make_accelerator
from .screen import Screen


def assess(
    checkpoint: str,
    source: str,
    *,
    split: str = "test",
    model: str | None = None,
    sets: Sequence[str] = (),
    orders: bool = False,
    picture: Path | None = None,
    batch_size: int = 256,
    device: str = "auto",
    format: str = "auto",
    images_root: Path | None = None,
) -> dict[str, Any]:
    """Measure a model on one split of a source; of a run's folder every seed, with mean and deviation.

    Args:
        checkpoint: a run's folder, a model's folder, a file of weights, or a tag of open_clip's.
        source: what `read_collection` reads.
        split: of the source.
        model: name or JSON file, for weights that do not say what they are of.
        sets: `key=value` over the backbone's config.
        orders: ARO's order tests as well.
        picture: a PNG of some captions and what they find; of the first seed.
        batch_size: images or texts encoded together.
        device: `auto`, `cuda` or `cpu`.
        format: of the source.
        images_root: folder of its images.

    Raises:
        UserError: checkpoint, source, device or a setting cannot be used.
        RunFailed: memory is short.
    """
    screen = Screen()
    if picture is not None and (picture.suffix.lower() != ".png" or not picture.parent.is_dir()):
        raise UserError("is no .png in a folder that is there", where=f"--pictures {picture}", mend="give another")
    accelerator = make_accelerator(device, "auto")
    collection = read_collection(source, format=format, images_root=images_root).split(split)
    check_images(collection)
    configs = [_config(one, model, sets) for one in _models(checkpoint)]
    told: list[tuple[Evaluation, dict[str, Any]]] = []
    for one in Path(checkpoint).glob("seed-*"):
        if not (one / FILE).is_file():
            screen.say(f"{one} is not finished: its best model so far is measured")
    for number, config in enumerate(configs):
        screen.say(f"measuring {config.weights} on {collection.name}, {split} split")
        with (
            memory_errors(accelerator.device, "give a smaller --batch-size"),
            screen.counting("encoding", rows_to_encode(collection, orders=orders)) as advance,
        ):
            encoding = Encoding(
                accelerator.device, batch_size, loader_workers(None, accelerator), autocast_type(accelerator)
            )
            evaluation, vectors, described = _measure(config, collection, encoding, split, orders, advance)
        told.append((evaluation, described))
        if picture is not None and number == 0:
            draw_retrievals(collection, vectors, picture)
    evaluations = [evaluation.as_json() for evaluation, _ in told]
    summary = over_seeds(evaluations)
    for table in result_tables(f"{checkpoint} on {collection.name}, {split} split, in %", evaluations):
        screen.table(table)
    first = told[0][0]
    if orders and first.orders is not None:
        screen.say(f"other orders: {asdict(first.orders)['count']:,} captions")
    return {
        "checkpoint": checkpoint,
        "data": {"name": collection.name, "path": source, "sha256": collection.sha256},
        "split": split,
        "summary": summary,
        "models": [
            {"backbone": described, "evaluation": evaluation}
            for (_, described), evaluation in zip(told, evaluations, strict=True)
        ],
        "precision": accelerator.mixed_precision,
        "environment": environment(),
    }


def _measure(
    config: BackboneConfig,
    collection: Collection,
    encoding: Encoding,
    split: str,
    orders: bool,
    advance: Advance,
) -> tuple[Evaluation, Vectors, dict[str, Any]]:
    backbone = Backbone(config).to(encoding.device)
    try:
        evaluation, vectors = evaluate(
            backbone, collection, encoding, split=split, orders_seed=0 if orders else None, advance=advance
        )
    except ValueError as error:
        raise UserError(
            f"cannot be measured: {error}", where=str(config.weights), mend="give another split or model"
        ) from None
    return evaluation, vectors, backbone.describe()


def _models(checkpoint: str) -> list[str]:
    """The models of a run, or the one that was named."""
    folder = Path(checkpoint)
    if not folder.is_dir() or (folder / CONFIG_FILE).is_file():
        return [checkpoint]
    seeds = sorted(folder.glob("seed-*"), key=lambda one: (len(one.name), one.name))
    found = [folder / BEST, *(one / BEST for one in seeds)]
    there = [str(one) for one in found if (one / CONFIG_FILE).is_file()]
    if not there:
        raise UserError("holds no model", where=checkpoint, mend="give a run's folder, a model's, or a file of weights")
    return there


def _config(checkpoint: str, model: str | None, sets: Sequence[str]) -> BackboneConfig:
    path = Path(checkpoint)
    if model is None and not path.is_dir():
        what = "does not say which model it is of" if path.exists() else "no such file or folder"
        mend = "give --model, for example ViT-B-16"
        raise UserError(what, where=checkpoint, mend=mend if path.exists() else f"mend the path; for a tag {mend}")
    values: dict[str, Any] = {"model": model or checkpoint, "weights": checkpoint}
    put_settings(values, sets, example="image_size=[384,128]")
    try:
        return BackboneConfig.model_validate(values)
    except ValidationError as error:
        raise wrong_setting(error, BackboneConfig, where="--set", mend="it sets a key of the backbone") from None
