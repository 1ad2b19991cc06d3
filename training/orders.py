"""The order perturbations of ARO (Yuksekgonul et al., ICLR 2023, arXiv 2210.01936): a caption's words, out of order.

They are options to evaluate with, not negatives to train on: most are no English. A model that reads a caption as a bag
of words cannot tell them from it. ARO's COCO-Order and Flickr30k-Order show the caption first and the four of
`ARO_OPTIONS` after it, each through `aro_caption`, and count how often the caption wins. Three things differ here:
ARO now and then offered the caption itself as an option, drew from NumPy and `random` without a seed, and cut its
trigrams from NLTK's tokens, which unlike spaCy's keep `t-shirt` whole.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from spacy.tokens import Doc, Token

MAX_WORDS = 30
"""ARO cuts a caption after so many words."""

_DROPPED = re.compile(r'[.!"()*#:;~]')
_NOUNS = frozenset(("NN", "NNS", "NNP", "NNPS"))
_ADJECTIVES = frozenset(("JJ", "JJR", "JJS"))
_DRAWS = 10  # one in 1,024 captions of two words is still as it was, and gets a rotation


@dataclass(frozen=True)
class Places:
    """The pieces of a caption, and which of them may take each other's place."""

    pieces: tuple[str, ...]
    """Tokens, words or trigrams, in the caption's order."""
    groups: tuple[tuple[int, ...], ...]
    """Indices into `pieces`, no index twice: each group is permuted within itself, the rest stays."""


Order: TypeAlias = "Callable[[Doc], Places]"
"""What a perturbation permutes in a tagged caption."""


def nouns_and_adjectives(doc: Doc) -> Places:
    """Nouns (NN, NNS, NNP, NNPS) among themselves, and adjectives (JJ, JJR, JJS) among themselves."""
    return _by_kind(doc, ("noun", "adjective"))


def all_but_nouns_and_adjectives(doc: Doc) -> Places:
    """All other tokens, punctuation too, among themselves."""
    return _by_kind(doc, ("other",))


def within_trigrams(doc: Doc) -> Places:
    """Tokens 1-3 among themselves, 4-6 among themselves, and so on; the last group may be shorter."""
    words = _words(doc)
    return Places(words, tuple(_threes(words)))


def trigrams(doc: Doc) -> Places:
    """Tokens 1-3, 4-6 and so on, each three as they stand; the last may be shorter."""
    words = _words(doc)
    pieces = tuple(" ".join(words[place] for place in three) for three in _threes(words))
    return Places(pieces, (tuple(range(len(pieces))),))


def all_words(doc: Doc) -> Places:
    """All that white space separates, punctuation on the words it hangs on."""
    words = tuple(doc.text.split())
    return Places(words, (tuple(range(len(words))),))


ORDERS: Mapping[str, Order] = MappingProxyType(
    {
        "shuffle_nouns_and_adj": nouns_and_adjectives,
        "shuffle_allbut_nouns_and_adj": all_but_nouns_and_adjectives,
        "shuffle_within_trigrams": within_trigrams,
        "shuffle_trigrams": trigrams,
        "shuffle_all_words": all_words,
    }
)
"""Every perturbation, under the name ARO's code gives it."""

ARO_OPTIONS = tuple(name for name in ORDERS if name != "shuffle_all_words")
"""The four that ARO's published benchmark shows beside the caption, in its order."""


def order_perturbations(doc: Doc, rng: Random) -> dict[str, str]:
    """The caption in other orders: name → its pieces joined by single spaces, in the order of `ORDERS`.

    Each text has exactly the caption's tokens, and none is the caption: after `aro_caption` each differs from it in
    more than white space. A perturbation that cannot differ (one word, equal words) is left out. As in ARO, a
    caption of more than `MAX_WORDS` words may be cut at other words than its perturbation; parse `aro_caption(text)`
    where nothing but the order is to differ.

    Args:
        doc: a tagged caption, as `load_english()` gives.
        rng: only its `random` is called: of Random's methods that alone is promised to be the same in every Python.
    """
    perturbed = {name: _reordered(order(doc), rng) for name, order in ORDERS.items()}
    return {name: text for name, text in perturbed.items() if text is not None}


def aro_options(texts: Sequence[str], *, seed: int) -> list[list[str | None]]:
    """Each caption and its four other orders, as ARO shows them; None for an order that cannot differ.

    Raises UserError where no English model of spaCy is installed.
    """
    from ..pipeline.language.english import load_english

    shown = []
    for text, doc in zip(texts, load_english(None).pipe(map(aro_caption, texts)), strict=True):
        # Of the caption itself, so that it is the same whatever stands beside it.
        orders = order_perturbations(doc, Random(f"{seed}\0{text}"))
        shown.append(
            [aro_caption(text), *(aro_caption(orders[name]) if name in orders else None for name in ARO_OPTIONS)]
        )
    return shown


def aro_caption(text: str) -> str:
    """The text as ARO gives it to a model: lower case, each of `.!"()*#:;~` a space, spaces single, 30 words at most.

    White space of any kind parts words; ARO's own function parted them at spaces alone, and kept a lone tab or newline.
    """
    return " ".join(_DROPPED.sub(" ", text.lower()).split()[:MAX_WORDS])


def _by_kind(doc: Doc, moved: Sequence[str]) -> Places:
    tokens = [token for token in doc if not token.is_space]
    places = defaultdict(list)
    for place, token in enumerate(tokens):
        places[_kind(token)].append(place)
    return Places(tuple(token.text for token in tokens), tuple(tuple(places[kind]) for kind in moved))


def _kind(token: Token) -> str:
    if token.tag_ in _NOUNS:
        return "noun"
    return "adjective" if token.tag_ in _ADJECTIVES else "other"


def _words(doc: Doc) -> tuple[str, ...]:
    """The tokens; not the runs of spaces that spaCy counts among them, which would be moved without a trace."""
    return tuple(token.text for token in doc if not token.is_space)


def _threes(words: Sequence[str]) -> Iterator[tuple[int, ...]]:
    return (tuple(range(start, min(start + 3, len(words)))) for start in range(0, len(words), 3))


def _reordered(places: Places, rng: Random) -> str | None:
    """The pieces in the first order that says something else; None where none was found."""
    same = _bare(" ".join(places.pieces))
    return next((text for text in _candidates(places, rng) if _bare(text) != same), None)


def _candidates(places: Places, rng: Random) -> Iterator[str]:
    """Random orders, then each rotation of each group."""
    groups = [group for group in places.groups if len({_bare(places.pieces[place]) for place in group}) > 1]
    if not groups:
        return
    for _ in range(_DRAWS):
        yield _placed(places, [(group, sorted(group, key=lambda _: rng.random())) for group in groups])
    for group in groups:
        for shift in range(1, len(group)):
            yield _placed(places, [(group, [*group[shift:], *group[:shift]])])


def _placed(places: Places, moves: Sequence[tuple[Sequence[int], Sequence[int]]]) -> str:
    """The text with, for each (to, from), the pieces of `from` on the places of `to`."""
    pieces = list(places.pieces)
    for targets, sources in moves:
        for target, source in zip(targets, sources, strict=True):
            pieces[target] = places.pieces[source]
    return " ".join(pieces)


def _bare(text: str) -> str:
    """What a model reads of it, without the spaces: they come and go with the tokens' joining."""
    return aro_caption(text).replace(" ", "")
