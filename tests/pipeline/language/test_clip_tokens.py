import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbpr_data.pipeline.language import clip_tokens
from tbpr_data.pipeline.language.clip_tokens import clip_token_count, clip_token_counts
from tbpr_data.schemas.errors import UserError

TEXTS = [
    "",
    " ",
    "a photo of a cat",
    "The man wears a light-blue T-shirt, dark jeans and black/white sneakers.",
    "She's wearing a knee-length skirt; they've 2 bags, I'd say -- he'll carry 12.5 kg!!!",
    "  many   spaces\tand\n\nlines \u00a0 here\u2003and there\u200b ",
    "caf\u00e9 d\u00e9collet\u00e9 na\u00efve \u2018curly\u2019 \u201cquotes\u201d \ufb01gure \u2026",
    "Fran\u00c3\u00a7ois caf\u00c3\u00a9 it\u00e2\u20ac\u2122s mojibake",
    "a &amp; b &lt;tag&gt; &amp;amp;lt; &#39;s &nbsp; & <b>bold &copy;</b>",
    "一个穿着黑色外套的男人, 女人。",
    "мужчина в чёрной куртке رجل يرتدي קטן",
    "👩🏽\u200d🦱 wearing 👗👠 🧥 \u2764\ufe0f",
    "\u0660\u0661\u0662 ½ ² Ⅷ ① 1234567890",
    "\x00 \x1b[31mred\x1b[0m \x07 \ufffd \ue000",
    "<start_of_text> inside <END_OF_TEXT> <|endoftext|> <\u017ftart_of_text> </w> a</w>",
    "'\u017f '\u017f 'S 'RE \u212aelvin \u0130stanbul \u00df \u01c6",
    "supercalifragilisticexpialidocious " * 20,
    "x" * 500,
    "!?" * 60,
    "e\u0301 a\u0308\u0323 \u1100\u1161 ที่นี่ हिन्दी",
    "\ud800 lone surrogate",
]


@pytest.fixture(scope="module")
def open_clip_count():
    from open_clip.tokenizer import SimpleTokenizer

    tokenizer = SimpleTokenizer()
    return lambda text: len(tokenizer.encode(text)) + 2


def test_counts_include_both_end_marks():
    assert clip_token_count("") == 2
    assert clip_token_count("a man") == 4
    assert clip_token_counts(["", "a man", "a man."]) == [2, 4, 5]


@pytest.mark.parametrize("text", TEXTS)
def test_agrees_with_open_clip(open_clip_count, text):
    assert clip_token_count(text) == open_clip_count(text)


@settings(max_examples=300, deadline=None)
@given(text=st.text() | st.text(alphabet="ab's<>&;#3_-./é’ \t\n") | st.text(alphabet=st.characters(max_codepoint=126)))
def test_agrees_with_open_clip_on_anything(open_clip_count, text):
    assert clip_token_count(text) == open_clip_count(text)


def test_neither_open_clip_nor_torch_is_imported():
    code = (
        "import sys; from tbpr_data.pipeline.language.clip_tokens import clip_token_count as count;"
        "print(count('a man'), 'torch' in sys.modules, 'open_clip' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["4", "False", "False"]


def test_a_missing_vocabulary_is_a_user_error(monkeypatch):
    monkeypatch.setattr(clip_tokens.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="open-clip-torch"):
        clip_tokens.ClipTokenizer()
