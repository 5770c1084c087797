"""Request ids: where they come from, and all the places that they get to."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any

import pytest

from framework import testing, web
from tests.driver import Driver

LOGGER = logging.getLogger("tests.request_ids")


def saying(*middlewares: Any, **options: Any) -> web.Application:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=str(web.request_id.get()))

    app = web.Application(middlewares=[web.request_id_middleware(**options), *middlewares])
    app.router.add_get("/", handler)
    return app


async def ids(app: web.Application, path: str = "/", **headers: str) -> tuple[str, str]:
    """What the handler says, and what the response's header says."""
    async with testing.client(app, raise_app_exceptions=False) as client:
        answer = await client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    [header] = answer.headers.get_list("X-Request-ID")
    return answer.text, header


# Where an id comes from


async def test_a_request_gets_an_id() -> None:
    said, header = await ids(saying())
    assert said == header
    assert re.fullmatch("[0-9a-f]{32}", header)


async def test_each_one_another() -> None:
    app = saying()
    assert await ids(app) != await ids(app)


@pytest.mark.parametrize(
    "brought",
    [
        "a",
        "01JD7ZQ4M7X4J2",
        "5f0c6d1e-2c0f-4b7e-9f0a-0c1d2e3f4a5b",
        "Root=1-67891233-abcdef012345678912345678",
        "req_1:2.3+4",
        "x" * 128,
    ],
)
async def test_one_that_is_brought_is_kept(brought: str) -> None:
    assert await ids(saying(), x_request_id=brought) == (brought, brought)


@pytest.mark.parametrize(
    "brought",
    ["", "x" * 129, "a b", 'a"b', "<script>", "=1+1", "-rf", "../../etc", "a;b", "a,b", "a%0ab", "a{b}", "$a"],
)
async def test_s20_what_is_no_id_is_replaced(brought: str) -> None:
    said, header = await ids(saying(), x_request_id=brought)
    assert said == header != brought
    assert re.fullmatch("[0-9a-f]{32}", header)


@pytest.mark.parametrize("brought", [b"a\xc3\xa9", b"a\x1b", b"a\x00", b"a\n", b"a\r\nX-Evil: 1", "１".encode()])
async def test_s20_octets_that_are_no_id(brought: bytes) -> None:
    driver = Driver.http(saying(), headers=[(b"x-request-id", brought)])
    await driver.run()
    assert re.fullmatch(rb"[0-9a-f]{32}", driver.headers[b"x-request-id"])


async def test_two_headers_are_no_id() -> None:
    driver = Driver.http(saying(), headers=[(b"x-request-id", b"one"), (b"x-request-id", b"two")])
    await driver.run()
    assert re.fullmatch(rb"[0-9a-f]{32}", driver.headers[b"x-request-id"])


async def test_none_is_taken_from_clients() -> None:
    said, header = await ids(saying(inbound=False), x_request_id="theirs")
    assert said == header != "theirs"


async def test_another_header() -> None:
    async with testing.client(saying(header="X-Trace")) as client:
        answer = await client.get("/", headers={"X-Trace": "abc", "X-Request-ID": "not this"})
    assert answer.text == answer.headers["X-Trace"] == "abc"
    assert "X-Request-ID" not in answer.headers


async def test_ids_of_ones_own() -> None:
    numbers = iter(range(7, 9))
    assert await ids(saying(generate=lambda: f"n{next(numbers)}")) == ("n7", "n7")


@pytest.mark.parametrize("header", ["", "X Request", "X-Request\n", "é"])
def test_a_header_that_is_none(header: str) -> None:
    with pytest.raises(ValueError, match="header name"):
        web.request_id_middleware(header=header)


# Responses of every kind


@pytest.mark.parametrize("path", ["/missing", "/forbidden", "/failing", "/nothing", "/streamed", "/file", "/mounted/x"])
async def test_every_response_has_the_header(path: str) -> None:
    async def forbidden(request: web.Request) -> web.Response:
        raise web.HTTPForbidden

    async def failing(request: web.Request) -> web.Response:
        raise ZeroDivisionError

    async def nothing(request: web.Request) -> Any:
        return None

    async def streamed(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"abc")
        return response

    async def file(request: web.Request) -> web.FileResponse:
        return web.FileResponse(__file__)

    async def mounted(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            headers = [(b"x-request-id", b"another")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body"})

    app = saying()
    for handler in (forbidden, failing, nothing, streamed, file):
        app.router.add_get(f"/{handler.__name__}", handler)
    app.mount("/mounted", mounted)
    assert (await ids(app, path, x_request_id="abc"))[1] == "abc"


async def test_a_websocket_has_it() -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str(str(web.request_id.get()))
        return socket

    app = saying()
    app.router.add_get("/socket", handler)
    driver = Driver.websocket(app, "/socket", headers=[(b"x-request-id", b"abc")])
    await driver.run()
    accepted, said = driver.sent[:2]
    assert (b"x-request-id", b"abc") in accepted["headers"]
    assert said["text"] == "abc"


# Logs


class Seen(logging.Handler):
    """Keeps what a formatter makes of the records."""

    def __init__(self) -> None:
        super().__init__()
        self.addFilter(web.RequestIdFilter())
        self.setFormatter(logging.Formatter("%(request_id)s %(message)s"))
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record).splitlines()[0])


@pytest.fixture
def seen() -> Any:
    handler = Seen()
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield handler
    root.setLevel(level)
    root.removeHandler(handler)


async def test_handlers_tasks_threads_and_background_tasks_log_it(seen: Seen) -> None:
    async def say(what: str) -> None:
        LOGGER.info(what)

    async def handler(request: web.Request) -> web.Response:
        LOGGER.info("handler")
        await asyncio.create_task(say("task"))
        await asyncio.to_thread(LOGGER.info, "thread")
        request.add_background_task(say, "background")
        request.add_background_task(LOGGER.info, "background thread")
        return web.Response()

    app = saying()
    app.router.add_get("/log", handler)
    await ids(app, "/log", x_request_id="abc")
    LOGGER.info("outside")
    assert seen.lines[:3] == ["abc handler", "abc task", "abc thread"]
    assert sorted(line for line in seen.lines if "background" in line) == ["abc background", "abc background thread"]
    assert seen.lines[-1] == "- outside"


async def test_the_error_with_the_traceback_has_it(seen: Seen) -> None:
    async def failing(request: web.Request) -> web.Response:
        raise ZeroDivisionError

    app = saying()
    app.router.add_get("/failing", failing)
    await ids(app, "/failing", x_request_id="abc")
    [line] = [line for line in seen.lines if "Error handling" in line]
    assert line.startswith("abc Error handling request from")


async def test_two_requests_at_once(seen: Seen) -> None:
    both = asyncio.Barrier(2)

    async def handler(request: web.Request) -> web.Response:
        await both.wait()
        LOGGER.info(request.query["name"])
        return web.Response()

    app = saying()
    app.router.add_get("/log", handler)
    await asyncio.gather(*(ids(app, f"/log?name={name}", x_request_id=name) for name in ("one", "two")))
    assert sorted(line for line in seen.lines if "HTTP" not in line) == ["one one", "two two"]


def test_the_filter_keeps_what_a_record_has() -> None:
    record: Any = logging.makeLogRecord({"request_id": "mine"})
    assert web.RequestIdFilter().filter(record)
    assert record.request_id == "mine"


def test_outside_of_requests() -> None:
    assert web.request_id.get() is None
    record: Any = logging.makeLogRecord({})
    web.RequestIdFilter().filter(record)
    assert record.request_id == "-"


async def test_a_subapplication_alone() -> None:
    app = web.Application()
    app.add_subapp("/inner", saying())
    assert await ids(app, "/inner/", x_request_id="abc") == ("abc", "abc")


@pytest.mark.parametrize("path", ["/inner/", "/mounted/"])
async def test_two_middlewares_agree(path: str) -> None:
    app = saying()
    app.add_subapp("/inner", saying(inbound=False))
    app.mount("/mounted", saying(inbound=False))
    said, header = await ids(app, path)
    assert said == header


async def test_an_on_response_prepare_receiver_sees_it() -> None:
    async def receiver(request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Seen"] = str(web.request_id.get())

    app = saying()
    app.on_response_prepare.append(receiver)
    async with testing.client(app) as client:
        answer = await client.get("/", headers={"X-Request-ID": "abc"})
    assert (answer.headers["X-Seen"], answer.headers["X-Request-ID"]) == ("abc", "abc")


async def test_an_id_that_no_header_can_hold(caplog: pytest.LogCaptureFixture) -> None:
    async with testing.client(saying(generate=lambda: "a\r\nX-Evil: 1"), raise_app_exceptions=False) as client:
        answer = await client.get("/")
    assert (answer.status_code, "X-Evil" in answer.headers) == (500, False)


async def test_a_response_that_is_shared() -> None:
    shared = web.Response(text="the same for all")

    async def handler(request: web.Request) -> web.Response:
        return shared

    app = saying()
    app.router.add_get("/shared", handler)
    assert (await ids(app, "/shared", x_request_id="one"))[1] == "one"
    assert (await ids(app, "/shared", x_request_id="two"))[1] == "two"


@pytest.mark.parametrize("method", ["HEAD", "GET"])
async def test_a_middleware_around_it_may_set_headers(method: str) -> None:
    @web.middleware
    async def outer(request: web.Request, handler: Any) -> web.StreamResponse:
        response: web.StreamResponse = await handler(request)
        response.headers["X-Outer"] = "1"
        return response

    app = saying()
    app.middlewares.insert(0, outer)
    async with testing.client(app) as client:
        answer = await client.request(method, "/", headers={"X-Request-ID": "abc"})
    assert (answer.headers["X-Outer"], answer.headers.get_list("X-Request-ID")) == ("1", ["abc"])
