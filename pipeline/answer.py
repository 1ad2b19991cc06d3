"""Getting every request of every block answered: a bounded number in flight, across the borders of blocks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
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
    """A client, and how many requests it may be given at once."""

    client: Client
    concurrency: int
    """Bounds the tasks. How many of their requests are in flight the client decides as it goes."""
    watch: Callable[[], Coroutine[Any, Any, None]] | None = None
    """Runs beside the requests, has a server that died come back, and raises when it is gone for good."""


@dataclass
class Answering:
    """Answers blocks in order.

    `connect` opens the client, called once, when the first unanswered request is met: a run whose answers are all on
    disk starts no server. Each of `followups` in turn is called with each answered block for what is to be asked about
    its answers; `finish` is called with each block when these are answered too, `on_answer` with each new answer.
    """

    plan: RequestPlan
    journal_of: Callable[[Block], Journal]
    connect: Callable[[AsyncExitStack], Awaitable[Open]]
    finish: Callable[[Block], Awaitable[None]]
    on_answer: Callable[[Completion], None]
    on_known: Callable[[int], None]
    followups: Sequence[Callable[[Block], Awaitable[list[Request]]]] = ()

    async def run(self, blocks: Iterable[Block]) -> None:
        """Answer and finish every block.

        Raises what a request, a journal or `finish` raised first, once everything under way has stopped; what was
        answered by then is in the journals.
        """
        async with AsyncExitStack() as stack, _first_error(), asyncio.TaskGroup() as tasks:
            under_way = _UnderWay(self, stack, tasks)
            for block in blocks:
                await under_way.begin(block)
            await under_way.end()

    def missing(self, block: Block) -> list[Request]:
        """Requests of a block that have no answer, each distinct one once, in order."""
        answered = {key for key, (answer, _) in self.journal_of(block).read().items() if not answer.transient}
        wanted = {
            asked.request.key: asked.request for caption in block.captions for asked in self.plan.requests(caption)
        }
        return [request for key, request in wanted.items() if key not in answered]


@dataclass
class _Pending:
    """A block with requests under way."""

    block: Block
    journal: Journal
    left: int = 0
    rounds: int = 0
    """Follow-ups that were asked for."""


class _UnderWay:
    """The blocks of a run that are being answered."""

    def __init__(self, answering: Answering, stack: AsyncExitStack, tasks: asyncio.TaskGroup) -> None:
        self._answering, self._stack, self._tasks = answering, stack, tasks
        self._open_blocks = asyncio.Semaphore(_OPEN_BLOCKS)
        self._connecting = asyncio.Lock()
        self._open: Open | None = None
        self._slots = asyncio.Semaphore(0)  # as many as the server takes, once there is one
        self._watcher: asyncio.Task[None] | None = None

    async def begin(self, block: Block) -> None:
        """Send what has no answer, as the server takes it; returns when all of it is sent."""
        await self._open_blocks.acquire()
        answering = self._answering
        missing = await asyncio.to_thread(answering.missing, block)
        answering.on_known(len(block.captions) * len(answering.plan.prompts) * answering.plan.samples - len(missing))
        await self._send(missing, _Pending(block, answering.journal_of(block)))

    async def end(self) -> None:
        """Wait until every block is finished."""
        for _ in range(_OPEN_BLOCKS):
            await self._open_blocks.acquire()
        if self._watcher is not None:
            self._watcher.cancel()

    async def _send(self, requests: list[Request], pending: _Pending) -> None:
        if not requests:
            self._tasks.create_task(self._answered(pending))
            return
        client = await self._client()
        if not pending.journal.is_open:
            pending.journal.open(client.endpoint.info)
            self._stack.callback(pending.journal.close)
        pending.left = len(requests)
        for request in requests:
            # Waiting here, not in the task, bounds the number of tasks, those that wait for another try among them.
            await self._slots.acquire()
            self._tasks.create_task(self._answer(request, pending, client))

    async def _client(self) -> Client:
        async with self._connecting:
            if self._open is None:
                self._open = await self._answering.connect(self._stack)
                self._slots = asyncio.Semaphore(self._open.concurrency)
                self._watcher = self._tasks.create_task(self._open.watch()) if self._open.watch else None
        return self._open.client

    async def _answer(self, request: Request, pending: _Pending, client: Client) -> None:
        try:
            completion = await client.complete(request)
        finally:
            self._slots.release()
        pending.journal.append(completion)
        self._answering.on_answer(completion)
        pending.left -= 1
        if not pending.left:
            self._tasks.create_task(self._answered(pending))

    async def _answered(self, pending: _Pending) -> None:
        """Ask what the answers give rise to, a round at a time; then finish the block."""
        answering = self._answering
        if pending.rounds < len(answering.followups):
            followup = answering.followups[pending.rounds]
            pending.rounds += 1
            await self._send(await followup(pending.block), pending)
            return
        pending.journal.close()
        await answering.finish(pending.block)
        self._open_blocks.release()


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
