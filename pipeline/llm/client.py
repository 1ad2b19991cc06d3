"""The client of any OpenAI-compatible server: one request in, one completion out, retries owned here alone."""

import asyncio
import re
import time
from collections.abc import Callable
from typing import Literal

import httpx
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from ...schemas.completion import Completion, Request
from ...schemas.errors import RunFailed, one_line
from .connection import Endpoint, error_text, fetch, open_http, refused, served_models
from .limit import Limit
from .supervisor import Supervisor
from .wire import body_of, completion_of, model_of, path_of

Fault = Literal["429", "5xx", "timeout", "connection", "bad answer"]
"""Why a try failed: refused for now (409 and 425 too), an error of the server's, no answer in time (408 and 504 too),
no connection, an answer that is none."""

_FAULT_OF: dict[int, Fault] = {408: "timeout", 504: "timeout", 409: "429", 425: "429", 429: "429"}
# What says "fewer at once".
_OVERLOADED_STATUS = frozenset({429, 503, 529})
# What a server says of this one request: too long, a malformed field, refused by a filter. Any other 4xx (no credit, a
# wrong key, a path that is not there) is about all of them.
_REQUEST_STATUS = frozenset({400, 413, 422})
_LONGEST_WAIT_S = 60.0
# Some request kills vLLM (a bug of its kernels, a length it did not expect), and all in flight then look alike. Those
# that were there twice in a row are sent alone: 512 one by one take some minutes, where one row would end the night.
_DEATHS_BEFORE_ALONE = 2
_DEADLY = "vLLM ended three times while it was asked this, the last time alone; it is not asked again"


class _Failed(Exception):
    """A try that failed and is worth another."""

    def __init__(self, message: str, fault: Fault, *, overloaded: bool = False) -> None:
        super().__init__(message)
        self.fault: Fault = fault
        self.overloaded = overloaded


class Client:
    """Sends requests; use as an async context manager.

    `concurrency` is the most that are ever in flight; the caller bounds its tasks. A request that waits for its next
    try is not in flight. With a `supervisor` a try that failed with its server is made again when that is up, and does
    not count. `on_fault` is called for each try that failed.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        concurrency: int,
        timeout_s: float,
        attempts: int,
        supervisor: Supervisor | None = None,
        on_fault: Callable[[Fault], None] = lambda fault: None,
    ) -> None:
        self.endpoint, self.limit = endpoint, Limit(concurrency)
        self.answers_as = endpoint.answers_as
        self._attempts, self._timeout_s = attempts, timeout_s
        self._supervisor, self._on_fault = supervisor, on_fault
        self._succeeded = False
        self._failures_in_a_row = 0
        # So many requests that failed or were refused, with no success between them, mean that the server is broken and
        # not the requests: going on would turn a night's captions into rejects.
        self._failures_bearable = max(8, concurrency // 4)
        # As long as one request may take with all its tries. Nothing answered in that time means the same.
        self._patience_s = attempts * (timeout_s + _LONGEST_WAIT_S)
        self._answered_at = self._held_until = 0.0
        # Connections that broke, and how many of them had when the server was last seen to serve the same model.
        self._broken = self._verified = 0
        self._verifying = asyncio.Lock()
        self._http = open_http(endpoint.base_url, endpoint.api_key, timeout_s=timeout_s, connections=concurrency)

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._http.aclose()

    async def complete(self, request: Request) -> Completion:
        """Ask once, again on what may pass, and give the answer or the failure as a completion.

        Raises RunFailed when the server cannot be reached, refuses the key or the model, fails everything, or serves
        another model than before.
        """
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(_Failed),
            stop=stop_after_attempt(self._attempts),
            wait=wait_random_exponential(multiplier=0.5, max=_LONGEST_WAIT_S),
            reraise=True,
        )
        try:
            completion: Completion = await retrying(self._try, request, time.monotonic())
        except _Failed as failure:
            error = f"failed after {self._attempts} tries: {failure}"
            # A server that is looked after is there: whoever does so says when it is not.
            self._count_failure(str(failure), reached=failure.fault != "connection" or self._supervisor is not None)
            return Completion(key=request.key, error=error, transient=True)
        if completion.error is not None:
            self._count_failure(completion.error, reached=True)
        else:
            self._failures_in_a_row, self._succeeded = 0, True
        return completion

    async def _try(self, request: Request, asked_at: float) -> Completion:
        """One try that counts."""
        deaths = 0
        while deaths <= _DEATHS_BEFORE_ALONE:
            # The place is held until it is clear whether the server died: the next one alone would look guilty too.
            async with self.limit.place(alone=deaths == _DEATHS_BEFORE_ALONE):
                life = await self._supervisor.life() if self._supervisor else 0
                try:
                    return await self._try_in_flight(request)
                except _Failed as failure:
                    self._on_fault(failure.fault)
                    if self._supervisor is None or not await self._supervisor.died_in(life):
                        if time.monotonic() - max(asked_at, self._answered_at) > self._patience_s:
                            raise self._dead(str(failure)) from None
                        raise
            self._answered_at = time.monotonic()
            deaths += 1
        if self._supervisor is not None:
            self._supervisor.explained()
        return Completion(key=request.key, error=_DEADLY)

    async def _try_in_flight(self, request: Request) -> Completion:
        """One try, not before the server wants it; tells the limit what came of it."""
        while (left_s := self._held_until - time.monotonic()) > 0:
            await asyncio.sleep(left_s)
        begun = self.limit.cuts
        try:
            completion = await self._ask(request)
        except _Failed as failure:
            if failure.overloaded:
                self.limit.refused(begun)
            elif failure.fault == "timeout":
                self.limit.timed_out(begun)
            raise
        self.limit.answered(begun)
        self._answered_at = time.monotonic()
        return completion

    async def _ask(self, request: Request) -> Completion:
        try:
            # httpx bounds the wait for each piece; a server that trickles would never run out of time.
            async with asyncio.timeout(self._timeout_s):
                response = await fetch(self._http, "POST", path_of(request), json=body_of(request, self.endpoint))
        except (httpx.ReadTimeout, TimeoutError):
            raise _Failed("no answer in time", "timeout") from None
        except httpx.DecodingError as error:
            raise _Failed(f"an answer that cannot be read: {one_line(error)[:200]}", "bad answer") from None
        except httpx.TransportError as error:
            self._broken += 1
            # Not the class's name: the aiohttp transport calls every broken connection a ConnectTimeout.
            raise _Failed(one_line(error)[:200] or "the connection broke", "connection") from None
        completion = self._read(request, response)
        if self._broken != self._verified:
            await self._be_sure_of_the_model()
        return completion

    def _read(self, request: Request, response: httpx.Response) -> Completion:
        status = response.status_code
        if status in _FAULT_OF or status >= 500:
            self._hold(response)
            message = f"HTTP {status}: {error_text(response)}"
            raise _Failed(message, _FAULT_OF.get(status, "5xx"), overloaded=status in _OVERLOADED_STATUS)
        # Some filters say 403 of one request; from a server that has answered others, that is what it is.
        if status in _REQUEST_STATUS or (status == 403 and self._succeeded):
            return Completion(key=request.key, error=f"HTTP {status}: {error_text(response)}")
        if status >= 400:
            raise refused(response, self.endpoint.base_url)
        try:
            body = response.json()
            completion = completion_of(request, body)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise _Failed("an answer that is not a chat completion", "bad answer") from None
        name = model_of(body)
        self.answers_as = self.answers_as or name
        if name and name != self.answers_as:
            raise self._other_model(f"an answer says that {name!r} gave it")
        return completion

    def _hold(self, response: httpx.Response) -> None:
        """Send nothing more for as long as the server asks: with `Retry-After` it speaks of all requests."""
        value = response.headers.get("retry-after", "")
        if re.fullmatch(r"\d+(\.\d+)?", value):
            self._held_until = max(self._held_until, time.monotonic() + min(float(value), _LONGEST_WAIT_S))

    async def _be_sure_of_the_model(self) -> None:
        """After a connection broke another server may stand there; not every one names its model in its answers."""
        async with self._verifying:
            broken = self._broken
            if broken == self._verified:
                return
            try:
                listed = [str(entry["id"]) for entry in await served_models(self._http, self.endpoint.base_url)]
            except RunFailed as failure:
                raise _Failed(failure.what, "connection") from None
            if self.endpoint.served_model not in listed:
                raise self._other_model(f"the server was gone, and now serves {', '.join(listed[:8])}")
            self._verified = broken

    def _other_model(self, sign: str) -> RunFailed:
        return RunFailed(
            f"another model answers now: {sign}; it was {self.answers_as or self.endpoint.served_model!r}",
            where=self.endpoint.base_url,
            mend="nothing of it was kept; run the same command again once the first one is back, or give another --out",
        )

    def _count_failure(self, message: str, *, reached: bool) -> None:
        self._failures_in_a_row += 1
        if not reached or self._failures_in_a_row >= self._failures_bearable:
            raise self._dead(message) from None

    def _dead(self, message: str) -> RunFailed:
        return RunFailed(
            f"the server does not answer: {message}",
            where=self.endpoint.base_url,
            mend="every answer so far is saved; run the same command again once it is back",
        )
