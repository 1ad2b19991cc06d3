"""`status` of real runs: while one goes on, after a kill, after the end, of folders that are torn or not ours."""

import json
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from augment_runs import augment, command, shards
from conftest import write_cuhk
from publish_runs import run
from scripted_server import PROOF, Answer, ScriptedServer, rewrite

from tbpr_data.pipeline.status import Status, read_status
from tbpr_data.pipeline.verify import verify
from tbpr_data.schemas.errors import UserError

Start = Callable[..., ScriptedServer]
# 20 captions in blocks of 8, two answers each: the first block is images 0 to 3, and of the second two images are held.
HELD_FROM = 6


class Held:
    """Answers the images before `HELD_FROM` and holds the rest until it is let go; the first tries of two fail."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.failed: set[str] = set()

    def __call__(self, body: dict[str, Any], count: int) -> Answer:
        said = body["messages"][-1]["content"]
        number = re.search(r"number (\d+)", said)
        if PROOF in said or number is None:
            return Answer("green")
        key = json.dumps(body)
        if int(number[1]) < 2 and key not in self.failed:
            self.failed.add(key)
            return Answer(status=500)  # a 429 would leave fewer places, and those that wait here may hold them all
        if int(number[1]) >= HELD_FROM:
            self.let_go.wait(600)
        return rewrite(body, count)


@contextmanager
def running(arguments: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A run in a process of its own, killed in the end if it has not ended."""
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def until(folder: Path, seen: Callable[[Status], bool], *, within_s: float = 240) -> Status:
    """The status as soon as it is so; the last one if it never is."""
    deadline = time.monotonic() + within_s
    while True:
        if (folder / "manifest.json").exists() or time.monotonic() > deadline:
            status = read_status(folder)
            if seen(status) or time.monotonic() > deadline:
                return status
        time.sleep(0.05)


def test_from_the_first_answer_over_a_kill_to_the_end(cuhk: Path, tmp_path: Path, scripted: Start) -> None:
    held, out = Held(), tmp_path / "out"
    server = scripted(held)
    faults = {"5xx": 8}

    def there(now: Status) -> bool:
        return now.blocks_done == 1 and now.answers_on_disk == 24 and bool(now.asked and now.asked.faults == faults)

    with running(command(cuhk, out, server.url, "--set", "server.concurrency=4")) as process:
        status = until(out, there)
        assert (status.run.state, status.run.pid, status.run.stage) == ("running", process.pid, "rewriting")
        assert (status.blocks_done, status.blocks_total, status.made.captions, status.captions_total) == (1, 3, 8, 20)
        assert (status.answers_on_disk, status.answers_total) == (24, 40)
        assert status.asked is not None
        assert (status.asked.faults, status.asked.given_up, status.retries, status.asked.sessions) == (faults, 0, 8, 1)
        assert status.made.kept + status.made.refused == 16
        assert sum(status.made.reasons.values()) >= status.made.refused > 0
        assert status.left_s
        assert status.asked.tokens > 100
        assert status.tokens_s
        assert not status.complete
        shown = run("status", out)
        assert shown.exit_code == 0
        assert "1 of 3" in shown.stdout
        assert f"pid {process.pid}" in shown.stdout

    status = read_status(out)
    assert (status.run.state, status.run.pid, status.left_s) == ("killed", process.pid, None)
    assert (status.blocks_done, status.answers_on_disk) == (1, 24)
    left = verify(out)
    assert not left.whole
    assert not left.findings
    assert "not finished: 1 of 3 blocks" in left.notes

    held.let_go.set()
    assert augment(cuhk, out, server.url).returncode == 0
    status = Status.model_validate_json(run("status", out, "--json").stdout)
    assert (status.run.state, status.complete, status.answers_on_disk, status.left_s) == ("finished", True, 40, None)
    assert status.asked is not None
    # What was counted before the kill stays counted.
    assert (status.asked.sessions, status.asked.faults) == (2, faults)
    assert status.asked.answers == 40
    assert verify(out).whole
    # It is the same without the state, but for what only that tells; and with a state that a power cut has torn.
    torn = Path(shutil.copytree(out, tmp_path / "torn"))
    progress = torn / ".tbpr" / "progress.json"
    progress.write_bytes(progress.read_bytes()[:100])
    shutil.rmtree(shutil.copytree(out, tmp_path / "downloaded") / ".tbpr")
    for folder in (torn, tmp_path / "downloaded"):
        bare = read_status(folder)
        assert bare.made == status.made
        assert bare.answers_on_disk == 40
        assert bare.asked is None
        assert bare.run.state == "none"
        assert run("status", folder).exit_code == 0


def test_how_a_run_ended_is_told(cuhk: Path, tmp_path: Path, scripted: Start) -> None:
    held, out = Held(), tmp_path / "out"
    server = scripted(held)
    with running(command(cuhk, out, server.url)) as process:
        until(out, lambda now: now.answers_on_disk == 24)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
    assert read_status(out).run.state == "interrupted"
    refusing = scripted(lambda body, count: Answer("green") if PROOF in str(body) else Answer(status=401))
    assert augment(cuhk, out, refusing.url).returncode == 1
    status = read_status(out)
    assert status.run.state == "failed"
    assert "HTTP 401" in status.run.why
    assert status.answers_on_disk == 24
    # A folder on a shared disk, held by another machine: only what it wrote tells.
    owner, progress = out / ".tbpr" / "owner", out / ".tbpr" / "progress.json"
    written = json.loads(progress.read_text())
    owner.write_text("host another, pid 7\n")
    assert read_status(out).run.state == "elsewhere"
    progress.write_text(json.dumps({**written, "host": "another", "pid": 7, "ended": None}))
    assert read_status(out).run.state == "running"
    held.let_go.set()


def test_looking_disturbs_nothing(cuhk: Path, tmp_path: Path, scripted: Start) -> None:
    source = write_cuhk(tmp_path / "many.json", 30)
    out, over = tmp_path / "out", threading.Event()
    seen: list[Status] = []

    def look() -> None:
        while not over.is_set():
            if (out / "manifest.json").exists():
                seen.append(read_status(out))
            time.sleep(0.05)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        done = augment(source, out, scripted().url, "--set", "block_size=2")
    finally:
        over.set()
        looking.join()
    assert done.returncode == 0, done.stderr
    assert len(seen) > 20
    counts = [(status.blocks_done, status.made.captions) for status in seen]
    assert counts == sorted(counts)
    assert {status.run.state for status in seen} <= {"running", "finished", "none"}
    assert augment(source, tmp_path / "alone", scripted().url, "--set", "block_size=2").returncode == 0
    assert shards(out) == shards(tmp_path / "alone")
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    assert run("status", out, "--json").exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    # A command that is refused is no run: what is told is still how the one before it ended.
    assert augment(source, out, scripted().url, "--seed", "7").returncode == 2
    assert read_status(out).run.state == "finished"


def test_negatives_alone_have_a_status_too(cuhk: Path, tmp_path: Path) -> None:
    assert run("negatives", cuhk, "--out", tmp_path / "out", "--set", "workers=1").exit_code == 0
    status = read_status(tmp_path / "out")
    assert (status.complete, status.answers_total, status.tokens_s) == (True, 0, None)
    assert status.made.negatives > 0
    assert verify(tmp_path / "out").whole
    assert "answers" not in run("status", tmp_path / "out").stdout


@pytest.mark.parametrize("files", [(), ("manifest.json",), (".tbpr/lock",)])
def test_what_is_no_dataset_is_said_in_a_line(tmp_path: Path, files: tuple[str, ...]) -> None:
    folder = tmp_path / "folder"
    for name in files:
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("{}")
    refused = run("status", folder).exception
    assert isinstance(refused, UserError)
    assert str(folder) in str(refused)
    assert "\n" not in str(refused)


def test_a_run_that_was_killed_before_it_wrote_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / ".tbpr").mkdir()
    (tmp_path / ".tbpr" / "owner").write_text(f"host {socket.gethostname()}, pid 99999999\n")
    with pytest.raises(UserError, match="no manifest, and no run that would write one"):
        read_status(tmp_path)
