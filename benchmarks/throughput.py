"""Answers a second of `augment`, beside the same prompts sent straight to the same server, as a ratio in one run.

    python -m benchmarks.throughput [--captions 600] [--rounds 3]

The peer is a loop that does nothing but keep N requests in flight at the same vLLM server, at the best N of those
tried: it builds no journal, checks nothing, writes nothing. The two take turns (A B A B) on captions of the same make
but never the same caption, so that neither profits from the engine's prefix cache. `augment` is timed from its first
request to its finished dataset, checks, negatives, shards and card included, and as a whole process.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from httpx_aiohttp import HttpxAiohttpClient

from tbpr_data.pipeline.config import LlmConfig
from tbpr_data.pipeline.demo.captions import write_captions
from tbpr_data.pipeline.demo.person import describe_person
from tbpr_data.pipeline.demo.scene import describe_scene
from tbpr_data.pipeline.llm.models import choose_model
from tbpr_data.pipeline.llm.server import ServerConfig, VllmServer
from tbpr_data.prompts.registry import load_prompt, messages
from tbpr_data.schemas.prompt import Prompt

PROMPT = "paraphrase"
CONCURRENCIES = (64, 128)


def main() -> None:
    """Run the comparison and print it as a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--captions", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    model = choose_model("smollm2")
    prompt = load_prompt(PROMPT)
    sampling = LlmConfig().sampling.over(prompt.sampling.over(model.sampling)).set_fields()
    captions = iter(demo_captions(2 * arguments.rounds * arguments.captions + 1000))
    with tempfile.TemporaryDirectory() as folder:
        server = VllmServer(model, ServerConfig(), log_path=Path(folder) / "vllm.log")
        server.prepare()
        with server:
            endpoint = asyncio.run(server.wait_ready())
            url, key = endpoint.base_url, endpoint.api_key or ""

            def take(count: int) -> list[str]:
                return [next(captions) for _ in range(count)]

            def direct(concurrency: int, count: int) -> float:
                return asyncio.run(send_straight(url, key, model.name, prompt, sampling, take(count), concurrency))

            direct(64, 64)  # warm-up
            rates = {concurrency: direct(concurrency, max(CONCURRENCIES)) for concurrency in CONCURRENCIES}
            best = max(rates, key=lambda concurrency: rates[concurrency])
            print("straight, by requests in flight:", {n: f"{rate:.2f}/s" for n, rate in rates.items()}, flush=True)
            straight, ours, whole = [], [], []
            for number in range(arguments.rounds):
                straight.append(direct(best, arguments.captions))
                rate, process_rate = run_augment(url, key, take(arguments.captions), best, Path(folder) / str(number))
                ours.append(rate)
                whole.append(process_rate)
    print(f"\n| | answers/s, median of {arguments.rounds} | ratio |\n|---|---:|---:|")
    base = statistics.median(straight)
    print(f"| straight to the server, {best} in flight | {base:.2f} | 1 |")
    for name, rates_of in (("`augment`, first request to finished dataset", ours), ("`augment`, whole process", whole)):
        ratio = statistics.median(b / a for a, b in zip(straight, rates_of, strict=True))
        print(f"| {name} | {statistics.median(rates_of):.2f} | {ratio:.3f} |")


def demo_captions(count: int) -> list[str]:
    """Captions as the demo dataset has them, without drawing it."""
    captions: list[str] = []
    person = 0
    while len(captions) < count:
        person += 1
        scene = describe_scene(1, person, 1)
        captions += write_captions(describe_person(1, person), scene, np.random.default_rng([1, person]))
    return captions[:count]


async def send_straight(
    url: str, key: str, model: str, prompt: Prompt, sampling: dict[str, Any], captions: list[str], concurrency: int
) -> float:
    """Answers a second of a bare loop."""
    slots = asyncio.Semaphore(concurrency)
    limits = httpx.Limits(max_connections=concurrency)
    headers = {"Authorization": f"Bearer {key}"}
    async with HttpxAiohttpClient(base_url=url, headers=headers, limits=limits, timeout=600, trust_env=False) as http:

        async def ask(caption: str) -> None:
            async with slots:
                body = {"model": model, "messages": messages(prompt, caption), **sampling}
                body["chat_template_kwargs"] = {"enable_thinking": False}
                (await http.post("chat/completions", json=body)).raise_for_status()

        began = time.perf_counter()
        await asyncio.gather(*map(ask, captions))
        return len(captions) / (time.perf_counter() - began)


def run_augment(url: str, key: str, captions: list[str], concurrency: int, folder: Path) -> tuple[float, float]:
    """Answers a second of `tbpr-data augment`: from its first request, and as a whole process."""
    folder.mkdir()
    source = folder / "captions.jsonl"
    rows = [
        {"file_path": f"{i}.jpg", "pid": i, "split": "train", "captions": [text]} for i, text in enumerate(captions)
    ]
    source.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    command = [sys.executable, "-c", "from tbpr_data.pipeline.cli import main; main()", "augment", str(source)]
    command += ["--endpoint", url, "--llm", "smollm2", "--recipe", PROMPT, "--samples", "1"]
    # Four blocks: a dataset has many, and all but the last are finished while the next is being answered.
    command += [
        "--set",
        f"block_size={len(captions) // 4}",
        "--set",
        f"server.concurrency={concurrency}",
        "--out",
        str(folder / "out"),
    ]
    began = time.time()
    subprocess.run(command, check=True, env={**os.environ, "OPENAI_API_KEY": key}, capture_output=True)
    ended = time.time()
    # run.toml is written just before the server is asked for the first time.
    first = (folder / "out" / "run.toml").stat().st_mtime
    return len(captions) / (ended - first), len(captions) / (ended - began)


if __name__ == "__main__":
    main()
