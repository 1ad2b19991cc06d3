"""The rules on persons, their guards, and the choice among what they propose."""

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbpr_data.pipeline.language.likelihood import Likelihood
from tbpr_data.pipeline.language.parse import parse
from tbpr_data.pipeline.negatives.balance import Change, Grams, choose
from tbpr_data.pipeline.negatives.caption import Caption
from tbpr_data.pipeline.negatives.gaps import GapGrid
from tbpr_data.pipeline.negatives.guards import KnownTexts, normalised, refused_at_once, refused_when_read, text_hash
from tbpr_data.pipeline.negatives.others import Others
from tbpr_data.pipeline.negatives.person_recipe import make_person_negatives
from tbpr_data.pipeline.negatives.registry import PERSON, select_rules
from tbpr_data.pipeline.negatives.stock import take_stock
from tbpr_data.pipeline.negatives.surgery import article_of, mended, same_caption, undo_edits
from tbpr_data.schemas.errors import UserError

GOLD = Path(__file__).parents[2] / "gold"
TEXTS = [json.loads(line)["text"] for line in (GOLD / "captions_dev.jsonl").read_text(encoding="utf-8").splitlines()]
# What the rules may put in comes from the captions beside: these have enough of everything.
BESIDE = [
    f"{who} in a {colour} {top} and {lower} {legs}, with {shoes}, {doing}."
    for who in ("A man", "A woman with long black hair", "A girl with short brown hair in a ponytail")
    for colour, lower in (("black", "white"), ("red", "blue"), ("green", "grey"), ("orange", "black"), ("white", "red"))
    for top, legs, shoes in (("shirt", "pants", "black boots"), ("sweater", "shorts", "white sneakers"))
    for doing in ("carrying a backpack", "wearing glasses", "with a purse on her left shoulder", "wearing a black hat")
]


def captions(texts: list[str], others: tuple[str, ...] = ()) -> list[Caption]:
    told = Others([parse(other) for other in others])
    return [Caption(text, str(number), parse(text), told) for number, text in enumerate(texts)]


def proposals(rule: str, text: str) -> set[str]:
    """Everything a rule makes of a caption, among the captions of `BESIDE`."""
    [caption, *_] = every = captions([text, *BESIDE])
    stock = take_stock(every)
    found = [one for seed in range(8) for one in PERSON[f"person/{rule}"][1](caption, stock, Random(seed))]
    return {
        mended(text, one.replacements)[0]
        for one in found
        if not refused_when_read(caption, one, mended(text, one.replacements)[0])
    }


@pytest.mark.parametrize(
    ("rule", "text", "negative"),
    [
        ("swap_colour", "A man in a black shirt and white pants.", "A man in a white shirt and black pants."),
        ("swap_colour", "Red sweater, white shorts.", "White sweater, red shorts."),
        ("swap_colour", "A red and black shirt with white pants.", "A white shirt with red and black pants."),
        ("replace_colour", "A man in a blue sweater.", "A man in an orange sweater."),
        ("replace_colour", "An orange sweater.", "A black sweater."),
        ("swap_garment", "A white jacket over a red shirt.", "A white shirt over a red jacket."),
        ("replace_item", "He has black shorts on.", "He has black pants on."),
        ("replace_item", "a girl with a red backpack", "a girl with a red purse"),
        ("swap_side", "A bag on his left shoulder.", "A bag on his right shoulder."),
        (
            "swap_place",
            "A bag in his hand and a backpack on his back.",
            "A bag on his back and a backpack in his hand.",
        ),
        ("swap_detail", "A striped shirt and plaid shorts.", "A plaid shirt and striped shorts."),
        ("replace_length", "She wears a short-sleeved shirt.", "She wears a long-sleeved shirt."),
        ("replace_hair", "A girl with long hair.", "A girl with short hair."),
        ("replace_gender", "A man holds his bag. He's old.", "A woman holds her bag. She's old."),
        ("replace_gender", "She has her bag with her.", "He has his bag with him."),
        ("add_item", "A man wearing a black hat.", "A man wearing glasses."),
        ("negate_item", "A man with a hat.", "A man without a hat."),
        ("negate_item", "The man has a backpack.", "The man has no backpack."),
        ("negate_item", "A woman without a bag.", "A woman with a bag."),
        ("negate_item", "A man with no socks.", "A man with socks."),
        ("negate_state", "His shirt is untucked.", "His shirt is tucked in."),
        ("negate_state", "A sleeveless shirt.", "A long sleeve shirt."),
    ],
)
def test_rules(rule: str, text: str, negative: str) -> None:
    assert negative in proposals(rule, text)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("swap_colour", "A black and white shirt."),
        ("swap_colour", "A navy shirt and dark blue pants."),
        ("swap_colour", "A black shirt and pants."),
        ("replace_gender", "A woman in a dress."),
        ("replace_gender", "A man with a beard."),
        ("replace_gender", "A person in black."),
        ("negate_item", "A man wearing glasses, a red shirt and shorts."),
        ("swap_side", "A bag on his shoulder."),
        ("swap_side", "A bag in his left hand and a cup in his right hand."),
        ("swap_colour", "A red shirt, a red bag and a blue bag."),
        ("replace_colour", "A red hat that matches her shoes."),
        ("replace_gender", "A bald man."),
        ("replace_item", "Shorts that reach his knees."),
        ("swap_garment", "A long red dress and white shoes."),
        ("replace_item", "A woman in a black top, leggings and a skirt."),
        ("replace_item", "White open toed sandals."),
        ("replace_item", "He has tan slacks on. His pants are held up."),
        ("swap_garment", "Blue jean shorts and an orange shirt."),
        ("replace_hair", "A mainly bald head."),
        ("replace_hair", "A male with little to no hair."),
        ("replace_hair", "Her long hair falls over her shoulders."),
        ("negate_state", "A long sleeved shirt with the sleeve cuffs rolled up."),
        ("replace_length", "A sleeveless halter top."),
        ("swap_colour", "Black pants and white shoes. His shirt is also black."),
    ],
)
def test_rules_keep_off(rule: str, text: str) -> None:
    assert not proposals(rule, text)


@pytest.mark.parametrize(
    ("word", "article"),
    [
        ("orange", "an"),
        ("hour", "an"),
        ("uniform", "a"),
        ("umbrella", "an"),
        ("one", "a"),
        ("unidentified", "an"),
        ("red", "a"),
    ],
)
def test_articles(word: str, article: str) -> None:
    assert article_of(word) == article


def propose(text: str, negative: str, others: tuple[str, ...] = ()) -> tuple[Caption, object]:
    every = [
        Caption(text, "0", parse(text), Others(list(map(parse, others))), frozenset(map(normalised, others))),
        *captions(BESIDE),
    ]
    stock = take_stock(every)
    for _, rule in PERSON.values():
        for seed in range(12):
            for one in rule(every[0], stock, Random(seed)):
                if mended(text, one.replacements)[0] == negative:
                    return every[0], one
    raise AssertionError(f"no rule makes {negative!r}")


@pytest.mark.parametrize(
    ("others", "known", "guard"),
    [
        (("He wears a red sweater.",), (), None),
        (("He wears an orange top.",), (), "other_caption"),
        (("His jacket is orange.",), (), "other_caption"),
        (("A man in an orange sweater!",), (), "other_caption"),
        ((), ("a man in an ORANGE sweater",), "somebody_else"),
        ((), ("A man in a green sweater.",), None),
    ],
)
def test_guards_over_captions(others: tuple[str, ...], known: tuple[str, ...], guard: str | None) -> None:
    negative = "A man in an orange sweater."
    caption, candidate = propose("A man in a blue sweater.", negative, others)
    texts = KnownTexts(np.sort(np.array([text_hash(text) for text in known], dtype=np.uint64)))
    assert refused_at_once(caption, candidate, negative, texts) == guard


def test_a_swap_counts_as_false_while_one_half_of_it_is() -> None:
    source, negative = "A black shirt and white pants.", "A white shirt and black pants."
    caption, candidate = propose(source, negative, ("A white shirt.",))
    assert refused_at_once(caption, candidate, negative, None) is None
    caption, candidate = propose(source, negative, ("A white shirt and black jeans.",))
    assert refused_at_once(caption, candidate, negative, None) == "other_caption"


def test_every_negative_is_one_recorded_edit() -> None:
    every = captions(TEXTS)
    made = make_person_negatives(every, seed=0, rules=select_rules("person", None), per_caption=8, balanced=False)
    assert sum(map(bool, made.negatives)) > 0.8 * len(every)
    for caption, negatives in zip(every, made.negatives, strict=True):
        assert len({negative.text for negative in negatives}) == len(negatives)
        for negative in negatives:
            assert not same_caption(negative.text, caption.text)
            assert undo_edits(negative.text, negative.spans, caption.text) == caption.text
            assert negative.rule in PERSON
            assert negative.slots
            assert "  " not in negative.text or "  " in caption.text


def test_what_comes_out_depends_on_block_and_seed_alone() -> None:
    rules = select_rules("person", None)
    first, again = (make_person_negatives(captions(TEXTS), seed=3, rules=rules).negatives for _ in range(2))
    assert first == again
    assert first != make_person_negatives(captions(TEXTS), seed=4, rules=rules).negatives


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=80) | st.sampled_from(TEXTS), min_size=1, max_size=4))
def test_no_text_breaks_it(texts: list[str]) -> None:
    every = captions([*texts, *BESIDE[:4]])
    made = make_person_negatives(every, seed=0, rules=select_rules("person", None))
    for caption, negatives in zip(every, made.negatives, strict=True):
        for negative in negatives:
            assert undo_edits(negative.text, negative.spans, caption.text) == caption.text != negative.text


def test_rules_are_chosen_by_name_and_by_kind() -> None:
    assert select_rules("person", ["negate"]) == ("person/negate_item", "person/negate_state")
    assert select_rules("person", ["swap_side", "person/swap_colour"]) == ("person/swap_colour", "person/swap_side")
    with pytest.raises(UserError, match="no rule is called 'swop'"):
        select_rules("person", ["swop"])


def change(*amounts: float) -> Change:
    there = np.flatnonzero(amounts)
    return Change.of(there.tolist(), [amounts[place] for place in there])


def test_balance_takes_as_many_one_way_as_the_other() -> None:
    # 40 places where "blue → black" is preferred, 40 where "black → blue" can be had: by turns nothing is given away.
    there, back = (change(-1.0, 1.0),), (change(1.0, -1.0),)
    places = [[there] if number % 2 else [there, back] for number in range(80)]
    choice = choose(places, [2])
    total = sum(
        place[taken][0].amounts[1] for place, taken in zip(places, choice.taken, strict=True) if taken is not None
    )
    assert choice.before == pytest.approx(2.0)
    assert choice.after <= 0.0
    assert abs(total) <= 12.0
    # Where all go one way, most are left out.
    assert sum(one is not None for one in choose([[there] for _ in range(80)], [2]).taken) <= 2
    assert choose([], [0]).taken == []


def test_features_of_a_change_are_the_words_that_go_and_come() -> None:
    grams = Grams(["a red hat", "a blue hat"])
    told = grams.change("a red hat", "a blue hat")
    # By tokens and by words: red, blue, and the pairs and triple around them.
    assert len(told.features) == 2 * 2 * 4
    assert told.amounts.sum() == pytest.approx(0.0)
    back = grams.change("a blue hat", "a red hat")
    assert dict(zip(told.features, told.amounts, strict=True)) == pytest.approx(
        dict(zip(back.features, -back.amounts, strict=True))
    )


def test_a_gap_and_its_mirror_image_cancel() -> None:
    gaps = [(0.3, -0.1), (-0.3, 0.1), (1.0, 2.0), (0.02, 0.0)]
    grid = GapGrid(gaps)
    there, back = grid.change(gaps[0]), grid.change(gaps[1])
    assert list(there.features) == list(back.features)
    assert there.amounts == pytest.approx(-back.amounts)
    assert max(max(grid.change(gap).features) for gap in gaps) < GapGrid.SIZE
    assert len(grid.change(None).features) == 0


def test_what_a_language_model_finds_likelier_is_balanced_and_recorded() -> None:
    def scorer(texts: Sequence[str]) -> list[Likelihood | None]:
        # A model that finds captions likelier than what is made of them, and beyond that guesses.
        return [Likelihood(0.3 * (text in TEXTS) + crc32(text.encode()) / 2**32, float(len(text))) for text in texts]

    every = captions(TEXTS[:160])
    rules = select_rules("person", ["replace"])
    plain = make_person_negatives(every, seed=0, rules=rules, balanced=False, scorer=scorer).negatives
    weighed = make_person_negatives(every, seed=0, rules=rules, scorer=scorer).negatives
    lean = [
        np.mean([np.sign(one.scores.plausibility) for several in made for one in several]) for made in (plain, weighed)
    ]
    assert lean[0] > 0.5
    assert abs(lean[1]) < 0.15
    assert sum(map(bool, weighed)) > len(every) / 2
    for caption, several in zip(every, weighed, strict=True):
        told = scorer([caption.text])[0]
        for one, other in zip(several, scorer([one.text for one in several]), strict=True):
            assert one.scores.plausibility == pytest.approx(told.plausibility - other.plausibility, abs=1e-4)
            assert one.scores.grammar == told.grammar - other.grammar
