"""A real HTTP server on loopback that speaks as much of the OpenAI API as a run uses, and misbehaves as told.

A stand-in for the faults that a real server cannot be made to show on demand; the good way is tested against vLLM.
"""

import contextlib
import json
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

PROOF = "colour grass is"
"""Part of the request that proves a server before a run."""
_SPACES = b" " * 4096
# A closed socket that lingers for no time sends a reset where it would have said goodbye.
_RESET = struct.pack("ii", 1, 0)


@dataclass
class Answer:
    """What the server does with one request."""

    text: str = ""
    status: int = 200
    finish_reason: str = "stop"
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    body: bytes | None = None
    """Sent as it is, in place of a chat completion."""
    drop: bool = False
    """Close the connection without a word."""
    reset: Literal["", "before", "middle"] = ""
    """Reset the connection: in place of an answer, or when half of it is sent."""
    hang: bool = False
    """Say nothing, and keep the connection until the server stops."""
    trickle_s: float = 0.0
    """Pause after every 16 bytes of the body."""
    endless: bool = False
    """Send white space in place of a body, without end."""
    dies: bool = False
    """The whole server dies with this request: nothing answers from then on."""
    model: str = ""
    """The model that the answer names; none for the one that was asked."""
    prompt_tokens: int = 10
    """As the answer counts them."""


def rewrite(body: dict[str, Any], count: int) -> Answer:
    """A faithful rewrite, the same for the same request: the caption's words behind other first words."""
    caption = body["messages"][-1]["content"].split(": ", 1)[-1]
    opening = ("In this photo we see that", "It can be seen that", "In the picture we see")[body.get("seed", 0) % 3]
    return Answer(f"{opening} {caption[0].lower()}{caption[1:]}")


def request_key(body: dict[str, Any]) -> str:
    """A request in canonical form: the same for the same request."""
    return json.dumps(body, sort_keys=True, ensure_ascii=False)


class ScriptedServer:
    """Answers with `answer(body, how many requests came before)`; `answered` counts what was delivered whole."""

    def __init__(
        self,
        answer: Callable[[dict[str, Any], int], Answer] | None = None,
        *,
        models: tuple[str, ...] = ("scripted",),
        models_status: int = 200,
        key: str | None = None,
        models_delay_s: float = 0.0,
        port: int = 0,
    ) -> None:
        self.requests: list[dict[str, Any]] = []
        self.answered: Counter[str] = Counter()
        """Key of a request → how often a completion was sent to its last byte."""
        self.at_once = self.most_at_once = 0
        """Requests that were read and whose answer is not sent yet: never more than the client has in flight."""
        self._over = threading.Event()
        self._connections: set[socket.socket] = set()
        self._answer, self._models, self._models_status, self._key = answer or rewrite, models, models_status, key
        self._models_delay_s = models_delay_s
        self._lock = threading.Condition()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                outer._connections.add(self.connection)

            def finish(self) -> None:
                outer._connections.discard(self.connection)
                super().finish()

            def do_GET(self) -> None:
                outer._get(self)

            def do_POST(self) -> None:
                outer._post(self)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            # The default of 5 resets connections when a run opens 64 at once.
            request_queue_size = 256

            def handle_error(self, request: object, client_address: object) -> None:
                if not isinstance(sys.exc_info()[1], ConnectionError):  # a client that was killed
                    super().handle_error(request, client_address)  # type: ignore[arg-type]

        self._http = Server(("127.0.0.1", port), Handler)
        # Asked every 10 ms whether to stop: a matrix of kills starts and stops hundreds of servers.
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    @property
    def chats(self) -> list[dict[str, Any]]:
        """Requests for a rewrite, without the one that proves the server."""
        chats = (body for body in self.requests if "messages" in body)
        return [body for body in chats if PROOF not in body["messages"][-1]["content"]]

    def until_at_once(self, requests: int, *, within_s: float = 60) -> None:
        """Wait, within an answer, until so many have been in at once: on a busy machine they come one by one."""
        with self._lock:
            self._lock.wait_for(lambda: self.most_at_once >= requests, within_s)

    def stop(self) -> None:
        self._over.set()
        self._http.shutdown()
        self._http.server_close()

    def die(self) -> None:
        """As a killed server does: no new connection, and the end of those there are."""
        self.stop()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _get(self, handler: BaseHTTPRequestHandler) -> None:
        time.sleep(self._models_delay_s)
        if handler.path != "/v1/models":
            self._send(handler, 404, b'{"error": {"message": "no such page"}}')
        elif self._key and handler.headers.get("Authorization") != f"Bearer {self._key}":
            self._send(handler, 401, b'{"error": {"message": "Incorrect API key provided"}}')
        else:
            data = {"data": [{"id": name, "owned_by": "scripted"} for name in self._models]}
            self._send(handler, self._models_status, json.dumps(data).encode())

    def _post(self, handler: BaseHTTPRequestHandler) -> None:
        sent = handler.rfile.read(int(handler.headers["Content-Length"]))
        if len(sent) < int(handler.headers["Content-Length"]):  # the client was killed while it wrote
            return
        body = json.loads(sent)
        with self._lock:
            count = len(self.requests)
            self.requests.append(body)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            self._lock.notify_all()
        try:
            answer = self._answer(body, count)
            self._over.wait(answer.delay_s)
        finally:
            with self._lock:
                self.at_once -= 1
        if self._misbehaved(handler, answer):
            return
        whole = self._send(handler, answer.status, answer.body or _completion(answer, body), answer)
        if whole and answer.status == 200 and answer.body is None:
            with self._lock:
                self.answered[request_key(body)] += 1

    def _misbehaved(self, handler: BaseHTTPRequestHandler, answer: Answer) -> bool:
        """Do what is no answer at all; false where one is to be sent."""
        if answer.hang:
            self._over.wait()
        if answer.dies:
            self.die()
        if answer.reset == "before":
            _reset(handler)
        silent = answer.hang or answer.dies or answer.drop or answer.reset == "before"
        handler.close_connection = handler.close_connection or silent
        return silent

    def _send(self, handler: BaseHTTPRequestHandler, status: int, body: bytes, answer: Answer | None = None) -> bool:
        """Send an answer; whether all of it went out."""
        answer = answer or Answer()
        length = {} if answer.endless else {"Content-Length": str(len(body))}
        try:
            handler.send_response(status)
            for name, value in {"Content-Type": "application/json", **length, **answer.headers}.items():
                handler.send_header(name, value)
            handler.end_headers()
            for piece in self._pieces(body, answer):
                handler.wfile.write(piece)
        except OSError:  # the client is gone
            handler.close_connection = True
            return False
        if answer.reset:
            _reset(handler)
        handler.close_connection = handler.close_connection or answer.endless or bool(answer.reset)
        return not (answer.endless or answer.reset)

    def _pieces(self, body: bytes, answer: Answer) -> Iterator[bytes]:
        if answer.reset:
            yield body[: len(body) // 2]
        elif answer.endless:
            while not self._over.wait(0.01):
                yield _SPACES
        elif answer.trickle_s:
            for start in range(0, len(body), 16):
                yield body[start : start + 16]
                self._over.wait(answer.trickle_s)
        else:
            yield body


def _reset(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    handler.connection.close()


def _completion(answer: Answer, body: dict[str, Any]) -> bytes:
    if answer.status != 200:
        return json.dumps({"error": {"message": answer.text or "told to fail"}}).encode()
    choice = {"message": {"role": "assistant", "content": answer.text}, "finish_reason": answer.finish_reason}
    usage = {"prompt_tokens": answer.prompt_tokens, "completion_tokens": len(answer.text.split())}
    return json.dumps({"model": answer.model or body.get("model"), "choices": [choice], "usage": usage}).encode()
