"""A WebSocket client that talks to an ASGI application without a server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any, Final, Self
from urllib.parse import unquote

from multidict import CIMultiDict, CIMultiDictProxy

from framework.sansio.headers import HeaderMap, decode_headers, encode_headers
from framework.sansio.ws_messages import WS_CLOSED_MESSAGE, WSMessage, WSMessageTypeError, WSMsgType
from framework.typedefs import LooseHeaders

__all__ = ("WebSocketDenied", "WebSocketSession", "websocket")

_ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]

#: Seconds after which a test that waits for the application fails.
_TIMEOUT: Final = 10.0


class WebSocketDenied(Exception):
    """The application has answered the handshake with a response, or closed the socket before it accepted it.

    ``status`` is 403 and ``body`` empty where it closed, as servers answer then.
    """

    def __init__(self, status: int, headers: CIMultiDictProxy[str], body: bytes) -> None:
        super().__init__(f"The application denied the WebSocket with a {status}: {body[:200]!r}")
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class WebSocketSession:
    """The client's side of an open WebSocket, with the methods of aiohttp's client.

    Made by `websocket`. Every method that waits raises TimeoutError when the application does nothing for ten seconds,
    and what the application raised when it has failed.
    """

    def __init__(self, app: _ASGIApp, scope: MutableMapping[str, Any]) -> None:
        self._app = app
        self._scope = scope
        self._to_app: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self._from_app: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self._task: asyncio.Future[None] | None = None
        self._left: MutableMapping[str, Any] | None = None
        #: The headers that the application accepted the handshake with.
        self.headers: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())
        #: The subprotocol that the application has chosen.
        self.protocol: str | None = None
        #: What the socket was closed with, by either side; None while it is open.
        self.close_code: int | None = None
        #: The reason that the application gave.
        self.close_reason = ""

    @property
    def closed(self) -> bool:
        """Whether the socket was closed, by either side."""
        return self.close_code is not None

    # Sending

    async def send_str(self, data: str) -> None:
        """Send a TEXT message. RuntimeError when the socket was closed."""
        self._feed({"type": "websocket.receive", "text": data})

    async def send_bytes(self, data: bytes) -> None:
        """Send a BINARY message. RuntimeError when the socket was closed."""
        self._feed({"type": "websocket.receive", "bytes": bytes(data)})

    async def send_json(self, data: Any, *, dumps: Callable[[Any], str] = json.dumps) -> None:
        """Send ``data`` as JSON in a TEXT message. RuntimeError when the socket was closed."""
        await self.send_str(dumps(data))

    def _feed(self, message: MutableMapping[str, Any]) -> None:
        if self.closed:
            raise RuntimeError(f"The WebSocket was closed with {self.close_code}")
        self._to_app.put_nowait(message)

    async def close(self, *, code: int = 1000, message: str = "") -> None:
        """Close the socket and wait until the application's handler has ended, whose exception is raised."""
        if not self.closed:
            self.drop(code, message)
        await self._finish()

    def drop(self, code: int = 1006, reason: str = "") -> None:
        """Leave without waiting, by default as a client does whose connection has broken."""
        self._left = {"type": "websocket.disconnect", "code": code, "reason": reason}
        self._to_app.put_nowait(self._left)
        self.close_code = code

    # Receiving

    async def receive(self) -> WSMessage:
        """The next message: TEXT, BINARY, or CLOSE with the code and reason of the application; then CLOSED."""
        if self.closed and self._from_app.empty():
            return WS_CLOSED_MESSAGE
        message = await self._next()
        if message["type"] == "websocket.close":
            code = message.get("code") or 1000
            self.close_reason = message.get("reason") or ""
            if self.close_code is None:
                self.close_code = code
            return WSMessage(WSMsgType.CLOSE, code, self.close_reason)
        text = message.get("text")
        if text is not None:
            return WSMessage(WSMsgType.TEXT, text, "")
        return WSMessage(WSMsgType.BINARY, message["bytes"], "")

    async def receive_str(self) -> str:
        """The data of the next message, which must be a TEXT; `WSMessageTypeError` for another one."""
        text: str = await self._receive_data(WSMsgType.TEXT)
        return text

    async def receive_bytes(self) -> bytes:
        """The data of the next message, which must be a BINARY; `WSMessageTypeError` for another one."""
        data: bytes = await self._receive_data(WSMsgType.BINARY)
        return data

    async def receive_json(self, *, loads: Callable[[str], Any] = json.loads) -> Any:
        """The next message, which must be a TEXT, as JSON."""
        return loads(await self.receive_str())

    async def _receive_data(self, kind: WSMsgType) -> Any:
        message = await self.receive()
        if message.type is not kind:
            raise WSMessageTypeError(f"Received message {message.type}:{message.data!r} is not WSMsgType.{kind.name}")
        return message.data

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> WSMessage:
        message = await self.receive()
        if message.type in {WSMsgType.CLOSE, WSMsgType.CLOSED}:
            raise StopAsyncIteration
        return message

    # The conversation with the application

    async def open(self) -> None:
        """Send the handshake; `WebSocketDenied` where the application does not accept it."""
        self._to_app.put_nowait({"type": "websocket.connect"})
        self._task = asyncio.ensure_future(self._app(self._scope, self._receive_for_app, self._send_for_app))
        message = await self._next()
        if message["type"] == "websocket.accept":
            self.headers = decode_headers(message.get("headers") or ())
            self.protocol = message.get("subprotocol")
            return
        status, headers, body = 403, CIMultiDictProxy(CIMultiDict[str]()), b""
        if message["type"] == "websocket.http.response.start":
            status, headers = message["status"], decode_headers(message.get("headers") or ())
            more_body = True
            while more_body:
                message = await self._next()
                body += message.get("body", b"")
                more_body = message.get("more_body", False)
        self.close_code = 1006
        self.drop()
        await self._finish()
        raise WebSocketDenied(status, headers, body)

    async def _receive_for_app(self) -> MutableMapping[str, Any]:
        # A client that has left stays away.
        if self._left is not None and self._to_app.empty():
            return self._left
        return await self._to_app.get()

    async def _send_for_app(self, message: MutableMapping[str, Any]) -> None:
        if self._left is not None:
            # As servers do of spec version 2.4.
            raise OSError("The client has left")
        self._from_app.put_nowait(message)
        if message["type"] == "websocket.close":
            self._left = {"type": "websocket.disconnect", "code": message.get("code") or 1000, "reason": ""}
            self._to_app.put_nowait(self._left)

    async def _next(self) -> MutableMapping[str, Any]:
        if self._from_app.empty() and self._task is not None:
            getting = asyncio.ensure_future(self._from_app.get())
            try:
                waited: set[asyncio.Future[Any]] = {getting, self._task}
                await asyncio.wait(waited, timeout=_TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
                if getting.done():
                    return getting.result()
            finally:
                getting.cancel()
            if self._from_app.empty():
                if not self._task.done():
                    raise TimeoutError(f"The application sent nothing for {_TIMEOUT:g} seconds")
                self._task.result()
                raise RuntimeError("The application has ended without closing the WebSocket")
        return self._from_app.get_nowait()

    async def _finish(self) -> None:
        if self._task is None:
            return
        await asyncio.wait({self._task}, timeout=_TIMEOUT)
        if not self._task.done():
            self._task.cancel()
            raise TimeoutError(f"The handler did not end within {_TIMEOUT:g} seconds after the WebSocket was closed")
        self._task.result()

    def abandon(self) -> None:
        """Cancel the application's task; for a test that has failed."""
        if self._task is not None and not self._task.cancel() and not self._task.cancelled():
            # What asyncio would complain of as well, while the test tells of its own failure.
            self._task.exception()


@asynccontextmanager
async def websocket(
    app: _ASGIApp,
    url: str = "/",
    *,
    headers: LooseHeaders | None = None,
    subprotocols: Iterable[str] = (),
    extensions: MutableMapping[str, Any] | None = None,
    **scope: Any,
) -> AsyncIterator[WebSocketSession]:
    """Open a WebSocket to an ASGI application.

        async with testing.websocket(app, "/chat", headers={"Cookie": "user=ada"}) as ws:
            await ws.send_str("hello")
            assert await ws.receive_str() == "hello, ada"

    Leaving the block closes the socket and waits for the handler, whose exception is raised.

    Args:
        app: the application; one that nobody has started is started by this request.
        url: the path, percent-encoded, with its query.
        headers: of the handshake; ``Host`` is ``testserver`` unless it is given.
        subprotocols: what the client offers.
        extensions: of the scope; by default the one that lets applications deny with a response.
        scope: other parts of the ASGI scope: ``client``, ``scheme``, ``root_path`` and so on.

    Raises `WebSocketDenied` where the application does not accept the handshake.
    """
    path, _, query = url.partition("?")
    sent = HeaderMap(headers or ())
    sent.setdefault("Host", "testserver")
    offered = list(subprotocols)
    if offered:
        sent["Sec-WebSocket-Protocol"] = ", ".join(offered)
    session = WebSocketSession(
        app,
        {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": unquote(path),
            "raw_path": path.encode("utf-8"),
            "query_string": query.encode("utf-8"),
            "root_path": "",
            "headers": encode_headers(sent),
            "client": ("testclient", 50000),
            "server": ("testserver", 80),
            "subprotocols": offered,
            "extensions": {"websocket.http.response": {}} if extensions is None else extensions,
            "state": {},
            **scope,
        },
    )
    try:
        await session.open()
        yield session
    except BaseException:
        session.abandon()
        raise
    await session.close()
