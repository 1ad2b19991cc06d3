"""Seconds and memory of `training.metrics`, beside the whole matrix sorted, in one run.

    python -m benchmarks.metrics [SIZE] [--gallery SIZE] [--matches 4] [--dim 512] [--threads 2] [--rounds 3]

The peer is how IRRA's evaluation and UFineBench's mSD work: one matrix of all cosines, `argsort`, matches gathered in
its order, cumulative sums. It is vectorised throughout and lets go of what it no longer needs, which those do not. Each
run has a process of its own; memory is the process's peak over what it held with the inputs made. Ours computes
`msd_released` as well. The two must agree, or there is no table.
"""

import argparse
import multiprocessing
import os
import resource
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass

import psutil
import torch
from torch.nn.functional import normalize

from tbpr_data.training.metrics import retrieval_metrics

# In percent. At near ties the peer's float32 may rank otherwise.
_AGREED = 0.05


@dataclass(frozen=True)
class Sizes:
    """What is scored."""

    queries: int
    """Captions."""
    gallery: int
    """Images."""
    matches: int
    """Images an identity."""
    dim: int
    """Width of the vectors."""
    threads: int
    """Of torch."""


@dataclass(frozen=True)
class Run:
    """One run of one of the two."""

    seconds: float
    """From the vectors to the figures."""
    megabytes: float
    """The peak over what was held before."""
    scores: dict[str, float]
    """In percent."""


def main() -> None:
    """Run both in turns and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", nargs="?", type=int, default=20_000, help="queries; the peer takes 10 GB at 20,000")
    parser.add_argument("--gallery", type=int, help="by default as many as queries")
    parser.add_argument("--matches", type=int, default=4, help="rows of the gallery an identity")
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    sizes = Sizes(given.size, given.gallery or given.size, given.matches, given.dim, given.threads)
    rounds = [(run(sizes, ours=False), run(sizes, ours=True)) for _ in range(given.rounds)]
    for peer, ours in rounds:
        apart = {name: value - ours.scores[name] for name, value in peer.scores.items()}
        if max(map(abs, apart.values())) > _AGREED:
            sys.exit(f"the two disagree: {apart}")
    what = f"{sizes.queries:,} × {sizes.gallery:,}, {sizes.dim} dimensions, {sizes.matches} matches"
    print(f"| {what}, {sizes.threads} threads | s, median of {given.rounds} | ratio | peak MB | ratio |")
    print("|---|---:|---:|---:|---:|")
    for name, at in (("the whole matrix, sorted", 0), ("`training.metrics`", 1)):
        seconds, megabytes = (
            statistics.median(getattr(one[at], field) for one in rounds) for field in ("seconds", "megabytes")
        )
        faster = statistics.median(one[0].seconds / one[at].seconds for one in rounds)
        less = statistics.median(one[0].megabytes / one[at].megabytes for one in rounds)
        print(f"| {name} | {seconds:.1f} | {faster:.1f} | {megabytes:,.0f} | {less:.0f} |")


def run(sizes: Sizes, *, ours: bool) -> Run:
    """One run in a new process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measured, sizes, ours).result()


def measured(sizes: Sizes, ours: bool) -> Run:
    """Make the inputs, score them, and say what that took."""
    torch.set_num_threads(sizes.threads)
    inputs = vectors(sizes)
    held = psutil.Process().memory_info().rss
    began = time.perf_counter()
    scores = asdict(retrieval_metrics(*inputs)) if ours else whole_matrix(*inputs)
    seconds = time.perf_counter() - began
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return Run(seconds=seconds, megabytes=(peak - held) / 1e6, scores=scores)


def vectors(sizes: Sizes) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Queries and gallery in clusters an identity, as far apart as a trained model has them, and their pids."""
    random = torch.Generator().manual_seed(0)
    identities = -(-sizes.gallery // sizes.matches)
    gallery_pids = torch.arange(sizes.gallery) % identities
    query_pids = torch.randint(identities, (sizes.queries,), generator=random)
    centres = torch.randn(identities, sizes.dim, generator=random)
    queries, gallery = (
        torch.randn(len(pids), sizes.dim, generator=random).addcmul_(centres[pids], torch.tensor(0.45))
        for pids in (query_pids, gallery_pids)
    )
    return queries, gallery, query_pids, gallery_pids


def whole_matrix(
    queries: torch.Tensor, gallery: torch.Tensor, query_pids: torch.Tensor, gallery_pids: torch.Tensor
) -> dict[str, float]:
    """The same figures but `msd_released`, from one sorted matrix."""
    cosines = normalize(queries, dim=1) @ normalize(gallery, dim=1).T
    order = torch.argsort(cosines, dim=1, descending=True)
    matches = gallery_pids[order] == query_pids[:, None]
    similar = cosines.gather(1, order) / 2 + 0.5
    del cosines, order
    ranks = torch.arange(1, len(gallery) + 1)
    found = matches.sum(dim=1)
    hits = matches.cumsum(dim=1)
    ap = (hits / ranks * matches).sum(dim=1) / found
    reached = {f"r{k}": hits[:, :k].any(dim=1) for k in (1, 5, 10)}
    del hits
    inp = found / (matches * ranks).amax(dim=1)
    own = similar * matches
    weighed = (own.cumsum(dim=1) / similar.cumsum(dim=1) * matches).sum(dim=1) / found
    positive = own.sum(dim=1)
    ratio = positive / found / ((similar.sum(dim=1) - positive) / (len(gallery) - found))
    columns = {**reached, "map": ap, "minp": inp, "msd": weighed * (1 - torch.exp(-ratio))}
    return {name: 100 * float(column.double().mean()) for name, column in columns.items()}


if __name__ == "__main__":
    main()
