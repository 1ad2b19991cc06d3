"""Number, doubled words and loose ends: broken grammar that can be told from a few words in a row."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise

from ..language.lexicon.load import lexicon
from .words import word_list

_TOKEN = re.compile(r"\w+(?:['’-]\w+)*|[^\w\s]")
_STOPS = frozenset(".!?;")
_ENDS = frozenset(".,;:!?)")

_AFTER_NOUN = _ENDS | {"("} | word_list("after_noun")
_ONE_VERB, _MANY_VERB = word_list("one_verb"), word_list("many_verb")
_MISMATCHED = {**dict.fromkeys(("he", "she", "it"), _MANY_VERB - {"were"}), "they": _ONE_VERB}  # "as if he were"
_POSSESSIVES = frozenset(("his", "her", "their", "its", "the"))
_DETERMINERS = word_list("determiner")


def wrong_agreement(text: str) -> Counter[tuple[str, str]]:
    """Each fault by its sort and its words.

    Sorts: `article` ("a pants"), `pair` ("a pair of shirt"), `verb` ("his shoes is", "they has"), `demonstrative`
    ("this shoes"), `doubled` ("the the", "a the", "with with"), `loose` ("with .", ", and.", "wearing and", "a with").
    """
    tokens = _TOKEN.findall(text.lower())
    return Counter([*_numbers(tokens), *_verbs(tokens), *_doubled(tokens), *_loose(tokens)])


def _numbers(tokens: Sequence[str]) -> Iterator[tuple[str, str]]:
    """A determiner, or "a pair of", against the noun of its phrase."""
    one, many = _nouns()
    for i, word in enumerate(tokens):
        before = tokens[i - 1] if i else "."
        if word in ("a", "an"):
            sort, wrong, start = "article", many, i + 1
        elif word == "this" or (word == "that" and (before in word_list("before_that") or before in _STOPS)):
            sort, wrong, start = "demonstrative", many, i + 1
        elif word in ("these", "those"):
            sort, wrong, start = "demonstrative", one, i + 1
        elif word in ("pair", "pairs") and tokens[i + 1 : i + 2] == ["of"]:
            sort, wrong, start = "pair", one, i + 2
        else:
            continue
        at = _head(tokens, start)
        if at is not None and tokens[at] in wrong and (at + 1 == len(tokens) or tokens[at + 1] in _AFTER_NOUN):
            yield sort, " ".join(tokens[i : at + 1])


def _verbs(tokens: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The verb against its subject, where that is a pronoun, or a phrase that opens its sentence.

    Elsewhere the noun before a verb is often not its subject: "a man in black shoes is walking".
    """
    one, many = _nouns()
    for i, word in enumerate(tokens[:-1]):
        before = tokens[i - 1] if i else "."
        if tokens[i + 1] in _MISMATCHED.get(word, ()) and before not in word_list("auxiliary"):
            yield "verb", f"{word} {tokens[i + 1]}"
        if word in _POSSESSIVES and before in _STOPS:
            at = _head(tokens, i + 1)
            verb = tokens[at + 1] if at is not None and at + 1 < len(tokens) else ""
            wrong = many if verb in _ONE_VERB else one if verb in _MANY_VERB else frozenset()
            if at is not None and tokens[at] in wrong:
                yield "verb", " ".join(tokens[i : at + 2])


def _doubled(tokens: Sequence[str]) -> Iterator[tuple[str, str]]:
    for first, second in pairwise(tokens):
        same = first == second and first.isalpha() and first not in word_list("doubles_fine")
        if same or (first in _DETERMINERS and second in _DETERMINERS):
            yield "doubled", f"{first} {second}"


def _loose(tokens: Sequence[str]) -> Iterator[tuple[str, str]]:
    """A word that wants another after it, and gets a stop, an `and`, or a preposition."""
    for first, second in pairwise([*tokens, "."]):
        if first not in word_list("cannot_end") or first == second:
            continue
        joined = second in ("and", "or") and first not in ("and", "or")
        if second in _ENDS or joined or (first in ("a", "an", "the") and second in word_list("cannot_follow_article")):
            yield "loose", f"{first} {second}"


def _head(tokens: Sequence[str], start: int) -> int | None:
    """Where the first word from `start` on stands that does not describe: "black and white ‹shoes›"."""
    describing = _describing()
    for i in range(start, len(tokens)):
        beside = tokens[i - 1 : i + 2 : 2] if i > start else []
        # "A grey tee-shirt and beige shorts": what has a hyphen may be a noun, so it is joined to nothing.
        joins = tokens[i] in ("and", "or", ",") and len(beside) == 2 and describing.issuperset(beside)
        if not joins and tokens[i] not in describing and "-" not in tokens[i]:
            return i
    return None


@cache
def _nouns() -> tuple[frozenset[str], frozenset[str]]:
    """Nouns that stand for one thing, and for several, of what captions tell: clothes, their parts, bodies, people."""
    words = [(phrase[0], meanings) for phrase, meanings in lexicon().meanings.items() if len(phrase) == 1]
    kinds = ("item", "part", "marking", "graphic", "body")
    said = {word: [meanings[kind] for kind in kinds if kind in meanings] for word, meanings in words}
    many = {
        word
        for word, found in said.items()
        if word.endswith("s") and not word.endswith("ss") and found and all(meaning.plural for meaning in found)
    }
    one = {word for word, found in said.items() if f"{word}s" in many and not any(meaning.plural for meaning in found)}
    many |= word_list("persons") | word_list("many")
    return frozenset((one | word_list("person") | word_list("one_of_two") | {"hair"}) - many), frozenset(many)


@cache
def _describing() -> frozenset[str]:
    kinds = {"colour", "shade", "detail", "age", "build", "ethnicity", "hair_length"}
    words = {phrase[0] for phrase, meanings in lexicon().meanings.items() if len(phrase) == 1 and kinds & set(meanings)}
    one, many = _nouns()
    return frozenset(words - one - many) | word_list("describing")
