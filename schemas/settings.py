"""`key=value` settings over the values of a TOML file, as `--set` gives them."""

import tomllib
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

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
    return _told(list(first["loc"]), first["type"], first["msg"])


def wrong_setting(error: ValidationError, model: type[BaseModel], *, where: str, mend: str) -> UserError:
    """The first thing that is wrong, with what its key is for or which keys there are; where neither, `mend`."""
    first = error.errors()[0]
    section: type[BaseModel] | None = model
    keys: list[str | int] = []
    for part in first["loc"]:
        fields = section.model_fields if section else {}
        if isinstance(part, str) and part in fields:
            mend = " ".join((fields[part].description or mend).split()).removesuffix(".")
            section = _section(fields[part].annotation)
        elif fields and first["type"] == "extra_forbidden":
            close = get_close_matches(str(part), fields, 1)
            mend = f"did you mean {close[0]}?" if close else f"there are {', '.join(fields)}"
        elif isinstance(part, str) and not fields:  # which of a field's types was tried: no key
            continue
        keys.append(part)
    return UserError(_told(keys, first["type"], first["msg"]), where=where, mend=mend)


def _told(keys: list[str | int], kind: str, said: str) -> str:
    ours = {"extra_forbidden": "no such key", "model_type": "not a section", "missing": "missing"}
    said = said.removeprefix("Value error, ")
    return f"{'.'.join(map(str, keys))}: {ours.get(kind, said)}" if keys else said


def _section(annotation: Any) -> type[BaseModel] | None:
    """The model that a field holds, or holds some of."""
    kinds = (annotation, *get_args(annotation))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except (ValueError, RecursionError):
        return text
