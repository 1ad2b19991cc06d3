"""The recipe `person`: what the rules propose for the captions of a block, guarded and balanced together."""

from __future__ import annotations

import gc
import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from random import Random

import numpy as np

from ...schemas.rows import Edit, Negative, NegativeKind, Scores
from ..language.likelihood import Likelihood
from .balance import Change, Grams, choose
from .candidate import Candidate
from .caption import Caption
from .gaps import Gap, GapGrid
from .guards import KnownTexts, refused_at_once, refused_when_read
from .registry import PERSON
from .stock import Stock, take_stock
from .surgery import mended

KINDS: tuple[NegativeKind, ...] = ("swap", "replace", "add", "negate")
# Kinds of which so many are made that a few more do not show.
_PLENTY: tuple[NegativeKind, ...] = ("replace", "swap")
# Candidates a caption and kind to choose from: with 6 the blind scorer came no nearer to chance.
_POOL = 4
# A language model reads every one of them.
_POOL_SCORED = 3
Scorer = Callable[[Sequence[str]], Sequence[Likelihood | None]]
"""Texts → how likely each is; none for one that cannot be scored."""


@dataclass(frozen=True)
class Made:
    """The negatives of a block."""

    negatives: list[list[Negative]]
    """For each caption, in the order of `KINDS`."""
    refused: Counter[str]
    """Guard → candidates it refused."""


_UNSCORED = Scores()


@dataclass(frozen=True)
class _Option:
    caption: int
    candidate: Candidate
    text: str
    edits: list[Edit]
    changes: tuple[Change, ...]
    """In n-grams, and in the gaps of a language model where there is one."""
    scores: Scores = _UNSCORED


_Places = dict[NegativeKind, list[list[_Option]]]


def make_person_negatives(
    captions: Sequence[Caption],
    *,
    seed: int,
    rules: Sequence[str],
    per_caption: int | None = None,
    known: KnownTexts | None = None,
    balanced: bool = True,
    scorer: Scorer | None = None,
    offered: Sequence[Sequence[Negative]] = (),
) -> Made:
    """At most one negative of each kind for each caption; of `per_caption` more than four, several of a kind.

    What comes out depends on the captions of the block, seed and rules alone, not on their order of arrival.

    Args:
        captions: of one block, parsed.
        seed: of the run.
        rules: names of `registry.PERSON`.
        per_caption: at most so many; one a kind where None.
        known: every caption of the source, to tell what is true of somebody else.
        balanced: choose so that a blind scorer is at chance; without, the first candidate of each place is taken.
        scorer: a language model that says how likely it finds texts; balanced as well, and recorded.
        offered: for each caption negatives made elsewhere, guarded: candidates as those of the rules, the first.
    """
    with _without_collector():
        return _make(captions, seed, rules, per_caption, known, balanced, scorer, offered or [()] * len(captions))


@contextmanager
def _without_collector() -> Iterator[None]:
    """Some 40,000 proposals a block, none of them in a cycle: looking for cycles took a fifth of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _make(
    captions: Sequence[Caption],
    seed: int,
    rules: Sequence[str],
    per_caption: int | None,
    known: KnownTexts | None,
    balanced: bool,
    scorer: Scorer | None,
    offered: Sequence[Sequence[Negative]],
) -> Made:
    stock = take_stock(captions)
    grams = Grams(caption.text for caption in captions)
    refused: Counter[str] = Counter()
    most = len(KINDS) if per_caption is None else per_caption
    places: _Places = {kind: [] for kind in KINDS}
    pool = _POOL if scorer is None else _POOL_SCORED
    for number, (caption, others) in enumerate(zip(captions, offered, strict=True)):
        wanted = {PERSON[rule][0] for rule in rules} | {negative.kind for negative in others}
        for kind, count in _places(caption, seed, wanted, most):
            candidates = _shuffled(caption, stock, _random(seed, caption.key, kind), kind, rules)
            options = [
                *_offered(number, caption, [one for one in others if one.kind == kind], grams),
                *_options(number, caption, candidates, grams, known, refused, count * pool),
            ]
            places[kind] += [options[start::count] for start in range(count) if options[start::count]]
    sizes = [len(grams)]
    if scorer is not None:
        places = _scored(captions, places, scorer)
        sizes.append(GapGrid.SIZE)
    negatives: list[list[Negative]] = [[] for _ in captions]
    totals = {}
    for kind in KINDS:
        if balanced:
            choice = choose([[option.changes for option in place] for place in places[kind]], sizes)
            taken = choice.taken
            totals[kind] = choice.totals
        else:
            taken = [0] * len(places[kind])
        for place, one in zip(places[kind], taken, strict=True):
            if one is not None:
                _take(captions, place[one], negatives, refused)
    if balanced:
        for kind in _PLENTY:
            _fill(captions, places[kind], totals[kind], negatives, refused)
    return Made(negatives, refused)


def _fill(
    captions: Sequence[Caption],
    places: list[list[_Option]],
    totals: Sequence[np.ndarray],
    negatives: list[list[Negative]],
    refused: Counter[str],
) -> None:
    """A caption that would be left with none gets the one whose words show least beside all that were taken of its
    kind; but none that makes a lean of the language model's gaps worse."""
    words, *gaps = totals

    def shows(option: _Option) -> float:
        change = option.changes[0]
        return float(words[change.features] @ change.amounts / change.square)

    def leans(option: _Option) -> bool:
        return any(float(gap[one.features] @ one.amounts) > 0 for gap, one in zip(gaps, steps(option), strict=True))

    def steps(option: _Option) -> list[Change]:
        """The cells of a grid hold one negative or none: they would say no to a second one however it leans."""
        coarse = [(one, one.features >= GapGrid.STEPS) for one in option.changes[1:]]
        return [Change.of(one.features[kept].tolist(), one.amounts[kept].tolist()) for one, kept in coarse]

    left = sorted((option for place in places if not negatives[place[0].caption] for option in place), key=shows)
    count = len(left) + 1
    while len(left) < count:  # what was taken may have made room for another
        count, waiting = len(left), []
        for option in left:
            if negatives[option.caption]:
                continue
            if leans(option):
                waiting.append(option)
            elif _take(captions, option, negatives, refused):
                for gap, one in zip(gaps, steps(option), strict=True):
                    gap[one.features] += one.amounts
        left = waiting


def _scored(captions: Sequence[Caption], places: _Places, scorer: Scorer) -> _Places:
    """The options with what a language model makes of them."""
    options = [option for kind in KINDS for place in places[kind] for option in place]
    texts = list(dict.fromkeys([*(caption.text for caption in captions), *(option.text for option in options)]))
    told = dict(zip(texts, scorer(texts), strict=True))

    def gap(option: _Option) -> Gap | None:
        mine, theirs = told[captions[option.caption].text], told[option.text]
        if mine is None or theirs is None:
            return None
        return mine.plausibility - theirs.plausibility, mine.grammar - theirs.grammar

    gaps = [one for option in options if (one := gap(option)) is not None]
    grid = GapGrid(gaps)

    def weighed(option: _Option) -> _Option:
        found = gap(option)
        scores = Scores(plausibility=round(found[0], 4), grammar=round(found[1], 4)) if found else _UNSCORED
        return replace(option, changes=(*option.changes, grid.change(found)), scores=scores)

    return {kind: [[weighed(option) for option in place] for place in places[kind]] for kind in KINDS}


def _take(captions: Sequence[Caption], option: _Option, negatives: list[list[Negative]], refused: Counter[str]) -> bool:
    """Add it, unless a guard refuses it now that it is read."""
    caption = captions[option.caption]
    guard = refused_when_read(caption, option.candidate, option.text)
    if guard is not None:
        refused[guard] += 1
        return False
    negatives[option.caption].append(
        Negative(
            text=option.text,
            kind=option.candidate.kind,
            rule=option.candidate.rule,
            slots=list(option.candidate.slots),
            spans=option.edits,
            origin="llm" if option.candidate.rule.startswith("llm/") else "rule",
            scores=option.scores,
        )
    )
    return True


def _places(
    caption: Caption, seed: int, wanted: Collection[NegativeKind], most: int
) -> Iterator[tuple[NegativeKind, int]]:
    """How many negatives of which kind a caption may get: dealt out in turn, in an order of its own."""
    rng = _random(seed, caption.key, "kinds")
    kinds = sorted((kind for kind in KINDS if kind in wanted), key=lambda _: rng.random())
    for number, kind in enumerate(kinds):
        count = (most - number + len(kinds) - 1) // len(kinds)
        if count > 0:
            yield kind, count


def _shuffled(
    caption: Caption, stock: Stock, rng: Random, kind: NegativeKind, rules: Sequence[str]
) -> Iterator[Candidate]:
    """What the rules of a kind propose, a rule in turn, in random order."""
    proposals = []
    for rule in rules:
        if PERSON[rule][0] == kind:
            found = list(PERSON[rule][1](caption, stock, rng))
            proposals.append(sorted(found, key=lambda _: rng.random()))
    order = sorted((found for found in proposals if found), key=lambda _: rng.random())
    for turn in range(max(map(len, order), default=0)):
        yield from (found[turn] for found in order if turn < len(found))


def _offered(number: int, caption: Caption, negatives: Sequence[Negative], grams: Grams) -> Iterator[_Option]:
    """Negatives made elsewhere, as options."""
    for one in negatives:
        candidate = Candidate(one.rule, one.kind, tuple(one.slots), replacements=())
        yield _Option(number, candidate, one.text, one.spans, (grams.change(caption.text, one.text),))


def _options(
    number: int,
    caption: Caption,
    candidates: Iterator[Candidate],
    grams: Grams,
    known: KnownTexts | None,
    refused: Counter[str],
    most: int,
) -> Iterator[_Option]:
    """The first candidates that no guard refuses at once."""
    left = most
    seen = {caption.text}
    for candidate in candidates:
        text, edits = mended(caption.text, candidate.replacements)
        if text in seen:
            continue
        seen.add(text)
        guard = refused_at_once(caption, candidate, text, known)
        if guard is not None:
            refused[guard] += 1
            continue
        yield _Option(number, candidate, text, edits, (grams.change(caption.text, text),))
        left -= 1
        if not left:
            return


def _random(seed: int, key: str, what: str) -> Random:
    """Of Random's methods `random` alone is promised to give the same numbers in every Python."""
    return Random(int.from_bytes(hashlib.sha256(f"{seed}\0{key}\0{what}".encode(errors="surrogatepass")).digest()))
