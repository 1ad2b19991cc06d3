"""What a run is made from: every input, setting and version that decides a byte, hashed into the fingerprint."""

import hashlib
from collections.abc import Sequence
from importlib.metadata import version as package_version
from typing import Any

from ..schemas.errors import UserError
from ..schemas.prompt import Prompt
from ..schemas.source import Source
from .blocks import cut_blocks
from .checks.doubts import doubts_sha256
from .checks.similarity import similarity_version
from .checks.surface import CHECKS_VERSION
from .config import NegativesConfig, RunConfig, canonical_sha256
from .language.likelihood import model_identity
from .llm.models import ModelChoice
from .llm.requests import RequestPlan
from .manifest import Manifest
from .negatives.registry import NEGATIVES_VERSION, select_rules
from .negatives.similar import features_identity

# Raised when the same inputs would give other rows for a reason no other version here names.
DATA_VERSION = 4
_WORD_PACKAGES = ("symspellpy", "snowballstemmer")


def refuse_nonsense(config: RunConfig, prompts: Sequence[Prompt]) -> None:
    """Raise UserError for settings that do not go together, before a source is read or a server asked."""
    if config.judge.enabled and not config.checks.faithful:
        raise UserError("there is nothing to judge", where="--judge", mend="leave checks.faithful on")
    if any(prompt.purpose == "negative" for prompt in prompts) and not config.checks.faithful:
        raise UserError(
            "whether a negative is false cannot be told", where="--recipe negative", mend="leave checks.faithful on"
        )
    if config.negatives.ask_server and not prompts:
        raise UserError("no language model writes here that could tell", where="--scorer served", mend="give smollm2")
    if config.negatives.enabled:
        select_rules(config.negatives.recipe, config.negatives.rules)


def fresh_manifest(config: RunConfig, source: Source, model: ModelChoice, plan: RequestPlan) -> Manifest:
    """The manifest of a run that has made nothing yet. Raises UserError where it asks for what is not installed."""
    versions = {"tbpr-data": package_version("tbpr-data"), "pyarrow": package_version("pyarrow")}
    rules = {"data": DATA_VERSION, "checks": CHECKS_VERSION}
    if config.negatives.enabled:
        rules["negatives"] = NEGATIVES_VERSION
        if config.negatives.recipe == "negclip":
            from .language.english import installed_model, model_version

            versions["spacy"] = package_version("spacy")
            versions["spacy_model"] = model_version(config.negatives.spacy_model or installed_model())
    if config.checks.similarity:
        versions["similarity"] = similarity_version()
    if config.checks.faithful or (config.negatives.enabled and config.negatives.recipe == "person"):
        # Their word list and their stems decide what the parser respells and what the comparison finds again.
        versions |= {name: package_version(name) for name in _WORD_PACKAGES}
    made_from: dict[str, Any] = {
        "source_sha256": source.sha256,
        "config": config.shaping(),
        "model": {"name": model.name, "revision": model.revision},
        "recipe": [prompt.id for prompt in plan.prompts],
        "prompts": {prompt.id: prompt.sha256() for prompt in plan.prompts},
        "sampling": {
            prompt.id: sampling.set_fields() for prompt, sampling in zip(plan.prompts, plan.samplings, strict=True)
        },
        "rules": rules,
        "words": {name: versions.get(name) for name in _WORD_PACKAGES},
        "spacy_model": versions.get("spacy_model"),
        "similarity": versions.get("similarity"),
        "features": features_identity(config.negatives) if config.negatives.enabled else None,
        "scorer": _scorer(config.negatives),
        "judge": doubts_sha256() if config.judge.enabled else None,
    }
    if config.embed_images:
        made_from["images"] = _images_sha256(source)
    fingerprint = canonical_sha256(made_from)
    return Manifest(
        run_id=fingerprint[:16],
        fingerprint=fingerprint,
        made_from=made_from,
        source={
            "format": source.format,
            "datasets": sorted({image.dataset for image in source.images}),
            "images": len(source.images),
            "captions": sum(len(image.captions) for image in source.images),
            "identities": len({(image.dataset, image.pid) for image in source.images}),
            "repairs": source.repairs.counts,
            "warnings": source.warnings.counts,
        },
        versions=versions,
        prompts=plan.prompts,
        blocks_total=sum(1 for _ in cut_blocks(source, config.block_size)),
    )


def _images_sha256(source: Source) -> str:
    """Which image files there are, by size: one that was missing and is there now is put into its shard."""
    root, told = source.images_root, hashlib.sha256()
    for image in source.images:
        file = root / image.file_path if root else None
        size = file.stat().st_size if file and file.is_file() else None
        told.update(f"{image.image_id}\0{size}\n".encode())
    return told.hexdigest()


def _scorer(config: NegativesConfig) -> str | None:
    """The language model that weighs the negatives; the one that writes stands in the fingerprint already."""
    if config.scorer is None or config.ask_server:
        return config.scorer
    return model_identity(config.scorer)
