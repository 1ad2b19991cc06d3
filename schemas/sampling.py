"""Sampling parameters, as OpenAI-compatible servers name them."""

import hashlib
import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Sampling(BaseModel):
    """How answers are drawn; a field left out falls to the next owner (run config > prompt > model > server)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    temperature: float | None = Field(default=None, ge=0, le=2)
    """0 is greedy."""
    top_p: float | None = Field(default=None, gt=0, le=1)
    """Nucleus size."""
    top_k: int | None = Field(default=None, ge=1)
    """Sent to vLLM-like engines only: the OpenAI API has no such field."""
    min_p: float | None = Field(default=None, ge=0, le=1)
    """Sent to vLLM-like engines only."""
    repetition_penalty: float | None = Field(default=None, gt=0)
    """Sent to vLLM-like engines only."""
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    """Penalty by count of a token so far."""
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    """Penalty for a token's presence so far."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Most tokens of one answer; a longer one is cut and refused. 512 where nothing is set."""
    stop: tuple[str, ...] | None = None
    """Strings that end an answer."""

    def over(self, base: "Sampling") -> "Sampling":
        """These parameters, with `base` filling what is not set here."""
        return base.model_copy(update=self.set_fields())

    def set_fields(self) -> dict[str, Any]:
        """Only what is set, ready to merge into a request."""
        return self.model_dump(mode="json", exclude_none=True)

    def sha256(self) -> str:
        """Hash of what is set."""
        return hashlib.sha256(json.dumps(self.set_fields(), sort_keys=True).encode()).hexdigest()
