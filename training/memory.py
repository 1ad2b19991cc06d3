"""What is said where memory is short."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ..schemas.errors import RunFailed

# PyTorch names only the GPU's allocator: a CPU's, a driver's and a library's lack of memory are any RuntimeError.
_SHORT = re.compile(r"can't allocate memory|out of memory|_ALLOC_FAILED")


def is_short_of_memory(error: Exception) -> bool:
    """Whether it was raised because memory was short, of the GPU or of the machine."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and _SHORT.search(str(error)) is not None


@contextmanager
def memory_errors(device: torch.device, mend: str) -> Iterator[None]:
    """Raise RunFailed, which says how to `mend` it, where memory is too short for what is done inside."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_short_of_memory(error):
            raise
        said = str(error).strip().partition("\n")[0] or "the machine has no more"
        raise RunFailed(f"out of memory: {said}", where=str(device), mend=mend) from None
