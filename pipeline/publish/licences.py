"""The terms of the datasets: who may get them, and what of them may be given on."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from ..sources.table import slug

Allowed = Literal["yes", "no", "not known"]
"""Whether it may be done; `not known` where nothing that was read says so."""

_NOT_KNOWN = "not known"


class Terms(BaseModel):
    """What is known of a dataset's terms, and from where. It is no legal advice."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    dataset: str
    """Its short name, as rows have it."""
    known: bool = True
    """Whether this version knows the dataset at all."""
    name: str
    """Its full name."""
    access: str = _NOT_KNOWN
    """Who may get it, in one sentence."""
    images: Allowed = "not known"
    """Whether its images may be given on."""
    captions: Allowed = "not known"
    """Whether its captions may be given on."""
    generated: str = _NOT_KNOWN
    """What its terms say of text made from it."""
    licence: str = _NOT_KNOWN
    """Its licence, as its authors name it."""
    license_id: str = "other"
    """The licence's identifier on the Hub."""
    where: str = _NOT_KNOWN
    """The page or repository where its terms stand."""
    people: str = _NOT_KNOWN
    """Whom its images show."""
    also: str = ""
    """Whose terms bind besides."""
    checked: str = _NOT_KNOWN
    """What was read of this, as of when, and what is known at second hand only."""
    citation: str = ""
    """How to cite it, as BibTeX; empty where there is nothing to cite."""


@cache
def load_terms() -> Mapping[str, Terms]:
    """The datasets whose terms are known, by short name."""
    tables = tomllib.loads((files(__package__) / "licences.toml").read_text(encoding="utf-8"))
    named = {dataset: {**table, "dataset": dataset} for dataset, table in tables.items()}
    return TypeAdapter(dict[str, Terms]).validate_python(named)


def terms_of(dataset: str) -> Terms:
    """The terms of a dataset, by short name; of one that is not in the list, terms that say nothing is known."""
    # However its name is spelt: CUHK-PEDES, cuhk_pedes.
    return load_terms().get(slug(dataset)) or Terms(dataset=dataset, known=False, name=dataset)


def restricted(terms: Terms) -> list[str]:
    """Why the images and captions of a dataset may not be published again, a clause each; empty where they may.

    What is not known counts as forbidden, until the user says that it is allowed.
    """
    clauses = []
    for what, allowed in (("images", terms.images), ("captions", terms.captions)):
        if allowed == "no":
            clauses.append(f"the {what} of {terms.name} may not be published again")
        elif allowed == "not known":
            clauses.append(f"whether the {what} of {terms.name} may be published again is not known")
    return clauses
