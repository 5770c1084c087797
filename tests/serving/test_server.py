"""The server with raw ASGI applications, started and stopped in the test's own loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
import trustme
import websockets
from websockets.asyncio.client import connect

from framework.request_ids import request_id
from framework.serving.access_log import AccessLog
from framework.serving.access_loggers import AccessLogger
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


async def test_a_handshake_that_is_denied_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.http.response.start", "status": 404, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b"not here"})

    async with serving(app) as (_, address):
        with pytest.raises(websockets.InvalidStatus) as failure:
            await connect(f"ws://{address}", proxy=None)
    assert failure.value.response.status_code == 404
    assert failure.value.response.body == b"not here"
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


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


# --- Requests that are on their way when the end begins ----------------------------------------------------------


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def read_response(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    assert await reader.readexactly(5) == b"hello"
    return head


async def test_a_connection_that_was_not_accepted_yet_is_answered() -> None:
    async with serving(answer) as (_, address):
        host, port = address.split(":")
        client = socket.create_connection((host, int(port)))
        client.sendall(REQUEST)
    # The loop has had no round in between.
    reader, writer = await asyncio.open_connection(sock=client)
    assert b"\r\nconnection: close\r\n" in await read_response(reader)
    assert await reader.read() == b""
    writer.close()


async def test_a_connection_that_was_not_accepted_yet_is_answered_over_tls() -> None:
    authority = trustme.CA()
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server_context)
    client_context = ssl.create_default_context()
    authority.configure_trust(client_context)
    async with serving(answer, ssl_context=server_context) as (_, address):
        host, port = address.split(":")
        sock = socket.create_connection((host, int(port)))
        asked = asyncio.create_task(ask_over_tls(sock, client_context))
    assert b"\r\nconnection: close\r\n" in await asked


async def ask_over_tls(sock: socket.socket, context: Any) -> bytes:
    reader, writer = await asyncio.open_connection(sock=sock, ssl=context, server_hostname="127.0.0.1")
    writer.write(REQUEST)
    head = await read_response(reader)
    writer.close()
    return head


async def test_an_idle_connection_is_read_before_it_is_closed() -> None:
    async with serving(answer) as (_, address):
        reader, writer = await asyncio.open_connection(*address.split(":"))
        writer.write(REQUEST)
        assert b"connection: close" not in await read_response(reader)
        # Written at once; the server has not read it when its end begins.
        writer.write(REQUEST)
    assert b"\r\nconnection: close\r\n" in await read_response(reader)
    assert await reader.read() == b""
    writer.close()


async def test_a_request_that_is_sent_when_the_end_has_begun() -> None:
    async def on_shutdown() -> None:
        for _, writer in connections:
            writer.write(REQUEST)

    connections: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    async with serving(answer, on_shutdown=on_shutdown) as (_, address):
        for _ in range(3):
            reader, writer = await asyncio.open_connection(*address.split(":"))
            # One has not asked before.
            if connections:
                writer.write(REQUEST)
                await read_response(reader)
            connections.append((reader, writer))
    for reader, writer in connections:
        assert b"\r\nconnection: close\r\n" in await read_response(reader)
        writer.close()


async def test_a_request_that_has_come_in_part() -> None:
    async def on_shutdown() -> None:
        writer.write(REQUEST[20:])

    async with serving(answer, on_shutdown=on_shutdown) as (_, address):
        reader, writer = await asyncio.open_connection(*address.split(":"))
        writer.write(REQUEST + REQUEST[:20])
        await read_response(reader)
    assert b"\r\nconnection: close\r\n" in await read_response(reader)
    writer.close()


async def test_a_server_of_a_test_does_not_wait() -> None:
    """And reads all the same what has arrived."""
    async with serving(answer, shutdown_timeout=1e6) as (server, address):
        server.waits_for_requests = False
        idle_reader, idle_writer = await asyncio.open_connection(*address.split(":"))
        reader, writer = await asyncio.open_connection(*address.split(":"))
        writer.write(REQUEST)
    assert await idle_reader.read() == b""
    await read_response(reader)
    idle_writer.close()
    writer.close()


async def test_all_of_a_pipeline_is_answered() -> None:
    async with serving(answer) as (_, address):
        reader, writer = await asyncio.open_connection(*address.split(":"))
        writer.write(REQUEST)
        await read_response(reader)
        writer.write(REQUEST * 3)
    heads = [await read_response(reader) for _ in range(3)]
    assert [b"connection: close" in head for head in heads] == [False, False, True]
    assert await reader.read() == b""
    writer.close()


async def test_a_busy_connection_says_that_it_ends() -> None:
    began, release = asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        began.set()
        await release.wait()
        await answer(scope, receive, send)

    async def on_shutdown() -> None:
        release.set()

    async with serving(app, on_shutdown=on_shutdown) as (_, address):
        reader, writer = await asyncio.open_connection(*address.split(":"))
        writer.write(REQUEST)
        await began.wait()
    assert b"\r\nconnection: close\r\n" in await read_response(reader)
    writer.close()


async def test_a_websocket_that_is_accepted_when_the_end_has_begun() -> None:
    began, release = asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        began.set()
        await release.wait()
        await send({"type": "websocket.accept"})
        assert (await receive())["code"] == 1012

    async def on_shutdown() -> None:
        asyncio.get_running_loop().call_later(0.01, release.set)

    async with serving(app, on_shutdown=on_shutdown) as (_, address):
        connecting = asyncio.create_task(_connect(address))
        await began.wait()
    websocket = await connecting
    with pytest.raises(websockets.ConnectionClosed):
        await websocket.recv()


async def _connect(address: str) -> Any:
    return await connect(f"ws://{address}/", proxy=None)


async def test_hurrying_cancels_on_shutdown(caplog: pytest.LogCaptureFixture) -> None:
    async def on_shutdown() -> None:
        server.force_exit = True
        await asyncio.Event().wait()

    async with serving(answer, on_shutdown=on_shutdown) as (server, _):
        pass
    assert [record.message for record in caplog.records] == ["on_shutdown was cancelled: it was told to hurry"]


async def test_a_request_does_not_begin_with_the_id_of_the_one_before() -> None:
    seen: list[str | None] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(request_id.get())
        request_id.set(scope["path"])
        await respond(send, b"")

    async with serving(app) as (_, address):
        reader, writer = await asyncio.open_connection(*address.split(":"))
        # Behind one another: uvicorn begins the second from the first one's task, and reads on in its context.
        writer.write(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
        while len(seen) < 2:
            await reader.readline()
        writer.write(b"GET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        await reader.read()
        writer.close()
    assert seen == [None, None, None]
