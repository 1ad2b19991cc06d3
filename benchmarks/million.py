"""A run of `augment` over a million captions, watched: memory, open files, journal, rate.

    python -m benchmarks.million [--captions 1000000] [--out FOLDER] [--picture docs/million.png]

The captions are the drawn dataset's, of as many people as it takes. A scripted server on this machine answers with the
caption's words behind others; every tenth answer has another colour and is refused. So the model costs nothing, and the
rate is the most that source, client, journal, checks, negatives and shards let through on these cores, which the
scripted server takes its part of.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from aiohttp import web

from tbpr_data.pipeline.demo.captions import write_captions
from tbpr_data.pipeline.demo.person import describe_person
from tbpr_data.pipeline.demo.scene import describe_scene

_EVERY_S = 5.0
_COLOUR = re.compile(r"\b(black|white|blue|red|green|gray|grey)\b")
# Other words for the same thing, so that an answer is no near copy.
_SAME = {
    "wearing": "dressed in",
    "wears": "is dressed in",
    "lady": "woman",
    "woman": "lady",
    "man": "male person",
    "pants": "trousers",
    "jeans": "denim trousers",
    "with": "who has",
    "shirt": "top",
    "and": "as well as",
    "the": "this",
}
_WORD = re.compile(r"\b(" + "|".join(_SAME) + r")\b")


@dataclass
class Look:
    """The run at one moment; sizes in MiB."""

    seconds: float
    answers: int
    """Answers that have come."""
    main: float
    """Resident memory of the process itself."""
    workers: float
    """Resident memory of its workers together."""
    files: int
    """Files, sockets and pipes that the process holds open."""


def main() -> None:
    """Make the source, run, print the table, draw the curve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captions", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, help="keep source and dataset here")
    parser.add_argument("--picture", type=Path, help="draw memory over captions")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.out or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        source = folder / "captions.jsonl"
        write_source(source, arguments.captions)
        with ScriptedServer() as url:
            looks = watch(source, url, folder / "dataset")
        report(looks, folder / "dataset", arguments.captions)
        if arguments.picture:
            draw(looks, arguments.picture)


def write_source(path: Path, count: int) -> None:
    """`count` captions, two an image, two images a person, as our own JSON Lines format has them."""
    written, person = 0, 0
    with path.open("w", encoding="utf-8") as file:
        while written < count:
            person += 1
            for view in (1, 2):
                scene, drawn = describe_scene(1, person, view), describe_person(1, person)
                captions = write_captions(drawn, scene, np.random.default_rng([1, person, view]))[: count - written]
                if captions:
                    name = f"{person // 1000:04}/{person}_{view}.jpg"
                    row = {"file_path": name, "pid": person, "split": "train", "captions": captions}
                    file.write(json.dumps(row) + "\n")
                    written += len(captions)


class ScriptedServer:
    """A server in a process of its own; as a context its URL."""

    def __enter__(self) -> str:
        spawn = multiprocessing.get_context("spawn")
        ours, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        return f"http://127.0.0.1:{ours.recv()}/v1"

    def __exit__(self, *exc: object) -> None:
        self._process.terminate()


def _serve(pipe: Any) -> None:
    asked = 0

    async def complete(request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        caption = (await request.json())["messages"][-1]["content"].split(": ", 1)[-1]
        text = "In this photo, " + _WORD.sub(lambda word: _SAME[word[0]], caption[0].lower() + caption[1:])
        if asked % 10 == 0:
            text = _COLOUR.sub("orange", text)
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 60, "completion_tokens": 30}
        return web.json_response({"model": "scripted", "choices": [choice], "usage": usage})

    async def models(_: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "scripted"}]})

    async def serve() -> None:
        app = web.Application()
        app.add_routes([web.post("/v1/chat/completions", complete), web.get("/v1/models", models)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        pipe.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(serve())


def watch(source: Path, url: str, out: Path) -> list[Look]:
    """Run `augment` and look at it every few seconds."""
    command = [sys.executable, "-c", "from tbpr_data.pipeline.cli import main; main()", "augment", str(source)]
    command += ["--endpoint", url, "--recipe", "paraphrase", "--samples", "1", "--out", str(out)]
    # A worker a core: this server and the client leave theirs idle most of the time.
    command += ["--set", f"workers={os.cpu_count()}"]
    began, looks = time.monotonic(), list[Look]()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, "OPENAI_API_KEY": "none"})
    while process.poll() is None:
        time.sleep(_EVERY_S)
        try:
            top = psutil.Process(process.pid)
            children = sum(_resident(child) for child in top.children(recursive=True))
            progress = json.loads((out / ".tbpr" / "progress.json").read_text())["here"]
            look = Look(time.monotonic() - began, progress["answers"], _resident(top), children, top.num_fds())
        except (psutil.Error, OSError):  # it is about to begin, or has just ended
            continue
        if look.main:
            looks.append(look)
    if process.returncode:
        raise SystemExit(f"augment ended with {process.returncode}")
    return looks


def _resident(process: psutil.Process) -> float:
    try:
        return float(process.memory_info().rss) / 2**20
    except psutil.Error:
        return 0.0


def report(looks: list[Look], out: Path, captions: int) -> None:
    """Print a table of ten moments and what the run came to."""
    print("| answers | minutes | process, MiB | workers, MiB | open files |\n|---:|---:|---:|---:|---:|")
    for look in tenths(looks, captions):
        print(f"| {look.answers:,} | {look.seconds / 60:.1f} | {look.main:.0f} | {look.workers:.0f} | {look.files} |")
    lines = list(answers(out))
    journal = sum(path.stat().st_size for path in (out / ".tbpr" / "journal").iterdir())
    text = sum(len(line["text"].encode()) for line in lines)
    print(f"\nanswers journalled: {len(lines):,}, distinct {len({line['key'] for line in lines}):,}")
    print(f"journal {journal / 2**20:.0f} MiB, {journal / text:.2f} times the text of its answers")
    print(f"{looks[-1].seconds / 60:.0f} minutes, {captions / looks[-1].seconds:.0f} captions a second, start included")


def tenths(looks: list[Look], captions: int) -> Iterator[Look]:
    """The first look at or after each tenth of the answers, and the last."""
    for tenth in range(1, 10):
        yield next((look for look in looks if look.answers >= tenth * captions / 10), looks[-1])
    yield looks[-1]


def answers(out: Path) -> Iterator[dict[str, Any]]:
    """Every answer in the journals."""
    for path in sorted((out / ".tbpr" / "journal").iterdir()):
        with path.open(encoding="utf-8") as file:
            yield from (record for line in file if "key" in (record := json.loads(line)))


def draw(looks: list[Look], path: Path) -> None:
    """Resident memory over answers."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
    x = [look.answers / 1000 for look in looks]
    axes.plot(x, [look.main for look in looks], label="the process: source, client, journals")
    axes.plot(x, [look.workers for look in looks], label="its workers: checks, negatives, shards")
    axes.set(xlabel="answers, thousands", ylabel="resident memory, MiB", ylim=(0, None), xlim=(0, None))
    axes.legend(frameon=False)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
