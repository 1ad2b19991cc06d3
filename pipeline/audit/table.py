"""An audit as tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .accuracy import TELLING_PAIRS


def show(found: Mapping[str, Any], title: str, console: Console) -> None:
    """Print what `audit` found."""
    _counts(found, title, console)
    if found["negatives"]["count"]:
        _rules(found["negatives"], console)
        _blind(found["negatives"]["blind_accuracy"], console)


def _counts(found: Mapping[str, Any], title: str, console: Console) -> None:
    table = Table(title=escape(title), title_justify="left", show_header=False)
    table.add_column("what")
    table.add_column("how many", justify="right")
    rows, negatives, leaks = found["rows"], found["negatives"], found["leaks"]
    for name in ("identities", "images", "human", "rewrites"):
        table.add_row({"human": "human captions"}.get(name, name), f"{rows[name]:,}")
    for style, one in rows["kept"].items():
        table.add_row(f"  kept of {escape(style)}", f"{one['kept']:,} of {one['answers']:,} ({one['share']:.0%})")
    captions = rows["human"] + rows["rewrites"]
    with_one = f"{negatives['captions_with_one']:,} ({negatives['captions_with_one'] / max(1, captions):.1%})"
    table.add_row("hard negatives", f"{negatives['count']:,}")
    table.add_row("  captions with one", with_one)
    if negatives["count"]:
        table.add_row("  may be true, as far as texts tell", f"{negatives['may_be_true']['share']:.2%}")
    for guard, count in negatives["refused"].items():
        table.add_row(f"  refused: {guard}", f"{count:,}")
    for name, one in found["length"].items():
        table.add_row(f"over 77 CLIP tokens, {name}", f"{one['over_share']:.2%} (mean {one['mean_tokens']:.0f})")
    for origin, one in found["diversity"]["distinct_n"].items():
        told = ", ".join(f"{value:.3f}" for value in one.values() if value is not None)
        table.add_row(f"distinct-1, -2, -3, {origin}", told)
    alike = found["diversity"]["self_similarity_of_rewrites"]
    if alike is not None:
        table.add_row("likeness of a caption's rewrites", f"{alike:.2f}")
    for name, count in leaks.items():
        if name != "examples":
            table.add_row(name.replace("_", " "), f"{count:,}")
    console.print(table)


def _rules(negatives: Mapping[str, Any], console: Console) -> None:
    table = Table(title="by rule", title_justify="left")
    for name in ("rule", "made", "true?", "spacing", "capital", "a/an", "agreement"):
        table.add_column(name, justify="left" if name == "rule" else "right", no_wrap=True)
    for rule, count in negatives["rules"].items():
        faults = negatives["artefacts"]["rules"].get(rule, {})
        true = negatives["may_be_true"]["rules"].get(rule, 0.0)
        table.add_row(
            rule.partition("/")[2] or rule, f"{count:,}", f"{true:.2%}", *(f"{share:.2%}" for share in faults.values())
        )
    console.print(table)


def _blind(views: Mapping[str, Any], console: Console) -> None:
    table = Table(title="blind accuracy, ± half of the 95 % interval: 0.5 is a guess", title_justify="left")
    for name in ("kind", "pairs", "by tokens", "by words", "alone, tokens", "alone, words"):
        table.add_column(name, justify="left" if name == "kind" else "right", no_wrap=True)
    tokens, words = views["tokens"], views["words"]
    table.add_row("all", _pairs(tokens["overall"]), _accuracy(tokens["overall"]), _accuracy(words["overall"]), "", "")
    for kind in tokens["kinds"]:
        both = tokens["kinds"][kind], words["kinds"][kind]
        together = [_accuracy(one["together"]) for one in both]
        alone = [_accuracy(one["alone"]) for one in both]
        table.add_row(kind, _pairs(both[0]["together"]), *together, *alone)
    for name, one in views["language_model"].items():
        if one is not None:
            table.add_row(f"LM: {name}", _pairs(one), _accuracy(one), "", "", "")
    console.print(table)


def _pairs(one: Mapping[str, Any] | None) -> str:
    return f"{one['pairs']:,}" if one else "too few"


def _accuracy(one: Mapping[str, Any] | None) -> str:
    if one is None:
        return "-"
    # The card's bound: of two pairs that are both told the interval would have no width.
    few = one["pairs"] < TELLING_PAIRS
    return "too few" if few else f"{one['accuracy']:.3f}±{(one['high'] - one['low']) / 2:.3f}"
