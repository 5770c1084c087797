"""What the router says of a request."""

# `web` is one of two modules, hence Any to mypy.
# mypy: disallow-untyped-decorators=False

from __future__ import annotations

from typing import Any

import pytest

from tests.contract import modules
from tests.contract.backends import Backend
from tests.contract.modules import handler, mocked_request, resolve

web = modules.web


def application(web: Any) -> Any:
    app = web.Application()
    app.router.add_get("/a/{x}", handler, name="a")
    return app


async def test_match(web: Any) -> None:
    app = application(web)
    info = await resolve(app, web, "GET", "/a/b%20c")
    assert isinstance(info, web.UrlMappingMatchInfo)
    assert issubclass(web.UrlMappingMatchInfo, dict)
    assert info == {"x": "b c"}
    assert info.handler is handler
    assert info.route.name == "a"
    assert info.http_exception is None
    assert info.get_info() == app.router["a"].get_info()
    assert repr(info).startswith("<MatchInfo {'x': 'b c'}: <ResourceRoute [GET] <DynamicResource 'a'  /a/{x}> -> ")


async def test_not_found(web: Any) -> None:
    info = await resolve(application(web), web, "GET", "/b")
    assert isinstance(info.http_exception, web.HTTPNotFound)
    assert info == {}
    assert info.route.status == 404
    assert info.route.reason == "Not Found"
    assert info.route.name is None
    assert info.route.resource is None
    assert info.route.method == "*"
    assert info.get_info() == {"http_exception": info.http_exception}
    assert repr(info) == "<MatchInfoError 404: Not Found>"
    assert repr(info.route) == "<SystemRoute 404: Not Found>"


async def test_method_not_allowed(web: Any) -> None:
    info = await resolve(application(web), web, "POST", "/a/b")
    assert isinstance(info.http_exception, web.HTTPMethodNotAllowed)
    assert info.http_exception.method == "POST"
    assert info.http_exception.allowed_methods == {"GET", "HEAD"}
    assert info.route.status == 405
    assert repr(info) == "<MatchInfoError 405: Method Not Allowed>"


async def test_handler_of_a_mismatch_raises(web: Any) -> None:
    app = application(web)
    request = mocked_request(web, "GET", "/b")
    info = await app.router.resolve(request)
    with pytest.raises(web.HTTPNotFound):
        await info.handler(request)


async def test_router_leaves_the_applications_to_its_caller(web: Any) -> None:
    app = application(web)
    info = await resolve(app, web, "GET", "/a/b")
    assert info.apps == ()
    info.add_app(app)
    assert info.apps == (app,)
    assert info.current_app is app
    info.freeze()
    with pytest.raises(RuntimeError, match=r"Cannot change apps stack after \.freeze"):
        info.add_app(web.Application())


async def test_applications_of_a_mismatch(web: Any) -> None:
    app = application(web)
    info = await resolve(app, web, "GET", "/b")
    assert info.apps == ()
    info.add_app(app)
    assert info.apps == (app,)


async def test_sub_application_is_known_to_the_router(web: Any) -> None:
    app, sub = web.Application(), application(web)
    app.add_subapp("/sub", sub)
    info = await resolve(app, web, "GET", "/sub/a/1")
    assert info.apps == (sub,)
    info.add_app(app)
    assert info.apps == (app, sub)


async def test_made_by_hand(web: Any) -> None:
    route = application(web).router.add_get("/b", handler)
    info = web.UrlMappingMatchInfo({"x": "1"}, route)
    assert info == {"x": "1"}
    assert info.route is route
    assert info.handler is handler


async def test_match_info_of_a_request(backend: Backend) -> None:
    web = backend.web

    async def show(request: Any) -> Any:
        info = request.match_info
        return web.json_response(
            {
                "items": dict(info),
                "get": info.get("y", "none"),
                "apps": [each is app for each in info.apps],
                "current": info.current_app is app,
                "handler": info.handler is show,
                "exception": info.http_exception,
                "canonical": info.route.resource.canonical,
            }
        )

    app = web.Application()
    app.router.add_get("/{x}", show)
    async with backend.client(app) as client:
        assert (await client.get("/1")).json() == {
            "items": {"x": "1"},
            "get": "none",
            "apps": [True],
            "current": True,
            "handler": True,
            "exception": None,
            "canonical": "/{x}",
        }


async def test_missing_variable(backend: Backend) -> None:
    web = backend.web

    async def show(request: Any) -> Any:
        with pytest.raises(KeyError):
            request.match_info["y"]
        return web.Response()

    app = web.Application()
    app.router.add_get("/{x}", show)
    async with backend.client(app) as client:
        assert (await client.get("/1")).status_code == 200


async def test_match_info_may_be_written(backend: Backend) -> None:
    """A middleware may convert a value for the handler."""
    web = backend.web

    @web.middleware
    async def numbers(request: Any, handler: Any) -> Any:
        request.match_info["x"] = int(request.match_info["x"])
        return await handler(request)

    async def show(request: Any) -> Any:
        return web.json_response(request.match_info["x"] + 1)

    app = web.Application(middlewares=[numbers])
    app.router.add_get("/{x}", show)
    async with backend.client(app) as client:
        assert (await client.get("/41")).json() == 42


async def test_values_of_one_request_are_its_own(backend: Backend) -> None:
    web = backend.web

    async def show(request: Any) -> Any:
        request.match_info["seen"] = "yes"
        return web.json_response(sorted(request.match_info))

    app = web.Application()
    app.router.add_get("/plain", show)
    async with backend.client(app) as client:
        await client.get("/plain")
        assert (await client.get("/plain")).json() == ["seen"]


async def test_middleware_sees_the_mismatch(backend: Backend) -> None:
    web = backend.web
    seen = []

    @web.middleware
    async def look(request: Any, handler: Any) -> Any:
        exception = request.match_info.http_exception
        seen.append((request.match_info.route.status, exception.status, request.match_info.route.name))
        return await handler(request)

    app = web.Application(middlewares=[look])
    app.router.add_get("/a", handler, allow_head=False)
    async with backend.client(app) as client:
        await client.get("/b")
        await client.post("/a")
    assert seen == [(404, 404, None), (405, 405, None)]


async def test_expect_handler_of_a_route(web: Any) -> None:
    async def expect(request: Any) -> None: ...

    app = web.Application()
    app.router.add_post("/a", handler, expect_handler=expect)
    info = await resolve(app, web, "POST", "/a")
    assert info.route.handle_expect_header(mocked_request(web, "POST", "/a")).close() is None
