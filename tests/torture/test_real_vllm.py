"""The same against SmolLM2 on a vLLM server of the run's own. Slow: the server is started three times."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from torture.case import write_source

pytestmark = pytest.mark.slow

ANSWERS = 24 * 2 * 2
TBPR_DATA = [sys.executable, "-c", "from tbpr_data.pipeline.cli import main; main()"]


def journal(out: Path) -> dict[str, list[bytes]]:
    """The whole lines of each journal, heads included."""
    return {path.name: path.read_bytes().split(b"\n")[:-1] for path in sorted(out.glob(".tbpr/journal/*"))}


def keys(out: Path) -> list[str]:
    """The request of each answer; a failure, which is asked again, is none."""
    told = [json.loads(line) for lines in journal(out).values() for line in lines]
    return [one["key"] for one in told if "key" in one and not one.get("transient")]


def servers(run: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    """The vLLM server of a run, and its engine."""
    children = psutil.Process(run.pid).children(recursive=True)
    return [child for child in children if "vllm" in " ".join(child.cmdline()).lower()]


def until(answers: int, out: Path, run: "subprocess.Popen[bytes]") -> bool:
    """Wait for so many answers; false where the run ended before."""
    while run.poll() is None:
        if len(keys(out)) >= answers:
            return True
        time.sleep(0.1)
    return False


def kept(before: dict[str, list[bytes]], out: Path) -> bool:
    """Whether every journal begins as it did."""
    after = journal(out)
    return all(after[name][: len(lines)] == lines for name, lines in before.items())


@pytest.mark.timeout(900)
def test_server_and_run_killed_nothing_is_lost(tmp_path: Path) -> None:
    source, out, log = write_source(tmp_path / "people.jsonl"), tmp_path / "out", tmp_path / "log"
    words = ["augment", str(source), "--llm", "smollm2", "--limit", "24", "--samples", "2", "--out", str(out)]
    words += ["--recipe", "paraphrase", "--recipe", "concise", "--set", "block_size=8", "--set", "workers=1"]

    def start() -> "subprocess.Popen[bytes]":
        with log.open("ab") as file:
            return subprocess.Popen([*TBPR_DATA, *words], stdout=file, stderr=file)

    # The server goes first: the run starts another one, or ends and says how to go on.
    run = start()
    assert until(15, out, run), log.read_text()
    before = journal(out)
    for server in servers(run):
        server.kill()
    if not until(40, out, run):
        assert run.returncode == 1, log.read_text()
        assert "go on with:" in log.read_text()
        assert kept(before, out)
        run = start()
        assert until(40, out, run), log.read_text()
    # Then the run, and its server with it.
    left = servers(run)
    run.send_signal(signal.SIGKILL)
    run.wait()
    before = journal(out)
    assert left
    assert not psutil.wait_procs(left, timeout=60)[1], "a killed run left its server behind"
    assert start().wait() == 0, log.read_text()
    assert kept(before, out)
    assert "Traceback" not in log.read_text()

    answered = Counter(keys(out))
    assert len(answered) == ANSWERS
    assert set(answered.values()) == {1}
    manifest = json.loads((out / "manifest.json").read_text())
    rows = sum(shard["rows"] for block in manifest["blocks"] for shard in block["shards"])
    assert rows == 24 + ANSWERS
