"""Named repairs of captions: what collecting and tokenising did to them is undone, and nothing else.

Rules change spaces, punctuation, apostrophes and the case of one word; they never touch another letter, so no rule can
change what a caption says. Numbers in the comments are captions of 6,162 (CUHK-PEDES, val) unless another set is named.
What occurs but cannot be mended without guessing is left alone: `Capri S` (a plural or a possessive), `mid W S` (a lost
number), `Waring` (a misspelling), `building S floor` (a name or a possessive).
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """One repair."""

    name: str
    """What it is counted under."""
    apply: Callable[[str], str]
    """The repaired text; the same text where there is nothing to repair."""
    hints: tuple[str, ...]
    """Strings of which one must occur before `apply` is worth its time (a search costs a tenth of a substitution)."""


# `he S wearing`, `The man S jacket`: the data's preparation split `'s` off and lost its apostrophe (165 captions; 9 of
# 218 places are left). Only words for people and pronouns take it back, and only before a small word that does not
# speak of a letter: a red S on a shirt, size S, that S logo and building S are real.
_OWNERS = (
    "he|she|it|that|there|who|someone|somebody|everyone|man|men|woman|women|boy|girl|child|children|kid|"
    "baby|lady|guy|gentleman|person|people|male|female|adult|individual|pedestrian|partner|friend|mother|father|"
    "cheerleader"
)
_LOST_APOSTROPHE = re.compile(
    rf"\b((?i:{_OWNERS})) S(?= (?!(?:logo|sign|symbol|shaped?|letter|initial|curve|hook|size)\b)[a-z])"
)

# `is n't`, `man 's`: split off with its apostrophe (4 captions). The quote must not close later: `the letter 's'`.
_SPLIT_CLITIC = re.compile(r"(?<=[a-z]) ('(?:s|re|ve|ll)|n't)(?=[ .,;!?]|$)")

# `a pair of Gray pants`: the colour was capitalised wherever it stands (868 captions). A capitalised neighbour makes it
# a name (`Dorian Gray`, `Gray Wolves`), and so does a word about writing; brands and Capri pants do not.
_GRAY = re.compile(
    r"((?<![\w'-])(?!(?:says|say|reads|read|reading|saying|named|called|word|words|letters|text|mr|ms) )"
    r"(?:[a-z][\w'-]*[,;)]?|[0-9]+|The|A|His|Her|Has|In|With|Wearing|Dark|Light) |[a-z][/-])"
    r"Gray\b(?!'| (?!Capri\b|T\b|Nike\b|Adidas\b)[A-Z])"
)

# `blue jeans.his shoes` (87 captions): only before words that open a sentence and that end no web address (`.it` does).
_OPENERS = "he|she|his|her|they|their|the|this|there|with|and|wearing|carrying|holding|has"
_AFTER_FULL_STOP = re.compile(rf"\.(?<=[ ,][a-z]{{3}}\.|[a-z]{{4}}\.)(?=(?i:{_OPENERS}) [a-z])")

_AFTER_COMMA = re.compile(r",(?<=[a-z]{2},)(?=[a-z]{2})")
# `on the street .`: none here, 16 of 8,326 COCO captions. Before a mark that begins something (`.5`, `...`) it stays.
_BEFORE_MARK = re.compile(r"(?<=\w) +(?=[,.;!?](?:\s|$))")
# `short,, black`, `skirt..` (4 captions). Two full stops inside a sentence are somebody's ellipsis, and stay.
_DOUBLED_COMMA = re.compile(r"(?<=\w),{2,}(?=\s|$)")
_DOUBLED_STOP = re.compile(r"(?<=\w)\.\.(?=\s+[A-Z]|\s*$)")
_CURLY_APOSTROPHE = re.compile(r"(?<=[A-Za-z])[\u2019\u02bc](?=[A-Za-z])")
_INVISIBLE = re.compile(r"(?!\s)[\x00-\x1f\x7f-\x9f\u00ad\u200b\u2060\ufeff]")
_SPACES = re.compile(r"\s+")


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _single_spaces(text: str) -> str:
    return _SPACES.sub(" ", text).strip()


def _single_marks(text: str) -> str:
    return _DOUBLED_STOP.sub(".", _DOUBLED_COMMA.sub(",", text))


# Rules for text that is not plain printable ASCII, or has spaces where none belong: two quick tests choose them.
CHARACTER_RULES = (
    Rule("invisible_character", lambda text: _INVISIBLE.sub("", text), ()),
    Rule("unicode_form", _nfc, ()),
    Rule("curly_apostrophe", lambda text: _CURLY_APOSTROPHE.sub("'", text), ()),
    Rule("whitespace", _single_spaces, ()),
)
WORD_RULES = (
    Rule("lost_apostrophe", lambda text: _LOST_APOSTROPHE.sub(r"\1's", text), (" S ",)),
    Rule("split_clitic", lambda text: _SPLIT_CLITIC.sub(r"\1", text), (" '", " n't")),
    Rule("capital_gray", lambda text: _GRAY.sub(r"\1gray", text), ("Gray",)),
    Rule("space_before_mark", lambda text: _BEFORE_MARK.sub("", text), (" ,", " .", " ;", " !", " ?")),
    Rule("doubled_mark", _single_marks, (",,", "..")),
    Rule("space_after_full_stop", lambda text: _AFTER_FULL_STOP.sub(". ", text), (".",)),
    Rule("space_after_comma", lambda text: _AFTER_COMMA.sub(", ", text), (",",)),
)


def repair(text: str) -> tuple[str, tuple[str, ...]]:
    """Apply every rule until none changes anything: `repair(repair(text)[0])` changes nothing more.

    Returns the text, and the names of the rules that changed it, each once, in the order they first did.
    """
    applied: dict[str, None] = {}
    while True:
        repaired = text
        for rule in _due(text):
            before, repaired = repaired, rule.apply(repaired)
            if repaired != before:
                applied[rule.name] = None
        if repaired == text:
            return text, tuple(applied)
        text = repaired


def _due(text: str) -> list[Rule]:
    rules = [rule for rule in WORD_RULES if _hinted(rule, text)]
    plain = text.isascii() and text.isprintable()
    spaced = plain and ("  " in text or text[:1] == " " or text[-1:] == " ")
    return rules if plain and not spaced else [*CHARACTER_RULES, *rules]


def _hinted(rule: Rule, text: str) -> bool:
    for hint in rule.hints:  # noqa: SIM110 - any() costs three times as much, a million times over
        if hint in text:
            return True
    return False
