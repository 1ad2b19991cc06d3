"""Keeps the vLLM server of a run up: watches it, and starts it again when it died, a limited number of times."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

from ...schemas.errors import RunFailed
from .connection import Endpoint
from .server import VllmServer

_LOOK_EVERY_S = 1.0
# A vLLM whose engine died answers 503 for a moment and ends by itself; one that does not is ended.
_UNWELL_S = 30
_LONGEST_PAUSE_S = 60.0
# A week-long run outlives a fault a day; one that comes back within the hour is no accident.
_WITHIN_S = 3600.0


class Supervisor:
    """Owns a server from its first start to its last; use as an async context manager, with `watch` running beside."""

    def __init__(self, server: VllmServer, *, on_restart: Callable[[str], None]) -> None:
        self.server = server
        self._on_restart = on_restart
        self._lives = 0
        self._restarted_at: deque[float] = deque()
        self._up = asyncio.Event()
        self._http = server.health_http()

    async def __aenter__(self) -> "Supervisor":
        self.server.__enter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.server.stop()
        await self._http.aclose()

    async def wait_ready(self) -> Endpoint:
        """Wait until the server answers for the first time. One that dies before that would die again: RunFailed."""
        endpoint = await self.server.wait_ready()
        self._live()
        return endpoint

    async def watch(self) -> None:
        """Look after the server until cancelled; raises RunFailed once it died more often within an hour than
        `server.restarts`."""
        unwell_s = 0.0
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            unwell_s = unwell_s + _LOOK_EVERY_S if await self._unwell() else 0.0
            if not self.server.alive:
                await self._revive(self.server.ended)
            elif unwell_s >= _UNWELL_S:
                await self._revive(f"vLLM runs but has not been well for {unwell_s:.0f} s")

    async def life(self) -> int:
        """Which of its lives the server is in, from 1; waits while it is between two."""
        if not self.server.alive:
            self._up.clear()
        await self._up.wait()
        return self._lives

    async def died_in(self, life: int) -> bool:
        """Whether a request that failed in that life failed because it ended. Waits until that is clear, and then
        until the server is up again."""
        while self._lives == life and self._up.is_set() and self.server.alive and await self._unwell():
            await asyncio.sleep(_LOOK_EVERY_S)
        return await self.life() != life

    def explained(self) -> None:
        """What killed the server was found, and is not sent again: the restarts it took do not count."""
        self._restarted_at.clear()

    async def _unwell(self) -> bool:
        # No answer in time is no sign: a machine that is busy enough takes its time.
        return await self.server.health(self._http) not in (200, None)

    async def _revive(self, why: str) -> None:
        self._up.clear()
        most = self.server.config.restarts
        while True:
            while self._restarted_at and time.monotonic() - self._restarted_at[0] > _WITHIN_S:
                self._restarted_at.popleft()
            count = len(self._restarted_at)
            if count >= most:
                spent = f", and server.restarts = {most} is used up" if most else ""
                raise self.server.failure(why + spent)
            self._restarted_at.append(time.monotonic())
            self._on_restart(f"{why}; starting it again ({count + 1} of {most} within an hour)")
            await asyncio.to_thread(self.server.stop)
            # Growing: what a dead process held (a GPU's memory, a port) is not always free at once.
            await asyncio.sleep(min(2.0**count, _LONGEST_PAUSE_S))
            self.server.start()
            if await self._ready():
                return self._live()
            why = self.server.ended

    async def _ready(self) -> bool:
        """Whether a server that was started again came up; raises RunFailed where it neither does nor dies."""
        try:
            await self.server.wait_ready()
        except RunFailed:
            if self.server.alive:
                raise
            return False
        return True

    def _live(self) -> None:
        self._lives += 1
        self._up.set()
