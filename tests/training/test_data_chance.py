"""What is drawn for an item: its augmented image, its masked tokens, the text it shows and the negatives of it."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from training_collections import write_output, write_source

from tbpr_data.schemas.errors import UserError
from tbpr_data.training.batch import HUMAN, IGNORED, REWRITE
from tbpr_data.training.data.augment import MEAN_COLOUR, ImageAugmentation, augment
from tbpr_data.training.data.collection import CaptionGroup, NegativeText, Text
from tbpr_data.training.data.draws import generator
from tbpr_data.training.data.masking import CLIP_TOKENS, SpecialTokens, mask_tokens
from tbpr_data.training.data.mixture import MixtureConfig, check_mixture, draw_negatives, show_text
from tbpr_data.training.data.read import read_collection

OFF = ImageAugmentation(flip=0, pad=0, erase=0)


def picture() -> torch.Tensor:
    return torch.arange(3 * 48 * 16).reshape(3, 48, 16).remainder(251).to(torch.uint8)


def only(**values: float) -> ImageAugmentation:
    return OFF.model_copy(update=values)


def test_each_augmentation_by_itself() -> None:
    image = picture()
    assert torch.equal(augment(image, OFF, np.random.default_rng(0)), image)
    assert torch.equal(augment(image, only(flip=1.0), np.random.default_rng(0)), image.flip(2))
    rng = np.random.default_rng(0)
    places = set()
    for _ in range(200):
        moved = augment(image, only(pad=2), rng)
        offsets = [
            (y, x)
            for y in range(5)
            for x in range(5)
            if torch.equal(moved, torch.nn.functional.pad(image, (2, 2, 2, 2))[:, y : y + 48, x : x + 16])
        ]
        places.update(offsets)
    assert len(places) == 25
    shares = []
    for _ in range(300):
        erased = augment(image, only(erase=1.0), rng)
        gone = (erased != image).any(0)
        colour = erased[:, gone]
        assert set(map(tuple, colour.T.tolist())) <= {MEAN_COLOUR}
        rows, columns = torch.where(gone)
        shares.append(float((rows.max() - rows.min() + 1) * (columns.max() - columns.min() + 1)) / (48 * 16))
    assert 0.01 < min(shares) < 0.04
    assert 0.36 < max(shares) < 0.43
    assert torch.equal(image, picture()), "the given image is left alone"


def test_augmentations_come_as_often_as_they_should() -> None:
    image = picture()
    changed = [not torch.equal(augment(image, only(flip=0.5), generator("image", 3, 0, n)), image) for n in range(1000)]
    assert 450 < sum(changed) < 550
    again = [not torch.equal(augment(image, only(flip=0.5), generator("image", 3, 0, n)), image) for n in range(1000)]
    assert changed == again
    other = [not torch.equal(augment(image, only(flip=0.5), generator("image", 3, 1, n)), image) for n in range(1000)]
    assert changed != other


def test_masking_has_berts_shares() -> None:
    row = torch.tensor([49406, *range(1, 76), 49407])
    fates: Counter[str] = Counter()
    others = []
    for n in range(2000):
        masked, labels = mask_tokens(row, CLIP_TOKENS, generator("mask", 0, 0, n))
        chosen = labels != IGNORED
        assert torch.equal(labels[chosen], row[chosen])
        assert torch.equal(masked[~chosen], row[~chosen])
        assert not chosen[0]
        assert not chosen[-1]
        for new, old in zip(masked[chosen].tolist(), row[chosen].tolist(), strict=True):
            fates["mask" if new == 49405 else "kept" if new == old else "other"] += 1
            others += [new] if new not in (49405, old) else []
    count = sum(fates.values())
    assert count / (2000 * 75) == pytest.approx(0.15, abs=0.005)
    assert fates["mask"] / count == pytest.approx(0.8, abs=0.015)
    assert fates["other"] / count == pytest.approx(0.1, abs=0.01)
    assert 0 < min(others) < 100
    assert 49300 < max(others) < 49405


@given(st.lists(st.integers(0, 49407), min_size=1, max_size=30), st.integers(0, 2**32))
def test_masking_touches_no_special_token_and_always_something(ids: list[int], seed: int) -> None:
    row = torch.tensor(ids)
    masked, labels = mask_tokens(row, CLIP_TOKENS, np.random.default_rng(seed))
    special = torch.tensor([token in CLIP_TOKENS.untouched for token in ids])
    assert torch.equal(masked[special], row[special])
    assert bool((labels != IGNORED).any()) == bool((~special).any())
    assert bool((labels[special] == IGNORED).all())


def test_where_nothing_is_chosen_the_first_token_is_masked() -> None:
    row = torch.tensor([49406, 320, 786, 49407, 0, 0])
    masked, labels = mask_tokens(row, CLIP_TOKENS, np.random.default_rng(0), probability=0.0)
    assert masked.tolist() == [49406, 49405, 786, 49407, 0, 0]
    assert labels.tolist() == [IGNORED, 320, *[IGNORED] * 4]


def test_masking_with_specials_in_the_middle_of_the_vocabulary() -> None:
    bert = SpecialTokens(mask=103, pad=0, special=frozenset({100, 101, 102}), vocabulary=110)
    row = torch.tensor([101, *([105] * 60), 102, 0, 0])
    seen: Counter[int] = Counter()
    for n in range(1500):
        masked, _ = mask_tokens(row, bert, np.random.default_rng(n), probability=1.0)
        assert masked[[0, 61, 62, 63]].tolist() == [101, 102, 0, 0]
        seen.update(masked[1:61].tolist())
    drawn = {token: count for token, count in seen.items() if token not in (103, 105)}
    assert set(drawn) == set(range(110)) - {0, 100, 101, 102, 103, 105}
    assert max(drawn.values()) < 2 * min(drawn.values())
    with pytest.raises(ValueError, match="beyond the vocabulary"):
        SpecialTokens(mask=110, pad=0, special=frozenset(), vocabulary=110)


GROUP = CaptionGroup(
    Text("a#0", "the human caption"),
    (Text("a#0~p.0", "first rewrite", "paraphrase"), Text("a#0~c.0", "second rewrite", "concise")),
)


def shares(config: MixtureConfig, epoch: int = 0, group: CaptionGroup = GROUP) -> dict[str, float]:
    shown = Counter(show_text(group, config, epoch, generator("text", 0, epoch, n))[0].text for n in range(3000))
    return {text: count / 3000 for text, count in shown.items()}


def test_texts_are_shown_as_often_as_the_mixture_says() -> None:
    near = {"abs": 0.03}
    human, first, second = GROUP.human.text, *(text.text for text in GROUP.rewrites)
    assert shares(MixtureConfig()) == {human: 1.0}
    assert shares(MixtureConfig(rewrites="uniform")) == pytest.approx(
        {human: 1 / 3, first: 1 / 3, second: 1 / 3}, **near
    )
    weighted = MixtureConfig(rewrites="uniform", styles={"concise": 2.0})
    assert shares(weighted) == pytest.approx({human: 0.25, first: 0.25, second: 0.5}, **near)
    often = MixtureConfig(rewrites="probability", probability=0.8, decay=0.03, floor=0.1, styles={"paraphrase": 0})
    assert shares(often) == pytest.approx({human: 0.2, second: 0.8}, **near)
    assert shares(often, epoch=10) == pytest.approx({human: 1 - 0.56, second: 0.56}, **near)
    assert shares(often, epoch=50) == pytest.approx({human: 0.92, second: 0.08}, **near)
    assert often.rewrite_probability(50) == pytest.approx(0.08)
    none_left = MixtureConfig(rewrites="probability", probability=1, styles={"paraphrase": 0, "concise": 0})
    assert shares(none_left) == {human: 1.0}


def test_a_rewrite_of_one_word_is_not_shown() -> None:
    group = CaptionGroup(GROUP.human, (Text("a#0~p.0", "Sure!"), Text("a#0~c.0", "two words")))
    shown = shares(MixtureConfig(rewrites="uniform"), group=group)
    assert shown == pytest.approx({"the human caption": 2 / 3, "two words": 1 / 3}, abs=0.03)
    kinds = {show_text(group, MixtureConfig(rewrites="uniform"), 0, np.random.default_rng(n)) for n in range(50)}
    assert kinds == {(group.human, HUMAN), (group.rewrites[1], REWRITE)}


def test_negatives_are_drawn_by_kind_and_never_twice() -> None:
    swaps = [NegativeText(f"swap {n}", "swap", "person/swap_colour") for n in range(9)]
    text = Text("a#0", "a caption", negatives=(*swaps, NegativeText("replaced", "replace", "person/replace_item")))
    drawn = [draw_negatives(text, MixtureConfig(negatives=1), generator("text", 0, 0, n)) for n in range(2000)]
    assert sum(one == ["replaced"] for one in drawn) / 2000 == pytest.approx(0.5, abs=0.04)
    assert {one for (one,) in drawn} == {negative.text for negative in text.negatives}
    several = draw_negatives(text, MixtureConfig(negatives=4), np.random.default_rng(0))
    assert len(set(several)) == 4
    everything = draw_negatives(text, MixtureConfig(negatives=50), np.random.default_rng(0))
    assert sorted(everything) == sorted(negative.text for negative in text.negatives)
    replaced = MixtureConfig(negatives=3, negative_kinds=("replace",))
    assert draw_negatives(text, replaced, np.random.default_rng(0)) == ["replaced"]
    assert draw_negatives(text, MixtureConfig(), np.random.default_rng(0)) == []


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"probability": 0.3}, "only with rewrites = 'probability'"),
        ({"styles": {"concise": 2}}, "only with rewrites"),
        ({"rewrites": "uniform", "styles": {"concise": -1}}, "0 or more"),
        ({"negative_kinds": ("swap",)}, "set negatives"),
        ({"negatives": 1, "negative_kinds": ("swop",)}, "swap"),
        ({"rewrite": "uniform"}, "Extra inputs"),
    ],
)
def test_mixtures_that_say_nothing(values: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        MixtureConfig.model_validate(values)


def test_a_mixture_of_what_is_not_there_is_refused(tmp_path: Path) -> None:
    source = write_source(tmp_path / "people")
    plain, made = read_collection(str(source)), read_collection(str(write_output(tmp_path / "out", source)))
    for config, said in (
        (MixtureConfig(rewrites="uniform"), "has no rewrites to train on"),
        (MixtureConfig(negatives=1), "has no hard negatives"),
        (MixtureConfig(neighbours=True), "names no neighbours"),
    ):
        check_mixture(made, config)
        with pytest.raises(UserError, match=said):
            check_mixture(plain, config)
    with pytest.raises(UserError, match=r"no rewrites of style formal \(there is concise, paraphrase\)"):
        check_mixture(made, MixtureConfig(rewrites="uniform", styles={"formal": 2}))
    with pytest.raises(UserError, match="has no hard negatives of kind add"):
        check_mixture(made, MixtureConfig(negatives=1, negative_kinds=("add",)))
