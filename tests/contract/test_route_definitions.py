"""Routes as values: `web.get(...)`, RouteTableDef and add_routes."""

# `web` is one of two modules, hence Any to mypy.
# mypy: disallow-untyped-decorators=False, disallow-subclassing-any=False

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import pytest

from tests.contract import modules
from tests.contract.backends import Backend
from tests.contract.modules import handler

web = modules.web


def test_get(web: Any) -> None:
    definition = web.get("/a", handler, name="a")
    assert isinstance(definition, web.RouteDef)
    assert isinstance(definition, web.AbstractRouteDef)
    assert (definition.method, definition.path, definition.handler) == ("GET", "/a", handler)
    assert definition.kwargs == {"name": "a", "allow_head": True}


@pytest.mark.parametrize("method", ["head", "post", "put", "patch", "delete", "options"])
def test_shorthands(web: Any, method: str) -> None:
    definition = getattr(web, method)("/a", handler, name="a")
    assert (definition.method, definition.path, definition.handler) == (method.upper(), "/a", handler)
    assert definition.kwargs == {"name": "a"}


def test_view(web: Any) -> None:
    definition = web.view("/a", web.View)
    assert (definition.method, definition.path, definition.handler) == ("*", "/a", web.View)


def test_route_keeps_the_method_as_given(web: Any) -> None:
    assert web.route("purge", "/a", handler).method == "purge"


def test_static(web: Any, tmp_path: Any) -> None:
    definition = web.static("/static", tmp_path, show_index=True)
    assert isinstance(definition, web.StaticDef)
    assert (definition.prefix, definition.path, definition.kwargs) == ("/static", tmp_path, {"show_index": True})


def test_definitions_are_values(web: Any) -> None:
    assert web.get("/a", handler) == web.get("/a", handler)
    assert web.get("/a", handler) != web.post("/a", handler)
    assert web.RouteDef("PUT", "/a", handler, {}) == web.put("/a", handler)
    with pytest.raises(AttributeError):
        web.get("/a", handler).path = "/b"


def test_repr(web: Any, tmp_path: Any) -> None:
    assert repr(web.post("/a", handler)) == "<RouteDef POST /a -> 'handler'>"
    assert repr(web.put("/a", handler, name="n")) == "<RouteDef PUT /a -> 'handler', name='n'>"
    assert repr(web.static("/s", tmp_path, show_index=True)) == f"<StaticDef /s -> {tmp_path}, show_index=True>"
    assert repr(web.RouteTableDef()) == "<RouteTableDef count=0>"


def test_table_is_a_sequence(web: Any) -> None:
    routes = web.RouteTableDef()
    routes.get("/a")(handler)
    routes.post("/b")(handler)
    assert isinstance(routes, Sequence)
    assert len(routes) == 2
    assert [definition.path for definition in routes] == ["/a", "/b"]
    assert routes[1] == web.post("/b", handler)
    assert routes[:1] == [routes[0]]
    assert routes[1] in routes
    assert web.get("/c", handler) not in routes


def test_decorators_return_what_they_decorate(web: Any) -> None:
    routes = web.RouteTableDef()
    assert routes.get("/a")(handler) is handler
    assert routes.route("*", "/b")(handler) is handler
    assert routes.view("/c")(web.View) is web.View
    assert [definition.method for definition in routes] == ["GET", "*", "*"]


def test_table_declares_every_kind(web: Any, tmp_path: Any) -> None:
    routes = web.RouteTableDef()
    for method in ("head", "get", "post", "put", "patch", "delete", "options"):
        getattr(routes, method)("/a")(handler)
    routes.static("/static", tmp_path)
    assert [definition.method for definition in routes[:7]] == [
        "HEAD",
        "GET",
        "POST",
        "PUT",
        "PATCH",
        "DELETE",
        "OPTIONS",
    ]
    assert isinstance(routes[7], web.StaticDef)


def test_add_routes_returns_the_routes(web: Any) -> None:
    app = web.Application()
    routes = app.add_routes([web.get("/a", handler, name="a"), web.post("/b", handler), web.view("/c", web.View)])
    assert [(route.method, route.resource.canonical) for route in routes] == [
        ("GET", "/a"),
        ("POST", "/b"),
        ("*", "/c"),
    ]
    assert app.router["a"] is routes[0].resource


def test_router_has_add_routes_too(web: Any) -> None:
    app = web.Application()
    (route,) = app.router.add_routes([web.get("/a", handler)])
    assert route.handler is handler


def test_name_of_a_method_other_than_get(web: Any) -> None:
    app = web.Application()
    app.add_routes([web.post("/a", handler, name="create")])
    assert str(app.router["create"].url_for()) == "/a"


def test_register_by_hand(web: Any) -> None:
    app = web.Application()
    (route,) = web.RouteDef("PUT", "/a", handler, {"name": "a"}).register(app.router)
    assert list(app.router["a"]) == [route]
    assert route.resource.canonical == "/a"


def test_own_definition(web: Any) -> None:
    class Crud(web.AbstractRouteDef):
        def register(self, router: Any) -> Any:
            return [router.add_get("/items", handler), router.add_post("/items", handler)]

    app = web.Application()
    assert [route.method for route in app.add_routes([Crud()])] == ["GET", "POST"]


def test_abstract_definition_cannot_be_made(web: Any) -> None:
    with pytest.raises(TypeError):
        web.AbstractRouteDef()


def test_unknown_option_of_a_route(web: Any) -> None:
    with pytest.raises(TypeError):
        web.Application().add_routes([web.post("/a", handler, colour="red")])


def test_add_routes_wants_an_iterable(web: Any) -> None:
    with pytest.raises(TypeError):
        web.Application().add_routes(web.get("/a", handler))


async def test_table_serves(backend: Backend) -> None:
    web = backend.web
    routes = web.RouteTableDef()

    @routes.get("/a/{x}")
    async def read(request: Any) -> Any:
        return web.Response(text="read " + request.match_info["x"])

    @routes.post("/a/{x}")
    @routes.put("/a/{x}")
    async def write(request: Any) -> Any:
        return web.Response(text=request.method)

    app = web.Application()
    app.add_routes(routes)
    async with backend.client(app) as client:
        assert (await client.get("/a/1")).text == "read 1"
        assert (await client.post("/a/1")).text == "POST"
        assert (await client.put("/a/1")).text == "PUT"
        assert (await client.delete("/a/1")).headers["Allow"] == "GET,HEAD,POST,PUT"


async def test_table_refuses_head(backend: Backend) -> None:
    web = backend.web
    routes = web.RouteTableDef()

    @routes.get("/a", allow_head=False)
    async def read(request: Any) -> Any:
        return web.Response()

    app = web.Application()
    app.add_routes(routes)
    async with backend.client(app) as client:
        assert (await client.head("/a")).status_code == 405


async def test_one_table_in_two_applications(backend: Backend) -> None:
    web = backend.web
    routes = web.RouteTableDef()

    @routes.get("/where")
    async def where(request: Any) -> Any:
        return web.Response(text=request.path)

    app, sub = web.Application(), web.Application()
    app.add_routes(routes)
    sub.add_routes(routes)
    app.add_subapp("/sub", sub)
    async with backend.client(app) as client:
        assert (await client.get("/where")).text == "/where"
        assert (await client.get("/sub/where")).text == "/sub/where"


async def test_bound_method_as_handler(backend: Backend) -> None:
    web = backend.web

    class Counter:
        def __init__(self) -> None:
            self.count = 0

        async def increment(self, request: Any) -> Any:
            self.count += 1
            return web.Response(text=str(self.count))

    counter = Counter()
    app = web.Application()
    app.add_routes([web.post("/count", counter.increment)])
    async with backend.client(app) as client:
        await client.post("/count")
        assert (await client.post("/count")).text == "2"


async def test_partial_as_handler(backend: Backend) -> None:
    web = backend.web

    async def greet(greeting: str, request: Any) -> Any:
        return web.Response(text=f"{greeting} {request.match_info['name']}")

    app = web.Application()
    app.add_routes([web.get("/hello/{name}", functools.partial(greet, "Hello"))])
    async with backend.client(app) as client:
        assert (await client.get("/hello/Ada")).text == "Hello Ada"
