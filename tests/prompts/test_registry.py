"""Prompts that come with the package, and those of users."""

from pathlib import Path

import pytest

from tbpr_data.prompts.registry import load_prompt, messages, parse_prompt, prompt_names
from tbpr_data.schemas.errors import UserError

GOOD = """
id = "mine"
version = 1
style = "plain"
policy = "paraphrase"
user = "Say again: {{ caption }}"
"""


@pytest.mark.parametrize("name", prompt_names())
def test_prompts_of_the_package_load_and_render(name: str) -> None:
    prompt = load_prompt(name)
    turns = messages(prompt, "A man {{ 7 * 7 }} {% raw %}.")
    assert turns[0]["role"] == "system"
    # The caption is data: it is never read as a template.
    assert turns[-1]["content"].endswith("A man {{ 7 * 7 }} {% raw %}.")
    assert len(turns) == 2 + 2 * len(prompt.examples)


def test_the_hash_moves_with_every_word() -> None:
    one = parse_prompt(GOOD, where="x")
    assert one.sha256() == parse_prompt(GOOD, where="y").sha256()
    for changed in (GOOD.replace("again", "it"), GOOD.replace("= 1", "= 2"), GOOD + "[sampling]\ntemperature = 0.5\n"):
        assert parse_prompt(changed, where="x").sha256() != one.sha256()


def test_a_prompt_of_the_users_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD, encoding="utf-8")
    assert messages(load_prompt(str(path)), "A man.") == [{"role": "user", "content": "Say again: A man."}]
    path.rename(tmp_path / "other.toml")
    with pytest.raises(UserError, match="must be the same"):
        load_prompt(str(tmp_path / "other.toml"))
    with pytest.raises(UserError, match="no such prompt file"):
        load_prompt(str(path))
    with pytest.raises(UserError, match="use one of concise, negative, paraphrase"):
        load_prompt("poem")
