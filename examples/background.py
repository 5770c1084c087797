"""Background work in three ways: beside the application, started once, and after a response.

python examples/background.py

curl http://localhost:8080/orders -d 'item=tea'
curl http://localhost:8080/
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator

from framework import web

INTERVAL = web.AppKey("interval", float)
DONE = web.AppKey("done", Counter[str])
QUEUE = web.AppKey("queue", asyncio.Queue[str])
WARM_UP = web.AppKey("warm_up", asyncio.Task[None])

routes = web.RouteTableDef()


async def worker(app: web.Application) -> AsyncIterator[None]:
    """A task beside the application, from startup to cleanup: it works through a queue."""

    async def work() -> None:
        while True:
            await pack(app, await app[QUEUE].get())
            app[QUEUE].task_done()

    task = asyncio.create_task(work())
    yield
    # What was taken on is done before the task is ended.
    await app[QUEUE].join()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def clock(app: web.Application) -> AsyncIterator[None]:
    """Something that happens at intervals."""

    async def tick() -> None:
        while True:
            await asyncio.sleep(app[INTERVAL])
            app[DONE]["tick"] += 1

    task = asyncio.create_task(tick())
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def start_warm_up(app: web.Application) -> None:
    """A task that is started with the application, which does not wait for it."""

    async def warm_up() -> None:
        await asyncio.sleep(app[INTERVAL])
        app[DONE]["warm-up"] += 1

    # The application keeps it: a task that nobody refers to may be collected before it has ended.
    app[WARM_UP] = asyncio.create_task(warm_up())


async def end_warm_up(app: web.Application) -> None:
    app[WARM_UP].cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await app[WARM_UP]


async def pack(app: web.Application, item: str) -> None:
    await asyncio.sleep(app[INTERVAL])
    app[DONE][f"packed {item}"] += 1


async def send_mail(app: web.Application, item: str) -> None:
    await asyncio.sleep(app[INTERVAL])
    app[DONE][f"mailed about {item}"] += 1


@routes.post("/orders")
async def order(request: web.Request) -> web.Response:
    item = (await request.post()).get("item")
    if not isinstance(item, str) or not item:
        raise web.HTTPBadRequest(text="An order has an item.\n")
    request.app[QUEUE].put_nowait(item)
    # Runs once the response was sent; at shutdown the application waits for what still runs.
    request.add_background_task(send_mail, request.app, item)
    return web.Response(text=f"{item} is on its way.\n", status=202)


@routes.get("/")
async def done(request: web.Request) -> web.Response:
    return web.json_response(request.app[DONE])


def make_app(interval: float = 1.0) -> web.Application:
    app = web.Application()
    app[INTERVAL] = interval
    app[DONE] = Counter()
    app[QUEUE] = asyncio.Queue()
    app.cleanup_ctx.extend([worker, clock])
    app.on_startup.append(start_warm_up)
    app.on_cleanup.append(end_warm_up)
    app.add_routes(routes)
    return app


if __name__ == "__main__":
    web.run_app(make_app())
