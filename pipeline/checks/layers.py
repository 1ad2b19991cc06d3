"""What is worn over what."""

from ...schemas.attributes import Person, Value
from ...schemas.verdict import Finding
from ..language.lexicon.load import lexicon, related
from ..language.state import LAYERS


def compare_layers(source: Person, rewrite: Person) -> list[Finding]:
    """What is worn over what: "a jacket over a shirt" and "a shirt under a jacket" are one thing, and where the outer
    one is a garment to wear over the other, saying it is nothing new."""
    mine, theirs = _worn_over(source), _worn_over(rewrite)
    findings = []
    for (outer, inner), value in theirs.items():
        # Of "a shirt over a shirt", without colours, the names do not tell which is which.
        if not related(outer, inner) and any(related(outer, b) and related(inner, a) for a, b in mine):
            findings.append(Finding("layer", "contradicted", value, value))
        elif not _usual(outer, inner) and not any(related(outer, a) and related(inner, b) for a, b in mine):
            findings.append(Finding("layer", "added", None, value))
    for (outer, inner), value in mine.items():
        if not any(related(outer, a) and related(inner, b) for a, b in theirs):
            findings.append(Finding("layer", "dropped", value))
    return findings


def _worn_over(person: Person) -> dict[tuple[str, str], Value]:
    """(outer, inner) by name → the words that say so."""
    found = {}
    for item in person.items:
        for value in item.where:
            how, _, other = value.value.partition(" ")
            if other and how in LAYERS:
                # "A white shirt over a black shirt": where names are alike, both are told with their colour.
                alike = other not in lexicon().items and bool(item.colours)
                name = f"{item.colours[0].value} {item.name.value}" if alike else item.name.value
                found[(name, other) if how == "over" else (other, name)] = value
    return found


def _usual(outer: str, inner: str) -> bool:
    items = lexicon().items
    first, second = items.get(outer), items.get(inner)
    return first is not None and second is not None and first.slot == "outer" and second.slot != "outer"
