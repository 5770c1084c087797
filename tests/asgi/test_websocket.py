"""The websocket scope: as yet every handshake is refused, in words that say so."""

from __future__ import annotations

import pytest

from framework import web
from tests.driver import Driver


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


def app_with_a_route() -> web.Application:
    app = web.Application()
    app.router.add_get("/", hello)
    return app


@pytest.mark.parametrize("target", ["/", "/none"])
async def test_a_handshake_is_closed_before_it_is_accepted(target: str) -> None:
    driver = await Driver.websocket(app_with_a_route(), target).run()
    assert [message["type"] for message in driver.sent] == ["websocket.close"]


async def test_a_handshake_is_answered_where_the_server_can() -> None:
    driver = await Driver.websocket(app_with_a_route(), extensions={"websocket.http.response": {}}).run()
    assert driver.status == 501
    assert driver.headers[b"content-length"] == b"%d" % len(driver.body)
    assert b"does not serve WebSockets" in driver.body
    assert driver.complete


@pytest.mark.parametrize("extensions", [None, {}, {"tls": {}}])
async def test_other_extensions_do_not_matter(extensions: dict[str, object] | None) -> None:
    driver = await Driver.websocket(app_with_a_route(), extensions=extensions).run()
    assert [message["type"] for message in driver.sent] == ["websocket.close"]


async def test_a_client_that_left_already_is_told_nothing() -> None:
    driver = Driver.websocket(app_with_a_route())
    await driver.receive()
    driver.feed({"type": "websocket.disconnect", "code": 1006})
    await driver.run()
    assert driver.sent == []
