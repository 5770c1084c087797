"""A response written piece by piece: server-sent events, which a browser reads with `new EventSource("/events")`.

python examples/events.py

curl http://localhost:8080/events
"""

from __future__ import annotations

import asyncio

from framework import web

INTERVAL = web.AppKey("interval", float)

routes = web.RouteTableDef()


@routes.get("/events")
async def events(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    await response.prepare(request)
    for number in range(5, 0, -1):
        # When the client has gone, write() raises a ConnectionResetError, which ends the handler.
        await response.write(f"data: {number}\n\n".encode())
        await asyncio.sleep(request.app[INTERVAL])
    await response.write(b"event: end\ndata: lift-off\n\n")
    return response


def make_app(interval: float = 1.0) -> web.Application:
    app = web.Application()
    app[INTERVAL] = interval
    app.add_routes(routes)
    return app


if __name__ == "__main__":
    web.run_app(make_app())
