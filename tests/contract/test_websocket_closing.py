"""How a WebSocket ends: by either side, by both, by a failure, and what is known of it afterwards."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from tests.contract import ws_backends
from tests.contract.backends import SocketBackend
from tests.contract.ws_backends import CLOSE, application, conversation, raw_conversation, serving

ws_backend = ws_backends.ws_backend

Handler = Callable[[Any], Awaitable[Any]]

CLOSED, CLOSING = aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING


def end_of(ws: Any) -> tuple[bool, int | None, str | None]:
    """What a socket knows of its end: closed, code, and the name of the exception's class."""
    exc = ws.exception()
    return ws.closed, ws.close_code, None if exc is None else type(exc).__name__


async def receive(ws: Any) -> Any:
    """The next message, and what the socket knows of its end after it."""
    return await ws.receive(), end_of(ws)


def loses_codes(backend: SocketBackend) -> bool:
    """Whether the server calls every end that the client makes an abnormal one: hypercorn does."""
    return backend.name == "hypercorn"


LOST = (CLOSED, None, None), (True, 1006, "ClientConnectionResetError")


# --- The client closes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "reason"),
    [(1000, ""), (1001, "going"), (1008, "policy"), (3000, ""), (4001, "bye"), (4999, "grüße"), (1000, "x" * 123)],
)
async def test_the_client_closes(ws_backend: SocketBackend, code: int, reason: str) -> None:
    async with conversation(ws_backend, receive) as (client, served):
        assert await client.close(code=code, message=reason.encode())
        expected = ((CLOSE, code, reason), (True, code, None))
        assert await served == (LOST if loses_codes(ws_backend) else expected)
        # RFC 6455, section 5.5.1: typically echoed. aiohttp says that all is well.
        assert client.close_code == (1000 if ws_backend.name == "aiohttp" else code)


async def test_the_client_closes_without_a_code(ws_backend: SocketBackend) -> None:
    async with raw_conversation(ws_backend, receive) as (client, served):
        await client.send(CLOSE, b"")
        opcode, _ = await client.receive()
        assert opcode == CLOSE
        client.writer.close()
        expected = ((CLOSE, 0, ""), (True, 0, None))
        assert await served == (LOST if loses_codes(ws_backend) else expected)


async def test_receiving_from_a_socket_that_the_client_has_closed(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> Any:
        first = await ws.receive()
        others = []
        with pytest.raises(RuntimeError, match=r"WebSocket connection is closed\."):
            while True:
                others.append(await ws.receive())
        return first.type, others

    async with conversation(ws_backend, talk) as (client, served):
        await client.close(code=4001)
        assert await served == (CLOSED if loses_codes(ws_backend) else CLOSE, [(CLOSED, None, None)] * 4)


async def test_messages_before_the_close_are_received(ws_backend: SocketBackend) -> None:
    closed = asyncio.Event()

    async def talk(ws: Any) -> Any:
        await closed.wait()
        return [await ws.receive_str() for _ in range(20)], (await ws.receive()).type

    async with conversation(ws_backend, talk) as (client, served):
        for number in range(20):
            await client.send_str(str(number))
        closing = asyncio.ensure_future(client.close())
        await asyncio.sleep(0.01)
        closed.set()
        await closing
        assert await served == ([str(number) for number in range(20)], CLOSED if loses_codes(ws_backend) else CLOSE)


async def test_closing_after_the_client_has(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> Any:
        await ws.receive()
        return await ws.close(code=4100), ws.closed

    async with conversation(ws_backend, talk) as (client, served):
        await client.close()
        assert await served == (False, True)


@pytest.mark.parametrize("method", ["send_str", "send_bytes", "send_json", "ping", "pong"])
async def test_sending_after_the_client_has_closed(ws_backend: SocketBackend, method: str) -> None:
    async def talk(ws: Any) -> Any:
        await ws.receive()
        with pytest.raises(ConnectionResetError, match="Cannot write to closing transport"):
            await getattr(ws, method)(b"x" if method in {"send_bytes", "ping", "pong"} else "x")
        return end_of(ws)

    async with conversation(ws_backend, talk) as (client, served):
        await client.close(code=4001)
        assert await served == (LOST[1] if loses_codes(ws_backend) else (True, 4001, None))


async def test_who_only_sends_hears_of_the_clients_end(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> bool:
        with pytest.raises(ConnectionResetError):
            while True:
                await ws.send_str("tick")
                await asyncio.sleep(0.001)
        return True

    async with raw_conversation(ws_backend, talk) as (client, served):
        assert await client.receive() == (ws_backends.TEXT, b"tick")
        await client.send(CLOSE, (1000).to_bytes(2, "big"))
        client.writer.close()
        assert await served


# --- autoclose=False ------------------------------------------------------------------------------


async def test_autoclose_leaves_the_close_to_the_handler(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> Any:
        message = await ws.receive()
        state = end_of(ws)
        return message, state, await ws.close(code=4100, message=b"and bye"), end_of(ws)

    async with conversation(ws_backend, talk, options={"autoclose": False}) as (client, served):
        await client.close(code=4001, message=b"bye")
        result = await served
        if loses_codes(ws_backend):
            assert result == (*LOST, False, LOST[1])
        else:
            assert result == ((CLOSE, 4001, "bye"), (False, 4001, None), True, (True, 4001, None))
        # An ASGI server has answered the client before the handler hears of its close.
        assert client.close_code == (4100 if ws_backend.name == "aiohttp" else 4001)


async def test_autoclose_and_a_handler_that_does_not_close(ws_backend: SocketBackend) -> None:
    async with conversation(ws_backend, receive, options={"autoclose": False}) as (client, served):
        await client.close(code=4001)
        await served
        assert client.closed


# --- The client is gone ---------------------------------------------------------------------------


def gone(backend: SocketBackend) -> Any:
    """What tells of a client that has left without a close."""
    # uvicorn's newer implementations say the same of it as of a close without a code.
    return ((CLOSE, 0, ""), (True, 0, None)) if backend.name in {"uvicorn", "wsproto"} else LOST


async def test_the_client_drops_its_connection(ws_backend: SocketBackend) -> None:
    async with raw_conversation(ws_backend, receive) as (client, served):
        client.writer.close()
        assert await served == gone(ws_backend)


async def test_the_client_resets_its_connection(ws_backend: SocketBackend) -> None:
    async with raw_conversation(ws_backend, receive) as (client, served):
        client.writer.transport.abort()
        assert await served == gone(ws_backend)


async def test_the_client_leaves_in_the_middle_of_a_message(ws_backend: SocketBackend) -> None:
    async with raw_conversation(ws_backend, receive) as (client, served):
        await client.send(ws_backends.TEXT, b"half of", final=False)
        client.writer.write(b"\x80\xff")
        client.writer.close()
        assert await served == gone(ws_backend)


async def test_iteration_ends_when_the_client_is_gone(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> Any:
        return [message.data async for message in ws], ws.closed

    async with raw_conversation(ws_backend, talk) as (client, served):
        await client.send(ws_backends.TEXT, b"last words")
        client.writer.close()
        assert await served == (["last words"], True)


async def test_sending_to_a_client_that_is_gone(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> Any:
        with pytest.raises(ConnectionResetError) as caught:
            while True:
                await ws.send_bytes(bytes(1000))
                await asyncio.sleep(0.001)
        return type(caught.value).__name__

    async with raw_conversation(ws_backend, talk) as (client, served):
        client.writer.transport.abort()
        assert await served == "ClientConnectionResetError"


async def test_closing_when_the_client_is_gone(ws_backend: SocketBackend) -> None:
    left = asyncio.Event()

    async def talk(ws: Any) -> bool:
        await left.wait()
        await ws.close(code=4000)
        closed: bool = ws.closed
        return closed

    async with raw_conversation(ws_backend, talk) as (client, served):
        client.writer.transport.abort()
        await asyncio.sleep(0.01)
        left.set()
        assert await served


# --- The server closes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "received"),
    [
        ({}, (CLOSE, 1000, "")),
        ({"code": 1001}, (CLOSE, 1001, "")),
        ({"code": 1011, "message": b"sorry"}, (CLOSE, 1011, "sorry")),
        ({"code": 4002, "message": b"m", "drain": False}, (CLOSE, 4002, "m")),
        ({"code": 4999, "message": "grüße".encode()}, (CLOSE, 4999, "grüße")),
        ({"message": b"x" * 123}, (CLOSE, 1000, "x" * 123)),
    ],
)
async def test_the_server_closes(ws_backend: SocketBackend, options: dict[str, Any], received: Any) -> None:
    async def talk(ws: Any) -> Any:
        return await ws.close(**options), ws.closed, ws.exception()

    async with conversation(ws_backend, talk) as (client, served):
        assert await client.receive() == received
        assert client.close_code == received[1]
        assert await served == (True, True, None)
        assert await client.receive() == (CLOSED, None, None)


async def test_the_code_after_the_servers_close(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> int:
        await ws.close(code=4002)
        code: int = ws.close_code
        return code

    async with conversation(ws_backend, talk) as (client, served):
        await client.receive()
        # aiohttp waits for the client's answer and has its code, which aiohttp's client always makes 1000.
        assert await served == (1000 if ws_backend.name == "aiohttp" else 4002)


async def test_the_code_after_a_close_that_the_client_echoes(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> int:
        await ws.close(code=4002)
        code: int = ws.close_code
        return code

    async with raw_conversation(ws_backend, talk) as (client, served):
        opcode, payload = await client.receive()
        await client.send(opcode, payload)
        client.writer.close()
        assert await served == 4002


async def test_closing_twice(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> Any:
        return await ws.close(code=4002), await ws.close(code=4003), await ws.close()

    async with conversation(ws_backend, talk) as (client, served):
        assert await client.receive() == (CLOSE, 4002, "")
        assert await served == (True, False, False)


async def test_receiving_after_the_servers_close(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> Any:
        await ws.close()
        received = [await ws.receive() for _ in range(4)]
        with pytest.raises(RuntimeError, match=r"WebSocket connection is closed\."):
            await ws.receive()
        with pytest.raises(RuntimeError):
            await ws.receive()
        return received

    async with conversation(ws_backend, talk) as (client, served):
        await client.receive()
        assert await served == [(CLOSED, None, None)] * 4


async def test_what_the_client_sends_after_the_servers_close_is_not_received(ws_backend: SocketBackend) -> None:
    sent = asyncio.Event()

    async def talk(ws: Any) -> Any:
        await sent.wait()
        await ws.close()
        return (await ws.receive()).type

    async with conversation(ws_backend, talk) as (client, served):
        await client.send_str("never read")
        sent.set()
        await client.receive()
        assert await served == CLOSED


@pytest.mark.parametrize("method", ["send_str", "send_bytes", "send_json", "ping", "pong"])
async def test_sending_after_the_servers_close(ws_backend: SocketBackend, method: str) -> None:
    async def talk(ws: Any) -> Any:
        await ws.close()
        with pytest.raises(ConnectionResetError, match="Cannot write to closing transport") as caught:
            await getattr(ws, method)(b"x" if method in {"send_bytes", "ping", "pong"} else "x")
        return type(caught.value).__name__

    async with conversation(ws_backend, talk) as (client, served):
        await client.receive()
        assert await served == "ClientConnectionResetError"


async def test_another_task_closes(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> Any:
        receiving = asyncio.ensure_future(ws.receive())
        await asyncio.sleep(0.01)
        return await ws.close(code=4000, message=b"enough"), await receiving, ws.closed, (await ws.receive()).type

    async with conversation(ws_backend, talk) as (client, served):
        assert await client.receive() == (CLOSE, 4000, "enough")
        assert await served == (True, (CLOSING, None, None), True, CLOSED)


async def test_another_task_closes_what_is_iterated_over(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> Any:
        async def iterate() -> list[Any]:
            return [message.data async for message in ws]

        iterating = asyncio.ensure_future(iterate())
        await asyncio.sleep(0.01)
        await ws.close()
        return await iterating

    async with conversation(ws_backend, talk) as (client, served):
        await client.receive()
        assert await served == []


async def test_another_task_closes_a_receive_with_a_timeout(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> Any:
        receiving = asyncio.ensure_future(ws.receive(timeout=1000))
        await asyncio.sleep(0.01)
        await ws.close()
        return (await receiving).type

    async with conversation(ws_backend, talk) as (client, served):
        await client.receive()
        assert await served == CLOSING


async def test_both_close_at_once(ws_backend: SocketBackend) -> None:
    ready = asyncio.Event()

    async def talk(ws: Any) -> Any:
        await ready.wait()
        return await ws.close(code=4001), ws.closed

    async with conversation(ws_backend, talk) as (client, served):
        ready.set()
        assert await client.close(code=4002)
        assert await served == (True, True)


async def test_write_eof_closes(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> Any:
        await ws.write_eof()
        await ws.write_eof()
        return ws.closed

    async with conversation(ws_backend, talk) as (client, served):
        assert await client.receive() == (CLOSE, 1000, "")
        assert await served


# --- The handler ends -----------------------------------------------------------------------------


async def end_seen_by_the_client(
    backend: SocketBackend, end: Callable[[Any], Awaitable[Any]]
) -> tuple[Any, int | None]:
    """What a client receives last when a handler has prepared a socket and goes on with `end(ws)`, and its code."""

    async def handler(request: Any) -> Any:
        ws = backend.web.WebSocketResponse()
        await ws.prepare(request)
        await ws.send_str("open")
        return await end(ws)

    async with serving(backend, application(backend, handler)) as http, http.ws_connect("/") as client:
        assert await client.receive_str() == "open"
        message = await client.receive()
        return message.type, client.close_code


async def test_a_handler_that_returns_the_socket(ws_backend: SocketBackend, caplog: pytest.LogCaptureFixture) -> None:
    async def end(ws: Any) -> Any:
        return ws

    assert await end_seen_by_the_client(ws_backend, end) == (CLOSE, 1000)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_handler_that_fails(ws_backend: SocketBackend, caplog: pytest.LogCaptureFixture) -> None:
    async def end(ws: Any) -> Any:
        raise ZeroDivisionError

    seen = await end_seen_by_the_client(ws_backend, end)
    # aiohttp drops the connection.
    assert seen == ((CLOSED, 1006) if ws_backend.name == "aiohttp" else (CLOSE, 1011))
    assert "ZeroDivisionError" in caplog.text


async def test_a_handler_that_fails_after_it_closed(
    ws_backend: SocketBackend, caplog: pytest.LogCaptureFixture
) -> None:
    async def end(ws: Any) -> Any:
        await ws.close(code=4000)
        raise ZeroDivisionError

    assert await end_seen_by_the_client(ws_backend, end) == (CLOSE, 4000)
    assert "ZeroDivisionError" in caplog.text


async def test_a_handler_that_raises_an_http_exception(
    ws_backend: SocketBackend, caplog: pytest.LogCaptureFixture
) -> None:
    async def end(ws: Any) -> Any:
        raise ws_backend.web.HTTPForbidden

    seen = await end_seen_by_the_client(ws_backend, end)
    # aiohttp writes an HTTP response where the client reads frames.
    assert seen == ((aiohttp.WSMsgType.ERROR, 1002) if ws_backend.name == "aiohttp" else (CLOSE, 1011))


async def test_a_handler_that_returns_another_response(
    ws_backend: SocketBackend, caplog: pytest.LogCaptureFixture
) -> None:
    async def end(ws: Any) -> Any:
        return ws_backend.web.Response(text="no frame")

    seen = await end_seen_by_the_client(ws_backend, end)
    assert seen == ((aiohttp.WSMsgType.ERROR, 1002) if ws_backend.name == "aiohttp" else (CLOSE, 1011))


async def test_a_handler_that_returns_nothing(ws_backend: SocketBackend, caplog: pytest.LogCaptureFixture) -> None:
    async def end(ws: Any) -> Any:
        return None

    seen = await end_seen_by_the_client(ws_backend, end)
    assert seen == ((aiohttp.WSMsgType.ERROR, 1002) if ws_backend.name == "aiohttp" else (CLOSE, 1011))
    assert "return" in caplog.text


# --- The application ends -------------------------------------------------------------------------


async def test_the_pattern_of_aiohttps_documentation(ws_backend: SocketBackend) -> None:
    """A set of the open sockets, which on_shutdown closes."""
    web = ws_backend.web
    websockets = web.AppKey("websockets", weakref.WeakSet)

    async def handler(request: Any) -> Any:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        request.app[websockets].add(ws)
        await ws.send_str("open")
        try:
            async for message in ws:
                await ws.send_str(message.data)
        finally:
            request.app[websockets].discard(ws)
        return ws

    async def on_shutdown(app: Any) -> None:
        for ws in set(app[websockets]):
            await ws.close(code=aiohttp.WSCloseCode.GOING_AWAY, message=b"Server shutdown")

    app = application(ws_backend, handler)
    app[websockets] = weakref.WeakSet()
    app.on_shutdown.append(on_shutdown)
    async with serving(ws_backend, app) as http:
        clients = [await http.ws_connect("/") for _ in range(5)]
        for client in clients:
            assert await client.receive_str() == "open"
        closing = asyncio.ensure_future(app.shutdown())
        received = await asyncio.gather(*(client.receive() for client in clients))
        await closing
    assert received == [(CLOSE, 1001, "Server shutdown")] * 5


async def test_a_socket_left_open_when_the_server_stops(ws_backend: SocketBackend) -> None:
    web = ws_backend.web

    async def handler(request: Any) -> Any:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.send_str("open")
        async for _ in ws:
            raise NotImplementedError
        return ws

    async with aiohttp.ClientSession() as http:
        async with ws_backend.serve(application(ws_backend, handler)) as (host, port):
            client = await http.ws_connect(f"http://{host}:{port}/")
            assert await client.receive_str() == "open"
            ending = asyncio.ensure_future(client.receive())
        message = await ending
        await client.close()
    # aiohttp drops the connection when its shutdown_timeout is over. uvicorn says "service restart" at once, before
    # the application hears of the shutdown, where no signal told it earlier; of hypercorn's end the application hears.
    codes = {"aiohttp": 1006, "hypercorn": 1001}
    assert client.close_code == codes.get(ws_backend.name, 1012)
    assert message.type == (CLOSED if ws_backend.name == "aiohttp" else CLOSE)
