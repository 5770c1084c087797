"""Class-based views."""

# `web` is one of two modules, hence Any to mypy.
# mypy: disallow-untyped-decorators=False, disallow-subclassing-any=False

from __future__ import annotations

from typing import Any

import pytest

from tests.contract import modules
from tests.contract.backends import Backend
from tests.contract.modules import handler, mocked_request

web = modules.web


def item_view(web: Any) -> Any:
    class Item(web.View):
        async def get(self) -> Any:
            return web.Response(text="get " + self.request.match_info["x"])

        async def post(self) -> Any:
            return web.Response(text="post " + await self.request.text(), status=201)

        async def helper(self) -> Any:
            raise NotImplementedError

    return Item


async def test_methods_of_a_view(backend: Backend) -> None:
    app = backend.web.Application()
    app.router.add_view("/items/{x}", item_view(backend.web))
    async with backend.client(app) as client:
        assert (await client.get("/items/1")).text == "get 1"
        response = await client.post("/items/1", content=b"body")
    assert (response.status_code, response.text) == (201, "post body")


async def test_method_that_a_view_has_not(backend: Backend) -> None:
    app = backend.web.Application()
    app.router.add_view("/items/{x}", item_view(backend.web))
    async with backend.client(app) as client:
        response = await client.put("/items/1")
    assert response.status_code == 405
    assert sorted(response.headers["Allow"].split(",")) == ["GET", "POST"]
    assert response.text == "405: Method Not Allowed"


@pytest.mark.parametrize("method", ["HELPER", "REQUEST", "_ITER", "__INIT__", "__AWAIT__"])
async def test_s30_other_attributes_are_no_methods(web: Any, method: str) -> None:
    request = mocked_request(web, method, "/items/7", match_info={"x": "7"})
    with pytest.raises(web.HTTPMethodNotAllowed) as caught:
        await item_view(web)(request)
    assert caught.value.allowed_methods == {"GET", "POST"}


async def test_view_registered_for_one_method(backend: Backend) -> None:
    app = backend.web.Application()
    app.router.add_get("/items/{x}", item_view(backend.web), allow_head=False)
    async with backend.client(app) as client:
        assert (await client.get("/items/1")).text == "get 1"
        response = await client.post("/items/1")
    assert response.status_code == 405
    assert response.headers["Allow"] == "GET"


async def test_view_of_a_route_table(backend: Backend) -> None:
    web = backend.web
    routes = web.RouteTableDef()

    @routes.view("/a")
    class Index(web.View):  # type: ignore[name-defined]
        async def delete(self) -> Any:
            return web.Response(text="gone")

    app = web.Application()
    app.add_routes(routes)
    async with backend.client(app) as client:
        assert (await client.delete("/a")).text == "gone"
        assert (await client.get("/a")).headers["Allow"] == "DELETE"


async def test_view_with_options_and_head(backend: Backend) -> None:
    web = backend.web

    class Index(web.View):  # type: ignore[name-defined]
        async def head(self) -> Any:
            return web.Response(headers={"X-Head": "1"})

        async def options(self) -> Any:
            return web.Response(headers={"X-Options": "1"})

    app = web.Application()
    app.router.add_view("/", Index)
    async with backend.client(app) as client:
        assert (await client.head("/")).headers["X-Head"] == "1"
        assert (await client.options("/")).headers["X-Options"] == "1"


async def test_view_without_methods(backend: Backend) -> None:
    app = backend.web.Application()
    app.router.add_view("/", backend.web.View)
    async with backend.client(app) as client:
        response = await client.get("/")
    assert response.status_code == 405
    assert response.headers.get("Allow", "") == ""


async def test_inherited_methods(backend: Backend) -> None:
    web = backend.web

    base: Any = item_view(web)

    class More(base):
        async def patch(self) -> Any:
            return web.Response(text="patch")

    app = web.Application()
    app.router.add_view("/items/{x}", More)
    async with backend.client(app) as client:
        assert (await client.get("/items/1")).text == "get 1"
        assert (await client.patch("/items/1")).text == "patch"


async def test_each_request_has_its_own_view(backend: Backend) -> None:
    web = backend.web

    class Count(web.View):  # type: ignore[name-defined]
        seen = 0

        async def get(self) -> Any:
            self.seen += 1
            return web.Response(text=str(self.seen))

    app = web.Application()
    app.router.add_view("/", Count)
    async with backend.client(app) as client:
        await client.get("/")
        assert (await client.get("/")).text == "1"


async def test_view_may_raise(backend: Backend) -> None:
    web = backend.web

    class Index(web.View):  # type: ignore[name-defined]
        async def get(self) -> Any:
            raise web.HTTPFound("/elsewhere")

    app = web.Application()
    app.router.add_view("/", Index)
    async with backend.client(app) as client:
        response = await client.get("/")
    assert response.status_code == 302
    assert response.headers["Location"] == "/elsewhere"


async def test_view_under_middlewares(backend: Backend) -> None:
    web = backend.web

    @web.middleware
    async def mark(request: Any, handler: Any) -> Any:
        response = await handler(request)
        response.headers["X-Route"] = request.match_info.handler.__name__
        return response

    app = web.Application(middlewares=[mark])
    app.router.add_view("/items/{x}", item_view(web))
    async with backend.client(app) as client:
        response = await client.get("/items/1")
    assert response.text == "get 1"
    assert response.headers["X-Route"] == "Item"


async def test_view_is_awaited_by_itself(web: Any) -> None:
    """`await View(request)` runs the method of the request: so a view is tested, or used inside of another handler."""
    request = mocked_request(web, "GET", "/items/7", match_info={"x": "7"})
    view = item_view(web)(request)
    assert view.request is request
    assert (await view).text == "get 7"


async def test_view_awaited_with_another_method(web: Any) -> None:
    request = mocked_request(web, "DELETE", "/items/7", match_info={"x": "7"})
    with pytest.raises(web.HTTPMethodNotAllowed) as caught:
        await item_view(web)(request)
    assert caught.value.method == "DELETE"
    assert caught.value.allowed_methods == {"GET", "POST"}


def test_route_of_a_view(web: Any) -> None:
    view = item_view(web)
    route = web.Application().router.add_view("/items/{x}", view, name="item")
    assert route.method == "*"
    assert route.handler is view
    assert route.name == "item"
    assert str(route.url_for(x="1")) == "/items/1"


async def test_view_beside_a_handler(backend: Backend) -> None:
    """The view answers every method of its resource; a resource before it keeps the methods it has."""
    web = backend.web

    async def put(request: Any) -> Any:
        return web.Response(text="put")

    app = web.Application()
    app.router.add_put("/items/{x}", put)
    app.router.add_view("/items/{x}", item_view(web))
    async with backend.client(app) as client:
        assert (await client.put("/items/1")).text == "put"
        assert (await client.get("/items/1")).text == "get 1"


def test_method_after_a_view(web: Any) -> None:
    app = web.Application()
    app.router.add_view("/", item_view(web))
    with pytest.raises(RuntimeError, match=r"method \* is already registered"):
        app.router.add_put("/", handler)
