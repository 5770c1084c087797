"""S25: whoever asks about a body while it is read, one task at a time asks the server, and nothing is lost."""

from __future__ import annotations

import asyncio

from framework import web
from tests.driver import Driver

PIECES = (b"one, ", b"two")


class CountingDriver(Driver):
    """Knows how many tasks were waiting in `receive` at once."""

    waiting = 0
    most = 0

    async def receive(self) -> dict[str, object]:
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        try:
            await asyncio.sleep(0)
            return dict(await super().receive())
        finally:
            self.waiting -= 1


async def ask(handler: object, body: tuple[bytes, ...] = PIECES) -> CountingDriver:
    app = web.Application()
    app.router.add_post("/", handler)  # type: ignore[arg-type]
    driver = await CountingDriver.http(app, "POST", body=body).run()
    assert driver.most == 1
    return driver


async def test_s25_a_second_reader_is_refused_and_the_first_gets_the_whole_body() -> None:
    async def handler(request: web.Request) -> web.Response:
        body, refused = await asyncio.gather(request.read(), request.read(), return_exceptions=True)
        assert isinstance(refused, RuntimeError)
        assert isinstance(body, bytes)
        return web.Response(body=body)

    assert (await ask(handler)).body == b"one, two"
    assert (await ask(handler, (b"one, two",))).body == b"one, two"


async def test_s25_asking_for_the_client_while_the_body_is_read() -> None:
    async def handler(request: web.Request) -> web.Response:
        body, gone = await asyncio.gather(request.read(), request.is_disconnected())
        assert not gone
        return web.Response(body=body)

    assert (await ask(handler)).body == b"one, two"
    assert (await ask(handler, (b"one, two",))).body == b"one, two"


async def test_s25_a_response_that_begins_while_the_body_is_read() -> None:
    async def begin(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        return response

    async def handler(request: web.Request) -> web.StreamResponse:
        body, response = await asyncio.gather(request.read(), begin(request))
        await response.write(body)
        return response

    assert (await ask(handler)).body == b"one, two"


async def test_s25_a_reader_that_gave_up_leaves_the_body_to_the_next() -> None:
    async def handler(request: web.Request) -> web.Response:
        first = asyncio.ensure_future(request.read())
        await asyncio.sleep(0)
        await request.is_disconnected()
        first.cancel()
        await asyncio.wait([first])
        return web.Response(body=await request.read())

    assert (await ask(handler)).body == b"one, two"
