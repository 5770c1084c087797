"""The raw driver, and the rules of ASGI that it checks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from framework import testing
from framework.typedefs import Receive, Scope, Send

START = {"type": "http.response.start", "status": 200, "headers": []}
BODY = {"type": "http.response.body", "body": b"x"}
TRAILERS = {"type": "http.response.trailers", "headers": [(b"x-a", b"1")]}
ACCEPT = {"type": "websocket.accept"}


async def test_pieces_come_one_by_one_and_then_silence() -> None:
    received: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        received.extend([await receive(), await receive()])
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receive(), 0.001)
        await send(START)
        await send(BODY)

    driver = await testing.Driver.http(app, "POST", "/a%20b?c", body=[b"1", b"2"]).run()
    assert [(message["body"], message["more_body"]) for message in received] == [(b"1", True), (b"2", False)]
    assert (driver.scope["path"], driver.scope["query_string"]) == ("/a b", b"c")
    assert (driver.status, driver.headers, driver.body, driver.complete, driver.received) == (200, {}, b"x", True, 2)


async def test_a_client_that_has_left_stays_away() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert [(await receive())["type"] for _ in range(3)] == ["http.disconnect"] * 3

    driver = testing.Driver.http(app, body=None)
    driver.disconnect()
    await driver.run()


async def test_what_send_raises() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await receive()
        with pytest.raises(BrokenPipeError):
            await send(BODY)

    driver = testing.Driver.http(app, body=None)
    driver.start()
    await driver.until_sent(1)
    driver.send_error = BrokenPipeError()
    driver.feed_body()
    await driver.run()
    assert driver.sent == [START]


async def test_a_websocket() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send(ACCEPT)
        assert (await receive())["text"] == "hello"
        assert (await receive())["bytes"] == b"hello"
        await send({"type": "websocket.send", "text": "bye"})
        await send({"type": "websocket.close", "code": 4000})
        assert await receive() == {"type": "websocket.disconnect", "code": 4000, "reason": ""}

    driver = testing.Driver.websocket(app, subprotocols=["a"])
    driver.feed_ws("hello")
    driver.feed_ws(b"hello")
    await driver.run()
    assert driver.scope["subprotocols"] == ["a"]


async def test_a_lifespan() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["pool"] = (await receive())["type"]
        await send({"type": "lifespan.startup.complete"})

    state: dict[str, Any] = {}
    driver = testing.Driver.lifespan(app, state=state)
    driver.feed({"type": "lifespan.startup"})
    await driver.run()
    assert state == {"pool": "lifespan.startup"}


async def send_all(driver: testing.Driver, messages: list[Any]) -> None:
    for message in messages:
        await driver.send(message)


async def nothing(scope: Scope, receive: Receive, send: Send) -> None: ...


@pytest.mark.parametrize(
    ("messages", "rule"),
    [
        ([BODY], "'http.response.body' was sent before 'http.response.start'"),
        ([START, START], "'http.response.start' was sent in the middle of a body"),
        ([START, BODY, BODY], "'http.response.body' was sent after the end of the response"),
        ([{**START, "status": "200"}], "the status must be int, not '200'"),
        ([{**START, "headers": [("a", "b")]}], "headers must be bytes"),
        ([{**START, "headers": [(b"A", b"b")]}], "names of headers must be lower case"),
        ([{**START, "headers": [(b"a", b" b")]}], "must not have whitespace around them"),
        ([{**START, "headers": [(b"a", b"b\r\nc: d")]}], "must not have control characters"),
        ([{**START, "headers": [(b"", b"b")]}], "a header without a name"),
        ([START, {**BODY, "body": bytearray()}], "a piece of the body must be bytes, not bytearray"),
        ([START, {"type": "http.response.pathsend", "path": "/a"}], "the scope's extensions do not offer"),
        ([{"type": "http.response.early_hint", "links": []}], "the scope's extensions do not offer"),
        ([{**START, "trailers": True}, BODY, TRAILERS], "the scope's extensions do not offer"),
        ([START, BODY, TRAILERS], "after the end of the response"),
        ([{**START, "trailers": True}, BODY, BODY], "where only trailers may follow"),
    ],
)
async def test_rules_of_http(messages: list[Any], rule: str) -> None:
    with pytest.raises(AssertionError, match=f"^ASGI: .*{rule}"):
        await send_all(testing.Driver.http(nothing), messages)


@pytest.mark.parametrize(
    ("messages", "rule"),
    [
        ([{"type": "websocket.send", "text": ""}], "sent before websocket.accept"),
        ([ACCEPT, ACCEPT], "a second time"),
        ([{**ACCEPT, "subprotocol": b"a"}], "the subprotocol must be str"),
        ([ACCEPT, {"type": "websocket.send"}], "either text or bytes"),
        ([ACCEPT, {"type": "websocket.send", "text": b""}], "neither str nor bytes"),
        ([ACCEPT, {"type": "websocket.close", "reason": "x" * 124}], "at most 123 bytes"),
        ([ACCEPT, {"type": "websocket.close"}, {"type": "websocket.close"}], "sent after websocket.close"),
        ([ACCEPT, {"type": "websocket.ping"}], "nothing that an application may send"),
        ([{"type": "websocket.http.response.start", "status": 401, "headers": []}], "do not offer"),
    ],
)
async def test_rules_of_websockets(messages: list[Any], rule: str) -> None:
    with pytest.raises(AssertionError, match=rule):
        await send_all(testing.Driver.websocket(nothing), messages)


async def test_rules_of_lifespans() -> None:
    with pytest.raises(AssertionError, match=r"which knows only \['lifespan.shutdown.complete'"):
        await testing.Driver.lifespan(nothing).send({"type": "lifespan.startup"})
    with pytest.raises(AssertionError, match="must be str"):
        await testing.Driver.lifespan(nothing).send({"type": "lifespan.startup.failed", "message": 1})


async def test_what_extensions_allow() -> None:
    offered: dict[str, Any] = {
        "http.response.early_hint": {},
        "http.response.trailers": {},
        "http.response.zerocopysend": {},
    }
    driver = testing.Driver.http(nothing, extensions=offered)
    messages = [
        {"type": "http.response.early_hint", "links": []},
        {**START, "trailers": True},
        {**BODY, "more_body": True},
        {"type": "http.response.zerocopysend", "file": 0},
        {**TRAILERS, "more_trailers": True},
        TRAILERS,
    ]
    await send_all(driver, messages)
    assert driver.sent == messages


def test_a_checker_of_what_servers_put_right() -> None:
    checker = testing.MessageChecker({"type": "http"}, strict=False)
    checker.check({**START, "headers": [(b"Content-Type", b" text/plain")]})
    assert (checker.started, checker.body_ended, checker.ended) == (True, False, False)
    checker.check(BODY)
    assert (checker.started, checker.body_ended, checker.ended) == (True, True, True)
