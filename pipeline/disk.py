"""A disk that takes no more: one line for the user in place of a traceback."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..schemas.errors import RunFailed

_NOT_OURS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EFBIG)


@contextmanager
def disk_errors(out: Path, mend: str) -> Iterator[None]:
    """Raise RunFailed for a full disk, or a folder that may not be written; `mend` says what to do then."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NOT_OURS:
            raise
        where = str(error.filename or out)
        raise RunFailed(f"cannot write: {error.strerror}", where=where, mend=mend) from None
