"""An ASGI server for tests that have something to say about the messages themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final, Self
from urllib.parse import unquote

from framework.testing.messages import MessageChecker
from framework.typedefs import ASGIApp, Message, Scope

__all__ = ("Driver",)

_RawHeaders = Iterable[tuple[bytes, bytes]]

#: Seconds after which a conversation that hangs fails its test instead of stalling the run.
_PATIENCE: Final = 10.0


class Driver:
    """One ASGI conversation: the scope, what the server has to say, and what the application sends.

        driver = Driver.http(app, "POST", "/upload", body=None)
        task = driver.start()
        driver.feed_body(b"half of it", more_body=True)
        driver.disconnect()
        await task
        assert driver.sent == []

    `receive` gives the messages that were fed, and then is silent until the test feeds more or the application stops
    waiting, as a server is whose client waits for the answer. A message that the ASGI specification does not allow at
    its point raises AssertionError in the application's ``await send(…)``.

    Args:
        app: the application; None for a driver whose scope, `receive` and `send` are all that is wanted.
        scope: what it is called with; `http`, `websocket` and `lifespan` make the usual ones.
    """

    def __init__(self, app: ASGIApp | None, scope: Scope) -> None:
        self.app = app
        self.scope = scope
        #: What the application has sent, in its order.
        self.sent: list[Message] = []
        #: How many messages the application was given.
        self.received = 0
        #: What `send` raises, as servers do once the client has gone (spec version 2.4).
        self.send_error: BaseException | None = None
        self._waiting: list[Message] = []
        self._fed = asyncio.Event()
        self._progress = asyncio.Condition()
        self._checker: MessageChecker | None = None
        self._task: asyncio.Task[None] | None = None

    # What the server says

    @classmethod
    def http(
        cls,
        app: ASGIApp | None,
        method: str = "GET",
        target: str = "/",
        *,
        headers: _RawHeaders = ((b"host", b"example.com"),),
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
    def websocket(cls, app: ASGIApp, target: str = "/", **scope: Any) -> Self:
        """A WebSocket handshake for ``target``; more keywords as for `http`."""
        driver = cls.http(app, "GET", target, body=None, **{"scheme": "ws", "subprotocols": [], **scope})
        del driver.scope["method"]
        driver.scope["type"] = "websocket"
        driver.feed({"type": "websocket.connect"})
        return driver

    @classmethod
    def lifespan(cls, app: ASGIApp, *, state: dict[str, Any] | None = None) -> Self:
        """A server that starts; the test feeds ``lifespan.startup`` and ``lifespan.shutdown``."""
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
        """ASGI's ``receive``."""
        while not self._waiting:
            self._fed.clear()
            await self._fed.wait()
        self.received += 1
        # A client that has left stays away.
        if self._waiting[0]["type"].endswith(".disconnect"):
            return self._waiting[0]
        return self._waiting.pop(0)

    async def send(self, message: Message) -> None:
        """ASGI's ``send``; AssertionError for what the specification does not allow."""
        if self.send_error is not None:
            raise self.send_error
        if self._checker is None:
            # Now, as tests change the scope of a driver before they run it.
            self._checker = MessageChecker(self.scope)
        self._checker.check(message)
        self.sent.append(message)
        if message["type"] == "websocket.close":
            # As servers do, whose receive would otherwise never return.
            self.disconnect(message.get("code", 1000))
        async with self._progress:
            self._progress.notify_all()

    def start(self) -> asyncio.Task[None]:
        """Call the application in a task of its own."""
        self._task = asyncio.ensure_future(self._call())
        return self._task

    async def _call(self) -> None:
        if self.app is None:
            raise RuntimeError("This driver has no application: give it one to start")
        await self.app(self.scope, self.receive, self.send)

    async def run(self) -> Self:
        """Wait until the application returns; raises what it raises, and TimeoutError after ten seconds."""
        await asyncio.wait_for(self._task or self.start(), _PATIENCE)
        return self

    async def until_sent(self, count: int) -> None:
        """Wait until the application has sent ``count`` messages; TimeoutError after ten seconds."""
        async with self._progress:
            await asyncio.wait_for(self._progress.wait_for(lambda: len(self.sent) >= count), _PATIENCE)

    # The answer

    @property
    def status(self) -> int:
        """The status of the response."""
        status: int = self.sent[0]["status"]
        return status

    @property
    def headers(self) -> dict[bytes, bytes]:
        """The headers of the response; a test of repeated ones reads `sent`."""
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        """The body of the response, as far as it was sent."""
        return b"".join(message.get("body", b"") for message in self.sent[1:])

    @property
    def complete(self) -> bool:
        """Whether the response was ended."""
        return len(self.sent) > 1 and not self.sent[-1].get("more_body", False)
