"""The http scope: what is sent for what a handler does, and what happens when either side gives up."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import quote, unquote

import pytest

from framework import web
from framework.streams import ClientConnectionResetError
from tests.driver import Driver

Handler = Any
FORM = (b"content-type", b"application/x-www-form-urlencoded")


def app_with(handler: Handler, method: str = "*", path: str = "/", **kwargs: Any) -> web.Application:
    app = web.Application(**kwargs)
    app.router.add_route(method, path, handler)
    return app


def errors(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_response_is_two_messages() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="hi")

    driver = await Driver.http(app_with(handler)).run()
    assert driver.sent == [
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"2")],
        },
        {"type": "http.response.body", "body": b"hi"},
    ]


async def test_nothing_is_received_for_a_handler_that_does_not_read() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="hi")

    driver = await Driver.http(app_with(handler), "POST", body=[b"x"] * 100).run()
    assert driver.received == 0


async def test_a_stream_is_sent_as_it_is_written() -> None:
    written = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"a")
        await written.wait()
        await response.write_eof(b"b")
        return response

    driver = Driver.http(app_with(handler))
    driver.start()
    await driver.until_sent(2)
    assert driver.sent[1] == {"type": "http.response.body", "body": b"a", "more_body": True}
    written.set()
    await driver.run()
    assert driver.sent[2] == {"type": "http.response.body", "body": b"b", "more_body": False}


async def test_a_server_without_optional_keys_is_served() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response([request.path, request.scheme, request.remote, request.host, str(request.version)])

    driver = Driver.http(app_with(handler))
    for key in ("raw_path", "root_path", "client", "server", "scheme", "query_string"):
        del driver.scope[key]
    driver.scope["headers"] = []
    await driver.run()
    assert driver.body == b'["/","http",null,"localhost","HttpVersion(major=1, minor=1)"]'


@pytest.mark.parametrize("headers", [(), [], [[b"x-a", b"1"]], [(b"X-A", b"1")]])
async def test_headers_come_in_any_iterable(headers: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=request.headers.get("X-A", "none"))

    driver = Driver.http(app_with(handler))
    driver.scope["headers"] = headers
    await driver.run()
    assert driver.body == (b"1" if headers else b"none")


# Handlers that fail


async def test_an_exception_is_a_500_and_one_record_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> web.Response:
        raise LookupError("secret")

    driver = await Driver.http(app_with(handler)).run()
    assert driver.status == 500
    assert b"secret" not in driver.body
    [record] = errors(caplog)
    assert record.exc_info is not None
    assert record.exc_info[0] is LookupError


async def test_the_applications_own_logger_is_used(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("mine")

    async def handler(request: web.Request) -> web.Response:
        raise ValueError

    await Driver.http(app_with(handler, logger=logger)).run()
    assert [record.name for record in errors(caplog)] == ["mine"]


@pytest.mark.parametrize("accept", [b"text/html", b"*/*"])
async def test_s33_no_traceback_is_shown_by_default(accept: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> web.Response:
        raise LookupError("secret")

    driver = await Driver.http(app_with(handler, debug=False), headers=[(b"accept", accept)]).run()
    assert b"secret" not in driver.body
    assert b"Traceback" not in driver.body


async def test_debug_shows_the_traceback(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> web.Response:
        raise LookupError("what was wrong")

    driver = await Driver.http(app_with(handler, debug=True)).run()
    assert driver.headers[b"content-type"] == b"text/plain; charset=utf-8"
    assert b"LookupError: what was wrong" in driver.body


async def test_a_timeout_is_a_504(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> web.Response:
        raise TimeoutError

    driver = await Driver.http(app_with(handler)).run()
    assert (driver.status, driver.body) == (504, b"")


async def test_an_exception_after_the_start_aborts_the_response(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"half of it")
        raise LookupError("broken")

    driver = Driver.http(app_with(handler))
    with pytest.raises(LookupError, match="broken"):
        await driver.run()
    assert not driver.complete
    assert len(errors(caplog)) == 1


async def test_an_http_exception_after_the_start_aborts_too(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        await web.StreamResponse().prepare(request)
        raise web.HTTPNotFound

    driver = Driver.http(app_with(handler))
    with pytest.raises(web.HTTPNotFound):
        await driver.run()
    assert driver.status == 200
    assert not driver.complete


async def test_a_body_that_fails_while_it_is_sent_aborts(caplog: pytest.LogCaptureFixture) -> None:
    closed = []

    async def body() -> Any:
        try:
            yield b"half of it"
            raise LookupError("broken")
        finally:
            closed.append(True)

    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=body())

    driver = Driver.http(app_with(handler))
    with pytest.raises(LookupError):
        await driver.run()
    assert not driver.complete
    assert closed == [True]


async def test_cancellation_passes_through(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    driver = Driver.http(app_with(handler))
    task = driver.start()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert driver.sent == []
    assert errors(caplog) == []


async def test_keyboard_interrupt_passes_through() -> None:
    class Interrupt(BaseException):
        pass

    async def handler(request: web.Request) -> web.Response:
        raise Interrupt

    driver = Driver.http(app_with(handler))
    with pytest.raises(Interrupt):
        await driver.run()
    assert driver.sent == []


async def test_a_response_that_is_left_unfinished_is_aborted(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> None:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"half of it")

    driver = Driver.http(app_with(handler))
    with pytest.raises(RuntimeError, match=r"without returning it or calling write_eof\(\)"):
        await driver.run()
    assert driver.body == b"half of it"
    assert not driver.complete
    assert len(errors(caplog)) == 1


async def test_a_response_is_sent_once_and_no_more(caplog: pytest.LogCaptureFixture) -> None:
    shared = web.Response(text="hi", headers={"X-A": "1"})

    async def handler(request: web.Request) -> web.Response:
        return shared

    app = app_with(handler)
    first = await Driver.http(app).run()
    second = await Driver.http(app).run()
    assert (first.status, second.status) == (200, 500)
    assert "make a new response for each request" in str(errors(caplog)[0].exc_info)


async def test_another_response_than_the_prepared_one_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> web.Response:
        await web.StreamResponse().prepare(request)
        return web.Response(text="another")

    driver = Driver.http(app_with(handler))
    with pytest.raises(RuntimeError, match="is answered already"):
        await driver.run()
    assert b"another" not in driver.body
    assert not driver.complete


# Receivers of on_response_prepare


async def test_an_http_exception_in_on_response_prepare(caplog: pytest.LogCaptureFixture) -> None:
    calls = []

    async def refuse(request: web.Request, response: web.StreamResponse) -> None:
        calls.append(response.status)
        if response.status == 200:
            raise web.HTTPForbidden

    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="hi")

    app = app_with(handler)
    app.on_response_prepare.append(refuse)
    driver = await Driver.http(app).run()
    assert driver.status == 403
    assert calls == [200, 403]


async def test_a_failing_receiver_of_on_response_prepare_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(request: web.Request, response: web.StreamResponse) -> None:
        raise LookupError("in the signal")

    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="hi")

    app = app_with(handler)
    app.on_response_prepare.append(fail)
    driver = await Driver.http(app).run()
    assert driver.status == 500
    assert driver.complete
    assert b"in the signal" not in driver.body


async def test_a_receiver_that_fails_for_the_404_too(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(request: web.Request, response: web.StreamResponse) -> None:
        raise LookupError("in the signal")

    app = web.Application()
    app.on_response_prepare.append(fail)
    driver = await Driver.http(app).run()
    assert driver.status == 500
    assert len(errors(caplog)) == 1


# Bodies that cannot be decoded: aiohttp answers 500, which tells the operator of what a client did


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        (b"application/json", b"{", 400),
        (b"application/json", b"", 400),
        (b"application/json", b"\xff", 400),
        (b"application/json", b"[" * 100_000, 400),
        (b"application/json; charset=utf-16", b"a", 400),
        (b"application/json; charset=nonesuch", b"{}", 415),
        (b"application/json; charset=base64", b"{}", 415),
        (b"application/json; charset=punycode", b"{}", 415),
    ],
)
async def test_undecodable_json(
    content_type: bytes, body: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response(await request.json())

    driver = await Driver.http(app_with(handler), "POST", headers=[(b"content-type", content_type)], body=body).run()
    assert driver.status == status
    assert errors(caplog) == []


@pytest.mark.parametrize(("charset", "status"), [(b"utf-8", 400), (b"nonesuch", 415), (b"rot13", 415), (b"\xff", 415)])
async def test_undecodable_text(charset: bytes, status: int, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=await request.text())

    headers = [(b"content-type", b"text/plain; charset=" + charset)]
    driver = await Driver.http(app_with(handler), "POST", headers=headers, body=b"\xff").run()
    assert driver.status == status
    assert errors(caplog) == []


async def test_an_undecodable_form() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response(dict(await request.post()))

    driver = await Driver.http(app_with(handler), "POST", headers=[FORM], body=b"a=\xff").run()
    assert driver.status == 400


async def test_a_handler_may_catch_the_decode_error() -> None:
    async def handler(request: web.Request) -> web.Response:
        try:
            await request.json()
        except ValueError as exc:
            return web.Response(text=type(exc).__name__)
        raise AssertionError

    driver = await Driver.http(app_with(handler), "POST", body=b"{").run()
    assert driver.body == b"JSONDecodeError"


async def test_another_exception_than_the_decode_error_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> web.Response:
        try:
            await request.json()
        except ValueError:
            return web.json_response(int("not the client's fault"))
        raise AssertionError

    driver = await Driver.http(app_with(handler), "POST", body=b"{").run()
    assert driver.status == 500


# The client leaves


@pytest.mark.parametrize("reader", ["read", "text", "json", "post", "release"])
async def test_leaving_in_the_middle_of_the_body(reader: str, caplog: pytest.LogCaptureFixture) -> None:
    raised: list[BaseException] = []

    async def handler(request: web.Request) -> web.Response:
        try:
            await getattr(request, reader)()
        except ConnectionResetError as exc:
            raised.append(exc)
            raise
        return web.Response()

    driver = Driver.http(app_with(handler), "POST", headers=[FORM, (b"content-length", b"9")], body=None)
    driver.feed_body(b"{}", more_body=True)
    driver.disconnect()
    await driver.run()
    assert isinstance(raised[0], ClientConnectionResetError)
    assert driver.sent == []
    assert errors(caplog) == []


async def test_leaving_before_the_body() -> None:
    async def handler(request: web.Request) -> web.Response:
        with pytest.raises(ConnectionResetError):
            await request.read()
        with pytest.raises(ConnectionResetError):
            await request.content.readline()
        return web.Response(text="for nobody")

    driver = Driver.http(app_with(handler), "POST", headers=[(b"content-length", b"9")], body=None)
    driver.disconnect()
    await driver.run()
    assert driver.body == b"for nobody"


async def test_is_disconnected_before_and_after() -> None:
    answers = []
    left = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        answers.append(await request.is_disconnected())
        await left.wait()
        answers.append(await request.is_disconnected())
        return web.Response()

    driver = Driver.http(app_with(handler))
    driver.start()
    await asyncio.sleep(0.01)
    driver.disconnect()
    left.set()
    await driver.run()
    assert answers == [False, True]


@pytest.mark.parametrize("read_first", [False, True])
async def test_is_disconnected_at_the_first_question(read_first: bool) -> None:
    async def handler(request: web.Request) -> web.Response:
        if read_first:
            await request.read()
        return web.json_response(await request.is_disconnected())

    driver = Driver.http(app_with(handler))
    driver.disconnect()
    await driver.run()
    assert driver.body == b"true"


async def test_is_disconnected_keeps_the_body_for_the_reader() -> None:
    async def handler(request: web.Request) -> web.Response:
        await request.is_disconnected()
        return web.Response(text=await request.text())

    headers = [(b"content-length", b"4")]
    driver = await Driver.http(app_with(handler), "POST", headers=headers, body=[b"bo", b"dy"]).run()
    assert driver.body == b"body"


async def test_is_disconnected_of_a_silent_client_does_not_wait() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response([await request.is_disconnected() for _ in range(3)])

    driver = await Driver.http(app_with(handler), "POST", headers=[(b"content-length", b"4")], body=None).run()
    assert driver.body == b"[false,false,false]"


async def test_writing_after_the_client_left_raises(caplog: pytest.LogCaptureFixture) -> None:
    left = asyncio.Event()
    raised: list[BaseException] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await left.wait()
        try:
            for _ in range(10):
                await asyncio.sleep(0)
                await response.write(b"more")
        except ConnectionResetError as exc:
            raised.append(exc)
            raise
        return response

    driver = Driver.http(app_with(handler))
    driver.start()
    await driver.until_sent(1)
    driver.disconnect()
    left.set()
    await driver.run()
    assert isinstance(raised[0], ClientConnectionResetError)
    assert not driver.complete
    assert errors(caplog) == []


async def test_transport_is_none_once_the_client_left() -> None:
    async def handler(request: web.Request) -> web.Response:
        assert request.transport.get_extra_info("peername") == ("192.0.2.7", 50000)
        await request.is_disconnected()
        return web.json_response([request.transport, request.get_extra_info("peername", "gone")])

    driver = Driver.http(app_with(handler))
    driver.disconnect()
    await driver.run()
    assert driver.body == b'[null,"gone"]'


@pytest.mark.parametrize("headers", [None, {"X-A": "1"}])
async def test_an_oserror_of_send_is_the_client_leaving(
    headers: dict[str, str] | None, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="hi", headers=headers)

    driver = Driver.http(app_with(handler))
    driver.send_error = OSError("gone")
    await driver.run()
    assert errors(caplog) == []


async def test_an_oserror_of_send_while_writing(caplog: pytest.LogCaptureFixture) -> None:
    raised: list[BaseException] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        driver.send_error = OSError("gone")
        try:
            await response.write(b"data")
        except ClientConnectionResetError as exc:
            raised.append(exc)
            raise
        return response

    driver = Driver.http(app_with(handler), asgi={"version": "3.0", "spec_version": "2.4"})
    await driver.run()
    assert len(raised) == 1
    assert errors(caplog) == []


async def test_an_oserror_of_the_handler_is_its_own(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> web.Response:
        raise ConnectionResetError("of a database")

    driver = await Driver.http(app_with(handler)).run()
    assert driver.status == 500
    assert len(errors(caplog)) == 1


async def test_nothing_waits_for_messages_after_the_response() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        await request.is_disconnected()
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"data")
        return response

    before = asyncio.all_tasks()
    await Driver.http(app_with(handler)).run()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


# What observers read


async def scope_after(app: web.Application, method: str, target: str, **scope: Any) -> MutableMapping[str, Any]:
    return (await Driver.http(app, method, target, **scope).run()).scope


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


async def test_scope_of_a_plain_route() -> None:
    app = app_with(hello, "GET", "/plain")
    scope = await scope_after(app, "GET", "/plain")
    assert scope["route"].path == "/plain"
    assert scope["endpoint"] is hello
    assert scope["path_params"] == {}


async def test_scope_of_a_dynamic_route() -> None:
    app = app_with(hello, "GET", r"/users/{id:\d+}/{name}")
    scope = await scope_after(app, "GET", "/users/7/J%C3%BCrgen%2Fx")
    assert scope["route"].path == "/users/{id}/{name}"
    assert scope["endpoint"] is hello
    assert dict(scope["path_params"]) == {"id": "7", "name": "Jürgen/x"}


@pytest.mark.parametrize("target", ["/api/plain", "/api/users/7"])
async def test_scope_of_a_sub_application(target: str) -> None:
    app, api = web.Application(), web.Application()
    api.router.add_get("/plain", hello)
    api.router.add_get("/users/{id}", hello)
    app.add_subapp("/api", api)
    scope = await scope_after(app, "GET", target)
    assert scope["route"].path in {"/api/plain", "/api/users/{id}"}
    assert scope["endpoint"] is hello


async def test_scope_of_a_view() -> None:
    class Page(web.View):
        async def get(self) -> web.Response:
            return web.Response()

    app = web.Application()
    app.router.add_view("/", Page)
    scope = await scope_after(app, "GET", "/")
    assert scope["endpoint"] is Page


@pytest.mark.parametrize(("method", "target"), [("GET", "/none"), ("POST", "/")])
async def test_scope_of_a_miss(method: str, target: str) -> None:
    scope = await scope_after(app_with(hello, "GET"), method, target)
    assert not {"route", "endpoint", "path_params"} & set(scope)


async def test_scope_when_a_resource_resolves_by_itself() -> None:
    class Anything(web.PlainResource):
        def match(self, path: str) -> dict[str, str] | None:
            return {"whole": path}

    app = web.Application()
    resource = Anything("/")
    resource.add_route("GET", hello)
    app.router.register_resource(resource)
    scope = await scope_after(app, "GET", "/some/path")
    assert scope["endpoint"] is hello
    assert scope["path_params"] == {"whole": "/some/path"}


# Paths


async def echo_path(request: web.Request) -> web.Response:
    return web.json_response([request.path, request.raw_path, request.match_info.get("name")])


def app_with_paths() -> web.Application:
    app = web.Application()
    app.router.add_get("/", echo_path)
    app.router.add_get("/at/{name}", echo_path)
    return app


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("/at/a", "a"),
        ("/at/a%2Fb", "a/b"),
        ("/at/a%252Fb", "a%2Fb"),
        ("/at/100%25", "100%"),
        ("/at/%C3%BC", "ü"),
        ("/at/a%20b", "a b"),
        ("/at/a+b", "a+b"),
    ],
)
async def test_raw_path_decides(target: str, name: str) -> None:
    driver = await Driver.http(app_with_paths(), target=target).run()
    assert json.loads(driver.body)[1:] == [target, name]


@pytest.mark.parametrize(("path", "status"), [("/at/a", 200), ("/at/a/b", 404), ("/at/100%", 200), ("/at/ü", 200)])
async def test_without_raw_path_the_decoded_one_decides(path: str, status: int) -> None:
    driver = Driver.http(app_with_paths(), path=path)
    del driver.scope["raw_path"]
    await driver.run()
    assert driver.status == status
    if status == 200:
        assert json.loads(driver.body)[2] == path.removeprefix("/at/")


@pytest.mark.parametrize(
    "raw", [b"/at/\xff", b"/at/\xc3\xbc", b"/at/%FF", b"/at/%", b"/at/%zz", b"/at/a\x00b", b"/at/a b"]
)
async def test_odd_octets_in_raw_path_are_answered(raw: bytes) -> None:
    driver = await Driver.http(app_with_paths(), raw_path=raw, path=raw.decode("utf-8", "replace")).run()
    assert driver.status == 200


@pytest.mark.parametrize("strip", ["left in", "stripped"])
@pytest.mark.parametrize("root_path", ["/mnt", "/mnt/", "/a%b", "/mnt/deep"])
@pytest.mark.parametrize("below", ["/at/x", "/at/a%2Fb", "/"])
@pytest.mark.parametrize("with_raw", [True, False])
async def test_root_path(strip: str, root_path: str, below: str, with_raw: bool) -> None:
    prefix = root_path.rstrip("/") if strip == "left in" else ""
    driver = Driver.http(
        app_with_paths(), root_path=root_path, path=prefix + unquote(below), raw_path=(quote(prefix) + below).encode()
    )
    if not with_raw:
        del driver.scope["raw_path"]
    await driver.run()
    assert driver.status == (404 if "%2F" in below and not with_raw else 200)


@pytest.mark.parametrize("target", ["/mnt/at/x", "/at/x"])
async def test_root_path_where_the_router_decides_by_code_of_its_own(target: str) -> None:
    class Mine(web.PlainResource):
        def match(self, path: str) -> dict[str, str] | None:
            return None

    app, sub = app_with_paths(), app_with_paths()
    app.router.register_resource(Mine("/mine"))
    app.add_subapp("/sub", sub)
    assert (await Driver.http(app, target=target, root_path="/mnt").run()).status == 200
    target = target.replace("/at", "/sub/at")
    assert (await Driver.http(app, target=target, root_path="/mnt").run()).status == 200


async def test_the_path_that_is_the_root_path_is_the_root() -> None:
    driver = await Driver.http(app_with_paths(), target="/mnt", root_path="/mnt").run()
    assert driver.status == 200


async def test_a_path_that_only_begins_like_the_root_path_is_not_below_it() -> None:
    driver = await Driver.http(app_with_paths(), target="/mntat/x", root_path="/mnt").run()
    assert driver.status == 404


async def test_nothing_waits_for_the_client_after_the_answer_to_a_failing_receiver() -> None:
    async def fail(request: web.Request, response: web.StreamResponse) -> None:
        raise LookupError("a receiver fails")

    app = web.Application()
    app.on_response_prepare.append(fail)
    before = asyncio.all_tasks()
    driver = await Driver.http(app).run()
    await asyncio.sleep(0)
    assert driver.status == 500
    assert asyncio.all_tasks() == before


async def test_a_body_of_the_declared_length_is_whole_without_another_message() -> None:
    """granian says that more comes, and then sends nothing: Content-Length tells before."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=f"{await request.text()} {await request.is_disconnected()}")

    driver = Driver.http(app_with(handler, "POST"), "POST", headers=[(b"content-length", b"3")], body=None)
    driver.feed({"type": "http.request", "body": b"abc", "more_body": True})
    await driver.run()
    assert driver.body == b"abc False"
