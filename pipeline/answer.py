"""Getting every request of every block answered: a bounded number in flight, across the borders of blocks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from ..schemas.completion import Completion, Request
from .blocks import Block
from .journal import Journal
from .llm.client import Client
from .llm.requests import RequestPlan

# The requests of the next block fill the server while the last ones of this block are still being answered; one more
# may be in checking. More would only cost memory.
_OPEN_BLOCKS = 3


@dataclass
class Open:
    """A client, and how many requests it may have in flight."""

    client: Client
    concurrency: int
    watch: Callable[[], Coroutine[Any, Any, None]] | None = None
    """Runs beside the requests and raises when the server is gone, sooner than retries would tell."""


@dataclass
class Answering:
    """Answers blocks in order.

    `connect` opens the client, called once, when the first unanswered request is met: a run whose answers are all on
    disk starts no server. `finish` is called with each answered block; `on_answer` with each new answer.
    """

    plan: RequestPlan
    journal_of: Callable[[Block], Journal]
    connect: Callable[[AsyncExitStack], Awaitable[Open]]
    finish: Callable[[Block], Awaitable[None]]
    on_answer: Callable[[Completion], None]
    on_known: Callable[[int], None]
    _slots: asyncio.Semaphore | None = field(default=None, init=False)
    _client: Client | None = field(default=None, init=False)

    async def run(self, blocks: Iterable[Block]) -> None:
        """Answer and finish every block.

        Raises what a request, a journal or `finish` raised first, once everything under way has stopped; what was
        answered by then is in the journals.
        """
        open_blocks = asyncio.Semaphore(_OPEN_BLOCKS)
        watcher: asyncio.Task[None] | None = None
        async with AsyncExitStack() as stack, _first_error(), asyncio.TaskGroup() as tasks:
            for block in blocks:
                await open_blocks.acquire()
                missing = await asyncio.to_thread(self._missing, block)
                self.on_known(len(block.captions) * len(self.plan.prompts) * self.plan.samples - len(missing))
                if missing and self._client is None:
                    opened = await self.connect(stack)
                    self._client, self._slots = opened.client, asyncio.Semaphore(opened.concurrency)
                    watcher = tasks.create_task(opened.watch()) if opened.watch else None
                pending = _Pending(block, self.journal_of(block), len(missing), open_blocks)
                if missing and self._client is not None and self._slots is not None:
                    pending.journal.open(self._client.endpoint.info)
                    stack.callback(pending.journal.close)
                    for request in missing:
                        # Waiting here, not in the task, keeps the number of tasks at the number in flight.
                        await self._slots.acquire()
                        tasks.create_task(self._answer(request, pending, self._client, self._slots, tasks))
                else:
                    tasks.create_task(self._finish(pending))
            for _ in range(_OPEN_BLOCKS):
                await open_blocks.acquire()
            if watcher is not None:
                watcher.cancel()

    def _missing(self, block: Block) -> list[Request]:
        """Requests of a block that have no answer, each distinct one once, in order."""
        answered = {key for key, (answer, _) in self.journal_of(block).read().items() if not answer.transient}
        wanted = {
            asked.request.key: asked.request for caption in block.captions for asked in self.plan.requests(caption)
        }
        return [request for key, request in wanted.items() if key not in answered]

    async def _answer(
        self, request: Request, pending: "_Pending", client: Client, slots: asyncio.Semaphore, tasks: asyncio.TaskGroup
    ) -> None:
        try:
            completion = await client.complete(request)
        finally:
            slots.release()
        pending.journal.append(completion)
        self.on_answer(completion)
        pending.left -= 1
        if not pending.left:
            tasks.create_task(self._finish(pending))

    async def _finish(self, pending: "_Pending") -> None:
        pending.journal.close()
        await self.finish(pending.block)
        pending.open_blocks.release()


@dataclass
class _Pending:
    """A block with requests under way."""

    block: Block
    journal: Journal
    left: int
    open_blocks: asyncio.Semaphore


async def stoppable(work: Coroutine[Any, Any, None]) -> None:
    """Await `work` so that Ctrl-C always ends it.

    The loop wakes twice a second: Python's handler runs only when the main thread does, and a signal that comes just
    before it waits for the network would else be seen with the next answer (seen on a loaded machine). And a
    cancelled task is cancelled again until it is gone: a connection being opened can swallow the first time.
    """
    task, stopped = asyncio.ensure_future(work), False
    while not task.done():
        try:
            await asyncio.wait({task}, timeout=0.5)
        except asyncio.CancelledError:
            stopped = True
        if stopped:
            task.cancel()
    if stopped:
        raise asyncio.CancelledError
    task.result()


@asynccontextmanager
async def _first_error() -> AsyncIterator[None]:
    """A task group raises a group of errors; the first one is what happened, the rest its echo."""
    try:
        yield
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None
