"""`Application.add_asgi_middleware`: ASGI middlewares around the whole application."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from framework import testing, web
from tests.driver import Driver


class Noting:
    """A middleware that notes the scopes it is called for, and their messages."""

    def __init__(self, app: Any, events: list[str], *, name: str = "m", state: dict[str, Any] | None = None) -> None:
        self.app = app
        self.events = events
        self.name = name
        self.state = state

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.events.append(f"{self.name} {scope['type']}")
        if scope["type"] == "lifespan" and self.state:
            scope["state"].update(self.state)

        async def note(message: Any) -> None:
            self.events.append(f"{self.name} {message['type']}")
            await send(message)

        await self.app(scope, receive, note)


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


async def echo(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse()
    await ws.prepare(request)
    async for message in ws:
        await ws.send_str(message.data)
    return ws


def make_app() -> web.Application:
    app = web.Application()
    app.router.add_get("/", hello)
    app.router.add_get("/ws", echo)
    return app


START = ["m http.response.start", "m http.response.body"]
LIFE = ["m lifespan", "m lifespan.startup.complete"]


async def test_the_last_one_added_is_the_outermost() -> None:
    events: list[str] = []
    app = make_app()
    app.add_asgi_middleware(Noting, events, name="inner")
    app.add_asgi_middleware(Noting, events, name="outer")
    inner, outer = reversed(app.asgi_middlewares)
    assert (outer.app, inner.name, inner.app != app) == (inner, "inner", True)  # type: ignore[attr-defined]
    async with app:
        events.clear()
        assert (await Driver.http(app).run()).body == b"hello"
    assert events[:3] == ["outer http", "inner http", "inner http.response.start"]


async def test_all_scopes_of_a_server_go_through() -> None:
    events: list[str] = []
    app = make_app()
    app.add_asgi_middleware(Noting, events)
    life = Driver.lifespan(app)
    life.feed({"type": "lifespan.startup"})
    life.start()
    await life.until_sent(1)
    assert (await Driver.http(app).run()).body == b"hello"
    ws = Driver.websocket(app, "/ws")
    ws.disconnect()
    await ws.run()
    life.feed({"type": "lifespan.shutdown"})
    await life.run()
    assert events == [
        *LIFE,
        *["m http", *START],
        *["m websocket", "m websocket.accept"],
        "m lifespan.shutdown.complete",
    ]


@pytest.mark.parametrize("scope", ["http", "websocket"])
async def test_the_lifespan_goes_through_also_where_no_server_sends_it(scope: str) -> None:
    events: list[str] = []
    app = make_app()
    app.add_asgi_middleware(Noting, events)
    driver = Driver.http(app) if scope == "http" else Driver.websocket(app, "/ws")
    if scope == "websocket":
        driver.disconnect()
    await driver.run()
    assert events[:3] == [*LIFE, f"m {scope}"]
    await app.close()
    assert events[-1] == "m lifespan.shutdown.complete"
    assert not app.started


async def test_state_that_a_middleware_leaves_for_requests() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response(request.state["db"])

    app = web.Application()
    app.router.add_get("/", handler)
    app.add_asgi_middleware(Noting, [], state={"db": 7})
    assert (await Driver.http(app).run()).body == b"7"
    await app.close()


@pytest.mark.parametrize("way", ["raises", "returns", "answers"])
async def test_a_middleware_that_keeps_the_lifespan_to_itself(way: str) -> None:
    class Keeping(Noting):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "lifespan":
                await self.app(scope, receive, send)
            elif way == "raises":
                raise AssertionError("http only")
            elif way == "answers":
                for part in ("startup", "shutdown"):
                    await receive()
                    await send({"type": f"lifespan.{part}.complete"})

    events: list[str] = []

    async def context(app: web.Application) -> AsyncIterator[None]:
        events.append("entered")
        yield
        events.append("left")

    app = make_app()
    app.cleanup_ctx.append(context)
    app.add_asgi_middleware(Keeping, [])
    async with app:
        assert (await Driver.http(app).run()).body == b"hello"
    assert events == ["entered", "left"]


async def test_the_callers_of_start_and_close_get_the_exceptions_themselves() -> None:
    async def fail(app: web.Application) -> None:
        raise OSError("no disk")

    app = make_app()
    app.add_asgi_middleware(Noting, [])
    app.on_startup.append(fail)
    with pytest.raises(OSError, match="no disk"):
        await app.start()

    app = make_app()
    app.add_asgi_middleware(Noting, [])
    app.on_cleanup.append(fail)
    await app.start()
    with pytest.raises(OSError, match="no disk"):
        await app.close()


async def test_middlewares_of_requests_are_inside() -> None:
    events: list[str] = []

    @web.middleware
    async def inside(request: web.Request, handler: Any) -> Any:
        events.append("inside")
        return await handler(request)

    app = web.Application(middlewares=[inside])
    app.router.add_get("/", hello)
    app.add_asgi_middleware(Noting, events)
    async with app:
        await Driver.http(app).run()
        assert (await Driver.http(app, target="/missing").run()).status == 404
    assert events[2:5] == ["m http", "inside", "m http.response.start"]


async def test_mounted_and_in_process_clients() -> None:
    events: list[str] = []
    app, outer = make_app(), web.Application()
    app.add_asgi_middleware(Noting, events)
    outer.mount("/in", app)
    transport = httpx.ASGITransport(outer)
    async with outer, httpx.AsyncClient(transport=transport, base_url="http://example") as client:
        assert (await client.get("/in/")).text == "hello"
        async with testing.websocket(outer, "/in/ws") as ws:
            await ws.send_str("there")
            assert (await ws.receive()).data == "there"
    assert "m http" in events
    assert "m websocket" in events


def test_misuse() -> None:
    app = make_app()
    with pytest.raises(TypeError, match="is no ASGI middleware"):
        app.add_asgi_middleware(lambda app: None)  # type: ignore[arg-type, return-value]
    with pytest.raises(TypeError):
        app.add_asgi_middleware(Noting, nonsense=1)  # type: ignore[call-arg]
    assert app.asgi_middlewares == ()
    app.freeze()
    with pytest.raises(RuntimeError, match="frozen or started"):
        app.add_asgi_middleware(Noting, [])


async def test_a_started_application_takes_none() -> None:
    app = make_app()

    async def late(app: web.Application) -> None:
        with pytest.raises(RuntimeError, match="frozen or started"):
            app.add_asgi_middleware(Noting, [])

    app.on_startup.append(late)
    async with app:
        pass


def test_sub_applications_have_none() -> None:
    app, sub = make_app(), make_app()
    sub.add_asgi_middleware(Noting, [])
    with pytest.raises(RuntimeError, match=r"mount\(\) it"):
        app.add_subapp("/sub", sub)
    other = make_app()
    app.add_subapp("/sub", other)
    with pytest.raises(RuntimeError, match="frozen"):
        other.add_asgi_middleware(Noting, [])


def test_servers_take_it_for_asgi_3() -> None:
    app = make_app()
    app.add_asgi_middleware(Noting, [])
    # The way of uvicorn, asgiref and hypercorn to tell.
    assert inspect.iscoroutinefunction(app.__call__)
    assert app() is app
