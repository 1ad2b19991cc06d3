"""Head, face, hair and hat."""

import math

import numpy as np

from .fabric import shaded
from .palette import Rgb
from .person import Garment, Person
from .surface import Array, Mask, Paint, Patch, Ring, Stage, flat, soften

# The skull: height, half width, half depth; the chin is at 0.862 and the crown at 1.
_SKULL: tuple[Ring, ...] = (
    (0.860, 0.010, 0.020), (0.864, 0.020, 0.034), (0.872, 0.029, 0.045), (0.886, 0.038, 0.053), (0.905, 0.0435, 0.057),
    (0.930, 0.0465, 0.060), (0.955, 0.0475, 0.061), (0.973, 0.044, 0.056), (0.987, 0.034, 0.044), (0.996, 0.020, 0.026),
    (1.0, 0.006, 0.008),
)  # fmt: skip
_AT = (0.0, 0.008)  # the head's axis: a little in front of the neck's
_PIXEL = 0.0028


def draw_head(stage: Stage, person: Person) -> None:
    """Neck excepted, everything above the shoulders, back to front."""
    behind = math.cos(stage.camera.yaw) > -0.15
    if behind:
        _tail(stage, person)
    skin = person.skin.rgb
    for side in (1, -1):
        ear = (side * 0.047, 0.925, -0.002)
        if stage.camera.depth(ear) > -0.02 and person.hair_style != "long":
            stage.blob(ear, (0.009, 0.015), flat(shaded(skin, 0.88)))
    stage.turned(_SKULL, _face(person), at=_AT, shadow=0.45)
    _nose(stage, skin)
    _hair(stage, person)
    for side in (1, -1):
        ear = (side * 0.048, 0.925, -0.006)
        if stage.camera.depth(ear) > 0.025 and person.hair_style != "long":
            stage.blob(ear, (0.008, 0.015), flat(shaded(skin, 0.93)), shadow=0.2)
    if person.hat:
        _hat(stage, person.hat)
    if not behind:
        _tail(stage, person)


def draw_back_hair(stage: Stage, person: Person) -> None:
    """What of long hair hangs behind the neck; painted before the torso."""
    if person.hair_style == "long" and math.cos(stage.camera.yaw) > -0.3:
        rings = (
            (0.77, 0.045, 0.03),
            (0.80, 0.058, 0.035),
            (0.88, 0.058, 0.045),
            (0.95, 0.054, 0.05),
            (0.98, 0.04, 0.04),
        )
        stage.turned(rings, flat(shaded(person.hair.rgb, 0.7)), at=(0.0, -0.03))


def _nose(stage: Stage, skin: Rgb) -> None:
    if math.cos(stage.camera.yaw) > -0.1:
        points = ((0.0, 0.930, 0.060), (0.0, 0.912, 0.072), (0.0, 0.906, 0.068))
        stage.limb(points, (0.004, 0.0078, 0.0066), flat(shaded(skin, 1.0)), shadow=0.10)


def _face(person: Person) -> Paint:
    skin = np.asarray(person.skin.rgb, dtype=np.float32)
    lips = skin * 0.6 + np.asarray((190, 60, 70) if person.gender == "woman" else (130, 60, 52), dtype=np.float32) * 0.4
    brow = np.asarray(person.hair.rgb, dtype=np.float32) * 0.75
    beard = np.asarray(person.hair.rgb, dtype=np.float32) * 0.9

    def paint(patch: Patch) -> Array:
        beta, y = patch.beta, patch.along
        x = beta * 0.05  # about body heights along the face
        colour = np.broadcast_to(skin, (*x.shape, 3)).astype(np.float32)
        cheeks = 0.14 * np.exp(-(((np.abs(x) - 0.024) / 0.012) ** 2) - ((y - 0.905) / 0.012) ** 2)
        colour = _over(colour, np.asarray((214, 96, 84), dtype=np.float32), cheeks)
        side = np.abs(x)
        socket = 0.30 * np.exp(-(((side - 0.018) / 0.011) ** 2) - ((y - 0.934) / 0.0075) ** 2)
        colour = _over(colour, skin * 0.5, socket)
        if person.beard:
            edge = np.interp(side, [0, 0.012, 0.03, 0.05, 0.07], [0.899, 0.900, 0.895, 0.905, 0.925]).astype(np.float32)
            colour = _over(colour, beard, 0.92 * soften(edge - y, 0.006) * soften(0.078 - side, 0.006))
        colour = _over(colour, lips, _spot(side, y - 0.8885, 0.0135, 0.0042))
        colour = _over(colour, skin * 0.42, 0.8 * _spot(side, y - 0.8887, 0.0125, 0.0014))
        colour = _over(
            colour, np.asarray((238, 234, 230), dtype=np.float32), _spot(side - 0.0185, y - 0.9305, 0.0082, 0.0042)
        )
        colour = _over(
            colour, np.asarray((34, 24, 22), dtype=np.float32), _spot(side - 0.0185, y - 0.9308, 0.0042, 0.0043)
        )
        colour = _over(
            colour, brow, 0.85 * _spot(side - 0.0185, y - 0.9425 + 0.12 * np.abs(side - 0.0185), 0.0115, 0.0026)
        )
        if person.glasses:
            ring = np.abs(np.hypot((side - 0.0185) / 1.2, y - 0.9305) - 0.0105)
            frame = np.maximum(soften(0.0016 - ring, _PIXEL), _spot(side, y - 0.933, 0.0055, 0.0014))
            temple = soften(0.0015 - np.abs(y - 0.933), _PIXEL) * (side > 0.031) * (side < 0.075)
            colour = _over(colour, np.asarray((26, 24, 26), dtype=np.float32), np.maximum(frame, temple))
        return colour

    return paint


def _over(colour: Array, top: Array, share: Array) -> Array:
    s = share[..., None]
    return np.asarray(colour * (1 - s) + top * s, dtype=np.float32)


def _spot(x: Array, y: Array, half_x: float, half_y: float) -> Array:
    """A soft ellipse."""
    norm = np.hypot(x / half_x, y / half_y)
    return soften(np.asarray((1 - norm) * min(half_x, half_y), dtype=np.float32), _PIXEL)


def _strands(rgb: Rgb) -> Paint:
    base = np.asarray(rgb, dtype=np.float32)

    def paint(patch: Patch) -> Array:
        wave = np.sin(patch.beta * 31 + 3 * np.sin(patch.along * 60)) * np.sin(patch.beta * 13 + patch.along * 40)
        sheen = 0.32 * np.exp(-(((patch.along - 0.972) / 0.012) ** 2))
        return np.asarray(base * (1 + 0.16 * wave + sheen)[..., None] + 10 * sheen[..., None], dtype=np.float32)

    return paint


def _swell(by: float) -> list[Ring]:
    """The skull, thicker all round."""
    rings = [(y + by * max(0.0, (y - 0.9) / 0.1), a + by, b + by) for y, a, b in _SKULL]
    # Closed at the top: seen from above, a flat end would be a notch in the crown.
    return [*rings, (1.003 + by, 0.004, 0.004)]


def _above(angles: tuple[float, ...], heights: tuple[float, ...]) -> Mask:
    """What lies above a line round the head, given by angle from the front and height."""
    return lambda patch: soften(
        patch.along - np.interp(np.abs(patch.beta), angles, heights).astype(np.float32), _PIXEL * 1.5
    )


def _hair(stage: Stage, person: Person) -> None:
    paint = _strands(person.hair.rgb)
    match person.hair_style:
        case "bald":
            return
        case "long":
            line = _above((0, 0.35, 0.8, 1.1, 1.3, math.pi), (0.976, 0.968, 0.945, 0.90, 0.80, 0.76))
            rings = [
                (0.74, 0.030, 0.05),
                (0.77, 0.050, 0.060),
                (0.82, 0.058, 0.062),
                (0.88, 0.057, 0.066),
                (0.93, 0.056, 0.069),
            ]
            stage.turned([*rings, *_swell(0.008)[6:]], paint, at=(0.0, 0.0), mask=line, shadow=0.25)
        case "short" if person.gender == "woman":
            line = _above((0, 0.5, 0.9, 1.15, 1.5, math.pi), (0.974, 0.964, 0.93, 0.885, 0.868, 0.86))
            rings = [(0.855, 0.046, 0.05), (0.885, 0.054, 0.064), (0.92, 0.057, 0.069)]
            stage.turned([*rings, *_swell(0.009)[5:]], paint, at=(0.0, 0.004), mask=line, shadow=0.2)
        case "short":
            line = _above(
                (0, 0.7, 1.0, 1.15, 1.4, 1.55, 1.9, math.pi), (0.970, 0.968, 0.95, 0.925, 0.915, 0.925, 0.89, 0.878)
            )
            stage.turned(_swell(0.006), paint, at=_AT, mask=line, shadow=0.15)
        case _:
            line = _above((0, 0.6, 1.0, 1.3, 1.6, 2.0, math.pi), (0.972, 0.966, 0.945, 0.925, 0.92, 0.89, 0.878))
            stage.turned(_swell(0.003), paint, at=_AT, mask=line, shadow=0.15)


def _tail(stage: Stage, person: Person) -> None:
    paint = _strands(shaded(person.hair.rgb, 0.92))
    if person.hair_style == "ponytail":
        points = ((0.0, 0.962, -0.052), (0.0, 0.95, -0.085), (0.0, 0.88, -0.092), (0.0, 0.80, -0.082))
        stage.limb(points, (0.012, 0.019, 0.021, 0.007), paint, shadow=0.25)
    elif person.hair_style == "bun":
        stage.blob((0.0, 1.006, -0.044), (0.027, 0.025), paint, shadow=0.5)


def _hat(stage: Stage, hat: Garment) -> None:
    rgb = hat.dye.rgb
    turned = math.hypot(0.043 * math.cos(stage.camera.yaw), 0.036 * math.sin(stage.camera.yaw))
    match hat.kind:
        case "cap":
            behind = math.cos(stage.camera.yaw) < -0.1
            if not behind:
                stage.turned(_swell(0.010), flat(rgb), at=_AT, mask=_above((0, 3.2), (0.962, 0.950)), shadow=0.4)
            stage.blob((0.0, 0.958, 0.082), (turned, 0.008), flat(shaded(rgb, 0.85)), shadow=0.0 if behind else 0.35)
            if behind:
                stage.turned(_swell(0.010), flat(rgb), at=_AT, mask=_above((0, 3.2), (0.962, 0.950)), shadow=0.4)
            stage.blob((0.0, 1.012, 0.008), (0.006, 0.003), flat(shaded(rgb, 0.7)))
        case "beanie":
            stage.turned(_swell(0.012), _ribs(rgb), at=_AT, mask=_above((0, 3.2), (0.955, 0.935)), shadow=0.35)
            stage.turned([(0.945, 0.060, 0.074), (0.97, 0.058, 0.071)], _ribs(shaded(rgb, 0.88)), at=_AT, shadow=0.2)
        case _:
            stage.blob((0.0, 0.962, 0.008), (0.094, 0.0155), flat(rgb), shadow=0.45)
            stage.turned(_swell(0.011), flat(rgb), at=_AT, mask=_above((0, 3.2), (0.968, 0.968)), shadow=0.2)
            stage.turned([(0.966, 0.057, 0.07), (0.975, 0.056, 0.069)], flat(shaded(rgb, 0.55)), at=_AT)


def _ribs(rgb: Rgb) -> Paint:
    base = np.asarray(rgb, dtype=np.float32)
    return lambda patch: np.asarray(base * (0.94 + 0.1 * np.sin(patch.beta * 26))[..., None], dtype=np.float32)
