"""Recipes, and what they make of optimiser, schedule and results."""

import math
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate.optimizer import AcceleratedOptimizer
from encoded_batches import batch_of
from training_runs import write_recipe

from tbpr_data.schemas.errors import UserError
from tbpr_data.training import results
from tbpr_data.training.batch import IGNORED
from tbpr_data.training.learner import Learner
from tbpr_data.training.models.backbone import Backbone
from tbpr_data.training.objectives.registry import OBJECTIVES
from tbpr_data.training.optimiser import lr_factor, make_optimiser, make_schedule
from tbpr_data.training.recipe import (
    ObjectiveConfig,
    OptimiserConfig,
    ParameterGroup,
    Recipe,
    ScheduleConfig,
    load_recipe,
    recipe_names,
)
from tbpr_data.training.results import environment, over_seeds, read_result, write_result
from tbpr_data.training.run import make_accelerator


@pytest.fixture
def tiny(tmp_path: Path) -> Recipe:
    return load_recipe(str(write_recipe(tmp_path)))


def test_recipes_of_ours_are_whole() -> None:
    assert recipe_names() == ["clip", "demo", "irra", "negclip"]
    for name in recipe_names():
        recipe = load_recipe(name)
        assert recipe.name == name
        assert recipe.selection.split == "val"
    irra = load_recipe("irra")
    assert [(one.name, one.weight) for one in irra.objectives] == [("sdm", 1), ("id", 1), ("mlm", 1)]
    assert (irra.backbone.logit_scale, irra.backbone.learn_logit_scale) == (50.0, False)


def test_irras_groups_are_the_originals(tiny: Recipe) -> None:
    """Learning rate × 5 for the cross encoder's attention and layers, the head and the classifier; biases × 2 and
    without decay, but × 5 in head and classifier."""
    learner = Learner(Backbone(tiny.backbone), tiny.objectives, identities=5)
    optimiser = make_optimiser(learner, load_recipe("irra").optimiser)
    names = {parameter: name for name, parameter in learner.named_parameters()}
    told = {
        names[parameter]: (group["lr"] / 1e-5, group["weight_decay"])
        for group in optimiser.param_groups
        for parameter in group["params"]
    }
    assert set(told) == {name for name, one in learner.named_parameters() if one.requires_grad}
    expected = {
        "backbone.model.visual.proj": (1, 4e-5),
        "backbone.model.visual.ln_post.bias": (2, 0),
        "backbone.model.transformer.resblocks.0.attn.in_proj_bias": (2, 0),
        "objectives.mlm.cross_encoder.attention.in_proj_weight": (5, 4e-5),
        "objectives.mlm.cross_encoder.layers.0.linear1.bias": (2, 0),
        "objectives.mlm.cross_encoder.text_norm.weight": (1, 4e-5),
        "objectives.mlm.head.0.weight": (5, 4e-5),
        "objectives.mlm.head.0.bias": (5, 0),
        "objectives.id.classifier.weight": (5, 4e-5),
        "objectives.id.classifier.bias": (5, 0),
    }
    assert {name: pytest.approx(told[name]) for name in expected} == expected


@pytest.mark.parametrize("name", OBJECTIVES)
def test_all_that_learns_has_a_gradient(name: str, tiny: Recipe) -> None:
    """Of each objective alone: DistributedDataParallel ends where a parameter has none."""
    backbone = Backbone(tiny.backbone.model_copy(update={"learn_logit_scale": True}))
    learner = Learner(backbone, (ObjectiveConfig(name=name),), identities=5)
    assert backbone.model.logit_scale.requires_grad == (name in ("itc", "negclip", "sdm"))
    ids = backbone.tokenize(["a man in red", "a woman in blue"])
    labels = torch.full_like(ids, IGNORED)
    labels[:, 1] = ids[:, 1]
    batch = batch_of(torch.tensor([3, 1]))
    images = torch.randint(256, (2, 3, 48, 16), dtype=torch.uint8)
    batch = replace(batch, images=images, texts=ids, masked_texts=ids, masked_labels=labels)
    learner.total(learner(batch)).backward()
    assert [name for name, one in learner.named_parameters() if one.requires_grad and one.grad is None] == []


def test_a_group_of_no_rate_is_frozen() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    config = OptimiserConfig(lr=0.1, groups=(ParameterGroup(match=r"^0\.", lr_factor=0.0),))
    [group] = make_optimiser(model, config).param_groups
    assert group["params"] == list(model[1].parameters())
    assert not any(one.requires_grad for one in model[0].parameters())
    with pytest.raises(UserError, match="every parameter is frozen"):
        make_optimiser(model, OptimiserConfig(groups=(ParameterGroup(match=".", lr_factor=0.0),)))


def test_a_step_that_overflows_is_told() -> None:
    """So that the schedule can wait for it."""
    make_accelerator("cpu", "no")
    model = torch.nn.Linear(1, 1)
    optimiser = make_optimiser(model, OptimiserConfig(), scaled=True)
    scaler = torch.amp.GradScaler("cpu")
    accelerated = AcceleratedOptimizer(optimiser, scaler=scaler)
    for factor, skipped in ((float("inf"), True), (1.0, False)):
        accelerated.zero_grad()
        scaler.scale(factor * model(torch.ones(1)).sum()).backward()
        accelerated.step()
        assert accelerated.step_was_skipped == skipped


def test_irras_schedule() -> None:
    """From its code: 0.1 + 0.9·e/5 in the first five epochs, then ½(1 + cos(π(e - 5)/55)), an epoch at a time."""
    schedule = load_recipe("irra").schedule
    for epoch in range(60):
        expected = 0.1 + 0.9 * epoch / 5 if epoch < 5 else 0.5 * (1 + math.cos(math.pi * (epoch - 5) / 55))
        for step in (0, 6):
            assert lr_factor(schedule, 7 * epoch + step, 7) == pytest.approx(expected)


def test_a_schedule_by_the_step() -> None:
    config = ScheduleConfig(epochs=4, warmup_epochs=1, warmup_factor=0.0, final_factor=0.2)
    assert [lr_factor(config, step, 2) for step in (0, 1, 2, 5, 8)] == pytest.approx([0, 0.5, 1, 0.6, 0.2])
    weight = torch.nn.Parameter(torch.ones(1))
    optimiser = torch.optim.SGD([weight], lr=10.0)
    schedule = make_schedule(optimiser, config, steps_per_epoch=2)
    optimiser.step()
    schedule.step()
    assert optimiser.param_groups[0]["lr"] == pytest.approx(5.0)


def test_settings_over_a_recipe(tmp_path: Path) -> None:
    path = str(write_recipe(tmp_path))
    recipe = load_recipe(path, ["optimiser.lr=1e-4", "data.mixture.negatives=2", "name=other"], {"schedule.epochs": 9})
    assert (recipe.optimiser.lr, recipe.data.mixture.negatives, recipe.name) == (1e-4, 2, "other")
    assert recipe.schedule.epochs == 9
    assert load_recipe("clip", without=["backbone.weights"]).backbone.weights is None
    for setting, message in (
        ("optimiser", "not key=value"),
        ("optimiser.lr.x=1", "lr is not a section"),
        ("objectives=[]", "objectives: Tuple should have at least 1 item"),
        ("objectives=[{name='itc'}, {name='itc'}]", "one is named twice"),
        ("data.mixture.rewrites=some", "data.mixture.rewrites"),
    ):
        with pytest.raises(UserError, match=message):
            load_recipe(path, [setting])
    (tmp_path / "bad.toml").write_text("[backbone\n", encoding="utf-8")
    with pytest.raises(UserError, match="not valid TOML"):
        load_recipe(str(tmp_path / "bad.toml"))
    with pytest.raises(UserError, match="cannot be read: No such file"):
        load_recipe(str(tmp_path / "none.toml"))


def evaluation(r1: float, swap: float | None) -> dict[str, object]:
    way = dict.fromkeys(("r1", "r5", "r10", "map", "minp", "msd"), 0.0) | {"r1": r1}
    told = (
        None
        if swap is None
        else {"overall": {"percent": swap}, "kinds": {"swap": {"percent": swap}}, "all": {"percent": 1}}
    )
    return {"text_to_image": way, "image_to_text": way, "composition": told, "orders": None}


def test_mean_and_deviation_over_seeds(tmp_path: Path) -> None:
    told = over_seeds([evaluation(10, 50), evaluation(14, 60)])
    assert told["text_to_image.r1"] == {"mean": 12, "deviation": pytest.approx(math.sqrt(8))}
    assert told["composition.swap"]["mean"] == 55
    assert over_seeds([evaluation(10, None)])["text_to_image.r1"] == {"mean": 10, "deviation": 0}
    # A figure that one seed lacks is none of all.
    assert "composition.swap" not in over_seeds([evaluation(10, 50), evaluation(10, None)])
    write_result(tmp_path / "result.json", {"a": 1})
    assert read_result(tmp_path / "result.json") == {"a": 1}
    (tmp_path / "result.json").write_text("[]", encoding="utf-8")
    with pytest.raises(UserError, match="not a result"):
        read_result(tmp_path / "result.json")


def test_the_commit_is_that_of_our_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not of a user's repository that the package is installed in."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@y.z"]
    monkeypatch.setattr(results, "__file__", str(tmp_path / "results.py"))
    (tmp_path / "results.py").touch()
    assert environment()["commit"] is None
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "theirs"], check=True)
    assert environment()["commit"] is None
    subprocess.run([*git, "add", "results.py"], check=True)
    subprocess.run([*git, "commit", "--quiet", "-m", "ours"], check=True)
    commit = environment()["commit"]
    assert commit is not None
    assert len(commit) == 12
