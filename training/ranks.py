"""Where the matches of a query stand in its gallery, and what stands before them: by counting, without a sort.

A match's rank is one more than the number of rows nearer than it. A binary search among the few matches of a query says
of each row of the gallery which match it stands before, and a histogram of that gives all ranks and all sums. With
20,000 rows and 4 matches a query that took 0.4 ms on one CPU core; a stable sort and its cumulative sums, 2.2 ms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

COSINE_BYTES = 32
"""What `rank_matches` holds at once for a cosine, the cosine included; more where most of the gallery matches."""

# Rows of the gallery are put this far apart (5.7e-14), so that its order breaks ties. Cosines of equal vectors, of
# 512 dimensions and in float64, came out up to 8e-16 apart.
_STEP = 2.0**-44


@dataclass(frozen=True)
class Ranked:
    """The matches of B queries in the order of their ranks, in W columns: the most that a query has, at least 1.

    Similarities are cosines mapped to [0, 1]: s = c/2 + 1/2.
    """

    matches: torch.Tensor
    """B: matches in the gallery."""
    real: torch.Tensor
    """B×W: False where a query has fewer matches than columns."""
    rank: torch.Tensor
    """B×W: 1 for the first row of the ranking."""
    similarity: torch.Tensor
    """B×W: of the match, 0 where there is none."""
    upto: torch.Tensor
    """B×W: the similarities of the ranking summed, from its first row to the match."""
    gallery_similarity: torch.Tensor
    """B×W: of the row with the rank's number in the gallery's order, 0 where there is no match."""
    gallery_upto: torch.Tensor
    """B×W: the similarities summed in the gallery's order, as many as the rank says."""
    total: torch.Tensor
    """B: all similarities summed."""
    gallery: int
    """Rows of the gallery."""


def rank_matches(cosines: torch.Tensor, matches: torch.Tensor) -> Ranked:
    """Rank the gallery for every query, highest cosine first, ties in the gallery's order.

    Each row's similarity is lowered by 2⁻⁴⁴ for every row before it, which tells equal ones apart. So the later of two
    rows may come first only if its cosine is higher by 2⁻⁴³ for each row between them (2e-9 over 20,000 rows).

    Args:
        cosines: B×G float64, between -1 and 1.
        matches: B×G bool, True where a row is of the query's identity.
    """
    size = cosines.shape[1]
    places = torch.arange(size, dtype=torch.float64, device=cosines.device) * _STEP
    # (1 - c)/2 in one pass: distances ascend where similarities descend, and s = 1 - d.
    distances = torch.sub(places + 0.5, cosines, alpha=0.5)
    found = matches.sum(dim=1)
    near = _nearest(distances, matches, found)
    real = near.isfinite()
    count, summed = _between(near, distances)
    rank = count.cumsum(dim=1)
    prefix = distances.cumsum(dim=1)
    return Ranked(
        matches=found,
        real=real,
        rank=rank,
        similarity=torch.where(real, 1 - near, 0),
        upto=rank - summed.cumsum(dim=1),
        gallery_similarity=torch.where(real, 1 - distances.gather(1, rank - 1), 0),
        gallery_upto=rank - prefix.gather(1, rank - 1),
        total=size - prefix[:, -1],
        gallery=size,
    )


def _nearest(distances: torch.Tensor, matches: torch.Tensor, found: torch.Tensor) -> torch.Tensor:
    """B×W: the distances of each query's matches, ascending, behind them infinity."""
    query, row = matches.nonzero(as_tuple=True)
    column = torch.arange(len(query), device=query.device) - (found.cumsum(0) - found)[query]
    near = distances.new_full((len(found), max(1, int(found.max()))), math.inf)
    near[query, column] = distances[query, row]
    return near.sort(dim=1).values


def _between(near: torch.Tensor, distances: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """B×W: how many rows stand behind the match before and not behind this one, and their distances summed."""
    match = torch.searchsorted(near, distances)
    shape = len(near), near.shape[1] + 1
    count = match.new_zeros(shape).scatter_add_(1, match, match.new_ones(1).expand_as(match))
    summed = distances.new_zeros(shape).scatter_add_(1, match, distances)
    return count[:, :-1], summed[:, :-1]
