"""What is under the loopback Hub: ports on 127.0.0.1 that count what they receive and misbehave as told."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

_CHUNK = 16 * 1024


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request. Nothing of it is done, but for the two last."""

    status: int | None = None
    """Answer with this status, after the whole body was read."""
    retry_after: int | None = None
    """The seconds of that answer's `Retry-After`."""
    body: str | None = None
    """That answer's body, as HTML, in place of the Hub's JSON: a proxy in front of the Hub answers so."""
    drop: bool = False
    """Close the connection before the body is read."""
    cut_request_after: int | None = None
    """Close the connection after this many bytes of the body."""
    cut_reply_after: int | None = None
    """Do what was asked, and close the connection after this many bytes of the answer's body."""
    lose_reply: bool = False
    """Do what was asked, and close the connection without an answer."""


@dataclass
class Request:
    """A request that came."""

    method: str
    path: str
    """As it was sent, without the query."""
    received: int = 0
    """Bytes of its body that came."""


@dataclass(frozen=True)
class Reply:
    """An answer."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Self:
        return cls(json.dumps(value).encode(), status, {"Content-Type": "application/json", **(headers or {})})


class Refused(Exception):
    """An answer that is an error of the Hub's: `code` is its X-Error-Code."""

    def __init__(
        self, status: int, message: str, code: str | None = None, *, headers: dict[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(message)
        named = {"X-Error-Message": message, **({"X-Error-Code": code} if code else {}), **(headers or {})}
        self.reply = Reply.json({"error": message, **more}, status, named)


class _Cut(Exception):
    """The connection ends here."""


class Call:
    """A request as an endpoint sees it."""

    def __init__(self, handler: BaseHTTPRequestHandler, take: Callable[[int], int], request: Request) -> None:
        parts = urlsplit(handler.path)
        self.method, self.path, self.headers = handler.command, parts.path, handler.headers
        self.query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        self.length = int(handler.headers.get("Content-Length", 0))
        self._handler, self._take, self._request = handler, take, request

    def chunks(self) -> Iterator[bytes]:
        """What is left of the body, piece by piece as it comes."""
        while left := self.length - self._request.received:
            granted = self._take(min(left, _CHUNK))
            chunk = self._handler.rfile.read(granted)
            self._request.received += len(chunk)
            yield chunk
            if len(chunk) < granted:  # the client went away
                raise _Cut

    def read(self) -> bytes:
        return b"".join(self.chunks())

    def json(self) -> Any:
        return json.loads(self.read())


class Wire:
    """A port for each of `doors`, which answer the calls. A context manager; it serves inside."""

    def __init__(self, *doors: Callable[[Call], Reply], port: int = 0) -> None:
        self.requests: list[Request] = []
        """Every request, in the order they came, but those that were refused during a cut."""
        self.faults: Callable[[str, str, int], Fault | None] | None = None
        """What goes wrong with a request: asked with its method, its path and how many requests came before."""
        self.cut_after_bytes: int | None = None
        """A budget of request bodies' bytes, which counts down; when it is spent, the cut comes."""
        self.cut = threading.Event()
        """Set while every connection is closed."""
        self._lock = threading.Lock()
        self._ports = [self._open(door, 0 if i else port) for i, door in enumerate(doors)]

    def heal(self) -> None:
        """End the cut: serve again, without a budget."""
        self.cut_after_bytes = None
        self.cut.clear()

    def address(self, door: int) -> str:
        return f"http://127.0.0.1:{self._ports[door].server_address[1]}"

    def __enter__(self) -> Self:
        for server in self._ports:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        # Connections that a client keeps open are not served any more either.
        self.cut.set()
        for server in self._ports:
            server.shutdown()
            server.server_close()

    def _open(self, door: Callable[[Call], Reply], port: int) -> ThreadingHTTPServer:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Head and body are two writes: the second would wait 40 ms for the first to be acknowledged.
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                outer._answer(self, door)

            def do_HEAD(self) -> None:
                outer._answer(self, door)

            def do_POST(self) -> None:
                outer._answer(self, door)

            def do_PUT(self) -> None:
                outer._answer(self, door)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

        return Server(("127.0.0.1", port), Handler)

    def _answer(self, handler: BaseHTTPRequestHandler, door: Callable[[Call], Reply]) -> None:
        try:
            if self.cut.is_set():
                raise _Cut
            path = handler.path.partition("?")[0]
            request = Request(handler.command, path)
            with self._lock:
                count = len(self.requests)
                self.requests.append(request)
            fault = (self.faults and self.faults(handler.command, path, count)) or Fault()
            if fault.drop:
                raise _Cut
            call = Call(handler, lambda wanted: self._take(wanted, request, fault), request)
            reply = self._reply(call, door, fault)
            # What nobody read would be taken for the next request.
            call.read()
            if fault.lose_reply or self.cut.is_set():
                raise _Cut
            _send(handler, reply, fault.cut_reply_after)
        except (_Cut, ConnectionError):
            handler.close_connection = True

    def _reply(self, call: Call, door: Callable[[Call], Reply], fault: Fault) -> Reply:
        if fault.status is None:
            try:
                return door(call)
            except Refused as refused:
                return refused.reply
        call.read()
        headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
        if fault.body is not None:
            return Reply(fault.body.encode(), fault.status, {"Content-Type": "text/html", **headers})
        return Reply.json({"error": "told to fail"}, fault.status, headers)

    def _take(self, wanted: int, request: Request, fault: Fault) -> int:
        """How many of the wanted bytes may still come in: the cut is at the exact byte."""
        if fault.cut_request_after is not None:
            wanted = min(wanted, fault.cut_request_after - request.received)
        with self._lock:
            if self.cut_after_bytes is not None:
                wanted = min(wanted, self.cut_after_bytes)
                self.cut_after_bytes -= wanted
                if wanted == 0:
                    self.cut.set()
        if wanted == 0 or self.cut.is_set():
            raise _Cut
        return wanted


def _send(handler: BaseHTTPRequestHandler, reply: Reply, cut_after: int | None) -> None:
    handler.send_response(reply.status)
    for name, value in {**reply.headers, "Content-Length": str(len(reply.body))}.items():
        handler.send_header(name, value)
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(reply.body[:cut_after])
    if cut_after is not None:
        raise _Cut
