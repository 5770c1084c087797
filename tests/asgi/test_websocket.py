"""The websocket scope: handshakes that are accepted, denied and left by their clients."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from framework import web
from tests.driver import Driver

RESPONDS: dict[str, Any] = {"websocket.http.response": {}}


def app_with(handler: Any, **options: Any) -> web.Application:
    app = web.Application(**options)
    app.router.add_get("/", handler)
    return app


async def echo(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse()
    await ws.prepare(request)
    async for message in ws:
        await ws.send_str(f"{message.data} back")
    return ws


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


async def test_a_conversation() -> None:
    driver = Driver.websocket(app_with(echo))
    driver.feed_ws("there and")
    driver.disconnect(1000)
    await driver.run()
    assert driver.sent == [
        {"type": "websocket.accept", "subprotocol": None, "headers": []},
        {"type": "websocket.send", "text": "there and back"},
    ]


async def test_observers_are_told_of_the_route() -> None:
    app = web.Application()
    app.router.add_get("/rooms/{name}", echo)
    driver = Driver.websocket(app, "/rooms/a")
    driver.disconnect(1000)
    await driver.run()
    assert driver.scope["route"].path == "/rooms/{name}"
    assert (driver.scope["endpoint"], driver.scope["path_params"]) == (echo, {"name": "a"})


@pytest.mark.parametrize("extensions", [None, {}, {"tls": {}}])
@pytest.mark.parametrize("target", ["/", "/missing"])
async def test_a_response_closes_where_the_server_cannot_send_it(extensions: Any, target: str) -> None:
    driver = await Driver.websocket(app_with(hello), target, extensions=extensions).run()
    assert driver.sent == [{"type": "websocket.close"}]


async def test_a_response_is_sent_where_the_server_can() -> None:
    driver = await Driver.websocket(app_with(hello), extensions=RESPONDS).run()
    assert (driver.status, driver.body) == (200, b"hello")
    assert driver.sent[0]["type"] == "websocket.http.response.start"


async def refuse(request: web.Request) -> web.Response:
    raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Bearer"})


async def fail(request: web.Request) -> web.Response:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("handler", "target", "status"), [(refuse, "/", 401), (fail, "/", 500), (echo, "/missing", 404)]
)
async def test_denials(handler: Any, target: str, status: int) -> None:
    driver = await Driver.websocket(app_with(handler), target, extensions=RESPONDS).run()
    assert driver.status == status
    assert driver.complete


async def test_a_post_route_is_a_405() -> None:
    app = web.Application()
    app.router.add_post("/", hello)
    driver = await Driver.websocket(app, extensions=RESPONDS).run()
    assert (driver.status, driver.headers[b"allow"]) == (405, b"POST")


async def test_a_middleware_denies() -> None:
    @web.middleware
    async def guard(request: web.Request, handler: Any) -> web.StreamResponse:
        if request.cookies.get("token") != "secret":
            raise web.HTTPForbidden(text="who are you?")
        response: web.StreamResponse = await handler(request)
        return response

    app = app_with(echo, middlewares=[guard])
    denied = await Driver.websocket(app, extensions=RESPONDS).run()
    assert (denied.status, denied.body) == (403, b"who are you?")
    accepted = Driver.websocket(app, headers=[(b"cookie", b"token=secret")])
    accepted.disconnect(1000)
    await accepted.run()
    assert [message["type"] for message in accepted.sent] == ["websocket.accept"]


async def test_a_stream_denies_piece_by_piece() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=403)
        await response.prepare(request)
        await response.write(b"not ")
        await response.write(b"you")
        return response

    driver = await Driver.websocket(app_with(handler), extensions=RESPONDS).run()
    assert (driver.status, driver.body) == (403, b"not you")


async def test_the_request_of_a_handshake() -> None:
    async def handler(request: web.Request) -> web.Response:
        facts = [request.method, request.scheme, request.match_info["room"], request.query["q"], await request.text()]
        facts += [str(request.url), str(request.can_read_body)]
        return web.Response(text=" ".join(facts))

    app = web.Application()
    app.router.add_get("/rooms/{room}", handler)
    driver = await Driver.websocket(app, "/rooms/7?q=x", extensions=RESPONDS, http_version="2").run()
    assert driver.body == b"GET http 7 x  http://example.com/rooms/7?q=x False"


async def test_a_client_that_left_before_is_told_nothing() -> None:
    driver = Driver.websocket(app_with(echo))
    await driver.receive()
    driver.disconnect()
    await driver.run()
    assert driver.sent == []


async def test_a_client_that_leaves_while_the_handler_thinks() -> None:
    gone: list[bool] = []

    async def handler(request: web.Request) -> web.WebSocketResponse:
        gone.append(await request.is_disconnected())
        driver.disconnect()
        await request.wait_for_disconnection()
        gone.append(await request.is_disconnected())
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        return ws

    driver = Driver.websocket(app_with(handler))
    await driver.run()
    assert gone == [False, True]
    assert driver.sent == []


async def test_asking_for_the_client_takes_no_message_away() -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        assert not await request.is_disconnected()
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        assert not await request.is_disconnected()
        await ws.send_str(await ws.receive_str())
        waiting = asyncio.ensure_future(request.wait_for_disconnection())
        assert (await ws.receive()).type is web.WSMsgType.CLOSE
        await waiting
        return ws

    driver = Driver.websocket(app_with(handler))
    task = driver.start()
    await driver.until_sent(1)
    driver.feed_ws("first")
    driver.disconnect(1000)
    await task
    assert driver.sent[1] == {"type": "websocket.send", "text": "first"}


async def test_a_handler_that_fails_closes_with_1011(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        raise ZeroDivisionError

    driver = await Driver.websocket(app_with(handler)).run()
    assert driver.sent[-1]["code"] == 1011
    assert [record.exc_info is not None for record in caplog.records] == [True]


async def test_a_handler_that_returns_closes_with_1000() -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        return ws

    driver = await Driver.websocket(app_with(handler)).run()
    assert driver.sent[-1] == {"type": "websocket.close", "code": 1000, "reason": ""}


async def test_shutdown_closes_what_is_open_with_1001() -> None:
    async with app_with(echo) as app:
        drivers = [Driver.websocket(app) for _ in range(3)]
        tasks = [driver.start() for driver in drivers]
        for driver in drivers:
            await driver.until_sent(1)
        await app.shutdown()
        await asyncio.gather(*tasks)
    assert [driver.sent[-1]["code"] for driver in drivers] == [1001] * 3


async def test_a_background_task_follows_the_socket() -> None:
    happened: list[int] = []

    async def handler(request: web.Request) -> web.WebSocketResponse:
        request.add_background_task(lambda: happened.append(len(driver.sent)))
        return await echo(request)

    async with app_with(handler) as app:
        driver = Driver.websocket(app)
        driver.disconnect(1000)
        await driver.run()
    assert happened == [1]
