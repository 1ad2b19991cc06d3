import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbpr_data.pipeline.sources.repairs import repair

CASES = [
    ("He S holding a cup and she S not.", "He's holding a cup and she's not.", "lost_apostrophe"),
    (
        "The woman S coat has a hood that S pulled up.",
        "The woman's coat has a hood that's pulled up.",
        "lost_apostrophe",
    ),
    ("Her bag is n't open.", "Her bag isn't open.", "split_clitic"),
    ("The man 's tie, which he 's wearing.", "The man's tie, which he's wearing.", "split_clitic"),
    ("A black and Gray tie, a Gray Nike cap.", "A black and gray tie, a gray Nike cap.", "capital_gray"),
    ("Red boots , a hat .", "Red boots, a hat.", "space_before_mark"),
    ("A short,, red coat..", "A short, red coat.", "doubled_mark"),
    ("Green boots.she wears a hat.", "Green boots. she wears a hat.", "space_after_full_stop"),
    ("A red coat,black boots.", "A red coat, black boots.", "space_after_comma"),
    (" A  man\tin\nred. ", "A man in red.", "whitespace"),
    ("A man\u00a0in red.", "A man in red.", "whitespace"),
    ("The man\u2019s hat.", "The man's hat.", "curly_apostrophe"),
    ("A cafe\u0301 apron.", "A caf\u00e9 apron.", "unicode_form"),
    ("A\u200b red\x07 coat.", "A red coat.", "invisible_character"),
]

UNTOUCHED = [
    "She wears Capri S, and boots.",
    "A woman in her mid W S pulling a cart.",
    "A cap with a red S on it, size S and a shirt with that S logo.",
    "He waits at building S near the road.",
    "Gray coat, black hat. Gray shoes.",
    "A shirt that says Gray on it; a Gray Wolves cap; Dorian Gray.",
    "A shirt with www.boots.com/he and 2.5 stripes, e.g. red.",
    "She wears a coat... and then boots.",
    "The letter 's' on a cap, 10,000 dots and a .5 inch belt.",
    "A black T shirt, Asian, with Nike socks.",
    "",
]


@pytest.mark.parametrize(("text", "repaired", "rule"), CASES)
def test_each_rule_mends_what_it_is_named_for(text: str, repaired: str, rule: str) -> None:
    assert repair(text) == (repaired, (rule,))


@pytest.mark.parametrize("text", UNTOUCHED)
def test_what_cannot_be_mended_without_guessing_stays(text: str) -> None:
    assert repair(text) == (text, ())


def test_several_rules_are_each_named_once() -> None:
    text, rules = repair("He S in a Gray coat , and she S in a Gray hat.")
    assert text == "He's in a gray coat, and she's in a gray hat."
    assert rules == ("lost_apostrophe", "capital_gray", "space_before_mark")


PIECES = st.sampled_from(
    [
        "he",
        " S ",
        "Gray",
        " ",
        ".",
        ",",
        "..",
        "n't",
        "'s",
        "is ",
        "\u2019",
        "e\u0301",
        "\u200b",
        "\n",
        "her",
        "man",
        "A",
        "-",
    ]
)
TEXTS = st.one_of(st.text(), st.lists(st.one_of(PIECES, st.characters()), max_size=20).map("".join))


def letters(text: str) -> list[str]:
    folded = unicodedata.normalize("NFC", "".join(c for c in text if c not in "\u00ad\u200b\u2060\ufeff"))
    return sorted(c for c in folded.casefold() if unicodedata.category(c)[0] == "L")


@given(TEXTS)
def test_repairing_twice_is_repairing_once(text: str) -> None:
    repaired, rules = repair(text)
    assert repair(repaired) == (repaired, ())
    assert (repaired == text) is (rules == ())


@given(TEXTS)
def test_no_letter_changes_but_in_case(text: str) -> None:
    without_controls = "".join(c for c in text if unicodedata.category(c) != "Cc" or c.isspace())
    assert letters(repair(text)[0]) == letters(without_controls)
