"""Each objective against values worked out by hand, and against its formula written out in loops."""

from collections.abc import Callable
from dataclasses import replace
from math import log

import pytest
import torch
from encoded_batches import batch_of, features_of
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy, normalize

from tbpr_data.schemas.errors import UserError
from tbpr_data.training.features import Encoded, Features
from tbpr_data.training.objectives.identity import Identity
from tbpr_data.training.objectives.itc import ITC
from tbpr_data.training.objectives.negclip import NegCLIP
from tbpr_data.training.objectives.objective import Objective, Sizes
from tbpr_data.training.objectives.registry import OBJECTIVES, make_objective
from tbpr_data.training.objectives.sdm import SDM

SIZES = Sizes(dim=4, vocabulary=11, identities=9)
PIDS = (3, 5, 3, 3, 8)
IMAGE_IDS = (0, 1, 2, 0, 4)
NEGATIVES = 3
# Two images along the axes, their captions along the same axes, and a negative just like caption 0. With a scale of
# ln 3 the exponentials of the logits are
#            caption 0  caption 1  negative
#   image 0      3          1         3
#   image 1      1          3         1
AXES = torch.eye(2, dtype=torch.float64)
TEXTS = torch.stack([AXES[0], AXES[1], AXES[0]])


def by_hand(objective: Objective, pids: tuple[int, int]) -> float:
    (loss,) = objective(batch_of(pids, negatives=1), features_of(AXES, TEXTS, log(3))).values()
    return float(loss)


def test_itc_by_hand() -> None:
    # Every row and column is (3, 1) with the pair's 3: -ln 3/4.
    assert by_hand(ITC(SIZES), (7, 7)) == pytest.approx(log(4 / 3), abs=1e-12)
    # Both captions right for both images: the target is (½, ½), so ½(-ln 3/4 - ln 1/4).
    expected = (log(4 / 3) + log(4)) / 2
    assert by_hand(ITC(SIZES, positives="identity"), (7, 7)) == pytest.approx(expected, abs=1e-12)
    # Two images of one person are still two images.
    assert by_hand(ITC(SIZES, positives="image"), (7, 7)) == pytest.approx(log(4 / 3), abs=1e-12)


def test_negclip_by_hand() -> None:
    # i2t: image 0 has 3 of 3+1+3, image 1 has 3 of 1+3+1. t2i: the captions alone, 3 of 4.
    i2t, t2i = (log(7 / 3) + log(5 / 3)) / 2, log(4 / 3)
    assert by_hand(NegCLIP(SIZES), (7, 8)) == pytest.approx((i2t + t2i) / 2, abs=1e-12)


def test_sdm_by_hand() -> None:
    wrong = log(1e-8)
    # Two persons: p = (¾, ¼), q = (1, 0) in all four rows.
    row = 0.75 * log(0.75) + 0.25 * (log(0.25) - wrong)
    assert by_hand(SDM(SIZES), (7, 8)) == pytest.approx(2 * row, abs=1e-7)
    # One person: q = (½, ½).
    same = 0.75 * log(1.5) + 0.25 * log(0.5)
    assert by_hand(SDM(SIZES), (7, 7)) == pytest.approx(2 * same, abs=1e-7)
    # With the negative: image 0 has p = (3, 1, 3)/7, image 1 (1, 3, 1)/5; t2i as before.
    first = 3 / 7 * log(3 / 7) + 1 / 7 * (log(1 / 7) - wrong) + 3 / 7 * (log(3 / 7) - wrong)
    second = 3 / 5 * log(3 / 5) + 2 / 5 * (log(1 / 5) - wrong)
    assert by_hand(SDM(SIZES, negatives=True), (7, 8)) == pytest.approx((first + second) / 2 + row, abs=1e-7)


def test_identity_by_hand() -> None:
    objective = Identity(Sizes(dim=2, vocabulary=11, identities=2)).double()
    torch.nn.init.eye_(objective.classifier.weight)
    # Not normalised: image 0 = (ln 3, 0) is person 0 to ¾; image 1 = (ln 4, 0) is person 1 to 1/5. Captions: ½ and ½.
    images = torch.tensor([[log(3), 0], [log(4), 0]], dtype=torch.float64)
    texts = torch.tensor([[1.0, 1.0], [2.0, 2.0], [9.0, 0.0]], dtype=torch.float64)
    loss = objective(batch_of((0, 1), negatives=1), features_of(images, texts, 1.0))["id"]
    assert loss.item() == pytest.approx((log(4 / 3) + log(5) + 2 * log(2)) / 4, abs=1e-12)


def test_identity_is_the_mean_of_two_cross_entropies() -> None:
    torch.manual_seed(0)
    objective = Identity(SIZES)
    assert objective.classifier.weight.std().item() == pytest.approx(0.001, rel=0.5)
    assert not objective.classifier.bias.any()
    images, texts = torch.randn(5, 4), torch.randn(8, 4)
    loss = objective(batch_of(PIDS, negatives=3), features_of(images, texts, 50.0))["id"]
    logits = objective.classifier(images), objective.classifier(texts[:5])
    expected = sum(cross_entropy(one, torch.tensor(PIDS)) for one in logits) / 2
    torch.testing.assert_close(loss, expected)


# The formulas once more, a pair at a time.
Cosines = list[list[torch.Tensor]]


def infonce(rows: Cosines) -> torch.Tensor:
    """Row i's answer is column i."""
    return sum((sum(x.exp() for x in row) / row[i].exp()).log() for i, row in enumerate(rows)) / len(rows)


def soft_infonce(rows: Cosines, groups: tuple[int, ...]) -> torch.Tensor:
    total = torch.zeros((), dtype=torch.float64)
    for i, row in enumerate(rows):
        mine = [j for j in range(len(row)) if groups[j] == groups[i]]
        for j in mine:
            total = total + (sum(x.exp() for x in row) / row[j].exp()).log() / len(mine)
    return total / len(rows)


def kl(rows: Cosines) -> torch.Tensor:
    """Columns behind the captions are negatives."""
    total = torch.zeros((), dtype=torch.float64)
    for i, row in enumerate(rows):
        mine = [j < len(PIDS) and PIDS[j] == PIDS[i] for j in range(len(row))]
        for j, x in enumerate(row):
            p = x.exp() / sum(y.exp() for y in row)
            total = total + p * (p.log() - log(mine[j] / sum(mine) + 1e-8))
    return total / len(rows)


def turned(rows: Cosines) -> Cosines:
    """The captions' rows."""
    return [[row[j] for row in rows] for j in range(len(PIDS))]


def alone(rows: Cosines) -> Cosines:
    """Without the negatives' columns."""
    return [row[: len(PIDS)] for row in rows]


CASES: dict[str, tuple[Objective, Callable[[Cosines], torch.Tensor]]] = {
    "itc": (ITC(SIZES), lambda c: (infonce(alone(c)) + infonce(turned(c))) / 2),
    "itc-identity": (
        ITC(SIZES, positives="identity"),
        lambda c: (soft_infonce(alone(c), PIDS) + soft_infonce(turned(c), PIDS)) / 2,
    ),
    "itc-image": (
        ITC(SIZES, positives="image"),
        lambda c: (soft_infonce(alone(c), IMAGE_IDS) + soft_infonce(turned(c), IMAGE_IDS)) / 2,
    ),
    "negclip": (NegCLIP(SIZES), lambda c: (infonce(c) + infonce(turned(c))) / 2),
    "sdm": (SDM(SIZES), lambda c: kl(alone(c)) + kl(turned(c))),
    "sdm-negatives": (SDM(SIZES, negatives=True), lambda c: kl(c) + kl(turned(c))),
}


def inputs(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Images, texts and the scale."""
    draw = torch.Generator().manual_seed(seed)
    images, texts = (torch.randn(n, 4, generator=draw, dtype=torch.float64) for n in (5, 5 + NEGATIVES))
    return images.requires_grad_(), texts.requires_grad_(), torch.tensor(6.0, dtype=torch.float64, requires_grad=True)


def loss_of(objective: Objective, images: torch.Tensor, texts: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    batch = batch_of(PIDS, negatives=NEGATIVES, image_ids=IMAGE_IDS)
    (loss,) = objective(batch, features_of(images, texts, scale)).values()
    return loss


@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients_are_the_formulas(case: str) -> None:
    objective, formula = CASES[case]
    images, texts, scale = inputs(1)
    loss = loss_of(objective, images, texts, scale)
    cosines = [[scale * (i @ t) / (i.norm() * t.norm()) for t in texts] for i in images]
    expected = formula(cosines)
    assert loss.dtype == torch.float64
    torch.testing.assert_close(loss, expected, rtol=1e-10, atol=1e-10)
    gradients = (torch.autograd.grad(one, (images, texts, scale)) for one in (loss, expected))
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", ["id", "itc", "negclip", "sdm"])
def test_half_precision_is_computed_in_float32(name: str) -> None:
    objective = make_objective(name, SIZES, {})
    images, texts, _ = inputs(2)
    full, batch = features_of(images.detach(), texts.detach(), 50.0), batch_of(PIDS, negatives=NEGATIVES)
    half, rounded = (
        Features(*(Encoded(turn(one.vectors), turn(one.raw)) for one in (full.image, full.text)), full.logit_scale)
        for turn in (torch.Tensor.bfloat16, lambda one: one.bfloat16().double())
    )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = objective(batch, replace(half, logit_scale=torch.tensor(50.0)))[name]
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss.double(), objective.double()(batch, rounded)[name], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("case", CASES)
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_order_in_the_batch_does_not_matter(case: str, data: st.DataObject) -> None:
    objective, _ = CASES[case]
    order = data.draw(st.permutations(range(5)))
    behind = data.draw(st.permutations(range(5, 5 + NEGATIVES)))
    images, texts, scale = (one.detach() for one in inputs(3))
    moved = batch_of([PIDS[i] for i in order], negatives=NEGATIVES, image_ids=[IMAGE_IDS[i] for i in order])
    (loss,) = objective(moved, features_of(images[order], texts[order + behind], scale)).values()
    torch.testing.assert_close(loss, loss_of(objective, images, texts, scale))


def test_negatives_change_the_images_rows_alone() -> None:
    images, texts, scale = inputs(4)
    with_them, without = (loss_of(objective, images, texts, scale) for objective in (NegCLIP(SIZES), ITC(SIZES)))
    logits = scale * normalize(images, dim=1) @ normalize(texts, dim=1).T
    more = (logits.logsumexp(dim=1) - logits[:, :5].logsumexp(dim=1)).mean()
    torch.testing.assert_close(with_them - without, more / 2)


def test_a_batch_without_negatives_makes_negclip_itc() -> None:
    images, texts, scale = inputs(5)
    features = features_of(images, texts[:5], scale)
    batch = batch_of(PIDS)
    torch.testing.assert_close(NegCLIP(SIZES)(batch, features)["negclip"], ITC(SIZES)(batch, features)["itc"])


@pytest.mark.parametrize("objective", [ITC(SIZES), SDM(SIZES), Identity(SIZES).double()])
def test_negatives_not_asked_for_have_no_gradient(objective: Objective) -> None:
    images, texts, scale = inputs(6)
    (gradient,) = torch.autograd.grad(loss_of(objective, images, texts, scale), texts)
    assert gradient[:5].any()
    assert not gradient[5:].any()


def test_far_logits_stay_finite() -> None:
    images = torch.eye(2).requires_grad_()
    features = features_of(images, torch.eye(2).flip(0), 1000.0)
    for objective in (ITC(SIZES), SDM(SIZES), NegCLIP(SIZES)):
        (loss,) = objective(batch_of((1, 2)), features).values()
        (gradient,) = torch.autograd.grad(loss, images, retain_graph=True)
        assert loss.isfinite()
        assert gradient.isfinite().all()


@pytest.mark.parametrize("objective", [ITC(SIZES), SDM(SIZES), NegCLIP(SIZES), Identity(SIZES)])
@pytest.mark.parametrize(("images", "texts", "pids"), [(3, 2, 3), (2, 3, 3), (3, 3, 2)])
def test_images_without_captions_are_refused(objective: Objective, images: int, texts: int, pids: int) -> None:
    with pytest.raises(ValueError, match=f"{images} images, "):
        objective(batch_of(range(pids)), features_of(torch.randn(images, 4), torch.randn(texts, 4), 1.0))


def test_every_objective_is_made_by_its_name() -> None:
    assert set(OBJECTIVES) == {"itc", "sdm", "id", "mlm", "negclip"}
    for name, kind in OBJECTIVES.items():
        objective = make_objective(name, SIZES, {})
        assert type(objective) is kind
        assert objective.needs == kind.needs
    assert make_objective("sdm", SIZES, {"negatives": True}).needs == SDM.needs | {"negatives"}
    assert "negatives" not in SDM.needs


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("tal", {}, "no objective 'tal' (there are id, itc, mlm, negclip, sdm)"),
        ("sdm", {"negative": True}, "objective sdm: negative: no such key (its options: negatives)"),
        ("sdm", {"negatives": "yes"}, "objective sdm: negatives: Input should be a valid boolean"),
        ("itc", {"positives": "pid"}, "objective itc: positives: Input should be 'pair', 'image' or 'identity'"),
        ("mlm", {"depth": 0}, "objective mlm: depth: Input should be greater than 0"),
        ("negclip", {"sizes": 1}, "it takes no options"),
    ],
)
def test_what_there_is_not_is_refused_by_name(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError) as refused:
        make_objective(name, SIZES, options)
    assert message in str(refused.value)
