"""The lifespan scope: the server starts and stops the application."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from framework import web
from tests.driver import Driver

STARTUP = {"type": "lifespan.startup"}
SHUTDOWN = {"type": "lifespan.shutdown"}


def recording(events: list[str], name: str) -> web.Application:
    """An application that notes each signal, and the two halves of a context."""
    app = web.Application()

    async def context(app: web.Application) -> AsyncIterator[None]:
        events.append(f"{name} entered")
        yield
        events.append(f"{name} left")

    async def on_startup(app: web.Application) -> None:
        events.append(f"{name} startup")

    async def on_shutdown(app: web.Application) -> None:
        events.append(f"{name} shutdown")

    async def on_cleanup(app: web.Application) -> None:
        events.append(f"{name} cleanup")

    app.cleanup_ctx.append(context)
    app.on_startup.append(on_startup)
    app.on_shutdown.append(on_shutdown)
    app.on_cleanup.append(on_cleanup)
    return app


async def test_startup_and_shutdown() -> None:
    events: list[str] = []
    driver = Driver.lifespan(recording(events, "app"))
    driver.feed(STARTUP)
    driver.start()
    await driver.until_sent(1)
    assert driver.sent == [{"type": "lifespan.startup.complete"}]
    assert events == ["app entered", "app startup"]

    driver.feed(SHUTDOWN)
    await driver.run()
    assert driver.sent[1:] == [{"type": "lifespan.shutdown.complete"}]
    assert events[2:] == ["app shutdown", "app left", "app cleanup"]


async def test_the_application_is_frozen_by_startup() -> None:
    app = web.Application()
    driver = Driver.lifespan(app)
    driver.feed(STARTUP)
    driver.feed(SHUTDOWN)
    await driver.run()
    assert app.frozen
    with pytest.raises(RuntimeError, match="frozen"):
        app.on_startup.append(None)  # type: ignore[arg-type]


async def test_a_failed_startup_is_logged_and_told(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(app: web.Application) -> None:
        raise LookupError("no database")

    app = web.Application()
    app.on_startup.append(fail)
    driver = Driver.lifespan(app)
    driver.feed(STARTUP)
    await driver.run()
    assert driver.sent == [{"type": "lifespan.startup.failed", "message": "LookupError: no database"}]
    [record] = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[0] is LookupError


async def test_contexts_entered_before_a_failed_startup_are_left(caplog: pytest.LogCaptureFixture) -> None:
    events: list[str] = []

    async def failing(app: web.Application) -> AsyncIterator[None]:
        raise LookupError("no database")
        yield

    app = recording(events, "app")
    app.cleanup_ctx.append(failing)
    driver = Driver.lifespan(app)
    driver.feed(STARTUP)
    await driver.run()
    assert driver.sent[0]["type"] == "lifespan.startup.failed"
    assert events == ["app entered", "app left"]


async def test_a_receiver_that_fails_after_the_contexts(caplog: pytest.LogCaptureFixture) -> None:
    events: list[str] = []

    async def fail(app: web.Application) -> None:
        raise LookupError("no database")

    app = recording(events, "app")
    app.on_startup.append(fail)
    driver = Driver.lifespan(app)
    driver.feed(STARTUP)
    await driver.run()
    assert events[:2] == ["app entered", "app startup"]
    assert "app left" in events


async def test_a_failing_sub_application_leaves_the_others_contexts(caplog: pytest.LogCaptureFixture) -> None:
    events: list[str] = []

    async def fail(app: web.Application) -> None:
        raise LookupError("no database")

    app, first, second = (recording(events, name) for name in ("app", "first", "second"))
    app.add_subapp("/first", first)
    second.on_startup.append(fail)
    app.add_subapp("/second", second)
    driver = Driver.lifespan(app)
    driver.feed(STARTUP)
    await driver.run()
    assert driver.sent[0]["type"] == "lifespan.startup.failed"
    entered = {event.removesuffix(" entered") for event in events if event.endswith(" entered")}
    left = {event.removesuffix(" left") for event in events if event.endswith(" left")}
    assert entered == left == {"app", "first", "second"}


async def test_a_cleanup_that_fails_after_a_failed_startup_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def context(app: web.Application) -> AsyncIterator[None]:
        yield
        raise ValueError("in cleanup")

    async def fail(app: web.Application) -> None:
        raise LookupError("no database")

    app = web.Application()
    app.cleanup_ctx.append(context)
    app.on_startup.append(fail)
    driver = Driver.lifespan(app)
    driver.feed(STARTUP)
    await driver.run()
    assert driver.sent == [{"type": "lifespan.startup.failed", "message": "LookupError: no database"}]
    assert len(caplog.records) == 2


async def test_a_failed_cleanup_is_logged_and_told(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(app: web.Application) -> None:
        raise LookupError("cannot close")

    app = web.Application()
    app.on_cleanup.append(fail)
    driver = Driver.lifespan(app)
    driver.feed(STARTUP)
    driver.feed(SHUTDOWN)
    await driver.run()
    assert driver.sent[1] == {"type": "lifespan.shutdown.failed", "message": "LookupError: cannot close"}
    assert len(caplog.records) == 1


async def test_cleanup_runs_when_shutdown_fails(caplog: pytest.LogCaptureFixture) -> None:
    events: list[str] = []

    async def fail(app: web.Application) -> None:
        raise LookupError("cannot stop")

    app = recording(events, "app")
    app.on_shutdown.append(fail)
    driver = Driver.lifespan(app)
    driver.feed(STARTUP)
    driver.feed(SHUTDOWN)
    await driver.run()
    assert driver.sent[1]["type"] == "lifespan.shutdown.failed"
    assert "app left" in events


async def test_the_servers_state_reaches_the_request() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=request.state["pool"])

    app = web.Application()
    app.router.add_get("/", handler)
    state = {"pool": "the pool"}
    lifespan = Driver.lifespan(app, state=state)
    lifespan.feed(STARTUP)
    lifespan.start()
    await lifespan.until_sent(1)
    # Servers give every request a copy of its own.
    driver = await Driver.http(app, state=dict(state)).run()
    assert driver.body == b"the pool"
    lifespan.feed(SHUTDOWN)
    await lifespan.run()


async def test_requests_have_a_state_without_the_servers_too() -> None:
    async def handler(request: web.Request) -> web.Response:
        request.state["user"] = "me"
        return web.json_response(dict(request.state))

    app = web.Application()
    app.router.add_get("/", handler)
    driver = await Driver.http(app).run()
    assert driver.body == b'{"user":"me"}'
    assert driver.scope["state"] == {"user": "me"}


async def test_lifespan_after_an_explicit_start_runs_nothing_twice() -> None:
    events: list[str] = []
    app = recording(events, "app")
    async with app:
        driver = Driver.lifespan(app)
        driver.feed(STARTUP)
        driver.start()
        await driver.until_sent(1)
        assert events.count("app startup") == 1
        driver.feed(SHUTDOWN)
        await driver.run()
    assert events.count("app shutdown") == 1
    assert events.count("app left") == 1
