import math
from dataclasses import asdict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tbpr_data.training.metrics import RetrievalMetrics, chunk_size, metrics_of_similarity, retrieval_metrics

FACTOR = 1 - math.exp(-1)
GRID = st.integers(-50, 50).map(lambda step: step / 50)


def one(cosines, matches) -> RetrievalMetrics:
    return metrics_of_similarity(torch.tensor([cosines]), torch.tensor([matches], dtype=torch.bool))


def naive(cosines: np.ndarray, matches: np.ndarray) -> dict[str, float]:
    """By the definitions, query after query, rank after rank."""
    rows = []
    for row, hit in zip(cosines, matches, strict=True):
        if not hit.any():
            continue
        order = sorted(range(len(row)), key=lambda at, row=row: (-row[at], at))
        found = [rank for rank, at in enumerate(order, start=1) if hit[at]]
        ap = np.mean([(nth + 1) / rank for nth, rank in enumerate(found)])
        own = row / 2 + 0.5
        relevant = hit[order]
        rows.append(
            [found[0] <= 1, found[0] <= 5, found[0] <= 10, ap, len(found) / found[-1]]
            + [math.prod(naive_sd(similar, relevant)) for similar in (own[order], own)]
            + [naive_sd(own[order], relevant)[0]]
        )
    names = ("r1", "r5", "r10", "map", "minp", "msd", "msd_released", "weighed_ap")
    return dict(zip(names, 100 * np.mean(np.array(rows, dtype=float), axis=0), strict=True))


def naive_sd(similar: np.ndarray, relevant: np.ndarray) -> tuple[float, float]:
    """The weighed average precision, and the factor."""
    above, total, ratios = 0.0, 0.0, []
    for rank, (value, is_relevant) in enumerate(zip(similar, relevant, strict=True), start=1):
        total += value
        above += value * is_relevant
        if is_relevant:
            ratios.append(above / total if total else (len(ratios) + 1) / rank)
    others = similar[~relevant]
    factor = 1.0 if not len(others) or others.mean() == 0 else 1 - math.exp(-similar[relevant].mean() / others.mean())
    return float(np.mean(ratios)), factor


@st.composite
def rankings(draw):
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 14)))
    cosines = draw(hnp.arrays(np.float64, shape, elements=GRID))
    matches = draw(hnp.arrays(np.bool_, shape))
    matches[0, draw(st.integers(0, shape[1] - 1))] = True
    return cosines, matches


@pytest.mark.parametrize(
    ("cosines", "matches", "msd", "released"),
    [
        ([0.8, 0.6, 0.4, 0.2, 0.0], [1, 0, 1, 0, 0], 0.597700, 0.597700),
        ([0.2, 0.4, 0.0, 0.8, 0.6], [0, 1, 0, 1, 0], 0.597700, 0.400497),
        ([0.1, 0.1, 0.8], [0, 0, 1], 0.805313, 0.531688),
        ([0.3, 0.3, 0.3, 0.3], [1, 0, 0, 0], 0.632121, 0.632121),
        ([0.9, 0.5, 0.1], [0, 0, 1], 0.116457, 0.116457),
    ],
)
def test_msd_of_worked_examples(cosines, matches, msd, released):
    scored = one(cosines, matches)
    assert scored.msd / 100 == pytest.approx(msd, abs=6e-7)
    assert scored.msd_released / 100 == pytest.approx(released, abs=6e-7)


def test_the_other_measures_by_hand():
    # Ranks 2 and 4 of 6: AP = (1/2 + 2/4) / 2, INP = 2/4. And a query whose only match comes first.
    cosines = torch.tensor([[0.5, 0.6, 0.2, 0.3, 0.1, 0.0], [0.9, 0.1, 0.2, 0.3, 0.4, 0.5]])
    matches = torch.tensor([[1, 0, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0]], dtype=torch.bool)
    scored = metrics_of_similarity(cosines, matches)
    assert (scored.r1, scored.r5, scored.r10) == (50, 100, 100)
    assert (scored.map, scored.minp) == pytest.approx((75, 75))
    assert (scored.queries, scored.without_match, scored.all_match) == (2, 0, 0)


def test_queries_without_a_match_are_left_out_and_those_with_nothing_else_are_counted():
    cosines = torch.tensor([[0.8, 0.2], [0.8, 0.2], [0.8, 0.2]])
    scored = metrics_of_similarity(cosines, torch.tensor([[True, False], [False, False], [True, True]]))
    assert (scored.queries, scored.without_match, scored.all_match) == (2, 1, 1)
    # Where all match there is no mean of the others: the factor is 1.
    assert scored.msd == pytest.approx(50 * (1 - math.exp(-0.9 / 0.6)) + 50)
    assert (scored.r1, scored.map) == (100, 100)


def test_similarities_of_zero():
    # All others are opposite: s̄⁻ = 0. All are: s̄⁺ = 0 too, and P/C is the precision.
    assert one([1.0, -1.0], [1, 0]).msd == pytest.approx(100)
    assert one([-1.0, -1.0, -1.0], [0, 1, 0]).msd == pytest.approx(50)


@given(rankings())
def test_agrees_with_the_definitions(ranking):
    cosines, matches = ranking
    scored = metrics_of_similarity(torch.tensor(cosines), torch.tensor(matches))
    expected = naive(cosines, matches)
    assert scored.msd - 1e-7 <= expected.pop("weighed_ap") <= 100 + 1e-7
    assert {name: asdict(scored)[name] for name in expected} == pytest.approx(expected, abs=1e-7)
    counts = matches.sum(axis=1)
    assert scored.queries == (counts > 0).sum()
    assert scored.without_match == (counts == 0).sum()
    assert scored.all_match == (counts == matches.shape[1]).sum()


@given(rankings(), st.integers(0, 2**32 - 1))
def test_the_order_of_the_gallery_does_not_matter_without_ties(ranking, seed):
    cosines, matches = ranking
    ranks = cosines.argsort(axis=1).argsort(axis=1)
    untied = torch.tensor(ranks / max(1, cosines.shape[1] - 1) * 1.6 - 0.8)
    order = np.random.default_rng(seed).permutation(cosines.shape[1])
    before = asdict(metrics_of_similarity(untied, torch.tensor(matches)))
    after = asdict(metrics_of_similarity(untied[:, order], torch.tensor(matches)[:, order]))
    del before["msd_released"], after["msd_released"]
    assert after == pytest.approx(before, abs=1e-7)


@given(rankings())
def test_equal_similarities_and_perfect_rankings(ranking):
    cosines, matches = ranking
    # Equal similarities weigh nothing, and a perfect ranking has nothing but matches up to its last.
    equal = metrics_of_similarity(torch.full(cosines.shape, 0.3), torch.tensor(matches))
    if not equal.all_match:
        assert equal.msd == pytest.approx(FACTOR * equal.map, abs=1e-7)
        assert equal.msd_released == pytest.approx(equal.msd, abs=1e-7)
    perfect = metrics_of_similarity(torch.where(torch.tensor(matches), 0.4, -0.2), torch.tensor(matches))
    assert (perfect.r1, perfect.map, perfect.minp) == pytest.approx((100, 100, 100))
    # Then the weighed AP is 1 as well, and SD the factor alone, of s̄⁺ = 0.7 and s̄⁻ = 0.4.
    alone = perfect.all_match / perfect.queries
    assert perfect.msd == pytest.approx(100 * (alone + (1 - alone) * (1 - math.exp(-0.7 / 0.4))))


@settings(max_examples=30)
@given(
    st.integers(1, 40),
    st.integers(1, 60),
    st.integers(1, 8),
    st.integers(0, 2**32 - 1),
    st.integers(1, 45),
    st.sampled_from([torch.float32, torch.float64, torch.bfloat16]),
)
def test_vectors_score_as_their_cosines_whatever_the_chunk(queries, gallery, identities, seed, chunk, dtype):
    random = torch.Generator().manual_seed(seed)
    # Small integers: cosines tie often, and rows repeat.
    text = torch.randint(-2, 3, (queries, 3), generator=random).to(dtype)
    image = torch.randint(-2, 3, (gallery, 3), generator=random).to(dtype)
    image_pids = torch.randint(identities, (gallery,), generator=random)
    text_pids = image_pids[torch.randint(gallery, (queries,), generator=random)]
    whole = asdict(retrieval_metrics(text, image, text_pids, image_pids))
    assert asdict(retrieval_metrics(text, image, text_pids, image_pids, chunk=chunk)) == pytest.approx(whole, abs=1e-7)
    unit = [
        x / np.linalg.norm(x, axis=1, keepdims=True).clip(1e-12)
        for x in (text.double().numpy(), image.double().numpy())
    ]
    expected = naive((unit[0] @ unit[1].T).round(12), (text_pids[:, None] == image_pids).numpy())
    del expected["weighed_ap"]
    assert {name: whole[name] for name in expected} == pytest.approx(expected, abs=1e-6)


def test_equal_rows_tie_exactly_and_the_first_comes_first():
    random = torch.Generator().manual_seed(0)
    rows = torch.randn(997, 512, generator=random)
    queries = torch.randn(60, 512, generator=random)
    gallery = torch.cat([rows.repeat_interleave(2, dim=0), rows[:3]])
    nearest = (queries.double() @ torch.nn.functional.normalize(rows.double()).T).argmax(dim=1)
    pids = torch.arange(len(gallery))
    for chunk in (1, 7, 60):
        assert retrieval_metrics(queries, gallery, 2 * nearest, pids, chunk=chunk).r1 == 100
        second = retrieval_metrics(queries, gallery, 2 * nearest + 1, pids, chunk=chunk)
        assert second.r1 == 0
        assert second.r5 == 100


def test_autocast_changes_nothing():
    random = torch.Generator().manual_seed(0)
    vectors = torch.randn(60, 32, generator=random, requires_grad=True)
    pids = torch.arange(60) // 3
    plain = retrieval_metrics(vectors, vectors.flip(0), pids, pids.flip(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert retrieval_metrics(vectors, vectors.flip(0), pids, pids.flip(0), device="cpu") == plain


def test_a_chunk_is_never_empty_and_shrinks_with_the_gallery():
    assert chunk_size(10**9) == 1
    assert chunk_size(20_000) * 20_000 * 8 < 2**25


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"queries": torch.zeros(0, 4), "query_pids": torch.zeros(0)}, "queries: no vectors"),
        ({"gallery": torch.zeros(0, 4), "gallery_pids": torch.zeros(0)}, "gallery: no vectors"),
        ({"gallery": torch.tensor([[1.0] * 4, [math.nan] * 4])}, "gallery: 1 vectors hold NaN or infinity.* row 1"),
        ({"queries": torch.tensor([[math.inf] * 4, [1.0] * 4])}, "queries: 1 vectors hold NaN or infinity.* row 0"),
        ({"gallery": torch.ones(2, 5)}, "queries have 4 dimensions, the gallery 5"),
        ({"gallery_pids": torch.arange(3)}, "gallery: vectors"),
        ({"query_pids": torch.tensor([7, 8])}, "none of the 2 queries has a match"),
        ({"chunk": 0}, "a chunk of 0"),
    ],
)
def test_vectors_that_cannot_be_scored(change, words):
    given = {"queries": torch.ones(2, 4), "gallery": torch.ones(2, 4)}
    given |= {"query_pids": torch.arange(2), "gallery_pids": torch.arange(2)}
    with pytest.raises(ValueError, match=words):
        retrieval_metrics(**(given | change))


@pytest.mark.parametrize(
    "cosines", [torch.tensor([[math.nan]]), torch.tensor([[1.5]]), torch.zeros(0, 1), torch.zeros(1, 2)]
)
def test_matrices_that_cannot_be_scored(cosines):
    with pytest.raises(ValueError, match="cosines"):
        metrics_of_similarity(cosines, torch.ones(len(cosines), 1, dtype=torch.bool))
