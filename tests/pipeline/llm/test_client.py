"""The client against a server that misbehaves as told."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scripted_server import Answer, ScriptedServer, rewrite

from tbpr_data.pipeline.journal import Journal
from tbpr_data.pipeline.llm.client import Client
from tbpr_data.pipeline.llm.endpoint import probe, prove
from tbpr_data.schemas.completion import Completion, EngineInfo, Request
from tbpr_data.schemas.errors import RunFailed, UserError


def request(i: int = 0, **changes: Any) -> Request:
    fields: dict[str, Any] = {
        "model": "m",
        "messages": (("user", f"Rewrite: A man in a red shirt, number {i}."),),
        "sampling": {"temperature": 0.5, "top_k": 20},
        "output": "text",
        "seed": i,
        "sample_index": 0,
    }
    return Request(**{**fields, **changes})


def ask(
    server: ScriptedServer, *requests: Request, attempts: int = 3, timeout_s: float = 5.0, faults: Any = None
) -> list[Completion]:
    told = (lambda fault: None) if faults is None else faults.append

    async def main() -> list[Completion | BaseException]:
        endpoint = await probe(server.url, "sesame", model=None, send_seed=None)
        async with Client(endpoint, concurrency=4, timeout_s=timeout_s, attempts=attempts, on_fault=told) as client:
            return list(await asyncio.gather(*map(client.complete, requests), return_exceptions=True))

    answers = asyncio.run(main())
    for error in answers:
        if isinstance(error, BaseException):
            raise error
    return answers  # type: ignore[return-value]


def test_an_answer_and_what_was_sent(scripted: Any) -> None:
    server = scripted()
    [completion] = ask(server, request(7))
    assert completion.text.endswith("a man in a red shirt, number 7.")
    assert (completion.finish_reason, completion.prompt_tokens) == ("stop", 10)
    [body] = server.requests
    assert body["seed"] == 7
    assert body["model"] == "scripted"
    # Not vLLM: its own fields stay at home.
    assert "top_k" not in body
    assert "chat_template_kwargs" not in body


HUGE = b'{"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": 1' + b"0" * 30 + b"}}"


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Answer(status=429, headers={"Retry-After": "0"}), "429"),
        (Answer(status=429), "429"),
        (Answer(status=500), "5xx"),
        (Answer(status=503), "5xx"),
        (Answer(status=504), "timeout"),
        (Answer(status=529), "5xx"),
        (Answer(body=b'{"choices": [{"mess'), "bad answer"),
        (Answer(body=b'{"choices": []}'), "bad answer"),
        (Answer(body=b'{"choices": [{"message": null}]}'), "bad answer"),
        (Answer(body=b"[" * 100_000), "bad answer"),
        (Answer(body=HUGE), "bad answer"),
        (Answer(body=b"no gzip", headers={"Content-Encoding": "gzip"}), "bad answer"),
        (Answer(body=b" " * 5_000_000), "bad answer"),
        (Answer(status=500, body=b"oh", headers={"Content-Type": "text/plain; charset=hex"}), "5xx"),
        (Answer(drop=True), "connection"),
        (Answer(reset="before"), "connection"),
        (Answer(reset="middle"), "connection"),
        (Answer(hang=True), "timeout"),
        (Answer(body=b"{", headers={"Content-Length": "99"}), "timeout"),
        (Answer(trickle_s=0.3), "timeout"),
        (Answer(endless=True), "timeout"),
    ],
    ids=[
        *("429", "429 soon", "500", "503", "504", "529", "truncated", "wrong schema", "null", "deep", "huge", "gzip"),
        *("too long", "charset"),
        *("dropped", "reset", "reset midway", "hangs", "hangs midway", "trickles", "endless"),
    ],
)
def test_what_may_pass_is_tried_again(scripted: Any, fault: Answer, kind: str) -> None:
    server, faults = scripted(lambda body, count: fault if count < 2 else rewrite(body, count)), []
    [completion] = ask(server, request(), timeout_s=1.0 if kind == "timeout" else 20.0, faults=faults)
    assert completion.error is None
    assert faults == [kind, kind]
    assert len(server.requests) == 3


@pytest.mark.parametrize("odd", [{"headers": {"X-Odd": "é"}}, {"finish_reason": "\ud800"}, {"model": "m\ud800"}])
def test_an_answer_with_something_odd_about_it_is_one(scripted: Any, tmp_path: Path, odd: dict[str, Any]) -> None:
    server = scripted(lambda body, count: replace(rewrite(body, count), **odd))
    [completion] = ask(server, request())
    assert completion.text
    with Journal(tmp_path / "journal") as journal:
        journal.open(EngineInfo(engine="x", engine_version=None, seeded=False))
        journal.append(completion)


def test_a_refused_request_is_a_final_answer(scripted: Any) -> None:
    server = scripted(lambda body, count: Answer("too many tokens", status=400))
    [completion] = ask(server, request())
    assert completion.error == "HTTP 400: too many tokens"
    assert not completion.transient
    assert len(server.requests) == 1


def test_a_request_that_always_fails_is_given_up_and_can_be_asked_again(scripted: Any) -> None:
    server = scripted(lambda body, count: Answer(status=500) if "number 0" in str(body) else rewrite(body, count))
    completions = ask(server, request(0), request(1))
    assert completions[0].transient
    assert "failed after 3 tries: HTTP 500" in (completions[0].error or "")
    assert completions[1].error is None


def test_an_answer_that_never_comes_is_not_waited_for(scripted: Any) -> None:
    server = scripted(lambda body, count: Answer(delay_s=3))
    [completion] = ask(server, request(), attempts=1, timeout_s=0.3)
    assert "no answer in time" in (completion.error or "")


def test_a_server_that_fails_everything_ends_the_run(scripted: Any) -> None:
    server = scripted(lambda body, count: Answer(status=500))
    with pytest.raises(RunFailed, match="does not answer"):
        ask(server, *map(request, range(12)), attempts=1)


def test_a_server_that_always_says_later_ends_the_run(scripted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # One try in half a second, so that all of the three of each would take 9 s. No request would be the eighth to fail.
    monkeypatch.setattr("tbpr_data.pipeline.llm.client._LONGEST_WAIT_S", 0.5)
    server = scripted(lambda body, count: Answer("no", status=429, headers={"Retry-After": "60"}))
    with pytest.raises(RunFailed, match="does not answer: HTTP 429"):
        ask(server, *map(request, range(6)), timeout_s=0.5)


def test_a_list_of_models_that_trickles_is_not_waited_for(scripted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tbpr_data.pipeline.llm.connection._LIST_TIMEOUT_S", 1.0)
    with pytest.raises(RunFailed, match="no answer in 1 s"):
        asyncio.run(probe(_trickling(scripted()), None, model=None, send_seed=None))


def _trickling(server: ScriptedServer) -> str:
    send = server._send
    server._send = lambda handler, status, body, answer=None: send(  # type: ignore[method-assign]
        handler, status, body, Answer(trickle_s=0.5)
    )
    return server.url


def renamed(first: str, later: str) -> Any:
    """Answers as one model twice, then as another."""

    def answer(body: dict[str, Any], count: int) -> Answer:
        said = rewrite(body, count)
        said.model = first if count < 2 else later
        return said

    return answer


def test_another_model_in_the_answers_ends_the_run(scripted: Any) -> None:
    server = scripted(renamed("org/one", "org/two"))
    with pytest.raises(RunFailed, match="another model answers now: an answer says that 'org/two' gave it"):
        ask(server, *map(request, range(4)))
    # What was asked for does not matter.
    assert len(ask(scripted(renamed("/models/one.gguf", "/models/one.gguf")), *map(request, range(4)))) == 4


@pytest.mark.parametrize("models", [("scripted", "more"), ("other",)])
def test_after_a_broken_connection_the_same_model_must_be_served(scripted: Any, models: tuple[str, ...]) -> None:
    def answer(body: dict[str, Any], count: int) -> Answer:
        server._models = models  # which its answers do not tell
        return Answer(drop=True) if count == 0 else rewrite(body, count)

    server = scripted(answer)
    if "scripted" in models:
        assert not ask(server, request())[0].error
    else:
        with pytest.raises(RunFailed, match="the server was gone, and now serves other; it was 'scripted'"):
            ask(server, request())


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refused_key_or_path_ends_the_run(scripted: Any, status: int) -> None:
    with pytest.raises(RunFailed, match=f"HTTP {status}"):
        ask(scripted(lambda body, count: Answer("no", status=status)), request())


def test_a_wrong_key_says_where_to_put_it(scripted: Any) -> None:
    with pytest.raises(RunFailed, match="OPENAI_API_KEY") as caught:
        ask(scripted(key="other"), request())
    assert "sesame" not in str(caught.value)


def test_an_unknown_model_names_those_there_are(scripted: Any) -> None:
    server = scripted(models=("one", "two"))
    with pytest.raises(UserError, match="it serves one, two"):
        asyncio.run(probe(server.url, None, model="three", send_seed=None))
    with pytest.raises(UserError, match="choose with --llm: one, two"):
        asyncio.run(probe(server.url, None, model=None, send_seed=None))


def test_nobody_there() -> None:
    with pytest.raises(RunFailed, match="cannot be reached"):
        asyncio.run(probe("http://127.0.0.1:9/v1", None, model=None, send_seed=None))


@pytest.mark.parametrize("url", ["ftp://x/v1", "not a url", "http://x:99999/v1", "localhost:8000"])
def test_no_url(url: str) -> None:
    with pytest.raises(UserError, match="not an http"):
        asyncio.run(probe(url, None, model=None, send_seed=None))


@pytest.mark.parametrize("key", ["sk-SECR\u00c9T", "sk-\nSECRET", "sk-\x00SECRET"])
def test_a_key_no_header_can_hold_is_not_shown(key: str) -> None:
    with pytest.raises(UserError, match="API key") as caught:
        asyncio.run(probe("http://127.0.0.1:9/v1", key, model=None, send_seed=None))
    assert "SECR" not in str(caught.value)


@pytest.mark.parametrize("status", [402, 405, 451])
def test_what_is_about_every_request_ends_the_run(scripted: Any, status: int) -> None:
    server = scripted(lambda body, count: rewrite(body, count) if count < 2 else Answer("no", status=status))
    with pytest.raises(RunFailed, match=f"HTTP {status}"):
        ask(server, *map(request, range(6)))


def test_a_server_that_refuses_everything_ends_the_run(scripted: Any) -> None:
    with pytest.raises(RunFailed, match="HTTP 400"):
        ask(scripted(lambda body, count: Answer("no", status=400)), *map(request, range(12)))


def test_half_a_surrogate_pair_is_replaced(scripted: Any) -> None:
    body = rb'{"choices": [{"message": {"content": "A man \ud83d."}, "finish_reason": "stop"}]}'
    [completion] = ask(scripted(lambda *_: Answer(body=body)), request())
    assert completion.text == "A man \ufffd."
    completion.model_dump_json()


def test_a_server_that_ignores_the_grammar_is_found_out(scripted: Any) -> None:
    server = scripted(lambda body, count: Answer("green"))

    async def main() -> None:
        endpoint = await probe(server.url, None, model=None, send_seed=None)
        await prove(endpoint, sampling={}, json_output=True, likelihood=False, timeout_s=5)

    with pytest.raises(RunFailed, match="JSON schema"):
        asyncio.run(main())


def test_the_key_of_a_request_is_all_that_it_says() -> None:
    keys = {request(i).key for i in range(3)}
    keys |= {request(sample_index=1).key, request(output="json").key, request(sampling={"temperature": 0.6}).key}
    assert len(keys) == 6
    assert request().key == request().key
