"""Hard negatives for the rows of a block."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...schemas.rows import Negative, PairRow
from ...schemas.source import Source
from ..config import NegativesConfig
from ..language.parse import parse_once
from .caption import Caption
from .guards import KnownTexts, normalised, text_hash
from .others import Others
from .registry import CONTRADICTED, select_rules

if TYPE_CHECKING:
    from .person_recipe import Scorer

Identity = tuple[str, int]
"""Dataset and pid."""
# Every candidate is read again, so the time goes with the square of the length: 5 s here. Ultra-fine captions have some
# 1,500.
_LONGEST_CHARACTERS = 16_000


def texts_by_identity(source: Source) -> dict[Identity, tuple[str, ...]]:
    """All captions of each identity."""
    texts: dict[Identity, list[str]] = {}
    for image in source.images:
        texts.setdefault((image.dataset, image.pid), []).extend(image.captions)
    return {identity: tuple(several) for identity, several in texts.items()}


def write_known_texts(path: Path, texts: Iterable[str]) -> None:
    """The hashes of all captions, sorted: what `KnownTexts` searches without holding the texts."""
    work = path.with_name(f".{path.name}.writing")
    hashes = np.unique(np.array([text_hash(text) for text in texts], dtype=np.uint64))
    held = io.BytesIO()
    np.save(held, hashes)
    # Not to the file by numpy: of a full disk it tells neither that it is one nor which file.
    work.write_bytes(held.getbuffer())
    work.replace(path)


def with_negatives(
    rows: Sequence[PairRow],
    config: NegativesConfig,
    *,
    seed: int,
    siblings: Mapping[Identity, Sequence[str]],
    known_texts: Path | None,
    served: Scorer | None = None,
) -> tuple[list[PairRow], Counter[str]]:
    """The rows with their negatives, and what the guards refused.

    Rewrites that contradict stay as they are, before the others. Negatives that a prompt asked for are candidates like
    those of the rules, so that the balance holds for all; NegCLIP's recipe balances nothing, and leaves them too.

    Args:
        rows: of one block, with what the language model wrote.
        config: the run's.
        seed: of the run.
        siblings: the human captions of every identity of the rows, wherever they stand in the source.
        known_texts: what `write_known_texts` wrote.
        served: what the served language model says of texts, where the run asks it.
    """
    short = [row for row in rows if len(row.text) <= _LONGEST_CHARACTERS]
    if len(short) < len(rows):
        done, refused = with_negatives(
            short, config, seed=seed, siblings=siblings, known_texts=known_texts, served=served
        )
        by_id = {row.caption_id: row for row in done}
        named = [by_id.get(row.caption_id) or row.model_copy(update={"negatives": []}) for row in rows]
        return named, refused + Counter(overlong=len(rows) - len(short))
    if config.recipe == "negclip":
        return _negclip(rows, config, seed), Counter()
    from ..language.likelihood import LikelihoodScorer
    from .person_recipe import make_person_negatives

    own = {identity: frozenset(map(normalised, texts)) for identity, texts in siblings.items()}
    captions, offered, kept = [], [], []
    for row in rows:
        offered.append([negative for negative in row.negatives if negative.rule != CONTRADICTED])
        contradicted = [negative for negative in row.negatives if negative.rule == CONTRADICTED]
        kept.append(row.model_copy(update={"negatives": contradicted}))
        identity = (row.dataset, row.pid)
        others = Others([parse_once(text) for text in siblings[identity] if text != row.text])
        captions.append(Caption(row.text, row.caption_id, parse_once(row.text), others, own[identity]))
    scorer = served
    if config.scorer is not None and not config.ask_server:
        scorer = LikelihoodScorer(config.scorer, reference=[row.text for row in rows]).scores
    made = make_person_negatives(
        captions,
        seed=seed,
        rules=select_rules("person", config.rules),
        per_caption=config.per_caption,
        known=KnownTexts(np.load(known_texts, mmap_mode="r")) if known_texts else None,
        balanced=config.balance,
        scorer=scorer,
        offered=offered,
    )
    return [_behind(row, new) for row, new in zip(kept, made.negatives, strict=True)], made.refused


def _negclip(rows: Sequence[PairRow], config: NegativesConfig, seed: int) -> list[PairRow]:
    from ..language.english import load_english
    from .negclip_recipe import generate

    made = generate(
        [row.text for row in rows],
        [row.caption_id for row in rows],
        seed=seed,
        rules=config.rules,
        per_caption=config.per_caption,
        nlp=load_english(config.spacy_model),
    )
    return [_behind(row, new) for row, new in zip(rows, made, strict=True)]


def _behind(row: PairRow, new: list[Negative]) -> PairRow:
    return row.model_copy(update={"negatives": [*row.negatives, *new]})
