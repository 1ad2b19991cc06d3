"""The comparison: what became of each attribute of the source, and what the rewrite says beside."""

from collections.abc import Iterable
from functools import cache

from ...schemas.attributes import Item, Person, Value
from ...schemas.verdict import Finding
from ..language.lexicon.load import lexicon
from ..language.state import HELD
from .items import compare_items
from .layers import compare_layers
from .relations import colour_relation, stem
from .values import distinct, values

_BODY = ("body", "side")
_PRONOUNS = frozenset(("he", "she", "his", "her", "hers", "him", "himself", "herself"))
_GROWN_UP = frozenset(("man", "woman", "lady", "gentleman", "guy", "men", "women"))
_YOUNG = frozenset(("boy", "girl"))
_TIED_INTO = frozenset(("bun", "ponytail", "pigtails", "braid"))


def compare(source: Person, rewrite: Person) -> tuple[list[Finding], list[Item]]:
    """Every attribute of either person with its status; and the rewrite's items that say again what it said before."""
    findings: list[Finding] = []
    findings += _gender(source, rewrite)
    findings += values("age", _telling_ages(source), _telling_ages(rewrite))
    for slot in ("build", "ethnicity", "facial_hair"):
        findings += values(slot, getattr(source, slot), getattr(rewrite, slot))
    findings += values("hair.colour", source.hair.colours, rewrite.hair.colours, colour_relation)
    findings += values("hair.length", source.hair.length, rewrite.hair.length)
    findings += values("hair.style", *_telling_styles(source, rewrite))
    items, repeated = compare_items(source.items, rewrite.items)
    findings += items
    findings += compare_layers(source, rewrite)
    findings += values("action", distinct(source.actions), distinct(rewrite.actions))
    findings += _others(source, rewrite)
    return findings, repeated


def _telling_ages(person: Person) -> list[Value]:
    """Ages without "adult", which says nothing of a man or a woman."""
    return [value for value in person.age if value.value != "adult"]


def _main_gender(person: Person) -> Value | None:
    """What a noun says goes before a pronoun: "the male pictured her is wearing …"."""
    nouns = [value for value in person.gender if value.text.lower() not in _PRONOUNS]
    return next(iter([*nouns, *person.gender]), None)


def _grown(gender: Value) -> bool | None:
    """Whether a noun is of a grown person, a boy or a girl; none for pronouns and "male"."""
    noun = gender.text.lower()
    return True if noun in _GROWN_UP else False if noun in _YOUNG else None


def _telling_styles(source: Person, rewrite: Person) -> tuple[list[Value], list[Value]]:
    """Hair styles without "pulled up", "tied back" and the like where both texts tell what the hair is tied into."""
    mine, theirs = ([value.value for value in person.hair.style] for person in (source, rewrite))
    tied = bool({*mine} & {*theirs} & _TIED_INTO)
    left, right = (
        [value for value in distinct(person.hair.style) if not (tied and value.value.startswith(("pulled", "tied")))]
        for person in (source, rewrite)
    )
    return left, right


def _gender(source: Person, rewrite: Person) -> list[Finding]:
    mine, theirs = ({value.value: value for value in person.gender} for person in (source, rewrite))
    first, other = _main_gender(source), _main_gender(rewrite)
    if first is not None and other is not None:
        if first.value != other.value:
            return [Finding("gender", "contradicted", first, other)]
        if {_grown(first), _grown(other)} == {True, False}:
            return [Finding("age", "contradicted", first, other)]
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


def _others(source: Person, rewrite: Person) -> list[Finding]:
    """Words without a place in the person: each has to be known to the other text, wherever it stands there."""
    findings = []
    mine, theirs = _places(source), _places(rewrite)
    for value in source.others:
        # "Holding a rail" may be told as "at a rail", not the other way round.
        kept = _told(_stems([value]) - {HELD}, theirs)
        findings.append(Finding("other", "kept" if kept else "dropped", value))
    added = [value for value in rewrite.others if not _told(_stems([value]), mine)]
    return [*findings, *(Finding("other", "added", None, value) for value in added)]


def _places(person: Person) -> set[frozenset[str]]:
    """What a text says beside, the words of each place."""
    return {frozenset(_stems([value])) for value in (*person.others, *person.actions)}


def _told(stems: set[str], places: set[frozenset[str]]) -> bool:
    """Whether a text tells these words; where several are of the body ("right leg back"), all in one place."""
    if any(stems <= one for one in places):
        return True
    return len(stems & _body_stems()) < 2 and stems <= frozenset().union(*places)


@cache
def _body_stems() -> frozenset[str]:
    words = [meaning.value for kinds in lexicon().meanings.values() for kind, meaning in kinds.items() if kind in _BODY]
    return frozenset(stem(word) for value in words for word in value.split())


def _stems(values: Iterable[Value]) -> set[str]:
    return {stem(word) for value in values for word in value.value.replace("-", " ").split()}
