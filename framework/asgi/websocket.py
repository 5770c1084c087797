"""The ``websocket`` scope: as yet every handshake is refused, in words that say so."""

from __future__ import annotations

from framework.typedefs import Receive, Scope, Send

__all__ = ("deny_websocket",)

_REASON = b"501: Not Implemented: this application does not serve WebSockets"


async def deny_websocket(scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse a handshake.

    With a 501 where the server can send one (the extension ``websocket.http.response``), else by closing before the
    handshake is accepted, which servers answer with a 403.
    """
    message = await receive()
    if message["type"] != "websocket.connect":
        return
    if "websocket.http.response" in (scope.get("extensions") or {}):
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(_REASON))]
        await send({"type": "websocket.http.response.start", "status": 501, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": _REASON})
    else:
        await send({"type": "websocket.close"})
