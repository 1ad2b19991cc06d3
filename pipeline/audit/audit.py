"""What is in a dataset: counted, measured and judged from its shards alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

from ..manifest import read_manifest
from .accuracy import accuracy_of
from .artefacts import artefacts
from .blind import BlindReport, blind_report
from .dataset import Pair, Rows, read_rows
from .diversity import distinct_n, self_similarity
from .leaks import Caption, find_leaks
from .lengths import lengths
from .truth import estimate_truth

# More pairs would narrow the interval of the blind accuracy below a hundredth, and take minutes.
MOST_PAIRS = 20_000
_EXAMPLES = 5


def audit(folder: Path, *, seed: int = 0, most_pairs: int = MOST_PAIRS) -> dict[str, Any]:
    """Measure a folder that `augment` or `negatives` wrote; plain values, ready for JSON.

    Args:
        folder: the dataset.
        seed: of the sample of pairs, and of the folds of the blind scorer.
        most_pairs: blind accuracy, artefacts and truth are measured on a sample of so many negatives at most.

    Raises:
        UserError: it is no folder of ours.
    """
    rows = read_rows(folder)
    pairs = _sample(rows.pairs, most_pairs, seed)
    manifest = read_manifest(folder)
    refused = sum((Counter(block.guarded) for block in manifest.blocks), Counter[str]()) if manifest else Counter()
    return {
        "rows": _rows(rows),
        "negatives": {
            "count": len(rows.pairs),
            "captions_with_one": sum(map(bool, rows.negatives_of)),
            "kinds": dict(sorted(Counter(pair.kind for pair in rows.pairs).items())),
            "rules": dict(sorted(Counter(pair.rule for pair in rows.pairs).items())),
            "refused": dict(sorted(refused.items())),
            "measured_on": len(pairs),
            "artefacts": _artefacts(pairs),
            "may_be_true": _truth(pairs, rows),
            "blind_accuracy": {
                "tokens": _blind(pairs, lower=False, seed=seed),
                "words": _blind(pairs, lower=True, seed=seed),
                "language_model": _by_likelihood(rows.pairs, seed),
            },
        },
        "length": _lengths(rows),
        "diversity": _diversity(rows),
        "leaks": _leaks(rows),
    }


def _sample(pairs: Sequence[Pair], most: int, seed: int) -> list[Pair]:
    if len(pairs) <= most:
        return list(pairs)
    rng = Random(seed)
    chosen = sorted(sorted(range(len(pairs)), key=lambda _: rng.random())[:most])
    return [pairs[number] for number in chosen]


def _rows(rows: Rows) -> dict[str, Any]:
    kept = Counter(str(row["style"]) for row in rows.rows if row["origin"] == "llm")
    styles = sorted({*kept, *rows.rejected})
    return {
        "human": sum(row["origin"] == "human" for row in rows.rows),
        "rewrites": sum(kept.values()),
        "splits": dict(sorted(Counter(row["split"] for row in rows.rows).items())),
        "identities": len({(row["dataset"], row["pid"]) for row in rows.rows}),
        "images": len({row["image_id"] for row in rows.rows}),
        "kept": {
            style: {
                "kept": kept[style],
                "answers": (answers := kept[style] + rows.rejected.get(style, 0)),
                "share": kept[style] / answers,
            }
            for style in styles
        },
    }


def _artefacts(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Rule → sort of fault → share of its negatives that have one; and examples."""
    made = Counter(pair.rule for pair in pairs)
    found: dict[str, Counter[str]] = defaultdict(Counter)
    examples: list[dict[str, Any]] = []
    for pair in pairs:
        faults = artefacts(pair.caption, pair.negative)
        found[pair.rule].update(faults.keys())
        if faults and len(examples) < _EXAMPLES:
            examples.append({"faults": sorted(faults), "caption": pair.caption, "negative": pair.negative})
    sorts = ("spacing", "capital", "article", "agreement")
    return {
        "all": {sort: _share(sum(one[sort] for one in found.values()), len(pairs)) for sort in sorts},
        "rules": {rule: {sort: _share(found[rule][sort], made[rule]) for sort in sorts} for rule in sorted(made)},
        "examples": examples,
    }


def _truth(pairs: Sequence[Pair], rows: Rows) -> dict[str, Any]:
    captions: dict[tuple[str, int], list[str]] = defaultdict(list)
    for row in rows.rows:
        if row["origin"] == "human":
            captions[row["dataset"], row["pid"]].append(row["text"])
    by_rule: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        by_rule[pair.rule].append(pair)
    told = {rule: estimate_truth(some, captions) for rule, some in sorted(by_rule.items())}
    unchanged, borne_out = (sum(getattr(one, name) for one in told.values()) for name in ("unchanged", "borne_out"))
    return {
        "share": _share(unchanged + borne_out, len(pairs)),
        "unchanged": unchanged,
        "borne_out_by_another_caption": borne_out,
        "rules": {rule: one.share for rule, one in told.items()},
    }


def _blind(pairs: Sequence[Pair], *, lower: bool, seed: int) -> dict[str, Any]:
    report: BlindReport = blind_report(
        [pair.caption for pair in pairs],
        [pair.negative for pair in pairs],
        [pair.caption_id for pair in pairs],
        [pair.kind for pair in pairs],
        lower=lower,
        seed=seed,
    )
    return asdict(report)


def _by_likelihood(pairs: Sequence[Pair], seed: int) -> dict[str, Any]:
    """How often the negative is the one a language model finds less likely; none where no model scored them."""
    captions = {caption: number for number, caption in enumerate(dict.fromkeys(pair.caption_id for pair in pairs))}
    told: dict[str, Any] = {}
    for number, name in enumerate(("plausibility", "grammar")):
        scored = [(gap, captions[pair.caption_id]) for pair in pairs if (gap := pair.gaps[number]) is not None]
        wins = [0.5 if gap == 0.0 else float(gap > 0.0) for gap, _ in scored]
        accuracy = accuracy_of(wins, [unit for _, unit in scored], seed=seed) if scored else None
        told[name] = asdict(accuracy) if accuracy else None
    return told


def _lengths(rows: Rows) -> dict[str, Any]:
    texts: Mapping[str, list[str]] = {
        "human": [row["text"] for row in rows.rows if row["origin"] == "human"],
        "llm": [row["text"] for row in rows.rows if row["origin"] == "llm"],
        "negative": [pair.negative for pair in rows.pairs],
    }
    told = {name: lengths(some) for name, some in texts.items() if some}
    return {name: asdict(one) for name, one in told.items() if one is not None}


def _diversity(rows: Rows) -> dict[str, Any]:
    by_source: dict[str, list[str]] = defaultdict(list)
    texts: dict[str, list[str]] = defaultdict(list)
    for row in rows.rows:
        texts[row["origin"]].append(row["text"])
        if row["source_caption_id"]:
            by_source[row["source_caption_id"]].append(row["text"])
    return {
        "distinct_n": {
            origin: {str(n): distinct_n(some, n) for n in (1, 2, 3)} for origin, some in sorted(texts.items())
        },
        "self_similarity_of_rewrites": self_similarity(list(by_source.values())),
    }


def _leaks(rows: Rows) -> dict[str, Any]:
    found = find_leaks(
        Caption(row["split"], row["dataset"], row["pid"], row["image_id"], row["text"], negatives)
        for row, negatives in zip(rows.rows, rows.negatives_of, strict=True)
    )
    return {
        "identities_in_two_splits": len(found.identities),
        "images_in_two_splits": len(found.images),
        "texts_on_two_identities": found.shared_texts,
        "rows_with_such_a_text": found.shared_rows,
        "negatives_that_are_a_caption_of_the_identity": len(found.false_negatives),
        "negatives_that_are_a_caption_of_somebody_else": len(found.true_of_others),
        "examples": [asdict(one) for one in (*found.false_negatives, *found.true_of_others)[:_EXAMPLES]],
    }


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
