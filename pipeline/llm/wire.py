"""A request and its answer as they go over the wire."""

import json
from typing import Any

from ...schemas.completion import Completion, Request, storable
from .connection import Endpoint

_ENGINE_FIELDS = ("top_k", "min_p", "repetition_penalty")
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


def path_of(request: Request) -> str:
    """Where a request goes, below the base URL."""
    return "completions" if request.output == "likelihood" else "chat/completions"


def body_of(request: Request, endpoint: Endpoint) -> dict[str, Any]:
    """What is sent, as this server understands it."""
    if request.output == "likelihood":
        return {
            "model": endpoint.served_model,
            "prompt": _BEFORE + request.messages[0][1],
            "max_tokens": 1,
            "prompt_logprobs": 0,
        }
    sampling = request.sampling
    if not endpoint.is_vllm:
        sampling = {name: value for name, value in sampling.items() if name not in _ENGINE_FIELDS}
    body: dict[str, Any] = {
        "model": endpoint.served_model,
        "messages": [{"role": role, "content": content} for role, content in request.messages],
        **sampling,
    }
    if endpoint.info.seeded:
        body["seed"] = request.seed
    if endpoint.is_vllm:
        # Qwen3 thinks by default; a template that has no such switch ignores it.
        body["chat_template_kwargs"] = {"enable_thinking": False}
    if request.output in _SCHEMAS:
        body["response_format"] = {"type": "json_schema", "json_schema": _SCHEMAS[request.output]}
    return body


def completion_of(request: Request, body: dict[str, Any]) -> Completion:
    """What came back. Raises ValueError, LookupError, TypeError or AttributeError where it is no such answer."""
    return _likelihood(request.key, body) if request.output == "likelihood" else _chat(request.key, body)


def model_of(body: dict[str, Any]) -> str | None:
    """What an answer calls the model that gave it; some servers do not say."""
    name = body.get("model")
    return name if isinstance(name, str) and name else None


def _chat(key: str, body: dict[str, Any]) -> Completion:
    choice = body["choices"][0]
    usage, reason = body.get("usage") or {}, choice.get("finish_reason")
    return Completion(
        key=key,
        text=storable(choice["message"].get("content") or ""),
        finish_reason=storable(reason) if isinstance(reason, str) else reason,
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
