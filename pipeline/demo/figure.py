"""A whole person on a transparent layer: which part is painted before which."""

import math

import numpy as np

from .body import SIDES, Body, pose_body
from .carried import draw_backpack, draw_bag, draw_bag_strap, draw_phone, draw_straps
from .garments import draw_arm, draw_hips, draw_leg, draw_torso
from .head import draw_back_hair, draw_head
from .person import Person, Side
from .scene import Scene
from .surface import Camera, Stage


def draw_figure(person: Person, scene: Scene, size: tuple[int, int]) -> Stage:
    """The posed, dressed person for an image of `size` (width, height) pixels."""
    body = pose_body(person, scene)
    scale = scene.lens.height * size[1]
    foot = (scene.lens.foot[0] * size[0], scene.lens.foot[1] * size[1] + scale * body.floor)
    camera = Camera(math.radians(scene.yaw), scene.lens.pitch, scale, foot)
    stage = Stage(camera, size, scene.light.side, np.random.default_rng([scene.seed, 1]))
    _paint(stage, person, scene, body)
    return stage


def _paint(stage: Stage, person: Person, scene: Scene, body: Body) -> None:
    facing = math.cos(stage.camera.yaw)
    bag_behind = _nearness(stage, body, person.bag_side) < -0.03
    near_first = sorted(SIDES, key=lambda s: _nearness(stage, body, s))
    behind = [s for s in near_first if _nearness(stage, body, s) < -0.03]
    draw_back_hair(stage, person)
    if person.bag and person.bag.kind == "backpack" and facing > -0.35:
        draw_backpack(stage, person.bag)
    if person.bag and person.bag.kind != "backpack" and bag_behind:
        draw_bag(stage, person, body)
    for side in behind:
        draw_arm(stage, person, body.arms[side])
        if scene.pose == "phone" and side == scene.hand:
            draw_phone(stage, scene, body)
    for side in sorted(SIDES, key=lambda s: _leg_nearness(stage, body, s)):
        draw_leg(stage, person, body.legs[side])
    draw_hips(stage, person)
    draw_torso(stage, person, body)
    if person.bag and person.bag.kind == "backpack":
        draw_straps(stage, person)
    draw_bag_strap(stage, person)
    draw_head(stage, person)
    if person.bag and person.bag.kind == "backpack" and facing <= -0.35:
        draw_backpack(stage, person.bag)
    if person.bag and person.bag.kind == "shoulder bag" and not bag_behind:
        draw_bag(stage, person, body)
    for side in near_first:
        if side in behind:
            continue
        if person.bag and person.bag.kind in ("handbag", "tote") and side == person.bag_side:
            draw_bag(stage, person, body)
        if scene.pose == "phone" and side == scene.hand:
            draw_phone(stage, scene, body)
        draw_arm(stage, person, body.arms[side])


def _nearness(stage: Stage, body: Body, side: Side) -> float:
    """How far in front of the trunk an arm is, in body heights."""
    arm = body.arms[side]
    return (stage.camera.depth(arm.shoulder) + stage.camera.depth(arm.elbow) + stage.camera.depth(arm.wrist)) / 3


def _leg_nearness(stage: Stage, body: Body, side: Side) -> float:
    leg = body.legs[side]
    return (stage.camera.depth(leg.hip) + stage.camera.depth(leg.knee) + stage.camera.depth(leg.ankle)) / 3
