"""Captions that are none: too long, or mostly white space. They cost little."""

import made_datasets
import pytest

from tbpr_data.pipeline.config import NegativesConfig
from tbpr_data.pipeline.negatives.guards import GUARDS
from tbpr_data.pipeline.negatives.rows import with_negatives
from tbpr_data.schemas.rows import PairRow

# All of one gender: 80 words that a woman has others for, two or three each, were once 2 ** 80 choices.
MEN = " ".join(f"The man wears a red shirt and black pants, and he carries bag {i} in his hand." for i in range(40))


@pytest.mark.parametrize(
    ("text", "overlong"),
    [(MEN, 0), ("A man in a red shirt" + " " * 10_000 + "wearing black pants.", 0), (MEN * 10, 1)],
    ids=["many men", "white space", "overlong"],
)
@pytest.mark.timeout(60)
def test_a_caption_that_is_none_costs_little(text: str, overlong: int) -> None:
    usual = "A man in a red shirt and black pants."
    rows = [PairRow(**made_datasets.pair(f"{i}.jpg", caption, pid=i)) for i, caption in enumerate((text, usual))]
    siblings = {("people", i): (row.text,) for i, row in enumerate(rows)}
    made, refused = with_negatives(rows, NegativesConfig(), seed=0, siblings=siblings, known_texts=None)
    assert made[1].negatives
    assert refused["overlong"] == overlong
    assert set(refused) <= set(GUARDS)
