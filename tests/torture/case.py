"""The run that is tortured: a small source, its command, a language model that answers a request always the same."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripted_server import PROOF, Answer, request_key

Script = Callable[[dict[str, Any], int], Answer]
"""What a scripted server answers: to a request, and how many came before it."""

CONCURRENCY = 8
"""Requests in flight: as many answers may be lost to a kill, that were sent but not yet on disk."""
_COLOURS = ("red", "blue", "green", "white", "black", "gray", "brown")
_OPENINGS = ("In this photo we see that", "It can be seen that", "In the picture we see")


def write_source(path: Path) -> Path:
    """60 captions of 30 images, 48 to train on and 12 to validate: five blocks of twelve."""
    rows = []
    for i in range(30):
        shirt, pants, bag = (_COLOURS[(i + k * (1 + i % 3)) % 7] for k in range(3))
        captions = [
            f"The man number {i} is wearing a {shirt} shirt, {pants} pants and shoes.",
            f"A woman with short hair walks in a {shirt} coat and carries a {bag} bag number {i} in her left hand.",
        ]
        split = "train" if i < 24 else "val"
        rows.append({"file_path": f"cam_a/{i:04d}.jpg", "pid": i // 2, "split": split, "captions": captions})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def arguments(source: Path, out: Path, url: str, *more: str) -> list[str]:
    """What follows `tbpr-data`: two prompts, second opinions, hard negatives, one worker process."""
    asked = ["--recipe", "paraphrase", "--recipe", "concise", "--judge", "--samples", "2"]
    sets = ["block_size=12", "workers=1", f"server.concurrency={CONCURRENCY}"]
    settings = [word for one in sets for word in ("--set", one)]
    return ["augment", str(source), "--endpoint", url, *asked, *settings, "--out", str(out), *more]


def tag_of_key(key: str) -> int:
    """A number that tells a request from every other, by its canonical form. Answers carry it as their count of prompt
    tokens, so that journal lines and rows show which request they answer."""
    return int(hashlib.sha256(key.encode()).hexdigest()[:7], 16)


def tag(body: dict[str, Any]) -> int:
    """The same of a request as it is."""
    return tag_of_key(request_key(body))


def answer(body: dict[str, Any], count: int) -> Answer:
    """The same for the same request, and of every kind: good, empty, cut, refused, contradicting, doubtful."""
    content = body["messages"][-1]["content"]
    if PROOF in content:
        return Answer('{"caption": "green"}')
    number = tag(body)
    if "Text A: " in content:
        return Answer(json.dumps({"answer": "yes" if number % 2 else "no"}), prompt_tokens=number)
    text = _written(content, number % 12)
    return Answer(text, prompt_tokens=number, finish_reason="length" if number % 12 == 4 else "stop")


def _written(content: str, kind: int) -> str:
    order, caption = content.split(": ", 1)
    text = _short(caption) if order == "Shorten" else f"{_OPENINGS[kind % 3]} {caption[0].lower()}{caption[1:]}"
    if kind == 0:
        return ""
    if kind == 1:
        return "I'm sorry, I cannot help with that."
    if kind in (2, 3):
        return re.sub(r"red|blue|green|white", "purple", text)
    if kind in (5, 6):
        return f"{text[:-1]} at the station."
    return text


def _short(caption: str) -> str:
    shirt, other = re.findall("|".join(_COLOURS), caption)
    if caption.startswith("The man"):
        return f"A man in a {shirt} shirt and {other} pants."
    return f"A woman in a {shirt} coat carries a {other} bag."
