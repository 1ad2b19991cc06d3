"""Opening image files: what Pillow says of a broken one, and of one that would fill the memory, in one line."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from ...schemas.errors import UserError
from .table import unreadable


@contextmanager
def picture_errors(where: str, mend: str) -> Iterator[None]:
    """Open and decode an image inside.

    Raises UserError, which `where` names, for a file that is no whole image, and for one of more than Pillow's limit of
    89 million pixels: a few kilobytes can hold gigabytes of them. Pillow itself only warns up to twice as many.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except UnidentifiedImageError:
        raise UserError("is no image that can be read", where=where, mend=mend) from None
    except (
        *(OSError, SyntaxError, ValueError, EOFError),
        *(Image.DecompressionBombError, Image.DecompressionBombWarning),
    ) as error:
        if isinstance(error, OSError) and error.errno:
            raise unreadable(error, where) from None
        raise UserError(f"is not a whole image: {error}", where=where, mend=mend) from None
