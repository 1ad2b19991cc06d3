"""Who a person of the demo dataset is and what they wear."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from .palette import Dye, mix_dye, palette, pick

Gender = Literal["man", "woman"]
HairStyle = Literal["short", "long", "ponytail", "bun", "bald"]
Kind = Literal[
    "t-shirt", "shirt", "polo", "tank top", "sweater", "hoodie", "jacket", "coat", "dress",
    "jeans", "trousers", "shorts", "skirt", "leggings",
    "sneakers", "boots", "sandals", "dress shoes", "heels",
    "backpack", "shoulder bag", "handbag", "tote",
    "cap", "beanie", "sun hat",
]  # fmt: skip
Pattern = Literal["plain", "stripes", "vertical stripes", "plaid", "dots", "logo"]
Side = Literal["left", "right"]

# Garments whose colour can be any: what a colour-swapped pair may wear.
_SWAP_COLOURS = (
    "black", "white", "grey", "red", "maroon", "pink", "orange", "yellow", "green", "teal", "light blue", "blue",
    "navy", "purple", "brown", "tan",
)  # fmt: skip
# Colours of one group are too close to tell a pair apart by.
_GROUPS = (
    {"black", "navy", "dark grey", "dark green", "maroon", "brown"},
    {"white", "light grey", "beige", "pink", "tan", "yellow", "light blue", "lavender"},
    {"red", "maroon", "orange", "pink"},
    {"blue", "navy", "teal", "purple"},
    {"grey", "light grey", "dark grey"},
    {"green", "teal", "dark green", "olive"},
)
_SHOE_COLOURS: dict[Kind, tuple[str, ...]] = {
    "sneakers": ("white", "white", "black", "grey", "red", "blue", "pink"),
    "boots": ("black", "brown", "tan"),
    "sandals": ("brown", "black", "tan"),
    "dress shoes": ("black", "black", "brown"),
    "heels": ("black", "red", "beige"),
}
_BAG_COLOURS = ("black", "black", "brown", "red", "navy", "grey", "blue", "green", "tan", "orange", "purple", "white")


@dataclass(frozen=True)
class Garment:
    """One thing worn or carried; `accent` is the pattern's second colour, `long` means long-sleeved."""

    kind: Kind
    dye: Dye
    pattern: Pattern = "plain"
    accent: Dye | None = None
    long: bool = False


@dataclass(frozen=True)
class Person:
    """A person; `lower` is None under a dress, `inner` is what an open jacket or coat shows."""

    gender: Gender
    skin: Dye
    hair: Dye
    hair_style: HairStyle
    beard: bool
    glasses: bool
    build: float  # width relative to the average person, about 0.9–1.15
    stature: float  # height relative to the average person of the demo, about 0.93–1.05
    upper: Garment
    inner: Garment | None
    lower: Garment | None
    shoes: Garment
    bag: Garment | None
    bag_side: Side
    hat: Garment | None


def pair_leader(identity: int) -> int | None:
    """The first identity of the colour-swapped pair `identity` belongs to (ids 1+2, 5+6, 9+10, …), or None."""
    block, _ = divmod(identity - 1, 2)
    return 2 * block + 1 if block % 2 == 0 else None


def describe_person(seed: int, identity: int) -> Person:
    """The person with that id, whatever the size of the dataset."""
    leader = pair_leader(identity)
    rng = np.random.default_rng([seed, leader or identity, 0])
    person = _dress(rng, swappable=leader is not None)
    return person if leader is None or leader == identity else swap_colours(person)


def swap_colours(person: Person) -> Person:
    """The same person with the upper garment's colour on the lower one (under a dress: on the shoes) and back."""
    upper, other = person.upper, person.lower or person.shoes
    swapped = replace(person, upper=replace(upper, dye=other.dye))
    if person.lower is None:
        return replace(swapped, shoes=replace(other, dye=upper.dye))
    return replace(swapped, lower=replace(other, dye=upper.dye))


def _dress(rng: np.random.Generator, *, swappable: bool) -> Person:
    gender: Gender = pick(rng, ("man", "woman"))
    woman = gender == "woman"
    skin = mix_dye(rng, "skin", pick(rng, tuple(palette().skin), (3, 4, 3, 2, 2)))
    styles: tuple[HairStyle, ...] = ("short", "long", "ponytail", "bun", "bald")
    style = pick(rng, styles, (2, 5, 3, 2, 0) if woman else (9, 0.6, 0.4, 0, 1.2))
    dark_skin = skin.name in ("brown", "dark")
    hair = mix_dye(
        rng, "hair", pick(rng, tuple(palette().hair), (8, 2, 0, 0, 1, 0) if dark_skin else (4, 4, 2, 3, 2, 2))
    )
    beard = not woman and rng.random() < 0.3
    glasses = rng.random() < 0.22
    upper, inner, lower = _clothes(rng, woman=woman, swappable=swappable)
    shoes = _shoes(rng, woman=woman, dressy=lower is None or lower.kind == "skirt")
    if swappable:
        upper, lower, shoes = _swap_dyes(rng, upper, lower, shoes)
    return Person(
        gender=gender,
        skin=skin,
        hair=hair,
        hair_style=style,
        beard=beard,
        glasses=glasses,
        build=float(rng.uniform(0.9, 1.08) if woman else rng.uniform(0.93, 1.16)),
        stature=float(rng.uniform(0.93, 1.0) if woman else rng.uniform(0.97, 1.05)),
        upper=upper,
        inner=inner,
        lower=lower,
        shoes=shoes,
        bag=_bag(rng, upper, woman=woman),
        bag_side=pick(rng, ("left", "right")),
        hat=_hat(rng, woman=woman) if style not in ("bun", "ponytail") and rng.random() < 0.2 else None,
    )


def _clothes(
    rng: np.random.Generator, *, woman: bool, swappable: bool
) -> tuple[Garment, Garment | None, Garment | None]:
    kinds: tuple[Kind, ...] = (
        "t-shirt", "shirt", "polo", "tank top", "sweater", "hoodie", "jacket", "coat", "dress",
    )  # fmt: skip
    kind = pick(rng, kinds, (6, 4, 1, 2.5, 3, 2.5, 4, 2, 3) if woman else (6, 5, 3, 1, 3, 4, 5, 1.5, 0))
    upper = _upper(rng, kind)
    inner = None
    if kind == "jacket" or (kind == "coat" and rng.random() < 0.5):
        inner_kind: Kind = pick(rng, ("t-shirt", "shirt"))
        names = [n for n in ("white", "white", "grey", "black", "red", "light blue", "yellow") if n != upper.dye.name]
        inner = Garment(inner_kind, mix_dye(rng, "cloth", pick(rng, names)), long=inner_kind == "shirt")
    if kind == "dress":
        return upper, None, None
    return upper, inner, _lower(rng, upper, woman=woman, cool=kind in ("coat", "jacket", "hoodie"), any_dye=swappable)


def _upper(rng: np.random.Generator, kind: Kind) -> Garment:
    names = tuple(n for n in palette().cloth if kind not in ("jacket", "coat") or n not in ("pink", "lavender"))
    dye = mix_dye(rng, "cloth", pick(rng, names))
    patterns: dict[Kind, dict[Pattern, float]] = {
        "t-shirt": {"plain": 5, "stripes": 2.5, "logo": 2.5, "dots": 0.5},
        "shirt": {"plain": 4, "plaid": 4, "vertical stripes": 2, "dots": 0.5},
        "polo": {"plain": 3, "stripes": 1.5},
        "tank top": {"plain": 4, "stripes": 1},
        "sweater": {"plain": 4, "stripes": 2},
        "hoodie": {"plain": 4, "logo": 1.5},
        "dress": {"plain": 4, "dots": 2, "stripes": 1, "vertical stripes": 0.5},
    }
    share = patterns.get(kind, {"plain": 1.0})
    pattern = pick(rng, tuple(share), tuple(share.values()))
    long = {"sweater": 1.0, "hoodie": 1.0, "jacket": 1.0, "coat": 1.0, "shirt": 0.75}.get(kind, 0.0)
    return Garment(kind, dye, pattern, _accent(rng, dye, pattern), long=rng.random() < long)


def _accent(rng: np.random.Generator, dye: Dye, pattern: Pattern) -> Dye | None:
    if pattern == "plain":
        return None
    light = sum(dye.rgb) > 330
    names = ("black", "navy") if light else ("white", "beige" if pattern == "plaid" else "white")
    return mix_dye(rng, "cloth", pick(rng, names))


def _lower(rng: np.random.Generator, upper: Garment, *, woman: bool, cool: bool, any_dye: bool) -> Garment:
    kinds: tuple[Kind, ...] = ("jeans", "trousers", "shorts", "skirt", "leggings")
    warm = 0.0 if cool else 1.0
    weights = (4, 3, 2 * warm, 3.5, 2) if woman else (5, 5, 4 * warm, 0, 0)
    kind = pick(rng, kinds, (0, *weights[1:]) if any_dye else weights)
    if kind == "jeans":
        return Garment(kind, mix_dye(rng, "denim", pick(rng, tuple(palette().denim), (4, 3, 3, 2, 1))), long=True)
    names = {
        "skirt": ("black", "red", "navy", "white", "pink", "green", "grey", "yellow"),
        "leggings": ("black", "black", "grey", "navy", "purple"),
        "shorts": ("tan", "black", "navy", "white", "grey", "olive", "red", "blue"),
    }.get(kind, ("black", "tan", "navy", "grey", "dark grey", "brown", "olive", "white", "beige", "maroon"))
    options = [n for n in names if n != upper.dye.name]
    return Garment(kind, mix_dye(rng, "cloth", pick(rng, options)), long=kind in ("trousers", "leggings"))


def _shoes(rng: np.random.Generator, *, woman: bool, dressy: bool) -> Garment:
    kinds: tuple[Kind, ...] = ("sneakers", "boots", "sandals", "dress shoes", "heels")
    weights = (4, 2, 2, 0, 4 if dressy else 1.5) if woman else (7, 2, 1, 2.5, 0)
    kind = pick(rng, kinds, weights)
    return Garment(kind, mix_dye(rng, "cloth", pick(rng, _SHOE_COLOURS[kind])))


def _swap_dyes(
    rng: np.random.Generator, upper: Garment, lower: Garment | None, shoes: Garment
) -> tuple[Garment, Garment | None, Garment]:
    """Two colours that no one would confuse, on the garments that will trade them."""
    first = pick(rng, _SWAP_COLOURS)
    second = pick(rng, [n for n in _SWAP_COLOURS if n != first and not any({n, first} <= g for g in _GROUPS)])
    # A pattern's second colour must stand out from either: a plain or plaid pair is the clear case.
    upper = replace(upper, dye=mix_dye(rng, "cloth", first), pattern="plain", accent=None)
    other = mix_dye(rng, "cloth", second)
    if lower is None:
        return upper, None, replace(shoes, kind="heels" if shoes.kind == "sandals" else shoes.kind, dye=other)
    return upper, replace(lower, dye=other), shoes


def _bag(rng: np.random.Generator, upper: Garment, *, woman: bool) -> Garment | None:
    if rng.random() < 0.38:
        return None
    kinds: tuple[Kind, ...] = ("backpack", "shoulder bag", "handbag", "tote")
    kind = pick(rng, kinds, (3, 3, 3, 1.5) if woman else (6, 3, 0, 1))
    names = [n for n in _BAG_COLOURS if n != upper.dye.name]
    return Garment(kind, mix_dye(rng, "cloth", pick(rng, names)))


def _hat(rng: np.random.Generator, *, woman: bool) -> Garment:
    kinds: tuple[Kind, ...] = ("cap", "beanie", "sun hat")
    kind = pick(rng, kinds, (3, 2, 3) if woman else (5, 3, 0.7))
    names = (
        ("beige", "white", "tan", "black") if kind == "sun hat" else ("black", "red", "navy", "white", "grey", "blue")
    )
    return Garment(kind, mix_dye(rng, "cloth", pick(rng, names)))
