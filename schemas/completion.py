"""A request to the language model and what came back: the two ends of a journal line."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from .prompt import OutputKind


def storable(text: str) -> str:
    """The text with half surrogate pairs replaced: JSON may hold them, no file can."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@dataclass(frozen=True)
class Request:
    """One answer asked for: n samples of a caption are n requests, so that any server will do (many ignore `n`) and
    each answer is saved as it comes."""

    model: str
    """Model name as the rows record it."""
    messages: tuple[tuple[str, str], ...]
    """(role, content) turns; for a likelihood the text alone."""
    sampling: dict[str, Any]
    """Sampling fields that are set."""
    output: OutputKind | Literal["yes_no", "likelihood"]
    """Free text, or JSON held to by a grammar: a rewrite, or a yes or no. `likelihood` writes nothing: it asks how
    likely each token of the text is."""
    seed: int
    """Derived by hashing run seed, prompt, caption and sample index: neighbouring seeds share samples in vLLM."""
    sample_index: int
    """Which of the n samples."""

    @cached_property
    def key(self) -> str:
        """sha256 of the canonical request: the journal's key."""
        canonical = {
            "model": self.model,
            "messages": self.messages,
            "sampling": self.sampling,
            "output": self.output,
            "seed": self.seed,
            "sample_index": self.sample_index,
        }
        return hashlib.sha256(json.dumps(canonical, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


class EngineInfo(BaseModel):
    """What answered: written once at the head of each writing session of a journal."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    engine: str
    """`vllm`, or what the server calls itself."""
    engine_version: str | None
    """Its version, where it tells."""
    seeded: bool
    """Whether requests carried their seed (a seed stops vLLM's CPU engine)."""


class Completion(BaseModel):
    """An answered request."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    key: str
    """Key of the request."""
    text: str = ""
    """What the model wrote; of a likelihood `[[token id, log-probability in nats], …]`; empty where it failed."""
    finish_reason: str | None = None
    """As the server gave it."""
    prompt_tokens: int | None = Field(default=None, ge=0, lt=2**63)
    """As the server counted."""
    completion_tokens: int | None = Field(default=None, ge=0, lt=2**63)
    """As the server counted."""
    error: str | None = None
    """Why there is no answer: the server refused the request, or failed it after every retry."""
    transient: bool = False
    """The failure may pass: a later run asks again."""
