"""The six swaps of NegCLIP (Yuksekgonul et al., ICLR 2023, arXiv 2210.01936), on character offsets.

The units are NegCLIP's. What it lost on the way is kept: its candidates were token lists joined by spaces or
lower-cased strings, and 71 % of those it published had a space before punctuation, 14 % had lost the capital. A word
that is glued to another (`long-sleeved`, `he's`) is no unit. Nothing guards the meaning, and `a`/`an` is not mended:
both would make it another recipe, and a comparison with NegCLIP unfair.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import combinations
from random import Random
from typing import TYPE_CHECKING

from ...schemas.rows import Negative, Scores
from .surgery import Unit, same_caption, swap

if TYPE_CHECKING:
    from spacy.matcher import Matcher
    from spacy.tokens import Doc, Span, Token
    from spacy.vocab import Vocab

_PHRASE_WORDS = 2  # NegCLIP swaps noun phrases of more words than this
_VERB_PHRASE = (("VERB", "?"), ("ADV", "*"), ("AUX", "*"), ("VERB", "+"))
_GLUE = "-‐‑_'’"
_SENTENCE_BREAKS = ".!?;\n"
_PAIRED = (("(", ")"), ("[", "]"), ("“", "”"))
_LATIN_END = 0x250  # the Latin letters of Europe; a text in another script has no English words
_PEOPLES = re.compile(
    "african|american|arab|asian|brazilian|british|caucasian|chinese|english|european|filipino|french|german|hispanic|"
    "indian|italian|japanese|korean|latina|latino|mexican|muslim|russian|spanish|vietnamese"
)
# The tagger takes some common first words for names: 61 of the 63 names it saw opening a sentence in 6,162 CUHK-PEDES
# captions were none, nearly all of them words like these.
_OPENERS = re.compile(
    "adult|boy|female|gentleman|girl|guy|individual|kid|lady|male|man|pedestrian|person|student|teen|teenager|woman|"
    "young|beige|black|blue|brown|gr[ae]y|green|khaki|navy|olive|orange|pink|purple|red|tan|teal|white|yellow|"
    "aqua|dark|denim|hair|light|long|mint|peach|short"
)


def noun_phrases(doc: Doc, rng: Random) -> Negative | None:
    """Two noun phrases of more than 2 words change places."""
    source = doc.text
    chunks = (_trimmed(source, chunk) for chunk in doc.noun_chunks)
    return _swapped(
        doc, rng, "negclip/noun_phrase", (chunk for chunk in chunks if len(chunk.text.split()) > _PHRASE_WORDS)
    )


def verb_phrases(doc: Doc, rng: Random) -> Negative | None:
    """Two verb phrases, [VERB?, ADV*, AUX*, VERB+], the longest where they overlap, change places."""
    from spacy.util import filter_spans

    phrases = filter_spans([doc[start:end] for _, start, end in _verb_matcher(doc.vocab)(doc)])
    return _swapped(doc, rng, "negclip/verb_phrase", phrases)


def nouns(doc: Doc, rng: Random) -> Negative | None:
    """Two singular common nouns (tag NN) change places."""
    return _swapped(doc, rng, "negclip/noun", _words(doc, lambda token: token.tag_ == "NN"))


def plural_nouns(doc: Doc, rng: Random) -> Negative | None:
    """Two plural common nouns (tag NNS) change places."""
    return _swapped(doc, rng, "negclip/noun_plural", _words(doc, lambda token: token.tag_ == "NNS"))


def adverbs(doc: Doc, rng: Random) -> Negative | None:
    """Two adverbs (part of speech ADV) change places."""
    return _swapped(doc, rng, "negclip/adverb", _words(doc, lambda token: token.pos_ == "ADV"))


def adjectives(doc: Doc, rng: Random) -> Negative | None:
    """Two adjectives (part of speech ADJ) change places."""
    return _swapped(doc, rng, "negclip/adjective", _words(doc, lambda token: token.pos_ == "ADJ"))


def _words(doc: Doc, wanted: Callable[[Token], bool]) -> Iterator[Span]:
    return (doc[token.i : token.i + 1] for token in doc if wanted(token))


def _swapped(doc: Doc, rng: Random, rule: str, spans: Iterable[Span]) -> Negative | None:
    """The first pair of spans, in random order, whose swap says something else; None where no pair does."""
    source = doc.text
    # Of Random's methods `random` alone is promised to give the same numbers in every Python.
    shuffled = sorted(_units(source, spans), key=lambda _: rng.random())
    words = {unit: source[unit.start : unit.end].casefold() for unit in shuffled}
    if len(set(words.values())) < 2:
        return None
    for pair in combinations(shuffled, 2):
        if words[pair[0]] == words[pair[1]]:
            continue
        first, second = sorted(pair, key=lambda unit: unit.start)
        text, edits = swap(source, first, second)
        if not same_caption(text, source):
            return Negative(text=text, kind="swap", rule=rule, slots=[], spans=edits, origin="rule", scores=Scores())
    return None


def _units(source: str, spans: Iterable[Span]) -> Iterator[Unit]:
    """What of the spans can be moved as it stands."""
    for span in spans:
        trimmed = _trimmed(source, span)
        if len(trimmed) and _movable(source, trimmed.start_char, trimmed.end_char):
            yield Unit(trimmed.start_char, trimmed.end_char, _keeps_capital(trimmed[0]))


def _trimmed(source: str, span: Span) -> Span:
    """The span without blanks and punctuation at its ends, nor what hangs on the word before it (`'s wearing`)."""
    doc, start, end = span.doc, span.start, span.end
    while start < end and (_is_filler(doc[start]) or _glued_before(source, doc[start].idx)):
        start += 1
    while start < end and _is_filler(doc[end - 1]):
        end -= 1
    return doc[start:end]


def _is_filler(token: Token) -> bool:
    return token.is_space or token.is_punct


def _movable(source: str, start: int, end: int) -> bool:
    """Whether the piece is free words of Latin letters, within one sentence, with its quotes and brackets whole."""
    piece = source[start:end]
    letters = [letter for letter in piece if letter.isalpha()]
    return (
        bool(letters)
        and all(ord(letter) < _LATIN_END for letter in letters)
        and not any(mark in piece for mark in _SENTENCE_BREAKS)
        and piece.count('"') % 2 == 0
        and all(piece.count(left) == piece.count(right) for left, right in _PAIRED)
        and not _glued_before(source, start)
        and not _glued_after(source, end)
    )


def _glued_before(source: str, start: int) -> bool:
    return start > 0 and (source[start - 1].isalnum() or source[start - 1] in _GLUE)


def _glued_after(source: str, end: int) -> bool:
    return end < len(source) and (source[end].isalnum() or source[end] in _GLUE)


def _keeps_capital(token: Token) -> bool:
    """Whether a word has its capital by right, and not because it opens a sentence."""
    word = token.text.lower()
    name = token.tag_ in ("NNP", "NNPS") and not _OPENERS.fullmatch(word)
    return (
        name
        or bool(_PEOPLES.fullmatch(word))
        or token.text == "I"
        or sum(letter.isupper() for letter in token.text) > 1
    )


@lru_cache(maxsize=1)
def _verb_matcher(vocab: Vocab) -> Matcher:
    from spacy.matcher import Matcher

    matcher = Matcher(vocab)
    matcher.add("VP", [[{"POS": pos, "OP": times} for pos, times in _VERB_PHRASE]])
    return matcher
