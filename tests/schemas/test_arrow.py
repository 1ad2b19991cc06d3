"""The published columns, held by a golden file: changing one is a decision, never an accident."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from tbpr_data.pipeline.shards import pairs_schema, rejects_schema
from tbpr_data.schemas.arrow import arrow_schema
from tbpr_data.schemas.release import ReleasedPair, ReleasedReject

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("pairs", pairs_schema()),
        ("rejects", rejects_schema()),
        ("released-pairs", arrow_schema(ReleasedPair)),
        ("released-rejects", arrow_schema(ReleasedReject)),
    ],
)
def test_columns(name: str, schema: object) -> None:
    # To change the columns on purpose: write str(schema) into the golden file and raise DATA_VERSION.
    assert f"{schema}\n" == (GOLDEN / f"{name}.schema.txt").read_text(encoding="utf-8")


def test_what_has_no_arrow_type_is_refused() -> None:
    class Odd(BaseModel):
        value: dict[str, int]

    class Either(BaseModel):
        value: int | str

    for model in (Odd, Either):
        with pytest.raises(TypeError):
            arrow_schema(model)
