"""S36: a client's mistake is a 4xx behind a cloned request too, and octets that are no UTF-8 may be sent back."""

from __future__ import annotations

from framework import web
from framework.typedefs import Handler
from tests.driver import Driver


@web.middleware
async def cloning(request: web.Request, handler: Handler) -> web.StreamResponse:
    return await handler(request.clone())


async def test_s36_a_body_that_a_cloned_request_cannot_read_is_a_400() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response(await request.json())

    app = web.Application(middlewares=[cloning, cloning])
    app.router.add_post("/", handler)
    assert (await Driver.http(app, "POST", body=b"{").run()).status == 400


async def test_a_cloned_request_begins_the_response() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"hi")
        return response

    app = web.Application(middlewares=[cloning])
    app.router.add_get("/", handler)
    driver = await Driver.http(app).run()
    assert (driver.status, driver.body, driver.complete) == (200, b"hi", True)


async def test_s36_a_cookie_goes_back_with_the_octets_it_came_with() -> None:
    async def handler(request: web.Request) -> web.Response:
        response = web.Response()
        response.set_cookie("a", request.cookies["a"])
        return response

    app = web.Application()
    app.router.add_get("/", handler)
    driver = await Driver.http(app, headers=[(b"cookie", b"a=\xff")]).run()
    assert driver.status == 200
    assert b"\xff" in driver.headers[b"set-cookie"]


async def test_s33_the_debug_page_shows_octets_that_are_no_utf_8() -> None:
    async def handler(request: web.Request) -> web.Response:
        raise LookupError(request.headers["X-Name"])

    app = web.Application(debug=True)
    app.router.add_get("/", handler)
    driver = await Driver.http(app, headers=[(b"x-name", b"\xff")]).run()
    assert driver.status == 500
    assert b"\\udcff" in driver.body
