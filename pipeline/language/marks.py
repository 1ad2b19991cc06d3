"""Marks: a caption cut into the phrases the lexicon knows, each with all it can mean."""

import re
from dataclasses import dataclass
from unicodedata import category

from .lexicon.load import Kind, Meaning, lexicon
from .spelling import correct

# A word, an 's of its own, a number, or one other character.
_TOKEN = re.compile(r"['’]s\b|[^\W\d_]+(?:['’](?!s\b)[^\W\d_]+)?|\d+|[^\s\w]|_")
_CLOSED = {
    **dict.fromkeys(("a", "an"), "a"),
    **dict.fromkeys(("the", "this", "these", "that", "those", "its"), "the"),
    **dict.fromkeys(("his", "her", "their"), "whose"),
    **dict.fromkeys(("and", "&", "/", "plus", "+"), "and"),
    **dict.fromkeys(("or", "nor"), "or"),
    **dict.fromkeys(("with", "w"), "with"),
    **dict.fromkeys((".", ";", "!", "?", ":"), "stop"),
    **dict.fromkeys((",", "(", ")", "–", "—"), "comma"),
    **dict.fromkeys(("-", "‐", "‑"), "hyphen"),
    "'s": "'s",
}
_NOTHING: dict[Kind, Meaning] = {}


@dataclass(slots=True)
class Mark:
    """A phrase of the caption."""

    text: str
    """As written."""
    start: int
    """First character."""
    end: int
    """One past the last."""
    word: str
    """Its words, lower-cased and spelled right."""
    meanings: dict[Kind, Meaning]
    """What it can mean; empty for words the lexicon does not know."""
    closed: str = ""
    """Class of a function word: a, the, whose, and, or, with, stop, comma, 's; empty for any other."""

    def can_be(self, *kinds: Kind) -> Meaning | None:
        """Its meaning of the first of these kinds that it has."""
        for kind in kinds:
            meaning = self.meanings.get(kind)
            if meaning is not None:
                return meaning
        return None


def mark(text: str) -> list[Mark]:
    """Cut a caption into marks, the longest known phrase first, misspellings mended, hyphens inside phrases ignored."""
    tokens = [(match.group(), match.start(), match.end()) for match in _TOKEN.finditer(text)]
    words = [token[0].lower().replace("’", "'") for token in tokens]
    begin = lexicon().longest
    words = [word if word in begin or word in _CLOSED else correct(word) for word in words]
    marks: list[Mark] = []
    i = 0
    while i < len(tokens):
        length, meanings = _longest(words, i)
        start, end = tokens[i][1], tokens[i + length - 1][2]
        word = " ".join(words[i : i + length])
        closed = _CLOSED.get(word, "")
        if closed != "hyphen" and not (not meanings and not closed and category(word[0]).startswith("P")):
            marks.append(Mark(text[start:end], start, end, word, meanings, closed))
        i += length
    return marks


def _longest(words: list[str], i: int) -> tuple[int, dict[Kind, Meaning]]:
    """Tokens of the longest known phrase at `i`, and its meanings; one token without meaning where none is known."""
    known = lexicon()
    longest = known.longest.get(words[i])
    if longest is None:
        return 1, _NOTHING
    phrase: list[str] = []
    best, meanings = 1, _NOTHING
    for j in range(i, len(words)):
        if words[j] == "-" and phrase:
            continue
        phrase.append(words[j])
        found = known.meanings.get(tuple(phrase))
        if found is not None:
            best, meanings = j - i + 1, found
        if len(phrase) == longest:
            break
    return best, meanings
