"""StreamResponse: prepare, write, write_eof, and the framing that results."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from tests.contract import modules
from tests.contract.asking import ask
from tests.contract.backends import Backend, SocketBackend, exchange

web = modules.web

GET = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

Script = Callable[[Any, Any], Awaitable[Any]]


async def stream(
    backend: Backend, script: Script, method: str = "GET", errors: list[Exception] | None = None, **options: Any
) -> httpx.Response:
    """The answer to a handler that makes `StreamResponse(**options)`, runs `script` on it and returns it."""

    async def handler(request: Any) -> Any:
        response = backend.web.StreamResponse(**options)
        try:
            await script(request, response)
        except Exception as exc:
            if errors is None:
                raise
            errors.append(exc)
        return response

    return await ask(backend, handler, method)


async def stream_raw(
    backend: SocketBackend, script: Script, request: bytes = GET, **options: Any
) -> tuple[bytes, bytes]:
    """The head, in lower case, and the body as they stand on the wire."""

    async def handler(request: Any) -> Any:
        response = backend.web.StreamResponse(**options)
        await script(request, response)
        return response

    app = backend.web.Application()
    app.router.add_route("*", "/", handler)
    async with backend.serve(app) as address:
        received = await exchange(address, request)
    head, _, body = received.partition(b"\r\n\r\n")
    return head.lower(), body


async def three_parts(request: Any, response: Any) -> None:
    await response.prepare(request)
    await response.write(b"ab")
    await response.write(b"c")
    await response.write_eof(b"d")


def test_defaults(web: Any) -> None:
    response = web.StreamResponse()
    assert (response.status, response.reason) == (200, "OK")
    assert (response.content_type, response.charset, response.content_length) == (
        "application/octet-stream",
        None,
        None,
    )
    assert not response.prepared
    assert not hasattr(response, "body")


async def test_parts_are_joined(backend: Backend) -> None:
    response = await stream(backend, three_parts, headers={"Content-Type": "text/x"}, status=201)
    assert (response.status_code, response.content) == (201, b"abcd")
    assert response.headers["Content-Type"] == "text/x"
    assert "Content-Length" not in response.headers


async def test_stream_is_an_octet_stream_by_default(backend: Backend) -> None:
    assert (await stream(backend, three_parts)).headers["Content-Type"] == "application/octet-stream"


async def test_each_write_is_a_chunk(socket_backend: SocketBackend) -> None:
    head, body = await stream_raw(socket_backend, three_parts)
    assert b"\r\ntransfer-encoding: chunked" in head
    assert body.startswith(b"2\r\nab\r\n1\r\nc\r\n1\r\nd\r\n")
    assert body.endswith(b"0\r\n\r\n")


async def test_stream_with_a_length_is_not_chunked(socket_backend: SocketBackend) -> None:
    head, body = await stream_raw(socket_backend, three_parts, headers={"Content-Length": "4"})
    assert b"\r\ncontent-length: 4" in head
    assert b"transfer-encoding" not in head
    assert body == b"abcd"


async def test_content_length_attribute(backend: Backend) -> None:
    async def script(request: Any, response: Any) -> None:
        response.content_length = 4
        await three_parts(request, response)

    response = await stream(backend, script)
    assert (response.content, response.headers["Content-Length"]) == (b"abcd", "4")


async def test_explicit_chunked_encoding(socket_backend: SocketBackend) -> None:
    async def script(request: Any, response: Any) -> None:
        response.enable_chunked_encoding()
        assert response.chunked
        await three_parts(request, response)

    head, body = await stream_raw(socket_backend, script)
    assert b"\r\ntransfer-encoding: chunked" in head
    assert body.endswith(b"0\r\n\r\n")


async def test_empty_write_does_not_end_the_stream(backend: Backend) -> None:
    async def script(request: Any, response: Any) -> None:
        await response.prepare(request)
        await response.write(b"")
        await response.write(b"a")
        await response.write(b"")
        await response.write_eof()

    assert (await stream(backend, script)).content == b"a"


@pytest.mark.parametrize("data", [b"ab", bytearray(b"ab"), memoryview(b"ab")], ids=["bytes", "bytearray", "memoryview"])
async def test_kinds_of_data(backend: Backend, data: Any) -> None:
    async def script(request: Any, response: Any) -> None:
        await response.prepare(request)
        await response.write(data)
        await response.write_eof(bytes(data))

    assert (await stream(backend, script)).content == b"abab"


async def test_stream_is_ended_by_the_return(backend: Backend) -> None:
    async def script(request: Any, response: Any) -> None:
        await response.prepare(request)
        await response.write(b"abc")

    assert (await stream(backend, script)).content == b"abc"


async def test_stream_that_was_never_prepared_is_empty(backend: Backend) -> None:
    async def script(request: Any, response: Any) -> None:
        response.headers["X-A"] = "1"

    response = await stream(backend, script, status=202)
    assert (response.status_code, response.content, response.headers["X-A"]) == (202, b"", "1")


async def test_prepare_twice_sends_one_head(backend: Backend) -> None:
    async def script(request: Any, response: Any) -> None:
        first = await response.prepare(request)
        assert await response.prepare(request) is first
        await response.write_eof(b"a")

    assert (await stream(backend, script)).content == b"a"


async def test_prepared(backend: Backend) -> None:
    seen: list[bool] = []

    async def script(request: Any, response: Any) -> None:
        seen.append(response.prepared)
        await response.prepare(request)
        seen.append(response.prepared)
        await response.write_eof()
        seen.append(response.prepared)

    await stream(backend, script)
    assert seen == [False, True, True]


async def test_write_before_prepare(backend: Backend) -> None:
    async def script(request: Any, response: Any) -> None:
        await response.write(b"x")

    errors: list[Exception] = []
    await stream(backend, script, errors=errors)
    assert [type(error) for error in errors] == [RuntimeError]
    assert str(errors[0]) == "Cannot call write() before prepare()"


async def test_write_after_write_eof(backend: Backend) -> None:
    async def script(request: Any, response: Any) -> None:
        await response.prepare(request)
        await response.write_eof(b"a")
        await response.write(b"x")

    errors: list[Exception] = []
    response = await stream(backend, script, errors=errors)
    assert [type(error) for error in errors] == [RuntimeError]
    assert str(errors[0]) == "Cannot call write() after write_eof()"
    assert response.content == b"a"


async def test_write_eof_before_prepare(backend: Backend) -> None:
    async def script(request: Any, response: Any) -> None:
        await response.write_eof(b"x")

    errors: list[Exception] = []
    await stream(backend, script, errors=errors)
    (error,) = errors
    assert isinstance(error, (RuntimeError, AssertionError))


async def test_write_eof_twice_is_harmless(backend: Backend) -> None:
    async def script(request: Any, response: Any) -> None:
        await response.prepare(request)
        await response.write_eof(b"a")
        await response.write_eof(b"b")

    assert (await stream(backend, script)).content == b"a"


@pytest.mark.parametrize("data", ["text", 1, None])
async def test_write_of_what_is_not_bytes(backend: Backend, data: Any) -> None:
    async def script(request: Any, response: Any) -> None:
        await response.prepare(request)
        try:
            await response.write(data)
        finally:
            await response.write_eof(b"end")

    errors: list[Exception] = []
    response = await stream(backend, script, errors=errors)
    (error,) = errors
    assert isinstance(error, (TypeError, AssertionError))
    assert "data argument must be byte-ish" in str(error)
    assert response.content == b"end"


async def test_status_cannot_change_after_prepare(backend: Backend) -> None:
    async def script(request: Any, response: Any) -> None:
        await response.prepare(request)
        response.set_status(404)

    errors: list[Exception] = []
    response = await stream(backend, script, errors=errors)
    (error,) = errors
    assert isinstance(error, (RuntimeError, AssertionError))
    assert response.status_code == 200


async def test_headers_set_after_prepare_are_not_sent(backend: Backend) -> None:
    async def script(request: Any, response: Any) -> None:
        await response.prepare(request)
        response.headers["X-Late"] = "1"

    response = await stream(backend, script)
    assert response.status_code == 200
    assert "X-Late" not in response.headers


async def test_head_of_a_stream_without_writes(socket_backend: SocketBackend) -> None:
    async def script(request: Any, response: Any) -> None:
        await response.prepare(request)

    request = b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    head, body = await stream_raw(socket_backend, script, request)
    assert head.startswith(b"http/1.1 200")
    assert body == b""


async def test_head_of_a_stream_with_a_length(backend: Backend) -> None:
    async def script(request: Any, response: Any) -> None:
        await response.prepare(request)

    response = await stream(backend, script, "HEAD", headers={"Content-Length": "4"})
    assert (response.content, response.headers["Content-Length"]) == (b"", "4")


@pytest.mark.parametrize("status", [204, 304])
async def test_stream_of_a_status_without_body(socket_backend: SocketBackend, status: int) -> None:
    async def script(request: Any, response: Any) -> None:
        await response.prepare(request)

    head, body = await stream_raw(socket_backend, script, status=status)
    assert head.startswith(b"http/1.1 %d" % status)
    assert b"transfer-encoding" not in head
    assert b"content-type" not in head
    assert body == b""


async def test_client_receives_while_the_handler_runs(socket_backend: SocketBackend) -> None:
    received = asyncio.Event()

    async def handler(request: Any) -> Any:
        response = socket_backend.web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first")
        await asyncio.wait_for(received.wait(), 10)
        await response.write(b"second")
        return response

    app = socket_backend.web.Application()
    app.router.add_get("/", handler)
    async with socket_backend.client(app) as client, client.stream("GET", "/") as response:
        parts = response.aiter_bytes()
        assert await anext(parts) == b"first"
        received.set()
        assert b"".join([part async for part in parts]) == b"second"


async def test_head_is_sent_by_prepare(socket_backend: SocketBackend) -> None:
    received = asyncio.Event()

    async def handler(request: Any) -> Any:
        response = socket_backend.web.StreamResponse(headers={"X-A": "1"})
        await response.prepare(request)
        # aiohttp holds the head back until the first write or drain.
        await response.write(b"x")
        await asyncio.wait_for(received.wait(), 10)
        return response

    app = socket_backend.web.Application()
    app.router.add_get("/", handler)
    async with socket_backend.client(app) as client, client.stream("GET", "/") as response:
        assert response.headers["X-A"] == "1"
        received.set()
        await response.aread()


async def test_handler_answers_before_it_reads(backend: Backend) -> None:
    web = backend.web

    async def handler(request: Any) -> Any:
        response = web.StreamResponse()
        await response.prepare(request)
        async for chunk in request.content.iter_any():
            await response.write(chunk.upper())
        return response

    response = await ask(backend, handler, "POST", content=b"hello" * 1000)
    assert response.content == b"HELLO" * 1000


async def test_many_writes(backend: Backend) -> None:
    async def script(request: Any, response: Any) -> None:
        await response.prepare(request)
        for number in range(500):
            await response.write(b"%03d," % number)

    expected = b"".join(b"%03d," % number for number in range(500))
    assert (await stream(backend, script)).content == expected


async def test_large_writes(backend: Backend) -> None:
    async def script(request: Any, response: Any) -> None:
        await response.prepare(request)
        for _ in range(10):
            await response.write(b"x" * 300_000)

    assert len((await stream(backend, script)).content) == 3_000_000


async def test_connection_is_kept_after_a_stream(backend: Backend) -> None:
    web = backend.web

    async def handler(request: Any) -> Any:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(request.path.encode())
        return response

    app = web.Application()
    app.router.add_get("/{name}", handler)
    async with backend.client(app) as client:
        assert [(await client.get(path)).text for path in ("/1", "/2", "/3")] == ["/1", "/2", "/3"]


async def test_drain_is_deprecated_and_harmless(backend: Backend) -> None:
    async def script(request: Any, response: Any) -> None:
        await response.prepare(request)
        with pytest.warns(DeprecationWarning, match="drain"):
            await response.drain()
        await response.write_eof(b"a")

    assert (await stream(backend, script)).content == b"a"


async def test_subclass_with_its_own_prepare(backend: Backend) -> None:
    web = backend.web

    class Events(web.StreamResponse):  # type: ignore[misc, name-defined]
        async def prepare(self, request: Any) -> Any:
            self.content_type = "text/event-stream"
            return await super().prepare(request)

        async def send(self, data: str) -> None:
            await self.write(f"data: {data}\n\n".encode())

    async def handler(request: Any) -> Any:
        events = Events()
        await events.prepare(request)
        await events.send("hello")
        return events

    response = await ask(backend, handler)
    assert response.headers["Content-Type"] == "text/event-stream"
    assert response.text == "data: hello\n\n"


async def test_aborted_stream_is_not_complete(socket_backend: SocketBackend) -> None:
    async def script(request: Any, response: Any) -> None:
        await response.prepare(request)
        await response.write(b"ab")
        raise ValueError

    head, body = await stream_raw(socket_backend, script)
    assert head.startswith(b"http/1.1 200")
    assert not body.endswith(b"0\r\n\r\n")


async def test_aborted_stream_is_an_error_for_the_client(socket_backend: SocketBackend) -> None:
    async def script(request: Any, response: Any) -> None:
        await response.prepare(request)
        await response.write(b"ab")
        raise ValueError

    with pytest.raises(httpx.RemoteProtocolError):
        await stream(socket_backend, script)


async def test_aborted_stream_with_a_length(socket_backend: SocketBackend) -> None:
    async def script(request: Any, response: Any) -> None:
        await response.prepare(request)
        await response.write(b"ab")
        raise ValueError

    _, body = await stream_raw(socket_backend, script, headers={"Content-Length": "5"})
    assert body == b"ab"


async def test_write_to_a_client_that_left_is_a_connection_reset_error(socket_backend: SocketBackend) -> None:
    errors: list[Exception] = []
    started, ended = asyncio.Event(), asyncio.Event()

    async def handler(request: Any) -> Any:
        response = socket_backend.web.StreamResponse()
        await response.prepare(request)
        started.set()
        try:
            while True:
                await response.write(b"x" * 10_000)
                await asyncio.sleep(0)
        except Exception as exc:
            errors.append(exc)
            raise
        finally:
            ended.set()

    app = socket_backend.web.Application()
    app.router.add_get("/", handler)
    async with socket_backend.serve(app) as (host, port), asyncio.timeout(10):
        _, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await started.wait()
        writer.transport.abort()
        await ended.wait()
    (error,) = errors
    assert isinstance(error, ConnectionResetError)


async def test_handler_runs_on_when_the_client_left(socket_backend: SocketBackend) -> None:
    """Without `handler_cancellation` a handler that neither reads nor writes is not disturbed."""
    started, left, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def handler(request: Any) -> Any:
        started.set()
        await left.wait()
        ended.set()
        return socket_backend.web.Response()

    app = socket_backend.web.Application()
    app.router.add_get("/", handler)
    async with socket_backend.serve(app) as (host, port), asyncio.timeout(10):
        _, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await started.wait()
        writer.transport.abort()
        for _ in range(20):
            await asyncio.sleep(0)
        left.set()
        await ended.wait()
