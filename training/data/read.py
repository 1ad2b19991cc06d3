"""Read a collection: our own output folder from its shards, anything else through the sources' readers."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ...pipeline.sources.hub import PREFIX
from ...pipeline.sources.output import is_output, recorded_root
from ...pipeline.sources.read import read_source
from ...schemas.errors import UserError
from ...schemas.source import Source, SourceImage
from .collection import CaptionedImage, CaptionGroup, Collection, Text
from .output import read_folder


def read_collection(path: str, *, format: str = "auto", images_root: Path | None = None) -> Collection:
    """Read what is at `path`: an output folder of ours with rewrites and negatives, or a source with human captions.

    Without `images_root` an output folder's images are those inside its shards, else those below `images/` or `imgs/`
    in it, else those where the run that made it found them; a source's are where its format keeps them. With it they
    are files below it. `ImageStore` and `check_images` refuse a collection whose images are not at hand; to read texts
    alone none are needed.

    Raises:
        UserError: what cannot be used, naming file, row or key; `images_root` is no folder.
    """
    ours = format in ("auto", "tbpr-data") and not path.startswith(PREFIX) and is_output(Path(path))
    if not ours:
        return _of_source(read_source(path, format=format, images_root=images_root))
    if images_root is not None and not images_root.is_dir():
        raise UserError("no such folder of images", where=str(images_root), mend="mend --images-root, or leave it out")
    folder = Path(path)
    images, hashes = read_folder(folder, embedded=images_root is None)
    if images_root is None:
        images_root = recorded_root(folder, [image.path for image in images if image.stored is None])
    sha256 = hashlib.sha256("\n".join(hashes).encode()).hexdigest()
    return Collection(_name(images), path, images, images_root, sha256)


def _of_source(source: Source) -> Collection:
    images = tuple(map(_image, source.images))
    return Collection(_name(images), source.path, images, source.images_root, source.sha256)


def _image(image: SourceImage) -> CaptionedImage:
    captions = tuple(CaptionGroup(Text(image.caption_id(k), text)) for k, text in enumerate(image.captions))
    return CaptionedImage(image.image_id, image.file_path, image.pid, image.split, image.dataset, captions)


def _name(images: tuple[CaptionedImage, ...]) -> str:
    return "+".join(sorted({image.dataset for image in images}))
