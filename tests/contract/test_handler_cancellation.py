"""Clients that leave before they are answered, with ``handler_cancellation`` and without."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from tests.contract.backends import PATIENCE, Address, SocketBackend
from tests.contract.ws_backends import CLOSE, TEXT, WS_BACKENDS, RawClient

Handler = Callable[[Any], Awaitable[Any]]

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def web(socket_backend: SocketBackend) -> Any:
    """`aiohttp.web` and `framework.web` in turn."""
    return socket_backend.web


class Visit:
    """What a handler and the test about it tell each other."""

    def __init__(self) -> None:
        self.log: list[Any] = []
        self.begun = asyncio.Event()
        #: For handlers that wait until the client has gone, where nothing is to tell them so.
        self.left = asyncio.Event()
        self.ended = asyncio.Event()

    async def wait(self) -> None:
        """What handlers do that are to be cancelled."""
        self.begun.set()
        await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def serving(web: Any, app: Any, *, cancels: bool = True) -> AsyncIterator[Address]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, handler_cancellation=cancels)
    async with asyncio.timeout(PATIENCE):
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield runner.addresses[0]
        finally:
            await runner.cleanup()


def application(web: Any, visit: Visit, handler: Handler, **options: Any) -> Any:
    """An application whose handler's end, middlewares included, is `visit.ended`."""

    async def outermost(request: Any, handler: Handler) -> Any:
        try:
            return await handler(request)
        finally:
            visit.ended.set()

    app = web.Application(middlewares=[web.middleware(outermost)], **options)
    app.router.add_route("*", "/", handler)
    return app


async def leave(address: Address, visit: Visit, request: bytes = GET) -> None:
    """Send a request, break the connection off when the handler has begun, and wait for its end."""
    _, writer = await asyncio.open_connection(*address)
    writer.write(request)
    await visit.begun.wait()
    writer.transport.abort()
    for _ in range(20):
        await asyncio.sleep(0)
    visit.left.set()
    await visit.ended.wait()
    # What is done after the middlewares.
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def visited(web: Any, visit: Visit, handler: Handler, *, cancels: bool = True, request: bytes = GET) -> list[Any]:
    async with serving(web, application(web, visit, handler), cancels=cancels) as address:
        await leave(address, visit, request)
    return visit.log


# --- Who is cancelled -----------------------------------------------------------------------------


async def test_handler_runs_on_by_default(web: Any) -> None:
    visit = Visit()

    async def handler(request: Any) -> Any:
        visit.begun.set()
        await visit.left.wait()
        visit.log.append("to its end")
        return web.Response()

    assert await visited(web, visit, handler, cancels=False) == ["to its end"]


async def test_handler_is_cancelled(web: Any) -> None:
    visit = Visit()

    async def handler(request: Any) -> Any:
        try:
            await visit.wait()
        except asyncio.CancelledError as exc:
            visit.log += [exc.args, request.transport]
            raise

    assert await visited(web, visit, handler) == [(), None]


async def test_server_is_told_by_handler_cancellation_too(web: Any) -> None:
    visit = Visit()

    async def handler(request: Any) -> Any:
        try:
            await visit.wait()
        finally:
            visit.ended.set()

    server = web.Server(handler, handler_cancellation=True, access_log=None)
    assert server.handler_cancellation
    runner = web.ServerRunner(server)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with asyncio.timeout(PATIENCE):
        await leave(runner.addresses[0], visit)
    await runner.cleanup()


async def test_middlewares_see_the_cancellation(web: Any) -> None:
    visit = Visit()

    async def around(request: Any, handler: Handler) -> Any:
        try:
            return await handler(request)
        except asyncio.CancelledError:
            visit.log.append("middleware")
            raise

    async def handler(request: Any) -> Any:
        try:
            await visit.wait()
        finally:
            visit.log.append("handler")

    app = application(web, visit, handler)
    app.middlewares.append(web.middleware(around))
    async with serving(web, app) as address:
        await leave(address, visit)
    assert visit.log == ["handler", "middleware"]


async def test_middleware_alone_is_cancelled_for_a_path_without_a_route(web: Any) -> None:
    visit = Visit()

    async def around(request: Any, handler: Handler) -> Any:
        await visit.wait()

    async def handler(request: Any) -> Any: ...

    app = application(web, visit, handler)
    app.middlewares.append(web.middleware(around))
    async with serving(web, app) as address:
        await leave(address, visit, b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n")


async def test_handler_of_a_subapplication(web: Any) -> None:
    visit = Visit()

    async def handler(request: Any) -> Any:
        await visit.wait()

    app = web.Application()
    app.add_subapp("/below", application(web, visit, handler))
    async with serving(web, app) as address:
        await leave(address, visit, b"GET /below/ HTTP/1.1\r\nHost: a\r\n\r\n")


async def test_receiver_of_on_response_prepare_is_cancelled(web: Any) -> None:
    visit = Visit()

    async def handler(request: Any) -> Any:
        return web.Response()

    async def prepare(request: Any, response: Any) -> None:
        try:
            await visit.wait()
        finally:
            visit.log.append("receiver")

    app = application(web, visit, handler)
    app.on_response_prepare.append(prepare)
    async with serving(web, app) as address:
        await leave(address, visit)
    assert visit.log == ["receiver"]


async def test_generator_of_a_body_is_cancelled(web: Any) -> None:
    visit = Visit()
    closed = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        try:
            yield b"x"
            await visit.wait()
        except asyncio.CancelledError:
            visit.log.append("generator")
            closed.set()
            raise

    async def handler(request: Any) -> Any:
        return web.Response(body=body())

    async with serving(web, application(web, visit, handler)) as address:
        await leave(address, visit)
        await closed.wait()
    assert visit.log == ["generator"]


async def test_handler_that_streams_is_cancelled(web: Any) -> None:
    visit = Visit()

    async def handler(request: Any) -> Any:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x")
        try:
            await visit.wait()
        finally:
            visit.log.append("cancelled")

    assert await visited(web, visit, handler) == ["cancelled"]


# --- Bodies ---------------------------------------------------------------------------------------

HALF = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf"


async def test_handler_that_waits_for_the_body_is_cancelled(web: Any) -> None:
    visit = Visit()

    async def handler(request: Any) -> Any:
        visit.begun.set()
        try:
            await request.read()
        except BaseException as exc:
            visit.log.append(type(exc))
            raise

    assert await visited(web, visit, handler, request=HALF) == [asyncio.CancelledError]


async def test_handler_that_waits_for_the_body_without_cancellation(web: Any) -> None:
    visit = Visit()

    async def handler(request: Any) -> Any:
        visit.begun.set()
        try:
            await request.read()
        except BaseException as exc:
            visit.log.append(isinstance(exc, ConnectionResetError))
            raise

    assert await visited(web, visit, handler, request=HALF, cancels=False) == [True]


@pytest.mark.parametrize("request_bytes", [HALF, HALF + b"-whole"], ids=["half", "whole"])
async def test_handler_that_leaves_the_body_alone_is_cancelled(web: Any, request_bytes: bytes) -> None:
    visit = Visit()

    async def handler(request: Any) -> Any:
        try:
            await visit.wait()
        finally:
            visit.log.append("cancelled")

    assert await visited(web, visit, handler, request=request_bytes) == ["cancelled"]


async def test_body_is_still_there_for_whoever_reads_it_late(web: Any) -> None:
    async def handler(request: Any) -> Any:
        for _ in range(10):
            await asyncio.sleep(0)
        body = await request.read()
        await asyncio.sleep(0)
        return web.Response(body=body)

    visit = Visit()
    async with (
        serving(web, application(web, visit, handler)) as (host, port),
        aiohttp.ClientSession() as http,
        http.post(f"http://{host}:{port}/", data=b"x" * 300_000) as answer,
    ):
        assert await answer.read() == b"x" * 300_000


# --- What a cancelled handler may do --------------------------------------------------------------


async def test_cleanup_that_awaits(web: Any) -> None:
    visit = Visit()

    async def handler(request: Any) -> Any:
        try:
            await visit.wait()
        finally:
            for _ in range(3):
                await asyncio.sleep(0)
            await asyncio.wait_for(asyncio.sleep(0), PATIENCE)
            visit.log.append("cleaned up")

    assert await visited(web, visit, handler) == ["cleaned up"]


async def test_handler_that_ignores_the_cancellation(web: Any) -> None:
    visit = Visit()

    async def handler(request: Any) -> Any:
        with contextlib.suppress(asyncio.CancelledError):
            await visit.wait()
        for _ in range(3):
            await asyncio.sleep(0)
        visit.log.append("to its end")
        return web.Response()

    assert await visited(web, visit, handler) == ["to its end"]


async def test_shielded_part_runs_on(web: Any) -> None:
    visit = Visit()
    saved = asyncio.Event()

    async def save() -> None:
        visit.begun.set()
        await visit.left.wait()
        saved.set()

    async def handler(request: Any) -> Any:
        try:
            await asyncio.shield(asyncio.ensure_future(save()))
        finally:
            visit.log.append("cancelled")

    assert await visited(web, visit, handler) == ["cancelled"]
    await asyncio.wait_for(saved.wait(), PATIENCE)


async def test_children_of_a_task_group_are_cancelled(web: Any) -> None:
    visit = Visit()

    async def child() -> None:
        try:
            await visit.wait()
        finally:
            visit.log.append("child")

    async def handler(request: Any) -> Any:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(child())
                group.create_task(child())
        except BaseException as exc:
            visit.log.append(type(exc))
            raise

    assert await visited(web, visit, handler) == ["child", "child", asyncio.CancelledError]


async def test_cancellation_inside_of_a_timeout_is_no_timeout(web: Any) -> None:
    visit = Visit()

    async def handler(request: Any) -> Any:
        try:
            async with asyncio.timeout(PATIENCE):
                await visit.wait()
        except BaseException as exc:
            visit.log.append(type(exc))
            raise

    assert await visited(web, visit, handler) == [asyncio.CancelledError]


async def test_timeout_of_the_handler_is_one(web: Any) -> None:
    visit = Visit()

    async def handler(request: Any) -> Any:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
            raise AssertionError("not reached")
        visit.log.append("timeout")
        try:
            await visit.wait()
        finally:
            visit.log.append("cancelled")

    assert await visited(web, visit, handler) == ["timeout", "cancelled"]


async def test_handler_that_fails_when_it_is_cancelled(web: Any, caplog: pytest.LogCaptureFixture) -> None:
    visit = Visit()

    async def handler(request: Any) -> Any:
        try:
            await visit.wait()
        except asyncio.CancelledError:
            raise ValueError("in the cleanup") from None

    await visited(web, visit, handler)
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert record.getMessage().startswith("Error handling request")
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "in the cleanup"


async def test_nothing_is_logged_for_a_cancelled_handler(web: Any, caplog: pytest.LogCaptureFixture) -> None:
    visit = Visit()

    async def handler(request: Any) -> Any:
        await visit.wait()

    await visited(web, visit, handler)
    assert [record for record in caplog.records if record.levelno >= logging.INFO] == []


async def test_client_that_stays_cancels_nothing(web: Any) -> None:
    """Neither between two requests of a connection nor at the end of one, nor what its handler has left running."""
    visit = Visit()
    tasks: list[asyncio.Task[None]] = []

    async def later() -> None:
        await visit.left.wait()
        visit.log.append("later")

    async def handler(request: Any) -> Any:
        tasks.append(asyncio.ensure_future(later()))
        await asyncio.sleep(0.01)
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x" * 100_000)
        await asyncio.sleep(0)
        visit.log.append("answered")
        return response

    async with serving(web, application(web, visit, handler)) as (host, port):
        async with aiohttp.ClientSession() as http:
            for _ in range(3):
                async with http.get(f"http://{host}:{port}/") as answer:
                    assert len(await answer.read()) == 100_000
        visit.left.set()
        await asyncio.gather(*tasks)
    assert sorted(visit.log) == ["answered"] * 3 + ["later"] * 3


# --- WebSockets -----------------------------------------------------------------------------------


HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def drop_websocket(web: Any, handler: Handler, visit: Visit, *, cancels: bool = True) -> None:
    async with serving(web, application(web, visit, handler), cancels=cancels) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(HANDSHAKE)
        await reader.readuntil(b"\r\n\r\n")
        await visit.begun.wait()
        await RawClient(reader, writer).send(TEXT, b"unread")
        writer.close()
        await writer.wait_closed()
        for _ in range(20):
            await asyncio.sleep(0)
        visit.left.set()
        await visit.ended.wait()


async def test_websocket_handler_that_does_not_receive_is_cancelled(web: Any) -> None:
    visit = Visit()

    async def handler(request: Any) -> Any:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.send_str("hello")
        try:
            await visit.wait()
        finally:
            visit.log.append("cancelled")

    await drop_websocket(web, handler, visit)
    assert visit.log == ["cancelled"]


async def test_websocket_handler_runs_on_by_default(web: Any) -> None:
    visit = Visit()

    async def handler(request: Any) -> Any:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        visit.begun.set()
        await visit.left.wait()
        visit.log += [message.data async for message in ws]
        return ws

    await drop_websocket(web, handler, visit, cancels=False)
    assert visit.log == ["unread"]


async def test_websocket_conversation_is_not_disturbed(web: Any) -> None:
    visit = Visit()

    async def handler(request: Any) -> Any:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        async for message in ws:
            await asyncio.sleep(0.001)
            await ws.send_str(message.data.upper())
        visit.log.append(ws.close_code)
        return ws

    async with serving(web, application(web, visit, handler)) as (host, port):
        async with aiohttp.ClientSession() as http, http.ws_connect(f"http://{host}:{port}/") as ws:
            for word in ("one", "two", "three"):
                await ws.send_str(word)
            assert [await ws.receive_str() for _ in range(3)] == ["ONE", "TWO", "THREE"]
            await ws.close(code=4000)
        await visit.ended.wait()
    assert visit.log == [4000]


@pytest.mark.parametrize("end", ["drop", "close"])
@pytest.mark.parametrize("server", WS_BACKENDS[1:], ids=lambda server: server.name)
async def test_websocket_handlers_on_every_server(server: SocketBackend, end: str) -> None:
    """Here a close counts as well as a drop; aiohttp goes by the connection, which its client keeps for the answer."""
    visit = Visit()

    async def handler(request: Any) -> Any:
        ws = server.web.WebSocketResponse()
        await ws.prepare(request)
        visit.log.append((await ws.receive()).data)
        try:
            await visit.wait()
        finally:
            visit.log.append("cancelled")

    app = application(server.web, visit, handler, handler_cancellation=True)
    async with asyncio.timeout(PATIENCE), server.serve(app) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(HANDSHAKE)
        await reader.readuntil(b"\r\n\r\n")
        client = RawClient(reader, writer)
        await client.send(TEXT, b"hello")
        await visit.begun.wait()
        if end == "close":
            await client.send(CLOSE, (4000).to_bytes(2, "big"))
            assert await client.close_code() == 4000
        writer.transport.abort()
        await visit.ended.wait()
    assert visit.log == ["hello", "cancelled"]
