"""ASGI middlewares around an application: any that there are, or of your own.

uvicorn --app-dir examples asgi_middleware:app

curl -i http://localhost:8000/items/7
curl -i http://localhost:8000/missing
curl -i -H 'X-Forwarded-Proto: https' http://localhost:8000/items/7
"""

from __future__ import annotations

import time

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from framework import web
from framework.typedefs import ASGIApp, Message, Receive, Scope, Send


class Timed:
    """Adds a Server-Timing header (in milliseconds) to every response, those of errors included."""

    def __init__(self, app: ASGIApp, *, metric: str) -> None:
        self.app = app
        self.metric = metric.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()

        async def timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                milliseconds = (time.perf_counter() - started) * 1000
                timing = b"%s;dur=%.3f" % (self.metric, milliseconds)
                message = {**message, "headers": [*message["headers"], (b"server-timing", timing)]}
            await send(message)

        # The lifespan and WebSockets pass through here as well.
        await self.app(scope, receive, timed if scope["type"] == "http" else send)


async def item(request: web.Request) -> web.Response:
    return web.json_response({"item": int(request.match_info["id"]), "url": str(request.url)})


def make_app() -> web.Application:
    app = web.Application()
    app.router.add_get(r"/items/{id:\d+}", item)
    app.add_asgi_middleware(Timed, metric="app")
    # Added last, so it is the outermost. Only this machine's proxy is believed.
    app.add_asgi_middleware(ProxyHeadersMiddleware, trusted_hosts=["127.0.0.1"])
    return app


app = make_app()

if __name__ == "__main__":
    web.run_app(app)
