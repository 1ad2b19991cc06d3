"""The lists of options are what the program says. `python tests/test_options.py` writes them anew."""

import os
import re
import subprocess
import sys
from pathlib import Path

from pydantic import BaseModel

from tbpr_data.pipeline.config import RunConfig
from tbpr_data.schemas.prompt import Prompt
from tbpr_data.training.recipe import Recipe

OPTIONS = Path(__file__).parents[1] / "docs" / "options.md"
COMMANDS = (
    *("augment", "negatives", "audit", "status", "verify", "parse", "check", "demo-data", "train", "evaluate"),
    *("export", "push", "join", "show", "serve", "doctor"),
)


def help_block() -> str:
    code = "from tbpr_data.pipeline.cli import app; app(prog_name='tbpr-data')"
    environment = {**os.environ, "COLUMNS": "100", "TYPER_USE_RICH": "0", "NO_COLOR": "1"}
    blocks = []
    for name in COMMANDS:
        command = [sys.executable, "-c", code, name, "--help"]
        text = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
        blocks.append(f"### {name}\n\n```\n{text.strip()}\n```\n")
    return "\n".join(blocks)


def config_block(model: type[BaseModel]) -> str:
    rows = "\n".join(f"| `{key}` | {default} | {what} |" for key, default, what in keys(model))
    return f"| key | default | what it is |\n|---|---|---|\n{rows}\n"


def keys(model: type[BaseModel], prefix: str = "") -> list[tuple[str, str, str]]:
    rows = []
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            rows += keys(field.annotation, f"{prefix}{name}.")
            continue
        default = "" if field.is_required() or field.default is None else f"`{field.default!r}`"
        rows.append((prefix + name, default, " ".join((field.description or "").split())))
    return rows


def written(text: str) -> str:
    models = {"config": RunConfig, "prompt": Prompt, "recipe": Recipe}
    blocks = {"help": help_block()} | {name: config_block(model) for name, model in models.items()}
    for name, block in blocks.items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
        text = re.sub(pattern, lambda match, block=block: match[1] + block + match[2], text, flags=re.DOTALL)  # type: ignore[misc]
    return text


def test_every_option_is_listed() -> None:
    text = OPTIONS.read_text(encoding="utf-8")
    assert written(text) == text, "run `python tests/test_options.py`"


if __name__ == "__main__":
    OPTIONS.write_text(written(OPTIONS.read_text(encoding="utf-8")), encoding="utf-8")
