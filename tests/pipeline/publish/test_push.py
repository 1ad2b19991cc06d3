"""`tbpr-data push`: the real client, against the loopback Hub."""

import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import tenacity
from huggingface_hub import CommitOperationAdd, HfApi, close_session
from loopback_clients import IGNORED, naps, take_over
from loopback_hub import Fault, LoopbackHub
from publish_runs import make_dataset, run, write_source
from scripted_server import ScriptedServer

from tbpr_data.pipeline.publish import push as pushing
from tbpr_data.pipeline.publish.contents import open_contents
from tbpr_data.pipeline.publish.hub import Hub
from tbpr_data.pipeline.publish.left_over import left_over
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


OLD = "data/train-00007-of-00008.parquet"


def earlier(dataset: Path, path: str = OLD) -> bytes:
    """The manifest of an earlier push, whose first shard was at `path`."""
    manifest = json.loads((dataset / "manifest.json").read_text())
    manifest["blocks"][0]["shards"][0]["path"] = path
    return json.dumps(manifest).encode()


def put(hub: LoopbackHub, **files: bytes) -> None:
    """Files in the repository, that nobody says who put there."""
    HfApi(endpoint=hub.url).create_repo(REPO, repo_type="dataset", exist_ok=True)
    added = [CommitOperationAdd(path, content) for path, content in files.items()]
    HfApi(endpoint=hub.url).create_commit(REPO, added, commit_message="By hand", repo_type="dataset")


def test_shards_that_are_no_more_are_taken_away(hub: LoopbackHub, dataset: Path, staged: Staged) -> None:
    shard = next(dataset.glob("data/*.parquet")).read_bytes()
    put(hub, **{OLD: shard, "manifest.json": earlier(dataset), "notes/train.parquet": shard})
    push(staged)
    assert OLD not in there(hub)
    assert "notes/train.parquet" in there(hub)
    # The other kind of push takes this one's manifest away, and says that the history keeps it; and back again.
    for kind, gone, here in (
        (("--release", "rewrites-only"), "manifest.json", "release.json"),
        ((), "release.json", "manifest.json"),
    ):
        done = run("push", dataset, "--repo", REPO, *kind)
        assert done.exit_code == 0, done.exception
        assert ("its history keeps them" in done.stderr) == bool(kind)
        assert gone not in there(hub)
        assert here in there(hub)


def test_what_is_somebody_elses_stays(hub: LoopbackHub, dataset: Path, staged: Staged) -> None:
    put(hub, **{"README.md": b"---\nlicense: mit\n---\n", "data/theirs.parquet": b"PAR1", "notes.csv": b"a"})
    before, uploads = there(hub), list(hub.uploads)
    with pytest.raises(UserError) as refused:
        push(staged)
    assert str(refused.value) == (
        f"{REPO}: holds data/theirs.parquet, which is of no earlier push: this one would overwrite it, or be read with "
        "it (give another --repo, or a --revision without it)"
    )
    assert there(hub) == before
    assert hub.uploads == uploads


@pytest.mark.parametrize(
    ("there", "says"),
    [
        ({OLD: b""}, f"holds {OLD}, which"),
        ({"rejects/mine.csv": b""}, "holds rejects/mine.csv, which"),
        ({"run.toml": b""}, "holds run.toml, which"),
        ({"manifest.json": b"{}"}, "holds a manifest.json that this version does not read: run_id"),
        ({"release.json": b"{"}, "holds a release.json that this version does not read: Invalid JSON"),
        ({"manifest.json": "notes/train.parquet"}, "that is none of ours: it names 'notes/train.parquet'"),
        ({"manifest.json": "../README.md"}, "that is none of ours: it names '../README.md'"),
        ({"manifest.json": OLD, "data/mine.parquet": b""}, "holds data/mine.parquet, which"),
        ({"manifest.json": OLD, OLD: b"", "run.toml": b"", "README.md": b"", "notes/mine.parquet": b""}, ""),
        ({".gitattributes": b"", "README.md": b""}, ""),
    ],
)
def test_what_is_left_over(dataset: Path, there: dict[str, bytes | str], says: str) -> None:
    files = {path: one if isinstance(one, bytes) else earlier(dataset, one) for path, one in there.items()}
    sent = {"README.md", "run.toml", "release.json"}
    if not says:
        assert set(left_over(REPO, files, sent, files.__getitem__)) == {"manifest.json", OLD} & set(files)
        return
    with pytest.raises(UserError) as refused:
        left_over(REPO, files, sent, files.__getitem__)
    assert says in str(refused.value)


def test_branch_and_private(hub: LoopbackHub, dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The token is given wherever one is needed, though the client would send none by itself.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
    done = run("push", dataset, "--repo", REPO, "--private", "--revision", "v1")
    assert done.exit_code == 0, done.exception
    assert done.stdout.strip() == f"{hub.url}/datasets/{REPO}/tree/v1"
    assert len(hub.commits(REPO, branch="v1")) == len(hub.commits(REPO)) + 1
    card = (dataset / ".tbpr/publish/README.md").read_text()
    assert f'load_dataset("{REPO}", "pairs", revision="v1")' in card
    assert f'load_dataset("{REPO}", "rejects", revision="v1")' in card
    shown = run("push", dataset, "--repo", REPO, "--release", "rewrites-only", "--revision", "v1", "--dry-run")
    assert f"hf download {REPO} --repo-type dataset --revision v1 --local-dir release" in shown.stdout
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
    slept.clear()
    hub.faults = busy("/commit/", 100, status=422)
    with pytest.raises(UserError, match=f"^{REPO}: the Hub refuses what was sent: told to fail \\(mend"):
        push(staged)
    assert not slept


def test_card_that_the_hub_refuses(hub: LoopbackHub, staged: Staged) -> None:
    hub.card_errors = ['"license" must be one of [apache-2.0, mit, …]']
    with pytest.raises(UserError, match=r'refuses what was sent: "license" must be one of \[apache-2.0'):
        push(staged)
    assert [request.path for request in hub.requests] == ["/api/validate-yaml"]


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
    with monkeypatch.context() as offline:
        offline.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        said = str(run("push", dataset, "--repo", REPO).exception)
        assert said == "push: the Hub's client is offline (unset HF_HUB_OFFLINE and TRANSFORMERS_OFFLINE)"
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    assert "no token for the Hub" in str(run("push", dataset, "--repo", REPO).exception)
    assert not hub.requests
