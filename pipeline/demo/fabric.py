"""Cloth: a garment's colour and pattern on the surface it is painted on."""

import numpy as np

from .palette import Rgb
from .person import Garment
from .surface import Array, Paint, Patch, soften

_EDGE = 0.0035  # body heights over which a pattern's edges fade: about one pixel of the finished image


def cloth(garment: Garment, *, radius: float = 0.085, chest: bool = False, back: Rgb | None = None) -> Paint:
    """The paint of `garment` on a part of about that `radius` (body heights); a logo only shows on the `chest`."""
    base = np.asarray(back or garment.dye.rgb, dtype=np.float32)
    accent = None if garment.accent is None else np.asarray(garment.accent.rgb, dtype=np.float32)
    denim = garment.dye.family == "denim"

    def paint(patch: Patch) -> Array:
        colour = np.broadcast_to(base, (*patch.u.shape, 3)).astype(np.float32)
        if denim:
            # Worn denim is paler where the leg faces front.
            colour = colour * (1 + 0.16 * np.exp(-((patch.beta / 0.5) ** 2)))[..., None]
        if accent is None:
            return np.asarray(colour, dtype=np.float32)
        share = _pattern(garment, patch, radius, chest=chest)[..., None]
        return np.asarray(colour * (1 - share) + accent * share, dtype=np.float32)

    return paint


def shaded(rgb: Rgb, factor: float) -> Rgb:
    """`rgb` darker (factor below 1) or lighter."""
    red, green, blue = (int(min(255, c * factor)) for c in rgb)
    return red, green, blue


def _pattern(garment: Garment, patch: Patch, radius: float, *, chest: bool) -> Array:
    """How much of the accent shows, 0–1, by pixel."""
    across, along = patch.beta * radius, patch.along
    match garment.pattern:
        case "stripes":
            return _bars(along, 0.046, 0.5)
        case "vertical stripes":
            return _bars(across, 0.026, 0.36)
        case "plaid":
            wide = 0.42 * (_bars(along, 0.046, 0.5) + _bars(across, 0.046, 0.5))
            thin = 0.55 * np.maximum(_bars(along + 0.0115, 0.046, 0.12), _bars(across + 0.0115, 0.046, 0.12))
            return np.asarray(np.clip(wide + thin, 0, 0.92), dtype=np.float32)
        case "dots":
            return _dots(across, along)
        case "logo" if chest:
            return _logo(across, along)
        case _:
            return np.zeros_like(along)


def _bars(position: Array, period: float, share: float) -> Array:
    """Bars of `share` of each `period`, soft-edged."""
    phase = np.abs((position / period) % 1 - 0.5) * period
    return soften(np.asarray(share * period / 2 - phase, dtype=np.float32), _EDGE)


def _dots(across: Array, along: Array) -> Array:
    step = 0.034
    row = np.floor(along / step)
    x = (across / step + 0.5 * (row % 2)) % 1 - 0.5
    y = (along / step) % 1 - 0.5
    return soften(np.asarray(0.0098 - step * np.hypot(x, y), dtype=np.float32), _EDGE)


def _logo(across: Array, along: Array) -> Array:
    """A printed badge with a bar of lettering below it."""
    badge = soften(np.asarray(0.026 - np.hypot(across, along - 0.735), dtype=np.float32), _EDGE)
    hole = soften(np.asarray(0.012 - np.hypot(across - 0.004, along - 0.739), dtype=np.float32), _EDGE)
    bar = soften(np.asarray(0.0065 - np.abs(along - 0.692), dtype=np.float32), _EDGE)
    letters = soften(np.asarray(0.040 - np.abs(across), dtype=np.float32), _EDGE) * (
        0.35 + 0.65 * _bars(across, 0.013, 0.7)
    )
    return np.asarray(np.maximum(badge * (1 - hole), bar * letters), dtype=np.float32)
