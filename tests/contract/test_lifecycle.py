"""Startup, shutdown, cleanup, contexts around a life, and on_response_prepare."""

# `web` is one of two modules, hence Any to mypy.
# mypy: disallow-untyped-decorators=False

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.contract import modules
from tests.contract.backends import Backend
from tests.contract.modules import handler

web = modules.web


def noting(log: list[str], text: str) -> Callable[..., Any]:
    """A receiver of a signal that writes down `text`."""

    async def note(*args: object) -> None:
        log.append(text)

    return note


def context(log: list[str], name: str, *, enter: Exception | None = None, leave: Exception | None = None) -> Any:
    """A cleanup context that writes down when it is entered and left, or fails at either."""

    async def run(app: Any) -> AsyncIterator[None]:
        log.append(f"> {name}")
        if enter is not None:
            raise enter
        yield
        log.append(f"< {name}")
        if leave is not None:
            raise leave

    return run


async def live(app: Any) -> None:
    """The life that a runner gives an application."""
    app.freeze()
    await app.startup()
    await app.shutdown()
    await app.cleanup()


async def test_order(backend: Backend) -> None:
    log: list[str] = []
    app = backend.web.Application()
    app.on_startup.append(noting(log, "startup 1"))
    app.on_startup.append(noting(log, "startup 2"))
    app.cleanup_ctx.append(context(log, "context 1"))
    app.cleanup_ctx.append(context(log, "context 2"))
    app.on_shutdown.append(noting(log, "shutdown 1"))
    app.on_shutdown.append(noting(log, "shutdown 2"))
    app.on_cleanup.append(noting(log, "cleanup 1"))
    app.on_cleanup.append(noting(log, "cleanup 2"))
    async with backend.client(app):
        assert log == ["> context 1", "> context 2", "startup 1", "startup 2"]
        log.clear()
    assert log == ["shutdown 1", "shutdown 2", "< context 2", "< context 1", "cleanup 1", "cleanup 2"]


async def test_receivers_get_the_application(web: Any) -> None:
    seen: list[Any] = []

    async def look(app: Any) -> None:
        seen.append(app)

    app = web.Application()
    for signal in (app.on_startup, app.on_shutdown, app.on_cleanup):
        signal.append(look)
    await live(app)
    assert seen == [app, app, app]


async def test_state_is_made_at_startup(backend: Backend) -> None:
    web = backend.web
    key = web.AppKey("key", str)

    async def connect(app: Any) -> None:
        await asyncio.sleep(0)
        app[key] = "connected"

    async def show(request: Any) -> Any:
        return web.Response(text=request.app[key])

    app = web.Application()
    app.on_startup.append(connect)
    app.router.add_get("/", show)
    async with backend.client(app) as client:
        assert (await client.get("/")).text == "connected"


async def test_state_is_made_by_a_context(backend: Backend) -> None:
    web = backend.web
    key = web.AppKey("key", list)
    closed: list[str] = []

    async def pool(app: Any) -> AsyncIterator[None]:
        app[key] = ["open"]
        yield
        closed.extend(app[key])

    async def show(request: Any) -> Any:
        request.app[key].append("used")
        return web.json_response(request.app[key])

    app = web.Application()
    app.cleanup_ctx.append(pool)
    app.router.add_get("/", show)
    async with backend.client(app) as client:
        assert (await client.get("/")).json() == ["open", "used"]
        assert closed == []
    assert closed == ["open", "used"]


async def test_decorators(web: Any) -> None:
    """A signal is a decorator, and leaves the function as it is."""
    log: list[str] = []
    app = web.Application()

    @app.on_startup
    async def start(app: Any) -> None:
        log.append("start")

    await live(app)
    assert log == ["start"]
    assert callable(start)


async def test_startup_that_fails(web: Any) -> None:
    log: list[str] = []

    async def fail(app: Any) -> None:
        raise ValueError("no database")

    app = web.Application()
    app.on_startup.append(noting(log, "before"))
    app.on_startup.append(fail)
    app.on_startup.append(noting(log, "after"))
    app.freeze()
    with pytest.raises(ValueError, match="no database"):
        await app.startup()
    assert log == ["before"]


async def test_context_that_fails_to_enter(web: Any) -> None:
    """The contexts entered before are left by cleanup()."""
    log: list[str] = []
    app = web.Application()
    app.cleanup_ctx.append(context(log, "1"))
    app.cleanup_ctx.append(context(log, "2", enter=ValueError("broken")))
    app.cleanup_ctx.append(context(log, "3"))
    app.freeze()
    with pytest.raises(ValueError, match="broken"):
        await app.startup()
    assert log == ["> 1", "> 2"]
    await app.cleanup()
    assert log == ["> 1", "> 2", "< 1"]


async def test_context_that_fails_to_leave(web: Any) -> None:
    """The others are left nevertheless, and one error is raised as it is."""
    log: list[str] = []
    app = web.Application()
    app.cleanup_ctx.append(context(log, "1"))
    app.cleanup_ctx.append(context(log, "2", leave=ValueError("broken")))
    app.freeze()
    await app.startup()
    with pytest.raises(ValueError, match="broken"):
        await app.cleanup()
    assert log == ["> 1", "> 2", "< 2", "< 1"]


async def test_contexts_that_fail_to_leave(web: Any) -> None:
    log: list[str] = []
    first, second = ValueError("first"), KeyError("second")
    app = web.Application()
    app.cleanup_ctx.append(context(log, "1", leave=first))
    app.cleanup_ctx.append(context(log, "2", leave=second))
    app.freeze()
    await app.startup()
    with pytest.raises(web.CleanupError, match="Multiple errors on cleanup stage") as caught:
        await app.cleanup()
    assert caught.value.exceptions == [second, first]


def test_cleanup_error_is_a_runtime_error(web: Any) -> None:
    assert issubclass(web.CleanupError, RuntimeError)


async def test_context_that_yields_twice(web: Any) -> None:
    async def twice(app: Any) -> AsyncIterator[None]:
        yield
        yield

    app = web.Application()
    app.cleanup_ctx.append(twice)
    app.freeze()
    await app.startup()
    with pytest.raises(RuntimeError):
        await app.cleanup()


async def test_context_manager_as_a_context(web: Any) -> None:
    """What asynccontextmanager makes is taken too."""
    log: list[str] = []

    @asynccontextmanager
    async def manager(app: Any) -> AsyncIterator[None]:
        log.append("enter")
        yield
        log.append("leave")

    app = web.Application()
    app.cleanup_ctx.append(manager)
    await live(app)
    assert log == ["enter", "leave"]


async def test_contexts_of_a_sub_application(backend: Backend) -> None:
    log: list[str] = []
    app, sub = backend.web.Application(), backend.web.Application()
    app.cleanup_ctx.append(context(log, "app"))
    sub.cleanup_ctx.append(context(log, "sub"))
    app.add_subapp("/sub", sub)
    async with backend.client(app):
        assert log == ["> app", "> sub"]
    assert log == ["> app", "> sub", "< app", "< sub"]


async def test_cleanup_without_startup(web: Any) -> None:
    """Contexts that were not entered are not left; receivers run."""
    log: list[str] = []
    app = web.Application()
    app.cleanup_ctx.append(context(log, "1"))
    app.on_cleanup.append(noting(log, "cleanup"))
    app.freeze()
    await app.cleanup()
    assert log == ["cleanup"]


async def test_cleanup_receiver_that_fails_ends_the_round(web: Any) -> None:
    log: list[str] = []

    async def fail(app: Any) -> None:
        raise ValueError("broken")

    app = web.Application()
    app.on_cleanup.append(noting(log, "before"))
    app.on_cleanup.append(fail)
    app.on_cleanup.append(noting(log, "after"))
    app.freeze()
    await app.startup()
    with pytest.raises(ValueError, match="broken"):
        await app.cleanup()
    assert log == ["before"]


async def test_signals_of_an_application_that_is_not_frozen(web: Any) -> None:
    app = web.Application()
    with pytest.raises(RuntimeError, match="non-frozen"):
        await app.startup()


async def test_receiver_that_is_no_coroutine_function(web: Any) -> None:
    app = web.Application()
    app.on_startup.append(lambda app: None)
    app.freeze()
    with pytest.raises(TypeError):
        await app.startup()


async def test_task_of_the_application(backend: Backend) -> None:
    """A background task lives from startup to cleanup."""
    web = backend.web
    log: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            log.append("ended")

    async def background(app: Any) -> AsyncIterator[None]:
        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        yield
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def show(request: Any) -> Any:
        return web.json_response(log)

    app = web.Application()
    app.cleanup_ctx.append(background)
    app.router.add_get("/", show)
    async with backend.client(app) as client:
        assert (await client.get("/")).json() == []
    assert log == ["ended"]


async def test_on_response_prepare(backend: Backend) -> None:
    web = backend.web

    async def mark(request: Any, response: Any) -> None:
        response.headers["X-Path"] = request.path
        response.headers["X-Status"] = str(response.status)

    async def index(request: Any) -> Any:
        return web.Response(text="hello")

    app = web.Application()
    app.on_response_prepare.append(mark)
    app.router.add_get("/", index)
    async with backend.client(app) as client:
        found, missing, refused = await client.get("/"), await client.get("/x"), await client.post("/")
    assert (found.headers["X-Path"], found.headers["X-Status"]) == ("/", "200")
    assert (missing.headers["X-Path"], missing.headers["X-Status"]) == ("/x", "404")
    assert refused.headers["X-Status"] == "405"


async def test_on_response_prepare_of_raised_and_streamed_responses(backend: Backend) -> None:
    web = backend.web
    log: list[int] = []

    async def note(request: Any, response: Any) -> None:
        log.append(response.status)

    async def moved(request: Any) -> Any:
        raise web.HTTPFound("/other")

    async def stream(request: Any) -> Any:
        response = web.StreamResponse(status=202)
        await response.prepare(request)
        await response.write(b"x")
        return response

    app = web.Application()
    app.on_response_prepare.append(note)
    app.router.add_get("/moved", moved)
    app.router.add_get("/stream", stream)
    async with backend.client(app) as client:
        await client.get("/moved")
        await client.get("/stream")
    assert log == [302, 202]


async def test_on_response_prepare_runs_after_the_middlewares(backend: Backend) -> None:
    web = backend.web
    log: list[str] = []

    @web.middleware
    async def outer(request: Any, handler: Any) -> Any:
        response = await handler(request)
        log.append("middleware")
        return response

    async def index(request: Any) -> Any:
        return web.Response()

    app = web.Application(middlewares=[outer])
    app.on_response_prepare.append(noting(log, "prepare 1"))
    app.on_response_prepare.append(noting(log, "prepare 2"))
    app.router.add_get("/", index)
    async with backend.client(app) as client:
        await client.get("/")
    assert log == ["middleware", "prepare 1", "prepare 2"]


async def test_on_response_prepare_that_fails(backend: Backend) -> None:
    """The client gets an answer, and the server goes on."""
    web = backend.web

    async def fail(request: Any, response: Any) -> None:
        if request.path == "/bad":
            raise ValueError("secret")

    async def index(request: Any) -> Any:
        return web.Response(text="fine")

    app = web.Application()
    app.on_response_prepare.append(fail)
    app.router.add_get("/", index)
    app.router.add_get("/bad", index)
    async with backend.client(app) as client:
        try:
            response = await client.get("/bad")
        except Exception:
            assert backend.name == "aiohttp"
        else:
            assert response.status_code == 500
            assert "secret" not in response.text
        assert (await client.get("/")).text == "fine"


def test_on_startup_of_a_handler(web: Any) -> None:
    """Signals know their owner."""
    app = web.Application()
    app.on_shutdown.append(handler)
    assert repr(app.on_shutdown).startswith(f"<Signal owner={app!r}, frozen=False, [")
