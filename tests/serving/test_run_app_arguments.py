"""What run_app refuses, and what it warns of."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from typing import Any

import aiohttp.web
import pytest

from framework import web

# Nothing gets as far as listening: the application is refused last.
NOT_AN_APP: Any = object()


# What aiohttp's has not.
OWN = ["workers", "reload", "http2", "server", "ssl_certfile", "ssl_keyfile", "ssl_keyfile_password", "debug"]


def test_the_signature_is_aiohttps_and_more() -> None:
    *ours, our_rest = inspect.signature(web.run_app).parameters.values()
    *theirs, their_rest = inspect.signature(aiohttp.web.run_app).parameters.values()
    assert our_rest.kind == their_rest.kind == inspect.Parameter.VAR_KEYWORD
    shared, own = ours[: len(theirs)], ours[len(theirs) :]
    assert [(item.name, item.kind) for item in shared] == [(item.name, item.kind) for item in theirs]
    assert [item.name for item in own] == OWN
    own_types = {"access_log", "access_log_class"}
    assert [item.default for item in shared if item.name not in own_types] == [
        item.default for item in theirs if item.name not in own_types
    ]


def test_the_access_logs_name() -> None:
    assert inspect.signature(web.run_app).parameters["access_log"].default is logging.getLogger("framework.access")


def test_something_else_than_an_application() -> None:
    with pytest.raises(TypeError, match=r"run_app\(\) serves a web.Application, .* not <object"):
        web.run_app(NOT_AN_APP)


def test_a_coroutine_that_makes_something_else() -> None:
    async def make() -> Any:
        return 42

    with pytest.raises(TypeError, match="not 42"):
        web.run_app(make())


def test_an_unknown_keyword() -> None:
    with pytest.raises(TypeError, match="unexpected keyword arguments: prot"):
        web.run_app(NOT_AN_APP, prot=80)


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ({"tcp_keepalive": False}, "SO_KEEPALIVE"),
        ({"max_line_size": 1}, "limits"),
    ],
)
def test_what_uvicorn_cannot_do_is_a_warning_with_the_alternative(options: dict[str, Any], advice: str) -> None:
    with pytest.raises(TypeError, match="serves"), pytest.warns(RuntimeWarning, match=advice) as caught:
        web.run_app(NOT_AN_APP, **options)
    assert caught[0].filename == __file__


async def test_in_a_running_loop() -> None:
    async def make() -> web.Application:
        raise AssertionError("never awaited, and no warning of that")

    with pytest.raises(RuntimeError, match="while an event loop is running"):
        web.run_app(make())


def test_signals_in_another_thread() -> None:
    errors = []

    def run() -> None:
        with pytest.raises(RuntimeError, match="handle_signals=False") as caught:
            web.run_app(NOT_AN_APP)
        errors.append(caught.value)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert len(errors) == 1


def test_a_closed_loop() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    with pytest.raises(RuntimeError, match="is closed"):
        web.run_app(NOT_AN_APP, loop=loop)
