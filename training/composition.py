"""Whether a model tells a caption from its hard negatives, given the image: what a bag of words cannot do.

Accuracy as in ARO (Yuksekgonul et al., ICLR 2023) and SugarCrepe (Hsieh et al., NeurIPS 2023): a pair is won where the
caption's cosine with the image is the higher. Those compare with `argmax`, which gives a tie to whichever text they put
first. Here a tie is worth what guessing is. A model that reads a bag of words gives a caption and its swap one vector
and ties on every pair; its accuracy is then 50, chance, and not 0 or 100.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import normalize

_ROWS = 8192


@dataclass(frozen=True)
class Share:
    """How many of how many."""

    percent: float
    """The mean of 1 for each that was won, 0 for each that was lost, and the worth of ties; in percent."""
    count: int
    """Pairs or captions that the mean is over."""


@dataclass(frozen=True)
class Composition:
    """How often captions beat their negatives.

    Negatives of one caption share most of their words and are won or lost together: how sure a figure is depends on the
    number of captions, not of pairs.
    """

    overall: Share
    """Of all pairs; a tie counts half, so that guessing gives 50."""
    kinds: dict[str, Share]
    """Of the pairs of each kind of negative, in alphabetical order."""
    rules: dict[str, Share]
    """Of the pairs of each rule, in alphabetical order."""
    all: Share
    """Of the captions: those that beat every negative of theirs; a tie is not beaten."""


@torch.no_grad()
def composition(
    image: torch.Tensor,
    caption: torch.Tensor,
    negative: torch.Tensor,
    kinds: Sequence[str],
    rules: Sequence[str],
    captions: Sequence[int],
) -> Composition:
    """Score N pairs: an image, its caption, and one negative of that caption, row by row.

    Vectors are divided by their length here; all in float64. Equal vectors tie exactly.

    Args:
        image: N×D vectors, of any length.
        caption: N×D vectors.
        negative: N×D vectors.
        kinds: what sort of negative each is, N.
        rules: the rule that made it, N.
        captions: the caption's number, N: equal for negatives of one caption.

    Raises:
        ValueError: there are no pairs, lengths or shapes disagree, or a vector holds NaN or infinity.
    """
    _check(image, caption, negative)
    if not len(image) == len(kinds) == len(rules) == len(captions):
        raise ValueError(f"{len(image)} pairs, {len(kinds)} kinds, {len(rules)} rules, {len(captions)} caption numbers")
    parts = zip(*(torch.split(vectors, _ROWS) for vectors in (image, caption, negative)), strict=True)
    gaps = torch.cat([_gaps(*part) for part in parts])
    wins = ((gaps > 0).double() + (gaps == 0) / 2).tolist()
    beaten: dict[int, bool] = {}
    for number, win in zip(captions, wins, strict=True):
        beaten[number] = beaten.get(number, True) and win == 1
    return Composition(
        overall=_share(wins), kinds=_by(kinds, wins), rules=_by(rules, wins), all=_share(beaten.values())
    )


@torch.no_grad()
def precision_at_1(true: torch.Tensor, options: torch.Tensor) -> Share:
    """How often a caption scores above all its options, as in ARO's order tests: the image's caption or K reorderings.

    A tie with m options for the first place counts 1/(m+1), what picking one of them would win: a bag of words gets
    1/(K+1), chance. ARO's own code takes `argmax` with the caption at index 0, which gives it every tie: there, a bag
    of words has 100. Captions without any option are left out.

    Args:
        true: N scores of the captions.
        options: N×K scores of their reorderings, NaN where a caption has fewer.

    Raises:
        ValueError: shapes disagree, a caption's score is not finite, an option's is infinite, or no caption has an
            option.
    """
    if true.ndim != 1 or options.ndim != 2 or len(true) != len(options):
        raise ValueError(f"scores {tuple(true.shape)} and options {tuple(options.shape)}, not N and N×K")
    if not true.isfinite().all() or options.isinf().any():
        raise ValueError("scores must be finite; NaN stands only where an option is absent")
    there = (~options.isnan()).any(dim=1)
    if not there.any():
        raise ValueError("no caption has an option to be compared with")
    scores, others = true[there, None], options[there]
    worth = 1 / (1 + (others == scores).sum(dim=1).double())
    return _share(torch.where((others > scores).any(dim=1), 0, worth).tolist())


def _gaps(image: torch.Tensor, caption: torch.Tensor, negative: torch.Tensor) -> torch.Tensor:
    """The caption's cosine less the negative's. As one product: of equal vectors it is 0, whatever rounding does."""
    image, caption, negative = (normalize(vectors.double(), dim=1) for vectors in (image, caption, negative))
    return (image * (caption - negative)).sum(dim=1)


def _share(worths: Iterable[float]) -> Share:
    values = [float(worth) for worth in worths]
    return Share(percent=100 * sum(values) / len(values), count=len(values))


def _by(names: Sequence[str], wins: Sequence[float]) -> dict[str, Share]:
    grouped: dict[str, list[float]] = defaultdict(list)
    for name, win in zip(names, wins, strict=True):
        grouped[name].append(win)
    return {name: _share(grouped[name]) for name in sorted(grouped)}


def _check(image: torch.Tensor, caption: torch.Tensor, negative: torch.Tensor) -> None:
    if image.ndim != 2 or not image.shape == caption.shape == negative.shape:
        shapes = ", ".join(str(tuple(vectors.shape)) for vectors in (image, caption, negative))
        raise ValueError(f"images, captions and negatives of shapes {shapes}: each must be N×D")
    if not image.numel():
        raise ValueError("no pairs to compare")
    for name, vectors in (("images", image), ("captions", caption), ("negatives", negative)):
        broken = (~vectors.isfinite()).any(dim=1).nonzero()
        if len(broken):
            raise ValueError(f"{name}: {len(broken)} vectors hold NaN or infinity, the first is row {int(broken[0])}")
