"""The comparison: what became of each attribute of the source, and what the rewrite says beside."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from ...schemas.attributes import DETAILS, Item, Part, Person, Value
from ...schemas.verdict import Finding, Status
from ..language.lexicon.load import lexicon, related
from .align import align, rivals
from .relations import Relation, colour_relation, name_relation, place_relation, stem

_V = TypeVar("_V", bound=Value)
_STATUS: dict[Relation, Status] = {"same": "kept", "general": "generalised", "special": "specialised"}
# Fields where another value denies the first; elsewhere it is one more word dropped and one more added.
_ONE_VALUE = frozenset(("colour", "pattern", "material", "fit", "state", "length", "age", "gender", "where"))
_LAYERS = frozenset(("over", "under"))
_GARMENTS = frozenset(("upper", "outer", "lower", "dress", "legwear", "footwear", "headwear"))


def compare(source: Person, rewrite: Person) -> tuple[list[Finding], list[Item]]:
    """Every attribute of either person with its status; and the rewrite's items that say again what it said before."""
    findings: list[Finding] = []
    findings += _gender(source, rewrite)
    findings += _values("age", _telling_ages(source), _telling_ages(rewrite))
    for slot in ("build", "ethnicity", "facial_hair"):
        findings += _values(slot, getattr(source, slot), getattr(rewrite, slot))
    findings += _values("hair.colour", source.hair.colours, rewrite.hair.colours, colour_relation)
    findings += _values("hair.length", source.hair.length, rewrite.hair.length)
    findings += _values("hair.style", source.hair.style, rewrite.hair.style)
    items, repeated = _items(source.items, rewrite.items)
    findings += items
    findings += _layers(source, rewrite)
    findings += _values("action", _distinct(source.actions), _distinct(rewrite.actions))
    findings += _others(source, rewrite)
    return findings, repeated


def _telling_ages(person: Person) -> list[Value]:
    """Ages without "adult", which says nothing of a man or a woman."""
    return [value for value in person.age if value.value != "adult"]


def _gender(source: Person, rewrite: Person) -> list[Finding]:
    mine, theirs = ({value.value: value for value in person.gender} for person in (source, rewrite))
    first = next(iter(source.gender), None)
    findings = [
        Finding("gender", "contradicted" if first else "added", first, value)
        for name, value in theirs.items()
        if name not in mine
    ]
    if findings or first is None:
        return findings
    if not theirs:
        return [Finding("gender", "dropped", first)]
    return [Finding("gender", "kept", first, next(iter(theirs.values())))]


def _values(
    slot: str,
    source: Sequence[_V],
    rewrite: Sequence[_V],
    relation: Callable[[_V, _V], Relation] | None = None,
) -> list[Finding]:
    """Match values, the nearest first; of those left, another value in a slot that has but one is a contradiction."""
    findings: list[Finding] = []
    left, right = list(source), list(rewrite)
    for wanted in ("same", "general", "special"):
        for a in list(left):
            for b in right:
                how = relation(a, b) if relation else "same" if a.value == b.value else "different"
                if how == wanted:
                    findings.append(Finding(slot, _STATUS[how], a, b))
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
            # One colour more than the source tells, of a thing whose colours it tells.
            findings += [Finding(slot, "contradicted", source[0], b) for b in right]
            right = []
    findings += [Finding(slot, "dropped", a) for a in left]
    return findings + [Finding(slot, "added", None, b) for b in right]


def _deny(slot: str, a: Value, b: Value) -> bool:
    """Whether both cannot be true: lengths of sleeves and of the garment are two things, and so are two places."""
    if slot.endswith("where"):
        return a.value.split()[-1] == b.value.split()[-1]
    return not slot.endswith("length") or ("sleeve" in a.value) == ("sleeve" in b.value)


def _items(source: tuple[Item, ...], rewrite: tuple[Item, ...]) -> tuple[list[Finding], list[Item]]:
    findings: list[Finding] = []
    pairs, left, right = align(source, rewrite)
    repeated: list[Item] = []
    for item in list(right):
        known = next((b for _, b in pairs if name_relation(b, item) != "different" and b.absent == item.absent), None)
        if known is not None and item.slot not in ("bag", "carried", "accessory"):
            right.remove(item)
            if _tells_the_same(known, item):
                repeated.append(item)
            else:
                findings.append(Finding(f"{item.slot}.colour", "contradicted", known.name, item.name))
    for a, b in pairs:
        findings += _item(a, b)
    for a, b in rivals(left, right):
        findings.append(Finding(a.slot, "contradicted", a.name, b.name))
    findings += [Finding(item.slot, "dropped", item.name) for item in left if not _says_nothing(item)]
    for item in right:
        if not (item.name.value == "clothes" and _worn_so(item, source)):
            findings.append(Finding(item.slot, "added", None, item.name))
    return findings, repeated


def _tells_the_same(known: Item, item: Item) -> bool:
    """Whether a second mention of an item says nothing but what the first did."""
    colours = all(any(colour_relation(x, y) in ("same", "general") for x in known.colours) for y in item.colours)
    return colours and all(
        {value.value for value in getattr(item, field)} <= {value.value for value in getattr(known, field)}
        for field in DETAILS
    )


def _says_nothing(item: Item) -> bool:
    """ "Her outfit is …": clothes of which nothing is told."""
    return item.name.value == "clothes" and not (
        item.colours or item.parts or any(getattr(item, one) for one in DETAILS)
    )


def _worn_so(clothes: Item, source: tuple[Item, ...]) -> bool:
    """ "A woman in black": nothing new of who wears at least two black things, nor "in an outfit" of anybody."""
    if any(getattr(clothes, field) for field in DETAILS):
        return False
    garments = [item for item in source if item.slot in _GARMENTS and item.colours]
    return all(
        sum(all(colour_relation(mine, said) != "different" for mine in item.colours) for item in garments) >= 2
        for said in clothes.colours
    )


def _item(a: Item, b: Item) -> list[Finding]:
    slot = a.slot
    if a.absent != b.absent or (a.slot == "carried") != (b.slot == "carried"):
        return [Finding(slot, "contradicted", a.name, b.name)]
    how = name_relation(a, b)
    findings = [Finding(slot, _STATUS.get(how, "contradicted"), a.name, b.name)]
    if (a.relation == "worn" and b.relation == "carried") or (a.relation == "carried" and b.relation == "worn"):
        if slot in _GARMENTS or slot == "carried":
            findings.append(Finding(f"{slot}.relation", "contradicted", a.name, b.name))
    elif slot == "carried" and b.relation == "worn" and a.relation is None:
        findings.append(Finding(f"{slot}.relation", "contradicted", a.name, b.name))
    a, b = _told_as_details(a), _told_as_details(b)
    findings += _colours(a, b)
    for field in DETAILS:
        mine, theirs = _implied(a, field), _implied(b, field)
        source = [value for value in _distinct(getattr(a, field)) if value.value not in theirs]
        rewrite = [value for value in _distinct(getattr(b, field)) if value.value not in mine]
        findings += _values(f"{slot}.{field}", source, rewrite)
    findings += _values(f"{slot}.where", _telling_places(a), _telling_places(b), place_relation)
    findings += _count(a, b)
    return findings


def _implied(item: Item, field: str) -> set[str]:
    """Details an item has by its name: saying them, or not, changes nothing."""
    entry = lexicon().items.get(item.name.value)
    return set(entry.implies.get(field, ())) if entry else set()


def _colours(a: Item, b: Item) -> list[Finding]:
    """Colours of an item and of its parts. "A blue and white striped shirt" and "a blue shirt with white stripes" are
    one thing; which colour is the stripes' counts only where both texts tell."""
    slot = f"{a.slot}.colour"
    mine, theirs = ({part.name.value: part for part in one.parts} for one in (a, b))
    shared = mine.keys() & theirs.keys()
    findings: list[Finding] = []
    for name in sorted(shared):
        findings += _values(f"{a.slot}.{name}.colour", mine[name].colours, theirs[name].colours, colour_relation)
        findings += _values(f"{a.slot}.{name}", mine[name].details, theirs[name].details)
    only = [[part for name, part in one.items() if name not in shared] for one in (mine, theirs)]
    markings = [[part for part in parts if _is_marking(part, other)] for parts, other in zip(only, (b, a), strict=True)]
    colours = [
        [*one.colours, *(colour for part in parts for colour in part.colours)]
        for one, parts in zip((a, b), markings, strict=True)
    ]
    findings += _values(slot, colours[0], colours[1], colour_relation)
    for status, parts, known in (("dropped", only[0], markings[0]), ("added", only[1], markings[1])):
        for part in parts:
            if part not in known:
                value = part.name
                sides = (value, None) if status == "dropped" else (None, value)
                findings.append(Finding(f"{a.slot}.{value.value}", status, *sides))  # type: ignore[arg-type]
    return findings


# Parts and markings, and the describing words that say the same: "with a hood" and "hooded".
_AS_DETAIL = {
    "hood": ("style", "hooded"),
    "collar": ("style", "collared"),
    "zipper": ("style", "zip up"),
    "wheel": ("style", "wheeled"),
    "pleat": ("style", "pleated"),
    "ruffle": ("style", "ruffled"),
    "stud": ("style", "studded"),
    "sequins": ("style", "sequined"),
    "embroidery": ("style", "embroidered"),
    "pocket": ("style", "pocketed"),
    "print": ("pattern", "printed"),
    "pattern": ("pattern", "patterned"),
    "design": ("pattern", "patterned"),
    "stripe": ("pattern", "striped"),
    "pinstripe": ("pattern", "pinstriped"),
    "dot": ("pattern", "polka dot"),
    "check": ("pattern", "checkered"),
    "flower": ("pattern", "floral"),
}


def _told_as_details(item: Item) -> Item:
    """The item with its colourless parts told as describing words where there are such words."""
    moved = [part for part in item.parts if not part.colours and part.name.value in _AS_DETAIL]
    if not moved:
        return item
    told = {"style": item.style, "pattern": item.pattern}
    for part in moved:
        field, word = _AS_DETAIL[part.name.value]
        told[field] += (Value(word, part.name.text, part.name.span),)
        told["style"] += part.details
    left = tuple(part for part in item.parts if part not in moved)
    return replace(item, parts=left, style=told["style"], pattern=told["pattern"])


_PATTERN_OF = {"stripe": "striped", "dot": "polka dot", "check": "checkered", "flower": "floral"}


def _is_marking(part: Part, other: Item) -> bool:
    """A marking that the other text tells as a pattern."""
    pattern = _PATTERN_OF.get(part.name.value)
    return pattern is not None and any(value.value == pattern for value in other.pattern)


def _telling_places(item: Item) -> list[Value]:
    """Places without those that say nothing new (a hat on the head, a phone in the hand), and without layers."""
    entry = lexicon().items.get(item.name.value)
    usual = {*(entry.at if entry else ()), *(("hand",) if item.slot in ("bag", "carried") else ())}
    return [value for value in item.where if value.value not in usual and value.value.split()[0] not in _LAYERS]


def _layers(source: Person, rewrite: Person) -> list[Finding]:
    """What is worn over what: "a jacket over a shirt" and "a shirt under a jacket" are one thing, and where the outer
    one is a garment to wear over the other, saying it is nothing new."""
    mine, theirs = _worn_over(source), _worn_over(rewrite)
    findings = []
    for (outer, inner), value in theirs.items():
        if any(related(outer, b) and related(inner, a) for a, b in mine):
            findings.append(Finding("layer", "contradicted", value, value))
        elif not _usual(outer, inner) and not any(related(outer, a) and related(inner, b) for a, b in mine):
            findings.append(Finding("layer", "added", None, value))
    for (outer, inner), value in mine.items():
        if not _usual(outer, inner) and not any(related(outer, a) and related(inner, b) for a, b in theirs):
            findings.append(Finding("layer", "dropped", value))
    return findings


def _worn_over(person: Person) -> dict[tuple[str, str], Value]:
    """(outer, inner) by name → the words that say so."""
    found = {}
    for item in person.items:
        for value in item.where:
            how, _, other = value.value.partition(" ")
            if other and how in _LAYERS:
                found[(item.name.value, other) if how == "over" else (other, item.name.value)] = value
    return found


def _usual(outer: str, inner: str) -> bool:
    items = lexicon().items
    first, second = items.get(outer), items.get(inner)
    return first is not None and second is not None and first.slot == "outer" and second.slot != "outer"


def _count(a: Item, b: Item) -> list[Finding]:
    if a.count is not None and b.count is not None:
        return [Finding(f"{a.slot}.count", "kept" if a.count == b.count else "contradicted", a.name, b.name)]
    if (a.count or 1) > 1:
        return [Finding(f"{a.slot}.count", "dropped" if _many(b) else "contradicted", a.name, b.name)]
    if (b.count or 1) > 1:
        return [Finding(f"{a.slot}.count", "added", a.name, b.name)]
    if a.slot in ("bag", "carried") and _many(b) and not _many(a):
        return [Finding(f"{a.slot}.count", "contradicted", a.name, b.name)]
    return []


def _many(item: Item) -> bool:
    entry = lexicon().items.get(item.name.value)
    return not (entry and entry.plural) and item.name.text.lower().endswith("s") and not item.name.value.endswith("s")


def _others(source: Person, rewrite: Person) -> list[Finding]:
    """Words without a place in the person: each has to be known to the other text, wherever it stands there."""
    mine, theirs = (_stems((*person.others, *person.actions)) for person in (source, rewrite))
    findings = []
    for value in source.others:
        kept = _stems([value]) <= theirs
        findings.append(Finding("other", "kept" if kept else "dropped", value))
    findings += [Finding("other", "added", None, value) for value in rewrite.others if not _stems([value]) <= mine]
    return findings


def _stems(values: Iterable[Value]) -> set[str]:
    return {stem(word) for value in values for word in value.value.replace("-", " ").split()}


def _distinct(values: tuple[Value, ...]) -> list[Value]:
    return list({value.value: value for value in values}.values())
