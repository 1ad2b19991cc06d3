"""Prompts by name: loaded from TOML, validated, rendered in a sandbox."""

import json
import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, Template, Undefined
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import ValidationError

from ..schemas.errors import UserError
from ..schemas.prompt import Prompt
from ..schemas.settings import read_toml, wrong_setting


def _plain(value: Any) -> Any:
    """What may stand in a message."""
    if isinstance(value, (str, int, float, Undefined)):
        return value
    raise TypeError(f"a {type(value).__name__} is no text")


class _Sandbox(ImmutableSandboxedEnvironment):
    """What a prompt file from elsewhere can reach: one caption. 10 ** 10 ** 10 would take for ever."""

    intercepted_binops = frozenset({"*", "**"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Refuse it."""
        raise SecurityError(f"{operator} is not allowed")


# Plain text, so nothing is escaped: a caption is only ever a value of the template, never part of it.
_ENVIRONMENT = _Sandbox(undefined=StrictUndefined, autoescape=False, finalize=_plain)
# Nothing that is drawn: a request that is not the same when it is made again finds no answer in the journal.
_ENVIRONMENT.globals.clear()
del _ENVIRONMENT.filters["random"]

_ADDRESS = re.compile(r"<[^<>]* at 0x[0-9a-f]+>")

Message = dict[str, str]


def prompt_names() -> list[str]:
    """Names of the prompts that come with the package."""
    return sorted(
        path.name.removesuffix(".toml") for path in files(__package__).iterdir() if path.name.endswith(".toml")
    )


def load_prompt(name: str) -> Prompt:
    """The prompt called `name`, or the one in the TOML file at that path.

    Raises UserError when there is none, when a field is wrong, or when the template does not render.
    """
    path = Path(name)
    if name.endswith(".toml"):
        if not path.is_file():
            raise UserError("no such prompt file", where=name, mend="give the path of a TOML file")
        try:
            text, where = path.read_text(encoding="utf-8"), name
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
            raise UserError(f"cannot be read: {reason}", where=name, mend="give the path of a TOML file") from None
    elif name in prompt_names():
        text, where = (files(__package__) / f"{name}.toml").read_text(encoding="utf-8"), f"prompts/{name}.toml"
    else:
        raise UserError(
            f"unknown prompt {name!r}",
            where="--recipe",
            mend=f"use one of {', '.join(prompt_names())}, or the path of a TOML file",
        )
    prompt = parse_prompt(text, where=where)
    if prompt.id != Path(where).stem:
        raise UserError(f"id is {prompt.id!r}", where=where, mend="the id and the file's name must be the same")
    return prompt


def parse_prompt(text: str, *, where: str) -> Prompt:
    """Validate a prompt written as TOML; `where` names it in errors."""
    try:
        prompt = Prompt.model_validate(read_toml(text, where=where))
    except ValidationError as error:
        raise wrong_setting(error, Prompt, where=where, mend="see the prompts that come with the package") from None
    marks = ("tbpr caption one", "tbpr caption two")
    try:
        rendered = [_render(prompt, mark) for mark in marks]
    except UserError as error:
        raise UserError(error.what, where=where, mend=error.mend) from None
    if not all(mark in text for mark, text in zip(marks, rendered, strict=True)):
        raise UserError("user: the caption does not appear in the message", where=where, mend="write {{ caption }}")
    return prompt


def messages(prompt: Prompt, caption: str) -> list[Message]:
    """Chat messages that ask `prompt` of `caption`: system, the examples as finished turns, then the caption."""
    return [*_fixed_turns(prompt), {"role": "user", "content": _render(prompt, caption)}]


@cache
def _fixed_turns(prompt: Prompt) -> tuple[Message, ...]:
    """What is the same for every caption, kept once: a block of 4,096 captions holds thousands of requests."""
    turns: list[Message] = [{"role": "system", "content": prompt.system}] if prompt.system else []
    for example in prompt.examples:
        turns.append({"role": "user", "content": _render(prompt, example.caption)})
        turns.append({"role": "assistant", "content": _answer(prompt, example.rewrite)})
    return tuple(turns)


def _answer(prompt: Prompt, rewrite: str) -> str:
    return json.dumps({"caption": rewrite}, ensure_ascii=False) if prompt.output == "json" else rewrite


def _render(prompt: Prompt, caption: str) -> str:
    try:
        text = _template(prompt.user).render(caption=caption)
        # A method or a generator joined to a text: another process has it elsewhere, and would not find its answer.
        if address := _ADDRESS.search(text.replace(caption, "")):
            raise TypeError(f"{address[0]} is no text; a method needs its brackets")
        return text
    except Exception as error:  # noqa: BLE001 - a template is somebody else's program, and may raise whatever it likes
        what = f"user: {' '.join(str(error).split())[:300] or type(error).__name__}"
        raise UserError(what, where=f"prompt {prompt.id}", mend="the template knows one name, {{ caption }}") from None


@cache
def _template(source: str) -> Template:
    return _ENVIRONMENT.from_string(source)
