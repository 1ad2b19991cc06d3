"""Finding out what stands at an endpoint, and proving with one request that it answers, before a run counts on it."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx

from ...schemas.completion import EngineInfo, Request, storable
from ...schemas.errors import RunFailed, UserError, one_line
from .client import Client
from .connection import Endpoint, fetch, open_http, served_models
from .requests import likelihood_request

_PROBE_TIMEOUT_S = 10.0
# A server may have to load its model for the first request (Ollama does).
_PROOF_TIMEOUT_S = 120.0


async def probe(base_url: str, api_key: str | None, *, model: str | None, send_seed: bool | None) -> Endpoint:
    """Ask a server for its models and engine.

    `model` is the name wanted there, None for the only one it has; `send_seed` None decides by the engine. Raises
    UserError where the model is not served, RunFailed where nothing usable answers.
    """
    base_url = base_url.rstrip("/") + "/"
    async with open_http(base_url, api_key, timeout_s=_PROBE_TIMEOUT_S, connections=2) as http:
        served = await served_models(http, base_url)
        names = [str(entry["id"]) for entry in served]
        if model is None and len(names) != 1:
            raise UserError(
                f"{len(names)} models are served", where=base_url, mend=f"choose with --llm: {_some(names)}"
            )
        if model is not None and model not in names:
            raise UserError(f"model {model!r} is not served here", where=base_url, mend=f"it serves {_some(names)}")
        name = model or names[0]
        version = await _vllm_version(http)
        owner = str(served[names.index(name)].get("owned_by") or "openai-compatible")
        engine = "vllm" if version else storable(owner)
        if send_seed is None:
            # A seed stops vLLM's CPU engine, and nothing tells from outside whether an engine is one; other servers
            # take the field or ignore it.
            send_seed = version is None
    info = EngineInfo(engine=engine, engine_version=version, seeded=send_seed)
    return Endpoint(base_url, api_key, name, info, is_vllm=version is not None)


async def prove(
    endpoint: Endpoint, *, sampling: dict[str, Any], json_output: bool, likelihood: bool, timeout_s: float
) -> Endpoint:
    """One small request before the run, with its sampling, so that a wrong path, model, key or field ends it at once.

    With `json_output`, the answer must obey its grammar: a server that does not know `response_format` ignores it,
    says 200 and writes free text. With `likelihood`, it must know vLLM's `prompt_logprobs`. Gives the endpoint with the
    name that its answer has for the model.
    """
    request = Request(
        model=endpoint.served_model,
        messages=(("user", "Say in one word what colour grass is. Do not use braces or quotes."),),
        sampling={**sampling, "max_tokens": 24},
        output="json" if json_output else "text",
        seed=0,
        sample_index=0,
    )
    async with Client(endpoint, concurrency=1, timeout_s=min(timeout_s, _PROOF_TIMEOUT_S), attempts=2) as client:
        completion = await client.complete(request)
        scored = (
            await client.complete(likelihood_request(endpoint.served_model, "Grass is green.")) if likelihood else None
        )
    if completion.error:
        raise RunFailed(
            f"a first request failed: {completion.error}",
            where=endpoint.base_url,
            mend="see what the server says of it",
        )
    if json_output and '"caption"' not in completion.text:
        raise RunFailed(
            "the server does not hold answers to a JSON schema",
            where=endpoint.base_url,
            mend='use a server with structured outputs, or prompts with output = "text" and no --judge',
        )
    if scored is not None and scored.error:
        raise RunFailed(
            f"cannot tell how likely a text is: {scored.error}",
            where=endpoint.base_url,
            mend="use vLLM, or a model on this machine: --set negatives.scorer=smollm2",
        )
    return replace(endpoint, answers_as=client.answers_as)


async def _vllm_version(http: httpx.AsyncClient) -> str | None:
    """The version vLLM tells at /version, beside /v1; other servers have no such page or another answer."""
    try:
        async with asyncio.timeout(_PROBE_TIMEOUT_S):
            response = await fetch(http, "GET", str(http.base_url.join("../version")))
        return storable(str(response.json()["version"])) if response.status_code == 200 else None
    except (httpx.HTTPError, TimeoutError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _some(names: list[str]) -> str:
    return one_line(", ".join(name[:100] for name in names[:8])) + (", …" if len(names) > 8 else "")
