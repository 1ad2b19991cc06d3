import numpy as np
import pytest

from tbpr_data.pipeline.audit.accuracy import accuracy_of
from tbpr_data.pipeline.audit.blind import blind_report, blind_wins

COLOURS = ("red", "blue", "green", "white", "black", "grey", "pink", "brown")
THINGS = ("shirt", "bag", "coat", "hat", "skirt", "scarf")
CAPTIONS = [f"A man in a {colour} {thing} walks." for colour in COLOURS for thing in THINGS]
KEYS = [f"set/{i}.jpg#0" for i in range(len(CAPTIONS))]
NEGATED = [text.replace("in a", "in no") for text in CAPTIONS]


def words_of_its_own(captions: int, pairs: int) -> tuple[list[str], list[str], list[str]]:
    """Negatives that only their own caption's others would give away."""
    rows = [(f"w{i} x{i} y{i}", f"w{i} x{i} y{i} told{i}", f"key {i}") for i in range(captions) for _ in range(pairs)]
    sources, negatives, groups = zip(*rows, strict=True)
    return list(sources), list(negatives), list(groups)


def test_a_word_that_only_negatives_have_tells_them_all():
    assert blind_wins(CAPTIONS, NEGATED, KEYS) == [1.0] * len(CAPTIONS)


def test_pairs_that_stand_both_ways_are_a_guess():
    report = blind_report(CAPTIONS + NEGATED, NEGATED + CAPTIONS, KEYS * 2, ["swap"] * len(CAPTIONS) * 2)
    # One of the two is always right, and they are resampled together.
    assert report.overall is not None
    assert (report.overall.accuracy, report.overall.low, report.overall.high) == (0.5, 0.5, 0.5)


def test_no_caption_is_scored_by_what_learned_from_it():
    sources, negatives, groups = words_of_its_own(30, 4)
    assert blind_wins(sources, negatives, groups) == [0.5] * 120
    # The same text under another id is the same caption, and so is one told apart by what is not read.
    other_ids = [f"{group} {i}" for i, group in enumerate(groups)]
    assert blind_wins(sources, negatives, other_ids) == [0.5] * 120
    retyped = [text.upper() + "!" * (i % 4) for i, text in enumerate(sources)]
    assert blind_wins(retyped, negatives, other_ids, lower=True) == [0.5] * 120


def test_what_lower_reads():
    shouted = [text.upper() for text in CAPTIONS]
    spaced = [text.replace(".", " .") for text in CAPTIONS]
    for negatives in (shouted, spaced):
        assert blind_wins(CAPTIONS, negatives, KEYS) == [1.0] * len(CAPTIONS)
        assert blind_wins(CAPTIONS, negatives, KEYS, lower=True) == [0.5] * len(CAPTIONS)


def test_the_same_again_and_by_the_seed():
    rng = np.random.default_rng(0)
    sources, negatives = ([" ".join(rng.choice(COLOURS, 6)) for _ in KEYS] for _ in range(2))
    kinds = ["swap", "add"] * (len(KEYS) // 2)
    first = blind_report(sources, negatives, KEYS, kinds)
    assert first == blind_report(sources, negatives, KEYS, kinds)
    assert first != blind_report(sources, negatives, KEYS, kinds, seed=1)
    wins = blind_wins(sources, negatives, KEYS)
    assert wins is not None
    assert first.overall is not None
    assert first.overall.accuracy == pytest.approx(sum(wins) / len(wins))
    assert wins != blind_wins(sources, negatives, KEYS, seed=1)


def test_each_kind_together_and_alone():
    # `no` for `a`, and the other way round: each kind alone is plain, together neither word tells anything.
    plain, negated = [f"w{i} a x{i}" for i in range(60)], [f"w{i} no x{i}" for i in range(60)]
    sources, negatives = plain[:30] + negated[30:], negated[:30] + plain[30:]
    report = blind_report(sources, negatives, [f"{i}" for i in range(60)], ["replace"] * 30 + ["negate"] * 30)
    assert list(report.kinds) == ["negate", "replace"]
    together = []
    for kind in report.kinds.values():
        assert kind.alone is not None
        assert (kind.alone.pairs, kind.alone.accuracy) == (30, 1.0)
        assert kind.together is not None
        together.append(kind.together.accuracy)
    assert report.overall is not None
    assert report.overall.accuracy == pytest.approx(sum(together) / 2)
    assert report.overall.accuracy < 0.7


def test_too_few_pairs():
    assert blind_wins(CAPTIONS[:4], NEGATED[:4], KEYS[:4]) is None
    assert blind_wins(CAPTIONS[:1] * 9, NEGATED[:9], KEYS[:1] * 9) is None
    assert blind_wins([], [], []) is None
    report = blind_report(CAPTIONS, NEGATED, KEYS, ["add", *["negate"] * (len(KEYS) - 1)])
    assert report.overall is not None
    assert (report.kinds["add"].together, report.kinds["add"].alone) == (None, None)
    assert blind_report(CAPTIONS[:2], NEGATED[:2], KEYS[:2], ["add"] * 2).overall is None


def test_texts_without_words_are_ties():
    blanks = [" " * i for i in range(6)]
    assert blind_wins(CAPTIONS[:6], blanks, KEYS[:6], folds=2) is None  # the blank text ties them into one
    assert blind_wins(["."] * 6, ["!"] * 6, KEYS[:6], lower=True, folds=2) is None


def test_unusable_arguments():
    with pytest.raises(ValueError, match="2 or more"):
        blind_wins(CAPTIONS, NEGATED, KEYS, folds=1)
    with pytest.raises(ValueError, match="argument"):
        blind_wins(CAPTIONS, NEGATED[1:], KEYS)
    with pytest.raises(ValueError, match="argument"):
        blind_report(CAPTIONS, NEGATED, KEYS, ["add"])
    with pytest.raises(ValueError, match="2 wins, 1 units"):
        accuracy_of([1, 0], [0])


def test_the_interval_is_one_of_captions():
    rng = np.random.default_rng(0)
    wins = (rng.random(400) < 0.8).astype(float)
    alone = accuracy_of(wins.tolist(), range(400))
    assert alone is not None
    assert alone.low < alone.accuracy < alone.high
    # The normal interval of 400 pairs: 1.96 * sqrt(p (1 - p) / 400).
    half = 1.96 * np.sqrt(alone.accuracy * (1 - alone.accuracy) / 400)
    assert (alone.high - alone.low) / 2 == pytest.approx(half, rel=0.08)
    # Each told four times over: no more is known.
    copied = accuracy_of(np.repeat(wins, 4).tolist(), np.repeat(np.arange(400), 4).tolist())
    assert copied is not None
    assert (copied.pairs, copied.accuracy) == (1600, alone.accuracy)
    assert (copied.low, copied.high) == pytest.approx((alone.low, alone.high))
    assert accuracy_of([1.0, 0.0], [7, 7]) is None
