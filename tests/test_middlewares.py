"""Middlewares of unusual shapes, and the chain as it is built."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from framework import web
from framework.middlewares import build_chain
from tests.driver import Driver


async def hello(request: web.Request) -> web.Response:
    """Say hello."""
    return web.Response(text="hello")


def app_with(*middlewares: Any) -> web.Application:
    app = web.Application(middlewares=middlewares)
    app.router.add_get("/", hello)
    return app


@web.middleware
async def usual(request: web.Request, handler: Any) -> Any:
    return await handler(request)


@web.middleware
async def other_name(request: web.Request, following: Any) -> Any:
    return await following(request)


@web.middleware
async def keyword_only(request: web.Request, *, handler: Any) -> Any:
    return await handler(request)


@web.middleware
async def keyword_after_another(request: web.Request, option: str = "x", *, handler: Any) -> Any:
    return await handler(request)


@web.middleware
async def any_keywords(request: web.Request, **kwargs: Any) -> Any:
    return await kwargs["handler"](request)


@web.middleware
async def any_arguments(*args: Any, **kwargs: Any) -> Any:
    handler = kwargs.get("handler") or args[1]
    return await handler(args[0])


class Instance:
    async def __call__(self, request: web.Request, handler: Any) -> Any:
        return await handler(request)

    async def method(self, request: web.Request, handler: Any) -> Any:
        return await handler(request)


async def with_option(option: str, request: web.Request, handler: Any) -> Any:
    return await handler(request)


async def option_after(request: web.Request, handler: Any, option: str) -> Any:
    return await handler(request)


SHAPES = {
    "usual": usual,
    "another name": other_name,
    "keyword only": keyword_only,
    "keyword after another": keyword_after_another,
    "any keywords": any_keywords,
    "any arguments": any_arguments,
    "instance": Instance(),
    "method": Instance().method,
    "partial": functools.partial(with_option, "x"),
    "partial with a keyword": functools.partial(option_after, option="x"),
    "wrapped": functools.wraps(usual)(lambda request, handler: usual(request, handler=handler)),
    "plain function": lambda request, handler: handler(request),
}


@pytest.mark.parametrize("middleware", SHAPES.values(), ids=SHAPES)
async def test_shapes(middleware: Any) -> None:
    driver = await Driver.http(app_with(middleware)).run()
    assert driver.body == b"hello"


def test_every_link_bears_the_handlers_name() -> None:
    app = app_with(usual, keyword_only)
    chain: Any = build_chain(hello, (app,))
    assert (chain.__name__, chain.__doc__) == ("hello", "Say hello.")
    assert chain.__wrapped__.__wrapped__ is hello


async def test_what_a_decorator_left_on_the_handler_can_be_read() -> None:
    @web.middleware
    async def guard(request: web.Request, handler: Any) -> Any:
        if getattr(handler, "secret", False):
            raise web.HTTPForbidden
        return await handler(request)

    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="secret")

    handler.secret = True  # type: ignore[attr-defined]
    app = web.Application(middlewares=[usual, guard, usual])
    app.router.add_get("/", handler)
    assert (await Driver.http(app).run()).status == 403


async def test_the_chain_is_built_once_for_each_route() -> None:
    links = []

    @web.middleware
    async def note(request: web.Request, handler: Any) -> Any:
        links.append(handler)
        return await handler(request)

    app = app_with(usual, note, usual)
    for _ in range(3):
        await Driver.http(app).run()
    assert len(links) == 3
    assert links[0] is links[1] is links[2]


async def test_old_style_factories_work_with_a_warning() -> None:
    async def factory(app: web.Application, handler: Any) -> Any:
        async def middleware(request: web.Request) -> Any:
            return await handler(request)

        return middleware

    with pytest.warns(DeprecationWarning, match="old-style middleware"):
        driver = await Driver.http(app_with(factory)).run()
    assert driver.body == b"hello"


async def test_the_current_application_follows_the_chain() -> None:
    seen = []

    def noting(name: str) -> Any:
        @web.middleware
        async def note(request: web.Request, handler: Any) -> Any:
            seen.append((name, request.app))
            try:
                return await handler(request)
            finally:
                seen.append((name, request.app))

        return note

    outer, inner = web.Application(middlewares=[noting("outer")]), web.Application(middlewares=[noting("inner")])
    inner.router.add_get("/", hello)
    outer.add_subapp("/inner", inner)
    await Driver.http(outer, target="/inner/").run()
    assert seen == [("outer", outer), ("inner", inner), ("inner", inner), ("outer", outer)]


async def test_middlewares_run_for_misses_too() -> None:
    seen = []

    @web.middleware
    async def note(request: web.Request, handler: Any) -> Any:
        exception = request.match_info.http_exception
        seen.append(exception and exception.status)
        return await handler(request)

    app = app_with(note)
    await Driver.http(app, target="/none").run()
    await Driver.http(app, "POST").run()
    assert seen == [404, 405]


def test_normalize_path_refuses_contradictions() -> None:
    with pytest.raises(ValueError, match="choose the form"):
        web.normalize_path_middleware(append_slash=True, remove_slash=True)
