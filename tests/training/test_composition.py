import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tbpr_data.training.composition import Share, composition, precision_at_1

EAST, NORTH, WEST = [1.0, 0.0], [0.0, 2.0], [-3.0, 0.0]


def test_by_hand():
    # The images point east. Won, won, tied; lost, won.
    scored = composition(
        torch.tensor([EAST] * 5),
        torch.tensor([EAST, EAST, NORTH, NORTH, NORTH]),
        torch.tensor([NORTH, WEST, [0.0, -1.0], EAST, WEST]),
        kinds=["swap", "swap", "replace", "swap", "replace"],
        rules=["nouns", "colours", "colours", "nouns", "nouns"],
        captions=[4, 4, 9, 7, 7],
    )
    assert scored.overall == Share(70, 5)
    assert scored.kinds == {"replace": Share(75, 2), "swap": Share(pytest.approx(200 / 3), 3)}
    assert list(scored.kinds) == ["replace", "swap"]
    assert scored.rules == {"colours": Share(75, 2), "nouns": Share(pytest.approx(200 / 3), 3)}
    assert scored.all == Share(pytest.approx(100 / 3), 3)


def test_a_bag_of_words_is_at_chance():
    random = torch.Generator().manual_seed(0)
    image, text = torch.randn(2, 1001, 511, generator=random)
    scored = composition(image, text, text.clone(), ["swap"] * 1001, ["nouns"] * 1001, list(range(1001)))
    assert scored.overall == Share(50, 1001)
    assert scored.all == Share(0, 1001)


def test_as_many_rows_as_are_read_in_parts():
    random = torch.Generator().manual_seed(0)
    image, text, negative = torch.randn(3, 20_001, 4, generator=random)
    scored = composition(image, text, negative, ["a"] * 20_001, ["b"] * 20_001, list(range(20_001)))
    cosines = [torch.nn.functional.cosine_similarity(image, other) for other in (text, negative)]
    won = 100 * (cosines[0] > cosines[1]).double().mean()
    assert scored.overall.percent == pytest.approx(float(won), abs=0.01)
    assert scored.all == scored.overall


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rules": ["a"]}, "2 pairs, 2 kinds, 1 rules, 2 caption numbers"),
        ({"negative": torch.ones(2, 3)}, "each must be N×D"),
        ({"caption": torch.tensor([EAST, [math.nan, 0]])}, "captions: 1 vectors hold NaN or infinity.* row 1"),
        ({name: torch.zeros(0, 2) for name in ("image", "caption", "negative")}, "no pairs"),
    ],
)
def test_pairs_that_cannot_be_scored(change, words):
    given = {name: torch.ones(2, 2) for name in ("image", "caption", "negative")}
    with pytest.raises(ValueError, match=words):
        composition(**{**given, "kinds": ["a"] * 2, "rules": ["a"] * 2, "captions": [0, 1], **change})


def test_precision_at_1_by_hand():
    none = math.nan
    options = torch.tensor([[1, 2, 3], [5, 1, 2], [5, 5, 1], [5, none, none], [6, 5, none], [none, none, none]])
    # Beats all, ties with one, with two, with its only one; is beaten though it ties; has no option.
    scored = precision_at_1(torch.full((6,), 5.0), options)
    assert scored == Share(pytest.approx(100 * (1 + 1 / 2 + 1 / 3 + 1 / 2 + 0) / 5), 5)


@given(st.integers(1, 6), st.integers(1, 5))
def test_order_tests_have_a_bag_of_words_at_chance(captions, options):
    scored = precision_at_1(torch.full((captions,), 0.3), torch.full((captions, options), 0.3))
    assert scored == Share(pytest.approx(100 / (options + 1)), captions)


@pytest.mark.parametrize(
    ("true", "options"),
    [
        ([math.nan], [[1.0]]),
        ([1.0], [[math.inf]]),
        ([1.0], [[math.nan]]),
        ([1.0], [[1.0], [2.0]]),
    ],
)
def test_scores_that_cannot_be_compared(true, options):
    with pytest.raises(ValueError, match="option"):
        precision_at_1(torch.tensor(true), torch.tensor(options))
