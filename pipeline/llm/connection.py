"""Where a server stands, and the HTTP that reaches it."""

import asyncio
import re
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import httpx
from httpx_aiohttp import HttpxAiohttpClient
from httpx_aiohttp.transport import AIOHTTP_EXC_MAP

from ...schemas.completion import EngineInfo, storable
from ...schemas.errors import RunFailed, UserError, one_line

_LIST_TIMEOUT_S = 10.0
# A caption has some hundred characters, the likelihoods of a long text some hundred thousand. With 512 in flight, what
# a server that never stops can take of our memory is 2 GiB.
_LONGEST_ANSWER = 4 * 2**20
# What does not speak HTTP (SSH, TLS where there should be none) raises what httpx_aiohttp has no name for.
AIOHTTP_EXC_MAP.setdefault(aiohttp.ClientError, httpx.RemoteProtocolError)


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
    answers_as: str | None = None
    """What its first answer called the model: often not `served_model` (an alias resolved, a path, a LoRA's base)."""


def open_http(base_url: str, api_key: str | None, *, timeout_s: float, connections: int) -> httpx.AsyncClient:
    """An HTTP client for a server: `connections` at most, no wait for a place in the pool, the key in its header.

    `timeout_s` bounds the wait for each piece of an answer; the caller bounds the whole. Raises UserError for a URL or
    a key that no request can carry; the key is never shown.
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
    if url.userinfo:  # messages, logs and lists of processes show a URL
        mend = "take it out, and set the key in the environment (server.api_key_env names the variable)"
        raise UserError("the URL holds a password", where="--endpoint", mend=mend)
    # Over aiohttp: httpx's own pool looks at every connection for every request, 8 ms an answer with 128 in flight.
    return HttpxAiohttpClient(
        base_url=base_url,
        headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
        timeout=httpx.Timeout(timeout_s, connect=10.0, pool=None),
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        # A proxy meant for the internet has no business between us and a server on this machine.
        trust_env=not re.match(r"https?://(localhost|127\.|\[::1\])", base_url),
    )


async def fetch(http: httpx.AsyncClient, method: str, path: str, *, json: Any = None) -> httpx.Response:
    """A whole answer. Raises httpx.DecodingError for one that is too long, as for one that cannot be unpacked, and what
    httpx raises else."""
    try:
        async with http.stream(method, path, json=json) as response:
            body = bytearray()
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > _LONGEST_ANSWER:
                    raise httpx.DecodingError(f"it is longer than {_LONGEST_ANSWER >> 20} MiB")
    except ValueError as error:  # a status line or a cookie that is no text, of which httpx knows nothing
        raise httpx.RemoteProtocolError(f"not HTTP: {error}") from None
    headers = [(name, value) for name, value in response.headers.raw if name.lower() != b"content-encoding"]
    return httpx.Response(response.status_code, headers=headers, content=bytes(body), request=response.request)


async def served_models(http: httpx.AsyncClient, base_url: str) -> list[dict[str, Any]]:
    """The models a server lists, at least one, each with its `id`. Raises RunFailed where it gives no such list."""
    try:
        # As a whole: a server that trickles would never run out of time.
        async with asyncio.timeout(_LIST_TIMEOUT_S):
            response = await fetch(http, "GET", "models")
    except (httpx.ReadTimeout, TimeoutError):
        raise RunFailed(f"no answer in {_LIST_TIMEOUT_S:.0f} s", where=base_url, mend="is the server up?") from None
    except httpx.DecodingError as error:
        raise RunFailed(f"no list of models: {one_line(error)}", where=base_url, mend="is the URL right?") from None
    except httpx.TransportError as error:
        raise RunFailed(
            f"cannot be reached: {one_line(error)}", where=base_url, mend="is the server up, the URL right?"
        ) from None
    if response.status_code in (401, 402, 403, 404):
        raise refused(response, base_url)
    if response.status_code != 200:
        raise RunFailed(
            f"HTTP {response.status_code}: {error_text(response)}",
            where=base_url,
            mend="see what the server says of it",
        )
    try:
        listed = response.json()["data"]
        entries = [entry for entry in listed if isinstance(entry, dict) and "id" in entry]
        models = [{**entry, "id": storable(str(entry["id"]))} for entry in entries]
    except (ValueError, KeyError, TypeError, RecursionError):
        models = []
    if not models:
        raise RunFailed("no list of models at /models", where=base_url, mend="the base URL ends in /v1")
    return models


def error_text(response: httpx.Response) -> str:
    """The server's own words, in one line of at most 200 characters, and without the key that some send back."""
    try:
        body = response.json()
        error = body.get("error", body) if isinstance(body, dict) else body
        text = str(error.get("message", error) if isinstance(error, dict) else error)
    except (ValueError, RecursionError):
        text = response.content.decode("utf-8", "replace")  # the charset it names may be none
    line = one_line(text)
    if key := response.request.headers.get("Authorization", "").removeprefix("Bearer "):
        line = line.replace(key, "…")
    return storable(line[:200]) or response.reason_phrase


def refused(response: httpx.Response, base_url: str) -> UserError:
    """The error for an answer that no retry mends: a refused key, an unknown model or path."""
    mend = (
        "check the key in the environment (server.api_key_env names the variable, OPENAI_API_KEY by default)"
        if response.status_code in (401, 402, 403)
        else "the base URL ends in /v1 and --llm is a model it serves"
    )
    return RunFailed(f"HTTP {response.status_code}: {error_text(response)}", where=base_url, mend=mend)
