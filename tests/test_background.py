"""What runs after the response."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
from typing import Any

import pytest

from framework import web
from tests.driver import Driver


def app_with(handler: Any, **options: Any) -> web.Application:
    app = web.Application(**options)
    app.router.add_get("/", handler)
    return app


async def test_runs_after_the_response() -> None:
    happened: list[str] = []

    async def work(name: str, *, times: int) -> None:
        await asyncio.sleep(0)
        happened.extend([f"{name} after {len(driver.sent)} messages"] * times)

    async def handler(request: web.Request) -> web.Response:
        request.add_background_task(work, "work", times=2)
        happened.append("handler")
        return web.Response()

    async with app_with(handler) as app:
        driver = Driver.http(app)
        await driver.run()
    assert happened == ["handler", "work after 2 messages", "work after 2 messages"]


async def test_a_plain_function_runs_in_a_thread() -> None:
    threads: list[threading.Thread] = []

    async def handler(request: web.Request) -> web.Response:
        request.add_background_task(lambda: threads.append(threading.current_thread()))
        return web.Response()

    async with app_with(handler) as app:
        await Driver.http(app).run()
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


class Callable:
    def __init__(self) -> None:
        self.calls: list[str] = []

    async def __call__(self, argument: str) -> None:
        self.calls.append(f"{argument} in {threading.current_thread() is threading.main_thread()}")


async def test_callables_of_every_kind() -> None:
    instance = Callable()

    async def handler(request: web.Request) -> web.Response:
        request.add_background_task(instance, "instance")
        request.add_background_task(functools.partial(instance), "partial")
        request.add_background_task(lambda: instance("lambda"))
        return web.Response()

    async with app_with(handler) as app:
        await Driver.http(app).run()
    assert sorted(instance.calls) == ["instance in True", "lambda in True", "partial in True"]


async def test_a_coroutine_is_refused() -> None:
    async def work() -> None: ...

    async def handler(request: web.Request) -> web.Response:
        with pytest.raises(TypeError, match="a function and its arguments"):
            request.add_background_task(work())  # type: ignore[arg-type]
        return web.Response()

    driver = await Driver.http(app_with(handler)).run()
    assert driver.status == 200


@pytest.mark.parametrize(
    ("error", "status", "runs"),
    [(web.HTTPFound("/elsewhere"), 302, True), (web.HTTPConflict(), 409, True), (ZeroDivisionError(), 500, False)],
)
async def test_after_a_handler_that_raises(error: Exception, status: int, runs: bool) -> None:
    calls: list[int] = []

    async def handler(request: web.Request) -> web.Response:
        request.add_background_task(calls.append, 1)
        raise error

    async with app_with(handler) as app:
        driver = await Driver.http(app).run()
    assert driver.status == status
    assert bool(calls) is runs


async def test_after_a_client_that_has_gone() -> None:
    calls: list[int] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        request.add_background_task(calls.append, 1)
        response = web.StreamResponse()
        await response.prepare(request)
        await request.wait_for_disconnection()
        await response.write(b"too late")
        return response

    async with app_with(handler) as app:
        driver = Driver.http(app)
        driver.disconnect()
        await driver.run()
    assert calls == [1]


async def test_added_by_a_middleware_to_a_clone_and_below_a_sub_application() -> None:
    calls: list[str] = []

    @web.middleware
    async def count(request: web.Request, handler: Any) -> web.StreamResponse:
        request.clone(method="PUT").add_background_task(calls.append, "clone")
        response: web.StreamResponse = await handler(request)
        request.add_background_task(calls.append, "middleware")
        return response

    async def handler(request: web.Request) -> web.Response:
        request.add_background_task(calls.append, "handler")
        return web.Response()

    app = web.Application()
    app.add_subapp("/sub", app_with(handler, middlewares=[count]))
    async with app:
        await Driver.http(app, target="/sub/").run()
    assert sorted(calls) == ["clone", "handler", "middleware"]


async def test_an_error_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        raise ValueError("of the work")

    async def handler(request: web.Request) -> web.Response:
        request.add_background_task(work)
        return web.Response()

    async with app_with(handler) as app:
        await Driver.http(app).run()
    (record,) = caplog.records
    assert record.name == "framework.web"
    assert "Error in background task" in record.message
    assert record.exc_info is not None


async def test_shutdown_waits_between_its_two_signals() -> None:
    happened: list[str] = []
    release = asyncio.Event()

    async def work() -> None:
        await release.wait()
        happened.append("work")

    async def handler(request: web.Request) -> web.Response:
        request.add_background_task(work)
        return web.Response()

    async def on_shutdown(app: web.Application) -> None:
        happened.append("shutdown")
        release.set()

    async def on_cleanup(app: web.Application) -> None:
        happened.append("cleanup")

    app = app_with(handler)
    app.on_shutdown.append(on_shutdown)
    app.on_cleanup.append(on_cleanup)
    async with app:
        await Driver.http(app).run()
    assert happened == ["shutdown", "work", "cleanup"]


async def test_one_that_does_not_end_is_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    happened: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            happened.append("cancelled")

    async def handler(request: web.Request) -> web.Response:
        request.add_background_task(work)
        return web.Response()

    async with app_with(handler) as app:
        await Driver.http(app).run()
        await asyncio.sleep(0)
        await app.finish_background(0)
    assert happened == ["cancelled"]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


async def test_it_may_start_others_and_outlive_its_request() -> None:
    calls: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        async def work() -> None:
            calls.append(request.path)
            app.run_in_background([lambda: calls.append("another")])

        request.add_background_task(work)
        return web.Response()

    app = app_with(handler)
    async with app:
        await Driver.http(app).run()
    assert calls == ["/", "another"]


async def test_a_log_line_has_no_arguments(caplog: pytest.LogCaptureFixture) -> None:
    def work(password: str) -> None:
        raise LookupError("no such account")

    async def handler(request: web.Request) -> web.Response:
        request.add_background_task(work, "hunter2")
        return web.Response()

    async with app_with(handler) as app:
        await Driver.http(app).run()
    (record,) = caplog.records
    assert "work" in record.getMessage()
    assert "hunter2" not in record.getMessage()
