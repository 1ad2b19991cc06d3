"""Texts as the token ids a text tower reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from open_clip.tokenizer import HFTokenizer, SimpleTokenizer

from ...schemas.errors import UserError
from ..data.masking import CLIP_TOKENS, SpecialTokens


class Tokenizer:
    """CLIP's byte pairs, or the tokenizer of a Hugging Face folder. Can be pickled: the loader's workers have a copy.

    Of CLIP's vocabulary the last merge (`jekyll`, id 49405) is never made: as in IRRA its id is the mask's.
    """

    def __init__(self, text: Mapping[str, Any], context_length: int) -> None:
        """Of `text`, an open_clip `text_cfg`. Raises UserError where its tokenizer is not there or does not fit."""
        self.context_length = context_length
        """Ids of a text: more are cut off, the mark of end stays; fewer are filled up."""
        folder = text.get("hf_tokenizer_name") or text.get("hf_model_name")
        self._bpe = not folder
        self._ids = _hugging_face(folder, text, context_length) if folder else _clip(text, context_length)
        self.pad: int | None = None if self._bpe else self._ids.tokenizer.pad_token_id
        """What fills a text up. None where it has no id of its own: CLIP's is also the token `!`."""

    def __call__(self, texts: Sequence[str]) -> torch.Tensor:
        """T×L token ids of T texts."""
        ids: torch.Tensor = self._ids(list(texts))
        return ids

    @property
    def special(self) -> SpecialTokens:
        """What masking must know. Raises UserError where the tokenizer has no mask."""
        if self._bpe:
            return CLIP_TOKENS
        inner = self._ids.tokenizer
        if inner.mask_token_id is None:
            raise UserError(
                f"the tokenizer {inner.name_or_path} has no mask token",
                where="objective mlm",
                mend="train without masked language modelling, or choose another text tower",
            )
        return SpecialTokens(
            mask=inner.mask_token_id,
            pad=inner.pad_token_id,
            special=frozenset(inner.all_special_ids),
            vocabulary=len(inner),
        )

    def save(self, folder: str) -> None:
        """Write a Hugging Face tokenizer's files; CLIP's has none."""
        if not self._bpe:
            self._ids.save_pretrained(folder)


def _clip(text: Mapping[str, Any], context_length: int) -> Any:
    tokenizer = SimpleTokenizer(context_length=context_length, **text.get("tokenizer_kwargs") or {})
    last = max(tokenizer.bpe_ranks, key=tokenizer.bpe_ranks.__getitem__)
    if tokenizer.encoder["".join(last)] != CLIP_TOKENS.mask:
        raise AssertionError("open_clip's vocabulary is no longer CLIP's")
    del tokenizer.bpe_ranks[last]
    known = text.get("vocab_size", CLIP_TOKENS.vocabulary)
    if known < CLIP_TOKENS.vocabulary:
        raise UserError(
            f"a text tower of {known} tokens cannot read CLIP's {CLIP_TOKENS.vocabulary}",
            where="text_cfg",
            mend="raise vocab_size",
        )
    return tokenizer


def _hugging_face(folder: str, text: Mapping[str, Any], context_length: int) -> Any:
    try:
        return HFTokenizer(
            folder,
            context_length=context_length,
            tokenizer_mode=text.get("tokenizer_mode"),
            **text.get("tokenizer_kwargs") or {},
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise UserError(
            f"no tokenizer there: {str(error).splitlines()[0]}", where=folder, mend="give a folder that holds one"
        ) from error
