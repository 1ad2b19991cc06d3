"""The loopback Hub, through huggingface_hub and datasets as they are."""

import hashlib
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, close_session, get_session
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.utils import httpx
from loopback_clients import IGNORED, environment, naps, take_over
from loopback_hub import Fault, LoopbackHub

pytestmark = pytest.mark.filterwarnings(IGNORED)

REPO = "user/people"
CARD = """---
license: mit
configs:
- config_name: pairs
  default: true
  data_files:
  - split: train
    path: data/train-*.parquet
- config_name: rejects
  data_files:
  - split: train
    path: rejects/train-*.parquet
---

# People
"""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    with LoopbackHub(tmp_path / "hub") as hub:
        take_over(hub, tmp_path / "home", monkeypatch)
        yield hub
    close_session()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dataset of two configs, whose first has two shards."""
    root = tmp_path / "dataset"
    for path, first in (("data/train-00000", 0), ("data/train-00001", 500), ("rejects/train-00000", 1000)):
        rows = [{"caption": f"A man in coat number {i}.", "pid": i} for i in range(first, first + 500)]
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows), root / f"{path}.parquet", compression="none")
    (root / "README.md").write_text(CARD)
    return root


def additions(folder: Path) -> list[CommitOperationAdd]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [CommitOperationAdd(path.relative_to(folder).as_posix(), path) for path in files]


def upload(folder: Path, repo: str = REPO) -> str:
    """The large files first, then one commit."""
    api = HfApi()
    api.create_repo(repo, repo_type="dataset", exist_ok=True)
    files = additions(folder)
    api.preupload_lfs_files(repo, files, repo_type="dataset")
    return api.create_commit(repo, files, commit_message="All of it", repo_type="dataset").oid


def shas(folder: Path) -> list[str]:
    return sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*.parquet"))


def rows_of(folder: Path, config: str = "data") -> list[dict[str, Any]]:
    return [row for path in sorted((folder / config).iterdir()) for row in pq.read_table(path).to_pylist()]


def load(
    revision: str | None = None, config: str = "pairs", *, repo: str = REPO, streaming: bool = False
) -> list[dict[str, Any]]:
    from datasets import load_dataset

    return list(load_dataset(repo, config, split="train", revision=revision, streaming=streaming))


def test_what_is_uploaded_is_what_loads(hub: LoopbackHub, folder: Path) -> None:
    oid = upload(folder)
    assert sorted(hub.uploads) == shas(folder)
    assert [(commit.title, commit.changed) for commit in hub.commits(REPO)] == [
        ("initial commit", (".gitattributes",)),
        (
            "All of it",
            ("README.md", "data/train-00000.parquet", "data/train-00001.parquet", "rejects/train-00000.parquet"),
        ),
    ]
    assert load() == load(oid, streaming=True) == rows_of(folder)
    assert load("main", "rejects") == rows_of(folder, "rejects")
    assert any(request.method == "GET" and request.path.startswith("/lfs/") for request in hub.requests)


def test_a_process_of_its_own_loads_a_private_dataset(hub: LoopbackHub, folder: Path, tmp_path: Path) -> None:
    HfApi().create_repo(REPO, repo_type="dataset", private=True)
    upload(folder)
    assert hub.repository(REPO).private
    program = f"""
import json
from datasets import load_dataset
loaded = [list(load_dataset("{REPO}", "pairs", split="train", streaming=streaming)) for streaming in (False, True)]
print(json.dumps(loaded))
"""
    ran = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", program],
        env=environment(hub, tmp_path / "another"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout.splitlines()[-1]) == [rows_of(folder)] * 2


def test_what_was_there_before_can_still_be_read(hub: LoopbackHub, folder: Path, tmp_path: Path) -> None:
    api = HfApi()
    first, whole = upload(folder), rows_of(folder)
    api.create_branch(REPO, branch="v1", repo_type="dataset")
    (folder / "data/train-00001.parquet").unlink()
    (folder / "README.md").write_text(CARD + "\nFewer.\n")
    deletion = CommitOperationDelete("data/train-00001.parquet")
    second = api.create_commit(REPO, [*additions(folder), deletion], commit_message="Fewer", repo_type="dataset").oid
    assert hub.commits(REPO)[-1].changed == ("README.md", "data/train-00001.parquet")
    assert len(hub.uploads) == 3
    assert "data/train-00001.parquet" not in api.list_repo_files(REPO, repo_type="dataset")
    assert load(second) == rows_of(folder)
    assert load(first) == load("v1") == whole
    assert [branch.target_commit for branch in api.list_repo_refs(REPO, repo_type="dataset").branches] == [
        second,
        first,
    ]
    copy = Path(api.snapshot_download(REPO, repo_type="dataset", local_dir=tmp_path / "copy", revision="v1"))
    assert (copy / "README.md").read_text() == CARD
    assert rows_of(copy) == whole
    before = len(hub.requests)
    api.snapshot_download(REPO, repo_type="dataset", local_dir=copy, revision=first)
    assert not [request for request in hub.requests[before:] if request.path.startswith("/lfs/")]


def test_pages_and_parts(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LoopbackHub(tmp_path / "hub", multipart_above=4096) as hub:
        take_over(hub, tmp_path / "home", monkeypatch)
        hub.page_size = 2
        upload(folder)
        assert sorted(hub.uploads) == shas(folder)
        parts = [request for request in hub.requests if request.method == "PUT"]
        assert max(request.received for request in parts) == 4096
        assert len(HfApi().list_repo_files(REPO, repo_type="dataset")) == 5
        assert load() == rows_of(folder)
    close_session()


def test_who_is_let_in(hub: LoopbackHub, folder: Path) -> None:
    upload(folder)
    stranger, other = HfApi(token=False), HfApi(token="hf_wrong")
    assert stranger.dataset_info(REPO).sha == hub.commits(REPO)[-1].oid
    for api, error in ((stranger, RepositoryNotFoundError), (other, HfHubHTTPError)):
        with pytest.raises(error) as raised:
            api.create_commit(REPO, additions(folder), commit_message="Mine", repo_type="dataset")
        assert raised.value.response.status_code == 401
    with pytest.raises(HfHubHTTPError, match="rights to create") as refused:
        HfApi().create_repo("somebody/people", repo_type="dataset")
    assert refused.value.response.status_code == 403
    hub.repository(REPO).private = True
    with pytest.raises(RepositoryNotFoundError):
        stranger.dataset_info(REPO)
    with pytest.raises(RepositoryNotFoundError):
        HfApi().dataset_info("user/nothing")
    with pytest.raises(RevisionNotFoundError):
        HfApi().dataset_info(REPO, revision="nothing")
    assert HfApi().dataset_info(REPO).private


def test_a_commit_names_only_what_was_sent(hub: LoopbackHub, folder: Path) -> None:
    HfApi().create_repo(REPO, repo_type="dataset")

    def commit(*operations: dict[str, Any]) -> tuple[int, str]:
        lines = [{"key": "header", "value": {"summary": "By hand", "description": ""}}, *operations]
        reply = get_session().post(
            f"{hub.url}/api/datasets/{REPO}/commit/main",
            headers={"Authorization": f"Bearer {hub.token}"},
            content="\n".join(map(json.dumps, lines)),
        )
        return reply.status_code, reply.headers.get("X-Error-Message", "")

    lfs = {"path": "data/a.parquet", "algo": "sha256", "oid": "0" * 64, "size": 3}
    assert commit({"key": "lfsFile", "value": lfs}) == (
        400,
        "An LFS pointer pointed to a file that does not exist. Offending file: data/a.parquet",
    )
    assert commit({"key": "rename", "value": {}}) == (400, "Unknown operation: rename")
    assert len(hub.commits(REPO)) == 1


@pytest.mark.parametrize("seed", range(5))
def test_a_cut_upload_goes_on_with_what_was_not_whole(
    hub: LoopbackHub, folder: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    naps(monkeypatch)
    upload(folder)
    everything = sum(request.received for request in hub.requests)
    hub.requests.clear()
    hub.uploads.clear()
    hub.cut_after_bytes = random.Random(seed).randrange(1, everything)
    # Another repository: nothing of it is there yet.
    with pytest.raises((RuntimeError, httpx.TransportError)):
        upload(folder, "user/again")
    assert hub.cut.is_set()
    hub.heal()
    upload(folder, "user/again")
    assert sorted(hub.uploads) == shas(folder)
    assert load(repo="user/again") == rows_of(folder)


def test_what_the_client_tries_again(hub: LoopbackHub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept = naps(monkeypatch)
    faults = {
        "preupload": [Fault(429, retry_after=3), Fault(503, body="<html>busy</html>")],
        "batch": [Fault(drop=True)],
        "/lfs/": [Fault(500), Fault(504), Fault(cut_request_after=1000)],
    }

    def next_fault(method: str, path: str, before: int) -> Fault | None:
        return next((left.pop(0) for part, left in faults.items() if part in path and left), None)

    hub.faults = next_fault
    upload(folder)
    assert not any(faults.values())
    assert sorted(hub.uploads) == shas(folder)
    assert slept[:2] == [4.0, 2.0]


def test_a_commit_is_not_tried_again(hub: LoopbackHub, folder: Path) -> None:
    hub.faults = lambda method, path, before: Fault(lose_reply=True) if "/commit/" in path else None
    with pytest.raises(httpx.TransportError, match="disconnected"):
        upload(folder)
    assert [commit.title for commit in hub.commits(REPO)] == ["initial commit", "All of it"]
    hub.faults = None
    # It was done, though its answer was lost: the client sees that nothing has changed.
    assert upload(folder) == hub.commits(REPO)[-1].oid
    assert len(hub.commits(REPO)) == 2


def test_a_cut_download_goes_on_where_it_was(
    hub: LoopbackHub, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    naps(monkeypatch)
    upload(folder)
    cuts = [Fault(cut_reply_after=1000)]
    hub.faults = lambda method, path, before: cuts.pop() if "/lfs/" in path and method == "GET" and cuts else None
    name = "data/train-00000.parquet"
    got = Path(HfApi().hf_hub_download(REPO, name, repo_type="dataset", local_dir=tmp_path / "one"))
    assert not cuts
    assert got.read_bytes() == (folder / name).read_bytes()


def test_it_serves_as_a_program(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    close_session()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    script = Path(__file__).parents[2] / "loopback_hub.py"
    with subprocess.Popen(
        [sys.executable, str(script), "--port", "0", "--root", str(tmp_path / "hub")], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        api = HfApi(endpoint=server.stdout.readline().strip(), token="hf_test")
        assert api.whoami()["name"] == "user"
        server.terminate()
    close_session()
