"""Captions a second of `tbpr-data negatives`, beside NegCLIP's six rules as its authors ran them, in one run.

    python -m benchmarks.negatives [SOURCE] [--rounds 3]

The peer parses one caption after the other with the largest English spaCy model installed and applies the six swaps, in
one process; loading is not counted. `negatives` is the whole process: reading, parsing, all rules on persons, guards,
balance, shards, on every core; its rate without start and end is told too.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tbpr_data.pipeline.demo.dataset import render_demo
from tbpr_data.pipeline.language.english import installed_model
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
            whole = seconds(source, Path(folder) / f"all{number}")
            start = seconds(source, Path(folder) / f"few{number}", few)
            rounds.append((theirs, captions / whole, (captions - few) / (whole - start)))
        peer, whole_rate, net_rate = (statistics.median(column) for column in zip(*rounds, strict=True))
        ratios = [statistics.median(one[at] / one[0] for one in rounds) for at in (1, 2)]
        print(f"| {captions:,} captions | captions/s, median of {arguments.rounds} | ratio |\n|---|---:|---:|")
        print(f"| NegCLIP's six rules, one caption at a time, `{installed_model()}`, one process | {peer:,.0f} | 1 |")
        print(f"| `negatives`, whole process, {os.cpu_count()} cores | {whole_rate:,.0f} | {ratios[0]:.1f} |")
        print(f"| the same without start and end | {net_rate:,.0f} | {ratios[1]:.1f} |")


def peer_rate(source: str, captions: int) -> float:
    """Captions a second of the peer."""
    command = [sys.executable, "-c", PEER, source, str(captions)]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def seconds(source: str, out: Path, limit: int | None = None) -> float:
    """Seconds of the whole process, in blocks small enough that every core has work."""
    command = [*NEGATIVES, source, "--out", str(out), "--set", "block_size=2048"]
    command += ["--limit", str(limit)] if limit else []
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
