"""What a person carries: bags and a phone."""

import math

from .body import Body, sign
from .fabric import shaded
from .garments import lerp
from .person import Garment, Person
from .scene import Scene
from .surface import Ring, Stage, Vec3, flat


def draw_backpack(stage: Stage, bag: Garment) -> None:
    """The pack itself, behind the back."""
    rgb = bag.dye.rgb
    rings: list[Ring] = [
        (0.555, 0.060, 0.030), (0.565, 0.076, 0.044), (0.60, 0.082, 0.052), (0.72, 0.079, 0.046), (0.775, 0.070, 0.038),
        (0.80, 0.050, 0.026), (0.806, 0.02, 0.01),
    ]  # fmt: skip
    stage.turned(rings, flat(rgb), at=(0.0, -0.105), folds=0.05, shadow=0.4)
    pocket: list[Ring] = [(0.57, 0.058, 0.026), (0.585, 0.066, 0.036), (0.65, 0.066, 0.036), (0.664, 0.056, 0.026)]
    if math.cos(stage.camera.yaw) < 0.3:
        stage.turned(pocket, flat(shaded(rgb, 1.14)), at=(0.0, -0.128), shadow=0.3)
        stage.turned([(0.745, 0.070, 0.046), (0.749, 0.070, 0.046)], flat(shaded(rgb, 0.5)), at=(0.0, -0.108))


def draw_straps(stage: Stage, person: Person) -> None:
    """A backpack's straps over the shoulders."""
    bag = person.bag
    if bag is None:
        return
    for s in (-1.0, 1.0):
        x = s * 0.058 * person.build
        points: tuple[Vec3, ...] = (
            (x, 0.834, -0.02), (x, 0.820, 0.030), (x, 0.785, 0.058), (x * 1.06, 0.735, 0.069), (x * 1.25, 0.65, 0.058),
            (x * 1.4, 0.61, 0.02),
        )  # fmt: skip
        if stage.camera.depth(points[3]) > -0.01:
            stage.limb(
                points, (0.0125, 0.0125, 0.0125, 0.012, 0.010, 0.008), flat(shaded(bag.dye.rgb, 1.05)), shadow=0.3
            )


def draw_bag(stage: Stage, person: Person, body: Body) -> None:
    """A shoulder bag at the hip, or a handbag or tote in the hand."""
    bag = person.bag
    if bag is None:
        return
    s, rgb = sign(person.bag_side), bag.dye.rgb
    if bag.kind == "shoulder bag":
        centre: Vec3 = (s * 0.118 * person.build, 0.515, 0.015)
        wide = 0.062
        _box(stage, centre, (wide, 0.048), rgb)
        stage.blob((centre[0], centre[1] + 0.018, centre[2]), (wide * 0.96, 0.029), flat(shaded(rgb, 1.12)), square=5)
        stage.blob((centre[0], centre[1] - 0.010, centre[2]), (0.006, 0.006), flat((206, 186, 120)))
        return
    hand = body.arms[person.bag_side].fingers
    half = (0.058, 0.044) if bag.kind == "handbag" else (0.070, 0.078)
    drop = 0.045 if bag.kind == "handbag" else 0.06
    centre = (hand[0] + s * 0.004, hand[1] - drop - half[1] + 0.012, hand[2])
    for dx in (-0.6, 0.6):
        corner = _across(stage, centre, dx * half[0], half[1])
        grip = (hand[0], hand[1] + 0.006, hand[2])
        stage.limb((corner, lerp(corner, grip, 0.75), grip), (0.0045,) * 3, flat(shaded(rgb, 0.8)))
    _box(stage, centre, half, rgb)
    if bag.kind == "handbag":
        stage.blob((centre[0], centre[1] + 0.022, centre[2]), (half[0] * 0.97, 0.02), flat(shaded(rgb, 1.15)), square=5)
        stage.blob((centre[0], centre[1] + 0.006, centre[2]), (0.007, 0.006), flat((206, 186, 120)))


def draw_bag_strap(stage: Stage, person: Person) -> None:
    """A shoulder bag's strap, across the side of the body that faces the camera."""
    if person.bag is None or person.bag.kind != "shoulder bag":
        return
    s = sign(person.bag_side)
    facing = 1.0 if math.cos(stage.camera.yaw) > 0 else -1.0
    points = (
        (-s * 0.05, 0.836, 0.0),
        (-s * 0.048, 0.815, facing * 0.058),
        (s * 0.03, 0.68, facing * 0.08),
        (s * 0.105, 0.55, facing * 0.03),
    )
    stage.limb(points, (0.007,) * 4, flat(shaded(person.bag.dye.rgb, 0.85)), shadow=0.25)


def draw_phone(stage: Stage, scene: Scene, body: Body) -> None:
    """The phone in a raised hand."""
    if scene.pose != "phone":
        return
    x, y, z = body.arms[scene.hand].fingers
    wide = 0.006 + 0.011 * abs(math.cos(stage.camera.yaw))
    stage.blob((x, y + 0.012, z), (wide, 0.026), flat((28, 28, 32)), square=6, tilt=0.15)


def _across(stage: Stage, p: Vec3, right: float, up: float) -> Vec3:
    """`p` moved in the image plane."""
    yaw = stage.camera.yaw
    return p[0] + right * math.cos(yaw), p[1] + up, p[2] + right * math.sin(yaw)


def _box(stage: Stage, centre: Vec3, half: tuple[float, float], rgb: tuple[int, int, int]) -> None:
    stage.blob(centre, half, flat(rgb), square=6, folds=0.04, shadow=0.35)
