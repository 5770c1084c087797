"""The server with raw ASGI applications, started and stopped in the test's own loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
import websockets
from websockets.asyncio.client import connect

from framework.serving.access_log import AccessLog, AccessLogger
from framework.serving.server import Server
from framework.typedefs import ASGIApp, Receive, Scope, Send


async def nothing() -> None: ...


@contextlib.asynccontextmanager
async def serving(
    app: ASGIApp, *, on_shutdown: Callable[[], Awaitable[None]] = nothing, **options: Any
) -> AsyncIterator[tuple[Server, str]]:
    """A started server and its address. Leaving shuts it down, unless the test has."""
    options = {"shutdown_timeout": 60.0, "keepalive_timeout": 60.0, "ssl_context": None, "access_log": None} | options
    server = Server(app, on_shutdown=on_shutdown, backlog=16, **options)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        host, port = sock.getsockname()
        await server.startup([sock])
        await server.on_tick(0)
        yield server, f"{host}:{port}"
        await server.shutdown([sock])
    assert not server.server_state.connections
    assert not server.server_state.tasks


def client() -> httpx.AsyncClient:
    return httpx.AsyncClient(trust_env=False, timeout=60.0)


async def respond(send: Send, body: bytes) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def test_it_serves_with_server_and_date() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, scope["path"].encode())

    async with serving(app) as (_, address), client() as http:
        response = await http.get(f"http://{address}/a%20b")
    assert response.text == "/a b"
    assert {"server", "date"} <= set(response.headers)


async def test_s11_forwarded_headers_are_not_believed() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, f"{scope['scheme']} {scope['client'][0]}".encode())

    async with serving(app) as (_, address), client() as http:
        headers = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https"}
        response = await http.get(f"http://{address}/", headers=headers)
    assert response.text == "http 127.0.0.1"


async def test_an_open_websocket_is_closed_after_on_shutdown() -> None:
    events = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        message = await receive()
        events.append((message["type"], message["code"]))

    async def on_shutdown() -> None:
        events.append(("on_shutdown", 0))

    async with serving(app, on_shutdown=on_shutdown) as (_, address):
        websocket = await connect(f"ws://{address}/", proxy=None)
    with pytest.raises(websockets.ConnectionClosed) as closed:
        await websocket.recv()
    assert events == [("on_shutdown", 0), ("websocket.disconnect", 1012)]
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012


async def test_on_shutdown_can_close_a_websocket_itself() -> None:
    shutting_down = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await shutting_down.wait()
        await send({"type": "websocket.close", "code": 1001})
        closed.set()

    async def on_shutdown() -> None:
        shutting_down.set()
        await closed.wait()

    closed = asyncio.Event()
    async with serving(app, on_shutdown=on_shutdown) as (_, address):
        websocket = await connect(f"ws://{address}/", proxy=None)
    with pytest.raises(websockets.ConnectionClosed) as caught:
        await websocket.recv()
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1001


async def test_requests_are_finished_even_when_on_shutdown_fails() -> None:
    began, release = asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        began.set()
        await release.wait()
        await respond(send, b"done")

    async def on_shutdown() -> None:
        release.set()
        raise ValueError("on_shutdown")

    async def ask(address: str) -> str:
        async with client() as http:
            return (await http.get(f"http://{address}/")).text

    with pytest.raises(ValueError, match="on_shutdown"):
        async with serving(app, on_shutdown=on_shutdown) as (_, address):
            answer = asyncio.create_task(ask(address))
            await began.wait()
    assert await answer == "done"


async def test_a_cancelled_handler_may_clean_up(caplog: pytest.LogCaptureFixture) -> None:
    began, cleaned_up = asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned_up.set()

    async with serving(app, shutdown_timeout=0.0) as (_, address), client() as http:
        request = asyncio.create_task(http.get(f"http://{address}/"))
        await began.wait()
        request.add_done_callback(lambda _: None)
    assert cleaned_up.is_set()
    with pytest.raises(httpx.TransportError):
        await request
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_handler_that_ends_the_process_in_the_middle_of_its_response() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
        raise SystemExit(3)

    async with serving(app) as (server, address), client() as http:
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get(f"http://{address}/")
        assert server.should_exit
    assert isinstance(server.exit_reason, SystemExit)


async def test_a_websocket_handler_that_ends_the_process() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        raise SystemExit(3)

    async with serving(app) as (server, address):
        async with connect(f"ws://{address}/", proxy=None) as websocket:
            with pytest.raises(websockets.ConnectionClosed):
                await websocket.recv()
        assert server.should_exit


async def test_the_access_log(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, b"hello")

    logger = logging.getLogger("tests.server.access")
    async with serving(app, access_log=AccessLog(AccessLogger(logger))) as (_, address), client() as http:
        await http.get(f"http://{address}/before")
        with caplog.at_level(logging.INFO, logger.name):
            await http.get(f"http://{address}/after")
    assert ['"GET /after HTTP/1.1" 200 5' in record.getMessage() for record in caplog.records] == [True]
