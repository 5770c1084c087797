"""The ``websocket`` scope: a handshake is routed as a GET, and answered by a `WebSocketResponse` or denied."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableSet
from typing import TYPE_CHECKING, Any

from framework.handshakes import WebSocketHandshake
from framework.typedefs import Receive, Scope, Send

if TYPE_CHECKING:
    from framework.websockets import WebSocketResponse

__all__ = ("OpenWebSockets", "serve_websocket")

logger = logging.getLogger("framework.web")

#: RFC 6455, section 7.4.1: the server is going down.
_GOING_AWAY = 1001


class OpenWebSockets(set["WebSocketResponse"]):
    """The WebSockets of an application that were accepted and are in use."""

    def __init__(self) -> None:
        super().__init__()
        self._ended = False
        self._closing: set[asyncio.Task[None]] = set()

    def add(self, socket: WebSocketResponse) -> None:
        super().add(socket)
        if self._ended:
            # Its handshake was on the way when the others were closed.
            task = asyncio.ensure_future(_close(socket))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close all of them with code 1001, and at once those that come later, until `reopen`."""
        self._ended = True
        await asyncio.gather(*(_close(socket) for socket in self if not socket.closed))

    def reopen(self) -> None:
        """Let sockets that come stay open again."""
        self._ended = False


async def _close(socket: WebSocketResponse) -> None:
    try:
        await socket.close(code=_GOING_AWAY, message=b"Server shutdown")
    except Exception:
        # Its handler, which waits for messages, is told what has become of it.
        logger.debug("a WebSocket could not be closed", exc_info=True)


async def serve_websocket(
    respond: Callable[[Scope, Receive, Send], Awaitable[None]],
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    opened: MutableSet[Any],
) -> None:
    """Answer a handshake by ``respond``, which answers HTTP requests.

    The handler, with its middlewares, sees a request of the method GET. What it returns or raises without having
    prepared a `WebSocketResponse` denies the handshake, as a 404, a 405 and a failure do. Accepted sockets are put
    into ``opened``.
    """
    message = await receive()
    if message["type"] != "websocket.connect":
        return
    handshake = WebSocketHandshake(scope, receive, send, opened)
    try:
        await respond(handshake.http_scope, handshake.receive_http, handshake.send_http)
    finally:
        handshake.finish()
