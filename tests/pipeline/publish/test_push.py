"""`tbpr-data push`: the real client, against the loopback Hub."""

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import tenacity
from huggingface_hub import HfApi, close_session
from loopback_clients import IGNORED, naps, take_over
from loopback_hub import Fault, LoopbackHub
from publish_runs import make_dataset, run, write_source
from scripted_server import ScriptedServer

from tbpr_data.pipeline.publish import push as pushing
from tbpr_data.pipeline.publish.contents import open_contents
from tbpr_data.pipeline.publish.hub import Hub
from tbpr_data.pipeline.publish.push import Staged
from tbpr_data.schemas.errors import RunFailed, UserError

pytestmark = [pytest.mark.filterwarnings(IGNORED)]
REPO = "user/people"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn people, as the demo's are known by."""
    folder, server = tmp_path_factory.mktemp("push"), ScriptedServer()
    try:
        return make_dataset(write_source(folder / "source", "tbpr-demo"), folder / "dataset", server)
    finally:
        server.stop()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    with LoopbackHub(tmp_path / "hub") as hub:
        take_over(hub, tmp_path / "home", monkeypatch)
        yield hub
    close_session()


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Nobody waits: the seconds that the client and the push would."""
    slept = naps(monkeypatch)
    monkeypatch.setattr(tenacity.nap.time, "sleep", slept.append)
    return slept


@pytest.fixture(scope="module")
def staged(dataset: Path) -> Staged:
    return pushing.stage(open_contents(dataset), REPO, release=False, license=None, images_root=None)


def push(one: Staged) -> str:
    hub = Hub(REPO, say=lambda _: None)
    return pushing.push(one, hub, private=False, revision=None, message="A push", say=lambda _: None).commit


def there(hub: LoopbackHub) -> dict[str, str | None]:
    """What the repository holds: path → hash of its content."""
    tree = HfApi(endpoint=hub.url).list_repo_tree(REPO, repo_type="dataset", recursive=True)
    return {one.path: one.lfs.sha256 if one.lfs else one.blob_id for one in tree if hasattr(one, "blob_id")}


def test_pushed_dataset_loads_as_it_is(hub: LoopbackHub, dataset: Path) -> None:
    done = run("push", dataset, "--repo", REPO)
    assert done.exit_code == 0, done.exception
    rows = sum(pq.read_metadata(path).num_rows for path in dataset.glob("*/*.parquet"))
    assert f"loaded back: {rows:,} rows" in done.stderr
    assert done.stdout.strip() == f"{hub.url}/datasets/{REPO}"
    assert hub.token not in done.output
    named = {str(path.relative_to(dataset)) for path in dataset.glob("*/*.parquet")}
    assert set(there(hub)) == named | {".gitattributes", "README.md", "croissant.json", "manifest.json", "run.toml"}
    assert str(dataset.parent) not in "".join(
        (dataset / ".tbpr/publish" / name).read_text() for name in ("README.md", "run.toml", "manifest.json")
    )
    # The same again is no commit.
    assert run("push", dataset, "--repo", REPO).exit_code == 0
    assert len(hub.commits(REPO)) == 2


def test_shards_that_are_no_more_are_taken_away(hub: LoopbackHub, dataset: Path, staged: Staged) -> None:
    api = HfApi(endpoint=hub.url)
    api.create_repo(REPO, repo_type="dataset")
    for path in ("data/train-00007-of-00008.parquet", "notes/train.parquet"):
        shard = next(dataset.glob("data/*.parquet"))
        api.upload_file(path_or_fileobj=shard, path_in_repo=path, repo_id=REPO, repo_type="dataset")
    push(staged)
    assert "data/train-00007-of-00008.parquet" not in there(hub)
    assert "notes/train.parquet" in there(hub)


def test_branch_and_private(hub: LoopbackHub, dataset: Path) -> None:
    done = run("push", dataset, "--repo", REPO, "--private", "--revision", "v1")
    assert done.exit_code == 0, done.exception
    assert len(hub.commits(REPO, branch="v1")) == len(hub.commits(REPO)) + 1
    hub.repository(REPO).private = False
    refused = run("push", dataset, "--repo", REPO, "--private")
    assert "is there already, and public" in str(refused.exception)


def test_dry_run_sends_nothing(hub: LoopbackHub, dataset: Path) -> None:
    done = run("push", dataset, "--repo", REPO, "--dry-run")
    assert done.exit_code == 0, done.exception
    assert not hub.requests
    assert done.stdout.startswith("---\nlicense: apache-2.0\n")
    for path in dataset.glob("*/*.parquet"):
        assert f"{path.stat().st_size:,}  {path.relative_to(dataset)}" in done.stderr


@pytest.mark.parametrize("seed", range(10))
def test_cut_upload_resumes_and_sends_nothing_twice(
    hub: LoopbackHub, staged: Staged, slept: list[float], seed: int
) -> None:
    total = sum(file.size for file in staged.files)
    hub.cut_after_bytes = random.Random(seed).randrange(total)
    with pytest.raises(RunFailed, match="run the same command again"):
        push(staged)
    assert hub.cut.is_set()
    before = list(hub.uploads)
    hub.heal()
    commit = push(staged)
    assert len(set(hub.uploads)) == len(hub.uploads) == sum(file.path.endswith(".parquet") for file in staged.files)
    assert hub.uploads[: len(before)] == before
    assert [made.oid for made in hub.commits(REPO)][1:] == [commit]
    found = there(hub)
    assert {shard.path: found[shard.path] for shard in staged.shards} == {
        shard.path: shard.sha256 for shard in staged.shards
    }


def busy(path: str, times: int, **fault: object) -> Callable[[str, str, int], Fault | None]:
    """The first so many requests to a path meet a fault."""
    left = [times]

    def faults(method: str, asked: str, count: int) -> Fault | None:
        if path not in asked or left[0] == 0:
            return None
        left[0] -= 1
        return Fault(**fault)  # type: ignore[arg-type]

    return faults


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("/commit/", {"status": 429, "retry_after": 7}),
        ("/commit/", {"status": 503}),
        ("/commit/", {"lose_reply": True}),
        ("/repos/create", {"status": 500}),
        ("/preupload/", {"drop": True}),
        ("/resolve/", {"drop": True}),
        ("/tree/", {"status": 503}),
    ],
)
def test_faults_that_pass(
    hub: LoopbackHub, staged: Staged, slept: list[float], path: str, fault: dict[str, object]
) -> None:
    hub.faults = busy(path, 2, **fault)
    push(staged)
    assert len(hub.commits(REPO)) == 2
    assert len(slept) >= 1
    assert "retry_after" not in fault or 7 in slept


def test_faults_that_do_not_pass(hub: LoopbackHub, staged: Staged, slept: list[float]) -> None:
    hub.faults = busy("/repos/create", 100, status=403)
    with pytest.raises(UserError, match="may not be written"):
        push(staged)
    hub.faults = busy("/commit/", 100, status=503)
    with pytest.raises(RunFailed, match="the Hub answers 503"):
        push(staged)


def test_bad_calls(hub: LoopbackHub, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(dataset, changed)
    shard = next(changed.glob("data/*.parquet"))
    shard.write_bytes(shard.read_bytes()[:-1] + b"?")
    (tmp_path / "user/here").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    told = {
        ("push", dataset, "--repo", "user/here"): "is a path here too",
        ("push", dataset, "--repo", REPO, "--message", " "): "--message: is empty",
        ("push", tmp_path / "none", "--repo", REPO): "no such folder",
        ("push", tmp_path, "--repo", REPO): "no manifest.json",
        ("push", changed, "--repo", REPO): "not the file that the manifest names",
        ("push", dataset, "--repo", "people"): "has no namespace",
        ("push", dataset, "--repo", "user/a b"): "--repo",
        ("push", dataset, "--repo", REPO, "--release", "all"): "give rewrites-only",
    }
    for arguments, message in told.items():
        failed = run(*arguments)
        assert isinstance(failed.exception, UserError), arguments
        assert message in str(failed.exception)
        assert "\n" not in str(failed.exception)
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    assert "no token for the Hub" in str(run("push", dataset, "--repo", REPO).exception)
    assert not hub.requests
