"""Fixtures shared by the tests."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from scripted_server import Answer, ScriptedServer

# Before `datasets` is imported anywhere: its cache of what tests load is thrown away with the session.
_CACHE = tempfile.TemporaryDirectory(prefix="tbpr-data-tests-")
os.environ["HF_DATASETS_CACHE"] = _CACHE.name
# A server that somebody keeps running beside the tests is not theirs to find.
os.environ["XDG_STATE_HOME"] = str(Path(_CACHE.name) / "state")
# How long an example takes is the machine's affair: other work on it would fail the test.
settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Over two processes a file's tests stay together, whose fixtures are then made once; what starts vLLM goes first,
    in one of them: two servers on two cores take twice as long each."""
    items.sort(key=lambda item: "slow" not in item.keywords)
    for item in items:
        item.add_marker(pytest.mark.xdist_group("vllm" if "slow" in item.keywords else str(item.path)))


COLOURS = ("red", "blue", "green", "white", "black", "gray")


def write_cuhk(path: Path, images: int, *, split: str = "train") -> Path:
    """A source of two captions an image, in CUHK-PEDES's format, without its pictures."""
    records = [
        {
            "split": split,
            "captions": [
                f"The man number {i} is wearing a {COLOURS[i % 6]} shirt, {COLOURS[(i + 1) % 6]} pants and shoes.",
                f"A man with short hair walks in a {COLOURS[i % 6]} shirt and carries bag number {i} in his left hand.",
            ],
            "file_path": f"cam_a/{i:04d}.jpg",
            "processed_tokens": [],
            "id": i // 2 + 1,
        }
        for i in range(images)
    ]
    path.write_text(json.dumps(records), encoding="utf-8")
    return path


@pytest.fixture
def cuhk(tmp_path: Path) -> Path:
    return write_cuhk(tmp_path / "reid_raw.json", 10)


@pytest.fixture
def scripted() -> Iterator[Callable[..., ScriptedServer]]:
    """Starts scripted servers and stops them after the test."""
    servers: list[ScriptedServer] = []

    def start(answer: Callable[[dict[str, object], int], Answer] | None = None, **options: object) -> ScriptedServer:
        servers.append(ScriptedServer(answer, **options))  # type: ignore[arg-type]
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
