"""Runs with `--judge` against a scripted server: who is asked what, and that none of it is asked twice."""

import json
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from augment_runs import augment, command, read, shards
from scripted_server import PROOF, Answer, ScriptedServer, rewrite

Start = Callable[..., ScriptedServer]


def doubtful(body: dict[str, Any], count: int) -> Answer:
    """Rewrites that all add a place; some change a colour too. A station was implied, an airport was not."""
    content = body["messages"][-1]["content"]
    if PROOF in content:
        return Answer('{"caption": "green"}')
    if "Text A: " in content:
        return Answer('{"answer": "yes"}' if 'imply "station"' in content else '{"answer": "no"}')
    place = "airport" if "number 3 " in content or "number 3." in content else "station"
    return Answer(f"{rewrite(body, count).text[:-1]} at the {place}.".replace("green shirt", "purple shirt"))


def slowly(body: dict[str, Any], count: int) -> Answer:
    answer = doubtful(body, count)
    answer.delay_s = 0.05
    return answer


def questions(server: ScriptedServer) -> list[dict[str, Any]]:
    return [body for body in server.chats if "Text A: " in body["messages"][-1]["content"]]


def test_only_what_is_unsure_is_asked_once_and_kept(cuhk: Path, tmp_path: Path, scripted: Start) -> None:
    server, out = scripted(doubtful), tmp_path / "out"
    done = augment(cuhk, out, server.url, "--judge")
    assert done.returncode == 0, done.stderr
    asked = questions(server)
    assert len(server.chats) == 40 + len(asked)
    texts = [body["messages"][-1]["content"] for body in asked]
    assert len(set(texts)) == len(texts)
    assert not any("purple" in text for text in texts)
    for body in asked:
        assert (body["temperature"], body["max_tokens"]) == (0.0, 16)
        assert body["response_format"]["json_schema"]["schema"]["properties"] == {
            "answer": {"type": "string", "enum": ["yes", "no"]}
        }
    pairs, rejects = read(out, "data"), read(out, "rejects")
    rewrites = [row for row in pairs if row["origin"] == "llm"]
    assert rewrites
    assert all(row["text"].endswith("at the station.") for row in rewrites)
    assert all("other: station" in row["checks"]["kept"] and row["checks"]["added"] == [] for row in rewrites)
    airport = [row for row in rejects if row["text"].endswith("at the airport.")]
    assert airport
    assert all(row["reasons"] == ["added"] for row in airport)
    assert all(row["checks"]["added"] == ["other: airport"] for row in airport)
    assert "judge" in json.loads((out / "manifest.json").read_text())["made_from"]

    # The questions are in the journal of their block: over it, nothing is left to ask.
    again = tmp_path / "again"
    (again / ".tbpr").mkdir(parents=True)
    (out / ".tbpr" / "journal").rename(again / ".tbpr" / "journal")
    sent = len(server.requests)
    assert augment(cuhk, again, server.url, "--judge").returncode == 0
    assert len(server.requests) == sent
    assert shards(again) == shards(out)


def test_killed_among_the_questions_it_goes_on_to_the_same_bytes(cuhk: Path, tmp_path: Path, scripted: Start) -> None:
    whole, server, out = scripted(doubtful), scripted(slowly), tmp_path / "killed"
    assert augment(cuhk, tmp_path / "whole", whole.url, "--judge").returncode == 0
    two_at_a_time = ("--judge", "--set", "server.concurrency=2")
    for after in (2, 9):
        run = subprocess.Popen(
            command(cuhk, out, server.url, *two_at_a_time), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while len(questions(server)) < after and run.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        run.send_signal(signal.SIGKILL)
        run.wait()
    done = augment(cuhk, out, server.url, *two_at_a_time)
    assert done.returncode == 0, done.stderr
    assert shards(out) == shards(tmp_path / "whole")
    # Only what was in flight at a kill was asked again.
    assert server.most_at_once <= 2
    assert len(server.chats) <= len(whole.chats) + 2 * 2


def test_questions_that_failed_are_told_and_asked_again(cuhk: Path, tmp_path: Path, scripted: Start) -> None:
    broken = True

    def answer(body: dict[str, Any], count: int) -> Answer:
        content = body["messages"][-1]["content"]
        if broken and "Text A: " in content and "number 4 " in content:
            return Answer(status=500)
        return doubtful(body, count)

    server, out = scripted(answer), tmp_path / "out"
    first = augment(cuhk, out, server.url, "--judge", "--set", "server.attempts=1")
    assert first.returncode == 3, first.stderr
    assert "requests got no answer; the same command asks them again" in first.stderr
    broken = False
    sent = Counter(body["messages"][-1]["content"] for body in server.chats)
    assert augment(cuhk, out, server.url, "--judge").returncode == 0
    again = Counter(body["messages"][-1]["content"] for body in server.chats) - sent
    assert again
    assert all("Text A: " in content and "number 4 " in content for content in again)
    fresh = tmp_path / "fresh"
    assert augment(cuhk, fresh, server.url, "--judge").returncode == 0
    assert shards(out) == shards(fresh)


def test_off_by_default_it_asks_nothing(cuhk: Path, tmp_path: Path, scripted: Start) -> None:
    server = scripted(doubtful)
    assert augment(cuhk, tmp_path / "out", server.url).returncode == 0
    assert len(server.chats) == 40
    assert not questions(server)
    assert all(row["origin"] == "human" for row in read(tmp_path / "out", "data"))


def test_it_says_beforehand_what_it_cannot_do(cuhk: Path, tmp_path: Path, scripted: Start) -> None:
    # This server answers in free text whatever schema it is sent.
    careless = augment(cuhk, tmp_path / "careless", scripted().url, "--judge")
    assert careless.returncode == 1
    assert "does not hold answers to a JSON schema" in careless.stderr
    nothing = augment(cuhk, tmp_path / "nothing", scripted().url, "--judge", "--set", "checks.faithful=false")
    assert nothing.returncode == 2
    assert "--judge: there is nothing to judge" in nothing.stderr
