"""The most similar images of other identities, for every image of a source: NegCLIP's hard images."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from ...schemas.errors import UserError
from ...schemas.source import Source, SourceImage
from ..config import NegativesConfig, without_folder
from .neighbours import embed_images, neighbours, read_features


def similar_images(source: Source, config: NegativesConfig) -> dict[str, tuple[str, ...]]:
    """Image id → ids of its `config.neighbours` most similar images of other identities in its split.

    Empty where the configuration names no features.

    Raises:
        UserError: features or images are missing, or what reads them is not installed.
    """
    if config.features is None and config.embed is None:
        return {}
    images = source.images
    features = _given(images, config.features) if config.features else _embedded(source, str(config.embed))
    found = neighbours(
        features,
        [(image.dataset, image.pid) for image in images],
        k=config.neighbours,
        splits=[image.split for image in images],
    )
    return {
        image.image_id: tuple(images[place].image_id for place in row if place >= 0)
        for image, row in zip(images, found, strict=True)
    }


def features_identity(config: NegativesConfig) -> str | None:
    """What the features are, for the fingerprint: the hash of their file, or the model's name, with those of files of
    weights."""
    if config.features is not None:
        return _sha256(config.features, mend="give another --features")
    if config.embed is None:
        return None
    name, weights = without_folder(config.embed), Path(config.embed.partition(":")[2])
    files = sorted(weights.iterdir()) if weights.is_dir() else [weights]
    hashes = [_sha256(file, mend="give another --embed") for file in files if file.is_file()]
    return " ".join([name, *hashes])


def _sha256(path: Path, *, mend: str) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=str(path), mend=mend) from None


def _given(images: tuple[SourceImage, ...], path: Path) -> np.ndarray:
    ids, features = read_features(path)
    rows = {image_id: row for row, image_id in enumerate(ids)}
    missing = [image.image_id for image in images if image.image_id not in rows]
    if missing:
        raise UserError(
            f"has no features of {len(missing):,} of {len(images):,} images (first: {missing[0]})",
            where=str(path),
            mend="image_id is DATASET/FILE_PATH, as in the dataset's own column",
        )
    return features[[rows[image.image_id] for image in images]]


def _embedded(source: Source, embed: str) -> np.ndarray:
    if source.images_root is None:
        raise UserError(
            "there are no images to embed", where="--embed", mend="give --images-root DIR, or --features FILE"
        )
    model, _, weights = (embed, "", "") if embed.startswith(("hf-hub:", "local-dir:")) else embed.partition(":")
    return embed_images([source.images_root / image.file_path for image in source.images], model, weights or None)
