"""Resources, routes and the router as a table: names, views, reprs, and what is refused when."""

# `web` is one of two modules, hence Any to mypy.
# mypy: disallow-subclassing-any=False

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sized
from typing import Any

import pytest

from tests.contract import modules
from tests.contract.backends import Backend
from tests.contract.modules import handler

web = modules.web


def router(web: Any) -> Any:
    return web.Application().router


def test_plain_resource(web: Any) -> None:
    resource = router(web).add_resource("/a/b", name="x")
    assert isinstance(resource, web.PlainResource)
    assert isinstance(resource, web.Resource)
    assert isinstance(resource, web.AbstractResource)
    assert resource.canonical == "/a/b"
    assert resource.name == "x"
    assert resource.get_info() == {"path": "/a/b"}
    assert repr(resource) == "<PlainResource 'x'  /a/b>"


def test_dynamic_resource(web: Any) -> None:
    resource = router(web).add_resource(r"/a/{b}/{c:\d+}")
    assert isinstance(resource, web.DynamicResource)
    assert resource.canonical == "/a/{b}/{c}"
    assert resource.name is None
    info = resource.get_info()
    assert info["formatter"] == "/a/{b}/{c}"
    assert isinstance(info["pattern"], re.Pattern)
    match = info["pattern"].fullmatch("/a/x/12")
    assert match is not None
    assert match.groupdict() == {"b": "x", "c": "12"}
    assert info["pattern"].fullmatch("/a/x/y") is None
    assert repr(resource) == "<DynamicResource  /a/{b}/{c}>"


def test_static_resource(web: Any, tmp_path: Any) -> None:
    resource = modules.add_static(web, "/static/", tmp_path, name="static")
    assert isinstance(resource, web.StaticResource)
    assert resource.canonical == "/static"
    assert resource.name == "static"
    info = resource.get_info()
    assert (info["directory"], info["prefix"]) == (tmp_path, "/static")
    assert {route.method for route in info["routes"].values()} == {"GET", "HEAD"}
    assert len(resource) == 2


def test_static_needs_a_directory(web: Any, tmp_path: Any) -> None:
    with pytest.raises(ValueError):
        modules.add_static(web, "/static", tmp_path / "missing")
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ValueError):
        modules.add_static(web, "/static", file)


def test_sub_application_resource(web: Any) -> None:
    app, sub = web.Application(), web.Application()
    sub.router.add_get("/x", handler, allow_head=False)
    resource = app.add_subapp("/sub/", sub)
    assert resource.canonical == "/sub"
    assert resource.get_info() == {"app": sub, "prefix": "/sub"}
    assert [route.method for route in resource] == ["GET"]
    assert len(resource) == 1
    assert resource.name is None


def test_resource_is_a_collection_of_routes(web: Any) -> None:
    resource = router(web).add_resource("/a")
    assert len(resource) == 0
    route = resource.add_route("GET", handler)
    assert list(resource) == [route]
    assert isinstance(resource, Sized)
    assert isinstance(resource, Iterable)


def test_route(web: Any) -> None:
    route = router(web).add_get("/a/{b}", handler, name="x")
    assert isinstance(route, web.ResourceRoute)
    assert isinstance(route, web.AbstractRoute)
    assert route.method == "GET"
    assert route.handler is handler
    assert route.name == "x"
    assert route.resource.canonical == "/a/{b}"
    assert route.get_info() == route.resource.get_info()
    assert repr(route).startswith("<ResourceRoute [GET] <DynamicResource 'x'  /a/{b}> -> <function handler at ")


def test_router_is_a_mapping_of_names(web: Any) -> None:
    table = router(web)
    assert issubclass(web.UrlDispatcher, Mapping)
    a = table.add_resource("/a", name="a")
    table.add_resource("/b")
    c = table.add_resource("/c", name="c")
    assert len(table) == 2
    assert list(table) == ["a", "c"]
    assert "a" in table
    assert "b" not in table
    assert table["c"] is c
    assert table.get("b") is None
    assert dict(table.items()) == {"a": a, "c": c}
    with pytest.raises(KeyError):
        table["b"]


def test_router_is_true_without_names(web: Any) -> None:
    """`if app.router:` asks for the length, as of any mapping."""
    assert not router(web)


def test_named_resources(web: Any) -> None:
    table = router(web)
    resource = table.add_resource("/a", name="a")
    names = table.named_resources()
    assert dict(names) == {"a": resource}
    with pytest.raises(TypeError):
        names["b"] = resource


def test_resources_view(web: Any) -> None:
    table = router(web)
    a, b = table.add_resource("/a"), table.add_resource("/b/{x}")
    view = table.resources()
    assert len(view) == 2
    assert list(view) == [a, b]
    assert a in view
    assert router(web).add_resource("/a") not in view


def test_routes_view(web: Any) -> None:
    table = router(web)
    get = table.add_get("/a", handler)
    post = table.add_post("/b", handler)
    view = table.routes()
    assert [route.method for route in view] == ["HEAD", "GET", "POST"]
    assert len(view) == 3
    assert get in view
    assert post in view


def test_routes_view_goes_into_sub_applications(web: Any) -> None:
    app, sub = web.Application(), web.Application()
    app.router.add_post("/a", handler)
    sub.router.add_put("/b", handler)
    app.add_subapp("/sub", sub)
    assert [(route.method, route.resource.canonical) for route in app.router.routes()] == [
        ("POST", "/a"),
        ("PUT", "/sub/b"),
    ]


def test_same_path_in_a_row_is_one_resource(web: Any) -> None:
    table = router(web)
    assert table.add_get("/a/{x}", handler).resource is table.add_post("/a/{x}", handler).resource
    assert len(table.resources()) == 1


def test_same_path_apart_is_another_resource(web: Any) -> None:
    table = router(web)
    first = table.add_resource("/a")
    table.add_resource("/b")
    assert table.add_resource("/a") is not first


def test_same_path_with_another_name_is_another_resource(web: Any) -> None:
    table = router(web)
    named = table.add_resource("/a", name="a")
    assert table.add_resource("/a", name="a") is named
    assert table.add_resource("/a") is not named


def test_method_taken(web: Any) -> None:
    table = router(web)
    table.add_post("/a", handler)
    with pytest.raises(RuntimeError, match="Added route will never be executed, method POST is already registered"):
        table.add_post("/a", handler)


def test_method_after_any_method(web: Any) -> None:
    table = router(web)
    table.add_route("*", "/a", handler)
    with pytest.raises(RuntimeError, match=r"method \* is already registered"):
        table.add_post("/a", handler)


def test_name_taken(web: Any) -> None:
    table = router(web)
    table.add_resource("/a", name="a")
    with pytest.raises(ValueError, match="Duplicate 'a', already handled by"):
        table.add_resource("/b", name="a")


@pytest.mark.parametrize("name", ["a", "a.b", "a:b", "a-b", "a_1", "é", "None1"])
def test_names(web: Any, name: str) -> None:
    assert router(web).add_resource("/a", name=name).name == name


@pytest.mark.parametrize("name", ["", "1a", "a b", "a..b", "a-1", "a/b", "class", "a.import"])
def test_bad_names(web: Any, name: str) -> None:
    with pytest.raises(ValueError, match="Incorrect route name"):
        router(web).add_resource("/a", name=name)


@pytest.mark.parametrize("path", ["a", "a/b", "{x}", "http://host/a"])
def test_path_begins_with_a_slash(web: Any, path: str) -> None:
    with pytest.raises(ValueError, match="path should be started with / or be empty"):
        router(web).add_get(path, handler)


@pytest.mark.parametrize(
    "path", ["/{", "/}", "/{a", "/a}", "/{}", "/{1a}", "/{a:}", "/{ a }", "/{a-b}", "/{a}}", "/{{a}"]
)
def test_bad_templates(web: Any, path: str) -> None:
    with pytest.raises(ValueError, match="Invalid path"):
        router(web).add_get(path, handler)


@pytest.mark.parametrize("path", ["/{a:[}", "/{a:(}", "/{a:*}", "/{a}/{a}"])
def test_bad_patterns(web: Any, path: str) -> None:
    with pytest.raises(ValueError, match="Bad pattern"):
        router(web).add_get(path, handler)


@pytest.mark.parametrize("method", ["", "GE T", "GET/", "é", "GET\r\nX: y"])
def test_bad_methods(web: Any, method: str) -> None:
    with pytest.raises(ValueError, match="is not allowed HTTP method"):
        router(web).add_route(method, "/a", handler)


def test_method_is_upper_case(web: Any) -> None:
    assert router(web).add_route("mkcol", "/a", handler).method == "MKCOL"


def test_bare_function(web: Any) -> None:
    def bare(request: Any) -> Any:
        raise NotImplementedError

    with pytest.warns(DeprecationWarning, match="Bare functions are deprecated, use async ones"):
        router(web).add_get("/a", bare, allow_head=False)


@pytest.mark.parametrize("bad", [None, "handler", 1])
def test_handler_that_is_none(web: Any, bad: object) -> None:
    with pytest.raises((AssertionError, TypeError)):
        router(web).add_get("/a", bad)


def test_expect_handler_that_is_no_coroutine_function(web: Any) -> None:
    with pytest.raises((AssertionError, TypeError)):
        router(web).add_get("/a", handler, expect_handler=lambda request: None)


def test_frozen_router(web: Any) -> None:
    table = router(web)
    table.add_get("/a", handler)
    assert table.frozen is False
    table.freeze()
    assert table.frozen is True
    with pytest.raises(RuntimeError, match="Cannot register a resource into frozen router"):
        table.add_get("/b", handler)
    with pytest.raises(RuntimeError, match="Cannot register a resource into frozen router"):
        table.add_resource("/b")


def test_frozen_router_takes_no_static(web: Any, tmp_path: Any) -> None:
    table = router(web)
    table.freeze()
    with pytest.raises(RuntimeError):
        table.add_static("/static", tmp_path)


async def test_routes_cannot_be_added_by_a_handler(backend: Backend) -> None:
    web = backend.web

    async def index(request: Any) -> Any:
        with pytest.raises(RuntimeError, match="frozen"):
            request.app.router.add_get("/new", handler)
        return web.Response(text="refused")

    app = web.Application()
    app.router.add_get("/", index)
    async with backend.client(app) as client:
        assert (await client.get("/")).text == "refused"
        assert (await client.get("/new")).status_code == 404


def test_raw_match(web: Any) -> None:
    assert router(web).add_resource("/a").raw_match("/a")
    assert router(web).add_resource(r"/a/{x:\d+}").raw_match(r"/a/{x:\d+}")
    assert not router(web).add_resource(r"/a/{x:\d+}").raw_match("/a/1")


def test_register_resource(web: Any) -> None:
    table = router(web)
    resource = web.PlainResource("/a", name="a")
    resource.add_route("GET", handler)
    table.register_resource(resource)
    assert table["a"] is resource
    assert [route.method for route in table.routes()] == ["GET"]


def test_register_resource_wants_a_resource(web: Any) -> None:
    with pytest.raises((AssertionError, TypeError)):
        router(web).register_resource("/a")


async def test_registered_resource_serves(backend: Backend) -> None:
    web = backend.web

    async def read(request: Any) -> Any:
        return web.Response(text=request.match_info["x"])

    resource = web.DynamicResource("/a/{x}")
    resource.add_route("GET", read)
    app = web.Application()
    app.router.register_resource(resource)
    async with backend.client(app) as client:
        assert (await client.get("/a/1")).text == "1"


async def test_own_resource_class(backend: Backend) -> None:
    """A resource of one's own decides by the whole request; it is filed under its `canonical`."""
    web = backend.web

    async def versioned(request: Any) -> Any:
        return web.Response(text="version " + request.match_info["version"])

    class ByHeader(web.PlainResource):  # type: ignore[name-defined]
        async def resolve(self, request: Any) -> Any:
            info, methods = await super().resolve(request)
            if info is not None:
                info["version"] = request.headers.get("X-Version", "1")
            return info, methods

    resource = ByHeader("/api")
    resource.add_route("GET", versioned)
    app = web.Application()
    app.router.register_resource(resource)
    async with backend.client(app) as client:
        assert (await client.get("/api", headers={"X-Version": "3"})).text == "version 3"
        assert (await client.get("/api")).text == "version 1"
        assert (await client.post("/api")).status_code == 405
