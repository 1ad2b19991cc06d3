"""Worker processes that never outlive the process that started them."""

import multiprocessing
import os
import threading


def end_with_parent() -> None:
    """Called in a worker: from now on it ends when its parent does, however that ends.

    A killed parent leaves its workers waiting on a pipe that they hold open themselves.
    """
    threading.Thread(target=_wait, daemon=True).start()


def _wait() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
