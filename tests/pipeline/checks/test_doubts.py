"""Doubts: which findings are put to the language model, and what its answers settle."""

import pytest

from tbpr_data.pipeline.checks.doubts import Doubts
from tbpr_data.pipeline.checks.select import Judged, judge_sample
from tbpr_data.pipeline.config import ChecksConfig
from tbpr_data.pipeline.language.parse import parse
from tbpr_data.prompts.registry import load_prompt
from tbpr_data.schemas.completion import Completion

SOURCE = "The man is wearing a dark blue jacket, gray pants and white sneakers and walks in the park."
FAITHFUL = "In the park a man walks, dressed in white sneakers, gray pants and a dark blue jacket."


def judged(rewrite: str, answers: dict[str, Completion] | None = None, prompt: str = "paraphrase") -> Judged:
    completion = Completion(key="k", text=rewrite, finish_reason="stop")
    doubts = Doubts("m", answers or {})
    return judge_sample(SOURCE, parse(SOURCE), completion, load_prompt(prompt), ChecksConfig(), doubts=doubts)


def said(text: str, rewrite: str, prompt: str = "paraphrase") -> Judged:
    """The sample after every question about it was answered with `text`."""
    answers = {one.key: Completion(key=one.key, text=text) for one in judged(rewrite, prompt=prompt).questions}
    return judged(rewrite, answers, prompt)


STATION = FAITHFUL.replace("a man", "near the station a man")


def test_an_addition_is_asked_of_the_source() -> None:
    [question] = judged(STATION).questions
    [(role, text)] = question.messages
    assert role == "user"
    assert f"Text A: {SOURCE}\nText B: {STATION}\n" in text
    assert 'Does text A also say or plainly imply "station"?' in text
    assert (question.output, question.sampling) == ("yes_no", {"temperature": 0.0, "max_tokens": 16})


def test_a_drop_is_asked_of_the_rewrite() -> None:
    rewrite = FAITHFUL.replace("In the park a", "A")
    [question] = judged(rewrite).questions
    text = question.messages[0][1]
    assert f"Text A: {rewrite}\nText B: {SOURCE}\n" in text
    assert 'imply "park"?' in text
    # Which a concise prompt is allowed to do.
    assert judged(rewrite, prompt="concise").questions == ()


@pytest.mark.parametrize(
    "rewrite",
    [
        FAITHFUL,
        STATION.replace("gray", "red"),
        STATION.replace("gray pants", "gray pants, a hat"),
        STATION.replace(", gray pants", ""),
        "Man, white sneakers, gray pants, dark blue jacket, park, station",
        STATION.replace("the station", "the station, river, bridge, library, church"),
        "Der Mann geht am Bahnhof.",
        "",
    ],
    ids=["accepted", "contradicted", "item added", "item dropped", "not fluent", "too many", "not English", "empty"],
)
def test_nothing_else_is_asked(rewrite: str) -> None:
    assert judged(rewrite).questions == ()


def test_yes_makes_it_kept_and_the_rest_decides() -> None:
    accepted = said('{"answer": "yes"}', STATION)
    assert accepted.reasons == ()
    assert accepted.verdict is not None
    assert accepted.verdict.accepted
    assert accepted.verdict.faithful
    assert "other: near station" in [str(one) for one in accepted.verdict.of("kept")]
    assert accepted.verdict.of("added") == ()

    both = STATION.replace("station", "station and a bridge")
    station, bridge = judged(both).questions
    yes, no = (f'{{"answer": "{word}"}}' for word in ("yes", "no"))
    answers = {station.key: Completion(key=station.key, text=yes), bridge.key: Completion(key=bridge.key, text=no)}
    half = judged(both, answers)
    assert half.reasons == ("added",)
    assert half.verdict is not None
    assert [str(one) for one in half.verdict.of("added")] == ["other: bridge"]
    assert half.verdict.reasons == ("added other: bridge",)


@pytest.mark.parametrize("text", ['{"answer": "no"}', "", "yes", '{"answer": "yes", "why": 1}', "[" * 100_000])
def test_whatever_is_no_yes_leaves_it_refused(text: str) -> None:
    assert said(text, STATION).reasons == ("added",)


def test_a_failed_question_leaves_it_refused() -> None:
    [question] = judged(STATION).questions
    failed = Completion(key=question.key, text='{"answer": "yes"}', error="HTTP 500", transient=True)
    assert judged(STATION, {question.key: failed}).reasons == ("added",)
