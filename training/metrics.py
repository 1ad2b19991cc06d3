"""What a retrieval model is measured by: R@k, mAP, mINP and mSD.

R@k, AP and INP as in IRRA (Jiang & Ye, CVPR 2023; its `utils/metrics.py`). The mean similarity distribution (mSD) is of
UFineBench (Zuo et al., CVPR 2024, arXiv 2312.03441): an average precision weighed by similarities, times how far the
matches' mean similarity is from the others'. Its released script multiplies matches in the order of the ranking with
similarities in the gallery's order. The published figures agree with the definition and not with the script; what the
script would give is `msd_released`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch.nn.functional import normalize

from .ranks import COSINE_BYTES, Ranked, rank_matches

_BUDGET_BYTES = 64 * 1024**2
# How far rounding, to 16 bits at most, may bring a cosine above 1.
_ROUNDING = 1e-2
# A mean similarity that is zero but for rounding.
_ZERO = 1e-9


@dataclass(frozen=True)
class RetrievalMetrics:
    """Means over the queries that have a match in the gallery, in percent, and how many those were."""

    r1: float
    """Queries whose first row matches."""
    r5: float
    """Queries with a match among the first 5."""
    r10: float
    """Queries with a match among the first 10."""
    map: float
    """Mean average precision."""
    minp: float
    """Mean inverse negative penalty: matches over the rank of the last."""
    msd: float
    """Mean similarity distribution by its definition."""
    msd_released: float
    """The same as UFineBench's script computes it; it changes with the order of the gallery."""
    queries: int
    """Queries that the means are over."""
    without_match: int
    """Queries without a match in the gallery: left out."""
    all_match: int
    """Queries that every row of the gallery matches, among those counted."""


@torch.no_grad()
def retrieval_metrics(
    queries: torch.Tensor,
    gallery: torch.Tensor,
    query_pids: torch.Tensor,
    gallery_pids: torch.Tensor,
    *,
    device: torch.device | str | None = None,
    chunk: int | None = None,
) -> RetrievalMetrics:
    """Search the gallery for every query by cosine, and score the rankings.

    Text to image: captions as queries, and as gallery each image once, not once a caption. Image to text: the other
    way round. A row matches where it has the query's identity.

    Vectors are divided by their length here; a zero vector has cosine 0 with all. All is computed in float64: neither
    autocast nor TF32 reaches it, and its rounding stays below what counts as a tie (see `rank_matches`). So rows of the
    gallery that are equal tie, whatever the chunk; ties are broken by the gallery's order. On a CPU the product takes
    1.7 times as long as in float32, and the whole a quarter more.

    Args:
        queries: Q×D vectors, of any length.
        gallery: G×D vectors, of any length.
        query_pids: Q integers, the identities.
        gallery_pids: G integers.
        device: where to compute; by default where the queries are, or the CPU for MPS, which has no float64.
        chunk: queries at once; by default as many as fit into 64 MB.

    Raises:
        ValueError: a side is empty, shapes disagree, a vector holds NaN or infinity, `chunk` is below 1, or no query
            has a match.
    """
    _check_vectors(queries, gallery, query_pids, gallery_pids)
    if device is None:
        device = "cpu" if queries.device.type == "mps" else queries.device
    size = chunk_size(len(gallery)) if chunk is None else chunk
    if size < 1:
        raise ValueError(f"a chunk of {size} queries: 1 or more are needed")
    rows = _unit(gallery, device).T
    gallery_pids = gallery_pids.to(device)
    parts = zip(torch.split(queries, size), torch.split(query_pids, size), strict=True)
    scores = (_scores(_unit(part, device) @ rows, pids.to(device)[:, None] == gallery_pids) for part, pids in parts)
    return _means(scores, gallery=len(gallery))


@torch.no_grad()
def metrics_of_similarity(cosines: torch.Tensor, matches: torch.Tensor) -> RetrievalMetrics:
    """Score rankings whose cosines are known.

    Args:
        cosines: Q×G, between -1 and 1.
        matches: Q×G bool, True where a row is of the query's identity.

    Raises:
        ValueError: a side is empty, shapes disagree, a value is no cosine (NaN too), or no query has a match.
    """
    if cosines.ndim != 2 or cosines.shape != matches.shape or not cosines.numel():
        raise ValueError(f"cosines {tuple(cosines.shape)}, matches {tuple(matches.shape)}: not Q×G both, or empty")
    if not (cosines.abs() <= 1 + _ROUNDING).all():
        raise ValueError("cosines must lie between -1 and 1; here some do not, or are NaN")
    size = chunk_size(cosines.shape[1])
    parts = zip(torch.split(cosines, size), torch.split(matches.bool(), size), strict=True)
    return _means((_scores(part.double(), hits) for part, hits in parts), gallery=cosines.shape[1])


def chunk_size(gallery: int) -> int:
    """Queries at once that keep within 64 MB, for a gallery of that many rows."""
    return max(1, _BUDGET_BYTES // (COSINE_BYTES * gallery))


def _scores(cosines: torch.Tensor, matches: torch.Tensor) -> torch.Tensor:
    """B×6, of each query: matches, first rank, AP, INP, SD, and SD as released; NaN where it has no match."""
    ranked = rank_matches(cosines, matches)
    nth = torch.arange(1, ranked.rank.shape[1] + 1, device=cosines.device)
    precision = torch.where(ranked.real, nth / ranked.rank.double(), 0)
    last = torch.where(ranked.real, ranked.rank, 0).amax(dim=1)
    columns = (
        ranked.matches,
        ranked.rank[:, 0],
        precision.sum(dim=1) / ranked.matches,
        ranked.matches / last.double(),
        _similarity_distribution(ranked, ranked.similarity, ranked.upto, precision),
        _similarity_distribution(ranked, ranked.gallery_similarity, ranked.gallery_upto, precision),
    )
    return torch.stack([column.double() for column in columns], dim=1)


def _similarity_distribution(
    ranked: Ranked, similarity: torch.Tensor, upto: torch.Tensor, precision: torch.Tensor
) -> torch.Tensor:
    """SD = (1/R · Σ P_i/C_i over matches i) · (1 - exp(-s̄⁺/s̄⁻)), B.

    Where all similarities up to a match are 0, P_i/C_i is the precision, its value for equal ones. Where every row
    matches there is no s̄⁻, and where s̄⁻ is 0 no ratio: the second factor is then 1, its limit.
    """
    weighed = torch.where(upto > _ZERO, similarity.cumsum(dim=1) / upto, precision)
    average = torch.where(ranked.real, weighed, 0).sum(dim=1) / ranked.matches
    positive = similarity.sum(dim=1)
    others = ranked.gallery - ranked.matches
    negative = (ranked.total - positive) / others
    ratio = positive / ranked.matches / negative
    return average * torch.where((others == 0) | (negative <= _ZERO), 1, -torch.expm1(-ratio))


def _means(scores: Iterable[torch.Tensor], gallery: int) -> RetrievalMetrics:
    rows = torch.cat(list(scores)).cpu()
    counted = rows[rows[:, 0] > 0]
    if not len(counted):
        raise ValueError(f"none of the {len(rows)} queries has a match in the gallery: are pids of one numbering?")
    matches, first = counted[:, 0], counted[:, 1]
    ap, inp, sd, released = (100 * counted[:, 2:].mean(dim=0)).tolist()
    r1, r5, r10 = (100 * float((first <= k).double().mean()) for k in (1, 5, 10))
    return RetrievalMetrics(
        r1=r1,
        r5=r5,
        r10=r10,
        map=ap,
        minp=inp,
        msd=sd,
        msd_released=released,
        queries=len(counted),
        without_match=len(rows) - len(counted),
        all_match=int((matches == gallery).sum()),
    )


def _unit(vectors: torch.Tensor, device: torch.device | str) -> torch.Tensor:
    return normalize(vectors.to(device).double(), dim=1)


def _check_vectors(
    queries: torch.Tensor, gallery: torch.Tensor, query_pids: torch.Tensor, gallery_pids: torch.Tensor
) -> None:
    for name, vectors, pids in (("queries", queries, query_pids), ("gallery", gallery, gallery_pids)):
        if vectors.ndim != 2 or pids.shape != vectors.shape[:1]:
            raise ValueError(f"{name}: vectors {tuple(vectors.shape)} and pids {tuple(pids.shape)}, not N×D and N")
        if not vectors.numel():
            raise ValueError(f"{name}: no vectors")
        broken = (~vectors.isfinite()).any(dim=1).nonzero()
        if len(broken):
            raise ValueError(f"{name}: {len(broken)} vectors hold NaN or infinity, the first is row {int(broken[0])}")
    if queries.shape[1] != gallery.shape[1]:
        raise ValueError(f"queries have {queries.shape[1]} dimensions, the gallery {gallery.shape[1]}")
