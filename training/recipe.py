"""A recipe: backbone, objectives with their weights, data, optimiser and schedule, as a TOML file says them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ..schemas.errors import UserError
from ..schemas.settings import put, put_settings, read_toml, wrong_setting
from .data.augment import ImageAugmentation
from .data.mixture import MixtureConfig
from .models.backbone import BackboneConfig

Beta = Annotated[float, Field(ge=0, lt=1)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class ObjectiveConfig(BaseModel):
    """A loss of the sum; every other key is an option of the objective itself."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False, use_attribute_docstrings=True)

    name: str
    """As `training/objectives/registry.py` has it: itc, sdm, id, mlm, negclip."""
    weight: float = Field(default=1.0, gt=0)
    """What it is multiplied by."""

    @property
    def options(self) -> Mapping[str, Any]:
        """What is the objective's own."""
        return self.model_extra or {}


class DataConfig(_Section):
    """How images and texts become batches."""

    batch_size: int = Field(default=64, ge=2)
    """Captions of a batch, over all processes."""
    sampler: Literal["random", "identity"] = "random"
    """`random`: every caption once an epoch. `identity`: some identities a batch, `per_identity` captions of each."""
    per_identity: int = Field(default=4, ge=1)
    """Captions of an identity in a batch (`identity`)."""
    workers: int | None = Field(default=None, ge=0)
    """Processes that decode images; by default none beside a CPU's training, else one a core, at most 8 a process."""
    augmentation: ImageAugmentation | None = None
    """Of the images; none if left out."""
    mixture: MixtureConfig = MixtureConfig()
    """Which texts stand for a caption, and what goes with them."""
    hold_out: float = Field(default=0.1, gt=0, lt=1)
    """Share of the training identities to select on where the source has no val split."""


class ParameterGroup(_Section):
    """What is trained otherwise than the rest. A parameter is in the last group that matches its name."""

    match: str
    """Regular expression, searched in the parameter's name."""

    @field_validator("match")
    @classmethod
    def _compiles(cls, match: str) -> str:
        try:
            re.compile(match)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return match

    lr_factor: float = Field(default=1.0, ge=0)
    """Times the learning rate; 0 freezes."""
    weight_decay: float | None = Field(default=None, ge=0)
    """In place of the recipe's."""


class OptimiserConfig(_Section):
    """The optimiser."""

    name: Literal["adam", "adamw"] = "adamw"
    """`adam` adds weight decay to the gradient, as IRRA has it; `adamw` decays by itself."""
    lr: float = Field(default=1e-5, gt=0)
    """Learning rate at the top of the schedule."""
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    """Of the running means."""
    eps: float = Field(default=1e-8, gt=0)
    """In the denominator; IRRA's 1e-3 makes Adam behave much like SGD for small gradients."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Of everything but what a group says."""
    groups: tuple[ParameterGroup, ...] = ()
    """What differs."""


class ScheduleConfig(_Section):
    """The learning rate over the run: linear warm-up, then a cosine, a step at a time."""

    epochs: int = Field(default=60, ge=1)
    """Of the whole run."""
    warmup_epochs: float = Field(default=5.0, ge=0)
    """Until the full learning rate."""
    warmup_factor: float = Field(default=0.1, ge=0, le=1)
    """Share of it that the warm-up begins with."""
    final_factor: float = Field(default=0.0, ge=0, le=1)
    """Share of it that is left at the end."""
    per: Literal["step", "epoch"] = "step"
    """Whether it changes with every step, or as IRRA's once an epoch."""

    @model_validator(mode="after")
    def _room(self) -> ScheduleConfig:
        if self.warmup_epochs >= self.epochs:
            raise ValueError(f"the warm-up of {self.warmup_epochs:g} epochs leaves nothing of {self.epochs}")
        return self


class LoopConfig(_Section):
    """The loop."""

    precision: Literal["auto", "no", "bf16", "fp16"] = "auto"
    """Of the forward pass; the weights stay in float32. `auto` is bf16 on a GPU that has it, fp16 on one that has not,
    and none on a CPU."""
    accumulate: int = Field(default=1, ge=1)
    """Batches a step: contrastive losses are over one batch, not over all of them."""
    clip_norm: float | None = Field(default=None, gt=0)
    """Longest gradient."""
    compile: bool = False
    """torch.compile the backbone: minutes at the start, then faster steps on a GPU."""
    steps: int | None = Field(default=None, ge=1)
    """Stop after so many steps, whatever the schedule: to try a recipe."""
    trackers: tuple[Literal["tensorboard", "wandb"], ...] = ("tensorboard",)
    """Where losses and measurements go beside `log.jsonl`."""
    checkpoint_minutes: float = Field(default=10.0, gt=0)
    """How much a crash may cost. The end of an epoch saves as well."""


class SelectionConfig(_Section):
    """Which epoch's model is kept."""

    split: Literal["val", "test"] = "val"
    """`test` is what many published results did; it is written into the result."""
    metric: Literal["r1", "r5", "r10", "map", "minp", "msd"] = "r1"
    """The higher the better, text → image."""
    every_epochs: int = Field(default=1, ge=1)
    """How often it is measured; the last epoch always is."""
    patience: int | None = Field(default=None, ge=1)
    """Stop when so many measurements in a row were no better."""
    batch_size: int = Field(default=256, ge=1)
    """Images or texts encoded together."""


class Recipe(_Section):
    """A way to train."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,59}$")
    """Names the run's folder, and the recipe in results."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Everything random is derived from it."""
    backbone: BackboneConfig
    """The two towers."""
    data: DataConfig = DataConfig()
    """Batches."""
    objectives: tuple[ObjectiveConfig, ...] = Field(min_length=1)
    """What is minimised: their weighted sum."""
    optimiser: OptimiserConfig = OptimiserConfig()
    """How."""
    schedule: ScheduleConfig = ScheduleConfig()
    """How long."""
    loop: LoopConfig = LoopConfig()
    """In what steps."""
    selection: SelectionConfig = SelectionConfig()
    """What is kept."""

    @field_validator("objectives")
    @classmethod
    def _once(cls, objectives: tuple[ObjectiveConfig, ...]) -> tuple[ObjectiveConfig, ...]:
        names = [one.name for one in objectives]
        if len(set(names)) < len(names):
            raise ValueError(f"one is named twice: {', '.join(names)}")
        return objectives


def recipe_names() -> list[str]:
    """Names of the recipes that come with the package."""
    folder = files(__package__) / "recipes"
    return sorted(path.name.removesuffix(".toml") for path in folder.iterdir() if path.name.endswith(".toml"))


def load_recipe(
    name: str, sets: Sequence[str] = (), flags: Mapping[str, Any] | None = None, *, without: Sequence[str] = ()
) -> Recipe:
    """The recipe called `name`, or the one in the TOML file at that path.

    Args:
        name: of a recipe of ours, or a path that ends in `.toml`.
        sets: `key=value` over it, with dotted keys: `optimiser.lr=1e-4`; a value is TOML, anything else a string.
        flags: dotted key → value over both; None is not given.
        without: dotted keys to leave at their defaults, whatever the file says.

    Raises:
        UserError: there is none, or a key is unknown or wrong.
    """
    path = Path(name)
    if name.endswith(".toml"):
        where = name
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
            raise UserError(f"cannot be read: {reason}", where=name, mend="give the path of a recipe") from None
    elif name in recipe_names():
        where = f"recipes/{name}.toml"
        text = (files(__package__) / "recipes" / f"{name}.toml").read_text(encoding="utf-8")
    else:
        mend = f"use one of {', '.join(recipe_names())}, or the path of a TOML file"
        raise UserError(f"no recipe is called {name!r}", where="recipe", mend=mend)
    values = read_toml(text, where=where)
    values.setdefault("name", path.stem)
    put_settings(values, sets, example="optimiser.lr=1e-4")
    for key, given in (flags or {}).items():
        if given is not None:
            put(values, key, given)
    for key in without:
        section, _, last = key.partition(".")
        if isinstance(inner := values.get(section), dict):
            inner.pop(last, None)
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise wrong_setting(error, Recipe, where=where, mend="see the recipes that come with the package") from None
