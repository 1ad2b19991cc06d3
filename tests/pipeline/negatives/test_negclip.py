import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tbpr_data.pipeline.language.english import load_english
from tbpr_data.pipeline.negatives.negclip_recipe import MAX_CHARACTERS, generate
from tbpr_data.pipeline.negatives.registry import NEGCLIP as RULES
from tbpr_data.pipeline.negatives.surgery import Replacement, apply_edits, same_caption, undo_edits
from tbpr_data.schemas.errors import UserError
from tbpr_data.schemas.rows import Negative

CAPTIONS = [
    "A man in a red shirt holds a small black bag.",
    "The woman wears jeans. She is holding a phone.",
    "Slowly, the man is walking behind , with  white shoes and black trousers.",
    "Asian woman with long hair, wearing a blue coat; she carries a large brown bag over her left shoulder.",
    "he S wearing a light-blue T-shirt and dark jeans.his shoes are white and black",
    "A man wearing glasses, jeans and white shoes.",
]
ODD = [
    "MAN",
    "I",
    "Nike",
    "he's",
    ".",
    "(",
    ")",
    '"',
    "'",
    "-",
    "!",
    "\n",
    "",
    "\t",
    "2",
    "é",
    "ß",
    "İ",
    "ŉ",
    "ǆ",
    "男人",
    "👗",
]
WORDS = st.sampled_from([*" ".join(CAPTIONS).split(" "), *ODD, "\u0301", "\x00", "shirt.He", "black/white"])
TEXTS = st.text(max_size=80) | st.lists(WORDS, max_size=25).map(" ".join) | st.lists(WORDS, max_size=25).map("".join)


@pytest.fixture(scope="module")
def nlp():
    return load_english()


def made(nlp, text: str, rule: str, seeds: int = 12) -> set[str]:
    """What a rule makes of a text over several seeds."""
    runs = [generate([text], ["k"], seed=seed, rules=[rule], nlp=nlp)[0] for seed in range(seeds)]
    return {negative.text for negatives in runs for negative in negatives}


@pytest.mark.parametrize(
    ("rule", "text", "expected"),
    [
        (
            "noun_phrase",
            "A man in a red shirt holds a small black bag.",
            {"A man in a small black bag holds a red shirt."},
        ),
        ("verb_phrase", CAPTIONS[1], {"The woman is holding jeans. She wears a phone."}),
        ("noun", "A shirt and a bag, .", {"A bag and a shirt, ."}),
        (
            "noun_plural",
            "A man wearing glasses, jeans and white shoes.",
            {
                "A man wearing jeans, glasses and white shoes.",
                "A man wearing shoes, jeans and white glasses.",
                "A man wearing glasses, shoes and white jeans.",
            },
        ),
        ("adverb", "Slowly, the man is walking behind.", {"Behind, the man is walking slowly."}),
        (
            "adjective",
            "A woman with long hair and a blue coat.",
            {"A woman with blue hair and a long coat."},
        ),
    ],
)
def test_each_rule_swaps_its_units_and_nothing_else(nlp, rule, text, expected):
    assert made(nlp, text, f"negclip/{rule}") == expected


def test_a_negative_says_what_was_done(nlp):
    text = "A man in a red shirt holds a small black bag."
    (negative,) = generate([text], ["k"], seed=0, rules=["negclip/noun_phrase"], nlp=nlp)[0]
    assert (negative.kind, negative.rule, negative.origin, negative.slots) == (
        "swap",
        "negclip/noun_phrase",
        "rule",
        [],
    )
    assert negative.scores.plausibility is None
    assert [text[edit.source_start : edit.source_end] for edit in negative.spans] == [
        "a red shirt",
        "a small black bag",
    ]
    assert [negative.text[edit.start : edit.end] for edit in negative.spans] == ["a small black bag", "a red shirt"]
    with pytest.raises(ValidationError):
        negative.text = "frozen"


@pytest.mark.parametrize(
    ("rule", "text", "expected"),
    [
        # The capital goes to what comes first, and stays with what has it by right.
        ("noun", "Person in a coat.", {"Coat in a person."}),
        ("adjective", "Asian woman in a red coat.", {"Red woman in a Asian coat."}),
        ("noun", "person in a coat.", {"coat in a person."}),
        # Words glued to another are no units; what hangs on the word before stays there.
        ("noun", "A t-shirt and a bag.", set()),
        ("verb_phrase", "He's wearing a coat, holding a bag.", {"He's holding a coat, wearing a bag."}),
        ("noun", "A man's bag.", set()),
        # Spacing and punctuation stay as they are, good or bad.
        ("noun_phrase", "A women 's hat ; a red bag .", {"A red bag ; a women 's hat ."}),
        ("noun", "a man.He wears a red coat", {"a coat.He wears a red man"}),
        # Equal units have nothing to swap.
        ("noun", "A shirt, a Shirt.", set()),
        ("adjective", "A red shirt, a red shirt.", set()),
    ],
)
def test_surgery_leaves_no_trace(nlp, rule, text, expected):
    assert made(nlp, text, f"negclip/{rule}") == expected


def test_a_rule_yields_whenever_a_pair_of_its_units_can(nlp):
    text = "A red shirt, a red bag, a red hat, a red coat, a red cap and a blue shoe."
    assert len(made(nlp, text, "negclip/adjective", seeds=40)) == 5
    assert all(generate([text], ["k"], seed=seed, rules=["negclip/adjective"], nlp=nlp)[0] for seed in range(40))


@settings(max_examples=250, deadline=None)
@given(text=TEXTS, seed=st.integers())
@example(text="\ud83d lone", seed=0)
@example(text="一个 男人 穿着 黑色 外套", seed=0)
@example(text="👗 👠 👗", seed=0)
def test_any_text_keeps_the_promises(nlp, text, seed):
    (negatives,) = generate([text], ["k"], seed=seed, nlp=nlp)
    assert negatives == generate([text], ["k"], seed=seed, nlp=nlp)[0]
    assert [n.rule for n in negatives] == [rule for rule in RULES if rule in {n.rule for n in negatives}]
    for negative in negatives:
        assert not same_caption(negative.text, text)
        assert undo_edits(negative.text, negative.spans, text) == text
        assert spans_in_order(negative, text)
        assert len(re.findall(r"\s[.,;:!?]", negative.text)) == len(re.findall(r"\s[.,;:!?]", text))
        assert not (text[0].isupper() and negative.text[0].islower())


def spans_in_order(negative: Negative, text: str) -> bool:
    first, second = negative.spans
    return (
        0 <= first.source_start < first.source_end <= second.source_start < second.source_end <= len(text)
        and 0 <= first.start < first.end <= second.start < second.end <= len(negative.text)
        and text[first.source_start : first.source_end].casefold()
        != text[second.source_start : second.source_end].casefold()
    )


@pytest.mark.parametrize(
    "text", ["", " ", "\x00", "👗", "一个穿着黑色外套的男人，女人。", "A", "\ud800 a red man, a bag"]
)
def test_what_is_no_english_caption_gets_none(nlp, text):
    assert generate([text], ["k"], seed=0, nlp=nlp) == [[]]


def test_a_text_too_long_for_a_caption_gets_none(nlp):
    caption = CAPTIONS[0]
    assert generate([caption + " " * (MAX_CHARACTERS - len(caption))], ["k"], seed=0, nlp=nlp)[0]
    assert generate([caption + " " * (MAX_CHARACTERS - len(caption) + 1)], ["k"], seed=0, nlp=nlp) == [[]]


def test_neighbours_and_order_do_not_matter(nlp):
    texts = [*CAPTIONS, "", "👗", "x" * (MAX_CHARACTERS + 1)] * 8
    keys = [f"set/{i}.jpg#0" for i in range(len(texts))]
    together = generate(texts, keys, seed=3, nlp=nlp)
    assert generate(texts[::-1], keys[::-1], seed=3, nlp=nlp)[::-1] == together
    assert [generate([text], [key], seed=3, nlp=nlp)[0] for text, key in zip(texts, keys, strict=True)] == together
    assert [bool(negatives) for negatives in together] == [len(text) > 1 and len(text) < 1000 for text in texts]


def test_the_seed_and_the_key_matter(nlp):
    text = CAPTIONS[3]
    keys = [str(key) for key in range(20)]
    by_key = generate([text] * 20, keys, seed=0, nlp=nlp)
    assert len({tuple(n.text for n in negatives) for negatives in by_key}) > 5
    assert by_key != generate([text] * 20, keys, seed=1, nlp=nlp)


def test_picks_so_many_a_caption_in_the_order_of_the_rules(nlp):
    everything = generate([CAPTIONS[3]] * 30, [str(key) for key in range(30)], seed=0, nlp=nlp)
    two = generate([CAPTIONS[3]] * 30, [str(key) for key in range(30)], seed=0, per_caption=2, nlp=nlp)
    for few, full in zip(two, everything, strict=True):
        assert len(few) == 2
        assert few == [negative for negative in full if negative in few]
    assert len({tuple(n.rule for n in few) for few in two}) > 2
    assert generate([CAPTIONS[3]], ["0"], seed=0, per_caption=99, nlp=nlp)[0] == everything[0]


def test_a_caption_has_no_negative_twice(nlp, monkeypatch):
    monkeypatch.setattr(
        "tbpr_data.pipeline.negatives.negclip_recipe.NEGCLIP",
        {"negclip/noun": RULES["negclip/noun"], "negclip/adverb": RULES["negclip/noun"]},
    )
    rules = ["negclip/noun", "negclip/adverb"]
    made = generate(["A shirt and a bag."], ["k"], seed=0, rules=rules, nlp=nlp)[0]
    assert [negative.text for negative in made] == ["A bag and a shirt."]


def test_unusable_arguments(nlp):
    with pytest.raises(UserError, match=r"negclip/nouns.*negclip/noun_phrase"):
        generate([], [], seed=0, rules=["negclip/nouns"], nlp=nlp)
    with pytest.raises(UserError, match="per_caption is 0"):
        generate([], [], seed=0, per_caption=0, nlp=nlp)
    with pytest.raises(ValueError, match="shorter"):
        generate(["a", "b"], ["k"], seed=0, nlp=nlp)


def test_edits_insert_replace_and_remove():
    source = "a red shirt"
    text, edits = apply_edits(
        source, [Replacement(0, 0, "not "), Replacement(2, 6, ""), Replacement(6, 11, "long skirt")]
    )
    assert text == "not a long skirt"
    assert [text[edit.start : edit.end] for edit in edits] == ["not ", "", "long skirt"]
    assert undo_edits(text, edits, source) == source


@pytest.mark.parametrize("spans", [[(4, 6), (0, 2)], [(0, 3), (2, 5)], [(5, 99)], [(3, 1)]])
def test_edits_that_do_not_fit_are_refused(spans):
    with pytest.raises(ValueError, match="overlaps"):
        apply_edits("a red shirt", [Replacement(start, end, "x") for start, end in spans])
