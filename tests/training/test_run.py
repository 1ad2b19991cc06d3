"""Runs of a step or two: memory that is short, precisions, seeds, images that are none."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.optimizer import AcceleratedOptimizer
from training_collections import write_source
from training_runs import Done, log_of, result_of, run, write_recipe

from tbpr_data.training import assess, loop
from tbpr_data.training import run as running
from tbpr_data.training.data.collection import CaptionedImage
from tbpr_data.training.data.parts import lines_on, read_data
from tbpr_data.training.folder import has_begun
from tbpr_data.training.recipe import load_recipe
from tbpr_data.training.run import make_accelerator

PLAIN = ("--set", "data.mixture={}", "--set", "objectives=[{name='itc'}]", "--epochs", "1", "--steps", "2")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_source(tmp_path_factory.mktemp("data") / "people")


def train(source: Path, out: Path, *more: str) -> Done:
    return run("train", write_recipe(out.parent), source, "--out", out, *PLAIN, "--device", "cpu", *more)


def short(*_: Any, **__: Any) -> Any:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nand more")


def test_memory_that_is_short(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    said = "tbpr-data: cpu: out of memory: CUDA out of memory. Tried to allocate 20.00 GiB. ("
    for module, mend in (
        (loop.Accelerator, "into another --out, a smaller data.batch_size"),
        (running, f"train again with more memory free, or evaluate {out} with a smaller --batch-size)"),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(module, "prepare" if module is loop.Accelerator else "evaluate", short)
            done = train(source, out)
        assert done.returncode == 1, done.stderr
        assert done.stderr.splitlines()[-1].startswith(said + mend)
    with monkeypatch.context() as patched:
        patched.setattr(assess, "evaluate", short)
        done = run("evaluate", out, source, "--device", "cpu")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"{said}give a smaller --batch-size)"
    # What it says to do.
    measured = run("evaluate", out, source, "--device", "cpu", "--batch-size", "5", "--json")
    assert measured.returncode == 0, measured.stderr
    again = train(source, out)
    assert "going on at epoch 2" in again.stderr
    figures = json.loads(measured.stdout)["models"][0]["evaluation"]["text_to_image"]
    assert result_of(out)["seeds"][0]["evaluation"]["text_to_image"] == pytest.approx(figures)


def test_seeds_of_an_earlier_call_are_kept(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, made, shared = tmp_path / "out", [], []
    monkeypatch.setattr(running, "make_accelerator", lambda *given: made.append(make_accelerator(*given)) or made[-1])
    monkeypatch.setattr(loop, "share_buffers", shared.append)
    monkeypatch.setattr(AcceleratedOptimizer, "step_was_skipped", True)
    assert train(source, out, "--seeds", "2").returncode == 0
    assert len({id(one) for one in made}) == 3, "a scaler of fp16 of its own for each seed"
    assert len(shared) == 2, "buffers are shared before measuring"
    # fp16 skips a step whose gradients overflow: the rate waits for it.
    rates = [line["lr"] for line in log_of(out) if "lr" in line]
    assert len(rates) == 2
    assert rates[0] == rates[1]
    before = result_of(out)
    assert train(source, out, "--seeds", "1").returncode == 0
    assert result_of(out) == before


def test_one_precision_after_another() -> None:
    for precision in ("bf16", "no", "no"):
        assert make_accelerator("cpu", precision).mixed_precision == precision


def test_images_of_all_splits_are_looked_at_before_training(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    look = running.ImageStore.look

    def looked(store: Any, image: CaptionedImage) -> None:
        opened.append(image.split)
        look(store, image)

    monkeypatch.setattr(running.ImageStore, "look", looked)
    broken = source.parent / "test" / "16_1.jpg"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:-300])
    for workers in ("0", "1"):
        done = train(source, tmp_path / "out", "--set", f"data.workers={workers}")
        assert done.returncode == 2, done.stderr
        assert f"{broken}: is not a whole image" in done.stderr
        assert "epoch" not in done.stderr
    # Without it the data are others, and the folder may still be theirs.
    assert not has_begun(tmp_path / "out")
    broken.write_bytes(whole)
    assert opened == ["train"] * 24
    assert train(source, tmp_path / "out").returncode == 0
    assert len(opened) == 48


def test_a_selection_of_one_identity_is_told(source: Path) -> None:
    lines = source.read_text(encoding="utf-8").splitlines()
    few = [line for line in lines if (one := json.loads(line))["split"] != "val" or one["pid"] == 12]
    path = source.with_name("few.jsonl")
    path.write_text("\n".join(few) + "\n", encoding="utf-8")
    recipe = load_recipe("clip")
    for people, lines_more in ((source, []), (path, ["the val split shows one identity, which every search finds: …"])):
        data = read_data(recipe, str(people), format="auto", images_root=None)
        said = list(lines_on(data, recipe))[1:]
        assert [f"{line.partition(':')[0]}: …" for line in said] == lines_more
