"""A managed server that dies: started again, so many times; nothing lost, nothing asked for twice."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from augment_runs import AUGMENT, read, shards
from conftest import write_cuhk
from fake_vllm import FakeVllm

from tbpr_data.pipeline.config import load_config
from tbpr_data.pipeline.run import augment as augment_here
from tbpr_data.pipeline.screen import Screen

FIXED = ["--samples=2", "--no-negatives", "--set=block_size=8", "--set=workers=1", "--set=server.concurrency=8"]


def augment(vllm: FakeVllm, source: Path, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    words = [*AUGMENT, str(source), *vllm.arguments, *FIXED, "--out", str(out), *more]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, **vllm.environment})
    assert not [pid for pid in vllm.pids if psutil.pid_exists(pid)], "a server was left behind"
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Hashes of what a server that lives leaves."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert augment(FakeVllm(folder / "vllm", []), write_cuhk(folder / "raw.json", 10), folder / "out").returncode == 0
    return data(folder / "out")


def data(out: Path) -> dict[str, str]:
    """Without the run config, which holds how requests are served."""
    return {name: found for name, found in shards(out).items() if name != "run.toml"}


def answered(out: Path) -> list[str]:
    lines = [json.loads(line) for path in out.glob(".tbpr/journal/*") for line in path.read_text().splitlines()]
    assert not [line for line in lines if line.get("transient")]
    return [line["key"] for line in lines if "key" in line]


@pytest.mark.parametrize(
    "lives",
    [
        # In its second life it does not come up: what the first one held is not always free at once.
        [{"dies_after": 10}, {"bad_start": 1}, {"dies_after": 12}],
        [{"engine_dies_after": 10}],
    ],
    ids=["killed", "dead engine"],
)
def test_a_server_that_dies_is_started_again(
    cuhk: Path, tmp_path: Path, undisturbed: dict[str, str], lives: list[dict[str, Any]]
) -> None:
    vllm, out = FakeVllm(tmp_path / "vllm", lives), tmp_path / "out"
    # One try a request: one that died with its server does not count.
    done = augment(vllm, cuhk, out, "--set", "server.attempts=1")
    assert done.returncode == 0, done.stderr
    assert len(vllm.pids) == len(lives) + 1
    assert done.stderr.count("; starting it again (") == len(lives)
    keys = answered(out)
    assert len(keys) == len(set(keys)) == 40
    assert data(out) == undisturbed


def test_one_that_only_dies_ends_the_run_with_what_goes_on(cuhk: Path, tmp_path: Path) -> None:
    vllm, out = FakeVllm(tmp_path / "vllm", [{"dies_after": 12}, {"dies_after": 0}]), tmp_path / "out"
    done = augment(vllm, cuhk, out, "--set", "server.restarts=1")
    assert done.returncode == 1
    assert "vLLM ended with exit code -9, and server.restarts = 1 is used up; its log ends with" in done.stderr
    assert "life 2 begins" in done.stderr
    before = answered(out)
    assert f"{len(before)} of 40 are done and saved, {40 - len(before)} remain; go on with:\n" in done.stderr
    assert done.stderr.rstrip().splitlines()[-1].startswith(f"  tbpr-data augment {cuhk} --llm ")
    assert augment(vllm, cuhk, out).returncode == 0
    assert set(before) < set(answered(out))
    assert len(answered(out)) == 40


@pytest.mark.parametrize("how", [{}, {"engine": True}], ids=["killed", "dead engine"])
def test_a_request_that_kills_it_each_time_is_set_aside(cuhk: Path, tmp_path: Path, how: dict[str, Any]) -> None:
    deadly = "carries bag number 7 "
    vllm, out = FakeVllm(tmp_path / "vllm", [{"dies_of": deadly, **how}] * 9), tmp_path / "out"
    # Two requests, one after the other: the restarts that found the first do not count against the second.
    few = ("--set", "server.attempts=1", "--set", "server.concurrency=4", "--set", "server.restarts=3")
    done = augment(vllm, cuhk, out, *few)
    assert done.returncode == 0, done.stderr
    assert len(vllm.pids) > 4
    refused = [row for row in read(out, "rejects") if row["error"]]
    assert len(refused) == 2
    assert all(deadly in row["source_text"] for row in refused)
    assert all("vLLM ended three times while it was asked this" in row["error"] for row in refused)
    keys = answered(out)
    assert len(keys) == len(set(keys)) == 40


def test_one_that_does_not_come_up_at_first_is_not_started_again(cuhk: Path, tmp_path: Path) -> None:
    vllm = FakeVllm(tmp_path / "vllm", [{"bad_start": 3}])
    done = augment(vllm, cuhk, tmp_path / "out")
    assert done.returncode == 1
    assert "vLLM ended with exit code 3; its log ends with" in done.stderr
    assert "no memory for the cache" in done.stderr
    assert len(vllm.pids) == 1


def test_one_whose_first_request_kills_it_says_so(cuhk: Path, tmp_path: Path) -> None:
    vllm = FakeVllm(tmp_path / "vllm", [{"dies_after": 0}])
    done = augment(vllm, cuhk, tmp_path / "out")
    assert done.returncode == 1
    assert "vLLM ended with exit code -9; its log ends with" in done.stderr


def test_one_that_stays_with_a_dead_engine_is_ended(
    cuhk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In this process: no flag shortens the patience with one that is unwell.
    vllm = FakeVllm(tmp_path / "vllm", [{"engine_dies_after": 5, "stays": True}])
    monkeypatch.setattr("tbpr_data.pipeline.llm.supervisor._UNWELL_S", 3)
    monkeypatch.setattr(sys, "path", [str(vllm.folder / "path"), *sys.path])
    for name, value in vllm.environment.items():
        monkeypatch.setenv(name, value)
    sets = ["server.device=cpu", "workers=1", "server.concurrency=8", "negatives.enabled=false"]
    config = load_config(None, sets, {"source.path": str(cuhk), "llm.model": str(vllm.model)})
    outcome = augment_here(config, tmp_path / "out", Screen(quiet=True))
    assert not outcome.failed
    assert len(vllm.pids) == 2


def test_interrupted_while_it_is_started_again(cuhk: Path, tmp_path: Path) -> None:
    vllm = FakeVllm(tmp_path / "vllm", [{"dies_after": 5}, {"dies_after": 0}, {"dies_after": 0}])
    words = [*AUGMENT, str(cuhk), *vllm.arguments, *FIXED, "--out", str(tmp_path / "out")]
    run = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env={**os.environ, **vllm.environment})
    while len(vllm.pids) < 3:
        assert run.poll() is None
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    _, stderr = run.communicate(timeout=30)
    assert run.returncode == 130, stderr
    assert "go on with:" in stderr
    assert not [pid for pid in vllm.pids if psutil.pid_exists(pid)]
    assert not read(tmp_path / "out", "data")
