"""The objectives by the names recipes give them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, ValidationError, create_model

from ...schemas.errors import UserError
from ...schemas.settings import first_problem
from .identity import Identity
from .itc import ITC
from .mlm import MLM
from .negclip import NegCLIP
from .objective import Objective, Sizes
from .sdm import SDM

OBJECTIVES: Mapping[str, type[Objective]] = {"id": Identity, "itc": ITC, "mlm": MLM, "negclip": NegCLIP, "sdm": SDM}


def make_objective(name: str, sizes: Sizes, options: Mapping[str, Any]) -> Objective:
    """The objective of that name with a recipe's options.

    Raises UserError for a name or an option there is not, or a value that the option does not take.
    """
    if name not in OBJECTIVES:
        raise UserError(f"no objective {name!r}", where="recipe", mend=f"there are {', '.join(OBJECTIVES)}")
    kind = OBJECTIVES[name]
    known = {
        parameter.name: (parameter.annotation, parameter.default)
        for parameter in inspect.signature(kind, eval_str=True).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    model = create_model("options", __config__=ConfigDict(extra="forbid", strict=True), **known)  # type: ignore[call-overload]
    try:
        model.model_validate(dict(options))
    except ValidationError as error:
        mend = f"its options: {', '.join(known)}" if known else "it takes no options"
        raise UserError(first_problem(error), where=f"objective {name}", mend=mend) from None
    return kind(sizes, **options)
