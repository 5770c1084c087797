"""StreamResponse in use: lengths that are wrong, clients that leave or are slow, connections, HTTP/1.0, values."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from tests.contract import modules
from tests.contract.asking import ask
from tests.contract.backends import PATIENCE, Backend, SocketBackend, exchange

web = modules.web

Script = Callable[[Any, Any], Awaitable[Any]]


def streaming(backend: Backend, script: Script, **options: Any) -> Callable[[Any], Awaitable[Any]]:
    """A handler that prepares `StreamResponse(**options)`, runs `script(request, response)` and returns it."""

    async def handler(request: Any) -> Any:
        response = backend.web.StreamResponse(**options)
        await response.prepare(request)
        await script(request, response)
        return response

    return handler


async def stream(backend: Backend, script: Script, method: str = "GET", **options: Any) -> httpx.Response:
    return await ask(backend, streaming(backend, script, **options), method)


async def raw(backend: SocketBackend, handler: Callable[[Any], Awaitable[Any]], request: bytes) -> tuple[bytes, bytes]:
    """The head, in lower case, and the body of everything that comes back until the connection is closed."""
    app = backend.web.Application()
    app.router.add_route("*", "/", handler)
    async with backend.serve(app) as address:
        head, _, body = (await exchange(address, request)).partition(b"\r\n\r\n")
    return head.lower(), body


def writing(*data: Any) -> Script:
    async def script(request: Any, response: Any) -> None:
        for piece in data:
            await response.write(piece)

    return script


# --- Lengths --------------------------------------------------------------------------------------


async def test_more_than_the_content_length_is_cut(backend: Backend) -> None:
    response = await stream(backend, writing(b"ab", b"cd", b"ef"), headers={"Content-Length": "3"})
    assert (response.content, response.headers["Content-Length"]) == (b"abc", "3")


async def test_more_than_the_content_length_in_write_eof(backend: Backend) -> None:
    async def script(request: Any, response: Any) -> None:
        await response.write(b"ab")
        await response.write_eof(b"cdef")

    assert (await stream(backend, script, headers={"Content-Length": "3"})).content == b"abc"


async def test_connection_after_a_stream_that_was_cut(backend: Backend) -> None:
    """What was cut is not taken for the next response."""
    app = backend.web.Application()
    app.router.add_get(
        "/", streaming(backend, writing(b"abc", b"HTTP/1.1 200 OK\r\n\r\n"), headers={"Content-Length": "3"})
    )
    async with backend.client(app) as client:
        assert [(await client.get("/")).content for _ in range(3)] == [b"abc"] * 3


async def test_less_than_the_content_length(socket_backend: SocketBackend) -> None:
    """The client never takes it for a whole answer; aiohttp leaves it waiting, here the connection is broken off."""
    head, body = b"", b""
    app = socket_backend.web.Application()
    app.router.add_get("/", streaming(socket_backend, writing(b"ab"), headers={"Content-Length": "3"}))
    async with socket_backend.serve(app) as (host, port), asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(2)
        if socket_backend.name != "aiohttp":
            assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
    assert b"content-length: 3" in head.lower()
    assert body == b"ab"


async def test_content_length_of_nothing(backend: Backend) -> None:
    response = await stream(backend, writing(), headers={"Content-Length": "0"})
    assert (response.content, response.headers["Content-Length"]) == (b"", "0")


async def test_chunked_encoding_beside_a_content_length(web: Any) -> None:
    response = web.StreamResponse(headers={"Content-Length": "3"})
    with pytest.raises(RuntimeError, match="can't enable chunked encoding when a content length is set"):
        response.enable_chunked_encoding()


async def test_content_length_beside_chunked_encoding(web: Any) -> None:
    response = web.StreamResponse()
    response.enable_chunked_encoding()
    with pytest.raises(RuntimeError, match="can't set content length when chunked encoding is enable"):
        response.content_length = 3


def test_content_length_is_taken_back(web: Any) -> None:
    response = web.StreamResponse()
    response.content_length = 3
    assert response.headers["Content-Length"] == "3"
    response.content_length = None
    assert response.content_length is None
    assert "Content-Length" not in response.headers


def test_chunk_size_is_deprecated(web: Any) -> None:
    response = web.StreamResponse()
    with pytest.warns(DeprecationWarning, match="Chunk size is deprecated"):
        response.enable_chunked_encoding(100)
    assert response.chunked


# --- Writing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [bytearray(b"ab"), memoryview(b"ab")], ids=["bytearray", "memoryview"])
async def test_kinds_of_data_of_write_eof(backend: Backend, data: Any) -> None:
    async def script(request: Any, response: Any) -> None:
        await response.write_eof(data)

    assert (await stream(backend, script)).content == b"ab"


async def test_part_of_a_memoryview(backend: Backend) -> None:
    assert (await stream(backend, writing(memoryview(b"abcdef")[2:4]))).content == b"cd"


@pytest.mark.parametrize("size", [2, 1_000_000])
async def test_buffer_that_is_used_again(backend: Backend, size: int) -> None:
    """When `write` has returned, the buffer belongs to the program again."""

    async def script(request: Any, response: Any) -> None:
        buffer = bytearray(b"a" * size)
        for letter in (b"b", b"c", b"d"):
            await response.write(buffer)
            buffer[:] = letter * size

    body = (await stream(backend, script)).content
    assert body == b"a" * size + b"b" * size + b"c" * size


async def test_write_eof_alone(backend: Backend) -> None:
    async def script(request: Any, response: Any) -> None:
        await response.write_eof(b"all of it")

    assert (await stream(backend, script)).content == b"all of it"


async def test_write_from_another_task(backend: Backend) -> None:
    async def script(request: Any, response: Any) -> None:
        async def work() -> None:
            for number in range(3):
                await response.write(b"%d" % number)
                await asyncio.sleep(0)

        await asyncio.create_task(work())

    assert (await stream(backend, script)).content == b"012"


async def test_tasks_take_turns_in_writing(backend: Backend) -> None:
    async def script(request: Any, response: Any) -> None:
        async def work(letter: bytes) -> None:
            for _ in range(50):
                await response.write(letter)
                await asyncio.sleep(0)

        await asyncio.gather(work(b"a"), work(b"b"))

    body = (await stream(backend, script)).content
    assert (len(body), body.count(b"a")) == (100, 50)


async def test_head_ignores_what_is_written(backend: Backend) -> None:
    response = await stream(backend, writing(b"abc"), "HEAD")
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize(
    ("method", "status"), [(b"HEAD", 200), (b"GET", 204), (b"GET", 304)], ids=["HEAD", "204", "304"]
)
async def test_what_is_written_where_no_body_belongs(socket_backend: SocketBackend, method: bytes, status: int) -> None:
    """Nothing is sent (RFC 9112, section 6.3). aiohttp sends it, and the client takes it for the next response."""
    request = method + b" / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    head, body = await raw(socket_backend, streaming(socket_backend, writing(b"abc"), status=status), request)
    assert head.startswith(b"http/1.1 %d" % status)
    assert body == (b"abc" if socket_backend.name == "aiohttp" else b"")


async def test_middleware_sees_a_response_that_was_sent(backend: Backend) -> None:
    web = backend.web
    seen: list[Any] = []

    @web.middleware  # type: ignore[untyped-decorator]
    async def note(request: Any, handler: Any) -> Any:
        response = await handler(request)
        seen.append((response.prepared, response.status))
        return response

    app = web.Application(middlewares=[note])
    app.router.add_get("/", streaming(backend, writing(b"abc"), status=201))
    async with backend.client(app) as client:
        assert (await client.get("/")).content == b"abc"
    assert seen == [(True, 201)]


async def test_timeout_around_a_stream(socket_backend: SocketBackend) -> None:
    """A handler that is too late after the headers were sent: the response is broken off."""

    async def script(request: Any, response: Any) -> None:
        await response.write(b"abc")
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    with pytest.raises(httpx.RemoteProtocolError):
        await stream(socket_backend, script)


async def test_http_exception_in_the_middle(socket_backend: SocketBackend) -> None:
    """It is too late for another status."""

    async def script(request: Any, response: Any) -> None:
        await response.write(b"abc")
        raise socket_backend.web.HTTPNotFound

    request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    head, body = await raw(socket_backend, streaming(socket_backend, script), request)
    assert head.startswith(b"http/1.1 200")
    assert body.startswith(b"3\r\nabc\r\n")


# --- Values ---------------------------------------------------------------------------------------


def test_values_of_a_new_response(web: Any) -> None:
    response = web.StreamResponse()
    assert (response.body_length, response.keep_alive, response.task) == (0, None, None)
    assert (response.chunked, response.compression) == (False, False)


async def test_output_length_is_deprecated(backend: Backend) -> None:
    seen: list[bool] = []

    async def script(request: Any, response: Any) -> None:
        await response.write(b"abc")
        with pytest.warns(DeprecationWarning, match="output_length"):
            seen.append(response.output_length >= 3)

    await stream(backend, script)
    assert seen == [True]


async def test_body_length_after_the_end(backend: Backend) -> None:
    """aiohttp counts the headers and the frames of the chunks too."""
    seen: list[int] = []

    async def script(request: Any, response: Any) -> None:
        await response.write(b"abc")
        await response.write_eof(b"de")
        seen.append(response.body_length)

    await stream(backend, script)
    assert seen[0] >= 5
    assert (seen[0] == 5) == (backend.name != "aiohttp")


async def test_task_of_a_response_is_that_of_the_request(backend: Backend) -> None:
    seen: list[Any] = []

    async def script(request: Any, response: Any) -> None:
        seen.append(response.task is request.task)

    await stream(backend, script)
    assert seen == [True]


async def test_keep_alive_after_prepare(backend: Backend) -> None:
    seen: list[Any] = []

    async def script(request: Any, response: Any) -> None:
        seen.append(response.keep_alive)

    await stream(backend, script)
    assert seen == [True]


async def test_chunked_is_what_the_program_asked_for(backend: Backend) -> None:
    seen: list[Any] = []

    async def script(request: Any, response: Any) -> None:
        seen.append((response.chunked, response.content_length))

    await stream(backend, script)
    assert seen == [(False, None)]


# --- Connections ----------------------------------------------------------------------------------


async def test_force_close_closes_the_connection(socket_backend: SocketBackend) -> None:
    async def handler(request: Any) -> Any:
        response = socket_backend.web.StreamResponse()
        response.force_close()
        await response.prepare(request)
        await response.write(b"abc")
        assert response.keep_alive is False
        return response

    head, body = await raw(socket_backend, handler, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b"\r\nconnection: close" in head
    assert body == b"3\r\nabc\r\n0\r\n\r\n"


async def test_client_that_wants_the_connection_closed(socket_backend: SocketBackend) -> None:
    request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    head, _ = await raw(socket_backend, streaming(socket_backend, writing(b"abc")), request)
    assert b"\r\nconnection: close" in head


async def test_http_1_0_with_a_length(socket_backend: SocketBackend) -> None:
    request = b"GET / HTTP/1.0\r\nHost: a\r\n\r\n"
    handler = streaming(socket_backend, writing(b"abc"), headers={"Content-Length": "3"})
    head, body = await raw(socket_backend, handler, request)
    assert b"transfer-encoding" not in head
    assert body == b"abc"


async def test_http_1_0_without_a_length(socket_backend: SocketBackend) -> None:
    """aiohttp ends the body with the connection; uvicorn sends chunks to HTTP/1.0 clients too."""
    request = b"GET / HTTP/1.0\r\nHost: a\r\n\r\n"
    head, body = await raw(socket_backend, streaming(socket_backend, writing(b"abc")), request)
    if socket_backend.name == "aiohttp":
        assert b"transfer-encoding" not in head
        assert body == b"abc"
    else:
        assert body in {b"abc", b"3\r\nabc\r\n0\r\n\r\n"}


async def test_explicit_chunks_for_http_1_0(socket_backend: SocketBackend) -> None:
    errors: list[Exception] = []

    async def handler(request: Any) -> Any:
        response = socket_backend.web.StreamResponse()
        response.enable_chunked_encoding()
        try:
            await response.prepare(request)
        except RuntimeError as exc:
            errors.append(exc)
        return socket_backend.web.Response()

    await raw(socket_backend, handler, b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
    (error,) = errors
    assert str(error) == "Using chunked encoding is forbidden for HTTP/1.0"


async def test_pipelined_streams_are_answered_in_order(socket_backend: SocketBackend) -> None:
    async def handler(request: Any) -> Any:
        response = socket_backend.web.StreamResponse(headers={"Content-Length": "2"})
        await response.prepare(request)
        await response.write(request.query["n"].encode())
        await asyncio.sleep(0)
        await response.write(b",")
        return response

    app = socket_backend.web.Application()
    app.router.add_get("/", handler)
    requests = [
        b"GET /?n=1 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /?n=2 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /?n=3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    ]
    async with socket_backend.serve(app) as address:
        received = await exchange(address, b"".join(requests))
    assert [part[:2] for part in received.split(b"\r\n\r\n")[1:]] == [b"1,", b"2,", b"3,"]


# --- Slow clients, and those that leave -----------------------------------------------------------


async def test_slow_client_stops_the_writer(socket_backend: SocketBackend) -> None:
    """What the client does not read is not produced: `write` waits."""
    written = 0

    async def script(request: Any, response: Any) -> None:
        nonlocal written
        for _ in range(500):
            await response.write(b"x" * 100_000)
            written += 100_000

    app = socket_backend.web.Application()
    app.router.add_get("/", streaming(socket_backend, script))
    async with socket_backend.serve(app) as (host, port), asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection(host, port, limit=1000)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        before = -1
        while before != written:
            before = written
            await asyncio.sleep(0.1)
        assert written < 50_000_000
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def left(backend: SocketBackend, then: Script, **options: Any) -> Any:
    """What `then(request, response)` gives or raises, called when the client has gone in the middle of a stream."""
    gone = asyncio.Event()
    outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def script(request: Any, response: Any) -> None:
        await response.write(b"first")
        await gone.wait()
        try:
            outcome.set_result(await then(request, response))
        except Exception as exc:
            outcome.set_result(exc)
            raise

    app = backend.web.Application()
    app.router.add_get("/", streaming(backend, script, **options))
    async with backend.serve(app) as (host, port), asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await reader.readuntil(b"first")
        writer.transport.abort()
        for _ in range(50):
            await asyncio.sleep(0)
        gone.set()
        return await outcome


async def write_on(request: Any, response: Any) -> None:
    while True:
        await response.write(b"x" * 10_000)
        await asyncio.sleep(0)


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "1000000000"}], ids=["chunked", "length"])
async def test_write_after_the_client_left(socket_backend: SocketBackend, headers: dict[str, str]) -> None:
    error = await left(socket_backend, write_on, headers=headers)
    assert isinstance(error, ConnectionResetError)


async def test_every_write_after_the_client_left_fails(socket_backend: SocketBackend) -> None:
    async def then(request: Any, response: Any) -> int:
        count = 0
        for _ in range(3):
            with pytest.raises(ConnectionResetError):
                await write_on(request, response)
            count += 1
        return count

    assert await left(socket_backend, then) == 3


async def test_handler_that_swallows_the_error_of_a_client_that_left(socket_backend: SocketBackend) -> None:
    """It may clean up, await other things, and return the response."""

    async def then(request: Any, response: Any) -> str:
        with pytest.raises(ConnectionResetError):
            await write_on(request, response)
        await asyncio.sleep(0)
        return "cleaned up"

    assert await left(socket_backend, then) == "cleaned up"


async def test_server_goes_on_after_a_client_that_left(socket_backend: SocketBackend) -> None:
    app = socket_backend.web.Application()
    ended = asyncio.Event()

    async def endless(request: Any, response: Any) -> None:
        try:
            await write_on(request, response)
        finally:
            ended.set()

    app.router.add_get("/endless", streaming(socket_backend, endless))
    app.router.add_get("/", streaming(socket_backend, writing(b"fine")))
    async with socket_backend.serve(app) as (host, port), asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        await reader.readexactly(100)
        writer.transport.abort()
        await ended.wait()
        received = await exchange((host, port), b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert b"fine" in received
