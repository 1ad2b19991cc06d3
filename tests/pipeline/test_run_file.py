"""`run.toml` as others may see it, and the prompts that go along."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from tbpr_data.pipeline.config import NegativesConfig, load_config
from tbpr_data.pipeline.negatives.similar import features_identity
from tbpr_data.pipeline.run_file import published_run, read_run, write_prompts, write_run
from tbpr_data.prompts.registry import load_prompt


def test_paths_lead_there_from_anywhere_and_are_not_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sets = ["negatives.embed=ViT-B-32:/home/alice/w.pt", "negatives.scorer=/home/alice/lm"]
    config = load_config(None, sets, {"source.path": "lab/people.jsonl", "recipe": ["concise", "mine/formal.toml"]})
    write_run(tmp_path, config, "model")
    values = read_run(tmp_path)
    assert values["source"]["path"] == str(tmp_path / "lab/people.jsonl")
    assert values["recipe"] == ["concise", str(tmp_path / "mine/formal.toml")]
    told = published_run(tmp_path)
    assert "alice" not in told
    assert "lab" not in told
    assert str(tmp_path) not in told
    # Published twice it says the same: a joined dataset names its prompt so already.
    for _ in range(2):
        (tmp_path / "run.toml").write_text(published_run(tmp_path), encoding="utf-8")
        assert read_run(tmp_path)["recipe"] == ["concise", "prompts/formal.toml"]
    # Nor do such paths decide what a dataset is made from.
    assert "alice" not in str(config.shaping())


def test_prompts_of_ones_own_go_along_changed_copies_of_ours_too(tmp_path: Path) -> None:
    ours = load_prompt("paraphrase")
    changed = ours.model_copy(update={"system": "Say it in other words."})
    hidden = load_prompt("concise").model_copy(update={"id": "hidden", "system": "(words of the source)"})
    hashes = {"concise": load_prompt("concise").sha256(), "paraphrase": changed.sha256(), "hidden": "of the whole one"}
    manifest = SimpleNamespace(prompts=(load_prompt("concise"), changed, hidden), made_from={"prompts": hashes})
    assert write_prompts(tmp_path, manifest) == ["prompts/paraphrase.toml"]  # type: ignore[arg-type]
    assert load_prompt(str(tmp_path / "prompts/paraphrase.toml")) == changed


def test_weights_are_known_by_what_is_in_them(tmp_path: Path) -> None:
    told = []
    for name, content in (("a", b"1"), ("b", b"2"), ("c", b"1")):
        (tmp_path / name / "clip").mkdir(parents=True)
        (tmp_path / name / "clip/open_clip_model.safetensors").write_bytes(content)
        told.append(features_identity(NegativesConfig(embed=f"local-dir:{tmp_path / name / 'clip'}")))
    assert told[0] == told[2] != told[1]
    assert str(tmp_path) not in str(told)
