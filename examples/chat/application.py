"""The routes: a page for each room, and the WebSocket of that page at the same address."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator
from pathlib import Path

from examples.chat.broker import Broker
from examples.chat.client import Client, Close, Limits
from framework import web

__all__ = ("make_app",)

STATIC = Path(__file__).parent / "static"

#: Whatever others say, nothing but our own script runs in the page.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

BROKER = web.AppKey("broker", Broker)
LIMITS = web.AppKey("limits", Limits)
SOCKETS = web.AppKey("sockets", weakref.WeakSet[web.WebSocketResponse])

routes = web.RouteTableDef()


@routes.get("/")
async def lobby(request: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("/rooms/lobby")


@routes.get("/rooms/{room:[a-z0-9-]{1,32}}")
async def room(request: web.Request) -> web.StreamResponse:
    # Pages of other sites can open sockets too, in the name of whoever looks at them: they are refused by their Origin.
    ws = web.WebSocketResponse(max_msg_size=request.app[LIMITS].message_size, allowed_origins=["self"])
    if not ws.can_prepare(request):
        return web.FileResponse(STATIC / "chat.html", headers=HEADERS)
    await ws.prepare(request)
    request.app[SOCKETS].add(ws)
    try:
        await Client(ws, request.app[LIMITS]).stay(request.app[BROKER], request.match_info["room"])
    finally:
        request.app[SOCKETS].discard(ws)
    return ws


async def close_sockets(app: web.Application) -> None:
    """Runs before the server waits for open connections, of which sockets would be some for ever."""
    sockets = app[SOCKETS]
    closing = [
        asyncio.ensure_future(ws.close(code=Close.GOING_AWAY, message=b"the server stops")) for ws in list(sockets)
    ]
    if closing:
        # All at once, and no longer than it may take: a page that reads nothing cannot be told.
        _, unheard = await asyncio.wait(closing, timeout=app[LIMITS].closing)
        for task in unheard:
            task.cancel()


async def run_broker(app: web.Application) -> AsyncIterator[None]:
    await app[BROKER].start()
    yield
    await app[BROKER].close()


def make_app(broker: Broker, limits: Limits | None = None) -> web.Application:
    app = web.Application()
    app[BROKER] = broker
    app[LIMITS] = limits or Limits()
    sockets: weakref.WeakSet[web.WebSocketResponse] = weakref.WeakSet()
    app[SOCKETS] = sockets
    app.add_routes(routes)
    app.router.add_static("/static/", STATIC)
    app.cleanup_ctx.append(run_broker)
    app.on_shutdown.append(close_sockets)
    return app
