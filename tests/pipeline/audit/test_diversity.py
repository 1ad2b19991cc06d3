import pytest

from tbpr_data.pipeline.audit.diversity import distinct_n, self_similarity


@pytest.mark.parametrize(("n", "expected"), [(1, 5 / 10), (2, 5 / 8), (3, 5 / 6)])
def test_distinct_n(n, expected):
    # Twice, within one text or in both: the words `a`, `red` and `hat`, `a red`, `red hat`, and `a red hat`.
    assert distinct_n(["A red shirt, a red hat", "and a red hat"], n) == pytest.approx(expected)


def test_distinct_n_of_nothing():
    assert distinct_n([], 1) is None
    assert distinct_n(["one two"], 3) is None
    assert distinct_n(["same"] * 4, 1) == 0.25
    with pytest.raises(ValueError, match="n is 0"):
        distinct_n(["a"], 0)


def test_self_similarity():
    assert self_similarity([["A red hat.", "a red hat"]]) == 1
    assert self_similarity([["red hat", "blue coat"]]) == 0
    # Indel similarity 2 * common / both lengths: 2*2/(3+3), 2*1/(3+3), 2*1/(3+3); then the mean with a group of 1.
    group = ["a red hat", "a red coat", "a blue shirt"]
    assert self_similarity([group]) == pytest.approx((4 / 6 + 2 / 6 + 2 / 6) / 3)
    assert self_similarity([group, ["same", "same"], ["single"], []]) == pytest.approx((4 / 9 + 1) / 2)
    assert self_similarity([["one"], []]) is None
    assert self_similarity([]) is None
