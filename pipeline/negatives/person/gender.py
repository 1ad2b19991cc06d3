"""Gender, with every noun and pronoun that tells it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice, product
from random import Random

from ..candidate import Candidate, Claim
from ..caption import Caption
from ..stock import Stock
from ..surgery import Replacement
from ..words import words

_WORD = re.compile(r"[^\W\d_]+(?:['’`]s\b)?")
_MALE_HAIR = frozenset(("bald", "balding", "receding", "shaved"))
_SEVERAL = re.compile(r"\b(?:wo)?men\b|\b(?:girls|boys|ladies|guys)\b", re.IGNORECASE)
_OTHER = {"male": "female", "female": "male"}
# Behind an object "her" no noun comes: "beside her.", "in front of her and", "with her as".
_NO_NOUN = re.compile(
    r"\s*(?:[.,;:!?)]|$)|\s+(?:and|or|is|are|was|in|on|at|to|with|while|as|from|by|who|which|that|has|wears)\b",
    re.IGNORECASE,
)


def replace_gender(caption: Caption, stock: Stock, rng: Random) -> Iterator[Candidate]:
    """A man becomes a woman, with all his words; nobody whose clothes or beard would then be odd."""
    person = caption.person
    told = {value.value for value in person.gender}
    bald = any(value.value in _MALE_HAIR for value in person.hair.style)
    if (
        len(told) != 1
        or person.facial_hair
        or bald
        or any(item.name.value in words().gendered for item in person.items)
    ):
        return
    known = words().gender
    found = [match for match in _WORD.finditer(caption.text) if match[0].lower() in known]
    if _SEVERAL.search(caption.text):
        return
    if any(word.isupper() for word in (match[0] for match in found) if len(word) > 1):
        return
    choices = [_others(caption.text, match) for match in found]
    for several in islice(product(*choices), 4):
        yield Candidate(
            "person/replace_gender",
            "replace",
            ("gender",),
            tuple(
                Replacement(*match.span(), new.capitalize() if match[0][0].isupper() else new)
                for match, new in zip(found, several, strict=True)
            ),
            (Claim("gender", "", _OTHER[next(iter(told))]),),
        )


def _others(text: str, match: re.Match[str]) -> tuple[str, ...]:
    word = match[0].lower().replace("’", "'")
    if word == "her":
        return ("him",) if _NO_NOUN.match(text[match.end() :]) else ("his",)
    return ("his",) if word == "hers" else words().gender[word]
