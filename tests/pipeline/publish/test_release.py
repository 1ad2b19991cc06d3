"""What may be published of a dataset whose captions may not: nothing of them is in it, and joining gives all back."""

import json
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from augment_runs import shards
from huggingface_hub import HfApi, close_session
from hypothesis import given
from hypothesis import strategies as st
from loopback_clients import IGNORED, take_over
from loopback_hub import LoopbackHub
from PIL import Image
from publish_runs import make_dataset, run, strings, write_source
from scripted_server import Answer, ScriptedServer

from tbpr_data.pipeline.publish.quotes import RUN, SENTENCE, Quotes
from tbpr_data.schemas.errors import UserError

REPO = "user/people"
PROMPT = """
id = "mine"
version = 1
style = "plain"
policy = "paraphrase"
user = "Say it again: {{{{ caption }}}}"
[[examples]]
caption = "{caption}"
rewrite = "There is someone."
"""
pytestmark = [pytest.mark.filterwarnings(IGNORED)]


def answer(body: dict[str, object], count: int) -> Answer:
    """Now the caption in capitals, now its sentences behind one another, now something of its own."""
    messages = body["messages"]
    assert isinstance(messages, list)
    caption = messages[-1]["content"].split(": ", 1)[-1]
    first, *rest = caption.split(", ", 1)
    texts = (f"In this photo {caption}", f"{caption.upper()}", f"{' and '.join([*rest, first])}", "Somebody walks by.")
    if len(caption) % 7 == 0:  # a filter that says what it was asked
        return Answer(status=400, body=json.dumps({"error": {"message": f"refused: {caption}"}}).encode())
    return Answer((*texts, caption.replace(" ", "_"), f"_{caption}_")[len(caption) % 6])


@pytest.fixture(scope="module", params=[False, True], ids=["files", "embedded"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A source of CUHK-PEDES, the dataset made of it, and its release."""
    folder, server = tmp_path_factory.mktemp("release"), ScriptedServer(answer)
    source = write_source(folder / "source", None)
    # An own prompt, as is usual with examples of the dataset; and checks that tell what became of the caption's words.
    prompt = folder / "mine.toml"
    record = json.loads((source / "reid_raw.json").read_text())[0]
    prompt.write_text(PROMPT.format(caption=record["captions"][0]), encoding="utf-8")
    more = ("embed_images=true", "checks.faithful=false") if request.param else ("checks.faithful=true",)
    sets = [word for setting in more for word in ("--set", setting)]
    try:
        make_dataset(source, folder / "dataset", server, "--recipe", "paraphrase", "--recipe", prompt, *sets)
    finally:
        server.stop()
    done = run("push", folder / "dataset", "--repo", REPO, "--release", "rewrites-only", "--dry-run")
    assert done.exit_code == 0, done.exception
    return source, folder / "dataset", folder / "dataset/.tbpr/release"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    with LoopbackHub(tmp_path / "hub") as hub:
        take_over(hub, tmp_path / "home", monkeypatch)
        yield hub
    close_session()


def test_push_is_refused_and_says_why(made: tuple[Path, Path, Path]) -> None:
    refused = run("push", made[1], "--repo", REPO, "--license", "cc-by-4.0")
    assert isinstance(refused.exception, UserError)
    assert "CUHK-PEDES" in str(refused.exception)
    assert "may not be published again" in str(refused.exception)
    assert "--release rewrites-only" in str(refused.exception)


def test_nothing_of_a_caption_is_published(made: tuple[Path, Path, Path]) -> None:
    source, _, release = made
    captions = [text for record in json.loads((source / "reid_raw.json").read_text()) for text in record["captions"]]
    published = [
        text for path in release.glob("*/*.parquet") for row in pq.read_table(path).to_pylist() for text in strings(row)
    ]
    published += [path.read_text() for path in release.glob("*.*")]
    bytes_ = b"".join(path.read_bytes() for path in release.rglob("*") if path.is_file()).lower()
    told = "\n".join(published).lower()
    for caption in captions:
        for sentence in (caption, *(one for one in caption.split(". ") if len(one.split()) >= SENTENCE)):
            assert sentence.lower() not in told
            assert sentence.lower().encode() not in bytes_
    # Images neither; and the rewrites that are their model's own words are there to read.
    assert not any("image" in pq.read_schema(path).names for path in release.glob("data/*.parquet"))
    assert "Somebody walks by." in published
    # What was dropped is told by its attribute alone, an own prompt without the caption it was written with.
    found = [one for path in release.glob("*/*.parquet") for one in pq.read_table(path)["checks"].to_pylist() if one]
    assert not [one for checks in found for one in checks["dropped"] or () if not one.endswith(": …")]
    assert "prompt `mine` is" in told
    # What is hidden of a rewrite is not told by its negatives: a word is exchanged there, the rest stands.
    for path in release.glob("data/*.parquet"):
        for row in pq.read_table(path).to_pylist():
            assert row["text"] is not None or all(negative["text"] is None for negative in row["negatives"])


def test_join_gives_all_back(made: tuple[Path, Path, Path], hub: LoopbackHub, tmp_path: Path) -> None:
    source, dataset, _ = made
    done = run("push", dataset, "--repo", REPO, "--release", "rewrites-only")
    assert done.exit_code == 0, done.exception
    fetched = HfApi(endpoint=hub.url).snapshot_download(REPO, repo_type="dataset", local_dir=tmp_path / "fetched")
    done = run("join", fetched, "--source", source, "--out", tmp_path / "joined")
    assert done.exit_code == 0, done.exception
    assert "24 captions put back" in done.stderr
    assert "warning" not in done.stderr
    before, after = shards(dataset), shards(tmp_path / "joined")
    del before["run.toml"], after["run.toml"]  # where the source lies is each user's own
    assert after == before
    # The joined folder is the dataset: it goes on where that one was, with the prompt that came along or was hidden.
    again = run("augment", "--config", tmp_path / "joined/run.toml", "--llm", "smollm2", "--dry-run")
    assert again.exit_code == 0, again.exception
    assert "Say it again: " in again.stdout
    assert run("audit", tmp_path / "joined", "--json").exit_code == 0


def test_join_refuses_another_source(made: tuple[Path, Path, Path], tmp_path: Path) -> None:
    source, _, release = made
    embedded = "image" in pq.read_schema(next(made[1].glob("data/*.parquet"))).names
    other = tmp_path / "other"
    shutil.copytree(source, other)
    records = json.loads((other / "reid_raw.json").read_text())

    def joined(name: str) -> str:
        (other / "reid_raw.json").write_text(json.dumps(records), encoding="utf-8")
        done = run("join", release, "--source", other, "--out", tmp_path / name)
        assert done.exception is None or isinstance(done.exception, UserError), done.exception
        assert not (tmp_path / name / "manifest.json").exists() or done.exception is None
        return str(done.exception or done.stderr)

    records[3]["captions"][0] = "A man."
    assert "says something else of cuhk-pedes/cam/0003.jpg#0" in joined("changed")
    records = records[:2] + records[3:]
    assert "has no caption cuhk-pedes/cam/0002.jpg#0" in joined("shorter")
    records = json.loads((source / "reid_raw.json").read_text())
    Image.new("RGB", (16, 32), (1, 2, 3)).save(other / "imgs/cam/0004.jpg")
    said = joined("image")
    assert "cam/0004.jpg is another file" in said if embedded else "1 images are other files" in said


def test_release_is_no_dataset(made: tuple[Path, Path, Path], tmp_path: Path) -> None:
    release = made[2]
    for arguments in (
        ("audit", release),
        ("push", release, "--repo", REPO),
        ("export", release, "--to", "jsonl", "--out", tmp_path / "out"),
        ("negatives", release, "--out", tmp_path / "out"),
        ("train", "demo", release, "--out", tmp_path / "out"),
    ):
        refused = run(*arguments)
        assert isinstance(refused.exception, UserError), arguments
        assert "tbpr-data join" in str(refused.exception)
    broken = tmp_path / "broken"
    shutil.copytree(release, broken)
    shard = next(broken.glob("data/*.parquet"))
    shard.write_bytes(shard.read_bytes()[:-9])
    refused = run("join", broken, "--source", made[0], "--out", tmp_path / "out")
    assert "is not the file that release.json names" in str(refused.exception)
    assert "no release" in str(run("join", made[1], "--source", made[0], "--out", tmp_path / "out").exception)


_TEXT = st.lists(st.sampled_from(("a", "red", "Red", "man", "hat", "and", "bag", "on", "é", "İ")), max_size=30)
_MARKS = st.sampled_from((" ", ", ", ". ", " - ", "  "))


@st.composite
def texts(draw: st.DrawFn) -> str:
    words = draw(_TEXT)
    return "".join(word + draw(_MARKS) for word in words)


@given(captions=st.lists(texts(), min_size=1, max_size=4), text=texts(), copied=st.booleans())
def test_pieces_give_the_text_and_hide_the_captions(captions: list[str], text: str, copied: bool) -> None:
    if copied:
        text = f"{captions[-1].swapcase()} {text} {captions[0]}"
    quotes = Quotes({str(n): caption for n, caption in enumerate(captions)})
    pieces = quotes.pieces(text, "0")
    if not pieces:
        shown = [text]
    else:
        assert quotes.restore(pieces) == text
        shown = [piece.text or "" for piece in pieces]
        assert all(before.text is None or after.text is None for before, after in pairwise(pieces))
    words = captions[0].casefold().split()
    runs = {tuple(words[at : at + RUN]) for at in range(len(words) - RUN + 1)}
    for one in shown:
        told = one.casefold().split()
        assert not any(tuple(told[at : at + RUN]) in runs for at in range(len(told)))
