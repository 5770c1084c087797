"""`WebSocketResponse`, by the messages that it sends and receives."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from framework import web, websockets
from framework.streams import ClientConnectionResetError
from tests.driver import Driver

Talk = Callable[[web.WebSocketResponse], Awaitable[object]]


@pytest.fixture(autouse=True)
def warn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is warned about once is warned about once in each test."""
    monkeypatch.setattr(websockets, "_warned", set())


def talking(talk: Talk, *messages: str | bytes, end: int | None = 1000, options: Any = None, **scope: Any) -> Driver:
    """A client that sends ``messages`` and closes, and a handler that talks to it."""

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(**(options or {}))
        await ws.prepare(request)
        await talk(ws)
        return ws

    app = web.Application()
    app.router.add_get("/", handler)
    driver = Driver.websocket(app, **scope)
    for message in messages:
        driver.feed_ws(message)
    if end is not None:
        driver.disconnect(end)
    return driver


async def test_what_is_sent() -> None:
    async def talk(ws: web.WebSocketResponse) -> None:
        await ws.send_str("text")
        await ws.send_bytes(b"bytes")
        await ws.send_bytes(bytearray(b"array"))
        await ws.send_json({"a": [1, None]})
        await ws.send_json({"a": 1}, dumps=lambda value: json.dumps(value, indent=1))
        await ws.send_json_bytes([1], dumps=lambda value: b"[1]")
        await ws.send_frame(b"frame", web.WSMsgType.TEXT)
        await ws.send_frame(b"frame", web.WSMsgType.BINARY)
        await ws.send_frame(b"\x0f\xa1why", web.WSMsgType.CLOSE)

    driver = await talking(talk, end=None).run()
    assert [message.get("text", message.get("bytes")) for message in driver.sent[1:-1]] == [
        "text",
        b"bytes",
        b"array",
        '{"a":[1,null]}',
        '{\n "a": 1\n}',
        b"[1]",
        "frame",
        b"frame",
    ]
    assert driver.sent[-1] == {"type": "websocket.close", "code": 4001, "reason": "why"}


async def test_text_as_bytes() -> None:
    async def talk(ws: web.WebSocketResponse) -> None:
        assert await ws.receive() == (web.WSMsgType.TEXT, "grüße".encode(), "")

    await talking(talk, "grüße", options={"decode_text": False}).run()


@pytest.mark.parametrize("first", [{"text": "x", "bytes": None}, {"bytes": b"x", "text": None}])
async def test_servers_that_give_both_keys(first: dict[str, Any]) -> None:
    async def talk(ws: web.WebSocketResponse) -> None:
        assert (await ws.receive()).data in ("x", b"x")

    driver = talking(talk, end=None)
    driver.feed({"type": "websocket.receive", **first})
    await driver.run()


async def test_headers_and_cookies_of_the_handshake() -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(protocols=("chat",))
        ws.headers["X-Room"] = "7"
        ws.set_cookie("seen", "1")
        await ws.prepare(request)
        return ws

    app = web.Application()
    app.router.add_get("/", handler)
    driver = await Driver.websocket(app, subprotocols=["quiz", "chat"]).run()
    assert driver.sent[0] == {
        "type": "websocket.accept",
        "subprotocol": "chat",
        "headers": [(b"x-room", b"7"), (b"set-cookie", b"seen=1; Path=/")],
    }


async def test_receivers_of_on_response_prepare_see_the_socket() -> None:
    async def mark(request: web.Request, response: web.StreamResponse) -> None:
        assert response.status == 101
        response.headers["X-Seen"] = response.headers["Upgrade"]

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        return ws

    app = web.Application()
    app.on_response_prepare.append(mark)
    app.router.add_get("/", handler)
    driver = await Driver.websocket(app).run()
    assert driver.sent[0]["headers"] == [(b"x-seen", b"websocket")]


async def test_s27_a_subprotocol_that_is_none_is_not_chosen() -> None:
    async def talk(ws: web.WebSocketResponse) -> None:
        assert ws.ws_protocol is None

    driver = await talking(talk, subprotocols=["ch\u00e4t", "a\r\nb", ""], options={"protocols": ["chat"]}).run()
    assert driver.sent[0]["subprotocol"] is None


@pytest.mark.parametrize(
    ("origin", "allowed", "status"),
    [
        (b"https://example.com", ["https://example.com"], None),
        (b"HTTPS://EXAMPLE.COM", ["https://example.com/"], None),
        (b"https://evil.example", ["https://example.com"], 403),
        (b"https://example.com.evil.example", ["https://example.com"], 403),
        (b"null", ["https://example.com", "self"], 403),
        (b"http://example.com", ["self"], None),
        (b"http://example.com:81", ["self"], 403),
        (b"http://user@example.com", ["self"], 403),
        (b"http://[", ["self"], 403),
        (b"https://anywhere.example", None, None),
        (None, ["https://example.com"], None),
    ],
)
async def test_s27_origins(origin: bytes | None, allowed: list[str] | None, status: int | None) -> None:
    async def talk(ws: web.WebSocketResponse) -> None:
        assert ws.prepared

    headers = [(b"host", b"example.com")] + ([(b"origin", origin)] if origin is not None else [])
    options = {"allowed_origins": allowed}
    responds: dict[str, Any] = {"websocket.http.response": {}}
    driver = await talking(talk, options=options, headers=headers, extensions=responds).run()
    assert driver.sent[0].get("status") == status


async def test_s27_two_origins_are_none() -> None:
    headers = [(b"host", b"example.com"), (b"origin", b"http://example.com"), (b"origin", b"http://example.com")]

    async def talk(ws: web.WebSocketResponse) -> None: ...

    driver = await talking(talk, options={"allowed_origins": ["self"]}, headers=headers).run()
    assert driver.sent == [{"type": "websocket.close"}]


def test_a_single_origin_is_no_list() -> None:
    with pytest.raises(TypeError, match="a list of origins"):
        web.WebSocketResponse(allowed_origins="https://example.com")


@pytest.mark.parametrize("message", ["x" * 100, "ü" * 50, b"x" * 100])
async def test_s26_a_message_that_is_too_big(message: str | bytes) -> None:
    async def talk(ws: web.WebSocketResponse) -> None:
        received = await ws.receive()
        assert received.type is web.WSMsgType.ERROR
        assert received.data is ws.exception()
        assert str(received.data) == "Message size 100 exceeds limit 100"
        assert (ws.closed, ws.close_code) == (True, 1009)
        assert (await ws.receive()).type is web.WSMsgType.CLOSED

    driver = await talking(talk, message, options={"max_msg_size": 100}).run()
    assert driver.sent[-1]["code"] == 1009


@pytest.mark.parametrize(("size", "limit"), [(99, 100), (5_000_000, 0)])
async def test_s26_messages_within_the_limit(size: int, limit: int) -> None:
    async def talk(ws: web.WebSocketResponse) -> None:
        assert len(await ws.receive_str()) == size
        assert len(await ws.receive_bytes()) == size

    driver = await talking(talk, "x" * size, b"x" * size, options={"max_msg_size": limit}).run()
    assert driver.sent[-1]["code"] == 1000


async def test_a_timeout_loses_no_message() -> None:
    async def talk(ws: web.WebSocketResponse) -> None:
        for _ in range(2):
            with pytest.raises(asyncio.TimeoutError):
                await ws.receive(timeout=0.001)
        driver.feed_ws("late")
        driver.feed_ws("later")
        assert await ws.receive_str(timeout=5) == "late"
        assert await ws.receive_str() == "later"

    driver = talking(talk, end=None)
    await driver.run()


async def test_receive_timeout() -> None:
    async def talk(ws: web.WebSocketResponse) -> None:
        with pytest.raises(asyncio.TimeoutError):
            await ws.receive()

    await talking(talk, end=None, options={"receive_timeout": 0.001}).run()


async def test_a_cancelled_receive_can_be_repeated() -> None:
    async def talk(ws: web.WebSocketResponse) -> None:
        task = asyncio.ensure_future(ws.receive(timeout=9))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        driver.feed_ws("kept")
        assert await ws.receive_str() == "kept"

    driver = talking(talk, end=None)
    await driver.run()


async def test_who_only_sends_hears_of_the_end() -> None:
    sent = 0

    async def talk(ws: web.WebSocketResponse) -> None:
        nonlocal sent
        with pytest.raises(ClientConnectionResetError):
            while True:
                await ws.send_str("tick")
                sent += 1
                if sent == 5:
                    driver.disconnect()
                await asyncio.sleep(0)
        assert ws.closed

    driver = talking(talk, end=None)
    await driver.run()
    assert 5 <= sent < 20


async def test_who_only_sends_after_a_receive_in_vain_hears_of_the_end() -> None:
    async def talk(ws: web.WebSocketResponse) -> None:
        with pytest.raises(TimeoutError):
            await ws.receive(timeout=0.001)
        driver.disconnect()
        with pytest.raises(ClientConnectionResetError):
            for _ in range(100):
                await ws.send_str("tick")
                await asyncio.sleep(0)

    driver = talking(talk, end=None)
    await driver.run()


async def test_what_comes_while_only_sending_is_kept() -> None:
    async def talk(ws: web.WebSocketResponse) -> None:
        for _ in range(5):
            await ws.send_str("tick")
            await asyncio.sleep(0)
        assert [await ws.receive_str() for _ in range(2)] == ["one", "two"]

    await talking(talk, "one", "two").run()


@pytest.mark.parametrize("error", [OSError("gone"), RuntimeError("Unexpected ASGI message 'websocket.send'")])
async def test_a_server_that_refuses_to_send(error: Exception) -> None:
    async def talk(ws: web.WebSocketResponse) -> None:
        driver.send_error = error
        with pytest.raises(ClientConnectionResetError):
            await ws.send_str("anybody there?")
        assert (ws.closed, ws.close_code) == (True, 1006)
        assert not await ws.close()

    driver = talking(talk, end=None)
    await driver.run()


async def test_another_task_closes() -> None:
    async def talk(ws: web.WebSocketResponse) -> None:
        receiving = asyncio.ensure_future(ws.receive())
        await asyncio.sleep(0)
        assert await ws.close(code=4000, message=b"enough")
        assert (await receiving).type is web.WSMsgType.CLOSING
        assert not await ws.close()

    driver = await talking(talk, end=None).run()
    assert driver.sent[1:] == [{"type": "websocket.close", "code": 4000, "reason": "enough"}]


async def test_a_long_reason_is_cut() -> None:
    async def talk(ws: web.WebSocketResponse) -> None:
        await ws.close(message="ü".encode() * 100)

    driver = await talking(talk, end=None).run()
    assert driver.sent[-1]["reason"] == "ü" * 61


async def test_an_endless_loop_on_a_closed_socket() -> None:
    async def talk(ws: web.WebSocketResponse) -> None:
        with pytest.raises(RuntimeError, match="is closed"):
            while True:
                await ws.receive()

    await talking(talk).run()


@pytest.mark.parametrize("what", ["heartbeat", "ping", "pong"])
async def test_what_asgi_cannot_do_is_warned_about_once(what: str) -> None:
    async def use() -> None:
        async def talk(ws: web.WebSocketResponse) -> None:
            if what != "heartbeat":
                await getattr(ws, what)(b"")

        options = {"heartbeat": 30.0} if what == "heartbeat" else {}
        await talking(talk, options=options).run()

    with pytest.warns(RuntimeWarning, match="no effect"):
        await use()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        await use()


async def test_fragments_are_refused() -> None:
    async def talk(ws: web.WebSocketResponse) -> None:
        with pytest.raises(RuntimeError, match="no fragments"):
            await ws.send_frame(b"", web.WSMsgType.CONTINUATION)

    await talking(talk).run()


async def test_a_plain_request_that_looks_like_a_handshake(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        assert not ws.can_prepare(request)
        await ws.prepare(request)
        return ws

    app = web.Application()
    app.router.add_get("/", handler)
    headers = [
        (b"upgrade", b"websocket"),
        (b"connection", b"Upgrade"),
        (b"sec-websocket-version", b"13"),
        (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    ]
    driver = await Driver.http(app, headers=headers).run()
    assert driver.status == 400
    assert "without WebSocket support" in caplog.text


async def test_who_sends_without_end_hears_of_a_client_that_has_gone() -> None:
    async def talk(ws: web.WebSocketResponse) -> None:
        with pytest.raises(ClientConnectionResetError):
            while True:
                await ws.send_str("tick")

    driver = talking(talk, end=None)
    driver.disconnect()

    async def send(message: Any) -> None:
        """A server that does nothing for a client that has gone."""

    driver.send = send  # type: ignore[method-assign]
    await driver.run()


async def test_a_server_that_never_takes_the_close() -> None:
    async def talk(ws: web.WebSocketResponse) -> None:
        assert await ws.close()
        assert ws.closed

    driver = talking(talk, end=None, options={"timeout": 0.001})

    async def send(message: Any) -> None:
        if message["type"] == "websocket.close":
            await asyncio.Event().wait()

    driver.send = send  # type: ignore[method-assign]
    await driver.run()


async def test_who_only_sends_hears_of_the_end_behind_messages() -> None:
    async def talk(ws: web.WebSocketResponse) -> None:
        with pytest.raises(ClientConnectionResetError):
            while True:
                await ws.send_str("tick")

    driver = talking(talk, *["unheard"] * 50, end=1006)

    async def send(message: Any) -> None:
        """A server that does nothing for a client that has gone."""

    driver.send = send  # type: ignore[method-assign]
    await driver.run()


async def test_no_more_is_kept_than_there_is_room_for() -> None:
    async def talk(ws: web.WebSocketResponse) -> None:
        for _ in range(2000):
            await ws.send_str("tick")
        received.append(driver.received)
        messages = [await ws.receive_str() for _ in range(500)]
        assert messages == [str(number) for number in range(500)]

    received: list[int] = []
    driver = talking(talk, *map(str, range(500)))
    await driver.run()
    assert 60 < received[0] < 80
