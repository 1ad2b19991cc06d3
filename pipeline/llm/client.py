"""The client of any OpenAI-compatible server: one request in, one completion out, retries owned here alone."""

import asyncio
import json
import re
from dataclasses import dataclass, field
from typing import Any

import httpx
from httpx_aiohttp import HttpxAiohttpClient
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from ...schemas.completion import Completion, EngineInfo, Request, storable
from ...schemas.errors import RunFailed, UserError

_ENGINE_FIELDS = ("top_k", "min_p", "repetition_penalty")
_TRANSIENT_STATUS = frozenset({408, 409, 425, 429})
# What a server says of this one request: too long, a malformed field, refused by a filter. Any other 4xx (no credit, a
# wrong key, a path that is not there) is about all of them.
_REQUEST_STATUS = frozenset({400, 413, 422})
_LONGEST_WAIT_S = 60.0
# A token's likelihood is told given one before it, and not every tokenizer marks a beginning. A line end is a token of
# its own in all of them.
_BEFORE = "\n"


def _object_schema(field_name: str, field_schema: dict[str, Any]) -> dict[str, Any]:
    """JSON schema of an object with this one field."""
    return {
        "type": "object",
        "properties": {field_name: field_schema},
        "required": [field_name],
        "additionalProperties": False,
    }


_SCHEMAS = {
    "json": {"name": "rewrite", "schema": _object_schema("caption", {"type": "string"}), "strict": True},
    "yes_no": {
        "name": "answer",
        "schema": _object_schema("answer", {"type": "string", "enum": ["yes", "no"]}),
        "strict": True,
    },
}


@dataclass(frozen=True)
class Endpoint:
    """Where requests go and what stands there."""

    base_url: str
    """Up to and with `/v1`."""
    api_key: str | None = field(repr=False)
    """Sent as a bearer token, never logged."""
    served_model: str
    """The model's name at this server; rows carry the run's own name for it."""
    info: EngineInfo
    """Engine, version, seeds or not."""
    is_vllm: bool
    """Knows vLLM's own fields (top_k, chat_template_kwargs, …)."""


class _Transient(Exception):
    """A failure worth another try; `retry_after_s` is the server's own wish."""

    def __init__(self, message: str, *, reached: bool, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.reached, self.retry_after_s = reached, retry_after_s


class Client:
    """Sends requests; use as an async context manager.

    The connection pool is as large as `concurrency`, which bounds the requests in flight; the caller bounds its tasks.
    """

    def __init__(self, endpoint: Endpoint, *, concurrency: int, timeout_s: float, attempts: int) -> None:
        self.endpoint = endpoint
        self._attempts, self._timeout_s = attempts, timeout_s
        self._succeeded = False
        self._failures_in_a_row = 0
        # So many requests that failed or were refused, with no success between them, mean that the server is broken and
        # not the requests: going on would turn a night's captions into rejects.
        self._failures_bearable = max(8, concurrency // 4)
        self._http = open_http(endpoint.base_url, endpoint.api_key, timeout_s=timeout_s, connections=concurrency)

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._http.aclose()

    async def complete(self, request: Request) -> Completion:
        """Ask once, again on what may pass, and give the answer or the failure as a completion.

        Raises RunFailed when the server cannot be reached, refuses the key or the model, or fails everything.
        """
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(_Transient),
            stop=stop_after_attempt(self._attempts),
            wait=_wait,
            reraise=True,
        )
        try:
            completion: Completion = await retrying(self._ask, request)
        except _Transient as failure:
            error = f"failed after {self._attempts} tries: {failure}"
            self._count_failure(str(failure), reached=failure.reached)
            return Completion(key=request.key, error=error, transient=True)
        if completion.error is not None:
            self._count_failure(completion.error, reached=True)
        else:
            self._failures_in_a_row, self._succeeded = 0, True
        return completion

    def _count_failure(self, message: str, *, reached: bool) -> None:
        self._failures_in_a_row += 1
        if not reached or self._failures_in_a_row >= self._failures_bearable:
            raise RunFailed(
                f"the server does not answer: {message}",
                where=self.endpoint.base_url,
                mend="every answer so far is saved; run the same command again once it is back",
            ) from None

    async def _ask(self, request: Request) -> Completion:
        try:
            # httpx bounds the wait for each piece; a server that trickles would never run out of time.
            async with asyncio.timeout(self._timeout_s + 10):
                path = "completions" if request.output == "likelihood" else "chat/completions"
                response = await self._http.post(path, json=self._body(request))
        except (httpx.ReadTimeout, TimeoutError) as error:
            raise _Transient(f"no answer in time ({type(error).__name__})", reached=True) from None
        except httpx.DecodingError as error:
            raise _Transient(f"an answer that cannot be decoded: {error}", reached=True) from None
        except httpx.TransportError as error:
            # Not the class's name: the aiohttp transport calls every broken connection a ConnectTimeout.
            raise _Transient(str(error) or "the connection broke", reached=False) from None
        status = response.status_code
        if status in _TRANSIENT_STATUS or status >= 500:
            raise _Transient(
                f"HTTP {status}: {error_text(response)}", reached=True, retry_after_s=_retry_after_s(response)
            )
        # Some filters say 403 of one request; from a server that has answered others, that is what it is.
        if status in _REQUEST_STATUS or (status == 403 and self._succeeded):
            return Completion(key=request.key, error=f"HTTP {status}: {error_text(response)}")
        if status >= 400:
            raise refused(response, self.endpoint.base_url)
        try:
            read = _likelihood if request.output == "likelihood" else _completion
            return read(request.key, response.json())
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise _Transient("an answer that is not a chat completion", reached=True) from None

    def _body(self, request: Request) -> dict[str, Any]:
        if request.output == "likelihood":
            return {
                "model": self.endpoint.served_model,
                "prompt": _BEFORE + request.messages[0][1],
                "max_tokens": 1,
                "prompt_logprobs": 0,
            }
        sampling = request.sampling
        if not self.endpoint.is_vllm:
            sampling = {name: value for name, value in sampling.items() if name not in _ENGINE_FIELDS}
        body: dict[str, Any] = {
            "model": self.endpoint.served_model,
            "messages": [{"role": role, "content": content} for role, content in request.messages],
            **sampling,
        }
        if self.endpoint.info.seeded:
            body["seed"] = request.seed
        if self.endpoint.is_vllm:
            # Qwen3 thinks by default; a template that has no such switch ignores it.
            body["chat_template_kwargs"] = {"enable_thinking": False}
        if request.output in _SCHEMAS:
            body["response_format"] = {"type": "json_schema", "json_schema": _SCHEMAS[request.output]}
        return body


def open_http(base_url: str, api_key: str | None, *, timeout_s: float, connections: int) -> httpx.AsyncClient:
    """An HTTP client for a server: `connections` at most, no wait for a place in the pool, the key in its header.

    Raises UserError for a URL or a key that no request can carry; the key is never shown.
    """
    api_key = (api_key or "").strip()
    if not (api_key.isascii() and (api_key.isprintable() or not api_key)):
        raise UserError("the API key has a character that no header may hold", where="environment", mend="set it again")
    try:
        url = httpx.URL(base_url)
        usable = url.scheme in ("http", "https") and bool(url.host) and (url.port or 0) < 65536
    except httpx.InvalidURL:
        usable = False
    if not usable:
        raise UserError(
            "not an http:// or https:// URL", where=f"--endpoint {base_url}", mend="for example http://HOST:8000/v1"
        )
    # Over aiohttp: httpx's own pool looks at every connection for every request, 8 ms an answer with 128 in flight.
    return HttpxAiohttpClient(
        base_url=base_url,
        headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
        timeout=httpx.Timeout(timeout_s, connect=10.0, pool=None),
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        # A proxy meant for the internet has no business between us and a server on this machine.
        trust_env=not re.match(r"https?://(localhost|127\.|\[::1\])", base_url),
    )


def error_text(response: httpx.Response) -> str:
    """The server's own words, in one line of at most 200 characters."""
    try:
        body = response.json()
        error = body.get("error", body) if isinstance(body, dict) else body
        text = str(error.get("message", error) if isinstance(error, dict) else error)
    except ValueError:
        text = response.text
    return storable(" ".join(text.split())[:200]) or response.reason_phrase


def refused(response: httpx.Response, base_url: str) -> UserError:
    """The error for an answer that no retry mends: a refused key, an unknown model or path."""
    mend = (
        "check the key in the environment (server.api_key_env names the variable, OPENAI_API_KEY by default)"
        if response.status_code in (401, 402, 403)
        else "the base URL ends in /v1 and --llm is a model it serves"
    )
    return RunFailed(f"HTTP {response.status_code}: {error_text(response)}", where=base_url, mend=mend)


def _completion(key: str, body: dict[str, Any]) -> Completion:
    choice = body["choices"][0]
    usage = body.get("usage") or {}
    return Completion(
        key=key,
        text=storable(choice["message"].get("content") or ""),
        finish_reason=choice.get("finish_reason"),
        prompt_tokens=usage.get("prompt_tokens"),
        completion_tokens=usage.get("completion_tokens"),
    )


def _likelihood(key: str, body: dict[str, Any]) -> Completion:
    """vLLM's `prompt_logprobs`: a place a token, each with the token that stands there; null for the first."""
    places = body["choices"][0].get("prompt_logprobs")
    if not places:
        return Completion(key=key, error="the server gives no prompt_logprobs")
    tokens = [(int(token), round(told["logprob"], 4)) for place in places if place for token, told in place.items()]
    return Completion(key=key, text=json.dumps(tokens), prompt_tokens=(body.get("usage") or {}).get("prompt_tokens"))


def _retry_after_s(response: httpx.Response) -> float | None:
    value = response.headers.get("retry-after", "")
    return min(float(value), _LONGEST_WAIT_S) if re.fullmatch(r"\d+(\.\d+)?", value) else None


_backoff = wait_random_exponential(multiplier=0.5, max=_LONGEST_WAIT_S)


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, _Transient) and error.retry_after_s is not None:
        return error.retry_after_s
    return _backoff(state)
