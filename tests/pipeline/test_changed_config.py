"""The same folder, another configuration: what reuses its answers, and what is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from augment_runs import WITH_NEGATIVES, augment, shards
from conftest import write_cuhk
from scripted_server import PROOF, Answer, ScriptedServer, rewrite


@pytest.fixture(scope="module")
def server() -> ScriptedServer:
    return ScriptedServer()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cuhk(tmp_path_factory.mktemp("source") / "reid_raw.json", 10)


@pytest.fixture(scope="module")
def made(source: Path, server: ScriptedServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "out"
    assert augment(source, out, server.url).returncode == 0
    return out


@pytest.fixture
def out(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "out"))


def test_other_checks_and_negatives_use_the_answers_again(
    source: Path, out: Path, server: ScriptedServer, tmp_path: Path
) -> None:
    other = ("--set", "checks.min_novelty=0.3", "--set", "keep=all", WITH_NEGATIVES)
    asked = len(server.requests)
    done = augment(source, out, server.url, *other)
    assert done.returncode == 0, done.stderr
    assert len(server.requests) == asked
    assert "checks.min_novelty: 0.1 → 0.3" in done.stderr
    assert "every answer is used again" in done.stderr
    assert augment(source, tmp_path / "anew", server.url, *other).returncode == 0
    assert shards(out) == shards(tmp_path / "anew")


@pytest.mark.parametrize(
    ("more", "told"),
    [(("--seed", "3"), "config.seed: 0 → 3"), (("--recipe", "concise"), "recipe: ['paraphrase'] → ['concise']")],
)
def test_other_questions_are_refused(
    source: Path, out: Path, server: ScriptedServer, more: tuple[str, ...], told: str
) -> None:
    before = shards(out)
    refused = augment(source, out, server.url, *more)
    assert refused.returncode == 2
    assert told in refused.stderr
    assert shards(out) == before


def test_a_folder_in_which_nothing_was_answered_takes_another_configuration(
    source: Path, server: ScriptedServer, tmp_path: Path, scripted: Callable[..., ScriptedServer]
) -> None:
    closed = scripted(lambda body, count: rewrite(body, count) if PROOF in str(body) else Answer(status=401))
    assert augment(source, tmp_path / "out", closed.url).returncode == 1
    done = augment(source, tmp_path / "out", server.url, "--seed", "3")
    assert done.returncode == 0, done.stderr


def _without_journals(out: Path) -> None:
    shutil.rmtree(out / ".tbpr")


def _without_one_journal(out: Path) -> None:
    next((out / ".tbpr/journal").iterdir()).unlink()


@pytest.mark.parametrize("lose", [_without_journals, _without_one_journal])
def test_without_its_answers_a_folder_is_left_alone(
    source: Path, out: Path, server: ScriptedServer, lose: Callable[[Path], None]
) -> None:
    lose(out)
    before = shards(out)
    refused = augment(source, out, server.url, "--set", "checks.min_words=6")
    assert refused.returncode == 2
    assert "checks.min_words: 4 → 6" in refused.stderr
    assert shards(out) == before


def test_killed_between_the_old_and_the_new_it_goes_on(
    source: Path, out: Path, server: ScriptedServer, tmp_path: Path
) -> None:
    named = [
        shard["path"]
        for block in json.loads((out / "manifest.json").read_text())["blocks"]
        for shard in block["shards"]
    ]
    before = shards(out)
    for path in (*named, "README.md"):
        (out / path).unlink()
    asked = len(server.requests)
    assert augment(source, out, server.url).returncode == 0
    assert len(server.requests) <= asked + 1  # the one that proves the server
    assert shards(out) == before


def test_a_manifest_changed_by_hand_is_not_gone_on_with(source: Path, out: Path, server: ScriptedServer) -> None:
    path = out / "manifest.json"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
    done = augment(source, out, server.url)
    assert done.returncode == 2
    assert "made_from does not give its fingerprint: it was changed by hand" in done.stderr


def test_a_mistake_in_a_setting_leaves_the_folder_as_it_was(source: Path, out: Path, server: ScriptedServer) -> None:
    def files() -> dict[str, bytes]:
        paths = [path for path in out.rglob("*") if path.is_file() and ".tbpr" not in path.parts]
        return {str(path): path.read_bytes() for path in paths}

    before = files()
    nowhere = "http://127.0.0.1:9/v1"
    for url, sets in (
        (server.url, (WITH_NEGATIVES, "--set", f"negatives.features={source}")),  # read when the server was proven
        (nowhere, ("--judge",)),
        (nowhere, ("--llm", "another")),
    ):
        done = augment(source, out, url, *sets)
        assert done.returncode, done.stderr
        assert "Traceback" not in done.stderr
        assert files() == before


def test_a_shard_that_is_gone_is_named_no_longer(source: Path, out: Path, server: ScriptedServer) -> None:
    gone = sorted((out / "data").glob("*.parquet"))[0]
    whole = gone.read_bytes()
    gone.unlink()
    gone.mkdir()
    done = augment(source, out, server.url)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert gone.stem not in (out / "manifest.json").read_text()
    gone.rmdir()
    assert augment(source, out, server.url).returncode == 0
    assert gone.read_bytes() == whole
