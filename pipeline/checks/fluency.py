"""Fluency: whether a rewrite reads as a sentence about one person, told without a language model."""

import re
from collections.abc import Iterable

from ...schemas.attributes import Item, Person, Value
from ..language.lexicon.load import lexicon
from .surface import repeats, words

# What makes a list of key words a sentence: any verb, or a preposition that joins a person to their clothes.
_JOINED = re.compile(
    r"\b(?:is|are|was|were|has|have|having|had|wears?|wearing|wore|dressed|clad|carr(?:y|ies|ying|ied)|holds?|holding|"
    r"with|in|on|walks?|walking|stands?|standing|looks?|looking|\w+ing|'s|’s|’re|'re)\b",
    re.IGNORECASE,
)
_CHATTER = re.compile(
    r"\b(?:rewritten|rephrased|paraphrased?|original (?:text|sentence|caption|description|scene)|"
    r"spoken style|natural style|as i said|this is a description|in other words|sentence|caption|narrator|you|your)\b",
    re.IGNORECASE,
)
_HAIR_ACTS = re.compile(
    r"(?:^|[.!?] )(?:his|her|their)\b[^.!?]*?\bhair,? (?:dressed|(?:is )?(?:carrying|wearing|holding))\b", re.IGNORECASE
)
_ARTICLE = re.compile(r"\b(?:a|an) $", re.IGNORECASE)
_BULLET = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s", re.MULTILINE)
_UNFINISHED = re.compile(
    r"\b(?:is|are|a|an|the|and|or|with|of|in|wearing|carrying|holding|his|her|their),?\s*$", re.IGNORECASE
)
_DOUBLE = re.compile(r"\b([a-z]+)\s+\1\b", re.IGNORECASE)
_DOUBLE_FINE = frozenset(("that", "had", "very"))


def disfluencies(text: str, person: Person, repeated: list[Item]) -> list[str]:
    """Why a text does not read well: `loop`, `repeats_item`, `keywords`, `chatter`, `number` ("a dark trousers"),
    `subject` ("her hair is wearing …"), `unfinished`."""
    found = {
        "loop": _loops(text),
        "repeats_item": bool(repeated) or _twice(colour.value for colour in person.hair.colours),
        "keywords": (len(words(text)) > 3 and _JOINED.search(text) is None) or len(_BULLET.findall(text)) > 1,
        "chatter": _CHATTER.search(text) is not None,
        "number": _one_of_many(text, person),
        "subject": _HAIR_ACTS.search(text) is not None,
        "unfinished": _UNFINISHED.search(text) is not None,
    }
    return [name for name, there in found.items() if there]


def _across_another(value: Value, item: Item, person: Person) -> bool:
    """Whether another item stands between a value and the item that has it: "a black ‹sweatshirt› and pants"."""
    return any(value.span[1] <= other.name.span[0] < item.name.span[0] for other in person.items if other is not item)


def _twice(values: Iterable[str]) -> bool:
    told = list(values)
    return len(set(told)) < len(told)


def _loops(text: str) -> bool:
    """The same word twice on end, or the same six words in a row twice."""
    return repeats(text) or any(match[1].lower() not in _DOUBLE_FINE for match in _DOUBLE.finditer(text))


def _one_of_many(text: str, person: Person) -> bool:
    """ "A black pants": the article of one thing before a plural noun, with nothing but describing words between."""
    known = lexicon().items
    for item in person.items:
        entry = known.get(item.name.value)
        if entry is None or not entry.plural or not item.name.text.lower().endswith("s"):
            continue
        said = (item.name, *item.colours, *item.length, *item.style)
        own = [value.span[0] for value in said if not _across_another(value, item, person)]
        before, between = text[: min(own)], text[min(own) : item.name.span[0]]
        if _ARTICLE.search(before) and "pair" not in between and "set" not in between:
            return True
    return False
