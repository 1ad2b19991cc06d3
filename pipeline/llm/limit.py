"""How many requests may be in flight: found out from what the server does, from one to what is configured."""

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import CapacityLimiter

# After a refusal one more is let in each so many answers. A server that takes 6 at once then refuses one request in
# about 60, and one that takes 64 again after it took 6 has them after 1,000 answers.
_ANSWERS_A_STEP = 16

# Files beside the connections: journals, shards, workers' pipes, libraries.
_OTHER_FILES = 256


def connections_possible(wanted: int) -> int:
    """So many, or as many as the system lets this process open: the usual 1,024 files are raised where they may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with contextlib.suppress(ValueError, OSError):  # some systems allow less than they say
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft - _OTHER_FILES))


class Limit:
    """Halved when the server is overloaded, at most once for the requests then in flight; one more after some answers.

    How long an answer takes decides nothing: a slow server that answers everything keeps all its requests. Nor does
    the clock: the same order of events gives the same limits.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.cuts = 0
        self._places = CapacityLimiter(most)
        self._in_flight = self._want_alone = 0
        self._one_alone = False
        self._ended = asyncio.Event()
        self._answers = 0
        self._answered_since_cut = True

    @property
    def now(self) -> int:
        """How many may be in flight now."""
        return int(self._places.total_tokens)

    @asynccontextmanager
    async def place(self, *, alone: bool = False) -> AsyncIterator[None]:
        """A place among the requests in flight, in the order of asking, or with none beside it. What came of the
        request is told within."""
        async with self._places:
            self._want_alone += alone
            try:
                while self._one_alone or (self._in_flight if alone else self._want_alone):
                    self._ended.clear()
                    await self._ended.wait()
            finally:
                self._want_alone -= alone
            self._in_flight += 1
            self._one_alone = alone
            try:
                yield
            finally:
                self._in_flight -= 1
                self._one_alone = False
                self._ended.set()

    def answered(self, begun: int) -> None:
        """A request was answered; `begun` is what `cuts` was when it was sent."""
        if begun != self.cuts:
            return
        self._answered_since_cut = True
        if self.now < self.most and self._places.borrowed_tokens >= self.now:
            self._answers += 1
            if self._answers == _ANSWERS_A_STEP:
                self._answers = 0
                self._places.total_tokens = self.now + 1

    def refused(self, begun: int) -> None:
        """The server said that it has too much to do."""
        if begun == self.cuts:
            # Of what is really in flight: most of a first burst is refused at once, and what is left is what it takes.
            self._cut(min(self.now, self._places.borrowed_tokens) // 2)

    def timed_out(self, begun: int) -> None:
        """No answer came in time. Of a server that answers nothing at all this says only that it is gone: with fewer
        in flight the run would only take longer to find that out."""
        if begun == self.cuts and self._answered_since_cut:
            self._cut(self.now // 2)

    def _cut(self, to: int) -> None:
        self.cuts += 1
        self._answers, self._answered_since_cut = 0, False
        self._places.total_tokens = max(1, to)
