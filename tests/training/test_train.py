"""Whole runs: what they write, and that they go on where they were to the very same losses."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from training_collections import write_output, write_source
from training_runs import COMMAND, log_of, result_of, run, start, write_recipe


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    return write_output(folder / "out", write_source(folder / "source"))


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed run."""
    out = tmp_path_factory.mktemp("run") / "out"
    done = run("train", write_recipe(out.parent), data, "--out", out)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(out)
    assert "R@1" in done.stderr
    return out


def test_what_a_run_writes(whole: Path, data: Path) -> None:
    result = result_of(whole)
    assert (result["selected_on"], result["split"]) == ("val", "test")
    [seed] = result["seeds"]
    evaluation = seed["evaluation"]
    assert (evaluation["images"], evaluation["captions"], evaluation["identities"]) == (6, 12, 3)
    assert set(evaluation["composition"]["kinds"]) == {"swap", "replace"}
    assert seed["steps"] == 3 * (12 * 2 * 2 // 8)
    log = log_of(whole)
    steps = [line for line in log if "loss" in line]
    assert [line["step"] for line in steps] == list(range(1, seed["steps"] + 1))
    for line in steps:
        assert line["loss"] == pytest.approx(line["sdm"] + line["id"] + 0.5 * line["mlm"], rel=1e-5)
    measured = [line for line in log if "selection" in line]
    assert [line["epoch"] for line in measured] == [1, 2, 3]
    assert seed["best"]["value"] == max(line["selection"]["r1"] for line in measured)
    for picture in ("curves.png", "retrievals.png"):
        with Image.open(whole / "seed-0" / picture) as opened:
            opened.verify()
    assert {path.name for path in (whole / "seed-0" / "best").iterdir()} == {
        "open_clip_model.safetensors",
        "open_clip_config.json",
    }


def test_evaluate_measures_the_same(whole: Path, data: Path, tmp_path: Path) -> None:
    told = run("evaluate", whole, data, "--json", "--orders", "--pictures", tmp_path / "found.png")
    assert told.returncode == 0, told.stderr
    [model] = json.loads(told.stdout)["models"]
    mine, theirs = model["evaluation"], result_of(whole)["seeds"][0]["evaluation"]
    assert mine["orders"]["count"] == 12
    assert {**mine, "orders": None} == theirs
    assert (tmp_path / "found.png").stat().st_size > 1000
    # A source without negatives, by its images' root; another split.
    other = run(
        "evaluate", whole / "seed-0" / "best", data.parent / "source" / "people.jsonl", "--split", "val", "--json"
    )
    assert other.returncode == 0, other.stderr
    assert json.loads(other.stdout)["models"][0]["evaluation"]["composition"] is None


def test_the_same_again_does_nothing_and_another_recipe_is_refused(whole: Path, data: Path) -> None:
    before = (whole / "result.json").read_bytes()
    recipe = write_recipe(whole.parent)
    again = run("train", recipe, data, "--out", whole)
    assert again.returncode == 0, again.stderr
    assert "seed 0: done" in again.stderr
    assert (whole / "result.json").read_bytes() == before
    other = run("train", recipe, data, "--out", whole, "--set", "optimiser.lr=0.1")
    assert other.returncode == 2
    assert "holds another run: recipe.optimiser.lr was 0.001, is 0.1 (give another --out)" in other.stderr


def test_stopped_and_killed_it_goes_on_to_the_same_losses(whole: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    trackers = ("--set", 'loop.trackers=["tensorboard"]')
    command = start("train", write_recipe(whole.parent), data, "--out", out, *trackers)
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    for number, after in ((signal.SIGKILL, 2), (signal.SIGINT, 5)):
        started = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=one_thread)
        _wait_for_step(out, after, started)
        started.send_signal(number)
        _, told = started.communicate(timeout=60)
        if number == signal.SIGINT:
            assert started.returncode == 130
            assert "go on with:" in told
    done = run(*command[len(COMMAND) :])
    assert done.returncode == 0, done.stderr
    assert "going on at epoch" in done.stderr
    assert log_of(out) == log_of(whole)
    assert result_of(out)["seeds"][0]["evaluation"] == result_of(whole)["seeds"][0]["evaluation"]
    told = EventAccumulator(str(out / "seed-0/tensorboard")).Reload().Scalars("loss")
    assert [one.step for one in told] == [one["step"] for one in log_of(whole) if "loss" in one]


def _wait_for_step(out: Path, step: int, started: "subprocess.Popen[str]") -> None:
    progress, deadline = out / "seed-0" / "last" / "progress.json", time.monotonic() + 60
    while time.monotonic() < deadline and started.poll() is None:
        try:
            if json.loads(progress.read_text())["step"] >= step:
                return
        except (OSError, ValueError):
            pass
        time.sleep(0.005)


def test_two_processes_train_as_one(whole: Path, data: Path, tmp_path: Path) -> None:
    recipe = write_recipe(whole.parent)
    torchrun = [COMMAND[0], "-m", "torch.distributed.run", "--nproc-per-node", "2", "--no-python"]
    torchrun += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0"]
    done = subprocess.run(
        [*torchrun, *COMMAND, "train", str(recipe), str(data), "--out", str(tmp_path / "out"), "--device", "cpu"],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    one, two = log_of(whole), log_of(tmp_path / "out")
    assert len(one) == len(two)
    for a, b in zip(one, two, strict=True):
        if "loss" in a:
            assert b == pytest.approx(a, rel=2e-3), "losses over the batch of both"
    # Of the first step to rounding: all that follows it amplifies.
    assert two[0] == pytest.approx(one[0], rel=1e-5)


def test_seeds_differ_and_are_put_together(whole: Path, data: Path, tmp_path: Path) -> None:
    done = run("train", write_recipe(whole.parent), data, "--out", tmp_path, "--seeds", "2", "--epochs", "1")
    assert done.returncode == 0, done.stderr
    assert "±" in done.stderr
    result = result_of(tmp_path)
    assert [one["seed"] for one in result["seeds"]] == [0, 1]
    assert log_of(tmp_path, 0) != log_of(tmp_path, 1)
    values = [one["evaluation"]["text_to_image"]["map"] for one in result["seeds"]]
    told = result["summary"]["text_to_image.map"]
    assert told["mean"] == pytest.approx(sum(values) / 2)
    assert told["deviation"] == pytest.approx(abs(values[0] - values[1]) / 2**0.5)


def test_selection_on_test_is_told(whole: Path, data: Path, tmp_path: Path) -> None:
    done = run("train", write_recipe(whole.parent), data, "--out", tmp_path, "--select", "test", "--steps", "2")
    assert done.returncode == 0, done.stderr
    assert "chosen on test too" in done.stderr
    assert result_of(tmp_path)["selected_on"] == "test"


def test_it_stops_early_and_accumulates(whole: Path, data: Path, tmp_path: Path) -> None:
    sets = ("--set", "selection.patience=1", "--set", "optimiser.lr=1e-12", "--set", "loop.accumulate=2")
    done = run("train", write_recipe(whole.parent), data, "--out", tmp_path, "--epochs", "9", *sets)
    assert done.returncode == 0, done.stderr
    [seed] = result_of(tmp_path)["seeds"]
    log = log_of(tmp_path)
    assert [line["epoch"] for line in log if "selection" in line] == [1, 2]
    # Six batches an epoch, two a step.
    assert seed["steps"] == 6
    assert [line["step"] for line in log if "loss" in line] == [1, 2, 3, 4, 5, 6]
    # "seconds" is told to a tenth.
    assert abs(6 * 2 * 8 / seed["captions_per_second"] - seed["seconds"]) <= 0.06
    assert seed["best"]["epoch"] == 1


def recipes() -> Iterator[tuple[str, tuple[str, ...]]]:
    yield "clip", ()
    yield "irra", ()
    yield "negclip", ("--set", "data.batch_size=16")
    yield "demo", ("--set", "data.batch_size=16")


@pytest.mark.parametrize(("name", "more"), list(recipes()))
def test_recipes_of_ours_run(name: str, more: tuple[str, ...], whole: Path, data: Path, tmp_path: Path) -> None:
    model = whole.parent / "tiny_model.json"
    sets = ("--set", f"backbone.model={model}", "--set", "data.batch_size=16", "--set", "backbone.image_size=[48,16]")
    done = run("train", name, data, "--out", tmp_path / "out", "--weights", "random", "--steps", "2", *sets, *more)
    assert done.returncode == 0, done.stderr
    assert len([line for line in log_of(tmp_path / "out") if "loss" in line]) == 2


BAD: list[tuple[tuple[str, ...], int, str]] = [
    (("--set", "optimiser.lr=1e30", "--set", "loop.checkpoint_minutes=9"), 1, "a loss is not finite at step"),
    (("--set", "data.batch_size=4096"), 2, "do not fill one batch of 4,096"),
    (("--set", "loop.accumulate=99"), 2, "is less than one step of 99"),
    (("--set", "optimiser.groups=[{match='nothing_like_it'}]"), 2, "no parameter matches 'nothing_like_it'"),
    (("--set", "loop.precision=fp16"), 2, "a CPU has no fp16"),
    (("--select", "train"), 2, "selection.split: Input should be 'val' or 'test'"),
    (("--images-root", "nowhere"), 2, "no such folder of images"),
    (("--set", "seed=-1"), 2, "seed: Input should be greater than or equal to 0"),
    (("--set", "optimiser.betas=[2,0.9]"), 2, "optimiser.betas.0: Input should be less than 1"),
    (("--set", "optimiser.groups=[{match='('}]"), 2, "not a regular expression"),
    (("--set", "schedule.warmup_epochs=3"), 2, "the warm-up of 3 epochs leaves nothing of 3"),
    (("--set", "data.mixture.negatives=0"), 2, "an objective needs hard negatives"),
    (("--set", "objectives=[{name='itc'}]"), 2, "no objective reads hard negatives"),
    (("--set", "optimiser.lr=1e30", "--steps", "1"), 1, "a weight is not finite after step 1"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), BAD)
def test_bad_arguments(arguments: tuple[str, ...], code: int, message: str, data: Path, tmp_path: Path) -> None:
    done = run("train", write_recipe(tmp_path), data, "--out", tmp_path / "out", *arguments)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bad_image_met_at_work(tmp_path: Path) -> None:
    source, recipe = write_source(tmp_path / "source"), write_recipe(tmp_path)
    plain = ("--set", "data.mixture={}", "--set", "objectives=[{name='itc'}]")
    broken = tmp_path / "source" / "train" / "3_1.jpg"
    broken.write_bytes(broken.read_bytes()[:200])
    for workers in ("0", "1"):
        done = run("train", recipe, source, "--out", tmp_path / workers, *plain, "--set", f"data.workers={workers}")
        assert done.returncode == 2, done.stderr
        assert "3_1.jpg: is not a whole image" in done.stderr
        assert "Traceback" not in done.stderr
