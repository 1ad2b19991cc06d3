"""Words that only who has the source can read: masked with one of its captions.

What was found of a rewrite is told in the caption's words (`dropped: other: cathedral`), so a release tells that
something was dropped, and hides what. A mask is as good as the caption is unknown; each text has one of its own, by its
name, or what is known of one would tell the other.
"""

from __future__ import annotations

import base64
import hashlib
import json

from ...schemas.rows import Checks

_LISTS = ("kept", "generalised", "specialised", "dropped", "added", "contradicted")
_HIDDEN = "…"


def mask(text: str, caption: str, *, name: str) -> str:
    """`text` as base64 that `unmask` reads with the same caption; `name` is of this text alone."""
    return base64.b64encode(_mixed(text.encode(), caption, name)).decode()


def unmask(masked: str, caption: str, *, name: str) -> str:
    """Raises ValueError for what was masked with another caption, or under another name."""
    return _mixed(base64.b64decode(masked, validate=True), caption, name).decode()


def hide_findings(checks: Checks, caption: str, *, name: str) -> tuple[Checks, str | None]:
    """Checks that name the attributes alone (`upper.colour: …`), and the rest of them, masked; None of no findings."""
    lists: dict[str, list[str]] = {name: found for name in _LISTS if (found := getattr(checks, name)) is not None}
    if not any(lists.values()):
        return checks, None
    parts = {name: [one.partition(": ") for one in found] for name, found in lists.items()}
    told = {name: [f"{slot}: {_HIDDEN}" for slot, _, _ in found] for name, found in parts.items()}
    values = [value for found in parts.values() for _, _, value in found]
    return checks.model_copy(update=told), mask(json.dumps(values, ensure_ascii=False), caption, name=name)


def show_findings(checks: Checks, masked: str, caption: str, *, name: str) -> Checks:
    """The checks as they were. Raises ValueError for another caption."""
    lists: dict[str, list[str]] = {name: found for name in _LISTS if (found := getattr(checks, name)) is not None}
    told = json.loads(unmask(masked, caption, name=name))
    if not isinstance(told, list) or len(told) != sum(map(len, lists.values())):
        raise ValueError("not what was found")
    values = map(str, told)
    shown = {name: [one.removesuffix(_HIDDEN) + next(values) for one in found] for name, found in lists.items()}
    return checks.model_copy(update=shown)


def _mixed(content: bytes, caption: str, name: str) -> bytes:
    stream = hashlib.shake_256(f"tbpr-data release\0{name}\0{caption}".encode()).digest(len(content))
    return bytes(one ^ other for one, other in zip(content, stream, strict=True))
