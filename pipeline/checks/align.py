"""Which item of the rewrite is which item of the source."""

from ...schemas.attributes import Item, Slot
from .relations import colour_relation, name_relation

# Slots one person fills once: another thing there takes the place of the first. An accessory or a bag may be one more.
_RIVALS: tuple[frozenset[Slot], ...] = (
    frozenset(("upper", "outer", "dress")),
    frozenset(("lower", "dress")),
    frozenset(("footwear",)),
    frozenset(("headwear",)),
    frozenset(("bag",)),
)
_NAME = {"same": 8.0, "general": 5.0, "special": 5.0}
_COLOUR = {"same": 2.0, "general": 1.0, "special": 1.0, "different": -1.0}
Pair = tuple[Item, Item]


def align(source: tuple[Item, ...], rewrite: tuple[Item, ...]) -> tuple[list[Pair], list[Item], list[Item]]:
    """Pairs of the same item, best likeness first, then of rivals for one place; and what is left of both.

    A pair of the same name counts even when the colours differ: that is a changed colour, not another garment.
    """
    scored = [
        (_likeness(a, b), -i, -j)
        for i, a in enumerate(source)
        for j, b in enumerate(rewrite)
        if name_relation(a, b) != "different"
    ]
    pairs: list[Pair] = []
    left, right = dict(enumerate(source)), dict(enumerate(rewrite))
    for _, i, j in sorted(scored, reverse=True):
        if -i in left and -j in right:
            pairs.append((left.pop(-i), right.pop(-j)))
    return pairs, list(left.values()), list(right.values())


def rivals(left: list[Item], right: list[Item]) -> list[Pair]:
    """Of the items without a partner, those that stand in one another's place; taken out of both lists."""
    pairs: list[Pair] = []
    for places in _RIVALS:
        for a in [item for item in left if item.slot in places]:
            b = next((item for item in right if item.slot in places and item.name.value != "clothes"), None)
            if b is not None:
                pairs.append((a, b))
                left.remove(a)
                right.remove(b)
    return pairs


def _likeness(a: Item, b: Item) -> float:
    score = _NAME[name_relation(a, b)]
    if a.colours and b.colours:
        score += sum(max(_COLOUR[colour_relation(x, y)] for y in b.colours) for x in a.colours) / len(a.colours)
    details = [
        {value.value for field in ("pattern", "length", "style", "where") for value in getattr(one, field)}
        for one in (a, b)
    ]
    return score + 0.3 * len(details[0] & details[1]) + 0.5 * (a.absent == b.absent)
