"""How long a text is for CLIP, in the tokens of OpenAI's byte-pair encoding."""

from __future__ import annotations

import gzip
import html
import importlib.util
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path

import ftfy
import regex  # type: ignore[import-untyped]  # it ships no types
from tokenizers.models import BPE

from ...schemas.errors import UserError

_VOCABULARY = "bpe_simple_vocab_16e6.txt.gz"
_MERGES = 49408 - 2 * 256 - 2  # CLIP's 49,408 tokens less the bytes, inside and at the end of a word, and the two marks
_SPECIAL = ("<start_of_text>", "<end_of_text>")
_WORDS = regex.compile(
    "|".join(_SPECIAL) + r"|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+", regex.IGNORECASE
)
_END_MARKS = 2


class ClipTokenizer:
    """Counts tokens exactly as `open_clip.tokenizer.SimpleTokenizer` would make them, without importing open_clip.

    That import brings torch: about 5 s and 500 MB in each worker. The cleaning and the splitting into words are
    open_clip's; the merging is done by the Rust `tokenizers`, once a distinct word.
    """

    def __init__(self) -> None:
        letters = _byte_letters()
        merges = _merges(_vocabulary_file())
        symbols = [*letters, *(letter + "</w>" for letter in letters), *(first + second for first, second in merges)]
        self._bpe = BPE(vocab={symbol: i for i, symbol in enumerate(symbols)}, merges=merges, end_of_word_suffix="</w>")
        self._letters = letters
        # Captions share few words (2,336 distinct in 6,162 of CUHK-PEDES); a full cache takes about 10 MB.
        self._word_tokens = lru_cache(maxsize=1 << 16)(self._count_word)

    def count(self, text: str) -> int:
        """Tokens of one text, with both end marks."""
        return _END_MARKS + sum(self._word_tokens(word) for word in _WORDS.findall(_clean(text)))

    def _count_word(self, word: str) -> int:
        if word in _SPECIAL:
            return 1
        return len(self._bpe.tokenize("".join(self._letters[byte] for byte in word.encode())))


def clip_token_count(text: str) -> int:
    """Length of a text in CLIP tokens with both end marks; CLIP reads the first 77.

    Raises:
        UserError: open_clip, whose vocabulary file is used, is not installed.
    """
    return _tokenizer().count(text)


def clip_token_counts(texts: Sequence[str]) -> list[int]:
    """`clip_token_count` of each text."""
    tokenizer = _tokenizer()
    return [tokenizer.count(text) for text in texts]


@cache
def _tokenizer() -> ClipTokenizer:
    return ClipTokenizer()


def _clean(text: str) -> str:
    """open_clip's default cleaning (`_clean_lower`): mojibake and entities mended, white space single, lower case."""
    # ftfy and unescape leave printable ASCII without `&` as it is: 57,000 captions/s instead of 27,000.
    if not (text.isascii() and text.isprintable() and "&" not in text):
        text = html.unescape(html.unescape(ftfy.fix_text(text)))
    return " ".join(text.split()).lower()


def _vocabulary_file() -> Path:
    spec = importlib.util.find_spec("open_clip")  # finds the folder, and runs nothing of it
    path = Path(spec.origin).parent / _VOCABULARY if spec is not None and spec.origin is not None else None
    if path is None or not path.is_file():
        raise UserError(
            f"CLIP's vocabulary {_VOCABULARY} is not there", where="open_clip", mend="`pip install open-clip-torch`"
        )
    return path


def _merges(path: Path) -> list[tuple[str, str]]:
    """The merges in order of rank, below a header line; what the file has beyond CLIP's vocabulary is left out."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        lines = file.read().split("\n")[1 : _MERGES + 1]
    return [(first, second) for first, second in (line.split() for line in lines)]


def _byte_letters() -> list[str]:
    """The printable character that stands for each byte: itself where it is one, else the next from U+0100."""
    printable = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    others = iter(range(256, 512))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]
