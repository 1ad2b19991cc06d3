"""The real thing: SmolLM2 served by vLLM, started by the run itself. Slow: a server takes about a minute to start."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from conftest import write_cuhk
from datasets import load_dataset

pytestmark = pytest.mark.slow

TBPR_DATA = [sys.executable, "-c", "from tbpr_data.pipeline.cli import main; main()"]


def command(source: Path, out: Path, *more: str) -> list[str]:
    run = ["augment", str(source), "--llm", "smollm2", "--recipe", "paraphrase", "--recipe", "concise"]
    return [*TBPR_DATA, *run, "--judge", "--samples", "2", "--set", "block_size=12", "--out", str(out), *more]


BEFORE = frozenset(psutil.pids())
"""Somebody may keep a server running beside the tests."""


def vllm_processes() -> list[psutil.Process]:
    def mine(process: psutil.Process) -> bool:
        try:
            name, fake = " ".join(process.cmdline()), "FAKE_VLLM" in process.environ()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False
        return not fake and ("vllm.entrypoints" in name or "VLLM::" in name)

    return [process for process in psutil.process_iter() if process.pid not in BEFORE and mine(process)]


def gone_within(seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not vllm_processes():
            return True
        time.sleep(0.5)
    return False


def answered(out: Path) -> list[str]:
    lines = [line for path in out.glob(".tbpr/journal/*") for line in path.read_text().splitlines()]
    return [json.loads(line)["key"] for line in lines if '"key"' in line]


def opinions(out: Path) -> list[str]:
    """The answers to yes/no questions, held to their schema by the server."""
    lines = [line for path in out.glob(".tbpr/journal/*") for line in path.read_text().splitlines()]
    texts = [json.loads(line).get("text", "") for line in lines]
    return [text for text in texts if re.fullmatch(r'\{\s*"answer"\s*:\s*"(yes|no)"\s*\}', text)]


@contextmanager
def serving(log: Path) -> Iterator[None]:
    """`tbpr-data serve`, ready, and stopped as a user stops it."""
    with log.open("w") as file:
        server = subprocess.Popen([*TBPR_DATA, "serve", "--llm", "smollm2"], stderr=file, stdout=file)
    try:
        while "ready at" not in log.read_text():
            assert server.poll() is None, log.read_text()
            time.sleep(0.2)
        yield
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(60) == 0, log.read_text()
    assert log.read_text().rstrip().endswith("stopped")


@pytest.mark.timeout(900)
def test_killed_and_resumed_on_a_real_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose own server dies under it and comes back, then is killed; one that finishes it with the server that
    `serve` keeps, and one over the same journal that has nothing to ask."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    source, out = write_cuhk(tmp_path / "reid_raw.json", 12), tmp_path / "out"
    with (tmp_path / "log").open("w") as log:
        run = subprocess.Popen(command(source, out), stderr=log, stdout=log)

    def wait_for(answers: int) -> None:
        while len(answered(out)) < answers:
            assert run.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.2)

    wait_for(6)
    # The engine alone: vLLM then answers 500 and 503 for a moment, and ends by itself.
    [engine] = [process for process in vllm_processes() if "EngineCore" in " ".join(process.cmdline())]
    engine.kill()
    wait_for(len(answered(out)) + 14)
    assert (tmp_path / "log").read_text().count("; starting it again (1 of 6 within an hour)") == 1
    run.send_signal(signal.SIGKILL)
    run.wait()
    before = answered(out)
    assert gone_within(30), "a killed run left its server behind"

    with serving(tmp_path / "serve.log"):
        done = subprocess.run(command(source, out), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "using the server that runs at" in done.stderr
        assert vllm_processes(), "a run stopped the server that it was lent"
    assert gone_within(60), "serve left its server behind"
    assert not [*(tmp_path / "state").rglob("*.json")], "serve is still announced"
    after = answered(out)
    assert set(before) <= set(after)
    # The answers, and a yes or no for each question about them.
    assert len(after) == len(set(after)) == 24 * 2 * 2 + len(opinions(out))

    pairs, rejects = load_dataset(str(out), "pairs")["train"], load_dataset(str(out), "rejects")["train"]
    rewrites = [row for row in pairs if row["origin"] == "llm"]
    assert len(rewrites) + len(rejects) == 96
    assert rewrites, "SmolLM2 gives a faithful rewrite now and then"
    assert len([row for row in rejects if row["text"]]) >= 48, "and some words nearly always"
    assert {row["style"] for row in [*rewrites, *rejects]} == {"paraphrase", "concise"}
    provenance = rewrites[0]["provenance"]
    assert (provenance["engine"], provenance["model"]) == ("vllm", "HuggingFaceTB/SmolLM2-135M-Instruct")
    assert provenance["engine_version"]
    assert provenance["completion_tokens"] > 0

    # An undisturbed run over the same answers writes the same bytes, and needs no server for it.
    again = tmp_path / "again"
    (again / ".tbpr").mkdir(parents=True)
    (out / ".tbpr" / "journal").rename(again / ".tbpr" / "journal")
    replay = subprocess.run(command(source, again), capture_output=True, text=True)
    assert replay.returncode == 0, replay.stderr
    assert "starting vLLM" not in replay.stderr
    for path in [*out.glob("data/*"), *out.glob("rejects/*"), out / "manifest.json", out / "README.md"]:
        assert path.read_bytes() == (again / path.relative_to(out)).read_bytes()


@pytest.mark.timeout(600)
def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    source = write_cuhk(tmp_path / "reid_raw.json", 2)
    done = subprocess.run(
        command(source, tmp_path / "out", "--set", 'server.extra_args=["--dtype", "float3"]'),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "vLLM ended with exit code" in done.stderr
    assert "float3" in done.stderr
    assert "Traceback (most recent call last)" not in done.stderr.split("its log ends with")[0]
    # A child that the server had forked by then is ended, and takes a moment to be gone on a busy machine.
    assert gone_within(60)
