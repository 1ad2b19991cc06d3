"""The figure's proportions and joints: a skeleton in body heights, posed by its scene."""

import math
from dataclasses import dataclass
from itertools import pairwise

from .person import Person, Side
from .scene import Scene
from .surface import Ring, Vec3

SIDES: tuple[Side, Side] = ("left", "right")

# Torso outline (height, half width, half depth) of a man and a woman in underwear.
_TORSO: dict[str, tuple[Ring, ...]] = {
    "man": (
        (0.44, 0.080, 0.064), (0.52, 0.088, 0.066), (0.57, 0.084, 0.060), (0.62, 0.080, 0.056), (0.68, 0.086, 0.060),
        (0.74, 0.095, 0.066), (0.78, 0.103, 0.062), (0.803, 0.103, 0.054), (0.818, 0.092, 0.046), (0.83, 0.066, 0.04),
        (0.842, 0.042, 0.036),
    ),
    "woman": (
        (0.44, 0.084, 0.066), (0.52, 0.093, 0.070), (0.57, 0.082, 0.060), (0.63, 0.068, 0.050), (0.68, 0.074, 0.056),
        (0.74, 0.086, 0.072), (0.78, 0.092, 0.060), (0.803, 0.092, 0.050), (0.818, 0.080, 0.043), (0.83, 0.056, 0.038),
        (0.842, 0.036, 0.034),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Leg:
    """A leg's joints, and the heel and toe of its foot (the foot's middle line)."""

    hip: Vec3
    knee: Vec3
    ankle: Vec3
    heel: Vec3
    toe: Vec3


@dataclass(frozen=True)
class Arm:
    """An arm's joints; the hand ends at `fingers`."""

    shoulder: Vec3
    elbow: Vec3
    wrist: Vec3
    fingers: Vec3


@dataclass(frozen=True)
class Body:
    """A posed skeleton; `floor` is the height of its lowest sole."""

    legs: dict[Side, Leg]
    arms: dict[Side, Arm]
    floor: float


def sign(side: Side) -> float:
    """+1 for the person's left, -1 for the right."""
    return 1.0 if side == "left" else -1.0


def torso(person: Person, low: float, high: float, *, loose: float = 0.0, straight: float = 0.0) -> list[Ring]:
    """The torso's rings from height `low` to `high`, `loose` wider; `straight` (0–1) fills in the waist."""
    whole = _TORSO[person.gender]
    chest = max(a for _, a, _ in whole) * 0.97
    rings: list[Ring] = []
    heights = sorted({low, high, *(y for y, _, _ in whole if low < y < high)})
    for y in heights:
        a, b = _between(whole, y)
        if y < 0.76:
            a += (chest - a) * straight
            b += (0.068 - b) * straight
        rings.append((y, a * person.build + loose, b * (0.5 + 0.5 * person.build) + loose))
    return rings


def _between(rings: tuple[Ring, ...], y: float) -> tuple[float, float]:
    for (y0, a0, b0), (y1, a1, b1) in pairwise(rings):
        if y <= y1:
            t = max(0.0, (y - y0) / (y1 - y0))
            return a0 + (a1 - a0) * t, b0 + (b1 - b0) * t
    return rings[-1][1], rings[-1][2]


def pose_body(person: Person, scene: Scene) -> Body:
    """The skeleton of `person` in the pose of `scene`."""
    legs = {side: _leg(person, scene, side) for side in SIDES}
    arms = {side: _arm(person, scene, side) for side in SIDES}
    floor = min(min(leg.heel[1], leg.toe[1]) for leg in legs.values()) - 0.022
    return Body(legs, arms, floor)


def _leg(person: Person, scene: Scene, side: Side) -> Leg:
    s = sign(side)
    ahead = scene.stride * s
    if scene.pose == "walking":
        thigh, flex = 0.27 * ahead, (0.10 if ahead > 0 else 0.38 * -ahead)
        pitch = 0.12 if ahead > 0 else -0.45 * -ahead
    else:
        thigh, flex, pitch = 0.10 * ahead, 0.04 + 0.06 * max(0.0, ahead), 0.0
    if person.shoes.kind == "heels":
        pitch -= 0.38
    width = 0.047 * person.build
    spread = 0.012 if scene.pose == "walking" else 0.035
    hip = (s * width, 0.50, 0.0)
    knee = _step(hip, 0.225, thigh, s * spread)
    ankle = _step(knee, 0.228, thigh - flex, s * spread * 0.5)
    heel = (ankle[0], ankle[1] - 0.026 + 0.02 * max(0.0, -pitch), ankle[2] - 0.022)
    toe_out = 0.18 * s
    length = 0.095 if person.gender == "woman" else 0.105
    toe = (
        heel[0] + length * math.cos(pitch) * math.sin(toe_out),
        heel[1] + length * math.sin(pitch),
        heel[2] + length * math.cos(pitch) * math.cos(toe_out),
    )
    return Leg(hip, knee, ankle, heel, toe)


def _arm(person: Person, scene: Scene, side: Side) -> Arm:
    s = sign(side)
    reach = (0.095 if person.gender == "man" else 0.086) * person.build
    shoulder = (s * reach, 0.783, 0.0)
    if scene.pose == "phone" and side == scene.hand:
        elbow = (s * (reach + 0.022), 0.645, 0.03)
        wrist = (s * (reach - 0.045), 0.715, 0.135)
        return Arm(shoulder, elbow, wrist, (s * (reach - 0.065), 0.742, 0.155))
    if scene.pose == "pocket" and side == scene.hand:
        elbow = (s * (reach + 0.062), 0.65, -0.035)
        wrist = (s * (reach + 0.008), 0.53, 0.03)
        return Arm(shoulder, elbow, wrist, (s * (reach - 0.012), 0.497, 0.045))
    carries = person.bag is not None and person.bag.kind in ("handbag", "tote") and side == person.bag_side
    swing = -scene.stride * s * (0.5 if scene.pose == "walking" else 0.15) * (0.25 if carries else 1.0)
    elbow = _step(shoulder, 0.152, swing, s * 0.16)
    flex = 0.12 + (0.45 * max(0.0, swing) if not carries else 0.0)
    wrist = _step(elbow, 0.138, swing + flex, s * 0.04)
    return Arm(shoulder, elbow, wrist, _step(wrist, 0.045, swing + flex + 0.1, -s * 0.05))


def _step(start: Vec3, length: float, forward: float, sideways: float) -> Vec3:
    """`length` down from `start`, turned `forward` and `sideways` by those angles (radians)."""
    down = length * math.cos(sideways)
    return (
        start[0] + length * math.sin(sideways),
        start[1] - down * math.cos(forward),
        start[2] + down * math.sin(forward),
    )
