"""Whole runs through the command line, against a scripted server: what is written, what a kill or fault leaves."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from augment_runs import AUGMENT, WITH_NEGATIVES, augment, command, read, shards
from conftest import write_cuhk
from datasets import load_dataset
from scripted_server import PROOF, Answer, ScriptedServer, rewrite

from tbpr_data.pipeline.shards import pairs_schema, rejects_schema

Start = Callable[..., ScriptedServer]


def stuck(body: dict[str, Any], count: int) -> Answer:
    """Answers the request that proves the server, and then no more."""
    return Answer("green", delay_s=0 if PROOF in str(body["messages"]) else 60)


def test_a_run_writes_a_dataset_that_opens(cuhk: Path, tmp_path: Path, scripted: Start) -> None:
    def answer(body: dict[str, Any], count: int) -> Answer:
        if "number 3 " in body["messages"][-1]["content"]:
            return Answer("", finish_reason="stop")
        return rewrite(body, count)

    server, out = scripted(answer), tmp_path / "out"
    done = augment(cuhk, out, server.url, WITH_NEGATIVES)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(out)
    pairs, rejects = load_dataset(str(out), "pairs")["train"], load_dataset(str(out), "rejects")["train"]
    human = [row for row in pairs if row["origin"] == "human"]
    rewrites = [row for row in pairs if row["origin"] == "llm"]
    assert len(human) == 20
    texts = {row["caption_id"]: row["text"] for row in human}
    assert list(texts)[:3] == [f"cuhk-pedes/cam_a/{path}" for path in ("0000.jpg#0", "0000.jpg#1", "0001.jpg#0")]
    for row in rewrites:
        assert row["text"].lower().endswith(texts[row["source_caption_id"]][1:].lower())
        assert row["caption_id"].rpartition("~")[0] == row["source_caption_id"]
        assert row["checks"]["verdict"] == "accepted"
        assert row["provenance"]["engine"] == "scripted"
        assert row["provenance"]["prompt_id"] == "paraphrase"
    assert all(negative["text"] != row["text"] for row in pairs for negative in row["negatives"])
    assert any(row["negatives"] for row in rewrites)
    # Every answer is somewhere: kept, or refused with a reason.
    assert len(rewrites) + len(rejects) == 40
    assert all(row["reasons"] for row in rejects)
    empty = [row for row in rejects if row["reasons"] == ["empty"]]
    assert {row["image_id"] for row in empty} == {"cuhk-pedes/cam_a/0003.jpg"}
    manifest = json.loads((out / "manifest.json").read_text())
    assert [block["name"] for block in manifest["blocks"]] == [f"train-0000{i}-of-00003" for i in range(3)]
    for shard in (shard for block in manifest["blocks"] for shard in block["shards"]):
        path = out / shard["path"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == shard["sha256"]
        schema = pq.read_schema(path)
        assert schema.equals(pairs_schema() if shard["config"] == "pairs" else rejects_schema())
    assert len(server.chats) == 40
    # The same command again has nothing to do.
    before = shards(out)
    again = augment(cuhk, out, server.url, WITH_NEGATIVES)
    assert again.returncode == 0
    assert "nothing left to do" in again.stderr
    assert shards(out) == before
    assert len(server.chats) == 40
    # Nor does it need the server for that, and its own run.toml makes it again.
    server.stop()
    assert augment(cuhk, out, server.url, WITH_NEGATIVES).returncode == 0
    server = scripted(answer)
    twin = tmp_path / "twin"
    made = subprocess.run(
        [*AUGMENT, "--config", str(out / "run.toml"), "--endpoint", server.url, "--out", str(twin)],
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr
    assert shards(twin) == shards(out)


def test_a_run_that_refuses_nothing_opens_too(cuhk: Path, tmp_path: Path, scripted: Start) -> None:
    done = augment(cuhk, tmp_path / "out", scripted().url, "--samples=1", "--set", "keep=all")
    assert done.returncode == 0, done.stderr
    assert list(load_dataset(str(tmp_path / "out"))) == ["train"]
    assert load_dataset(str(tmp_path / "out"), "pairs")["train"].num_rows == 40
    with pytest.raises(ValueError, match="rejects"):
        load_dataset(str(tmp_path / "out"), "rejects")


def test_what_contradicts_is_refused_and_serves_as_a_negative(cuhk: Path, tmp_path: Path, scripted: Start) -> None:
    def answer(body: dict[str, Any], count: int) -> Answer:
        said = rewrite(body, count)
        return Answer(said.text.replace("green shirt", "red shirt"))

    out = tmp_path / "out"
    done = augment(cuhk, out, scripted(answer).url, WITH_NEGATIVES)
    assert done.returncode == 0, done.stderr
    pairs, rejects = read(out, "data"), read(out, "rejects")
    refused = [row for row in rejects if row["reasons"] == ["contradicted"]]
    assert {row["source_caption_id"] for row in refused} == {
        f"cuhk-pedes/cam_a/{image}#{k}" for image in ("0002.jpg", "0008.jpg") for k in (0, 1)
    }
    for row in refused:
        assert row["checks"]["verdict"] == "rejected"
        assert row["checks"]["contradicted"] == ["upper.colour: green → red"]
        assert row["checks"]["added"] == row["checks"]["dropped"] == []
    by_id = {row["caption_id"]: row for row in pairs}
    for row in refused:
        human = by_id[row["source_caption_id"]]
        [made] = [negative for negative in human["negatives"] if negative["text"] == row["text"]]
        assert (made["origin"], made["rule"], made["kind"]) == ("llm", "llm/contradicted", "replace")
        assert made["slots"] == ["upper.colour"]
        [edit] = made["spans"]
        assert human["text"][edit["source_start"] : edit["source_end"]] == human["text"]
        assert made["text"][edit["start"] : edit["end"]] == made["text"]
    others = [row for row in pairs if row["image_id"][-8:-4] not in ("0002", "0008")]
    assert not any(negative["origin"] == "llm" for row in others for negative in row["negatives"])


def test_attributes_are_json_with_the_characters_they_were_read_from(
    cuhk: Path, tmp_path: Path, scripted: Start
) -> None:
    assert augment(cuhk, tmp_path / "out", scripted().url).returncode == 0
    pairs = read(tmp_path / "out", "data")
    for row in pairs:
        person = json.loads(row["attributes"])
        assert person["gender"][0]["value"] == "male"
        items = {item["slot"]: item for item in person["items"]}
        for value in (items["upper"]["name"], *items["upper"]["colours"]):
            start, end = value["span"]
            assert row["text"][start:end] == value["text"]
    rewrites = [row for row in pairs if row["origin"] == "llm"]
    assert all("upper.colour" in " ".join(row["checks"]["kept"]) for row in rewrites)
    assert all(row["checks"][status] == [] for row in rewrites for status in ("dropped", "added", "contradicted"))


def test_the_comparison_can_be_turned_off(cuhk: Path, tmp_path: Path, scripted: Start) -> None:
    def answer(body: dict[str, Any], count: int) -> Answer:
        return Answer("A woman in a purple dress waits for the bus.")

    out = tmp_path / "out"
    assert augment(cuhk, out, scripted(answer).url, "--set", "checks.faithful=false").returncode == 0
    pairs = read(out, "data")
    assert sum(row["origin"] == "llm" for row in pairs) == 10  # one an image: the others repeat it
    assert {row["attributes"] for row in pairs} == {None}
    assert all(row["checks"]["contradicted"] is None for row in pairs if row["checks"])
    assert {reason for row in read(out, "rejects") for reason in row["reasons"]} == {"duplicate"}


def test_likeness_in_meaning_is_in_the_rows(cuhk: Path, tmp_path: Path, scripted: Start) -> None:
    out = tmp_path / "out"
    done = augment(cuhk, out, scripted().url, "--limit=4", "--set", "checks.similarity=true")
    assert done.returncode == 0, done.stderr
    assert "Loading weights" not in done.stderr
    rewrites = [row for row in read(out, "data") if row["origin"] == "llm"]
    assert len(rewrites) == 4
    assert all(0.8 < row["checks"]["similarity"] <= 1 for row in rewrites)
    assert "all-MiniLM-L6-v2" in json.loads((out / "manifest.json").read_text())["versions"]["similarity"]


def test_killed_anywhere_it_goes_on_to_the_same_bytes(cuhk: Path, tmp_path: Path, scripted: Start) -> None:
    def slowly(body: dict[str, Any], count: int) -> Answer:
        answer = rewrite(body, count)
        answer.delay_s = 0.05
        return answer

    whole_server, server = scripted(), scripted(slowly)
    assert augment(cuhk, tmp_path / "whole", whole_server.url).returncode == 0
    out = tmp_path / "killed"
    for after in (3, 11, 18, 29):
        run = subprocess.Popen(
            command(cuhk, out, server.url, "--set", "server.concurrency=2"),
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while len(server.chats) < after and run.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        run.send_signal(signal.SIGKILL)
        run.wait()
        journals = "".join(path.read_text() for path in (out / ".tbpr" / "journal").glob("*"))
        assert journals.count('"key"') >= len(server.chats) - 2 * 4
    done = augment(cuhk, out, server.url)
    assert done.returncode == 0, done.stderr
    # The answers are the same for the same request, so the shards must be too.
    assert shards(out) == shards(tmp_path / "whole")
    # Only what was in flight at a kill (two at a time) was asked again.
    assert len(server.chats) <= 40 + 2 * 4


def test_the_bytes_do_not_depend_on_how_many_are_in_flight(tmp_path: Path, scripted: Start) -> None:
    def shuffled(body: dict[str, Any], count: int) -> Answer:
        chance = random.Random(count)
        answer = rewrite(body, count)
        if body["seed"] % 5 == 0:  # contradicted, so that negatives come of answers too
            answer.text = answer.text.replace("green shirt", "red shirt")
        answer.delay_s = 0.04 * chance.random()
        if name == "many" and PROOF not in str(body):
            server.until_at_once(17)
        return Answer(status=503) if count and chance.random() < 0.05 else answer

    source, server, found = write_cuhk(tmp_path / "reid_raw.json", 24), scripted(shuffled), []
    for name, sets in {"one": ("workers=1", "concurrency=1"), "many": ("workers=2", "concurrency=64")}.items():
        settings = ["--set", sets[0], "--set", f"server.{sets[1]}"]
        done = augment(source, tmp_path / name, server.url, WITH_NEGATIVES, *settings)
        assert done.returncode == 0, done.stderr
        published = shards(tmp_path / name)
        del published["run.toml"]  # it holds how many are in flight
        journals = sorted((tmp_path / name).glob(".tbpr/journal/*"))
        found.append((published, [sorted(path.read_text().splitlines()) for path in journals]))
    assert found[0] == found[1]
    assert server.most_at_once >= 17
    assert len(found[0][1]) == 6


def test_another_model_midway_ends_the_run_and_leaves_nothing(cuhk: Path, tmp_path: Path, scripted: Start) -> None:
    swapped = True

    def answer(body: dict[str, Any], count: int) -> Answer:
        said = rewrite(body, count)
        said.model = "/models/one"  # not as it is asked for, which is no matter
        if swapped and count > 20:
            said.model, said.text = "/models/two", "Another model's words."
        return said

    server, out = scripted(answer), tmp_path / "out"
    failed = augment(cuhk, out, server.url, "--set", "server.concurrency=4")
    assert failed.returncode == 1
    assert "another model answers now: an answer says that '/models/two' gave it; it was '/models/one'" in failed.stderr
    kept = "".join(path.read_text() for path in out.glob(".tbpr/journal/*"))
    assert f"{kept.count('key')} of 40 are done and saved" in failed.stderr
    assert kept.count("key") >= 16
    assert "Another" not in kept
    swapped = False
    assert augment(cuhk, out, server.url).returncode == 0


def test_interrupted_it_says_how_to_go_on(cuhk: Path, tmp_path: Path, scripted: Start) -> None:
    server = scripted(stuck)
    # Deaf to Ctrl-C is what a shell script starts with `&`; a job system ends that with SIGTERM too.
    for number, deaf in ((signal.SIGINT, False), (signal.SIGTERM, False), (signal.SIGTERM, True)):
        words = command(cuhk, tmp_path / "out", server.url)
        words = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *words] if deaf else words
        run = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
        seen = len(server.chats)
        while len(server.chats) < seen + 8:
            time.sleep(0.01)
        if deaf:
            run.send_signal(signal.SIGINT)
            with pytest.raises(subprocess.TimeoutExpired):
                run.wait(0.5)
        run.send_signal(number)
        _, stderr = run.communicate(timeout=20)
        assert run.returncode == 130
        assert "are done and saved, " in stderr
        assert "go on with:\n  tbpr-data augment" in stderr
        assert "Traceback" not in stderr


def test_identical_requests_are_sent_once(tmp_path: Path, scripted: Start) -> None:
    source = write_cuhk(tmp_path / "reid_raw.json", 3)
    records = json.loads(source.read_text())
    for record in records:
        record["captions"] = ["A woman in a long red dress walks to the left."]
        record["id"] = 1
    source.write_text(json.dumps(records))
    server = scripted()
    assert augment(source, tmp_path / "out", server.url).returncode == 0
    assert len(server.chats) == 2


def test_rows_that_failed_are_told_and_asked_again(cuhk: Path, tmp_path: Path, scripted: Start) -> None:
    broken = True

    def answer(body: dict[str, Any], count: int) -> Answer:
        if broken and "number 3 " in body["messages"][-1]["content"]:
            return Answer(status=500)
        return rewrite(body, count)

    server, out = scripted(answer), tmp_path / "out"
    first = augment(cuhk, out, server.url, "--set", "server.attempts=1")
    assert first.returncode == 3
    assert "4 requests got no answer; the same command asks them again" in first.stderr
    failed = [row for row in read(out, "rejects") if row["reasons"] == ["server_error"]]
    assert len(failed) == 4
    assert all("HTTP 500" in row["error"] for row in failed)
    broken = False
    sent = len(server.chats)
    assert augment(cuhk, out, server.url).returncode == 0
    assert len(server.chats) == sent + 4
    fresh = tmp_path / "fresh"
    assert augment(cuhk, fresh, server.url).returncode == 0
    assert shards(out) == shards(fresh)


def test_another_configuration_is_refused_with_what_differs(cuhk: Path, tmp_path: Path, scripted: Start) -> None:
    server, out = scripted(), tmp_path / "out"
    assert augment(cuhk, out, server.url).returncode == 0
    before = shards(out)
    other = augment(cuhk, out, server.url, "--seed", "7", "--recipe", "concise")
    assert other.returncode == 2
    assert "config.seed: 0 → 7" in other.stderr
    assert "prompts.concise" in other.stderr
    assert "config.samples" not in other.stderr
    assert shards(out) == before
    # What does not shape the data may change.
    assert augment(cuhk, out, server.url, "--set", "server.concurrency=3", "--set", "server.attempts=2").returncode == 0


def test_two_writers_are_one_too_many(cuhk: Path, tmp_path: Path, scripted: Start) -> None:
    server = scripted(stuck)
    run = subprocess.Popen(command(cuhk, tmp_path / "out", server.url), stderr=subprocess.DEVNULL)
    while not server.chats:
        time.sleep(0.01)
    second = augment(cuhk, tmp_path / "out", server.url)
    run.kill()
    run.wait()
    assert second.returncode == 2
    assert f"another run is writing here (host {os.uname().nodename}, pid {run.pid})" in second.stderr


def test_a_full_disk_loses_nothing(cuhk: Path, tmp_path: Path, scripted: Start) -> None:
    server, out = scripted(), tmp_path / "out"
    # Files may not grow past 6 kB: the journal of the first block meets it in the middle of a line.
    limited = subprocess.run(
        ["bash", "-c", 'ulimit -f 6; trap "" XFSZ; exec "$@"', "-", *command(cuhk, out, server.url)],
        capture_output=True,
        text=True,
    )
    assert limited.returncode == 1, limited.stderr
    assert "cannot write: File too large" in limited.stderr
    assert "Traceback" not in limited.stderr
    sent = len(server.chats)
    done = augment(cuhk, out, server.url)
    assert done.returncode == 0, done.stderr
    assert len(server.chats) < sent + 40
    fresh = tmp_path / "fresh"
    assert augment(cuhk, fresh, server.url).returncode == 0
    assert shards(out) == shards(fresh)


def test_help_is_quick() -> None:
    # Not a time (machines are shared): what must not be imported for it.
    code = "import sys; from tbpr_data.pipeline import cli; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "vllm", "spacy", "datasets", "pyarrow", "pydantic", "numpy", "transformers"} & set(loaded)
