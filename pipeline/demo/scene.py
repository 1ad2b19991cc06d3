"""How one image shows its person: view, pose, place, light, what stands in the way, and the camera."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .palette import pick
from .person import Garment, Person, Side, describe_person

Pose = Literal["standing", "walking", "phone", "pocket"]
View = Literal["front", "back", "left", "right"]
Place = Literal["street", "mall", "park", "crosswalk"]
Occluder = Literal["bench", "pole", "passer-by", "bike", "railing"]
WIDTH, HEIGHT = 128, 384  # pixels of an image

# Where the person faces, in degrees: a person's images take different entries, so everyone is seen from all round.
_YAWS = ((-48, 48), (138, 222), (62, 112), (-112, -62))
_OCCLUDERS: tuple[Occluder, ...] = ("bench", "pole", "passer-by", "bike", "railing")
_POSES: tuple[Pose, ...] = ("standing", "walking", "phone", "pocket")
_PLACES: tuple[Place, ...] = ("street", "mall", "park", "crosswalk")


@dataclass(frozen=True)
class Light:
    """Brightness is a factor; warmth runs from -1 (bluish) to 1, side from -1 (the left) to 1, slope is downwards."""

    brightness: float
    warmth: float
    side: float
    slope: float


@dataclass(frozen=True)
class Lens:
    """Height is the body height over the image's, foot the ground point in image fractions, blur in pixels."""

    height: float
    foot: tuple[float, float]
    pitch: float
    blur: float
    noise: float  # standard deviation, 0–255
    quality: int  # JPEG


@dataclass(frozen=True)
class Scene:
    """One image of a person; `hand` is the side that holds a phone or is in a pocket, `seed` textures the rest."""

    yaw: float  # degrees: 0 faces the camera, 90 the image's right
    pose: Pose
    stride: float  # -1 to 1, left leg forward when positive
    hand: Side
    place: Place
    light: Light
    lens: Lens
    occluder: Occluder | None
    occluder_side: Side  # of the image
    seed: int

    @property
    def view(self) -> View:
        """The nearest of the four views."""
        facing = math.cos(math.radians(self.yaw))
        if abs(facing) > 0.5:
            return "front" if facing > 0 else "back"
        return "right" if math.sin(math.radians(self.yaw)) > 0 else "left"


def image_count(seed: int, identity: int) -> int:
    """How many images a person has: 3 or 4."""
    return 3 + int(np.random.default_rng([seed, identity, 1_000_000]).random() < 0.5)


def describe_scene(seed: int, identity: int, image: int) -> Scene:
    """The scene of a person's image (numbered from 1)."""
    rng = np.random.default_rng([seed, identity, image])
    person = describe_person(seed, identity)
    turn = int(np.random.default_rng([seed, identity, 1_000_001]).integers(2))
    low, high = _YAWS[(0, 1, 2 + turn, 0)[(image - 1) % 4]]
    pose = pick(rng, _POSES, (3, 5, 1.6, 1.2 if person.lower else 0))
    occluder = pick(rng, _OCCLUDERS) if rng.random() < 0.2 else None
    return Scene(
        yaw=float(rng.uniform(low, high)),
        pose=pose,
        stride=float(rng.choice((-1, 1)) * rng.uniform(0.45, 1))
        if pose == "walking"
        else float(rng.uniform(-0.2, 0.2)),
        hand="left" if person.bag_side == "right" else "right",
        place=pick(rng, _PLACES),
        light=Light(
            brightness=float(rng.uniform(0.84, 1.12)),
            warmth=float(rng.uniform(-0.8, 0.8)),
            side=float(rng.uniform(-0.8, 0.8)),
            slope=float(rng.uniform(-0.12, 0.12)),
        ),
        lens=_lens(rng, person),
        occluder=occluder,
        occluder_side=pick(rng, ("left", "right")),
        seed=int(rng.integers(2**31)),
    )


def _lens(rng: np.random.Generator, person: Person) -> Lens:
    tall = float(rng.uniform(0.85, 0.91)) * person.stature
    below = float(rng.uniform(0.945, 0.975))
    return Lens(
        height=tall,
        foot=(float(rng.uniform(0.46, 0.54)), below),
        pitch=float(rng.uniform(0.06, 0.2)),
        blur=float(rng.uniform(0, 0.75)),
        noise=float(rng.uniform(1, 5)),
        quality=int(rng.integers(80, 95)),
    )


def visible_parts(person: Person, scene: Scene) -> frozenset[str]:
    """What of the person this image shows, and a caption may name: the upper garment always is."""
    facing = math.cos(math.radians(scene.yaw))
    parts = {"lower", "sleeves"} if person.lower else {"sleeves"}
    parts |= {name for name, least in (("face", 0.35), ("pattern front", 0.6), ("inner", 0.55)) if facing > least}
    if facing > -0.1:
        parts.add("profile")
    if person.hat is None or person.hair_style == "long":
        parts.add("hair")
    if scene.occluder not in ("bench", "bike", "railing"):
        parts.add("shoes")
    if person.hat is not None:
        parts.add("hat")
    if person.bag is not None and _bag_shows(person.bag, person.bag_side, scene):
        parts.add("bag")
    if scene.pose in ("phone", "pocket") and _hand_shows(scene):
        parts.add("act")
    return frozenset(parts)


def _toward(scene: Scene, side: Side) -> float:
    """How far the person's side is turned to the camera: 1 nearest, -1 hidden behind the body."""
    return -math.sin(math.radians(scene.yaw)) * (1 if side == "left" else -1)


def _bag_shows(bag: Garment, side: Side, scene: Scene) -> bool:
    beside = scene.occluder in ("pole", "passer-by")
    if bag.kind == "backpack":
        return not (beside and scene.view in ("left", "right"))
    low = scene.occluder in ("bench", "bike", "railing") and bag.kind != "shoulder bag"
    return not beside and not low and _toward(scene, side) > -0.35


def _hand_shows(scene: Scene) -> bool:
    if scene.occluder in ("pole", "passer-by"):
        return False
    facing = math.cos(math.radians(scene.yaw))
    return facing > -0.2 and _toward(scene, scene.hand) > -0.45
