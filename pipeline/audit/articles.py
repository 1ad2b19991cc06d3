"""The indefinite article against the sound of the word after it."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from .words import word_list

if TYPE_CHECKING:
    import inflect

_ARTICLE = re.compile(r"(?<![\w'’.&-])(an?)\s+[\"'“‘(\[]*([^\W_][\w'’&-]*)", re.IGNORECASE)
# inflect 7.5 has these wrong.
_SOUNDS = {"onesie": "a", "onesies": "a", "unironed": "an"}
_LONGEST_NUMBER = 3  # digits: 1100 is read "one thousand" or "eleven hundred"


def wrong_articles(text: str) -> list[str]:
    """Each `a` before a vowel sound and `an` before a consonant, as it stands: `a orange`.

    Where the sound cannot be told (acronyms, `xl`, foreign letters) nothing is found.
    """
    return [
        f"{match[1]} {match[2]}"
        for match in _ARTICLE.finditer(text)
        if (right := _article(match[2])) is not None and match[1].lower() != right
    ]


@lru_cache(maxsize=1 << 14)
def _article(word: str) -> str | None:
    """`a` or `an`, by the sound the word begins with; None where it cannot be told."""
    first = re.split(r"[-'’]", word, maxsplit=1)[0]
    digits = re.match(r"[0-9]+", word)
    if digits is not None:
        return _article(_number(digits[0])) if len(digits[0]) <= _LONGEST_NUMBER else None
    if (
        len(word) == 1
        or word.lower() in word_list("no_sound")
        or first.lower() in word_list("either_article")
        or not re.match(r"[A-Za-z]", word)
    ):
        return None
    if len(first) > 1 and (first.isupper() or not re.search("[aeiouy]", first, re.IGNORECASE)):
        return None
    return _SOUNDS.get(first.lower()) or str(_engine().a(word)).split(" ", 1)[0]


def _number(digits: str) -> str:
    return re.split(r"\W", str(_engine().number_to_words(str(int(digits)))))[0]


@cache
def _engine() -> inflect.engine:
    # It takes 2 s to import: typeguard rewrites it to check its own arguments.
    import inflect

    return inflect.engine()
