"""The httpx client: responses as they are sent, uploads as they are read, and clients that leave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from framework import testing, web
from framework.typedefs import Receive, Scope, Send


def app_with(handler: Any, **options: Any) -> web.Application:
    app = web.Application(**options)
    app.router.add_route("*", "/{tail:.*}", handler)
    return app


async def test_request_and_response() -> None:
    async def handler(request: web.Request) -> web.Response:
        seen = [request.method, request.path, request.query["q"], request.host, request.remote, await request.json()]
        return web.json_response(seen, status=201, headers={"X-A": "ä"})

    async with testing.client(app_with(handler)) as client:
        response = await client.put("/a b", params={"q": "ü"}, json={"n": 1})
    assert response.status_code == 201
    assert response.headers["X-A"] == "ä"
    assert response.json() == ["PUT", "/a b", "ü", "testserver", "127.0.0.1", {"n": 1}]
    assert response.http_version == "HTTP/1.1"


async def test_it_is_an_httpx_client() -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path == "/old":
            raise web.HTTPFound("/new")
        return web.Response(text=request.headers["Authorization"])

    async with testing.client(app_with(handler), auth=("ada", "pw"), follow_redirects=True) as client:
        assert isinstance(client, httpx.AsyncClient)
        response = await client.get("/old")
    assert (response.url.path, response.text) == ("/new", "Basic YWRhOnB3")


async def test_cookies() -> None:
    async def handler(request: web.Request) -> web.Response:
        response = web.json_response(dict(request.cookies))
        response.set_cookie("visits", str(int(request.cookies.get("visits", "0")) + 1))
        return response

    async with testing.client(app_with(handler), cookies={"theme": "dark"}) as client:
        await client.get("/")
        assert (await client.get("/")).json() == {"theme": "dark", "visits": "1"}
        assert client.cookies["visits"] == "2"


async def test_the_application_is_started_and_stopped() -> None:
    happened = []

    async def context(app: web.Application) -> AsyncIterator[None]:
        happened.append("startup")
        yield
        happened.append("cleanup")

    async def handler(request: web.Request) -> web.Response:
        happened.append("request")
        return web.Response()

    app = app_with(handler)
    app.cleanup_ctx.append(context)
    async with testing.client(app) as client:
        assert happened == ["startup"]
        await client.get("/")
    assert happened == ["startup", "request", "cleanup"]


async def test_a_startup_that_fails_is_raised(caplog: pytest.LogCaptureFixture) -> None:
    async def connect(app: web.Application) -> None:
        raise ConnectionRefusedError("no database")

    app = web.Application()
    app.on_startup.append(connect)
    with pytest.raises(ConnectionRefusedError, match="no database"):
        async with testing.client(app):
            raise AssertionError("not reached")


async def test_a_cleanup_that_fails_is_raised(caplog: pytest.LogCaptureFixture) -> None:
    async def disconnect(app: web.Application) -> None:
        raise ZeroDivisionError

    app = web.Application()
    app.on_cleanup.append(disconnect)
    with pytest.raises(ZeroDivisionError):
        async with testing.client(app):
            pass


async def test_what_the_test_raises_comes_before_what_the_cleanup_raises(caplog: pytest.LogCaptureFixture) -> None:
    async def disconnect(app: web.Application) -> None:
        raise ZeroDivisionError

    app = web.Application()
    app.on_cleanup.append(disconnect)
    with pytest.raises(LookupError) as raised:
        async with testing.client(app):
            raise LookupError
    assert raised.value.__notes__ == ["When the client was closed: ZeroDivisionError()"]


async def test_without_lifespan() -> None:
    happened = []

    async def note(app: web.Application) -> None:
        happened.append(app)

    app = web.Application()
    app.on_startup.append(note)
    async with testing.client(app, lifespan=False):
        assert happened == []


# Errors of the application


async def fail(request: web.Request) -> web.Response:
    raise ZeroDivisionError("in the handler")


async def test_what_a_handler_raises_is_raised(caplog: pytest.LogCaptureFixture) -> None:
    async with testing.client(app_with(fail)) as client:
        with pytest.raises(ZeroDivisionError, match="in the handler"):
            await client.get("/")


async def test_or_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    async with testing.client(app_with(fail), raise_app_exceptions=False) as client:
        response = await client.get("/")
    assert response.status_code == 500
    assert response.text.startswith("500 Internal Server Error")


async def test_http_exceptions_are_responses() -> None:
    async def handler(request: web.Request) -> web.Response:
        raise web.HTTPBadGateway(text="on purpose")

    async with testing.client(app_with(handler)) as client:
        response = await client.get("/")
    assert (response.status_code, response.text) == (502, "on purpose")


async def half(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"half")
    raise ZeroDivisionError


async def test_what_is_raised_in_the_middle_of_a_response(caplog: pytest.LogCaptureFixture) -> None:
    async with testing.client(app_with(half)) as client:
        with pytest.raises(ZeroDivisionError):
            await client.get("/")
        async with client.stream("GET", "/") as response:
            pieces = response.aiter_bytes()
            assert await anext(pieces) == b"half"
            with pytest.raises(ZeroDivisionError):
                await anext(pieces)


async def test_or_is_half_a_response(caplog: pytest.LogCaptureFixture) -> None:
    async with testing.client(app_with(half), raise_app_exceptions=False) as client:
        with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
            await client.get("/")


async def test_a_handler_that_keeps_its_client_waiting() -> None:
    """The message says where it stands."""

    async def wait_for_godot(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    async with testing.client(app_with(wait_for_godot), shutdown_timeout=0.01) as client:
        with pytest.raises(httpx.ReadTimeout, match=r"in wait_for_godot\n    await asyncio.Event"):
            await client.get("/", timeout=0.01)
        with pytest.raises(RuntimeError, match=r"1 handlers have not ended within 0\.01 seconds"):
            await client.aclose()


async def test_nothing_is_left_running() -> None:
    """A handler that does not end is cancelled, and the test is told where it stood."""
    ended = []

    async def stubborn(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(request.path)
        return response

    with pytest.raises(RuntimeError, match=r"(?s)GET /x:.*in stubborn"):
        async with (
            testing.client(app_with(stubborn), shutdown_timeout=0.01) as client,
            client.stream("GET", "/x"),
        ):
            pass
    assert ended == ["/x"]
    assert len(asyncio.all_tasks()) == 1


# Streams


async def test_an_event_stream_piece_by_piece() -> None:
    """The client leaves in the middle, and the handler is told."""
    happened: list[Any] = []
    queue: asyncio.Queue[str] = asyncio.Queue()

    async def events(request: web.Request) -> web.StreamResponse:
        async with web.sse_response(request) as response:
            try:
                while True:
                    await response.send(await queue.get())
            finally:
                happened.append("left")
        return response

    async with testing.client(app_with(events)) as client:
        async with client.stream("GET", "/") as response:
            assert response.headers["Content-Type"] == "text/event-stream"
            pieces = response.aiter_text()
            for word in ("one", "two"):
                queue.put_nowait(word)
                assert await anext(pieces) == f"data: {word}\r\n\r\n"
            assert happened == []
        assert happened == ["left"]


async def test_a_client_that_leaves_makes_writing_raise() -> None:
    errors: list[BaseException] = []
    left = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await left.wait()
        try:
            await response.write(b"too late")
        except ConnectionResetError as exc:
            errors.append(exc)
            raise
        return response

    async with testing.client(app_with(handler)) as client:
        async with client.stream("GET", "/"):
            pass
        left.set()
        await client.until_idle()
        assert len(errors) == 1


async def test_a_client_that_does_not_read_holds_the_handler_back() -> None:
    written = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal written
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(bytes(10_000))
            written += 1
        return response

    async with testing.client(app_with(handler)) as client, client.stream("GET", "/") as response:
        await asyncio.sleep(0)
        assert written < 10
        assert len(await response.aread()) == 1_000_000
    assert written == 100


async def test_a_slow_upload_piece_by_piece() -> None:
    """Pieces are pulled when the handler reads, and the response begins before the last one."""
    sent: list[bytes] = []
    received: asyncio.Queue[bytes] = asyncio.Queue()
    may_send = asyncio.Semaphore(0)

    async def body() -> AsyncIterator[bytes]:
        for piece in (b"one", b"two", b"three"):
            await may_send.acquire()
            sent.append(piece)
            yield piece

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        async for piece in request.content.iter_any():
            received.put_nowait(piece)
            await response.write(piece.upper())
        return response

    async with testing.client(app_with(handler)) as client, client.stream("POST", "/", content=body()) as response:
        assert sent == []
        echo = response.aiter_bytes()
        for piece in (b"one", b"two"):
            may_send.release()
            assert await received.get() == piece
            assert await anext(echo) == piece.upper()
        may_send.release()
        assert [piece async for piece in echo] == [b"THREE"]


async def test_an_answer_before_the_upload_is_complete() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1000)

    async def handler(request: web.Request) -> web.Response:
        await request.content.readexactly(1500)
        return web.Response(status=413)

    async with testing.client(app_with(handler)) as client:
        assert (await client.post("/", content=endless())).status_code == 413


async def test_a_handler_that_does_not_read_pulls_nothing() -> None:
    async def body() -> AsyncIterator[bytes]:
        raise AssertionError("nobody has asked")
        yield b""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=401)

    async with testing.client(app_with(handler)) as client:
        assert (await client.post("/", content=body())).status_code == 401


async def read_all(request: web.Request) -> web.Response:
    try:
        await request.read()
    except ConnectionResetError:
        request.app["resets"].append(request.path)
        raise
    return web.Response()


def reading_app() -> web.Application:
    app = app_with(read_all)
    with pytest.warns(web.NotAppKeyWarning):
        app["resets"] = []
    return app


async def test_a_body_that_raises_is_a_client_that_leaves() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"half"
        raise ZeroDivisionError

    app = reading_app()
    async with testing.client(app) as client:
        with pytest.raises(ZeroDivisionError):
            await client.post("/upload", content=body())
        assert app["resets"] == ["/upload"]


async def test_a_request_that_is_cancelled_is_a_client_that_leaves() -> None:
    reading = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"half"
        reading.set()
        await asyncio.Event().wait()

    app = reading_app()
    async with testing.client(app) as client:
        task = asyncio.create_task(client.post("/upload", content=body()))
        await reading.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await client.until_idle()
        assert app["resets"] == ["/upload"]


async def test_trailers() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.trailers["X-Checksum"] = "none"
        await response.prepare(request)
        await response.write(b"body")
        response.trailers["X-Checksum"] = "42"
        return response

    async with testing.client(app_with(handler)) as client:
        async with client.stream("GET", "/") as response:
            assert "X-Checksum" not in response.extensions["trailers"]
            assert await response.aread() == b"body"
        assert response.extensions["trailers"]["x-checksum"] == "42"
    async with testing.client(app_with(handler), extensions={}) as client:
        assert len((await client.get("/")).extensions["trailers"]) == 0


async def test_a_websocket_shares_cookies_and_state() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == "/login":
            response = web.Response()
            response.set_cookie("user", "ada")
            return response
        ws = web.WebSocketResponse()
        ws.set_cookie("seen", "yes")
        await ws.prepare(request)
        await ws.send_json([request.path, request.query["q"], request.cookies["user"], request.headers["X-A"]])
        assert request.scope["state"]["pool"] == "open"
        await ws.send_str((await ws.receive_str()).upper())
        return ws

    async with testing.client(app_with(handler), headers={"X-A": "1"}, state={"pool": "open"}) as client:
        await client.get("/login")
        async with client.websocket("/chat", params={"q": "ä"}) as ws:
            assert await ws.receive_json() == ["/chat", "ä", "ada", "1"]
            await ws.send_str("hello")
            assert await ws.receive_str() == "HELLO"
        assert client.cookies["seen"] == "yes"


async def test_a_websocket_whose_handler_fails(caplog: pytest.LogCaptureFixture) -> None:
    async with testing.client(app_with(fail)) as client:
        with pytest.raises(ZeroDivisionError):
            async with client.websocket("/"):
                raise AssertionError("not reached")
    async with testing.client(app_with(fail), raise_app_exceptions=False) as client:
        with pytest.raises(testing.WebSocketDenied, match="500"):
            async with client.websocket("/"):
                raise AssertionError("not reached")


# The scope


async def scope_of(url: str = "/", method: str = "GET", *, request: Any = None, **options: Any) -> Scope:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    async with testing.client(app, lifespan=False, **options) as client:
        await client.request(method, url, **(request or {}))
    return seen[0]


async def test_the_scope() -> None:
    scope = await scope_of("https://example.com:8443/a%2Fb%20c?x=%20y")
    headers = dict(scope["headers"])
    assert headers.pop(b"user-agent").startswith(b"python-httpx")
    assert headers[b"host"] == b"example.com:8443"
    assert scope["path"] == "/a/b c"
    assert scope["raw_path"] == b"/a%2Fb%20c"
    assert scope["query_string"] == b"x=%20y"
    assert (scope["scheme"], scope["server"]) == ("https", ("example.com", 8443))
    assert (scope["root_path"], scope["client"], scope["state"]) == ("", ("127.0.0.1", 50000), {})
    assert list(scope["extensions"]) == ["http.response.trailers", "framework.exception_report"]
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.3"}


async def test_parts_of_the_scope() -> None:
    scope = await scope_of(
        "/api/x",
        base_url="https://example.com",
        root_path="/api",
        client=None,
        http_version="2",
        spec_version="2.4",
        extensions={"tls": {"tls_version": 0x0304}},
        raise_app_exceptions=False,
        request={"headers": {"Transfer-Encoding": "chunked"}},
    )
    assert (scope["root_path"], scope["path"], scope["client"]) == ("/api", "/api/x", None)
    assert scope["http_version"] == "2"
    assert scope["asgi"]["spec_version"] == "2.4"
    assert scope["extensions"] == {"tls": {"tls_version": 0x0304}}
    assert {b"connection", b"transfer-encoding"} & {name for name, _ in scope["headers"]} == set()


async def test_a_target_that_no_url_has() -> None:
    scope = await scope_of(request={"extensions": {"target": b"/a/../b"}})
    assert (scope["path"], scope["raw_path"]) == ("/a/../b", b"/a/../b")


# Other applications


class Scripted:
    """An application that sends what it is told to."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.messages = messages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError("only http")
        for message in self.messages:
            await send(message)


START = {"type": "http.response.start", "status": 200, "headers": []}


async def test_an_application_that_knows_no_lifespan() -> None:
    app = Scripted({**START, "headers": [(b"Content-Type", b"text/plain")]}, {"type": "http.response.body"})
    async with testing.client(app) as client:
        assert (await client.get("/")).headers["Content-Type"] == "text/plain"


async def test_state_of_the_lifespan() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["pool"] = "open"
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        assert scope["state"] == {"pool": "open"}
        scope["state"]["mine"] = 1
        await send(START)
        await send({"type": "http.response.body"})

    async with testing.client(app) as client:
        await client.get("/")
        await client.get("/")
        assert client.state == {"pool": "open"}
        assert client.app is app


@pytest.mark.parametrize(
    ("messages", "error", "match"),
    [
        ([], Exception, "returned without a response"),
        ([START, {"type": "http.response.body", "more_body": True}], Exception, "without ending its response"),
        ([{"type": "http.response.body"}], AssertionError, "was sent before 'http.response.start'"),
        ([START, {"type": "http.response.body"}, START], AssertionError, "after the end of the response"),
        ([START, {"type": "http.response.body", "body": "text"}], AssertionError, "must be bytes, not str"),
        ([START, {"type": "http.response.pathsend", "path": "/etc/hosts"}], AssertionError, "do not offer"),
        (
            [{**START, "headers": [(b"content-length", b"1")]}, {"type": "http.response.body", "body": b"12"}],
            AssertionError,
            "1 bytes longer than its Content-Length",
        ),
        (
            [{**START, "headers": [(b"content-length", b"2")]}, {"type": "http.response.body", "body": b"1"}],
            AssertionError,
            "1 bytes shorter than its Content-Length",
        ),
    ],
)
async def test_what_asgi_does_not_allow_is_raised(messages: Any, error: type[Exception], match: str) -> None:
    async with testing.client(Scripted(*messages)) as client:
        with pytest.raises(error, match=match):
            await client.get("/")


async def test_without_raising_an_application_without_a_response_is_a_500() -> None:
    async with testing.client(Scripted(), raise_app_exceptions=False) as client:
        response = await client.get("/")
    assert (response.status_code, response.text) == (500, "Internal Server Error")


async def test_what_is_raised_after_a_complete_response() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": b"all"})
        for _ in range(10):
            await asyncio.sleep(0)
        raise ZeroDivisionError

    async with testing.client(app, lifespan=False) as client:
        with pytest.raises(ZeroDivisionError):
            await client.get("/")
    async with testing.client(app, lifespan=False, raise_app_exceptions=False) as client:
        assert (await client.get("/")).text == "all"


async def test_what_is_raised_much_later_is_raised_at_the_end() -> None:
    may_fail = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": b"all"})
        await may_fail.wait()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with testing.client(app, lifespan=False) as client:
            assert (await client.get("/")).text == "all"
            may_fail.set()


async def test_sending_to_a_client_that_has_left_raises_from_spec_version_2_4_on() -> None:
    outcome = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        while (await receive())["type"] != "http.disconnect":
            pass
        try:
            await send({"type": "http.response.body"})
        except OSError:
            outcome.append("OSError")
            raise
        outcome.append("silence")

    for version in ("2.3", "2.4"):
        async with testing.client(app, lifespan=False, spec_version=version) as client, client.stream("GET", "/"):
            pass
    assert outcome == ["silence", "OSError"]


async def test_messages_of_extensions() -> None:
    hint = {"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload"]}
    app = Scripted(hint, START, {"type": "http.response.body"})
    async with testing.client(app, extensions={"http.response.early_hint": {}}) as client:
        response = await client.get("/")
    assert response.extensions["http.response.early_hint"] == [hint]


@pytest.mark.parametrize("extension", ["http.response.pathsend", "http.response.zerocopysend"])
async def test_a_server_that_sends_files_itself(extension: str, tmp_path: Any) -> None:
    path = tmp_path / "large.bin"
    path.write_bytes(bytes(range(256)) * 1024)

    async def handler(request: web.Request) -> web.FileResponse:
        return web.FileResponse(path)

    async with testing.client(app_with(handler), extensions={extension: {}}) as client:
        assert (await client.get("/")).content == path.read_bytes()
        assert (await client.head("/")).headers["Content-Length"] == "262144"


async def test_a_file_object_that_the_server_sends(tmp_path: Any) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        app = Scripted(START, {"type": "http.response.zerocopysend", "file": file, "offset": 2, "count": 3})
        async with testing.client(app, extensions={"http.response.zerocopysend": {}}) as client:
            assert (await client.get("/")).content == b"234"


async def test_requests_at_the_same_time() -> None:
    both = asyncio.Barrier(2)

    async def handler(request: web.Request) -> web.Response:
        await both.wait()
        return web.Response(text=request.path)

    async with testing.client(app_with(handler)) as client:
        one, two = await asyncio.gather(client.get("/1"), client.get("/2"))
    assert (one.text, two.text) == ("/1", "/2")
