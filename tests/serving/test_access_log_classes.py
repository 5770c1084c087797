"""Access logs of the program's own: which request and response they are given, whoever has answered."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from typing import Any

import pytest

from framework import web
from framework.serving.access_log import make_access_log
from framework.typedefs import ASGIApp, Message, Receive, Scope, Send
from tests.contract.backends import UvicornBackend
from tests.driver import Driver

LOGGER = logging.getLogger("tests.access")


class Noted(web.AbstractAccessLogger):
    """Writes down what it is told."""

    calls: list[tuple[web.Request, web.StreamResponse, float]]

    def __init__(self, logger: logging.Logger, log_format: str) -> None:
        super().__init__(logger, log_format)
        self.calls = []

    def log(self, request: web.Request, response: web.StreamResponse, time: float) -> None:
        self.calls.append((request, response, time))


async def logged(app: ASGIApp, driver: Driver, cls: type[Noted] = Noted) -> tuple[web.Request, Any]:
    """Request and response that the log of one request gets."""
    log = make_access_log(LOGGER, cls)
    assert log is not None
    task = asyncio.create_task(log.run(app, driver.scope, driver.receive, driver.send))
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()
    assert isinstance(log.logger, Noted)
    [(request, response, seconds)] = log.logger.calls
    assert seconds >= 0
    return request, response


def saying(**options: Any) -> web.Application:
    async def handler(request: web.Request) -> web.Response:
        request["said"] = "hello"
        return web.Response(text="hello", **options)

    app = web.Application()
    app.router.add_get("/", handler)
    return app


pytestmark = pytest.mark.filterwarnings("ignore::framework.keys.NotAppKeyWarning")


async def test_a_plain_response_looks_as_it_was_sent() -> None:
    request, response = await logged(saying(), Driver.http(None, target="/"))
    assert (request["said"], request.match_info.route.resource.canonical) == ("hello", "/")  # type: ignore[union-attr]
    assert dict(response.headers) == {"Content-Type": "text/plain; charset=utf-8", "Content-Length": "5"}
    assert (response.status, response.body_length, response.prepared, response.text) == (200, 5, True, "hello")


async def test_a_shared_response_can_be_sent_again() -> None:
    shared = web.Response(body=b"\x00")

    async def handler(request: web.Request) -> web.Response:
        return shared

    app = web.Application()
    app.router.add_get("/", handler)
    for _ in range(2):
        _, response = await logged(app, Driver.http(None, target="/"))
        assert (response.headers["Content-Type"], response.body_length) == ("application/octet-stream", 1)
    assert not shared.prepared


async def test_head() -> None:
    _, response = await logged(saying(), Driver.http(None, method="HEAD", target="/"))
    assert (response.status, response.body_length, response.headers["Content-Length"]) == (200, 0, "5")


async def test_more_than_one_host() -> None:
    app = web.Application()
    app.add_domain("a.example", saying())
    driver = Driver.http(None, target="/", headers=[(b"host", b"a"), (b"host", b"b")])
    request, response = await logged(app, driver)
    assert (request.path, response.status, response.body_length) == ("/", 400, len(driver.body))


async def test_a_router_of_the_programs_own() -> None:
    class Resource(web.PlainResource):
        async def resolve(self, request: web.Request) -> Any:
            return await super().resolve(request)

    async def handler(request: web.Request) -> web.Response:
        request["said"] = "irregular"
        return web.Response(status=202)

    app = web.Application()
    resource = Resource("/")
    resource.add_route("GET", handler)
    app.router.register_resource(resource)
    request, response = await logged(app, Driver.http(None, target="/"))
    assert (request["said"], response.status) == ("irregular", 202)


async def test_an_exception_that_goes_to_the_server() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"half")
        raise ZeroDivisionError

    app = web.Application()
    app.router.add_get("/", handler)
    request, response = await logged(app, Driver.http(None, target="/"))
    assert (request.path, response.status, response.body_length, response.eof_sent) == ("/", 200, 4, False)


async def test_an_application_that_raises_without_an_answer() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError

    request, response = await logged(app, Driver.http(None, target="/x?y=z"))
    assert (type(request), request.path, request.query["y"]) == (web.Request, "/x", "z")
    assert (response.status, response.body_length) == (500, 0)


async def test_a_client_that_left_while_it_sent_its_body() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=await request.text())

    app = web.Application()
    app.router.add_post("/", handler)
    driver = Driver.http(None, "POST", headers=[(b"content-length", b"5")], body=None)
    driver.disconnect()
    request, response = await logged(app, driver)
    assert (request.method, response.status, response.body_length) == ("POST", 499, 0)


async def test_a_request_that_was_cancelled() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise asyncio.CancelledError

    _, response = await logged(app, Driver.http(None, target="/"))
    assert response.status == 499


async def test_what_an_asgi_middleware_has_answered() -> None:
    def refusing(app: ASGIApp) -> ASGIApp:
        async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 429, "headers": [(b"retry-after", b"7")]})
            await send({"type": "http.response.body", "body": b"later"})

        return refuse

    app = saying()
    app.add_asgi_middleware(refusing)
    await app.start()
    request, response = await logged(app, Driver.http(None, target="/"))
    assert (request.path, "said" in request) == ("/", False)
    with pytest.raises(RuntimeError, match="not routed"):
        _ = request.match_info
    assert (response.status, response.headers["Retry-After"], response.body_length) == (429, "7", 5)
    assert isinstance(response, web.StreamResponse)


async def test_what_an_asgi_middleware_has_replaced() -> None:
    def replacing(app: ASGIApp) -> ASGIApp:
        async def replace(scope: Scope, receive: Receive, send: Send) -> None:
            async def other(message: Message) -> None:
                await send({**message, "status": 418} if "status" in message else message)

            await app(dict(scope), receive, other)

        return replace

    app = saying()
    app.add_asgi_middleware(replacing)
    request, response = await logged(app, Driver.http(None, target="/"))
    assert (request["said"], response.status, response.body_length) == ("hello", 418, 5)


async def test_a_mounted_application() -> None:
    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 201, "headers": [(b"x-inner", b"1")]})
            await send({"type": "http.response.body", "body": b"made"})

    app = web.Application()
    app.mount("/inner", inner)
    request, response = await logged(app, Driver.http(None, target="/inner/x"))
    assert (request.path, response.status, response.headers["X-Inner"], response.body_length) == (
        "/inner/x",
        201,
        "1",
        4,
    )


async def test_a_mounted_application_of_this_package() -> None:
    """The outer request is the one that is logged."""
    app = web.Application()
    inner = saying()
    inner.tell_exchanges()
    app.mount("/inner", inner)
    request, _ = await logged(app, Driver.http(None, target="/inner/"))
    assert request.app is app


async def test_a_websocket_that_is_denied() -> None:
    async def handler(request: web.Request) -> web.Response:
        request["said"] = "no"
        raise web.HTTPForbidden

    app = web.Application()
    app.router.add_get("/", handler)
    request, response = await logged(app, Driver.websocket(app, "/"))
    assert (request["said"], request.method, response.status) == ("no", "GET", 403)


async def test_log_may_be_a_coroutine_function() -> None:
    class Async(Noted):
        async def log(self, request: web.Request, response: web.StreamResponse, time: float) -> None:  # type: ignore[override]
            await asyncio.sleep(0)
            super().log(request, response, time)

    request, _ = await logged(saying(), Driver.http(None, target="/"), Async)
    assert request["said"] == "hello"


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_log_that_fails_does_no_harm(caplog: pytest.LogCaptureFixture, is_async: bool) -> None:
    class Failing(web.AbstractAccessLogger):
        def log(self, request: Any, response: Any, time: float) -> Any:
            return fail() if is_async else 1 / 0

    async def fail() -> None:
        raise ZeroDivisionError

    log = make_access_log(LOGGER, Failing)
    driver = Driver.http(None, target="/")
    assert log is not None
    await log.run(saying(), driver.scope, driver.receive, driver.send)
    assert driver.body == b"hello"
    [record] = caplog.records
    assert (record.name, record.getMessage()) == ("framework.server", "Error in the access log")
    assert record.exc_info is not None


def test_enabled_that_fails_does_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Noted):
        @property
        def enabled(self) -> bool:
            raise ZeroDivisionError

    log = make_access_log(LOGGER, Failing)
    assert log is not None
    assert not log.enabled
    [record] = caplog.records
    assert (record.name, record.getMessage()) == ("framework.server", "Error in the access log")


async def test_an_application_that_was_started_before() -> None:
    async with saying() as app:
        await Driver.http(app, target="/").run()
        request, _ = await logged(app, Driver.http(None, target="/"))
        assert request["said"] == "hello"


async def test_the_request_is_given_back_at_once() -> None:
    """Scope and request refer to each other while it runs: nothing may be left to the garbage collector."""
    requests: list[weakref.ref[web.Request]] = []

    async def handler(request: web.Request) -> web.Response:
        requests.append(weakref.ref(request))
        return web.Response()

    class Forgetful(web.AbstractAccessLogger):
        def log(self, request: web.Request, response: web.StreamResponse, time: float) -> None:
            assert request is requests[0]()

    app = web.Application()
    app.router.add_get("/", handler)
    log = make_access_log(LOGGER, Forgetful)
    driver = Driver.http(None, target="/")
    assert log is not None
    gc.disable()
    try:
        await log.run(app, driver.scope, driver.receive, driver.send)
        assert requests[0]() is None
    finally:
        gc.enable()


def test_none_is_no_log() -> None:
    assert make_access_log(None, Noted) is None


@pytest.mark.parametrize("cls", [object, None, Noted(LOGGER, ""), print])
def test_what_is_no_class_of_access_logs(cls: Any) -> None:
    with pytest.raises(TypeError, match=r"must be a subclass of web\.AbstractAccessLogger"):
        make_access_log(LOGGER, cls)


# As an ASGI middleware


async def test_as_an_asgi_middleware() -> None:
    made: list[Noted] = []

    class Remembered(Noted):
        def __init__(self, logger: logging.Logger, log_format: str) -> None:
            super().__init__(logger, log_format)
            made.append(self)

    app = saying()
    app.add_asgi_middleware(
        web.AccessLogMiddleware, access_log=LOGGER, access_log_class=Remembered, access_log_format="any"
    )
    async with app:
        assert made[0].calls == []
        await Driver.http(app, target="/").run()
    [(request, response, _)] = made[0].calls
    assert (request["said"], response.status, response.body_length, made[0].log_format) == ("hello", 200, 5, "any")


async def test_as_a_middleware_around_another_application(caplog: pytest.LogCaptureFixture) -> None:
    async def foreign(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"abc"})

    caplog.set_level(logging.INFO, LOGGER.name)
    app = web.AccessLogMiddleware(foreign, access_log=LOGGER, access_log_format="%s %b")
    await Driver.http(app, target="/").run()
    await Driver.lifespan(app).run()
    assert [record.getMessage() for record in caplog.records] == ["200 3"]


async def test_a_middleware_whose_log_is_disabled() -> None:
    app = saying()
    app.add_asgi_middleware(web.AccessLogMiddleware, access_log=logging.getLogger("tests.access.disabled"))
    assert (await Driver.http(app, target="/").run()).body == b"hello"


def test_a_middleware_with_a_wrong_class() -> None:
    with pytest.raises(TypeError, match="must be a subclass"):
        saying().add_asgi_middleware(web.AccessLogMiddleware, access_log_class=object)  # type: ignore[arg-type]


async def test_under_a_server_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOGGER.name)
    app = saying()
    app.add_asgi_middleware(web.AccessLogMiddleware, access_log=LOGGER, access_log_format="%a %r %s")
    backend = UvicornBackend()
    async with backend.client(app) as client:
        assert (await client.get("/")).text == "hello"
        await client.get("/missing")
    lines = [record.getMessage() for record in caplog.records if record.name == LOGGER.name]
    assert lines == ["127.0.0.1 GET / HTTP/1.1 200", "127.0.0.1 GET /missing HTTP/1.1 404"]


async def test_headers_that_no_header_can_hold() -> None:
    """For the server to refuse, which is no matter of the log."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"x-bad", b"a\nb"), (b"x good", b"1"), (b"x-good", b"1"), (b"content-length", b"\xb2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.pathsend", "path": __file__})

    log = make_access_log(LOGGER, Noted)
    assert log is not None
    assert isinstance(log.logger, Noted)

    async def send(message: Message) -> None: ...

    driver = Driver.http(None)
    await log.run(app, driver.scope, driver.receive, send)
    [(_, response, _)] = log.logger.calls
    assert (response.headers.get("X-Good"), "X-Bad" in response.headers, response.body_length) == ("1", False, 0)
