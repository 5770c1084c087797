"""`request.wait_for_disconnection()`: the end of a client, waited for while the body is read or left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from framework import web
from tests.driver import Driver


def driver_for(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]], body: bytes | None = b"", method: str = "GET"
) -> Driver:
    app = web.Application()
    app.router.add_route("*", "/", handler)
    headers = [(b"host", b"example.com"), (b"transfer-encoding", b"chunked")] if method == "POST" else []
    return Driver.http(app, method, headers=headers, body=body)


async def test_a_client_that_leaves() -> None:
    happened: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        happened.append("waiting")
        await request.wait_for_disconnection()
        happened.append("gone")
        return web.Response()

    driver = driver_for(handler)
    task = driver.start()
    while not happened:
        await asyncio.sleep(0)
    driver.disconnect()
    await task
    assert happened == ["waiting", "gone"]


async def test_several_tasks_may_wait() -> None:
    async def handler(request: web.Request) -> web.Response:
        await asyncio.gather(*(request.wait_for_disconnection() for _ in range(3)))
        return web.Response(text="all")

    driver = driver_for(handler)
    driver.disconnect()
    await driver.run()
    assert driver.body == b"all"


async def test_a_request_that_ends_first_ends_the_wait() -> None:
    waiting: list[asyncio.Task[None]] = []

    async def handler(request: web.Request) -> web.Response:
        waiting.append(asyncio.ensure_future(request.wait_for_disconnection()))
        await asyncio.sleep(0)
        return web.Response()

    await driver_for(handler).run()
    await asyncio.wait(waiting)
    assert waiting[0].cancelled()


async def test_the_body_can_be_read_meanwhile() -> None:
    async def handler(request: web.Request) -> web.Response:
        waiting = asyncio.ensure_future(request.wait_for_disconnection())
        await asyncio.sleep(0)
        body = await request.read()
        assert not waiting.done()
        driver.disconnect()
        await waiting
        return web.Response(body=body)

    driver = driver_for(handler, None, "POST")
    driver.feed_body(b"one ", more_body=True)
    driver.feed_body(b"two")
    await driver.run()
    assert driver.body == b"one two"


async def test_waiting_while_another_task_reads() -> None:
    async def handler(request: web.Request) -> web.Response:
        reading = asyncio.ensure_future(request.content.readexactly(9))
        await asyncio.sleep(0)
        waiting = asyncio.ensure_future(request.wait_for_disconnection())
        await asyncio.sleep(0)
        driver.feed_body(b"some", more_body=True)
        driver.disconnect()
        await waiting
        assert isinstance((await asyncio.gather(reading, return_exceptions=True))[0], ConnectionResetError)
        return web.Response(text="gone")

    driver = driver_for(handler, None, "POST")
    await driver.run()
    assert driver.body == b"gone"


async def test_a_client_that_sends_more_than_is_kept() -> None:
    async def handler(request: web.Request) -> web.Response:
        waiting = asyncio.ensure_future(request.wait_for_disconnection())
        for _ in range(10):
            await asyncio.sleep(0)
        assert not waiting.done()
        received = driver.received
        while await request.content.readany():
            pass
        driver.disconnect()
        await waiting
        return web.Response(text=str(received))

    pieces = [bytes(2**15)] * 8
    driver = driver_for(handler, None, "POST")
    for piece in pieces:
        driver.feed_body(piece, more_body=True)
    driver.feed_body()
    await driver.run()
    assert driver.body == b"2"


@pytest.mark.parametrize("turns", range(6))
async def test_nobody_waits_for_the_client_after_the_request(turns: int) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(turns):
            await asyncio.sleep(0)
        await response.write_eof()
        return response

    await driver_for(handler).run()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 1
