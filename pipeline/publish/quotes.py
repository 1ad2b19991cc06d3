"""Source captions inside other texts: found, and replaced by the place they stand at.

A rewrite is generated text and may be published where its source may not; what it took over word for word is still the
source's. A release shows no run of `RUN` words that a text has from the caption it was made of, nor that caption whole,
however short; and no caption, nor any sentence of one, of `SENTENCE` words or more, wherever it stands. Words are
compared without case and marks. A text that would show one is put together from pieces: whatever stands in the captions
it quotes is a place there.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from ...schemas.release import Piece
from ...schemas.rows import Edit

RUN = 8
SENTENCE = 4
# Scripts that put no space between words: each sign counts as one. Thai to Burmese, kana, Han.
_SIGN = "\u0e00-\u0eff\u1000-\u109f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{_SIGN}]|[^\W_{_SIGN}]+")
_TOKEN = re.compile(rf"{_WORD.pattern}|[\W_]")
_SENTENCE_END = re.compile(r"[.!?;]+[\"'”’)\]*_]*(?=\s|$)")

Words = tuple[str, ...]


class Quotes:
    """The captions of a source, looked for in other texts."""

    def __init__(self, captions: Mapping[str, str]) -> None:
        """`captions`: caption id → text."""
        self._captions = captions
        # Captions and sentences by their first words: eight, or all where there are fewer; each once, however many
        # captions have it.
        self._openings: dict[Words, dict[Words, str]] = defaultdict(dict)
        for caption_id, text in captions.items():
            for words in (_words(text), *map(_words, _SENTENCE_END.split(text))):
                if len(words) >= SENTENCE:
                    self._openings[words[:RUN]].setdefault(words, caption_id)
        self._runs = lru_cache(maxsize=1024)(self._runs_of)

    def pieces(self, text: str, source_id: str, *, beside: Sequence[str] = ()) -> list[Piece]:
        """What `text`, made of the caption `source_id`, is put together from; empty where it quotes nothing.

        `beside` are captions that it quotes for another reason: a negative those of its rewrite, which it would tell.

        Raises KeyError where there is no such caption.
        """
        quoted = dict.fromkeys([*beside, *self.quoted(text, source_id)])
        return list(_cut(text, [(one, self._captions[one]) for one in quoted])) if quoted else []

    def edited(self, text: str, spans: Sequence[Edit], source_id: str) -> list[Piece]:
        """A caption changed at `spans`: everything between them is quoted. Raises ValueError where they are not so."""
        pieces, at = [], 0
        for span in spans:
            words = text[span.start : span.end]
            pieces += [_quote(source_id, at, span.source_start), *(self.pieces(words, source_id) or [_own(words)])]
            at = span.source_end
        pieces.append(_quote(source_id, at, len(self._captions[source_id])))
        pieces = [piece for piece in pieces if piece.text or piece.start != piece.end]
        if self.restore(pieces) != text:
            raise ValueError(f"the edits of a negative of {source_id} do not give it")
        return pieces

    def caption(self, caption_id: str) -> str:
        """The caption of that id. Raises KeyError where there is none."""
        return self._captions[caption_id]

    def restore(self, pieces: Iterable[Piece]) -> str:
        """The text that pieces give. Raises KeyError for a caption that is not there."""
        return "".join(map(self._restored, pieces))

    def _restored(self, piece: Piece) -> str:
        if piece.caption_id is None:
            return piece.text or ""
        letters = list(self._captions[piece.caption_id][piece.start : piece.end])
        for at in piece.swapped:
            letters[at] = letters[at].swapcase()
        return "".join(letters)

    def quoted(self, text: str, source_id: str) -> list[str]:
        """The captions that `text` quotes, its own source first."""
        words = _words(text)
        runs, own = self._runs(source_id)
        repeats = any(words[at : at + RUN] in runs for at in range(len(words) - RUN + 1))
        whole = bool(own) and any(words[at : at + len(own)] == own for at in range(len(words) - len(own) + 1))
        return list(dict.fromkeys([*([source_id] if repeats or whole else []), *self.anywhere(text)]))

    def anywhere(self, text: str) -> list[str]:
        """The captions that `text` repeats, or a sentence of which, whatever it was made of."""
        words, found = _words(text), dict[str, None]()
        for at in range(len(words)):
            for size in range(SENTENCE, min(RUN, len(words) - at) + 1):
                for whole, caption_id in self._openings.get(words[at : at + size], {}).items():
                    if words[at : at + len(whole)] == whole:
                        found[caption_id] = None
        return list(found)

    def _runs_of(self, caption_id: str) -> tuple[frozenset[Words], Words]:
        words = _words(self._captions[caption_id])
        return frozenset(words[at : at + RUN] for at in range(len(words) - RUN + 1)), words


def _cut(text: str, sources: Sequence[tuple[str, str]]) -> Iterator[Piece]:
    """`text` from left to right, at each word the longest stretch that one of the sources has too."""
    tokens = _TOKEN.findall(text)
    told = [(caption_id, _TOKEN.findall(caption)) for caption_id, caption in sources]
    at, own = 0, ""
    while at < len(tokens):
        caption_id, theirs, start, length = max(
            ((name, theirs, *_longest(tokens, at, theirs)) for name, theirs in told), key=lambda one: one[3]
        )
        if not length:
            own += tokens[at]
            at += 1
            continue
        if own:
            yield _own(own)
            own = ""
        here, there = "".join(tokens[at : at + length]), "".join(theirs[start : start + length])
        begin = sum(map(len, theirs[:start]))
        swapped = [n for n, (a, b) in enumerate(zip(here, there, strict=True)) if a != b]
        yield _quote(caption_id, begin, begin + len(here), swapped)
        at += length
    if own:
        yield _own(own)


def _longest(tokens: Sequence[str], at: int, theirs: Sequence[str]) -> tuple[int, int]:
    """Where in `theirs` the longest stretch begins that stands in `tokens` at `at` too, and how many tokens it has."""
    best = (0, 0)
    for start in range(len(theirs)) if _WORD.match(tokens[at]) else ():
        length = 0
        while at + length < len(tokens) and start + length < len(theirs):
            if not _same(tokens[at + length], theirs[start + length]):
                break
            length += 1
        if length > best[1]:
            best = (start, length)
    return best


def _same(here: str, there: str) -> bool:
    """Whether two tokens are the same but for capitals, each of which `swapcase` gives."""
    return here == there or (
        len(here) == len(there) and all(a in (b, b.swapcase()) for a, b in zip(here, there, strict=True))
    )


def _words(text: str) -> Words:
    return tuple(_WORD.findall(text.casefold()))


def _own(text: str) -> Piece:
    return Piece(text=text, caption_id=None, start=None, end=None, swapped=[])


def _quote(caption_id: str, start: int, end: int, swapped: Sequence[int] = ()) -> Piece:
    return Piece(text=None, caption_id=caption_id, start=start, end=end, swapped=list(swapped))
