"""`Application.mount`: what a foreign ASGI application is given below a prefix, and what becomes of what it sends."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from framework import web
from tests.driver import Driver

ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]
START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/x")]}


async def answer(send: Any, body: bytes = b"", **start: Any) -> None:
    await send({**START, **start})
    await send({"type": "http.response.body", "body": body})


def keeping(scopes: list[Any]) -> ASGIApp:
    """An application that keeps its scopes, and answers with its path below `root_path`."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise ValueError("no lifespan")
        scopes.append(scope)
        await answer(send, scope["path"].removeprefix(scope["root_path"]).encode())

    return app


async def body_of(scope: Any, receive: Any, send: Any) -> None:
    """An application that answers with the body and the headers it was given."""
    if scope["type"] != "lifespan":
        body, more = b"", True
        while more:
            message = await receive()
            assert message["type"] == "http.request"
            body += message["body"]
            more = message["more_body"]
        await answer(send, body + b"|" + b",".join(sorted(name for name, _ in scope["headers"])))


# The scope


@pytest.mark.parametrize(
    ("target", "path", "below"),
    [
        ("/files/a/b", "/files/a/b", b"/a/b"),
        ("/files/", "/files/", b"/"),
        ("/files", "/files", b""),
        ("/f%69les/gr%C3%B6%C3%9Fe", "/files/größe", "/größe".encode()),
        ("/files/..%2Fa", "/files/../a", b"/../a"),
    ],
)
async def test_the_path_stays_whole_and_the_root_path_grows(target: str, path: str, below: bytes) -> None:
    scopes: list[Any] = []
    app = web.Application()
    app.mount("/files", keeping(scopes))
    driver = await Driver.http(app, target=target).run()
    assert (driver.status, driver.body) == (200, below)
    (scope,) = scopes
    assert (scope["path"], scope["raw_path"], scope["root_path"]) == (path, target.encode(), "/files")


@pytest.mark.parametrize(
    ("root_path", "target", "raw"),
    [
        ("/api", "/api/files/a", b"/api/files/a"),
        ("/api/", "/api/files/a", b"/api/files/a"),
        # Left out of the path, as by hypercorn; by the specification it is in there.
        ("/api", "/files/a", b"/api/files/a"),
        ("/ä", "/files/%61", b"/%C3%A4/files/%61"),
    ],
)
async def test_a_root_path_of_the_server(root_path: str, target: str, raw: bytes) -> None:
    scopes: list[Any] = []
    app = web.Application()
    app.mount("/files", keeping(scopes))
    driver = await Driver.http(app, target=target, root_path=root_path).run()
    assert (driver.status, driver.body) == (200, b"/a")
    (scope,) = scopes
    root = root_path.rstrip("/")
    assert (scope["root_path"], scope["path"], scope["raw_path"]) == (f"{root}/files", f"{root}/files/a", raw)


@pytest.mark.parametrize("target", ["/filesystem", "/file", "/files%2Fa", "/", "/a/files"])
async def test_what_is_not_below_the_prefix(target: str) -> None:
    app = web.Application()
    app.mount("/files", keeping([]))
    assert (await Driver.http(app, target=target).run()).status == 404


@pytest.mark.parametrize("prefix", ["/größe", "/gr%C3%B6%C3%9Fe", "/größe/"])
async def test_a_prefix_beyond_ascii(prefix: str) -> None:
    scopes: list[Any] = []
    app = web.Application()
    resource = app.mount(prefix, keeping(scopes))
    assert (await Driver.http(app, target="/gr%C3%B6%C3%9Fe/a").run()).body == b"/a"
    assert scopes[0]["root_path"] == "/größe"
    assert str(resource.url_for(path="/ü b")) == "/gr%C3%B6%C3%9Fe/%C3%BC%20b"


async def test_what_belongs_to_an_application_is_not_handed_on() -> None:
    scopes: list[Any] = []
    app = web.Application()
    app.mount("/m", keeping(scopes))
    theirs: dict[str, Any] = {"app": object(), "router": object(), "app_root_path": "/x", "path_params": {"a": 1}}
    driver = Driver.http(app, target="/m", user="ada", extensions={"tls": {}})
    driver.scope.update(theirs)
    await driver.run()
    (scope,) = scopes
    assert not {*theirs, "route", "endpoint"} & scope.keys()
    assert (scope["user"], scope["extensions"]) == ("ada", {"tls": {}})


# Its place in the table


async def name_of(request: web.Request) -> web.Response:
    return web.Response(text=str(request.match_info.route.resource))


@pytest.mark.parametrize("irregular", [False, True])
async def test_the_longest_prefix_wins_and_the_mount_is_final(irregular: bool) -> None:
    class Own(web.PlainResource):
        def match(self, path: str) -> dict[str, str] | None:
            return super().match(path)

    app = web.Application()
    if irregular:
        app.router.register_resource(Own("/own"))
    app.mount("/a", keeping([]))
    app.mount("/a/b/c", keeping([]))
    app.router.add_get("/a/b/{name}", name_of)
    app.mount("/", keeping([]))
    app.router.add_get("/plain", name_of)

    async def ask(method: str, target: str) -> bytes:
        return (await Driver.http(app, method, target).run()).body

    assert await ask("GET", "/a/x") == b"/x"
    assert await ask("DELETE", "/a/b/x") == b"/b/x"
    assert await ask("GET", "/a/b/x") == b"<DynamicResource  /a/b/{name}>"
    assert await ask("GET", "/a/b/c") == b""
    assert await ask("GET", "/a/b/c/d") == b"/d"
    assert await ask("PROPFIND", "/other/x") == b"/other/x"
    # As for every resource: what the plain path has no method for goes on to the next candidate.
    assert await ask("GET", "/plain") == b"<PlainResource  /plain>"
    assert await ask("POST", "/plain") == b"/plain"


async def test_in_sub_applications_and_domains() -> None:
    scopes: list[Any] = []
    sub, host, app = web.Application(), web.Application(), web.Application()
    sub.mount("/m", keeping(scopes))
    host.mount("/m", keeping(scopes))
    app.add_subapp("/sub", sub)
    app.add_domain("other.example", host)
    assert (await Driver.http(app, target="/sub/m/x").run()).body == b"/x"
    assert (await Driver.http(app, target="/m/y", headers=[(b"host", b"other.example")]).run()).body == b"/y"
    assert [scope["root_path"] for scope in scopes] == ["/sub/m", "/m"]


async def test_url_for() -> None:
    app = web.Application()
    resource = app.mount("/files", keeping([]), name="files")
    root = app.mount("/", keeping([]))
    assert str(app.router["files"].url_for(path="/a b")) == "/files/a%20b"
    assert str(resource.url_for()) == "/files"
    assert str(root.url_for()) == "/"
    assert len(resource) == 1
    assert resource.get_info() == {"app": resource.app, "prefix": "/files"}


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    raise NotImplementedError


def test_misuse() -> None:
    app = web.Application()
    for wrong, error in ((None, TypeError), ("app", TypeError), (app, ValueError)):
        with pytest.raises(error):
            app.mount("/m", wrong)  # type: ignore[arg-type]
    for prefix in ("m", "/{tenant}", "/m//"):
        with pytest.raises(ValueError):
            app.mount(prefix, nothing)
    assert len(app.router.resources()) == len(app.cleanup_ctx) == 0


async def test_a_mount_comes_before_the_start() -> None:
    app = web.Application()

    async def late(app: web.Application) -> None:
        with pytest.raises(RuntimeError, match="its lifespan would not run"):
            app.mount("/m", nothing)

    app.on_startup.append(late)
    async with app:
        with pytest.raises(RuntimeError):
            app.mount("/m", nothing)


# Middlewares and signals


async def test_middlewares_stand_around_it() -> None:
    seen: list[Any] = []

    @web.middleware
    async def guard(request: web.Request, handler: Any) -> Any:
        if "key" not in request.query:
            raise web.HTTPForbidden
        response = await handler(request)
        seen.append((response.status, response.headers.getall("X-A"), response.content_type, response.body_length))
        seen.append((response.prepared, request.match_info.route.path, dict(request.match_info)))
        return response

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"x-a", b"1"), (b"x-a", b"2"), (b"content-type", b"text/x")]
        await answer(send, b"12345", status=202, headers=headers)

    outer = web.Application(middlewares=[guard])
    outer.mount("/m", app)
    assert (await Driver.http(outer, target="/m/a").run()).status == 403
    driver = await Driver.http(outer, target="/m/a?key").run()
    assert seen == [(202, ["1", "2"], "text/x", 5), (True, "/m", {})]
    assert driver.sent[0]["headers"][1] == (b"x-a", b"2")


async def test_receivers_of_on_response_prepare_change_headers() -> None:
    app = web.Application()

    async def prepare(request: web.Request, response: web.StreamResponse) -> None:
        assert (response.status, response.prepared, response.content_type) == (200, False, "text/x")
        response.headers["X-Powered-By"] = "patience"
        response.set_status(203)
        response.set_cookie("a", "1")

    app.on_response_prepare.append(prepare)
    app.mount("/m", keeping([]))
    driver = await Driver.http(app, target="/m").run()
    assert driver.status == 203
    assert driver.sent[0]["headers"] == [
        (b"content-type", b"text/x"),
        (b"x-powered-by", b"patience"),
        (b"set-cookie", b"a=1; Path=/"),
    ]


async def test_observers_are_told_of_the_applications_own_route() -> None:
    class Route:
        path = "/items/{id}"
        name = "item"

    async def endpoint() -> None: ...

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope.update(route=Route(), endpoint=endpoint, path_params={"id": 7})
        await answer(send)

    outer = web.Application()
    outer.mount("/shop", app)
    outer.mount("/silent", keeping([]))
    driver = await Driver.http(outer, target="/api/shop/items/7", root_path="/api").run()
    route = driver.scope["route"]
    assert (route.path, route.path_format, route.name) == ("/shop/items/{id}", "/shop/items/{id}", "item")
    assert (driver.scope["endpoint"], driver.scope["path_params"]) == (endpoint, {"id": 7})
    assert driver.scope["root_path"] == "/api"
    assert (await Driver.http(outer, target="/silent").run()).scope["route"].path == "/silent"


# The body


async def test_the_body_is_the_servers_own() -> None:
    app = web.Application(client_max_size=1)
    app.mount("/m", body_of)
    headers = [(b"content-length", b"6")]
    driver = await Driver.http(app, "POST", "/m", headers=headers, body=[b"one", b"two"]).run()
    assert driver.body == b"onetwo|content-length"


@pytest.mark.parametrize("way", ["read", "text", "stream", "ask"])
async def test_what_a_middleware_has_read_is_read_again(way: str) -> None:
    @web.middleware
    async def look(request: web.Request, handler: Any) -> Any:
        if way == "read":
            assert await request.read() == b"onetwo"
        elif way == "text":
            assert await request.text() == "onetwo"
        elif way == "ask":
            assert not await request.is_disconnected()
        else:
            # What is read of the stream is gone; the rest is there.
            assert await request.content.readany() == b"one"
        return await handler(request)

    app = web.Application(middlewares=[look])
    app.mount("/m", body_of)
    headers = [(b"content-length", b"6")]
    driver = await Driver.http(app, "POST", "/m", headers=headers, body=[b"one", b"two"]).run()
    assert driver.body.partition(b"|")[0] == (b"two" if way == "stream" else b"onetwo")


async def test_a_coding_that_was_undone_is_out_of_the_headers() -> None:
    @web.middleware
    async def look(request: web.Request, handler: Any) -> Any:
        assert await request.read() == b"text"
        return await handler(request)

    app = web.Application(middlewares=[look])
    app.mount("/m", body_of)
    body = gzip.compress(b"text")
    headers = [(b"content-encoding", b"gzip"), (b"content-length", b"%d" % len(body)), (b"x-a", b"1")]
    assert (await Driver.http(app, "POST", "/m", headers=headers, body=body).run()).body == b"text|x-a"


async def test_a_body_that_was_not_kept(caplog: pytest.LogCaptureFixture) -> None:
    @web.middleware
    async def look(request: web.Request, handler: Any) -> Any:
        async for _ in request.content.iter_any():
            pass
        return await handler(request)

    app = web.Application(middlewares=[look])
    app.mount("/m", body_of)
    driver = await Driver.http(app, "POST", "/m", headers=[(b"content-length", b"1")], body=b"1").run()
    assert driver.status == 500
    assert "await request.read()" in caplog.text


@pytest.mark.parametrize("read", [False, True])
async def test_the_application_hears_of_the_clients_end(read: bool) -> None:
    @web.middleware
    async def look(request: web.Request, handler: Any) -> Any:
        if read:
            await request.read()
        return await handler(request)

    async def stream(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            assert (await receive())["body"] == b"1"
            await send(START)
            await send({"type": "http.response.body", "body": b"1", "more_body": True})
            assert (await receive())["type"] == "http.disconnect"

    app = web.Application(middlewares=[look])
    app.mount("/m", stream)
    driver = Driver.http(app, "POST", "/m", headers=[(b"content-length", b"1")], body=b"1")
    driver.start()
    await driver.until_sent(2)
    driver.disconnect()
    await driver.run()
    assert not driver.complete


async def test_a_client_that_leaves_before_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            assert (await receive())["type"] == "http.disconnect"

    outer = web.Application()
    outer.mount("/m", app)
    driver = Driver.http(outer, "POST", "/m", body=None)
    driver.disconnect()
    await driver.run()
    assert driver.sent == []
    assert caplog.records == []


async def test_a_server_that_raises_for_a_client_that_has_gone(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send(START)
            driver.send_error = OSError("gone")
            await send({"type": "http.response.body", "body": b"1"})

    outer = web.Application()
    outer.mount("/m", app)
    driver = Driver.http(outer, target="/m")
    await driver.run()
    assert len(driver.sent) == 1
    assert caplog.records == []


# What goes wrong


@pytest.mark.parametrize("silent", [False, True])
async def test_a_failure_before_the_response_is_a_500(silent: bool, caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if not silent:
            raise ValueError("broken")

    outer = web.Application()
    outer.mount("/m", app)
    assert (await Driver.http(outer, target="/m").run()).status == 500
    assert ("returned without completing its response" if silent else "ValueError: broken") in caplog.text


@pytest.mark.parametrize("messages", [1, 2, 3])
async def test_a_failure_after_it_began_is_raised_to_the_server(messages: int) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send(START)
            for more_body in [True, False][: messages - 1]:
                await send({"type": "http.response.body", "body": b"1", "more_body": more_body})
            raise ValueError("broken")

    outer = web.Application()
    outer.mount("/m", app)
    driver = Driver.http(outer, target="/m")
    with pytest.raises(ValueError, match="broken"):
        await driver.run()
    assert len(driver.sent) == messages


async def test_a_response_that_is_left_incomplete_breaks_the_connection() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send(START)

    outer = web.Application()
    outer.mount("/m", app)
    with pytest.raises(RuntimeError, match="without completing its response"):
        await Driver.http(outer, target="/m").run()


async def test_middlewares_and_exception_handlers_see_what_it_raises() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise LookupError("no such thing")

    async def answer_lookup(request: web.Request, exc: Exception) -> web.Response:
        return web.Response(status=418, text=str(exc))

    outer = web.Application()
    outer.add_exception_handler(LookupError, answer_lookup)
    outer.mount("/m", app)
    driver = await Driver.http(outer, target="/m").run()
    assert (driver.status, driver.body) == (418, b"no such thing")


async def test_files_that_the_server_sends() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send(START)
            await send({"type": "http.response.pathsend", "path": "/tmp/x"})

    outer = web.Application()
    outer.mount("/m", app)
    driver = await Driver.http(outer, target="/m", extensions={"http.response.pathsend": {}}).run()
    assert driver.sent[-1]["type"] == "http.response.pathsend"


# WebSockets


async def echo(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        assert await receive() == {"type": "websocket.connect"}
        await send({"type": "websocket.accept", "subprotocol": "b", "headers": [(b"x-a", b"1")]})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": f"{scope['path']} {scope['root_path']} {message['text']}"})


async def test_a_websocket() -> None:
    seen: list[Any] = []

    @web.middleware
    async def look(request: web.Request, handler: Any) -> Any:
        response = await handler(request)
        seen.append((response.status, response.headers["X-A"]))
        return response

    app = web.Application(middlewares=[look])
    app.mount("/m", echo)
    driver = Driver.websocket(app, "/m/a", subprotocols=["a", "b"])
    driver.feed_ws("one")
    driver.disconnect(1000)
    await driver.run()
    assert driver.sent == [
        {"type": "websocket.accept", "subprotocol": "b", "headers": [(b"x-a", b"1")]},
        {"type": "websocket.send", "text": "/m/a /m one"},
    ]
    assert seen == [(101, "1")]


@pytest.mark.parametrize("extensions", [{}, {"websocket.http.response": {}}])
async def test_a_websocket_that_is_denied(extensions: Any) -> None:
    seen: list[int] = []

    @web.middleware
    async def look(request: web.Request, handler: Any) -> Any:
        response = await handler(request)
        seen.append(response.status)
        return response

    async def deny(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket" and scope["extensions"]:
            await send({"type": "websocket.http.response.start", "status": 401, "headers": []})
            await send({"type": "websocket.http.response.body", "body": b"no"})
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})

    app = web.Application(middlewares=[look])
    app.mount("/m", deny)
    driver = await Driver.websocket(app, "/m", extensions=extensions).run()
    assert driver.sent[0]["type"] == ("websocket.http.response.start" if extensions else "websocket.close")
    assert seen == [401 if extensions else 403]


async def test_a_middleware_denies_a_websocket_before_the_application_hears_of_it() -> None:
    @web.middleware
    async def guard(request: web.Request, handler: Any) -> Any:
        raise web.HTTPForbidden

    app = web.Application(middlewares=[guard])
    app.mount("/m", nothing)
    app.cleanup_ctx[:] = []
    driver = await Driver.websocket(app, "/m", extensions={"websocket.http.response": {}}).run()
    assert driver.status == 403


async def test_a_websocket_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    async def early(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("early")

    async def late(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept", "headers": []})
            raise ValueError("late")

    app = web.Application()
    app.mount("/early", early)
    app.mount("/late", late)
    assert (await Driver.websocket(app, "/early").run()).sent == [{"type": "websocket.close"}]
    with pytest.raises(ValueError, match="late"):
        await Driver.websocket(app, "/late").run()


# The lifespan


def living(events: list[str], name: str, *, fail: str = "", state: dict[str, Any] | None = None) -> ASGIApp:
    """An application that notes its startup and shutdown, and fails in one of them."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await answer(send, repr(scope.get("state")).encode())
            return
        for part in ("startup", "shutdown"):
            assert await receive() == {"type": f"lifespan.{part}"}
            events.append(f"{name} {part}")
            if fail == part:
                await send({"type": f"lifespan.{part}.failed", "message": "Traceback:\n  ValueError: no disk\n"})
                raise ValueError("no disk")
            scope["state"].update(state or {})
            await send({"type": f"lifespan.{part}.complete"})

    return app


async def test_lifespans_run_in_order_and_end_in_reverse() -> None:
    events: list[str] = []

    async def context(app: web.Application) -> AsyncIterator[None]:
        events.append("context entered")
        yield
        events.append("context left")

    app, sub = web.Application(), web.Application()
    app.mount("/a", living(events, "a"))
    app.cleanup_ctx.append(context)
    app.mount("/b", living(events, "b"))
    sub.mount("/c", living(events, "c"))
    app.add_subapp("/sub", sub)
    for _ in range(2):  # a closed application can be started again
        events.clear()
        async with app:
            assert events == ["a startup", "context entered", "b startup", "c startup"]
        assert events[4:] == ["b shutdown", "context left", "a shutdown", "c shutdown"]


@pytest.mark.parametrize("server", ["lifespan", "none"])
async def test_lifespans_run_whoever_starts_the_application(server: str) -> None:
    events: list[str] = []
    app = web.Application()
    app.mount("/a", living(events, "a"))
    if server == "lifespan":
        driver = Driver.lifespan(app)
        driver.feed({"type": "lifespan.startup"})
        driver.start()
        await driver.until_sent(1)
        assert events == ["a startup"]
        driver.feed({"type": "lifespan.shutdown"})
        await driver.run()
    else:
        await asyncio.gather(*(Driver.http(app, target="/a").run() for _ in range(3)))
        assert events == ["a startup"]
        await app.close()
    assert events == ["a startup", "a shutdown"]


async def test_a_startup_that_fails_names_the_application() -> None:
    events: list[str] = []
    app = web.Application()
    app.mount("/a", living(events, "a"))
    app.mount("/b", living(events, "b", fail="startup"))
    app.mount("/c", living(events, "c"))
    with pytest.raises(RuntimeError, match=r"mounted at /b, failed to start: ValueError: no disk") as caught:
        await app.start()
    assert isinstance(caught.value.__cause__, ValueError)
    assert events == ["a startup", "b startup", "a shutdown"]


async def test_a_shutdown_that_fails_names_the_application() -> None:
    events: list[str] = []
    app = web.Application()
    app.mount("/a", living(events, "a"))
    app.mount("/b", living(events, "b", fail="shutdown"))
    await app.start()
    with pytest.raises(RuntimeError, match=r"mounted at /b, failed to shut down: ValueError: no disk"):
        await app.close()
    assert events[2:] == ["b shutdown", "a shutdown"]


async def returns(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await answer(send)


async def ends_after_startup(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await answer(send)
    else:
        await receive()
        await send({"type": "lifespan.startup.complete"})


@pytest.mark.parametrize("app", [keeping([]), returns, ends_after_startup])
async def test_applications_without_a_lifespan_are_served(app: ASGIApp) -> None:
    outer = web.Application()
    outer.mount("/m", app)
    async with outer:
        assert (await Driver.http(outer, target="/m").run()).status == 200


async def test_each_request_has_a_copy_of_the_lifespans_state() -> None:
    app = web.Application()
    app.mount("/a", living([], "a", state={"db": 1}))
    app.mount("/b", living([], "b", state={"db": 2}))
    async with app:
        driver = await Driver.http(app, target="/a", state={"outer": 0}).run()
        assert driver.body == b"{'outer': 0, 'db': 1}"
        assert driver.scope["state"] == {"outer": 0}
        assert (await Driver.http(app, target="/b").run()).body == b"{'db': 2}"


async def test_an_application_at_two_prefixes_lives_once() -> None:
    events: list[str] = []
    inner = living(events, "a", state={"db": 1})
    app = web.Application()
    app.mount("/a", inner)
    app.mount("/b", inner)
    async with app:
        assert (await Driver.http(app, target="/b").run()).body == b"{'db': 1}"
    assert events == ["a startup", "a shutdown"]


async def test_a_start_that_is_cancelled_ends_the_application() -> None:
    ended = asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    app = web.Application()
    app.mount("/m", slow)
    task = asyncio.create_task(app.start())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


# An Application in an Application


async def test_an_application_of_our_own_is_another_world() -> None:
    events: list[str] = []

    async def fail(app: web.Application) -> None:
        raise OSError("no disk")

    async def shutdown(app: web.Application) -> None:
        events.append("shutdown")

    async def cleanup(app: web.Application) -> None:
        events.append("cleanup")

    async def where(request: web.Request) -> web.Response:
        assert request.app is inner
        assert request.match_info.apps == (inner,)
        return web.Response(text=f"{request.path} {request.url_for('where', id='7')}")

    inner, outer = web.Application(), web.Application()
    inner.router.add_get("/{id}", where, name="where")
    inner.on_shutdown.append(shutdown)
    inner.on_cleanup.append(cleanup)
    outer.mount("/in", inner)
    async with outer:
        driver = await Driver.http(outer, target="/api/in/3", root_path="/api").run()
        assert driver.body == b"/api/in/3 /api/in/7"
        assert driver.scope["route"].path == "/in/{id}"
        # Before connections are waited for, so that it can close its streams.
        await outer.shutdown()
        assert events == ["shutdown"]
    assert events == ["shutdown", "cleanup"]

    broken, outer = web.Application(), web.Application()
    broken.on_startup.append(fail)
    outer.mount("/in", broken)
    with pytest.raises(RuntimeError, match="mounted at /in, failed to start") as caught:
        await outer.start()
    assert isinstance(caught.value.__cause__, OSError)
