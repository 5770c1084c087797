"""Headers behind the body, where the server has the extension for them."""

from __future__ import annotations

from typing import Any

import pytest

from framework import web
from tests.driver import Driver

OFFERED: dict[str, Any] = {"http.response.trailers": {}}


async def checksum(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Trailer": "X-Checksum"})
    response.trailers["X-Checksum"] = "unknown"
    await response.prepare(request)
    await response.write(b"body")
    response.trailers["X-Checksum"] = "4"
    await response.write_eof()
    return response


def app_with(handler: Any) -> web.Application:
    app = web.Application()
    app.router.add_get("/", handler)
    return app


async def test_where_the_server_offers_them() -> None:
    driver = await Driver.http(app_with(checksum), extensions=OFFERED).run()
    assert driver.sent[0]["trailers"] is True
    assert driver.body == b"body"
    assert driver.sent[-1] == {
        "type": "http.response.trailers",
        "headers": [(b"x-checksum", b"4")],
        "more_trailers": False,
    }


@pytest.mark.parametrize("scope", [{}, {"extensions": {}}, {"extensions": None}])
async def test_where_it_does_not(scope: dict[str, Any]) -> None:
    driver = await Driver.http(app_with(checksum), **scope).run()
    assert "trailers" not in driver.sent[0]
    assert driver.complete
    assert driver.sent[-1]["type"] == "http.response.body"


async def test_of_a_plain_response() -> None:
    async def handler(request: web.Request) -> web.Response:
        response = web.Response(text="Ada")
        response.trailers["X-Name"] = "Lovelace"
        return response

    driver = await Driver.http(app_with(handler), extensions=OFFERED).run()
    assert driver.body == b"Ada"
    assert driver.sent[-1]["headers"] == [(b"x-name", b"Lovelace")]


async def test_they_are_announced_with_the_headers() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with pytest.raises(RuntimeError, match=r"before prepare"):
            response.trailers["X-Late"] = "1"
        return response

    driver = await Driver.http(app_with(handler), extensions=OFFERED).run()
    assert driver.complete


def test_s08_trailers_are_checked_as_headers() -> None:
    response = web.StreamResponse()
    with pytest.raises(ValueError, match="header injection"):
        response.trailers["X-Name"] = "a\r\nb"
