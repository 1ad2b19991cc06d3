"""A prompt, as its TOML file says it."""

import hashlib
import json
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from .sampling import Sampling

OutputKind = Literal["text", "json"]
Policy = Literal["paraphrase", "concise", "detailed"]
Purpose = Literal["rewrite", "negative"]


class Example(BaseModel):
    """A fixed example, shown to the model as a finished turn before the real caption."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    caption: str = Field(min_length=1)
    """What stands where the caption will stand."""
    rewrite: str = Field(min_length=1)
    """The answer it should get."""


class Prompt(BaseModel):
    """How a caption is asked to be rewritten, or to be made false."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    id: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    """Name in ids (`…~ID.n`), in `--recipe` and in the data; the file's own name."""
    version: int = Field(ge=1)
    """Raised whenever the prompt changes."""
    style: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    """Style of its rewrites, a column of the data."""
    policy: Policy
    """What a faithful rewrite may do: `paraphrase` drops nothing, `concise` may drop and generalise, `detailed` may say
    more."""
    purpose: Purpose = "rewrite"
    """`rewrite`: its answers are captions if they are faithful. `negative`: they are hard negatives of the caption if
    they are false of it, and never captions; the answer NA abstains."""
    output: OutputKind = "text"
    """`text`: the answer is the rewrite. `json`: the answer is `{"caption": …}`, held to by a grammar."""
    system: str = ""
    """System message; none where empty."""
    user: str = Field(min_length=1)
    """Jinja template of the user message; `{{ caption }}` is the caption. Constant text first, the caption last, so
    that the engine's prefix cache serves all but the caption."""
    examples: tuple[Example, ...] = ()
    """Fixed examples, in order."""
    sampling: Sampling = Sampling()
    """Sampling of this prompt, over the model's own."""

    def sha256(self) -> str:
        """Hash of everything above: two prompts with one hash ask the same."""
        # Without the purpose that every prompt had before there were two: theirs are known by their hashes.
        left_out = {"purpose"} if self.purpose == "rewrite" else None
        canonical = json.dumps(self.model_dump(mode="json", exclude=left_out), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()
