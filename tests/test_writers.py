"""`ResponseWriter`: what `prepare()` gives, used by itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from framework import web
from framework.streams import ClientConnectionResetError
from framework.writers import ResponseWriter
from tests.driver import Driver


def writer_to(driver: Driver, *, length: int | None = None, empty: bool = False, gone: bool = False) -> ResponseWriter:
    return ResponseWriter(driver.send, length=length, empty=empty, is_disconnected=lambda: gone, watch=lambda: None)


async def test_the_messages() -> None:
    driver = Driver.http(web.Application())
    writer = writer_to(driver)
    await writer.start(200, [(b"x-a", b"1")])
    await writer.write(b"a")
    await writer.write_eof(b"b")
    assert driver.sent == [
        {"type": "http.response.start", "status": 200, "headers": [(b"x-a", b"1")]},
        {"type": "http.response.body", "body": b"a", "more_body": True},
        {"type": "http.response.body", "body": b"b", "more_body": False},
    ]
    assert writer.output_size == 2


@pytest.mark.parametrize("data", [b"abc", bytearray(b"abc"), memoryview(b"abc"), memoryview(b"aXbXcX")[::2]])
async def test_bytes_of_any_kind(data: Any) -> None:
    driver = Driver.http(web.Application())
    writer = writer_to(driver)
    await writer.start(200, [])
    await writer.write(data)
    assert driver.body == b"abc"


async def test_the_end_is_sent_once() -> None:
    driver = Driver.http(web.Application())
    writer = writer_to(driver)
    await writer.start(200, [])
    await writer.write_eof()
    await writer.write_eof(b"more")
    assert len(driver.sent) == 2


async def test_an_empty_piece_is_not_sent() -> None:
    driver = Driver.http(web.Application())
    writer = writer_to(driver)
    await writer.start(200, [])
    await writer.write(b"")
    await writer.drain()
    assert len(driver.sent) == 1


async def test_a_response_without_a_body_sends_none() -> None:
    driver = Driver.http(web.Application())
    writer = writer_to(driver, empty=True)
    await writer.start(204, [])
    await writer.write(b"a")
    await writer.write_eof(b"b")
    assert driver.body == b""
    assert writer.output_size == 0


async def test_no_more_than_the_declared_length() -> None:
    driver = Driver.http(web.Application())
    writer = writer_to(driver, length=3)
    await writer.start(200, [])
    await writer.write(b"ab")
    await writer.write(b"cd")
    await writer.write(b"ef")
    await writer.write_eof(b"gh")
    assert driver.body == b"abc"


async def test_a_client_that_is_known_to_be_gone() -> None:
    driver = Driver.http(web.Application())
    writer = writer_to(driver, gone=True)
    with pytest.raises(ClientConnectionResetError):
        await writer.write(b"a")
    assert driver.sent == []


@pytest.mark.parametrize("error", [OSError("gone"), ConnectionResetError("gone"), BrokenPipeError("gone")])
async def test_an_oserror_of_send(error: OSError) -> None:
    driver = Driver.http(web.Application())
    driver.send_error = error
    writer = writer_to(driver)
    for call in (writer.start(200, []), writer.write(b"a"), writer.write_eof()):
        with pytest.raises(ClientConnectionResetError) as caught:
            await call
        assert caught.value.__cause__ is error


async def test_another_error_of_send_is_left_alone() -> None:
    driver = Driver.http(web.Application())
    driver.send_error = LookupError("of the server")
    with pytest.raises(LookupError):
        await writer_to(driver).start(200, [])


async def test_a_file_that_the_server_sends() -> None:
    driver = Driver.http(web.Application(), extensions={"http.response.pathsend": {}, "http.response.zerocopysend": {}})
    by_path = writer_to(driver)
    await by_path.start(200, [])
    await by_path.send_path("/srv/file", 9)
    await by_path.write_eof()
    assert driver.sent[1:] == [{"type": "http.response.pathsend", "path": "/srv/file"}]
    assert by_path.output_size == 9

    driver = Driver.http(web.Application(), extensions={"http.response.pathsend": {}, "http.response.zerocopysend": {}})
    by_descriptor = writer_to(driver)
    await by_descriptor.start(200, [])
    await by_descriptor.send_file(3, 100, 5, more_body=True)
    await by_descriptor.send_file(3, 105, 4)
    await by_descriptor.write_eof()
    assert driver.sent[1:] == [
        {"type": "http.response.zerocopysend", "file": 3, "offset": 100, "count": 5, "more_body": True},
        {"type": "http.response.zerocopysend", "file": 3, "offset": 105, "count": 4, "more_body": False},
    ]
    assert by_descriptor.output_size == 9
    # Servers take it for a descriptor or for an object that has one: the specification can be read either way.
    assert driver.sent[1]["file"].fileno() == 3


class Silent:
    """A server whose `send` never suspends, and does nothing for a client that has gone."""

    def __init__(self, **scope: Any) -> None:
        self.driver = Driver.http(web.Application(), **scope)
        self.gone = asyncio.Event()
        self.sent = 0

    async def receive(self) -> Any:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent += len(message.get("body", b""))
        self.gone.set()


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("headers", [{}, {"Content-Length": str(2**40)}])
async def test_an_endless_stream_hears_of_a_client_that_has_gone(method: str, headers: dict[str, str]) -> None:
    lengths: list[int] = []

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 1024)
        finally:
            lengths.append(response.body_length)

    app = web.Application()
    app.router.add_route("*", "/", endless)
    server = Silent(method=method, headers=[(b"content-length", b"9")] if method == "POST" else [])
    await app(server.driver.scope, server.receive, server.send)
    assert lengths == [server.sent]


async def test_other_tasks_have_their_turn_while_much_is_written() -> None:
    turns: list[int] = []

    async def write(request: web.Request) -> web.StreamResponse:
        async def count() -> None:
            while True:
                turns.append(len(turns))
                await asyncio.sleep(0)

        task = asyncio.ensure_future(count())
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(bytes(2**15))
        task.cancel()
        return response

    app = web.Application()
    app.router.add_get("/", write)
    driver = await Driver.http(app).run()
    assert len(driver.body) == 100 * 2**15
    assert len(turns) >= 50
