"""Surface checks: what can be refused without knowing what a caption means."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from rapidfuzz.distance import Indel

from ...schemas.completion import Completion
from ...schemas.prompt import Policy
from .clean import is_refusal

if TYPE_CHECKING:
    # At run time it would bring the HTTP client along: 0.2 s of every start of `parse` and `check`.
    from ..config import ChecksConfig

# Raised when a check, the parser or its word lists change what is refused: part of a run's fingerprint.
CHECKS_VERSION = 4

# Languages a caption is told from. All 97 of the model let a five-word English caption with a foreign garment pass for
# Frisian or Javanese; with these, none of 10,162 real captions is refused.
_LANGUAGES = [
    "en",
    "de",
    "fr",
    "es",
    "it",
    "pt",
    "nl",
    "sv",
    "pl",
    "tr",
    "vi",
    "id",
    "ru",
    "uk",
    "ar",
    "hi",
    "zh",
    "ja",
    "ko",
]
# Beyond any caption; comparing answers of megabytes word by word would take minutes.
LONGEST_CHARACTERS = 20_000
_WORD = re.compile(r"\w+(?:['’-]\w+)*")


def words(text: str) -> list[str]:
    """Lower-cased words, without punctuation."""
    return [word.lower() for word in _WORD.findall(text)]


def novelty(source: str, rewrite: str) -> float:
    """1 - Indel similarity of the two word sequences: 0 for the same words in the same order, 1 for none in common."""
    return float(Indel.normalized_distance(words(source), words(rewrite)))


def surface_reasons(
    source: str, rewrite: str, completion: Completion, policy: Policy, config: ChecksConfig
) -> list[str]:
    """Every reason to refuse a cleaned rewrite, in a fixed order; an empty list lets it pass.

    `server_error` or `request_refused` (no answer), `empty`, `refusal`, `cut_by_length`, `too_short`, `too_long`,
    `not_shorter` (than its source, for a concise prompt), `not_english`, `repeats`, `near_copy`.
    """
    if completion.error is not None:
        return ["server_error" if completion.transient else "request_refused"]
    if not rewrite:
        return ["empty"]
    if len(rewrite) > LONGEST_CHARACTERS:
        return ["too_long"]
    count, source_count = len(words(rewrite)), len(words(source))
    found = {
        "refusal": is_refusal(rewrite),
        "cut_by_length": completion.finish_reason == "length",
        "too_short": count < config.min_words,
        "too_long": count > min(config.max_words, config.max_length_ratio * max(source_count, 10)),
        "not_shorter": policy == "concise" and count >= source_count,
        # Two or three words are too few to tell a language by.
        "not_english": config.english_only and count >= config.min_words and not is_english(rewrite),
        "repeats": repeats(rewrite),
        "near_copy": novelty(source, rewrite) < config.min_novelty,
    }
    return [reason for reason, refused in found.items() if refused]


def is_english(text: str) -> bool:
    """Whether English is the likeliest language, by py3langid (5,700 captions/s)."""
    return bool(_identifier()(text)[0] == "en")


def repeats(text: str) -> bool:
    """A loop: six words in a row that stand there twice, or one word three times on end."""
    sequence = words(text)
    runs = [tuple(sequence[i : i + 6]) for i in range(len(sequence) - 5)]
    thrice = any(a == b == c for a, b, c in zip(sequence, sequence[1:], sequence[2:], strict=False))
    return thrice or len(set(runs)) < len(runs)


@cache
def _identifier():  # type: ignore[no-untyped-def]
    import py3langid

    py3langid.set_languages(_LANGUAGES)
    return py3langid.classify
