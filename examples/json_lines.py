"""JSON lines (application/x-ndjson) in and out, one at a time: neither the request nor the answer is ever in memory.

python examples/json_lines.py

curl -N 'http://localhost:8080/numbers?count=5'
printf '{"amount": 2}\n{"amount": 40}\n' | curl http://localhost:8080/total --data-binary @-
printf '{"amount": 2}\n{"amount": 40}\n' | curl -N http://localhost:8080/running-total --data-binary @-
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

from framework import web

INTERVAL = web.AppKey("interval", float)
NDJSON = "application/x-ndjson"

routes = web.RouteTableDef()


@routes.get("/numbers")
async def numbers(request: web.Request) -> web.Response:
    """An asynchronous generator as the body: it is asked for more when the client has taken what there was."""
    try:
        count = int(request.query.get("count", "10"))
    except ValueError:
        raise web.HTTPBadRequest(text="count is a number.\n") from None

    async def lines() -> AsyncIterator[bytes]:
        for number in range(count):
            yield json.dumps({"number": number, "square": number**2}).encode() + b"\n"
            await asyncio.sleep(request.app[INTERVAL])

    return web.Response(body=lines(), content_type=NDJSON)


async def amounts(request: web.Request) -> AsyncIterator[float]:
    """The amounts in the request's lines. Raises a 400 that names the line for anything else."""
    number = 1
    try:
        # A line longer than 64 KiB is a ValueError as well.
        async for line in request.content:
            match json.loads(line):
                case {"amount": int() | float() as amount}:
                    yield amount
                case _:
                    raise ValueError("no amount")
            number += 1
    except (ValueError, RecursionError) as exc:
        raise web.HTTPBadRequest(text=f"Line {number}: {exc}\n") from None


@routes.post("/total")
async def total(request: web.Request) -> web.Response:
    """Read piece by piece, answer at once. What is streamed has no limit, so client_max_size does not count here."""
    return web.json_response({"total": sum([amount async for amount in amounts(request)])})


@routes.post("/running-total")
async def running_total(request: web.Request) -> web.StreamResponse:
    """Answer each line when it has come. A status can no longer tell of an error: a last line does."""
    response = web.StreamResponse(headers={"Content-Type": NDJSON})
    await response.prepare(request)
    total = 0.0
    try:
        async for amount in amounts(request):
            total += amount
            # Waits until the client takes more, and raises ClientConnectionResetError when it has gone.
            await response.write(json.dumps({"total": total}).encode() + b"\n")
    except web.HTTPBadRequest as exc:
        await response.write(json.dumps({"error": exc.text}).encode() + b"\n")
    return response


def make_app(interval: float = 1.0) -> web.Application:
    app = web.Application()
    app[INTERVAL] = interval
    app.add_routes(routes)
    return app


if __name__ == "__main__":
    web.run_app(make_app())
