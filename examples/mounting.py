"""ASGI applications in one another: each below its prefix, with its own lifespan, none aware of where it is.

uvicorn --app-dir examples mounting:app

curl -i http://localhost:8000/shop/items/7
curl -i http://localhost:8000/shop/latest
curl -i http://localhost:8000/uptime
curl -i -H 'Authorization: Bearer secret' http://localhost:8000/uptime

Behind a proxy at https://example.com/app/, whether it takes `/app` away or not:

uvicorn --app-dir examples --root-path /app mounting:app
hypercorn --root-path /app examples/mounting:app
"""

from __future__ import annotations

import hmac
import time

from framework import web
from framework.typedefs import Handler, Receive, Scope, Send


async def uptime(scope: Scope, receive: Receive, send: Send) -> None:
    """An application without any framework. Starlette's, FastAPI's and Django's are mounted in the same way."""
    if scope["type"] == "lifespan":
        await receive()
        # What is put into the state here, each request finds in its own.
        scope["state"]["started"] = time.monotonic()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["type"] == "http":
        seconds = int(time.monotonic() - scope["state"]["started"])
        headers = [(b"content-type", b"text/plain; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"Up for %d seconds.\n" % seconds})
    else:
        await send({"type": "websocket.close"})


async def item(request: web.Request) -> web.Response:
    return web.json_response({"item": int(request.match_info["id"]), "url": str(request.url)})


async def latest(request: web.Request) -> web.Response:
    # request.url_for knows what is before the path; request.app.router["item"].url_for does not.
    raise web.HTTPFound(request.url_for("item", id="7"))


def make_shop() -> web.Application:
    shop = web.Application()
    shop.router.add_get(r"/items/{id:\d+}", item, name="item")
    shop.router.add_get("/latest", latest)
    return shop


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Stands before what is mounted, too."""
    given = request.headers.get("Authorization", "")
    if request.match_info.route.path == "/uptime" and not hmac.compare_digest(given.encode(), b"Bearer secret"):
        raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Bearer"})
    return await handler(request)


async def front(request: web.Request) -> web.Response:
    return web.Response(text=f"The shop is at {request.url_for('shop', path='/')}.\n")


def make_app() -> web.Application:
    app = web.Application(middlewares=[guard])
    app.router.add_get("/", front)
    app.mount("/shop", make_shop(), name="shop")
    app.mount("/uptime", uptime)
    return app


app = make_app()

if __name__ == "__main__":
    web.run_app(app)
