"""Worker processes that finish blocks: they ignore Ctrl-C, and never outlive the run, however it ends."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from ..schemas.completion import Request
from ..schemas.errors import RunFailed
from .config import RunConfig
from .finish import BlockResult, block_questions, block_texts, finish_block, load_tools
from .judged import BlockJob
from .orphans import end_with_parent

_Result = TypeVar("_Result")


class Workers:
    """A pool of processes that runs `finish_block` and `block_questions`."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    async def finish(self, job: BlockJob) -> BlockResult:
        """Finish a block in a worker. Raises what the block raised, or RunFailed when the worker died."""
        return await self._run(finish_block, job)

    async def questions(self, job: BlockJob) -> list[Request]:
        """What is still to be asked about the answers of a block. Raises as `finish` does."""
        return await self._run(block_questions, job)

    async def texts(self, job: BlockJob) -> list[Request]:
        """The texts of a block whose likelihood is still to be asked for. Raises as `finish` does."""
        return await self._run(block_texts, job)

    async def _run(self, work: Callable[[BlockJob], _Result], job: BlockJob) -> _Result:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work, job)
        except BrokenProcessPool:
            raise RunFailed(
                "a worker process died (out of memory?)",
                where=job.block.name,
                mend="its answers are saved; run the same command again with a smaller --set workers=N",
            ) from None


@contextmanager
def start_workers(config: RunConfig) -> Iterator[Workers]:
    """`config.workers` processes, 0 for one a core less one for the client where there is one, 8 at most.

    They load what they need at once, while the first answers are on their way: spaCy takes five to ten seconds.
    """
    count = config.workers
    count = count or max(1, min(8, (os.cpu_count() or 2) - bool(config.recipe)))
    # spawn: a forked copy of a process with threads (the event loop's, Arrow's) may hang.
    pool = ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"), initializer=_begin_worker)
    try:
        for _ in range(count):
            pool.submit(load_tools, config)
        yield Workers(pool)
    except BaseException:
        # What they were doing is done again from the journal; waiting for it would hold up Ctrl-C.
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin_worker() -> None:
    # The server and the client come first: blocks are finished in the time they leave, which is most of it.
    os.nice(10)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with_parent()
