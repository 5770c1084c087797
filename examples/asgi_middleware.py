"""An application among other ASGI applications: below a prefix, and inside an ASGI middleware.

uvicorn --app-dir examples asgi_middleware:site

curl -i http://localhost:8000/shop/items/7
curl -i http://localhost:8000/
"""

from __future__ import annotations

import time

from framework import web
from framework.typedefs import ASGIApp, Message, Receive, Scope, Send

shop = web.Application()


async def item(request: web.Request) -> web.Response:
    return web.json_response({"item": int(request.match_info["id"]), "url": str(request.url)})


shop.router.add_get(r"/items/{id:\d+}", item)


class Timed:
    """Any ASGI middleware can stand around an application: this one adds a Server-Timing header."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()

        async def timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                milliseconds = (time.perf_counter() - started) * 1000
                message["headers"] = [*message["headers"], (b"server-timing", b"app;dur=%.3f" % milliseconds)]
            await send(message)

        await self.app(scope, receive, timed)


class Mounted:
    """Gives what comes below `prefix` to `app`, and the rest to `root`, which also gets the lifespan."""

    def __init__(self, prefix: str, app: ASGIApp, root: ASGIApp) -> None:
        self.prefix = prefix
        self.app = app
        self.root = root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(self.prefix + "/"):
            # ASGI, "HTTP connection scope": the path keeps the prefix, and root_path says which part of it that is.
            scope = {**scope, "root_path": scope.get("root_path", "") + self.prefix}
            await self.app(scope, receive, send)
        else:
            await self.root(scope, receive, send)


async def front(request: web.Request) -> web.Response:
    return web.Response(text="The shop is at /shop.\n")


root = web.Application()
root.router.add_get("/", front)

site = Mounted("/shop", Timed(shop), root)
