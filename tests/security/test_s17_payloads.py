"""S17: what the body of a response holds is given back at once when the client leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from framework import web
from tests.driver import Driver


class Rows:
    """An iterable that holds a cursor while it is iterated over."""

    open = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.open = True
        try:
            while True:
                await asyncio.sleep(0)
                yield b"row"
        finally:
            self.open = False


async def test_s17_the_generator_of_an_iterable_is_closed_when_the_client_leaves() -> None:
    rows = Rows()

    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=rows)

    app = web.Application()
    app.router.add_get("/", handler)
    driver = Driver.http(app, asgi={"version": "3.0", "spec_version": "2.4"})
    task = driver.start()
    await driver.until_sent(3)
    assert rows.open
    driver.send_error = OSError("the client has gone")
    await task
    assert not rows.open
