"""The named colours of cloth, denim, hair and skin."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict

Rgb = tuple[int, int, int]
Family = Literal["cloth", "denim", "hair", "skin"]
T = TypeVar("T")


@dataclass(frozen=True)
class Dye:
    """One colour as one person has it: the name captions start from and its sRGB value (0–255)."""

    family: Family
    name: str
    rgb: Rgb


class Swatch(BaseModel):
    """A named colour: the middle of its sRGB range, the largest step from it, and the words for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rgb: Rgb
    spread: int
    names: tuple[str, ...]


class Palette(BaseModel):
    """Every family of colours, by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cloth: dict[str, Swatch]
    denim: dict[str, Swatch]
    hair: dict[str, Swatch]
    skin: dict[str, Swatch]

    def family(self, family: Family) -> dict[str, Swatch]:
        """The swatches of one family."""
        return {"cloth": self.cloth, "denim": self.denim, "hair": self.hair, "skin": self.skin}[family]


@cache
def palette() -> Palette:
    """The palette of `palette.toml`."""
    return Palette.model_validate(tomllib.loads(Path(__file__).with_name("palette.toml").read_text("utf-8")))


def colour_words(dye: Dye) -> tuple[str, ...]:
    """The words a caption may use for `dye`."""
    return palette().family(dye.family)[dye.name].names


def mix_dye(rng: np.random.Generator, family: Family, name: str) -> Dye:
    """One shade of the named colour."""
    swatch = palette().family(family)[name]
    # One common step plus a small one per channel: shades of a colour differ in brightness more than in hue.
    steps = rng.uniform(-0.7, 0.7) * swatch.spread + rng.uniform(-0.3, 0.3, 3) * swatch.spread
    red, green, blue = (round(min(255.0, max(0.0, c + s))) for c, s in zip(swatch.rgb, steps, strict=True))
    return Dye(family, name, (red, green, blue))


def pick(rng: np.random.Generator, options: Sequence[T], weights: Sequence[float] | None = None) -> T:
    """One of `options`, by `weights` where given."""
    if weights is None:
        return options[int(rng.integers(len(options)))]
    share = np.asarray(weights, dtype=float)
    return options[int(rng.choice(len(options), p=share / share.sum()))]
