"""Servers: none, another, a broken one, one that dies."""

import socket
import threading
from functools import partial
from typing import Any

from scripted_server import Answer, ScriptedServer, rewrite

from .case import SOURCE, Case

COMMAND = (
    "augment {dir}/x.json --endpoint {url} --out {dir}/out --no-negatives --samples 1 --set server.attempts=1 "
    "--set workers=1"
)
_UP = "(is the server up, the URL right?)"
_BASE = "(the base URL ends in /v1 and --llm is a model it serves)"
_KEY = "(check the key in the environment (server.api_key_env names the variable, OPENAI_API_KEY by default))"
_LIST = "{url}/: no list of models at /models (the base URL ends in /v1)"
_SCHEME = "not an http:// or https:// URL (for example http://HOST:8000/v1)"
_STATE = ("out", "out/*")


class Reply:
    """A socket that answers whatever is asked with these bytes, or hangs up where there are none."""

    def __init__(self, reply: bytes) -> None:
        self._reply = reply
        self._socket = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"

    def stop(self) -> None:
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:  # stopped
                return
            with connection:
                connection.recv(65536)
                connection.sendall(self._reply)


def _page(body: str, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()


def _reply(name: str, reply: bytes, says: str) -> Case:
    return Case(name, SOURCE, COMMAND, says, code=1, server=partial(Reply, reply))


def _scripted(
    name: str, says: str, more: str = "", *, code: int = 1, leaves: tuple[str, ...] = (), **options: Any
) -> Case:
    return Case(name, SOURCE, COMMAND + more, says, code=code, leaves=leaves, server=partial(ScriptedServer, **options))


def _answers(name: str, answer: Answer, says: str, *, after: int = 0, more: str = "") -> Case:
    """A server whose list of models is well, and whose answers are this from some request on."""

    def answers(body: dict[str, Any], count: int) -> Answer:
        return rewrite(body, count) if count < after else answer

    return _scripted(name, says, more, leaves=_STATE, answer=answers)


def _url(name: str, url: str, says: str, code: int = 2) -> Case:
    return Case(name, SOURCE, COMMAND.replace("{url}", url), says, code=code)


CASES = (
    _url("no server", "http://127.0.0.1:9/v1", f"http://127.0.0.1:9/v1/: cannot be reached: … {_UP}", 1),
    _url("no such host", "http://nowhere.invalid/v1", f"http://nowhere.invalid/v1/: cannot be reached: … {_UP}", 1),
    _url("an endpoint without http://", "127.0.0.1:8000", f"--endpoint 127.0.0.1:8000/: {_SCHEME}"),
    _url("an endpoint of files", "file:///etc/passwd", f"--endpoint file:///etc/passwd/: {_SCHEME}"),
    _url(
        "a password in the URL",
        "http://me:sesame@127.0.0.1:9/v1",
        "--endpoint: the URL holds a password (take it out, and set the key in the environment (server.api_key_env "
        "names the variable))",
    ),
    _url("a port beyond ports", "http://127.0.0.1:99999/v1", f"--endpoint http://127.0.0.1:99999/v1/: {_SCHEME}"),
    _url("a page that is not there", "{url}/more", f"{{url}}/more/: HTTP 404: no such page {_BASE}", 1),
    _reply("a server that hangs up", b"", f"{{url}}/: cannot be reached: … {_UP}"),
    _reply("a server of another kind", b"SSH-2.0-OpenSSH_9.6\r\n", f"{{url}}/: cannot be reached: … {_UP}"),
    _reply("JSON nested without end", _page("[" * 100_000), _LIST),
    _reply(
        "an error nested without end",
        _page("[" * 100_000, "500 Oh"),
        "{url}/: HTTP 500: … (see what the server says of it)",
    ),
    _reply("a web page", _page("<html>It works!</html>"), _LIST),
    _reply("JSON cut off", _page('{"data": ['), _LIST),
    _reply("a list that is null", _page('{"data": null}'), _LIST),
    _reply("a list of texts", _page('{"data": ["my-id"]}'), _LIST),
    _reply("a list that is none", _page('{"data": {"id": "m"}}'), _LIST),
    _reply("an empty answer", _page(""), _LIST),
    _reply(
        "a list without end", _page(" " * 5_000_000), "{url}/: no list of models: it is longer than 4 MiB (is the …)"
    ),
    # Known before the server is asked, which is not there.
    Case(
        "no such rule, and no server",
        SOURCE,
        COMMAND.replace("{url}", "http://127.0.0.1:9/v1").replace("--no-negatives", "--set negatives.rules=['fog']"),
        "negatives: no rule is called 'fog' (rules: …)",
    ),
    _scripted("a wrong key", f"{{url}}/: HTTP 401: Incorrect API key provided {_KEY}", key="another"),
    _scripted(
        "a model that is not served",
        "{url}/: model 'other' is not served here (it serves scripted)",
        " --llm other",
        code=2,
    ),
    _scripted(
        "two models and no --llm", "{url}/: 2 models are served (choose with --llm: a, b)", code=2, models=("a", "b")
    ),
    _scripted("a server without models", _LIST, models=()),
    _answers("a model that is gone", Answer("no such model", status=404), f"{{url}}/: HTTP 404: no such model {_BASE}"),
    _answers("no credit left", Answer("no credit", status=402), f"{{url}}/: HTTP 402: no credit {_KEY}", after=1),
    _answers(
        "a server that dies at once",
        Answer(dies=True),
        "{url}/: the server does not answer: … (every answer so far is saved; …)",
    ),
    _answers(
        "a server that dies at work",
        Answer(dies=True),
        "{url}/: the server does not answer: … (every answer so far is saved; …)",
        after=1,
    ),
    _answers(
        "a server without schemas",
        Answer("green"),
        "{url}/: the server does not hold answers to a JSON schema (use …)",
        more=" --judge",
    ),
)
