"""Two lists of values of one attribute, matched."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from ...schemas.attributes import Value
from ...schemas.verdict import Finding, Status
from .relations import Relation, plain_relation

_V = TypeVar("_V", bound=Value)
STATUS: dict[Relation, Status] = {"same": "kept", "general": "generalised", "special": "specialised"}
# Fields where another value denies the first; elsewhere it is one more word dropped and one more added.
_ONE_VALUE = frozenset(("colour", "pattern", "material", "fit", "state", "length", "age", "gender", "where"))


def values(
    slot: str,
    source: Sequence[_V],
    rewrite: Sequence[_V],
    relation: Callable[[_V, _V], Relation] = plain_relation,
) -> list[Finding]:
    """Match values, the nearest first; of those left, another value in a slot that has but one is a contradiction."""
    findings: list[Finding] = []
    left, right = list(source), list(rewrite)
    for wanted in ("same", "general", "special"):
        for a in list(left):
            for b in right:
                how = relation(a, b)
                if how == wanted:
                    findings.append(Finding(slot, STATUS[how], a, b))
                    left.remove(a)
                    right.remove(b)
                    break
    if slot.rsplit(".", 1)[-1] in _ONE_VALUE:
        for a, b in zip(list(left), list(right), strict=False):
            if _deny(slot, a, b):
                findings.append(Finding(slot, "contradicted", a, b))
                left.remove(a)
                right.remove(b)
        if right and source and slot.endswith("colour"):
            # One colour more than the source tells, of a thing whose colours it tells; one said twice is no more.
            more = [b for b in right if all(relation(a, b) != "same" for a in source)]
            findings += [Finding(slot, "contradicted", source[0], b) for b in more]
            right = []
    findings += [Finding(slot, "dropped", a) for a in left]
    return findings + [Finding(slot, "added", None, b) for b in right]


def _deny(slot: str, a: Value, b: Value) -> bool:
    """Whether both cannot be true: lengths of sleeves and of the garment are two things, and so are two places."""
    if slot.endswith("where"):
        return a.value.split()[-1] == b.value.split()[-1]
    return not slot.endswith("length") or ("sleeve" in a.value) == ("sleeve" in b.value)


def distinct(values: tuple[Value, ...]) -> list[Value]:
    """The values without those that say the same again."""
    return list({value.value: value for value in values}.values())
