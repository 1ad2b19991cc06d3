"""Negatives that a language model writes: what of its answers is one, and what becomes of the others."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any
from zlib import crc32

import pytest
from augment_runs import WITH_NEGATIVES, augment, read, shards
from hypothesis import given
from hypothesis import strategies as st
from scripted_server import PROOF, Answer, ScriptedServer, rewrite

from tbpr_data.pipeline.checks.select import judge_sample
from tbpr_data.pipeline.config import ChecksConfig
from tbpr_data.pipeline.language.parse import parse
from tbpr_data.pipeline.negatives.guards import normalised
from tbpr_data.pipeline.negatives.surgery import undo_edits
from tbpr_data.pipeline.negatives.written import Described, prompted_negative, word_edits
from tbpr_data.prompts.registry import load_prompt
from tbpr_data.schemas.completion import Completion
from tbpr_data.schemas.rows import Negative

Start = Callable[..., ScriptedServer]
SOURCE = "A man in a red shirt and black pants carries a blue backpack."


def made_of(answer: str, described: Described = Described()) -> Negative | tuple[str, ...]:  # noqa: B008 - frozen
    prompt = load_prompt("negative")
    completion = Completion(key="k", text=answer, finish_reason="stop")
    sample = judge_sample(SOURCE, parse(SOURCE), completion, prompt, ChecksConfig(), doubts=None)
    return prompted_negative(SOURCE, sample, prompt.id, described)


@pytest.mark.parametrize(
    ("answer", "kind", "slots", "edits"),
    [
        (
            "A man in a black shirt and red pants carries a blue backpack.",
            "swap",
            ["upper.colour", "lower.colour"],
            [("red", "black"), ("black", "red")],
        ),
        (
            '"A man in a dark green shirt and black pants carries a blue backpack."',
            "replace",
            ["upper.colour"],
            [("red", "dark green")],
        ),
    ],
)
def test_one_that_contradicts_is_a_negative(
    answer: str, kind: str, slots: list[str], edits: list[tuple[str, str]]
) -> None:
    made = made_of(answer)
    assert isinstance(made, Negative)
    assert (made.kind, made.slots, made.rule, made.origin) == (kind, slots, "llm/negative", "llm")
    assert [(SOURCE[e.source_start : e.source_end], made.text[e.start : e.end]) for e in made.spans] == edits
    assert undo_edits(made.text, made.spans, SOURCE) == SOURCE


@pytest.mark.parametrize(
    ("answer", "reasons"),
    [
        ("NA", ("abstained",)),
        ("N/A.", ("abstained",)),
        ("", ("empty",)),
        (SOURCE, ("no_change",)),
        ("A man in black pants and a red shirt carries a blue backpack.", ("no_change",)),
        ("A man in a green shirt and black pants with a hat carries a blue backpack.", ("added",)),
        ("A man in a green shirt and black pants.", ("dropped",)),
        ("I'm sorry, I cannot change this description.", ("refusal",)),
    ],
)
def test_one_that_may_be_true_or_is_something_else_is_none(answer: str, reasons: tuple[str, ...]) -> None:
    made = made_of(answer)
    assert isinstance(made, tuple)
    assert set(reasons) <= set(made)


def test_other_captions_of_the_identity_guard_it() -> None:
    answer = "A man in a green shirt and black pants carries a blue backpack."
    other = "He wears a green shirt."
    assert made_of(answer, Described(others=(parse(other),))) == ("other_caption",)
    assert made_of(answer, Described(own_texts={normalised(answer)})) == ("true_text",)
    assert isinstance(made_of(answer, Described(others=(parse("He wears a red shirt."),))), Negative)


@given(st.text(max_size=60), st.text(max_size=60))
def test_undoing_the_word_edits_gives_the_caption(source: str, text: str) -> None:
    assert undo_edits(text, word_edits(source, text), source) == source


def change(body: dict[str, Any], count: int) -> Answer:
    """What a model asked for a negative may say: by the number in the caption NA, a rewrite, or a false colour."""
    content = body["messages"][-1]["content"]
    if PROOF in content:
        return Answer("green")
    caption = content.removeprefix("Change: ")
    if "number 3" in caption:
        return Answer("NA")
    return Answer(caption if "number 4" in caption else caption.replace("green shirt", "red shirt"))


def test_a_run_with_a_prompt_for_negatives(cuhk: Path, tmp_path: Path, scripted: Start) -> None:
    out, server = tmp_path / "out", scripted(change)
    balance = "negatives.balance=false"
    flags = ("--recipe", "negative", WITH_NEGATIVES, "--set", balance, "--set", 'negatives.rules=["add"]')
    done = augment(cuhk, out, server.url, *flags)
    assert done.returncode == 0, done.stderr
    pairs, rejects = read(out, "data"), read(out, "rejects")
    assert all(row["origin"] == "human" for row in pairs)
    written = [(row, one) for row in pairs for one in row["negatives"] if one["origin"] == "llm"]
    assert written
    for row, one in written:
        assert one["text"] == row["text"].replace("green shirt", "red shirt") != row["text"]
        assert (one["rule"], one["kind"], one["slots"]) == ("llm/negative", "replace", ["upper.colour"])
    of = {tuple(row["reasons"]) for row in rejects}
    assert of == {("negative",), ("abstained",), ("no_change",)}
    assert {row["source_caption_id"] for row in rejects if row["reasons"] == ["negative"]} == {
        row["caption_id"] for row, _ in written
    }
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "| `llm/negative` |" in card
    assert "| `abstained` |" in card
    # The same answers give the same bytes.
    again = tmp_path / "again"
    assert augment(cuhk, again, scripted(change).url, *flags).returncode == 0
    assert shards(again) == shards(out)


def test_it_needs_the_comparison(cuhk: Path, tmp_path: Path, scripted: Start) -> None:
    flags = ("--recipe", "negative", "--set", "checks.faithful=false")
    done = augment(cuhk, tmp_path / "out", scripted(change).url, *flags)
    assert done.returncode == 2
    assert "whether a negative is false cannot be told (leave checks.faithful on)" in done.stderr


def weigh(body: dict[str, Any], count: int) -> Answer:
    """vLLM's answer to `prompt_logprobs`: each word a token, the likelier the shorter; else a rewrite."""
    if "prompt" not in body:
        return rewrite(body, count)
    assert body["prompt_logprobs"] == 0
    words = body["prompt"].split()
    places: list[Any] = [None, *({str(crc32(word.encode())): {"logprob": -len(word) / 7}} for word in words)]
    choice = {"text": "", "finish_reason": "length", "prompt_logprobs": places}
    return Answer(body=json.dumps({"choices": [choice], "usage": {"prompt_tokens": len(places)}}).encode())


def texts_asked(server: ScriptedServer) -> list[str]:
    return [body["prompt"] for body in server.requests if "prompt" in body]


SERVED = (WITH_NEGATIVES, "--set", "negatives.scorer=served")


def test_the_server_weighs_the_negatives(cuhk: Path, tmp_path: Path, scripted: Start) -> None:
    out, server = tmp_path / "out", scripted(weigh)
    done = augment(cuhk, out, server.url, *SERVED)
    assert done.returncode == 0, done.stderr
    pairs = read(out, "data")
    made = [(row["text"], one) for row in pairs for one in row["negatives"] if one["origin"] == "rule"]
    assert len(made) > 10
    for text, one in made:
        gap = mean(-len(word) / 7 for word in text.split()) - mean(-len(word) / 7 for word in one["text"].split())
        assert one["scores"]["plausibility"] == pytest.approx(gap, abs=2e-3)
    asked = texts_asked(server)
    assert {"\n" + row["text"] for row in pairs} < set(asked)
    # In the journal it is known; a text of two blocks is asked about in each.
    assert max(Counter(asked).values()) <= 3
    again = tmp_path / "again"
    (again / ".tbpr").mkdir(parents=True)
    (out / ".tbpr" / "journal").rename(again / ".tbpr" / "journal")
    sent = len(server.requests)
    assert augment(cuhk, again, server.url, *SERVED).returncode == 0
    assert len(server.requests) == sent
    assert shards(again) == shards(out)


def test_a_server_that_cannot_tell_ends_the_run_at_once(cuhk: Path, tmp_path: Path, scripted: Start) -> None:
    server = scripted(lambda body, count: Answer("green") if "messages" in body else Answer(body=b'{"choices": [{}]}'))
    done = augment(cuhk, tmp_path / "out", server.url, *SERVED)
    assert done.returncode == 1
    assert "cannot tell how likely a text is: the server gives no prompt_logprobs" in done.stderr
    assert not server.chats[1:]


def test_texts_it_failed_on_are_asked_again(cuhk: Path, tmp_path: Path, scripted: Start) -> None:
    broken = True

    def answer(body: dict[str, Any], count: int) -> Answer:
        if broken and "number 4 " in body.get("prompt", ""):
            return Answer(status=500)
        return weigh(body, count)

    server, out = scripted(answer), tmp_path / "out"
    assert augment(cuhk, out, server.url, *SERVED, "--set", "server.attempts=1").returncode == 3
    broken = False
    sent = len(texts_asked(server))
    assert augment(cuhk, out, server.url, *SERVED).returncode == 0
    again = [text for text in texts_asked(server)[sent:] if "Grass" not in text]
    assert again
    assert all("number 4 " in text for text in again)
