"""Captions a second of `tbpr-data negatives`, beside NegCLIP's six rules as its authors ran them, in one run.

    python -m benchmarks.negatives [SOURCE] [--rounds 3]

The peer parses one caption after the other with the largest English spaCy model installed and applies the six swaps, in
one process; loading is not counted. "Rules" is parsing, all rules on persons, guards and balance, in a process a core.
`negatives` is the whole process: reading, all that, the persons as JSON, and shards.
"""

import argparse
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tbpr_data.pipeline.demo.dataset import render_demo
from tbpr_data.pipeline.language.english import installed_model
from tbpr_data.pipeline.language.parse import parse_once
from tbpr_data.pipeline.negatives.caption import Caption
from tbpr_data.pipeline.negatives.guards import normalised
from tbpr_data.pipeline.negatives.others import Others
from tbpr_data.pipeline.negatives.person_recipe import make_person_negatives
from tbpr_data.pipeline.negatives.registry import select_rules
from tbpr_data.pipeline.sources.read import read_source

NEGATIVES = [sys.executable, "-c", "from tbpr_data.pipeline.cli import main; main()", "negatives", "--quiet"]
PEER = """
import sys, time
from tbpr_data.pipeline.language.english import load_english
from tbpr_data.pipeline.negatives.negclip_recipe import generate
from tbpr_data.pipeline.sources.read import read_source
captions = list(read_source(sys.argv[1], images_root=None).captions())[: int(sys.argv[2])]
nlp = load_english()
generate(["a man in a red shirt"], ["0"], seed=0, nlp=nlp)
began = time.perf_counter()
for caption in captions:
    generate([caption.text], [caption.caption_id], seed=0, nlp=nlp)
print(len(captions) / (time.perf_counter() - began))
"""


def main() -> None:
    """Run both in turns and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="?", help="a dataset; by default the demo, 2,000 identities")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer", type=int, default=2000, help="captions of the peer's rounds")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = arguments.source or str(Path(folder) / "demo")
        if arguments.source is None:
            render_demo(Path(source), identities=2000, seed=0)
        captions = sum(1 for _ in read_source(source).captions())
        few = captions // 10
        rounds = []
        for number in range(arguments.rounds):
            theirs = peer_rate(source, arguments.peer)
            whole = seconds(source, Path(folder) / f"all{number}", captions)
            start = seconds(source, Path(folder) / f"few{number}", few, few)
            rounds.append((theirs, rules_rate(source), captions / whole, (captions - few) / (whole - start)))
        peer, rules, whole_rate, net_rate = (statistics.median(column) for column in zip(*rounds, strict=True))
        ratios = [statistics.median(one[at] / one[0] for one in rounds) for at in (1, 2, 3)]
        print(f"| {captions:,} captions | captions/s, median of {arguments.rounds} | ratio |\n|---|---:|---:|")
        print(f"| NegCLIP's six rules, one caption at a time, `{installed_model()}`, one process | {peer:,.0f} | 1 |")
        what = f"rules on persons, guards and balance, parsing included, {os.cpu_count()} cores"
        print(f"| {what} | {rules:,.0f} | {ratios[0]:.1f} |")
        print(f"| `negatives`, whole process | {whole_rate:,.0f} | {ratios[1]:.1f} |")
        print(f"| the same without start and end | {net_rate:,.0f} | {ratios[2]:.1f} |")


def rules_rate(source: str) -> float:
    """Captions a second of the recipe `person`, blocks dealt out to a process a core."""
    captions = list(read_source(source).captions())
    siblings: dict[tuple[str, int], list[str]] = {}
    for caption in captions:
        siblings.setdefault((caption.image.dataset, caption.image.pid), []).append(caption.text)
    told = [(caption.text, caption.caption_id, (caption.image.dataset, caption.image.pid)) for caption in captions]
    size = block_size(len(told))
    blocks = [told[start : start + size] for start in range(0, len(told), size)]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(make_block, [told[:50]] * 2 * (os.cpu_count() or 1), [siblings] * 2 * (os.cpu_count() or 1)))
        began = time.perf_counter()
        list(pool.map(make_block, blocks, [siblings] * len(blocks)))
        return len(told) / (time.perf_counter() - began)


def make_block(told: list[tuple[str, str, tuple[str, int]]], siblings: dict[tuple[str, int], list[str]]) -> int:
    """The negatives of some captions, from their texts: how many."""
    captions = [
        Caption(
            text,
            key,
            parse_once(text),
            Others([parse_once(other) for other in siblings[identity] if other != text]),
            frozenset(map(normalised, siblings[identity])),
        )
        for text, key, identity in told
    ]
    made = make_person_negatives(captions, seed=0, rules=select_rules("person", None))
    return sum(map(len, made.negatives))


def peer_rate(source: str, captions: int) -> float:
    """Captions a second of the peer."""
    command = [sys.executable, "-c", PEER, source, str(captions)]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def block_size(captions: int) -> int:
    """Captions a block, about 2,048, so that every core has as many blocks."""
    cores = os.cpu_count() or 1
    rounds = max(1, round(captions / (2048 * cores)))
    return -(-captions // (rounds * cores))


def seconds(source: str, out: Path, captions: int, limit: int | None = None) -> float:
    """Seconds of the whole process."""
    command = [*NEGATIVES, source, "--out", str(out), "--set", f"block_size={block_size(captions)}"]
    command += ["--limit", str(limit)] if limit else []
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
