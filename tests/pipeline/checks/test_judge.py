"""Surface checks and the choice among samples."""

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbpr_data.pipeline.checks.select import judge
from tbpr_data.pipeline.checks.surface import novelty, surface_reasons
from tbpr_data.pipeline.config import ChecksConfig
from tbpr_data.prompts.registry import load_prompt
from tbpr_data.schemas.completion import Completion

SOURCE = "The man is wearing a dark blue jacket, gray pants and white sneakers and has a black backpack."


def reasons(rewrite: str, *, finish: str = "stop", policy: str = "paraphrase") -> list[str]:
    completion = Completion(key="k", text=rewrite, finish_reason=finish)
    return surface_reasons(SOURCE, rewrite, completion, policy, ChecksConfig())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rewrite", "expected"),
    [
        ("A man with a black backpack is dressed in a dark blue jacket, gray pants and white sneakers.", []),
        ("", ["empty"]),
        ("A man.", ["too_short"]),
        ("I'm sorry, I can't rewrite this description of a person.", ["refusal"]),
        (SOURCE, ["near_copy"]),
        (SOURCE.upper().replace(",", ""), ["near_copy"]),
        ("Der Mann trägt eine dunkelblaue Jacke und eine graue Hose.", ["not_english"]),
        ("这个男人穿着 蓝色的 夹克 和 灰色的 裤子", ["not_english"]),
        ("A man in a black, black, black jacket and gray pants.", ["repeats"]),
        ("He wears a dark blue jacket and gray pants, he wears a dark blue jacket and gray pants.", ["repeats"]),
    ],
)
def test_reasons(rewrite: str, expected: list[str]) -> None:
    assert reasons(rewrite) == expected


def test_a_cut_answer_is_refused_whatever_it_says() -> None:
    assert reasons("A man with a black backpack in a dark blue jacket and", finish="length") == ["cut_by_length"]


def test_a_concise_rewrite_is_shorter() -> None:
    longer = "There is a man who wears a dark blue jacket, gray pants, white sneakers, and who has a black backpack."
    assert reasons(longer) == []
    assert reasons(longer, policy="concise") == ["not_shorter"]


def test_too_long_is_twice_the_source() -> None:
    assert "too_long" in reasons(" ".join(f"word{i}" for i in range(40)))


def test_failures_name_whose_fault() -> None:
    refused = Completion(key="k", error="HTTP 400: too long")
    failed = Completion(key="k", error="failed after 6 tries", transient=True)
    config = ChecksConfig()
    assert surface_reasons(SOURCE, "", refused, "paraphrase", config) == ["request_refused"]
    assert surface_reasons(SOURCE, "", failed, "paraphrase", config) == ["server_error"]


def test_novelty_by_hand() -> None:
    # Indel distance of word sequences over their joint length: 1 deleted of 4 + 3.
    assert novelty("a red big hat", "A red hat!") == pytest.approx(1 / 7)
    assert novelty("a b", "a b") == 0
    assert novelty("a b", "c d") == 1


@given(st.text(max_size=40), st.text(max_size=40))
def test_novelty_is_symmetric_and_bounded(a: str, b: str) -> None:
    assert 0 <= novelty(a, b) <= 1
    assert novelty(a, b) == pytest.approx(novelty(b, a))


NEAR = "The man wears a dark blue jacket, gray pants and white sneakers, and carries a black backpack."
FAR = "With a black backpack, a man is dressed in white sneakers, gray pants and a dark blue jacket."
# As far from the source, but near to FAR.
FAR_ALIKE = "With a black backpack, a man is dressed in gray pants, white sneakers and a dark blue jacket."
FAR_OTHERWISE = "White sneakers, gray pants, a dark blue jacket and a black backpack are what the man has on."


def verdicts(
    texts: list[str], keep: int | Literal["all"], known: tuple[str, ...] = (SOURCE,), *, faithful: bool = True
) -> list[tuple[str, ...]]:
    completions = [Completion(key=str(i), text=text, finish_reason="stop") for i, text in enumerate(texts)]
    judged = judge(
        SOURCE,
        known,
        completions,
        prompt=load_prompt("paraphrase"),
        config=ChecksConfig(faithful=faithful),
        keep=keep,
    )
    assert [sample.completion for sample in judged] == completions
    assert all((sample.verdict is not None) == (faithful and bool(sample.text)) for sample in judged)
    return [sample.reasons for sample in judged]


def test_one_is_kept_the_one_farthest_from_its_source() -> None:
    assert verdicts([NEAR, FAR, SOURCE, ""], 1) == [("not_best",), (), ("near_copy",), ("empty",)]


def test_two_are_kept_that_differ_from_each_other_too() -> None:
    samples = [NEAR, FAR, FAR_ALIKE, FAR_OTHERWISE]
    assert verdicts(samples, 2) == [("not_best",), (), ("not_best",), ()]
    assert verdicts(samples[::-1], 2) == [(), ("not_best",), (), ("not_best",)]
    assert verdicts(samples, 3) == [(), (), ("not_best",), ()]


def test_no_more_is_kept_than_there_is() -> None:
    assert verdicts([FAR, NEAR], 5) == [(), ()]
    assert verdicts([], 1) == []


def test_all_keeps_those_that_differ() -> None:
    assert verdicts([FAR, NEAR, FAR.lower()], "all") == [(), (), ("duplicate",)]


def test_no_rewrite_repeats_a_caption_of_the_image() -> None:
    assert verdicts([NEAR, FAR], 1, (SOURCE, FAR.upper())) == [(), ("duplicate",)]


UNFAITHFUL = FAR.replace("dark blue", "red").replace("dressed", "wearing a hat and dressed")


def test_what_the_comparison_forbids_is_refused_with_every_reason() -> None:
    assert verdicts([UNFAITHFUL, NEAR], 1) == [("contradicted", "added"), ()]
    assert verdicts(["Man, white sneakers, gray pants, dark blue jacket, black backpack, hat"], 1) == [
        ("added", "not_fluent")
    ]


def test_the_comparison_can_be_turned_off() -> None:
    assert verdicts([UNFAITHFUL, NEAR], "all", faithful=False) == [(), ()]
