"""Hard negatives of a batch of captions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING

from ...schemas.errors import UserError
from ...schemas.rows import Negative
from .registry import NEGCLIP, NegclipRule, select_rules
from .surgery import same_caption

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

MAX_CHARACTERS = 2000
"""A longer text is no caption, and gets no negatives; the longest of CUHK-PEDES's validation split has 432."""

# 530 captions/s are parsed where one at a time gives 255. The parses do not depend on it: the 6,162 captions of
# CUHK-PEDES's validation split had the same tags and heads at sizes 1, 100 and 256, each in another order.
_BATCH = 256


def generate(
    texts: Sequence[str],
    keys: Sequence[str],
    *,
    seed: int,
    rules: Sequence[str] | None = None,
    per_caption: int | None = None,
    nlp: Language,
) -> list[list[Negative]]:
    """The negatives of each caption: one a rule at most, none twice, in the registry's order.

    Args:
        texts: the captions. One that is empty, longer than `MAX_CHARACTERS`, or no valid Unicode gets none.
        keys: an id a caption. What a rule picks depends on seed, key, rule and text: not on order or neighbours.
        seed: of the run.
        rules: names of `registry.NEGCLIP`; all where None.
        per_caption: keep so many, picked at random; all where None.
        nlp: a pipeline that tags and parses, as `load_english` gives.

    Raises:
        UserError: a rule is unknown, or `per_caption` is below 1.
        ValueError: `texts` and `keys` differ in length.
    """
    if per_caption is not None and per_caption < 1:
        raise UserError(f"per_caption is {per_caption}", where="negatives", mend="give 1 or more, or leave it out")
    chosen = {name: NEGCLIP[name] for name in select_rules("negclip", rules)}
    readable = [(text, key) for text, key in zip(texts, keys, strict=True) if _readable(text)]
    docs = nlp.pipe(((text, key) for text, key in readable), as_tuples=True, batch_size=_BATCH)
    made = iter([_of_caption(doc, key, seed, chosen, per_caption) for doc, key in docs])
    return [next(made) if _readable(text) else [] for text in texts]


def _readable(text: str) -> bool:
    """Whether spaCy can treat it: it hashes words as UTF-8, which a lone surrogate from a JSON escape has not."""
    return 0 < len(text) <= MAX_CHARACTERS and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _of_caption(
    doc: Doc, key: str, seed: int, rules: Mapping[str, NegclipRule], per_caption: int | None
) -> list[Negative]:
    made: list[Negative] = []
    for name, rule in rules.items():
        negative = rule(doc, _random(seed, key, name))
        if negative is not None and not any(same_caption(negative.text, other.text) for other in made):
            made.append(negative)
    return made if per_caption is None else _picked(made, per_caption, _random(seed, key, "per_caption"))


def _picked(made: list[Negative], count: int, rng: Random) -> list[Negative]:
    order = sorted(range(len(made)), key=lambda _: rng.random())
    return [made[i] for i in sorted(order[:count])]


def _random(seed: int, key: str, rule: str) -> Random:
    return Random(int.from_bytes(hashlib.sha256(f"{seed}\0{key}\0{rule}".encode(errors="surrogatepass")).digest()))
