"""The verdict: what the comparison finds, under each policy."""

import pytest
from gold.score import load
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tbpr_data.pipeline.checks.verdict import judge_pair
from tbpr_data.pipeline.language.lexicon.load import lexicon
from tbpr_data.pipeline.language.parse import parse

SOURCE = "The man wears a navy shirt, black pants and white sneakers. He carries a red bag on his left shoulder."


def found(rewrite: str, source: str = SOURCE) -> dict[str, list[str]]:
    verdict = judge_pair(source, rewrite, "paraphrase")
    statuses = ("generalised", "specialised", "dropped", "added", "contradicted")
    return {status: [str(one) for one in verdict.of(status)] for status in statuses if verdict.of(status)}


FAITHFUL = (
    "Carrying a red bag on his left shoulder, a man is dressed in black trousers, a navy shirt and white tennis shoes."
)


def test_a_faithful_rewrite_passes_all() -> None:
    assert found(FAITHFUL) == {}
    assert judge_pair(SOURCE, FAITHFUL, "paraphrase").accepted


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("navy", "blue"), {"generalised": ["upper.colour: navy → blue"]}),
        (("navy", "red"), {"contradicted": ["upper.colour: navy → red"]}),
        (("white tennis shoes", "white shoes"), {"generalised": ["footwear: sneakers → shoes"]}),
        (("left", "right"), {"contradicted": ["bag.where: left shoulder → right shoulder"]}),
        (("a man", "a young man"), {"added": ["age: young"]}),
        (("a man", "a person"), {}),  # "his" still tells
        (("and white tennis shoes", ""), {"dropped": ["footwear: sneakers"]}),
        (("tennis shoes", "tennis shoes and a hat"), {"added": ["headwear: hat"]}),
        (("navy shirt", "stylish navy shirt"), {"added": ["upper.style: stylish"]}),
        (("black trousers, a navy shirt", "navy trousers, a black shirt"), "two contradictions"),
    ],
)
def test_one_change_one_finding(change: tuple[str, str], expected: object) -> None:
    rewrite = FAITHFUL.replace(*change)
    assert rewrite != FAITHFUL
    if expected == "two contradictions":
        assert len(found(rewrite)["contradicted"]) == 2
    else:
        assert found(rewrite) == expected


@pytest.mark.parametrize(
    ("rewrite", "paraphrase", "concise"),
    [
        ("A man in a blue shirt, black pants and white shoes with a red bag.", False, True),
        ("A man in a blue shirt, black pants and white shoes with a red backpack.", False, False),
        (FAITHFUL, True, True),
    ],
)
def test_policies(rewrite: str, paraphrase: bool, concise: bool) -> None:
    assert judge_pair(SOURCE, rewrite, "paraphrase").faithful is paraphrase
    assert judge_pair(SOURCE, rewrite, "concise").faithful is concise


def test_negation_is_kept() -> None:
    source = "A man in a red shirt without a hat."
    assert found("A hatless man, in a red shirt and no hat.", source).get("contradicted") is None
    assert found("A man in a red shirt and a hat.", source)["contradicted"] == ["headwear: no hat → hat"]


@pytest.mark.parametrize(
    ("source", "rewrite", "told"),
    [
        (
            "A man in a red t-shirt and jeans.",
            "In a red t-shirt and jeans, a man is there, with a black t-shirt.",
            {"contradicted": ["upper.colour: red t-shirt → black t-shirt"]},
        ),
        (
            "A man wearing a black jacket.",
            "A man carries a black jacket.",
            {"contradicted": ["outer: jacket → carried jacket"]},
        ),
        ("A man with a bag.", "A man with two bags.", {"added": ["bag.count: 1 bag → 2 bag"]}),
        ("A woman with long black hair.", "The woman has black hair, and the black hair is long.", {}),
    ],
)
def test_what_clashes_is_told(source: str, rewrite: str, told: dict[str, list[str]]) -> None:
    assert found(rewrite, source) == told


@pytest.mark.parametrize(
    ("rewrite", "fluent"),
    [
        (FAITHFUL, True),
        ("Navy shirt, black pants, white sneakers, red bag", False),
        ("The man wears a navy shirt, a navy shirt and a black pants.", False),
        ("Here is the rewritten caption: the man wears a navy shirt.", False),
    ],
)
def test_fluency(rewrite: str, fluent: bool) -> None:
    assert judge_pair(SOURCE, rewrite, "concise").fluent is fluent


@pytest.mark.parametrize(
    "odd", ["", "...", "!!!", "😀" * 50, "这个人穿着红色的衣服", "<b>man</b>", "\x00", "word " * 10_000]
)
def test_odd_texts_get_a_verdict(odd: str) -> None:
    assert not judge_pair(SOURCE, odd, "paraphrase").accepted
    judge_pair(odd, SOURCE, "concise")


def gold_captions() -> list[str]:
    return [row["text"] for row in load("captions_dev")]


_PHRASES = sorted({" ".join(phrase) for phrase in lexicon().meanings})


@given(st.lists(st.sampled_from([*_PHRASES, "a", "his", "and", "with", ",", ".", "no"]), min_size=1, max_size=30))
@settings(max_examples=200, deadline=None)
def test_every_text_is_faithful_to_itself(phrases: list[str]) -> None:
    text = " ".join(phrases)
    assert not [str(one) for one in judge_pair(text, text, "paraphrase").findings if one.status != "kept"] or not text


@given(st.sampled_from(gold_captions()), st.data())
@settings(max_examples=200, deadline=None)
def test_colours_that_change_places_are_seen(caption: str, data: st.DataObject) -> None:
    """Swap the colours of two garments of a caption: no policy lets it through."""
    coloured = [item for item in parse(caption).of("upper", "lower", "footwear") if len(item.colours) == 1]
    assume(len(coloured) > 1)
    first, second = data.draw(st.permutations(coloured))[:2]
    a, b = sorted((first.colours[0], second.colours[0]), key=lambda colour: colour.span)
    assume(a.family != b.family and a.shade is None and b.shade is None)
    swapped = caption[: a.span[0]] + b.text + caption[a.span[1] : b.span[0]] + a.text + caption[b.span[1] :]
    assert not judge_pair(caption, swapped, "concise").faithful
