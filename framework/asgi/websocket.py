"""The ``websocket`` scope: a handshake is routed as a GET, and answered by a `WebSocketResponse` or denied."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableSet
from typing import Any

from framework.handshakes import WebSocketHandshake
from framework.typedefs import Receive, Scope, Send

__all__ = ("serve_websocket",)


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
