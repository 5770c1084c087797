"""`app.add_exception_handler`: answers to exceptions without a middleware."""

from __future__ import annotations

from typing import Any

import pytest

from framework import web
from tests.driver import Driver


class OutOfStock(Exception):
    pass


class SoldOut(OutOfStock):
    pass


async def as_json(request: web.Request, exc: Any) -> web.Response:
    status = exc.status if isinstance(exc, web.HTTPException) else 500
    return web.json_response({"error": type(exc).__name__, "path": request.path}, status=status)


def raising(exc: BaseException, **options: Any) -> web.Application:
    async def handler(request: web.Request) -> web.Response:
        raise exc

    app = web.Application(**options)
    app.router.add_get("/", handler)
    return app


async def ask(app: web.Application, target: str = "/", **scope: Any) -> Driver:
    return await Driver.http(app, target=target, **scope).run()


@pytest.mark.parametrize("key", [OutOfStock, SoldOut, LookupError])
async def test_by_class(key: type[Exception], caplog: pytest.LogCaptureFixture) -> None:
    class Both(SoldOut, LookupError):
        pass

    app = raising(Both())
    app.add_exception_handler(key, as_json)
    driver = await ask(app)
    assert driver.body == b'{"error":"Both","path":"/"}'
    assert caplog.records == []


async def test_the_nearest_class_counts() -> None:
    async def nearest(request: web.Request, exc: SoldOut) -> web.Response:
        return web.Response(text="nearest")

    app = raising(SoldOut())
    app.add_exception_handler(SoldOut, nearest)
    app.add_exception_handler(OutOfStock, as_json)
    assert (await ask(app)).body == b"nearest"


@pytest.mark.parametrize(
    ("method", "target", "name", "status"),
    [
        ("GET", "/missing", b"HTTPNotFound", 404),
        ("POST", "/", b"HTTPMethodNotAllowed", 405),
        ("GET", "/", b"HTTPGone", 410),
    ],
)
async def test_http_exceptions_and_what_no_route_matches(method: str, target: str, name: bytes, status: int) -> None:
    app = raising(web.HTTPGone())
    app.add_exception_handler(web.HTTPException, as_json)
    driver = await Driver.http(app, method, target).run()
    assert driver.status == status
    assert name in driver.body


async def test_by_status_before_class() -> None:
    async def gone(request: web.Request, exc: web.HTTPException) -> web.Response:
        return web.Response(text=f"gone: {exc.reason}", status=exc.status)

    app = raising(web.HTTPGone())
    app.add_exception_handler(web.HTTPException, as_json)
    app.add_exception_handler(410, gone)
    driver = await ask(app)
    assert (driver.status, driver.body) == (410, b"gone: Gone")


@pytest.mark.parametrize("key", [Exception, 500])
async def test_whatever_else_goes_wrong_is_answered_and_logged(key: Any, caplog: pytest.LogCaptureFixture) -> None:
    app = raising(ZeroDivisionError())
    app.add_exception_handler(key, as_json)
    driver = await ask(app)
    assert (driver.status, driver.body) == (500, b'{"error":"ZeroDivisionError","path":"/"}')
    assert len(caplog.records) == 1


async def test_in_debug_mode_the_failure_is_shown() -> None:
    app = raising(ZeroDivisionError(), debug=True)
    app.add_exception_handler(Exception, as_json)
    assert b"Traceback" in (await ask(app)).body


async def test_http_exceptions_are_no_failures() -> None:
    app = raising(web.HTTPGone())
    app.add_exception_handler(Exception, as_json)
    assert (await ask(app)).body == b"410: Gone"


async def test_a_body_that_cannot_be_read() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response(await request.json())

    app = web.Application()
    app.router.add_post("/", handler)
    app.add_exception_handler(400, as_json)
    headers = [(b"content-length", b"1")]
    driver = await Driver.http(app, "POST", headers=headers, body=b"{").run()
    assert (driver.status, driver.body) == (400, b'{"error":"HTTPBadRequest","path":"/"}')


async def test_a_timeout() -> None:
    async def late(request: web.Request, exc: TimeoutError) -> web.Response:
        return web.Response(text="later, perhaps", status=504)

    app = raising(TimeoutError())
    app.add_exception_handler(504, late)
    assert (await ask(app)).body == b"later, perhaps"


async def test_a_handler_that_raises_an_http_exception() -> None:
    async def moved(request: web.Request, exc: Exception) -> web.Response:
        raise web.HTTPFound("/elsewhere")

    app = raising(SoldOut())
    app.add_exception_handler(SoldOut, moved)
    driver = await ask(app)
    assert (driver.status, driver.headers[b"location"]) == (302, b"/elsewhere")


async def test_a_handler_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(request: web.Request, exc: Exception) -> web.Response:
        raise ZeroDivisionError from exc

    app = raising(SoldOut())
    app.add_exception_handler(SoldOut, broken)
    driver = await ask(app)
    assert driver.status == 500
    assert "ZeroDivisionError" in caplog.text
    assert "SoldOut" in caplog.text


async def test_a_sub_application_comes_first_and_the_outer_one_after_it() -> None:
    seen: list[Any] = []

    async def inner(request: web.Request, exc: Exception) -> web.Response:
        seen.append(request.app)
        return web.Response(text="inner")

    async def outer(request: web.Request, exc: Exception) -> web.Response:
        seen.append(request.app)
        return web.Response(text="outer")

    app, sub = web.Application(), raising(SoldOut())
    sub.add_exception_handler(SoldOut, inner)
    app.add_exception_handler(OutOfStock, outer)
    app.add_exception_handler(404, outer)
    app.add_subapp("/sub", sub)
    assert (await ask(app, "/sub/")).body == b"inner"
    assert (await ask(app, "/sub/missing")).body == b"outer"
    assert seen == [sub, app]


async def test_middlewares_see_the_exception_and_signals_the_answer() -> None:
    seen: list[str] = []

    @web.middleware
    async def watch(request: web.Request, handler: Any) -> web.StreamResponse:
        try:
            response: web.StreamResponse = await handler(request)
        except SoldOut:
            seen.append("exception")
            raise
        return response

    async def mark(request: web.Request, response: web.StreamResponse) -> None:
        seen.append(f"answer {response.status}")

    app = raising(SoldOut(), middlewares=[watch])
    app.on_response_prepare.append(mark)
    app.add_exception_handler(SoldOut, as_json)
    await ask(app)
    assert seen == ["exception", "answer 500"]


async def test_what_comes_after_the_response_began_is_not_answered() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        raise SoldOut

    app = web.Application()
    app.router.add_get("/", handler)
    app.add_exception_handler(SoldOut, as_json)
    with pytest.raises(SoldOut):
        await ask(app)


async def test_a_handshake_is_denied_with_the_answer() -> None:
    app = raising(SoldOut())
    app.add_exception_handler(SoldOut, as_json)
    driver = await Driver.websocket(app, extensions={"websocket.http.response": {}}).run()
    assert driver.body == b'{"error":"SoldOut","path":"/"}'


@pytest.mark.parametrize(
    ("key", "handler", "error"),
    [
        (SoldOut, lambda request, exc: None, "async def"),
        ("SoldOut", as_json, "not for 'SoldOut'"),
        (KeyboardInterrupt, as_json, "not for"),
        (200, as_json, "400 to 599"),
    ],
)
def test_bad_use(key: Any, handler: Any, error: str) -> None:
    with pytest.raises((TypeError, ValueError), match=error):
        web.Application().add_exception_handler(key, handler)


async def test_not_after_the_start() -> None:
    async with web.Application() as app:
        with pytest.raises(RuntimeError, match="has started"):
            app.add_exception_handler(SoldOut, as_json)
