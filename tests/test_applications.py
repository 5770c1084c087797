"""`Application` as an ASGI callable, and what starting and freezing do. Its life under a server: tests/asgi."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import weakref
from typing import Any

import pytest
import uvicorn

from framework import web
from tests.driver import Driver


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


def app_with_hello() -> web.Application:
    app = web.Application()
    app.router.add_get("/", hello)
    return app


# The callable


def test_without_arguments_the_application_gives_itself() -> None:
    app = web.Application()
    assert app() is app


def test_servers_see_a_single_callable() -> None:
    app: Any = web.Application()
    # uvicorn, hypercorn and asgiref ask one of these.
    assert inspect.iscoroutinefunction(app.__call__)
    assert asyncio.iscoroutinefunction(app.__call__)
    assert callable(app)
    assert not inspect.isclass(app)


def test_a_subclass_is_seen_as_a_single_callable_too() -> None:
    class Mine(web.Application):
        pass

    app: Any = Mine()
    assert inspect.iscoroutinefunction(app.__call__)


def test_uvicorn_takes_it_for_asgi_3() -> None:
    config = uvicorn.Config(web.Application(), log_config=None)
    config.load()
    assert config.interface == "asgi3"


async def test_the_call_that_servers_see_serves() -> None:
    call = app_with_hello().__call__
    driver = await Driver.http(call).run()
    assert driver.body == b"hello"


async def test_asgi_middleware_around_it() -> None:
    app = app_with_hello()

    async def outer(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "path": "/", "raw_path": b"/"}, receive, send)

    driver = await Driver.http(outer, target="/other").run()
    assert driver.body == b"hello"


async def test_a_partial_of_it() -> None:
    driver = await Driver.http(functools.partial(app_with_hello())).run()
    assert driver.body == b"hello"


@pytest.mark.parametrize("scope_type", ["smtp", "", "HTTP"])
async def test_unknown_scope_types_are_refused_by_name(scope_type: str) -> None:
    driver = Driver(web.Application(), {"type": scope_type})
    with pytest.raises(ValueError, match="http, websocket and lifespan are served"):
        await driver.run()


# Startup without lifespan


async def test_the_first_request_starts_the_application_once() -> None:
    started = []

    async def on_startup(app: web.Application) -> None:
        await asyncio.sleep(0.01)
        started.append(app)

    app = app_with_hello()
    app.on_startup.append(on_startup)
    drivers = [Driver.http(app) for _ in range(20)]
    await asyncio.gather(*(driver.run() for driver in drivers))
    assert started == [app]
    assert {driver.body for driver in drivers} == {b"hello"}


async def test_startup_without_lifespan_that_fails_is_raised_to_the_server() -> None:
    async def fail(app: web.Application) -> None:
        raise LookupError("no database")

    app = app_with_hello()
    app.on_startup.append(fail)
    with pytest.raises(LookupError, match="no database"):
        await Driver.http(app).run()


async def test_a_failed_startup_is_not_tried_again() -> None:
    tries = []

    async def fail(app: web.Application) -> None:
        tries.append(app)
        raise LookupError("no database")

    app = app_with_hello()
    app.on_startup.append(fail)
    results = await asyncio.gather(*(Driver.http(app).run() for _ in range(5)), return_exceptions=True)
    assert len(tries) == 1
    assert isinstance(results[0], LookupError)
    for result in results[1:]:
        assert isinstance(result, RuntimeError)
        assert isinstance(result.__cause__, LookupError)


async def test_a_first_request_that_is_cancelled_lets_the_next_one_start() -> None:
    entered = asyncio.Event()
    tries = []

    async def on_startup(app: web.Application) -> None:
        tries.append(app)
        entered.set()
        if len(tries) == 1:
            await asyncio.Event().wait()

    app = app_with_hello()
    app.on_startup.append(on_startup)
    first = Driver.http(app).start()
    await entered.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    driver = await Driver.http(app).run()
    assert driver.body == b"hello"


async def test_async_with_starts_and_stops() -> None:
    events = []

    async def note(event: str, app: web.Application) -> None:
        events.append(event)

    app = app_with_hello()
    app.on_startup.append(functools.partial(note, "startup"))
    app.on_shutdown.append(functools.partial(note, "shutdown"))
    app.on_cleanup.append(functools.partial(note, "cleanup"))
    async with app as entered:
        assert entered is app
        assert events == ["startup"]
        await Driver.http(app).run()
    assert events == ["startup", "shutdown", "cleanup"]


async def test_async_with_cleans_up_after_an_exception() -> None:
    events = []

    async def note(event: str, app: web.Application) -> None:
        events.append(event)

    app = web.Application()
    app.on_cleanup.append(functools.partial(note, "cleanup"))
    with pytest.raises(LookupError):
        async with app:
            raise LookupError
    assert events == ["cleanup"]


async def test_async_with_leaves_the_contexts_of_a_failed_startup() -> None:
    events = []

    async def context(app: web.Application) -> Any:
        events.append("entered")
        yield
        events.append("left")

    async def fail(app: web.Application) -> None:
        raise LookupError("no database")

    app = web.Application()
    app.cleanup_ctx.append(context)
    app.on_startup.append(fail)
    with pytest.raises(LookupError):
        async with app:
            raise AssertionError
    assert events == ["entered", "left"]


async def test_a_started_application_serves_without_starting_again() -> None:
    started = []

    async def on_startup(app: web.Application) -> None:
        started.append(app)

    app = app_with_hello()
    app.on_startup.append(on_startup)
    async with app:
        await Driver.http(app).run()
        await Driver.http(app).run()
    assert started == [app]


# Freezing


async def test_routes_and_middlewares_are_frozen_by_the_first_request() -> None:
    app = app_with_hello()
    await Driver.http(app).run()
    with pytest.raises(RuntimeError, match="frozen"):
        app.router.add_get("/late", hello)
    with pytest.raises(RuntimeError, match="frozen"):
        app.middlewares.append(web.normalize_path_middleware())
    with pytest.raises(RuntimeError, match="frozen"):
        app.on_response_prepare.append(hello)
    with pytest.raises(RuntimeError, match="frozen"):
        app.add_subapp("/late", web.Application())
    with pytest.raises(DeprecationWarning, match="started or joined"):
        app["late"] = 1


async def test_a_joined_sub_application_is_frozen_with_its_parent() -> None:
    app, sub = web.Application(), web.Application()
    app.add_subapp("/sub", sub)
    async with app:
        assert sub.frozen
        with pytest.raises(RuntimeError, match="frozen"):
            sub.router.add_get("/late", hello)


async def test_handlers_may_be_replaced_until_the_first_request() -> None:
    # Libraries that instrument programs wrap the handlers of registered routes.
    async def wrapped(request: web.Request) -> web.Response:
        return web.Response(text="wrapped")

    app = web.Application()

    async def instrument(app: web.Application) -> None:
        app.middlewares.append(replace)

    @web.middleware
    async def replace(request: web.Request, handler: Any) -> web.StreamResponse:
        return await wrapped(request)

    app.router.add_get("/", hello)
    app.on_startup.append(instrument)
    driver = await Driver.http(app).run()
    assert driver.body == b"wrapped"


# State


def test_applications_are_equal_to_themselves_only() -> None:
    first, second = web.Application(), web.Application()
    assert first == first
    assert first != second
    assert first
    assert len({first, second}) == 2


async def test_an_application_is_garbage_once_forgotten() -> None:
    app = app_with_hello()
    await Driver.http(app).run()
    reference = weakref.ref(app)
    del app
    gc.collect()
    assert reference() is None


def test_nested_applications_cannot_contain_themselves() -> None:
    app = web.Application()
    with pytest.raises((ValueError, RuntimeError)):
        app.add_subapp("/self", app)


def test_an_application_that_was_closed_starts_in_another_event_loop() -> None:
    async def start_slowly(app: web.Application) -> None:
        await asyncio.sleep(0)

    async def serve() -> list[int]:
        drivers = await asyncio.gather(*(Driver.http(app).run() for _ in range(2)))
        await app.close()
        return [driver.status for driver in drivers]

    app = web.Application()
    app.on_startup.append(start_slowly)
    assert asyncio.run(serve()) == asyncio.run(serve()) == [404, 404]
