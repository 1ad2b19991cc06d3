"""`augment --dry-run` and `show`: what would be asked, and what to copy."""

from pathlib import Path

import pytest
from publish_runs import run

from tbpr_data.prompts.registry import load_prompt, prompt_names
from tbpr_data.schemas.errors import UserError
from tbpr_data.training.recipe import load_recipe, recipe_names


def test_a_dry_run_shows_a_request_of_each_prompt_and_asks_nothing(cuhk: Path, tmp_path: Path) -> None:
    words = ("augment", cuhk, "--endpoint", "http://127.0.0.1:9/v1", "--out", tmp_path / "out", "--dry-run")
    done = run(*words, "--recipe", "paraphrase", "--recipe", "concise", "--samples", "2")
    assert done.exit_code == 0, done.exception
    assert "80 requests of the endpoint's model: 20 captions × (paraphrase + concise) × 2" in done.stderr
    shown = done.stdout.split("prompt concise, ")
    assert [part.count("The man number 0 is wearing") for part in shown] == [1, 1]
    assert "'max_tokens': 64" in shown[1]
    assert not (tmp_path / "out").exists()
    assert isinstance(run(*words, "--recipe", "no-such").exception, UserError)


def test_what_is_shown_is_what_is_used(tmp_path: Path) -> None:
    for names, load in ((prompt_names(), load_prompt), (recipe_names(), load_recipe)):
        for name in names:
            copy = tmp_path / f"{name}.toml"
            copy.write_text(run("show", name).stdout, encoding="utf-8")
            assert load(str(copy)) == load(name)


@pytest.mark.parametrize("said", [None, 40])
def test_an_answer_has_an_end(cuhk: Path, tmp_path: Path, said: int | None) -> None:
    prompt = tmp_path / "mine.toml"
    told = f"[sampling]\nmax_tokens = {said}\n" if said else ""
    prompt.write_text(f'id = "mine"\nversion = 1\nstyle = "x"\npolicy = "concise"\nuser = "{{{{ caption }}}}"\n{told}')
    done = run("augment", cuhk, "--llm", "smollm2", "--recipe", prompt, "--dry-run")
    assert f"'max_tokens': {said or 512}" in done.stdout
