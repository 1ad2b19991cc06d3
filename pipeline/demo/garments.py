"""Clothes on the body: upper and lower garments and shoes."""

import math

import numpy as np

from .body import Arm, Body, Leg, torso
from .fabric import cloth, shaded
from .palette import Rgb
from .person import Garment, Person
from .surface import Array, Mask, Patch, Ring, Stage, Vec3, flat, soften

_PIXEL = 0.0028
# What an upper garment adds to the body (body heights), where its hem is, and how far it hides the waist.
_CUT: dict[str, tuple[float, float, float]] = {
    "t-shirt": (0.005, 0.485, 0.55), "shirt": (0.006, 0.48, 0.55), "polo": (0.005, 0.488, 0.5),
    "tank top": (0.003, 0.50, 0.25), "sweater": (0.009, 0.492, 0.6), "hoodie": (0.013, 0.482, 0.75),
    "jacket": (0.013, 0.485, 0.7), "coat": (0.016, 0.34, 0.7), "dress": (0.003, 0.50, 0.1),
}  # fmt: skip
FOLDS = 0.09


def lerp(a: Vec3, b: Vec3, t: float) -> Vec3:
    """The point `t` of the way from `a` to `b`."""
    return a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t


# --- upper -----------------------------------------------------------------------------------------------------------


def draw_torso(stage: Stage, person: Person, body: Body) -> None:
    """Neck and trunk with everything worn on them, arms excepted."""
    skin = flat(person.skin.rgb)
    neck = 0.031 * person.build if person.gender == "man" else 0.026
    stage.turned([(0.80, neck + 0.012, neck + 0.01), (0.835, neck, neck), (0.90, neck, neck)], skin, at=(0.0, -0.004))
    stage.turned(torso(person, 0.62, 0.842), skin)
    if person.inner:
        _trunk(stage, person, person.inner, None)
        _trunk(stage, person, person.upper, _open_front(person.upper))
    else:
        _trunk(stage, person, person.upper, None)
    _closure(stage, person)


def _trunk(stage: Stage, person: Person, garment: Garment, opening: Mask | None) -> None:
    loose, hem, straight = _CUT[garment.kind]
    rings = torso(person, max(hem, 0.485), 0.842, loose=loose, straight=straight)
    if garment.kind == "coat":
        a, b = rings[0][1], rings[0][2]
        rings = [(0.34, a + 0.012, b + 0.02), (0.42, a + 0.006, b + 0.01), *rings]
    if garment.kind == "dress":
        rings = [*dress_skirt(person), *[r for r in rings if r[0] > 0.56]]
    neck = _neckline(garment)
    mask: Mask = (lambda p: neck(p) * opening(p)) if opening else neck
    stage.turned(rings, cloth(garment, chest=True), mask=mask, folds=FOLDS, shadow=0.4)
    if garment.kind == "hoodie":
        _hood(stage, garment.dye.rgb)
    elif garment.kind in ("shirt", "polo", "jacket", "coat") and opening is None:
        _collar(stage, garment, gap=0.28)
    elif opening is not None:
        _collar(stage, garment, gap=0.62)


def _neckline(garment: Garment) -> Mask:
    dip, wide = {"shirt": (0.034, 0.32), "polo": (0.034, 0.32), "coat": (0.03, 0.35), "jacket": (0.025, 0.4)}.get(
        garment.kind, (0.026, 0.75)
    )
    if garment.kind in ("tank top", "dress"):
        dip, wide = 0.052, 0.8

    def mask(patch: Patch) -> Array:
        edge = 0.836 - dip * np.exp(-((patch.beta / wide) ** 4))
        cover = soften(np.asarray(edge - patch.along, dtype=np.float32), _PIXEL)
        if garment.kind == "tank top":
            # Armholes: the shoulder beside the straps stays bare.
            side = np.abs(np.sin(patch.beta))
            hole = soften(np.asarray(side - 0.78 - 3.0 * np.maximum(0, 0.785 - patch.along), dtype=np.float32), 0.05)
            cover = cover * (1 - hole * (patch.along > 0.735))
        return np.asarray(cover, dtype=np.float32)

    return mask


def _open_front(garment: Garment) -> Mask:
    """An open jacket: nothing over the middle of the chest and belly."""
    wide = 0.36 if garment.kind == "jacket" else 0.30

    def mask(patch: Patch) -> Array:
        gap = (
            wide + 0.16 * np.clip((patch.along - 0.70) / 0.12, 0, 1) + 0.10 * np.clip((0.56 - patch.along) / 0.1, 0, 1)
        )
        return soften(np.asarray(np.abs(patch.beta) - gap, dtype=np.float32), 0.04)

    return mask


def _collar(stage: Stage, garment: Garment, gap: float) -> None:
    tone = shaded(garment.dye.rgb, 0.9)
    low = 0.800 if garment.kind in ("jacket", "coat") else 0.812

    def mask(patch: Patch) -> Array:
        # Two points beside an open throat, falling lower in front than behind.
        side = np.abs(patch.beta)
        bottom = np.interp(side, [0, 0.9, 1.6, math.pi], [low, low + 0.008, 0.828, 0.832]).astype(np.float32)
        throat = gap * np.clip((patch.along - low) / 0.03, 0.05, 1)
        return soften(patch.along - bottom, _PIXEL) * soften(np.asarray(side - throat, dtype=np.float32), 0.06)

    rings: list[Ring] = [(0.795, 0.062, 0.066), (0.82, 0.054, 0.058), (0.840, 0.043, 0.047), (0.851, 0.038, 0.043)]
    stage.turned(rings, flat(tone), mask=mask, shadow=0.3)


def _hood(stage: Stage, rgb: Rgb) -> None:
    if math.cos(stage.camera.yaw) < 0.3:
        rings: list[Ring] = [
            (0.755, 0.02, 0.02),
            (0.78, 0.055, 0.04),
            (0.81, 0.066, 0.05),
            (0.84, 0.06, 0.05),
            (0.86, 0.04, 0.03),
        ]
        stage.turned(rings, flat(shaded(rgb, 0.92)), at=(0.0, -0.045), folds=FOLDS, shadow=0.35)
    rings = [(0.80, 0.066, 0.064), (0.825, 0.062, 0.06), (0.85, 0.05, 0.052)]

    def mask(patch: Patch) -> Array:
        edge = 0.85 - 0.045 * np.exp(-((patch.beta / 0.55) ** 2))
        return soften(np.asarray(edge - patch.along, dtype=np.float32), _PIXEL)

    stage.turned(rings, flat(shaded(rgb, 0.9)), mask=mask, shadow=0.3)
    for x in (-0.014, 0.014):
        string = ((x, 0.795, 0.072), (x * 1.1, 0.735, 0.078))
        if stage.camera.depth(string[0]) > 0.045:
            stage.limb(string, (0.0022, 0.0022), flat((226, 224, 220)))


def _closure(stage: Stage, person: Person) -> None:
    """Buttons, zips, pockets and hems: the lines that tell one garment from another."""
    garment, inner = person.upper, person.inner
    tone = shaded(garment.dye.rgb, 0.62 if sum(garment.dye.rgb) > 200 else 1.9)
    shown = inner if inner and inner.kind == "shirt" else garment
    loose, hem, straight = _CUT[garment.kind]
    rings = torso(person, max(hem, 0.485), 0.82, loose=loose + 0.0005, straight=straight)
    if shown.kind in ("shirt", "polo") or (garment.kind == "coat" and inner is None):
        low = 0.725 if shown.kind == "polo" else 0.50

        def buttons(patch: Patch) -> Array:
            spot = np.hypot(patch.beta * 0.075, (patch.along % 0.052) - 0.026)
            line = 0.45 * soften(np.asarray(0.0009 - np.abs(patch.beta * 0.075 - 0.007), dtype=np.float32), _PIXEL)
            dots = 0.9 * soften(np.asarray(0.0036 - spot, dtype=np.float32), _PIXEL)
            return np.asarray(np.maximum(line, dots) * (patch.along > low) * (patch.along < 0.80), dtype=np.float32)

        stage.turned(rings, flat(tone if shown is garment else shaded(shown.dye.rgb, 0.62)), mask=buttons)
    if garment.kind == "hoodie":
        stage.turned(rings, flat(shaded(garment.dye.rgb, 0.8)), mask=_pouch)


def _pouch(patch: Patch) -> Array:
    """The outline of a hoodie's front pocket."""
    side = np.abs(patch.beta * 0.08)
    edge = 0.062 - 0.35 * np.clip(patch.along - 0.535, 0, 1)
    line = np.maximum(
        soften(np.asarray(0.0014 - np.abs(side - edge), dtype=np.float32), _PIXEL) * (patch.along < 0.605),
        soften(np.asarray(0.0014 - np.abs(patch.along - 0.605), dtype=np.float32), _PIXEL) * (side < edge),
    )
    return np.asarray(line * (patch.along > 0.505) * (np.abs(patch.beta) < 1.2), dtype=np.float32)


def draw_arm(stage: Stage, person: Person, arm: Arm) -> None:
    """One arm: skin, hand and sleeve."""
    thick = (1.0 if person.gender == "man" else 0.86) * (0.4 + 0.6 * person.build)
    skin = flat(person.skin.rgb)
    palm = lerp(arm.wrist, arm.fingers, 0.55)
    stage.limb((arm.wrist, palm, arm.fingers), (0.0145 * thick, 0.018 * thick, 0.010 * thick), skin)
    radii = (0.0285 * thick, 0.0245 * thick, 0.0165 * thick)
    stage.limb((arm.shoulder, arm.elbow, arm.wrist), radii, skin, shadow=0.2)
    garment = person.upper
    loose, _, _ = _CUT[garment.kind]
    extra = loose * 0.7 + 0.002
    if garment.kind == "tank top" or (garment.kind == "dress" and not garment.long):
        return
    paint = cloth(garment, radius=0.034)
    if garment.long:
        points = (arm.shoulder, arm.elbow, lerp(arm.elbow, arm.wrist, 0.97))
        sizes = (radii[0] + extra * 0.6, radii[1] + extra, radii[2] + extra)
        stage.limb(points, sizes, paint, folds=FOLDS * 1.2, shadow=0.3, cut_end=True)
        if garment.kind in ("sweater", "hoodie", "shirt"):
            cuff = (lerp(arm.elbow, arm.wrist, 0.86), lerp(arm.elbow, arm.wrist, 1.0))
            stage.limb(cuff, (0.021 * thick + extra * 0.4,) * 2, flat(shaded(garment.dye.rgb, 0.85)), cut_end=True)
        return
    points2 = (arm.shoulder, lerp(arm.shoulder, arm.elbow, 0.66))
    stage.limb(points2, (0.0285 * thick + extra, 0.031 * thick + extra), paint, folds=FOLDS, shadow=0.3, cut_end=True)


# --- lower -----------------------------------------------------------------------------------------------------------


def dress_skirt(person: Person) -> list[Ring]:
    """The lower half of a dress."""
    b = person.build
    return [(0.33, 0.118 * b, 0.105), (0.42, 0.106 * b, 0.09), (0.52, 0.094 * b, 0.075)]


def draw_leg(stage: Stage, person: Person, leg: Leg) -> None:
    """One leg down to its shoe."""
    thick = 0.45 + 0.55 * person.build
    lower = person.lower
    radii = (0.052 * thick, 0.036 * thick, 0.0225 * thick)
    bare = lower is None or not lower.long
    calf = lerp(leg.knee, leg.ankle, 0.3)
    if bare:
        skin = flat(person.skin.rgb)
        stage.limb(
            (leg.hip, leg.knee, calf, leg.ankle), (radii[0], 0.034 * thick, 0.034 * thick, 0.019), skin, shadow=0.25
        )
    _shoe(stage, person, leg)
    if lower is None or lower.kind == "skirt":
        return
    paint = cloth(lower, radius=0.05)
    if lower.kind == "shorts":
        end = lerp(leg.hip, leg.knee, 0.88)
        stage.limb((leg.hip, end), (0.060 * thick, 0.053 * thick), paint, folds=FOLDS, shadow=0.35, cut_end=True)
        return
    loose = {"leggings": 0.0, "jeans": 0.007, "trousers": 0.011}[lower.kind]
    hem = 0.022 if lower.kind == "leggings" else 0.034 if lower.kind == "jeans" else 0.039
    end = lerp(leg.knee, leg.ankle, 0.93 if lower.kind == "leggings" else 1.06)
    points = (leg.hip, leg.knee, calf, end)
    sizes = (radii[0] + loose, radii[1] + loose, radii[1] + loose * 0.9, hem)
    folds = 0.03 if lower.kind == "leggings" else FOLDS * 1.1
    stage.limb(points, sizes, paint, folds=folds, shadow=0.3, cut_end=True)
    if person.shoes.kind == "boots" and lower.kind in ("jeans", "leggings"):
        _shaft(stage, person, leg)


def draw_hips(stage: Stage, person: Person) -> None:
    """The seat of trousers or the whole of a skirt; painted over both legs."""
    lower = person.lower
    if lower is None:
        return
    b = person.build
    if lower.kind == "skirt":
        rings: list[Ring] = [
            (0.335, 0.112 * b, 0.10),
            (0.42, 0.104 * b, 0.09),
            (0.52, 0.096 * b, 0.078),
            (0.61, 0.078 * b, 0.06),
        ]
        stage.turned(rings, cloth(lower), folds=FOLDS, shadow=0.4)
        return
    loose = {"leggings": 0.0, "jeans": 0.004}.get(lower.kind, 0.006)
    rings = torso(person, 0.465, 0.61, loose=loose)
    stage.turned(rings, cloth(lower), folds=FOLDS * 0.6)


# --- shoes -----------------------------------------------------------------------------------------------------------


def _shaft(stage: Stage, person: Person, leg: Leg) -> None:
    top = lerp(leg.ankle, leg.knee, 0.36)
    stage.limb((top, leg.ankle), (0.037, 0.031), flat(person.shoes.dye.rgb), folds=0.06, shadow=0.25)


def _shoe(stage: Stage, person: Person, leg: Leg) -> None:
    shoe = person.shoes
    rgb = shoe.dye.rgb
    low_heel, low_toe = _lowered(leg.heel, 0.010), _lowered(leg.toe, 0.010)
    instep = lerp(leg.heel, leg.toe, 0.4)
    top = (instep[0], instep[1] + 0.012, instep[2])
    match shoe.kind:
        case "sandals":
            stage.limb((low_heel, low_toe), (0.020, 0.022), flat((70, 52, 40)))
            stage.limb((leg.ankle, leg.heel, leg.toe), (0.018, 0.018, 0.017), flat(person.skin.rgb))
            for t in (0.35, 0.78):
                mid = lerp(leg.heel, leg.toe, t)
                stage.limb((_lowered(mid, -0.006), _lowered(mid, 0.010)), (0.0165, 0.019), flat(rgb))
        case "heels":
            stage.limb(
                (leg.heel, (leg.heel[0], leg.heel[1] - 0.032, leg.heel[2])), (0.009, 0.004), flat(shaded(rgb, 0.8))
            )
            stage.limb((leg.ankle, instep, lerp(leg.heel, leg.toe, 0.7)), (0.018, 0.018, 0.016), flat(person.skin.rgb))
            stage.limb((leg.heel, lerp(leg.heel, leg.toe, 0.5), leg.toe), (0.019, 0.011, 0.018), flat(rgb))
            stage.limb((lerp(leg.heel, leg.toe, 0.66), leg.toe), (0.016, 0.019), flat(rgb))
        case _:
            sole = (236, 235, 230) if shoe.kind == "sneakers" else shaded(rgb, 0.55)
            if shoe.kind == "sneakers" and sum(rgb) > 600:
                sole = (200, 200, 198)
            width = 0.0225 if shoe.kind == "dress shoes" else 0.025
            stage.limb((low_heel, low_toe), (width, width + 0.001), flat(sole))
            stage.limb((leg.ankle, top, leg.toe), (0.024, 0.024, width - 0.004), flat(rgb))
            stage.limb((leg.heel, leg.toe), (width, width - 0.002), flat(rgb))
            if shoe.kind == "sneakers":
                laces = lerp(top, leg.toe, 0.35)
                stage.blob((laces[0], laces[1] + 0.014, laces[2]), (0.009, 0.004), flat(sole))
            if shoe.kind == "boots" and (person.lower is None or not person.lower.long):
                _shaft(stage, person, leg)


def _lowered(p: Vec3, by: float) -> Vec3:
    return p[0], p[1] - by, p[2]
