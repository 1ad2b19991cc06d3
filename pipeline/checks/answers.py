"""What `parse` and `check` answer to one line."""

from typing import Any, get_args

from ...schemas.attributes import Value, to_json
from ...schemas.errors import RowError
from ...schemas.prompt import Policy
from ...schemas.verdict import STATUSES, Finding, Verdict
from ..language.parse import parse
from .surface import LONGEST_CHARACTERS
from .verdict import judge_pair

_NAMES = ("id", "key")
"""Fields of a line that are handed on, so that answers can be told apart."""
_POLICIES = get_args(Policy)
_KINDS = {
    type(None): "null",
    bool: "a truth value",
    int: "a number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "an object",
}


def person_of(line: Any) -> dict[str, Any]:
    """A caption (a text, or an object with `text` or `caption`) → the person it describes."""
    if not isinstance(line, (dict, str)):
        raise RowError(f"{_kind(line)}, not a text nor an object with a field text")
    fields = line if isinstance(line, dict) else {"text": line}
    text = _text(fields, "caption" if "text" not in fields and "caption" in fields else "text")
    if len(text) > LONGEST_CHARACTERS:
        raise RowError(f"a text of {len(text):,} characters, more than {LONGEST_CHARACTERS:,}")
    return {**_named(fields), "text": text, "person": to_json(parse(text))}


def verdict_of(line: Any, *, policy: Policy, min_novelty: float) -> dict[str, Any]:
    """An object with `source` and `rewrite` (and maybe `policy`) → the verdict and what it rests on."""
    if not isinstance(line, dict):
        raise RowError(f"{_kind(line)}, not an object with source and rewrite")
    source, rewrite = _text(line, "source"), _text(line, "rewrite")
    asked = line.get("policy")
    if asked is None:
        asked = policy
    if asked not in _POLICIES:
        given = repr(asked) if isinstance(asked, str) and len(asked) < 40 else _kind(asked)
        raise RowError(f"policy is {given}, not one of {', '.join(_POLICIES)}")
    return {**_named(line), **verdict_json(judge_pair(source, rewrite, asked, min_novelty=min_novelty))}


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    """A verdict as plain values, each finding with the words of both texts."""
    return {
        "verdict": "accepted" if verdict.accepted else "rejected",
        "faithful": verdict.faithful,
        "fluent": verdict.fluent,
        "novel": verdict.novel,
        **{status: [_finding(finding) for finding in verdict.of(status)] for status in STATUSES},
        "novelty": verdict.novelty,
        "reasons": list(verdict.reasons),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {"slot": finding.slot, "source": _side(finding.source), "rewrite": _side(finding.rewrite)}


def _side(value: Value | None) -> dict[str, Any] | None:
    return None if value is None else {"value": value.value, "text": value.text, "span": list(value.span)}


def _text(line: dict[str, Any], field: str) -> str:
    if field not in line:
        raise RowError(f"no field {field}")
    text = line[field]
    if not isinstance(text, str):
        raise RowError(f"{field} is {_kind(text)}, not a text")
    if not text.strip():
        raise RowError(f"{field} is empty")
    return text


def _named(line: dict[str, Any]) -> dict[str, Any]:
    return {name: line[name] for name in _NAMES if name in line}


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), type(value).__name__)
