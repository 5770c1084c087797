"""S24, S25 and S28: bodies in very many pieces, bodies that nobody reads, and bodies with two lengths."""

from __future__ import annotations

import asyncio
import gzip
import sys
from typing import Any

import pytest

from framework import web
from tests.driver import Driver

FORM = (b"content-type", b"application/x-www-form-urlencoded")
JSON = (b"content-type", b"application/json")


def app_with(handler: Any, **kwargs: Any) -> web.Application:
    app = web.Application(**kwargs)
    app.router.add_post("/", handler)
    return app


def calls_of(app: web.Application, driver: Driver) -> int:
    """How many calls a request makes: its work without a clock."""
    count = 0

    def profile(frame: Any, event: str, arg: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        asyncio.run(driver.run())
    finally:
        sys.setprofile(None)
    assert driver.status == 200
    return count


@pytest.mark.parametrize("reader", ["read", "text", "post", "json", "release"])
def test_s24_tiny_pieces_cost_linear_time(reader: str) -> None:
    async def handler(request: web.Request) -> web.Response:
        await getattr(request, reader)()
        return web.Response()

    def work(pieces: int) -> int:
        app = app_with(handler)
        header = JSON if reader == "json" else FORM
        return calls_of(app, Driver.http(app, "POST", headers=[header], body=[*[b" "] * (pieces - 1), b"1"]))

    assert work(20_000) < 4.2 * work(5_000)


async def test_s24_empty_pieces_are_no_end() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    driver = await Driver.http(app_with(handler), "POST", body=[b"", b"a", b"", b"", b"b", b""]).run()
    assert driver.body == b"ab"


async def test_s24_the_limit_counts_pieces_without_a_length() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    driver = await Driver.http(app_with(handler, client_max_size=10), "POST", body=[b"x"] * 1000).run()
    assert driver.status == 413
    assert driver.received == 11


@pytest.mark.parametrize(("size", "status"), [(10, 200), (11, 413)])
@pytest.mark.parametrize("pieces", [1, 2])
async def test_s24_the_limit_is_exact(size: int, status: int, pieces: int) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    body = [b"x" * (size - pieces + 1), *[b"x"] * (pieces - 1)]
    driver = await Driver.http(app_with(handler, client_max_size=10), "POST", body=body).run()
    assert driver.status == status


async def test_s25_a_body_that_nobody_reads_is_not_received() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="hi")

    headers = [(b"content-length", b"100000")]
    driver = await Driver.http(app_with(handler), "POST", headers=headers, body=[b"x" * 1000] * 100).run()
    assert driver.received == 0


async def test_s25_a_stream_does_not_receive_a_body_that_nobody_reads() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(10):
            await response.write(b"x")
            await asyncio.sleep(0)
        return response

    headers = [(b"content-length", b"100000")]
    driver = await Driver.http(app_with(handler), "POST", headers=headers, body=[b"x" * 1000] * 100).run()
    assert driver.received == 0


async def test_s25_asking_for_the_client_buffers_no_more_than_the_limit() -> None:
    async def handler(request: web.Request) -> web.Response:
        for _ in range(1000):
            await request.is_disconnected()
        return web.Response(text=str(request.content.total_bytes))

    headers = [(b"transfer-encoding", b"chunked")]
    driver = await Driver.http(app_with(handler), "POST", headers=headers, body=[b"x" * 1000] * 1000).run()
    assert int(driver.body) <= 2**16 + 1000


async def test_s25_a_compressed_body_that_nobody_reads_is_not_decompressed() -> None:
    async def handler(request: web.Request) -> web.Response:
        for _ in range(10):
            await request.is_disconnected()
        return web.Response(text=str(request.content.total_bytes))

    headers = [(b"content-encoding", b"gzip"), (b"transfer-encoding", b"chunked")]
    bomb = gzip.compress(bytes(10_000_000))
    driver = await Driver.http(app_with(handler), "POST", headers=headers, body=[bomb, b""]).run()
    assert int(driver.body) <= 2**17


async def test_s25_nothing_is_left_of_a_request_that_was_answered() -> None:
    async def handler(request: web.Request) -> web.Response:
        await request.is_disconnected()
        return web.Response()

    app = app_with(handler)
    before = asyncio.all_tasks()
    for _ in range(10):
        await Driver.http(app, "POST", headers=[(b"content-length", b"5")], body=[b"a", b"b"]).run()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


BOTH = [(b"content-length", b"4"), (b"transfer-encoding", b"chunked")]


@pytest.mark.parametrize("reader", ["read", "text", "json", "post", "release"])
@pytest.mark.parametrize("headers", [BOTH, BOTH[::-1]])
async def test_s28_both_lengths(reader: str, headers: list[tuple[bytes, bytes]]) -> None:
    async def handler(request: web.Request) -> web.Response:
        await getattr(request, reader)()
        return web.Response()

    driver = await Driver.http(app_with(handler), "POST", headers=[FORM, *headers], body=b"body").run()
    assert driver.status == 400


@pytest.mark.parametrize("before", ["is_disconnected", "clone", "body_exists", "keep_alive"])
async def test_s28_both_lengths_whatever_was_asked_before(before: str) -> None:
    async def handler(request: web.Request) -> web.Response:
        if before == "is_disconnected":
            await request.is_disconnected()
        elif before == "clone":
            request.clone()
        else:
            getattr(request, before)
        return web.Response(body=await request.read())

    driver = await Driver.http(app_with(handler), "POST", headers=BOTH, body=b"body").run()
    assert driver.status == 400


async def test_s28_both_lengths_and_a_stream() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=await request.content.read())

    driver = await Driver.http(app_with(handler), "POST", headers=BOTH, body=b"body").run()
    assert driver.status == 400


@pytest.mark.parametrize("value", [b"-1", b"+5", b"1_0", b" 5", b"5 ", b"0x5", b"", b"5, 5", b"\xb2", b"9" * 5000])
async def test_s28_lengths_that_are_none(value: bytes) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response([request.content_length, request.body_exists])

    driver = await Driver.http(app_with(handler), "POST", headers=[(b"content-length", value)]).run()
    # Whitespace around a value is no part of it.
    assert driver.status == (200 if value.strip() == b"5" else 400)


@pytest.mark.parametrize("second", [b"4", b"5"])
async def test_s28_two_content_lengths(second: bytes) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    headers = [(b"content-length", b"4"), (b"content-length", second)]
    driver = await Driver.http(app_with(handler), "POST", headers=headers, body=b"body").run()
    # RFC 9112, section 6.3: the same length repeated may be taken for one.
    assert driver.status == (400 if second == b"5" else 200)
