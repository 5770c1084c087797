"""Applications that start, or do not, in ways of their own."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from framework import testing, web
from framework.typedefs import Receive, Scope, Send


async def test_it_starts_and_stops() -> None:
    events = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        events.append((await receive())["type"])
        scope["state"]["x"] = 1
        await send({"type": "lifespan.startup.complete"})
        events.append((await receive())["type"])
        await send({"type": "lifespan.shutdown.complete"})

    async with testing.lifespan(app, state={"y": 2}) as state:
        assert state == {"x": 1, "y": 2}
    assert events == ["lifespan.startup", "lifespan.shutdown"]


async def test_an_application_that_knows_no_lifespan() -> None:
    async def raising(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError(scope["type"])

    async def returning(scope: Scope, receive: Receive, send: Send) -> None: ...

    for app in (raising, returning):
        async with testing.lifespan(app) as state:
            assert state == {}


async def test_a_startup_that_raises_without_a_message() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with testing.lifespan(app):
            pass


@pytest.mark.parametrize("part", ["startup", "shutdown"])
async def test_a_message_without_an_exception(part: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if part == "shutdown":
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": f"lifespan.{part}.failed", "message": "no luck"})

    with pytest.raises(RuntimeError, match=f"The application's {part} failed: no luck"):
        async with testing.lifespan(app):
            pass


async def test_what_is_raised_inside_a_middleware(caplog: pytest.LogCaptureFixture) -> None:
    """The exception itself comes through, though ASGI has only a message for it."""

    async def connect(app: web.Application) -> None:
        raise ConnectionRefusedError("no database")

    app = web.Application()
    app.on_startup.append(connect)

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        async def observed(message: Any) -> None:
            await send(message)

        await app(scope, receive, observed)

    with pytest.raises(ConnectionRefusedError, match="no database"):
        async with testing.lifespan(middleware):
            pass


@pytest.mark.parametrize("part", ["startup", "shutdown"])
async def test_a_part_that_does_not_end(part: str) -> None:
    """The message says where it stands."""

    async def wait_for_godot(app: web.Application) -> None:
        await asyncio.Event().wait()

    app = web.Application()
    (app.on_startup if part == "startup" else app.on_cleanup).append(wait_for_godot)
    with pytest.raises(TimeoutError, match=rf"(?s){part} did not end within 0\.01 seconds:.*in wait_for_godot"):
        async with testing.lifespan(app, timeout=0.01):
            pass
    assert len(asyncio.all_tasks()) == 1


async def test_what_is_raised_after_the_end_of_the_shutdown() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with testing.lifespan(app):
            pass
