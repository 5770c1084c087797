"""S30: a class-based view exposes its HTTP methods and nothing else; HEAD runs what GET runs."""

from __future__ import annotations

import pytest

from framework import web
from framework.typedefs import Handler
from tests.driver import Driver


class Page(web.View):
    """A view with helpers whose names a client could send as a method."""

    async def get(self) -> web.Response:
        return web.Response(text="get")

    async def secret(self) -> web.Response:
        return web.Response(text="leaked")

    async def purge(self) -> web.Response:
        return web.Response(text="leaked")

    async def _private(self) -> web.Response:
        return web.Response(text="leaked")


def app_with_page() -> web.Application:
    app = web.Application()
    app.router.add_view("/", Page)
    return app


@pytest.mark.parametrize(
    "method",
    [
        "SECRET",
        "secret",
        "PURGE",
        "_PRIVATE",
        "_private",
        "__INIT__",
        "__init__",
        "REQUEST",
        "request",
        "_ITER",
        "_iter",
        "__CLASS__",
        "__AWAIT__",
        "__DICT__",
        "_REQUEST",
        "_RAISE_ALLOWED_METHODS",
        "*",
        "",
        "get",
        "Get",
        "GET ",
        "ſECRET",
    ],
)
async def test_s30_only_http_methods_are_reached(method: str) -> None:
    driver = await Driver.http(app_with_page(), method).run()
    assert driver.status == 405
    assert driver.headers[b"allow"] == b"GET"
    assert b"leaked" not in driver.body


async def test_s30_a_method_without_a_coroutine_is_a_405() -> None:
    driver = await Driver.http(app_with_page(), "POST").run()
    assert (driver.status, driver.headers[b"allow"]) == (405, b"GET")


async def test_s30_the_method_that_is_there_is_reached() -> None:
    driver = await Driver.http(app_with_page(), "GET").run()
    assert driver.body == b"get"


async def test_s30_head_runs_what_get_runs() -> None:
    ran = []

    async def handler(request: web.Request) -> web.Response:
        ran.append(request.method)
        return web.Response(text="hello")

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        ran.append("guard")
        return await handler(request)

    app = web.Application(middlewares=[guard])
    app.router.add_get("/", handler)
    driver = await Driver.http(app, "HEAD").run()
    assert (driver.status, driver.body, driver.headers[b"content-length"]) == (200, b"", b"5")
    assert ran == ["guard", "HEAD"]


async def test_s30_head_of_a_view_is_what_it_defines() -> None:
    # As in aiohttp: a view that wants HEAD says so.
    driver = await Driver.http(app_with_page(), "HEAD").run()
    assert driver.status == 405
