"""Guards: what a proposed negative has to be refused for. Each has a name, and each refusal is counted."""

from __future__ import annotations

import hashlib
import re

import numpy as np

from ...schemas.attributes import Person
from ..checks.compare import compare
from ..language.parse import parse
from .candidate import Candidate
from .caption import Caption
from .surgery import same_caption

GUARDS: dict[str, str] = {
    "equal": "the same text, but for case, commas and full stops",
    "coordination": "the same words in another order that says the same: black and white, white and black",
    "no_change": "the parser reads no attribute contradicted, added or denied",
    "unreadable": "the parser understands less of it than of the caption",
    "other_caption": "another caption of the identity says what is newly said",
    "true_text": "a caption of the identity, word for word",
    "overlong": "the caption has over 16,000 characters: none is made of it",
    "somebody_else": "a caption of another identity, word for word: false here, but no false text",
}
"""Guard → what it refuses."""

_WORD = re.compile(r"[^\W_]+")


def normalised(text: str) -> str:
    """Letters and digits in small letters, single spaces between: what two equal captions share."""
    return " ".join(_WORD.findall(text.casefold()))


class KnownTexts:
    """All captions of the source, by hash: whether a text is somebody's caption."""

    def __init__(self, hashes: np.ndarray) -> None:
        """`hashes`: `text_hash` of every caption, sorted."""
        self._hashes = hashes

    def __contains__(self, text: str) -> bool:
        wanted = text_hash(text)
        at = int(np.searchsorted(self._hashes, wanted))
        return at < len(self._hashes) and self._hashes[at] == wanted


def text_hash(text: str) -> np.uint64:
    """64 bits of the normalised text's BLAKE2b: of a billion captions two differ alike with a chance of 0.03."""
    digest = hashlib.blake2b(normalised(text).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


def refused_at_once(caption: Caption, candidate: Candidate, text: str, known: KnownTexts | None) -> str | None:
    """Name of the guard that refuses the negative without reading it, or none."""
    if same_caption(text, caption.text):
        return "equal"
    if candidate.claims and all(caption.others.say(claim) for claim in candidate.claims):
        return "other_caption"
    if normalised(text) in caption.own_texts:
        return "true_text"
    if known is not None and text in known:
        return "somebody_else"
    return None


def refused_when_read(caption: Caption, candidate: Candidate, text: str) -> str | None:
    """Name of the guard that refuses what the parser makes of the negative, or none."""
    person = parse(text)
    findings, _ = compare(caption.person, person)
    roots = {slot.split(".")[0] for slot in candidate.slots}
    changed = {finding.status for finding in findings if finding.slot.split(".")[0] in roots}
    if not changed & ({"contradicted", "dropped"} if candidate.kind == "negate" else {"contradicted", "added"}):
        same_words = sorted(normalised(text).split()) == sorted(normalised(caption.text).split())
        return "coordination" if same_words else "no_change"
    if _lost(caption.person, person):
        return "unreadable"
    return None


def _lost(source: Person, negative: Person) -> bool:
    """Whether words of the negative have lost their place, or an item its name."""
    new_others = len(negative.others) - len(source.others)
    fewer = len(source.items) - len(negative.items)
    return new_others > 0 or fewer > 0
