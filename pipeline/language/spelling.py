"""Spelling: a word that nobody knows becomes the lexicon's word it is nearest to."""

from functools import cache, lru_cache
from importlib.resources import files

from rapidfuzz import process
from rapidfuzz.distance import OSA

from .lexicon.load import lexicon

# Shorter words have too many neighbours ("bilt" is near belt and built): those worth it are in words.toml.
_SHORTEST = 5


@lru_cache(maxsize=100_000)
def correct(word: str) -> str:
    """The word itself, or what it was meant to be: one slip (a letter more, less, other, or two exchanged) in words of
    up to six letters, two in longer ones.

    Only a word in neither the lexicon nor an English dictionary is touched, and the first letter has to be right.
    """
    right = lexicon().misspellings.get(word)
    if right is not None:
        return right
    if len(word) < _SHORTEST or not word.isascii() or not word.isalpha() or {word, word.removesuffix("s")} & _english():
        return word
    candidates = _vocabulary().get(word[0], ())
    found = process.extract(word, candidates, scorer=OSA.distance, score_cutoff=1 if len(word) <= 6 else 2, limit=5)
    # Letters are exchanged more often than left out: "shorst" is shorts, not short.
    return min(found, key=lambda match: (match[1], abs(len(match[0]) - len(word))))[0] if found else word


@cache
def _vocabulary() -> dict[str, list[str]]:
    """First letter → words of the lexicon worth correcting to."""
    words: dict[str, list[str]] = {}
    for word in sorted({word for phrase in lexicon().meanings for word in phrase if len(word) >= _SHORTEST}):
        words.setdefault(word[0], []).append(word)
    return words


@cache
def _english() -> frozenset[str]:
    """80,000 English words (SymSpell's frequency dictionary, MIT)."""
    text = (files("symspellpy") / "frequency_dictionary_en_82_765.txt").read_text(encoding="utf-8-sig")
    return frozenset(line.split(" ", 1)[0] for line in text.splitlines())
