"""The image files of a dataset, from its shards or its folder, in a format that image-text trainers read."""

from __future__ import annotations

import io

from ....schemas.errors import UserError
from ...sources.images import ImageFolder
from ...sources.pictures import picture_errors

_READ = {"JPEG": "jpg", "MPO": "jpg", "PNG": "png", "WEBP": "webp"}


def read_picture(folder: ImageFolder | None, path: str) -> bytes:
    """The file at `path` below the folder. Raises UserError where it cannot be read, or there is no folder."""
    if folder is None:
        raise UserError("is not at hand", where=path, mend="give --images-root, the folder that it is below")
    file = folder.root / path
    try:
        return file.read_bytes()
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=str(file), mend="copy it again") from None


def as_read(content: bytes, path: str) -> tuple[str, bytes]:
    """Ending and bytes of an image: JPEG, PNG and WebP as they are, anything else (BMP, say) as a PNG of its pixels.

    What it is is told by its bytes: many a `.png` is a JPEG. Raises UserError where it is no image.
    """
    from PIL import Image

    with picture_errors(path, "copy it again"), Image.open(io.BytesIO(content)) as picture:
        if picture.format in _READ:
            return _READ[picture.format], content
        png = io.BytesIO()
        picture.convert("RGB").save(png, "PNG")
    return "png", png.getvalue()
