"""Items of the source and of the rewrite, compared pair by pair."""

from dataclasses import replace

from ...schemas.attributes import DETAILS, Item, Value
from ...schemas.verdict import Finding
from ..language.lexicon.load import lexicon
from ..language.state import LAYERS, WORN
from .align import align, rivals
from .relations import colour_relation, name_relation, place_relation
from .told import is_marking, told_as_details
from .values import STATUS, distinct, values


def compare_items(source: tuple[Item, ...], rewrite: tuple[Item, ...]) -> tuple[list[Finding], list[Item]]:
    """What became of each item, and the rewrite's items that say again what it said before."""
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
                findings.append(Finding(f"{item.slot}.colour", "contradicted", _described(known), _described(item)))
    for a, b in pairs:
        findings += _item(a, b)
    for a, b in rivals(left, right):
        findings.append(Finding(a.slot, "contradicted", a.name, b.name))
    findings += [Finding(item.slot, "dropped", item.name) for item in left if not _says_nothing(item)]
    for item in right:
        if not (item.name.value == "clothes" and _worn_so(item, source)):
            findings.append(Finding(item.slot, "added", None, item.name))
    return findings, repeated


def _described(item: Item) -> Value:
    """Its name with all that is said of it: "black t-shirt"."""
    said = [*item.colours, *(value for field in DETAILS for value in getattr(item, field)), item.name]
    return replace(item.name, value=" ".join(value.value for value in said))


def _had(item: Item) -> Value:
    """Its name with how the person has it: "no hat", "carried hat"."""
    how = "no " if item.absent else "carried " if item.slot == "carried" else ""
    return replace(item.name, value=how + item.name.value)


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
    garments = [item for item in source if item.slot in WORN and item.colours]
    return all(
        sum(all(colour_relation(mine, said) != "different" for mine in item.colours) for item in garments)
        >= (2 if len(clothes.colours) == 1 else 1)
        for said in clothes.colours
    )


def _item(a: Item, b: Item) -> list[Finding]:
    slot = a.slot
    if a.absent != b.absent or (a.slot == "carried") != (b.slot == "carried"):
        return [Finding(slot, "contradicted", _had(a), _had(b))]
    how = name_relation(a, b)
    findings = [Finding(slot, STATUS.get(how, "contradicted"), a.name, b.name)]
    if _worn_and_carried(a, b):
        sides = (replace(one.name, value=one.relation or "carried") for one in (a, b))
        findings.append(Finding(f"{slot}.relation", "contradicted", *sides))
    a, b = told_as_details(a, b), told_as_details(b, a)
    findings += _colours(a, b)
    for field in DETAILS:
        mine, theirs = _implied(a, field), _implied(b, field)
        source = [value for value in distinct(getattr(a, field)) if value.value not in theirs]
        rewrite = [value for value in distinct(getattr(b, field)) if value.value not in mine]
        findings += values(f"{slot}.{field}", source, rewrite)
    findings += values(f"{slot}.where", _telling_places(a, b), _telling_places(b, a), place_relation)
    findings += _count(a, b)
    return findings


def _worn_and_carried(a: Item, b: Item) -> bool:
    """Whether one text has it worn and the other carried. A bag is both; a phone that no verb speaks of is held."""
    if a.slot == "bag":
        return False
    if a.slot == "carried" and a.relation is None:
        return b.relation == "worn"
    return {a.relation, b.relation} == {"worn", "carried"}


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
        findings += values(f"{a.slot}.{name}.colour", mine[name].colours, theirs[name].colours, colour_relation)
        findings += values(f"{a.slot}.{name}", mine[name].details, theirs[name].details)
    only = [[part for name, part in one.items() if name not in shared] for one in (mine, theirs)]
    markings = [[part for part in parts if is_marking(part, other)] for parts, other in zip(only, (b, a), strict=True)]
    colours = [
        [*one.colours, *(colour for part in parts for colour in part.colours)]
        for one, parts in zip((a, b), markings, strict=True)
    ]
    findings += values(slot, colours[0], colours[1], colour_relation)
    for status, parts, known in (("dropped", only[0], markings[0]), ("added", only[1], markings[1])):
        for part in parts:
            if part not in known:
                value = part.name
                sides = (value, None) if status == "dropped" else (None, value)
                findings.append(Finding(f"{a.slot}.{value.value}", status, *sides))  # type: ignore[arg-type]
    return findings


def _telling_places(item: Item, other: Item) -> list[Value]:
    """Places without those that say nothing new (a hat on the head, a phone in the hand), and without layers.

    They say something of what the other text has elsewhere, and the hand of what it wears.
    """
    entry = lexicon().items.get(item.name.value)
    usual = set(entry.at if entry else ())
    places = [value.value for value in other.where if value.value.split()[0] not in LAYERS]
    if any(place not in usual and place.split()[-1] not in usual for place in places):
        usual = set()
    elif item.slot in ("bag", "carried") and other.relation != "worn":
        usual.add("hand")
    return [value for value in item.where if value.value not in usual and value.value.split()[0] not in LAYERS]


def _count(a: Item, b: Item) -> list[Finding]:
    slot, sides = f"{a.slot}.count", (_counted(a), _counted(b))
    if a.count is not None and b.count is not None:
        return [Finding(slot, "kept" if a.count == b.count else "contradicted", *sides)]
    if (a.count or 1) > 1:
        return [Finding(slot, "dropped" if _many(b) else "contradicted", *sides)]
    if (b.count or 1) > 1:
        return [Finding(slot, "added", *sides)]
    if a.slot in ("bag", "carried") and _many(b) and not _many(a):
        return [Finding(slot, "contradicted", *sides)]
    return []


def _counted(item: Item) -> Value:
    """Its name with how many there are: "2 bag", "several bag"."""
    return replace(item.name, value=f"{item.count or ('several' if _many(item) else 1)} {item.name.value}")


def _many(item: Item) -> bool:
    entry = lexicon().items.get(item.name.value)
    return not (entry and entry.plural) and item.name.text.lower().endswith("s") and not item.name.value.endswith("s")
