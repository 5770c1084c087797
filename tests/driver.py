"""An ASGI server for tests that have something to say about the messages themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, MutableMapping
from typing import Any, Self
from urllib.parse import unquote

__all__ = ("Driver",)

Message = MutableMapping[str, Any]
RawHeaders = Iterable[tuple[bytes, bytes]]

#: Seconds after which a conversation that hangs fails its test instead of stalling the run.
PATIENCE = 10.0


class Driver:
    """One ASGI conversation: the scope, what the server has to say, and what the application sends.

    `receive` gives the messages that were fed, and then is silent until the test feeds more or the application stops
    waiting, as a server is whose client waits for the answer. Every message that the application sends must be one the
    ASGI specification allows at that point.
    """

    def __init__(self, app: Any, scope: dict[str, Any]) -> None:
        self.app = app
        self.scope = scope
        self.sent: list[Message] = []
        #: How many messages the application was given.
        self.received = 0
        #: What `send` raises, as servers do once the client has gone (spec version 2.4).
        self.send_error: BaseException | None = None
        self._waiting: list[Message] = []
        self._fed = asyncio.Event()
        self._progress = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    # What the server says

    @classmethod
    def http(
        cls,
        app: Any,
        method: str = "GET",
        target: str = "/",
        *,
        headers: RawHeaders = ((b"host", b"example.com"),),
        body: bytes | Iterable[bytes] | None = b"",
        **scope: Any,
    ) -> Self:
        """A request for ``target``, percent-encoded, whose body comes in one message for each of its pieces.

        ``body=None`` is one the test feeds itself. More keywords replace parts of the scope.
        """
        path, _, query = target.partition("?")
        driver = cls(
            app,
            {
                "type": "http",
                "asgi": {"version": "3.0", "spec_version": "2.3"},
                "http_version": "1.1",
                "method": method,
                "scheme": "http",
                "path": unquote(path, errors="surrogateescape"),
                "raw_path": path.encode("latin-1"),
                "query_string": query.encode("latin-1"),
                "root_path": "",
                "headers": list(headers),
                "client": ("192.0.2.7", 50000),
                "server": ("192.0.2.1", 80),
                **scope,
            },
        )
        if body is not None:
            *pieces, last = [body] if isinstance(body, bytes) else body
            for piece in pieces:
                driver.feed_body(piece, more_body=True)
            driver.feed_body(last)
        return driver

    @classmethod
    def websocket(cls, app: Any, target: str = "/", **scope: Any) -> Self:
        """A websocket handshake for ``target``."""
        driver = cls.http(app, "GET", target, body=None, **{"scheme": "ws", "subprotocols": [], **scope})
        del driver.scope["method"]
        driver.scope["type"] = "websocket"
        driver.feed({"type": "websocket.connect"})
        return driver

    @classmethod
    def lifespan(cls, app: Any, *, state: dict[str, Any] | None = None) -> Self:
        """A server that starts; the test feeds `startup` and `shutdown`."""
        driver = cls(app, {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}})
        if state is not None:
            driver.scope["state"] = state
        return driver

    def feed(self, message: Message) -> None:
        """Let `receive` give ``message``."""
        self._waiting.append(message)
        self._fed.set()

    def feed_body(self, body: bytes = b"", *, more_body: bool = False) -> None:
        """Send a piece of the request's body."""
        self.feed({"type": "http.request", "body": body, "more_body": more_body})

    def feed_ws(self, data: str | bytes) -> None:
        """Send a WebSocket message."""
        self.feed({"type": "websocket.receive", ("text" if isinstance(data, str) else "bytes"): data})

    def disconnect(self, code: int = 1006, reason: str = "") -> None:
        """Let the client leave; ``code`` and ``reason`` are a WebSocket's."""
        if self.scope["type"] == "websocket":
            self.feed({"type": "websocket.disconnect", "code": code, "reason": reason})
        else:
            self.feed({"type": "http.disconnect"})

    # The conversation

    async def receive(self) -> Message:
        while not self._waiting:
            self._fed.clear()
            await self._fed.wait()
        self.received += 1
        # A client that has left stays away.
        if self._waiting[0]["type"].endswith(".disconnect"):
            return self._waiting[0]
        return self._waiting.pop(0)

    async def send(self, message: Message) -> None:
        if self.send_error is not None:
            raise self.send_error
        _check(self.scope["type"], self.sent, message, self.scope.get("extensions") or {})
        self.sent.append(message)
        if message["type"] == "websocket.close":
            # As servers do, whose receive would otherwise never return.
            self.disconnect(message.get("code", 1000))
        async with self._progress:
            self._progress.notify_all()

    def start(self) -> asyncio.Task[None]:
        """Call the application in a task of its own."""
        self._task = asyncio.ensure_future(self.app(self.scope, self.receive, self.send))
        return self._task

    async def run(self) -> Self:
        """Wait until the application returns; raises what it raises."""
        await asyncio.wait_for(self._task or self.start(), PATIENCE)
        return self

    async def until_sent(self, count: int) -> None:
        """Wait until the application has sent ``count`` messages."""
        async with self._progress:
            await asyncio.wait_for(self._progress.wait_for(lambda: len(self.sent) >= count), PATIENCE)

    # The answer

    @property
    def status(self) -> int:
        status: int = self.sent[0]["status"]
        return status

    @property
    def headers(self) -> dict[bytes, bytes]:
        """The headers of the response; a test of repeated ones reads `sent`."""
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])

    @property
    def complete(self) -> bool:
        """Whether the response was ended."""
        return len(self.sent) > 1 and not self.sent[-1].get("more_body", False)


def _check(scope_type: str, sent: list[Message], message: Message, extensions: MutableMapping[str, Any]) -> None:
    """The rules of the ASGI specification for what an application sends."""
    kind = message["type"]
    if scope_type == "lifespan":
        assert kind in {f"lifespan.{part}.{end}" for part in ("startup", "shutdown") for end in ("complete", "failed")}
        assert isinstance(message.get("message", ""), str)
        return
    if kind.startswith("websocket.") and not kind.startswith("websocket.http."):
        assert scope_type == "websocket"
        _check_websocket(sent, message)
        return
    start, body = (f"{scope_type}.response.{part}" for part in ("start", "body"))
    if scope_type == "websocket":
        start, body = (f"websocket.http.response.{part}" for part in ("start", "body"))
    if not sent:
        assert kind == start
        assert type(message["status"]) is int
        _check_headers(message["headers"])
        return
    trailers = "http.response.trailers"
    ended = len(sent) > 1 and not sent[-1].get("more_body", False)
    if sent[0].get("trailers") and ended:
        assert kind == trailers
        assert trailers in extensions
        assert sent[-1]["type"] != trailers, "nothing may follow the trailers"
        return
    assert not ended, "nothing may follow the end of the body"
    if kind in {"http.response.pathsend", "http.response.zerocopysend"}:
        assert kind in extensions
        return
    assert kind == body
    assert type(message.get("body", b"")) is bytes


def _check_headers(headers: RawHeaders) -> None:
    for name, value in headers:
        assert type(name) is bytes
        assert type(value) is bytes
        assert name == name.lower()
        assert name.strip() == name != b""
        assert value.strip(b" \t") == value
        assert not any(octet < 32 and octet != 9 for octet in name + value)


def _check_websocket(sent: list[Message], message: Message) -> None:
    kind = message["type"]
    assert not sent or sent[-1]["type"] != "websocket.close", "nothing may follow the close"
    if kind == "websocket.accept":
        assert sent == []
        assert message.get("subprotocol") is None or type(message["subprotocol"]) is str
        _check_headers(message["headers"])
        return
    if kind == "websocket.close":
        assert not sent or sent[0]["type"] == "websocket.accept"
        assert type(message.get("code", 1000)) is int
        assert len(message.get("reason", "").encode()) <= 123
        return
    assert kind == "websocket.send"
    assert sent[0]["type"] == "websocket.accept"
    text, data = message.get("text"), message.get("bytes")
    assert (text is None) != (data is None)
    assert type(text) is str or type(data) is bytes
