"""A real HTTP server on loopback that speaks as much of the OpenAI API as a run uses, and misbehaves as told.

A stand-in for the faults that a real server cannot be made to show on demand; the good way is tested against vLLM.
"""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PROOF = "colour grass is"
"""Part of the request that proves a server before a run."""


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


def rewrite(body: dict[str, Any], count: int) -> Answer:
    """A faithful rewrite, the same for the same request: the caption's words behind other first words."""
    caption = body["messages"][-1]["content"].split(": ", 1)[-1]
    opening = ("In this photo we see that", "It can be seen that", "In the picture we see")[body.get("seed", 0) % 3]
    return Answer(f"{opening} {caption[0].lower()}{caption[1:]}")


class ScriptedServer:
    """Answers with `answer(body, how many requests came before)`."""

    def __init__(
        self,
        answer: Callable[[dict[str, Any], int], Answer] | None = None,
        *,
        models: tuple[str, ...] = ("scripted",),
        models_status: int = 200,
        key: str | None = None,
        models_delay_s: float = 0.0,
    ) -> None:
        self.requests: list[dict[str, Any]] = []
        self.at_once = self.most_at_once = 0
        self._answer, self._models, self._models_status, self._key = answer or rewrite, models, models_status, key
        self._models_delay_s = models_delay_s
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

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

        self._http = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    @property
    def chats(self) -> list[dict[str, Any]]:
        """Requests for a rewrite, without the one that proves the server."""
        chats = (body for body in self.requests if "messages" in body)
        return [body for body in chats if PROOF not in body["messages"][-1]["content"]]

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def _get(self, handler: BaseHTTPRequestHandler) -> None:
        time.sleep(self._models_delay_s)
        if handler.path != "/v1/models":
            return self._send(handler, 404, b'{"error": {"message": "no such page"}}')
        if self._key and handler.headers.get("Authorization") != f"Bearer {self._key}":
            return self._send(handler, 401, b'{"error": {"message": "Incorrect API key provided"}}')
        data = {"data": [{"id": name, "owned_by": "scripted"} for name in self._models]}
        return self._send(handler, self._models_status, json.dumps(data).encode())

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
        try:
            answer = self._answer(body, count)
            time.sleep(answer.delay_s)
            if answer.drop:
                handler.close_connection = True
                return
            self._send(handler, answer.status, answer.body or _completion(answer), answer.headers)
        finally:
            with self._lock:
                self.at_once -= 1

    @staticmethod
    def _send(handler: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        try:
            handler.send_response(status)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(len(body)),
                **(headers or {}),
            }.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            handler.close_connection = True


def _completion(answer: Answer) -> bytes:
    if answer.status != 200:
        return json.dumps({"error": {"message": answer.text or "told to fail"}}).encode()
    choice = {"message": {"role": "assistant", "content": answer.text}, "finish_reason": answer.finish_reason}
    usage = {"prompt_tokens": 10, "completion_tokens": len(answer.text.split())}
    return json.dumps({"choices": [choice], "usage": usage}).encode()
