"""The WebSocket client for tests, with this framework's applications and with plain ASGI ones."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from framework import testing, web
from framework.sansio.ws_messages import WSMessageTypeError


def app_with(handler: Any) -> web.Application:
    app = web.Application()
    app.router.add_get("/", handler)
    return app


async def echo(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse(protocols=["quiz"])
    ws.headers["X-Who"] = request.headers.get("X-Who", "nobody")
    await ws.prepare(request)
    async for message in ws:
        if message.data == "close":
            await ws.close(code=4000, message=b"as you wish")
        elif message.type is web.WSMsgType.TEXT:
            await ws.send_str(message.data)
        else:
            await ws.send_bytes(message.data)
    return ws


async def test_text_bytes_and_json() -> None:
    async with testing.websocket(app_with(echo)) as ws:
        await ws.send_str("text")
        await ws.send_bytes(b"bytes")
        await ws.send_json([1, None])
        assert await ws.receive_str() == "text"
        assert await ws.receive_bytes() == b"bytes"
        assert await ws.receive_json() == [1, None]
    assert ws.close_code == 1000


async def test_the_handshake() -> None:
    offered = ["chat", "quiz"]
    async with testing.websocket(app_with(echo), headers={"X-Who": "Ada"}, subprotocols=offered) as ws:
        assert ws.protocol == "quiz"
        assert ws.headers["X-Who"] == "Ada"


async def test_the_application_closes() -> None:
    async with testing.websocket(app_with(echo)) as ws:
        await ws.send_str("close")
        assert await ws.receive() == (web.WSMsgType.CLOSE, 4000, "as you wish")
        assert (ws.closed, ws.close_code, ws.close_reason) == (True, 4000, "as you wish")
        assert (await ws.receive()).type is web.WSMsgType.CLOSED
        with pytest.raises(RuntimeError, match="closed with 4000"):
            await ws.send_str("more")


async def test_messages_are_iterated() -> None:
    async def count(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        for number in range(3):
            await ws.send_json(number)
        return ws

    async with testing.websocket(app_with(count)) as ws:
        assert [message.json() async for message in ws] == [0, 1, 2]


async def test_another_type_than_the_one_asked_for() -> None:
    async with testing.websocket(app_with(echo)) as ws:
        await ws.send_str("text")
        with pytest.raises(WSMessageTypeError, match=r"is not WSMsgType\.BINARY"):
            await ws.receive_bytes()


async def test_a_response_denies() -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.json_response({"error": "who are you?"}, status=401, headers={"X-Try": "again"})

    with pytest.raises(testing.WebSocketDenied, match="401") as denied:
        async with testing.websocket(app_with(refuse)):
            raise AssertionError("not reached")
    assert (denied.value.status, denied.value.headers["X-Try"]) == (401, "again")
    assert denied.value.json() == {"error": "who are you?"}


async def test_a_missing_route_denies() -> None:
    with pytest.raises(testing.WebSocketDenied) as denied:
        async with testing.websocket(app_with(echo), "/missing?x=1"):
            pass
    assert (denied.value.status, denied.value.text) == (404, "404: Not Found")


async def test_a_close_before_it_is_accepted_denies() -> None:
    with pytest.raises(testing.WebSocketDenied) as denied:
        async with testing.websocket(app_with(echo), "/missing", extensions={}):
            pass
    assert denied.value.status == 403


async def test_a_client_that_breaks_off() -> None:
    seen: list[object] = []

    async def listen(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        seen.append((await ws.receive()).type)
        seen.append(ws.close_code)
        return ws

    async with testing.websocket(app_with(listen)) as ws:
        ws.drop()
    assert seen == [web.WSMsgType.CLOSED, 1006]


async def test_what_the_application_raises_is_raised() -> None:
    async def failing(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with testing.websocket(failing) as ws:
            await ws.send_str("go")
            await ws.receive()


async def test_an_application_that_ends_without_a_word() -> None:
    async def silent(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept", "headers": [(b"x-a", b"1")]})

    with pytest.raises(RuntimeError, match="without closing"):
        async with testing.websocket(silent) as ws:
            assert ws.headers["X-A"] == "1"
            await ws.receive()


async def test_a_test_that_fails_leaves_no_task_behind() -> None:
    with pytest.raises(LookupError):
        async with testing.websocket(app_with(echo)):
            raise LookupError
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 1


async def test_parts_of_the_scope() -> None:
    async def who(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.send_json([request.remote, request.secure, request.query["q"], request.cookies["c"], request.host])
        return ws

    headers = {"Cookie": "c=1", "Host": "example.com"}
    async with testing.websocket(
        app_with(who), "/?q=%20x", headers=headers, client=("192.0.2.1", 7), scheme="wss"
    ) as ws:
        assert await ws.receive_json() == ["192.0.2.1", True, " x", "1", "example.com"]
