"""`key=value` settings over the values of a TOML file, as `--set` gives them."""

import tomllib
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from .errors import UserError


def read_toml(text: str, *, where: str) -> dict[str, Any]:
    """What a TOML text holds. Raises UserError, which `where` names, for one that is none."""
    try:
        return tomllib.loads(text)
    except ValueError as error:  # of TOML itself, or a number of thousands of digits
        raise UserError(f"not valid TOML: {error}", where=where, mend="mend the line") from None
    except RecursionError:
        raise UserError("not valid TOML: nested too deeply", where=where, mend="mend the line") from None


def put_settings(values: dict[str, Any], settings: Iterable[str], *, example: str) -> None:
    """Set every `dotted.key=value`; a value is TOML, anything else a plain string.

    Raises UserError for what is no such pair (`example` shows one), or where something else stands in a key's way.
    """
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key.strip():
            raise UserError(f"{setting!r} is not key=value", where="--set", mend=f"for example --set {example}")
        put(values, key.strip(), _value(text.strip()))


def put(values: dict[str, Any], dotted: str, value: Any) -> None:
    """Set a dotted key. Raises UserError where something else stands in its way."""
    *sections, last = dotted.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise UserError(
                f"{dotted}: {section} is not a section", where="--set", mend=f"{section} is set to a value elsewhere"
            )
    values[last] = value


def first_problem(error: ValidationError) -> str:
    """The first thing that is wrong, as `key: what`."""
    first = error.errors()[0]
    key, what = ".".join(str(part) for part in first["loc"]), first["msg"].removeprefix("Value error, ")
    return f"{key}: {what}" if key else what


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except (ValueError, RecursionError):
        return text
