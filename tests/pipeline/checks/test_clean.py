"""What a chat model wraps around a rewrite comes off; a caption itself is never cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbpr_data.pipeline.checks.clean import clean, is_refusal

CAPTION = "A man in a red shirt walks."


@pytest.mark.parametrize(
    "raw",
    [
        CAPTION,
        f"  {CAPTION}\n",
        f'"{CAPTION}"',
        f"“{CAPTION}”",
        f"**{CAPTION}**",
        f"Sure! Here is the rewritten caption:\n\n{CAPTION}",
        f"Sure, here's a rewrite: {CAPTION}",
        f'Here’s the description:\n"{CAPTION}"',
        f"Rewritten description: {CAPTION}",
        f"Short sentence: {CAPTION}",
        f"Certainly! {CAPTION}",
        f"1. {CAPTION}",
        f"- {CAPTION}",
        f"{CAPTION}\n\nNote: I kept every detail.",
        f"{CAPTION}\nExplanation: nothing was added.",
        f"<think>\nshort?\n</think>\n\n{CAPTION}",
        "A man in a red\nshirt   walks.",
    ],
)
def test_wrapping_comes_off(raw: str) -> None:
    assert clean(raw, "text") == CAPTION


@pytest.mark.parametrize(
    "caption",
    [
        "Here is a man in black, walking to the left.",
        'The man\'s shirt says "UCLA" and his cap says "LA".',
        '"UCLA" is written on her shirt, and "LA" on her cap.',
        "The short woman wears a new coat.",
        "Surely a student: he wears a backpack.",
    ],
)
def test_a_caption_stays_whole(caption: str) -> None:
    assert clean(caption, "text") == caption


def test_json_gives_its_caption() -> None:
    assert clean('{"caption": " A man. "}', "json") == "A man."
    assert [
        clean(raw, "json") for raw in ("[" * 100_000, '{"caption": ', "[]", '{"caption": 3}', '{"other": "x"}')
    ] == [""] * 5
    assert clean('{"caption": "A \\ud83d man \\u001b[31m."}', "json") == "A \ufffd man [31m."


@pytest.mark.parametrize(
    "text", ["I'm sorry, but I can't help.", "As an AI model…", "Please provide the caption.", "N/A"]
)
def test_refusals(text: str) -> None:
    assert is_refusal(text)


@pytest.mark.parametrize("text", ["I see a man in black.", "A man who looks sorry walks by.", "Native dress, red."])
def test_no_refusals(text: str) -> None:
    assert not is_refusal(text)


@given(st.text())
def test_any_answer_is_cleaned_to_one_line(raw: str) -> None:
    text = clean(raw, "text")
    assert text == " ".join(text.split())
    assert len(text) <= len(raw)
