"""Cleaning: what a chat model wraps around a rewrite is taken off before the rewrite is judged."""

import json
import re

from ...schemas.completion import storable
from ...schemas.prompt import OutputKind

# "Sure! Here is the rewritten caption:", "Rewritten description:" – only with a colon, so that no caption is cut.
_PREAMBLE = re.compile(
    r"^\s*(?:(?:sure|certainly|of course|absolutely|okay|ok)\b[,.!]*\s*)?"
    r"(?:(?:here(?:'s|’s| is| are)|this is|below is)\b[^:\n]{0,80}|"
    r"(?:the |a |my )?(?:re-?writ(?:e|ten|ing)|paraphrased?|shorten(?:ed)?|short|concise|revised|new|final)"
    r"(?: (?:version|caption|description|sentence|text|rewrite))*|"
    r"(?:caption|description|answer|output|rewrite|response))\s*:\s*",
    re.IGNORECASE,
)
_SURE = re.compile(r"^\s*(?:sure|certainly|of course|absolutely)[,.!]+\s+", re.IGNORECASE)
# Escape sequences among them, which a terminal would obey.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_THINKING = re.compile(r"^\s*<think>.*?</think>", re.DOTALL)
_LIST_MARK = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+")
_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "«": "»"}
_EMPHASIS = re.compile(r"^(\*\*|\*|__|`)(?P<inner>.+)\1$")
_REFUSAL = re.compile(
    r"^\W*(?:i(?:'m| am) (?:sorry|unable|not able)|"
    r"(?:i )?(?:can ?not|can't|won't) (?:help|assist|provide|rewrite|fulfil)|"
    r"sorry\b|as an ai\b|i (?:don't|do not) (?:have|see|know)|unfortunately\b|please provide|n/?a\W*$)",
    re.IGNORECASE,
)


def clean(raw: str, output: OutputKind) -> str:
    """The rewrite inside an answer: first paragraph, without thinking, preamble, list mark, quotes or doubled space.

    An answer that should be JSON and is not gives the empty string.
    """
    if output == "json":
        raw = _json_caption(raw)
    text = _THINKING.sub("", raw).strip()
    text = _SURE.sub("", _PREAMBLE.sub("", text, count=1))
    paragraphs = [
        part for part in re.split(r"\n\s*\n|\n(?=(?:note|explanation)\b)", text, flags=re.IGNORECASE) if part.strip()
    ]
    text = paragraphs[0] if paragraphs else ""
    text = _LIST_MARK.sub("", " ".join(_CONTROL.sub(" ", text).split()))
    return _unquote(text)


def is_refusal(text: str) -> bool:
    """Whether the model declined instead of rewriting."""
    return bool(_REFUSAL.match(text))


def _unquote(text: str) -> str:
    if emphasis := _EMPHASIS.match(text):
        text = emphasis["inner"].strip()
    while len(text) > 1 and _QUOTES.get(text[0]) == text[-1] and text[-1] not in text[1:-1]:
        text = text[1:-1].strip()
    return text


def _json_caption(raw: str) -> str:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return ""
    caption = value.get("caption") if isinstance(value, dict) else None
    return storable(caption) if isinstance(caption, str) else ""
