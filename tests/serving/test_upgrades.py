"""Requests that offer another protocol: what follows stays HTTP/1.1, but behind a handshake of a WebSocket."""

from __future__ import annotations

import asyncio

import pytest

from framework import web

HEAD = b"POST /first HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
# What must be read as a body, and would be a request if it were not.
BODY = b"GET /second HTTP/1.1\r\nHost: a\r\n\r\n"
LENGTH = b"Content-Length: %d\r\n\r\n" % len(BODY)
LAST = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


async def seen(*segments: bytes) -> list[tuple[str, bytes]]:
    """The paths and bodies of the requests that an application sees when a client sends this and waits for the end."""
    requests = []

    async def answer(request: web.Request) -> web.Response:
        requests.append((request.path, await request.read()))
        return web.Response(headers={"Connection": "close"} if request.path == "/last" else None)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        reader, writer = await asyncio.open_connection(*runner.addresses[0])
        for segment in segments:
            writer.write(segment)
            await writer.drain()
            # So that the server reads it by itself.
            await asyncio.sleep(0.02)
        await asyncio.wait_for(reader.read(), 60)
        writer.close()
        await writer.wait_closed()
    finally:
        await runner.cleanup()
    return requests


async def answer_to(segment: bytes) -> bytes:
    """All that the server says until it ends the connection."""
    runner = web.AppRunner(web.Application(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        reader, writer = await asyncio.open_connection(*runner.addresses[0])
        writer.write(segment)
        answer = await asyncio.wait_for(reader.read(), 60)
        writer.close()
        await writer.wait_closed()
    finally:
        await runner.cleanup()
    return answer


@pytest.mark.parametrize(
    "segments",
    [
        [HEAD + LENGTH + BODY + LAST],
        [HEAD + LENGTH, BODY, LAST],
        [HEAD + LENGTH + BODY[:9], BODY[9:] + LAST],
        [HEAD[:50], HEAD[50:] + LENGTH, BODY + LAST[:9], LAST[9:]],
    ],
    ids=["at once", "body apart", "cut in the body", "cut in the head"],
)
async def test_the_body_is_read(segments: list[bytes]) -> None:
    assert await seen(*segments) == [("/first", BODY), ("/last", b"")]


async def test_a_body_in_chunks_is_read() -> None:
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
    assert await seen(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", chunks, LAST) == [("/first", BODY), ("/last", b"")]


async def test_without_a_body_the_next_request_is_answered() -> None:
    assert await seen(HEAD + b"\r\n" + LAST) == [("/first", b""), ("/last", b"")]
    assert await seen(HEAD + b"Content-Length: 0\r\n\r\n" + LAST) == [("/first", b""), ("/last", b"")]


async def test_many_in_one_segment() -> None:
    requests = await seen((HEAD + LENGTH + BODY) * 300 + LAST)
    assert requests == [("/first", BODY)] * 300 + [("/last", b"")]


async def test_a_large_body_waits_for_the_handler() -> None:
    body = bytes(5_000_000)
    head = HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body)
    app = web.Application(client_max_size=len(body))

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=str(len(await request.read())), headers={"Connection": "close"})

    app.router.add_post("/first", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        reader, writer = await asyncio.open_connection(*runner.addresses[0])
        writer.write(head)
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        assert (await asyncio.wait_for(reader.read(), 60)).endswith(b"\r\n\r\n5000000")
        writer.close()
        await writer.wait_closed()
    finally:
        await runner.cleanup()


async def test_a_broken_body_is_refused() -> None:
    assert await seen(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"no chunk\r\n") == []


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 3\r\n",
        b"GET / HTTP/1.1\r\nCookie: a=" + b"b" * 10_000 + b"\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200,
        b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\n",
    ],
    ids=["POST", "with a body", "a long header", "many headers", "a long path"],
)
async def test_a_handshake_that_cannot_be_read_is_refused(head: bytes) -> None:
    key = b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    answer = await answer_to(head + b"Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + key + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert answer.endswith(b"\r\n\r\nInvalid WebSocket handshake, or too large.")
